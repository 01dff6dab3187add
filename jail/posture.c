#include "posture.h"

#include <stdio.h>

enum {
	POSTURE_DIGEST_BYTES = 8
}; /* of the filter's, for people */

typedef void posture_write(const struct jail_posture *p,
    const struct plan *plan, struct text *t);
typedef int posture_test(const struct jail_posture *p);

static int
has_cgroup(const struct jail_posture *p, enum cgroup_controller c)
{
	return !!(p->cgroup_enforced & 1U << c);
}

static const char *
cgroup_text(const struct jail_posture *p)
{
	return p->cgroup_version == CGROUP_V2 ? "cgroup v2" : "cgroup v1";
}

static void
write_identity(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	text_addf(t,
	    p->rootless       ? "uid %u, the caller's own"
	    : p->agent_shared ? "uid %u, the owner's of given directories, "
				"whose file system has no idmapped mounts"
			      : "uid %u, of a block that is this jail's alone",
	    p->agent_uid);
}

static void
write_groups(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	if (p->supplementary_groups > 0)
		text_addf(t, "%d inherited from the caller",
		    p->supplementary_groups);
	else
		text_add(t, "none");
}

static void
write_namespaces(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	text_add(t, "user mount pid net ipc uts cgroup");
	if (p->time_namespace)
		text_add(t, " time");
}

static void
write_capabilities(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)p;
	(void)plan;
	text_add(t, "none; no_new_privs; securebits locked");
}

static void
write_seccomp(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	size_t i;

	(void)p;
	text_addf(t, "%s, sha256:", plan_seccomp_name(plan->seccomp));
	for (i = 0; i < POSTURE_DIGEST_BYTES; i++)
		text_addf(t, "%02x", plan->seccomp_digest[i]);
}

static void
write_landlock(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	if (p->landlock_abi == 0)
		text_add(t, "not offered by this kernel");
	else
		text_addf(t, "ABI %d%s", p->landlock_abi,
		    p->landlock_scoped ? ", signals and abstract sockets too"
				       : "");
}

static void
write_memory(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	text_add(t, has_cgroup(p, CGROUP_MEMORY)
			? cgroup_text(p)
			: "watchdog, some times a second");
}

static void
write_pids(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	text_add(t, has_cgroup(p, CGROUP_PIDS)
			? cgroup_text(p)
			: "RLIMIT_NPROC, in the jail's own user namespace");
}

static void
write_cpu(const struct jail_posture *p, const struct plan *plan, struct text *t)
{
	(void)plan;
	text_add(t, has_cgroup(p, CGROUP_CPU) ? cgroup_text(p) : "nothing");
}

static void
write_places(struct text *t, uint32_t n, const char *what)
{
	if (n > 0)
		text_addf(t, "%s%u in %s", t->len > 0 ? ", " : "", n, what);
}

static void
write_disk(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	const struct quota_posture *q = &p->quota;
	uint32_t i, host = 0;

	for (i = 0; i < plan->nmounts; i++)
		host += plan->mounts[i].kind == PLAN_MOUNT_WRITE;
	write_places(t, q->count[QUOTA_TMPFS], "tmpfs (counted as memory)");
	write_places(t, q->count[QUOTA_IMAGE], "an image on disk");
	write_places(t, q->count[QUOTA_MISSED],
	    "tmpfs (counted as memory) for want of a disk");
	write_places(t, q->count[QUOTA_BESIDE],
	    "tmpfs (beside the memory limit) for want of a disk");
	if (t->len == 0)
		text_add(t, "no new directories");
	if (q->why[0] != '\0')
		text_addf(t, ": %s", q->why);
	if (host > 0)
		text_addf(t, "; nothing for %u given host director%s", host,
		    host == 1 ? "y" : "ies");
}

static void
write_core_dumps(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	text_addf(t, "RLIMIT_CORE %d%s", p->core_limit,
	    p->core_limit == 1 ? ", which the jail cannot change"
			       : ": a piped core_pattern would run");
}

static void
write_network(const struct jail_posture *p, const struct plan *plan,
    struct text *t)
{
	(void)plan;
	text_add(t, "its own loopback; the namespace belongs outside");
	if (p->capture != CAPTURE_NONE)
		text_addf(t, "; capture: %s", capture_name(p->capture));
}

static int
less_identity(const struct jail_posture *p)
{
	return p->rootless || p->agent_shared;
}

static int
less_groups(const struct jail_posture *p)
{
	return p->supplementary_groups > 0;
}

static int
less_namespaces(const struct jail_posture *p)
{
	return !p->time_namespace;
}

static int
less_landlock(const struct jail_posture *p)
{
	return !p->landlock_scoped;
}

static int
less_memory(const struct jail_posture *p)
{
	return !has_cgroup(p, CGROUP_MEMORY);
}

static int
less_pids(const struct jail_posture *p)
{
	return !has_cgroup(p, CGROUP_PIDS);
}

static int
less_cpu(const struct jail_posture *p)
{
	return !has_cgroup(p, CGROUP_CPU);
}

static int
less_disk(const struct jail_posture *p)
{
	return p->quota.count[QUOTA_MISSED] + p->quota.count[QUOTA_BESIDE] > 0;
}

static int
less_core_dumps(const struct jail_posture *p)
{
	return p->core_limit != 1;
}

/* What goes to other ports is refused, but no proxy says why. */
static int
less_network(const struct jail_posture *p)
{
	return p->capture == CAPTURE_PORTS;
}

static int
less_never(const struct jail_posture *p)
{
	(void)p;
	return 0;
}

#define less_capabilities less_never
#define less_seccomp less_never

static const struct {
	const char *name, *about;
	posture_write *write;
	posture_test *less;
} posture_rows[] = {

#define X(n, about) [POSTURE_##n] = { #n, about, write_##n, less_##n },
	POSTURE_ROWS(X)
#undef X
};

const char *
posture_name(enum posture_row row)
{
	return posture_rows[row].name;
}

const char *
posture_about(enum posture_row row)
{
	return posture_rows[row].about;
}

void
posture_value(enum posture_row row, const struct jail_posture *p,
    const struct plan *plan, struct text *ret)
{
	posture_rows[row].write(p, plan, ret);
}

int
posture_lessened(enum posture_row row, const struct jail_posture *p)
{
	return posture_rows[row].less(p);
}

void
posture_json(const struct jail_posture *p, const struct plan *plan, char *buf,
    size_t size)
{
	char value[256];
	struct text t, v;
	int row;

	text_init(&t, buf, size);
	for (row = 0; row < POSTURE__MAX; row++) {
		text_init(&v, value, sizeof(value));
		posture_value((enum posture_row)row, p, plan, &v);
		text_addf(&t, "%s\"%s\":", row == 0 ? "{" : ",",
		    posture_name((enum posture_row)row));
		text_add_json(&t, value);
	}
	text_add(&t, "}");
	if (t.truncated)
		(void)snprintf(buf, size, "{}");
}
