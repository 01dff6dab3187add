/* list.h: the heads of a directory in memory, in their order and by name. */
#ifndef LIST_H
#define LIST_H

#include "heads.h"

struct list {
	struct heads_line *line; /* of segments alone, in the file's order */
	size_t n, room;
	struct heads_line **by_name; /* sorted by the segment's name */
	struct heads_line **by_run; /* by run, then by first line */
	struct audit_head last; /* of the file; seq 0: it is empty */
	uint64_t first; /* number of its first line */
	int seen; /* the head that was looked for is there */
};

/*
 * Read and check the list of dir; one that is not there is empty.  look is
 * "N:HASH" of a line that it should have, or NULL.
 */
must_check int list_load(int dir, const struct heads_keys *keys,
    const char *look, struct list *ret, struct err *e);
void list_finish(struct list *l);

/* The last head of a segment; NULL: it is not signed. */
const struct heads_line *list_find(const struct list *l, const char *segment);

/* What is in the directory; fn gets names of segments, in any order. */
must_check int list_files(int dir,
    int (*fn)(void *ctx, const char *name, struct err *e), void *ctx,
    struct err *e);

/*
 * Open a segment for reading.  ERR_NOT_FOUND; ERR_CORRUPT if it is no regular
 * file.
 */
must_check int list_open(int dir, const char *name, int *ret, struct err *e);

/*
 * Whether somebody still writes it, or has just now ended to: then it is not
 * signed yet, and to be left alone.
 */
int list_is_live(int fd);

#endif /* !LIST_H */
