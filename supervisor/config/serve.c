#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "config.h"
#include "describe.h"
#include "ipc.h"
#include "policy/compile.h"

/*
 * The launcher is more privileged than we are: what it sends amiss ends this
 * process (exit status 1), and it reports that.
 */
struct serve {
	int fd;
	struct ipc_msg msg;
	struct config_compile request;
	struct resolve resolve;
	struct plan plan;
	struct seccomp_program program;
	union plan_net_room net;
};

/* The whole of a memfd, in memory of the arena. */
static int
read_text(int fd, struct arena *a, const char **ret, size_t *ret_size,
    struct err *e)
{
	char *text = arena_alloc(a, CONFIG_FILE_MAX + 1);
	size_t size = 0;
	ssize_t n;

	for (;;) {
		n = pread(fd, text + size, CONFIG_FILE_MAX + 1 - size,
		    (off_t)size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_set(e, ERR_SYSTEM, "reading a policy");
		if (n == 0)
			break;
		size += (size_t)n;
	}
	*ret = text;
	*ret_size = size;
	return 0;
}

static int
is_message(const struct serve *s, uint32_t type, size_t size)
{
	return s->msg.type == type && s->msg.size == size && s->msg.nfds == 1;
}

/* A file by CONFIG_OPEN: a resolve_open_fn. */
static int
serve_open(void *arg, uint32_t what, const char *reference, const char *dir,
    struct arena *a, struct resolve_file *ret, struct err *e)
{
	struct serve *s = arg;
	struct config_open m = { .what = what };
	autofd fd = -1;

	(void)snprintf(m.reference, sizeof(m.reference), "%s", reference);
	(void)snprintf(m.dir, sizeof(m.dir), "%s", dir);
	if (ipc_send(s->fd, CONFIG_OPEN, &m, sizeof(m), NULL, 0, e) == -1 ||
	    ipc_recv(s->fd, &s->msg, e) != 1)
		_exit(1);
	if (s->msg.type == CONFIG_NO_FILE &&
	    s->msg.size == sizeof(struct config_no_file)) {
		const struct config_no_file *none = (const void *)s->msg.body;

		(void)err_set(e, ERR_NOT_FOUND, "%.*s",
		    (int)strnlen(none->why, sizeof(none->why)), none->why);
		return 0;
	}
	if (s->msg.type != CONFIG_FILE ||
	    s->msg.size != sizeof(struct config_file) || s->msg.nfds != 1)
		_exit(1);
	fd = ipc_take_fd(&s->msg, 0);
	memcpy(ret->path, s->msg.body, sizeof(ret->path));
	ret->path[sizeof(ret->path) - 1] = '\0';
	return read_text(fd, a, &ret->text, &ret->size, e) == -1 ? -1 : 1;
}

static int
send_failed(struct serve *s, const struct diag *d, struct err *e)
{
	struct config_failed m = { 0 };

	memcpy(m.text, d->errors.buf, sizeof(m.text));
	return ipc_send(s->fd, CONFIG_FAILED, &m, sizeof(m), NULL, 0, e);
}

static int
write_all(int fd, const void *p, size_t n, struct err *e)
{
	ssize_t w;

	while (n > 0) {
		w = write(fd, p, n);
		if (w == -1 && errno != EINTR)
			return err_set(e, ERR_SYSTEM, "writing the plan");
		if (w > 0) {
			p = (const char *)p + w;
			n -= (size_t)w;
		}
	}
	return 0;
}

static int
send_done(struct serve *s, struct err *e)
{
	struct config_done m = { 0 };
	autofd fd =
	    memfd_create("warder-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "memfd_create");
	m.plan_size = (uint32_t)plan_size(&s->plan);
	m.program_length = s->program.length;
	m.net_size = s->net.net.size;
	memcpy(m.warnings, s->resolve.diag.warnings.buf, sizeof(m.warnings));
	if (write_all(fd, &s->plan, m.plan_size, e) == -1 ||
	    write_all(fd, s->program.insn,
		s->program.length * sizeof(s->program.insn[0]), e) == -1 ||
	    write_all(fd, &s->net, m.net_size, e) == -1)
		return -1;
	if (fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == -1)
		return err_set(e, ERR_SYSTEM, "sealing the plan");
	return ipc_send(s->fd, CONFIG_DONE, &m, sizeof(m), &fd, 1, e);
}

static int
is_ended(const char *s)
{
	return memchr(s, '\0', CONFIG_PATH_MAX) != NULL;
}

/* An empty string is none. */
static const char *
given(const char *s)
{
	return *s == '\0' ? NULL : s;
}

static int
take_request(struct serve *s, struct arena *a, struct resolve_request *ret,
    struct err *e)
{
	autofd fd = -1;

	fd = ipc_take_fd(&s->msg, 0);
	memcpy(&s->request, s->msg.body, sizeof(s->request));
	if (!is_ended(s->request.name) || !is_ended(s->request.dir) ||
	    !is_ended(s->request.home) || !is_ended(s->request.cwd) ||
	    memchr(s->request.section, '\0', CONFIG_WORD_MAX) == NULL ||
	    s->request.dir[0] != '/')
		return err_set(e, ERR_CORRUPT, "malformed request");
	*ret = (struct resolve_request){ .name = s->request.name,
		.dir = s->request.dir,
		.home = s->request.home,
		.section = given(s->request.section),
		.cwd = given(s->request.cwd),
		.open = serve_open,
		.arg = s };
	return read_text(fd, a, &ret->text, &ret->size, e);
}

static int
serve_compile(struct serve *s, struct arena *a, struct err *e)
{
	struct resolve_request rq;

	if (take_request(s, a, &rq, e) == -1)
		return -1;
	if (resolve_policy(&s->resolve, &rq) == -1 ||
	    compile_policy(&s->resolve, &s->plan, &s->program, &s->net) == -1)
		return send_failed(s, &s->resolve.diag, e);
	return send_done(s, e);
}

/* ---- files that are no policies ---- */

static int
send_described(struct serve *s, const struct describe *d, struct err *e)
{
	struct config_described m = { .record_size = (uint32_t)d->record_size,
		.card_size = (uint32_t)d->card_size };
	autofd fd = memfd_create("warder-record", MFD_CLOEXEC);

	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "memfd_create");
	if (write_all(fd, &d->record, d->record_size, e) == -1 ||
	    write_all(fd, d->card, d->card_size, e) == -1)
		return -1;
	return ipc_send(s->fd, CONFIG_DESCRIBED, &m, sizeof(m), &fd, 1, e);
}

static int
serve_describe(struct serve *s, struct arena *a, struct err *e)
{
	static struct describe d;
	autofd fd = ipc_take_fd(&s->msg, 0);
	const char *text;
	size_t size;

	memcpy(&d.request, s->msg.body, sizeof(d.request));
	if (!is_ended(d.request.name))
		return err_set(e, ERR_CORRUPT, "malformed request");
	if (read_text(fd, a, &text, &size, e) == -1)
		return -1;
	return describe_make(&d, text, size) == -1 ? send_failed(s, &d.diag, e)
						   : send_described(s, &d, e);
}

static int
serve(struct serve *s, struct arena *a, struct err *e)
{
	if (config_lock(e) == -1 || ipc_recv(s->fd, &s->msg, e) == -1)
		return -1;
	if (is_message(s, CONFIG_COMPILE, sizeof(s->request)))
		return serve_compile(s, a, e);
	if (is_message(s, CONFIG_DESCRIBE, sizeof(struct config_describe)))
		return serve_describe(s, a, e);
	return err_set(e, ERR_CORRUPT, "unexpected message");
}

int
config_serve(int fd)
{
	static struct serve s;
	struct arena a;
	struct err e;

	s.fd = fd;
	arena_init(&a);
	if (serve(&s, &a, &e) == -1) {
		(void)dprintf(STDERR_FILENO, "warder-config: %s\n", e.msg);
		return 1;
	}
	return 0;
}
