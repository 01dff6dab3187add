#include "page.h"

#include <string.h>

#include "writer.h"

void
page_fields(struct request *r, const struct page *p, size_t rows, int64_t total)
{
	int64_t next = p->offset + (int64_t)rows;

	request_field(r, "X-Pagination-Total", "%lld", (long long)total);
	if (rows > 0 && next < total)
		request_field(r, "X-Pagination-Next", "%lld", (long long)next);
}

const json_t *
page_select(struct request *r)
{
	json_t *names;
	unsigned i;

	if (query_get(&r->query, "select") == NULL)
		return NULL;
	names = json_array();
	for (i = 0; names != NULL && i < r->query.n; i++)
		if (strcmp(r->query.params[i].name, "select") == 0)
			(void)json_array_append_new(names,
			    json_string(r->query.params[i].value));
	/* a list has no body: its place is free, and goes with the request */
	json_decref(r->body);
	r->body = names;
	return names;
}

void
page_count(struct request *r, int64_t n)
{
	autowriter w = { 0 };

	writer_init(&w, 64);
	writer_whole(&w, NULL, n);
	request_written(r, 200, &w);
}
