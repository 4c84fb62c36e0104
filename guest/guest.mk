# The runtimes' own files, beside what is compiled for them.
GUEST_SOURCES := $(shell find ../guest/python ../guest/node -type f -not -name '*.pyc' -not -name '*.c' -not -name '*.md' -not -name '*.test.ts')
GUEST_FILES := $(patsubst ../guest/%,$(GUEST)/%,$(GUEST_SOURCES))

$(GUEST)/%: ../guest/%
	@mkdir -p $(@D)
	cp $< $@

$(GUEST)/python/runtime.so: $(wildcard ../guest/python/*.c)
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(CFLAGS) -fPIC -shared -o $@ $^

all: $(GUEST_FILES) $(GUEST)/python/runtime.so
