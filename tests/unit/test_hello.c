/* proxy/hello.c: any cut, and nothing that could be read in two ways. */
#include "unit.h"

#include <openssl/ssl.h>

#include "proxy/hello.h"
#include "tls.h"

enum {
	WIRE_MAX = 64 * 1024
};

/* A ClientHello under construction: offsets are where lengths go. */
struct wire {
	unsigned char p[WIRE_MAX];
	size_t n;
};

static void
put(struct wire *w, const void *p, size_t n)
{
	assert_true(n <= sizeof(w->p) - w->n);
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void
put_number(struct wire *w, unsigned v, int bytes)
{
	while (bytes-- > 0) {
		unsigned char c = (unsigned char)(v >> 8 * bytes);

		put(w, &c, 1);
	}
}

/* Bytes with their length, a number of "bytes" bytes, before them. */
static void
put_vector(struct wire *w, const void *p, size_t n, int bytes)
{
	put_number(w, (unsigned)n, bytes);
	put(w, p, n);
}

static void
put_extension(struct wire *w, unsigned type, const struct wire *data)
{
	put_number(w, type, 2);
	put_vector(w, data->p, data->n, 2);
}

static void
put_name(struct wire *w, const void *name, size_t n)
{
	struct wire list = { .n = 0 }, data = { .n = 0 };

	put_number(&list, 0, 1);
	put_vector(&list, name, n, 2);
	put_vector(&data, list.p, list.n, 2);
	put_extension(w, 0, &data);
}

static void
put_alpn(struct wire *w, const char *one, const char *two)
{
	struct wire list = { .n = 0 }, data = { .n = 0 };

	put_vector(&list, one, strlen(one), 1);
	if (two != NULL)
		put_vector(&list, two, strlen(two), 1);
	put_vector(&data, list.p, list.n, 2);
	put_extension(w, 16, &data);
}

/* The message around the extensions (NULL: without any). */
static void
make_message(struct wire *ret, const struct wire *extensions)
{
	static const unsigned char random[32] = { 1 };
	struct wire b = { .n = 0 };

	put_number(&b, 0x0303, 2);
	put(&b, random, sizeof(random));
	put_vector(&b, "session", 7, 1);
	put_vector(&b, "\x13\x01\x13\x02", 4, 2);
	put_vector(&b, "", 1, 1);
	if (extensions != NULL)
		put_vector(&b, extensions->p, extensions->n, 2);
	ret->n = 0;
	put_number(ret, 1, 1);
	put_vector(ret, b.p, b.n, 3);
}

/* In records of at most "piece" bytes. */
static void
make_records(struct wire *ret, const struct wire *m, size_t piece)
{
	size_t at, n;

	ret->n = 0;
	for (at = 0; at < m->n; at += n) {
		n = m->n - at < piece ? m->n - at : piece;
		put(ret, "\x16\x03\x01", 3);
		put_vector(ret, m->p + at, n, 2);
	}
}

/* Push in pieces of "step" bytes; the last status, or -1. */
static int
push(struct hello *h, const struct wire *w, size_t step, struct err *e)
{
	enum hello_status s = HELLO_MORE;
	size_t at;

	hello_init(h);
	for (at = 0; at < w->n && s == HELLO_MORE; at += step) {
		size_t n = w->n - at < step ? w->n - at : step;

		if (hello_push(h, w->p + at, n, &s, e) == -1)
			return -1;
	}
	return (int)s;
}

static void
usual(struct wire *ret)
{
	struct wire x = { .n = 0 }, versions = { .n = 0 };

	put_name(&x, "API.Example.Test", 16);
	put_alpn(&x, "h2", "http/1.1");
	put_vector(&versions, "\x03\x04\x03\x03", 4, 1);
	put_extension(&x, 43, &versions);
	make_message(ret, &x);
}

static void
hello_push__any_cut__same_facts(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 4, 5, 7, 100, 16384 };
	struct wire m, w;
	size_t i, step;

	(void)state;
	usual(&m);
	for (i = 0; i < countof(pieces); i++) {
		make_records(&w, &m, pieces[i]);
		for (step = 1; step <= w.n; step++) {
			struct err e = { .code = ERR_OK };
			struct hello h;

			if (push(&h, &w, step, &e) != HELLO_DONE)
				fail_msg("records of %zu, reads of %zu: %s",
				    pieces[i], step, e.msg);
			assert_string_equal(h.facts.name, "api.example.test");
			assert_string_equal(h.facts.alpn, "h2,http/1.1");
			assert_true(h.facts.offers_http1);
			assert_true(h.facts.offers_h2);
			assert_true(h.facts.offers_tls12);
			assert_true(h.facts.offers_tls13);
			assert_false(h.facts.ech);
			hello_finish(&h);
		}
	}
}

static void
hello_push__every_prefix__more(void **state)
{
	struct wire m, w;
	size_t n;

	(void)state;
	usual(&m);
	make_records(&w, &m, 50);
	for (n = 1; n < w.n; n++) {
		struct err e = { .code = ERR_OK };
		enum hello_status s = HELLO_DONE;
		struct hello h;

		hello_init(&h);
		assert_int_equal(hello_push(&h, w.p, n, &s, &e), 0);
		assert_int_equal(s, HELLO_MORE);
		hello_finish(&h);
	}
}

/* A broken hello is refused with its reason, the whole one taken. */
static void
refused(const struct wire *w, enum err_code code, const char *why)
{
	struct err e = { .code = ERR_OK };
	struct hello h;

	assert_refused(push(&h, w, 17, &e), &e, code, why);
	hello_finish(&h);
	assert_refused(push(&h, w, w->n, &e), &e, code, why);
	hello_finish(&h);
}

static void
refused_extensions(const struct wire *x, const char *why)
{
	struct wire m, w;

	make_message(&m, x);
	make_records(&w, &m, 16384);
	refused(&w, ERR_INVALID, why);
}

static void
hello_push__names__strict(void **state)
{
	static const struct {
		const char *name;
		size_t n;
		const char *why;
	} bad[] = {
		{ "", 0, "length of the server name" },
		{ "a\0b", 3, "no DNS name" },
		{ "a b", 3, "no DNS name" },
		{ "a\nb", 3, "no DNS name" },
		{ "a%2eb", 5, "no DNS name" },
		{ "[::1]", 5, "no DNS name" },
		{ "user@host", 9, "no DNS name" },
		{ "caf\xc3\xa9", 5, "no DNS name" },
	};

	char longest[HELLO_NAME_MAX + 1];
	struct err e = { .code = ERR_OK };
	struct wire x, m, w;
	struct hello h;
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		x.n = 0;
		put_name(&x, bad[i].name, bad[i].n);
		refused_extensions(&x, bad[i].why);
	}
	memset(longest, 'a', sizeof(longest));
	x.n = 0;
	put_name(&x, longest, HELLO_NAME_MAX);
	refused_extensions(&x, "length of the server name");
	x.n = 0;
	put_name(&x, longest, HELLO_NAME_MAX - 1);
	make_message(&m, &x);
	make_records(&w, &m, 16384);
	assert_int_equal(push(&h, &w, 99, &e), HELLO_DONE);
	assert_int_equal(strlen(h.facts.name), HELLO_NAME_MAX - 1);
	hello_finish(&h);
}

static void
hello_push__ambiguous__refused(void **state)
{
	struct wire x = { .n = 0 }, list = { .n = 0 }, data = { .n = 0 };

	(void)state;
	put_name(&x, "one.test", 8);
	put_name(&x, "two.test", 8);
	refused_extensions(&x, "comes twice");

	put_number(&list, 0, 1);
	put_vector(&list, "one.test", 8, 2);
	put_number(&list, 0, 1);
	put_vector(&list, "two.test", 8, 2);
	put_vector(&data, list.p, list.n, 2);
	x.n = 0;
	put_extension(&x, 0, &data);
	refused_extensions(&x, "more than one server name");

	x.n = data.n = 0;
	put_extension(&x, 41, &data);
	put_name(&x, "one.test", 8);
	refused_extensions(&x, "not the last");

	x.n = 0;
	put_extension(&x, 16, &data);
	refused_extensions(&x, "ALPN");
	x.n = 0;
	put_alpn(&x, "", NULL);
	refused_extensions(&x, "ALPN");
	x.n = 0;
	put_number(&x, 0, 2);
	put_number(&x, 500, 2);
	refused_extensions(&x, "cut off");
}

static void
hello_push__bodies__strict(void **state)
{
	/* Offset in the message and what is put there. */
	static const struct {
		size_t at;
		unsigned char c;
		const char *why;
	} rows[] = {
		{ 0, 2, "another message" },
		{ 4, 2, "its version" },
		{ 4 + 34, 33, "its beginning" },
		{ 4 + 34 + 8 + 1, 3, "its cipher suites" },
		{ 4 + 34 + 8 + 1, 0, "its cipher suites" },
		{ 4 + 34 + 8 + 2 + 4, 0, "its compression" },
		{ 4 + 34 + 8 + 2 + 4 + 1, 1, "its compression" },
		{ 4 + 34 + 8 + 2 + 4 + 2, 255, "its extensions" },
		{ 4 + 34 + 8 + 2 + 4 + 3, 1, "its extensions" },
	};
	struct wire m, w;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		usual(&m);
		m.p[rows[i].at] = rows[i].c;
		make_records(&w, &m, 16384);
		refused(&w, ERR_INVALID, rows[i].why);
	}
	usual(&m);
	put(&m, "more", 4);
	make_records(&w, &m, 16384);
	refused(&w, ERR_INVALID, "follows in its record");
}

static void
hello_push__records__strict(void **state)
{
	struct wire m, w;

	(void)state;
	usual(&m);
	make_records(&w, &m, 50);
	w.p[55] = 23;
	refused(&w, ERR_INVALID, "another record in the middle");
	make_records(&w, &m, 50);
	w.p[56] = 2;
	refused(&w, ERR_INVALID, "version of a record");
	make_records(&w, &m, 50);
	w.p[3] = w.p[4] = 0;
	refused(&w, ERR_INVALID, "length of a record");
	w.p[3] = 0x40;
	w.p[4] = 1;
	refused(&w, ERR_INVALID, "length of a record");
}

static void
hello_push__not_tls__said(void **state)
{
	static const char *const other[] = { "GET / HTTP/1.1\r\n", "SSH-2.0-x",
		"\x80\x2e\x01", "\x15\x03\x01", "\x16\x02\x00", "\n" };
	size_t i;

	(void)state;
	for (i = 0; i < countof(other); i++) {
		struct wire w = { .n = 0 };

		put(&w, other[i], strlen(other[i]) + 1);
		refused(&w, ERR_UNSUPPORTED, "not TLS");
	}
}

static void
hello_push__limits__one_past_refused(void **state)
{
	static struct wire wires[4];
	struct wire *x = &wires[0], *m = &wires[1], *w = &wires[2],
		    *pad = &wires[3];
	struct err e = { .code = ERR_OK };
	struct hello h;
	unsigned i;

	(void)state;
	make_message(m, x);
	pad->n = HELLO_BYTES_MAX + 4 - m->n - 4;
	put_extension(x, 21, pad);
	make_message(m, x);
	assert_int_equal(m->n, HELLO_BYTES_MAX + 4);
	make_records(w, m, 100);
	assert_true(w->n < TLS_FIRST_MAX);
	assert_int_equal(push(&h, w, 1, &e), HELLO_DONE);
	hello_finish(&h);
	pad->n++;
	x->n = 0;
	put_extension(x, 21, pad);
	make_message(m, x);
	make_records(w, m, 100);
	refused(w, ERR_LIMIT, "at most 16384");

	/* 256 records, and one more. */
	x->n = 0;
	pad->n = 500;
	put_extension(x, 21, pad);
	make_message(m, x);
	make_records(w, m, m->n / HELLO_RECORDS_MAX + 1);
	assert_int_equal(push(&h, w, 3, &e), HELLO_DONE);
	hello_finish(&h);
	make_records(w, m, 1);
	refused(w, ERR_LIMIT, "more than 256 records");

	x->n = pad->n = 0;
	for (i = 0; i < 129; i++)
		put_extension(x, 1000 + i, pad);
	refused_extensions(x, "too many extensions");
}

static void
hello_push__ech_and_early_data__seen(void **state)
{
	struct err e = { .code = ERR_OK };
	struct wire x = { .n = 0 }, data = { .n = 0 }, m, w;
	struct hello h;

	(void)state;
	put_extension(&x, 0xfe0d, &data);
	put_extension(&x, 42, &data);
	make_message(&m, &x);
	make_records(&w, &m, 16384);
	assert_int_equal(push(&h, &w, w.n, &e), HELLO_DONE);
	assert_true(h.facts.ech);
	assert_true(h.facts.early_data);
	assert_string_equal(h.facts.name, "");
	assert_false(h.facts.has_alpn);
	assert_true(h.facts.offers_http1);
	assert_false(h.facts.offers_tls13);
	assert_true(h.facts.offers_tls12);
	hello_finish(&h);

	make_message(&m, NULL);
	make_records(&w, &m, 16384);
	assert_int_equal(push(&h, &w, w.n, &e), HELLO_DONE);
	hello_finish(&h);
}

/* What a library really sends; bytes behind it are left alone. */
static void
hello_push__openssl__understood(void **state)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	SSL *s = SSL_new(c);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	struct wire w = { .n = 0 };
	struct err e = { .code = ERR_OK };
	struct hello h;
	int n;

	(void)state;
	assert_true(s != NULL && in != NULL && out != NULL);
	SSL_set_bio(s, in, out);
	assert_true(SSL_set_tlsext_host_name(s, "real.example.test"));
	assert_int_equal(SSL_set_alpn_protos(s,
			     (const unsigned char *)"\x08http/1.1", 9),
	    0);
	(void)SSL_connect(s);
	n = BIO_read(out, w.p, WIRE_MAX - 10);
	assert_true(n > 0);
	w.n = (size_t)n;
	put(&w, "\x17\x03\x03\x00\x01x", 6);
	assert_int_equal(push(&h, &w, w.n, &e), HELLO_DONE);
	assert_string_equal(h.facts.name, "real.example.test");
	assert_string_equal(h.facts.alpn, "http/1.1");
	assert_true(h.facts.offers_tls13 && h.facts.offers_tls12);
	hello_finish(&h);
	SSL_free(s);
	SSL_CTX_free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_push__any_cut__same_facts),
		cmocka_unit_test(hello_push__every_prefix__more),
		cmocka_unit_test(hello_push__names__strict),
		cmocka_unit_test(hello_push__ambiguous__refused),
		cmocka_unit_test(hello_push__bodies__strict),
		cmocka_unit_test(hello_push__records__strict),
		cmocka_unit_test(hello_push__not_tls__said),
		cmocka_unit_test(hello_push__limits__one_past_refused),
		cmocka_unit_test(hello_push__ech_and_early_data__seen),
		cmocka_unit_test(hello_push__openssl__understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
