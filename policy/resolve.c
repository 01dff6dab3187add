#include <stdio.h>
#include <string.h>

#include "address.h"
#include "canon.h"
#include "resolve.h"
#include "validate.h"

struct visit {
	struct resolve *r;
	const struct resolve_request *rq;
	unsigned files; /* asked for, found or not */
};

/* What a service template may say; it must not touch anything else. */
static const char *const template_keys[] = { "policy", "name", "kind",
	"summary", "network" };

static int visit_references(struct visit *v, struct resolve_layer *l);
static int expand_managers(struct visit *v, struct resolve_layer *l);

static struct diag_place
whole_file(const struct yaml_source *s)
{
	return (struct diag_place){ s->name, 0, 0 };
}

/* The directory of an absolute path; of "builtin/…" there is none. */
static const char *
directory_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (*path != '/' || slash == path)
		return "/";
	return arena_copy(a, path, (size_t)(slash - path));
}

/* The policy in a file that says other things too. */
static struct yaml_node *
take_section(struct visit *v, const struct resolve_layer *l)
{
	struct yaml_node *n = yaml_get(l->root, v->rq->section);

	if (n == NULL)
		diag_error(&v->r->diag, whole_file(&l->source), "it has no %s",
		    v->rq->section);
	return n;
}

/* Parse and validate into the next layer; NULL with errors in r->diag. */
static struct resolve_layer *
add_layer(struct visit *v, const struct yaml_source *source, const char *path,
    const char *text, size_t size)
{
	struct resolve *r = v->r;
	struct resolve_layer *l = &r->layers[r->nlayers];

	memset(l, 0, sizeof(*l));
	l->source = *source;
	l->source.arena = &r->arena;
	(void)snprintf(l->path, sizeof(l->path), "%s", path);
	l->root = yaml_parse(&l->source, text, size, &r->diag);
	if (l->root != NULL && r->nlayers == 0 && v->rq->section != NULL)
		l->root = take_section(v, l);
	if (l->root == NULL)
		return NULL;
	l->source.ceiling = validate_is_ceiling(l->root);
	if (expand_managers(v, l) == -1)
		return NULL;
	if (validate_policy(l->root, &r->diag) == -1)
		return NULL;
	r->nlayers++;
	return l;
}

static struct resolve_layer *
find_layer(struct resolve *r, const char *path)
{
	unsigned i;

	for (i = 0; i < r->nlayers; i++)
		if (strcmp(r->layers[i].path, path) == 0)
			return &r->layers[i];
	return NULL;
}

static int
is_ancestor(const struct resolve_layer *l, const struct resolve_layer *of)
{
	for (; of != NULL; of = of->by)
		if (of == l)
			return 1;
	return 0;
}

/* A file that is there already: fine, unless it leads back to itself. */
static int
meet_again(struct visit *v, const struct resolve_layer *other,
    const struct resolve_layer *by, const struct yaml_node *ref)
{
	if (!is_ancestor(other, by))
		return 0;
	diag_error(&v->r->diag, yaml_place(ref),
	    "%s leads back to %s: policies cannot extend themselves", ref->text,
	    other->source.name);
	return -1;
}

static int
check_template(struct visit *v, const struct resolve_layer *l)
{
	const struct yaml_node *n;
	size_t i;

	for (n = l->root->first; n != NULL; n = n->next) {
		for (i = 0; i < countof(template_keys); i++)
			if (strcmp(n->key->text, template_keys[i]) == 0)
				break;
		if (i < countof(template_keys))
			continue;
		diag_error(&v->r->diag, yaml_place(n->key),
		    "a service template speaks of \"network\" alone, not of "
		    "\"%s\"",
		    n->key->text);
		return -1;
	}
	return 0;
}

/* What the file found may be, seen from the one that asks. */
static int
check_kinds(struct visit *v, const struct resolve_layer *l, uint32_t what,
    const struct yaml_node *ref)
{
	struct diag *d = &v->r->diag;

	if (what == CONFIG_WHAT_SERVICE && l->source.ceiling) {
		diag_error(d, yaml_place(ref),
		    "%s is a ceiling, not a service template", ref->text);
		return -1;
	}
	if (what == CONFIG_WHAT_SERVICE)
		return check_template(v, l);
	if (ref->source->ceiling && !l->source.ceiling) {
		diag_error(d, yaml_place(ref),
		    "a ceiling can extend ceilings only, and %s is a grant",
		    ref->text);
		return -1;
	}
	return 0;
}

/* Ask for a file; 1 found, 0 none, -1 with an error in the diagnostics. */
static int
ask(struct visit *v, uint32_t what, const char *reference, const char *dir,
    struct diag_place at, struct resolve_file *ret)
{
	struct err e = { .code = ERR_OK };
	int rc;

	if (v->files++ == CONFIG_FILES_MAX) {
		diag_error(&v->r->diag, at,
		    "this policy draws in more than %d files",
		    CONFIG_FILES_MAX);
		return -1;
	}
	rc = v->rq->open(v->rq->arg, what, reference, dir, &v->r->arena, ret,
	    &e);
	if (rc == 0 && what == CONFIG_WHAT_CEILING)
		return 0;
	if (rc != 1)
		diag_error(&v->r->diag, at, "\"%s\" %s: %s", reference,
		    rc == 0 ? "is not to be found" : "cannot be read", e.msg);
	return rc == 1 ? 1 : -1;
}

/* A file that was found; NULL with an error in the diagnostics. */
static struct resolve_layer *
add_file(struct visit *v, const struct resolve_file *file)
{
	struct yaml_source source = { .name = file->path,
		.dir = directory_of(&v->r->arena, file->path),
		.home = v->rq->home };

	return add_layer(v, &source, file->path, file->text, file->size);
}

/* ---- package managers ------------------------------------------------------ */

/* A string at the place that the line names: "FILE:LINE", "(…)". */
static struct yaml_node *
node_at(struct visit *v, const char *origin, const char *text)
{
	struct arena *a = &v->r->arena;
	struct yaml_source *source = arena_alloc(a, sizeof(*source));
	struct yaml_node *n = arena_alloc(a, sizeof(*n));
	const char *colon = strrchr(origin, ':');
	uint64_t line = 0;

	if (colon == NULL ||
	    text_parse_u64(colon + 1, UINT32_MAX, &line, NULL) == -1)
		colon = origin + strlen(origin);
	*source = (struct yaml_source){ .name = arena_copy(a, origin,
					    (size_t)(colon - origin)),
		.dir = "/",
		.home = "",
		.arena = a };
	*n = (struct yaml_node){ .kind = YAML_STRING,
		.quoted = 1,
		.text = text,
		.source = source,
		.line = (unsigned)line,
		.column = 1 };
	return n;
}

/* "NAME=VALUE", kept until the layers are one. */
static void
keep_env(struct visit *v, const char *origin, const char *text)
{
	const char *equals = strchr(text, '=');
	struct yaml_node *key, *value;

	if (equals == NULL)
		return;
	key = node_at(v, origin,
	    arena_copy(&v->r->arena, text, (size_t)(equals - text)));
	value = node_at(v, origin, equals + 1);
	if (v->r->env == NULL)
		v->r->env = yaml_new(key, YAML_MAP);
	if (yaml_get(v->r->env, key->text) == NULL)
		yaml_append(v->r->env, key, value);
}

/* "{from: FILE, path: PATH}", kept until all layers are there. */
static int
keep_file(struct visit *v, const char *from, const char *path)
{
	struct resolve *r = v->r;
	struct resolve_shown *s;
	unsigned i;

	for (i = 0; i < r->nshown; i++)
		if (strcmp(r->shown[i].path, path) == 0)
			return 0;
	if (r->nshown == RESOLVE_SHOWN_MAX)
		return -1;
	s = &r->shown[r->nshown++];
	s->from = from;
	s->path = path;
	return 0;
}

/*
 * What a file of this host names may be on the premises; on the host itself
 * only if the file says that.  What came with a manager is what it is everywhere.
 */
static uint32_t
open_of(const char *text, const char *origin)
{
	char host[CANON_HOST_SIZE];
	struct net_address a;
	uint32_t port;

	if (origin[0] != '/' ||
	    canon_authority(text, strlen(text), 0, host, &port, NULL) == -1)
		return PLAN_NET_OPEN_PUBLIC;
	if (strcmp(host, "localhost") == 0 ||
	    (canon_host_address(host, &a) &&
		address_judge(&a, port, NULL) == ADDRESS_HOST))
		return PLAN_NET_OPEN_HOST;
	return PLAN_NET_OPEN_PRIVATE;
}

/* "WORD TEXT TAB ORIGIN" (manager.h). */
static int
expand_line(struct visit *v, const char *line, size_t n, struct yaml_node *to)
{
	struct arena *a = &v->r->arena;
	const char *space = memchr(line, ' ', n), *tab = memchr(line, '\t', n);
	struct yaml_node *host;
	const char *text, *origin;

	if (space == NULL || tab == NULL || tab < space)
		return -1;
	text = arena_copy(a, space + 1, (size_t)(tab - space - 1));
	origin = arena_copy(a, tab + 1, (size_t)(line + n - tab - 1));
	if (strncmp(line, "env ", 4) == 0) {
		keep_env(v, origin, text);
		return 0;
	}
	if (strncmp(line, "file ", 5) == 0)
		return keep_file(v, origin, text);
	host = node_at(v, origin, text);
	host->plain = strncmp(line, "plain ", 6) == 0;
	host->open = open_of(text, origin);
	yaml_append(to, NULL, host);
	return 0;
}

/* {manager: NAME} becomes the list of its hosts, in place. */
static int
expand_manager(struct visit *v, struct yaml_node *to,
    const struct yaml_node *name)
{
	struct resolve_file *file = arena_alloc(&v->r->arena, sizeof(*file));
	const char *s, *end, *next;
	int rc = ask(v, CONFIG_WHAT_MANAGER, name->text, "/", yaml_place(name),
	    file);

	if (rc != 1)
		return -1;
	to->kind = YAML_LIST;
	to->first = to->last = NULL;
	to->count = 0;
	end = file->text + file->size;
	for (s = file->text; s < end; s = next + 1) {
		next = memchr(s, '\n', (size_t)(end - s));
		if (next == NULL ||
		    expand_line(v, s, (size_t)(next - s), to) == -1) {
			diag_error(&v->r->diag, yaml_place(name),
			    "the hosts of %s cannot be read", name->text);
			return -1;
		}
	}
	if (to->count == 0)
		diag_error(&v->r->diag, yaml_place(name),
		    "the configuration of %s names no host", name->text);
	return to->count == 0 ? -1 : 0;
}

static int
expand_managers(struct visit *v, struct resolve_layer *l)
{
	const struct yaml_node *services =
	    yaml_get(yaml_get(l->root, "network"), "services");
	const struct yaml_node *n, *name;
	struct yaml_node *to;

	for (n = services == NULL ? NULL : services->first; n != NULL;
	     n = n->next) {
		to = yaml_get(n, "to");
		name = yaml_get(to, "manager");
		if (name != NULL && to->count == 1 &&
		    name->kind == YAML_STRING &&
		    expand_manager(v, to, name) == -1)
			return -1;
	}
	return 0;
}

static int
is_passed(const struct yaml_node *process, const char *name)
{
	const struct yaml_node *pass = yaml_get(process, "env_pass"), *n;

	for (n = pass == NULL ? NULL : pass->first; n != NULL; n = n->next)
		if (strcmp(n->text, name) == 0)
			return 1;
	return 0;
}

/* A mapping's mapping, made if it is not there. */
static struct yaml_node *
submap(struct yaml_node *map, const char *name, const struct schema_key *k)
{
	struct yaml_node *n = yaml_get(map, name), *key;

	if (n != NULL)
		return n;
	key = yaml_new(map, YAML_STRING);
	key->text = name;
	n = yaml_new(map, YAML_MAP);
	n->type = k->type;
	yaml_append(map, key, n);
	return n;
}

/* What the policy itself says of a variable counts. */
static void
add_env(struct resolve *r)
{
	const struct schema_key *k = schema_path("process.env");
	struct yaml_node *process, *env, *n, *next;

	if (r->env == NULL || r->layers[0].source.ceiling)
		return;
	process = submap(r->root, "process", schema_path("process"));
	env = submap(process, "env", k);
	for (n = r->env->first; n != NULL; n = next) {
		next = n->next;
		n->type = k->type->item;
		if (yaml_get(env, n->key->text) == NULL &&
		    !is_passed(process, n->key->text))
			yaml_append(env, n->key, n);
	}
}

/* Has some grant something of its own there, or another root around it? */
static int
is_spoken_for(const struct resolve *r, const char *path)
{
	static const char *const lists[] = { "read", "write", "tmpfs" };
	const struct yaml_node *fs, *list, *n, *at;
	unsigned i, k;

	for (i = 0; i < r->nlayers; i++) {
		if (r->layers[i].source.ceiling)
			continue; /* it gives nothing */
		fs = yaml_get(r->layers[i].root, "filesystem");
		n = yaml_get(fs, "rootfs");
		if (n != NULL && n->kind == YAML_MAP)
			return 1;
		for (k = 0; k < countof(lists); k++) {
			list = yaml_get(fs, lists[k]);
			for (n = list == NULL ? NULL : list->first; n != NULL;
			     n = n->next)
				if ((at = yaml_get(n, "path")) != NULL &&
				    at->text != NULL &&
				    text_path_within(path, at->text))
					return 1;
		}
	}
	return 0;
}

/*
 * The files that tell package managers where to ask, as a grant that is
 * farther than every other, so that ceilings cut it as any.  manager.c gives
 * only paths that need no quotes.
 */
static int
add_shown(struct visit *v)
{
	static const struct yaml_source source = { .name = "(package managers)",
		.dir = "/",
		.home = "" };
	struct resolve *r = v->r;
	const char *between = "";
	size_t size = 64;
	struct text t;
	unsigned i;

	for (i = 0; i < r->nshown; i++)
		size +=
		    strlen(r->shown[i].from) + strlen(r->shown[i].path) + 32;
	text_init(&t, arena_alloc(&r->arena, size), size);
	text_add(&t, "policy: 1\nfilesystem: {read: [");
	for (i = 0; i < r->nshown; i++) {
		if (is_spoken_for(r, r->shown[i].path))
			continue;
		text_addf(&t, "%s{from: \"%s\", path: \"%s\"}", between,
		    r->shown[i].from, r->shown[i].path);
		between = ", ";
	}
	text_add(&t, "]}\n");
	if (*between == '\0')
		return 0;
	return add_layer(v, &source, source.name, t.buf, t.len) == NULL ? -1
									: 0;
}

static int
visit_reference(struct visit *v, const struct resolve_layer *by, uint32_t what,
    const struct yaml_node *ref)
{
	struct resolve *r = v->r;
	struct resolve_file *file = arena_alloc(&r->arena, sizeof(*file));
	struct resolve_layer *l;

	if (by->depth == RESOLVE_DEPTH_MAX) {
		diag_error(&r->diag, yaml_place(ref),
		    "policies extend each other more than %d levels deep",
		    RESOLVE_DEPTH_MAX);
		return -1;
	}
	if (ask(v, what, ref->text, by->source.dir, yaml_place(ref), file) != 1)
		return -1;
	if ((l = find_layer(r, file->path)) != NULL)
		return meet_again(v, l, by, ref);
	if ((l = add_file(v, file)) == NULL)
		return -1;
	l->by = by;
	l->depth = by->depth + 1;
	if (check_kinds(v, l, what, ref) == -1)
		return -1;
	return visit_references(v, l);
}

/* The later is the nearer, so a list is walked from its end. */
static int
visit_list(struct visit *v, const struct resolve_layer *l, uint32_t what,
    const struct yaml_node *list)
{
	const struct yaml_node *items[YAML_ITEMS_MAX], *n;
	unsigned count = 0;

	for (n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
		items[count++] = n;
	while (count > 0)
		if (visit_reference(v, l, what, items[--count]) == -1)
			return -1;
	return 0;
}

static int
visit_references(struct visit *v, struct resolve_layer *l)
{
	if (visit_list(v, l, CONFIG_WHAT_SERVICE, yaml_get(l->root, "use")) ==
	    -1)
		return -1;
	return visit_list(v, l, CONFIG_WHAT_EXTENDS,
	    yaml_get(l->root, "extends"));
}

/* ---- the defaults, and the operator's ceiling -------------------------- */

static void
add_section(const struct schema_key *section, struct text *t)
{
	const struct schema_key *k;
	const char *between = "";
	size_t before = t->len;

	text_addf(t, "%s: {", section->name);
	for (k = section->type->keys; k->name != NULL; k++) {
		if (k->initial == NULL || k->since > SCHEMA_BUILD)
			continue;
		text_addf(t, "%s%s: %s", between, k->name, k->initial);
		between = ", ";
	}
	if (strcmp(section->name, "filesystem") == 0)
		text_addf(t, "%stmpfs: [{path: /tmp}]", between);
	text_add(t, "}\n");
	/* Nothing but "name: {}": the section has no defaults. */
	if (*between == '\0') {
		t->len = before;
		t->buf[before] = '\0';
	}
}

/* The column "initial" of schema.c, written as a policy and loaded as one. */
static int
add_defaults(struct visit *v)
{
	static const struct yaml_source source = { .name = "(default)",
		.dir = "/",
		.home = "" };
	const struct schema_key *k;
	char buf[2048];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "policy: 1\n");
	for (k = schema_policy.keys; k->name != NULL; k++)
		if (k->merge == SCHEMA_INSIDE && k->since <= SCHEMA_BUILD)
			add_section(k, &t);
	if (v->rq->cwd != NULL)
		text_addf(&t, "process: {cwd: \"%s\"}\n", v->rq->cwd);
	return add_layer(v, &source, source.name, buf, t.len) == NULL ? -1 : 0;
}

static int
add_ceiling(struct visit *v)
{
	struct resolve *r = v->r;
	struct resolve_file *file = arena_alloc(&r->arena, sizeof(*file));
	struct resolve_layer *l;
	int rc;

	rc = ask(v, CONFIG_WHAT_CEILING, "ceiling", v->rq->dir,
	    whole_file(&r->layers[0].source), file);
	if (rc != 1 || find_layer(r, file->path) != NULL)
		return rc == -1 ? -1 : 0;
	if ((l = add_file(v, file)) == NULL)
		return -1;
	if (!l->source.ceiling) {
		diag_error(&r->diag, whole_file(&l->source),
		    "this is not a ceiling: it must say kind: ceiling");
		return -1;
	}
	return visit_references(v, l);
}

/* ---- what only the whole can show --------------------------------------- */

static int
was_ever_there(const struct resolve *r, const char *service)
{
	unsigned i;

	for (i = 0; i < r->nlayers; i++)
		if (yaml_get(yaml_get(yaml_get(r->layers[i].root, "network"),
				 "services"),
			service) != NULL)
			return 1;
	return 0;
}

static void
refuse_service(struct resolve *r, const struct yaml_node *ref)
{
	const struct yaml_node *services =
	    yaml_get(yaml_get(r->root, "network"), "services");
	const struct yaml_node *n;
	struct text_guess g;

	text_guess_init(&g, ref->text);
	for (n = services == NULL ? NULL : services->first; n != NULL;
	     n = n->next)
		text_guess_offer(&g, n->key->text);
	if (g.best != NULL)
		diag_error(&r->diag, yaml_place(ref),
		    "there is no service \"%s\"; did you mean \"%s\"?",
		    ref->text, g.best);
	else
		diag_error(&r->diag, yaml_place(ref),
		    "there is no service \"%s\"", ref->text);
}

static void
check_consumers(struct resolve *r, const struct yaml_node *credential)
{
	const struct yaml_node *inject = yaml_get(credential, "inject"), *n;
	const struct yaml_node *services =
	    yaml_get(yaml_get(r->root, "network"), "services");

	for (n = inject == NULL ? NULL : inject->first; n != NULL;
	     n = n->next) {
		const struct yaml_node *ref = yaml_get(n, "service");

		if (yaml_get(services, ref->text) == NULL &&
		    !was_ever_there(r, ref->text))
			refuse_service(r, ref);
	}
}

static int
check_whole(struct resolve *r)
{
	const struct yaml_node *credentials = yaml_get(r->root, "credentials");
	const struct yaml_node *n;

	for (n = credentials == NULL ? NULL : credentials->first; n != NULL;
	     n = n->next)
		check_consumers(r, n);
	return r->diag.errors.count == 0 ? 0 : -1;
}

int
resolve_policy(struct resolve *r, const struct resolve_request *rq)
{
	struct yaml_source source = { .name = rq->name,
		.dir = rq->dir,
		.home = rq->home };
	struct visit v = { .r = r, .rq = rq };
	struct merge_set roots = { 0 };
	struct resolve_layer *main_layer;
	char path[CONFIG_PATH_MAX];
	unsigned i;

	arena_init(&r->arena);
	diag_init(&r->diag);
	r->nlayers = 0;
	r->root = NULL;
	r->env = NULL;
	r->nshown = 0;
	/* So that a file that extends itself is recognised. */
	(void)snprintf(path, sizeof(path), "%s/%s",
	    strcmp(rq->dir, "/") == 0 ? "" : rq->dir,
	    strrchr(rq->name, '/') == NULL ? rq->name
					   : strrchr(rq->name, '/') + 1);
	main_layer = add_layer(&v, &source, path, rq->text, rq->size);
	if (main_layer == NULL || visit_references(&v, main_layer) == -1)
		return -1;
	if (!main_layer->source.ceiling &&
	    (add_ceiling(&v) == -1 || add_shown(&v) == -1 ||
		add_defaults(&v) == -1))
		return -1;
	for (i = 0; i < r->nlayers; i++)
		roots.node[roots.count++] = r->layers[i].root;
	r->root = merge_layers(&roots, &r->arena, &r->diag);
	add_env(r);
	return check_whole(r);
}

void
resolve_finish(struct resolve *r)
{
	arena_finish(&r->arena);
}
