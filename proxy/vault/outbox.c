#include "outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "ipc.h"
#include "limits_vault.h"
#include "secret.h"

struct outbox_message {
	TAILQ_ENTRY(outbox_message) entries;
	uint32_t type;
	size_t size;
	struct secret *body;
};

int
outbox_init(struct outbox *o, int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	*o = (struct outbox){ .fd = fd };
	TAILQ_INIT(&o->waiting);
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return err_set(e, ERR_SYSTEM, "fcntl");
	return 0;
}

static void
outbox_drop(struct outbox *o, struct outbox_message *m)
{
	TAILQ_REMOVE(&o->waiting, m, entries);
	o->n--;
	secret_destroy(m->body);
	free(m);
}

void
outbox_finish(struct outbox *o)
{
	while (o->n > 0)
		outbox_drop(o, TAILQ_FIRST(&o->waiting));
}

int
outbox_waits(const struct outbox *o)
{
	return o->n > 0;
}

/* 1 sent, 0 the socket is full, -1. */
static int
outbox_try(const struct outbox *o, uint32_t type, const void *body, size_t size,
    struct err *e)
{
	if (ipc_send(o->fd, type, body, size, NULL, 0, e) == 0)
		return 1;
	return e->code == ERR_SYSTEM && e->sys == EAGAIN ? 0 : -1;
}

static int
outbox_keep(struct outbox *o, uint32_t type, const void *body, size_t size,
    struct err *e)
{
	struct outbox_message *m;

	if (o->n == OUTBOX_MESSAGES_MAX)
		return err_set(e, ERR_LIMIT,
		    "a peer that does not read: %d messages wait for it",
		    OUTBOX_MESSAGES_MAX);
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	m->type = type;
	m->size = size;
	if (size > 0 && secret_create_room(size, &m->body, e) == -1) {
		free(m);
		return -1;
	}
	if (size > 0)
		memcpy(secret_room(m->body), body, size);
	TAILQ_INSERT_TAIL(&o->waiting, m, entries);
	o->n++;
	return 0;
}

int
outbox_send(struct outbox *o, uint32_t type, const void *body, size_t size,
    struct err *e)
{
	/* what waits goes first */
	int r = o->n > 0 ? 0 : outbox_try(o, type, body, size, e);

	return r == 0 ? outbox_keep(o, type, body, size, e) : r == 1 ? 0 : -1;
}

int
outbox_flush(struct outbox *o, struct err *e)
{
	int r = 1;

	while (r == 1 && o->n > 0) {
		struct outbox_message *m = TAILQ_FIRST(&o->waiting);
		const void *body =
		    m->body == NULL ? NULL : secret_bytes(m->body);

		r = outbox_try(o, m->type, body, m->size, e);
		if (r == 1)
			outbox_drop(o, m);
	}
	return r == -1 ? -1 : 0;
}
