/*
 * within.h: whether a plan stays under a ceiling, field by field.
 *
 * The operator's ceiling cuts a policy when warder-config compiles it; this
 * asks again, over the two compiled plans, whoever made the one and whatever
 * the other has become since.  Pure; no text is parsed, nothing is opened.
 * Runs in warderd and warder-deploy.
 */
#ifndef WITHIN_H
#define WITHIN_H

#include "plan.h"
#include "plan_net.h"

/*
 * Both plans and both network halves (plan_net_init's where there is none)
 * are checked.  ERR_DENIED names the first thing that the ceiling does not
 * allow.  What cannot be shown to lie under it is not allowed.
 *
 * Whatever the ceiling says, secrets come from the vault alone: a file or a
 * variable is not the policy's author's to name here.  Where it says nothing
 * of services, names may be reached, but no address of the policy's own
 * choosing (dial, only_addresses) nor with an authority of its own (ca).
 */
must_check int within_ceiling(const struct plan *p, const struct plan_net *net,
    const struct plan *ceiling, const struct plan_net *ceiling_net,
    struct err *e);

#endif /* !WITHIN_H */
