#include <stdio.h>
#include <string.h>

#include "path.h"
#include "rules.h"
#include "schema.h"

enum {
	RULES_READ = 1 << 0 | 1 << 1 | 1 << 2, /* GET, HEAD, OPTIONS */
	RULES_HTTPS = 443,
};

static int
is_word(const struct yaml_node *n, const char *word)
{
	return n != NULL && n->text[0] != '\0' && strcmp(n->text, word) == 0;
}

static struct yaml_node *
find_item(const struct yaml_node *list, const char *text)
{
	struct yaml_node *n;

	if (list == NULL || list->kind != YAML_LIST)
		return NULL;
	for (n = list->first; n != NULL; n = n->next)
		if (strcmp(n->text, text) == 0)
			return n;
	return NULL;
}

/* Put "key: text" into a mapping that lacks it, at the place of "like". */
static struct yaml_node *
put_string(struct yaml_node *map, const char *key, const char *text,
    const struct yaml_node *like)
{
	struct yaml_node *k = yaml_new(like, YAML_STRING);
	struct yaml_node *v = yaml_new(like, YAML_STRING);

	k->text = key;
	v->text = text;
	yaml_append(map, k, v);
	return v;
}

void
rules_process(struct yaml_node *n, struct diag *d)
{
	const struct yaml_node *pass = yaml_get(n, "env_pass");
	const struct yaml_node *env = yaml_get(n, "env"), *v, *other;

	for (v = env == NULL ? NULL : env->first; v != NULL; v = v->next)
		if ((other = find_item(pass, v->key->text)) != NULL)
			diag_error(d, yaml_place(other),
			    "%s is passed here and set in line %u: choose one",
			    other->text, v->key->line);
}

/* ---- mounts ----------------------------------------------------------- */

static int
check_jail_path(const struct yaml_node *path, struct diag *d)
{
	const char *why;

	if (path->source->ceiling ||
	    (why = path_jail_refused(path->text)) == NULL)
		return 0;
	diag_error(d, yaml_place(path),
	    "nothing may be mounted at %s in a jail: %s", path->text, why);
	return -1;
}

static void
check_host_path(const struct yaml_node *from, int writing, struct diag *d)
{
	const char *home = from->source->home, *why;

	if (from->source->ceiling)
		return;
	if (writing && (why = path_write_refused(from->text, home)) != NULL)
		diag_error(d, yaml_place(from), "%s cannot be given: %s",
		    from->text, why);
	else if ((why = path_host_refused(from->text, home)) != NULL)
		diag_error(d, yaml_place(from), "%s cannot be given: %s",
		    from->text, why);
}

/* A new directory without a size gets the one of the key's table. */
static void
complete_size(struct yaml_node *n)
{
	const struct schema_key *k = schema_find(n->type, "size");
	struct yaml_node *size;

	if (k == NULL || n->source->ceiling || yaml_get(n, "size") != NULL)
		return;
	size = put_string(n, "size", k->initial, n);
	size->type = k->type;
	size->note = "default";
	if (text_parse_size(k->initial, k->type->max, &size->number, NULL))
		abort();
}

static void
check_mount(struct yaml_node *n, int writing, struct diag *d)
{
	const struct yaml_node *from = yaml_get(n, "from");
	struct yaml_node *path = yaml_get(n, "path");

	if (from != NULL)
		check_host_path(from, writing, d);
	else
		complete_size(n);
	if (from != NULL && path == NULL && !n->source->ceiling)
		path = put_string(n, "path",
		    arena_printf(n->source->arena, "/mnt%s",
			strcmp(from->text, "/") == 0 ? "" : from->text),
		    from);
	if (path == NULL)
		return;
	if (path_defect(path->text) != NULL)
		diag_error(d, yaml_place(path),
		    "the path under /mnt is too long; give one with path:");
	else
		(void)check_jail_path(path, d);
}

void
rules_read(struct yaml_node *n, struct diag *d)
{
	check_mount(n, 0, d);
}

void
rules_write(struct yaml_node *n, struct diag *d)
{
	check_mount(n, 1, d);
}

void
rules_tmpfs(struct yaml_node *n, struct diag *d)
{
	check_mount(n, 0, d);
}

void
rules_rootfs(struct yaml_node *n, struct diag *d)
{
	check_host_path(yaml_get(n, "dir"), 0, d);
	complete_size(n);
}

/* Report every mount of list whose path is already in seen[]. */
static void
check_twice(const struct yaml_node *list, const struct yaml_node **seen,
    size_t *nseen, struct diag *d)
{
	const struct yaml_node *m, *path;
	size_t i;

	for (m = list == NULL ? NULL : list->first; m != NULL; m = m->next) {
		path = yaml_get(m, "path");
		for (i = 0; i < *nseen; i++)
			if (strcmp(seen[i]->text, path->text) == 0)
				break;
		if (i < *nseen)
			diag_error(d, yaml_place(path),
			    "%s is mounted twice, first in line %u", path->text,
			    seen[i]->line);
		else
			seen[(*nseen)++] = path;
	}
}

void
rules_filesystem(struct yaml_node *n, struct diag *d)
{
	static const char *const lists[] = { "read", "write", "tmpfs" };
	const struct yaml_node *seen[countof(lists) * YAML_ITEMS_MAX];
	size_t nseen = 0, i;

	if (n->source->ceiling)
		return;
	for (i = 0; i < countof(lists); i++)
		check_twice(yaml_get(n, lists[i]), seen, &nseen, d);
}

void
rules_seccomp(struct yaml_node *n, struct diag *d)
{
	const struct yaml_node *deny = yaml_get(n, "deny");
	const struct yaml_node *allow = yaml_get(n, "allow"), *v, *other;

	for (v = allow == NULL ? NULL : allow->first; v != NULL; v = v->next)
		if ((other = find_item(deny, v->text)) != NULL)
			diag_error(d, yaml_place(v),
			    "%s is allowed here and denied in line %u: one "
			    "system call cannot have two verdicts",
			    v->text, other->line);
}

/* ---- network ------------------------------------------------------------ */

uint32_t
rules_methods(const struct yaml_node *rule)
{
	const struct yaml_node *m = yaml_get(rule, "methods"), *v;
	uint32_t set = 0;

	if (m == NULL)
		return 0;
	if (m->kind != YAML_LIST)
		return RULES_READ;
	for (v = m->first; v != NULL; v = v->next)
		set |= 1u << v->number;
	return set;
}

static int
same_text(const struct yaml_node *a, const struct yaml_node *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a->text, b->text) == 0;
}

static int
same_query(const struct yaml_node *a, const struct yaml_node *b)
{
	const struct yaml_node *v;

	if (a == NULL || b == NULL)
		return a == b;
	if (a->count != b->count)
		return 0;
	for (v = a->first; v != NULL; v = v->next)
		if (yaml_get(b, v->key->text) == NULL ||
		    !same_text(v, yaml_get(b, v->key->text)))
			return 0;
	return 1;
}

int
rules_same_matcher(const struct yaml_node *a, const struct yaml_node *b)
{
	return rules_methods(a) == rules_methods(b) &&
	       same_text(yaml_get(a, "path"), yaml_get(b, "path")) &&
	       same_query(yaml_get(a, "query"), yaml_get(b, "query"));
}

struct verdict_list {
	const char *key, *verb;
};

/* Whether two lists of a service judge one matcher. */
static void
check_verdicts(const struct yaml_node *service, const struct verdict_list *one,
    const struct verdict_list *other, struct diag *d)
{
	const struct yaml_node *x = yaml_get(service, one->key), *a, *b;
	const struct yaml_node *y = yaml_get(service, other->key);

	if (x == NULL || x->kind != YAML_LIST || y == NULL)
		return;
	for (b = y->first; b != NULL; b = b->next)
		for (a = x->first; a != NULL; a = a->next)
			if (rules_same_matcher(a, b))
				diag_error(d, yaml_place(b),
				    "this %s what line %u %s: one matcher "
				    "cannot have two verdicts",
				    other->verb, a->line, one->verb);
}

/* A single host becomes a list of one, and every host gets its port. */
static void
complete_to(struct yaml_node *to, int tcp, struct diag *d)
{
	struct yaml_node *one, *v;

	if (to->kind != YAML_LIST) {
		one = yaml_new(to, YAML_STRING);
		one->text = to->text;
		one->number = to->number;
		to->kind = YAML_LIST;
		to->text = "";
		yaml_append(to, NULL, one);
	}
	for (v = to->first; v != NULL; v = v->next) {
		if (v->number != 0)
			continue;
		if (tcp)
			diag_error(d, yaml_place(v),
			    "a tcp service needs a port, such as %s:5432",
			    v->text);
		v->number = RULES_HTTPS;
		v->text = arena_printf(v->source->arena, "%s:%d", v->text,
		    RULES_HTTPS);
	}
}

/* Keys that need to see inside the stream, where nobody does. */
static void
check_opaque(const struct yaml_node *n, const char *what, struct diag *d)
{
	static const char *const keys[] = { "ask", "deny", "body" };
	const struct yaml_node *allow = yaml_get(n, "allow"), *v;
	size_t i;

	if (allow->kind == YAML_LIST)
		diag_error(d, yaml_place(allow),
		    "%s is not looked into, so it has no rules; write allow: "
		    "any",
		    what);
	for (i = 0; i < countof(keys); i++)
		if ((v = yaml_get(n, keys[i])) != NULL)
			diag_error(d, yaml_place(v->key),
			    "%s is not looked into, so \"%s\" cannot be "
			    "enforced",
			    what, keys[i]);
}

void
rules_service(struct yaml_node *n, struct diag *d)
{
	static const struct verdict_list lists[] = {
		{ "allow", "allows" },
		{ "ask", "asks about" },
		{ "deny", "denies" },
	};
	const struct yaml_node *tls = yaml_get(n, "tls");
	size_t i, k;
	int tcp = is_word(yaml_get(n, "protocol"), "tcp");

	complete_to(yaml_get(n, "to"), tcp, d);
	for (i = 0; i < countof(lists); i++)
		for (k = 0; k < i; k++)
			check_verdicts(n, &lists[k], &lists[i], d);
	if (tcp && tls != NULL)
		diag_error(d, yaml_place(tls->key),
		    "a tcp service is passed on as it is; \"tls\" is for http");
	if (tcp)
		check_opaque(n, "a tcp service", d);
	else if (is_word(tls, "splice"))
		check_opaque(n, "a spliced service", d);
}

void
rules_credential(struct yaml_node *n, struct diag *d)
{
	const struct yaml_node *inject = yaml_get(n, "inject"), *v, *when;

	if (yaml_get(n, "placeholder") != NULL)
		return;
	for (v = inject == NULL ? NULL : inject->first; v != NULL;
	     v = v->next) {
		when = yaml_get(v, "when");
		if (is_word(when, "placeholder"))
			diag_error(d, yaml_place(when),
			    "when: placeholder, but this credential has no "
			    "placeholder");
	}
}
