/* base/tls*.c: what each end sees, whatever the other one does. */
#include "unit_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static void
tls_handshake__both_ours__agreed(void **state)
{
	struct unit_ends u;
	struct tls_info i;

	(void)state;
	unit_ends_init(&u, "http/1.1", "http/1.1");
	unit_connect(&u, UNIT_HOST);
	unit_must_shake(&u);
	assert_int_equal(u.asked, 1);
	assert_string_equal(u.name, UNIT_HOST);
	tls_info(u.s, &i);
	assert_string_equal(i.version, "TLSv1.3");
	assert_string_equal(i.name, UNIT_HOST);
	assert_string_equal(i.alpn, "http/1.1");
	assert_false(i.resumed);
	tls_info(u.c, &i);
	assert_string_equal(i.alpn, "http/1.1");
	unit_ends_finish(&u);
}

static void
tls_write__megabytes_both_ways__come_whole(void **state)
{
	enum {
		BYTES = 3 << 20
	};
	struct unit_ends u;
	unsigned char *p = malloc(BYTES);
	size_t i;

	(void)state;
	assert_non_null(p);
	for (i = 0; i < BYTES; i++)
		p[i] = (unsigned char)(i * 31 + i / 257);
	unit_ends_init(&u, NULL, NULL);
	unit_connect(&u, UNIT_HOST);
	unit_must_shake(&u);
	unit_carry(u.c, u.s, p, BYTES);
	unit_carry(u.s, u.c, p, BYTES);
	for (i = 1; i < 70; i++)
		unit_carry(u.c, u.s, p + i, i);
	free(p);
	unit_ends_finish(&u);
}

/* What is not read stays with the sender, who is told to wait. */
static void
tls_write__reader_does_not_read__waits(void **state)
{
	static unsigned char p[TLS_RECORD_BYTES];
	struct unit_ends u;
	struct err e = { .code = ERR_OK };
	enum tls_status s = TLS_DONE;
	size_t k, total = 0;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	unit_connect(&u, UNIT_HOST);
	unit_must_shake(&u);
	while (s == TLS_DONE && total < 64 << 20) {
		s = tls_write(u.c, p, sizeof(p), &k, &e);
		total += k;
	}
	assert_int_equal(s, TLS_WANT_WRITE);
	assert_int_equal(tls_write(u.c, p, sizeof(p), &k, &e), TLS_WANT_WRITE);
	assert_int_equal(tls_close(u.c, &e), TLS_FAILED);
	assert_int_equal(e.code, ERR_CONFLICT);
	/* Control: once it is read, it goes on. */
	while (tls_read(u.s, p, sizeof(p), &k, &e) == TLS_DONE)
		continue;
	assert_int_equal(tls_write(u.c, p, sizeof(p), &k, &e), TLS_DONE);
	unit_ends_finish(&u);
}

static void
tls_close__said__told_from_truncation(void **state)
{
	struct unit_ends u;
	struct err e = { .code = ERR_OK };
	unsigned char p[16];
	size_t k;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	unit_connect(&u, UNIT_HOST);
	unit_must_shake(&u);
	assert_int_equal(tls_close(u.c, &e), TLS_DONE);
	assert_int_equal(tls_read(u.s, p, sizeof(p), &k, &e), TLS_CLOSED);
	/* Half closed: the other direction is open. */
	unit_carry(u.s, u.c, (const unsigned char *)"late", 4);
	assert_int_equal(tls_close(u.s, &e), TLS_DONE);
	assert_int_equal(tls_read(u.c, p, sizeof(p), &k, &e), TLS_CLOSED);

	unit_connect(&u, UNIT_HOST);
	unit_must_shake(&u);
	fd_closep(&u.fds[1]);
	assert_int_equal(tls_read(u.s, p, sizeof(p), &k, &e), TLS_CUT);

	/* In the handshake, too; and writing to nobody raises no signal. */
	unit_connect(&u, UNIT_HOST);
	assert_int_equal(tls_handshake(u.c, &e), TLS_WANT_READ);
	fd_closep(&u.fds[0]);
	assert_int_equal(tls_handshake(u.c, &e), TLS_CUT);
	unit_ends_finish(&u);
}

static void
tls_choose__unwilling__alert_and_reason(void **state)
{
	struct unit_ends u;
	struct err es = { .code = ERR_OK }, ec = { .code = ERR_OK };
	enum tls_status s, c;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	unit_connect(&u, UNIT_HOST);
	u.unwilling = 1;
	unit_shake(&u, &s, &es, &c, &ec);
	assert_int_equal(s, TLS_FAILED);
	assert_int_equal(es.code, ERR_DENIED);
	assert_string_equal(es.msg, "not this one");
	assert_int_equal(c, TLS_FAILED);
	assert_non_null(strstr(ec.msg, "unrecognized name"));
	unit_ends_finish(&u);
}

static void
tls_alpn__only_another__refused(void **state)
{
	struct unit_ends u;
	struct err es = { .code = ERR_OK }, ec = { .code = ERR_OK };
	enum tls_status s, c;

	(void)state;
	unit_ends_init(&u, "http/1.1", "h2");
	unit_connect(&u, UNIT_HOST);
	unit_shake(&u, &s, &es, &c, &ec);
	assert_int_equal(s, TLS_FAILED);
	assert_non_null(strstr(es.msg, "http/1.1"));
	assert_int_equal(c, TLS_FAILED);
	assert_non_null(strstr(ec.msg, "no application protocol"));
	unit_ends_finish(&u);

	/* Control: without ALPN a client is taken at its word. */
	unit_ends_init(&u, "http/1.1", NULL);
	unit_connect(&u, UNIT_HOST);
	unit_must_shake(&u);
	unit_ends_finish(&u);
}

static void
tls_client__other_name__refused(void **state)
{
	struct unit_ends u;
	struct err es = { .code = ERR_OK }, ec = { .code = ERR_OK };
	enum tls_status s, c;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	mint_destroy(u.mint);
	u.mint = unit_mint("jail", "other.example.test", u.now_s, 0);
	unit_connect(&u, "other.example.test");
	unit_shake(&u, &s, &es, &c, &ec);
	/* The same key and subject: the constraint of the trusted one holds. */
	assert_int_equal(c, TLS_FAILED);
	assert_int_equal(ec.code, ERR_DENIED);
	assert_non_null(strstr(ec.msg, "permitted subtree violation"));
	unit_ends_finish(&u);
}

static void
tls_client__leaf_expired__refused(void **state)
{
	struct unit_ends u;
	struct err es = { .code = ERR_OK }, ec = { .code = ERR_OK };
	enum tls_status s, c;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	mint_destroy(u.mint);
	u.now_s -= 7200;
	u.mint = unit_mint("jail", UNIT_HOST, u.now_s, 3600);
	unit_connect(&u, UNIT_HOST);
	unit_shake(&u, &s, &es, &c, &ec);
	assert_int_equal(c, TLS_FAILED);
	assert_int_equal(ec.code, ERR_DENIED);
	assert_non_null(strstr(ec.msg, "expired"));
	unit_ends_finish(&u);
}

/* An address is no name: it is not sent as one, and no name stands for it. */
static void
tls_client__address__must_be_in_the_certificate(void **state)
{
	static const char *const addresses[] = { "192.0.2.1", "2001:db8::1" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(addresses); i++) {
		struct unit_ends u;
		struct err es = { .code = ERR_OK }, ec = { .code = ERR_OK };
		enum tls_status s, c;

		unit_ends_init(&u, NULL, NULL);
		unit_connect(&u, addresses[i]);
		unit_shake(&u, &s, &es, &c, &ec);
		assert_string_equal(u.name, "-");
		assert_int_equal(c, TLS_FAILED);
		assert_int_equal(ec.code, ERR_DENIED);
		assert_non_null(strstr(ec.msg, "IP address mismatch"));
		unit_ends_finish(&u);
	}
}

/* A proxy that was started again signs what is trusted already. */
static void
tls_client__proxy_restarted__goes_on(void **state)
{
	struct unit_ends u;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	mint_destroy(u.mint);
	u.mint = unit_mint("jail", UNIT_HOST, u.now_s + 900, 0);
	u.now_s += 900;
	unit_connect(&u, UNIT_HOST);
	unit_must_shake(&u);
	unit_ends_finish(&u);
}

static void
tls_client__other_authority__refused(void **state)
{
	struct unit_ends u;
	struct err es = { .code = ERR_OK }, ec = { .code = ERR_OK };
	enum tls_status s, c;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	mint_destroy(u.mint);
	u.mint = unit_mint("another", UNIT_HOST, u.now_s, 0);
	unit_connect(&u, UNIT_HOST);
	unit_shake(&u, &s, &es, &c, &ec);
	assert_int_equal(c, TLS_FAILED);
	assert_int_equal(ec.code, ERR_DENIED);
	/* The server hears why it is left: at once or when it reads. */
	if (s == TLS_DONE) {
		unsigned char p[8];
		size_t k;

		s = tls_read(u.s, p, sizeof(p), &k, &es);
	}
	assert_int_equal(s, TLS_FAILED);
	assert_non_null(strstr(es.msg, "unknown ca"));
	unit_ends_finish(&u);
}

/* The first bytes were read by somebody else, any number of them. */
static void
tls_stream__bytes_read_before__count(void **state)
{
	static const size_t cuts[] = { 1, 5, 6, 100, TLS_FIRST_MAX };
	struct unit_ends u;
	struct err e = { .code = ERR_OK };
	unsigned char *p = malloc(TLS_FIRST_MAX + 1);
	size_t i;

	(void)state;
	assert_non_null(p);
	unit_ends_init(&u, NULL, NULL);
	for (i = 0; i < countof(cuts); i++) {
		struct tls_stream_options o = { .arg = &u };
		ssize_t n;

		unit_connect(&u, UNIT_HOST);
		assert_int_equal(tls_handshake(u.c, &e), TLS_WANT_READ);
		n = recv(u.fds[0], p, cuts[i], 0);
		assert_true(n > 0);
		tls_destroy(u.s);
		o.fd = u.fds[0];
		o.first = (struct tls_bytes){ p, (size_t)n };
		assert_int_equal(tls_server_stream(u.server, &o, &u.s, &e), 0);
		memset(p, 0, (size_t)n); /* it was copied */
		unit_must_shake(&u);
		unit_carry(u.c, u.s, (const unsigned char *)"hello", 5);
	}
	{
		struct tls_stream_options o = { .fd = u.fds[0],
			.first = { p, TLS_FIRST_MAX + 1 } };
		struct tls *none;

		assert_refused(tls_server_stream(u.server, &o, &none, &e), &e,
		    ERR_LIMIT, "before a TLS stream");
	}
	free(p);
	unit_ends_finish(&u);
}

static void
tls_handshake__not_tls__reason(void **state)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct unit_ends u;
	struct err e = { .code = ERR_OK };

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	unit_connect(&u, UNIT_HOST);
	assert_int_equal(send(u.fds[1], request, sizeof(request) - 1, 0),
	    sizeof(request) - 1);
	assert_int_equal(tls_handshake(u.s, &e), TLS_FAILED);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.msg, "http request"));
	assert_int_equal(u.asked, 0);
	unit_ends_finish(&u);
}

/* A client as the test wants it, by the library itself. */
struct raw {
	SSL_CTX *ctx;
	SSL *ssl;
};

static void
raw_init(struct raw *r, int min, int max)
{
	r->ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(r->ctx);
	SSL_CTX_set_security_level(r->ctx, 0);
	assert_true(SSL_CTX_set_min_proto_version(r->ctx, min));
	assert_true(SSL_CTX_set_max_proto_version(r->ctx, max));
	r->ssl = NULL;
}

static void
raw_finish(struct raw *r)
{
	SSL_free(r->ssl);
	SSL_CTX_free(r->ctx);
}

static void
raw_connect(struct raw *r, struct unit_ends *u, const char *name,
    SSL_SESSION *again)
{
	struct tls_client *keep = u->client;

	u->client = NULL;
	unit_connect(u, UNIT_HOST);
	u->client = keep;
	SSL_free(r->ssl);
	r->ssl = SSL_new(r->ctx);
	assert_non_null(r->ssl);
	assert_true(SSL_set_fd(r->ssl, u->fds[1]));
	if (name != NULL)
		assert_true(SSL_set_tlsext_host_name(r->ssl, name));
	if (again != NULL)
		assert_true(SSL_set_session(r->ssl, again));
	SSL_set_connect_state(r->ssl);
}

/* The server's outcome. */
static enum tls_status
raw_shake(struct raw *r, struct unit_ends *u, struct err *e)
{
	enum tls_status s = TLS_WANT_READ;
	int i, c = 0;

	for (i = 0; i < UNIT_PUMPS && (unit_waits(s) || c != 1); i++) {
		c = SSL_do_handshake(r->ssl);
		if (unit_waits(s))
			s = tls_handshake(u->s, e);
		if (s == TLS_FAILED || s == TLS_CUT)
			break;
	}
	assert_true(i < UNIT_PUMPS);
	return s;
}

static void
tls_versions__old_ones__refused(void **state)
{
	static const struct {
		int version;
		enum tls_status want;
	} rows[] = {
		{ TLS1_VERSION, TLS_FAILED },
		{ TLS1_1_VERSION, TLS_FAILED },
		{ TLS1_2_VERSION, TLS_DONE },
		{ TLS1_3_VERSION, TLS_DONE },
	};
	struct unit_ends u;
	size_t i;

	(void)state;
	unit_ends_init(&u, "http/1.1", NULL);
	for (i = 0; i < countof(rows); i++) {
		struct err e = { .code = ERR_OK };
		struct raw r;

		raw_init(&r, rows[i].version, rows[i].version);
		raw_connect(&r, &u, UNIT_HOST, NULL);
		assert_int_equal(raw_shake(&r, &u, &e), rows[i].want);
		if (rows[i].want == TLS_FAILED)
			assert_non_null(strstr(e.msg, "unsupported protocol"));
		raw_finish(&r);
	}
	unit_ends_finish(&u);
}

/* In TLS 1.2 a client may ask for another handshake: it gets none. */
static void
tls_renegotiation__asked__not_done(void **state)
{
	struct unit_ends u;
	struct err e = { .code = ERR_OK };
	struct raw r;
	char p[8];
	size_t k;
	int i;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	raw_init(&r, TLS1_2_VERSION, TLS1_2_VERSION);
	raw_connect(&r, &u, UNIT_HOST, NULL);
	assert_int_equal(raw_shake(&r, &u, &e), TLS_DONE);
	assert_true(SSL_renegotiate(r.ssl));
	for (i = 0; i < 10; i++) {
		if (SSL_do_handshake(r.ssl) != 1 &&
		    SSL_get_error(r.ssl, -1) == SSL_ERROR_SSL)
			break; /* it was told so */
		assert_int_not_equal(tls_read(u.s, p, sizeof(p), &k, &e),
		    TLS_DONE);
	}
	assert_true(i < 10);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
	    SSL_R_NO_RENEGOTIATION);
	raw_finish(&r);
	unit_ends_finish(&u);
}

static SSL_SESSION *raw_ticket;

static int
raw_on_ticket(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(raw_ticket);
	raw_ticket = s;
	return 1;
}

/* A whole connection, after which the client has a ticket. */
static int
raw_visit(struct raw *r, struct unit_ends *u, const char *name,
    SSL_SESSION *again)
{
	struct err e = { .code = ERR_OK };
	struct tls_info info;
	char p[8];
	size_t k;

	raw_connect(r, u, name, again);
	if (raw_shake(r, u, &e) != TLS_DONE)
		fail_msg("%s", e.msg);
	assert_int_equal(tls_write(u->s, "x", 1, &k, &e), TLS_DONE);
	assert_int_equal(SSL_read(r->ssl, p, sizeof(p)), 1);
	/* A session that was cut off would not be used again. */
	SSL_set_shutdown(r->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	tls_info(u->s, &info);
	assert_string_equal(info.name, name);
	return info.resumed;
}

static void
tls_tickets__same_server_only(void **state)
{
	static const int versions[] = { TLS1_3_VERSION, TLS1_2_VERSION };
	struct unit_ends u, other;
	size_t i;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	unit_ends_init(&other, NULL, NULL);
	for (i = 0; i < countof(versions); i++) {
		struct raw r;
		unsigned asked;

		raw_init(&r, versions[i], versions[i]);
		SSL_CTX_set_session_cache_mode(r.ctx, SSL_SESS_CACHE_CLIENT);
		SSL_CTX_sess_set_new_cb(r.ctx, raw_on_ticket);
		assert_false(raw_visit(&r, &u, UNIT_HOST, NULL));
		assert_non_null(raw_ticket);
		assert_int_equal(SSL_SESSION_get_max_early_data(raw_ticket), 0);
		asked = u.asked;
		assert_true(raw_visit(&r, &u, UNIT_HOST, raw_ticket));
		/* The name is judged when a session is resumed, too. */
		assert_int_equal(u.asked, asked + 1);
		assert_false(raw_visit(&r, &other, UNIT_HOST, raw_ticket));
		raw_finish(&r);
		SSL_SESSION_free(raw_ticket);
		raw_ticket = NULL;
	}
	unit_ends_finish(&other);
	unit_ends_finish(&u);
}

static void
tls_names__of_no_host__refused(void **state)
{
	static const char *const bad[] = { "a b", "a/b", "[::1]", "a\nb",
		"caf\xc3\xa9.test" };
	struct unit_ends u;
	size_t i;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	for (i = 0; i < countof(bad); i++) {
		struct err e = { .code = ERR_OK };
		struct raw r;

		raw_init(&r, TLS1_2_VERSION, TLS1_3_VERSION);
		raw_connect(&r, &u, bad[i], NULL);
		assert_int_equal(raw_shake(&r, &u, &e), TLS_FAILED);
		assert_non_null(strstr(e.msg, "not a DNS name"));
		raw_finish(&r);
	}
	assert_int_equal(u.asked, 0);
	{
		struct err e = { .code = ERR_OK };
		struct raw r;

		raw_init(&r, TLS1_2_VERSION, TLS1_3_VERSION);
		raw_connect(&r, &u, "API.Example.Test", NULL);
		assert_int_equal(raw_shake(&r, &u, &e), TLS_DONE);
		assert_string_equal(u.name, UNIT_HOST);
		raw_connect(&r, &u, NULL, NULL);
		assert_int_equal(raw_shake(&r, &u, &e), TLS_DONE);
		assert_string_equal(u.name, "-");
		raw_finish(&r);
	}
	unit_ends_finish(&u);
}

/* A HelloRetryRequest brings a second ClientHello: one choice all the same. */
static void
tls_choose__hello_retried__asked_once(void **state)
{
	struct unit_ends u;
	struct err e = { .code = ERR_OK };
	struct raw r;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	raw_init(&r, TLS1_3_VERSION, TLS1_3_VERSION);
	assert_true(SSL_CTX_set1_groups_list(r.ctx, "P-521:P-384"));
	raw_connect(&r, &u, UNIT_HOST, NULL);
	assert_int_equal(raw_shake(&r, &u, &e), TLS_DONE);
	assert_int_equal(u.asked, 1);
	raw_finish(&r);
	unit_ends_finish(&u);
}

static void
tls_client__names_and_bundles__checked(void **state)
{
	static const char *const bad[] = { "", NULL };
	struct unit_ends u;
	struct err e = { .code = ERR_OK };
	struct tls_client *c;
	struct tls *t;
	struct tls_client_options o = { .authorities = { "no PEM", 6 } };
	size_t i;

	(void)state;
	unit_ends_init(&u, NULL, NULL);
	for (i = 0; i < countof(bad); i++) {
		struct tls_stream_options so = { .fd = -1, .name = bad[i] };

		assert_refused(tls_client_stream(u.client, &so, &t, &e), &e,
		    ERR_INVALID, "no name");
	}
	assert_refused(tls_client_create(&o, &c, &e), &e, ERR_INVALID,
	    "certificates to trust");
	o.authorities = (struct tls_bytes){ mint_pem(u.mint),
		strlen(mint_pem(u.mint)) - 40 };
	assert_refused(tls_client_create(&o, &c, &e), &e, ERR_INVALID,
	    "certificates to trust");
	unit_ends_finish(&u);
}

static void
tls_identity__broken__refused(void **state)
{
	struct tls_identity *i;
	struct tls_key *k;
	struct err e = { .code = ERR_OK };
	struct tls_bytes junk = { "junk", 4 };

	(void)state;
	assert_refused(tls_key_create(&junk, &k, &e), &e, ERR_INVALID,
	    "private key");
	assert_refused(tls_identity_create_pem(&junk, &junk, &i, &e), &e,
	    ERR_INVALID, "private key");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_handshake__both_ours__agreed),
		cmocka_unit_test(tls_write__megabytes_both_ways__come_whole),
		cmocka_unit_test(tls_write__reader_does_not_read__waits),
		cmocka_unit_test(tls_close__said__told_from_truncation),
		cmocka_unit_test(tls_choose__unwilling__alert_and_reason),
		cmocka_unit_test(tls_alpn__only_another__refused),
		cmocka_unit_test(tls_client__other_name__refused),
		cmocka_unit_test(tls_client__leaf_expired__refused),
		cmocka_unit_test(
		    tls_client__address__must_be_in_the_certificate),
		cmocka_unit_test(tls_client__proxy_restarted__goes_on),
		cmocka_unit_test(tls_client__other_authority__refused),
		cmocka_unit_test(tls_stream__bytes_read_before__count),
		cmocka_unit_test(tls_handshake__not_tls__reason),
		cmocka_unit_test(tls_versions__old_ones__refused),
		cmocka_unit_test(tls_renegotiation__asked__not_done),
		cmocka_unit_test(tls_tickets__same_server_only),
		cmocka_unit_test(tls_names__of_no_host__refused),
		cmocka_unit_test(tls_choose__hello_retried__asked_once),
		cmocka_unit_test(tls_client__names_and_bundles__checked),
		cmocka_unit_test(tls_identity__broken__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
