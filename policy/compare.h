/*
 * compare.h: what one compiled policy allows that another does not.
 *
 * Over plans, never over text: order, names of services, and layers make no
 * difference.  What cannot be shown to be covered counts as new: a difference
 * may be reported that is none, never the other way round.  warder-config,
 * warderd (by within.h) and tests.
 */
#ifndef COMPARE_H
#define COMPARE_H

#include "plan.h"
#include "plan_net.h"

struct compare_side {
	const struct plan *plan;
	const struct plan_net *net; /* plan_net_init's if the plan has none */
};

/*
 * Called with a line for each thing that is allowed, so that it reads well
 * behind "+" and behind "-"; near is "file:line" or "".
 */
typedef void compare_say_fn(void *arg, const char *kind, const char *what,
    const char *near);

/* Say what b allows and a does not; returns the number of lines. */
unsigned compare_widened(const struct compare_side *a,
    const struct compare_side *b, compare_say_fn *say, void *arg);

/*
 * The same for services and their rules alone, without credentials: what b
 * reaches and may do there.
 */
unsigned compare_widened_net(const struct compare_side *a,
    const struct compare_side *b, compare_say_fn *say, void *arg);

#endif /* !COMPARE_H */
