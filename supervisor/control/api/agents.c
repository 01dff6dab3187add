/*
 * agents.c: programs that are deployed: archives that become versions.
 *
 * The archive is not looked at here: warderd has it unpacked in a jail, and
 * says what it is called and under which policy it runs.  A native agent is
 * then asked, once, what its graph looks like.
 */
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "crash.h"
#include "json.h"
#include "log.h"
#include "lookup.h"
#include "page.h"
#include "routes.h"
#include "supervisor/control/agent/ask.h"
#include "supervisor/control/spawn.h"
#include "supervisor/control/storage/storage.h"
#include "writer.h"

const struct route_body agents_body_tar = { NULL, 0 };

static void
shape_agent(struct writer *w, const struct storage_agent *a)
{
	writer_begin(w, NULL, '{');
	writer_text(w, "name", a->name);
	writer_whole(w, "version", a->version);
	writer_text(w, "digest", a->digest);
	writer_text(w, "policy_digest", a->policy_digest);
	writer_time(w, "created_at", a->created_at_ms);
	writer_json(w, "manifest", a->manifest, "{}");
	writer_json(w, "description", a->description, "null");
	writer_end(w, '}');
}

static void
answer_agent(struct request *r, const struct storage_agent *a)
{
	autowriter w;

	writer_init(&w, API_ANSWER_BYTES);
	shape_agent(&w, a);
	request_written(r, 200, &w);
}

/* ---- what its graph looks like ---------------------------------------------------- */

struct describing {
	struct storage *storage;
	char *tenant, *name;
	int64_t version;
};

static void
describing_free(struct describing *d)
{
	free(d->tenant);
	free(d->name);
	free(d);
}

static void
on_described(void *arg, const json_t *result, const struct err *e)
{
	struct describing *d = arg;
	autofree char *text = NULL;
	struct err why;

	CRASH_POINT();
	if (result == NULL)
		log_err(LOG_LEVEL_WARN, "agent.describe", e);
	else if (!json_is_object(result) ||
		 json_text(result, &text, NULL, &why) == -1 ||
		 storage_agent_describe(d->storage,
		     &(struct storage_agent_describe_request){ .tenant =
								   d->tenant,
			 .name = d->name,
			 .version = d->version,
			 .description = text },
		     NULL, NULL, &why) == -1)
		log_text(LOG_LEVEL_WARN, "agent.describe",
		    "what the agent says of its graph was not kept");
	describing_free(d);
}

/* Without it the graph is one node; nobody waits for it. */
static void
describe(struct request *r, const struct storage_agent *a)
{
	struct describing *d;
	autojson *params = json_object();
	struct ask *ask;
	struct err e;

	if (a->description != NULL || r->api->jails == NULL ||
	    !lookup_is_native(a))
		return;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return;
	*d = (struct describing){ .storage = r->api->storage,
		.tenant = strdup(a->tenant),
		.name = strdup(a->name),
		.version = a->version };
	if (d->tenant == NULL || d->name == NULL ||
	    ask_start(r->api->jails, a->tenant, a->digest,
		AGENT_COMMAND_GRAPH_DESCRIBE, params, NULL, on_described, d,
		&ask, &e) == -1)
		describing_free(d);
}

/* ---- deploy -------------------------------------------------------------------------- */

static void
on_put(void *arg, const struct storage_agent *a, const struct err *e)
{
	struct request *r = arg;

	CRASH_POINT();
	if (a == NULL) {
		request_refused(r, e, "Agent", "");
		return;
	}
	describe(r, a);
	answer_agent(r, a);
}

/* The name that agent.json gives: warder-config has checked it. */
static int
card_name(const struct spawn_version *v, json_t **ret_card, char **ret_text,
    const char **ret_name, struct err *e)
{
	if (json_parse(v->card, v->card_size, NULL, ret_card, e) == -1 ||
	    json_text(*ret_card, ret_text, NULL, e) == -1)
		return -1;
	*ret_name = json_string_value(json_object_get(*ret_card, "name"));
	return *ret_name != NULL
		   ? 0
		   : err_set(e, ERR_CORRUPT, "an agent without a name");
}

static void
on_deployed(void *arg, const struct spawn_version *v, const struct err *error,
    const char *text)
{
	struct request *r = arg;
	autojson *card = NULL;
	autofree char *manifest = NULL;
	const char *name;
	struct err e;

	CRASH_POINT();
	if (v == NULL) {
		/* no agent.yaml in it: nothing that the path names is missing */
		enum err_code code =
		    error->code == ERR_NOT_FOUND ? ERR_INVALID : error->code;

		request_fail(r,
		    code == ERR_INVALID ? 422 : (unsigned)err_http(code), code,
		    "%s", text != NULL && *text != '\0' ? text : error->msg);
		return;
	}
	if (card_name(v, &card, &manifest, &name, &e) == -1 ||
	    storage_agent_put(r->api->storage,
		&(struct storage_agent_put_request){ .tenant = r->who.tenant,
		    .name = name,
		    .digest = v->digest,
		    .policy_digest = v->policy,
		    .manifest = manifest },
		on_put, r, &e) == -1)
		request_error(r, &e);
}

void
agents_deploy(struct request *r)
{
	struct err e;

	CRASH_POINT();
	if (r->file == -1)
		request_fail(r, 422, ERR_INVALID, "an archive is missing");
	else if (r->api->spawn == NULL)
		request_fail(r, 501, ERR_UNSUPPORTED,
		    "this service deploys nothing");
	else if (spawn_deploy(r->api->spawn, r->who.tenant, r->file,
		     on_deployed, r, &e) == -1)
		request_error(r, &e);
}

/* ---- look ---------------------------------------------------------------------------- */

static void
on_agent(void *arg, const struct storage_agent *a, const struct err *e)
{
	struct request *r = arg;

	if (a == NULL)
		request_refused(r, e, "Agent", r->args.text[0]);
	else
		answer_agent(r, a);
}

void
agents_get(struct request *r)
{
	struct err e;

	if (storage_agent_get(r->api->storage,
		&(struct storage_agent_get_request){ .tenant = r->who.tenant,
		    .name = r->args.text[0] },
		on_agent, r, &e) == -1)
		request_error(r, &e);
}

static void
on_agents(void *arg, const struct storage_agents *l, const struct err *e)
{
	struct request *r = arg;
	autowriter w;
	size_t i;

	if (l == NULL) {
		request_refused(r, e, "Agent",
		    r->args.n > 0 ? r->args.text[0] : "");
		return;
	}
	writer_init(&w, API_ANSWER_BYTES);
	writer_begin(&w, NULL, '[');
	for (i = 0; i < l->rows.n; i++)
		shape_agent(&w, &l->rows.v[i]);
	writer_end(&w, ']');
	request_written(r, 200, &w);
}

static int
read_page(struct request *r, int64_t *ret_limit, int64_t *ret_offset)
{
	struct err e = { 0 };

	*ret_limit = 100;
	*ret_offset = 0;
	if (query_whole(&r->query, "limit", 1, STORAGE_LIMIT_MAX, ret_limit,
		&e) == 0 &&
	    query_whole(&r->query, "offset", 0, INT32_MAX, ret_offset, &e) == 0)
		return 0;
	request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	return -1;
}

void
agents_list(struct request *r)
{
	struct storage_agent_list_request q = { .tenant = r->who.tenant };
	struct err e;

	if (read_page(r, &q.limit, &q.offset) == -1)
		return;
	if (storage_agent_list(r->api->storage, &q, on_agents, r, &e) == -1)
		request_error(r, &e);
}

void
agents_versions(struct request *r)
{
	struct storage_agent_versions_request q = { .tenant = r->who.tenant,
		.name = r->args.text[0] };
	struct err e;

	if (read_page(r, &q.limit, &q.offset) == -1)
		return;
	if (storage_agent_versions(r->api->storage, &q, on_agents, r, &e) == -1)
		request_error(r, &e);
}
