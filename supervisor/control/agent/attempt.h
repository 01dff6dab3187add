/*
 * attempt.h: carry out one attempt of a run in a jail.
 *
 * Run by warder-control on its loop: the engine's struct runs_starter, played
 * by a jail (whoever starts it), a session with the agent in it, and storage.
 *
 *	start ──► gathering ──checkpoint, journal──┐
 *	            │                              ├──► running ──► ending ──► released
 *	            └── jail asked for ──started───┘       │ calls of the agent:
 *	                                                   │ attempt_calls.c
 *	the end: the agent's result or failure, or how its jail ended
 *
 * What the agent says is hostile: it can touch its own run, its own thread
 * and its tenant's store, under the fence of this attempt.
 */
#ifndef AGENT_ATTEMPT_H
#define AGENT_ATTEMPT_H

#include <stdint.h>

#include "jails.h"
#include "supervisor/control/runs/engine.h"

enum {
	ATTEMPT_CHAIN_MAX = 64, /* runs that one execution was resumed by */
	ATTEMPT_JOURNAL_BYTES = 512 * 1024, /* of it, sent with run.start */
	ATTEMPT_STORE_OPS_MAX = 100, /* of one store.batch */
	ATTEMPT_INTERRUPTS_MAX = 256,
	ATTEMPT_LOG_LINES_MAX = 10000, /* kept of a run's log */
};

struct attempt_host {
	struct jails_host host;
	struct storage *storage;
};

/* For engine_config: starter_arg is a struct attempt_host, borrowed. */
extern const struct runs_starter attempt_starter;

#endif /* !AGENT_ATTEMPT_H */
