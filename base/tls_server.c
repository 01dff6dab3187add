#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls_private.h"

/* For the struct err: what the client would have spoken, at most so much. */
enum {
	OFFER_SHOWN = 60
};

/*
 * The name in lower case into t->name; -1 if it is no DNS name.  OpenSSL has
 * seen to it that it is not empty and holds no NUL.
 */
static int
tls_take_name(struct tls *t, const char *name, struct err *e)
{
	size_t i, n = strlen(name);

	if (n >= TLS_NAME_MAX)
		return err_set(e, ERR_INVALID, "TLS: the server name is long");
	t->name = strdup(name);
	if (t->name == NULL)
		return err_sys(e, ENOMEM, "TLS");
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];

		if (!isascii(c) || (!isalnum(c) && strchr("-._", c) == NULL))
			return err_set(e, ERR_INVALID,
			    "TLS: the server name is not a DNS name");
		t->name[i] = (char)tolower(c);
	}
	return 0;
}

static int
tls_use(SSL *ssl, const struct tls_identity *i, struct err *e)
{
	if (SSL_use_cert_and_key(ssl, i->leaf, i->pkey, i->above, 1) != 1)
		return tls_reason(e, ERR_SYSTEM, "TLS: the chosen identity");
	return 0;
}

static int
tls_choose(struct tls *t, const char *name, struct err *e)
{
	const struct tls_identity *chosen = NULL;

	if (name != NULL && tls_take_name(t, name, e) == -1)
		return -1;
	if (t->server->options.choose(t->arg, t->name, &chosen, e) == -1)
		return -1;
	return tls_use(t->ssl, chosen, e);
}

/*
 * Called for each ClientHello, resumed sessions and those without a name
 * included; after a HelloRetryRequest for the second one too, which must ask
 * for the same.
 */
static int
tls_on_name(SSL *ssl, int *alert, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)arg;
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	if (t->chosen) {
		if ((name == NULL) == (t->name == NULL) &&
		    (name == NULL || strcasecmp(name, t->name) == 0))
			return SSL_TLSEXT_ERR_OK;
		(void)err_set(t->e, ERR_INVALID,
		    "TLS: the client named another server the second time");
	} else if (tls_choose(t, name, t->e) == 0) {
		t->chosen = 1;
		return SSL_TLSEXT_ERR_OK;
	}
	t->refused = 1;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int
tls_on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_size,
    const unsigned char *offer, unsigned n, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	const char *want = t->server->options.alpn;
	unsigned i;

	(void)arg;
	for (i = 0; i < n; i += offer[i] + 1u)
		if (offer[i] == strlen(want) && offer[i] < n - i &&
		    memcmp(offer + i + 1, want, offer[i]) == 0) {
			*ret = offer + i + 1;
			*ret_size = offer[i];
			return SSL_TLSEXT_ERR_OK;
		}
	(void)err_set(t->e, ERR_INVALID,
	    "TLS: the client does not offer %s (ALPN)", want);
	t->refused = 1;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

int
tls_server_create(const struct tls_server_options *o, struct tls_server **ret,
    struct err *e)
{
	static const unsigned char scope[] = "warder";
	autofree struct tls_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_sys(e, ENOMEM, "TLS server");
	s->options = *o;
	s->ctx = tls_context(TLS_server_method(), e);
	if (s->ctx == NULL)
		return -1;
	/*
	 * Tickets only: the client keeps the state, and this context has
	 * keys for them that no other one has.
	 */
	(void)SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_timeout(s->ctx, TLS_TICKET_S);
	(void)SSL_CTX_set_num_tickets(s->ctx, 1);
	(void)SSL_CTX_set_session_id_context(s->ctx, scope, sizeof(scope) - 1);
	(void)SSL_CTX_set_tlsext_servername_callback(s->ctx, tls_on_name);
	if (o->alpn != NULL)
		SSL_CTX_set_alpn_select_cb(s->ctx, tls_on_alpn, NULL);
	*ret = take_ptr(&s);
	return 0;
}

void
tls_server_destroy(struct tls_server *s)
{
	if (s == NULL)
		return;
	SSL_CTX_free(s->ctx);
	free(s);
}

int
tls_server_stream(struct tls_server *s, const struct tls_stream_options *o,
    struct tls **ret, struct err *e)
{
	if (tls_open(s->ctx, o, ret, e) == -1)
		return -1;
	(*ret)->server = s;
	SSL_set_accept_state((*ret)->ssl);
	return 0;
}
