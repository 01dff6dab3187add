#include "page.h"

void
page_fields(struct request *r, const struct page *p, size_t rows, int64_t total)
{
	int64_t next = p->offset + (int64_t)rows;

	request_field(r, "X-Pagination-Total", "%lld", (long long)total);
	if (rows > 0 && next < total)
		request_field(r, "X-Pagination-Next", "%lld", (long long)next);
}
