#include "within.h"

#include <string.h>

#include "compare.h"
#include "text.h"

struct within {
	const struct plan *p, *c;
	const struct plan_net *net, *cnet;
};

static int
refuse(struct err *e, const char *what, const char *name)
{
	char shown[200];

	(void)text_escape(shown, sizeof(shown), name, strlen(name));
	return err_set(e, ERR_DENIED, "the operator's ceiling: %s%s%s", what,
	    shown[0] != '\0' ? " " : "", shown);
}

static const char *
mine(const struct within *w, plan_str s)
{
	return plan_string(w->p, s);
}

static const char *
theirs(const struct within *w, plan_str s)
{
	return plan_string(w->c, s);
}

/* ---- lists of names ---- */

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

static int
is_passed(const struct within *w, const char *name)
{
	uint32_t i;

	for (i = 0; i < w->c->nenv; i++) {
		const char *has = theirs(w, w->c->env[i].name);

		if (w->c->env[i].pass &&
		    (strcmp(has, "any") == 0 || strcmp(has, name) == 0))
			return 1;
	}
	return 0;
}

static int
check_env(const struct within *w, struct err *e)
{
	uint32_t i;

	for (i = 0; i < w->p->nenv; i++) {
		const char *name = mine(w, w->p->env[i].name);

		if (w->p->env[i].pass && !is_passed(w, name))
			return refuse(e, "it passes no variable", name);
	}
	return 0;
}

static int
check_seccomp(const struct within *w, struct err *e)
{
	const struct plan *p = w->p, *c = w->c;
	int any = has_name(c, c->syscall_allow, c->nsyscall_allow, "any");
	uint32_t i;

	if (p->seccomp > c->seccomp)
		return refuse(e, "no seccomp profile",
		    plan_seccomp_name(p->seccomp));
	for (i = 0; i < p->nsyscall_allow && !any; i++)
		if (!has_name(c, c->syscall_allow, c->nsyscall_allow,
			mine(w, p->syscall_allow[i])))
			return refuse(e, "it allows no",
			    mine(w, p->syscall_allow[i]));
	for (i = 0; i < c->nsyscall_deny; i++)
		if (!has_name(p, p->syscall_deny, p->nsyscall_deny,
			theirs(w, c->syscall_deny[i])))
			return refuse(e, "it denies",
			    theirs(w, c->syscall_deny[i]));
	return 0;
}

/* ---- file system ---- */

/* What a ceiling that is silent about writing has: it says nothing of reads. */
static int
is_everything(const struct within *w, const struct plan_mount *x)
{
	return x->kind == PLAN_MOUNT_WRITE &&
	       strcmp(theirs(w, x->from), "/") == 0 &&
	       theirs(w, x->path)[0] == '\0';
}

/* Does an entry of this kind have room for the mount?  Its path "": anywhere. */
static int
entry_covers(const struct within *w, const struct plan_mount *y, uint32_t kind)
{
	uint32_t i;

	for (i = 0; i < w->c->nmounts; i++) {
		const struct plan_mount *x = &w->c->mounts[i];
		const char *path = theirs(w, x->path);
		const char *from = theirs(w, x->from);

		if (x->kind != kind || y->size_bytes > x->size_bytes ||
		    y->inodes > x->inodes ||
		    (y->kind == PLAN_MOUNT_READ && is_everything(w, x)))
			continue;
		if (*from != '\0' && !text_path_within(mine(w, y->from), from))
			continue;
		if (*path == '\0' || text_path_within(mine(w, y->path), path))
			return 1;
	}
	return 0;
}

/* What may be written may be read. */
static int
is_covered(const struct within *w, const struct plan_mount *y)
{
	return entry_covers(w, y, y->kind) ||
	       (y->kind == PLAN_MOUNT_READ &&
		   entry_covers(w, y, PLAN_MOUNT_WRITE));
}

static int
check_mounts(const struct within *w, struct err *e)
{
	uint32_t i;

	for (i = 0; i < w->p->nmounts; i++)
		if (!is_covered(w, &w->p->mounts[i]))
			return refuse(e, "no such mount at",
			    mine(w, w->p->mounts[i].path));
	if (w->p->rootfs == PLAN_ROOTFS_HOST)
		return 0;
	if (w->c->rootfs != PLAN_ROOTFS_DIR ||
	    !text_path_within(mine(w, w->p->rootfs_dir),
		theirs(w, w->c->rootfs_dir)) ||
	    w->p->rootfs_size_bytes > w->c->rootfs_size_bytes)
		return refuse(e,
		    "no such root directory:", mine(w, w->p->rootfs_dir));
	return 0;
}

static int
check_protect(const struct within *w, struct err *e)
{
	uint32_t i, k;

	for (i = 0; i < w->c->nprotect; i++) {
		const struct plan_protect *x = &w->c->protect[i];

		for (k = 0; k < w->p->nprotect; k++)
			if (strcmp(mine(w, w->p->protect[k].path),
				theirs(w, x->path)) == 0 &&
			    w->p->protect[k].tree >= x->tree)
				break;
		if (k == w->p->nprotect)
			return refuse(e, "it protects", theirs(w, x->path));
	}
	return 0;
}

/* ---- numbers ---- */

static int
check_limits(const struct within *w, struct err *e)
{
	static const struct {
		const char *name;
		size_t offset;
	} limits[] = {

#define LIMIT(field) { #field, offsetof(struct plan_limits, field) }
		LIMIT(cpu_milli),
		LIMIT(memory_bytes),
		LIMIT(pids),
		LIMIT(open_files),
		LIMIT(wall_ms),
		LIMIT(idle_ms),
		LIMIT(cpu_time_ms),
		LIMIT(output_bytes),
#undef LIMIT
	};
	uint64_t x, y;
	size_t i;

	for (i = 0; i < countof(limits); i++) {
		memcpy(&x, (const char *)&w->c->limits + limits[i].offset,
		    sizeof(x));
		memcpy(&y, (const char *)&w->p->limits + limits[i].offset,
		    sizeof(y));
		/* 0 is none: minus one is the greatest */
		if (y - 1 > x - 1)
			return refuse(e, "a lower limit of", limits[i].name);
	}
	if (w->p->require_landlock < w->c->require_landlock ||
	    (w->c->require_cgroup & ~w->p->require_cgroup) != 0)
		return refuse(e, "it requires more of the host", "");
	return 0;
}

/* ---- the way out ---- */

static int
check_secrets(const struct within *w, struct err *e)
{
	uint32_t i, n = plan_net_count(w->net, PLAN_NET_CREDENTIALS);

	for (i = 0; i < n; i++) {
		const struct plan_net_credential *c =
		    plan_net_credential(w->net, i);

		if (c->source != PLAN_NET_SOURCE_VAULT)
			return refuse(e,
			    "only the vault has credentials, not "
			    "the source of",
			    plan_net_string(w->net, c->name));
	}
	return 0;
}

/* Of services under a ceiling that does not speak of them. */
static int
check_plain(const struct within *w, struct err *e)
{
	uint32_t i, n = plan_net_count(w->net, PLAN_NET_SERVICES);

	for (i = 0; i < n; i++) {
		const struct plan_net_service *s = plan_net_service(w->net, i);

		if (s->dial_port != 0 || s->ca != 0 || s->nranges != 0)
			return refuse(e,
			    "dial, ca and only_addresses are its "
			    "own to give, not to service",
			    plan_net_string(w->net, s->name));
	}
	n = plan_net_count(w->net, PLAN_NET_DESTINATIONS);
	for (i = 0; i < n; i++)
		if (plan_net_destination(w->net, i)->open !=
		    PLAN_NET_OPEN_PUBLIC)
			return refuse(e, "no address that is not public", "");
	return 0;
}

struct first {
	char text[160];
};

/* Of all that is not covered the first is named. */
static void
keep_first(void *arg, const char *kind, const char *what, const char *near)
{
	struct first *f = arg;
	struct text t;

	(void)near;
	if (f->text[0] != '\0')
		return;
	text_init(&t, f->text, sizeof(f->text));
	text_addf(&t, "%s: %s", kind, what);
}

static int
check_services(const struct within *w, struct err *e)
{
	struct compare_side a = { w->c, w->cnet }, b = { w->p, w->net };
	struct first f = { "" };

	if (w->c->nservices == PLAN_SERVICES_ANY)
		return check_plain(w, e);
	if (compare_widened_net(&a, &b, keep_first, &f) == 0)
		return 0;
	return refuse(e, "not", f.text);
}

static int (*const checks[])(const struct within *, struct err *) = {
	check_env,
	check_mounts,
	check_protect,
	check_seccomp,
	check_limits,
	check_secrets,
	check_services,
};

int
within_ceiling(const struct plan *p, const struct plan_net *net,
    const struct plan *ceiling, const struct plan_net *ceiling_net,
    struct err *e)
{
	struct within w = { p, ceiling, net, ceiling_net };
	size_t i;

	if (p->kind != PLAN_GRANT || ceiling->kind != PLAN_CEILING)
		return err_set(e, ERR_CORRUPT,
		    "a grant under a ceiling is "
		    "wanted");
	for (i = 0; i < countof(checks); i++)
		if (checks[i](&w, e) == -1)
			return -1;
	return 0;
}
