/*
 * record.h: what was decided, said, counted and put into the audit log.
 *
 * A line of the log for each refusal and failure, as long as the guest does
 * not make too many of them: a flood is counted, and the count said with the
 * next line.  The same in the audit log (audit.h), with more room; there also
 * what was allowed, before it happens, and each use of a credential, by its
 * name.  No query, no body and no value of a header is ever recorded.
 */
#ifndef RECORD_H
#define RECORD_H

#include "guest.h"
#include "policy/authorize.h"

enum {
	RECORD_BURST = 64, /* lines at once */
	RECORD_LINE_MS = 200, /* in which another one is earned */
	RECORD_AUDIT_BURST = 4096, /* the same for refusals in the audit log */
	RECORD_AUDIT_LINE_MS = 10,
};

/* How the client came. */
enum record_way {
	RECORD_CAPTURE,
	RECORD_EXPLICIT,
	RECORD_DNS,
	RECORD_WAY__MAX
};

/* A refusal of authorize(). */
void record_refusal(struct guest *g, enum record_way way,
    const struct intent *in, const struct verdict *v);

/* What was allowed and did not work out, or was malformed; service may be
 * PLAN_NET_NONE.  code is one of the closed list. */
void record_failure(struct guest *g, enum record_way way, uint32_t service,
    const char *host, uint32_t port, enum refusal_code code, const char *why);

/* An allowed request or connection. */
struct record_act {
	enum record_way way;
	uint32_t service;
	uint32_t rule; /* PLAN_NET_NONE: "allow: any" */
	const char *host;
	uint32_t port;
	const char *method, *path; /* NULL: a connection */
};

/*
 * It is about to happen, or its credential to be put in: -1 if that cannot
 * be recorded, and then it must not.
 */
must_check int record_allowed(struct guest *g, const struct record_act *a,
    struct err *e);

/*
 * The same for a request and the credentials that are put into it: their
 * lines are written together, by record_put(), before which nothing of the
 * request goes out and the loop is not returned to.
 */
must_check int record_request(struct guest *g, const struct record_act *a,
    struct err *e);
must_check int record_put(struct guest *g, struct err *e);
must_check int record_credential(struct guest *g, uint32_t credential,
    uint32_t service, const char *host, uint32_t port, struct err *e);

/*
 * Another policy (its digest): before it is in force, -1 if that cannot be
 * recorded; and after it, as lines of the new one.
 */
must_check int record_reload(struct guest *g, const struct generation *to,
    struct err *e);
void record_reloaded(struct guest *g, const struct generation *from,
    uint32_t kept, uint32_t cut);

/* What a service has done so far, which is not in the next generation. */
void record_summary(struct guest *g, uint32_t service);

/*
 * The first line of a guest's audit log; its going on in the next file, with
 * the end of the one before; and its last line.  fd is taken.
 */
must_check int record_open(struct guest *g, int fd, struct err *e);
must_check int record_next(struct guest *g, int fd,
    struct proxy_audit_ended *ret, struct err *e);
void record_close(struct guest *g);

#endif /* !RECORD_H */
