/*
 * bench.h: what the programs of tests/bench share.
 *
 * Each prints numbers, one line a measurement, and judges nothing: that is
 * tests/bench/run's.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t
bench_now_ns(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline _Noreturn void
bench_die(const char *what, const char *why)
{
	(void)fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

/* A count from the command line, 1 to 100 million. */
static inline int
bench_count(const char *text)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (end == text || *end != '\0' || v < 1 || v > 100000000)
		bench_die(text, "not a count");
	return (int)v;
}

#endif /* !BENCH_H */
