/*
 * request.h: one HTTP request to the service, over its Unix socket or a URL.
 *
 * Runs as the user who typed the command.  WARDER_URL says where the service
 * is (http://, https://, or unix:/path; none: the socket of this host's),
 * WARDER_API_KEY who asks.  libcurl does the rest: certificates are verified,
 * redirects are not followed, no proxy and no .netrc is looked at.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <jansson.h>

#include "err.h"

enum {
	REQUEST_ANSWER_MAX = 64 * 1024 * 1024,
	REQUEST_CONNECT_MS = 10 * 1000,
	REQUEST_SILENCE_S = 60, /* a stream's heart beats every five */
};

struct request_service {
	const char *socket; /* of this host, where WARDER_URL says nothing */
	int is_operator; /* asks without a key, as who is at the socket */
};

struct request {
	const char *method; /* "GET" */
	const char *path; /* "/threads", with its query */
	const json_t *body; /* borrowed; NULL: none */
	/* In place of a body: a file, and what it is. */
	int file; /* -1: none */
	const char *file_type;
	const char *last_event; /* Last-Event-ID, or NULL */
	const char *idempotency; /* Idempotency-Key, or NULL */
	/*
	 * A stream: called with each piece of an answer 200, 0 goes on.  NULL:
	 * the answer is kept and parsed.
	 */
	int (*piece)(void *arg, const char *p, size_t n);
	void *arg;
};

struct request_answer {
	long status;
	json_t *json; /* NULL: none, or it was streamed */
	char location[512]; /* of a stream, to come back to; may be "" */
	int cut; /* a stream that broke off */
};

/* 1 if the service is asked over a Unix socket. */
int request_is_local(void);

/*
 * Send it and wait.  ERR_SYSTEM if the service cannot be reached, and by the
 * status of an answer that is no success: its "detail" is the message.
 */
must_check int request_send(const struct request_service *s,
    const struct request *r, struct request_answer *ret, struct err *e);

void request_answer_finish(struct request_answer *a);

#define autoanswer cleanup(request_answer_finish) struct request_answer

#endif /* !REQUEST_H */
