/*
 * authorize.c: what one decision costs, by the number of rules.
 *
 *	authorize ROUNDS
 *
 * Builds plans of 10, 100, 1,000 and 8,000 rules (services of 100 rules each,
 * GitHub-like paths) by the policy compiler, and prints a line each:
 * "rules allowed_ns path_refused_ns host_refused_ns same_prefix_ns", medians
 * of ROUNDS batches.  In the last all rules begin with one literal prefix,
 * so that the search by prefix cannot help.
 */
#include "bench.h"

#include "policy/authorize.h"
#include "tests/policy_text.h"

enum {
	BATCH = 256,
	RULES_OF_A_SERVICE = 100,
};

static const struct plan_net *net;
static char policy[CONFIG_FILE_MAX];

static void
write_policy(unsigned rules, const char *before)
{
	struct text t;
	unsigned i;

	text_init(&t, policy, sizeof(policy));
	text_add(&t, "policy: 1\nnetwork:\n  services:\n");
	for (i = 0; i < rules; i++) {
		if (i % RULES_OF_A_SERVICE == 0)
			text_addf(&t,
			    "    s%u:\n      to: h%u.example\n      allow:\n",
			    i / RULES_OF_A_SERVICE, i / RULES_OF_A_SERVICE);
		text_add(&t, "        - {methods: read, path: ");
		text_addf(&t, "%s%u/**}\n", before, i);
	}
	if (t.truncated)
		bench_die("policy", "has no room");
}

static void
compile(unsigned rules, const char *before)
{
	write_policy(rules, before);
	net = policy_text_compile(policy);
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Median nanoseconds of one decision, which must have this code. */
static uint64_t
measure(int rounds, const struct intent *in, enum refusal_code want)
{
	uint64_t *ns = calloc((size_t)rounds, sizeof(*ns)), start, median;
	struct verdict v;
	int i, k;

	if (ns == NULL)
		bench_die("calloc", "no memory");
	for (i = 0; i < rounds; i++) {
		start = bench_now_ns();
		for (k = 0; k < BATCH; k++)
			authorize(net, in, &v);
		ns[i] = (bench_now_ns() - start) / BATCH;
		if (v.code != want)
			bench_die(in->path, refusal_name(v.code));
	}
	qsort(ns, (size_t)rounds, sizeof(*ns), compare);
	median = ns[rounds / 2];
	free(ns);
	return median;
}

static void
measure_all(int rounds, unsigned rules)
{
	char host[64], path[128], other[128];
	struct intent in = { .kind = INTENT_HTTP,
		.host = host,
		.port = 443,
		.tls = 1,
		.sni = host,
		.authority = host,
		.authority_port = 443,
		.method = "GET",
		.path = path,
		.query = "per_page=100" };
	uint64_t ns[4];

	(void)snprintf(host, sizeof(host), "h%u.example",
	    (rules - 1) / RULES_OF_A_SERVICE);
	(void)snprintf(path, sizeof(path), "/repos/acme/r%u/issues/17",
	    rules - 1);
	(void)snprintf(other, sizeof(other), "/repos/acme/other/issues/17");
	compile(rules, "/repos/acme/r");
	ns[0] = measure(rounds, &in, REFUSAL_none);
	in.path = other;
	ns[1] = measure(rounds, &in, REFUSAL_path);
	in.path = path;
	in.host = in.sni = in.authority = "other.example";
	ns[2] = measure(rounds, &in, REFUSAL_service);
	in.host = in.sni = in.authority = host;
	compile(rules, "/repos/*/r");
	ns[3] = measure(rounds, &in, REFUSAL_none);
	(void)printf("%u %ju %ju %ju %ju\n", rules, (uintmax_t)ns[0],
	    (uintmax_t)ns[1], (uintmax_t)ns[2], (uintmax_t)ns[3]);
}

int
main(int argc, char **argv)
{
	static const unsigned rules[] = { 10, 100, 1000, 8000 };
	size_t i;

	if (argc != 2)
		bench_die("usage", "authorize ROUNDS");
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		measure_all(bench_count(argv[1]), rules[i]);
	return 0;
}
