#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "egress/egress.h"
#include "jail/environ.h"
#include "policy/client.h"
#include "policy/compile.h"
#include "policy/seccomp_compile.h"
#include "policy/within.h"

static struct agent *agent_list;

static const char agent_new_prefix[] = ".new-";

void
agent_hex(const unsigned char digest[SHA256_SIZE], char ret[AGENT_DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < SHA256_SIZE; i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 15];
	}
	ret[2 * i] = '\0';
}

/* ---- what it may do ---- */

int
agent_judge(const struct ceiling *c, const struct plan *p,
    const union plan_net_room *net, struct err *e)
{
	static union plan_net_room none;

	if (none.net.size == 0)
		plan_net_init(&none);
	return within_ceiling(p, plan_has_net(p) ? &net->net : &none.net,
	    &c->plan, &c->net.net, e);
}

int
agent_make_filter(const struct plan *p, struct seccomp_program *ret,
    struct err *e)
{
	const char *allow[PLAN_SYSCALL_MAX], *deny[PLAN_SYSCALL_MAX];
	unsigned char digest[SHA256_SIZE];
	uint32_t i;

	for (i = 0; i < p->nsyscall_allow; i++)
		allow[i] = plan_string(p, p->syscall_allow[i]);
	for (i = 0; i < p->nsyscall_deny; i++)
		deny[i] = plan_string(p, p->syscall_deny[i]);
	if (seccomp_compile(p->seccomp, allow, p->nsyscall_allow, deny,
		p->nsyscall_deny, COMPILE_AUDIT_ARCH, ret, e) == -1)
		return -1;
	sha256_buffer(ret->insn, ret->length * sizeof(ret->insn[0]), digest);
	if (memcmp(digest, p->seccomp_digest, sizeof(digest)) != 0)
		return err_set(e, ERR_CORRUPT,
		    "the filter is not what the plan says");
	return 0;
}

/* ---- reading ---- */

/* At most max bytes of a file, which is ours; -1: it is not usable. */
static ssize_t
agent_read(int dir, const char *name, void *to, size_t max, struct err *e)
{
	autofd fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t have = 0;
	ssize_t n = 1;
	char extra;

	while (fd != -1 && n > 0 && have < max) {
		n = read(fd, (char *)to + have, max - have);
		have += n > 0 ? (size_t)n : 0;
	}
	if (fd == -1 || n == -1)
		return err_set(e, ERR_SYSTEM, "%s", name);
	if (have == max && read(fd, &extra, 1) != 0)
		return err_set(e, ERR_CORRUPT, "%s is too long", name);
	return (ssize_t)have;
}

static int
agent_read_all(struct agent *a, int dir, struct err *e)
{
	ssize_t n = agent_read(dir, "plan", &a->plan, sizeof(a->plan), e);

	if (n == -1 || plan_check(&a->plan, (size_t)n, e) == -1)
		return -1;
	if (a->plan.kind != PLAN_GRANT)
		return err_set(e, ERR_CORRUPT, "its plan is none to be run");
	if (plan_has_net(&a->plan)) {
		n = agent_read(dir, "net", &a->net, sizeof(a->net), e);
		if (n == -1 ||
		    client_check_net(&a->net, (uint32_t)n, &a->plan, e) == -1)
			return -1;
	}
	n = agent_read(dir, "record", &a->record, sizeof(a->record), e);
	if (n == -1 || agent_record_check(&a->record, (size_t)n, e) == -1)
		return -1;
	return agent_make_filter(&a->plan, &a->program, e);
}

static int
agent_open(const struct agent_store *s, const char *tenant, const char *hex,
    struct err *e)
{
	autofd of = openat(s->dir, tenant,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	autofd fd = of == -1
			? -1
			: openat(of, hex,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd == -1 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "no such version");
	return fd == -1 ? err_set(e, ERR_SYSTEM, "version %s", hex)
			: take_fd(&fd);
}

static int
agent_load(struct agent *a, const struct agent_store *s, struct err *e)
{
	char hex[AGENT_DIGEST_HEX], tree[AGENT_PATH_MAX];
	autofd dir = -1;

	agent_hex(a->digest, hex);
	dir = agent_open(s, a->tenant, hex, e);
	if (dir == -1)
		return -1;
	if (agent_read_all(a, dir, e) == -1)
		return err_wrap(e, "version %.12s", hex);
	a->judged = a->plan;
	memcpy(a->policy, a->plan.digest, sizeof(a->policy));
	(void)snprintf(tree, sizeof(tree), "%s/%s/%s/tree", s->path, a->tenant,
	    hex);
	if (plan_add_own_mount(&a->plan, tree, AGENT_MOUNT, e) == -1)
		return -1;
	return s->sdk != NULL && a->record.protocol == AGENT_NATIVE
		   ? plan_add_own_mount(&a->plan, s->sdk, AGENT_SDK, e)
		   : 0;
}

static void
agent_free(struct agent *a)
{
	(void)munmap(a, sizeof(*a));
}

int
agent_get(const struct agent_store *s, const char *tenant,
    const unsigned char digest[SHA256_SIZE], struct agent **ret, struct err *e)
{
	struct agent *a;

	for (a = agent_list; a != NULL; a = a->next) {
		if (strcmp(a->tenant, tenant) == 0 &&
		    memcmp(a->digest, digest, SHA256_SIZE) == 0) {
			a->users++;
			*ret = a;
			return 0;
		}
	}
	/* mostly room: pages that are not touched cost nothing */
	a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap: version");
	(void)snprintf(a->tenant, sizeof(a->tenant), "%s", tenant);
	memcpy(a->digest, digest, SHA256_SIZE);
	if (agent_load(a, s, e) == -1) {
		agent_free(a);
		return -1;
	}
	a->users = 1;
	a->next = agent_list;
	agent_list = a;
	*ret = a;
	return 0;
}

void
agent_release(struct agent *a)
{
	struct agent **at = &agent_list;

	if (a == NULL || --a->users > 0)
		return;
	/* one jail's own is on no list */
	while (*at != NULL && *at != a)
		at = &(*at)->next;
	if (*at == a)
		*at = a->next;
	agent_free(a);
}

/* ---- running ---- */

int
agent_command(const struct agent *a, const struct egress *x,
    const char *ret_argv[AGENT_ARGS_MAX + 1], struct environ *ret_env,
    struct err *e)
{
	const char *more[AGENT_ENV_MAX + 1];

	agent_record_split(&a->record, ret_argv, more);
	if (environ_make(ret_env, &a->plan, NULL, e) == -1 ||
	    environ_add_all(ret_env, more, e) == -1)
		return -1;
	if (x != NULL && egress_environ(x, ret_env, e) == -1)
		return -1;
	if (a->record.protocol != AGENT_NATIVE)
		return 0;
	return environ_add(ret_env, "WARDER_FD", "3", 0, e) == -1 ||
		       environ_add(ret_env, "PYTHONPATH", AGENT_SDK, 1, e) == -1
		   ? -1
		   : 0;
}

/* ---- removing ---- */

static void
agent_closedir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static DIR *
agent_opendir(int dir, const char *name)
{
	int fd =
	    openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);

	if (d == NULL)
		fd_closep(&fd);
	return d;
}

static int
agent_is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int
agent_remove(int dir, const char *name, int depth)
{
	cleanup(agent_closedir) DIR *d = NULL;
	struct dirent *entry;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if ((errno != EISDIR && errno != EPERM) || depth == AGENT_TREE_DEPTH)
		return -1;
	d = agent_opendir(dir, name);
	while (d != NULL && (entry = readdir(d)) != NULL)
		if (!agent_is_dots(entry->d_name) &&
		    agent_remove(dirfd(d), entry->d_name, depth + 1) == -1)
			return -1;
	return unlinkat(dir, name, AT_REMOVEDIR);
}

static int
agent_sweep_tenant(int dir, const char *tenant)
{
	cleanup(agent_closedir) DIR *d = agent_opendir(dir, tenant);
	struct dirent *entry;
	int r = 0;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, agent_new_prefix,
			sizeof(agent_new_prefix) - 1) == 0)
			r |= agent_remove(dirfd(d), entry->d_name, 0);
	return r;
}

int
agent_sweep(const struct agent_store *s, struct err *e)
{
	cleanup(agent_closedir) DIR *d = agent_opendir(s->dir, ".");
	struct dirent *entry;

	if (d == NULL)
		return err_set(e, ERR_SYSTEM, "%s", s->path);
	while ((entry = readdir(d)) != NULL)
		if (!agent_is_dots(entry->d_name) &&
		    agent_sweep_tenant(s->dir, entry->d_name) == -1)
			return err_set(e, ERR_SYSTEM, "%s/%s", s->path,
			    entry->d_name);
	return 0;
}
