#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "builtin.h"
#include "child.h"
#include "client.h"
#include "clock.h"
#include "ipc.h"
#include "seccomp_eval.h"

struct client {
	const struct policy_request *rq;
	struct find_dirs dirs;
	struct client_files *files;
	pid_t pid;
	int fd;
	uint64_t deadline_ms;
	unsigned asked;
	struct ipc_msg msg;
	/* The answer. */
	struct plan *plan;
	struct seccomp_program *program;
	char *text;
	size_t text_size;
	int done;
};

/* ---- the record of files ---------------------------------------------- */

/* | what | found | digest | reference NUL dir NUL path NUL | */
enum {
	FILE_HEAD = 2 * sizeof(uint32_t) + SHA256_SIZE
};

static void
put_bytes(struct client_files *f, const void *p, size_t n)
{
	memcpy(f->bytes + f->size, p, n);
	f->size += (uint32_t)n;
}

int
client_files_add(struct client_files *f, const struct client_file *file,
    struct err *e)
{
	size_t need = FILE_HEAD + strlen(file->reference) + strlen(file->dir) +
		      strlen(file->path) + 3;

	if (need > sizeof(f->bytes) - f->size)
		return err_set(e, ERR_LIMIT,
		    "the paths of this policy's files are too long together");
	put_bytes(f, &file->what, sizeof(file->what));
	put_bytes(f, &file->found, sizeof(file->found));
	put_bytes(f, file->digest, sizeof(file->digest));
	put_bytes(f, file->reference, strlen(file->reference) + 1);
	put_bytes(f, file->dir, strlen(file->dir) + 1);
	put_bytes(f, file->path, strlen(file->path) + 1);
	f->count++;
	return 0;
}

/* A string that ends inside the bytes in use; NULL if it does not. */
static const char *
next_string(const struct client_files *f, uint32_t *at)
{
	const char *s = f->bytes + *at;
	size_t left = f->size - *at, n = strnlen(s, left);

	if (n == left || n >= CONFIG_PATH_MAX)
		return NULL;
	*at += (uint32_t)n + 1;
	return s;
}

int
client_files_next(const struct client_files *f, uint32_t *at,
    struct client_file *ret)
{
	uint32_t i = *at;

	if (f->size > sizeof(f->bytes) || i > f->size)
		return -1;
	if (i == f->size)
		return 0;
	if (f->size - i < FILE_HEAD)
		return -1;
	memcpy(&ret->what, f->bytes + i, sizeof(ret->what));
	memcpy(&ret->found, f->bytes + i + 4, sizeof(ret->found));
	memcpy(ret->digest, f->bytes + i + 8, SHA256_SIZE);
	i += FILE_HEAD;
	if ((ret->reference = next_string(f, &i)) == NULL ||
	    (ret->dir = next_string(f, &i)) == NULL ||
	    (ret->path = next_string(f, &i)) == NULL)
		return -1;
	*at = i;
	return 1;
}

/* ---- the child -------------------------------------------------------- */

static int
client_start(struct client *c, struct err *e)
{
	struct child_spec child = {
		.path = c->rq->config_path,
		.name = "warder-config",
		.args = { "--serve", "3" },
		.uid = CLIENT_UID,
		.nfds = 1,
		.dies_with_us = 1,
	};
	autofd theirs = -1;
	int pair[2];

	if (ipc_pair(pair, e) == -1)
		return -1;
	c->fd = pair[0];
	theirs = pair[1];
	child.fds[0] = theirs;
	return child_start(&child, &c->pid, e);
}

/* End the child whatever it does; how it ended, or -1. */
static int
client_reap(struct client *c)
{
	int status = child_end(c->pid);

	c->pid = 0;
	return status;
}

/* ---- memfds ------------------------------------------------------------- */

static int
write_all(int fd, const char *p, size_t n)
{
	ssize_t w;

	for (; n > 0; p += w, n -= (size_t)w) {
		w = write(fd, p, n);
		if (w == -1 && errno == EINTR)
			w = 0;
		else if (w == -1)
			return -1;
	}
	return 0;
}

static int
memfd_open(struct err *e)
{
	int fd = memfd_create("warder-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd == -1 ? err_set(e, ERR_SYSTEM, "memfd_create") : fd;
}

static int
memfd_seal(int fd, struct err *e)
{
	if (lseek(fd, 0, SEEK_SET) == -1 ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == -1)
		return err_set(e, ERR_SYSTEM, "memfd");
	return 0;
}

/* Text to a sealed memfd; the descriptor, or -1. */
static int
memfd_text(const char *text, size_t size, struct err *e)
{
	autofd fd = memfd_open(e);

	if (fd == -1)
		return -1;
	if (write_all(fd, text, size) == -1)
		return err_set(e, ERR_SYSTEM, "memfd");
	return memfd_seal(fd, e) == -1 ? -1 : take_fd(&fd);
}

/* A file to a sealed memfd, bounded and hashed on the way. */
static int
memfd_file(int from, unsigned char ret_digest[SHA256_SIZE], struct err *e)
{
	autofd fd = memfd_open(e);
	struct sha256 hash;
	char buf[16384];
	size_t size = 0;
	ssize_t n;

	if (fd == -1)
		return -1;
	sha256_init(&hash);
	while ((n = read(from, buf, sizeof(buf))) != 0) {
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || write_all(fd, buf, (size_t)n) == -1)
			return err_set(e, ERR_SYSTEM, "copying the file");
		if ((size += (size_t)n) > CONFIG_FILE_MAX)
			return err_set(e, ERR_LIMIT, "larger than 1 MiB");
		sha256_update(&hash, buf, (size_t)n);
	}
	sha256_finish(&hash, ret_digest);
	return memfd_seal(fd, e) == -1 ? -1 : take_fd(&fd);
}

/* ---- the conversation --------------------------------------------------- */

static int
is_ended(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static int
refuse_message(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "warder-config: %s", what);
}

static int
send_no_file(struct client *c, const struct err *why, struct err *e)
{
	struct config_no_file m = { 0 };

	(void)snprintf(m.why, sizeof(m.why), "%s", why->msg);
	return ipc_send(c->fd, CONFIG_NO_FILE, &m, sizeof(m), NULL, 0, e);
}

static int
send_file(struct client *c, const char *path, int fd, struct err *e)
{
	static const struct config_file none;
	struct config_file m = none;

	(void)snprintf(m.path, sizeof(m.path), "%s", path);
	return ipc_send(c->fd, CONFIG_FILE, &m, sizeof(m), &fd, 1, e);
}

/* The bytes behind find_open's answer, in a memfd. */
static int
open_found(const char *path, int fd, unsigned char ret_digest[SHA256_SIZE],
    struct err *e)
{
	autofd owned = fd;
	const char *text;
	size_t size;

	if (fd != -1)
		return memfd_file(owned, ret_digest, e);
	text = builtin_policy(path + sizeof("builtin/") - 1, &size);
	if (text == NULL)
		return err_set(e, ERR_NOT_FOUND, "no such built-in policy");
	sha256_buffer(text, size, ret_digest);
	return memfd_text(text, size, e);
}

/* Is dir the directory of this file? */
static int
is_directory_of(const char *dir, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);

	if (*path != '/')
		return 0;
	n += n == 0;
	return strlen(dir) == n && memcmp(dir, path, n) == 0;
}

/* Relative references begin where the policy or a file of its own lies. */
static int
is_known_directory(const struct client *c, const char *dir)
{
	struct client_file file;
	uint32_t at = 0;

	if (strcmp(dir, c->rq->dir) == 0 || strcmp(dir, "/") == 0)
		return 1;
	while (client_files_next(c->files, &at, &file) == 1)
		if (is_directory_of(dir, file.path))
			return 1;
	return 0;
}

/* What this host's package managers say counts as much as a file beside. */
static int
is_beside(const struct config_open *m)
{
	return m->reference[0] == '.' || m->what == CONFIG_WHAT_MANAGER;
}

static int
on_open(struct client *c, struct err *e)
{
	const struct config_open *m = (const void *)c->msg.body;
	struct client_file file = { .what = m->what,
		.reference = m->reference,
		.dir = m->dir,
		.path = "" };
	char path[CONFIG_PATH_MAX];
	struct err why = { .code = ERR_OK };
	autofd copy = -1;
	int fd = -1, rc;

	if (!is_ended(m->reference, sizeof(m->reference)) ||
	    !is_ended(m->dir, sizeof(m->dir)))
		return refuse_message(e, "a string without an end");
	if (!is_known_directory(c, m->dir))
		return refuse_message(e, "a directory of no file of its own");
	if (c->asked++ > CONFIG_FILES_MAX)
		return refuse_message(e, "it asks for too many files");
	if (c->rq->alone && is_beside(m))
		rc = err_set(&why, ERR_DENIED,
		    "no file beside this policy is opened");
	else
		rc = find_open(&c->dirs, m->what, m->reference, m->dir, path,
		    &fd, &why);
	if (rc == 1) {
		copy = open_found(path, fd, file.digest, &why);
		rc = copy == -1 ? -1 : 1;
		file.path = path;
	}
	/* A ceiling that cannot be read is not a ceiling that is not there. */
	if (rc == -1 && m->what == CONFIG_WHAT_CEILING) {
		*e = why;
		return -1;
	}
	file.found = rc == 1;
	if (client_files_add(c->files, &file, e) == -1)
		return -1;
	return rc == 1 ? send_file(c, path, copy, e) : send_no_file(c, &why, e);
}

/* Exactly n bytes at an offset. */
static int
read_exactly(int fd, void *p, size_t n, off_t at)
{
	ssize_t got;

	while (n > 0) {
		got = pread(fd, p, n, at);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		p = (char *)p + got;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

static int
check_program(const struct plan *p, const struct seccomp_program *program,
    struct err *e)
{
	unsigned char digest[SHA256_SIZE];

	sha256_buffer(program->insn, program->length * sizeof(program->insn[0]),
	    digest);
	if (memcmp(digest, p->seccomp_digest, sizeof(digest)) != 0)
		return refuse_message(e, "the program is not the plan's");
	if ((program->length == 0) != (p->kind == PLAN_CEILING))
		return refuse_message(e, "a plan without a program");
	if (program->length > 0 && seccomp_program_check(program, e) == -1)
		return err_wrap(e, "warder-config");
	return 0;
}

int
client_check_net(const union plan_net_room *net, uint32_t size,
    const struct plan *p, struct err *e)
{
	if (size == 0)
		return 0;
	if (plan_net_check(&net->net, size, e) == -1)
		return -1;
	if (memcmp(net->net.digest, p->net_digest, SHA256_SIZE) != 0 ||
	    plan_net_count(&net->net, PLAN_NET_SERVICES) != p->nservices ||
	    plan_net_count(&net->net, PLAN_NET_CREDENTIALS) != p->ncredentials)
		return err_set(e, ERR_CORRUPT,
		    "the network plan is another plan's");
	return 0;
}

/* The third part of the answer, where somebody wants it. */
static int
read_net(struct client *c, int fd, size_t at, uint32_t size, struct err *e)
{
	union plan_net_room *net = c->rq->net;

	if ((size != 0) != plan_has_net(c->plan))
		return refuse_message(e, "a network plan too many or too few");
	if (net == NULL)
		return 0;
	net->net.size = 0;
	if (read_exactly(fd, net, size, (off_t)at) == -1)
		return refuse_message(e, "an answer that cannot be read");
	return client_check_net(net, size, c->plan, e) == -1
		   ? err_wrap(e, "warder-config")
		   : 0;
}

static int
on_done(struct client *c, struct err *e)
{
	const struct config_done *m = (const void *)c->msg.body;
	autofd fd = ipc_take_fd(&c->msg, 0);
	size_t program = (size_t)m->program_length * sizeof(struct sock_filter);
	struct stat st;

	if (!is_ended(m->warnings, sizeof(m->warnings)) ||
	    m->plan_size > sizeof(*c->plan) ||
	    m->program_length > SECCOMP_PROGRAM_MAX ||
	    m->net_size > PLAN_NET_SIZE_MAX)
		return refuse_message(e, "an answer out of bounds");
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size != m->plan_size + program + m->net_size)
		return refuse_message(e, "an answer of another size");
	memset(c->plan, 0, sizeof(*c->plan));
	if (read_exactly(fd, c->plan, m->plan_size, 0) == -1 ||
	    read_exactly(fd, c->program->insn, program, (off_t)m->plan_size) ==
		-1)
		return refuse_message(e, "an answer that cannot be read");
	c->program->length = m->program_length;
	if (plan_check(c->plan, m->plan_size, e) == -1)
		return err_wrap(e, "warder-config");
	if (check_program(c->plan, c->program, e) == -1 ||
	    read_net(c, fd, m->plan_size + program, m->net_size, e) == -1)
		return -1;
	(void)snprintf(c->text, c->text_size, "%s", m->warnings);
	c->done = 1;
	return 0;
}

static int
on_failed(struct client *c, struct err *e)
{
	const struct config_failed *m = (const void *)c->msg.body;

	if (!is_ended(m->text, sizeof(m->text)))
		return refuse_message(e, "a string without an end");
	(void)snprintf(c->text, c->text_size, "%s", m->text);
	return err_set(e, ERR_INVALID, "%.*s", (int)strcspn(m->text, "\n"),
	    m->text);
}

/* What warder-config may say; everything else ends the conversation. */
static const struct {
	size_t size;
	int nfds;
	int (*handle)(struct client *, struct err *);
} messages[CONFIG__MAX] = {
	[CONFIG_OPEN] = { sizeof(struct config_open), 0, on_open },
	[CONFIG_DONE] = { sizeof(struct config_done), 1, on_done },
	[CONFIG_FAILED] = { sizeof(struct config_failed), 0, on_failed },
};

static int
dispatch(struct client *c, struct err *e)
{
	uint32_t type = c->msg.type;
	int rc;

	if (type >= CONFIG__MAX || messages[type].handle == NULL ||
	    c->msg.size != messages[type].size ||
	    c->msg.nfds != messages[type].nfds)
		rc = refuse_message(e, "an unknown message");
	else
		rc = messages[type].handle(c, e);
	ipc_drop_fds(&c->msg);
	return rc;
}

static int
wait_readable(struct client *c, struct err *e)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint64_t now;
	int n;

	do {
		now = clock_now_ms();
		if (now >= c->deadline_ms)
			return refuse_message(e, "no answer within 20 s");
		n = poll(&p, 1, (int)(c->deadline_ms - now));
		if (n == -1 && errno != EINTR)
			return err_set(e, ERR_SYSTEM, "poll");
	} while (n <= 0);
	return 0;
}

/* End of file: say how the child ended. */
static int
report_death(struct client *c, struct err *e)
{
	int status = 0;
	struct timespec tick = { .tv_nsec = 10 * 1000 * 1000 };
	int i;

	if (c->pid <= 0)
		return refuse_message(e, "it ended without an answer");
	/* It is about to be a zombie: do not kill it before it is one. */
	for (i = 0; i < 100 && waitpid(c->pid, &status, WNOHANG) == 0; i++)
		(void)nanosleep(&tick, NULL);
	if (i < 100)
		c->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) >= 126)
		return err_set(e, ERR_UNSUPPORTED, "%s cannot be run",
		    c->rq->config_path);
	if (WIFSIGNALED(status))
		return err_set(e, ERR_CORRUPT,
		    "warder-config died of signal %d", WTERMSIG(status));
	return refuse_message(e, "it ended without an answer");
}

static int
client_talk(struct client *c, struct err *e)
{
	int rc;

	while (!c->done) {
		if (wait_readable(c, e) == -1)
			return -1;
		if ((rc = ipc_recv(c->fd, &c->msg, e)) == -1)
			return -1;
		if (rc == 0)
			return report_death(c, e);
		if (dispatch(c, e) == -1)
			return -1;
	}
	return 0;
}

static int
send_compile(struct client *c, struct err *e)
{
	static const struct config_compile none;
	struct config_compile m = none;
	autofd fd = -1;

	if (strlen(c->rq->name) >= sizeof(m.name) ||
	    strlen(c->rq->dir) >= sizeof(m.dir) ||
	    strlen(c->rq->home) >= sizeof(m.home) ||
	    c->rq->size > CONFIG_FILE_MAX)
		return err_set(e, ERR_LIMIT,
		    "the policy is larger than 1 MiB, or a path than 4095 "
		    "bytes");
	if ((fd = memfd_text(c->rq->text, c->rq->size, e)) == -1)
		return -1;
	(void)snprintf(m.name, sizeof(m.name), "%s", c->rq->name);
	(void)snprintf(m.dir, sizeof(m.dir), "%s", c->rq->dir);
	(void)snprintf(m.home, sizeof(m.home), "%s", c->rq->home);
	if (c->rq->section != NULL)
		(void)snprintf(m.section, sizeof(m.section), "%s",
		    c->rq->section);
	if (c->rq->cwd != NULL)
		(void)snprintf(m.cwd, sizeof(m.cwd), "%s", c->rq->cwd);
	return ipc_send(c->fd, CONFIG_COMPILE, &m, sizeof(m), &fd, 1, e);
}

/* The socket is there; talk, and say how the peer ended if it did. */
static int
client_run(struct client *c, struct err *e)
{
	int rc;

	c->text[0] = '\0';
	memset(c->files, 0, sizeof(*c->files));
	c->deadline_ms = clock_now_ms() + CLIENT_TIMEOUT_MS;
	if (c->rq->dirs != NULL)
		c->dirs = *c->rq->dirs;
	else
		find_dirs_init(&c->dirs, c->rq->home);
	rc = send_compile(c, e);
	if (rc == 0)
		rc = client_talk(c, e);
	if (rc == -1 && c->pid > 0 && e->code == ERR_SYSTEM &&
	    (e->sys == EPIPE || e->sys == ECONNRESET))
		rc = report_death(c, e);
	return rc;
}

int
client_converse(int fd, const struct policy_request *rq, struct plan *ret_plan,
    struct seccomp_program *ret_program, struct client_files *ret_files,
    char *text, size_t text_size, struct err *e)
{
	struct client c = { .rq = rq,
		.files = ret_files,
		.fd = fd,
		.plan = ret_plan,
		.program = ret_program,
		.text = text,
		.text_size = text_size };

	return client_run(&c, e);
}

int
client_compile(const struct policy_request *rq, struct plan *ret_plan,
    struct seccomp_program *ret_program, struct client_files *ret_files,
    char *text, size_t text_size, struct err *e)
{
	struct client c = { .rq = rq,
		.files = ret_files,
		.fd = -1,
		.plan = ret_plan,
		.program = ret_program,
		.text = text,
		.text_size = text_size };
	int rc;

	text[0] = '\0';
	rc = client_start(&c, e);
	if (rc == 0)
		rc = client_run(&c, e);
	fd_closep(&c.fd);
	(void)client_reap(&c);
	if (rc == -1 && text[0] == '\0')
		(void)snprintf(text, text_size, "%s: %s\n", rq->name, e->msg);
	return rc;
}
