#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>

#include "compile.h"
#include "path.h"
#include "question.h"
#include "seccomp_compile.h"
#include "seccomp_eval.h"

static const struct {
	const char *name;
	const char *prefix;
} kinds[] = {
	[QUESTION_HTTP] = { "http", NULL },
	[QUESTION_TCP] = { "tcp", "tcp:" },
	[QUESTION_DNS] = { "dns", "dns:" },
	[QUESTION_READ] = { "read", "read:" },
	[QUESTION_WRITE] = { "write", "write:" },
	[QUESTION_SYSCALL] = { "syscall", "syscall:" },
};

_Static_assert(countof(kinds) == QUESTION__MAX, "every kind has a name");

/* ---- reading ------------------------------------------------------------------- */

static int
is_http(const char *s)
{
	return strstr(s, "://") != NULL;
}

static int
is_syscall(const char *s)
{
	return *s != '\0' &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

int
question_parse(const char *text, struct question *ret, struct err *e)
{
	struct question q = { QUESTION_HTTP, text, PLAN_NET_NONE };
	size_t i, n;

	if (!is_http(text)) {
		for (i = 0; i < countof(kinds); i++) {
			n = kinds[i].prefix == NULL ? 0
						    : strlen(kinds[i].prefix);
			if (n != 0 && strncmp(text, kinds[i].prefix, n) == 0)
				break;
		}
		if (i < countof(kinds)) {
			q.kind = (enum question_kind)i;
			q.text = text + n;
		} else if (*text == '/')
			q.kind = QUESTION_WRITE;
		else if (is_syscall(text))
			q.kind = QUESTION_SYSCALL;
		else
			return err_set(e, ERR_INVALID,
			    "\"%s\" is none of: 'GET https://host/path', "
			    "tcp:host:port, dns:host, read:/path, write:/path, "
			    "/path, syscall:name",
			    text);
	}
	if ((q.kind == QUESTION_READ || q.kind == QUESTION_WRITE) &&
	    path_defect(q.text) != NULL)
		return err_set(e, ERR_INVALID, "\"%s\" %s", q.text,
		    path_defect(q.text));
	if (q.kind == QUESTION_SYSCALL && seccomp_syscall_find(q.text) == NULL)
		return err_set(e, ERR_INVALID,
		    "no system call is called \"%s\"", q.text);
	*ret = q;
	return 0;
}

/* ---- the network ----------------------------------------------------------------- */

static void
malformed(struct answer *a, const struct err *e)
{
	(void)snprintf(a->why, sizeof(a->why), "it %s", e->msg);
	/* authorize() refuses an intent without a host. */
	a->in.host = NULL;
	a->in.method = a->method;
	a->in.path = a->url.path;
}

/* "GET https://…" or the URL alone. */
static void
read_http(struct answer *a, const char *text)
{
	const char *space = strchr(text, ' ');
	size_t n = space == NULL ? 0 : (size_t)(space - text);
	const char *s = space == NULL ? text : space + 1;
	struct err e;

	a->in.kind = INTENT_HTTP;
	(void)snprintf(a->method, sizeof(a->method), "%.*s", (int)n, text);
	if (n == 0)
		(void)snprintf(a->method, sizeof(a->method), "GET");
	if (canon_method(a->method, n == 0 ? 3 : n, &e) == -1 ||
	    canon_url(s, strlen(s), &a->url, &e) == -1) {
		(void)snprintf(a->url.path, sizeof(a->url.path), "%s", s);
		malformed(a, &e);
		return;
	}
	a->in.host = a->in.authority = a->url.host;
	a->in.port = a->in.authority_port = a->url.port;
	a->in.tls = a->url.tls;
	a->in.sni = a->url.tls ? a->url.host : NULL;
	a->in.method = a->method;
	a->in.path = a->url.path;
	if (a->url.query == NULL)
		return;
	(void)snprintf(a->query, sizeof(a->query), "%.*s",
	    (int)a->url.query_size, a->url.query);
	a->in.query = a->query;
}

static void
read_tcp(struct answer *a, const char *text)
{
	struct err e;

	a->in.kind = INTENT_TCP;
	if (canon_authority(text, strlen(text), 0, a->host, &a->in.port, &e) ==
	    0)
		a->in.host = a->host;
	else
		malformed(a, &e);
}

static void
read_dns(struct answer *a, const char *text)
{
	struct err e;

	a->in.kind = INTENT_DNS;
	if (canon_host(text, strlen(text), a->host, &e) == 0)
		a->in.host = a->host;
	else
		malformed(a, &e);
}

static int
has_header(const struct answer *a, const char *header)
{
	size_t i;

	for (i = 0; i < a->in.ncarries; i++)
		if (strcmp(a->carries[i].header, header) == 0)
			return 1;
	return 0;
}

/* Each header that waits for a placeholder gets the first that it takes. */
static void
behave(const struct plan_net *net, struct answer *a)
{
	const struct plan_net_service *s = plan_net_service(net, a->v.service);
	uint32_t i;

	for (i = s->first_inject; i < s->first_inject + s->ninjects; i++) {
		const struct plan_net_inject *j = plan_net_inject(net, i);
		const char *header = plan_net_string(net, j->header);

		if (j->when == PLAN_NET_WHEN_PLACEHOLDER &&
		    !has_header(a, header))
			a->carries[a->in.ncarries++] =
			    (struct intent_carry){ j->credential, header };
	}
}

/* One placeholder: in the service's header for it, or anywhere else. */
static void
carry(const struct plan_net *net, struct answer *a, uint32_t credential)
{
	const struct plan_net_service *s;
	uint32_t i;

	a->carries[0] = (struct intent_carry){ credential, NULL };
	a->in.ncarries = 1;
	if (a->v.service == PLAN_NET_NONE)
		return;
	s = plan_net_service(net, a->v.service);
	for (i = s->first_inject; i < s->first_inject + s->ninjects; i++)
		if (plan_net_inject(net, i)->credential == credential)
			a->carries[0].header = plan_net_string(net,
			    plan_net_inject(net, i)->header);
}

static void
ask_network(const struct question_plan *p, const struct question *q,
    struct answer *a)
{
	static void (*const readers[QUESTION__MAX])(struct answer *,
	    const char *) = {
		[QUESTION_HTTP] = read_http,
		[QUESTION_TCP] = read_tcp,
		[QUESTION_DNS] = read_dns,
	};

	a->network = 1;
	readers[q->kind](a, q->text);
	authorize(p->net, &a->in, &a->v);
	a->in.carries = a->carries;
	if (q->carries != PLAN_NET_NONE) {
		carry(p->net, a, q->carries);
		authorize(p->net, &a->in, &a->v);
	} else if (a->v.code == REFUSAL_credential_missing) {
		behave(p->net, a);
		authorize(p->net, &a->in, &a->v);
	}
	explain_verdict(p->net, &a->in, &a->v, &a->x);
	a->answer = a->v.answer;
	a->near = a->x.near;
}

/* ---- files --------------------------------------------------------------------------- */

/* What a jail has besides its mounts (jail/fs.c); tests/flow compares. */
static const struct {
	const char *path;
	int tree;
	int writable;
	const char *what;
} always[] = {
	{ "/usr", 1, 0, "the host's /usr, read-only" },
	{ "/bin", 1, 0, "the host's, read-only" },
	{ "/sbin", 1, 0, "the host's, read-only" },
	{ "/lib", 1, 0, "the host's, read-only" },
	{ "/lib32", 1, 0, "the host's, read-only" },
	{ "/lib64", 1, 0, "the host's, read-only" },
	{ "/etc/ld.so.cache", 0, 0, "the host's, read-only" },
	{ "/etc/ld.so.conf", 0, 0, "the host's, read-only" },
	{ "/etc/ld.so.conf.d", 1, 0, "the host's, read-only" },
	{ "/etc/ssl/certs", 1, 0, "the host's, read-only" },
	{ "/etc/ssl/openssl.cnf", 0, 0, "the host's, read-only" },
	{ "/etc/ca-certificates", 1, 0, "the host's, read-only" },
	{ "/etc/alternatives", 1, 0, "the host's, read-only" },
	{ "/etc/localtime", 0, 0, "the host's, read-only" },
	{ "/etc/mime.types", 0, 0, "the host's, read-only" },
	{ "/etc/services", 0, 0, "the host's, read-only" },
	{ "/etc/protocols", 0, 0, "the host's, read-only" },
	{ "/etc/ssl", 0, 0, "a directory with little in it" },
	{ "/etc/fstab", 0, 0, "made by Warder, read-only" },
	{ "/etc/passwd", 0, 0, "made by Warder, read-only" },
	{ "/etc/group", 0, 0, "made by Warder, read-only" },
	{ "/etc/hosts", 0, 0, "made by Warder, read-only" },
	{ "/etc/hostname", 0, 0, "made by Warder, read-only" },
	{ "/etc/resolv.conf", 0, 0, "made by Warder, read-only" },
	{ "/etc/nsswitch.conf", 0, 0, "made by Warder, read-only" },
	{ "/etc/machine-id", 0, 0, "made by Warder, read-only" },
	{ "/etc", 0, 0, "a directory with little in it" },
	{ "/proc", 1, 0, "the jail's own processes" },
	{ "/sys", 0, 0, "made by Warder, read-only" },
	{ "/sys/devices", 0, 0, "made by Warder, read-only" },
	{ "/sys/fs", 0, 0, "made by Warder, read-only" },
	{ "/sys/devices/system", 1, 0, "made by Warder, read-only" },
	{ "/sys/fs/cgroup", 1, 0, "made by Warder, read-only" },
	{ "/var/tmp", 1, 1, "the jail's /tmp" },
	{ "/var", 0, 0, "a directory with nothing but tmp" },
	{ "/dev", 0, 0, "a directory with few devices" },
	{ "/dev/null", 0, 1, "a device" },
	{ "/dev/zero", 0, 1, "a device" },
	{ "/dev/full", 0, 1, "a device" },
	{ "/dev/random", 0, 1, "a device" },
	{ "/dev/urandom", 0, 1, "a device" },
	{ "/dev/tty", 0, 1, "a device" },
	{ "/dev/ptmx", 0, 1, "a device" },
	{ "/dev/pts", 1, 0, "the jail's own terminals" },
	{ "/dev/shm", 1, 1, "new and empty" },
	{ "/dev/fd", 1, 1, "the program's own descriptors" },
	{ "/dev/stdin", 0, 1, "the program's own descriptor" },
	{ "/dev/stdout", 0, 1, "the program's own descriptor" },
	{ "/dev/stderr", 0, 1, "the program's own descriptor" },
	{ "/home/agent", 1, 1, "new and empty" },
	{ "/home", 0, 0, "a directory with nothing but agent" },
	{ "/", 0, 0, "the root directory, read-only" },
};

static void
file_verdict(struct answer *a, int allowed, const char *what, const char *near)
{
	a->answer = allowed ? VERDICT_ALLOW : VERDICT_DENY;
	a->near = near;
	(void)snprintf(a->why, sizeof(a->why), "%s", what);
}

/* A directory that leads to a mount is there. */
static int
leads_to_mount(const struct plan *p, const char *path)
{
	uint32_t i;

	for (i = 0; i < p->nmounts; i++)
		if (text_path_within(plan_string(p, p->mounts[i].path), path))
			return 1;
	return 0;
}

static void
ask_root(const struct plan *p, const char *path, int writing, struct answer *a)
{
	size_t i;

	if (p->rootfs == PLAN_ROOTFS_DIR) {
		file_verdict(a, 1, "the given root, changed in its overlay",
		    "");
		return;
	}
	for (i = 0; i < countof(always); i++)
		if (strcmp(path, always[i].path) == 0 ||
		    (always[i].tree &&
			text_path_within(path, always[i].path))) {
			file_verdict(a, !writing || always[i].writable,
			    always[i].what, "");
			return;
		}
	if (leads_to_mount(p, path)) {
		file_verdict(a, !writing, "a directory that leads to a mount",
		    "");
		return;
	}
	if (path_jail_refused(path) == NULL)
		(void)snprintf(a->edit, sizeof(a->edit),
		    writing ? "filesystem.write[+]: {path: %s}"
			    : "filesystem.read[+]: {from: HOST PATH, path: %s}",
		    path);
	file_verdict(a, 0, "in no mount: it is not there", "");
}

static const struct plan_mount *
mount_of(const struct plan *p, const char *path)
{
	const struct plan_mount *best = NULL;
	uint32_t i;

	/* Sorted: a later one that contains the path is the deeper one. */
	for (i = 0; i < p->nmounts; i++)
		if (text_path_within(path, plan_string(p, p->mounts[i].path)))
			best = &p->mounts[i];
	return best;
}

static const struct plan_protect *
protection_of(const struct plan *p, const char *path)
{
	uint32_t i;

	for (i = 0; i < p->nprotect; i++) {
		const char *at = plan_string(p, p->protect[i].path);

		if (strcmp(path, at) == 0 ||
		    (p->protect[i].tree && text_path_within(path, at)))
			return &p->protect[i];
	}
	return NULL;
}

static void
ask_file(const struct question_plan *q, const char *path, int writing,
    struct answer *a)
{
	static const char *const mounts[] = {
		[PLAN_MOUNT_READ] = "mounted read-only",
		[PLAN_MOUNT_WRITE] = "a directory of the host, for writing",
		[PLAN_MOUNT_NEW] = "new, empty, thrown away at the end",
		[PLAN_MOUNT_TMPFS] = "new, empty, thrown away at the end",
	};
	const struct plan *p = q->plan;
	const struct plan_mount *m = mount_of(p, path);
	const struct plan_protect *t = protection_of(p, path);

	if (writing && t != NULL) {
		file_verdict(a, 0, "protected", plan_string(p, t->origin));
		return;
	}
	if (m == NULL) {
		ask_root(p, path, writing, a);
		return;
	}
	file_verdict(a, !writing || m->kind != PLAN_MOUNT_READ, mounts[m->kind],
	    plan_string(p, m->origin));
	if (a->answer == VERDICT_DENY)
		(void)snprintf(a->edit, sizeof(a->edit),
		    "filesystem.write[+]: {from: %s, path: %s}",
		    plan_string(p, m->from), plan_string(p, m->path));
}

static void
ask_read(const struct question_plan *p, const struct question *q,
    struct answer *a)
{
	ask_file(p, q->text, 0, a);
}

static void
ask_write(const struct question_plan *p, const struct question *q,
    struct answer *a)
{
	ask_file(p, q->text, 1, a);
}

/* ---- system calls ----------------------------------------------------------------------- */

static uint32_t
names_of(const struct plan *p, const plan_str *from, uint32_t n,
    const char *ret[PLAN_SYSCALL_MAX])
{
	uint32_t i;

	for (i = 0; i < n; i++)
		ret[i] = plan_string(p, from[i]);
	return n;
}

/* What the compiled filter does with the call; all arguments zero. */
static uint32_t
run_filter(const struct question_plan *p, const char *name)
{
	int arch = seccomp_arch_find(COMPILE_AUDIT_ARCH);
	int nr = seccomp_syscall_find(name)->nr[arch];
	struct seccomp_data data = { .nr = nr, .arch = COMPILE_AUDIT_ARCH };

	return nr == SECCOMP_NR_NONE ? SECCOMP_RET_ERRNO | 38
				     : seccomp_eval(p->program, &data);
}

static void
edit_syscall(const struct seccomp_answer *s, const char *name, struct answer *a)
{
	const char *profile = plan_seccomp_name(s->least_profile);

	if (s->source == SECCOMP_FROM_DENY)
		(void)snprintf(a->edit, sizeof(a->edit),
		    "seccomp.deny: without %s", name);
	else if ((s->flags & SECCOMP_OPTIONAL) != 0)
		(void)snprintf(a->edit, sizeof(a->edit), "seccomp.allow[+]: %s",
		    name);
	else if (profile != NULL)
		(void)snprintf(a->edit, sizeof(a->edit), "seccomp.profile: %s",
		    profile);
}

static void
ask_syscall(const struct question_plan *p, const struct question *q,
    struct answer *a)
{
	const char *allow[PLAN_SYSCALL_MAX], *deny[PLAN_SYSCALL_MAX];
	const struct plan *plan = p->plan;
	struct seccomp_answer s;
	uint32_t action;
	struct err e;

	if (seccomp_verdict(plan->seccomp, allow,
		names_of(plan, plan->syscall_allow, plan->nsyscall_allow,
		    allow),
		deny,
		names_of(plan, plan->syscall_deny, plan->nsyscall_deny, deny),
		q->text, &s, &e) == -1) {
		file_verdict(a, 0, e.msg, "");
		return;
	}
	action = run_filter(p, q->text);
	a->answer = s.verdict.rule != 0 || action == SECCOMP_RET_ALLOW
			? VERDICT_ALLOW
			: VERDICT_DENY;
	(void)snprintf(a->why, sizeof(a->why), "%s%s%s (profile %s%s)",
	    s.verdict.rule != 0 ? "by its arguments: "
				: seccomp_action_name(action),
	    s.verdict.rule != 0 ? seccomp_rules[s.verdict.rule].about : ": ",
	    s.verdict.rule != 0 ? "" : s.reason,
	    plan_seccomp_name(plan->seccomp),
	    s.source == SECCOMP_FROM_ALLOW  ? ", seccomp.allow"
	    : s.source == SECCOMP_FROM_DENY ? ", seccomp.deny"
					    : "");
	if (a->answer == VERDICT_DENY)
		edit_syscall(&s, q->text, a);
}

/* ---- asking --------------------------------------------------------------------------------- */

void
question_ask(const struct question_plan *p, const struct question *q,
    struct answer *ret)
{
	static void (*const asks[QUESTION__MAX])(const struct question_plan *,
	    const struct question *, struct answer *) = {
		[QUESTION_HTTP] = ask_network,
		[QUESTION_TCP] = ask_network,
		[QUESTION_DNS] = ask_network,
		[QUESTION_READ] = ask_read,
		[QUESTION_WRITE] = ask_write,
		[QUESTION_SYSCALL] = ask_syscall,
	};

	memset(ret, 0, sizeof(*ret));
	ret->near = "";
	asks[q->kind](p, q, ret);
}

void
question_record(const struct question_plan *p, const struct question *q,
    const struct answer *a, struct text *t)
{
	char hex[SHA256_HEX_SIZE], what[EXPLAIN_SIZE];

	if (a->network) {
		explain_record(p->net, &a->in, &a->v, p->plan->digest, NULL, t);
		return;
	}
	sha256_hex(p->plan->digest, hex);
	(void)snprintf(what, sizeof(what), "%s %s", kinds[q->kind].name,
	    q->text);
	text_add(t, "{\"code\":null,\"what\":");
	text_add_json(t, what);
	text_add(t, ",\"service\":null,\"passed\":[],\"failed\":");
	text_add(t, a->answer == VERDICT_ALLOW    ? "null"
		    : q->kind == QUESTION_SYSCALL ? "\"seccomp\""
						  : "\"filesystem\"");
	text_add(t, ",\"nearest\":");
	text_add_json(t, a->near);
	text_add(t, ",\"edit\":");
	text_add_json(t, a->edit);
	text_add(t, ",\"why\":");
	text_add_json(t, a->why);
	text_addf(t, ",\"policy\":\"sha256:%s\",\"run\":null}", hex);
}
