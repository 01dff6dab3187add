#include "credential.h"

#include <ctype.h>
#include <string.h>

#include "glob.h"

enum {
	/* of a name's letters and digits; no credential has a longer one */
	CREDENTIAL_NAME_MAX = 64,

	IN_HEADER = 1 << 0,
	IN_QUERY = 1 << 1,
	AT_END = 1 << 2, /* of any longer name too */
};

/* clang-format off */
static const struct {
	const char *name; /* letters and digits alone, lower case */
	unsigned where;
} known[] = {
	/* what most of them end in, whatever a vendor puts in front */
	{ "accesskey",       IN_HEADER | IN_QUERY | AT_END },
	{ "accesstoken",     IN_HEADER | IN_QUERY | AT_END },
	{ "adminsecret",     IN_HEADER | IN_QUERY | AT_END },
	{ "apikey",          IN_HEADER | IN_QUERY | AT_END },
	{ "apisecret",       IN_HEADER | IN_QUERY | AT_END },
	{ "apitoken",        IN_HEADER | IN_QUERY | AT_END },
	{ "applicationkey",  IN_HEADER | IN_QUERY | AT_END },
	{ "authkey",         IN_HEADER | IN_QUERY | AT_END },
	{ "authorization",   IN_HEADER | IN_QUERY | AT_END },
	{ "authtoken",       IN_HEADER | IN_QUERY | AT_END },
	{ "bearertoken",     IN_HEADER | IN_QUERY | AT_END },
	{ "clientsecret",    IN_HEADER | IN_QUERY | AT_END },
	{ "idtoken",         IN_HEADER | IN_QUERY },
	{ "jobtoken",        IN_HEADER | IN_QUERY | AT_END },
	{ "masterkey",       IN_HEADER | IN_QUERY | AT_END },
	{ "oauthtoken",      IN_HEADER | IN_QUERY | AT_END },
	{ "password",        IN_HEADER | IN_QUERY | AT_END },
	{ "privatetoken",    IN_HEADER | IN_QUERY | AT_END },
	{ "refreshtoken",    IN_HEADER | IN_QUERY | AT_END },
	{ "secretkey",       IN_HEADER | IN_QUERY | AT_END },
	{ "securitytoken",   IN_HEADER | IN_QUERY | AT_END },
	{ "servertoken",     IN_HEADER | IN_QUERY | AT_END },
	{ "servicetoken",    IN_HEADER | IN_QUERY | AT_END },
	{ "sessiontoken",    IN_HEADER | IN_QUERY | AT_END },
	{ "subscriptionkey", IN_HEADER | IN_QUERY | AT_END },
	{ "subscriptiontoken", IN_HEADER | IN_QUERY | AT_END },
	{ "usertoken",       IN_HEADER | IN_QUERY | AT_END },
	/* signatures are as good as what they were made with */
	{ "amzcredential",   IN_QUERY | AT_END },
	{ "amzsignature",    IN_QUERY | AT_END },
	{ "googcredential",  IN_QUERY | AT_END },
	{ "googsignature",   IN_QUERY | AT_END },
	{ "sig",             IN_QUERY },
	{ "signature",       IN_HEADER | IN_QUERY },
	/* headers */
	{ "circletoken",     IN_HEADER | IN_QUERY },
	{ "cookie",          IN_HEADER },
	{ "cookie2",         IN_HEADER },
	{ "deploytoken",     IN_HEADER | IN_QUERY },
	{ "fastlykey",       IN_HEADER },
	{ "xauth",           IN_HEADER },
	{ "xconsultoken",    IN_HEADER },
	{ "xfigmatoken",     IN_HEADER },
	{ "xfunctionskey",   IN_HEADER },
	{ "xgithubtoken",    IN_HEADER },
	{ "xgitlabtoken",    IN_HEADER },
	{ "xhoneycombteam",  IN_HEADER },
	{ "xinsertkey",      IN_HEADER },
	{ "xjwt",            IN_HEADER },
	{ "xjwtassertion",   IN_HEADER },
	{ "xgoogiamauthorizationtoken", IN_HEADER },
	{ "xnomadtoken",     IN_HEADER },
	{ "xplextoken",      IN_HEADER | IN_QUERY },
	{ "xquerykey",       IN_HEADER },
	{ "xrapidapikey",    IN_HEADER },
	{ "xsecret",         IN_HEADER },
	{ "xsentryauth",     IN_HEADER },
	{ "xsession",        IN_HEADER },
	{ "xsessionid",      IN_HEADER },
	{ "xtoken",          IN_HEADER },
	{ "xvaulttoken",     IN_HEADER },
	/* parameters */
	{ "appkey",          IN_QUERY },
	{ "auth",            IN_QUERY },
	{ "jwt",             IN_QUERY },
	{ "key",             IN_QUERY },
	{ "passwd",          IN_QUERY },
	{ "secret",          IN_QUERY },
	{ "sentrykey",       IN_QUERY },
	{ "token",           IN_QUERY },
};

/* clang-format on */

struct name {
	size_t n;
	char text[CREDENTIAL_NAME_MAX + 1];
};

/* The value of an escape's digit; -1 if it is none. */
static int
digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Letters and digits, lower case; of a parameter, whose escapes are decoded
 * once, up to a bracket.  Of a name that is too long the end, which is what
 * AT_END looks at.
 */
static void
squash(const char *p, size_t n, int escapes, struct name *ret)
{
	size_t i;

	ret->n = 0;
	for (i = 0; i < n; i++) {
		int c = (unsigned char)p[i];

		if (escapes && c == '%' && n - i > 2 &&
		    digit_of(p[i + 1]) >= 0 && digit_of(p[i + 2]) >= 0) {
			c = digit_of(p[i + 1]) * 16 + digit_of(p[i + 2]);
			i += 2;
		}
		if (c == '[' && escapes)
			break; /* an array's */
		if (c >= 0x80 || !isalnum(c))
			continue;
		if (ret->n == CREDENTIAL_NAME_MAX)
			memmove(ret->text, ret->text + 1, --ret->n);
		ret->text[ret->n++] = (char)tolower(c);
	}
	ret->text[ret->n] = '\0';
}

static int
is_known(const struct name *name, unsigned where)
{
	size_t i;

	for (i = 0; i < countof(known); i++) {
		size_t n = strlen(known[i].name);

		if ((known[i].where & where) == 0 || n > name->n ||
		    (n < name->n && (known[i].where & AT_END) == 0))
			continue;
		if (memcmp(name->text + name->n - n, known[i].name, n) == 0)
			return 1;
	}
	return 0;
}

int
credential_is_header(const struct plan_net *net, const char *name, size_t n)
{
	struct name asked, own;
	uint32_t i;

	squash(name, n, 0, &asked);
	if (is_known(&asked, IN_HEADER))
		return 1;
	for (i = 0; i < plan_net_count(net, PLAN_NET_INJECTS); i++) {
		const char *header =
		    plan_net_string(net, plan_net_inject(net, i)->header);

		squash(header, strlen(header), 0, &own);
		if (asked.n > 0 && strcmp(asked.text, own.text) == 0)
			return 1;
	}
	return 0;
}

/* ---- queries ---- */

static int
is_of_rule(const struct plan_net *net, uint32_t rule, const char *name,
    size_t n)
{
	const struct plan_net_rule *r;
	uint32_t i;

	if (rule >= plan_net_count(net, PLAN_NET_RULES))
		return 0;
	r = plan_net_rule(net, rule);
	for (i = 0; i < r->nqueries; i++) {
		const struct plan_net_query *q =
		    plan_net_query(net, r->first_query + i);

		if (glob_name(plan_net_string(net, q->name), name, n))
			return 1;
	}
	return 0;
}

/* One parameter, with its value, n bytes. */
static int
is_credential(const struct plan_net *net, uint32_t rule, const char *p,
    size_t n)
{
	const char *equals = memchr(p, '=', n);
	size_t k = equals == NULL ? n : (size_t)(equals - p);
	struct name name;

	squash(p, k, 1, &name);
	return is_known(&name, IN_QUERY) && !is_of_rule(net, rule, p, k);
}

int
credential_in_query(const struct plan_net *net, uint32_t rule,
    const char *query)
{
	size_t n;

	/* some servers read ";" as another "&" */
	for (;; query += n + 1) {
		n = strcspn(query, "&;");
		if (is_credential(net, rule, query, n))
			return 1;
		if (query[n] == '\0')
			return 0;
	}
}

size_t
credential_strip_query(const struct plan_net *net, uint32_t rule,
    const char *query, char *ret)
{
	size_t n, to = 0;

	for (;; query += n + 1) {
		n = strcspn(query, "&;");
		if (!is_credential(net, rule, query, n)) {
			memcpy(ret + to, query, n + 1); /* with what follows */
			to += n + 1;
		}
		if (query[n] == '\0')
			break;
	}
	/* the last one may have gone, and left its separator */
	if (to > 0)
		to--;
	ret[to] = '\0';
	return to;
}
