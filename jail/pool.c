#include "pool.h"

#include <poll.h>
#include <string.h>

#include "clock.h"

struct pool_member {
	struct jail *jail;
	uint64_t born_ms;
};

struct pool {
	struct pool_options options;
	struct pool_count count; /* parked: of members[], oldest first */
	struct pool_member members[POOL_SIZE_MAX];
};

int
pool_create(const struct pool_options *o, struct pool **ret, struct err *e)
{
	struct pool *p;

	if (o->size == 0 || o->size > POOL_SIZE_MAX)
		return err_set(e, ERR_INVALID, "a pool holds 1 to %d jails",
		    POOL_SIZE_MAX);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	p->options = *o;
	*ret = p;
	return 0;
}

static int
pool_launch(struct pool *p, struct jail **ret, struct err *e)
{
	struct jail *j;

	if (jail_create(&p->options.jail, &j, e) == -1)
		return -1;
	if (jail_launch(j, NULL, NULL, e) == -1) {
		(void)jail_destroy(j);
		return -1;
	}
	p->count.made++;
	*ret = j;
	return 0;
}

static struct jail *
pool_remove(struct pool *p, unsigned i)
{
	struct jail *j = p->members[i].jail;

	p->count.parked--;
	memmove(&p->members[i], &p->members[i + 1],
	    (p->count.parked - i) * sizeof(p->members[0]));
	return j;
}

/* A parked warder-init has nothing to say: anything readable is its end. */
static int
pool_is_dead(const struct pool_member *m)
{
	struct pollfd f = { .fd = jail_fd(m->jail), .events = POLLIN };

	return poll(&f, 1, 0) != 0;
}

static int
pool_is_old(const struct pool *p, const struct pool_member *m, uint64_t now)
{
	return p->options.max_age_ms > 0 &&
	       now - m->born_ms >= p->options.max_age_ms;
}

static void
pool_prune(struct pool *p)
{
	uint64_t now = clock_now_ms();
	unsigned i = 0;

	while (i < p->count.parked) {
		const struct pool_member *m = &p->members[i];
		int dead = pool_is_dead(m), old = pool_is_old(p, m, now);

		if (!dead && !old) {
			i++;
			continue;
		}
		p->count.died += (uint64_t)dead;
		p->count.expired += (uint64_t)(!dead && old);
		(void)jail_destroy(pool_remove(p, i));
	}
}

int
pool_fill(struct pool *p, unsigned most, struct err *e)
{
	struct jail *j;

	pool_prune(p);
	while (most-- > 0 && p->count.parked < p->options.size) {
		if (pool_launch(p, &j, e) == -1)
			return -1;
		p->members[p->count.parked++] = (struct pool_member){
			.jail = j,
			.born_ms = clock_now_ms(),
		};
	}
	return 0;
}

int
pool_take(struct pool *p, struct jail **ret, struct err *e)
{
	pool_prune(p);
	if (p->count.parked == 0) {
		if (pool_launch(p, ret, e) == -1)
			return -1;
	} else {
		*ret = pool_remove(p, 0);
	}
	p->count.taken++;
	return 0;
}

void
pool_count(const struct pool *p, struct pool_count *ret)
{
	*ret = p->count;
}

void
pool_destroy(struct pool *p)
{
	if (p == NULL)
		return;
	while (p->count.parked > 0)
		(void)jail_destroy(pool_remove(p, 0));
	free(p);
}
