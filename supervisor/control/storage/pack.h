/*
 * pack.h: what a checkpoint holds, so that what is written follows what
 * changed and not the size of the state.
 *
 * A checkpoint is made of pieces: each channel, and each member of its
 * projected values.  A row stores the pieces that changed with it, its
 * "pack"; its "places" say for every piece in which row's pack it lies, so a
 * piece that did not change is a place and no bytes.  Rows are append-only:
 * a place, once given, stays right until its row is deleted.
 *
 * A large piece is stored as its difference to an earlier version of itself:
 * how many bytes at the front and at the end are the same, and what is
 * between.  Number k (counted from the last that was stored whole) differs
 * from number k & (k - 1), as Subversion's skip-deltas: to read it takes at
 * most log2(k) steps, and its cost is that of the change times log2(k) / 2.
 * A difference of more than half the piece is stored whole.
 *
 *	places	{ u8 kind, u16 n, name, u16 n, version, i64 row, u16 index }*
 *	pack	{ u8 kind, u16 n, type, u32 number, i64 base row, u16 base
 *		  index, u32 front, u32 end, u32 n, data }*
 *
 * Little-endian; row 0 is the row itself.  It is our own database, but a
 * damaged one is ERR_CORRUPT and no more.
 */
#ifndef PACK_H
#define PACK_H

#include "db.h"

enum {
	PACK_CHANNEL = 'c',
	PACK_VALUE = 'v', /* name: the member's, as JSON; "": all values */

	PACK_WHOLE_BYTES = 256, /* smaller pieces are not worth a difference */
	PACK_PLACES_MAX = 1024, /* pieces of one checkpoint */
	PACK_NAME_MAX = 1024, /* bytes of a channel's name or version */
};

/* clang-format off */
#define LIMITS_PACK(X) \
	X(PACK_WHOLE_BYTES, "bytes of a piece", \
	    "a difference of less costs more than it saves", \
	    "it is stored as the difference to an earlier one") \
	X(PACK_PLACES_MAX, "channels and members of a checkpoint", \
	    "each is compared with each that is looked for", \
	    "the checkpoint is refused: limit") \
	X(PACK_NAME_MAX, "bytes of a channel's name, version or type", \
	    "each checkpoint has all of them", \
	    "the checkpoint is refused: limit")

/* clang-format on */

struct pack_place {
	int kind;
	const char *name, *version;
	int64_t row;
	unsigned index;
};

struct pack_places {
	struct pack_place *v;
	size_t n, room;
};

struct pack_piece {
	int kind;
	const char *type;
	uint32_t number;
	int64_t base_row;
	unsigned base_index;
	uint32_t front, end;
	struct storage_blob data;
};

struct pack_row;

/* The packs of one thread, as far as they were looked at. */
struct pack {
	struct db *db;
	const char *tenant, *thread_id;
	struct pack_row *rows;
};

void pack_init(struct pack *p, struct db *d, const char *tenant,
    const char *thread_id);

/* What lies at a place, put together; in the operation's hold. */
must_check int pack_content(struct pack *p, int64_t row, unsigned index,
    struct storage_blob *ret, const char **ret_type, struct err *e);

/* Read and write places; 0 among them becomes "row", the other way too. */
must_check int pack_read_places(struct db *d, const struct storage_blob *bytes,
    int64_t row, struct pack_places *ret, struct err *e);
void pack_write_places(struct db *d, const struct pack_places *p, int64_t row,
    struct storage_blob *ret);

/* NULL if there is none. */
const struct pack_place *pack_find(const struct pack_places *p, int kind,
    const char *name);

/* Add a place; the texts are borrowed.  ERR_LIMIT above the limits. */
must_check int pack_place(struct db *d, struct pack_places *p,
    const struct pack_place *place, struct err *e);

/* The pieces of one row. */
struct pack_pieces {
	struct pack_piece *v;
	size_t n, room;
};

must_check int pack_read_pieces(struct db *d, const struct storage_blob *bytes,
    struct pack_pieces *ret, struct err *e);
void pack_write_pieces(struct db *d, const struct pack_pieces *p,
    struct storage_blob *ret);

/*
 * Add a piece to a row's and its place to the row's places; before: where
 * its last version is, or NULL.
 */
must_check int pack_add(struct pack *p, struct pack_pieces *pieces,
    struct pack_places *places, const struct pack_place *what, const char *type,
    const struct storage_blob *data, const struct pack_place *before,
    struct err *e);

/* The length of what two have in common at the front, then at the end. */
void pack_common(const struct storage_blob *a, const struct storage_blob *b,
    uint32_t *ret_front, uint32_t *ret_end);

#endif /* !PACK_H */
