# warder-control: the API, the runs, what is stored.  Its parts are tested one
# by one from libtest.a.

CONTROL := $(wildcard supervisor/control/*.c supervisor/control/*/*.c)
CONTROL_PARTS := $(filter-out supervisor/control/main.c,$(CONTROL))
