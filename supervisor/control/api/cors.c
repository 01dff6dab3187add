#include "cors.h"

#include <string.h>

/* What clients read: the run they have started, and where to go on. */
static const char exposed[] =
    "Content-Location, Location, X-Pagination-Total, X-Pagination-Next, "
    "Retry-After";
static const char methods[] = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
static const char day[] = "86400";

static int
add(struct http1_head *h, const char *name, const char *value, struct err *e)
{
	return http1_head_add(h, name, value, strlen(value), e);
}

const char *
cors_origin(const struct api_config *c, const struct http1_head *h)
{
	const char *origin = http1_head_get(h, "origin");
	unsigned i;

	if (origin == NULL || c->norigins == 0)
		return origin;
	for (i = 0; i < c->norigins; i++)
		if (strcmp(c->origins[i], origin) == 0)
			return origin;
	return NULL;
}

int
cors_add(const struct api_config *c, const char *origin,
    struct http1_head *answer, struct err *e)
{
	/* a cache must not give one page's answer to another */
	if (c->norigins > 0 && add(answer, "Vary", "Origin", e) == -1)
		return -1;
	if (origin == NULL)
		return 0;
	if (add(answer, "Access-Control-Expose-Headers", exposed, e) == -1)
		return -1;
	if (c->norigins == 0)
		return add(answer, "Access-Control-Allow-Origin", "*", e);
	return add(answer, "Access-Control-Allow-Origin", origin, e) == -1 ||
		       add(answer, "Access-Control-Allow-Credentials", "true",
			   e) == -1
		   ? -1
		   : 0;
}

int
cors_add_preflight(const struct http1_head *h, struct http1_head *answer,
    struct err *e)
{
	const char *wanted =
	    http1_head_get(h, "access-control-request-headers");

	if (add(answer, "Access-Control-Allow-Methods", methods, e) == -1 ||
	    add(answer, "Access-Control-Max-Age", day, e) == -1)
		return -1;
	/* keys and tags go in headers of any name */
	return wanted != NULL
		   ? add(answer, "Access-Control-Allow-Headers", wanted, e)
		   : 0;
}
