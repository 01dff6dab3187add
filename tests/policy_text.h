/*
 * policy_text.h: a policy's text as a network plan, for fuzz targets and
 * benches.  They have no files: nothing but the built-in default is found.
 */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/builtin.h"
#include "policy/compile.h"

static int
policy_text_open(void *arg, uint32_t what, const char *reference,
    const char *dir, struct arena *a, struct resolve_file *ret, struct err *e)
{
	(void)arg;
	(void)what;
	(void)dir;
	(void)a;
	(void)e;
	if (strcmp(reference, "builtin/default") != 0)
		return 0;
	(void)snprintf(ret->path, sizeof(ret->path), "%s", reference);
	ret->text = builtin_policy("default", &ret->size);
	return 1;
}

/* Valid until the next call; a text that does not compile ends the program. */
static inline const struct plan_net *
policy_text_compile(const char *text)
{
	static struct resolve resolved;
	static struct plan plan;
	static struct seccomp_program program;
	static union plan_net_room room;
	struct resolve_request rq = { .text = text,
		.size = strlen(text),
		.name = "p.yaml",
		.dir = "/",
		.home = "",
		.open = policy_text_open };

	if (resolve_policy(&resolved, &rq) == -1 ||
	    compile_policy(&resolved, &plan, &program, &room) == -1) {
		(void)fputs(resolved.diag.errors.buf, stderr);
		abort();
	}
	resolve_finish(&resolved);
	return &room.net;
}

#endif /* !POLICY_TEXT_H */
