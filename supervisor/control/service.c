#include "service.h"

#include <errno.h>
#include <stdio.h>

#include "api/auth.h"
#include "api/server.h"
#include "clock.h"
#include "log.h"
#include "stream/hub.h"

struct service {
	struct api api;
	struct engine_config engine;
	struct service_listener listeners[API_LISTENERS_MAX]; /* fd -1: given */
	size_t nlisteners;
};

/* ---- keys ----------------------------------------------------------------- */

static void
on_key(void *arg, const struct storage_key *k, const struct err *e)
{
	struct auth_who who = { .role = AUTH_ROLE_NONE };

	if (k != NULL) {
		(void)snprintf(who.tenant, sizeof(who.tenant), "%s", k->tenant);
		who.role = auth_role_of(k->role);
	}
	auth_known(arg, k != NULL ? &who : NULL, e);
}

static void
look_up_key(void *arg, const unsigned char hash[SHA256_SIZE],
    struct auth_ask *ask)
{
	struct service *s = arg;
	char text[SHA256_HEX_SIZE];
	const struct storage_key_find_request q = { .hash = text };
	struct err e = { 0 };

	sha256_hex(hash, text);
	if (storage_key_find(s->api.storage, &q, on_key, ask, &e) == -1)
		auth_known(ask, NULL, &e);
}

/* ---- begin ------------------------------------------------------------------ */

static void
on_tenant(void *arg, const struct storage_none *done, const struct err *e)
{
	(void)arg;
	if (done == NULL)
		log_err(LOG_LEVEL_ERROR, "tenant", e);
}

static int
make_tenants(struct service *s, const struct service_options *o, struct err *e)
{
	size_t i;

	for (i = 0; i < o->ntenants; i++) {
		const struct storage_tenant_create_request q = {
			.tenant = o->tenants[i],
		};

		if (storage_tenant_create(s->api.storage, &q, on_tenant, s,
			e) == -1)
			return -1;
	}
	return 0;
}

static void
on_trouble(void *arg, const char *what, const struct err *e)
{
	(void)arg;
	log_err(LOG_LEVEL_ERROR, what, e);
}

static void
on_disk(void *arg, const struct err *why)
{
	(void)arg;
	if (why != NULL)
		log_err(LOG_LEVEL_ERROR, "nothing can be stored", why);
	else
		log_text(LOG_LEVEL_INFO, "storage", "it stores again");
}

static int
keep_listeners(struct service *s, const struct service_options *o,
    struct err *e)
{
	size_t i;

	if (o->nlisteners > API_LISTENERS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d listeners",
		    API_LISTENERS_MAX);
	for (i = 0; i < o->nlisteners; i++)
		s->listeners[s->nlisteners++] = o->listeners[i];
	return 0;
}

static int
make_parts(struct service *s, const struct service_options *o, struct err *e)
{
	const struct storage_config storage = { .path = o->db_path,
		.failed = o->failed,
		.failed_arg = o->failed_arg,
		.trouble = on_disk };
	const struct api_server_options server = { .api = &s->api,
		.chain = o->chain,
		.key = o->key };

	if (keep_listeners(s, o, e) == -1 ||
	    storage_create(o->loop, &storage, &s->api.storage, e) == -1 ||
	    auth_create(look_up_key, s, &s->api.auth, e) == -1 ||
	    api_server_create(&server, &s->api.server, e) == -1)
		return -1;
	return make_tenants(s, o, e);
}

int
service_create(const struct service_options *o, struct service **ret,
    struct err *e)
{
	struct service *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, ENOMEM, "the service");
	s->api.loop = o->loop;
	s->api.config = *o->api;
	s->api.started_ms = clock_now_ms();
	s->engine = o->engine;
	s->engine.trouble = on_trouble;
	if (make_parts(s, o, e) == -1) {
		service_destroy(s);
		return -1;
	}
	*ret = s;
	return 0;
}

static int
make_hub(struct service *s, struct err *e)
{
	const struct hub_options o = { .loop = s->api.loop,
		.storage = s->api.storage,
		.engine = s->api.engine,
		.heartbeat_ms = s->api.config.heartbeat_ms };

	return hub_create(&o, &s->api.hub, e);
}

int
service_start(struct service *s, const struct runs_starter *st,
    void *starter_arg, struct err *e)
{
	size_t i;

	s->engine.starter = st;
	s->engine.starter_arg = starter_arg;
	if (engine_create(s->api.loop, s->api.storage, &s->engine,
		&s->api.engine, e) == -1 ||
	    make_hub(s, e) == -1)
		return -1;
	for (i = 0; i < s->nlisteners; i++)
		if (api_server_listen(s->api.server,
			take_fd(&s->listeners[i].fd), s->listeners[i].tls,
			e) == -1)
			return -1;
	return 0;
}

struct storage *
service_storage(struct service *s)
{
	return s->api.storage;
}

struct api *
service_api(struct service *s)
{
	return &s->api;
}

/* ---- the end ------------------------------------------------------------------ */

int
service_drain(struct service *s, uint64_t patience_ms, loop_fn *done, void *arg,
    struct err *e)
{
	api_server_drain(s->api.server);
	return engine_drain(s->api.engine, patience_ms, done, arg, e);
}

/* Connections go first: what they follow and wait for is the engine's. */
void
service_destroy(struct service *s)
{
	size_t i;

	if (s == NULL)
		return;
	api_server_destroy(s->api.server);
	auth_destroy(s->api.auth);
	hub_destroy(s->api.hub);
	if (s->api.engine != NULL)
		engine_destroy(s->api.engine);
	if (s->api.storage != NULL)
		storage_destroy(s->api.storage);
	for (i = 0; i < s->nlisteners; i++)
		fd_closep(&s->listeners[i].fd);
	free(s);
}
