/*
 * exchange.h: one allowed request, and its response.
 *
 * From the verdict on: tokens, vetted addresses, the request without what
 * concerns this hop or nobody else, with its credentials put in; then both
 * bodies, each at the pace of its slower side, with one bounded buffer.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "guest.h"
#include "http1.h"
#include "inject.h"
#include "record.h"
#include "stream.h"

struct exchange;
struct reload;

enum exchange_end {
	EXCHANGE_NEXT, /* the connection may carry another request */
	EXCHANGE_CLOSE, /* all is said that will be: end it in order */
	EXCHANGE_BREAK, /* the response is cut off: let it be seen */
};

struct exchange_options {
	struct guest *guest;
	struct stream *stream; /* borrowed */
	enum record_way way;
	const char *host; /* canonical, borrowed */
	uint32_t port;
	int tls; /* towards the service */
	int last; /* 1: the connection ends after this */
	const struct verdict *verdict; /* allowed; copied */
	const struct inject_found *found; /* borrowed for the call */
	const char
	    *target; /* canonical path and query, borrowed for the call */
	struct http1_head *head; /* the request as read; changed */
	/*
	 * From the loop, or from inside exchange_ready(), never from inside
	 * exchange_create(); destroys the exchange.
	 */
	void (*done)(void *arg, enum exchange_end end);
	void *arg;
};

must_check int exchange_create(const struct exchange_options *o,
    struct exchange **ret, struct err *e);
void exchange_destroy(struct exchange *x); /* NULL is fine */

/* The stream has news: bytes of the body, room, or its end. */
void exchange_ready(struct exchange *x);

/*
 * Another policy is in force: ask anew what was asked, with the SNI that the
 * client had sent (or NULL).  1 and the verdict, if it goes on; 0 if it was
 * ended, by "done".
 */
int exchange_renew(struct exchange *x, const struct reload *r, const char *sni,
    struct verdict *ret);

/* It does: what it waited for is begun anew.  It may end by that, as ever. */
void exchange_resume(struct exchange *x);

#endif /* !EXCHANGE_H */
