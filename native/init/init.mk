# init: the static process 1 of every sandbox. Included by native/Makefile; works by itself too: make -C native -f init/init.mk init

BUILD ?= ../build
GUEST ?= $(BUILD)/guest

INIT_SOURCES := $(wildcard init/*.c)
INIT_HEADERS := $(wildcard init/*.h)
INIT_WARNINGS := -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wvla -Wwrite-strings
INIT_FLAGS := $(INIT_WARNINGS) -O2 -g -D_GNU_SOURCE -Iinit -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections
INIT_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

.PHONY: init init-asan init-test-parts

all: $(GUEST)/init
init: $(GUEST)/init

$(GUEST)/init: $(INIT_SOURCES) $(INIT_HEADERS) init/init.mk
	@mkdir -p $(@D)
	$(CC) $(INIT_FLAGS) -static -Wl,--gc-sections,-z,relro,-z,now,-z,noexecstack -o $@ $(INIT_SOURCES)

asan: $(BUILD)/asan/init
init-asan: $(BUILD)/asan/init

$(BUILD)/asan/init: $(INIT_SOURCES) $(INIT_HEADERS) init/init.mk
	@mkdir -p $(@D)
	$(CC) $(INIT_WARNINGS) -O1 -g -D_GNU_SOURCE -Iinit $(INIT_SANITIZE) -o $@ $(INIT_SOURCES)

# What the tests need beside init: the namespaces it is started in, and a runtime to hand jobs to.
INIT_TEST_PARTS := $(BUILD)/test/init-stage $(BUILD)/test/init-fake-worker

init-test-parts: $(INIT_TEST_PARTS)

$(BUILD)/test/init-%: init/test/%.c
	@mkdir -p $(@D)
	$(CC) $(INIT_WARNINGS) -O1 -g -D_GNU_SOURCE -o $@ $<
