/*
 * follow.h: events of a run, or of all runs of a thread, as they come.
 *
 * Run by warder-control on its loop.  A client's stream is a cursor into what
 * is stored: the event that it was sent last, and how much of the next.  It
 * goes on when the client's socket has taken what it got before.  Nothing is
 * queued for a client that is slow; one that was slow for so long that its
 * events are gone is told so.  The frames are frame.h's.
 */
#ifndef STREAM_FOLLOW_H
#define STREAM_FOLLOW_H

#include <stdint.h>

#include "frame.h"
#include "hub.h"

#define FOLLOW_NOW INT64_MAX

struct follow;

enum {
	FOLLOW_SHORT = 16
};

/*
 * Where the text goes.  write takes as much as there is room for and says how
 * much that was; where there is any, FOLLOW_SHORT bytes go.  end: nothing more comes, the follow is gone; cut: the same
 * in the middle of an event, which its client must not take for whole.  None
 * may come back into the follow.
 */
struct follow_sink {
	int (*room)(void *arg);
	size_t (*write)(void *arg, const void *p, size_t n);
	void (*end)(void *arg);
	void (*cut)(void *arg);
};

/* The text of a thread's state as clients know it, allocated; NULL: why. */
typedef char *follow_state_fn(const struct storage_checkpoint *c,
    struct err *e);

struct follow_options {
	struct hub *hub;
	const char *tenant;
	const char *run_id; /* NULL: all runs of the thread */
	const char *thread_id; /* where run_id is NULL */
	/*
	 * Of a run: the event behind which it begins, -1 for all, FOLLOW_NOW
	 * for what comes.
	 */
	int64_t after_seq;
	/* Of a thread: the id of an event, "-" for all, "" for what comes. */
	const char *after;
	enum frame_what what;
	unsigned modes; /* bits of frame_mode(); 0: whatever there is */
	unsigned shown; /* enum frame_shown, of a thread; 0: its runs */
	follow_state_fn *state; /* with FRAME_STATE_UPDATE */
	int ids; /* events have them */
	int cancel; /* the run, when the client goes away */
	int present; /* end where what is stored ends */
};

/*
 * The run or the thread is the tenant's: that was looked at.  Everything of o
 * is copied, the sink is borrowed.  Nothing is written before follow_pull().
 * ERR_INVALID if "after" is no id.
 */
must_check int follow_create(const struct follow_options *o,
    const struct follow_sink *sink, struct follow **ret, struct err *e);

/* The sink's arg, before the first pull. */
void follow_write_to(struct follow *f, void *arg);

/* A struct follow: there is room again; the client has gone. */
void follow_pull(void *follow);
void follow_gone(void *follow);

#endif /* !STREAM_FOLLOW_H */
