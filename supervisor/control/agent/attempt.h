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
#include "json.h"
#include "supervisor/control/runs/engine.h"

enum {
	ATTEMPT_CHAIN_MAX = 256, /* runs that are one execution */
	ATTEMPT_JOURNAL_BYTES = 512 * 1024, /* of it, sent with run.start */
	ATTEMPT_STORE_OPS_MAX = 100, /* of one store.batch */
	ATTEMPT_INTERRUPTS_MAX = 256,
	ATTEMPT_EXECS_MAX = 8, /* commands beside it at once */
	ATTEMPT_EXECS_TOTAL_MAX = 1000, /* of one attempt */
	ATTEMPT_EXEC_INPUT_MAX = 512 * 1024, /* bytes of one's standard input */
	ATTEMPT_EXEC_WINDOW_MAX = 256 * 1024, /* granted, not yet written */
	ATTEMPT_EXEC_OUTPUT_BYTES = 16 * 1024 * 1024, /* of one; can be less */
	ATTEMPT_EXEC_WALL_MS = 60 * 1000, /* of one that does not say */
	ATTEMPT_LOG_LINES_MAX = 10000, /* kept of an attempt's log */
	ATTEMPT_LOG_BYTES_MAX = 4 * 1024 * 1024, /* the same */
	/* Of a thread's values: a message to the next attempt holds them. */
	ATTEMPT_VALUES_BYTES_MAX = 4 * 1024 * 1024,
	ATTEMPT_VALUES_MAX = 131072, /* of JSON in them */
	ATTEMPT_VALUES_DEPTH = 62, /* a message has two levels around them */
};

/* clang-format off */
#define LIMITS_ATTEMPT(X) \
	X(ATTEMPT_CHAIN_MAX, "runs that are one execution", \
	    "the journals of all of them are read for the next", \
	    "the run ends: error, Unavailable") \
	X(ATTEMPT_STORE_OPS_MAX, "operations of one store.batch", \
	    "each waits for the one before", \
	    "refused: invalid") \
	X(ATTEMPT_INTERRUPTS_MAX, "questions at once", \
	    "more than people are asked", \
	    "refused: limit") \
	X(ATTEMPT_EXECS_MAX, "commands beside an attempt at once", \
	    "each is a jail with memory of its own", \
	    "refused: limit") \
	X(ATTEMPT_EXECS_TOTAL_MAX, "commands of an attempt", \
	    "each is a jail's start and a line of the log", \
	    "refused: limit") \
	X(ATTEMPT_EXEC_INPUT_MAX, "bytes of a command's input", \
	    "it is one message, and held until it is read", \
	    "refused: limit") \
	X(ATTEMPT_EXEC_WINDOW_MAX, "bytes of output granted ahead", \
	    "they may wait in memory for the agent to read them", \
	    "grants beyond it count for nothing") \
	X(ATTEMPT_EXEC_OUTPUT_BYTES, "bytes of a command's output", \
	    "a flood ends by itself; its owner may say less", \
	    "the command is killed: output") \
	X(ATTEMPT_EXEC_WALL_MS, "ms of a command that does not say", \
	    "code of a model must end by itself", \
	    "it is killed: wall") \
	X(ATTEMPT_LOG_LINES_MAX, "lines of an attempt's log", \
	    "they are rows of the database", \
	    "a line says that the rest is dropped") \
	X(ATTEMPT_LOG_BYTES_MAX, "bytes of an attempt's log", \
	    "they wait in memory until they are durable", \
	    "a line says that the rest is dropped") \
	X(ATTEMPT_VALUES_BYTES_MAX, "bytes of a thread's values, as JSON", \
	    "they are held in memory, and told to the next attempt at once", \
	    "the checkpoint is refused: limit") \
	X(ATTEMPT_VALUES_MAX, "values of JSON in them", \
	    "what is stored must be read again", \
	    "the checkpoint is refused: limit")

/* clang-format on */

/* The three, also for those who change a state without an attempt. */
extern const struct json_limits attempt_values_limits;

struct attempt_host {
	struct jails_host host;
	struct storage *storage;
};

/* For engine_config: starter_arg is a struct attempt_host, borrowed. */
extern const struct runs_starter attempt_starter;

#endif /* !AGENT_ATTEMPT_H */
