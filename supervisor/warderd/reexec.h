/*
 * reexec.h: warderd becomes its successor, in place.
 *
 *	SIGUSR2 ──► no request is read ──► no jail is half made ──► the state is
 *	written ──► the successor tries to read it, in a process of its own
 *	   │ it cannot: nothing has changed, requests are read again
 *	   └► execve(2) ──► the state is read ──► requests are read again
 *
 * The same process: its children stay its children, control and every stream
 * are not touched.  A successor that cannot go on after all ends, and with it
 * every jail; whoever started us starts it again.
 */
#ifndef REEXEC_H
#define REEXEC_H

#include "warderd.h"

/* main()'s, borrowed: what is executed again. */
void reexec_init(struct warderd *w, int argc, char **argv);

/* Somebody wants it. */
void reexec_want(struct warderd *w);

/* Once a turn; does not return when it is done. */
void reexec_step(struct warderd *w);

/*
 * The successor: take over what lies in fd.  trial: look whether it could,
 * and touch nothing.
 */
must_check int reexec_resume(struct warderd *w, int fd, int trial,
    struct err *e);

#endif /* !REEXEC_H */
