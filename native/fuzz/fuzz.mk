# Bounded fuzzing of the launcher's parser, and the writer of control groups for its recorded-tree test.
SECONDS ?= 10

$(BUILD)/asan/fuzz-launcher: fuzz/launcher-request.c launcher/request.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(SANITIZE) -o $@ fuzz/launcher-request.c launcher/request.c

$(BUILD)/asan/cgroup-writer: launcher/test/cgroup-writer.c launcher/cgroup.c launcher/cgroup-find.c launcher/small-files.c launcher/log.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(SANITIZE) -o $@ launcher/test/cgroup-writer.c launcher/cgroup.c launcher/cgroup-find.c launcher/small-files.c launcher/log.c

asan: $(BUILD)/asan/fuzz-launcher $(BUILD)/asan/cgroup-writer

fuzz-launcher: $(BUILD)/asan/fuzz-launcher
	$< $(SECONDS)

fuzz: fuzz-launcher
.PHONY: fuzz-launcher
