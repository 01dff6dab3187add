#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "compare.h"
#include "merge_net.h"
#include "text.h"

enum {
	WHAT_SIZE = 2048
};

struct compare {
	const struct plan *pa, *pb;
	const struct plan_net *a, *b;
	compare_say_fn *say;
	void *arg;
	unsigned lines;
};

static void say(struct compare *c, const char *kind, const char *near,
    const char *fmt, ...) printf_like(4, 5);

static void
say(struct compare *c, const char *kind, const char *near, const char *fmt, ...)
{
	char what[WHAT_SIZE], safe[2 * WHAT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)text_escape(safe, sizeof(safe), what, strlen(what));
	c->say(c->arg, kind, safe, near);
	c->lines++;
}

/* ---- rules ---------------------------------------------------------------------- */

/* A rule, or what "allow: any" comes to. */
struct matcher {
	uint32_t methods;
	const char *path; /* NULL: any */
	const struct plan_net_rule *rule; /* NULL: allow: any */
};

static struct matcher
matcher_of(const struct plan_net *n, const struct plan_net_rule *r)
{
	struct matcher m = { r->methods,
		r->path == 0 ? NULL : plan_net_string(n, r->path), r };

	return m;
}

static int
same_queries(const struct plan_net *n, const struct plan_net_rule *x,
    const struct plan_net *m, const struct plan_net_rule *y)
{
	uint32_t i, k;

	for (i = 0; i < x->nqueries; i++) {
		const struct plan_net_query *q =
		    plan_net_query(n, x->first_query + i);

		for (k = 0; k < y->nqueries; k++) {
			const struct plan_net_query *p =
			    plan_net_query(m, y->first_query + k);

			if (strcmp(plan_net_string(n, q->name),
				plan_net_string(m, p->name)) == 0 &&
			    strcmp(plan_net_string(n, q->pattern),
				plan_net_string(m, p->pattern)) == 0)
				break;
		}
		if (k == y->nqueries)
			return 0;
	}
	return 1;
}

/* Whatever y matches with one method (a bit), x matches. */
static int
covers(const struct plan_net *n, const struct matcher *x,
    const struct plan_net *m, const struct matcher *y, uint32_t method)
{
	if ((x->methods & method) != method)
		return 0;
	if (!merge_net_path_covers(x->path, y->path))
		return 0;
	/* x may want fewer parameters than y, not others. */
	return x->rule == NULL || x->rule->nqueries == 0 ||
	       (y->rule != NULL && same_queries(n, x->rule, m, y->rule));
}

/* ---- services -------------------------------------------------------------------- */

static int
covers_destination(const struct plan_net *n,
    const struct plan_net_destination *x, const struct plan_net *m,
    const struct plan_net_destination *y)
{
	return x->port == y->port &&
	       plan_net_service(n, x->service)->protocol ==
		   plan_net_service(m, y->service)->protocol &&
	       merge_net_host_covers(plan_net_string(n, x->host),
		   plan_net_string(m, y->host));
}

static const struct plan_net_service *
service_of(const struct plan_net *n, const struct plan_net_destination *d)
{
	return plan_net_service(n, d->service);
}

/* Does some rule with this verdict, for this destination, cover it? */
static int
is_covered(const struct plan_net *n, enum plan_net_verdict verdict,
    const struct plan_net *m, const struct plan_net_destination *to,
    const struct matcher *y, uint32_t method)
{
	static const struct matcher any = { PLAN_NET_METHODS_ANY, NULL, NULL };
	uint32_t d, i;

	for (d = 0; d < plan_net_count(n, PLAN_NET_DESTINATIONS); d++) {
		const struct plan_net_destination *x =
		    plan_net_destination(n, d);
		const struct plan_net_service *s = service_of(n, x);

		if (!covers_destination(n, x, m, to))
			continue;
		if (verdict == PLAN_NET_ALLOW && s->allow_any &&
		    covers(n, &any, m, y, method))
			return 1;
		for (i = s->first_rule; i < s->first_rule + s->nrules; i++) {
			struct matcher r = matcher_of(n, plan_net_rule(n, i));

			if (r.rule->verdict == verdict &&
			    covers(n, &r, m, y, method))
				return 1;
		}
	}
	return 0;
}

static const char *
host_of(const struct plan_net *n, const struct plan_net_destination *d)
{
	return plan_net_string(n, d->host);
}

static const char *
near_rule(const struct plan_net *n, const struct plan_net_destination *d,
    const struct matcher *m)
{
	return plan_net_string(n,
	    m->rule != NULL ? m->rule->origin : service_of(n, d)->origin);
}

/* The methods of y that nothing in n covers, as words. */
static int
uncovered(const struct plan_net *n, enum plan_net_verdict verdict,
    const struct plan_net *m, const struct plan_net_destination *to,
    const struct matcher *y, struct text *t)
{
	uint32_t i;

	if (y->methods == PLAN_NET_METHODS_ANY) {
		if (is_covered(n, verdict, m, to, y, PLAN_NET_METHODS_ANY))
			return 0;
		text_add(t, "any method");
		return 1;
	}
	for (i = 0; i < PLAN_NET_METHOD__MAX; i++)
		if ((y->methods & 1u << i) != 0 &&
		    !is_covered(n, verdict, m, to, y, 1u << i))
			text_addf(t, "%s%s", t->len == 0 ? "" : ",",
			    plan_net_method_name(i));
	return t->len > 0;
}

static void
compare_allow(struct compare *c, const struct plan_net_destination *d,
    const struct matcher *m)
{
	char methods[256];
	struct text t;

	text_init(&t, methods, sizeof(methods));
	if (!uncovered(c->a, PLAN_NET_ALLOW, c->b, d, m, &t))
		return;
	say(c, "methods and paths", near_rule(c->b, d, m), "%s %s at %s:%u%s",
	    methods, m->path == NULL ? "on any path" : m->path,
	    host_of(c->b, d), d->port,
	    m->rule != NULL && m->rule->nqueries != 0 ? " with parameters"
						      : "");
}

/* A deny or ask of a that b has no more, where b still goes. */
static void
compare_lost(struct compare *c, const struct plan_net_destination *d,
    const struct matcher *m, enum plan_net_verdict verdict)
{
	char methods[256];
	struct text t;

	text_init(&t, methods, sizeof(methods));
	if (!uncovered(c->b, verdict, c->a, d, m, &t))
		return;
	say(c, verdict == PLAN_NET_DENY ? "not denied" : "not asked about",
	    near_rule(c->a, d, m), "%s %s at %s:%u", methods,
	    m->path == NULL ? "on any path" : m->path, host_of(c->a, d),
	    d->port);
}

static int
is_reached(const struct plan_net *n, const struct plan_net *m,
    const struct plan_net_destination *to)
{
	uint32_t d;

	for (d = 0; d < plan_net_count(n, PLAN_NET_DESTINATIONS); d++)
		if (covers_destination(n, plan_net_destination(n, d), m, to))
			return 1;
	return 0;
}

static void
compare_reach(struct compare *c)
{
	static const struct matcher any = { PLAN_NET_METHODS_ANY, NULL, NULL };
	uint32_t i, d;

	for (d = 0; d < plan_net_count(c->b, PLAN_NET_DESTINATIONS); d++) {
		const struct plan_net_destination *to =
		    plan_net_destination(c->b, d);
		const struct plan_net_service *s = service_of(c->b, to);

		if (!is_reached(c->a, c->b, to))
			say(c, "reach", plan_net_string(c->b, s->origin),
			    "%s:%u (service %s)", host_of(c->b, to), to->port,
			    plan_net_string(c->b, s->name));
		if (s->allow_any)
			compare_allow(c, to, &any);
		for (i = s->first_rule; i < s->first_rule + s->nrules; i++) {
			struct matcher m =
			    matcher_of(c->b, plan_net_rule(c->b, i));

			if (m.rule->verdict == PLAN_NET_ALLOW)
				compare_allow(c, to, &m);
		}
	}
}

static void
compare_denies(struct compare *c)
{
	uint32_t i, d;

	for (d = 0; d < plan_net_count(c->a, PLAN_NET_DESTINATIONS); d++) {
		const struct plan_net_destination *to =
		    plan_net_destination(c->a, d);
		const struct plan_net_service *s = service_of(c->a, to);

		if (!is_reached(c->b, c->a, to))
			continue;
		for (i = s->first_rule; i < s->first_rule + s->nrules; i++) {
			struct matcher m =
			    matcher_of(c->a, plan_net_rule(c->a, i));

			if (m.rule->verdict != PLAN_NET_ALLOW)
				compare_lost(c, to, &m, m.rule->verdict);
		}
	}
}

/* ---- the stream of a service ---------------------------------------------------------- */

static const struct plan_net_destination *
find_same(const struct plan_net *n, const struct plan_net *m,
    const struct plan_net_destination *to)
{
	uint32_t d;

	for (d = 0; d < plan_net_count(n, PLAN_NET_DESTINATIONS); d++)
		if (covers_destination(n, plan_net_destination(n, d), m, to))
			return plan_net_destination(n, d);
	return NULL;
}

static int
range_covers(const struct net_range *x, const struct net_range *y)
{
	return x->prefix <= y->prefix && address_in_range(&y->base, x);
}

/* Is every address that y may have one that x may have? */
static int
ranges_cover(const struct plan_net *n, const struct plan_net_service *x,
    const struct plan_net *m, const struct plan_net_service *y)
{
	uint32_t i, k;

	if (y->nranges == 0)
		return x->nranges == 0;
	for (i = 0; i < y->nranges; i++) {
		for (k = 0; k < x->nranges; k++)
			if (range_covers(plan_net_range(n, x->first_range + k),
				plan_net_range(m, y->first_range + i)))
				break;
		if (k == x->nranges)
			return 0;
	}
	return 1;
}

static void
compare_stream(struct compare *c, const struct plan_net_destination *x,
    const struct plan_net_destination *y)
{
	const struct plan_net_service *s = service_of(c->a, x);
	const struct plan_net_service *t = service_of(c->b, y);
	const char *near = plan_net_string(c->b, t->origin);
	const char *host = host_of(c->b, y);

	if (!ranges_cover(c->a, s, c->b, t) ||
	    (t->nranges == 0 && y->open > x->open))
		say(c, "addresses", near, "others than now for %s:%u", host,
		    y->port);
	if (t->dial_port != 0 &&
	    (t->dial_port != s->dial_port ||
		memcmp(&t->dial, &s->dial, sizeof(t->dial)) != 0))
		say(c, "dial", near, "%s:%u at an address of the policy's",
		    host, y->port);
	if (y->tls > x->tls || strcmp(plan_net_string(c->a, s->ca),
				   plan_net_string(c->b, t->ca)) != 0)
		say(c, "tls", near, "%s:%u verified in this way", host,
		    y->port);
	if (t->body_max_bytes > s->body_max_bytes)
		say(c, "body", near, "larger ones to %s:%u", host, y->port);
}

static void
compare_streams(struct compare *c)
{
	const struct plan_net_destination *x, *y;
	uint32_t d;

	for (d = 0; d < plan_net_count(c->b, PLAN_NET_DESTINATIONS); d++) {
		y = plan_net_destination(c->b, d);
		if ((x = find_same(c->a, c->b, y)) != NULL)
			compare_stream(c, x, y);
	}
}

/* ---- credentials ----------------------------------------------------------------------- */

static int
same_secret(const struct plan_net *n, const struct plan_net_credential *x,
    const struct plan_net *m, const struct plan_net_credential *y)
{
	return x->source == y->source &&
	       strcmp(plan_net_string(n, x->source_name),
		   plan_net_string(m, y->source_name)) == 0;
}

/* Does n put the same secret on requests to a destination that covers it? */
static const struct plan_net_credential *
find_use(const struct plan_net *n, const struct plan_net *m,
    const struct plan_net_destination *to, const struct plan_net_inject *j)
{
	const struct plan_net_credential *y =
	    plan_net_credential(m, j->credential);
	uint32_t d, i;

	for (d = 0; d < plan_net_count(n, PLAN_NET_DESTINATIONS); d++) {
		const struct plan_net_destination *x =
		    plan_net_destination(n, d);
		const struct plan_net_service *s = service_of(n, x);

		if (!covers_destination(n, x, m, to))
			continue;
		for (i = s->first_inject; i < s->first_inject + s->ninjects;
		     i++) {
			const struct plan_net_inject *k = plan_net_inject(n, i);
			const struct plan_net_credential *c =
			    plan_net_credential(n, k->credential);

			if (same_secret(n, c, m, y) &&
			    strcmp(plan_net_string(n, k->header),
				plan_net_string(m, j->header)) == 0 &&
			    (k->when == PLAN_NET_WHEN_ALWAYS ||
				j->when == PLAN_NET_WHEN_PLACEHOLDER))
				return c;
		}
	}
	return NULL;
}

static void
compare_guards(struct compare *c, const struct plan_net_credential *x,
    const struct plan_net_credential *y)
{
	const char *name = plan_net_string(c->b, y->name);
	const char *near = plan_net_string(c->b, y->origin);

	if (y->elsewhere > x->elsewhere)
		say(c, "credential", near, "%s: elsewhere is looser", name);
	if (y->from_client == PLAN_NET_FROM_CLIENT_KEEP &&
	    x->from_client != PLAN_NET_FROM_CLIENT_KEEP)
		say(c, "credential", near, "%s: the client's own is kept",
		    name);
	if (y->scrub < x->scrub)
		say(c, "credential", near, "%s: responses are not scrubbed",
		    name);
	if (y->required < x->required)
		say(c, "credential", near, "%s: requests go without it", name);
}

static void
compare_injects(struct compare *c, const struct plan_net_destination *to)
{
	const struct plan_net_service *s = service_of(c->b, to);
	const struct plan_net_credential *x;
	uint32_t i;

	for (i = s->first_inject; i < s->first_inject + s->ninjects; i++) {
		const struct plan_net_inject *j = plan_net_inject(c->b, i);
		const struct plan_net_credential *y =
		    plan_net_credential(c->b, j->credential);

		if ((x = find_use(c->a, c->b, to, j)) != NULL)
			compare_guards(c, x, y);
		else
			say(c, "credentialed reach",
			    plan_net_string(c->b, j->origin),
			    "%s to %s:%u in %s", plan_net_string(c->b, y->name),
			    host_of(c->b, to), to->port,
			    plan_net_string(c->b, j->header));
	}
}

static void
compare_credentials(struct compare *c)
{
	uint32_t d;

	for (d = 0; d < plan_net_count(c->b, PLAN_NET_DESTINATIONS); d++)
		compare_injects(c, plan_net_destination(c->b, d));
}

/* ---- the jail ------------------------------------------------------------------------------ */

static const char *
text_a(const struct compare *c, plan_str s)
{
	return plan_string(c->pa, s);
}

static const char *
text_b(const struct compare *c, plan_str s)
{
	return plan_string(c->pb, s);
}

/* Is there a mount of a that shows the same, as writably and as large? */
static int
has_mount(const struct compare *c, const struct plan_mount *y)
{
	uint32_t i;

	for (i = 0; i < c->pa->nmounts; i++) {
		const struct plan_mount *x = &c->pa->mounts[i];

		if (strcmp(text_a(c, x->path), text_b(c, y->path)) == 0 &&
		    strcmp(text_a(c, x->from), text_b(c, y->from)) == 0 &&
		    (x->kind == y->kind || (x->kind == PLAN_MOUNT_WRITE &&
					       y->kind == PLAN_MOUNT_READ)) &&
		    y->size_bytes <= x->size_bytes && y->inodes <= x->inodes)
			return 1;
	}
	return 0;
}

static void
compare_mounts(struct compare *c)
{
	static const char *const kinds[] = { "read", "write", "new", "tmpfs" };
	uint32_t i;

	for (i = 0; i < c->pb->nmounts; i++) {
		const struct plan_mount *y = &c->pb->mounts[i];

		if (!has_mount(c, y))
			say(c, kinds[y->kind], text_b(c, y->origin), "%s at %s",
			    y->from == 0 ? "a directory" : text_b(c, y->from),
			    text_b(c, y->path));
	}
	if (c->pa->rootfs != c->pb->rootfs ||
	    strcmp(text_a(c, c->pa->rootfs_dir),
		text_b(c, c->pb->rootfs_dir)) != 0)
		say(c, "rootfs", "", "another root directory");
}

static void
compare_protect(struct compare *c)
{
	uint32_t i, k;

	for (i = 0; i < c->pa->nprotect; i++) {
		const struct plan_protect *x = &c->pa->protect[i];

		for (k = 0; k < c->pb->nprotect; k++)
			if (strcmp(text_b(c, c->pb->protect[k].path),
				text_a(c, x->path)) == 0 &&
			    c->pb->protect[k].tree >= x->tree)
				break;
		if (k == c->pb->nprotect)
			say(c, "not protected", text_a(c, x->origin), "%s%s",
			    text_a(c, x->path), x->tree ? "/**" : "");
	}
}

static void
compare_env(struct compare *c)
{
	uint32_t i, k;

	for (i = 0; i < c->pb->nenv; i++) {
		const struct plan_env *y = &c->pb->env[i];

		for (k = 0; k < c->pa->nenv; k++)
			if (strcmp(text_a(c, c->pa->env[k].name),
				text_b(c, y->name)) == 0 &&
			    c->pa->env[k].pass == y->pass)
				break;
		if (y->pass && k == c->pa->nenv)
			say(c, "environment", "", "%s is passed",
			    text_b(c, y->name));
	}
}

static int
has_name(const struct plan *p, const plan_str *names, uint32_t n,
    const char *name)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (strcmp(plan_string(p, names[i]), name) == 0)
			return 1;
	return 0;
}

static void
compare_seccomp(struct compare *c)
{
	const struct plan *a = c->pa, *b = c->pb;
	uint32_t i;

	if (b->seccomp > a->seccomp)
		say(c, "seccomp", "", "profile %s",
		    plan_seccomp_name(b->seccomp));
	for (i = 0; i < b->nsyscall_allow; i++)
		if (!has_name(a, a->syscall_allow, a->nsyscall_allow,
			text_b(c, b->syscall_allow[i])))
			say(c, "seccomp", "", "%s is allowed",
			    text_b(c, b->syscall_allow[i]));
	for (i = 0; i < a->nsyscall_deny; i++)
		if (!has_name(b, b->syscall_deny, b->nsyscall_deny,
			text_a(c, a->syscall_deny[i])))
			say(c, "seccomp", "", "%s is not denied",
			    text_a(c, a->syscall_deny[i]));
}

static void
say_limit(struct compare *c, const char *name, uint64_t value)
{
	if (value == 0)
		say(c, "limits", "", "%s none", name);
	else
		say(c, "limits", "", "%s %ju", name, (uintmax_t)value);
}

static void
compare_limits(struct compare *c)
{
	static const struct {
		const char *name;
		size_t offset;
	} limits[] = {

#define LIMIT(name, field) { name, offsetof(struct plan_limits, field) }
		LIMIT("cpu_milli", cpu_milli),
		LIMIT("memory_bytes", memory_bytes),
		LIMIT("pids", pids),
		LIMIT("open_files", open_files),
		LIMIT("wall_ms", wall_ms),
		LIMIT("idle_ms", idle_ms),
		LIMIT("cpu_time_ms", cpu_time_ms),
		LIMIT("output_bytes", output_bytes),
#undef LIMIT
	};
	uint64_t x, y;
	size_t i;

	for (i = 0; i < countof(limits); i++) {
		memcpy(&x, (const char *)&c->pa->limits + limits[i].offset,
		    sizeof(x));
		memcpy(&y, (const char *)&c->pb->limits + limits[i].offset,
		    sizeof(y));
		/* 0 is none: minus one is the greatest. */
		if (y - 1 > x - 1)
			say_limit(c, limits[i].name, y);
	}
	if (c->pb->require_landlock < c->pa->require_landlock ||
	    (c->pa->require_cgroup & ~c->pb->require_cgroup) != 0)
		say(c, "requires", "", "less of the host");
}

unsigned
compare_widened(const struct compare_side *a, const struct compare_side *b,
    compare_say_fn *fn, void *arg)
{
	struct compare c = { a->plan, b->plan, a->net, b->net, fn, arg, 0 };

	compare_reach(&c);
	compare_denies(&c);
	compare_streams(&c);
	compare_credentials(&c);
	compare_mounts(&c);
	compare_protect(&c);
	compare_env(&c);
	compare_seccomp(&c);
	compare_limits(&c);
	return c.lines;
}

unsigned
compare_widened_net(const struct compare_side *a, const struct compare_side *b,
    compare_say_fn *fn, void *arg)
{
	struct compare c = { a->plan, b->plan, a->net, b->net, fn, arg, 0 };

	compare_reach(&c);
	compare_denies(&c);
	compare_streams(&c);
	return c.lines;
}
