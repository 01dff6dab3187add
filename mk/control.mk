# warder-control: the API, the runs, what is stored.  Its parts are tested one
# by one from libtest.a.

CONTROL := $(wildcard supervisor/control/*.c supervisor/control/*/*.c)
CONTROL_PARTS := $(filter-out supervisor/control/main.c \
	supervisor/control/lock.c,$(CONTROL))
CONTROL_BASE := $(addprefix base/,base64.c buf.c clock.c crash.c decimal.c err.c http1.c \
	http1_body.c http1_field.c http1_head.c http1_judge.c http1_start.c \
	http1_write.c ipc.c json.c lockdown.c lockdown_tree.c log.c loop.c \
	memfd.c secret.c settings.c sha256.c stream.c text.c tls.c \
	tls_client.c tls_identity.c tls_server.c)

$(B)/libexec/warder/warder-control: $(call native,$(CONTROL) \
    $(filter $(BASE_ALL),$(CONTROL_BASE)) policy/address.c policy/path.c \
    policy/settings.c)
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -lsqlite3 -ljansson -lssl -lcrypto \
	    -levent_core -lpthread -o $@
