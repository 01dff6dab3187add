/*
 * compile_net.h: the sections "network", "credentials" and "audit" of a
 * resolved policy to the plan that authorize() decides by.
 *
 * warder-config only.
 */
#ifndef COMPILE_NET_H
#define COMPILE_NET_H

#include "plan_net.h"
#include "resolve.h"

/*
 * Write the sealed network plan.  A policy without services and credentials,
 * and a ceiling, have none: ret->net.size is 0 then.  Returns 0, or -1 with
 * errors in r->diag; *ret is then undefined.
 */
must_check int compile_net(struct resolve *r, union plan_net_room *ret);

#endif /* !COMPILE_NET_H */
