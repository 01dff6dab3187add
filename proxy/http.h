/*
 * http.h: HTTP/1.1 with a client, one request after the other.
 *
 * Each request is read strictly, judged by authorize(), sent on with what the
 * verdict says and nothing else of the client's that concerns others, and
 * answered before the next one is looked at.  After anything that was refused
 * the connection is closed.
 */
#ifndef HTTP_H
#define HTTP_H

#include "guest.h"
#include "policy/authorize.h"
#include "record.h"
#include "stream.h"

struct http;
struct reload;

struct http_options {
	struct guest *guest;
	struct stream *stream; /* borrowed until http_destroy() */
	enum record_way way;
	/*
	 * Where the client has connected to, borrowed; NULL: it uses the
	 * explicit proxy and names a destination in each request.
	 */
	const char *host;
	uint32_t port;
	int tls;
	const char *sni; /* canonical, or NULL */
	/*
	 * CONNECT was allowed: the next bytes are a stream to that place.
	 * The callee destroys this http and answers.
	 */
	void (*connect)(void *arg, const char *host, uint32_t port,
	    const struct verdict *v);
	/* All that is to be said is in stream->out: end the connection. */
	void (*done)(void *arg);
	/* What was begun cannot be ended: cut it off. */
	void (*abort)(void *arg);
	void *arg;
};

must_check int http_create(const struct http_options *o, struct http **ret,
    struct err *e);
void http_destroy(struct http *h); /* NULL is fine */

/* The stream has news: bytes, room, or its end. */
void http_ready(struct http *h);

/* Whether there is a request on its way. */
int http_is_busy(const struct http *h);

/*
 * Another policy is in force: 1 if the request goes on; 0: it was cut, and
 * answered if nothing was said yet, so that h may be gone.
 */
int http_renew(struct http *h, const struct reload *r);

/* It goes on, as the last thing that is done with h. */
void http_resume(struct http *h);

#endif /* !HTTP_H */
