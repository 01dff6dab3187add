/*
 * record.h: what was refused or failed, said and counted.
 *
 * A line of the log for each, as long as the guest does not make too many of
 * them: a flood is counted, and the count said with the next line.
 */
#ifndef RECORD_H
#define RECORD_H

#include "guest.h"
#include "policy/authorize.h"

enum {
	RECORD_BURST = 64, /* lines at once */
	RECORD_LINE_MS = 200, /* in which another one is earned */
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
void record_allowed(struct guest *g, uint32_t service);

#endif /* !RECORD_H */
