#include "pass.h"

#include <string.h>
#include <strings.h>

#include "policy/credential.h"
#include "text.h"

enum {
	PASS_NAME_MAX = 512, /* the schema bounds names of headers below it */
};

/*
 * What a server may take in place of what was judged, and what would tell it
 * who the client is in words that the client chose.
 */
static const char *const overrides[] = {
	"X-HTTP-Method-Override",
	"X-HTTP-Method",
	"X-Method-Override",
	"X-Original-URL",
	"X-Rewrite-URL",
	"X-Original-Host",
	"X-Host",
	"Forwarded",
	"X-Forwarded-For",
	"X-Forwarded-Host",
	"X-Forwarded-Port",
	"X-Forwarded-Proto",
	"X-Forwarded-Scheme",
	"X-Forwarded-Server",
	"X-Forwarded-Prefix",
	"X-Forwarded-Path",
	"X-Forwarded-Uri",
	"X-Forwarded-Method",
	"X-Real-IP",
	"HTTP2-Settings",
	"Expect",
};

/* Fields of a response that are about us, not about the content. */
static const char *const dropped[] = {
	"Alt-Svc", /* it would lead around the proxy */
	"Trailer", /* said anew, where there are trailers */
	"Content-Length", /* http1_head_set_framing says it anew */
};

static int
is_one_of(const char *name, const char *const *table, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(name, table[i]) == 0)
			return 1;
	return 0;
}

void
pass_strip(struct http1_head *h)
{
	size_t i;

	for (i = 0; i < countof(overrides); i++)
		(void)http1_head_remove(h, overrides[i]);
}

int
pass_is_dropped(const char *name)
{
	return is_one_of(name, dropped, countof(dropped));
}

int
pass_trailer(const struct plan_net *net, const char *name)
{
	size_t n = strlen(name);

	if (n >= PASS_NAME_MAX || http1_is_forbidden_trailer(name, n) ||
	    is_one_of(name, overrides, countof(overrides)) ||
	    pass_is_dropped(name))
		return 0;
	return !credential_is_header(net, name, n);
}

/* The names of one field that are passed on, behind those of others. */
static void
add_names(const struct plan_net *net, const struct http1_field *f,
    struct text *t)
{
	struct http1_slice list = { f->value, f->value_size }, one;
	char name[PASS_NAME_MAX];

	while ((one = http1_list_next(&list)).at != NULL) {
		if (one.size >= sizeof(name))
			continue;
		memcpy(name, one.at, one.size);
		name[one.size] = '\0';
		if (pass_trailer(net, name))
			text_addf(t, "%s%s", t->len == 0 ? "" : ", ", name);
	}
}

int
pass_announce(const struct plan_net *net, const struct http1_head *from,
    struct http1_head *to, struct err *e)
{
	char names[HTTP1_FIELD_MAX];
	struct text t;
	size_t i;

	text_init(&t, names, sizeof(names));
	for (i = http1_head_find(from, "Trailer", 0); i != HTTP1_NOWHERE;
	     i = http1_head_find(from, "Trailer", i + 1)) {
		struct http1_field f = http1_head_field(from, i);

		add_names(net, &f, &t);
	}
	(void)http1_head_remove(to, "Trailer");
	return t.len == 0 || t.truncated
		   ? 0
		   : http1_head_set(to, "Trailer", names, t.len, e);
}
