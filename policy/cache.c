#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "builtin.h"
#include "cache.h"
#include "seccomp_eval.h"
#include "version.h"

enum {
	CACHE_MAGIC = 0x43415057, /* "WPAC" */
	CACHE_FORMAT = 2,
};

/*
 * | head | files | plan | program | warnings with NUL | network plan |, to
 * the byte.  The plan has its own digest, those of the program and of the
 * network plan are in it; "digest" covers the head itself (with the field
 * zero), the files and the warnings.
 */
struct cache_head {
	uint32_t magic;
	uint32_t format;
	unsigned char key[SHA256_SIZE];
	unsigned char digest[SHA256_SIZE];
	uint32_t files_count;
	uint32_t files_size;
	uint32_t plan_size;
	uint32_t program_length;
	uint32_t warnings_size;
	uint32_t net_size;
};

int
cache_open(const char *path, struct err *e)
{
	autofd fd = -1;
	struct stat st;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_SYSTEM, "%s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "%s: not this user's own with mode 0700", path);
	return take_fd(&fd);
}

/* Length first, so that no two requests run together. */
static void
hash_part(struct sha256 *s, const void *p, size_t n)
{
	uint64_t size = n;

	sha256_update(s, &size, sizeof(size));
	sha256_update(s, p, n);
}

/* Another warder-config may compile the same text to other bytes. */
static void
hash_compiler(struct sha256 *s, const char *path)
{
	struct stat st;
	uint64_t id[5] = { 0 };

	if (stat(path, &st) == 0) {
		id[0] = st.st_dev;
		id[1] = st.st_ino;
		id[2] = (uint64_t)st.st_size;
		id[3] = (uint64_t)st.st_mtim.tv_sec;
		id[4] = (uint64_t)st.st_mtim.tv_nsec;
	}
	hash_part(s, id, sizeof(id));
}

void
cache_key(const struct policy_request *rq, unsigned char ret[SHA256_SIZE])
{
	uint32_t formats[] = { CACHE_FORMAT, PLAN_VERSION, PLAN_NET_VERSION };
	struct sha256 s;

	sha256_init(&s);
	hash_part(&s, WARDER_VERSION, strlen(WARDER_VERSION));
	hash_part(&s, formats, sizeof(formats));
	hash_compiler(&s, rq->config_path);
	hash_part(&s, rq->name, strlen(rq->name));
	hash_part(&s, rq->dir, strlen(rq->dir));
	hash_part(&s, rq->home, strlen(rq->home));
	hash_part(&s, rq->text, rq->size);
	sha256_finish(&s, ret);
}

static void
head_digest(const struct cache_head *head, const struct cache_entry *entry,
    unsigned char ret[SHA256_SIZE])
{
	struct cache_head h = *head;
	struct sha256 s;

	memset(h.digest, 0, sizeof(h.digest));
	sha256_init(&s);
	sha256_update(&s, &h, sizeof(h));
	sha256_update(&s, entry->files->bytes, h.files_size);
	sha256_update(&s, entry->warnings, h.warnings_size);
	sha256_finish(&s, ret);
}

/* Without the network plan, which not everybody reads. */
static size_t
head_total(const struct cache_head *h)
{
	return sizeof(*h) + h->files_size + h->plan_size +
	       h->program_length * sizeof(struct sock_filter) +
	       h->warnings_size;
}

static int
head_is_sane(const struct cache_head *h, const unsigned char key[SHA256_SIZE])
{
	return h->magic == CACHE_MAGIC && h->format == CACHE_FORMAT &&
	       memcmp(h->key, key, SHA256_SIZE) == 0 &&
	       h->files_size <= CLIENT_FILES_SIZE &&
	       h->files_count <= CONFIG_FILES_MAX + 1 &&
	       h->plan_size <= sizeof(struct plan) &&
	       h->program_length <= SECCOMP_PROGRAM_MAX &&
	       h->net_size <= PLAN_NET_SIZE_MAX && h->warnings_size > 0 &&
	       h->warnings_size <= CONFIG_TEXT_MAX;
}

/* The parts after the head, in the entry's own memory. */
static int
parts(const struct cache_head *h, const struct cache_entry *entry,
    struct iovec iov[5])
{
	iov[0] = (struct iovec){ entry->files->bytes, h->files_size };
	iov[1] = (struct iovec){ entry->plan, h->plan_size };
	iov[2] = (struct iovec){ entry->program->insn,
		h->program_length * sizeof(struct sock_filter) };
	iov[3] = (struct iovec){ entry->warnings, h->warnings_size };
	if (entry->net == NULL || h->net_size == 0)
		return 4;
	iov[4] = (struct iovec){ entry->net, h->net_size };
	return 5;
}

static int
read_entry(int fd, struct cache_head *h, const unsigned char key[SHA256_SIZE],
    const struct cache_entry *entry)
{
	struct iovec iov[5];
	struct stat st;
	size_t rest;
	int count;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_uid != geteuid())
		return -1;
	if (read(fd, h, sizeof(*h)) != sizeof(*h) || !head_is_sane(h, key) ||
	    (size_t)st.st_size != head_total(h) + h->net_size)
		return -1;
	if (entry->net != NULL)
		entry->net->net.size = 0;
	count = parts(h, entry, iov);
	rest = head_total(h) - sizeof(*h) + (count == 5 ? h->net_size : 0);
	return readv(fd, iov, count) == (ssize_t)rest ? 0 : -1;
}

static int
entry_is_whole(const struct cache_head *h, const struct cache_entry *entry)
{
	unsigned char digest[SHA256_SIZE];

	if (entry->warnings[h->warnings_size - 1] != '\0')
		return 0;
	head_digest(h, entry, digest);
	if (memcmp(digest, h->digest, sizeof(digest)) != 0 ||
	    plan_check(entry->plan, h->plan_size, NULL) == -1)
		return 0;
	sha256_buffer(entry->program->insn,
	    h->program_length * sizeof(struct sock_filter), digest);
	if (memcmp(digest, entry->plan->seccomp_digest, sizeof(digest)) != 0)
		return 0;
	if ((h->net_size != 0) != plan_has_net(entry->plan) ||
	    (entry->net != NULL && client_check_net(entry->net, h->net_size,
				       entry->plan, NULL) == -1))
		return 0;
	entry->program->length = h->program_length;
	return entry->plan->kind == PLAN_CEILING ||
	       seccomp_program_check(entry->program, NULL) == 0;
}

/* The digest of what find_open found; takes fd. */
static int
hash_found(const char *path, int fd, unsigned char ret[SHA256_SIZE])
{
	autofd owned = fd;
	unfilled char buf[4096];
	struct sha256 s;
	const char *text;
	size_t size;
	ssize_t n;

	if (fd == -1) {
		text = builtin_policy(path + sizeof("builtin/") - 1, &size);
		if (text == NULL)
			return -1;
		sha256_buffer(text, size, ret);
		return 0;
	}
	sha256_init(&s);
	while ((n = read(owned, buf, sizeof(buf))) > 0)
		sha256_update(&s, buf, (size_t)n);
	sha256_finish(&s, ret);
	return n == 0 ? 0 : -1;
}

/* Would the search find the same bytes at the same place now? */
static int
file_is_fresh(const struct find_dirs *dirs, const struct client_file *file)
{
	unsigned char digest[SHA256_SIZE];
	char path[CONFIG_PATH_MAX];
	struct err e;
	int fd = -1, rc;

	rc = find_open(dirs, file->what, file->reference, file->dir, path, &fd,
	    &e);
	if (rc != 1)
		return rc == 0 && file->found == 0;
	return hash_found(path, fd, digest) == 0 && file->found == 1 &&
	       strcmp(path, file->path) == 0 &&
	       memcmp(digest, file->digest, sizeof(digest)) == 0;
}

static int
files_are_fresh(const struct find_dirs *dirs, const struct client_files *f)
{
	struct client_file file;
	uint32_t at = 0;
	int rc;

	while ((rc = client_files_next(f, &at, &file)) == 1)
		if (!file_is_fresh(dirs, &file))
			return 0;
	return rc == 0;
}

int
cache_load(int dir, const unsigned char key[SHA256_SIZE],
    const struct find_dirs *dirs, const struct cache_entry *entry)
{
	char name[SHA256_HEX_SIZE];
	struct cache_head h;
	autofd fd = -1;

	sha256_hex(key, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || read_entry(fd, &h, key, entry) == -1 ||
	    !entry_is_whole(&h, entry))
		return 0;
	entry->files->count = h.files_count;
	entry->files->size = h.files_size;
	return files_are_fresh(dirs, entry->files);
}

/* ---- what is too much ---- */

/* As many as one look at the directory remembers, oldest first. */
enum {
	OLDEST_MAX = 32,
	OLDEST_ROUNDS = 16,
	ENTRIES_BUFFER = 8192,
};

struct oldest {
	unsigned count; /* entries there are, and their bytes */
	uint64_t bytes;
	unsigned known;

	struct oldest_entry {
		char name[SHA256_HEX_SIZE];
		struct timespec time;
		uint64_t bytes;
	} entry[OLDEST_MAX];
};

static int
is_earlier(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
				      : a->tv_nsec < b->tv_nsec;
}

static void
remember(struct oldest *o, const char *name, const struct stat *st)
{
	unsigned i = o->known;

	if (i < OLDEST_MAX)
		o->known++;
	else if (!is_earlier(&st->st_mtim, &o->entry[--i].time))
		return;
	for (; i > 0 && is_earlier(&st->st_mtim, &o->entry[i - 1].time); i--)
		o->entry[i] = o->entry[i - 1];
	memcpy(o->entry[i].name, name, SHA256_HEX_SIZE);
	o->entry[i].time = st->st_mtim;
	o->entry[i].bytes = (uint64_t)st->st_size;
}

/* An entry, or what cache_store() writes before it is one; others stay. */
static void
look_at(struct oldest *o, int dir, const char *name)
{
	struct stat st;
	size_t digits = strspn(name, "0123456789abcdef");

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode))
		return;
	if (name[0] == '.' && strspn(name + 1, "0123456789abcdef") == 16 &&
	    time(NULL) - st.st_mtime > CACHE_STALE_S)
		(void)unlinkat(dir, name, 0);
	if (digits != SHA256_HEX_SIZE - 1 || name[digits] != '\0')
		return;
	o->count++;
	o->bytes += (uint64_t)st.st_size;
	remember(o, name, &st);
}

/* getdents64(2) itself: readdir would allocate. */
static int
look_through(struct oldest *o, int dir)
{
	struct entry {
		uint64_t inode;
		int64_t offset;
		unsigned short size;
		unsigned char type;
		char name[];
	};

	unfilled _Alignas(struct entry) char buf[ENTRIES_BUFFER];
	long n, at;

	memset(o, 0, sizeof(*o));
	if (lseek(dir, 0, SEEK_SET) == -1)
		return -1;
	while ((n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n;) {
			const struct entry *d = (const void *)(buf + at);

			look_at(o, dir, d->name);
			at += d->size;
		}
	}
	return n == 0 ? 0 : -1;
}

void
cache_trim(int dir, unsigned entries, uint64_t bytes)
{
	unfilled struct oldest o;
	unsigned round, i;

	for (round = 0; round < OLDEST_ROUNDS; round++) {
		if (look_through(&o, dir) == -1)
			return;
		for (i = 0; i < o.known; i++) {
			if (o.count <= entries && o.bytes <= bytes)
				return;
			(void)unlinkat(dir, o.entry[i].name, 0);
			o.count--;
			o.bytes -= o.entry[i].bytes;
		}
	}
}

int
cache_store(int dir, const unsigned char key[SHA256_SIZE],
    const struct cache_entry *entry, struct err *e)
{
	struct cache_head h = { .magic = CACHE_MAGIC,
		.format = CACHE_FORMAT,
		.files_count = entry->files->count,
		.files_size = entry->files->size,
		.plan_size = (uint32_t)plan_size(entry->plan),
		.program_length = entry->program->length,
		.warnings_size = (uint32_t)strlen(entry->warnings) + 1 };
	char name[SHA256_HEX_SIZE], temporary[64];
	struct iovec iov[6] = { { &h, sizeof(h) } };
	autofd fd = -1;

	if (plan_has_net(entry->plan) && entry->net == NULL)
		return err_set(e, ERR_INVALID, "there is no network plan");
	if (plan_has_net(entry->plan))
		h.net_size = entry->net->net.size;
	memcpy(h.key, key, sizeof(h.key));
	head_digest(&h, entry, h.digest);
	sha256_hex(key, name);
	(void)snprintf(temporary, sizeof(temporary), ".%.16s.%jd", name,
	    (intmax_t)getpid());
	(void)unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "cache entry");
	if (writev(fd, iov, 1 + parts(&h, entry, iov + 1)) !=
		(ssize_t)(head_total(&h) + h.net_size) ||
	    renameat(dir, temporary, dir, name) == -1) {
		(void)err_set(e, ERR_SYSTEM, "cache entry");
		(void)unlinkat(dir, temporary, 0);
		return -1;
	}
	cache_trim(dir, CACHE_ENTRIES_MAX, CACHE_BYTES_MAX);
	return 0;
}
