/*
 * uuid.h: the identifiers of RFC 9562 that are stored.
 *
 *	7	runs, threads, keys: by time, so that an index grows at its end
 *	6	checkpoints, as LangGraph's: sorted as texts they are sorted by
 *		time; the clock sequence carries the step
 *	5	the assistant that belongs to a graph: SHA-1 of a name
 *
 * Those of one process are strictly increasing, whatever its wall clock does.
 * Safe in any thread.
 */
#ifndef UUID_H
#define UUID_H

#include <stdint.h>

#include "base.h"

enum {
	UUID_SIZE = 37
}; /* lower-case hex and dashes, with the NUL */

void uuid_v7(char ret[UUID_SIZE]);

/* step: of the run, -1 is the input's; only 14 bits of it are seen. */
void uuid_v6(int64_t step, char ret[UUID_SIZE]);

/* In the URL namespace (6ba7b821-…), as the Agent Server names assistants. */
void uuid_v5(const char *name, char ret[UUID_SIZE]);

/* Whether s is a UUID as text; upper case is one as well. */
int uuid_valid(const char *s);

#endif /* !UUID_H */
