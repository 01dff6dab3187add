/*
 * main.c: warderd, the supervisor.
 *
 * The only process of the service that is root: it opens what needs that,
 * starts warder-control, and answers its closed table of requests.  One
 * thread, one poll(2), nothing allocated by what a request says.  An ordinary
 * user may run it for themselves: directories of their own, rootless jails.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "clock.h"
#include "control.h"
#include "crash.h"
#include "deploy.h"
#include "jailed.h"
#include "log.h"
#include "notify.h"
#include "opt.h"
#include "reexec.h"
#include "set.h"
#include "text.h"
#include "version.h"

enum {
	MAIN_TEXT_MAX = CONFIG_TEXT_MAX,
};

struct main_options {
	struct warderd *w;
	const char *state;
	int check, version;
	uint64_t resume; /* a descriptor; UINT64_MAX: none */
	enum log_format format;
	enum log_level level;
};

/* Large, and there is one. */
static struct warderd main_warderd;

/* ---- options ---- */

#define MAIN_SET(name, ...)                                            \
	static int set_##name(void *ctx, const char *v, struct err *e) \
	{                                                              \
		struct main_options *o = ctx;                          \
		(void)v;                                               \
		(void)e;                                               \
		__VA_ARGS__;                                           \
	}

MAIN_SET(config,
    return text_path("/", v, o->w->files.file, sizeof(o->w->files.file), e))
MAIN_SET(state, o->state = v; return 0)
MAIN_SET(control,
    return text_path("/", v, o->w->control_path, sizeof(o->w->control_path), e))

MAIN_SET(back_off,
    return text_parse_duration(v, 3600 * 1000, &o->w->back_off_ms, e))
MAIN_SET(resume, return text_parse_u64(v, INT32_MAX, &o->resume, e))
MAIN_SET(check, o->check = 1; return 0)
MAIN_SET(version, o->version = 1; return 0)
MAIN_SET(format, return log_format_parse(v, &o->format, e))
MAIN_SET(level, return log_level_parse(v, &o->level, e))

/* clang-format off */
static const struct opt main_options[] = {
	{ "config", 0, "FILE", "in place of /etc/warder/warder.yaml; absolute", set_config },
	{ "check-config", 0, NULL, "say what is wrong with it, and stop", set_check },
	{ "state", 0, "DIR", "in place of /var/lib/warder; absolute", set_state },
	{ "log", 0, "FORMAT", "logfmt or json", set_format },
	{ "log-level", 0, "LEVEL", "error, warn, info or debug", set_level },
	{ "control", 0, "PROGRAM", "in place of warder-control: for tests", set_control },
	{ "back-off", 0, "TIME", "the longest before control is started again", set_back_off },
	{ "resume", 0, "FD", "the state of the warderd before: for itself", set_resume },
	{ "version", 0, NULL, "print the version", set_version },
};

static const struct opt_verb main_verb = {
	"warderd [OPTIONS]",
	"Runs agents in jails behind the Agent Server API, in the foreground.",
	main_options, countof(main_options),
};

/* clang-format on */

static int
main_fail(const struct err *e, const char *text)
{
	(void)fprintf(stderr, "warderd: %s\n", text[0] != '\0' ? text : e->msg);
	return err_exit(e->code);
}

/* ---- signals ---- */

/* The first asks everybody to come to an end, the second does not ask. */
static void
main_stop(struct warderd *w)
{
	if (w->draining) {
		w->hasty = 1;
		return;
	}
	w->draining = 1;
	w->drain_until_ms = clock_now_ms() + WARDERD_DRAIN_MS;
	notify_say("STOPPING=1\nSTATUS=draining");
	log_text(LOG_LEVEL_INFO, "drain", "stopping; %u jails are alive",
	    jailed_count());
	control_drain(w);
}

static void
main_again(struct warderd *w)
{
	static char text[MAIN_TEXT_MAX];
	struct err e;

	if (set_again(w, text, sizeof(text), &e) == -1)
		log_err(LOG_LEVEL_ERROR, "reload", &e);
	else
		log_text(LOG_LEVEL_INFO, "reload", "the ceiling is read again");
}

static const struct {
	int signo;
	void (*fn)(struct warderd *w);
} main_signals[] = {
	{ SIGTERM, main_stop },
	{ SIGINT, main_stop },
	{ SIGHUP, main_again },
	{ SIGUSR1, control_renew },
	{ SIGUSR2, reexec_want },
};

static void
main_on_signal(void *ctx, short events)
{
	static struct signalfd_siginfo s;
	struct warderd *w = ctx;
	size_t i;

	(void)events;
	while (read(w->signals_fd, &s, sizeof(s)) == sizeof(s))
		for (i = 0; i < countof(main_signals); i++)
			if (main_signals[i].signo == (int)s.ssi_signo)
				main_signals[i].fn(w);
}

static int
main_watch_signals(struct warderd *w, struct err *e)
{
	sigset_t set;
	size_t i;

	(void)sigemptyset(&set);
	for (i = 0; i < countof(main_signals); i++)
		(void)sigaddset(&set, main_signals[i].signo);
	(void)signal(SIGPIPE, SIG_IGN); /* standard error may be one */
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return err_set(e, ERR_SYSTEM, "sigprocmask");
	w->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->signals_fd == -1 ? err_set(e, ERR_SYSTEM, "signalfd") : 0;
}

/* ---- the loop ---- */

static int
main_is_over(const struct warderd *w, uint64_t now_ms)
{
	if (!w->draining)
		return 0;
	return w->hasty || now_ms >= w->drain_until_ms ||
	       (control_is_gone() && jailed_count() == 0);
}

static void
main_wait_for(struct warderd *w)
{
	uint64_t now_us = clock_now_us(), now_ms = now_us / 1000;

	ready_clear(&w->ready);
	ready_add(&w->ready, w->signals_fd, POLLIN, main_on_signal, w);
	control_wait(w, now_ms);
	jailed_wait(w, now_us);
	deploy_wait(w, now_ms);
	ready_within(&w->ready, notify_timeout(now_ms));
	if (w->draining)
		ready_within(&w->ready, w->drain_until_ms > now_ms
					    ? (int)(w->drain_until_ms - now_ms)
					    : 0);
}

/* Jails first, so that what control is told is what is so. */
static void
main_step(struct warderd *w)
{
	uint64_t now_us = clock_now_us();

	jailed_step(w, now_us);
	deploy_step(w, now_us / 1000);
	control_step(w, now_us / 1000);
	notify_alive(now_us / 1000);
	reexec_step(w);
}

static int
main_loop(struct warderd *w, struct err *e)
{
	main_step(w);
	while (!main_is_over(w, clock_now_ms())) {
		main_wait_for(w);
		if (ready_wait(&w->ready, e) == -1)
			return -1;
		main_step(w);
	}
	return 0;
}

/* Whoever is left is killed, and nothing of any jail stays. */
static int
main_finish(struct warderd *w, struct err *e)
{
	uint64_t until = clock_now_ms() + WARDERD_DRAIN_MS;

	(void)control_end();
	deploy_end_all();
	jailed_end_all(w);
	while (jailed_count() > 0 && clock_now_ms() < until) {
		jailed_step(w, clock_now_us());
		ready_clear(&w->ready);
		jailed_wait(w, clock_now_us());
		ready_within(&w->ready, jailed_count() > 0 ? 1000 : 0);
		if (ready_wait(&w->ready, e) == -1)
			return -1;
		jailed_step(w, clock_now_us());
	}
	set_finish(w);
	log_text(LOG_LEVEL_INFO, "end", "ended");
	return 0;
}

/* ---- the start ---- */

static int
main_prepare(struct warderd *w, struct err *e)
{
	struct rlimit files;
	size_t i;

	w->kept.begun_ms = clock_now_ms();
	w->kept.lock_fd = w->signals_fd = w->files.ceiling_fd = -1;
	w->kept.tls[0] = w->kept.tls[1] = -1;
	for (i = 0; i < countof(w->kept.listeners); i++)
		w->kept.listeners[i] = -1;
	notify_init();
	/* what jails inherit must not depend on who started us */
	(void)umask(022);
	/* a jail's descriptors are many */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* a user's must be: its own files in /proc make its jails' maps */
	return geteuid() == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1
		   ? err_set(e, ERR_SYSTEM, "prctl")
		   : 0;
}

/* Whoever wants to be replaced by us asks whether we could. */
static int
main_check(struct warderd *w, struct err *e)
{
	if (w->resume_fd == -1)
		return 0;
	return set_make(w, e) == -1 ? -1 : reexec_resume(w, w->resume_fd, 1, e);
}

static int
main_serve(struct warderd *w, const struct main_options *o, struct err *e)
{
	crash_begin("warderd");
	if (set_make(w, e) == -1 || main_watch_signals(w, e) == -1)
		return -1;
	log_init("warderd", o->format, o->level);
	log_text(LOG_LEVEL_INFO, "start",
	    "warderd " WARDER_VERSION ", state %s", w->state);
	if (w->resume_fd != -1 && reexec_resume(w, w->resume_fd, 0, e) == -1)
		return err_wrap(e, "every jail ends");
	if (main_loop(w, e) == -1)
		return -1;
	return main_finish(w, e);
}

int
main(int argc, char **argv)
{
	static char text[MAIN_TEXT_MAX];
	struct warderd *w = &main_warderd;
	struct main_options o = { .w = w,
		.level = LOG_LEVEL_INFO,
		.resume = UINT64_MAX };
	struct err e = { 0 };
	int rest, r;

	w->back_off_ms = WARDERD_BACK_OFF_MS;
	r = opt_parse(&main_verb, &o, argc, argv, &rest, &e);
	if (r == 1) {
		opt_help(NULL, &main_verb);
		return 0;
	}
	if (r == 0 && rest < argc)
		r = err_set(&e, ERR_INVALID, "%s: it takes no argument",
		    argv[rest]);
	if (r == 0 && o.version) {
		(void)puts("warderd " WARDER_VERSION);
		return 0;
	}
	if (r == -1)
		return main_fail(&e, text);
	if (main_prepare(w, &e) == -1 ||
	    set_read(w, o.state, text, sizeof(text), &e) == -1)
		return main_fail(&e, text);
	w->resume_fd = (int)o.resume;
	reexec_init(w, argc, argv);
	if (o.check)
		return main_check(w, &e) == -1 ? main_fail(&e, "") : 0;
	return main_serve(w, &o, &e) == -1 ? main_fail(&e, "") : 0;
}
