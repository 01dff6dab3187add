/*
 * pass.h: which fields are passed on, and which stay here.
 *
 * Those of one hop are the codec's business (http1_head_remove_hop), those
 * that are credentials inject.h's.  Here is the rest: what a server may take
 * in place of what was judged, what is about us and not about the content,
 * and trailers.  Runs in warder-proxy; pure.
 */
#ifndef PASS_H
#define PASS_H

#include "http1.h"
#include "plan_net.h"

/* Remove from a request what a server may take for another request. */
void pass_strip(struct http1_head *h);

/* Whether a response's field of that name stays here. */
int pass_is_dropped(const char *name);

/*
 * Whether a trailer is passed on.  Never: what the codec forbids, what
 * pass_strip() and pass_is_dropped() take out of a head, and names in which
 * some service of the plan looks for a credential: one that comes behind the
 * body is neither looked for nor taken out.
 */
int pass_trailer(const struct plan_net *net, const char *name);

/*
 * Leave in Trailer the names that are passed on; without any it goes.  from
 * and to may be the same.  Errors as of http1_head_set.
 */
must_check int pass_announce(const struct plan_net *net,
    const struct http1_head *from, struct http1_head *to, struct err *e);

#endif /* !PASS_H */
