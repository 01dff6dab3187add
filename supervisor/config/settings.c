/*
 * settings.c: warder.yaml, by its table.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "policy/path.h"
#include "policy/settings_bounds.h"
#include "policy/validate.h"

/* ---- forms ---- */

/* "127.0.0.1:8123", "[::1]:8123"; number is the port. */
static int
settings_split(const char *s, char host[SETTINGS_ADDRESS_SIZE],
    uint64_t *ret_port)
{
	const char *colon = strrchr(s, ':');
	size_t n = colon == NULL ? 0 : (size_t)(colon - s);
	struct in6_addr a;

	if (n == 0 || n >= SETTINGS_ADDRESS_SIZE ||
	    text_parse_u64(colon + 1, 65535, ret_port, NULL) == -1)
		return -1;
	if (s[0] == '[' && colon[-1] == ']' && n > 2) {
		memcpy(host, s + 1, n - 2);
		host[n - 2] = '\0';
		return inet_pton(AF_INET6, host, &a) == 1 ? 0 : -1;
	}
	memcpy(host, s, n);
	host[n] = '\0';
	return inet_pton(AF_INET, host, &a) == 1 ? 0 : -1;
}

static const char *
settings_address(struct yaml_node *n)
{
	char host[SETTINGS_ADDRESS_SIZE];

	if (n->text[0] != '/')
		return settings_split(n->text, host, &n->number) == 0
			   ? NULL
			   : "is not ADDRESS:PORT, such as 127.0.0.1:8123 or "
			     "[::1]:8123, and not the absolute path of a "
			     "socket";
	if (strlen(n->text) >= SETTINGS_ADDRESS_SIZE)
		return "is too long for a socket's path: at most 107 bytes";
	return path_defect(n->text);
}

static const char *
settings_path(struct yaml_node *n)
{
	return strlen(n->text) < SETTINGS_PATH_SIZE
		   ? path_defect(n->text)
		   : "is longer than 1023 bytes";
}

static const char *
settings_tenant(struct yaml_node *n)
{
	return settings_is_tenant(n->text, strlen(n->text) + 1)
		   ? NULL
		   : "is not a tenant's name: lower-case letters, digits and "
		     "\"-\", at most 40";
}

/* As browsers send it: RFC 6454, section 7. */
static const char *
settings_origin(struct yaml_node *n)
{
	const char *host = strstr(n->text, "://");

	if (strlen(n->text) >= SETTINGS_ORIGIN_SIZE || host == NULL ||
	    (strncmp(n->text, "https://", 8) != 0 &&
		strncmp(n->text, "http://", 7) != 0) ||
	    host[3] == '\0' ||
	    host[3 + strspn(host + 3, "abcdefghijklmnopqrstuvwxyz0123456789"
				      ".-:[]")] != '\0')
		return "is not an origin, such as https://app.example.com";
	return NULL;
}

/* ---- the keys ---- */

/* clang-format off */
#define KEY(name, type, flags, doc) \
	{ name, &(type), flags, SCHEMA_SELF, SCHEMA_BUILD, NULL, doc }
/* What no part of this build looks at is refused by name. */
#define LATER(name, type, doc) \
	{ name, &(type), 0, SCHEMA_SELF, SCHEMA_LATER, NULL, doc }
#define END { NULL, NULL, 0, SCHEMA_SELF, 0, NULL, NULL }

static const struct schema_type version_type = { .shape = SCHEMA_INT,
	.min = 1, .max = 1, .wants = "1, the only version there is" };
static const struct schema_type bool_type = { .shape = SCHEMA_BOOL,
	.wants = "true or false" };
static const struct schema_type address_type = { .shape = SCHEMA_STRING,
	.form = settings_address, .wants = "ADDRESS:PORT or a path" };
static const struct schema_type listen_map = { .shape = SCHEMA_MAP,
	.wants = "{address: ADDRESS:PORT, tls: true}",
	.keys = (const struct schema_key[]){
	KEY("address", address_type, SCHEMA_REQUIRED, "Where."),
	KEY("tls", bool_type, 0, "Whether with TLS."),
	END } };
static const struct schema_type listen_item = { .shape = SCHEMA_UNION,
	.scalar = &address_type, .map = &listen_map,
	.wants = "ADDRESS:PORT, a path, or {address: …, tls: true}" };
static const struct schema_type listen_list = { .shape = SCHEMA_LIST,
	.item = &listen_item, .min = 1, .wants = "a list of addresses" };
static const struct schema_type path_type = { .shape = SCHEMA_STRING,
	.form = settings_path, .wants = "an absolute path" };
static const struct schema_type path_list = { .shape = SCHEMA_LIST,
	.item = &path_type, .wants = "a list of directories" };
static const struct schema_type tls_type = { .shape = SCHEMA_MAP,
	.wants = "{cert: FILE, key: FILE}", .keys = (const struct schema_key[]){
	KEY("cert", path_type, SCHEMA_REQUIRED, "The chain, PEM."),
	KEY("key", path_type, SCHEMA_REQUIRED, "Its key, PEM."),
	END } };
static const struct schema_type tenant_type = { .shape = SCHEMA_STRING,
	.form = settings_tenant, .wants = "a tenant's name" };
static const struct schema_type tenant_list = { .shape = SCHEMA_LIST,
	.item = &tenant_type, .min = 1, .wants = "a list of names" };
static const struct schema_type origin_type = { .shape = SCHEMA_STRING,
	.form = settings_origin, .wants = "an origin" };
static const struct schema_type origin_list = { .shape = SCHEMA_LIST,
	.item = &origin_type, .wants = "a list of origins" };
static const struct schema_type jails_type = { .shape = SCHEMA_INT,
	.min = 1, .max = SETTINGS_JAILS_MAX,
	.wants = "a number from 1 to 4000" };
static const struct schema_type count_type = { .shape = SCHEMA_INT,
	.min = 1, .max = SETTINGS_COUNT_MAX,
	.wants = "a number from 1 to 1000000" };
static const struct schema_type body_type = { .shape = SCHEMA_SIZE,
	.min = BOUND_KIB, .max = SETTINGS_BODY_MAX,
	.wants = "a size such as 4MiB, from 1KiB to 256MiB" };
static const struct schema_type archive_type = { .shape = SCHEMA_SIZE,
	.min = BOUND_KIB, .max = SETTINGS_ARCHIVE_MAX,
	.wants = "a size such as 64MiB, from 1KiB to 1GiB" };
static const struct schema_type tree_type = { .shape = SCHEMA_SIZE,
	.min = SETTINGS_AGENT_MIN, .max = SETTINGS_AGENT_MAX,
	.wants = "a size such as 256MiB, from 1MiB to 16GiB" };
static const struct schema_type limits_type = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("jails", jails_type, 0, "Alive at once."),
	KEY("jails_per_tenant", jails_type, 0, "The same, of one tenant."),
	KEY("queue", count_type, 0, "Runs of a tenant that wait."),
	KEY("streams", count_type, 0, "Followers of events."),
	KEY("body", body_type, 0, "Bytes of a request."),
	KEY("archive", archive_type, 0, "Bytes of an agent's tar."),
	KEY("agent", tree_type, 0, "Bytes of an agent, unpacked."),
	END } };
static const struct schema_type keep_type = { .shape = SCHEMA_TIME,
	.min = BOUND_SECOND, .max = SETTINGS_TIME_MAX, .none = 1,
	.wants = "a time such as 12h or 30d, or none" };
static const struct schema_type retention_type = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("events", keep_type, 0, "Of finished runs."),
	KEY("runs", keep_type, 0, "That are finished."),
	KEY("threads", keep_type, 0, "Unchanged for so long."),
	END } };
static const struct schema_type agents_type = { .shape = SCHEMA_MAP,
	.wants = "{roots: [DIRECTORY, …]}",
	.keys = (const struct schema_key[]){
	KEY("roots", path_list, 0, "From where agents may be deployed."),
	END } };

static const struct schema_type settings_type = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("warder", version_type, SCHEMA_REQUIRED, "The version: 1."),
	KEY("listen", listen_list, 0, "Where the API is."),
	KEY("tls", tls_type, 0, "Files of its identity."),
	KEY("origins", origin_list, 0, "From where browsers may come."),
	KEY("tenants", tenant_list, 0, "Whose objects are kept apart."),
	KEY("workers", jails_type, 0, "Runs that are worked on at once."),
	KEY("workers_per_tenant", jails_type, 0, "The same, of one tenant."),
	KEY("limits", limits_type, 0, "What is refused beyond them."),
	KEY("retention", retention_type, 0, "How long things are kept."),
	LATER("agents", agents_type, "Where agents come from."),
	END } };

/* clang-format on */

/* ---- the record ---- */

/* Numbers, by where they stand and where they go. */
static const struct {
	const char *section, *key;
	size_t offset;
	int wide; /* 1: 64 bits */
} numbers[] = {

#define N32(s, k, field)                                  \
	{                                                 \
		s, k, offsetof(struct settings, field), 0 \
	}
#define N64(s, k, field)                                  \
	{                                                 \
		s, k, offsetof(struct settings, field), 1 \
	}
	N32(NULL, "workers", workers),
	N32(NULL, "workers_per_tenant", workers_tenant),
	N32("limits", "jails", limits.jails),
	N32("limits", "jails_per_tenant", limits.jails_tenant),
	N32("limits", "queue", limits.queue),
	N32("limits", "streams", limits.streams),
	N64("limits", "body", limits.body_bytes),
	N64("limits", "archive", limits.archive_bytes),
	N64("limits", "agent", limits.agent_bytes),
	N64("retention", "events", retention.events_ms),
	N64("retention", "runs", retention.runs_ms),
	N64("retention", "threads", retention.threads_ms),
#undef N32
#undef N64
};

static void
settings_numbers(struct settings *s, const struct yaml_node *root)
{
	size_t i;

	for (i = 0; i < countof(numbers); i++) {
		const struct yaml_node *at =
		    numbers[i].section == NULL
			? root
			: yaml_get(root, numbers[i].section);
		const struct yaml_node *n = yaml_get(at, numbers[i].key);
		char *to = (char *)s + numbers[i].offset;
		uint32_t narrow = n == NULL ? 0 : (uint32_t)n->number;

		if (n == NULL)
			continue;
		memcpy(to, numbers[i].wide ? (const void *)&n->number : &narrow,
		    numbers[i].wide ? sizeof(n->number) : sizeof(narrow));
	}
}

/* The texts of a list into an array of fields; how many. */
static uint32_t
settings_texts(struct describe *d, const struct yaml_node *list, char *to,
    size_t field, uint32_t max)
{
	const struct yaml_node *n;
	uint32_t i = 0;

	for (n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
		if (i == max) {
			diag_error(&d->diag, yaml_place(n), "more than %u",
			    max);
			return i;
		}
		(void)snprintf(to + i++ * field, field, "%s", n->text);
	}
	return i;
}

static void
settings_listen_one(struct describe *d, const struct yaml_node *n)
{
	struct settings *s = &d->record.settings;
	const struct yaml_node *a =
	    n->kind == YAML_MAP ? yaml_get(n, "address") : n;
	const struct yaml_node *tls = yaml_get(n, "tls");
	struct settings_listen *l = &s->listen[s->nlisten];
	uint64_t port;

	if (s->nlisten == SETTINGS_LISTEN_MAX) {
		diag_error(&d->diag, yaml_place(n), "more than %d",
		    SETTINGS_LISTEN_MAX);
		return;
	}
	s->nlisten++;
	memset(l, 0, sizeof(*l));
	l->tls = tls != NULL && tls->number != 0;
	l->kind =
	    a->text[0] == '/' ? SETTINGS_LISTEN_UNIX : SETTINGS_LISTEN_TCP;
	if (l->kind == SETTINGS_LISTEN_UNIX)
		(void)snprintf(l->address, sizeof(l->address), "%s", a->text);
	else if (settings_split(a->text, l->address, &port) == 0)
		l->port = (uint32_t)port;
	if (l->tls && l->kind == SETTINGS_LISTEN_UNIX)
		diag_error(&d->diag, yaml_place(tls),
		    "a socket of this host has no TLS");
}

static void
settings_listens(struct describe *d, const struct yaml_node *root)
{
	const struct yaml_node *list = yaml_get(root, "listen"), *n;
	struct settings *s = &d->record.settings;
	const struct yaml_node *tls = yaml_get(root, "tls");
	uint32_t i;

	if (list != NULL)
		s->nlisten = 0;
	for (n = list == NULL ? NULL : list->first; n != NULL; n = n->next)
		settings_listen_one(d, n);
	if (tls != NULL) {
		(void)snprintf(s->tls_cert, sizeof(s->tls_cert), "%s",
		    yaml_get(tls, "cert")->text);
		(void)snprintf(s->tls_key, sizeof(s->tls_key), "%s",
		    yaml_get(tls, "key")->text);
	}
	for (i = 0; i < s->nlisten; i++)
		if (s->listen[i].tls && tls == NULL)
			diag_error(&d->diag, yaml_place(list),
			    "a listener with tls needs \"tls\": {cert, key}");
}

int
settings_describe(struct describe *d, struct yaml_node *root)
{
	struct settings *s = &d->record.settings;
	const struct yaml_node *tenants;

	if (validate_as(root, &settings_type, "warder.yaml", &d->diag) == -1)
		return -1;
	settings_init(s);
	settings_listens(d, root);
	settings_numbers(s, root);
	tenants = yaml_get(root, "tenants");
	if (tenants != NULL)
		s->ntenants = settings_texts(d, tenants, s->tenants[0],
		    SETTINGS_TENANT_SIZE, SETTINGS_TENANTS_MAX);
	s->nroots =
	    settings_texts(d, yaml_get(yaml_get(root, "agents"), "roots"),
		s->roots[0], SETTINGS_PATH_SIZE, SETTINGS_ROOTS_MAX);
	s->norigins = settings_texts(d, yaml_get(root, "origins"),
	    s->origins[0], SETTINGS_ORIGIN_SIZE, SETTINGS_ORIGINS_MAX);
	d->record_size = sizeof(*s);
	return d->diag.errors.count == 0 ? 0 : -1;
}
