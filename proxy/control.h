/*
 * control.h: what the launcher tells warder-proxy, and its answers.
 *
 * One table of messages, msg_proxy.h; whatever is not in it, or has another
 * size, or comes at the wrong time, ends the process: the launcher is the
 * more privileged one, so it is either broken or not the launcher.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "proxy.h"

/* Serve the socket fd (taken), which must be a connected SOCK_SEQPACKET. */
must_check int control_create(struct proxy *p, int fd, struct control **ret,
    struct err *e);
void control_destroy(struct control *c);

/* Send one message; the process ends if the launcher does not take it. */
void control_send(struct control *c, uint32_t type, const void *body,
    size_t size, int fd);

#endif /* !CONTROL_H */
