/*
 * unit_policy.h: compile policies whose files are strings.
 *
 * policy_files is a table of references and texts; "ceiling" is the
 * operator's.  What is not there is not found.
 */
#ifndef UNIT_POLICY_H
#define UNIT_POLICY_H

#include "unit.h"

#include "policy/builtin.h"
#include "policy/compile.h"

struct policy_file {
	const char *reference;
	const char *text;
};

static struct resolve policy_resolved;
static struct plan policy_plan;
static struct seccomp_program policy_program;
static union plan_net_room policy_net;

static inline int
policy_open(void *arg, uint32_t what, const char *reference, const char *dir,
    struct arena *a, struct resolve_file *ret, struct err *e)
{
	const struct policy_file *f = arg;

	(void)what;
	(void)dir;
	(void)a;
	if (strcmp(reference, "builtin/default") == 0) {
		(void)snprintf(ret->path, sizeof(ret->path), "%s", reference);
		ret->text = builtin_policy("default", &ret->size);
		return 1;
	}
	for (; f != NULL && f->reference != NULL; f++) {
		if (strcmp(f->reference, reference) != 0)
			continue;
		/* "./x" and "../x" are one file, which lies in /srv. */
		while (*reference == '.' || *reference == '/')
			reference++;
		(void)snprintf(ret->path, sizeof(ret->path), "/srv/%s",
		    reference);
		ret->text = f->text;
		ret->size = strlen(f->text);
		return 1;
	}
	(void)err_set(e, ERR_NOT_FOUND, "no such string");
	return 0;
}

/* 0, or -1 with the errors in policy_resolved; finish by policy_done. */
static inline int
policy_compile(const char *text, const struct policy_file *files)
{
	struct resolve_request rq = { .text = text,
		.size = strlen(text),
		.name = "p.yaml",
		.dir = "/srv",
		.home = "/home/someone",
		.open = policy_open,
		.arg = (void *)(uintptr_t)files };

	if (resolve_policy(&policy_resolved, &rq) == -1)
		return -1;
	return compile_policy(&policy_resolved, &policy_plan, &policy_program,
	    &policy_net);
}

static inline void
policy_done(void)
{
	resolve_finish(&policy_resolved);
}

static inline const char *
policy_string(plan_str s)
{
	return plan_string(&policy_plan, s);
}

/* It must compile; the plan is in policy_plan until policy_done. */
static inline void
policy_good(const char *text, const struct policy_file *files)
{
	if (policy_compile(text, files) == -1)
		fail_msg("%s", policy_resolved.diag.errors.buf);
}

/* It must be refused, with this somewhere in the messages. */
static inline void
policy_bad(const char *text, const struct policy_file *files,
    const char *message)
{
	assert_int_equal(-1, policy_compile(text, files));
	if (strstr(policy_resolved.diag.errors.buf, message) == NULL)
		fail_msg("expected \"%s\" in: %s", message,
		    policy_resolved.diag.errors.buf);
	policy_done();
}

/* The mount at a path, or NULL. */
static inline const struct plan_mount *
policy_mount(const char *path)
{
	uint32_t i;

	for (i = 0; i < policy_plan.nmounts; i++)
		if (strcmp(policy_string(policy_plan.mounts[i].path), path) ==
		    0)
			return &policy_plan.mounts[i];
	return NULL;
}

#endif /* !UNIT_POLICY_H */
