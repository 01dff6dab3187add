/*
 * function.h: what SQL cannot say by itself, as functions in C.
 *
 *	warder_contains(whole, part)	json_contains(); 1 where part is NULL
 *	warder_merge(old, more)		members of more over those of old
 *	warder_matches(value, filter)	a store filter; 1 where filter is NULL
 *	warder_space_like(ns, prefix, suffix)	labels, "*" is any one
 *	warder_space_cut(ns, depth)	the first labels; depth 0: all
 *
 * A namespace is its labels with a "." behind each, so that what is below
 * "a.b." is a range of keys, and never a pattern.
 */
#ifndef FUNCTION_H
#define FUNCTION_H

#include <sqlite3.h>

#include "err.h"

must_check int function_register(sqlite3 *h, struct err *e);

/* ERR_INVALID if it is no filter: unknown operators, not an object. */
must_check int function_check_filter(const char *filter, struct err *e);

#endif /* !FUNCTION_H */
