#include "environ.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
	const char *name, *value;
} environ_standard[] = {
	{ "PATH",    "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin" },
	{ "HOME",    "/home/agent" },
	{ "USER",    "agent" },
	{ "LOGNAME", "agent" },
	{ "SHELL",   "/bin/sh" },
};

/* clang-format on */

static int
environ_is(const char *entry, const char *name, size_t n)
{
	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

/* The value of a name in the caller's environment, or NULL. */
static const char *
environ_find(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env != NULL && *env != NULL; env++) {
		if (environ_is(*env, name, n))
			return *env + n + 1;
	}
	return NULL;
}

/* A later setting of a name takes the earlier one's place. */
static int
environ_set(struct environ *v, const char *name, const char *value,
    struct err *e)
{
	size_t n = strlen(name), m = strlen(value), i;
	char *to = v->bytes + v->used;

	if (n + m + 2 > sizeof(v->bytes) - v->used)
		return err_set(e, ERR_LIMIT, "environment: more than %d bytes",
		    ENVIRON_BYTES);
	memcpy(to, name, n);
	to[n] = '=';
	memcpy(to + n + 1, value, m + 1);
	v->used += n + m + 2;
	for (i = 0; i < v->n; i++) {
		if (environ_is(v->vector[i], name, n))
			break;
	}
	if (i == ENVIRON_MAX)
		return err_set(e, ERR_LIMIT,
		    "environment: more than %d variables", ENVIRON_MAX);
	v->vector[i] = to;
	if (i == v->n)
		v->vector[++v->n] = NULL;
	return 0;
}

int
environ_make(struct environ *v, const struct plan *p, char *const *caller,
    struct err *e)
{
	size_t i;
	int r = 0;

	v->n = v->used = 0;
	v->vector[0] = NULL;
	for (i = 0; i < countof(environ_standard) && r == 0; i++)
		r = environ_set(v, environ_standard[i].name,
		    environ_standard[i].value, e);
	for (i = 0; i < p->nenv && r == 0; i++) {
		const char *name = plan_string(p, p->env[i].name);
		const char *value = p->env[i].pass
					? environ_find(caller, name)
					: plan_string(p, p->env[i].value);

		if (value != NULL)
			r = environ_set(v, name, value, e);
	}
	return r;
}

int
environ_add(struct environ *v, const char *name, const char *value, int yields,
    struct err *e)
{
	size_t n = strlen(name), i;

	for (i = 0; yields && i < v->n; i++)
		if (environ_is(v->vector[i], name, n))
			return 0;
	return environ_set(v, name, value, e);
}

int
environ_add_all(struct environ *v, const char *const *pairs, struct err *e)
{
	char name[256];

	for (; *pairs != NULL; pairs++) {
		const char *equals = strchr(*pairs, '=');
		int n = (int)(equals - *pairs);

		(void)snprintf(name, sizeof(name), "%.*s", n, *pairs);
		if (environ_add(v, name, equals + 1, 0, e) == -1)
			return -1;
	}
	return 0;
}
