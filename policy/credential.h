/*
 * credential.h: where clients of the world's services put credentials.
 *
 * On a service that has one of the policy's, what the client brought itself
 * is its "from_client"'s affair: so it has to be found, by the name of its
 * header or of its parameter.  Servers disagree about what a name is ("-" and
 * "_" are one to CGI and its heirs, case counts rarely, PHP adds "[]"), so
 * names are compared by their letters and digits alone.  Pure, libc only;
 * bytes may be hostile.
 */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include "plan_net.h"

/* 1 if a header of that name holds one: a known one, or the plan's own. */
int credential_is_header(const struct plan_net *net, const char *name,
    size_t n);

/*
 * 1 if a query (without its "?") has one among its parameters.  Those that
 * the rule names (index in the plan, or PLAN_NET_NONE) are the policy's own
 * and no client's.
 */
int credential_in_query(const struct plan_net *net, uint32_t rule,
    const char *query);

/*
 * Copy the query without them; ret has room for all of it and a NUL.  Other
 * parameters stay as they were written, in their order.  The length.
 */
size_t credential_strip_query(const struct plan_net *net, uint32_t rule,
    const char *query, char *ret);

#endif /* !CREDENTIAL_H */
