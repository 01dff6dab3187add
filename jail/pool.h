/*
 * pool.h: jails prepared for one policy, up to the last step.
 *
 * Runs in a long-lived launcher.  A parked jail has its namespaces, tree,
 * ids, groups and filter, and a warder-init that waits for a command; it is
 * taken for one command and never used again, so that nothing passes from
 * one to the next.  It costs memory and grows old: the pool has a size and an
 * age limit.  A parked jail that has died is noticed and replaced.
 *
 *	fill ──► parked ──take──► the caller's
 *	            └──age, death──► destroyed
 */
#ifndef POOL_H
#define POOL_H

#include <stdint.h>

#include "err.h"
#include "jail.h"

enum {
	POOL_SIZE_MAX = 1024
};

struct pool;

/*
 * What each member has beside its jail, such as a way out, in the order of
 * its life: start says in *o what the jail needs of it, ready waits until the
 * jail can be launched, dead looks, end comes after the jail's.  Whoever
 * takes the jail takes it too, and ends it.
 */
struct pool_beside {
	int (*start)(void *arg, struct jail_options *o, void **ret,
	    struct err *e);
	int (*ready)(void *beside, struct err *e);
	int (*dead)(const void *beside);
	void (*end)(void *beside);
	void *arg;
};

struct pool_options {
	struct jail_options jail; /* of every member; borrowed */
	const struct pool_beside *beside; /* borrowed; NULL: nothing */
	unsigned size; /* jails that are parked, at most */
	uint64_t max_age_ms; /* of a parked one; 0: none */
};

struct pool_count {
	unsigned parked;
	uint64_t made, taken, expired, died;
};

/* Empty; ERR_INVALID if size is 0 or above POOL_SIZE_MAX. */
must_check int pool_create(const struct pool_options *o, struct pool **ret,
    struct err *e);

/*
 * Remove what is dead or too old, then make at most "most" new ones while
 * there are fewer than size; each takes about as long as a start.
 */
must_check int pool_fill(struct pool *p, unsigned most, struct err *e);

/*
 * The oldest living one, or a new one where none is parked: it is then the
 * caller's, who starts one command in it and destroys it, and then ends what
 * was beside it (*ret_beside, NULL if there is nothing).
 */
must_check int pool_take(struct pool *p, struct jail **ret, void **ret_beside,
    struct err *e);

void pool_count(const struct pool *p, struct pool_count *ret);

/* Destroys what is parked; accepts NULL. */
void pool_destroy(struct pool *p);

#endif /* !POOL_H */
