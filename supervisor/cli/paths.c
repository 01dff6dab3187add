#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static int
paths_set(char *ret, const char *a, const char *b, struct err *e)
{
	int n = snprintf(ret, CLI_PATH_MAX, "%s%s", a, b);

	if (n < 0 || n >= CLI_PATH_MAX)
		return err_set(e, ERR_INVALID, "%s: path too long", a);
	return 0;
}

/* The programs are found from our own executable, whatever its name was. */
static int
paths_program(struct cli_paths *p, struct err *e)
{
	char exe[CLI_PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	int up;

	if (n == -1)
		return err_set(e, ERR_SYSTEM, "/proc/self/exe");
	exe[n] = '\0';
	for (up = 0; up < 2; up++) {
		slash = strrchr(exe, '/');
		if (slash == NULL)
			return err_set(e, ERR_INVALID, "%s: no folder", exe);
		*slash = '\0';
	}
	if (paths_set(p->libexec, exe, "/libexec/warder", e) == -1)
		return -1;
	return paths_set(p->share, exe, "/share/warder", e);
}

/*
 * A directory of ours alone.  Somebody else's, or one that others may write,
 * is refused: what lies there is trusted.
 */
static int
paths_own_dir(const char *path, struct err *e)
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

static int
paths_root(struct cli_paths *p, struct err *e)
{
	if (paths_set(p->config, "/etc/warder", "", e) == -1 ||
	    paths_set(p->runtime, "/run/warder", "", e) == -1 ||
	    paths_set(p->cache, "/var/cache/warder", "", e) == -1)
		return -1;
	return 0;
}

static const char *
paths_home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && home[0] == '/')
		return home;
	pw = getpwuid(geteuid());
	return pw != NULL && pw->pw_dir[0] == '/' ? pw->pw_dir : "";
}

static int
paths_below(char *path, const char *name, struct err *e)
{
	size_t n = strlen(path);

	if (n + strlen(name) + 2 > CLI_PATH_MAX)
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	path[n] = '/';
	memcpy(path + n + 1, name, strlen(name) + 1);
	return 0;
}

/* $variable if it is an absolute path, else the home directory's folder. */
static int
paths_xdg(char *ret, const char *variable, const char *home, const char *folder,
    struct err *e)
{
	const char *v = getenv(variable);

	if (v != NULL && v[0] == '/')
		return paths_set(ret, v, "", e);
	if (home[0] == '\0')
		return err_set(e, ERR_NOT_FOUND,
		    "neither HOME nor %s names a directory", variable);
	if (paths_set(ret, home, "", e) == -1)
		return -1;
	return paths_below(ret, folder, e);
}

/* Without a session there is no XDG_RUNTIME_DIR; /tmp is the fallback. */
static int
paths_user_runtime(struct cli_paths *p, struct err *e)
{
	const char *v = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (v != NULL && v[0] == '/' && stat(v, &st) == 0 &&
	    st.st_uid == geteuid())
		return paths_set(p->runtime, v, "/warder", e);
	(void)snprintf(p->runtime, sizeof(p->runtime), "/tmp/warder-%u",
	    geteuid());
	return 0;
}

static int
paths_user(struct cli_paths *p, struct err *e)
{
	if (paths_xdg(p->config, "XDG_CONFIG_HOME", p->home, ".config", e) ==
		-1 ||
	    paths_below(p->config, "warder", e) == -1 ||
	    paths_xdg(p->cache, "XDG_CACHE_HOME", p->home, ".cache", e) == -1)
		return -1;
	(void)mkdir(p->cache, 0700);
	if (paths_below(p->cache, "warder", e) == -1)
		return -1;
	return paths_user_runtime(p, e);
}

int
cli_paths(struct cli_paths *ret, struct err *e)
{
	int root = geteuid() == 0;

	if (paths_set(ret->home, paths_home(), "", e) == -1 ||
	    paths_program(ret, e) == -1)
		return -1;
	if ((root ? paths_root(ret, e) : paths_user(ret, e)) == -1)
		return -1;
	if (paths_set(ret->jails, ret->runtime, root ? "/jails" : "", e) == -1)
		return -1;
	if (paths_own_dir(ret->runtime, e) == -1 ||
	    paths_own_dir(ret->jails, e) == -1)
		return -1;
	return paths_own_dir(ret->cache, e);
}
