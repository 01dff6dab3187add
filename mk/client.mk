# warder-client: the verbs that ask the service over HTTP.

CLIENT := $(wildcard supervisor/client/*.c)
CLIENT_BASE := $(addprefix base/,buf.c err.c json.c opt.c text.c)

$(B)/libexec/warder/warder-client: $(call native,$(CLIENT) $(CLIENT_BASE))
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -lcurl -ljansson -o $@
