#include "auth.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "clock.h"
#include "limits_api.h"
#include "secret.h"

/* A hash that was asked for lately, and whose it is. */
struct known {
	unsigned char hash[SHA256_SIZE];
	struct auth_who who;
	uint64_t until_ms; /* 0: an empty slot */
};

struct auth_ask {
	TAILQ_ENTRY(auth_ask) next;
	struct auth *auth;
	unsigned char hash[SHA256_SIZE];
	uint64_t age; /* of the cache, when it was asked */
	auth_done_fn *done; /* NULL: nobody waits any more */
	void *arg;
};

struct auth {
	auth_lookup_fn *lookup;
	void *arg;
	uint64_t age; /* grows when everything is forgotten */
	TAILQ_HEAD(auth_asks, auth_ask) asks;
	struct known known[API_KEYS_CACHED];
};

/* ---- a key's text --------------------------------------------------------- */

/* The prefix and 40 digits; -1 if it is anything else. */
static int
canonical_key(const char *s, char ret[AUTH_KEY_SIZE])
{
	size_t i;

	if (strncmp(s, "wdr_", 4) != 0 && strncmp(s, "e2b_", 4) != 0)
		return -1;
	memcpy(ret, "wdr_", 4);
	for (i = 4; i < AUTH_KEY_SIZE - 1; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return -1;
		ret[i] = (char)tolower((unsigned char)s[i]);
	}
	ret[i] = '\0';
	return s[i] == '\0' ? 0 : -1;
}

/* The only field of that name; *ret NULL if there is none, -1 for two. */
static int
only_field(const struct http1_head *h, const char *name, const char **ret)
{
	size_t i = http1_head_find(h, name, 0);

	*ret = NULL;
	if (i == HTTP1_NOWHERE)
		return 0;
	*ret = http1_head_field(h, i).value;
	return http1_head_find(h, name, i + 1) == HTTP1_NOWHERE ? 0 : -1;
}

int
auth_key_of(const struct http1_head *h, char ret[AUTH_KEY_SIZE], struct err *e)
{
	const char *key, *bearer;

	ret[0] = '\0';
	if (only_field(h, "x-api-key", &key) == -1 ||
	    only_field(h, "authorization", &bearer) == -1)
		return err_set(e, ERR_INVALID, "more than one key");
	if (key == NULL && bearer == NULL)
		return 0;
	if (key == NULL && strncasecmp(bearer, "bearer ", 7) == 0)
		key = bearer + 7;
	if (key == NULL || canonical_key(key, ret) == -1) {
		ret[0] = '\0';
		return err_set(e, ERR_DENIED, "this is no key");
	}
	return 0;
}

void
auth_key_hash(const char *key, unsigned char ret[SHA256_SIZE])
{
	sha256_buffer(key, strlen(key), ret);
}

/* ---- what is allowed --------------------------------------------------------- */

enum auth_role
auth_role_of(const char *name)
{
	if (name != NULL && strcmp(name, "user") == 0)
		return AUTH_ROLE_USER;
	return name != NULL && strcmp(name, "reader") == 0 ? AUTH_ROLE_READER
							   : AUTH_ROLE_NONE;
}

int
auth_may(enum auth_role role, const struct route *r)
{
	if (r->resource == ROUTE_RESOURCE_PUBLIC)
		return 1;
	if (role == AUTH_ROLE_OPERATOR || r->resource == ROUTE_RESOURCE_KEYS)
		return role == AUTH_ROLE_OPERATOR &&
		       r->resource == ROUTE_RESOURCE_KEYS;
	if (role == AUTH_ROLE_READER)
		return !router_action_writes(r->action);
	return role == AUTH_ROLE_USER;
}

/* ---- whose it is --------------------------------------------------------------- */

/* Every byte is looked at, whatever the first ones are. */
static int
is_same(const unsigned char *a, const unsigned char *b)
{
	unsigned diff = 0;
	size_t i;

	for (i = 0; i < SHA256_SIZE; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return diff == 0;
}

/* A hash has one place: who comes there later takes it. */
static struct known *
slot_of(struct auth *a, const unsigned char hash[SHA256_SIZE])
{
	uint32_t n;

	memcpy(&n, hash, sizeof(n));
	return &a->known[n % API_KEYS_CACHED];
}

int
auth_create(auth_lookup_fn *lookup, void *arg, struct auth **ret, struct err *e)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_sys(e, ENOMEM, "keys");
	a->lookup = lookup;
	a->arg = arg;
	TAILQ_INIT(&a->asks);
	*ret = a;
	return 0;
}

static void
ask_destroy(struct auth_ask *k)
{
	TAILQ_REMOVE(&k->auth->asks, k, next);
	secret_wipe(k->hash, sizeof(k->hash));
	free(k);
}

void
auth_destroy(struct auth *a)
{
	struct auth_ask *k;

	if (a == NULL)
		return;
	while ((k = TAILQ_FIRST(&a->asks)) != NULL)
		ask_destroy(k);
	free(a);
}

void
auth_forget(struct auth *a)
{
	memset(a->known, 0, sizeof(a->known));
	a->age++;
}

void
auth_cancel(struct auth_ask *k)
{
	if (k != NULL)
		k->done = NULL;
}

static void
remember(struct auth_ask *k, const struct auth_who *who)
{
	struct known *s = slot_of(k->auth, k->hash);

	if (k->age != k->auth->age)
		return;
	memcpy(s->hash, k->hash, sizeof(s->hash));
	s->who = *who;
	s->until_ms = clock_now_ms() + API_KEY_CACHE_MS;
}

void
auth_known(struct auth_ask *k, const struct auth_who *who, const struct err *e)
{
	auth_done_fn *done = k->done;
	void *arg = k->arg;

	if (who != NULL)
		remember(k, who);
	ask_destroy(k);
	if (done != NULL)
		done(arg, who, e);
}

void
auth_check(struct auth *a, const char *key, auth_done_fn *done, void *arg,
    struct auth_ask **ret)
{
	struct auth_ask *k = calloc(1, sizeof(*k));
	struct known *s;
	struct err e = { 0 };

	if (k == NULL) {
		(void)err_sys(&e, ENOMEM, "a key");
		done(arg, NULL, &e);
		return;
	}
	*k = (struct auth_ask){ .auth = a,
		.age = a->age,
		.done = done,
		.arg = arg };
	auth_key_hash(key, k->hash);
	TAILQ_INSERT_TAIL(&a->asks, k, next);
	s = slot_of(a, k->hash);
	if (s->until_ms > clock_now_ms() && is_same(s->hash, k->hash)) {
		struct auth_who who = s->who;

		ask_destroy(k);
		done(arg, &who, NULL);
		return;
	}
	*ret = k;
	a->lookup(a->arg, k->hash, k);
}
