/*
 * members.h: an object's JSON text, cut into the texts of its members and
 * put together again, without looking into them.
 *
 * For text that json.h wrote: it is not checked anew, but no byte outside it
 * is read whatever it holds.
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "hold.h"
#include "storage.h"

struct members_in {
	const char *p, *end;
	int bad; /* it was no JSON after all */
};

/* 1, or 0 if it is no object, or an empty one. */
int members_begin(struct members_in *in, const struct storage_blob *text);

/* The next: its name as JSON (with quotes), its value borrowed from the text. */
int members_next(struct members_in *in, struct hold *h, const char **ret_name,
    struct storage_blob *ret_value);

struct members_out {
	struct hold *hold;
	char *text;
	size_t n, room;
};

void members_add(struct members_out *out, const char *name,
    const struct storage_blob *value);

/* The whole object, in the hold. */
const char *members_end(struct members_out *out);

/* A sum that tells texts apart, but not against somebody's will (FNV-1a). */
uint64_t members_sum(const struct storage_blob *text);

#endif /* !MEMBERS_H */
