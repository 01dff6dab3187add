/*
 * capture.c: the launcher receives the jail's listeners.
 */
#include "capture.h"

#include "msg_init.h"

static int
capture_is_sane(const struct capture_listeners *l, const struct ipc_msg *m)
{
	const struct init_listen *b = (const void *)m->body;
	int i;

	if (m->size != sizeof(*b) || m->nfds < 1 ||
	    l->n + (uint32_t)m->nfds > CAPTURE_LISTENERS_MAX)
		return 0;
	if (b->mode <= CAPTURE_NONE || b->mode >= CAPTURE__MAX ||
	    (l->n > 0 && b->mode != (uint32_t)l->mode))
		return 0;
	for (i = 0; i < m->nfds; i++) {
		if (b->kind[i] >= CAPTURE_KIND__MAX)
			return 0;
	}
	return 1;
}

int
capture_take(struct capture_listeners *l, struct ipc_msg *m, struct err *e)
{
	const struct init_listen *b = (const void *)m->body;
	int i;

	if (!capture_is_sane(l, m))
		return err_set(e, ERR_CORRUPT, "stage one: LISTEN");
	l->mode = (enum capture_mode)b->mode;
	for (i = 0; i < m->nfds; i++) {
		l->at[l->n].kind = (enum capture_kind)b->kind[i];
		l->at[l->n++].fd = ipc_take_fd(m, i);
	}
	return 0;
}

void
capture_drop(struct capture_listeners *l)
{
	while (l->n > 0)
		fd_closep(&l->at[--l->n].fd);
}

const char *
capture_name(enum capture_mode mode)
{
	static const char *const names[] = {
		[CAPTURE_NONE] = "none",
		[CAPTURE_TPROXY] = "tproxy",
		[CAPTURE_PORTS] = "ports",
	};

	return names[mode];
}
