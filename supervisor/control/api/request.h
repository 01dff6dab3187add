/*
 * request.h: a request as its handler sees it, and how it is answered.
 *
 * A handler is called once, on the loop, with a request whose sender may do
 * this.  It answers exactly once, then or from a later callback: with one of
 * the whole answers, or by a stream that it ends.  Answering is the last
 * thing it does with the request, which is freed by that.  A client that goes
 * away meanwhile changes nothing for a whole answer: it goes nowhere.  The
 * owner of a stream is told (gone).
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "auth.h"
#include "json.h"
#include "query.h"
#include "router.h"
#include "text.h"

struct api;
struct api_conn;

enum {
	REQUEST_FIELDS_MAX = 6,
	REQUEST_KEPT_MAX = 16,
	REQUEST_FIELD_SIZE = 256,
	REQUEST_EVENT_ID_SIZE = 128, /* RUN:SEQ:CHECKPOINT */
	REQUEST_KEY_SIZE = 128, /* of Idempotency-Key */
};

/*
 * Of a stream.  pull: the client takes more: write while request_room() says
 * so, or nothing; it is called again when what was written has drained.
 * gone: the client has left.
 */
struct request_source {
	void (*pull)(void *arg);
	void (*gone)(void *arg);
	void *arg;
};

struct request_field {
	const char *name;
	char value[REQUEST_FIELD_SIZE];
};

struct request {
	/* for the handler to read */
	struct api *api;
	const struct route *route;
	struct auth_who who;
	struct route_args args;
	struct query query;
	json_t *body; /* NULL: there is none */
	int file; /* a body that is no JSON, as a sealed memfd; -1: none */
	char last_event_id[REQUEST_EVENT_ID_SIZE]; /* "": it said none */
	char idempotency_key[REQUEST_KEY_SIZE]; /* "": it said none */
	unsigned char body_hash[SHA256_SIZE]; /* of its bytes; zero: none */
	int minimal; /* Prefer: return=minimal */

	/* the handler's: dropped with the request */
	void *state;
	void (*drop)(void *state);

	/* private */
	struct api_conn *conn; /* NULL: the client has gone */
	unsigned nfields;
	struct request_field fields[REQUEST_FIELDS_MAX];
	unsigned nkept;
	void *kept[REQUEST_KEPT_MAX];
};

/*
 * Fill "ret" from the body by the route's table; a request without a body is
 * an empty object.  -1: it was answered, 422.
 */
must_check int request_read(struct request *r, void *ret);

/*
 * The text of a part of the body, kept as long as the request; NULL for NULL.
 * Without memory it is NULL, too, and e says so.
 */
const char *request_json_text(struct request *r, const json_t *part,
    struct err *e);

/* Texts of an array of strings, kept like that; n is 0 for NULL. */
struct storage_texts;
must_check int request_texts(struct request *r, const char *name,
    const json_t *array, struct storage_texts *ret, struct err *e);

/* A block of zeroes, freed with the request; NULL without memory. */
void *request_keep(struct request *r, size_t n);

/* The same as the request's state; NULL: it was answered, 503. */
void *request_state(struct request *r, size_t n);

/* Add a field to the answer; name is borrowed for ever. */
void request_field(struct request *r, const char *name, const char *fmt, ...)
    printf_like(3, 4);

/* Whole answers.  body is taken, also where it cannot be sent. */
void request_json(struct request *r, unsigned status, json_t *body);

/* What a writer has written; w is empty then. */
struct writer;
void request_written(struct request *r, unsigned status, struct writer *w);

/* A text of n bytes, allocated, taken. */
void request_text(struct request *r, unsigned status, const char *type,
    char *text, size_t n);

/* Nothing but the status: 204, 202. */
void request_empty(struct request *r, unsigned status);

/*
 * A failure: {"detail": text, ...} with the members of RFC 9457.  The first
 * takes the status from err.h's table.
 */
void request_error(struct request *r, const struct err *e);
void request_fail(struct request *r, unsigned status, enum err_code code,
    const char *fmt, ...) printf_like(4, 5);

/*
 * A failure of the storage: what is not found is "WHAT ID not found", the
 * same for what another tenant has.
 */
void request_refused(struct request *r, const struct err *e, const char *what,
    const char *id);

/* The text of such a failure. */
void request_problem_text(struct text *t, unsigned status, enum err_code code,
    const char *detail);

/*
 * Whether another stream may begin; asked before anything is done for it.
 * -1: there are too many, and the request was answered.
 */
must_check int request_may_stream(struct request *r);

/*
 * Begin a stream: status 200, that type; pull follows on the loop's turn.
 * The request is gone, as most streams outlive what they were asked with by
 * hours: what the source needs of it, it has copied.  Returns the client, to
 * be written to; NULL: it has left, and gone was called.
 */
must_check struct api_conn *request_stream(struct request *r, const char *type,
    const struct request_source *s);
/* 1 while more may be written. */
int request_room(const struct api_conn *client);
/* Append up to n bytes; returns how many, 0 where there is no room. */
size_t request_write(struct api_conn *client, const void *p, size_t n);
/* The stream has ended well; the client is gone. */
void request_end(struct api_conn *client);
/* It cannot be ended well: cut it off. */
void request_break(struct api_conn *client);

/* For the connection: a request without a sender yet, and its end. */
struct request *request_create(struct api *api);
void request_destroy(struct request *r);

#endif /* !API_REQUEST_H */
