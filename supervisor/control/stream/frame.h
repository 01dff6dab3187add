/*
 * frame.h: an event as server-sent text, and which of them a client wants.
 *
 *	event: values|child:1
 *	data: {...}
 *	id: 7
 *
 * The id is the event's number in its run, in a thread's stream with the run
 * before it; where that shows states that clients make, with the last one
 * behind it: RUN:SEQ:CHECKPOINT.  Behind a run's end SEQ is "end".
 *
 * A frame is the same each time it is made of its event, so that a client
 * that took a part of it gets the rest by its offset.
 */
#ifndef STREAM_FRAME_H
#define STREAM_FRAME_H

#include "supervisor/control/storage/storage.h"

enum frame_what {
	FRAME_EVENTS, /* what a client of the run sees */
	FRAME_LOG, /* what its agent wrote to its log */
};

/* What a thread's stream shows. */
enum frame_shown {
	FRAME_RUN_MODES = 1 << 0, /* its runs' events, and their ends */
	FRAME_LIFECYCLE = 1 << 1, /* their beginnings and ends alone */
	FRAME_STATE_UPDATE = 1 << 2, /* states that clients make */
};

struct frame_style {
	enum frame_what what;
	unsigned modes; /* bits of frame_mode(); 0: whatever there is */
	unsigned shown; /* enum frame_shown, of a thread; 0: a run's stream */
	int ids; /* events have them */
	/* Said in the ids of a thread's stream; NULL, "": it is not. */
	const char *run_id, *checkpoint_id;
};

/* A stream_mode as its bit; 0: there is no such mode. */
unsigned frame_mode(const char *name);

/* The same of a thread's stream: enum frame_shown. */
unsigned frame_shown(const char *name);

enum {
	FRAME_ID_SIZE = 128
};

/* In place of a number: the run has ended, and that was said. */
#define FRAME_END (INT64_MAX - 8)

/* The line of an id with its end; "": events have none. */
void frame_id(const struct frame_style *s, int64_t seq,
    char ret[FRAME_ID_SIZE]);

/* Its bytes; 0: it is not wanted. */
size_t frame_size(const struct frame_style *s, const struct storage_event *v);

/* Copy what fits of its bytes from offset on; returns how many. */
size_t frame_copy(const struct frame_style *s, const struct storage_event *v,
    size_t offset, char *ret, size_t room);

#endif /* !STREAM_FRAME_H */
