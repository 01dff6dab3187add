/*
 * test_within.c: whether a plan stays under a ceiling.
 *
 * Each row is a policy that goes beyond a ceiling in one thing.  Compiled
 * without the ceiling it is refused for that; compiled under it, which cuts
 * it, it is not: so neither judge is stricter than the other here.
 */
#include "unit_policy.h"

#include <stdlib.h>

#include "policy/within.h"

#define SERVICE "network: {services: {a: {to: a.example, "

static const struct {
	const char *policy, *ceiling, *why;
	int uncut; /* the ceiling does not cut this: refused in both ways */
} rows[] = {
	{ "limits: {pids: 50}", "limits: {pids: 40}", "pids", 0 },
	{ "limits: {memory: 2GiB}", "limits: {memory: 1GiB}", "memory", 0 },
	{ "limits: {cpu: 2}", "limits: {cpu: 1.5}", "cpu_milli", 0 },
	{ "limits: {open_files: 99}", "limits: {open_files: 98}", "open_files",
	    0 },
	{ "limits: {wall: none}", "limits: {wall: 1h}", "wall", 0 },
	{ "limits: {wall: 2h}", "limits: {wall: 1h}", "wall", 0 },
	{ "limits: {idle: none}", "limits: {idle: 1h}", "idle", 0 },
	{ "limits: {cpu_time: none}", "limits: {cpu_time: 1h}", "cpu_time", 0 },
	{ "limits: {output: none}", "limits: {output: 1MiB}", "output", 0 },
	{ "seccomp: {profile: debug}", "seccomp: {profile: build}", "debug",
	    0 },
	{ "seccomp: {profile: build}", "seccomp: {profile: strict}", "build",
	    0 },
	{ "limits: {pids: 5}", "seccomp: {deny: [keyctl]}", "keyctl", 0 },
	{ "process: {env_pass: [A, B]}", "process: {env_pass: [A]}", "B", 0 },
	{ "filesystem: {read: [{from: /srv/a, path: /a}]}",
	    "filesystem: {read: []}", "/a", 0 },
	{ "filesystem: {read: [{from: /srv/a, path: /a}]}",
	    "filesystem: {read: [{from: /srv/b}]}", "/a", 0 },
	{ "filesystem: {read: [{from: /srv/ab, path: /a}]}",
	    "filesystem: {read: [{from: /srv/a}]}", "/a", 0 },
	{ "filesystem: {write: [{from: /srv/a, path: /a}]}",
	    "filesystem: {write: [{path: /}]}", "/a", 0 },
	{ "filesystem: {write: [{from: /srv/a, path: /a}]}",
	    "filesystem: {read: [{from: /srv}], write: [{from: /srv/b}]}", "/a",
	    0 },
	{ "filesystem: {write: [{path: /a, size: 2GiB}]}",
	    "filesystem: {write: [{path: /, size: 1GiB}]}", "/a", 0 },
	{ "filesystem: {write: [{path: /a}]}",
	    "filesystem: {write: [{path: /b}]}", "/a", 0 },
	{ "filesystem: {tmpfs: [{path: /a, size: 2MiB}]}",
	    "filesystem: {tmpfs: [{path: /, size: 1MiB}]}", "/a", 0 },
	{ "filesystem: {rootfs: {dir: /srv/root}}",
	    "filesystem: {rootfs: host}", "/srv/root", 0 },
	{ "filesystem: {rootfs: {dir: /srv/root}}",
	    "filesystem: {rootfs: {dir: /srv/other}}", "/srv/root", 0 },
	{ "filesystem: {write: [{path: /a}]}", "filesystem: {protect: [/a/b]}",
	    "/a/b", 0 },
	{ "limits: {pids: 5}", "requires: {landlock: 1}", "requires", 0 },
	{ "limits: {pids: 5}", "requires: {cgroups: [memory]}", "requires", 0 },
	{ SERVICE "allow: any}}}", "network: {services: {}}", "a.example", 0 },
	{ "network: {services: {b: {to: b.example, allow: any}}}",
	    SERVICE "allow: any}}}", "b.example", 0 },
	{ SERVICE "allow: [{methods: [POST], path: /v1}]}}}",
	    SERVICE "allow: [{methods: [GET], path: /v1}]}}}", "POST", 0 },
	{ SERVICE "allow: [{methods: [GET], path: /v2}]}}}",
	    SERVICE "allow: [{methods: [GET], path: /v1/**}]}}}", "/v2", 0 },
	{ SERVICE "allow: [{path: /v1/**}]}}}",
	    SERVICE "allow: [{path: /**}], deny: [{path: /v1/x}]}}}", "/v1/x",
	    0 },
	{ SERVICE "allow: any, dial: \"127.0.0.1:1\"}}}",
	    SERVICE "allow: any}}}", "dial", 1 },
	{ SERVICE "allow: any, only_addresses: [10.0.0.0/8]}}}",
	    SERVICE "allow: any}}}", "addresses", 1 },
	{ SERVICE "allow: any, tls: {ca: /x.pem}}}}", SERVICE "allow: any}}}",
	    "tls", 1 },
	{ SERVICE "allow: any, dial: \"127.0.0.1:1\"}}}",
	    "limits: {pids: 9999}", "dial", 1 },
	{ SERVICE "allow: any, only_addresses: [10.0.0.0/8]}}}",
	    "limits: {pids: 9999}", "only_addresses", 1 },
	{ SERVICE "allow: any}}}\ncredentials: {c: {source: {file: /x}, "
		  "inject: [{service: a, as: bearer}]}}",
	    SERVICE "allow: any}}}", "vault", 1 },
	{ SERVICE "allow: any}}}\ncredentials: {c: {source: {env: X}, "
		  "inject: [{service: a, as: bearer}]}}",
	    "limits: {pids: 9999}", "vault", 1 },
};

struct compiled {
	struct plan plan;
	union plan_net_room net;
};

static struct compiled *
compile(const char *text, const struct policy_file *files)
{
	struct compiled *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	if (policy_compile(text, files) == -1)
		fail_msg("%s: %s", text, policy_resolved.diag.errors.buf);
	c->plan = policy_plan;
	if (policy_net.net.size > 0)
		memcpy(&c->net, &policy_net, policy_net.net.size);
	else
		plan_net_init(&c->net);
	policy_done();
	return c;
}

static int
within(const struct compiled *p, const struct compiled *c, struct err *e)
{
	return within_ceiling(&p->plan, &p->net.net, &c->plan, &c->net.net, e);
}

static void
judge(size_t i)
{
	char policy[512], ceiling[512];
	struct policy_file files[] = { { "ceiling", ceiling }, { NULL, NULL } };
	struct compiled *p, *c, *cut;
	struct err e = { 0 };

	(void)snprintf(policy, sizeof(policy), "policy: 1\n%s\n",
	    rows[i].policy);
	(void)snprintf(ceiling, sizeof(ceiling),
	    "policy: 1\nkind: ceiling\n%s\n", rows[i].ceiling);
	p = compile(policy, NULL);
	c = compile(ceiling, NULL);
	cut = compile(policy, files);
	if (within(p, c, &e) != -1 || e.code != ERR_DENIED ||
	    strstr(e.msg, rows[i].why) == NULL)
		fail_msg("%s under %s: %s", policy, ceiling, e.msg);
	e.msg[0] = '\0';
	if ((within(cut, c, &e) == -1) != rows[i].uncut)
		fail_msg("%s cut by %s: %s", policy, ceiling, e.msg);
	free(p);
	free(c);
	free(cut);
}

static void
within_ceiling__one_thing_beyond__refused_by_name(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++)
		judge(i);
}

static void
within_ceiling__same_or_less__accepted(void **state)
{
	static const char *const pairs[][2] = {
		{ "limits: {pids: 40}", "limits: {pids: 40}" },
		{ "limits: {wall: 1h}", "limits: {wall: none}" },
		{ "filesystem: {read: [{from: /srv/a, path: /a}]}",
		    "filesystem: {read: [{from: /srv}]}" },
		{ "filesystem: {read: [{from: /srv/a, path: /a}]}",
		    "filesystem: {read: [], write: [{from: /srv}]}" },
		{ SERVICE "allow: [{methods: [GET], path: /v1/x}]}}}",
		    SERVICE "allow: [{methods: read, path: /v1/**}]}}}" },
		{ SERVICE "allow: any, dial: \"127.0.0.1:1\"}}}",
		    SERVICE "allow: any, dial: \"127.0.0.1:1\"}}}" },
		{ SERVICE
		    "allow: any}}}\ncredentials: {c: {source: {vault: x}, "
		    "inject: [{service: a, as: bearer}]}}",
		    "limits: {pids: 9999}" },
	};
	char policy[512], ceiling[512];
	struct compiled *p, *c;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(pairs); i++) {
		(void)snprintf(policy, sizeof(policy), "policy: 1\n%s\n",
		    pairs[i][0]);
		(void)snprintf(ceiling, sizeof(ceiling),
		    "policy: 1\nkind: ceiling\n%s\n", pairs[i][1]);
		p = compile(policy, NULL);
		c = compile(ceiling, NULL);
		if (within(p, c, &e) == -1)
			fail_msg("%s under %s: %s", policy, ceiling, e.msg);
		free(p);
		free(c);
	}
}

static void
within_ceiling__wrong_kinds__refused(void **state)
{
	struct compiled *p = compile("policy: 1\n", NULL);
	struct compiled *c = compile("policy: 1\nkind: ceiling\n", NULL);
	struct err e;

	(void)state;
	assert_refused(within(p, p, &e), &e, ERR_CORRUPT, "ceiling");
	assert_refused(within(c, c, &e), &e, ERR_CORRUPT, "grant");
	assert_int_equal(0, within(p, c, &e));
	free(p);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    within_ceiling__one_thing_beyond__refused_by_name),
		cmocka_unit_test(within_ceiling__same_or_less__accepted),
		cmocka_unit_test(within_ceiling__wrong_kinds__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
