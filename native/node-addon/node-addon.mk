# The Node zygote's addon: the zygote library and its Node-API face in one object.
$(GUEST)/node/zygote.node: node-addon/addon.c $(ZYGOTE_C) $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(COMMON) $(CFLAGS) -isystem ../node_modules/node-api-headers/include -fPIC -shared -o $@ node-addon/addon.c $(ZYGOTE_C)

all: $(GUEST)/node/zygote.node
