# What the tests are built from, and the targets that run them.
#
# tests/run runs the suites and ends in "N passed, N failed, N skipped"; its
# table says which programs belong to which suite.

UNIT := $(wildcard tests/unit/test_*.c)
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT))
FUZZ := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BIN := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(FUZZ))
FUZZ_SECONDS := 600
TEST_LIBS := -Wl,--as-needed -lyaml -ljansson -lsqlite3 -lseccomp -levent_core \
	-lcurl -lssl -lcrypto -lmbedx509 -lmbedcrypto -lcares -lresolv

# Unit tests link the whole of base/, policy/, jail/, proxy/ and the control
# process as one archive.
PROXY_PARTS := $(filter-out proxy/main.c proxy/lock.c,$(PROXY)) \
	$(addprefix proxy/vault/,box.c entry.c oauth_answer.c \
	outbox.c store.c) \
	$(addprefix supervisor/audit/,heads.c lines.c scan.c seal.c tar.c)

$(B)/libtest.a: $(call native,$(BASE_ALL) $(POLICY_ALL) $(JAIL) $(LIBWARDER) \
	$(PROXY_PARTS) $(EGRESS) $(CONTROL_PARTS))
	rm -f $@
	ar rcs $@ $^

# Parts of the command line that are pure are tested alone.
$(B)/tests/unit/test_doctor: $(call native,$(addprefix supervisor/cli/doctor_, \
	judge.c file.c clean.c print.c))
$(B)/tests/unit/test_doctor_trial: $(call native,supervisor/cli/doctor_trial.c)

# Each helper locks itself down by its own table.
$(B)/tests/unit/test_proxy_lock: $(call native,proxy/lock.c)
$(B)/tests/unit/test_vault_lock: $(call native,proxy/vault/lock.c)

$(UNIT_BIN): $(B)/tests/unit/%: $(B)/native/tests/unit/%.o $(B)/libtest.a
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $(filter %.o,$^) \
	    $(filter %.a,$^) -lcmocka $(TEST_LIBS) -o $@

# The fault sweeps' injector traces with ptrace(2), and needs nothing of ours.
INJECT_BIN := $(B)/tests/fault/inject

$(INJECT_BIN): $(B)/native/tests/fault/inject.o
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

# The flow tests' launcher of a jail with capture.
CAPTURED_BIN := $(B)/tests/flow/captured

$(CAPTURED_BIN): $(B)/native/tests/flow/captured.o $(B)/libtest.a
	@mkdir -p $(@D)
	@ln -sfn ../libexec $(B)/tests/libexec
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

# In warder-control's place: it hands warderd's socket to a test.
BRIDGE_BIN := $(B)/tests/flow/bridge

$(BRIDGE_BIN): $(B)/native/tests/flow/bridge.o
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

# The API with attempts that are played, for its flow tests.
CONTROL_STUB_BIN := $(B)/tests/flow/control_stub

$(CONTROL_STUB_BIN): $(B)/native/tests/flow/control_stub.o $(B)/libtest.a
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ $(TEST_LIBS) -o $@

# The proxy's answers to DNS queries, for a test that does the I/O.
DNS_ANSWER_BIN := $(B)/tests/flow/dns_answer

$(DNS_ANSWER_BIN): $(B)/native/tests/flow/dns_answer.o $(B)/libtest.a
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

# TLS servers with a jail's certificates, for other people's clients.
MINTED_BIN := $(B)/tests/conformance/minted

$(MINTED_BIN): $(B)/native/tests/conformance/minted.o $(B)/libtest.a
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ $(TEST_LIBS) -o $@

# What the comparison of the HTTP codec with another parser reads with.
HTTP1_READ_BIN := $(B)/tests/flow/http1_read

$(HTTP1_READ_BIN): $(B)/native/tests/flow/http1_read.o $(B)/libtest.a
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@

# Fuzz targets: clang's libFuzzer, with the same folders in an archive, of
# which each target takes what it needs.
FUZZ_CFLAGS := -std=gnu17 -D_GNU_SOURCE -iquote include -I. -MMD -MP -O1 -g \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_C := $(filter %.c,$(BASE_ALL) $(POLICY_ALL) $(JAIL) $(PROXY_PARTS) \
	$(CONTROL_PARTS) $(EGRESS))
FUZZ_OBJ := $(patsubst %.c,build/fuzz/obj/%.o,$(FUZZ_C))

build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -c $< -o $@

build/fuzz/libfuzz.a: $(FUZZ_OBJ)
	rm -f $@
	ar rcs $@ $^

$(FUZZ_BIN): build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/libfuzz.a
	$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer $^ $(TEST_LIBS) -o $@

# As many jobs as processors, unless the caller has said.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# The service with numbered points at which it can be killed, beside the other
# programs as they are.
CRASH_PROGRAMS := build/crash/sbin/warderd build/crash/libexec/warder/warder-control

crash: all
	@$(MAKE) --no-print-directory CRASH=1 $(CRASH_PROGRAMS)
	@cd build && for p in libexec/warder/*; do \
	    [ "$$p" = libexec/warder/warder-control ] || cp -u $$p crash/$$p; done
	@ln -sfn ../share build/crash/share

.PHONY: crash

# What the tests run.  A binary whose source is gone must not be run.
test-programs: all $(if $(SAN),,crash) $(UNIT_BIN) $(INJECT_BIN) $(CAPTURED_BIN) $(MINTED_BIN) \
    $(CONTROL_STUB_BIN) \
    $(HTTP1_READ_BIN) $(DNS_ANSWER_BIN) $(BRIDGE_BIN) $(FUZZ_BIN)
	@rm -f $(filter-out $(UNIT_BIN) $(UNIT_BIN:%=%.d), \
	    $(wildcard $(B)/tests/unit/test_*))

# The packages may be missing: they come before the tests are built.
check: deps-check
	@$(MAKE) --no-print-directory $(JOBS) test-programs
	@tests/run --build $(B)

# One suite by its name: make check-unit, check-flow, check-escape, ...
check-%: deps-test
	@$(MAKE) --no-print-directory $(JOBS) test-programs
	@tests/run --build $(B) $*

# Unit and flow tests with the programs, the library and the tests themselves
# under AddressSanitizer (with LeakSanitizer) and UndefinedBehaviorSanitizer.
SAN_CHECK := address,undefined
SAN_BUILD := build/san-$(subst $(comma),-,$(SAN_CHECK))

check-san: deps-check
	@$(MAKE) --no-print-directory $(JOBS) SAN=$(SAN_CHECK) test-programs
	@tests/run --build $(SAN_BUILD) unit flow

conformance: check-conformance

# Each call of the storage fails in each way, and power is lost 20,000 times:
# some minutes.
storage-sweep: $(B)/tests/unit/test_control_disk
	$< --all

# 5,000 streams at once, and 20,000 schedules of what happens to them.
streams: $(CONTROL_STUB_BIN) $(B)/tests/unit/test_control_stream
	WARDER_STREAM_SEEDS=20000 $(B)/tests/unit/test_control_stream
	WARDER_BUILD=$(B) tests/flow/test_streams.py --all

unit: $(UNIT_BIN)
	@tests/run --build $(B) unit

fuzz: $(FUZZ_BIN)
	tests/fuzz/run --seconds $(FUZZ_SECONDS)

fuzz-smoke: $(FUZZ_BIN)
	tests/fuzz/run --seconds 10

# Benches: programs that measure, driven by tests/bench/run.
BENCH_ALONE := idle noop_agent
BENCH := $(filter-out $(BENCH_ALONE),$(patsubst tests/bench/%.c,%, \
	$(wildcard tests/bench/*.c)))
BENCH_BIN := $(BENCH:%=$(B)/tests/bench/%) \
	$(BENCH_ALONE:%=$(B)/tests/bench/%)

# It compiles policies, the others must start as any program does.
$(B)/tests/bench/authorize $(B)/tests/bench/ways: BENCH_LIBS := -lyaml
$(B)/tests/bench/load: BENCH_LIBS := -lssl -lcrypto
$(B)/tests/bench/storage: BENCH_LIBS := -lsqlite3 -ljansson -levent_core -lcrypto

$(BENCH:%=$(B)/tests/bench/%): $(B)/tests/bench/%: \
    $(B)/native/tests/bench/%.o $(B)/libtest.a
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ $(BENCH_LIBS) -o $@

# These have no C library.
$(BENCH_ALONE:%=$(B)/tests/bench/%): $(B)/tests/bench/%: \
    $(B)/init/tests/bench/%.o
	@mkdir -p $(@D)
	$(CC) $(INIT_LDFLAGS) -s $^ -o $@

$(B)/init/tests/bench/%.o: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(INIT_CFLAGS) -c $< -o $@

bench: deps-test
	@$(MAKE) --no-print-directory $(JOBS) all $(BENCH_BIN)
	tests/bench/run --build $(B)

.PHONY: test-programs storage-sweep streams check check-san conformance unit fuzz fuzz-smoke bench
-include $(FUZZ_OBJ:.o=.d) $(FUZZ:%.c=build/fuzz/obj/%.d)
