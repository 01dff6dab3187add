# The escape battery's probe: one static program that every jail can run.

ESCAPE_C := $(wildcard tests/escape/probe/*.c)
ESCAPE_PROBE := $(B)/tests/escape/probe

$(ESCAPE_PROBE): $(ESCAPE_C) tests/escape/probe/probe.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -D_GNU_SOURCE $(WARN) -O2 -g -static $(ESCAPE_C) -o $@

test-programs: $(ESCAPE_PROBE)
