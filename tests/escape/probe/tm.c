/* Clocks: read, never set. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "probe.h"

static void
tm_01(void)
{
	probe_result("settimeofday", CALL(SYS_settimeofday, BAD, NULL));
	probe_result("clock_settime",
	    CALL(SYS_clock_settime, CLOCK_REALTIME, BAD));
	probe_result("adjtimex", CALL(SYS_adjtimex, BAD));
	probe_result("clock_adjtime",
	    CALL(SYS_clock_adjtime, CLOCK_REALTIME, BAD));
	probe_result("open /dev/rtc0",
	    open("/dev/rtc0", O_RDONLY) >= 0 ? 0 : -errno);
	probe_result("open /dev/rtc",
	    open("/dev/rtc", O_RDONLY) >= 0 ? 0 : -errno);
	/* outside: our own namespace's, which has no clock of its own left */
	probe_result("timens_offsets",
	    probe_write("/proc/self/timens_offsets", "monotonic 1 0\n"));
}

const struct probe_check probe_tm[] = {
	{ "TM-01", tm_01 },
	{ NULL, NULL },
};
