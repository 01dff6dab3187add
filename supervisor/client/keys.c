/*
 * keys.c: "warder keys": who may use the API.  A key is printed once, when it
 * is made; the service keeps its hash.
 */
#include <stdio.h>

#include "client.h"
#include "json.h"

static int
set_tenant(void *ctx, const char *value, struct err *e)
{
	(void)e;
	((struct client *)ctx)->tenant = value;
	return 0;
}

static const struct opt options[] = {
	{ "tenant", 0, "NAME", "whose keys; without it: default", set_tenant },
	CLIENT_OPTIONS,
};

static const struct opt_verb verb = {
	"[OPTIONS] [VERB …]",
	"Keys of the API, for the operator: over the Unix socket, as root or as "
	"the user\nthat the service runs as.",
	options,
	countof(options),
};

/* /v1/keys[/ID][?tenant=NAME] */
static void
keys_path(char *ret, size_t size, const struct client *c, const char *slash,
    const char *id)
{
	char before[256];

	client_path(before, sizeof(before), "/v1/keys", "", slash);
	client_path(ret, size, before, id, c->tenant != NULL ? "?tenant=" : "");
	if (c->tenant != NULL) {
		char whole[512];

		client_path(whole, sizeof(whole), ret, c->tenant, "");
		(void)snprintf(ret, size, "%s", whole);
	}
}

static int
keys_list(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_column columns[] = {
		{ "KEY", "key_id", 36 },
		{ "NAME", "name", 20 },
		{ "ROLE", "role", 8 },
		{ "BEGINS", "hint", 12 },
		{ "CREATED", "created_at", 24 },
		{ "REVOKED", "revoked_at", 0 },
	};
	autojson *j = NULL;
	char path[512];

	(void)argv;
	if (argc > 0)
		return err_set(e, ERR_INVALID, "keys list takes nothing");
	keys_path(path, sizeof(path), c, "", "");
	if (client_ask(c, "GET", path, NULL, &j, e) == -1)
		return -1;
	client_table(c, j, columns, countof(columns));
	return 0;
}

static int
keys_create(struct client *c, int argc, char **argv, struct err *e)
{
	autojson *j = NULL, *body = NULL;
	const char *key;

	if (argc > 2)
		return err_set(e, ERR_INVALID, "keys create [NAME [ROLE]]");
	body = json_pack("{s:s, s:s, s:s}", "name", argc > 0 ? argv[0] : "cli",
	    "role", argc > 1 ? argv[1] : "user", "tenant",
	    c->tenant != NULL ? c->tenant : "default");
	if (client_ask(c, "POST", "/v1/keys", body, &j, e) == -1)
		return -1;
	key = json_string_value(json_object_get(j, "key"));
	if (c->json)
		client_value(c, j);
	else if (key != NULL)
		printf("%s\n", key);
	return 0;
}

static int
keys_revoke(struct client *c, int argc, char **argv, struct err *e)
{
	char path[512];

	if (argc != 1)
		return err_set(e, ERR_INVALID, "keys revoke: which?");
	keys_path(path, sizeof(path), c, "/", argv[0]);
	return client_ask(c, "DELETE", path, NULL, NULL, e);
}

int
client_keys(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_verb verbs[] = {
		{ "list", keys_list, "", "all of the tenant" },
		{ "create", keys_create, "[NAME [ROLE]]", "print a new one" },
		{ "revoke", keys_revoke, "KEY", "it is good no more" },
	};

	if (!request_is_local())
		return err_set(e, ERR_INVALID,
		    "keys are made and listed over the Unix socket: leave "
		    "WARDER_URL out, or let it be unix:PATH");
	c->service.is_operator = 1;
	return client_verbs(c, &verb, verbs, countof(verbs), argc, argv, e);
}
