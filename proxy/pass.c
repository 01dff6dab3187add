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
	"X-Rewrite-URL",
	"X-Host",
	"Forwarded",
	"X-Real-IP",
	"X-Client-IP",
	"X-Cluster-Client-IP",
	"True-Client-IP",
	"Client-IP",
	"HTTP2-Settings",
	"Expect",
};

/* The same, all that begin so: whoever reads one of them may read others. */
static const char *const families[] = {
	"X-Forwarded",
	"X-Original-",
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

static char
folded(char c)
{
	if (c == '_')
		return '-';
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/*
 * How much of the text the name begins with, in the eyes of CGI and its
 * heirs: there case is none, and "_" is "-".
 */
static size_t
alike(const char *name, size_t n, const char *text)
{
	size_t i;

	for (i = 0; i < n && text[i] != '\0'; i++)
		if (folded(name[i]) != folded(text[i]))
			break;
	return i;
}

static int
is_override(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < countof(overrides); i++)
		if (alike(name, n, overrides[i]) == n &&
		    overrides[i][n] == '\0')
			return 1;
	for (i = 0; i < countof(families); i++) {
		size_t k = alike(name, n, families[i]);

		if (families[i][k] == '\0')
			return 1;
	}
	return 0;
}

void
pass_strip(struct http1_head *h)
{
	size_t i = 0;

	while (i < http1_head_count(h)) {
		struct http1_field f = http1_head_field(h, i);

		if (is_override(f.name, f.name_size))
			http1_head_remove_at(h, i);
		else
			i++;
	}
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
	    is_override(name, n) || pass_is_dropped(name))
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
