# The runtimes' own files, beside what is compiled for them.
GUEST_SOURCES := $(shell find ../guest/python ../guest/node -type f -not -name '*.pyc' -not -name '*.test.ts')
GUEST_FILES := $(patsubst ../guest/%,$(GUEST)/%,$(GUEST_SOURCES))

$(GUEST)/%: ../guest/%
	@mkdir -p $(@D)
	cp $< $@

all: $(GUEST_FILES)
