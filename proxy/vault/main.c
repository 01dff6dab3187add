/*
 * main.c: warder-vault, the keeper of the secrets.
 *
 *	warder-vault CONFIG STATE credential VERB ...
 *		for a person, by way of "warder credential": opens the key of
 *		CONFIG and the directory STATE/vault, then gives up root
 *	warder-vault --serve
 *		for one run; the launcher has opened both and given up root
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "child.h"
#include "heap.h"
#include "keyfile.h"
#include "store.h"
#include "vault.h"
#include "version.h"

#define MAIN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int
main_usage(FILE *to)
{
	(void)fputs("usage: warder credential VERB ...\n"
		    "       warder-vault --version\n"
		    "Launchers start it as warder-vault --serve.\n",
	    to);
	return to == stdout ? 0 : 2;
}

/* With the folders above it; that one cannot be made, opening it will say. */
static void
main_make_dirs(const char *path)
{
	mode_t mode = geteuid() == 0 ? 0755 : 0700;
	char part[4096];
	size_t i;

	for (i = 1; i < sizeof(part) && path[i - 1] != '\0'; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		(void)mkdir(part, mode);
	}
}

static void
main_make_dirs_of(const char *path)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');

	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	main_make_dirs(dir);
}

/*
 * Makes it under a name of its own and gives it its name when it is owner's:
 * another program that begins at the same time must not find it before that.
 */
static int
main_make_own_dir(int at, const char *name, uid_t owner, struct err *e)
{
	char part[64];
	int r = 0;

	(void)snprintf(part, sizeof(part), ".%s.%d", name, (int)getpid());
	if (mkdirat(at, part, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_SYSTEM, "%s", part);
	if (fchownat(at, part, owner, owner, AT_SYMLINK_NOFOLLOW) == -1 ||
	    (renameat2(at, part, at, name, RENAME_NOREPLACE) == -1 &&
		errno != EEXIST))
		r = err_set(e, ERR_SYSTEM, "%s", name);
	(void)unlinkat(at, part, AT_REMOVEDIR);
	return r;
}

/* A directory that nobody but owner can look into. */
static int
main_own_dir(int at, const char *name, uid_t owner, int *ret, struct err *e)
{
	struct stat st;
	autofd fd = openat(at, name, MAIN_DIR);

	if (fd == -1 && errno == ENOENT) {
		if (main_make_own_dir(at, name, owner, e) == -1)
			return -1;
		fd = openat(at, name, MAIN_DIR);
	}
	if (fd == -1 || fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", name);
	if (st.st_uid != owner || (st.st_mode & 077) != 0)
		return err_set(e, ERR_DENIED,
		    "%s: must belong to user %u and be closed to all others "
		    "(mode 0700)",
		    name, (unsigned)owner);
	*ret = take_fd(&fd);
	return 0;
}

static int
main_open_dir(const char *state, uid_t owner, struct vault *v, struct err *e)
{
	autofd top = -1;

	main_make_dirs(state);
	top = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top == -1)
		return err_set(e, ERR_SYSTEM, "%s", state);
	if (main_own_dir(top, "vault", owner, &v->dir, e) == -1)
		return err_wrap(e, "%s", state);
	return 0;
}

/*
 * There is none.  A new one could not open what another one has sealed, and
 * would be in the way when that one comes back.
 */
static int
main_first_key(const char *path, const char *verb, const struct vault *v,
    int *ret, struct err *e)
{
	if (verb_makes_key(verb) && store_is_there(v->dir))
		return err_set(e, ERR_NOT_FOUND,
		    "%s: there is no key, and the vault has entries that were "
		    "sealed with one",
		    path);
	if (verb_makes_key(verb))
		main_make_dirs_of(path);
	return store_key_open(path, verb_makes_key(verb), ret, e);
}

static int
main_open_key(const char *config, const char *verb, struct vault *v,
    struct err *e)
{
	char path[4096];
	autofd fd = -1;
	int n = snprintf(path, sizeof(path), "%s/vault.key", config);

	if (n < 0 || n >= (int)sizeof(path))
		return err_set(e, ERR_INVALID, "%s: path too long", config);
	if (keyfile_find(config, &fd, e) == -1 &&
	    (e->code != ERR_NOT_FOUND ||
		main_first_key(path, verb, v, &fd, e) == -1))
		return -1;
	if (store_key_read(fd, &v->key, e) == -1)
		return err_wrap(e, "%s", path);
	return 0;
}

/* From root to the vault's own user; anybody else stays who they are. */
static int
main_become(uid_t uid, struct err *e)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) == -1 || setresgid(uid, uid, uid) == -1 ||
	    setresuid(uid, uid, uid) == -1)
		return err_set(e, ERR_SYSTEM, "becoming user %u",
		    (unsigned)uid);
	return 0;
}

static int
main_fail(const struct err *e)
{
	(void)fprintf(stderr, "warder: credential: %s\n", e->msg);
	return err_exit(e->code);
}

static int
main_verb(const char *config, const char *state, int argc, char **argv)
{
	struct vault v = { .dir = -1 };
	struct err e = { 0 };
	uid_t uid = geteuid() == 0
			? child_uid(VAULT_USER_NAME, VAULT_UID_RESERVED)
			: geteuid();
	int r;

	if (argc == 0 || strcmp(argv[0], "--help") == 0 ||
	    strcmp(argv[0], "-h") == 0)
		return verb_help(argc == 0 ? 2 : 0);
	if (argc > 1 && strcmp(argv[1], "--help") == 0)
		return verb_run(&v, argc, argv);
	if (main_open_dir(state, uid, &v, &e) == -1 ||
	    main_open_key(config, argv[0], &v, &e) == -1 ||
	    main_become(uid, &e) == -1)
		return main_fail(&e);
	r = verb_run(&v, argc, argv);
	secret_destroy(v.key);
	fd_closep(&v.dir);
	return r;
}

static int
main_serve(void)
{
	struct vault v = { .dir = VAULT_FD_DIR };
	struct err e = { 0 };
	int r;

	if (fcntl(VAULT_FD_KEY, F_GETFD) == -1)
		return main_usage(stderr);
	(void)heap_lock(); /* the keys and secrets are locked anyhow */
	if (heap_tls(&e) == -1)
		return main_fail(&e);
	r = store_key_read(VAULT_FD_KEY, &v.key, &e);
	(void)close(VAULT_FD_KEY);
	if (r == 0)
		r = serve_run(&v, &e);
	secret_destroy(v.key);
	if (r == -1)
		(void)fprintf(stderr, "warder-vault: %s\n", e.msg);
	return r == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--serve") == 0)
		return main_serve();
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("warder-vault " WARDER_VERSION);
		return 0;
	}
	if (argc >= 4 && strcmp(argv[3], "credential") == 0)
		return main_verb(argv[1], argv[2], argc - 4, argv + 4);
	return main_usage(
	    argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
}
