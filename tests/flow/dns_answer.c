/*
 * dns_answer.c: proxy/dns.c behind standard input and output, for tests that
 * do the I/O.
 *
 *	dns_answer HOST…	the names that the policy allows
 *
 * Queries and answers have their length in front, as over TCP; no answer is a
 * length of 0.  On standard error a line for each: end, type, host.
 */
#include <stdio.h>
#include <string.h>

#include "proxy/dns.h"

static int
answer_allowed(void *arg, const char *host)
{
	char **hosts = arg;

	while (*hosts != NULL && strcmp(*hosts, host) != 0)
		hosts++;
	return *hosts != NULL;
}

static void
answer_query(const struct dns *d, const struct dns_frame *f)
{
	unsigned char out[2 + DNS_ANSWER_MAX];
	struct dns_result result;
	const unsigned char *query;
	size_t n;

	query = dns_frame_query(f, &n);
	n = dns_answer(d, query, n, out + 2, DNS_ANSWER_MAX, &result);
	dns_frame_length(out, n);
	(void)fprintf(stderr, "%d %u %s\n", (int)result.end, result.type,
	    result.host);
	(void)fwrite(out, 1, 2 + n, stdout);
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct dns d = { .ipv6 = 1, .allowed = answer_allowed, .arg = argv };
	struct dns_frame f;
	unsigned char byte;
	struct err e;
	size_t taken;
	int r;

	(void)argc;
	if (synthetic_create((uint64_t)getpid(), &d.names, &e) == -1)
		return 1;
	dns_frame_init(&f);
	while (fread(&byte, 1, 1, stdin) == 1) {
		r = dns_frame_push(&f, &byte, 1, &taken);
		if (r == -1)
			return 1;
		if (r == 0)
			continue;
		answer_query(&d, &f);
		dns_frame_next(&f);
	}
	synthetic_destroy(d.names);
	return 0;
}
