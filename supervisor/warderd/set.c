#include "set.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "child.h"
#include "jail/cgroup.h"
#include "jail/leftover.h"
#include "listener.h"
#include "memfd.h"
#include "policy/builtin.h"
#include "policy/client.h"
#include "policy/client_describe.h"
#include "text.h"

enum {
	SET_PEM_MAX = 1024 * 1024,
};

static const char set_socket_root[] = "/run/warder/api.sock";
static const char set_group[] = "warder";

static int
set_path(char ret[WARDERD_PATH_MAX], const char *dir, const char *name,
    struct err *e)
{
	int n = snprintf(ret, WARDERD_PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= WARDERD_PATH_MAX)
		return err_set(e, ERR_INVALID, "%s: path too long", dir);
	return 0;
}

/* ---- where things are ---- */

/* What lies beside the file of --config takes the place of /etc/warder's. */
static int
set_beside(struct warderd *w, struct err *e)
{
	char path[WARDERD_PATH_MAX], *slash;
	int n;

	if (realpath(w->config_file, path) == NULL)
		return err_set(e, ERR_SYSTEM, "%s", w->config_file);
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	n = snprintf(w->dirs.etc, sizeof(w->dirs.etc), "%s", path);
	if (n < 0 || n >= (int)sizeof(w->dirs.etc))
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	memcpy(w->places.config, w->dirs.etc, sizeof(w->places.config));
	return 0;
}

static int
set_places(struct warderd *w, const char *state, struct err *e)
{
	struct places *p = &w->places;

	if (places_find(p, NULL, e) == -1)
		return -1;
	find_dirs_init(&w->dirs, geteuid() == 0 ? "" : p->home);
	if (w->config_file[0] != '\0' && set_beside(w, e) == -1)
		return -1;
	if (state != NULL && text_path("/", state, p->state_root,
				 sizeof(p->state_root), e) == -1)
		return -1;
	(void)snprintf(w->state, sizeof(w->state), "%s", p->state_root);
	if (set_path(w->agents, p->state_root, "agents", e) == -1 ||
	    set_path(w->db, p->state_root, "db", e) == -1 ||
	    set_path(w->init_path, p->libexec, "warder-init", e) == -1 ||
	    set_path(w->config_path, p->libexec, "warder-config", e) == -1 ||
	    set_path(w->deploy_path, p->libexec, "warder-deploy", e) == -1 ||
	    set_path(w->proxy_path, p->libexec, "warder-proxy", e) == -1 ||
	    set_path(w->vault_path, p->libexec, "warder-vault", e) == -1 ||
	    set_path(w->audit_path, p->libexec, "warder-audit", e) == -1)
		return -1;
	if (w->control_path[0] != '\0')
		return 0;
	return set_path(w->control_path, p->libexec, "warder-control", e);
}

/* ---- what the files say ---- */

/* A file, or nothing where there is none and nobody named it. */
static int
set_text(const char *path, int must, char *buf, size_t *ret_n, struct err *e)
{
	int fd;

	*ret_n = 0;
	if (find_open_file(path, &fd, e) == -1)
		return e->code == ERR_NOT_FOUND && !must ? 0 : -1;
	return find_read(path, fd, buf, ret_n, e);
}

/* As a user, the socket is that user's. */
static void
set_own_socket(struct warderd *w)
{
	uint32_t i;

	for (i = 0; i < w->settings.nlisten && geteuid() != 0; i++) {
		struct settings_listen *l = &w->settings.listen[i];

		if (l->kind == SETTINGS_LISTEN_UNIX &&
		    strcmp(l->address, set_socket_root) == 0)
			(void)snprintf(l->address, sizeof(l->address),
			    "%.90s/api.sock", w->places.runtime);
	}
}

static int
set_settings(struct warderd *w, char *buf, char *text, size_t size,
    struct err *e)
{
	int named = w->config_file[0] != '\0';
	struct client_describe_request rq = {
		.what = CONFIG_WHAT_SETTINGS,
		.text = buf,
		.name = w->config_file,
		.config_path = w->config_path,
		.record = &w->settings,
		.record_size = sizeof(w->settings),
	};
	size_t got;

	if (!named &&
	    set_path(w->config_file, w->places.config, "warder.yaml", e) == -1)
		return -1;
	if (set_text(w->config_file, named, buf, &rq.size, e) == -1)
		return -1;
	settings_init(&w->settings);
	if (rq.size > 0 &&
	    (client_describe(&rq, &got, NULL, text, size, e) == -1 ||
		settings_check(&w->settings, got, e) == -1))
		return -1;
	set_own_socket(w);
	return 0;
}

/*
 * The operator's ceiling.  Where nobody has written one, the shipped one: an
 * agent that arrives over the network gets no directory of this host.
 */
static int
set_ceiling(struct warderd *w, char *buf, char *text, size_t size,
    struct err *e)
{
	static struct seccomp_program none;
	static struct client_files files;
	char path[WARDERD_PATH_MAX];
	struct policy_request rq = {
		.text = buf,
		.name = path,
		.dir = w->dirs.etc,
		.home = "",
		.config_path = w->config_path,
		.dirs = &w->dirs,
		.net = &w->ceiling->net,
	};
	int fd;

	if (find_open(&w->dirs, CONFIG_WHAT_CEILING, "ceiling", "/", path, &fd,
		e) != 1) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		(void)snprintf(w->dirs.ceiling, sizeof(w->dirs.ceiling),
		    "builtin/ceiling");
		return set_ceiling(w, buf, text, size, e);
	}
	if (fd == -1)
		rq.text = builtin_policy("ceiling", &rq.size);
	else if (find_read(path, fd, buf, &rq.size, e) == -1)
		return -1;
	if (client_compile(&rq, &w->ceiling->plan, &none, &files, text, size,
		e) == -1)
		return -1;
	if (w->ceiling->plan.kind != PLAN_CEILING)
		return err_set(e, ERR_INVALID,
		    "%s: this is not a ceiling: it must say kind: ceiling",
		    path);
	return 0;
}

static char set_buf[CONFIG_FILE_MAX];

/* A new one, in its memfd too, in place of what is there. */
static int
set_new_ceiling(struct warderd *w, char *text, size_t size, struct err *e)
{
	void *p = mmap(NULL, sizeof(*w->ceiling), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap");
	w->ceiling = p;
	w->dirs.ceiling[0] = '\0';
	if (set_ceiling(w, set_buf, text, size, e) == -1)
		return -1;
	w->ceiling_fd =
	    memfd_create_sealed("warder-ceiling", p, sizeof(*w->ceiling), e);
	return w->ceiling_fd == -1 ? -1 : 0;
}

int
set_again(struct warderd *w, char *text, size_t size, struct err *e)
{
	struct ceiling *old = w->ceiling, *new;
	struct find_dirs dirs = w->dirs;
	autofd fd = w->ceiling_fd;

	w->ceiling_fd = -1;
	if (set_new_ceiling(w, text, size, e) == 0) {
		w->store.ceiling = w->ceiling;
		(void)munmap(old, sizeof(*old));
		return 0;
	}
	new = w->ceiling;
	w->ceiling = old;
	w->dirs = dirs;
	w->ceiling_fd = take_fd(&fd);
	if (new != old)
		(void)munmap(new, sizeof(*new));
	return -1;
}

int
set_read(struct warderd *w, const char *state, char *text, size_t size,
    struct err *e)
{
	text[0] = '\0';
	w->control_uid = child_uid(SPAWN_USER_NAME, SPAWN_UID_RESERVED);
	if (set_places(w, state, e) == -1 ||
	    set_settings(w, set_buf, text, size, e) == -1)
		return -1;
	return set_new_ceiling(w, text, size, e);
}

/* ---- directories ---- */

static int
set_dir(const char *path, uid_t owner, mode_t mode, struct err *e)
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

/*
 * The state's own directory can be passed by everybody and listed by nobody:
 * below it each directory is one process's alone.
 */
static int
set_dirs(struct warderd *w, struct err *e)
{
	uid_t me = geteuid(), control = me == 0 ? w->control_uid : me;
	char path[WARDERD_PATH_MAX];

	if (set_dir(w->state, me, me == 0 ? 0711 : 0700, e) == -1 ||
	    set_dir(w->db, control, 0700, e) == -1 ||
	    set_dir(w->agents, me, 0700, e) == -1 ||
	    set_path(path, w->state, "sandboxes", e) == -1 ||
	    set_dir(path, me, 0700, e) == -1)
		return -1;
	/* without root there are no images: see jail/quota.h */
	(void)snprintf(w->places.state, sizeof(w->places.state), "%.*s",
	    PLACES_PATH_MAX - 1, me == 0 ? path : "");
	if (me == 0 && chmod(w->places.runtime, 0711) == -1)
		return err_set(e, ERR_SYSTEM, "%s", w->places.runtime);
	if (set_path(w->sdk, w->places.share, "python", e) == -1)
		return -1;
	if (access(w->sdk, R_OK | X_OK) == -1)
		w->sdk[0] = '\0';
	w->store = (struct agent_store){ .path = w->agents,
		.ceiling = w->ceiling,
		.sdk = w->sdk[0] != '\0' ? w->sdk : NULL,
		.dir = open(w->agents,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) };
	return w->store.dir == -1 ? err_set(e, ERR_SYSTEM, "%s", w->agents) : 0;
}

/* The kernel lets it go when we die. */
static int
set_lock(struct warderd *w, struct err *e)
{
	char path[WARDERD_PATH_MAX];

	if (set_path(path, w->state, "warderd.lock", e) == -1)
		return -1;
	w->lock_fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->lock_fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (flock(w->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK
		   ? err_set(e, ERR_CONFLICT,
			 "%s: another warderd has this state", w->state)
		   : err_set(e, ERR_SYSTEM, "%s", path);
}

/* ---- listeners ---- */

/* Whoever may write to the socket may speak to the API, with a key. */
static int
set_listen(const struct settings_listen *l, int *ret, struct err *e)
{
	const struct group *g = geteuid() == 0 ? getgrnam(set_group) : NULL;

	if (l->kind == SETTINGS_LISTEN_TCP)
		return listener_tcp(l->address, (uint16_t)l->port, ret, e);
	return listener_unix(l->address, 0660,
	    g != NULL ? g->gr_gid : (gid_t)-1, ret, e);
}

/* ---- TLS ---- */

/* Read here, since its key is root's; a copy stays in no memory of ours. */
static int
set_pem(const char *path, int *ret, struct err *e)
{
	static char buf[SET_PEM_MAX];
	autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd == -1 ? -1 : read(fd, buf, sizeof(buf));

	if (n == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	*ret = n == 0 || n == sizeof(buf)
		   ? err_set(e, ERR_INVALID, "%s: not a PEM file", path)
		   : memfd_create_sealed("warder-pem", buf, (size_t)n, e);
	explicit_bzero(buf, sizeof(buf));
	return *ret == -1 ? -1 : 0;
}

static int
set_tls(struct warderd *w, struct err *e)
{
	if (w->settings.tls_cert[0] == '\0')
		return 0;
	if (set_pem(w->settings.tls_cert, &w->tls[0], e) == -1)
		return -1;
	return set_pem(w->settings.tls_key, &w->tls[1], e);
}

int
set_make(struct warderd *w, struct err *e)
{
	uint32_t i;

	if (set_dirs(w, e) == -1 || set_lock(w, e) == -1 ||
	    agent_sweep(&w->store, e) == -1)
		return -1;
	(void)cgroup_sweep(leftover_is_live, NULL);
	for (i = 0; i < w->settings.nlisten; i++)
		if (set_listen(&w->settings.listen[i], &w->listeners[i], e) ==
		    -1)
			return err_wrap(e, "listen");
	return set_tls(w, e);
}

void
set_finish(struct warderd *w)
{
	uint32_t i;

	for (i = 0; i < w->settings.nlisten; i++) {
		if (w->listeners[i] == -1)
			continue;
		if (w->settings.listen[i].kind == SETTINGS_LISTEN_UNIX)
			(void)unlink(w->settings.listen[i].address);
		fd_closep(&w->listeners[i]);
	}
}
