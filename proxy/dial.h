/*
 * dial.h: connect to the first of some vetted addresses that answers.
 */
#ifndef DIAL_H
#define DIAL_H

#include "reach.h"

struct dial;

/* fd: connected, non-blocking, the receiver's; or -1 with the errno. */
typedef void dial_fn(void *arg, int fd, int sys);

/*
 * Try the targets in turn, PROXY_DIAL_MS each.  fn is called once, from the
 * loop, never from inside this call, unless dial_cancel() comes first; *ret
 * is invalid after either.
 */
must_check int dial_start(struct loop *l, const struct reach_result *targets,
    dial_fn *fn, void *arg, struct dial **ret, struct err *e);
void dial_cancel(struct dial *d); /* NULL is fine */

/* The sockaddr of a target; its size. */
socklen_t dial_sockaddr(const struct reach_target *t,
    struct sockaddr_storage *ret);

#endif /* !DIAL_H */
