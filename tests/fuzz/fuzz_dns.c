/*
 * fuzz_dns.c: proxy/dns.c on any bytes.
 *
 *	| room u8 | read size u8 | a query … |
 *
 * The policy allows what ends in ".example".  Whatever comes in:
 *
 *	the answer fits, and the C library can read it: id, opcode, question
 *	it is the same the second time, and by TCP however it is cut
 *	every address given leads back to the name that was allowed
 *	no name is allowed, or shown in the log, but a canonical host
 */
#include <arpa/nameser.h>
#include <assert.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/dns.h"

enum {
	HEADER_BYTES = 12
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char fuzz_asked[CANON_HOST_SIZE];

static int
fuzz_allowed(void *arg, const char *host)
{
	size_t n = strlen(host);

	assert(arg == fuzz_asked);
	assert(canon_is_host(host) && n <= CANON_HOST_MAX);
	memcpy(fuzz_asked, host, n + 1);
	return n > 8 && strcmp(host + n - 8, ".example") == 0;
}

static void
fuzz_address(const struct dns *d, const ns_rr *rr)
{
	struct net_address a = {
		.family = ns_rr_type(*rr) == ns_t_a ? 4 : 6,
	};
	const char *host;
	size_t n = strlen(fuzz_asked);

	assert(ns_rr_rdlen(*rr) == (a.family == 4 ? 4 : 16));
	memcpy(a.bytes, ns_rr_rdata(*rr), ns_rr_rdlen(*rr));
	if (fuzz_asked[0] == '\0') { /* localhost is nobody's */
		assert(a.bytes[0] == (a.family == 4 ? 127 : 0));
		return;
	}
	host = synthetic_host(d->names, &a);
	assert(host != NULL && strcmp(host, fuzz_asked) == 0);
	assert(n > 8 && strcmp(fuzz_asked + n - 8, ".example") == 0);
}

/* The question is in both, at the same place; its size. */
static size_t
fuzz_question(const uint8_t *query, size_t n, const uint8_t *answer,
    size_t size)
{
	const uint8_t *p = answer + HEADER_BYTES;
	size_t question;

	assert(ns_name_skip(&p, answer + size) == 0);
	question = (size_t)(p - answer) - HEADER_BYTES + 4;
	assert(HEADER_BYTES + question <= n && HEADER_BYTES + question <= size);
	assert(
	    memcmp(answer + HEADER_BYTES, query + HEADER_BYTES, question) == 0);
	return question;
}

static void
fuzz_answer(const struct dns *d, const uint8_t *query, size_t n,
    const uint8_t *answer, size_t size, const struct dns_result *result)
{
	ns_msg m;
	ns_rr rr;
	int i;

	assert(n >= HEADER_BYTES && !(query[2] & 0x80));
	assert(ns_initparse(answer, (int)size, &m) == 0);
	assert(ns_msg_getflag(m, ns_f_qr) && !ns_msg_getflag(m, ns_f_aa));
	assert(memcmp(answer, query, 2) == 0);
	assert(ns_msg_getflag(m, ns_f_opcode) == (query[2] >> 3 & 15));
	if (ns_msg_count(m, ns_s_qd) == 1) {
		assert(ns_parserr(&m, ns_s_qd, 0, &rr) == 0);
		assert(fuzz_question(query, n, answer, size) > 0);
	} else {
		assert(result->end == DNS_MALFORMED ||
		       result->end == DNS_UNSUPPORTED);
		assert(size == HEADER_BYTES);
	}
	for (i = 0; i < ns_msg_count(m, ns_s_an); i++) {
		assert(ns_parserr(&m, ns_s_an, i, &rr) == 0);
		assert(ns_rr_ttl(rr) == DNS_TTL_S);
		if (ns_rr_type(rr) != ns_t_ptr)
			fuzz_address(d, &rr);
	}
	assert(
	    (result->end == DNS_ANSWERED) == (ns_msg_count(m, ns_s_an) > 0) ||
	    ns_msg_getflag(m, ns_f_tc));
	for (i = 0; i < ns_msg_count(m, ns_s_ns); i++)
		assert(ns_parserr(&m, ns_s_ns, i, &rr) == 0 &&
		       ns_rr_type(rr) == ns_t_soa);
	for (i = 0; i < ns_msg_count(m, ns_s_ar); i++)
		assert(ns_parserr(&m, ns_s_ar, i, &rr) == 0 &&
		       ns_rr_type(rr) == ns_t_opt);
}

/* Twice the same, in memory of exactly that size. */
static size_t
fuzz_ask(const struct dns *d, const uint8_t *p, size_t n, uint8_t *answer,
    size_t room, struct dns_result *result)
{
	uint8_t *copy = malloc(n), *mine = malloc(room + 1);
	uint8_t again[DNS_ANSWER_MAX];
	size_t size;

	assert((copy != NULL || n == 0) && mine != NULL);
	if (n > 0)
		memcpy(copy, p, n);
	fuzz_asked[0] = '\0';
	size = dns_answer(d, copy, n, mine, room, result);
	assert(size <= room && room <= DNS_ANSWER_MAX);
	memcpy(answer, mine, size);
	assert(dns_answer(d, copy, n, again, room, result) == size);
	assert(memcmp(again, mine, size) == 0);
	assert(result->host[0] == '\0' || canon_is_host(result->host));
	free(copy);
	free(mine);
	return size;
}

/* The same query by TCP, in reads of "step" bytes, with another behind it. */
static void
fuzz_frame(const uint8_t *p, size_t n, size_t step)
{
	uint8_t *stream;
	struct dns_frame f;
	size_t at = 0, taken, k, total = n + 3;
	const unsigned char *q;
	int r = 0;

	if (n == 0 || n > DNS_QUERY_MAX)
		return;
	stream = malloc(total);
	assert(stream != NULL);
	dns_frame_length(stream, n);
	memcpy(stream + 2, p, n);
	stream[n + 2] = 0x5a;
	dns_frame_init(&f);
	while (r == 0) {
		k = total - at < step ? total - at : step;
		assert(k > 0);
		r = dns_frame_push(&f, stream + at, k, &taken);
		assert(r >= 0 && taken <= k && (r == 1 || taken == k));
		at += taken;
	}
	q = dns_frame_query(&f, &k);
	assert(k == n && at == n + 2 && memcmp(q, p, n) == 0);
	free(stream);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns d = { .allowed = fuzz_allowed, .arg = fuzz_asked };
	uint8_t answer[DNS_ANSWER_MAX], cut[DNS_ANSWER_MAX];
	struct dns_result result, result_cut;
	size_t n;

	if (size < 2)
		return 0;
	d.ipv6 = data[1] & 1;
	if (synthetic_create(data[0], &d.names, NULL) == -1)
		abort();
	n = fuzz_ask(&d, data + 2, size - 2, answer, sizeof(answer), &result);
	assert((n == 0) == (result.end == DNS_SILENT));
	if (n > 0)
		fuzz_answer(&d, data + 2, size - 2, answer, n, &result);
	if (n > data[0]) {
		size_t short_of =
		    fuzz_ask(&d, data + 2, size - 2, cut, data[0], &result_cut);

		assert(result_cut.end == result.end);
		if (short_of > 0) {
			assert(cut[2] & 0x02);
			fuzz_answer(&d, data + 2, size - 2, cut, short_of,
			    &result_cut);
		}
	}
	fuzz_frame(data + 2, size - 2, (size_t)data[1] + 1);
	synthetic_destroy(d.names);
	return 0;
}
