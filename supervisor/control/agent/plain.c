#include "plain.h"

#include <string.h>

#include "agent_rpc.h"
#include "json.h"

static const struct json_limits plain_limits = {
	.bytes = AGENT_PLAIN_BYTES_MAX,
	.values = AGENT_VALUES_MAX,
	.depth = AGENT_DEPTH_MAX,
};

/* The beginning of the line before the one that begins at "at". */
static size_t
plain_line_before(const char *p, size_t at)
{
	const char *nl = at < 2 ? NULL : memrchr(p, '\n', at - 1);

	return nl == NULL ? 0 : (size_t)(nl - p) + 1;
}

static int
plain_may_begin(char c)
{
	return c != '\0' && strchr("{[\"-0123456789tfn", c) != NULL;
}

int
plain_result(const char *p, size_t n, json_t **ret, struct err *e)
{
	json_t *found = NULL;
	size_t at = n;
	int tries;

	for (tries = 0; at > 0 && tries < PLAIN_TRIES; tries++) {
		json_t *j;

		at = plain_line_before(p, at);
		if (!plain_may_begin(p[at]) ||
		    json_parse(p + at, n - at, &plain_limits, &j, NULL) == -1)
			continue;
		json_decref(found);
		found = j;
	}
	if (found == NULL)
		return err_set(e, ERR_INVALID,
		    "the output does not end in a JSON document");
	*ret = found;
	return 0;
}
