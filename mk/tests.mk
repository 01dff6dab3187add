# What the tests are built from, and the targets that run them.

UNIT := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT))
FUZZ := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(FUZZ))

# Unit tests link the whole of base/, policy/ and jail/ as one archive.
$(B)/libtest.a: $(call native,$(BASE_ALL) $(POLICY_ALL) $(JAIL))
	rm -f $@
	ar rcs $@ $^

$(B)/tests/unit/%: $(B)/native/tests/unit/%.o $(B)/libtest.a
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -lcmocka -lyaml -ljansson -lseccomp \
	    -levent_core -o $@

unit: $(UNIT_BIN)
	@for t in $(UNIT_BIN); do echo "== $$t"; $$t || exit 1; done

# Fuzz targets build from source with clang's libFuzzer.
FUZZ_CFLAGS := -std=gnu17 -D_GNU_SOURCE -iquote include -I. -O1 -g \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined

build/fuzz/%: tests/fuzz/%.c $(BASE_PLAIN) $(POLICY_ALL)
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) $^ -lyaml -o $@

.PHONY: unit
