/*
 * tree.h: the files of a deployed agent, made plain.
 *
 * Everybody may read them, nobody but root may write; what may be executed
 * stays so.  In the deployment's process, over what a jail has written: each
 * name is opened without following links.
 */
#ifndef TREE_H
#define TREE_H

#include <stdint.h>

#include "err.h"

/*
 * Set the modes of everything below dir, and of dir.  ERR_INVALID for what is
 * neither directory, regular file nor symbolic link, or when the files'
 * lengths are more than max_bytes together, holes counted.
 */
must_check int tree_settle(int dir, uint64_t max_bytes, struct err *e);

#endif /* !TREE_H */
