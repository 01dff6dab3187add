#include "control.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "guest.h"
#include "log.h"
#include "msg_proxy.h"
#include "secret.h"

struct control {
	struct proxy *proxy;
	int fd;
	struct loop_fd *watch;
	struct ipc_msg msg;
};

typedef int control_fn(struct control *c, struct err *e);

static int on_add(struct control *c, struct err *e);
static int on_ca(struct control *c, struct err *e);
static int on_token(struct control *c, struct err *e);
static int on_vault(struct control *c, struct err *e);
static int on_audit(struct control *c, struct err *e);
static int on_prepare(struct control *c, struct err *e);
static int on_listen(struct control *c, struct err *e);
static int on_remove(struct control *c, struct err *e);

/* clang-format off */
static const struct {
	uint32_t type;
	size_t least, most; /* bytes */
	int fds_least, fds_most;
	control_fn *fn;
} messages[] = {
#define ONE(t) sizeof(struct t), sizeof(struct t)
	{ PROXY_JAIL_ADD,     ONE(proxy_jail_add),     1, 1, on_add },
	{ PROXY_JAIL_CA,      ONE(proxy_jail_ca),      1, 1, on_ca },
	{ PROXY_JAIL_TOKEN,   sizeof(struct proxy_jail_token),
	    sizeof(struct proxy_jail_token) + PROXY_TOKEN_MAX, 0, 0, on_token },
	{ PROXY_JAIL_VAULT,   ONE(proxy_jail_vault),   1, 1, on_vault },
	{ PROXY_JAIL_AUDIT,   ONE(proxy_jail_audit),   1, 1, on_audit },
	{ PROXY_JAIL_PREPARE, ONE(proxy_jail_prepare), 0, 0, on_prepare },
	{ PROXY_JAIL_LISTEN,  ONE(proxy_jail_listen),  1, IPC_FDS_MAX, on_listen },
	{ PROXY_JAIL_REMOVE,  ONE(proxy_jail_remove),  0, 0, on_remove },
#undef ONE
};

/* clang-format on */

/* ---- what they do ------------------------------------------------------- */

/*
 * What the world does to a jail fails that jail, which stays in the table
 * until it is removed: more messages about it are on their way.
 */
static void
control_failed(struct control *c, struct guest *g, const struct err *e)
{
	struct proxy_failed m = { .jail = guest_number(g),
		.code = (uint32_t)e->code,
		.sys = e->sys };

	memcpy(m.text, e->msg, sizeof(m.text));
	guest_fail(g);
	control_send(c, PROXY_FAILED, &m, sizeof(m), -1);
}

/* 1: there is such a jail; 0: it has failed, which was said; -1: never. */
static int
control_jail(struct control *c, uint32_t number, struct guest **ret,
    struct err *e)
{
	*ret = guest_find(c->proxy, number);
	if (*ret == NULL)
		return err_set(e, ERR_CORRUPT, "no jail %u", number);
	return !guest_failed(*ret);
}

static int
on_add(struct control *c, struct err *e)
{
	struct proxy_jail_add m;
	autofd plan = ipc_take_fd(&c->msg, 0);
	struct err failed = { 0 };
	struct guest *g;

	memcpy(&m, c->msg.body, sizeof(m));
	if (m.version != PROXY_VERSION)
		return err_set(e, ERR_CORRUPT, "version %u of the messages",
		    m.version);
	if (memchr(m.run, '\0', sizeof(m.run)) == NULL ||
	    guest_find(c->proxy, m.jail) != NULL)
		return err_set(e, ERR_CORRUPT, "jail %u", m.jail);
	if (guest_create(c->proxy, m.jail, &g, e) == -1)
		return -1;
	if (guest_load(g, &m, plan, &failed) == -1)
		control_failed(c, g, &failed);
	secret_wipe(c->msg.body, sizeof(m));
	secret_wipe(&m, sizeof(m));
	return 0;
}

static int
on_ca(struct control *c, struct err *e)
{
	struct proxy_jail_ca m;
	autofd file = ipc_take_fd(&c->msg, 0);
	struct err failed = { 0 };
	struct guest *g;
	int rc;

	memcpy(&m, c->msg.body, sizeof(m));
	if ((rc = control_jail(c, m.jail, &g, e)) != 1)
		return rc;
	if (guest_set_ca(g, m.service, file, &failed) == -1)
		control_failed(c, g, &failed);
	return 0;
}

static int
on_token(struct control *c, struct err *e)
{
	struct proxy_jail_token m;
	struct err failed = { 0 };
	struct guest *g;
	int rc;

	memcpy(&m, c->msg.body, sizeof(m));
	if (m.size == 0 || m.size != c->msg.size - sizeof(m))
		return err_set(e, ERR_CORRUPT, "a token of %u bytes", m.size);
	if ((rc = control_jail(c, m.jail, &g, e)) != 1)
		return rc;
	if (guest_set_token(g, m.credential, c->msg.body + sizeof(m), m.size,
		&failed) == -1)
		control_failed(c, g, &failed);
	secret_wipe(c->msg.body, c->msg.size);
	return 0;
}

static int
on_vault(struct control *c, struct err *e)
{
	struct proxy_jail_vault m;
	autofd fd = ipc_take_fd(&c->msg, 0);
	struct err failed = { 0 };
	struct guest *g;
	int rc;

	memcpy(&m, c->msg.body, sizeof(m));
	if ((rc = control_jail(c, m.jail, &g, e)) != 1)
		return rc;
	if (guest_set_vault(g, take_fd(&fd), &failed) == -1)
		control_failed(c, g, &failed);
	return 0;
}

static int
on_audit(struct control *c, struct err *e)
{
	struct proxy_jail_audit m;
	autofd fd = ipc_take_fd(&c->msg, 0);
	struct err failed = { 0 };
	struct guest *g;
	int rc;

	memcpy(&m, c->msg.body, sizeof(m));
	if ((rc = control_jail(c, m.jail, &g, e)) != 1)
		return rc;
	if (guest_set_audit(g, take_fd(&fd), &failed) == -1)
		control_failed(c, g, &failed);
	return 0;
}

static int
on_prepare(struct control *c, struct err *e)
{
	struct proxy_jail_prepare m;
	struct proxy_ready ready = { 0 };
	struct err failed = { 0 };
	struct guest *g;
	autofd fd = -1;
	int rc;

	memcpy(&m, c->msg.body, sizeof(m));
	if ((rc = control_jail(c, m.jail, &g, e)) != 1)
		return rc;
	if (guest_prepare(g, &ready, &fd, &failed) == -1)
		control_failed(c, g, &failed);
	else
		control_send(c, PROXY_READY, &ready, sizeof(ready), fd);
	return 0;
}

static int
on_listen(struct control *c, struct err *e)
{
	struct proxy_jail_listen m;
	struct err failed = { 0 };
	struct guest *g;
	uint32_t i;
	int rc;

	memcpy(&m, c->msg.body, sizeof(m));
	if (m.count != (uint32_t)c->msg.nfds)
		return err_set(e, ERR_CORRUPT, "%u listeners, %d descriptors",
		    m.count, c->msg.nfds);
	if ((rc = control_jail(c, m.jail, &g, e)) != 1)
		return rc;
	for (i = 0; i < m.count; i++) {
		if (guest_listen(g, m.role[i], ipc_take_fd(&c->msg, (int)i),
			&failed) == 0)
			continue;
		control_failed(c, g, &failed);
		break;
	}
	return 0;
}

static int
on_remove(struct control *c, struct err *e)
{
	struct proxy_jail_remove m;
	struct proxy_removed removed = { 0 };
	struct guest *g;
	autofd fd = -1;

	memcpy(&m, c->msg.body, sizeof(m));
	if (control_jail(c, m.jail, &g, e) == -1 ||
	    guest_summary(g, &removed, &fd, e) == -1)
		return -1;
	guest_destroy(g);
	control_send(c, PROXY_REMOVED, &removed, sizeof(removed), fd);
	return 0;
}

/* ---- the socket --------------------------------------------------------- */

static int
control_dispatch(struct control *c, struct err *e)
{
	const struct ipc_msg *m = &c->msg;
	size_t i;

	for (i = 0; i < countof(messages); i++)
		if (messages[i].type == m->type)
			break;
	if (i == countof(messages) || m->size < messages[i].least ||
	    m->size > messages[i].most || m->nfds < messages[i].fds_least ||
	    m->nfds > messages[i].fds_most)
		return err_set(e, ERR_CORRUPT,
		    "message %u of %u bytes with %d descriptors", m->type,
		    m->size, m->nfds);
	return messages[i].fn(c, e);
}

static void
control_die(const struct err *e)
{
	log_err(LOG_LEVEL_ERROR, "control", e);
	_exit(1);
}

/* End of file: the launcher has gone, and with it the reason to be. */
static void
control_ready(void *arg, unsigned ready)
{
	struct control *c = arg;
	struct err e = { 0 };
	int rc;

	(void)ready;
	rc = ipc_recv(c->fd, &c->msg, &e);
	if (rc == 0)
		_exit(0);
	if (rc == -1)
		control_die(&e);
	rc = control_dispatch(c, &e);
	ipc_drop_fds(&c->msg);
	if (rc == -1 || loop_fd_want(c->watch, LOOP_READ, &e) == -1)
		control_die(&e);
}

void
control_send(struct control *c, uint32_t type, const void *body, size_t size,
    int fd)
{
	struct err e = { 0 };

	if (ipc_send(c->fd, type, body, size, &fd, fd >= 0, &e) == -1)
		control_die(&e);
}

int
control_create(struct proxy *p, int fd, struct control **ret, struct err *e)
{
	struct control *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_set(e, ERR_SYSTEM, "the control socket");
	c->proxy = p;
	c->fd = fd;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
		control_destroy(c);
		return err_set(e, ERR_SYSTEM, "the control socket");
	}
	if (loop_fd_create(p->loop, fd, control_ready, c, &c->watch, e) == -1 ||
	    loop_fd_want(c->watch, LOOP_READ, e) == -1) {
		control_destroy(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void
control_destroy(struct control *c)
{
	if (c == NULL)
		return;
	loop_fd_destroy(c->watch);
	fd_closep(&c->fd);
	free(c);
}
