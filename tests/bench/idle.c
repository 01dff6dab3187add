/*
 * idle.c: what an idle jail runs: it waits, and has next to no memory of its
 * own.  Static and without a C library, so that it is the jail's memory that
 * is measured; an argument is ignored.
 */
#include "sys.h"

_Noreturn void _start(void);

void
_start(void)
{
	for (;;)
		(void)SYS(SYS_pause);
}
