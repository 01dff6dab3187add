/*
 * listener.h: listening sockets, opened by whoever may.
 *
 * Non-blocking and CLOEXEC at birth; for a process that hands them on.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

enum {
	LISTENER_BACKLOG = 1024, /* the kernel's own bound may be less */
};

/* An IPv4 or IPv6 address as text; port 0: any that is free. */
must_check int listener_tcp(const char *address, uint16_t port, int *ret,
    struct err *e);

/*
 * A pathname socket with this mode and, unless it is -1, group.  A file there
 * is removed if it is a socket that nobody answers; ERR_CONFLICT otherwise.
 */
must_check int listener_unix(const char *path, mode_t mode, gid_t group,
    int *ret, struct err *e);

#endif /* !LISTENER_H */
