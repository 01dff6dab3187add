/*
 * live.c: "warder ps", "warder kill", "warder enter": jails that run.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "ipc.h"
#include "jail/registry.h"
#include "jail/relay.h"
#include "msg_init.h"
#include "msg_jail.h"
#include "opt.h"
#include "terminal.h"
#include "text.h"

enum {
	LIVE_ANSWER_MS = 2000
};

static struct ipc_msg live_message;

static int
live_refused(const struct ipc_msg *m, struct err *e)
{
	struct msg_jail_refused no;

	memcpy(&no, m->body, sizeof(no));
	return err_set(e, ERR_CONFLICT, "%.*s", (int)sizeof(no.text) - 1,
	    no.text);
}

int
live_ask(int fd, const struct live_question *q, struct ipc_msg **ret,
    struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const struct ipc_msg *m = &live_message;

	if (ipc_send(fd, q->type, q->body, q->size, NULL, 0, e) == -1)
		return -1;
	if (poll(&p, 1, q->timeout_ms) <= 0)
		return err_set(e, ERR_LIMIT, "no answer within %d ms",
		    q->timeout_ms);
	if (ipc_recv(fd, &live_message, e) != 1)
		return err_set(e, ERR_CONFLICT, "the jail has just ended");
	if (m->type == JAIL_REFUSED &&
	    m->size == sizeof(struct msg_jail_refused))
		return live_refused(m, e);
	if (m->type != q->answer || m->size != q->answer_size) {
		ipc_drop_fds(&live_message);
		return err_set(e, ERR_CORRUPT, "answer %u of %u bytes", m->type,
		    m->size);
	}
	*ret = &live_message;
	return 0;
}

static int
live_usage(const char *verb, const struct opt_verb *v, void *ctx, int argc,
    char **argv, int least, int *ret_rest)
{
	struct err e = { 0 };
	int r = opt_parse(v, ctx, argc, argv, ret_rest, &e);

	if (r == 1) {
		opt_help(verb, v);
		return 0;
	}
	if (r == 0 && argc - *ret_rest < least)
		r = err_set(&e, ERR_INVALID, "usage: warder %s %s", verb,
		    v->usage);
	return r == -1 ? cli_fail(&e) : -1;
}

/* ---- ps ---- */

struct ps {
	int json;
	int n;
};

static int
set_json(void *ctx, const char *v, struct err *e)
{
	struct ps *p = ctx;

	(void)v;
	(void)e;
	p->json = 1;
	return 0;
}

static const struct opt ps_options[] = {
	{ "json", 0, NULL, "a JSON object a line", set_json },
};

const struct opt_verb live_ps_verb = {
	"[OPTIONS]",
	"Lists the jails that this user runs.",
	ps_options,
	countof(ps_options),
};

static void
ps_row(const struct msg_jail_info *i, struct text *t)
{
	char age[32];
	struct text a;

	text_init(&a, age, sizeof(age));
	text_add_duration(&a, i->age_ms / 1000 * 1000);
	text_addf(t, "%-20s %7u %8s %7llu %9llu  ", i->name, i->init_pid, age,
	    (unsigned long long)i->cpu_ms,
	    (unsigned long long)i->memory_bytes / 1024);
	text_add_escaped(t, i->policy);
	text_add(t, "  ");
	text_add_escaped(t, i->command);
}

static void
ps_object(const struct msg_jail_info *i, struct text *t)
{
	text_add(t, "{\"name\":");
	text_add_json(t, i->name);
	text_addf(t,
	    ",\"pid\":%u,\"launcher_pid\":%u,\"age_ms\":%llu,\"cpu_ms\":%llu,"
	    "\"memory_peak_bytes\":%llu,\"policy\":",
	    i->init_pid, i->launcher_pid, (unsigned long long)i->age_ms,
	    (unsigned long long)i->cpu_ms, (unsigned long long)i->memory_bytes);
	text_add_json(t, i->policy);
	text_add(t, ",\"command\":");
	text_add_json(t, i->command);
	text_add(t, "}");
}

static void
ps_one(void *ctx, const char *name, int fd)
{
	const struct msg_jail_describe ask = { .version = MSG_JAIL_VERSION };
	const struct live_question q = { JAIL_DESCRIBE, &ask, sizeof(ask),
		JAIL_INFO, sizeof(struct msg_jail_info), LIVE_ANSWER_MS };
	struct ps *p = ctx;
	struct ipc_msg *m;
	struct msg_jail_info info;
	char line[2048];
	struct text t;

	(void)name;
	if (fd == -1 || live_ask(fd, &q, &m, NULL) == -1)
		return;
	memcpy(&info, m->body, sizeof(info));
	info.name[sizeof(info.name) - 1] = '\0';
	info.command[sizeof(info.command) - 1] = '\0';
	info.policy[sizeof(info.policy) - 1] = '\0';
	text_init(&t, line, sizeof(line));
	if (p->json)
		ps_object(&info, &t);
	else
		ps_row(&info, &t);
	if (p->n++ == 0 && !p->json)
		printf("%-20s %7s %8s %7s %9s  %s\n", "NAME", "PID", "AGE",
		    "CPU/ms", "PEAK/KiB", "POLICY  COMMAND");
	printf("%s\n", line);
}

int
live_ps(int argc, char **argv)
{
	struct places paths;
	struct ps p = { 0 };
	struct err e = { 0 };
	int rest, r = live_usage("ps", &live_ps_verb, &p, argc, argv, 0, &rest);

	if (r != -1)
		return r;
	if (places_find(&paths, NULL, &e) == -1 ||
	    registry_each(paths.jails, ps_one, &p, &e) == -1)
		return cli_fail(&e);
	return 0;
}

/* ---- kill ---- */

const struct opt_verb live_kill_verb = {
	"JAIL …",
	"Ends jails at once: every process in them is killed.\n"
	"JAIL is a name that \"warder ps\" shows, or its first letters.",
	NULL,
	0,
};

/* Wait for its end of file: then the launcher has seen the end. */
static int
kill_one(const struct places *paths, const char *name, struct err *e)
{
	struct msg_jail_kill ask = { .version = MSG_JAIL_VERSION };
	struct pollfd p = { .events = POLLIN };
	autofd fd = -1;

	if (registry_connect(paths->jails, name, &fd, e) == -1 ||
	    ipc_send(fd, JAIL_KILL, &ask, sizeof(ask), NULL, 0, e) == -1)
		return -1;
	p.fd = fd;
	if (poll(&p, 1, LIVE_ANSWER_MS) <= 0)
		return err_set(e, ERR_LIMIT, "%s: not ended within %d ms", name,
		    LIVE_ANSWER_MS);
	return 0;
}

int
live_kill(int argc, char **argv)
{
	struct places paths;
	struct err e = { 0 };
	int i, r = live_usage("kill", &live_kill_verb, NULL, argc, argv, 1, &i);
	int status = 0;

	if (r != -1)
		return r;
	if (places_find(&paths, NULL, &e) == -1)
		return cli_fail(&e);
	for (; i < argc; i++) {
		if (kill_one(&paths, argv[i], &e) == -1)
			status = cli_fail(&e);
	}
	return status;
}

/* ---- enter ---- */

struct enter {
	int pty;
	int socket;
	int master;
	int done; /* the exit status is known */
	int status;
	struct relay relay;
};

static struct enter enter_state;

static int
set_enter_tty(void *ctx, const char *v, struct err *e)
{
	struct enter *x = ctx;

	(void)v;
	(void)e;
	x->pty = 1;
	return 0;
}

static const struct opt enter_options[] = {
	{ "tty", 't', NULL, "give it a terminal of its own", set_enter_tty },
};

const struct opt_verb live_enter_verb = {
	"[OPTIONS] JAIL -- COMMAND [ARGUMENT …]",
	"Runs COMMAND in a running jail, under the same policy and limits; it\n"
	"reads our standard input. JAIL is a name that \"warder ps\" shows, or\n"
	"its first letters. Exit status: as of \"warder exec\".",
	enter_options,
	countof(enter_options),
};

static void
enter_signal(void *ctx, int signo)
{
	struct msg_jail_signal s = { .signo = (uint32_t)signo };
	struct enter *x = ctx;

	if (ipc_send(x->socket, JAIL_SIGNAL, &s, sizeof(s), NULL, 0, NULL) ==
	    -1)
		x->done = 1;
}

/* Pipes of our own making; the jail's ends go over the socket. */
static int
enter_pipes(struct enter *x, int theirs[3], struct err *e)
{
	static const int caller[] = { 0, 1, 2 };
	int fd[2], i;

	for (i = 0; i < 3; i++) {
		int ours = i == 0;

		if (pipe2(fd, O_CLOEXEC) == -1)
			return err_set(e, ERR_SYSTEM, "pipe2");
		theirs[i] = fd[!ours];
		(void)fcntl(fd[ours], F_SETFL, O_NONBLOCK);
		if (i == 0)
			relay_set_in(&x->relay, caller[0], fd[ours]);
		else
			relay_set_out(&x->relay, i, fd[ours], caller[i]);
	}
	return 0;
}

static int
enter_send(struct enter *x, char **argv, const int *theirs, struct err *e)
{
	static char body[sizeof(struct msg_jail_enter) + MSG_JAIL_STRINGS_MAX];
	struct msg_jail_enter m = {
		.version = MSG_JAIL_VERSION,
		.pty = (uint32_t)x->pty,
	};
	size_t used = 0;

	terminal_size(&m.rows, &m.cols);
	for (; argv[m.argc] != NULL; m.argc++) {
		size_t n = strlen(argv[m.argc]) + 1;

		if (n > MSG_JAIL_STRINGS_MAX - used ||
		    m.argc == MSG_JAIL_ARGS_MAX)
			return err_set(e, ERR_LIMIT,
			    "the command is longer than %d bytes or %d "
			    "arguments",
			    MSG_JAIL_STRINGS_MAX, MSG_JAIL_ARGS_MAX);
		memcpy(body + sizeof(m) + used, argv[m.argc], n);
		used += n;
	}
	m.strings = (uint32_t)used;
	memcpy(body, &m, sizeof(m));
	return ipc_send(x->socket, JAIL_ENTER, body, sizeof(m) + used, theirs,
	    x->pty ? 0 : 3, e);
}

static int
enter_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static int
enter_refused(struct enter *x, const struct msg_jail_refused *m)
{
	struct err e;

	if (m->sys == 0)
		(void)err_set(&e, ERR_LIMIT, "%.*s", (int)sizeof(m->text) - 1,
		    m->text);
	else
		(void)err_set(&e, ERR_INVALID,
		    "the command was not started: %s", strerror(m->sys));
	(void)cli_fail(&e);
	x->status = m->sys == 0 ? 125 : m->sys == ENOENT ? 127 : 126;
	return 1;
}

static int
enter_master(struct enter *x)
{
	autofd fd = ipc_take_fd(&live_message, 0);
	int in;

	if (fd == -1 || (in = fcntl(fd, F_DUPFD_CLOEXEC, 0)) == -1)
		return 1;
	x->master = fd;
	relay_set_in(&x->relay, STDIN_FILENO, in);
	relay_set_out(&x->relay, 1, take_fd(&fd), STDOUT_FILENO);
	return 0;
}

/* A reset comes before what was sent ahead of it. */
static int
enter_receive(struct enter *x)
{
	struct err e = { 0 };
	int n = ipc_recv(x->socket, &live_message, &e);

	return n == -1 && e.sys == ECONNRESET
		   ? ipc_recv(x->socket, &live_message, NULL)
		   : n;
}

/* What the launcher says; 1: that was the last of it. */
static int
enter_answer(struct enter *x)
{
	const struct ipc_msg *m = &live_message;
	const struct msg_jail_exited *done = (const void *)m->body;

	if (enter_receive(x) != 1) {
		(void)fprintf(stderr,
		    "warder: the jail ended before its command did\n");
		return 1;
	}
	if (m->type == JAIL_MASTER && m->size == sizeof(struct msg_jail_master))
		return enter_master(x);
	if (m->type == JAIL_REFUSED &&
	    m->size == sizeof(struct msg_jail_refused))
		return enter_refused(x, (const void *)m->body);
	if (m->type == JAIL_EXITED && m->size == sizeof(*done))
		x->status = enter_status(done->status);
	return 1;
}

static void
enter_loop(struct enter *x, struct terminal *t)
{
	struct pollfd p[RELAY_STREAMS + 2];

	while (!x->done || relay_open(&x->relay)) {
		relay_poll(&x->relay, p);
		p[RELAY_STREAMS].fd = x->done ? -1 : x->socket;
		p[RELAY_STREAMS + 1].fd = t->signals;
		p[RELAY_STREAMS].events = p[RELAY_STREAMS + 1].events = POLLIN;
		if (poll(p, countof(p), x->done ? LIVE_ANSWER_MS : -1) <= 0) {
			if (x->done)
				break;
			continue;
		}
		(void)relay_step(&x->relay, p);
		if (p[RELAY_STREAMS].revents != 0)
			x->done = enter_answer(x);
		if (p[RELAY_STREAMS + 1].revents != 0)
			terminal_ready(t, t->signals);
	}
}

static int
enter_run(struct enter *x, const char *name, char **argv, struct err *e)
{
	struct terminal t = {
		.send = enter_signal,
		.ctx = x,
		.master = &x->master,
		.signals = -1,
	};
	struct places paths;
	int theirs[3] = { -1, -1, -1 }, i, r;

	e->sys = 0;
	relay_init(&x->relay, 0);
	if (places_find(&paths, NULL, e) == -1 ||
	    registry_connect(paths.jails, name, &x->socket, e) == -1)
		return -1;
	r = x->pty ? 0 : enter_pipes(x, theirs, e);
	if (r == 0)
		r = enter_send(x, argv, theirs, e);
	/* it was closed at once: the reason can be read all the same */
	if (r == -1 && e->sys == EPIPE)
		r = 0;
	for (i = 0; i < 3; i++)
		fd_closep(&theirs[i]);
	if (r == 0)
		r = terminal_open(&t, x->pty && isatty(STDIN_FILENO), e);
	if (r == 0)
		enter_loop(x, &t);
	terminal_close(&t);
	relay_finish(&x->relay);
	fd_closep(&x->socket);
	return r;
}

int
live_enter(int argc, char **argv)
{
	struct enter *x = &enter_state;
	struct err e = { 0 };
	int i, r;

	x->socket = x->master = -1;
	x->status = 137; /* the jail ended before it answered */
	r = live_usage("enter", &live_enter_verb, x, argc, argv, 2, &i);
	if (r != -1)
		return r;
	if (strcmp(argv[i + 1], "--") == 0 && i + 2 < argc)
		r = enter_run(x, argv[i], argv + i + 2, &e);
	else
		r = enter_run(x, argv[i], argv + i + 1, &e);
	return r == -1 ? cli_fail(&e) : x->status;
}
