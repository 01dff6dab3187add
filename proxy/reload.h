/*
 * reload.h: another policy for a jail that runs.
 *
 * The candidate is checked as a whole and made ready with all that can fail;
 * then it is in force, in one step between two events, and every live
 * connection is asked for anew.  What is not allowed any more is cut, and so
 * is what would now be done in another way: a request or a stream is one
 * generation's from its beginning to its end, or both say the same of it.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "guest.h"

/* A change of generation, while it happens: "to" is in force. */
struct reload {
	struct guest *guest;
	const struct generation *from, *to;
	uint32_t kept, cut; /* connections that have a destination */
};

/*
 * Put the guest's candidate in force, or not; *ret says which, and why.  -1
 * if there is none: the launcher has lost its way.
 */
must_check int reload_run(struct guest *g, struct proxy_reloaded *ret,
    struct err *e);

/* The number in "to" of a credential of "from"; PLAN_NET_NONE: it has none. */
uint32_t reload_credential(const struct reload *r, uint32_t credential);

/*
 * Whether an allowing verdict of "to" means what one of "from" meant: the
 * same stream, addresses and authorities, the same credentials put in and
 * taken out.
 */
int reload_is_same(const struct reload *r, const struct verdict *was,
    const struct verdict *is);

/*
 * Whether what was looked for in a request that began under "began" is still
 * all that is to be looked for; with its body (body = 1) also whether the
 * same happens to what is found there.
 */
int reload_keeps_placeholders(const struct reload *r,
    const struct generation *began, int body);

#endif /* !RELOAD_H */
