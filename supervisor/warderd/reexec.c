#include "reexec.h"

#include <sys/stat.h>

#include "clock.h"
#include "control.h"
#include "crash.h"
#include "deploy.h"
#include "jailed.h"
#include "log.h"
#include "notify.h"

enum {
	REEXEC_TRIAL_MS = 10 * 1000, /* for the successor to read the state */
};

static struct {
	struct handover_program program;
	struct handover state;
} reexec;

void
reexec_init(struct warderd *w, int argc, char **argv)
{
	reexec.program.resume = "--resume";
	reexec.program.trial = "--check-config";
	handover_program(&reexec.program, argc, argv, w->resume_fd != -1);
}

void
reexec_want(struct warderd *w)
{
	if (w->draining)
		return;
	w->upgrading = 1;
	log_text(LOG_LEVEL_INFO, "upgrade", "to %s", reexec.program.path);
}

/* ---- the state ---- */

static int
reexec_carry_kept(struct warderd *w, struct handover *h, struct err *e)
{
	struct warderd_kept *k = &w->kept;
	struct settings fresh = k->settings;
	size_t i;

	k->upgraded_us = clock_now_us();
	if (handover_block(h, "warderd", k, sizeof(*k), e) == -1)
		return -1;
	if (settings_check(&k->settings, sizeof(k->settings), e) == -1)
		return err_wrap(e, "the settings in force");
	for (i = 0; i < countof(k->listeners); i++)
		if (handover_fd(h, &k->listeners[i], S_IFSOCK, e) == -1)
			return -1;
	for (i = 0; i < countof(k->tls); i++)
		if (handover_fd(h, &k->tls[i], S_IFREG, e) == -1)
			return -1;
	if (h->reading && !h->trial)
		operator_change(&k->settings, &fresh);
	return handover_fd(h, &k->lock_fd, S_IFREG, e);
}

static int
reexec_carry(struct warderd *w, struct handover *h, struct err *e)
{
	CRASH_POINT();
	if (reexec_carry_kept(w, h, e) == -1 || control_carry(h, e) == -1 ||
	    deploy_carry(h, e) == -1)
		return -1;
	return jailed_carry(w, h, e);
}

int
reexec_resume(struct warderd *w, int fd, int trial, struct err *e)
{
	struct handover *h = &reexec.state;

	if (handover_open(h, fd, trial, e) == -1 ||
	    reexec_carry(w, h, e) == -1 || handover_end(h, e) == -1)
		return err_wrap(e, "the state of the program before");
	CRASH_POINT();
	handover_drop(h);
	if (trial)
		return 0;
	log_text(LOG_LEVEL_INFO, "upgrade.done",
	    "%u jails live on; nobody was served for %llu us", jailed_count(),
	    (unsigned long long)(clock_now_us() - w->kept.upgraded_us));
	control_is_served();
	return 0;
}

/* ---- the exec ---- */

static int
reexec_prepare(struct warderd *w, struct err *e)
{
	struct handover *h = &reexec.state;

	if (handover_begin(h, e) == -1 || reexec_carry(w, h, e) == -1 ||
	    handover_seal(h, e) == -1)
		return -1;
	CRASH_POINT();
	return handover_try(h, &reexec.program, REEXEC_TRIAL_MS, e);
}

static int
reexec_go(struct err *e)
{
	struct handover *h = &reexec.state;
	struct err ignored;
	int r;

	CRASH_POINT();
	notify_reloading();
	r = handover_expose(h, 1, e);
	if (r == 0) {
		CRASH_POINT();
		notify_hand_over();
		r = handover_exec(h, &reexec.program, 0, e);
	}
	notify_init();
	(void)!handover_expose(h, 0, &ignored);
	control_is_served();
	return r;
}

void
reexec_step(struct warderd *w)
{
	struct err e;

	if (!w->upgrading || w->draining || !jailed_is_settled())
		return;
	w->upgrading = 0;
	if (reexec_prepare(w, &e) == -1 || reexec_go(&e) == -1) {
		log_err(LOG_LEVEL_ERROR, "upgrade.refused", &e);
		handover_drop(&reexec.state);
	}
}
