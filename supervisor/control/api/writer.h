/*
 * writer.h: JSON texts, written member by member.
 *
 * Run by warder-control for its answers: what is stored as JSON goes out as it
 * is, without being parsed again.  The first failure stays; everything after
 * it does nothing, so a caller writes and writes and looks once at the end.
 */
#ifndef API_WRITER_H
#define API_WRITER_H

#include <stdint.h>

#include "buf.h"
#include "err.h"

struct storage_texts;

enum {
	WRITER_DEPTH_MAX = 16,
};

struct writer {
	struct buf out;
	struct err e; /* code is not ERR_OK: nothing further is written */
	unsigned depth;
	unsigned char full[WRITER_DEPTH_MAX]; /* something is there already */
};

void writer_init(struct writer *w, size_t max);
void writer_finish(struct writer *w); /* all zero is fine, too */

#define autowriter cleanup(writer_finish) struct writer

/*
 * Objects and arrays.  name: of the member, NULL in an array and at the root.
 */
void writer_begin(struct writer *w, const char *name, char bracket);
void writer_end(struct writer *w, char bracket);

/* Values; NULL is null. */
void writer_text(struct writer *w, const char *name, const char *value);
void writer_texts(struct writer *w, const char *name,
    const struct storage_texts *t);
void writer_whole(struct writer *w, const char *name, int64_t value);
void writer_flag(struct writer *w, const char *name, int value);
void writer_null(struct writer *w, const char *name);
/* A time in milliseconds since 1970 as 2026-11-20T21:21:25.332Z. */
void writer_time(struct writer *w, const char *name, int64_t ms);
/* JSON as it is stored; NULL: what "otherwise" says. */
void writer_json(struct writer *w, const char *name, const char *json,
    const char *otherwise);

/* The text, allocated, the caller's; NULL and the reason if it failed. */
char *writer_take(struct writer *w, size_t *ret_size, struct err *e);

#endif /* !API_WRITER_H */
