/*
 * service.h: the parts of warder-control, wired together.
 *
 * Storage, the engine, the API's server: made in this order, ended in the
 * other.  Who starts attempts is the caller's: main.c has jails, tests have
 * what they need.
 */
#ifndef CONTROL_SERVICE_H
#define CONTROL_SERVICE_H

#include "api/api.h"
#include "runs/engine.h"
#include "storage/storage.h"

struct service_listener {
	int fd; /* taken */
	int tls;
};

struct service_options {
	struct loop *loop;
	const char *db_path;
	const struct api_config *api; /* copied */
	struct tls_bytes chain, key; /* PEM; size 0: no TLS */
	const struct service_listener *listeners;
	size_t nlisteners;
	const char *const *tenants; /* that are there from the start */
	size_t ntenants;
	/* Of the engine; its trouble is filled in. */
	struct engine_config engine;
	/* The database cannot be written any more: the process should end. */
	void (*failed)(void *arg, const struct err *why);
	void *failed_arg;
};

struct service;

/* Nothing listens and nothing runs before service_start(). */
must_check int service_create(const struct service_options *o,
    struct service **ret, struct err *e);
void service_destroy(struct service *s);

/*
 * Listen, and begin to claim runs.  The starter is used from here on; what
 * it needs of the storage can be made between.
 */
must_check int service_start(struct service *s, const struct runs_starter *st,
    void *starter_arg, struct err *e);

struct storage *service_storage(struct service *s);
struct api *service_api(struct service *s);

/* Take nothing more; done is called when no attempt is left. */
must_check int service_drain(struct service *s, uint64_t patience_ms,
    loop_fn *done, void *arg, struct err *e);

#endif /* !CONTROL_SERVICE_H */
