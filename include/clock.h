/*
 * clock.h: the time, as one number.
 *
 * Intervals and deadlines are measured on the monotonic clock, which nobody
 * sets; the wall clock is for records alone.  By the raw system call, so that
 * the stages of a start, which share their memory with a launcher, may ask
 * too.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#include "sys.h"

/* One of CLOCK_*, in nanoseconds; these cannot fail. */
static inline uint64_t
clock_ns(clockid_t clock)
{
	struct timespec t = { 0 };

	(void)SYS(SYS_clock_gettime, clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The monotonic clock. */
static inline uint64_t
clock_now_us(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000;
}

static inline uint64_t
clock_now_ms(void)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

#endif /* !CLOCK_H */
