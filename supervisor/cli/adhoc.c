#include "adhoc.h"

#include <string.h>

int
adhoc_add(struct adhoc_list *l, const char *value, struct err *e)
{
	if (l->n == ADHOC_MAX)
		return err_set(e, ERR_LIMIT, "given more than %d times",
		    ADHOC_MAX);
	l->values[l->n++] = value;
	return 0;
}

int
adhoc_used(const struct adhoc *a)
{
	return a->ro.n + a->rw.n + a->env.n + a->allow.n + a->limit.n > 0;
}

/*
 * PATH[:DEST]; DEST is absolute, so a colon in PATH stays what it is.  A
 * relative PATH is ours: the printed policy may be kept anywhere.
 */
static void
adhoc_mount(struct text *t, const char *value, const char *dir)
{
	char path[4096];
	struct text from;
	const char *dest = strrchr(value, ':');
	size_t n;

	if (dest == NULL || dest[1] != '/')
		dest = NULL;
	n = dest != NULL ? (size_t)(dest - value) : strlen(value);
	text_init(&from, path, sizeof(path));
	if (value[0] != '/' && value[0] != '~')
		text_addf(&from, "%s/", dir[1] != '\0' ? dir : "");
	text_addf(&from, "%.*s", (int)n, value);
	t->truncated |= from.truncated;
	text_add(t, "{from: ");
	text_add_json(t, path);
	if (dest != NULL) {
		text_add(t, ", path: ");
		text_add_json(t, dest + 1);
	}
	text_add(t, "}");
}

static void
adhoc_mounts(struct text *t, const char *key, const struct adhoc_list *l,
    const char *dir)
{
	size_t i;

	if (l->n == 0)
		return;
	text_addf(t, "  %s:\n", key);
	for (i = 0; i < l->n; i++) {
		text_add(t, "    - ");
		adhoc_mount(t, l->values[i], dir);
		text_add(t, "\n");
	}
}

/* All set ones as one map, all passed ones as one list. */
static void
adhoc_process(struct text *t, const struct adhoc_list *l)
{
	size_t i, set = 0, passed = 0;

	if (l->n == 0)
		return;
	text_add(t, "process:\n");
	for (i = 0; i < l->n; i++) {
		const char *v = l->values[i], *eq = strchr(v, '=');

		if (eq == NULL)
			continue;
		text_add(t, set++ == 0 ? "  env: {" : ", ");
		text_add_json_bytes(t, v, (size_t)(eq - v));
		text_add(t, ": ");
		text_add_json(t, eq + 1);
	}
	text_add(t, set > 0 ? "}\n" : "");
	for (i = 0; i < l->n; i++) {
		if (strchr(l->values[i], '=') != NULL)
			continue;
		text_add(t, passed++ == 0 ? "  env_pass: [" : ", ");
		text_add_json(t, l->values[i]);
	}
	text_add(t, passed > 0 ? "]\n" : "");
}

/* K=V; the loader knows the keys and says what it accepts. */
static int
adhoc_limits(struct text *t, const struct adhoc_list *l, struct err *e)
{
	size_t i;

	if (l->n == 0)
		return 0;
	text_add(t, "limits:\n");
	for (i = 0; i < l->n; i++) {
		const char *v = l->values[i], *eq = strchr(v, '=');

		if (eq == NULL || eq == v)
			return err_set(e, ERR_INVALID,
			    "--limit %s: write K=V, as in memory=2GiB", v);
		text_add(t, "  ");
		text_add_json_bytes(t, v, (size_t)(eq - v));
		text_addf(t, ": %s\n", eq + 1);
		if (strpbrk(eq, "\n\r#{}[],&*!|>'\"%@`") != NULL)
			return err_set(e, ERR_INVALID,
			    "--limit %s: a number, size or time is wanted", v);
	}
	return 0;
}

static void
adhoc_network(struct text *t, const struct adhoc_list *l)
{
	size_t i;

	if (l->n == 0)
		return;
	text_add(t, "network:\n  services:\n");
	for (i = 0; i < l->n; i++) {
		text_addf(t, "    allow_%zu: {to: ", i + 1);
		text_add_json(t, l->values[i]);
		text_add(t, ", allow: any}\n");
	}
}

/*
 * References to files are relative ones: an absolute path climbs to the
 * root first.
 */
static void
adhoc_extends(struct text *t, const char *file, const char *dir)
{
	char reference[4096];
	struct text r;

	text_init(&r, reference, sizeof(reference));
	text_add(&r, "./");
	for (; file[0] == '/' && *dir != '\0'; dir++)
		text_add(&r, dir[0] == '/' && dir[1] != '\0' ? "../" : "");
	text_add(&r, file[0] == '/' ? file + 1 : file);
	text_add_json(t, reference);
}

int
adhoc_write(const struct adhoc *a, const char *dir, struct text *t,
    struct err *e)
{
	text_addf(t, "policy: 1\nname: %s\nextends: [",
	    adhoc_used(a) ? "ad-hoc" : "default");
	if (a->policy != NULL)
		adhoc_extends(t, a->policy, dir);
	else
		text_add(t, "builtin/default");
	text_add(t, "]\n");
	adhoc_process(t, &a->env);
	if (a->ro.n + a->rw.n > 0)
		text_add(t, "filesystem:\n");
	adhoc_mounts(t, "read", &a->ro, dir);
	adhoc_mounts(t, "write", &a->rw, dir);
	if (adhoc_limits(t, &a->limit, e) == -1)
		return -1;
	adhoc_network(t, &a->allow);
	if (t->truncated)
		return err_set(e, ERR_LIMIT, "flags: more than %d bytes",
		    ADHOC_BYTES);
	return 0;
}
