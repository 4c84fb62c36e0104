# init: the static process 1 of every sandbox. Included by native/Makefile; works by itself too: make -C native -f init/init.mk init

BUILD ?= ../build
GUEST ?= $(BUILD)/guest

INIT_SOURCES := $(wildcard init/*.c)
INIT_HEADERS := $(wildcard init/*.h)
INIT_WARNINGS := -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wvla -Wwrite-strings
INIT_FLAGS := $(INIT_WARNINGS) -O2 -g -D_GNU_SOURCE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections
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
	$(CC) $(INIT_WARNINGS) -O1 -g -D_GNU_SOURCE $(INIT_SANITIZE) -o $@ $(INIT_SOURCES)

# What the tests need beside init: the namespaces it is started in, and a runtime to hand jobs to.
INIT_TEST_PARTS := $(BUILD)/test/init-stage $(BUILD)/test/init-fake-worker

init-test-parts: $(INIT_TEST_PARTS)
asan: $(INIT_TEST_PARTS)

$(BUILD)/test/init-%: init/test/%.c
	@mkdir -p $(@D)
	$(CC) $(INIT_WARNINGS) -O1 -g -D_GNU_SOURCE -o $@ $<

# The parsers, fuzzed: by libFuzzer where clang has it, by mutation of sound inputs otherwise. Bounded: make fuzz-init SECONDS=20
SECONDS ?= 10
INIT_CLANG = $(firstword $(foreach name,clang clang-19 clang-16 clang-14,$(shell command -v $(name))))
INIT_PARSERS := init/fuzz/parsers.c init/frames.c init/fields.c init/records.c
INIT_FUZZ_FLAGS := $(INIT_WARNINGS) -O1 -g -D_GNU_SOURCE -iquote init $(INIT_SANITIZE)

$(BUILD)/asan/fuzz-init: $(INIT_PARSERS) init/fuzz/drive.c $(INIT_HEADERS) init/init.mk
	@mkdir -p $(@D)
	$(if $(INIT_CLANG),$(INIT_CLANG) $(INIT_FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $(INIT_PARSERS) ||) $(CC) $(INIT_FUZZ_FLAGS) -o $@ $(INIT_PARSERS) init/fuzz/drive.c

fuzz-init: $(BUILD)/asan/fuzz-init
	$< -max_total_time=$(SECONDS) -max_len=70000 -print_final_stats=1 -verbosity=0 -artifact_prefix=$(BUILD)/asan/

fuzz: fuzz-init
.PHONY: fuzz-init
