#include "set.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "child.h"
#include "jail/cgroup.h"
#include "jail/leftover.h"
#include "listener.h"
#include "memfd.h"
#include "text.h"

enum {
	SET_PEM_MAX = 1024 * 1024,
};

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

static int
set_places(struct warderd *w, const char *state, struct err *e)
{
	struct places *p = &w->places;

	if (places_find(p, NULL, e) == -1)
		return -1;
	find_dirs_init(&w->files.dirs, geteuid() == 0 ? "" : p->home);
	w->files.config_path = w->config_path;
	w->files.runtime = p->runtime;
	if (operator_find_file(&w->files, p->config, e) == -1)
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

int
set_again(struct warderd *w, char *text, size_t size, struct err *e)
{
	static struct settings fresh;

	if (operator_settings(&w->files, &fresh, text, size, e) == -1 ||
	    operator_ceiling(&w->files, text, size, e) == -1)
		return -1;
	operator_change(&w->kept.settings, &fresh);
	w->store.ceiling = w->files.ceiling;
	return 0;
}

int
set_read(struct warderd *w, const char *state, char *text, size_t size,
    struct err *e)
{
	w->control_uid = child_uid(SPAWN_USER_NAME, SPAWN_UID_RESERVED);
	if (set_places(w, state, e) == -1 ||
	    operator_settings(&w->files, &w->kept.settings, text, size, e) ==
		-1)
		return -1;
	return operator_ceiling(&w->files, text, size, e);
}

/* ---- directories ---- */

/*
 * The state's own directory can be passed by everybody and listed by nobody:
 * below it each directory is one process's alone.
 */
static int
set_dirs(struct warderd *w, struct err *e)
{
	uid_t me = geteuid(), control = me == 0 ? w->control_uid : me;
	char path[WARDERD_PATH_MAX];

	if (places_dir(w->state, me, me == 0 ? 0711 : 0700, e) == -1 ||
	    places_dir(w->db, control, 0700, e) == -1 ||
	    places_dir(w->agents, me, 0700, e) == -1 ||
	    set_path(path, w->state, "sandboxes", e) == -1 ||
	    places_dir(path, me, 0700, e) == -1)
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
		.ceiling = w->files.ceiling,
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
	w->kept.lock_fd = places_lock(path, e);
	if (w->kept.lock_fd == -1 && e->code == ERR_CONFLICT)
		return err_set(e, ERR_CONFLICT,
		    "%s: another warderd has this state", w->state);
	return w->kept.lock_fd == -1 ? -1 : 0;
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

/* Copied here, since its key is root's. */
static int
set_tls(struct warderd *w, struct err *e)
{
	if (w->kept.settings.tls_cert[0] == '\0')
		return 0;
	w->kept.tls[0] = memfd_copy_file("warder-pem",
	    w->kept.settings.tls_cert, SET_PEM_MAX, e);
	if (w->kept.tls[0] == -1)
		return -1;
	w->kept.tls[1] = memfd_copy_file("warder-pem", w->kept.settings.tls_key,
	    SET_PEM_MAX, e);
	return w->kept.tls[1] == -1 ? -1 : 0;
}

int
set_make(struct warderd *w, struct err *e)
{
	uint32_t i;

	if (set_dirs(w, e) == -1)
		return -1;
	/* it has the rest, and works in these directories */
	if (w->resume_fd != -1)
		return 0;
	if (set_lock(w, e) == -1 || agent_sweep(&w->store, e) == -1)
		return -1;
	(void)cgroup_sweep(leftover_is_live, NULL);
	for (i = 0; i < w->kept.settings.nlisten; i++)
		if (set_listen(&w->kept.settings.listen[i],
			&w->kept.listeners[i], e) == -1)
			return err_wrap(e, "listen");
	return set_tls(w, e);
}

void
set_finish(struct warderd *w)
{
	uint32_t i;

	for (i = 0; i < w->kept.settings.nlisten; i++) {
		if (w->kept.listeners[i] == -1)
			continue;
		if (w->kept.settings.listen[i].kind == SETTINGS_LISTEN_UNIX)
			(void)unlink(w->kept.settings.listen[i].address);
		fd_closep(&w->kept.listeners[i]);
	}
}
