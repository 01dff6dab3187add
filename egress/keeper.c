#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "child.h"
#include "ipc.h"
#include "keyfile.h"
#include "msg_vault.h"

int
keeper_is_wanted(const struct plan_net *net)
{
	uint32_t i, n = plan_net_count(net, PLAN_NET_CREDENTIALS);

	for (i = 0; i < n; i++)
		if (plan_net_credential(net, i)->source ==
		    PLAN_NET_SOURCE_VAULT)
			return 1;
	return 0;
}

/* ---- what only the launcher may open ---- */

static int
keeper_none(const char *path, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND,
	    "%s: this user has no vault yet: warder credential set NAME --to "
	    "HOST[:PORT]",
	    path);
}

static int
keeper_dir(const char *state, int *ret, struct err *e)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/vault", state);

	if (n < 0 || n >= (int)sizeof(path))
		return err_set(e, ERR_INVALID, "%s: path too long", state);
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*ret == -1 && errno == ENOENT)
		return keeper_none(path, e);
	return *ret == -1 ? err_set(e, ERR_SYSTEM, "%s", path) : 0;
}

static int
keeper_key(const char *config, int *ret, struct err *e)
{
	if (keyfile_find(config, ret, e) == 0)
		return 0;
	return e->code == ERR_NOT_FOUND ? keeper_none(config, e) : -1;
}

static int
keeper_child(struct keeper *k, const struct keeper_options *o, int ours,
    int theirs, struct err *e)
{
	struct child_spec s = { .path = o->vault_path,
		.name = "warder-vault",
		.args = { "--serve" },
		.uid = child_uid(VAULT_USER_NAME, VAULT_UID_RESERVED),
		.locks_memory = 1,
		.nfds = 4,
		.dir = o->dir,
		.dies_with_us = o->dies_with_us };
	autofd dir = -1, key = -1;

	if (keeper_dir(o->state_dir, &dir, e) == -1 ||
	    keeper_key(o->config_dir, &key, e) == -1)
		return -1;
	s.fds[0] = ours;
	s.fds[1] = theirs;
	s.fds[2] = dir;
	s.fds[3] = key;
	return child_start(&s, &k->pid, e);
}

/* ---- what it is told ---- */

static int
keeper_send(struct keeper *k, uint32_t type, const void *body, size_t size,
    struct err *e)
{
	if (ipc_send(k->fd, type, body, size, NULL, 0, e) == -1)
		return err_wrap(e, "warder-vault");
	return 0;
}

static int
keeper_bind(struct keeper *k, const struct plan_net *net, uint32_t credential,
    struct err *e)
{
	const struct plan_net_credential *c =
	    plan_net_credential(net, credential);
	struct vault_bind m = { 0 };

	if (c->source != PLAN_NET_SOURCE_VAULT)
		return 0;
	(void)snprintf(m.entry, sizeof(m.entry), "%s",
	    plan_net_string(net, c->source_name));
	return keeper_send(k, VAULT_BIND, &m, sizeof(m), e);
}

/* By name, as "warder credential set --use" takes it; else by number. */
static void
keeper_user(char ret[VAULT_USER_SIZE])
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw == NULL || strlen(pw->pw_name) >= VAULT_USER_SIZE)
		(void)snprintf(ret, VAULT_USER_SIZE, "%u", (unsigned)geteuid());
	else
		(void)snprintf(ret, VAULT_USER_SIZE, "%s", pw->pw_name);
}

static int
keeper_say(struct keeper *k, const struct keeper_options *o, struct err *e)
{
	struct vault_start m = { .version = VAULT_VERSION };
	uint32_t i, n = plan_net_count(o->net, PLAN_NET_CREDENTIALS);

	for (i = 0; i < n; i++)
		if (keeper_bind(k, o->net, i, e) == -1)
			return -1;
	keeper_user(m.user);
	(void)snprintf(m.run, sizeof(m.run), "%s", o->run);
	return keeper_send(k, VAULT_START, &m, sizeof(m), e);
}

int
keeper_start(struct keeper *k, const struct keeper_options *o, int *ret_proxy,
    struct err *e)
{
	int ours[2] = { -1, -1 }, its[2] = { -1, -1 };
	int r;

	*k = (struct keeper){ .fd = -1 };
	r = ipc_pair(ours, e);
	if (r == 0)
		r = ipc_pair(its, e);
	if (r == 0)
		r = keeper_child(k, o, ours[1], its[1], e);
	fd_closep(&ours[1]);
	fd_closep(&its[1]);
	k->fd = ours[0];
	if (r == 0)
		r = keeper_say(k, o, e);
	if (r == 0) {
		*ret_proxy = its[0];
		return 0;
	}
	fd_closep(&its[0]);
	keeper_end(k);
	return -1;
}

/* ---- its answer ---- */

static int
keeper_failed(const struct ipc_msg *m, struct err *e)
{
	struct vault_failed f;

	memcpy(&f, m->body, sizeof(f));
	f.text[sizeof(f.text) - 1] = '\0';
	if (f.code == ERR_OK || f.code >= ERR__MAX)
		f.code = ERR_CORRUPT;
	(void)err_set(e, (enum err_code)f.code, "%s", f.text);
	/* the message has the errno's text already */
	(void)snprintf(e->msg, sizeof(e->msg), "%s", f.text);
	return -1;
}

int
keeper_ready(struct keeper *k, struct err *e)
{
	static struct ipc_msg m; /* large */
	struct pollfd p = { .fd = k->fd, .events = POLLIN };
	int r;

	do
		r = poll(&p, 1, KEEPER_READY_MS);
	while (r == -1 && errno == EINTR);
	if (r <= 0)
		return err_set(e, ERR_LIMIT,
		    "warder-vault: no answer within %d ms", KEEPER_READY_MS);
	r = ipc_recv(k->fd, &m, e);
	if (r == 0)
		return err_set(e, ERR_CONFLICT,
		    "warder-vault has ended; see its message above");
	ipc_drop_fds(&m);
	if (r == 1 && m.type == VAULT_READY &&
	    m.size == sizeof(struct vault_ready))
		return 0;
	if (r == 1 && m.type == VAULT_FAILED &&
	    m.size == sizeof(struct vault_failed))
		return keeper_failed(&m, e);
	return err_set(e, ERR_CORRUPT, "warder-vault: an unexpected message");
}

void
keeper_end(struct keeper *k)
{
	if (k->pid <= 0) {
		if (k->fd > 0)
			fd_closep(&k->fd);
		return;
	}
	fd_closep(&k->fd);
	(void)child_end(k->pid);
	k->pid = 0;
}
