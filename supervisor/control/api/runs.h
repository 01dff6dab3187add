/*
 * runs.h: what a request to run something says, and what it becomes.
 *
 * For the handlers of runs alone.
 */
#ifndef API_RUNS_H
#define API_RUNS_H

#include "request.h"
#include "supervisor/control/storage/storage.h"

/* A body, borrowed from the request's JSON. */
struct runs_body {
	const char *assistant_id, *multitask_strategy, *if_not_exists;
	const char *on_disconnect, *on_completion, *durability, *webhook;
	const char *checkpoint_id;
	const json_t *input, *command, *metadata, *config, *context;
	const json_t *interrupt_before, *interrupt_after, *stream_mode;
	const json_t *checkpoint, *after_seconds;
	int stream_subgraphs, stream_resumable, checkpoint_during;
	int strict_resume;
};

/* How the client wants to hear of it. */
enum runs_way {
	RUNS_CREATE, /* the run, at once */
	RUNS_WAIT, /* its values, when it has ended */
	RUNS_STREAM, /* its events, as they come */
};

/* Read and check a body; -1 with ERR_INVALID. */
must_check int runs_body_read(const json_t *body, struct runs_body *ret,
    struct err *e);

/* Whether its answers are to be what the thread waits for. */
must_check int runs_body_check_resume(const struct runs_body *b,
    const struct storage_thread *t, struct err *e);

/* Of answers that were found right: the ids of what is answered; NULL: those
 * of a checkpoint, or no memory. */
json_t *runs_body_answers(const struct runs_body *b,
    const struct storage_thread *t);

/* What is stored of it for its attempts; NULL without memory. */
json_t *runs_body_kwargs(const struct runs_body *b, const json_t *answers,
    int temporary);

/* 1 if the run is to be cancelled when its client goes away. */
int runs_body_cancels(const struct runs_body *b);

/*
 * Answer with what the run gave, as soon as it has ended: a stream of line
 * feeds and then its values.  cancel: the run is, when the client goes away.
 * join: of a run that failed the values so far, in place of its failure.
 */
void runs_answer_wait(struct request *r, const char *run_id, int cancel,
    int join);

/*
 * Answer with events as they come.  What the options say of the loop, the
 * storage and the tenant is filled in.
 */
struct follow_options;
void runs_answer_follow(struct request *r, const struct follow_options *o);

#endif /* !API_RUNS_H */
