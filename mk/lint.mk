# make lint: what no test sees.  Each part is a target of its own.
#
#	make lint          all of it
#	make lint-tidy     one part
#	make docs          write what is generated from tables
#	make format        let clang-format have its way

C_FILES := $(shell find $(wildcard base egress include jail lib policy \
	proxy supervisor tests tools examples) -name '*.[ch]' \
	-not -path '*/data/*' 2>/dev/null)
TIDY_C := $(filter %.c,$(filter-out jail/init/%,$(C_FILES)))
LINT_CC := $(CC) $(filter-out -MMD -MP -O2 -g,$(COMMON))
LINT := format calls tidy cppcheck exports man docs shell

# Missing tools come first; then every part runs, whatever the others find.
lint: deps-test
	@$(MAKE) --no-print-directory $(JOBS) all
	@$(MAKE) --no-print-directory -k --output-sync=target $(JOBS) \
	    $(LINT:%=lint-%) && echo "lint: clean"

lint-format:
	@clang-format-14 --dry-run -Werror $(C_FILES)

format:
	clang-format-14 -i $(C_FILES)

lint-calls:
	@tools/checktree --cc "$(LINT_CC)" \
	    --rules calls notes includes headers

# clang-tidy is slow: a file is looked at again when it, a header that it
# includes, or the list of checks has changed.
build/lint/%.tidy: %.c .clang-tidy
	@mkdir -p $(@D)
	@$(LINT_CC) $(TIDY_MORE) -MM -MP -MT $@ -MF $(@:.tidy=.d) $<
	@clang-tidy-14 --quiet $< -- $(filter-out -M%,$(COMMON)) $(TIDY_MORE) \
	    -D__clang_analyzer__ 2>$(@:.tidy=.log) || \
	    { grep -v 'warnings\? generated' $(@:.tidy=.log) >&2; exit 1; }
	@touch $@

# Examples include what is installed, as <warder/...>.
build/lint/examples/%: TIDY_MORE := -Iinclude

lint-tidy: $(TIDY_C:%.c=build/lint/%.tidy)

# cmocka's macros are beyond it: not the tests.
lint-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --inline-suppr \
	    --enable=warning,portability --std=c11 \
	    -D_GNU_SOURCE -D__x86_64__ -D__linux__ \
	    --suppress=missingInclude --suppress='*:/usr/*' \
	    --suppressions-list=tools/cppcheck.txt -Iinclude -I. \
	    -j $(shell nproc) $(filter-out tests/%,$(TIDY_C))

LINT_OBJECTS = $(call native,$(filter %.c,$(BASE_ALL) $(POLICY_ALL) $(JAIL) \
	$(CLI) $(CONFIG) $(AUDIT) $(EGRESS) $(WARDERD) $(DEPLOY) $(CONTROL) \
	$(CLIENT) $(LIBWARDER) $(PROXY) $(VAULT)))

lint-exports: $(LINT_OBJECTS)
	@tools/checktree --rules exports --objects $^

lint-man:
	@for m in $(wildcard docs/man/*.[1-9]); do \
	    mandoc -Tlint -W warning $$m || exit 1; done

SCRIPTS := $(shell grep -rlE '^\#!(/bin/sh|.*/(env )?(ba)?sh)' .ci tests tools \
	2>/dev/null)

lint-shell:
	@shellcheck $(SCRIPTS)

# Documents that are made from tables; lint compares, "make docs" writes.
DOCS := limits errors refusals trust

$(B)/gendoc: $(call native,tools/gendoc.c base/err.c base/text.c \
    jail/trust.c jail/trust_java.c)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

docs: $(DOCS:%=write-%)

$(DOCS:%=write-%): write-%: $(B)/gendoc
	$(B)/gendoc $* >docs/$*.md

lint-docs: $(DOCS:%=compare-%)

$(DOCS:%=compare-%): compare-%: $(B)/gendoc
	@$(B)/gendoc $* | cmp - docs/$*.md || \
	    { echo "docs/$*.md: run make docs" >&2; exit 1; }

.PHONY: lint format docs $(LINT:%=lint-%) $(DOCS:%=write-%) \
	$(DOCS:%=compare-%)
-include $(TIDY_C:%.c=build/lint/%.d)
