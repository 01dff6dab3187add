#include "lookup.h"

#include <string.h>

#include "api.h"
#include "json.h"

void
lookup_thread(struct request *r, const char *thread_id,
    storage_thread_get_fn *fn)
{
	const struct storage_thread_get_request q = {
		.tenant = r->who.tenant,
		.thread_id = thread_id,
	};
	struct err e = { 0 };

	if (storage_thread_get(r->api->storage, &q, fn, r, &e) == -1)
		request_error(r, &e);
}

int
lookup_is_native(const struct storage_agent *a)
{
	autojson *card = NULL;
	const char *protocol;

	if (json_parse(a->manifest, strlen(a->manifest), NULL, &card, NULL) ==
	    -1)
		return 0;
	protocol = json_string_value(json_object_get(card, "protocol"));
	return protocol != NULL && strcmp(protocol, "native") == 0;
}
