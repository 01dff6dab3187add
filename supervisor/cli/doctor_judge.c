/*
 * doctor_judge.c: what the probe must have seen.  Pure: works on texts.
 *
 * An attempt has held if its word is one that only a refusal gives, and the
 * witnesses on the host saw nothing; and it is proved if outside, where
 * nothing stops it, the word was the other one.  A claim is a row of the
 * posture: what the launcher says is in force must be what the probe, or the
 * host looking at the jail, has found.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "jail/cgroup_private.h"
#include "limit.h"
#include "msg_init.h"
#include "text.h"

enum {
	JUDGE_INSIDE,
	JUDGE_OUTSIDE
};

int
doctor_judge_word(const char *lines, const char *name, char *ret, size_t size)
{
	size_t n = strlen(name), m, i;
	const char *p = lines;

	(void)snprintf(ret, size, "?");
	while (strncmp(p, name, n) != 0 || p[n] != ' ') {
		p += strcspn(p, "\n");
		if (*p == '\0')
			return 0;
		p++;
	}
	p += n + 1;
	m = strcspn(p, "\n");
	if (m == 0 || m >= size || p[m] != '\n')
		return 0;
	for (i = 0; i < m; i++) {
		if (p[i] <= ' ' || p[i] > '~')
			return 0;
	}
	memcpy(ret, p, m);
	ret[m] = '\0';
	return 1;
}

/* Whether word is one of a list with spaces. */
static int
judge_is_one_of(const char *word, const char *list)
{
	size_t n = strlen(word);
	const char *p;

	for (p = list; *p != '\0'; p += strspn(p, " ")) {
		size_t m = strcspn(p, " ");

		if (m == n && memcmp(p, word, n) == 0)
			return 1;
		p += m;
	}
	return 0;
}

/* ---- attempts ---- */

/* What a witness on the host counted: from inside, from outside. */
static const int *
witness_signals(const struct doctor_seen *s)
{
	return s->signals;
}

static const int *
witness_tcp(const struct doctor_seen *s)
{
	return s->tcp;
}

static const int *
witness_abstract(const struct doctor_seen *s)
{
	return s->abstract;
}

/* clang-format off */
#define DENIED "EPERM EACCES"

static const struct {
	const char *name, *about;
	const char *held;    /* what a refusal looks like */
	const char *control; /* what it is outside */
	const int *(*witness)(const struct doctor_seen *);
} judge_attempts[] = {
	{ "host_file",       "open a file of a host process", "ENOENT " DENIED, "ok", NULL },
	{ "root_of_1",       "open /proc/1/root", "ENOENT " DENIED, "ok", NULL },
	{ "ptrace",          "trace another process", "EPERM", "ESRCH", NULL },
	{ "mount",           "mount", "EPERM", "EFAULT", NULL },
	{ "mount_api",       "fsopen", "ENOSYS EPERM", "EFAULT", NULL },
	{ "unshare",         "make a user namespace", "EPERM", "ok", NULL },
	{ "clone",           "clone into one", "EPERM", "ok", NULL },
	{ "setns",           "enter a namespace", "EPERM", "EBADF", NULL },
	{ "tiocsti",         "type into a terminal, a high bit set", "EPERM", "ENOTTY", NULL },
	/* in a small pid namespace around us its own process may have the
	 * number, and then "ok" is right: the witness knows */
	{ "signal",          "signal a host process, and everybody", "ESRCH EPERM ok", "ok", witness_signals },
	{ "sysrq",           "write to /proc/sysrq-trigger", "ENOENT EROFS " DENIED, "ok", NULL },
	{ "core_pattern",    "write to core_pattern", "ENOENT EROFS " DENIED, "ok", NULL },
	{ "packet_socket",   "a packet socket", "EAFNOSUPPORT EPERM", "ok", NULL },
	{ "raw_socket",      "a raw socket", "EPERM EPROTONOSUPPORT ESOCKTNOSUPPORT", "ok", NULL },
	{ "vsock",           "a socket to the hypervisor", "EAFNOSUPPORT EPERM", "ok", NULL },
	{ "clone3",          "clone3, whose flags no filter sees", "ENOSYS", "EINVAL", NULL },
	{ "openat2",         "openat2, whose mode no filter sees", "ENOSYS", "EINVAL", NULL },
	{ "io_uring",        "io_uring", "EPERM ENOSYS", "EFAULT", NULL },
	{ "keyctl",          "the host's keyrings", "EPERM ENOSYS", "EOPNOTSUPP", NULL },
	{ "setuid_bit",      "set a setuid bit", "EPERM", "ok", NULL },
	{ "write_usr",       "write to /usr", "EROFS " DENIED, "ok", NULL },
	{ "abstract_socket", "connect to an abstract socket of the host", "ECONNREFUSED " DENIED, "ok", witness_abstract },
	{ "tcp_loopback",    "connect to 127.0.0.1 of the host", "ECONNREFUSED ENETUNREACH " DENIED, "ok", witness_tcp },
	{ "core_limit",      "change RLIMIT_CORE", "EPERM", "ok", NULL },
};

static const char judge_dev[] = "fd full null ptmx pts random shm stderr stdin "
    "stdout tty urandom zero";

/* clang-format on */

static enum doctor_verdict
judge_words(const char *got, const char *control, const char *held,
    const char *works)
{
	if (!judge_is_one_of(got, held))
		return DOCTOR_ESCAPED;
	return judge_is_one_of(control, works) ? DOCTOR_HELD : DOCTOR_UNPROVED;
}

static void
judge_attempt(const struct doctor_seen *s, size_t i, struct doctor_attempt *a)
{
	const int *counts =
	    judge_attempts[i].witness ? judge_attempts[i].witness(s) : NULL;

	a->name = judge_attempts[i].name;
	a->about = judge_attempts[i].about;
	(void)doctor_judge_word(s->inside, a->name, a->got, sizeof(a->got));
	(void)doctor_judge_word(s->outside, a->name, a->control,
	    sizeof(a->control));
	a->verdict = judge_words(a->got, a->control, judge_attempts[i].held,
	    judge_attempts[i].control);
	if (counts == NULL)
		return;
	if (counts[JUDGE_INSIDE] != 0)
		a->verdict = DOCTOR_ESCAPED;
	else if (counts[JUDGE_OUTSIDE] == 0 && a->verdict == DOCTOR_HELD)
		a->verdict = DOCTOR_UNPROVED;
}

/* Every name between commas is in the list. */
static int
judge_only(const char *names, const char *list)
{
	char word[64];

	while (*names != '\0') {
		size_t n = strcspn(names, ",");

		if (n == 0 || n >= sizeof(word))
			return 0;
		memcpy(word, names, n);
		word[n] = '\0';
		if (!judge_is_one_of(word, list))
			return 0;
		names += n + (names[n] == ',');
	}
	return 1;
}

/* What the jail has at all: outside there must be more. */
static void
judge_listing(const struct doctor_seen *s, const char *name, const char *about,
    const char *list, struct doctor_attempt *a)
{
	a->name = name;
	a->about = about;
	a->verdict = DOCTOR_HELD;
	if (!doctor_judge_word(s->inside, name, a->got, sizeof(a->got)) ||
	    !judge_only(a->got, list))
		a->verdict = DOCTOR_ESCAPED;
	if (doctor_judge_word(s->outside, name, a->control,
		sizeof(a->control)) &&
	    !judge_only(a->control, list))
		return;
	if (a->verdict == DOCTOR_HELD)
		a->verdict = DOCTOR_UNPROVED;
}

void
doctor_judge_attempts(struct doctor *d)
{
	struct doctor_attempt *a = d->attempts;
	size_t i;

	_Static_assert(countof(judge_attempts) + 2 <= DOCTOR_PROBES_MAX,
	    "more attempts than there is room for");
	for (i = 0; i < countof(judge_attempts); i++)
		judge_attempt(&d->seen, i, a++);
	judge_listing(&d->seen, "descriptors", "an inherited descriptor",
	    "0 1 2", a++);
	judge_listing(&d->seen, "dev", "a device that is not its own",
	    judge_dev, a++);
	d->nattempts = (size_t)(a - d->attempts);
}

/* ---- claims ---- */

struct judge {
	const struct doctor *d;
	struct text seen; /* what contradicts the claim */
	char in[DOCTOR_WORD_MAX], out[DOCTOR_WORD_MAX];
};

/* The word of a row from both sides. */
static void
judge_get(struct judge *j, const char *name)
{
	(void)doctor_judge_word(j->d->seen.inside, name, j->in, sizeof(j->in));
	(void)doctor_judge_word(j->d->seen.outside, name, j->out,
	    sizeof(j->out));
}

static void judge_against(struct judge *j, const char *fmt, ...)
    printf_like(2, 3);

static void
judge_against(struct judge *j, const char *fmt, ...)
{
	char text[DOCTOR_WORD_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_add(&j->seen, j->seen.len > 0 ? "; " : "");
	text_add_escaped(&j->seen, text);
}

/* The word must be exactly this. */
static void
judge_expect(struct judge *j, const char *name, const char *want)
{
	judge_get(j, name);
	if (strcmp(j->in, want) != 0)
		judge_against(j, "%s is %s, not %s", name, j->in, want);
}

static long
judge_number(const char *word)
{
	uint64_t v;

	return text_parse_u64(word, INT32_MAX, &v, NULL) == -1 ? -1 : (long)v;
}

/* As the host reads it: the agent's number outside, and never uid 0. */
static void
judge_uid_map(struct judge *j)
{
	const char *p = j->d->seen.uid_map;
	unsigned in, out, count;
	int found = 0;

	while (sscanf(p, "%10u %10u %10u", &in, &out, &count) == 3) {
		if (AGENT_UID - in < count &&
		    out + (AGENT_UID - in) == j->d->posture.agent_uid)
			found = 1;
		if (out == 0)
			judge_against(j, "uid_map gives it the host's uid 0");
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	if (!found)
		judge_against(j, "uid_map has not uid %u",
		    j->d->posture.agent_uid);
}

static void
agree_identity(struct judge *j)
{
	judge_expect(j, "ids", "1000,1000,1000,1000,1000,1000");
	judge_uid_map(j);
}

static void
agree_groups(struct judge *j)
{
	judge_get(j, "groups");
	if (judge_number(j->in) != j->d->posture.supplementary_groups)
		judge_against(j, "it is in %s groups", j->in);
}

/* The word "kind:[number]" in a list with commas, its length or 0. */
static size_t
judge_namespace(const char *list, const char *kind, const char **ret)
{
	size_t n = strlen(kind);
	const char *p = list;

	while (strncmp(p, kind, n) != 0 || p[n] != ':') {
		p += strcspn(p, ",");
		if (*p == '\0')
			return 0;
		p++;
	}
	*ret = p;
	return strcspn(p, ",");
}

static void
judge_one_namespace(struct judge *j, const char *kind)
{
	const char *in, *out;
	size_t n = judge_namespace(j->in, kind, &in);
	size_t m = judge_namespace(j->out, kind, &out);

	if (n == 0 || m == 0)
		judge_against(j, "no %s namespace was seen", kind);
	else if (n == m && memcmp(in, out, n) == 0)
		judge_against(j, "its %s namespace is the host's", kind);
}

static void
agree_namespaces(struct judge *j)
{
	static const char *const kinds[] = { DOCTOR_NAMESPACES };
	size_t i;

	judge_get(j, "namespaces");
	for (i = 0; i < countof(kinds); i++) {
		if (strcmp(kinds[i], "time") != 0 ||
		    j->d->posture.time_namespace)
			judge_one_namespace(j, kinds[i]);
	}
}

static void
agree_capabilities(struct judge *j)
{
	judge_expect(j, "capabilities", "0");
	judge_expect(j, "no_new_privs", "1");
}

/* The filter is the plan's, and one more than there are outside. */
static void
agree_seccomp(struct judge *j)
{
	judge_expect(j, "seccomp", "2");
	judge_get(j, "filters");
	if (judge_number(j->in) != judge_number(j->out) + 1)
		judge_against(j, "%s filters inside, %s outside", j->in,
		    j->out);
	if (memcmp(j->d->seen.program_digest, j->d->plan.seccomp_digest,
		SHA256_SIZE) != 0)
		judge_against(j, "the filter's digest is another");
}

static void
agree_landlock(struct judge *j)
{
	int abi = j->d->posture.landlock_abi;

	judge_get(j, "landlock_abi");
	if (abi > 0 ? judge_number(j->in) != abi : judge_number(j->in) > 0)
		judge_against(j, "ABI %s", j->in);
	judge_get(j, "landlock_layers");
	if (abi > 0 && judge_number(j->in) != judge_number(j->out) - 1)
		judge_against(j, "%s layers can be added inside, %s outside",
		    j->in, j->out);
}

/* Whether its pid 1 is in a group of its own in k's hierarchy. */
static int
judge_in_group(const struct doctor *d, enum cgroup_controller k)
{
	const char *p = d->seen.groups;
	struct cgroup_member m;
	char line[CGROUP_PATH_MAX];

	while (*p != '\0') {
		size_t n = strcspn(p, "\n");
		const char *slash;

		(void)snprintf(line, sizeof(line), "%.*s", (int)n, p);
		p += n + (p[n] == '\n');
		if (cgroup_text_member(line, &m) == -1 ||
		    (slash = strrchr(m.path, '/')) == NULL ||
		    strcmp(slash + 1, d->seen.group_name) != 0)
			continue;
		if (m.is_v2 || (m.v1 & CGROUP_BIT(k)) != 0)
			return 1;
	}
	return 0;
}

static void
judge_group(struct judge *j, enum cgroup_controller k)
{
	int claimed = !!(j->d->posture.cgroup_enforced & CGROUP_BIT(k));

	if (claimed && !judge_in_group(j->d, k))
		judge_against(j, "it is in no such control group");
}

static void
agree_memory(struct judge *j)
{
	judge_group(j, CGROUP_MEMORY);
}

static void
agree_pids(struct judge *j)
{
	judge_group(j, CGROUP_PIDS);
}

static void
agree_cpu(struct judge *j)
{
	judge_group(j, CGROUP_CPU);
}

static void
agree_disk(struct judge *j)
{
	const struct plan *p = &j->d->plan;
	uint64_t size;
	uint32_t i;

	judge_get(j, "workspace");
	if (text_parse_u64(j->in, UINT64_MAX, &size, NULL) == -1)
		size = UINT64_MAX;
	for (i = 0; i < p->nmounts; i++) {
		if (strcmp(plan_string(p, p->mounts[i].path), "/workspace") ==
			0 &&
		    size != p->mounts[i].size_bytes)
			judge_against(j, "/workspace has %s bytes", j->in);
	}
}

static void
agree_core_dumps(struct judge *j)
{
	char want[32];

	(void)snprintf(want, sizeof(want), "%d,%d", j->d->posture.core_limit,
	    j->d->posture.core_limit);
	judge_expect(j, "core_size", want);
}

static void
agree_network(struct judge *j)
{
	judge_expect(j, "interfaces", "lo");
	judge_get(j, "namespaces");
	judge_one_namespace(j, "net");
}

static void (*const judge_claims[])(struct judge *) = {

#define X(n, about) [POSTURE_##n] = agree_##n,
	POSTURE_ROWS(X)
#undef X
};

void
doctor_judge_claims(struct doctor *d)
{
	int row;

	for (row = 0; row < POSTURE__MAX; row++) {
		struct doctor_claim *c = &d->claims[row];
		struct judge j = { .d = d };
		struct text value;

		text_init(&value, c->value, sizeof(c->value));
		text_init(&j.seen, c->seen, sizeof(c->seen));
		posture_value((enum posture_row)row, &d->posture, &d->plan,
		    &value);
		c->lessened =
		    posture_lessened((enum posture_row)row, &d->posture);
		judge_claims[row](&j);
		c->agrees = j.seen.len == 0;
	}
}
