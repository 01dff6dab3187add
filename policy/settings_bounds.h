/*
 * settings_bounds.h: what a warder.yaml may say, and what holds without it.
 *
 * The loader refuses what is outside at its place in the file,
 * settings_check() refuses it again.  Preprocessor constants, as in bounds.h.
 */
#ifndef SETTINGS_BOUNDS_H
#define SETTINGS_BOUNDS_H

#include "bounds.h"

#define SETTINGS_PORT 8123
#define SETTINGS_WORKERS 32
#define SETTINGS_JAILS 256
#define SETTINGS_JAILS_TENANT 128
#define SETTINGS_JAILS_MAX 4000 /* below SPAWN_IDS_MAX */
#define SETTINGS_QUEUE 10000
#define SETTINGS_STREAMS 10000
#define SETTINGS_COUNT_MAX 1000000
#define SETTINGS_BODY (4ULL * BOUND_MIB)
#define SETTINGS_BODY_MAX (256ULL * BOUND_MIB)
#define SETTINGS_ARCHIVE (64ULL * BOUND_MIB)
#define SETTINGS_ARCHIVE_MAX (1ULL * BOUND_GIB)
#define SETTINGS_AGENT (256ULL * BOUND_MIB)
#define SETTINGS_AGENT_MIN (1ULL * BOUND_MIB)
#define SETTINGS_AGENT_MAX (16ULL * BOUND_GIB)
#define SETTINGS_EVENTS_MS (7 * BOUND_DAY)
#define SETTINGS_RUNS_MS (30 * BOUND_DAY)
#define SETTINGS_TIME_MAX (3660 * BOUND_DAY)

#endif /* !SETTINGS_BOUNDS_H */
