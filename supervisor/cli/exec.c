/*
 * exec.c: "warder exec": one program in one jail.
 *
 *	flags or file ──► policy text ──► plan ──► jail ──► report
 *	                  (adhoc.c)     (policy/) (jail/)  (report.c)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adhoc.h"
#include "cli.h"
#include "doctor.h"
#include "doctor_explain.h"
#include "egress/egress.h"
#include "exec_reload.h"
#include "hint.h"
#include "jail/environ.h"
#include "jail/jail.h"
#include "jail/registry.h"
#include "jail/run.h"
#include "opt.h"
#include "report.h"
#include "terminal.h"

extern char **environ;

enum {
	EXEC_COMMAND_ID = 1,
	EXEC_HINT_MAX = 512,
};

struct exec {
	struct adhoc flags;
	const char *report, *keep;
	int report_fd;
	int interactive, pty, print_policy;
	char **argv; /* the command */

	struct places paths;
	char init_path[PLACES_PATH_MAX + 16];
	char config_path[PLACES_PATH_MAX + 16];
	char proxy_path[PLACES_PATH_MAX + 16];
	char audit_program[PLACES_PATH_MAX + 16];
	char vault_path[PLACES_PATH_MAX + 16];
	struct plan plan;
	struct seccomp_program program;
	struct environ env;
	struct jail *jail;
	struct run run;
	struct run_report end;
	struct registry registry;
	struct egress *egress; /* NULL: the policy has no services */
	struct egress_summary traffic;
	struct exec_source source;
	struct exec_reload reload;
};

/* Large, and there is one: not for the stack. */
static struct exec exec_state;

/* ---- options ---- */

#define EXEC_SET(name, ...)                                            \
	static int set_##name(void *ctx, const char *v, struct err *e) \
	{                                                              \
		struct exec *x = ctx;                                  \
		(void)v;                                               \
		(void)e;                                               \
		__VA_ARGS__;                                           \
	}

EXEC_SET(policy, x->flags.policy = v; return 0)
EXEC_SET(ro, return adhoc_add(&x->flags.ro, v, e))
EXEC_SET(rw, return adhoc_add(&x->flags.rw, v, e))
EXEC_SET(env, return adhoc_add(&x->flags.env, v, e))
EXEC_SET(allow, return adhoc_add(&x->flags.allow, v, e))
EXEC_SET(limit, return adhoc_add(&x->flags.limit, v, e))
EXEC_SET(report, x->report = v; return 0)
EXEC_SET(keep, x->keep = v; return 0)
EXEC_SET(print_policy, x->print_policy = 1; return 0)
EXEC_SET(interactive, x->interactive = 1; return 0)
EXEC_SET(tty, x->pty = 1; return 0)

static int
set_report_fd(void *ctx, const char *v, struct err *e)
{
	struct exec *x = ctx;
	uint64_t fd;

	if (text_parse_u64(v, 1 << 20, &fd, e) == -1)
		return -1;
	if (fd <= 2 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) == -1)
		return err_set(e, ERR_INVALID,
		    "%s is no open descriptor above 2", v);
	x->report_fd = (int)fd;
	return 0;
}

/* clang-format off */
static const struct opt exec_options[] = {
	{ "policy", 0, "FILE", "the policy; without it the built-in default", set_policy },
	{ "ro", 0, "PATH[:DEST]", "show a host file or directory, read-only", set_ro },
	{ "rw", 0, "PATH[:DEST]", "give a host directory for writing", set_rw },
	{ "env", 0, "K[=V]", "set a variable, or pass the caller's", set_env },
	{ "limit", 0, "K=V", "memory=2GiB, wall=30s, cpu=0.5, pids=64 …", set_limit },
	{ "allow", 0, "HOST[:PORT]", "let it reach a service", set_allow },
	{ "print-policy", 0, NULL, "print the policy that the flags make, and stop", set_print_policy },
	{ "interactive", 'i', NULL, "give it our standard input; without it: none", set_interactive },
	{ "tty", 't', NULL, "give it a terminal of its own", set_tty },
	{ "keep", 0, "DIR", "copy what it wrote to a new directory", set_keep },
	{ "report", 0, "FILE", "write a JSON report of the run", set_report },
	{ "report-fd", 0, "N", "the same, to an open descriptor", set_report_fd },
};

const struct opt_verb exec_verb = {
	"[OPTIONS] -- COMMAND [ARGUMENT …]",
	"Runs COMMAND in a jail of its own: no network, no home directory, an\n"
	"empty /workspace, /usr read-only, nothing of the caller's environment\n"
	"but TERM and LANG, and the limits that the policy sets.\n\n"
	"Exit status: the command's own; 124 a time limit; 125 refused; 126 not\n"
	"executable; 127 not found; 128+n ended by signal n; 137 out of memory.",
	exec_options, countof(exec_options),
};

/* clang-format on */

/* ---- the policy ---- */

/* Untouched, and so for nothing, where the policy has no services. */
static union plan_net_room exec_net;

static int
exec_policy(struct exec *x, struct err *e)
{
	const struct exec_made to = { &x->plan, &x->program, &exec_net };

	x->source.places = &x->paths;
	x->source.config_path = x->config_path;
	x->reload.source = &x->source;
	x->reload.first = to;
	x->reload.registry = &x->registry;
	return exec_source_load(&x->source, NULL, NULL, &to, e);
}

/* ---- the run ---- */

static void
exec_command(const struct exec *x, struct jail_command *c)
{
	c->id = EXEC_COMMAND_ID;
	c->argv = (const char *const *)x->argv;
	c->envp = x->env.vector;
	c->pty = x->pty;
	c->no_stdin = !x->interactive;
	terminal_size(&c->rows, &c->cols);
}

static void
exec_callers(struct exec *x)
{
	x->run.caller[0] = x->interactive ? STDIN_FILENO : -1;
	x->run.caller[1] = STDOUT_FILENO;
	x->run.caller[2] = STDERR_FILENO;
}

/* ^Z is for the whole job, whatever groups its processes have made. */
static void
exec_signal(void *ctx, int signo)
{
	struct run *r = ctx;
	int whole = signo == SIGSTOP || signo == SIGCONT;

	jail_signal(r->jail, whole ? 0 : r->id, signo);
}

/* ---- the way out ---- */

static int
exec_egress(struct exec *x, struct err *e)
{
	struct egress_options o = {
		.dies_with_us = 1,
		.proxy_path = x->proxy_path,
		.vault_path = x->vault_path,
		.audit_program = x->audit_program,
		.config_dir = x->paths.config,
		.state_dir = x->paths.state_root,
		.net = &exec_net.net,
		.policy = x->plan.digest,
		.environ = environ,
		.root = x->plan.rootfs == PLAN_ROOTFS_DIR
			    ? plan_string(&x->plan, x->plan.rootfs_dir)
			    : NULL,
		.wall_ms = x->plan.limits.wall_ms,
	};

	return plan_has_net(&x->plan) ? egress_start(&o, &x->egress, e) : 0;
}

static int
exec_ready(struct exec *x, struct err *e)
{
	if (x->egress == NULL)
		return 0;
	return egress_ready(x->egress, e) == -1 ||
		       egress_environ(x->egress, &x->env, e) == -1
		   ? -1
		   : 0;
}

static int
exec_launch(struct exec *x, const struct jail_command *c, struct err *e)
{
	int ours[3] = { -1, -1, -1 };

	if (jail_launch(x->jail, c, ours, e) == -1)
		return -1;
	run_connect(&x->run, ours);
	if (x->egress != NULL &&
	    egress_attach(x->egress, x->jail, &x->run, e) == -1)
		return -1;
	doctor_clean_sometimes(&x->paths);
	return run_wait(&x->run, -1, &x->end, e) == -1 ? -1 : 0;
}

static int
exec_run(struct exec *x, struct err *e)
{
	struct terminal terminal = {
		.send = exec_signal,
		.ctx = &x->run,
		.master = &x->run.master,
		.signals = -1,
	};
	struct jail_command c = { 0 };
	int raw = x->pty && x->interactive && isatty(STDIN_FILENO), r;

	exec_command(x, &c);
	run_init(&x->run, x->jail, &x->plan, c.id);
	exec_callers(x);
	r = terminal_open(&terminal, raw, e);
	if (r == 0)
		r = run_add_watch(&x->run, terminal.signals, terminal_ready,
		    &terminal, e);
	if (r == 0)
		r = registry_serve(&x->registry, &x->run, e);
	if (r == 0)
		r = exec_launch(x, &c, e);
	terminal_close(&terminal);
	run_finish(&x->run);
	return r;
}

static int
exec_keep(struct exec *x, struct err *e)
{
	struct keep_result kept;

	if (x->keep == NULL)
		return 0;
	if (jail_keep(x->jail, x->keep, &kept, e) == -1)
		return -1;
	if (kept.skipped > 0)
		(void)fprintf(stderr,
		    "warder: --keep %s: %llu sockets, FIFOs, devices, too "
		    "long files or too deep directories were left out\n",
		    x->keep, (unsigned long long)kept.skipped);
	return 0;
}

static int
exec_report(struct exec *x, struct err *e)
{
	const struct plan *plan = exec_reload_plan(&x->reload);
	const struct plan_net *net = exec_reload_net(&x->reload);
	autofd file = -1;

	if (x->report != NULL) {
		file = open(x->report, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0644);
		if (file == -1)
			return err_set(e, ERR_SYSTEM, "--report %s", x->report);
		if (report_write(file, x->jail, plan, &x->end, net, &x->traffic,
			e) == -1)
			return -1;
	}
	if (x->report_fd < 0)
		return 0;
	return report_write(x->report_fd, x->jail, plan, &x->end, net,
	    &x->traffic, e);
}

/* Success is taken back; another status says enough beside the message. */
static int
exec_lost(struct exec *x, struct err *e)
{
	int sys = relay_error(&x->run.relay);

	if (sys == 0)
		return 0;
	(void)err_sys(e, sys, "the command's output was lost");
	if (run_exit_status(&x->end) == 0)
		return -1;
	(void)cli_fail(e);
	return 0;
}

static int
exec_jail(struct exec *x, struct err *e)
{
	struct jail_options o = {
		.plan = &x->plan,
		.program = &x->program,
		.init_path = x->init_path,
		.runtime_dir = x->paths.runtime,
		.state_dir = x->paths.state,
		.config_dir = x->paths.config,
		.cache_dir = x->paths.cache,
		.state_root = x->paths.state_root,
		.keep = x->keep != NULL,
	};
	int r;

	if (environ_make(&x->env, &x->plan, environ, e) == -1 ||
	    registry_open(&x->registry, x->paths.jails, e) == -1)
		return -1;
	x->registry.command = x->argv[0];
	x->registry.envp = x->env.vector;
	exec_reload_serve(&x->reload, &x->registry.policy);
	o.janitor_unlink = x->registry.path;
	o.name = x->registry.name;
	r = exec_egress(x, e);
	x->reload.egress = x->egress;
	if (x->egress != NULL) {
		o.capture = egress_capture(x->egress);
		o.trust = egress_trust(x->egress);
	}
	if (r == 0)
		r = jail_prepare(x->jail, &o, e);
	if (r == 0)
		r = exec_ready(x, e);
	if (r == 0)
		r = jail_release(x->jail, e);
	if (r == 0)
		r = exec_run(x, e);
	if (r == 0 && x->end.end == RUN_PROXY)
		(void)cli_fail(egress_why(x->egress));
	egress_end(take_ptr(&x->egress), &x->traffic);
	x->reload.egress = NULL;
	if (r == 0) {
		report_explain(&x->plan, &x->end, x->argv[0]);
		report_traffic(exec_reload_net(&x->reload), &x->traffic);
		if (run_exit_status(&x->end) != 0)
			hint_missing_files(&x->plan, x->argv,
			    x->end.end != RUN_NOT_FOUND);
		r = exec_keep(x, e);
		if (exec_report(x, r == 0 ? e : NULL) == -1)
			r = -1;
	}
	if (r == 0)
		r = exec_lost(x, e);
	registry_close(&x->registry);
	return r;
}

static int
exec_paths(struct exec *x, struct err *e)
{
	if (places_find(&x->paths, NULL, e) == -1)
		return -1;
	(void)snprintf(x->init_path, sizeof(x->init_path), "%s/warder-init",
	    x->paths.libexec);
	(void)snprintf(x->config_path, sizeof(x->config_path),
	    "%s/warder-config", x->paths.libexec);
	(void)snprintf(x->proxy_path, sizeof(x->proxy_path), "%s/warder-proxy",
	    x->paths.libexec);
	(void)snprintf(x->audit_program, sizeof(x->audit_program),
	    "%s/warder-audit", x->paths.libexec);
	(void)snprintf(x->vault_path, sizeof(x->vault_path), "%s/warder-vault",
	    x->paths.libexec);
	return 0;
}

/* What takes longest begins before it is known what it is for. */
static int
exec_all(struct exec *x, struct err *e)
{
	int r = jail_begin(&x->jail, e);

	if (r == 0 && (exec_paths(x, e) == -1 || exec_policy(x, e) == -1 ||
			  exec_jail(x, e) == -1))
		r = -1;
	if (jail_destroy(x->jail) == -1 && r == 0)
		r = err_set(e, ERR_SYSTEM, "the jail left something behind");
	return r;
}

static int
exec_print_policy(struct exec *x)
{
	struct err e;

	if (exec_source_flags(&x->source, &e) == -1)
		return cli_fail(&e);
	(void)fputs(x->source.text, stdout);
	return 0;
}

static int
exec_usage(struct exec *x, int argc, char **argv, int rest, struct err *e)
{
	x->argv = argv + rest;
	if (rest >= argc && !x->print_policy)
		return err_set(e, ERR_INVALID,
		    "no command; write: warder exec -- COMMAND");
	if (x->pty && !x->interactive)
		x->interactive = isatty(STDIN_FILENO);
	return 0;
}

/*
 * A policy that does not load has a line for each defect, of which the error
 * is the first.  What refuses a start may be a switch of the host: then it is
 * named.
 */
static int
exec_fail(const struct exec *x, const struct err *e)
{
	const char *line = strchr(x->source.warnings, '\n');
	char hint[EXEC_HINT_MAX];
	int status = cli_fail(e);

	for (; line != NULL && line[1] != '\0'; line = strchr(line, '\n')) {
		line++;
		(void)fprintf(stderr, "warder: %.*s\n",
		    (int)strcspn(line, "\n"), line);
	}
	if (doctor_explain(e, hint, sizeof(hint)))
		(void)fprintf(stderr, "warder: %s\n", hint);
	return status;
}

int
cli_exec(int argc, char **argv)
{
	struct exec *x = &exec_state;
	struct err e = { 0 };
	int rest = 0, r;

	x->report_fd = -1;
	x->source.flags = &x->flags;
	r = opt_parse(&exec_verb, x, argc, argv, &rest, &e);
	if (r == 1) {
		opt_help("exec", &exec_verb);
		return 0;
	}
	if (r == -1 || exec_usage(x, argc, argv, rest, &e) == -1)
		return cli_fail(&e);
	if (x->print_policy)
		return exec_print_policy(x);
	if (exec_all(x, &e) == -1)
		return exec_fail(x, &e);
	return run_exit_status(&x->end);
}
