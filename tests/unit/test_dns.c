/*
 * proxy/dns.c: what a jail's resolver is told.
 *
 * Queries are written, and answers read, by the C library's own routines
 * (res_nmkquery, ns_parserr) where these know them.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>

#include "policy/address.h"
#include "proxy/dns.h"

enum {
	TYPE_SVCB = 64,
	TYPE_HTTPS = 65,
	TYPE_CAA = 257,
	ID = 0x1234,
};

struct dns_test {
	struct dns d;
	char asked[CANON_HOST_SIZE]; /* what the policy was asked about */
	int nasked;
	unsigned char query[4096];
	size_t nquery;
	unsigned char answer[4096];
	size_t nanswer;
	struct dns_result result;
	ns_msg msg;
};

/* Everything below example, and one with every kind of byte a host has. */
static int
allowed(void *arg, const char *host)
{
	struct dns_test *t = arg;
	size_t n = strlen(host);

	t->nasked++;
	(void)snprintf(t->asked, sizeof(t->asked), "%s", host);
	return n > 8 && strcmp(host + n - 8, ".example") == 0;
}

static int
setup(void **state)
{
	struct dns_test *t = calloc(1, sizeof(*t));
	struct err e;

	if (synthetic_create(7, &t->d.names, &e) == -1)
		return -1;
	t->d.ipv6 = 1;
	t->d.allowed = allowed;
	t->d.arg = t;
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct dns_test *t = *state;

	synthetic_destroy(t->d.names);
	free(t);
	return 0;
}

/* ---- asking ---- */

static void
add(struct dns_test *t, const void *p, size_t n)
{
	memcpy(t->query + t->nquery, p, n);
	t->nquery += n;
}

static void
add_u16(struct dns_test *t, unsigned v)
{
	unsigned char b[] = { (unsigned char)(v >> 8), (unsigned char)v };

	add(t, b, 2);
}

/* By the C library; recursion wanted, as its resolver asks. */
static void
make(struct dns_test *t, const char *name, int class, int type)
{
	struct __res_state r = { .options = RES_INIT | RES_RECURSE };
	int n = res_nmkquery(&r, QUERY, name, class, type, NULL, 0, NULL,
	    t->query, sizeof(t->query));

	assert_true(n > 0);
	t->nquery = (size_t)n;
	t->query[0] = ID >> 8;
	t->query[1] = ID & 0xff;
}

/* An OPT record: size 4096, and what is given. */
static void
add_opt(struct dns_test *t, unsigned version, unsigned flags,
    const void *options, size_t n)
{
	t->query[11] = 1;
	add(t, "", 1);
	add_u16(t, ns_t_opt);
	add_u16(t, 4096);
	add_u16(t, version);
	add_u16(t, flags);
	add_u16(t, (unsigned)n);
	add(t, options, n);
}

/* In memory of exactly that size, so that nothing beyond it is read. */
static void
send_room(struct dns_test *t, size_t room)
{
	unsigned char *copy = malloc(t->nquery + 1);

	memcpy(copy, t->query, t->nquery);
	memset(t->answer, 0xa5, sizeof(t->answer));
	t->nasked = 0;
	t->nanswer =
	    dns_answer(&t->d, copy, t->nquery, t->answer, room, &t->result);
	free(copy);
	assert_true(t->nanswer <= room);
	assert_int_equal(t->answer[room], 0xa5);
	if (t->nanswer > 0)
		assert_int_equal(ns_initparse(t->answer, (int)t->nanswer,
				     &t->msg),
		    0);
}

static void
send_query(struct dns_test *t)
{
	send_room(t, DNS_ANSWER_MAX);
}

static void
ask(struct dns_test *t, const char *name, int type)
{
	make(t, name, ns_c_in, type);
	send_query(t);
}

/* ---- reading ---- */

static void
assert_said(struct dns_test *t, int rcode, enum dns_end end)
{
	assert_true(t->nanswer >= 12);
	assert_int_equal(ns_msg_id(t->msg), ID);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_qr), 1);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_ra), 1);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_aa), 0);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_tc), 0);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_ad), 0);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_rcode), rcode);
	assert_int_equal(t->result.end, end);
}

/* The question is the query's, byte for byte. */
static void
assert_question(struct dns_test *t, size_t n)
{
	assert_int_equal(ns_msg_count(t->msg, ns_s_qd), 1);
	assert_memory_equal(t->answer + 12, t->query + 12, n);
}

static void
assert_address_is(struct dns_test *t, int i, const char *name, int type,
    const char *address)
{
	struct net_address want;
	ns_rr rr;

	assert_int_equal(address_parse(address, &want), 0);
	assert_int_equal(ns_parserr(&t->msg, ns_s_an, i, &rr), 0);
	assert_string_equal(ns_rr_name(rr), name);
	assert_int_equal(ns_rr_type(rr), type);
	assert_int_equal(ns_rr_class(rr), ns_c_in);
	assert_int_equal(ns_rr_ttl(rr), DNS_TTL_S);
	assert_int_equal(ns_rr_rdlen(rr), type == ns_t_a ? 4 : 16);
	assert_memory_equal(ns_rr_rdata(rr), want.bytes, ns_rr_rdlen(rr));
}

/* Nothing but the record that says for how long there is nothing. */
static void
assert_nothing(struct dns_test *t)
{
	ns_rr rr;

	assert_int_equal(ns_msg_count(t->msg, ns_s_an), 0);
	assert_int_equal(ns_msg_count(t->msg, ns_s_ns), 1);
	assert_int_equal(ns_parserr(&t->msg, ns_s_ns, 0, &rr), 0);
	assert_int_equal(ns_rr_type(rr), ns_t_soa);
	assert_string_equal(ns_rr_name(rr), ".");
	assert_int_equal(ns_rr_ttl(rr), DNS_NEGATIVE_TTL_S);
	assert_int_equal(ns_get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4),
	    DNS_NEGATIVE_TTL_S);
}

/* ---- names ---- */

static void
dns_answer__allowed_names__synthetic_addresses(void **state)
{
	struct dns_test *t = *state;

	ask(t, "api.example", ns_t_a);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	assert_question(t, t->nquery - 12);
	assert_int_equal(ns_msg_count(t->msg, ns_s_an), 1);
	assert_address_is(t, 0, "api.example", ns_t_a, "198.18.0.1");
	assert_string_equal(t->asked, "api.example");
	assert_string_equal(t->result.host, "api.example");
	assert_int_equal(t->result.type, ns_t_a);
	ask(t, "api.example", ns_t_aaaa);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	assert_address_is(t, 0, "api.example", ns_t_aaaa,
	    "fd57:6172:6465:7200::1");
	ask(t, "b.example", ns_t_any);
	assert_int_equal(ns_msg_count(t->msg, ns_s_an), 2);
	assert_address_is(t, 0, "b.example", ns_t_a, "198.18.0.2");
	assert_address_is(t, 1, "b.example", ns_t_aaaa,
	    "fd57:6172:6465:7200::2");
	/* and again */
	ask(t, "api.example.", ns_t_a);
	assert_address_is(t, 0, "api.example", ns_t_a, "198.18.0.1");
}

static void
dns_answer__the_spelling_of_the_question__is_kept(void **state)
{
	struct dns_test *t = *state;

	ask(t, "aPi.ExAmPlE", ns_t_a);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	assert_address_is(t, 0, "aPi.ExAmPlE", ns_t_a, "198.18.0.1");
	assert_string_equal(t->asked, "api.example");
	ask(t, "API.EXAMPLE", ns_t_a);
	assert_address_is(t, 0, "API.EXAMPLE", ns_t_a, "198.18.0.1");
}

static void
dns_answer__other_types_of_an_allowed_name__no_data(void **state)
{
	static const int types[] = { TYPE_HTTPS, TYPE_SVCB, ns_t_soa, ns_t_ns,
		ns_t_txt, ns_t_cname, ns_t_mx, ns_t_srv, ns_t_ptr, ns_t_null,
		ns_t_dnskey, TYPE_CAA, ns_t_hinfo, 0, 65535, 127, 256 };
	struct dns_test *t = *state;
	size_t i;

	for (i = 0; i < countof(types); i++) {
		ask(t, "api.example", types[i]);
		assert_said(t, ns_r_noerror, DNS_NO_DATA);
		assert_nothing(t);
	}
	/* none of them has used an address up */
	ask(t, "first.example", ns_t_a);
	assert_address_is(t, 0, "first.example", ns_t_a, "198.18.0.1");
}

static void
dns_answer__names_that_are_not_allowed__nxdomain(void **state)
{
	static const char *const names[] = { "example", "example.org",
		"xexample", "api.example.org", "a_b.example", "-a.example",
		"com", "metadata.google.internal", "*.example", "a b.example" };
	static const int types[] = { ns_t_a, ns_t_aaaa, ns_t_any, TYPE_HTTPS,
		ns_t_txt, ns_t_ptr };
	struct dns_test *t = *state;
	size_t i, k;

	for (i = 0; i < countof(names); i++) {
		for (k = 0; k < countof(types); k++) {
			ask(t, names[i], types[k]);
			assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
			assert_nothing(t);
		}
	}
	/* what is no host is not even asked about */
	ask(t, "a_b.example", ns_t_a);
	assert_int_equal(t->nasked, 0);
	assert_string_equal(t->result.host, "");
}

static void
dns_answer__addresses_as_names__nxdomain(void **state)
{
	static const char *const names[] = { "10.0.0.1", "127.0.0.1", "1",
		"0x7f.1", "[::1]" };
	struct dns_test *t = *state;
	size_t i;

	for (i = 0; i < countof(names); i++) {
		ask(t, names[i], ns_t_a);
		assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
		assert_int_equal(t->nasked, 0);
	}
}

/* A dot inside a label is no border of labels. */
static void
dns_answer__bytes_that_text_would_hide__nxdomain(void **state)
{
	static const struct {
		const char *wire;
		size_t n;
	} names[] = {
		{ "\x0b"
		  "api.example",
		    13 },
		{ "\x03"
		  "a\0b\x07"
		  "example",
		    13 },
		{ "\x03"
		  "a\xff"
		  "b\x07"
		  "example",
		    13 },
		{ "\x03"
		  "a b\x07"
		  "example",
		    13 },
		{ "\x03"
		  "ap.\x07"
		  "example",
		    13 },
	};
	struct dns_test *t = *state;
	size_t i;

	for (i = 0; i < countof(names); i++) {
		make(t, ".", ns_c_in, ns_t_a);
		t->nquery = 12;
		add(t, names[i].wire, names[i].n);
		add_u16(t, ns_t_a);
		add_u16(t, ns_c_in);
		send_query(t);
		assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
		assert_int_equal(t->nasked, 0);
		assert_question(t, names[i].n + 4);
	}
}

static void
dns_answer__localhost__is_loopback(void **state)
{
	struct dns_test *t = *state;

	ask(t, "LocalHost", ns_t_a);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	assert_address_is(t, 0, "LocalHost", ns_t_a, "127.0.0.1");
	ask(t, "db.localhost", ns_t_aaaa);
	assert_address_is(t, 0, "db.localhost", ns_t_aaaa, "::1");
	assert_int_equal(t->nasked, 0);
	ask(t, "localhost", TYPE_HTTPS);
	assert_said(t, ns_r_noerror, DNS_NO_DATA);
	ask(t, "xlocalhost", ns_t_a);
	assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
}

static void
dns_answer__the_root__no_data(void **state)
{
	struct dns_test *t = *state;

	ask(t, ".", ns_t_ns);
	assert_said(t, ns_r_noerror, DNS_NO_DATA);
	assert_nothing(t);
}

static void
dns_answer__without_ipv6__aaaa_has_no_data(void **state)
{
	struct dns_test *t = *state;

	t->d.ipv6 = 0;
	ask(t, "api.example", ns_t_aaaa);
	assert_said(t, ns_r_noerror, DNS_NO_DATA);
	assert_nothing(t);
	ask(t, "api.example", ns_t_any);
	assert_int_equal(ns_msg_count(t->msg, ns_s_an), 1);
	ask(t, "localhost", ns_t_aaaa);
	assert_said(t, ns_r_noerror, DNS_NO_DATA);
}

/* ---- names of addresses ---- */

static void
assert_pointer(struct dns_test *t, const char *name, const char *host)
{
	char got[NS_MAXDNAME];
	ns_rr rr;

	ask(t, name, ns_t_ptr);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	assert_int_equal(ns_msg_count(t->msg, ns_s_an), 1);
	assert_int_equal(ns_parserr(&t->msg, ns_s_an, 0, &rr), 0);
	assert_int_equal(ns_rr_type(rr), ns_t_ptr);
	assert_string_equal(ns_rr_name(rr), name);
	assert_true(ns_name_uncompress(t->answer, t->answer + t->nanswer,
			ns_rr_rdata(rr), got, sizeof(got)) == ns_rr_rdlen(rr));
	assert_string_equal(got, host);
}

#define ZEROS_15 "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
#define NIBBLES(rest) ("1." ZEROS_15 rest)

static void
dns_answer__pointers__names_of_synthetic_addresses(void **state)
{
	struct dns_test *t = *state;

	ask(t, "api.example", ns_t_a);
	assert_pointer(t, "1.0.18.198.in-addr.arpa", "api.example");
	assert_pointer(t, "1.0.18.198.IN-ADDR.arpa", "api.example");
	assert_pointer(t,
	    "1." ZEROS_15 "0.0.2.7.5.6.4.6.2.7.1.6.7.5.d.f.ip6.arpa",
	    "api.example");
	assert_pointer(t, "1.0.0.127.in-addr.arpa", "localhost");
	assert_pointer(t, "1." ZEROS_15 ZEROS_15 "0.ip6.arpa", "localhost");
	ask(t, "1.0.18.198.in-addr.arpa", ns_t_a);
	assert_said(t, ns_r_noerror, DNS_NO_DATA);
	assert_int_equal(t->nasked, 0);
}

static void
dns_answer__pointers_of_other_addresses__nxdomain(void **state)
{
	static const char *const names[] = { "2.0.18.198.in-addr.arpa",
		"0.0.18.198.in-addr.arpa", "01.0.18.198.in-addr.arpa",
		"1.0.18.198.1.in-addr.arpa", "0.18.198.in-addr.arpa",
		"257.0.18.198.in-addr.arpa", "a.0.18.198.in-addr.arpa",
		"in-addr.arpa", "ip6.arpa", "x.ip6.arpa", "1.0.18.198.ip6.arpa",
		NIBBLES("0.0.2.7.5.6.4.6.2.7.1.6.7.5.d.f.0.ip6.arpa"),
		NIBBLES("0.0.2.7.5.6.4.6.2.7.1.6.7.5.d.0f.ip6.arpa"),
		NIBBLES("0.0.2.7.5.6.4.6.2.7.1.6.7.5.d.g.ip6.arpa"),
		"4294967297.0.18.198.in-addr.arpa" };
	struct dns_test *t = *state;
	size_t i;

	ask(t, "api.example", ns_t_a);
	for (i = 0; i < countof(names); i++) {
		ask(t, names[i], ns_t_ptr);
		if (t->result.end != DNS_NO_NAME)
			fail_msg("%s", names[i]);
		assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
	}
}

/* ---- what is not done ---- */

static void
dns_answer__what_is_not_done__says_so(void **state)
{
	static const int meta[] = { ns_t_axfr, ns_t_ixfr, ns_t_tsig, 128, 254 };
	struct dns_test *t = *state;
	size_t i;
	int op;

	for (i = 0; i < countof(meta); i++) {
		ask(t, "api.example", meta[i]);
		assert_said(t, ns_r_refused, DNS_UNSUPPORTED);
	}
	make(t, "version.bind", ns_c_chaos, ns_t_txt);
	send_query(t);
	assert_said(t, ns_r_refused, DNS_UNSUPPORTED);
	assert_question(t, t->nquery - 12);
	ask(t, "api.example", ns_t_opt);
	assert_said(t, ns_r_formerr, DNS_MALFORMED);
	for (op = 1; op < 16; op++) {
		make(t, "api.example", ns_c_in, ns_t_a);
		t->query[2] |= (unsigned char)(op << 3);
		send_query(t);
		assert_said(t, ns_r_notimpl, DNS_UNSUPPORTED);
		assert_int_equal(ns_msg_getflag(t->msg, ns_f_opcode), op);
		assert_int_equal(t->nanswer, 12);
	}
	assert_int_equal(t->nasked, 0);
}

static void
dns_answer__no_query__silence(void **state)
{
	struct dns_test *t = *state;
	size_t n;

	make(t, "api.example", ns_c_in, ns_t_a);
	for (n = 0; n < 12; n++) {
		t->nquery = n;
		send_query(t);
		assert_int_equal(t->nanswer, 0);
		assert_int_equal(t->result.end, DNS_SILENT);
	}
	make(t, "api.example", ns_c_in, ns_t_a);
	t->query[2] |= 0x80;
	send_query(t);
	assert_int_equal(t->nanswer, 0);
}

static void
assert_malformed(struct dns_test *t)
{
	send_query(t);
	assert_said(t, ns_r_formerr, DNS_MALFORMED);
	assert_int_equal(t->nanswer, 12);
	assert_int_equal(t->nasked, 0);
}

static void
dns_answer__malformed__formerr(void **state)
{
	struct dns_test *t = *state;
	size_t n, whole;
	int i;

	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 0, 0, "\x00\x0a\x00\x02xy", 6);
	whole = t->nquery;
	for (n = 12; n < whole; n++) { /* every way to cut it */
		t->nquery = n;
		assert_malformed(t);
	}
	t->nquery = whole;
	send_query(t);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	add(t, "", 1);
	assert_malformed(t);
	/* counts */
	for (i = 4; i < 12; i++) {
		make(t, "api.example", ns_c_in, ns_t_a);
		t->query[i] ^= i == 5 ? 1 : 2;
		assert_malformed(t);
	}
	make(t, "api.example", ns_c_in, ns_t_a);
	t->query[5] = 2;
	add(t, t->query + 12, t->nquery - 12);
	assert_malformed(t);
	/* labels that are pointers, or of another kind */
	for (i = 0x40; i < 0x100; i++) {
		make(t, "api.example", ns_c_in, ns_t_a);
		t->query[12] = (unsigned char)i;
		assert_malformed(t);
	}
	make(t, "api.example", ns_c_in, ns_t_a);
	t->nquery = 12;
	add(t, "\xc0\x0c", 2);
	add_u16(t, ns_t_a);
	add_u16(t, ns_c_in);
	assert_malformed(t);
	/* too long by itself */
	make(t, "api.example", ns_c_in, ns_t_a);
	t->nquery = DNS_QUERY_MAX + 1;
	assert_malformed(t);
}

/* Labels of 63, 63, 63 and "last" bytes: 193 + last + 1 of the wire. */
static void
add_long_name(struct dns_test *t, size_t last)
{
	char label[1 + 63];
	int i;

	memset(label, 'a', sizeof(label));
	label[0] = 63;
	for (i = 0; i < 3; i++)
		add(t, label, 64);
	label[0] = (char)last;
	add(t, label, 1 + last);
}

static void
ask_long(struct dns_test *t, size_t last, int type)
{
	make(t, ".", ns_c_in, type);
	t->nquery = 12;
	add_long_name(t, last);
	add(t, "", 1);
	add_u16(t, (unsigned)type);
	add_u16(t, ns_c_in);
	send_query(t);
}

static void
dns_answer__names_of_255_bytes__and_one_more(void **state)
{
	struct dns_test *t = *state;

	ask_long(t, 61, ns_t_a);
	assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
	assert_int_equal(strlen(t->asked), CANON_HOST_MAX);
	ask_long(t, 62, ns_t_a);
	assert_said(t, ns_r_formerr, DNS_MALFORMED);
	ask_long(t, 63, ns_t_a);
	assert_said(t, ns_r_formerr, DNS_MALFORMED);
	/* labels of one byte: as many as fit */
	make(t, ".", ns_c_in, ns_t_a);
	t->nquery = 12;
	while (t->nquery < 12 + 254)
		add(t, "\1a", 2);
	add(t, "", 1);
	add_u16(t, ns_t_a);
	add_u16(t, ns_c_in);
	send_query(t);
	assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
	assert_int_equal(strlen(t->asked), CANON_HOST_MAX);
}

/* ---- EDNS ---- */

/* The OPT of the answer: its rdata, and what its ttl says. */
static const unsigned char *
opt_of(struct dns_test *t, unsigned *ret_ttl, size_t *ret_n)
{
	int i = ns_msg_count(t->msg, ns_s_ar) - 1;
	ns_rr rr;

	assert_int_equal(i, 0);
	assert_int_equal(ns_parserr(&t->msg, ns_s_ar, i, &rr), 0);
	assert_int_equal(ns_rr_type(rr), ns_t_opt);
	assert_int_equal(ns_rr_class(rr), DNS_QUERY_MAX);
	*ret_ttl = ns_rr_ttl(rr);
	*ret_n = ns_rr_rdlen(rr);
	return ns_rr_rdata(rr);
}

static void
dns_answer__edns__is_answered(void **state)
{
	struct dns_test *t = *state;
	const unsigned char *p;
	unsigned ttl;
	size_t n;

	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 0, 0x8000, "\x00\x0c\x00\x04\0\0\0\0", 8);
	send_query(t);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	assert_address_is(t, 0, "api.example", ns_t_a, "198.18.0.1");
	(void)opt_of(t, &ttl, &n);
	assert_int_equal(ttl, 0x8000); /* DO, as RFC 3225 wants it */
	assert_int_equal(n, 0);
	/* of other flags none comes back */
	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 0, 0x7fff, "", 0);
	send_query(t);
	(void)opt_of(t, &ttl, &n);
	assert_int_equal(ttl, 0);
	/* who did not send one gets none */
	ask(t, "api.example", ns_t_a);
	assert_int_equal(ns_msg_count(t->msg, ns_s_ar), 0);
	/* a refusal has its reason */
	make(t, "api.org", ns_c_in, ns_t_a);
	add_opt(t, 0, 0, "", 0);
	send_query(t);
	p = opt_of(t, &ttl, &n);
	assert_true(n > 6);
	assert_int_equal(ns_get16(p), 15);
	assert_int_equal(ns_get16(p + 2), n - 4);
	assert_int_equal(ns_get16(p + 4), 15);
	assert_memory_equal(p + 6, "the policy names", 16);
}

static void
dns_answer__edns_of_another_version__badvers(void **state)
{
	struct dns_test *t = *state;
	unsigned ttl;
	size_t n;

	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 1, 0, "what this is, version 0 cannot know", 9);
	send_query(t);
	assert_said(t, ns_r_noerror, DNS_UNSUPPORTED);
	(void)opt_of(t, &ttl, &n);
	assert_int_equal(ttl, 1 << 24); /* 16 with the header's 0 */
	assert_int_equal(t->nasked, 0);
}

static void
dns_answer__records_that_are_no_opt__formerr(void **state)
{
	struct dns_test *t = *state;

	/* an owner */
	make(t, "api.example", ns_c_in, ns_t_a);
	t->query[11] = 1;
	add(t, "\1a\0\0\x29\x10\0\0\0\0\0\0\0", 13);
	assert_malformed(t);
	/* TSIG */
	make(t, "api.example", ns_c_in, ns_t_a);
	t->query[11] = 1;
	add(t, "\0\0\xfa\0\xff\0\0\0\0\0\0", 11);
	assert_malformed(t);
	/* two */
	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 0, 0, "", 0);
	add_opt(t, 0, 0, "", 0);
	t->query[11] = 2;
	assert_malformed(t);
	/* options longer, and shorter, than the record */
	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 0, 0, "\x00\x0a\x00\x05xyzw", 8);
	assert_malformed(t);
	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 0, 0, "\x00\x0a\x00\x00\x00", 5);
	assert_malformed(t);
	/* an option behind the record's end */
	make(t, "api.example", ns_c_in, ns_t_a);
	add_opt(t, 0, 0, "", 0);
	add(t, "\x00\x0a\x00\x00", 4);
	assert_malformed(t);
}

/* ---- room ---- */

static void
dns_answer__the_longest__fits(void **state)
{
	static const int types[] = { ns_t_a, ns_t_any, ns_t_txt };
	struct dns_test *t = *state;
	char host[256];
	size_t i;

	for (i = 0; i < countof(types); i++) {
		/* labels of 63, 63, 63, 53 and "example": 253 */
		make(t, ".", ns_c_in, types[i]);
		t->nquery = 12;
		add_long_name(t, 53);
		add(t, "\7example", 9);
		add_u16(t, (unsigned)types[i]);
		add_u16(t, ns_c_in);
		add_opt(t, 0, 0, "", 0);
		send_query(t);
		assert_int_equal(strlen(t->result.host), CANON_HOST_MAX);
		assert_int_equal(ns_msg_getflag(t->msg, ns_f_tc), 0);
		assert_true(t->nanswer > 280);
	}
	(void)snprintf(host, sizeof(host), "%s", t->result.host);
	assert_pointer(t, "1.0.18.198.in-addr.arpa", host);
	assert_pointer(t,
	    "1." ZEROS_15 "0.0.2.7.5.6.4.6.2.7.1.6.7.5.d.f.ip6.arpa", host);
	/* refused, with the reason */
	make(t, ".", ns_c_in, ns_t_a);
	t->nquery = 12;
	add_long_name(t, 61);
	add(t, "", 1);
	add_u16(t, ns_t_a);
	add_u16(t, ns_c_in);
	add_opt(t, 0, 0, "", 0);
	send_query(t);
	assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
}

static void
dns_answer__too_little_room__is_cut_to_the_question(void **state)
{
	struct dns_test *t = *state;
	size_t room, whole, question;
	unsigned ttl;
	size_t n;

	make(t, "api.example", ns_c_in, ns_t_any);
	question = t->nquery - 12;
	add_opt(t, 0, 0, "", 0);
	send_query(t);
	whole = t->nanswer;
	for (room = 0; room < whole; room++) {
		send_room(t, room);
		if (room < 12 + question + 11) {
			assert_int_equal(t->nanswer, 0);
			continue;
		}
		assert_int_equal(t->nanswer, 12 + question + 11);
		assert_int_equal(ns_msg_getflag(t->msg, ns_f_tc), 1);
		assert_int_equal(ns_msg_count(t->msg, ns_s_an), 0);
		assert_question(t, question);
		(void)opt_of(t, &ttl, &n);
	}
	send_room(t, whole);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_tc), 0);
}

static void
dns_answer__no_address_left__servfail(void **state)
{
	struct dns_test *t = *state;
	char name[64];
	int i;

	for (i = 0; i < SYNTHETIC_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example", i);
		ask(t, name, i % 2 ? ns_t_a : ns_t_aaaa);
		assert_int_equal(t->result.end, DNS_ANSWERED);
	}
	ask(t, "one.more.example", ns_t_a);
	assert_said(t, ns_r_servfail, DNS_FULL);
	assert_string_equal(t->result.host, "one.more.example");
	assert_int_equal(ns_msg_count(t->msg, ns_s_an), 0);
	ask(t, "n0.example", ns_t_a);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	ask(t, "one.more.example", ns_t_txt);
	assert_said(t, ns_r_noerror, DNS_NO_DATA);
	ask(t, "api.org", ns_t_a);
	assert_said(t, ns_r_nxdomain, DNS_NO_NAME);
}

static void
dns_answer__flags__what_comes_back(void **state)
{
	struct dns_test *t = *state;

	make(t, "api.example", ns_c_in, ns_t_a);
	t->query[2] = 0x06; /* AA, TC; not RD */
	t->query[3] = 0xff; /* RA, Z, AD, CD, an rcode */
	send_query(t);
	assert_said(t, ns_r_noerror, DNS_ANSWERED);
	assert_int_equal(t->answer[2], 0x80);
	assert_int_equal(t->answer[3], 0x90); /* RA, CD */
	make(t, "api.example", ns_c_in, ns_t_a);
	send_query(t);
	assert_int_equal(ns_msg_getflag(t->msg, ns_f_rd), 1);
}

/* ---- TCP ---- */

static void
dns_frame_push__any_cut__the_same_queries(void **state)
{
	struct dns_frame f;
	unsigned char stream[512], got[512];
	size_t n = 0, ngot, step, at, taken, size;
	static const size_t lengths[] = { 1, 17, 300 };
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < countof(lengths); i++) {
		dns_frame_length(stream + n, lengths[i]);
		memset(stream + n + 2, 'a' + (int)i, lengths[i]);
		n += 2 + lengths[i];
	}
	for (step = 1; step <= n; step++) {
		dns_frame_init(&f);
		for (at = 0, i = 0, ngot = 0; at < n; at += taken) {
			size = n - at < step ? n - at : step;
			r = dns_frame_push(&f, stream + at, size, &taken);
			assert_true(r >= 0 && taken <= size);
			assert_true(r == 1 || taken == size);
			if (r == 0)
				continue;
			memcpy(got + ngot, dns_frame_query(&f, &size), 1);
			ngot++;
			assert_int_equal(size, lengths[i]);
			assert_int_equal(got[ngot - 1], 'a' + (int)i);
			i++;
			dns_frame_next(&f);
		}
		assert_int_equal(i, countof(lengths));
	}
}

static void
dns_frame_push__lengths_that_cannot_be__end_it(void **state)
{
	static const struct {
		size_t length;
		int r;
	} cases[] = { { 0, -1 }, { 1, 0 }, { DNS_QUERY_MAX, 0 },
		{ DNS_QUERY_MAX + 1, -1 }, { 65535, -1 } };
	struct dns_frame f;
	unsigned char head[2], *body;
	size_t taken, i;

	(void)state;
	for (i = 0; i < countof(cases); i++) {
		dns_frame_init(&f);
		dns_frame_length(head, cases[i].length);
		assert_int_equal(dns_frame_push(&f, head, 2, &taken),
		    cases[i].r);
		assert_int_equal(taken, 2);
		if (cases[i].r == -1)
			continue;
		body = calloc(1, cases[i].length);
		assert_int_equal(dns_frame_push(&f, body, cases[i].length,
				     &taken),
		    1);
		free(body);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(dns_answer__allowed_names__synthetic_addresses),
		TEST(dns_answer__the_spelling_of_the_question__is_kept),
		TEST(dns_answer__other_types_of_an_allowed_name__no_data),
		TEST(dns_answer__names_that_are_not_allowed__nxdomain),
		TEST(dns_answer__addresses_as_names__nxdomain),
		TEST(dns_answer__bytes_that_text_would_hide__nxdomain),
		TEST(dns_answer__localhost__is_loopback),
		TEST(dns_answer__the_root__no_data),
		TEST(dns_answer__without_ipv6__aaaa_has_no_data),
		TEST(dns_answer__pointers__names_of_synthetic_addresses),
		TEST(dns_answer__pointers_of_other_addresses__nxdomain),
		TEST(dns_answer__what_is_not_done__says_so),
		TEST(dns_answer__no_query__silence),
		TEST(dns_answer__malformed__formerr),
		TEST(dns_answer__names_of_255_bytes__and_one_more),
		TEST(dns_answer__edns__is_answered),
		TEST(dns_answer__edns_of_another_version__badvers),
		TEST(dns_answer__records_that_are_no_opt__formerr),
		TEST(dns_answer__the_longest__fits),
		TEST(dns_answer__too_little_room__is_cut_to_the_question),
		TEST(dns_answer__no_address_left__servfail),
		TEST(dns_answer__flags__what_comes_back),
		TEST(dns_frame_push__any_cut__the_same_queries),
		TEST(dns_frame_push__lengths_that_cannot_be__end_it),
	};

	return cmocka_run_group_tests_name("dns", tests, NULL, NULL);
}
