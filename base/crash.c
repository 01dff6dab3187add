#include "crash.h"

#ifdef CRASH_POINTS

#	include <fcntl.h>
#	include <stdatomic.h>
#	include <stdio.h>
#	include <string.h>
#	include <unistd.h>

#	include "base.h"

/* The linker's; none where a program has no point. */
extern const struct crash_place __start_crash_points[] __attribute__((weak));
extern const struct crash_place __stop_crash_points[] __attribute__((weak));

static long chosen = -1;
static atomic_long passes;

void
crash_begin(const char *program)
{
	autofd fd = open(CRASH_FILE, O_RDONLY | O_CLOEXEC);
	char text[128] = "", name[64] = "";
	long point, pass;

	if (fd == -1 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%63s %ld %ld", name, &point, &pass) != 3 ||
	    strcmp(name, program) != 0 || unlink(CRASH_FILE) == -1)
		return;
	chosen = point;
	atomic_store(&passes, pass);
}

void
crash_pass(const struct crash_place *p)
{
	if (p - __start_crash_points == chosen &&
	    atomic_fetch_sub(&passes, 1) == 1)
		__builtin_trap();
}

#else
typedef int crash_is_empty; /* a file must not be */
#endif
