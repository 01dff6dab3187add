#include "hint.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

enum {
	HINT_PATH_MAX = 4096,
	HINT_LINES_MAX = 3
};

/* What the host's root file system and every jail have. */
static const char *const hint_common[] = {
	"/usr",
	"/bin",
	"/sbin",
	"/lib",
	"/lib32",
	"/lib64",
	"/libx32",
	"/dev",
	"/proc",
	"/etc/group",
	"/etc/hostname",
	"/etc/hosts",
	"/etc/machine-id",
	"/etc/passwd",
	"/etc/resolv.conf",
};

static int
hint_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

static int
hint_join(char *ret, const char *a, const char *b)
{
	return snprintf(ret, HINT_PATH_MAX, "%s/%s", a, b) < HINT_PATH_MAX;
}

/* Whether the jail has it: by the plan, since the jail is gone. */
static int
hint_visible(const struct plan *p, const char *path)
{
	char host[HINT_PATH_MAX];
	size_t i;

	for (i = 0; i < countof(hint_common); i++) {
		if (hint_below(path, hint_common[i]))
			return 1;
	}
	for (i = p->nmounts; i-- > 0;) {
		const char *at = plan_string(p, p->mounts[i].path);
		const char *from = plan_string(p, p->mounts[i].from);

		if (!hint_below(path, at))
			continue;
		return from[0] != '\0' &&
		       hint_join(host, from, path + strlen(at)) &&
		       access(host, F_OK) == 0;
	}
	return p->rootfs == PLAN_ROOTFS_DIR;
}

/* A command without a slash, as the caller's shell would find it. */
static int
hint_search(const char *name, char *ret)
{
	const char *path = getenv("PATH");
	char dir[HINT_PATH_MAX];

	while (path != NULL && *path != '\0') {
		size_t n = strcspn(path, ":");

		if (n > 0 && n < sizeof(dir) && path[0] == '/') {
			memcpy(dir, path, n);
			dir[n] = '\0';
			if (hint_join(ret, dir, name) && access(ret, X_OK) == 0)
				return 1;
		}
		path += n + (path[n] == ':');
	}
	return 0;
}

/* The file here, and where in the jail the command looks for it. */
static int
hint_paths(const struct plan *p, const char *arg, int is_command, char *here,
    char *there)
{
	if (is_command && strchr(arg, '/') == NULL) {
		if (!hint_search(arg, here))
			return 0;
		return hint_join(there, "", here + 1);
	}
	if (arg[0] == '\0' || arg[0] == '-' || access(arg, F_OK) == -1)
		return 0;
	if (!hint_join(here, ".", arg))
		return 0;
	memmove(here, here + 2, strlen(here) - 1);
	if (arg[0] == '/')
		return hint_join(there, "", arg + 1);
	return hint_join(there, plan_string(p, p->cwd), arg);
}

void
hint_missing_files(const struct plan *p, char *const *argv, int from)
{
	char here[HINT_PATH_MAX], there[HINT_PATH_MAX];
	char line[3 * HINT_PATH_MAX];
	int i, lines = 0;

	for (i = from; argv[i] != NULL && lines < HINT_LINES_MAX; i++) {
		struct text t;

		if (!hint_paths(p, argv[i], i == 0, here, there) ||
		    hint_visible(p, there))
			continue;
		text_init(&t, line, sizeof(line));
		text_add_escaped(&t, here);
		text_add(&t, " exists here but not in the jail; this shows it "
			     "there: --ro ");
		text_add_escaped(&t, here);
		text_add(&t, ":");
		text_add_escaped(&t, there);
		(void)fprintf(stderr, "warder: %s\n", line);
		lines++;
	}
}
