/*
 * main.c: warder-control starts.
 *
 * warderd says where things lie and gives the listeners; then the process
 * gives up what it does not need, opens its database, says that it listens,
 * and serves until it is drained or warderd has gone.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "agent/attempt.h"
#include "agent/jails_spawn.h"
#include "crash.h"
#include "lock.h"
#include "log.h"
#include "memfd.h"
#include "service.h"
#include "spawn.h"

enum {
	MAIN_PEM_MAX = 1024 * 1024,
	MAIN_FILES_MAX = 65536,
	MAIN_BESIDE_STREAMS = 1024, /* connections */
	/* Of the time that warderd waits, what is left for the end itself. */
	MAIN_DRAIN_SLACK_MS = 3000,
	MAIN_PATH_MAX = SPAWN_DIR_SIZE + 16,
};

struct control {
	struct loop *loop;
	struct spawn *spawn;
	struct service *service;
	struct spawn_start start;
	int fds[SPAWN_START_FDS];
	int nfds;
	struct tls_bytes chain, key;
	struct attempt_host host;
	struct api_config api;
	int failed; /* it does not end well */
};

/* ---- the end -------------------------------------------------------------- */

static void
on_drained(void *arg)
{
	struct control *c = arg;

	log_text(LOG_LEVEL_INFO, "drained", "no attempt is left");
	loop_stop(c->loop);
}

static void
on_drain(void *arg, uint64_t wait_ms)
{
	struct control *c = arg;
	uint64_t patience =
	    wait_ms > MAIN_DRAIN_SLACK_MS ? wait_ms - MAIN_DRAIN_SLACK_MS : 0;
	struct err e;

	log_text(LOG_LEVEL_INFO, "drain", "no more work is taken");
	if (service_drain(c->service, patience, on_drained, c, &e) == -1) {
		log_err(LOG_LEVEL_ERROR, "drain", &e);
		loop_stop(c->loop);
	}
}

static void
on_lost(void *arg, const struct err *why)
{
	struct control *c = arg;

	log_err(LOG_LEVEL_ERROR, "warderd", why);
	c->failed = 1;
	loop_stop(c->loop);
}

/* What is on the disk is right; what we think of it may not be. */
static void
on_failed(void *arg, const struct err *why)
{
	struct control *c = arg;

	log_err(LOG_LEVEL_ERROR, "storage", why);
	c->failed = 1;
	loop_stop(c->loop);
}

/* ---- the beginning -------------------------------------------------------- */

static int
is_started(void)
{
	socklen_t size = sizeof(int);
	int type = 0;

	return getsockopt(SPAWN_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_SEQPACKET;
}

static int
usage(void)
{
	(void)fputs("warder-control: started by warderd(8); it does nothing "
		    "alone\n",
	    stderr);
	return 2;
}

/* Connections, and four descriptors of each jail. */
static void
raise_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1)
		return;
	l.rlim_cur = l.rlim_max < MAIN_FILES_MAX ? l.rlim_max : MAIN_FILES_MAX;
	if (setrlimit(RLIMIT_NOFILE, &l) == -1)
		log_text(LOG_LEVEL_WARN, "limits",
		    "the limit of open files stays as it is");
}

static int
map_tls(struct control *c, struct err *e)
{
	uint32_t n = c->start.nlisteners;

	if (!c->start.tls)
		return 0;
	return memfd_map(c->fds[n], MAIN_PEM_MAX, &c->chain.p, &c->chain.size,
		   e) == -1 ||
		       memfd_map(c->fds[n + 1], MAIN_PEM_MAX, &c->key.p,
			   &c->key.size, e) == -1
		   ? -1
		   : 0;
}

_Static_assert((int)API_ORIGIN_SIZE == (int)SETTINGS_ORIGIN_SIZE, "as read");

static void
configure(struct control *c)
{
	const struct settings *s = &c->start.settings;
	uint32_t i;

	c->api = api_server_defaults;
	c->api.streams = s->limits.streams;
	/* who comes and goes finds room beside all that stay */
	if (c->api.connections < s->limits.streams + MAIN_BESIDE_STREAMS)
		c->api.connections = s->limits.streams + MAIN_BESIDE_STREAMS;
	c->api.body_bytes = s->limits.body_bytes;
	c->api.archive_bytes = s->limits.archive_bytes;
	c->api.norigins =
	    s->norigins < API_ORIGINS_MAX ? s->norigins : API_ORIGINS_MAX;
	for (i = 0; i < c->api.norigins; i++)
		memcpy(c->api.origins[i], s->origins[i],
		    sizeof(c->api.origins[i]));
}

static int
make_service(struct control *c, struct err *e)
{
	const struct settings *s = &c->start.settings;
	struct service_listener listeners[SETTINGS_LISTEN_MAX];
	const char *tenants[SETTINGS_TENANTS_MAX];
	char path[MAIN_PATH_MAX];
	struct service_options o = { .loop = c->loop,
		.db_path = path,
		.api = &c->api,
		.chain = c->chain,
		.key = c->key,
		.listeners = listeners,
		.nlisteners = c->start.nlisteners,
		.tenants = tenants,
		.ntenants = s->ntenants,
		.engine = { .running_max = s->workers,
		    .running_tenant_max = settings_share(s),
		    .queue_max = s->limits.queue,
		    .events_kept_ms = s->retention.events_ms != 0
					  ? s->retention.events_ms
					  : ENGINE_FOR_EVER,
		    .runs_kept_ms = s->retention.runs_ms,
		    .threads_kept_ms = s->retention.threads_ms },
		.failed = on_failed,
		.failed_arg = c };
	uint32_t i;

	(void)snprintf(path, sizeof(path), "%s/warder.db", c->start.db_dir);
	for (i = 0; i < c->start.nlisteners; i++)
		listeners[i] =
		    (struct service_listener){ .fd = take_fd(&c->fds[i]),
			    .tls = (int)s->listen[i].tls };
	for (i = 0; i < s->ntenants; i++)
		tenants[i] = s->tenants[i];
	return service_create(&o, &c->service, e);
}

static int
begin(struct control *c, struct err *e)
{
	struct api *api;

	if (map_tls(c, e) == -1)
		return -1;
	configure(c);
	if (make_service(c, e) == -1)
		return -1;
	c->host = (struct attempt_host){ .host = { .loop = c->loop,
					     .jails = &jails_spawn,
					     .jails_arg = c->spawn },
		.storage = service_storage(c->service) };
	api = service_api(c->service);
	api->spawn = c->spawn;
	api->jails = &c->host.host;
	CRASH_POINT();
	if (service_start(c->service, &attempt_starter, &c->host, e) == -1)
		return -1;
	CRASH_POINT();
	return spawn_ready(c->spawn, e);
}

static int
serve(struct control *c, struct err *e)
{
	struct spawn_hooks hooks = { .drain = on_drain,
		.lost = on_lost,
		.arg = c };

	if (spawn_receive_start(SPAWN_FD, &c->start, c->fds, &c->nfds, e) ==
		-1 ||
	    lock_down(c->start.db_dir, e) == -1 ||
	    loop_create(&c->loop, e) == -1 ||
	    spawn_create(c->loop, SPAWN_FD, &hooks, &c->spawn, e) == -1 ||
	    begin(c, e) == -1)
		return -1;
	log_text(LOG_LEVEL_INFO, "ready", "listening");
	return loop_run(c->loop, e);
}

int
main(void)
{
	static struct control c;
	struct err e = { 0 };
	int rc;

	log_init("control", LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	if (!is_started())
		return usage();
	(void)signal(SIGPIPE, SIG_IGN);
	crash_begin("warder-control");
	raise_files();
	rc = serve(&c, &e);
	if (rc == -1)
		log_err(LOG_LEVEL_ERROR, "start", &e);
	service_destroy(c.service);
	spawn_destroy(c.spawn);
	loop_destroy(c.loop);
	return rc == -1 || c.failed ? 1 : 0;
}
