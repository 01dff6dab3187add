/*
 * peer.h: what an address has open, and how often it brought a bad key.
 *
 * An IPv6 peer is its /64, which one site has; those who connect by the Unix
 * socket are one by their uid.  This host's own addresses have no cap of
 * connections: a reverse proxy there speaks for many.
 */
#ifndef API_PEER_H
#define API_PEER_H

#include <stdint.h>

#include "err.h"

enum {
	PEER_TEXT_SIZE = 64
};

struct peers;
struct peer;

must_check int peer_table_create(struct peers **ret, struct err *e);
void peer_table_destroy(struct peers *t);

/* Who is at the other end of fd; borrowed until peer_leave().  NULL: no
 * memory, or the socket has gone. */
struct peer *peer_enter(struct peers *t, int fd);
void peer_leave(struct peer *p);

unsigned peer_connections(const struct peer *p); /* the present one too */
int peer_is_local(const struct peer *p);
int peer_uid(const struct peer *p); /* of a Unix socket, or -1 */

/*
 * A bad key came at now_ms.  1: more than a person mistypes, so the answer is
 * to be late.  Good keys change nothing: they are never held up.
 */
int peer_bad_key(struct peer *p, uint64_t now_ms);

#endif /* !API_PEER_H */
