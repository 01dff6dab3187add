/* test_fits.c: what a live jail can be given: plan_differs(), plan_net_fits() */
#include <string.h>

#include "unit_policy.h"

static struct plan first_plan;
static union plan_net_room first_net;

/* The policy that the jail began with. */
static void
begin(const char *text)
{
	policy_good(text, NULL);
	first_plan = policy_plan;
	if (policy_net.net.size == 0)
		plan_net_init(&policy_net);
	memcpy(&first_net, &policy_net, policy_net.net.size);
	policy_done();
}

static void
load(const char *text)
{
	policy_good(text, NULL);
	if (policy_net.net.size == 0)
		plan_net_init(&policy_net);
}

static void
plan_differs__each_part__named(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "policy: 1\n", NULL },
		{ "# another line\npolicy: 1\nname: other\n", NULL },
		{ "policy: 1\nnetwork: {services: {a: {to: a.test, "
		  "allow: any}}}\n",
		    NULL },
		{ "policy: 1\nprocess: {cwd: /tmp}\n", "process" },
		{ "policy: 1\nprocess: {env: {A: b}}\n", "process.env" },
		{ "policy: 1\nprocess: {env_pass: [A]}\n", "process.env" },
		{ "policy: 1\nfilesystem: {tmpfs: [{path: /x}]}\n",
		    "filesystem" },
		{ "policy: 1\nfilesystem: {write: [{path: /x}]}\n",
		    "filesystem" },
		{ "policy: 1\nseccomp: {profile: build}\n", "seccomp" },
		{ "policy: 1\nseccomp: {deny: [inotify_init1]}\n", "seccomp" },
		{ "policy: 1\nlimits: {pids: 99}\n", "limits" },
		{ "policy: 1\nrequires: {landlock: 1}\n", "requires" },
	};

	const char *part;
	size_t i;

	(void)state;
	begin(cases[0].text);
	for (i = 0; i < countof(cases); i++) {
		load(cases[i].text);
		part = plan_differs(&first_plan, &policy_plan);
		policy_done();
		if ((part == NULL) != (cases[i].part == NULL) ||
		    (part != NULL && strcmp(part, cases[i].part) != 0))
			fail_msg("%s: %s", cases[i].text,
			    part == NULL ? "the same" : part);
	}
}

#define SERVICE(to, more)                                                 \
	"policy: 1\nnetwork: {services: {a: {to: " to ", allow: any" more \
	"}}}\n"
#define KEY(key)                                    \
	SERVICE("'a.test:443'", ", tls: {ca: /ca}") \
	"credentials: {k: {" key ", inject: [{service: a, as: bearer}]}}\n"
#define FIRST_KEY "source: {env: K}, placeholder: {env: T, shape: github_pat}"

static void
fits(const char *text, const char *reason)
{
	struct err e = { 0 };
	int rc;

	load(text);
	rc = plan_net_fits(&first_net.net, &policy_net.net, &e);
	policy_done();
	if (reason == NULL && rc == -1)
		fail_msg("%s: %s", text, e.msg);
	if (reason == NULL)
		return;
	if (rc == 0 || e.code != ERR_CONFLICT || strstr(e.msg, reason) == NULL)
		fail_msg("%s: %s", text, rc == 0 ? "it fits" : e.msg);
}

static void
plan_net_fits__hosts_to_inspect__only_what_the_authority_names(void **state)
{
	(void)state;
	begin(SERVICE("['*.w.test', b.test]", ", tls: {ca: /ca}"));
	fits("policy: 1\n", NULL);
	fits(SERVICE("b.test", ", tls: {ca: /ca}"), NULL);
	fits(SERVICE("'b.test:8443'", ", tls: {ca: /ca}"), NULL);
	fits(SERVICE("'*.w.test'", ", tls: {ca: /ca}"), NULL);
	fits(SERVICE("x.w.test", ", tls: {ca: /ca}"), NULL);
	fits(SERVICE("x.y.w.test", ", tls: {ca: /ca}"), "x.y.w.test");
	fits(SERVICE("w.test", ", tls: {ca: /ca}"), "w.test");
	fits(SERVICE("xw.test", ", tls: {ca: /ca}"), "xw.test");
	fits(SERVICE("'*.b.test'", ", tls: {ca: /ca}"), "*.b.test");
	/* what nobody looks into needs no name */
	fits(SERVICE("c.test", ", tls: splice"), NULL);
	fits(SERVICE("'c.test:80'", ", tls: none"), NULL);
	fits(SERVICE("'c.test:1'", ", protocol: tcp"), NULL);
	begin("policy: 1\n");
	fits(SERVICE("b.test", ", tls: {ca: /ca}"), "b.test");
}

static void
plan_net_fits__credentials__only_those_of_the_start(void **state)
{
	(void)state;
	begin(KEY(FIRST_KEY));
	fits(KEY(FIRST_KEY), NULL);
	fits(KEY(FIRST_KEY ", elsewhere: strip, required: false"), NULL);
	fits(SERVICE("'a.test:443'", ", tls: {ca: /other}"), NULL);
	fits(KEY("source: {env: L}, placeholder: {env: T, shape: github_pat}"),
	    "credential k");
	fits(KEY("source: {vault: K}, "
		 "placeholder: {env: T, shape: github_pat}"),
	    "credential k");
	fits(KEY("source: {env: K}, placeholder: {env: U, shape: github_pat}"),
	    "credential k");
	fits(KEY("source: {env: K}, placeholder: {env: T, shape: openai}"),
	    "credential k");
	fits(KEY("source: {env: K}"), "credential k");
	begin(SERVICE("'a.test:443'", ", tls: {ca: /ca}"));
	fits(KEY(FIRST_KEY), "did not begin with it");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_differs__each_part__named),
		cmocka_unit_test(
		    plan_net_fits__hosts_to_inspect__only_what_the_authority_names),
		cmocka_unit_test(
		    plan_net_fits__credentials__only_those_of_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
