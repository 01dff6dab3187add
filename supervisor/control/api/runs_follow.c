/*
 * runs_follow.c: a follower's text goes to the client that asked for it.
 */
#include "api.h"
#include "runs.h"
#include "supervisor/control/stream/follow.h"

static int
sink_room(void *arg)
{
	return request_room(arg);
}

static size_t
sink_write(void *arg, const void *p, size_t n)
{
	return request_write(arg, p, n);
}

static void
sink_end(void *arg)
{
	request_end(arg);
}

static void
sink_cut(void *arg)
{
	request_break(arg);
}

static const struct follow_sink sink = { sink_room, sink_write, sink_end,
	sink_cut };

void
runs_answer_follow(struct request *r, const struct follow_options *options)
{
	struct follow_options o = *options;
	struct api_conn *client;
	struct follow *f;
	struct err e = { 0 };

	o.hub = r->api->hub;
	o.tenant = r->who.tenant;
	if (follow_create(&o, &sink, &f, &e) == 0) {
		client = request_stream(r, "text/event-stream",
		    &(struct request_source){ follow_pull, follow_gone, f });
		if (client != NULL)
			follow_write_to(f, client);
	} else if (e.code == ERR_INVALID)
		request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	else
		request_error(r, &e);
}
