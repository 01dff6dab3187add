/*
 * fuzz_policy.h: a policy's text as a network plan, for targets that need one.
 */
#ifndef FUZZ_POLICY_H
#define FUZZ_POLICY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/builtin.h"
#include "policy/compile.h"

static union plan_net_room fuzz_policy_room;

static int
fuzz_policy_open(void *arg, uint32_t what, const char *reference,
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

static inline void
fuzz_policy_compile(const char *text)
{
	static struct resolve resolved;
	static struct plan plan;
	static struct seccomp_program program;
	struct resolve_request rq = { .text = text,
		.size = strlen(text),
		.name = "p.yaml",
		.dir = "/",
		.home = "",
		.open = fuzz_policy_open };

	if (resolve_policy(&resolved, &rq) == -1 ||
	    compile_policy(&resolved, &plan, &program, &fuzz_policy_room) ==
		-1) {
		(void)fputs(resolved.diag.errors.buf, stderr);
		abort();
	}
	resolve_finish(&resolved);
}

static inline const struct plan_net *
fuzz_policy_net(void)
{
	return &fuzz_policy_room.net;
}

#endif /* !FUZZ_POLICY_H */
