# Sources made from data files.

# policy/builtin.c embeds them.
$(call native,policy/builtin.c) $(call musl,policy/builtin.c): \
    policy/data/default.yaml

# What the seccomp tables promise, for docs/ and for the escape tests.
SECCOMP_PRINT := $(B)/policy/seccomp-print
SECCOMP_GOLDEN := $(foreach p,strict build debug, \
	$(B)/policy/seccomp-golden-$(p).json)

$(SECCOMP_PRINT): $(call native,tools/seccomp_print.c \
    policy/seccomp_table.c policy/plan.c policy/path.c base/err.c \
    base/sha256.c base/text.c)
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

$(B)/policy/seccomp-golden-%.json: $(SECCOMP_PRINT)
	$< golden $* >$@

seccomp-golden: $(SECCOMP_GOLDEN)

test-programs: seccomp-golden

docs: write-seccomp-tables

write-seccomp-tables: $(SECCOMP_PRINT)
	$< docs >docs/seccomp-tables.md

lint-docs: compare-seccomp-tables

compare-seccomp-tables: $(SECCOMP_PRINT)
	@$< docs | cmp - docs/seccomp-tables.md || \
	    { echo "docs/seccomp-tables.md: run make docs" >&2; exit 1; }

.PHONY: seccomp-golden write-seccomp-tables compare-seccomp-tables

# The key reference comes out of the program itself; tests/flow compares.
docs: docs-policy-keys

docs-policy-keys: $(B)/libexec/warder/warder-config
	{ sed '/^| key /,$$d' docs/policy-keys.md; \
	    $< policy schema --keys; } >$(B)/policy-keys.md
	mv $(B)/policy-keys.md docs/policy-keys.md

.PHONY: docs-policy-keys
