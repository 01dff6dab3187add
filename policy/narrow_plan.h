/*
 * narrow_plan.h: a plan cut down to requested ∩ what it is.
 *
 * A command beside a run has a jail made from the run's own plan.  Each field
 * of a request can only take away: limits are the lesser of both, services
 * and writable directories go or stay.  So what comes out is never more than
 * what went in, whoever asked.  Pure; runs in warderd.
 */
#ifndef NARROW_PLAN_H
#define NARROW_PLAN_H

#include "narrow.h"
#include "plan.h"

/*
 * Cut the plan (checked, of kind GRANT) down.  ERR_INVALID: a limit below
 * what any policy may say, an unknown flag; the plan is as it was then.  Its
 * digests are not: plan_seal() is the caller's, who may have added mounts.
 */
must_check int narrow_plan(struct plan *p, const struct narrow *n,
    struct err *e);

#endif /* !NARROW_PLAN_H */
