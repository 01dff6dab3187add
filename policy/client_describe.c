#include "client_describe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "client.h"
#include "clock.h"
#include "ipc.h"
#include "memfd.h"

static int
describe_refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "warder-config: %s", what);
}

static int
describe_start(const struct client_describe_request *rq, int *ret_fd,
    pid_t *ret_pid, struct err *e)
{
	struct child_spec s = { .path = rq->config_path,
		.name = "warder-config",
		.args = { "--serve", "3" },
		.uid = CLIENT_UID,
		.nfds = 1,
		.dies_with_us = 1 };
	int pair[2], r;

	if (ipc_pair(pair, e) == -1)
		return -1;
	s.fds[0] = pair[1];
	r = child_start(&s, ret_pid, e);
	fd_closep(&pair[1]);
	*ret_fd = pair[0];
	return r;
}

static int
describe_send(const struct client_describe_request *rq, int fd, struct err *e)
{
	struct config_describe m = { .what = rq->what };
	autofd text = -1;

	if (rq->size > CONFIG_FILE_MAX || strlen(rq->name) >= sizeof(m.name))
		return err_set(e, ERR_LIMIT, "%.200s: larger than 1 MiB",
		    rq->name);
	text = memfd_create_sealed("warder-text", rq->text, rq->size, e);
	if (text == -1)
		return -1;
	(void)snprintf(m.name, sizeof(m.name), "%s", rq->name);
	return ipc_send(fd, CONFIG_DESCRIBE, &m, sizeof(m), &text, 1, e);
}

static int
describe_receive(int fd, struct ipc_msg *m, struct err *e)
{
	uint64_t until = clock_now_ms() + CLIENT_TIMEOUT_MS, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do {
		now = clock_now_ms();
		if (now >= until)
			return describe_refuse(e, "no answer within 20 s");
		n = poll(&p, 1, (int)(until - now));
	} while (n == 0 || (n == -1 && errno == EINTR));
	n = ipc_recv(fd, m, e);
	return n == 0 ? describe_refuse(e, "it ended without an answer") : n;
}

static int
describe_exactly(int fd, void *to, size_t n, size_t at)
{
	return n == 0 || pread(fd, to, n, (off_t)at) == (ssize_t)n ? 0 : -1;
}

static int
describe_take(const struct client_describe_request *rq, struct ipc_msg *m,
    size_t *ret_record, size_t *ret_card, struct err *e)
{
	const struct config_described *d = (const void *)m->body;
	autofd fd = ipc_take_fd(m, 0);
	size_t card = rq->card != NULL ? d->card_size : 0;
	struct stat st;

	if (d->record_size > rq->record_size || card > rq->card_size ||
	    fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != (uint64_t)d->record_size + d->card_size)
		return describe_refuse(e, "an answer out of bounds");
	if (describe_exactly(fd, rq->record, d->record_size, 0) == -1 ||
	    describe_exactly(fd, rq->card, card, d->record_size) == -1)
		return describe_refuse(e, "an answer that cannot be read");
	*ret_record = d->record_size;
	if (ret_card != NULL)
		*ret_card = card;
	return 0;
}

static int
describe_failed(const struct ipc_msg *m, char *text, size_t size, struct err *e)
{
	const struct config_failed *f = (const void *)m->body;

	if (memchr(f->text, '\0', sizeof(f->text)) == NULL)
		return describe_refuse(e, "a string without an end");
	(void)snprintf(text, size, "%s", f->text);
	return err_set(e, ERR_INVALID, "%.*s", (int)strcspn(f->text, "\n"),
	    f->text);
}

int
client_describe(const struct client_describe_request *rq, size_t *ret_record,
    size_t *ret_card, char *text, size_t text_size, struct err *e)
{
	static struct ipc_msg m; /* large; its users have one thread */
	autofd fd = -1;
	pid_t pid = 0;
	int r = describe_start(rq, &fd, &pid, e);

	text[0] = '\0';
	m.nfds = 0;
	if (r == 0)
		r = describe_send(rq, fd, e);
	if (r == 0 && describe_receive(fd, &m, e) == -1)
		r = -1;
	if (r == 0 && m.type == CONFIG_FAILED &&
	    m.size == sizeof(struct config_failed) && m.nfds == 0)
		r = describe_failed(&m, text, text_size, e);
	else if (r == 0 && m.type == CONFIG_DESCRIBED &&
		 m.size == sizeof(struct config_described) && m.nfds == 1)
		r = describe_take(rq, &m, ret_record, ret_card, e);
	else if (r == 0)
		r = describe_refuse(e, "an unknown message");
	ipc_drop_fds(&m);
	(void)child_end(pid);
	return r;
}
