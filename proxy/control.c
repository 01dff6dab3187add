#include "control.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "guest.h"
#include "log.h"
#include "msg_proxy.h"
#include "reload.h"
#include "secret.h"

struct control {
	struct proxy *proxy;
	int fd;
	struct loop_fd *watch;
	struct ipc_msg msg;
};

/* g: the jail that the message is about; -1: it cannot be served. */
typedef int control_fn(struct control *c, struct guest *g, struct err *e);

static control_fn on_add, on_ca, on_token, on_vault, on_audit, on_prepare,
    on_listen, on_plan, on_reload, on_remove;

/* What a message wants of the jail that it is about. */
enum control_jail {
	CONTROL_NEW, /* there is none yet; what is wrong ends the process */
	CONTROL_LIVE, /* passed over for one that has failed, as was said */
	CONTROL_ANY, /* as CONTROL_NEW, for one that is there */
};

/* clang-format off */
static const struct {
	uint32_t type;
	size_t least, most; /* bytes */
	int fds_least, fds_most;
	enum control_jail jail;
	uint32_t number; /* where the body has the jail's */
	control_fn *fn;
} messages[] = {
#define ONE(t) sizeof(struct t), sizeof(struct t)
#define OF(which, t) CONTROL_##which, offsetof(struct t, jail)
	{ PROXY_JAIL_ADD,     ONE(proxy_jail_add),     1, 1,
	    OF(NEW, proxy_jail_add), on_add },
	{ PROXY_JAIL_CA,      ONE(proxy_jail_ca),      1, 1,
	    OF(LIVE, proxy_jail_ca), on_ca },
	{ PROXY_JAIL_TOKEN,   sizeof(struct proxy_jail_token) + 1,
	    sizeof(struct proxy_jail_token) + PROXY_TOKEN_MAX, 0, 0,
	    OF(LIVE, proxy_jail_token), on_token },
	{ PROXY_JAIL_VAULT,   ONE(proxy_jail_vault),   1, 1,
	    OF(LIVE, proxy_jail_vault), on_vault },
	{ PROXY_JAIL_AUDIT,   ONE(proxy_jail_audit),   1, 1,
	    OF(LIVE, proxy_jail_audit), on_audit },
	{ PROXY_JAIL_PREPARE, ONE(proxy_jail_prepare), 0, 0,
	    OF(LIVE, proxy_jail_prepare), on_prepare },
	{ PROXY_JAIL_LISTEN,  ONE(proxy_jail_listen),  1, IPC_FDS_MAX,
	    OF(LIVE, proxy_jail_listen), on_listen },
	{ PROXY_JAIL_PLAN,    ONE(proxy_jail_plan),    1, 1,
	    OF(LIVE, proxy_jail_plan), on_plan },
	{ PROXY_JAIL_RELOAD,  ONE(proxy_jail_reload),  0, 0,
	    OF(LIVE, proxy_jail_reload), on_reload },
	{ PROXY_JAIL_REMOVE,  ONE(proxy_jail_remove),  0, 0,
	    OF(ANY, proxy_jail_remove), on_remove },
#undef OF
#undef ONE
};

/* clang-format on */

/* What a launcher never sends: it is broken, or not the launcher. */
_Noreturn static void
control_die(const struct err *e)
{
	log_err(LOG_LEVEL_ERROR, "control", e);
	_exit(1);
}

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

static int
on_add(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_jail_add m;
	autofd plan = ipc_take_fd(&c->msg, 0);
	struct err failed = { 0 };

	memcpy(&m, c->msg.body, sizeof(m));
	if (m.version != PROXY_VERSION)
		return err_set(e, ERR_CORRUPT, "version %u of the messages",
		    m.version);
	if (memchr(m.run, '\0', sizeof(m.run)) == NULL)
		return err_set(e, ERR_CORRUPT, "jail %u", m.jail);
	if (guest_create(c->proxy, m.jail, &g, e) == -1)
		return -1;
	if (guest_load(g, &m, plan, &failed) == -1)
		control_failed(c, g, &failed);
	secret_wipe(&m, sizeof(m));
	return 0;
}

static int
on_ca(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_jail_ca m;
	autofd file = ipc_take_fd(&c->msg, 0);

	memcpy(&m, c->msg.body, sizeof(m));
	return guest_set_ca(g, m.service, file, e);
}

static int
on_token(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_jail_token m;

	memcpy(&m, c->msg.body, sizeof(m));
	if (m.size != c->msg.size - sizeof(m)) {
		(void)err_set(e, ERR_CORRUPT, "a token of %u bytes", m.size);
		control_die(e);
	}
	return guest_set_token(g, m.credential, c->msg.body + sizeof(m), m.size,
	    e);
}

static int
on_vault(struct control *c, struct guest *g, struct err *e)
{
	return guest_set_vault(g, ipc_take_fd(&c->msg, 0), e);
}

static int
on_audit(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_audit_ended ended = { .jail = guest_number(g) };

	if (guest_set_audit(g, ipc_take_fd(&c->msg, 0), &ended, e) == -1)
		return -1;
	if (ended.lines > 0)
		control_send(c, PROXY_AUDIT_ENDED, &ended, sizeof(ended), -1);
	return 0;
}

static int
on_prepare(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_ready ready = { 0 };
	autofd fd = -1;

	if (guest_prepare(g, &ready, &fd, e) == -1)
		return -1;
	control_send(c, PROXY_READY, &ready, sizeof(ready), fd);
	return 0;
}

static int
on_listen(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_jail_listen m;
	uint32_t i;

	memcpy(&m, c->msg.body, sizeof(m));
	if (m.count != (uint32_t)c->msg.nfds) {
		(void)err_set(e, ERR_CORRUPT, "%u listeners, %d descriptors",
		    m.count, c->msg.nfds);
		control_die(e);
	}
	for (i = 0; i < m.count; i++)
		if (guest_listen(g, m.role[i], ipc_take_fd(&c->msg, (int)i),
			e) == -1)
			return -1;
	return 0;
}

static int
on_plan(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_jail_plan m;
	autofd plan = ipc_take_fd(&c->msg, 0);

	memcpy(&m, c->msg.body, sizeof(m));
	return guest_set_plan(g, &m, plan, e);
}

static int
on_reload(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_reloaded m = { 0 };

	if (reload_run(g, &m, e) == -1)
		return -1;
	control_send(c, PROXY_RELOADED, &m, sizeof(m), -1);
	return 0;
}

static int
on_remove(struct control *c, struct guest *g, struct err *e)
{
	struct proxy_removed removed = { 0 };
	autofd fd = -1;

	if (guest_summary(g, &removed, &fd, e) == -1)
		return -1;
	guest_destroy(g);
	control_send(c, PROXY_REMOVED, &removed, sizeof(removed), fd);
	return 0;
}

/* ---- the socket --------------------------------------------------------- */

/* The row of a message; countof(messages): it is none. */
static size_t
control_row(const struct ipc_msg *m)
{
	size_t i;

	for (i = 0; i < countof(messages); i++)
		if (messages[i].type == m->type)
			break;
	if (i == countof(messages) || m->size < messages[i].least ||
	    m->size > messages[i].most || m->nfds < messages[i].fds_least ||
	    m->nfds > messages[i].fds_most)
		return countof(messages);
	return i;
}

static int
control_dispatch(struct control *c, struct err *e)
{
	const struct ipc_msg *m = &c->msg;
	size_t row = control_row(m);
	struct err failed = { 0 };
	struct guest *g;
	uint32_t number;

	if (row == countof(messages))
		return err_set(e, ERR_CORRUPT,
		    "message %u of %u bytes with %d descriptors", m->type,
		    m->size, m->nfds);
	memcpy(&number, m->body + messages[row].number, sizeof(number));
	g = guest_find(c->proxy, number);
	if ((g == NULL) != (messages[row].jail == CONTROL_NEW))
		return err_set(e, ERR_CORRUPT, "message %u of jail %u", m->type,
		    number);
	if (messages[row].jail != CONTROL_LIVE)
		return messages[row].fn(c, g, e);
	if (!guest_failed(g) && messages[row].fn(c, g, &failed) == -1)
		control_failed(c, g, &failed);
	return 0;
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
	/* seeds and tokens are among them */
	secret_wipe(c->msg.body, c->msg.size);
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
