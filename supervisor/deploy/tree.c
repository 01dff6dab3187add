#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "jail/keep.h"
#include "text.h"

struct tree {
	uint64_t left;
};

static int tree_directory(struct tree *t, int dir, int depth, struct err *e);

static int
tree_refuse(const char *name, const char *why, struct err *e)
{
	char shown[128];

	(void)text_escape(shown, sizeof(shown), name, strlen(name));
	return err_set(e, ERR_INVALID, "the archive: %s %s", shown, why);
}

static int
tree_file(struct tree *t, int dir, const char *name, const struct stat *st,
    struct err *e)
{
	mode_t mode = st->st_mode & 0111 ? 0755 : 0644;
	autofd fd =
	    openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if ((uint64_t)st->st_size > t->left)
		return tree_refuse(name,
		    "and what comes before it are too large together", e);
	t->left -= (uint64_t)st->st_size;
	if (fd == -1 || fchmod(fd, mode) == -1)
		return err_set(e, ERR_SYSTEM, "the archive's modes");
	return 0;
}

static int
tree_entry(struct tree *t, int dir, const char *name, int depth, struct err *e)
{
	autofd below = -1;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return err_set(e, ERR_SYSTEM, "fstatat");
	if (S_ISLNK(st.st_mode))
		return 0;
	if (S_ISREG(st.st_mode))
		return tree_file(t, dir, name, &st, e);
	if (!S_ISDIR(st.st_mode) || depth >= KEEP_DEPTH_MAX)
		return tree_refuse(name, "is no file, directory or link", e);
	below =
	    openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below == -1)
		return err_set(e, ERR_SYSTEM, "openat");
	return tree_directory(t, below, depth + 1, e);
}

static void
tree_closedir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static int
tree_directory(struct tree *t, int dir, int depth, struct err *e)
{
	int fd = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	cleanup(tree_closedir) DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL) {
		fd_closep(&fd);
		return err_set(e, ERR_SYSTEM, "fdopendir");
	}
	while (errno = 0, (entry = readdir(d)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (tree_entry(t, dir, entry->d_name, depth, e) == -1)
			return -1;
	}
	if (errno != 0)
		return err_set(e, ERR_SYSTEM, "readdir");
	return fchmod(dir, 0755) == -1 ? err_set(e, ERR_SYSTEM, "fchmod") : 0;
}

int
tree_settle(int dir, uint64_t max_bytes, struct err *e)
{
	struct tree t = { .left = max_bytes };

	return tree_directory(&t, dir, 0, e);
}
