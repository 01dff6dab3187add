#include "operator.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "jail/places.h"
#include "log.h"
#include "memfd.h"
#include "policy/builtin.h"
#include "policy/client.h"
#include "policy/client_describe.h"

static const char operator_socket[] = "/run/warder/api.sock";

static char operator_text[CONFIG_FILE_MAX];

/* ---- where ---- */

static int
operator_beside(struct operator* o, char *config_dir, struct err *e)
{
	char path[PATH_MAX], *slash;
	int n;

	if (realpath(o->file, path) == NULL)
		return err_set(e, ERR_SYSTEM, "%s", o->file);
	slash = strrchr(path, '/');
	slash[slash == path] = '\0';
	n = snprintf(o->dirs.etc, sizeof(o->dirs.etc), "%s", path);
	if (n < 0 || n >= (int)sizeof(o->dirs.etc))
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	(void)snprintf(config_dir, PLACES_PATH_MAX, "%s", path);
	return 0;
}

int
operator_find_file(struct operator* o, char *config_dir, struct err *e)
{
	int n;

	o->named = o->file[0] != '\0';
	if (o->named)
		return operator_beside(o, config_dir, e);
	n = snprintf(o->file, sizeof(o->file), "%s/warder.yaml", config_dir);
	return n < 0 || n >= (int)sizeof(o->file)
		   ? err_set(e, ERR_INVALID, "%s: path too long", config_dir)
		   : 0;
}

/* ---- warder.yaml ---- */

/* A file, or nothing where there is none and nobody named it. */
static int
operator_read(const struct operator* o, size_t *ret_n, struct err *e)
{
	int fd;

	*ret_n = 0;
	if (find_open_file(o->file, &fd, e) == -1)
		return e->code == ERR_NOT_FOUND && !o->named ? 0 : -1;
	return find_read(o->file, fd, operator_text, ret_n, e);
}

/* As a user, the socket is that user's. */
static void
operator_own_socket(const struct operator* o, struct settings *s)
{
	uint32_t i;

	for (i = 0; i < s->nlisten && geteuid() != 0; i++) {
		struct settings_listen *l = &s->listen[i];

		if (l->kind == SETTINGS_LISTEN_UNIX &&
		    strcmp(l->address, operator_socket) == 0)
			(void)snprintf(l->address, sizeof(l->address),
			    "%.90s/api.sock", o->runtime);
	}
}

int
operator_settings(const struct operator* o, struct settings *ret, char *text,
    size_t size, struct err *e)
{
	struct client_describe_request rq = {
		.what = CONFIG_WHAT_SETTINGS,
		.text = operator_text,
		.name = o->file,
		.config_path = o->config_path,
		.record = ret,
		.record_size = sizeof(*ret),
	};
	size_t got;

	text[0] = '\0';
	if (operator_read(o, &rq.size, e) == -1)
		return -1;
	settings_init(ret);
	if (rq.size > 0 &&
	    (client_describe(&rq, &got, NULL, text, size, e) == -1 ||
		settings_check(ret, got, e) == -1))
		return -1;
	operator_own_socket(o, ret);
	return 0;
}

/* Once control is started again, or once we are; all others hold at once. */
#define OPERATOR_PART(name, member, ours)                        \
	{                                                        \
		name, offsetof(struct settings, member),         \
		    sizeof(((struct settings *)0)->member), ours \
	}

static const struct {
	const char *name;
	size_t at, size;
	int ours;
} operator_parts[] = {
	OPERATOR_PART("listen", nlisten, 1),
	OPERATOR_PART("listen", listen, 1),
	OPERATOR_PART("tls", tls_cert, 1),
	OPERATOR_PART("tls", tls_key, 1),
	OPERATOR_PART("tenants", tenants, 0),
	OPERATOR_PART("agents.roots", roots, 0),
	OPERATOR_PART("origins", origins, 0),
	OPERATOR_PART("workers", workers, 0),
	OPERATOR_PART("retention", retention, 0),
	OPERATOR_PART("limits.queue", limits.queue, 0),
	OPERATOR_PART("limits.streams", limits.streams, 0),
	OPERATOR_PART("limits.body", limits.body_bytes, 0),
};

void
operator_change(struct settings *in_force, const struct settings *fresh)
{
	struct settings old = *in_force;
	size_t i;

	*in_force = *fresh;
	for (i = 0; i < countof(operator_parts); i++) {
		size_t at = operator_parts[i].at, n = operator_parts[i].size;

		if (memcmp((char *)&old + at, (char *)in_force + at, n) == 0)
			continue;
		log_text(LOG_LEVEL_WARN, "reload.later",
		    "%s: it changes once %s is started again",
		    operator_parts[i].name,
		    operator_parts[i].ours ? "warderd" : "warder-control");
		if (operator_parts[i].ours)
			memcpy((char *)in_force + at, (char *)&old + at, n);
	}
}

/* ---- the ceiling ---- */

static int
operator_find(struct operator* o, char path[CONFIG_PATH_MAX], int *ret_fd,
    struct err *e)
{
	o->dirs.ceiling[0] = '\0';
	if (find_open(&o->dirs, CONFIG_WHAT_CEILING, "ceiling", "/", path,
		ret_fd, e) == 1)
		return 0;
	if (e->code != ERR_NOT_FOUND)
		return -1;
	(void)snprintf(o->dirs.ceiling, sizeof(o->dirs.ceiling),
	    "builtin/ceiling");
	return find_open(&o->dirs, CONFIG_WHAT_CEILING, "ceiling", "/", path,
		   ret_fd, e) == 1
		   ? 0
		   : -1;
}

static int
operator_compile(struct operator* o, struct ceiling *c, char *text, size_t size,
    struct err *e)
{
	static struct seccomp_program none;
	static struct client_files files;
	char path[CONFIG_PATH_MAX];
	struct policy_request rq = {
		.text = operator_text,
		.name = path,
		.dir = o->dirs.etc,
		.home = "",
		.config_path = o->config_path,
		.dirs = &o->dirs,
		.net = &c->net,
	};
	int fd;

	if (operator_find(o, path, &fd, e) == -1)
		return -1;
	if (fd == -1)
		rq.text = builtin_policy("ceiling", &rq.size);
	else if (find_read(path, fd, operator_text, &rq.size, e) == -1)
		return -1;
	if (client_compile(&rq, &c->plan, &none, &files, text, size, e) == -1)
		return -1;
	if (c->plan.kind != PLAN_CEILING)
		return err_set(e, ERR_INVALID,
		    "%s: this is not a ceiling: it must say kind: ceiling",
		    path);
	return 0;
}

static int
operator_try(struct operator* o, struct ceiling *c, char *text, size_t size,
    struct err *e)
{
	int fd;

	if (operator_compile(o, c, text, size, e) == -1)
		return -1;
	fd = memfd_create_sealed("warder-ceiling", c, sizeof(*c), e);
	if (fd == -1)
		return -1;
	fd_closep(&o->ceiling_fd);
	o->ceiling_fd = fd;
	if (o->ceiling != NULL)
		(void)munmap(o->ceiling, sizeof(*c));
	o->ceiling = c;
	return 0;
}

int
operator_ceiling(struct operator* o, char *text, size_t size, struct err *e)
{
	struct find_dirs dirs = o->dirs;
	void *p = mmap(NULL, sizeof(*o->ceiling), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap");
	text[0] = '\0';
	if (operator_try(o, p, text, size, e) == 0)
		return 0;
	o->dirs = dirs;
	(void)munmap(p, sizeof(*o->ceiling));
	return -1;
}
