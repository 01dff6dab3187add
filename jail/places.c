#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "places.h"

static int
places_set(char *ret, const char *a, const char *b, struct err *e)
{
	int n = snprintf(ret, PLACES_PATH_MAX, "%s%s", a, b);

	if (n < 0 || n >= PLACES_PATH_MAX)
		return err_set(e, ERR_INVALID, "%s: path too long", a);
	return 0;
}

/* The other programs lie beside the one (or the library) that runs. */
static int
places_program(struct places *p, const char *program, struct err *e)
{
	char exe[PLACES_PATH_MAX], *slash;
	ssize_t n;
	int up;

	if (program != NULL && realpath(program, exe) == NULL)
		return err_set(e, ERR_SYSTEM, "%s", program);
	if (program == NULL) {
		n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		if (n == -1)
			return err_set(e, ERR_SYSTEM, "/proc/self/exe");
		exe[n] = '\0';
	}
	for (up = 0; up < 2; up++) {
		slash = strrchr(exe, '/');
		if (slash == NULL)
			return err_set(e, ERR_INVALID, "%s: no folder", exe);
		*slash = '\0';
	}
	if (places_set(p->libexec, exe, "/libexec/warder", e) == -1)
		return -1;
	return places_set(p->share, exe, "/share/warder", e);
}

/*
 * A directory of ours alone.  Somebody else's, or one that others may write,
 * is refused: what lies there is trusted.
 */
static int
places_own_dir(const char *path, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (lstat(path, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022) != 0)
		return err_set(e, ERR_DENIED,
		    "%s: must be a directory of this user's that nobody else "
		    "can write",
		    path);
	return 0;
}

/*
 * Without it jails have less (see quota.h), so nothing here is an error but a
 * directory of somebody else's.
 */
static int
places_state(struct places *p, struct err *e)
{
	static const char path[] = "/var/lib/warder/sandboxes";

	(void)mkdir(p->state_root, 0700);
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return 0;
	if (places_own_dir(path, e) == -1)
		return -1;
	return places_set(p->state, path, "", e);
}

static int
places_root(struct places *p, struct err *e)
{
	if (places_set(p->config, "/etc/warder", "", e) == -1 ||
	    places_set(p->runtime, "/run/warder", "", e) == -1 ||
	    places_set(p->cache, "/var/cache/warder", "", e) == -1 ||
	    places_set(p->state_root, "/var/lib/warder", "", e) == -1)
		return -1;
	return places_state(p, e);
}

static const char *
places_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && home[0] == '/')
		return home;
	pw = getpwuid(geteuid());
	return pw != NULL && pw->pw_dir[0] == '/' ? pw->pw_dir : "";
}

static int
places_below(char *path, const char *name, struct err *e)
{
	size_t n = strlen(path);

	if (n + strlen(name) + 2 > PLACES_PATH_MAX)
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	path[n] = '/';
	memcpy(path + n + 1, name, strlen(name) + 1);
	return 0;
}

/* $variable if it is an absolute path, else the home directory's folder. */
static int
places_xdg(char *ret, const char *variable, const char *home,
    const char *folder, struct err *e)
{
	const char *v = getenv(variable);

	if (v != NULL && v[0] == '/')
		return places_set(ret, v, "", e);
	if (home[0] == '\0')
		return err_set(e, ERR_NOT_FOUND,
		    "neither HOME nor %s names a directory", variable);
	if (places_set(ret, home, "", e) == -1)
		return -1;
	return places_below(ret, folder, e);
}

/* Without a session there is no XDG_RUNTIME_DIR; /tmp is the fallback. */
static int
places_user_runtime(struct places *p, struct err *e)
{
	const char *v = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (v != NULL && v[0] == '/' && stat(v, &st) == 0 &&
	    st.st_uid == geteuid())
		return places_set(p->runtime, v, "/warder", e);
	(void)snprintf(p->runtime, sizeof(p->runtime), "/tmp/warder-%u",
	    geteuid());
	return 0;
}

static int
places_user(struct places *p, struct err *e)
{
	if (places_xdg(p->config, "XDG_CONFIG_HOME", p->home, ".config", e) ==
		-1 ||
	    places_below(p->config, "warder", e) == -1 ||
	    places_xdg(p->state_root, "XDG_STATE_HOME", p->home, ".local/state",
		e) == -1 ||
	    places_below(p->state_root, "warder", e) == -1 ||
	    places_xdg(p->cache, "XDG_CACHE_HOME", p->home, ".cache", e) == -1)
		return -1;
	(void)mkdir(p->cache, 0700);
	if (places_below(p->cache, "warder", e) == -1)
		return -1;
	return places_user_runtime(p, e);
}

int
places_find(struct places *ret, const char *program, struct err *e)
{
	int root = geteuid() == 0;

	ret->state[0] = ret->state_root[0] = '\0';
	if (places_set(ret->home, places_home(), "", e) == -1 ||
	    places_program(ret, program, e) == -1)
		return -1;
	if ((root ? places_root(ret, e) : places_user(ret, e)) == -1)
		return -1;
	if (places_set(ret->jails, ret->runtime, root ? "/jails" : "", e) == -1)
		return -1;
	if (places_own_dir(ret->runtime, e) == -1 ||
	    places_own_dir(ret->jails, e) == -1)
		return -1;
	return places_own_dir(ret->cache, e);
}

int
places_dir(const char *path, uid_t owner, mode_t mode, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (lstat(path, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (!S_ISDIR(st.st_mode) ||
	    (st.st_uid != geteuid() && st.st_uid != owner))
		return err_set(e, ERR_DENIED,
		    "%s: it must be a directory of uid %u", path, owner);
	if (st.st_uid != owner && lchown(path, owner, owner) == -1)
		return err_set(e, ERR_SYSTEM, "%s: chown", path);
	if ((st.st_mode & 07777) != mode && chmod(path, mode) == -1)
		return err_set(e, ERR_SYSTEM, "%s: chmod", path);
	return 0;
}

int
places_lock(const char *path, struct err *e)
{
	autofd fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return take_fd(&fd);
	return errno == EWOULDBLOCK ? err_set(e, ERR_CONFLICT,
					  "%s: another process has it", path)
				    : err_set(e, ERR_SYSTEM, "%s", path);
}
