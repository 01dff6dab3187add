#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "builtin.h"
#include "find.h"
#include "manager.h"
#include "text.h"

static const char builtin_prefix[] = "builtin/";

static const char *const folders[] = {
	[CONFIG_WHAT_EXTENDS] = "policies",
	[CONFIG_WHAT_SERVICE] = "services",
};

/* PREFIX/bin/warder or PREFIX/libexec/warder/…: PREFIX/share/warder. */
static void
find_share(char ret[CONFIG_PATH_MAX])
{
	char exe[CONFIG_PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	static const char *const above[] = { "bin", "sbin", "libexec/warder" };
	size_t i, len, a;

	ret[0] = '\0';
	if (n <= 0)
		return;
	exe[n] = '\0';
	if ((slash = strrchr(exe, '/')) == NULL)
		return;
	*slash = '\0';
	len = strlen(exe);
	for (i = 0; i < countof(above); i++) {
		a = strlen(above[i]);
		if (len <= a || exe[len - a - 1] != '/' ||
		    strcmp(exe + len - a, above[i]) != 0)
			continue;
		exe[len - a - 1] = '\0';
		if (snprintf(ret, CONFIG_PATH_MAX, "%s/share/warder", exe) >=
		    CONFIG_PATH_MAX)
			ret[0] = '\0';
		return;
	}
}

void
find_dirs_init(struct find_dirs *d, const char *home)
{
	memset(d, 0, sizeof(*d));
	(void)snprintf(d->etc, sizeof(d->etc), "/etc/warder");
	(void)snprintf(d->system, sizeof(d->system), "/etc");
	(void)snprintf(d->usr, sizeof(d->usr), "/usr");
	if (home[0] == '/' && snprintf(d->home, sizeof(d->home), "%s", home) >=
				  (int)sizeof(d->home))
		d->home[0] = '\0';
	if (home[0] == '/' &&
	    snprintf(d->user, sizeof(d->user), "%s/.config/warder", home) >=
		(int)sizeof(d->user))
		d->user[0] = '\0';
	find_share(d->share);
}

/* The owner of the directory that an open file lies in; -1: none is known. */
static int
find_dir_owner(int fd, uid_t *ret)
{
	char link[64], path[CONFIG_PATH_MAX], *slash;
	struct stat st;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/')
		return -1;
	path[n] = '\0';
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	if (stat(path, &st) == -1)
		return -1;
	*ret = st.st_uid;
	return 0;
}

static int
find_judge(const char *path, int fd, const struct stat *st, struct err *e)
{
	uid_t owner;

	if ((st->st_mode & S_IWOTH) != 0 ||
	    ((st->st_mode & S_IWGRP) != 0 && st->st_gid != st->st_uid))
		return err_set(e, ERR_DENIED,
		    "%s: others than its owner can write to it; chmod go-w",
		    path);
	if (st->st_uid == 0 || st->st_uid == geteuid())
		return 0;
	if (find_dir_owner(fd, &owner) == -1 || owner != st->st_uid)
		return err_set(e, ERR_DENIED,
		    "%s: it belongs to uid %u, who is neither root nor you nor "
		    "the owner of its directory",
		    path, st->st_uid);
	return 0;
}

int
find_open_file(const char *path, int *ret_fd, struct err *e)
{
	autofd fd = -1;
	struct stat st;

	/* A FIFO without a writer must not hold us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return err_set(e,
		    errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND
							: ERR_SYSTEM,
		    "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: not a regular file", path);
	if (find_judge(path, fd, &st, e) == -1)
		return -1;
	if (st.st_size > CONFIG_FILE_MAX)
		return err_set(e, ERR_LIMIT, "%s: larger than 1 MiB", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int
find_read(const char *path, int fd, char *buf, size_t *ret_size, struct err *e)
{
	autofd owned = fd;
	size_t size = 0;
	char extra;
	ssize_t n;

	while (size < CONFIG_FILE_MAX) {
		n = read(owned, buf + size, CONFIG_FILE_MAX - size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_set(e, ERR_SYSTEM, "%s", path);
		if (n == 0)
			break;
		size += (size_t)n;
	}
	if (size == CONFIG_FILE_MAX && read(owned, &extra, 1) != 0)
		return err_set(e, ERR_LIMIT, "%s: larger than 1 MiB", path);
	*ret_size = size;
	return 0;
}

/* DIR/FOLDER/REFERENCE.yaml, canonical; -1 if it is too long. */
static int
make_path(const char *dir, const char *folder, const char *reference,
    char ret[CONFIG_PATH_MAX], struct err *e)
{
	size_t n = strlen(reference);
	int has_ending = n > 5 && strcmp(reference + n - 5, ".yaml") == 0;
	char joined[CONFIG_PATH_MAX];

	if (snprintf(joined, sizeof(joined), "%s/%s/%s%s", dir, folder,
		reference, has_ending ? "" : ".yaml") >= (int)sizeof(joined))
		return err_set(e, ERR_LIMIT, "the path is too long");
	return text_path("/", joined, ret, CONFIG_PATH_MAX, e);
}

/* One candidate: 1 open, 0 not there, -1 there but of no use. */
static int
try_path(const char *path, int *ret_fd, struct err *e)
{
	if (find_open_file(path, ret_fd, e) == 0)
		return 1;
	return e->code == ERR_NOT_FOUND ? 0 : -1;
}

static int
find_beside(const char *reference, const char *dir,
    char ret_path[CONFIG_PATH_MAX], int *ret_fd, struct err *e)
{
	if (dir[0] != '/')
		return err_set(e, ERR_INVALID,
		    "the asking file has no directory");
	if (make_path(dir, ".", reference, ret_path, e) == -1)
		return -1;
	return try_path(ret_path, ret_fd, e);
}

static int
find_builtin(const char *reference, char ret_path[CONFIG_PATH_MAX], int *ret_fd,
    struct err *e)
{
	size_t size;

	if (builtin_policy(reference + sizeof(builtin_prefix) - 1, &size) ==
	    NULL) {
		(void)err_set(e, ERR_NOT_FOUND, "no such built-in policy");
		return 0;
	}
	(void)snprintf(ret_path, CONFIG_PATH_MAX, "%s", reference);
	*ret_fd = -1;
	return 1;
}

static int
find_ceiling(const struct find_dirs *d, char ret_path[CONFIG_PATH_MAX],
    int *ret_fd, struct err *e)
{
	if (d->ceiling[0] != '\0')
		return find_builtin(d->ceiling, ret_path, ret_fd, e);
	if (make_path(d->etc, ".", "ceiling.yaml", ret_path, e) == -1)
		return -1;
	return try_path(ret_path, ret_fd, e);
}

static int
find_named(const struct find_dirs *d, uint32_t what, const char *reference,
    char ret_path[CONFIG_PATH_MAX], int *ret_fd, struct err *e)
{
	const char *const dirs[] = { d->etc, d->user, d->share };
	char text[400];
	struct text where;
	size_t i;
	int rc;

	text_init(&where, text, sizeof(text));
	for (i = 0; i < countof(dirs); i++) {
		if (dirs[i][0] == '\0')
			continue;
		if (make_path(dirs[i], folders[what], reference, ret_path, e) ==
		    -1)
			return -1;
		if ((rc = try_path(ret_path, ret_fd, e)) != 0)
			return rc;
		text_addf(&where, "%s%s", where.len == 0 ? "" : ", ", ret_path);
	}
	(void)err_set(e, ERR_NOT_FOUND, "looked for %s", text);
	return 0;
}

/*
 * The launcher's own view of what a reference may look like: whoever asks
 * may have been taken over by the file it parsed.
 */
static int
is_reference(const char *s)
{
	size_t n;

	s += strncmp(s, "./", 2) == 0 ? 2 : 0;
	while (strncmp(s, "../", 3) == 0)
		s += 3;
	for (;; s += n + 1) {
		n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
		if (n == 0 || n > 255 || *s == '.')
			return 0;
		if (s[n] != '/')
			return s[n] == '\0';
	}
}

/* Not a file of anybody's: what the manager's files come to, in a memfd. */
static int
find_manager(const struct find_dirs *d, const char *name,
    char ret_path[CONFIG_PATH_MAX], int *ret_fd, struct err *e)
{
	const struct manager_dirs dirs = { d->system, d->home, d->usr };
	unfilled char answer[MANAGER_TEXT_MAX];
	autofd fd = -1;
	struct text t;

	if (!manager_is(name))
		return err_set(e, ERR_INVALID,
		    "no package manager is called "
		    "that");
	text_init(&t, answer, sizeof(answer));
	if (manager_read(name, &dirs, &t, e) == -1)
		return -1;
	fd = memfd_create("warder-manager", MFD_CLOEXEC);
	if (fd == -1 || write(fd, answer, t.len) != (ssize_t)t.len ||
	    lseek(fd, 0, SEEK_SET) == -1)
		return err_set(e, ERR_SYSTEM, "memfd");
	(void)snprintf(ret_path, CONFIG_PATH_MAX, "(configuration of %s)",
	    name);
	*ret_fd = take_fd(&fd);
	return 1;
}

int
find_open(const struct find_dirs *d, uint32_t what, const char *reference,
    const char *dir, char ret_path[CONFIG_PATH_MAX], int *ret_fd, struct err *e)
{
	if (what == CONFIG_WHAT_CEILING)
		return find_ceiling(d, ret_path, ret_fd, e);
	if (what == CONFIG_WHAT_MANAGER)
		return find_manager(d, reference, ret_path, ret_fd, e);
	if (what >= countof(folders) || !is_reference(reference))
		return err_set(e, ERR_INVALID, "this is not a reference");
	if (reference[0] == '.')
		return find_beside(reference, dir, ret_path, ret_fd, e);
	if (strncmp(reference, builtin_prefix, sizeof(builtin_prefix) - 1) == 0)
		return find_builtin(reference, ret_path, ret_fd, e);
	return find_named(d, what, reference, ret_path, ret_fd, e);
}
