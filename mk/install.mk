# Dependencies, installation.
#
# Packages are named as in Debian 12.  "make deps" is what building and
# running take; "make deps-check" adds what "make check" takes; "make
# deps-test" adds lint, fuzzers' and peers' programs and the virtual machine.

DEPS := gcc libc6-dev musl-tools libyaml-dev libevent-dev \
	libcurl4-openssl-dev libssl-dev libmbedtls-dev libc-ares-dev \
	libjansson-dev libsqlite3-dev openssl python3
DEPS_CHECK := $(DEPS) clang-14 libclang-rt-14-dev libcmocka-dev \
	libseccomp-dev python3-h11 \
	python3-jsonschema python3-yaml iproute2 nftables zsh curl netbase \
	tzdata util-linux procps
DEPS_LINT := clang-format-14 clang-tidy-14 cppcheck mandoc shellcheck
DEPS_TEST := $(DEPS_CHECK) $(DEPS_LINT) strace qemu-system-x86 busybox-static \
	bindfs linux-image-amd64 bubblewrap crun runc curl wget git \
	gnutls-bin nodejs npm python3-venv openjdk-17-jdk-headless python3-requests \
	python3-httpx nginx-light haproxy squid-openssl mitmproxy

# NO_DEPS=1: the machine has what is needed, by other names.
NO_DEPS :=
deps = $(if $(NO_DEPS),@:,@tools/deps $(1))

deps:
	$(call deps,$(DEPS))

deps-check:
	$(call deps,$(DEPS_CHECK))

deps-test:
	$(call deps,$(DEPS_TEST))

VERSION := $(shell sed -n 's/.*WARDER_VERSION "\(.*\)"/\1/p' include/version.h)

# share/ in the tree is what PREFIX/share gets: warder/ (policies, services).
# The build tree has the same shape, so programs find it there.
SHARE := $(patsubst share/%,%,$(shell find share -type f 2>/dev/null))
MAN := $(wildcard docs/man/*.[1-9])
HEADERS := $(patsubst include/%,%,$(wildcard include/warder/*.h))

$(B)/share/%: share/%
	@mkdir -p $(@D)
	cp $< $@

# What bash-completion and zsh read, each shell's script by its own name.
COMPLETE := share/bash-completion/completions/warder \
	share/zsh/site-functions/_warder

$(B)/share/bash-completion/completions/warder: SHELL_NAME := bash
$(B)/share/zsh/site-functions/_warder: SHELL_NAME := zsh

$(COMPLETE:%=$(B)/%): $(B)/bin/warder
	@mkdir -p $(@D)
	$< completion $(SHELL_NAME) >$@

# supervisor/cli/completion.c embeds them.
$(call native,supervisor/cli/completion.c) \
$(call musl,supervisor/cli/completion.c): \
    supervisor/cli/data/completion.bash supervisor/cli/data/completion.zsh

define PC
prefix=$(PREFIX)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: warder
Description: Run programs in jails described by policy files
Version: $(VERSION)
Libs: -L$${libdir} -lwarder
Cflags: -I$${includedir}
endef
export PC

# The SDK lies where native agents find it: warderd shows them this directory.
SDK := $(patsubst sdk/python/%,share/warder/python/%,\
	$(wildcard sdk/python/warder/*.py))

$(B)/share/warder/python/%: sdk/python/%
	@mkdir -p $(@D)
	cp $< $@

all: $(addprefix $(B)/share/,$(SHARE)) $(COMPLETE:%=$(B)/%) $(SDK:%=$(B)/%)

# What is installed: paths below PREFIX, by their mode.
INSTALL_PROGRAMS = $(patsubst $(B)/%,%,$(PROGRAMS))
INSTALL_LIBRARY = $(patsubst $(B)/%,%,$(LIBRARIES))
INSTALL_FILES = $(addprefix share/,$(SHARE)) $(addprefix include/,$(HEADERS)) \
	$(foreach m,$(MAN),share/man/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) \
	$(COMPLETE) $(SDK)
INSTALL_LINKS = $(if $(LIBRARIES),lib/libwarder.so lib/pkgconfig/warder.pc)
INSTALLED = $(INSTALL_PROGRAMS) $(INSTALL_LIBRARY) $(INSTALL_FILES) \
	$(INSTALL_LINKS)
ROOT = $(DESTDIR)$(PREFIX)

# Where an installed file comes from in the tree.
source = $(firstword $(if $(filter share/man/%,$(1)),docs/man/$(notdir $(1))) \
	$(if $(filter $(COMPLETE),$(1)),$(B)/$(1)) \
	$(if $(filter $(SDK),$(1)),$(1:share/warder/python/%=sdk/python/%)) $(1))

install: all
	@set -e; $(foreach f,$(INSTALL_PROGRAMS), \
	    install -D -m 0755 $(B)/$(f) $(ROOT)/$(f);) \
	    $(foreach f,$(INSTALL_LIBRARY), \
	    install -D -m 0644 $(B)/$(f) $(ROOT)/$(f);) \
	    $(foreach f,$(INSTALL_FILES), \
	    install -D -m 0644 $(call source,$(f)) $(ROOT)/$(f);)
ifneq ($(LIBRARIES),)
	@ln -sf libwarder.so.0 $(ROOT)/lib/libwarder.so
	@printf '%s\n' "$$PC" | \
	    install -D -m 0644 /dev/stdin $(ROOT)/lib/pkgconfig/warder.pc
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi
endif
	@echo "installed in $(ROOT)"

# Directories that are Warder's own go too, when nothing else is in them.
uninstall:
	@rm -f $(addprefix $(ROOT)/,$(INSTALLED))
	@find $(ROOT)/libexec/warder $(ROOT)/share/warder \
	    $(ROOT)/include/warder -depth -type d -empty -delete 2>/dev/null || :
	@echo "removed from $(ROOT)"

dist:
	@mkdir -p build
	git archive --format=tar.gz --prefix=warder-$(VERSION)/ \
	    -o build/warder-$(VERSION).tar.gz HEAD
	@echo build/warder-$(VERSION).tar.gz

.PHONY: deps deps-check deps-test install uninstall dist
