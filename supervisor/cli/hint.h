/*
 * hint.h: which flag would have shown the jail what it did not find.
 */
#ifndef HINT_H
#define HINT_H

#include "plan.h"

/*
 * For each argument from the given one on (0: the command itself, which was
 * not found) that names a file which exists here and not in the jail,
 * a line on stderr with the --ro flag that would show it where the command
 * looks.  Called when a command failed; a guess, but a cheap one.
 */
void hint_missing_files(const struct plan *p, char *const *argv, int from);

#endif /* !HINT_H */
