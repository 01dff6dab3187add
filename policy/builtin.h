/*
 * builtin.h: the policies that are part of the programs.
 *
 * The files of policy/data as they are, linked into the launcher and into
 * warder-config alike.  Any process; libc only.
 */
#ifndef BUILTIN_H
#define BUILTIN_H

#include "base.h"

/*
 * The text (not ended by a NUL) of "builtin/NAME", static; NULL if there is
 * no such policy.  name is the part after "builtin/".
 */
const char *builtin_policy(const char *name, size_t *ret_size);

/* The name of the i-th, NULL after the last. */
const char *builtin_name(size_t i);

#endif /* !BUILTIN_H */
