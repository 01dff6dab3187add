#include "segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "child.h"
#include "keyfile.h"
#include "limits_proxy.h"
#include "msg_audit.h"

/* ---- where ------------------------------------------------------------------ */

/* "2026-01-31T120000Z-RUN": sorted by time, never there before. */
static int
segment_stem(struct segments *s, const char *run, struct err *e)
{
	char day[32];
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(day, sizeof(day), "%Y-%m-%dT%H%M%SZ", &tm) == 0)
		return err_set(e, ERR_SYSTEM, "the time of day");
	(void)snprintf(s->stem, sizeof(s->stem), "%s-%s", day, run);
	return 0;
}

/* With the folders above it; what cannot be made, opening the key says. */
static void
segment_make_dirs(const struct segments *s)
{
	char part[SEGMENT_PATH_MAX];
	size_t i;

	for (i = 1;; i++) {
		if (s->dir[i] == '/' || s->dir[i] == '\0') {
			memcpy(part, s->dir, i);
			part[i] = '\0';
			(void)mkdir(part, 0700);
		}
		if (s->dir[i] == '\0')
			return;
	}
}

static int
segment_in(const struct segments *s, const char *name, char *ret, size_t size)
{
	int n = snprintf(ret, size, "%s/%s", s->dir, name);

	return n < 0 || n >= (int)size ? -1 : 0;
}

static int
segment_key(const struct segments *s, int create, int *ret, struct err *e)
{
	char path[SEGMENT_PATH_MAX];

	if (segment_in(s, AUDIT_KEY_NAME, path, sizeof(path)) == -1)
		return err_set(e, ERR_INVALID, "%s: path too long", s->dir);
	if (keyfile_open(AT_FDCWD, path, create, ret, e) == -1)
		return err_wrap(e, "the audit log's key");
	return 0;
}

/* What is relative to where a helper is must lead nowhere. */
static int
segment_empty(struct segments *s, struct err *e)
{
	char path[SEGMENT_PATH_MAX];

	if (segment_in(s, "empty", path, sizeof(path)) == -1)
		return err_set(e, ERR_INVALID, "%s: path too long", s->dir);
	(void)mkdir(path, 0500);
	s->empty = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return s->empty == -1 ? err_set(e, ERR_SYSTEM, "%s", path) : 0;
}

int
segment_init(struct segments *s, const char *state_dir, const char *program,
    const char *run, struct err *e)
{
	autofd key = -1;
	int n;

	*s = (struct segments){ .program = program,
		.empty = -1,
		.now = { .fd = -1 },
		.ended = { .fd = -1 },
		.signing = { .fd = -1 } };
	if (state_dir == NULL || state_dir[0] != '/')
		return err_set(e, ERR_NOT_FOUND,
		    "no place for the audit log: set HOME or XDG_STATE_HOME");
	n = snprintf(s->dir, sizeof(s->dir), "%s/audit", state_dir);
	if (n < 0 || n >= (int)sizeof(s->dir))
		return err_set(e, ERR_INVALID, "%s: path too long", state_dir);
	if (segment_stem(s, run, e) == -1)
		return -1;
	segment_make_dirs(s);
	if (segment_key(s, 1, &key, e) == -1)
		return -1;
	return segment_empty(s, e);
}

/* ---- files -------------------------------------------------------------------- */

int
segment_path(const struct segments *s, char *ret, size_t size)
{
	return segment_in(s, s->now.name, ret, size);
}

/*
 * Two descriptors: one for the writer, with the lock, that cannot read, and
 * one for whoever signs, that cannot write.
 */
int
segment_open(struct segments *s, int *ret_fd, struct err *e)
{
	char path[SEGMENT_PATH_MAX];
	struct segment next = { .fd = -1 };
	autofd fd = -1;

	if (s->n == 0)
		(void)snprintf(next.name, sizeof(next.name), "%s.jsonl",
		    s->stem);
	else
		(void)snprintf(next.name, sizeof(next.name), "%s.%u.jsonl",
		    s->stem, s->n + 1);
	if (segment_in(s, next.name, path, sizeof(path)) == -1)
		return err_set(e, ERR_INVALID, "%s: path too long", s->dir);
	fd = open(path,
	    O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "the audit log %s", path);
	(void)flock(fd, LOCK_SH | LOCK_NB);
	next.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (next.fd == -1)
		return err_set(e, ERR_SYSTEM, "the audit log %s", path);
	s->ended = s->now;
	s->now = next;
	s->n++;
	*ret_fd = take_fd(&fd);
	return 0;
}

int
segment_is_wanted(const struct segments *s)
{
	struct stat st;

	if (s->ended.fd != -1 || fstat(s->now.fd, &st) == -1 ||
	    st.st_size < PROXY_AUDIT_SEGMENT_BYTES)
		return -1;
	return s->n < PROXY_AUDIT_SEGMENTS_MAX;
}

/* ---- signing -------------------------------------------------------------------- */

static int
segment_heads(const struct segments *s, int *ret, struct err *e)
{
	char path[SEGMENT_PATH_MAX];

	if (segment_in(s, AUDIT_HEADS_NAME, path, sizeof(path)) == -1)
		return err_set(e, ERR_INVALID, "%s: path too long", s->dir);
	*ret = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	return *ret == -1 ? err_set(e, ERR_SYSTEM, "%s", path) : 0;
}

static int
segment_start_signer(struct segments *s, struct err *e)
{
	struct child_spec c = { .path = s->program,
		.name = "warder-audit",
		.args = { "--sign", s->signing.name, s->signing.head },
		.uid = child_uid(AUDIT_USER_NAME, AUDIT_UID_RESERVED),
		.nfds = 3,
		.dir = s->empty };
	autofd heads = -1, key = -1;

	if (segment_heads(s, &heads, e) == -1 ||
	    segment_key(s, 0, &key, e) == -1)
		return -1;
	c.fds[0] = s->signing.fd;
	c.fds[1] = heads;
	c.fds[2] = key;
	return child_start(&c, &s->signer, e);
}

/* Its exit status; -1 if it has none. */
static int
segment_wait(struct segments *s)
{
	int status = -1;

	while (waitpid(s->signer, &status, 0) == -1)
		if (errno != EINTR)
			break;
	s->signer = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * It ends by itself within AUDIT_SIGN_S.  One that found another list in the
 * place of its own (older heads have just been removed) is started anew.
 */
static void
segment_settle(struct segments *s)
{
	struct err e;
	int tries, status = -1;

	if (s->signing.fd == -1)
		return;
	for (tries = 0; tries < SEGMENT_TRIES; tries++) {
		if (s->signer == 0 && segment_start_signer(s, &e) == -1)
			break;
		status = segment_wait(s);
		if (status != AUDIT_EXIT_STALE)
			break;
	}
	if (status != 0)
		s->unsigned_n++;
	fd_closep(&s->signing.fd);
}

/* Takes the segment. */
static void
segment_sign(struct segments *s, struct segment *which)
{
	struct err e;

	segment_settle(s);
	s->signing = *which;
	which->fd = -1;
	if (segment_start_signer(s, &e) == -1)
		s->signer = 0; /* once more when it is waited for */
}

static void
segment_set_head(struct segment *which, uint64_t lines,
    const unsigned char digest[SHA256_SIZE])
{
	char hex[SHA256_HEX_SIZE];

	if (lines == 0) {
		(void)snprintf(which->head, sizeof(which->head), "-");
		return;
	}
	sha256_hex(digest, hex);
	(void)snprintf(which->head, sizeof(which->head), "%llu:%s",
	    (unsigned long long)lines, hex);
}

int
segment_ended(struct segments *s, uint64_t lines,
    const unsigned char digest[SHA256_SIZE], struct err *e)
{
	if (s->ended.fd == -1 || lines == 0)
		return err_set(e, ERR_CORRUPT,
		    "no segment of the audit log ends now");
	segment_set_head(&s->ended, lines, digest);
	segment_sign(s, &s->ended);
	return 0;
}

void
segment_finish(struct segments *s, uint64_t lines,
    const unsigned char digest[SHA256_SIZE])
{
	if (s->ended.fd != -1) {
		segment_set_head(&s->ended, 0, NULL);
		segment_sign(s, &s->ended);
	}
	if (s->now.fd != -1) {
		segment_set_head(&s->now, lines, digest);
		segment_sign(s, &s->now);
	}
	segment_settle(s);
	fd_closep(&s->empty);
}

void
segment_discard(struct segments *s)
{
	char path[SEGMENT_PATH_MAX];

	if (s->now.fd != -1 && segment_path(s, path, sizeof(path)) == 0)
		(void)unlink(path);
	fd_closep(&s->now.fd);
}
