/*
 * page.h: a page of a list: how it is asked for, how it is answered.
 */
#ifndef API_PAGE_H
#define API_PAGE_H

#include <stdint.h>

#include "request.h"

enum {
	PAGE_LIMIT = 10, /* rows, where none is said */
};

/* What a search's body says beside its own members. */
struct page {
	int64_t limit, offset;
	const char *sort_by, *sort_order;
	const json_t *select;
};

/* Rows of a table for json_read(), into a struct page at "at". */
#define PAGE_MEMBERS(type, at)                                                 \
	JSON_NAMED(type, at.limit, "limit", WHOLE, JSON_NULLABLE, 1, 1000),    \
	    JSON_NAMED(type, at.offset, "offset", WHOLE, JSON_NULLABLE, 0,     \
		INT32_MAX),                                                    \
	    JSON_NAMED(type, at.sort_by, "sort_by", TEXT, JSON_NULLABLE, 0,    \
		64),                                                           \
	    JSON_NAMED(type, at.sort_order, "sort_order", TEXT, JSON_NULLABLE, \
		0, 8),                                                         \
	    JSON_NAMED(type, at.select, "select", ARRAY, JSON_NULLABLE, 0, 0)

/* Every "select" of the query, as the array that a body would have; lives as
 * long as the request, which has no body.  NULL: there is none. */
const json_t *page_select(struct request *r);

/* Answer with how many there are: a bare number. */
void page_count(struct request *r, int64_t n);

/* X-Pagination-Total, and X-Pagination-Next where more follows. */
void page_fields(struct request *r, const struct page *p, size_t rows,
    int64_t total);

#endif /* !API_PAGE_H */
