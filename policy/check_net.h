/*
 * check_net.h: what the network part of a policy allows but probably does not
 * mean, and what of it can never happen.
 *
 * Warnings into r->diag; for "warder policy check".  warder-config only: it
 * looks at files of the host that the policy names.
 */
#ifndef CHECK_NET_H
#define CHECK_NET_H

#include "resolve.h"

void check_net(struct resolve *r);

#endif /* !CHECK_NET_H */
