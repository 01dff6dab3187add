#include <stdio.h>
#include <string.h>

#include "path.h"
#include "text.h"

/*
 * Mount points that are refused.  "tree" says whether what lies below is
 * refused as well.
 */
static const struct {
	const char *path;
	int tree;
	const char *why;
} jail_refused[] = {
	{ "/", 0, "it is the jail's root" },
	{ "/proc", 1, "the jail's own proc is there" },
	{ "/sys", 1, "there is no sysfs in a jail" },
	{ "/dev", 1, "the jail's devices are there" },
	{ "/run", 1, "sockets of services live there" },
	{ "/usr", 0, "it is the base system" },
	{ "/bin", 1, "it is a link into the base system" },
	{ "/sbin", 1, "it is a link into the base system" },
	{ "/lib", 1, "it is a link into the base system" },
	{ "/lib32", 1, "it is a link into the base system" },
	{ "/lib64", 1, "it is a link into the base system" },
	{ "/libx32", 1, "it is a link into the base system" },
	{ "/etc", 0, "the jail's own etc is there" },
	{ "/etc/passwd", 1, "Warder makes it" },
	{ "/etc/group", 1, "Warder makes it" },
	{ "/etc/hosts", 1, "Warder makes it" },
	{ "/etc/hostname", 1, "Warder makes it" },
	{ "/etc/resolv.conf", 1, "Warder makes it" },
	{ "/etc/nsswitch.conf", 1, "Warder makes it" },
	{ "/etc/machine-id", 1, "Warder makes it" },
	{ "/etc/ssl", 1, "it decides whom programs trust" },
	{ "/etc/ca-certificates", 1, "it decides whom programs trust" },
	{ "/etc/ld.so.cache", 1, "it decides what code programs load" },
	{ "/etc/ld.so.conf", 1, "it decides what code programs load" },
	{ "/etc/ld.so.conf.d", 1, "it decides what code programs load" },
	{ "/etc/ld.so.preload", 1, "it decides what code programs load" },
	{ "/home", 0, "the jail's home directory lies in it" },
};

/* Host directories that never enter a jail, at, below or above a mount. */
static const struct {
	const char *path;
	const char *what;
} host_refused[] = {
	{ "/proc", "the host's processes" },
	{ "/sys", "the host's devices" },
	{ "/dev", "the host's devices" },
	{ "/run", "the sockets of the host's services" },
	{ "/var/run", "the sockets of the host's services" },
	{ "/etc/warder", "Warder's configuration" },
	{ "/var/lib/warder", "Warder's state" },
	{ "/var/cache/warder", "Warder's cache" },
	{ "/run/warder", "Warder's sockets" },
};

/* The same, below the caller's home directory. */
static const struct {
	const char *path;
	const char *what;
} home_refused[] = {
	{ "/.config/warder", "Warder's configuration" },
	{ "/.local/state/warder", "Warder's state" },
	{ "/.cache/warder", "Warder's cache" },
};

static const char *
component_defect(const char *c, size_t n)
{
	if (n == 0)
		return "has an empty component or a slash at its end";
	if (n == 1 && c[0] == '.')
		return "has a \".\" component";
	if (n == 2 && c[0] == '.' && c[1] == '.')
		return "has a \"..\" component";
	if (n > 255)
		return "has a component longer than 255 bytes";
	return NULL;
}

const char *
path_defect(const char *path)
{
	const char *p = path, *why;
	size_t n;

	if (*p != '/')
		return "is not absolute";
	if (strnlen(path, PATH_SIZE) >= PATH_SIZE)
		return "is longer than 4095 bytes";
	for (; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "has a control character";
	if (path[1] == '\0')
		return NULL;
	for (p = path; *p == '/'; p += n) {
		n = strcspn(++p, "/");
		if ((why = component_defect(p, n)) != NULL)
			return why;
	}
	return NULL;
}

/* Where the path begins, and the rest of it. */
static const char *
path_base(const char **text, const char *dir, const char *home, struct err *e)
{
	if (**text == '/')
		return "";
	if (**text != '~')
		return dir;
	if ((*text)[1] != '\0' && (*text)[1] != '/') {
		(void)err_set(e, ERR_INVALID,
		    "\"%.200s\": only ~ and ~/… are known, not another user's "
		    "home",
		    *text);
		return NULL;
	}
	if (home[0] == '\0') {
		(void)err_set(e, ERR_INVALID,
		    "\"%.200s\": the home directory is not known", *text);
		return NULL;
	}
	(*text)++;
	return home;
}

int
path_resolve(const char *text, const char *dir, const char *home,
    char ret[PATH_SIZE], struct err *e)
{
	char joined[PATH_SIZE], out[PATH_SIZE];
	const char *rest = text, *base, *why;

	if (*text == '\0')
		return err_set(e, ERR_INVALID, "the path is empty");
	if ((base = path_base(&rest, dir, home, e)) == NULL)
		return -1;
	if (snprintf(joined, sizeof(joined), "%s/%s", base, rest) >= PATH_SIZE)
		return err_set(e, ERR_INVALID, "the path is too long");
	if (text_path("/", joined, out, sizeof(out), e) == -1)
		return -1;
	if ((why = path_defect(out)) != NULL)
		return err_set(e, ERR_INVALID, "\"%.200s\" %s", text, why);
	memcpy(ret, out, strlen(out) + 1);
	return 0;
}

const char *
path_jail_refused(const char *path)
{
	size_t i;

	for (i = 0; i < countof(jail_refused); i++) {
		if (strcmp(path, jail_refused[i].path) == 0)
			return jail_refused[i].why;
		if (jail_refused[i].tree &&
		    text_path_within(path, jail_refused[i].path))
			return jail_refused[i].why;
	}
	return NULL;
}

/* Both directions: it lies in the refused directory, or contains it. */
static const char *
path_touches(const char *path, const char *refused, const char *what)
{
	static _Thread_local char text[256];

	if (text_path_within(path, refused))
		(void)snprintf(text, sizeof(text),
		    "it is in %.120s (%s), which never enters a jail", refused,
		    what);
	else if (text_path_within(refused, path))
		(void)snprintf(text, sizeof(text),
		    "it contains %.120s (%s), which never enters a jail",
		    refused, what);
	else
		return NULL;
	return text;
}

const char *
path_host_refused(const char *path, const char *home)
{
	const char *why;
	size_t i;

	for (i = 0; i < countof(host_refused); i++)
		if ((why = path_touches(path, host_refused[i].path,
			 host_refused[i].what)) != NULL)
			return why;
	for (i = 0; home[0] != '\0' && i < countof(home_refused); i++) {
		char refused[PATH_SIZE + 32];

		(void)snprintf(refused, sizeof(refused), "%s%s",
		    strcmp(home, "/") == 0 ? "" : home, home_refused[i].path);
		if ((why = path_touches(path, refused, home_refused[i].what)) !=
		    NULL)
			return why;
	}
	return NULL;
}

const char *
path_write_refused(const char *path, const char *home)
{
	if (strcmp(path, "/") == 0)
		return "the root directory is never given for writing";
	if (home[0] != '\0' && strcmp(path, home) == 0)
		return "the home directory itself is never given for writing";
	if (home[0] != '\0' && text_path_within(home, path))
		return "it contains the home directory, which is never given "
		       "for writing";
	return NULL;
}
