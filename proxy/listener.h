/*
 * listener.h: the sockets at which a jail's connections arrive.
 *
 * They were made in the jail's network namespace, where every address is
 * local: what an accepted socket calls its own address is where the client
 * wanted to go.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "guest.h"

/* Serve fd (taken) in the given enum proxy_role. */
must_check int listener_create(struct guest *g, uint32_t role, int fd,
    struct listener **ret, struct err *e);
void listener_destroy(struct listener *l);

/*
 * Whether a listener of its own was meant: some serve every address where
 * the kernel cannot lead connections, and then the rest is captured.
 */
int listener_is_loopback(const struct net_address *a);

/* Accept again, if it had paused and there is room. */
void listener_resume(struct listener *l);

#endif /* !LISTENER_H */
