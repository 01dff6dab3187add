#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "keyfile.h"
#include "msg_audit.h"

int
verb_fail(const struct err *e)
{
	char buf[1024];

	(void)text_escape(buf, sizeof(buf), e->msg, strlen(e->msg));
	(void)fprintf(stderr, "warder: audit: %s\n", buf);
	return err_exit(e->code);
}

int
verb_options(const struct opt_verb *v, void *ctx, int argc, char **argv,
    int *ret_rest)
{
	struct err e;
	int r = opt_parse(v, ctx, argc, argv, ret_rest, &e);

	if (r == 1)
		opt_help("audit", v);
	if (r == -1)
		(void)verb_fail(&e);
	return r;
}

static int
verb_age(const char *s, char ret[HEADS_TIME_SIZE], struct err *e)
{
	uint64_t ms;
	time_t then;
	struct tm tm;

	if (text_parse_duration(s, UINT64_MAX / 2, &ms, e) == -1)
		return -1;
	then = time(NULL) - (time_t)(ms / 1000);
	if (gmtime_r(&then, &tm) == NULL ||
	    strftime(ret, HEADS_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return err_set(e, ERR_INVALID, "%s is too long ago", s);
	return 0;
}

/* Times of lines are compared as text, so what is given must be a beginning
 * of one. */
int
verb_time(const char *s, char ret[HEADS_TIME_SIZE], struct err *e)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	size_t i, n = strlen(s);

	if (n != 10 && n != sizeof(form) - 1)
		return verb_age(s, ret, e);
	for (i = 0; i < n; i++)
		if (form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return err_set(e, ERR_INVALID,
			    "write 2026-01-31, 2026-01-31T12:00:00Z, or an age "
			    "like 30d");
	memcpy(ret, s, n);
	ret[n == 10 ? 10 : n - 1] = '\0'; /* lines have milliseconds there */
	return 0;
}

int
verb_need_place(struct place *p, struct err *e)
{
	autosecret *key = NULL;
	autofd fd = -1;

	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir == -1 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND,
		    "%s: there is no audit log yet", p->path);
	if (p->dir == -1)
		return err_set(e, ERR_SYSTEM, "%s", p->path);
	if (keyfile_open(p->dir, AUDIT_KEY_NAME, 0, &fd, e) == -1 ||
	    keyfile_read(fd, "the audit log's key", &key, e) == -1)
		return err_wrap(e, "%s", p->path);
	return seal_create(key, &p->key, e);
}
