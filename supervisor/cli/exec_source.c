#include "exec_source.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy/find.h"

static int
source_read(struct exec_source *s, const char *file, size_t *ret_n,
    struct err *e)
{
	int fd;

	if (find_open_file(file, &fd, e) == -1)
		return -1;
	return find_read(file, fd, s->text, ret_n, e);
}

/* The directory of a file, absolute; where its relative paths start. */
static int
source_dir(const char *file, char *ret, size_t size, struct err *e)
{
	char cwd[PLACES_PATH_MAX];
	const char *slash = file != NULL ? strrchr(file, '/') : NULL;
	int n, len = slash != NULL ? (int)(slash - file) : 0;

	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return err_set(e, ERR_SYSTEM, "working directory");
	if (slash == NULL)
		n = snprintf(ret, size, "%s", cwd);
	else if (file[0] == '/')
		n = snprintf(ret, size, "%.*s", len > 0 ? len : 1, file);
	else
		n = snprintf(ret, size, "%s/%.*s", cwd, len, file);
	if (n < 0 || (size_t)n >= size)
		return err_set(e, ERR_INVALID, "%s: path too long", file);
	return 0;
}

static int
source_flags(struct exec_source *s, const struct adhoc *flags, char *dir,
    size_t size, size_t *ret_n, struct err *e)
{
	struct text t;

	if (source_dir(NULL, dir, size, e) == -1)
		return -1;
	text_init(&t, s->text, ADHOC_BYTES);
	if (adhoc_write(flags, dir, &t, e) == -1)
		return -1;
	*ret_n = t.len;
	return 0;
}

int
exec_source_flags(struct exec_source *s, struct err *e)
{
	char dir[PLACES_PATH_MAX];
	size_t n;

	return source_flags(s, s->flags, dir, sizeof(dir), &n, e);
}

static int
source_text(struct exec_source *s, const struct adhoc *flags, const char *name,
    struct policy_request *rq, char *dir, size_t size, struct err *e)
{
	const char *file = flags->policy;

	rq->text = s->text;
	rq->dir = dir;
	if (file == NULL || adhoc_used(flags)) {
		rq->name = "command line";
		return source_flags(s, flags, dir, size, &rq->size, e);
	}
	rq->name = name;
	if (source_read(s, file, &rq->size, e) == -1)
		return -1;
	return source_dir(file, dir, size, e);
}

int
exec_source_load(struct exec_source *s, const char *file, const char *name,
    const struct exec_made *to, struct err *e)
{
	struct adhoc flags = *s->flags;
	char dir[PLACES_PATH_MAX];
	struct policy_request rq = { 0 };

	s->warnings[0] = '\0';
	if (file == NULL)
		name = flags.policy;
	else
		flags.policy = file;
	if (source_text(s, &flags, name, &rq, dir, sizeof(dir), e) == -1)
		return -1;
	rq.home = s->places->home;
	rq.config_path = s->config_path;
	rq.cache_dir = s->places->cache;
	rq.net = to->net;
	if (policy_load(&rq, to->plan, to->program, s->warnings,
		sizeof(s->warnings), e) == -1)
		return -1;
	s->warnings[0] = '\0'; /* "policy check" is for these */
	return 0;
}
