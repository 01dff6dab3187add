#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "path.h"
#include "settings_bounds.h"

int
settings_is_tenant(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	return n > 0 && n < size && n < SETTINGS_TENANT_SIZE &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

void
settings_init(struct settings *s)
{
	memset(s, 0, sizeof(*s));
	s->magic = SETTINGS_MAGIC;
	s->version = SETTINGS_VERSION;
	s->size = sizeof(*s);
	s->nlisten = 2;
	s->listen[0].kind = SETTINGS_LISTEN_TCP;
	s->listen[0].port = SETTINGS_PORT;
	(void)snprintf(s->listen[0].address, SETTINGS_ADDRESS_SIZE,
	    "127.0.0.1");
	s->listen[1].kind = SETTINGS_LISTEN_UNIX;
	(void)snprintf(s->listen[1].address, SETTINGS_ADDRESS_SIZE,
	    "/run/warder/api.sock");
	s->ntenants = 1;
	(void)snprintf(s->tenants[0], SETTINGS_TENANT_SIZE, "default");
	s->workers = SETTINGS_WORKERS;
	s->limits = (struct settings_limits){
		.jails = SETTINGS_JAILS,
		.jails_tenant = SETTINGS_JAILS_TENANT,
		.queue = SETTINGS_QUEUE,
		.streams = SETTINGS_STREAMS,
		.body_bytes = SETTINGS_BODY,
		.archive_bytes = SETTINGS_ARCHIVE,
		.agent_bytes = SETTINGS_AGENT,
	};
	s->retention = (struct settings_retention){
		.events_ms = SETTINGS_EVENTS_MS,
		.runs_ms = SETTINGS_RUNS_MS,
	};
}

uint32_t
settings_share(const struct settings *s)
{
	uint32_t most = s->workers_tenant;

	if (most == 0)
		most = s->ntenants > 1 ? s->workers * 3 / 4 : s->workers;
	if (most == 0)
		most = 1;
	return most < s->workers ? most : s->workers;
}

/* ---- checking ---- */

static int
is_ended(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static int
check_listen(const struct settings_listen *l)
{
	if (l->kind >= SETTINGS_LISTEN__MAX || l->port > 65535 || l->tls > 1 ||
	    !is_ended(l->address, sizeof(l->address)) || l->address[0] == '\0')
		return 0;
	return l->kind == SETTINGS_LISTEN_TCP ||
	       path_defect(l->address) == NULL;
}

static int
check_lists(const struct settings *s)
{
	uint32_t i;

	for (i = 0; i < s->nlisten; i++)
		if (!check_listen(&s->listen[i]))
			return 0;
	for (i = 0; i < s->ntenants; i++)
		if (!settings_is_tenant(s->tenants[i], SETTINGS_TENANT_SIZE))
			return 0;
	for (i = 0; i < s->nroots; i++)
		if (!is_ended(s->roots[i], SETTINGS_PATH_SIZE) ||
		    path_defect(s->roots[i]) != NULL)
			return 0;
	for (i = 0; i < s->norigins; i++)
		if (!is_ended(s->origins[i], SETTINGS_ORIGIN_SIZE))
			return 0;
	return 1;
}

/* TLS needs both files, and who has them must be found by their path. */
static int
check_tls(const struct settings *s)
{
	int wanted = s->tls_cert[0] != '\0';
	uint32_t i;

	if (!is_ended(s->tls_cert, sizeof(s->tls_cert)) ||
	    !is_ended(s->tls_key, sizeof(s->tls_key)) ||
	    wanted != (s->tls_key[0] != '\0'))
		return 0;
	if (wanted && (path_defect(s->tls_cert) != NULL ||
			  path_defect(s->tls_key) != NULL))
		return 0;
	for (i = 0; i < s->nlisten; i++)
		if (s->listen[i].tls && !wanted)
			return 0;
	return 1;
}

static int
check_limits(const struct settings *s)
{
	const struct settings_limits *l = &s->limits;

	return l->jails >= 1 && l->jails <= SETTINGS_JAILS_MAX &&
	       l->jails_tenant >= 1 && l->jails_tenant <= SETTINGS_JAILS_MAX &&
	       l->queue <= SETTINGS_COUNT_MAX &&
	       l->streams <= SETTINGS_COUNT_MAX &&
	       l->body_bytes <= SETTINGS_BODY_MAX &&
	       l->archive_bytes <= SETTINGS_ARCHIVE_MAX &&
	       l->agent_bytes >= SETTINGS_AGENT_MIN &&
	       l->agent_bytes <= SETTINGS_AGENT_MAX && s->workers >= 1 &&
	       s->workers <= SETTINGS_JAILS_MAX &&
	       s->workers_tenant <= SETTINGS_JAILS_MAX && l->queue >= 1 &&
	       s->retention.events_ms <= SETTINGS_TIME_MAX &&
	       s->retention.runs_ms <= SETTINGS_TIME_MAX &&
	       s->retention.threads_ms <= SETTINGS_TIME_MAX;
}

int
settings_check(const struct settings *s, size_t size, struct err *e)
{
	if (size != sizeof(*s) || s->size != sizeof(*s) ||
	    s->magic != SETTINGS_MAGIC || s->version != SETTINGS_VERSION)
		return err_set(e, ERR_CORRUPT,
		    "settings: another size or "
		    "version");
	if (s->nlisten < 1 || s->nlisten > SETTINGS_LISTEN_MAX ||
	    s->ntenants < 1 || s->ntenants > SETTINGS_TENANTS_MAX ||
	    s->nroots > SETTINGS_ROOTS_MAX ||
	    s->norigins > SETTINGS_ORIGINS_MAX)
		return err_set(e, ERR_CORRUPT, "settings: a count");
	if (!check_lists(s))
		return err_set(e, ERR_CORRUPT, "settings: a list");
	if (!check_tls(s))
		return err_set(e, ERR_CORRUPT, "settings: tls");
	return check_limits(s) ? 0
			       : err_set(e, ERR_CORRUPT, "settings: a limit");
}

int
settings_is_run(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	return n > 0 && n < size &&
	       strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz-") == n;
}

int
settings_has_tenant(const struct settings *s, const char *tenant)
{
	uint32_t i;

	for (i = 0; i < s->ntenants; i++)
		if (strcmp(s->tenants[i], tenant) == 0)
			return 1;
	return 0;
}
