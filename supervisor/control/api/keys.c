/*
 * keys.c: who may use the API: the operator's alone.
 *
 * A key is shown once, when it is made; what is stored is its hash.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "api.h"
#include "auth.h"
#include "clock.h"
#include "request.h"
#include "routes.h"
#include "secret.h"
#include "supervisor/control/storage/storage.h"
#include "writer.h"

#define KEYS_TENANT "default"

enum {
	KEYS_HINT_DIGITS = 4,
};

struct key_body {
	const char *tenant, *name, *role;
	int64_t expires_s;
};

static const struct json_member create_members[] = {
	JSON_ROW(struct key_body, tenant, TEXT, JSON_NULLABLE, 0,
	    STORAGE_TENANT_MAX),
	JSON_ROW(struct key_body, name, TEXT, JSON_NULLABLE, 0, 128),
	JSON_ROW(struct key_body, role, TEXT, JSON_NULLABLE, 0, 16),
	JSON_NAMED(struct key_body, expires_s, "expires_in_seconds", WHOLE,
	    JSON_NULLABLE, 1, INT32_MAX),
};

ROUTE_BODY(keys, create);

/* What is made, until it was shown. */
struct making_key {
	char key[AUTH_KEY_SIZE];
};

static void
making_key_drop(void *state)
{
	secret_wipe(state, sizeof(struct making_key));
	free(state);
}

static void
shape_key(struct writer *w, const struct storage_key *k, const char *key)
{
	writer_begin(w, NULL, '{');
	writer_text(w, "key_id", k->key_id);
	writer_text(w, "tenant", k->tenant);
	writer_text(w, "name", k->name);
	writer_text(w, "role", k->role);
	writer_text(w, "hint", k->hint);
	writer_time(w, "created_at", k->created_at_ms);
	if (k->expires_at_ms != 0)
		writer_time(w, "expires_at", k->expires_at_ms);
	else
		writer_null(w, "expires_at");
	if (k->revoked_at_ms != 0)
		writer_time(w, "revoked_at", k->revoked_at_ms);
	else
		writer_null(w, "revoked_at");
	if (key != NULL)
		writer_text(w, "key", key);
	writer_end(w, '}');
}

static void
answer_key(struct request *r, const struct storage_key *k, const char *key)
{
	autowriter w = { 0 };

	auth_forget(r->api->auth);
	writer_init(&w, 4096);
	shape_key(&w, k, key);
	request_written(r, key != NULL ? 201 : 200, &w);
}

/* ---- making ------------------------------------------------------------------ */

static int
make_key(struct making_key *m, struct err *e)
{
	unsigned char random[AUTH_KEY_DIGITS / 2];
	size_t i;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set(e, ERR_SYSTEM, "getrandom");
	memcpy(m->key, "wdr_", 4);
	for (i = 0; i < sizeof(random); i++)
		(void)snprintf(m->key + 4 + 2 * i, 3, "%02x", random[i]);
	secret_wipe(random, sizeof(random));
	return 0;
}

static void
on_key_made(void *arg, const struct storage_key *k, const struct err *e)
{
	struct request *r = arg;
	const struct making_key *m = r->state;

	if (k == NULL)
		request_refused(r, e, "Tenant", "");
	else
		answer_key(r, k, m->key);
}

static void
store_key(struct request *r, const struct key_body *b)
{
	const struct making_key *m = r->state;
	unsigned char digest[SHA256_SIZE];
	char hash[SHA256_HEX_SIZE], hint[4 + KEYS_HINT_DIGITS + 1];
	struct err e = { 0 };

	auth_key_hash(m->key, digest);
	sha256_hex(digest, hash);
	(void)snprintf(hint, sizeof(hint), "%.*s", (int)sizeof(hint) - 1,
	    m->key);
	const struct storage_key_create_request q = {
		.tenant = b->tenant != NULL ? b->tenant : KEYS_TENANT,
		.hash = hash,
		.name = b->name != NULL ? b->name : "",
		.role = b->role != NULL ? b->role : "user",
		.hint = hint,
		.expires_at_ms =
		    b->expires_s > 0
			? (int64_t)(clock_ns(CLOCK_REALTIME) / 1000000) +
			      b->expires_s * 1000
			: 0,
	};

	if (storage_key_create(r->api->storage, &q, on_key_made, r, &e) == -1)
		request_error(r, &e);
}

void
keys_create(struct request *r)
{
	struct key_body b = { 0 };
	struct making_key *m;
	struct err e = { 0 };

	if (request_read(r, &b) == -1)
		return;
	if (b.role != NULL && auth_role_of(b.role) == AUTH_ROLE_NONE) {
		request_fail(r, 422, ERR_INVALID,
		    "\"role\" must be user or reader");
		return;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL || make_key(m, &e) == -1) {
		free(m);
		request_fail(r, 503, ERR_SYSTEM, "no key could be made");
		return;
	}
	r->state = m;
	r->drop = making_key_drop;
	store_key(r, &b);
}

/* ---- looking, revoking ---------------------------------------------------------- */

static const char *
tenant_of(const struct request *r)
{
	const char *tenant = query_get(&r->query, "tenant");

	return tenant != NULL ? tenant : KEYS_TENANT;
}

static void
on_keys(void *arg, const struct storage_keys *l, const struct err *e)
{
	struct request *r = arg;
	autowriter w = { 0 };
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Tenant", tenant_of(r));
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < l->rows.n; i++)
		shape_key(&w, &l->rows.v[i], NULL);
	writer_end(&w, ']');
	request_written(r, 200, &w);
}

void
keys_list(struct request *r)
{
	const struct storage_key_list_request q = { .tenant = tenant_of(r) };
	struct err e = { 0 };

	if (storage_key_list(r->api->storage, &q, on_keys, r, &e) == -1)
		request_error(r, &e);
}

static void
on_revoked(void *arg, const struct storage_key *k, const struct err *e)
{
	struct request *r = arg;

	if (k == NULL)
		request_refused(r, e, "Key", r->args.text[0]);
	else
		answer_key(r, k, NULL);
}

void
keys_revoke(struct request *r)
{
	const struct storage_key_revoke_request q = {
		.tenant = tenant_of(r),
		.key_id = r->args.text[0],
	};
	struct err e = { 0 };

	if (storage_key_revoke(r->api->storage, &q, on_revoked, r, &e) == -1)
		request_error(r, &e);
}
