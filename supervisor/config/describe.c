#include "describe.h"

#include <string.h>

static describe_fn *const makers[CONFIG_WHAT__MAX] = {
	[CONFIG_WHAT_AGENT] = agent_describe,
	[CONFIG_WHAT_SETTINGS] = settings_describe,
};

int
describe_make(struct describe *d, const char *text, size_t size)
{
	struct yaml_node *root;

	arena_init(&d->arena);
	diag_init(&d->diag);
	d->source = (struct yaml_source){ .name = d->request.name,
		.dir = "/",
		.home = "",
		.arena = &d->arena };
	if (d->request.what >= CONFIG_WHAT__MAX ||
	    makers[d->request.what] == NULL) {
		diag_error(&d->diag,
		    (struct diag_place){ d->request.name, 0, 0 },
		    "nobody knows what this is");
		return -1;
	}
	root = yaml_parse(&d->source, text, size, &d->diag);
	if (root == NULL || d->diag.errors.count > 0)
		return -1;
	return makers[d->request.what](d, root);
}
