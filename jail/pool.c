#include "pool.h"

#include <string.h>

#include "clock.h"

struct pool_member {
	struct jail *jail;
	void *beside;
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

/* Any half of one. */
static void
pool_discard(struct pool *p, struct pool_member *m)
{
	if (m->jail != NULL)
		(void)jail_destroy(m->jail);
	if (m->beside != NULL)
		p->options.beside->end(m->beside);
}

static int
pool_make(struct pool *p, struct pool_member *m, struct err *e)
{
	const struct pool_beside *b = p->options.beside;
	struct jail_options o = p->options.jail;

	if ((b != NULL && b->start(b->arg, &o, &m->beside, e) == -1) ||
	    jail_create(&o, &m->jail, e) == -1 ||
	    (b != NULL && b->ready(m->beside, e) == -1))
		return -1;
	return jail_launch(m->jail, NULL, NULL, e);
}

static int
pool_launch(struct pool *p, struct pool_member *ret, struct err *e)
{
	struct pool_member m = { NULL };

	if (pool_make(p, &m, e) == -1) {
		pool_discard(p, &m);
		return -1;
	}
	p->count.made++;
	m.born_ms = clock_now_ms();
	*ret = m;
	return 0;
}

static struct pool_member
pool_remove(struct pool *p, unsigned i)
{
	struct pool_member m = p->members[i];

	p->count.parked--;
	memmove(&p->members[i], &p->members[i + 1],
	    (p->count.parked - i) * sizeof(p->members[0]));
	return m;
}

static int
pool_is_dead(const struct pool *p, const struct pool_member *m)
{
	return jail_is_dead(m->jail) ||
	       (m->beside != NULL && p->options.beside->dead(m->beside));
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
		struct pool_member m = p->members[i];
		int dead = pool_is_dead(p, &m), old = pool_is_old(p, &m, now);

		if (!dead && !old) {
			i++;
			continue;
		}
		p->count.died += (uint64_t)dead;
		p->count.expired += (uint64_t)(!dead && old);
		(void)pool_remove(p, i);
		pool_discard(p, &m);
	}
}

int
pool_fill(struct pool *p, unsigned most, struct err *e)
{
	struct pool_member m;

	pool_prune(p);
	while (most-- > 0 && p->count.parked < p->options.size) {
		if (pool_launch(p, &m, e) == -1)
			return -1;
		p->members[p->count.parked++] = m;
	}
	return 0;
}

int
pool_take(struct pool *p, struct jail **ret, void **ret_beside, struct err *e)
{
	struct pool_member m;

	pool_prune(p);
	if (p->count.parked > 0)
		m = pool_remove(p, 0);
	else if (pool_launch(p, &m, e) == -1)
		return -1;
	*ret = m.jail;
	*ret_beside = m.beside;
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
	while (p->count.parked > 0) {
		struct pool_member m = pool_remove(p, 0);

		pool_discard(p, &m);
	}
	free(p);
}
