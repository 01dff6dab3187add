# warderd, the supervisor, and warder-deploy, which it starts for each
# deployment: libc alone, with what they share with every launcher, and what
# compares plans.

SUPERVISOR_POLICY := $(addprefix policy/,agent_record.c client_describe.c \
	compare.c merge_cover.c narrow_plan.c seccomp_compile.c seccomp_emit.c \
	seccomp_table.c settings.c within.c)
SUPERVISOR_BASE := $(addprefix base/,crash.c listener.c log.c notify.c ready.c)
SUPERVISOR_PARTS := $(EGRESS) $(JAIL) $(POLICY_PLAIN) $(SUPERVISOR_POLICY) \
	$(BASE_PLAIN) $(SUPERVISOR_BASE)

$(B)/sbin/warderd: $(call native,$(WARDERD) $(SUPERVISOR_PARTS))
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

$(B)/libexec/warder/warder-deploy: $(call native,$(DEPLOY) $(SUPERVISOR_PARTS))
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@
