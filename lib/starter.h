/*
 * starter.h: the thread that libwarder's long-lived helpers are started by.
 *
 * The kernel kills a helper when the thread that has started it ends
 * (PR_SET_PDEATHSIG), which the helper cannot prevent: so one that was taken
 * over, and does not look for the end of its socket, still ends with its
 * host.  But threads of a host's come and go.  So one of ours starts them,
 * which ends with the process and not before: it is made when the first
 * helper is started, has all signals blocked, and a small stack.
 */
#ifndef STARTER_H
#define STARTER_H

#include "child.h"

/* A child_start_fn for child_set_starter(). */
__attribute__((visibility("hidden"))) int
warder_starter_start(const struct child_spec *s, pid_t *ret_pid, struct err *e);

#endif /* !STARTER_H */
