# warder-proxy: the way out of a jail.  It takes libraries that the launcher
# must not link, and what of base/ and policy/ it shares with it.

PROXY_BASE := $(filter-out base/child.c base/handover.c base/json.c,$(BASE_ALL))
PROXY_POLICY := $(addprefix policy/,plan_net.c plan_net_fits.c canon.c \
	address.c authorize.c credential.c explain.c glob.c refusal.c)
PROXY_LIBS := -lcurl -lssl -lcrypto -lmbedx509 -lmbedcrypto -lcares -levent_core

$(B)/libexec/warder/warder-proxy: $(call native,$(PROXY) $(PROXY_POLICY) \
    $(PROXY_BASE))
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ $(PROXY_LIBS) -o $@

# warder-vault keeps the secrets, and gets tokens by the same resolver.
VAULT_BASE := $(addprefix base/,buf.c child.c clock.c decimal.c err.c heap.c \
	heap_tls.c ipc.c \
	keyfile.c keyfile_read.c keyfile_source.c lockdown.c lockdown_tree.c log.c loop.c opt.c secret.c sha256.c text.c transfers.c)

$(B)/libexec/warder/warder-vault: $(call native,$(VAULT) proxy/names.c \
    $(filter $(BASE_ALL),$(VAULT_BASE)) \
    $(addprefix policy/,plan_net.c canon.c address.c))
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -lcurl -lcrypto -lmbedcrypto -lcares -ljansson \
	    -levent_core -o $@
