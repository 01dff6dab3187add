#include "inject.h"

#include <ctype.h>
#include <mbedtls/base64.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "placeholder.h"
#include "policy/credential.h"

enum {
	/* A secret in its longest format: base64 of user and secret. */
	INJECT_VALUE_MAX = 2 * (SECRET_MAX + PLACEHOLDER_SIZE) + 64,
	INJECT_PAIR_MAX = SECRET_MAX + PLACEHOLDER_SIZE,
	INJECT_STARS = 64,
};

struct inject_set {
	const struct plan_net *net;
	struct scrub *scrub; /* NULL: no placeholders */
	uint32_t credentials;
	/* Entries of the scrubber, which has no empty ones. */
	uint32_t nentries;
	uint32_t credential_of[SCRUB_SECRETS_MAX];
	char (*values)[PLACEHOLDER_SIZE]; /* by credential */
	/*
	 * Secret memory to compose a field in, and a user and password, made
	 * once: pages taken from the kernel's own map cost every processor a
	 * flush.  Wiped after each use.
	 */
	struct secret *room, *pair;
};

/* ---- the set ---- */

static void
inject_set_destroyp(struct inject_set **s)
{
	inject_set_destroy(*s);
}

void
inject_set_destroy(struct inject_set *s)
{
	if (s == NULL)
		return;
	scrub_destroy(s->scrub);
	free(s->values);
	secret_destroy(s->room);
	secret_destroy(s->pair);
	free(s);
}

struct inject_entries {
	struct scrub_entry of[SCRUB_SECRETS_MAX];
	struct secret *texts[SCRUB_SECRETS_MAX];
};

static void
inject_entries_finish(struct inject_entries *x)
{
	size_t i;

	for (i = 0; i < countof(x->texts); i++)
		secret_destroy(x->texts[i]);
}

static int
inject_add(struct inject_set *s, struct inject_entries *x, uint32_t credential,
    const char *value, struct err *e)
{
	size_t n = strlen(value);
	uint32_t i = s->nentries;

	if (n == 0)
		return 0;
	if (n >= PLACEHOLDER_SIZE || i == SCRUB_SECRETS_MAX)
		return err_set(e, ERR_LIMIT,
		    "too many or too long placeholders");
	memcpy(s->values[credential], value, n + 1);
	if (secret_create(value, n, &x->texts[i], e) == -1)
		return -1;
	/* Never put in: the streams have a match function. */
	x->of[i] = (struct scrub_entry){ x->texts[i], NULL, "*" };
	s->credential_of[i] = credential;
	s->nentries++;
	return 0;
}

static int
inject_add_all(struct inject_set *s, const char *const *values, struct err *e)
{
	cleanup(inject_entries_finish) struct inject_entries x = { 0 };
	uint32_t i;

	for (i = 0; i < s->credentials; i++)
		if (inject_add(s, &x, i, values[i], e) == -1)
			return -1;
	if (s->nentries == 0)
		return 0;
	return scrub_create(x.of, s->nentries, &s->scrub, e);
}

int
inject_set_create(const struct plan_net *net, const char *const *values,
    struct inject_set **ret, struct err *e)
{
	cleanup(inject_set_destroyp) struct inject_set *s =
	    calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	s->net = net;
	s->credentials = plan_net_count(net, PLAN_NET_CREDENTIALS);
	s->values = calloc(s->credentials + 1, sizeof(*s->values));
	if (s->values == NULL)
		return err_set(e, ERR_SYSTEM, "calloc");
	if (inject_add_all(s, values, e) == -1 ||
	    secret_create_room(INJECT_VALUE_MAX, &s->room, e) == -1 ||
	    secret_create_room(INJECT_PAIR_MAX, &s->pair, e) == -1)
		return -1;
	*ret = take_ptr(&s);
	return 0;
}

/* ---- what "as" makes of a secret ---- */

/* Text of bounded size that may hold a secret: in the set's secret memory. */
struct inject_value {
	char *p, *pair;
	size_t n, npair; /* bytes in use */
};

static void
inject_value_finish(struct inject_value *v)
{
	secret_wipe(v->p, v->n);
	secret_wipe(v->pair, v->npair);
}

static int
inject_put(struct inject_value *v, const void *p, size_t n, struct err *e)
{
	if (n > INJECT_VALUE_MAX - v->n)
		return err_set(e, ERR_LIMIT, "a credential is too long");
	memcpy(v->p + v->n, p, n);
	v->n += n;
	return 0;
}

static int
inject_bearer(const struct plan_net *net, const struct plan_net_inject *j,
    const struct secret *s, struct inject_value *v, struct err *e)
{
	(void)net;
	(void)j;
	if (inject_put(v, "Bearer ", 7, e) == -1)
		return -1;
	return inject_put(v, secret_bytes(s), secret_size(s), e);
}

/* RFC 7617, 2 */
static int
inject_basic(const struct plan_net *net, const struct plan_net_inject *j,
    const struct secret *s, struct inject_value *v, struct err *e)
{
	const char *user = plan_net_string(net, j->user);
	size_t u = strlen(user), n = u + 1 + secret_size(s);

	if (n > INJECT_PAIR_MAX)
		return err_set(e, ERR_LIMIT, "a credential is too long");
	if (inject_put(v, "Basic ", 6, e) == -1)
		return -1;
	v->npair = n;
	memcpy(v->pair, user, u);
	v->pair[u] = ':';
	memcpy(v->pair + u + 1, secret_bytes(s), secret_size(s));
	if (mbedtls_base64_encode((unsigned char *)v->p + v->n,
		INJECT_VALUE_MAX - v->n, &n, (unsigned char *)v->pair, n) != 0)
		return err_set(e, ERR_LIMIT, "a credential is too long");
	v->n += n;
	return 0;
}

static int
inject_format(const struct plan_net *net, const struct plan_net_inject *j,
    const struct secret *s, struct inject_value *v, struct err *e)
{
	const char *format = plan_net_string(net, j->format);
	const char *hole = strstr(format, "{}");

	if (hole == NULL)
		return err_set(e, ERR_CORRUPT, "a format without {}");
	if (inject_put(v, format, (size_t)(hole - format), e) == -1 ||
	    inject_put(v, secret_bytes(s), secret_size(s), e) == -1)
		return -1;
	return inject_put(v, hole + 2, strlen(hole + 2), e);
}

static int (*const inject_as[PLAN_NET_AS__MAX])(const struct plan_net *net,
    const struct plan_net_inject *j, const struct secret *s,
    struct inject_value *v, struct err *e) = {
	[PLAN_NET_AS_BEARER] = inject_bearer,
	[PLAN_NET_AS_BASIC] = inject_basic,
	[PLAN_NET_AS_HEADER] = inject_format,
};

/* ---- slots ---- */

/* What follows "scheme " if the value begins so, else NULL. */
static const char *
inject_scheme(const char *value, const char *scheme)
{
	size_t n = strlen(scheme);

	if (strncasecmp(value, scheme, n) != 0 || value[n] != ' ')
		return NULL;
	return value + n + strspn(value + n, " ");
}

static int
inject_is_bearer(const char *value, const char *placeholder)
{
	const char *rest = inject_scheme(value, "bearer");

	if (rest == NULL)
		rest = inject_scheme(value, "token");
	return rest != NULL && strcmp(rest, placeholder) == 0;
}

static int
inject_is_basic(const char *value, const char *placeholder)
{
	unsigned char pair[2 * PLACEHOLDER_SIZE];
	const char *rest = inject_scheme(value, "basic"), *colon;
	size_t n = 0;

	if (rest == NULL || mbedtls_base64_decode(pair, sizeof(pair) - 1, &n,
				(const unsigned char *)rest, strlen(rest)) != 0)
		return 0;
	pair[n] = '\0';
	colon = memchr(pair, ':', n);
	return colon != NULL &&
	       strlen(colon) == n - (size_t)(colon - (const char *)pair) &&
	       strcmp(colon + 1, placeholder) == 0;
}

static int
inject_is_format(const char *value, const char *format, const char *placeholder)
{
	const char *hole = strstr(format, "{}");
	size_t before, n = strlen(placeholder);

	if (hole == NULL)
		return 0;
	before = (size_t)(hole - format);
	return strncmp(value, format, before) == 0 &&
	       strncmp(value + before, placeholder, n) == 0 &&
	       strcmp(value + before + n, hole + 2) == 0;
}

static int
inject_is_slot(const struct inject_set *s, const struct plan_net_inject *j,
    const struct http1_field *f)
{
	const char *p = s->values[j->credential];

	if (p[0] == '\0' ||
	    strcasecmp(f->name, plan_net_string(s->net, j->header)) != 0)
		return 0;
	if (j->as == PLAN_NET_AS_BEARER)
		return inject_is_bearer(f->value, p);
	if (j->as == PLAN_NET_AS_BASIC)
		return inject_is_basic(f->value, p);
	return inject_is_format(f->value, plan_net_string(s->net, j->format),
	    p);
}

/* The header, out of the plan, in which this field holds the credential. */
static const char *
inject_slot(const struct inject_set *s, const struct http1_field *f,
    uint32_t credential)
{
	uint32_t i, n = plan_net_count(s->net, PLAN_NET_INJECTS);

	for (i = 0; i < n; i++) {
		const struct plan_net_inject *j = plan_net_inject(s->net, i);

		if (j->credential == credential && inject_is_slot(s, j, f))
			return plan_net_string(s->net, j->header);
	}
	return NULL;
}

/* ---- finding ---- */

/* Which entries of the scrubber a text has. */
struct inject_seen {
	unsigned char entry[SCRUB_SECRETS_MAX];
	int any;
};

static int
inject_seen_emit(void *ctx, const void *p, size_t n)
{
	(void)ctx;
	(void)p;
	(void)n;
	return 0;
}

static int
inject_seen_match(void *ctx, unsigned entry, const void *form, size_t n)
{
	struct inject_seen *seen = ctx;

	(void)form;
	(void)n;
	seen->entry[entry] = 1;
	seen->any = 1;
	return 0;
}

/* What cannot be searched may hold any of them. */
static void
inject_see_all(struct inject_seen *seen)
{
	memset(seen->entry, 1, sizeof(seen->entry));
	seen->any = 1;
}

static void
inject_look(const struct inject_set *s, const char *p, size_t n,
    struct inject_seen *seen)
{
	struct scrub_stream t;

	if (s->scrub == NULL)
		return;
	scrub_begin(&t, s->scrub, inject_seen_emit, seen);
	t.match = inject_seen_match;
	if (scrub_feed(&t, p, n) != 0)
		inject_see_all(seen);
}

/* The byte that "%XX" at p stands for, or -1. */
static int
inject_escape(const char *p)
{
	static const char digits[] = "0123456789abcdef";
	const char *high, *low;

	if (p[0] != '%' || p[1] == '\0' || p[2] == '\0')
		return -1;
	high = strchr(digits, tolower((unsigned char)p[1]));
	low = strchr(digits, tolower((unsigned char)p[2]));
	return high == NULL || low == NULL
		   ? -1
		   : (int)((high - digits) * 16 + (low - digits));
}

/* The same text with its escapes decoded, once. */
static void
inject_look_decoded(const struct inject_set *s, const char *p,
    struct inject_seen *seen)
{
	struct scrub_stream t;

	scrub_begin(&t, s->scrub, inject_seen_emit, seen);
	t.match = inject_seen_match;
	while (*p != '\0') {
		int byte = inject_escape(p);
		char c = byte >= 0 ? (char)byte : *p;

		if (scrub_feed(&t, &c, 1) != 0)
			inject_see_all(seen);
		p += byte >= 0 ? 3 : 1;
	}
}

/*
 * A path is sent in its canonical form, in which some escapes are decoded:
 * one that hides a single character must not bring a placeholder about.
 */
static void
inject_look_target(const struct inject_set *s, const char *target,
    struct inject_seen *seen)
{
	inject_look(s, target, strlen(target), seen);
	if (s->scrub != NULL && strchr(target, '%') != NULL)
		inject_look_decoded(s, target, seen);
}

static void
inject_carry(struct inject_found *r, uint32_t credential, const char *header)
{
	if (r->ncarries < countof(r->carries))
		r->carries[r->ncarries++] =
		    (struct intent_carry){ credential, header };
}

static int
inject_is_credential(const struct inject_set *s, const struct http1_field *f)
{
	return credential_is_header(s->net, f->name, f->name_size);
}

static void
inject_find_field(const struct inject_set *s, const struct http1_field *f,
    struct inject_found *ret)
{
	struct inject_seen seen = { 0 };
	int slots = 0;
	uint32_t i;

	inject_look(s, f->name, f->name_size, &seen);
	inject_look(s, f->value, f->value_size, &seen);
	for (i = 0; i < s->nentries && seen.any; i++) {
		const char *header;

		if (!seen.entry[i])
			continue;
		header = inject_slot(s, f, s->credential_of[i]);
		slots += header != NULL;
		inject_carry(ret, s->credential_of[i], header);
	}
	if (slots == 0 && inject_is_credential(s, f))
		ret->brought = 1;
}

void
inject_find(const struct inject_set *s, const struct http1_head *h,
    struct inject_found *ret)
{
	const char *target = http1_head_target(h);
	struct inject_seen seen = { 0 };
	size_t i;

	ret->ncarries = 0;
	ret->brought = 0;
	inject_look_target(s, target, &seen);
	for (i = 0; i < s->nentries && seen.any; i++)
		if (seen.entry[i])
			inject_carry(ret, s->credential_of[i], NULL);
	for (i = 0; i < http1_head_count(h); i++) {
		struct http1_field f = http1_head_field(h, i);

		inject_find_field(s, &f, ret);
	}
}

/* ---- applying ---- */

/* Whether the verdict takes this credential out of this slot (or NULL). */
static int
inject_is_stripped(const struct inject_found *found, const struct verdict *v,
    uint32_t credential, const char *header)
{
	size_t i;

	for (i = 0; i < found->ncarries && i < INTENT_CARRIES_MAX; i++)
		if ((v->strip & 1U << i) != 0 &&
		    found->carries[i].credential == credential &&
		    found->carries[i].header == header)
			return 1;
	return 0;
}

static int
inject_strip_target(const struct inject_set *s,
    const struct inject_found *found, const struct verdict *v,
    const struct http1_head *h, struct err *e)
{
	const char *target = http1_head_target(h);
	struct inject_seen seen = { 0 };
	uint32_t i;

	inject_look_target(s, target, &seen);
	for (i = 0; i < s->nentries && seen.any; i++)
		if (seen.entry[i] &&
		    inject_is_stripped(found, v, s->credential_of[i], NULL))
			return err_set(e, ERR_DENIED,
			    "a placeholder in the target cannot be taken out");
	return 0;
}

/* What the client brought goes out of the query, all else stays. */
static int
inject_strip_query(const struct inject_set *s, const struct verdict *v,
    struct http1_head *h, struct err *e)
{
	const char *target = http1_head_target(h);
	const char *query = strchr(target, '?');
	autofree char *to = NULL;
	size_t before, n;

	if (query == NULL || !credential_in_query(s->net, v->rule, ++query))
		return 0;
	to = malloc(strlen(target) + 1);
	if (to == NULL)
		return err_set(e, ERR_SYSTEM, "malloc");
	before = (size_t)(query - target);
	memcpy(to, target, before);
	n = credential_strip_query(s->net, v->rule, query, to + before);
	if (n == 0)
		to[before - 1] = '\0'; /* the "?" */
	return http1_head_set_target(h, to, e);
}

static int
inject_takes_field(const struct inject_set *s, const struct inject_found *found,
    const struct verdict *v, const struct http1_field *f)
{
	struct inject_seen seen = { 0 };
	uint32_t i;

	if (v->strip_own && inject_is_credential(s, f))
		return 1;
	if (v->strip == 0)
		return 0;
	inject_look(s, f->name, f->name_size, &seen);
	inject_look(s, f->value, f->value_size, &seen);
	for (i = 0; i < s->nentries && seen.any; i++) {
		uint32_t c = s->credential_of[i];

		if (seen.entry[i] &&
		    inject_is_stripped(found, v, c, inject_slot(s, f, c)))
			return 1;
	}
	return 0;
}

static int
inject_fill(const struct inject_set *s, uint32_t index,
    const struct secret *secret, struct http1_head *h, struct err *e)
{
	const struct plan_net_inject *j = plan_net_inject(s->net, index);
	cleanup(inject_value_finish) struct inject_value value = {
		.p = secret_room(s->room),
		.pair = secret_room(s->pair),
	};

	if (secret == NULL)
		return err_set(e, ERR_NOT_FOUND, "no secret to put in");
	if (inject_as[j->as](s->net, j, secret, &value, e) == -1)
		return -1;
	return http1_head_set(h, plan_net_string(s->net, j->header), value.p,
	    value.n, e);
}

int
inject_apply(const struct inject_set *s, const struct inject_found *found,
    const struct verdict *v, const struct inject_secrets *secrets,
    struct http1_head *h, struct err *e)
{
	size_t i = 0;

	if (v->answer != VERDICT_ALLOW)
		return err_set(e, ERR_DENIED, "the request is refused");
	if (inject_strip_target(s, found, v, h, e) == -1 ||
	    (v->strip_own && inject_strip_query(s, v, h, e) == -1))
		return -1;
	while (i < http1_head_count(h)) {
		struct http1_field f = http1_head_field(h, i);

		if (inject_takes_field(s, found, v, &f))
			http1_head_remove_at(h, i);
		else
			i++;
	}
	for (i = 0; i < v->ninjects; i++)
		if (inject_fill(s, v->injects[i], secrets->of[i], h, e) == -1)
			return -1;
	return 0;
}

/* ---- bodies ---- */

static int
inject_body_emit(void *ctx, const void *p, size_t n)
{
	struct inject_body *b = ctx;

	return b->emit(b->ctx, p, n);
}

/* So many stars: the length of the body was announced. */
static int
inject_body_mask(struct inject_body *b, size_t n)
{
	char stars[INJECT_STARS];
	int r = 0;

	memset(stars, '*', sizeof(stars));
	while (n > 0 && r == 0) {
		size_t k = n < sizeof(stars) ? n : sizeof(stars);

		r = b->emit(b->ctx, stars, k);
		n -= k;
	}
	return r;
}

static int
inject_body_match(void *ctx, unsigned entry, const void *form, size_t n)
{
	struct inject_body *b = ctx;
	uint32_t c = b->set->credential_of[entry];

	switch (plan_net_credential(b->set->net, c)->elsewhere) {
	case PLAN_NET_ELSEWHERE_PASS:
		return b->emit(b->ctx, form, n);
	case PLAN_NET_ELSEWHERE_STRIP:
		return inject_body_mask(b, n);
	default:
		b->refused = c;
		return INJECT_REFUSED;
	}
}

void
inject_body_begin(struct inject_body *b, const struct inject_set *s,
    int (*emit)(void *ctx, const void *p, size_t n), void *ctx)
{
	*b = (struct inject_body){
		.set = s,
		.refused = PLAN_NET_NONE,
		.emit = emit,
		.ctx = ctx,
	};
	if (s->scrub == NULL)
		return;
	scrub_begin(&b->stream, s->scrub, inject_body_emit, b);
	b->stream.match = inject_body_match;
}

int
inject_body_feed(struct inject_body *b, const void *p, size_t n)
{
	/* Not from inject_body_begin(): the object may have been moved. */
	b->stream.ctx = b;
	if (b->set->scrub == NULL)
		return n > 0 ? b->emit(b->ctx, p, n) : 0;
	return scrub_feed(&b->stream, p, n);
}

int
inject_body_end(struct inject_body *b)
{
	b->stream.ctx = b;
	return b->set->scrub != NULL ? scrub_end(&b->stream) : 0;
}
