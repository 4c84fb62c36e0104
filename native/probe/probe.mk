# What the kernel can do, tried one by one: read by `cloche doctor`.

$(BUILD)/probe: probe/probe.c probe/probe.mk
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(CFLAGS) -o $@ probe/probe.c

all: $(BUILD)/probe
