# warder-proxy: the way out of a jail.  It takes libraries that the launcher
# must not link, and what of base/ and policy/ it shares with it.

PROXY_BASE := $(filter-out base/child.c,$(BASE_ALL))
PROXY_POLICY := $(addprefix policy/,plan_net.c canon.c address.c authorize.c \
	explain.c glob.c refusal.c)
PROXY_LIBS := -lcurl -lssl -lcrypto -lmbedx509 -lmbedcrypto -lcares -levent_core

$(B)/libexec/warder/warder-proxy: $(call native,$(PROXY) $(PROXY_POLICY) \
    $(PROXY_BASE))
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ $(PROXY_LIBS) -o $@
