#include "registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "clock.h"
#include "ipc.h"
#include "msg_init.h"

enum {
	REGISTRY_FIRST_ID = 1000, /* above what the launcher itself uses */
	REGISTRY_BIRTH_MS = 200, /* between bind and listen: microseconds */
	REGISTRY_BUSY_TRIES =
	    100, /* two seconds for those who wait before us */
	REGISTRY_BUSY_MS = 20,
};

static const char registry_suffix[] = ".jail";

static int
registry_address(struct sockaddr_un *a, const char *dir, const char *name,
    struct err *e)
{
	a->sun_family = AF_UNIX;
	if (snprintf(a->sun_path, sizeof(a->sun_path), "%s/%s%s", dir, name,
		registry_suffix) >= (int)sizeof(a->sun_path))
		return err_set(e, ERR_INVALID,
		    "%s: too long for a socket's name", dir);
	return 0;
}

int
registry_open(struct registry *g, const char *dir, struct err *e)
{
	struct sockaddr_un a = { 0 };
	autofd fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t i;

	g->listen = -1;
	g->path[0] = '\0';
	g->bound = 0;
	g->reloading = 0;
	g->next = REGISTRY_FIRST_ID;
	g->begin_us = clock_now_us();
	for (i = 0; i < REGISTRY_CLIENTS; i++)
		g->clients[i].fd = -1;
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "socket");
	jail_new_name(g->name);
	if (registry_address(&a, dir, g->name, e) == -1)
		return -1;
	memcpy(g->path, a.sun_path, sizeof(g->path));
	g->listen = take_fd(&fd);
	return 0;
}

/* The file is there from now on; what another has made is not ours. */
static int
registry_bind(struct registry *g, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, g->path, sizeof(a.sun_path));
	if (bind(g->listen, (struct sockaddr *)&a, sizeof(a)) == -1)
		return err_set(e, ERR_SYSTEM, "%s", g->path);
	g->bound = 1;
	if (listen(g->listen, REGISTRY_CLIENTS) == -1)
		return err_set(e, ERR_SYSTEM, "%s", g->path);
	return 0;
}

/* ---- clients ---- */

static void
registry_drop(struct registry_client *c)
{
	struct registry *g = c->registry;

	/* a jail that cannot be told is dead, and the command with it */
	if (c->command != 0)
		jail_signal(g->run->jail, c->command, SIGKILL);
	c->command = 0;
	c->reloads = 0;
	run_remove_watch(g->run, c->fd);
	fd_closep(&c->fd);
}

static int
client_answer(struct registry_client *c, uint32_t type, const void *body,
    size_t size, int fd)
{
	return ipc_send(c->fd, type, body, size, &fd, fd >= 0, NULL);
}

static int
client_refused(struct registry_client *c, const char *text)
{
	struct msg_jail_refused no = { 0 };

	(void)snprintf(no.text, sizeof(no.text), "%.*s",
	    (int)sizeof(no.text) - 1, text);
	return client_answer(c, JAIL_REFUSED, &no, sizeof(no), -1);
}

static int
on_DESCRIBE(struct registry_client *c, struct ipc_msg *m)
{
	struct registry *g = c->registry;
	struct cgroup_usage u = { 0 };
	struct msg_jail_info info = {
		.age_ms = (clock_now_us() - g->begin_us) / 1000,
		.launcher_pid = (uint32_t)getpid(),
		.init_pid = (uint32_t)jail_pid(g->run->jail),
	};

	(void)m;
	jail_usage(g->run->jail, &u);
	info.cpu_ms = u.cpu_us / 1000;
	info.memory_bytes = u.memory_peak_bytes;
	(void)snprintf(info.name, sizeof(info.name), "%s", g->name);
	(void)snprintf(info.command, sizeof(info.command), "%s", g->command);
	(void)snprintf(info.policy, sizeof(info.policy), "%s",
	    g->policy.name(g->policy.ctx));
	return client_answer(c, JAIL_INFO, &info, sizeof(info), -1);
}

static int
on_KILL(struct registry_client *c, struct ipc_msg *m)
{
	(void)m;
	jail_kill(c->registry->run->jail);
	return -1;
}

static int
on_SIGNAL(struct registry_client *c, struct ipc_msg *m)
{
	const struct msg_jail_signal *s = (const void *)m->body;

	if (c->command == 0 || s->signo > 64)
		return -1;
	jail_signal(c->registry->run->jail, c->command, (int)s->signo);
	return 0;
}

/* Split argc strings; exactly as many as the bytes hold. */
static int
enter_argv(const struct msg_jail_enter *x, const char *p, const char **argv)
{
	const char *end = p + x->strings;
	uint32_t i;

	if (x->argc < 1 || x->argc > MSG_JAIL_ARGS_MAX || x->strings == 0 ||
	    end[-1] != '\0')
		return -1;
	for (i = 0; i < x->argc; i++) {
		if (p >= end)
			return -1;
		argv[i] = p;
		p += strlen(p) + 1;
	}
	argv[i] = NULL;
	return p == end ? 0 : -1;
}

static int
on_ENTER(struct registry_client *c, struct ipc_msg *m)
{
	static const char *argv[MSG_JAIL_ARGS_MAX + 1];
	const struct msg_jail_enter *x = (const void *)m->body;
	struct registry *g = c->registry;
	struct jail_command command = { 0 };
	struct err e;

	if (c->command != 0 || x->version != MSG_JAIL_VERSION ||
	    m->size != sizeof(*x) + x->strings || m->nfds != (x->pty ? 0 : 3) ||
	    enter_argv(x, (const char *)m->body + sizeof(*x), argv) == -1)
		return -1;
	command.id = g->next++;
	command.argv = argv;
	command.envp = g->envp;
	command.pty = !!x->pty;
	command.rows = x->rows;
	command.cols = x->cols;
	if (jail_start_on(g->run->jail, &command, m->fds, &e) == -1)
		return client_refused(c, e.msg);
	c->command = command.id;
	return 0;
}

static int
is_ended(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static int
on_RELOAD(struct registry_client *c, struct ipc_msg *m)
{
	const struct msg_jail_reload *r = (const void *)m->body;
	const struct registry_policy *p = &c->registry->policy;

	if (r->version != MSG_JAIL_VERSION ||
	    !is_ended(r->file, sizeof(r->file)) ||
	    !is_ended(r->name, sizeof(r->name)) ||
	    (r->file[0] != '\0' && r->file[0] != '/'))
		return -1;
	if (c->registry->reloading)
		return client_refused(c, "another reload is under way");
	c->registry->reloading = c->reloads = 1;
	p->reload(p->ctx, r);
	return 0;
}

void
registry_reloaded(struct registry *g, const struct msg_jail_reloaded *m)
{
	size_t i;

	g->reloading = 0;
	for (i = 0; i < REGISTRY_CLIENTS; i++) {
		struct registry_client *c = &g->clients[i];

		if (c->fd == -1 || !c->reloads)
			continue;
		c->reloads = 0;
		/* one that has gone is seen by its end of file */
		(void)client_answer(c, JAIL_RELOADED, m, sizeof(*m), -1);
	}
}

static int
on_POLICY(struct registry_client *c, struct ipc_msg *m)
{
	const struct registry_policy *p = &c->registry->policy;
	const struct msg_jail_policy here = { MSG_JAIL_VERSION };
	struct err e = { 0 };
	autofd fd = -1;

	(void)m;
	if ((fd = p->show(p->ctx, &e)) == -1)
		return client_refused(c, e.msg);
	return client_answer(c, JAIL_PLAN, &here, sizeof(here), fd);
}

#define HANDLER_TO_LAUNCHER(name) on_##name
#define HANDLER_TO_CLIENT(name) NULL

static const struct {
	int (*handle)(struct registry_client *c, struct ipc_msg *m);
	size_t least;
	int exact; /* 1: the body has this size, no strings follow */
	int nfds;
} registry_table[] = {

#define X(n, dir, body, fds)                                                   \
	[JAIL_##n] = { HANDLER_##dir(n), sizeof(body), JAIL_##n != JAIL_ENTER, \
		fds },
	JAIL_MSGS(X)
#undef X
};

static int
registry_dispatch(struct registry_client *c, struct ipc_msg *m)
{
	if (m->type >= JAIL__MAX || registry_table[m->type].handle == NULL ||
	    m->size < registry_table[m->type].least ||
	    (registry_table[m->type].exact &&
		m->size != registry_table[m->type].least) ||
	    m->nfds > registry_table[m->type].nfds)
		return -1;
	return registry_table[m->type].handle(c, m);
}

static void
registry_client_ready(void *ctx, int fd)
{
	static struct ipc_msg m;
	struct registry_client *c = ctx;
	int ok = ipc_recv(fd, &m, NULL) == 1 && registry_dispatch(c, &m) == 0;

	ipc_drop_fds(&m);
	if (!ok)
		registry_drop(c);
}

/* Root may look at every jail; anybody else at their own. */
static int
registry_trusts(int fd)
{
	struct ucred u = { .uid = (uid_t)-1 };
	socklen_t n = sizeof(u);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) == 0 &&
	       (u.uid == geteuid() || u.uid == 0);
}

static int
registry_refuse(int fd)
{
	struct msg_jail_refused no = { 0 };

	(void)snprintf(no.text, sizeof(no.text),
	    "the jail serves %d clients already", REGISTRY_CLIENTS);
	return ipc_send(fd, JAIL_REFUSED, &no, sizeof(no), NULL, 0, NULL);
}

static void
registry_accept(void *ctx, int fd)
{
	struct registry *g = ctx;
	autofd new = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	size_t i;

	if (new == -1 || !registry_trusts(new))
		return;
	for (i = 0; i < REGISTRY_CLIENTS; i++) {
		struct registry_client *c = &g->clients[i];

		if (c->fd != -1)
			continue;
		if (run_add_watch(g->run, new, registry_client_ready, c,
			NULL) == -1)
			break;
		c->registry = g;
		c->command = 0;
		c->reloads = 0;
		c->fd = take_fd(&new);
		return;
	}
	(void)registry_refuse(new);
}

/* An event of a command that entered: tell the client whose it is. */
static void
registry_event(void *ctx, struct jail_event *v)
{
	struct registry *g = ctx;
	struct registry_client *c = NULL;
	struct msg_jail_exited done = { .status = v->status };
	struct msg_jail_refused no = { .step = v->step, .sys = v->sys };
	struct msg_jail_master master = { .version = MSG_JAIL_VERSION };
	size_t i;

	for (i = 0; i < REGISTRY_CLIENTS; i++) {
		if (g->clients[i].fd != -1 && g->clients[i].command == v->id)
			c = &g->clients[i];
	}
	if (c == NULL)
		return;
	if (v->kind == JAIL_EVENT_PTY)
		(void)client_answer(c, JAIL_MASTER, &master, sizeof(master),
		    v->fd);
	if (v->kind == JAIL_EVENT_FAILED)
		(void)client_answer(c, JAIL_REFUSED, &no, sizeof(no), -1);
	if (v->kind == JAIL_EVENT_EXITED)
		(void)client_answer(c, JAIL_EXITED, &done, sizeof(done), -1);
	if (v->kind == JAIL_EVENT_FAILED || v->kind == JAIL_EVENT_EXITED)
		c->command = 0;
}

int
registry_serve(struct registry *g, struct run *r, struct err *e)
{
	if (registry_bind(g, e) == -1)
		return -1;
	g->run = r;
	r->other = registry_event;
	r->other_ctx = g;
	return run_add_watch(r, g->listen, registry_accept, g, e);
}

void
registry_close(struct registry *g)
{
	size_t i;

	for (i = 0; i < REGISTRY_CLIENTS; i++)
		fd_closep(&g->clients[i].fd);
	fd_closep(&g->listen);
	if (g->bound)
		(void)unlink(g->path);
	g->bound = 0;
	g->path[0] = '\0';
}

/* ---- the client's side ---- */

/*
 * -1 with errno; ECONNREFUSED: the launcher is dead.  One that is stopped
 * accepts nobody, and whoever waits for it would hang: EAGAIN.
 */
static int
registry_dial(const char *dir, const char *name)
{
	struct sockaddr_un a = { 0 };
	autofd fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 || registry_address(&a, dir, name, NULL) == -1 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    fcntl(fd, F_SETFL, O_RDWR) == -1)
		return -1;
	if (!registry_trusts(fd)) {
		errno = EPERM;
		return -1;
	}
	return take_fd(&fd);
}

/* The name without its suffix into ret; 0 if it is no jail's socket. */
static int
registry_base(const char *file, char *ret, size_t size)
{
	size_t n = strlen(file), m = sizeof(registry_suffix) - 1;

	if (n <= m || n - m >= size ||
	    strcmp(file + n - m, registry_suffix) != 0)
		return 0;
	memcpy(ret, file, n - m);
	ret[n - m] = '\0';
	return 1;
}

/* connect(2) says the same of a file that somebody put there. */
static int
registry_is_stale(int dir, const char *name)
{
	struct timespec now = { 0 };
	struct stat st;
	int64_t age_ms;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISSOCK(st.st_mode))
		return 0;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	age_ms = ((int64_t)now.tv_sec - st.st_ctim.tv_sec) * 1000 +
		 (now.tv_nsec - st.st_ctim.tv_nsec) / 1000000;
	return age_ms < 0 || age_ms > REGISTRY_BIRTH_MS;
}

/* Connected, or -1 with errno; what a dead launcher left is removed. */
static int
registry_try(int dir_fd, const char *dir, const char *file, const char *name)
{
	int fd = registry_dial(dir, name), why = errno;

	if (fd == -1 && why == ECONNREFUSED && registry_is_stale(dir_fd, file))
		(void)unlinkat(dir_fd, file, 0);
	errno = why;
	return fd;
}

int
registry_each(const char *dir, void (*f)(void *ctx, const char *name, int fd),
    void *ctx, struct err *e)
{
	struct dirent *d;
	char name[64];
	DIR *p = opendir(dir);

	if (p == NULL)
		return err_set(e, ERR_SYSTEM, "%s", dir);
	while ((d = readdir(p)) != NULL) {
		autofd fd = -1;

		if (!registry_base(d->d_name, name, sizeof(name)))
			continue;
		fd = registry_try(dirfd(p), dir, d->d_name, name);
		f(ctx, name, fd);
	}
	(void)closedir(p);
	return 0;
}

void
registry_sweep(const char *dir, int (*is_live)(const char *name, void *arg),
    void *arg)
{
	struct dirent *d;
	char name[64];
	DIR *p = opendir(dir);

	if (p == NULL)
		return;
	while ((d = readdir(p)) != NULL) {
		int fd;

		if (!registry_base(d->d_name, name, sizeof(name)) ||
		    is_live(name, arg))
			continue;
		fd = registry_try(dirfd(p), dir, d->d_name, name);
		fd_closep(&fd);
	}
	(void)closedir(p);
}

struct registry_search {
	const char *name;
	int fd, matches;
	int busy; /* of them: alive, and accept nobody at the moment */
};

static void
registry_match(void *ctx, const char *name, int fd)
{
	struct registry_search *s = ctx;

	if (strncmp(name, s->name, strlen(s->name)) != 0 ||
	    (fd == -1 && errno != EAGAIN))
		return;
	s->matches++;
	if (fd == -1)
		s->busy++;
	else if (s->fd == -1)
		s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Where one that we want is busy: again, until its queue has room. */
static int
registry_find(const char *dir, struct registry_search *ret, struct err *e)
{
	const struct timespec pause = { .tv_nsec =
					    REGISTRY_BUSY_MS * 1000000L };
	const char *name = ret->name;
	int i;

	for (i = 0; i < REGISTRY_BUSY_TRIES; i++) {
		*ret = (struct registry_search){ .name = name, .fd = -1 };
		if (registry_each(dir, registry_match, ret, e) == -1)
			return -1;
		if (ret->matches != 1 || ret->busy == 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return err_set(e, ERR_LIMIT,
	    "jail \"%s\" does not answer, and others wait for it already",
	    name);
}

int
registry_connect(const char *dir, const char *name, int *ret_fd, struct err *e)
{
	struct registry_search s = { .name = name, .fd = -1 };
	autofd fd = -1;

	if (registry_find(dir, &s, e) == -1)
		return -1;
	fd = s.fd;
	if (s.matches == 0)
		return err_set(e, ERR_NOT_FOUND,
		    "no running jail \"%s\"; \"warder ps\" lists them", name);
	if (s.matches > 1)
		return err_set(e, ERR_CONFLICT,
		    "%d jails begin with \"%s\"; give more of the name",
		    s.matches, name);
	*ret_fd = take_fd(&fd);
	return 0;
}
