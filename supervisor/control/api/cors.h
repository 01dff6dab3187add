/*
 * cors.h: what a browser asks before a page of another origin may call.
 *
 * With a list of origins, those may call and may send credentials; without
 * one any may, without them: "*" and credentials never go together.
 */
#ifndef API_CORS_H
#define API_CORS_H

#include "api.h"
#include "http1.h"

/* The origin a head names, if pages of it may call; NULL otherwise. */
const char *cors_origin(const struct api_config *c, const struct http1_head *h);

/* The fields of an answer to such a page (origin may be NULL: none). */
must_check int cors_add(const struct api_config *c, const char *origin,
    struct http1_head *answer, struct err *e);

/* Besides, those of an answer to OPTIONS that asks for a method. */
must_check int cors_add_preflight(const struct http1_head *h,
    struct http1_head *answer, struct err *e);

#endif /* !API_CORS_H */
