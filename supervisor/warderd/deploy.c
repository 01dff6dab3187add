#include "deploy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "child.h"
#include "clock.h"
#include "control.h"
#include "crash.h"
#include "ipc.h"
#include "jailed.h"
#include "log.h"
#include "msg_deploy.h"

struct deploy {
	uint64_t id; /* 0: free */
	pid_t pid;
	int fd;
	int done; /* the answer is to be said */
	int card; /* agent.json; -1 */
	uint64_t until_ms;
	struct deploy_answer answer;
};

static struct deploy deploys[SPAWN_DEPLOYS_MAX];
static struct ipc_msg deploy_msg;

static struct deploy *
deploy_find(uint64_t id)
{
	size_t i;

	for (i = 0; i < countof(deploys); i++)
		if (deploys[i].id == id)
			return &deploys[i];
	return NULL;
}

int
deploy_has(uint64_t id)
{
	return deploy_find(id) != NULL;
}

unsigned
deploy_count(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < countof(deploys); i++)
		n += deploys[i].id != 0;
	return n;
}

static void
deploy_free(struct deploy *d)
{
	(void)child_end(d->pid);
	fd_closep(&d->fd);
	fd_closep(&d->card);
	d->pid = 0;
	d->id = 0;
}

void
deploy_end_all(void)
{
	size_t i;

	for (i = 0; i < countof(deploys); i++)
		if (deploys[i].id != 0)
			deploy_free(&deploys[i]);
}

static void
deploy_fail(struct deploy *d, const struct err *e)
{
	d->done = 1;
	d->answer.code = e->code;
	d->answer.sys = e->sys;
	(void)snprintf(d->answer.text, sizeof(d->answer.text), "%s", e->msg);
}

/* ---- its process ---- */

/* What was hashed must be what is unpacked. */
static int
deploy_judge(const struct warderd *w, int archive, struct err *e)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
	int have = fcntl(archive, F_GET_SEALS);
	off_t size = lseek(archive, 0, SEEK_END);

	if (have == -1 || (have & seals) != seals)
		return err_set(e, ERR_INVALID,
		    "the archive is in no sealed memfd");
	if (size <= 0 || (uint64_t)size > w->kept.settings.limits.archive_bytes)
		return err_set(e, ERR_INVALID,
		    "the archive has %lld bytes; the most is %llu",
		    (long long)size,
		    (unsigned long long)w->kept.settings.limits.archive_bytes);
	return 0;
}

static void
deploy_fill(const struct warderd *w, const char *tenant, struct deploy_job *j)
{
	memset(j, 0, sizeof(*j));
	memcpy(j->tenant, tenant, sizeof(j->tenant));
	j->archive_bytes = w->kept.settings.limits.archive_bytes;
	j->agent_bytes = w->kept.settings.limits.agent_bytes;
	(void)snprintf(j->agents, sizeof(j->agents), "%.4095s", w->agents);
	memcpy(j->libexec, w->places.libexec, sizeof(j->libexec));
	memcpy(j->runtime, w->places.runtime, sizeof(j->runtime));
	memcpy(j->state, w->places.state, sizeof(j->state));
	memcpy(j->etc, w->files.dirs.etc, sizeof(j->etc));
	memcpy(j->user, w->files.dirs.user, sizeof(j->user));
	memcpy(j->ceiling, w->files.dirs.ceiling, sizeof(j->ceiling));
}

static int
deploy_start(const struct warderd *w, struct deploy *d, const char *tenant,
    int archive, struct err *e)
{
	static struct deploy_job job;
	struct child_spec s = {
		.path = w->deploy_path,
		.name = "warder-deploy",
		.uid = geteuid(),
		.nfds = 3,
		.dies_with_us = 1,
	};
	int pair[2], r;

	if (ipc_pair(pair, e) == -1)
		return -1;
	s.fds[0] = pair[1];
	s.fds[1] = archive;
	s.fds[2] = w->files.ceiling_fd;
	d->fd = pair[0];
	r = child_start(&s, &d->pid, e);
	fd_closep(&pair[1]);
	if (r == -1)
		return -1;
	deploy_fill(w, tenant, &job);
	return ipc_send(d->fd, DEPLOY_JOB, &job, sizeof(job), NULL, 0, e);
}

int
deploy_begin(struct warderd *w, struct ipc_msg *msg)
{
	const struct spawn_deploy *m = (const void *)msg->body;
	struct deploy *d = deploy_find(0);
	struct err e;

	CRASH_POINT();
	if (m->id == 0 || deploy_has(m->id) || jailed_has(m->id) ||
	    !settings_is_tenant(m->tenant, sizeof(m->tenant)))
		return -1;
	if (d == NULL || w->draining) {
		(void)err_set(&e, d == NULL ? ERR_LIMIT : ERR_CONFLICT,
		    d == NULL ? "%d deployments are under way"
			      : "the supervisor is stopping",
		    SPAWN_DEPLOYS_MAX);
		control_refuse(SPAWN_DEPLOY, m->id, &e);
		return 0;
	}
	*d = (struct deploy){ .id = m->id, .fd = -1, .card = -1 };
	d->until_ms = clock_now_ms() + DEPLOY_WAIT_MS;
	if (deploy_judge(w, msg->fds[0], &e) == -1 ||
	    deploy_start(w, d, m->tenant, msg->fds[0], &e) == -1)
		deploy_fail(d, &e);
	return 0;
}

static void
deploy_on_answer(void *ctx, short events)
{
	struct deploy *d = ctx;
	struct err e;
	int n;

	(void)events;
	if (d->id == 0 || d->done)
		return;
	n = ipc_recv(d->fd, &deploy_msg, &e);
	if (n == 1 && deploy_msg.type == DEPLOY_ANSWER &&
	    deploy_msg.size == sizeof(d->answer)) {
		memcpy(&d->answer, deploy_msg.body, sizeof(d->answer));
		d->card = ipc_take_fd(&deploy_msg, 0);
		d->done = 1;
	} else if (n != -1) {
		(void)err_set(&e, ERR_SYSTEM, "the deployment's process ended");
	}
	ipc_drop_fds(&deploy_msg);
	if (!d->done)
		deploy_fail(d, &e);
}

void
deploy_step(struct warderd *w, uint64_t now_ms)
{
	struct err e;
	size_t i;

	(void)w;
	for (i = 0; i < countof(deploys); i++) {
		struct deploy *d = &deploys[i];

		if (d->id == 0 || d->done || now_ms < d->until_ms)
			continue;
		(void)err_set(&e, ERR_LIMIT, "not deployed within %d s",
		    DEPLOY_WAIT_MS / 1000);
		deploy_fail(d, &e);
	}
}

void
deploy_wait(struct warderd *w, uint64_t now_ms)
{
	size_t i;

	for (i = 0; i < countof(deploys); i++) {
		struct deploy *d = &deploys[i];

		if (d->id == 0 || d->done)
			continue;
		ready_add(&w->ready, d->fd, POLLIN, deploy_on_answer, d);
		ready_within(&w->ready,
		    d->until_ms > now_ms ? (int)(d->until_ms - now_ms) : 0);
	}
}

/* ---- what is said ---- */

static int
deploy_say_one(struct deploy *d)
{
	const struct deploy_answer *a = &d->answer;
	struct spawn_deployed m = { .id = d->id, .fresh = a->fresh };
	struct spawn_refused no = { .id = d->id, .what = SPAWN_DEPLOY };
	int r;

	CRASH_POINT();
	if (a->code == ERR_OK && d->card != -1) {
		memcpy(m.digest, a->digest, sizeof(m.digest));
		memcpy(m.policy, a->policy, sizeof(m.policy));
		r = control_say(SPAWN_DEPLOYED, &m, sizeof(m), &d->card, 1);
	} else {
		no.code = a->code;
		no.sys = a->sys;
		memcpy(no.text, a->text, sizeof(no.text));
		no.text[sizeof(no.text) - 1] = '\0';
		r = control_say(SPAWN_REFUSED, &no, sizeof(no), NULL, 0);
	}
	if (r == 0)
		deploy_free(d);
	return r;
}

int
deploy_say(struct warderd *w)
{
	size_t i;

	(void)w;
	for (i = 0; i < countof(deploys); i++)
		if (deploys[i].id != 0 && deploys[i].done &&
		    deploy_say_one(&deploys[i]) == -1)
			return -1;
	return 0;
}

/* ---- over an upgrade ---- */

static int
deploy_carry_one(struct deploy *d, struct handover *h, struct err *e)
{
	if (handover_block(h, "deploy", d, sizeof(*d), e) == -1)
		return -1;
	if (d->id == 0)
		return 0;
	return handover_child(h, d->pid, e) == -1 ||
		       handover_fd(h, &d->fd, S_IFSOCK, e) == -1 ||
		       handover_fd(h, &d->card, S_IFREG, e) == -1
		   ? -1
		   : 0;
}

int
deploy_carry(struct handover *h, struct err *e)
{
	size_t i;

	for (i = 0; i < countof(deploys); i++)
		if (deploy_carry_one(&deploys[i], h, e) == -1)
			return -1;
	return 0;
}
