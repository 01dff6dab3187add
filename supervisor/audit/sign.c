/*
 * sign.c: warder-audit for one segment, started by a launcher.
 *
 * It has three descriptors and opens nothing.  What it reads the proxy has
 * written, so the key lies in no process that the proxy can reach, and this
 * one vouches for what the file says and no more.
 */
#include <stdio.h>
#include <string.h>

#include "keyfile.h"
#include "msg_audit.h"
#include "verb.h"

static void
seal_destroyp(struct seal **s)
{
	seal_destroy(*s);
}

static int
sign_key(struct seal **ret, struct err *e)
{
	autosecret *key = NULL;

	if (keyfile_read(AUDIT_FD_KEY, "the audit log's key", &key, e) == -1)
		return -1;
	return seal_create(key, ret, e);
}

/* What the writer says must be what the file has, or somebody lies. */
static int
sign_check(const char *head, const struct scan *s, struct err *e)
{
	char text[SCAN_HEAD_SIZE];

	scan_head(&s->last, text);
	if (strcmp(head, "-") == 0 || strcmp(head, text) == 0)
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "it ends in %s, and its writer said %.100s", text, head);
}

static int
sign_run(const char *name, const char *head, struct err *e)
{
	cleanup(seal_destroyp) struct seal *key = NULL;
	struct err differs = { 0 };
	struct audit a;
	struct scan s;

	if (sign_key(&key, e) == -1 || lock_sign(e) == -1 ||
	    scan_file(AUDIT_FD_SEGMENT, NULL, &s, e) == -1 ||
	    heads_lock(AUDIT_FD_HEADS, &a, e) == -1)
		return -1;
	/* a head must not outlast a crash that its segment does not */
	if (fdatasync(AUDIT_FD_SEGMENT) == -1)
		return err_set(e, ERR_SYSTEM, "flushing it");
	(void)sign_check(head, &s, &differs);
	/* the evidence is kept as it is, whoever lies */
	if (heads_add(&a, key, name, &s, e) == -1)
		return -1;
	if (differs.code != ERR_OK)
		*e = differs;
	else if (s.state == SCAN_BROKEN)
		(void)err_set(e, ERR_CORRUPT, "%s", s.why);
	return differs.code != ERR_OK || s.state == SCAN_BROKEN ? -1 : 0;
}

int
sign_one(const char *name, const char *head)
{
	struct err e = { 0 };

	(void)alarm(AUDIT_SIGN_S);
	if (sign_run(name, head, &e) == 0)
		return 0;
	if (e.code == ERR_CONFLICT)
		return AUDIT_EXIT_STALE;
	(void)fprintf(stderr, "warder-audit: %s: %s\n", name, e.msg);
	return 1;
}
