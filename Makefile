# Warder.  "make" builds into build/, from where everything runs.
#
#   make deps deps-test   install what is needed (Debian)
#   make run              the demonstration: README's first command
#   make check            every fast test: README's second command
#   make check-san        unit and flow tests under sanitizers
#   make SAN=address,undefined           that build alone: build/san-...
#   make CRASH=1          one that can be killed at numbered points: build/crash
#
# bin/warder is linked statically with musl: glibc's start-up costs more than
# the rest of a jail's start (docs/adr/0001-static-launcher.md).  Under SAN it
# is an ordinary glibc program.

.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

CC := gcc
CLANG := clang-14
MUSL_CC := musl-gcc
PKG_CONFIG := pkg-config
PREFIX := /usr/local
DESTDIR :=
SAN :=
CRASH :=
WERROR := $(if $(CI),-Werror)

comma := ,
B := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))$(if $(CRASH),/crash)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wformat=2 -Wimplicit-fallthrough -Wundef -Wwrite-strings $(WERROR)
HARDEN := -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection=full -ftrivial-auto-var-init=zero
OPT := $(if $(SAN),-O1 -g -fno-omit-frame-pointer,-O2 -g)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
# glibc hides what a plain inclusion of the kernel's headers needs
COMMON := -std=gnu17 -D_GNU_SOURCE -iquote include -I. -MMD -MP $(WARN) $(OPT) \
	$(if $(CRASH),-DCRASH_POINTS)
FORTIFY := $(if $(SAN),,-D_FORTIFY_SOURCE=2)

NATIVE_CFLAGS := $(COMMON) $(HARDEN) $(FORTIFY) $(SANFLAGS) -fPIC
NATIVE_LDFLAGS := -Wl,-z,relro,-z,now $(SANFLAGS)

MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
MUSL_CFLAGS := $(COMMON) $(HARDEN) -fno-pie -fno-pic \
	-idirafter /usr/include -idirafter /usr/include/$(MULTIARCH)
MUSL_LDFLAGS := -static -no-pie -Wl,-z,relro,-z,now,-z,noexecstack

# A launcher under a sanitizer cannot be static.
LAUNCHER_FLAVOUR := $(if $(SAN),native,musl)

INIT_CFLAGS := -std=gnu17 -D_GNU_SOURCE -iquote include -MMD -MP $(WARN) -Os -g \
	-ffreestanding -fno-stack-protector -fno-pie -fno-pic \
	-fno-asynchronous-unwind-tables -fcf-protection=none
INIT_LDFLAGS := -static -nostdlib -no-pie -Wl,-z,noexecstack,-z,norelro \
	-Wl,--build-id=none,-z,noseparate-code

# Sources, by the program that they become part of.
BASE_PLAIN := base/audit.c base/child.c base/err.c base/handover.c base/ipc.c base/keyfile.c \
	base/keyfile_source.c 	base/lockdown.c base/lockdown_tree.c base/memfd.c base/opt.c \
	base/sha256.c base/text.c
BASE_ALL := $(wildcard base/*.c)
POLICY_PLAIN := $(addprefix policy/,plan.c plan_differs.c plan_net.c \
	plan_net_fits.c canon.c address.c path.c find.c manager.c builtin.c client.c \
	cache.c load.c seccomp_eval.c)
POLICY_ALL := $(wildcard policy/*.c)
JAIL := $(wildcard jail/*.c) jail/clone.S
CLI := $(wildcard supervisor/cli/*.c)
EGRESS := $(wildcard egress/*.c)
CONFIG := $(wildcard supervisor/config/*.c)
WARDERD := $(wildcard supervisor/warderd/*.c) supervisor/agent.c \
	supervisor/agent_narrow.c supervisor/operator.c
DEPLOY := $(wildcard supervisor/deploy/*.c) supervisor/agent.c
PROBE := $(wildcard supervisor/probe/*.c)
AUDIT := $(wildcard supervisor/audit/*.c)
LIBWARDER := $(wildcard lib/*.c)
PROXY := $(wildcard proxy/*.c)
VAULT := $(wildcard proxy/vault/*.c)
INIT := $(wildcard jail/init/*.c jail/init/*.S)

musl = $(patsubst %,$(B)/musl/%.o,$(basename $(1)))
native = $(patsubst %,$(B)/native/%.o,$(basename $(1)))
launcher = $(call $(LAUNCHER_FLAVOUR),$(1))

PROGRAMS := $(B)/bin/warder $(B)/libexec/warder/warder-init \
	$(B)/libexec/warder/warder-config $(B)/libexec/warder/warder-probe \
	$(B)/libexec/warder/warder-proxy $(B)/libexec/warder/warder-vault \
	$(B)/libexec/warder/warder-client $(B)/libexec/warder/warder-control \
	$(B)/libexec/warder/warder-audit \
	$(B)/sbin/warderd $(B)/libexec/warder/warder-deploy
LIBRARIES := $(if $(LIBWARDER),$(B)/lib/libwarder.so.0)

all: $(PROGRAMS) $(LIBRARIES) $(B)/examples/run

include mk/data.mk mk/proxy.mk mk/warderd.mk mk/control.mk mk/client.mk mk/tests.mk mk/escape.mk mk/install.mk mk/lint.mk mk/run.mk

$(B)/musl/%.o: %.c
	@mkdir -p $(@D)
	$(MUSL_CC) $(MUSL_CFLAGS) -c $< -o $@

$(B)/musl/%.o: %.S
	@mkdir -p $(@D)
	$(MUSL_CC) $(MUSL_CFLAGS) -c $< -o $@

$(B)/native/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(NATIVE_CFLAGS) -c $< -o $@

$(B)/native/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(NATIVE_CFLAGS) -c $< -o $@

$(B)/init/%.o: jail/init/%.c
	@mkdir -p $(@D)
	$(CC) $(INIT_CFLAGS) -c $< -o $@

$(B)/init/%.o: jail/init/%.S
	@mkdir -p $(@D)
	$(CC) $(INIT_CFLAGS) -c $< -o $@

$(B)/bin/warder: $(call launcher,$(CLI) $(EGRESS) $(JAIL) $(POLICY_PLAIN) \
    $(BASE_PLAIN))
	@mkdir -p $(@D)
ifeq ($(LAUNCHER_FLAVOUR),musl)
	$(MUSL_CC) $(MUSL_LDFLAGS) $^ -o $@
else
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -o $@
endif

$(B)/libexec/warder/warder-init: \
    $(patsubst jail/init/%,$(B)/init/%.o,$(basename $(INIT)))
	@mkdir -p $(@D)
	$(CC) $(INIT_LDFLAGS) $^ -o $(B)/init/warder-init.debug
	objcopy --strip-all $(B)/init/warder-init.debug $@

# In any flavour static and without sanitizers: it runs in a jail.
$(B)/libexec/warder/warder-probe: $(call musl,$(PROBE))
	@mkdir -p $(@D)
	$(MUSL_CC) $(MUSL_LDFLAGS) $^ -o $@

$(B)/libexec/warder/warder-config: $(call native,$(CONFIG) $(POLICY_ALL) \
    $(BASE_PLAIN))
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -lyaml -o $@

# It signs the audit log, and reads what jails have had a hand in.
$(B)/libexec/warder/warder-audit: $(call native,$(AUDIT) $(BASE_PLAIN) \
    base/keyfile_read.c base/secret.c)
	@mkdir -p $(@D)
	$(CC) -pie $(NATIVE_LDFLAGS) $^ -lmbedcrypto -o $@

$(B)/lib/libwarder.so.0: $(call native,$(LIBWARDER) $(EGRESS) $(JAIL) $(POLICY_PLAIN) \
    $(BASE_PLAIN)) lib/libwarder.map
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-soname,libwarder.so.0 -Wl,-z,nodelete \
	    -Wl,--version-script=lib/libwarder.map $(NATIVE_LDFLAGS) \
	    $(filter %.o,$^) -o $@
	ln -sf libwarder.so.0 $(@D)/libwarder.so

# The example is built as its users would, against the installed header.
$(B)/examples/run: examples/library/run.c $(B)/lib/libwarder.so.0 \
    include/warder/warder.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) $(OPT) $(SANFLAGS) -Iinclude $< -L$(B)/lib \
	    -lwarder -Wl,-rpath,'$$ORIGIN/../lib' -o $@

clean:
	rm -rf build

.PHONY: all clean
.DEFAULT_GOAL := all
-include $(shell find $(B) -name '*.d' 2>/dev/null)
