/*
 * conn.h: one connection of the API, from its arrival to its end.
 *
 * Requests are answered in their order, one at a time: what a client sends
 * ahead waits unread.
 */
#ifndef API_CONN_H
#define API_CONN_H

#include "request.h"
#include "server.h"

/* Serve it; fd is taken whatever happens, and so is the peer's count. */
void api_conn_accept(struct api_server *s, int fd, int tls, struct peer *p);

/* Close it at once. */
void api_conn_destroy(struct api_conn *c);

/* Close it if nothing is asked, otherwise behind the answer. */
void api_conn_drain(struct api_conn *c);

struct api_conn *api_conn_next(const struct api_conn *c);
struct api_server *api_conn_server(const struct api_conn *c);

/*
 * For request.c, with the connection's present request.  text (n bytes) is
 * taken; type NULL: there is no body.
 */
void api_conn_answer(struct api_conn *c, unsigned status, const char *type,
    char *text, size_t n);
void api_conn_stream(struct api_conn *c, const char *type,
    const struct request_source *s);
int api_conn_room(const struct api_conn *c);
size_t api_conn_write(struct api_conn *c, const void *p, size_t n);
void api_conn_end(struct api_conn *c);
void api_conn_break(struct api_conn *c);

#endif /* !API_CONN_H */
