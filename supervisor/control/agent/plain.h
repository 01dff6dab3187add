/*
 * plain.h: the result of an agent that only prints.
 *
 * Pure.  Such an agent reads one JSON document and prints what it likes; the
 * last JSON document of its output is the result.
 */
#ifndef AGENT_PLAIN_H
#define AGENT_PLAIN_H

#include <jansson.h>
#include <stddef.h>

#include "err.h"

enum {
	PLAIN_TRIES = 64 /* beginnings of a line that are tried */
};

/*
 * The JSON document that ends the output (white space behind it counts for
 * nothing) and begins on a line of its own: the longest such that is found by
 * looking back from the end over PLAIN_TRIES lines.  ERR_INVALID if there is
 * none.  *ret is the caller's.
 */
must_check int plain_result(const char *p, size_t n, json_t **ret,
    struct err *e);

#endif /* !AGENT_PLAIN_H */
