/* resolve.c, merge.c, merge_net.c: what several layers come to. */
#include "unit_policy.h"

#include "policy/merge_net.h"

static const char default_grant[] = "policy: 1\n";

static int
warned(const char *text)
{
	return strstr(policy_resolved.diag.warnings.buf, text) != NULL;
}

/* ---- defaults ----------------------------------------------------------- */

static void
resolve_defaults__silent_policy__as_the_built_in_one(void **state)
{
	struct plan silent;

	(void)state;
	policy_good(default_grant, NULL);
	silent = policy_plan;
	assert_string_equal("/", policy_string(silent.cwd));
	assert_int_equal(1, silent.nmounts);
	assert_non_null(policy_mount("/tmp"));
	assert_null(policy_mount("/workspace"));
	assert_string_equal("p", policy_string(silent.name));
	policy_done();
	policy_good("policy: 1\nextends: [builtin/default]\n", NULL);
	assert_memory_equal(&silent.limits, &policy_plan.limits,
	    sizeof(silent.limits));
	assert_int_equal(silent.seccomp, policy_plan.seccomp);
	assert_memory_equal(silent.seccomp_digest, policy_plan.seccomp_digest,
	    SHA256_SIZE);
	assert_string_equal("/workspace", policy_string(policy_plan.cwd));
	assert_int_equal(policy_mount("/tmp")->size_bytes, 256 << 20);
	policy_done();
}

static void
resolve_defaults__own_tmp__is_not_mounted_twice(void **state)
{
	(void)state;
	policy_good("policy: 1\n"
		    "filesystem: {read: [{from: /srv/t, path: /tmp}]}\n",
	    NULL);
	assert_int_equal(1, policy_plan.nmounts);
	assert_int_equal(PLAN_MOUNT_READ, policy_mount("/tmp")->kind);
	policy_done();
}

/* ---- grants -------------------------------------------------------------- */

static void
merge_scalar__two_grants__nearest_wins(void **state)
{
	static const struct policy_file files[] = {
		{ "./a", "policy: 1\nlimits: {pids: 10, memory: 2GiB}\n" },
		{ "./b", "policy: 1\nlimits: {pids: 20, cpu: 3}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nextends: [./a, ./b]\nlimits: {memory: 3GiB}\n",
	    files);
	assert_int_equal(20, policy_plan.limits.pids);
	assert_int_equal(3ULL << 30, policy_plan.limits.memory_bytes);
	assert_int_equal(3000, policy_plan.limits.cpu_milli);
	policy_done();
}

static void
merge_list__two_grants__union_without_repeats(void **state)
{
	static const struct policy_file files[] = {
		{ "./a", "policy: 1\nprocess: {env_pass: [TERM, LANG]}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nextends: [./a]\n"
		    "process: {env_pass: [LANG, TZ]}\n",
	    files);
	assert_int_equal(3, policy_plan.nenv);
	policy_done();
}

static void
merge_env__set_and_passed__set_wins(void **state)
{
	static const struct policy_file files[] = {
		{ "./a", "policy: 1\nprocess: {env: {A: far, B: far}}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nextends: [./a]\n"
		    "process: {env: {A: near}, env_pass: [B, C]}\n",
	    files);
	assert_int_equal(3, policy_plan.nenv);
	assert_string_equal("near", policy_string(policy_plan.env[0].value));
	assert_string_equal("far", policy_string(policy_plan.env[1].value));
	assert_int_equal(0, policy_plan.env[1].pass);
	assert_int_equal(1, policy_plan.env[2].pass);
	policy_done();
}

static void
merge_mounts__same_path__nearest_wins_across_lists(void **state)
{
	(void)state;
	policy_good("policy: 1\nextends: [builtin/default]\n"
		    "filesystem: {write: [{from: ., path: /workspace}]}\n",
	    NULL);
	assert_int_equal(PLAN_MOUNT_WRITE, policy_mount("/workspace")->kind);
	assert_string_equal("/srv",
	    policy_string(policy_mount("/workspace")->from));
	assert_string_equal("p.yaml:3",
	    policy_string(policy_mount("/workspace")->origin));
	policy_done();
	policy_good("policy: 1\nextends: [builtin/default]\n"
		    "filesystem: {read: [{from: /srv/x, path: /workspace}]}\n",
	    NULL);
	assert_int_equal(2, policy_plan.nmounts);
	assert_int_equal(PLAN_MOUNT_READ, policy_mount("/workspace")->kind);
	policy_done();
}

static void
merge_deny__all_layers__union(void **state)
{
	static const struct policy_file files[] = {
		{ "./a", "policy: 1\nseccomp: {deny: [keyctl]}\n"
			 "filesystem: {protect: [/a/**]}\n" },
		{ "ceiling",
		    "policy: 1\nkind: ceiling\nseccomp: {deny: [add_key]}\n"
		    "filesystem: {protect: [/b]}\n"
		    "requires: {cgroups: [pids], landlock: 3}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nextends: [./a]\nseccomp: {deny: [ptrace]}\n"
		    "requires: {cgroups: [memory], landlock: 2}\n"
		    "filesystem: {protect: [/a]}\n",
	    files);
	assert_int_equal(3, policy_plan.nsyscall_deny);
	assert_int_equal(2, policy_plan.nprotect);
	assert_int_equal(1, policy_plan.protect[0].tree);
	assert_int_equal(0, policy_plan.protect[1].tree);
	assert_int_equal(3, policy_plan.require_landlock);
	assert_int_equal(PLAN_REQUIRE_CGROUP_MEMORY | PLAN_REQUIRE_CGROUP_PIDS,
	    policy_plan.require_cgroup);
	policy_done();
	/* A ceiling's requirement holds where no grant has one. */
	policy_good(default_grant, files);
	assert_int_equal(3, policy_plan.require_landlock);
	policy_done();
}

/* ---- ceilings ------------------------------------------------------------- */

static void
merge_limits__ceiling__cuts_and_never_widens(void **state)
{
	static const struct policy_file files[] = {
		{ "ceiling",
		    "policy: 1\nkind: ceiling\n"
		    "limits: {pids: 100, wall: 1h, idle: 5m, output: none}\n"
		    "seccomp: {profile: build}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nlimits: {pids: 500, wall: none, memory: 8GiB}\n"
		    "seccomp: {profile: debug}\n",
	    files);
	assert_int_equal(100, policy_plan.limits.pids);
	assert_int_equal(3600 * 1000, policy_plan.limits.wall_ms);
	/* The default is none, which is more than five minutes. */
	assert_int_equal(300 * 1000, policy_plan.limits.idle_ms);
	assert_int_equal(16 << 20, policy_plan.limits.output_bytes);
	assert_int_equal(8ULL << 30, policy_plan.limits.memory_bytes);
	assert_int_equal(PLAN_SECCOMP_BUILD, policy_plan.seccomp);
	policy_done();
	policy_good("policy: 1\nlimits: {pids: 5, wall: 1s}\n", files);
	assert_int_equal(5, policy_plan.limits.pids);
	assert_int_equal(1000, policy_plan.limits.wall_ms);
	assert_int_equal(PLAN_SECCOMP_STRICT, policy_plan.seccomp);
	policy_done();
}

static void
merge_list__ceiling__intersection_and_a_warning(void **state)
{
	static const struct policy_file files[] = {
		{ "ceiling",
		    "policy: 1\nkind: ceiling\nprocess: {env_pass: [TERM]}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nprocess: {env_pass: [TERM, AWS_SECRET]}\n",
	    files);
	assert_int_equal(1, policy_plan.nenv);
	assert_true(warned("p.yaml:2:28: AWS_SECRET is taken away by the "
			   "ceiling /srv/ceiling:3"));
	policy_done();
	/* It gives nothing by itself. */
	policy_good(default_grant, files);
	assert_int_equal(0, policy_plan.nenv);
	policy_done();
}

static const struct policy_file roots[] = {
	{ "ceiling",
	    "policy: 1\nkind: ceiling\n"
	    "filesystem:\n"
	    "  rootfs: {dir: /srv/images, size: 64MiB}\n"
	    "  read: [{from: /srv/data}]\n"
	    "  write: [{from: /srv/work}, {path: /scratch, size: 1GiB}]\n"
	    "  tmpfs: [{path: /tmp, size: 8MiB}]\n" },
	{ NULL, NULL },
};

static void
merge_mounts__ceiling__only_below_its_roots(void **state)
{
	(void)state;
	policy_good("policy: 1\nfilesystem:\n"
		    "  read: [{from: /srv/data/x}, {from: /srv/work/y},"
		    " {from: /srv/database}, {from: /srv}]\n"
		    "  write: [{from: /srv/work, path: /w},"
		    " {from: /srv/data, path: /v}, {path: /scratch/a},"
		    " {path: /scratchy}, {path: /scratch, size: 8GiB}]\n",
	    roots);
	assert_non_null(policy_mount("/mnt/srv/data/x"));
	/* What may be written may be read. */
	assert_non_null(policy_mount("/mnt/srv/work/y"));
	assert_null(policy_mount("/mnt/srv/database"));
	assert_null(policy_mount("/mnt/srv"));
	assert_non_null(policy_mount("/w"));
	assert_null(policy_mount("/v"));
	assert_non_null(policy_mount("/scratch/a"));
	assert_null(policy_mount("/scratchy"));
	assert_int_equal(1 << 30, policy_mount("/scratch")->size_bytes);
	assert_int_equal(8 << 20, policy_mount("/tmp")->size_bytes);
	assert_true(warned("/srv/database is taken away") ||
		    warned("/mnt/srv/database is taken away"));
	policy_done();
}

static void
merge_rootfs__ceiling__below_its_directory_or_host(void **state)
{
	(void)state;
	policy_good("policy: 1\n"
		    "filesystem: {rootfs: {dir: /srv/images/a, size: 1GiB}}\n",
	    roots);
	assert_int_equal(PLAN_ROOTFS_DIR, policy_plan.rootfs);
	assert_int_equal(64 << 20, policy_plan.rootfs_size_bytes);
	policy_done();
	policy_good("policy: 1\n"
		    "filesystem: {rootfs: {dir: /srv/other}}\n",
	    roots);
	assert_int_equal(PLAN_ROOTFS_HOST, policy_plan.rootfs);
	assert_true(warned("this root directory is taken away"));
	policy_done();
	policy_good(default_grant, roots);
	assert_int_equal(PLAN_ROOTFS_HOST, policy_plan.rootfs);
	policy_done();
}

static void
resolve_ceiling__as_the_policy__a_ceiling_plan(void **state)
{
	(void)state;
	policy_good("policy: 1\nkind: ceiling\n"
		    "filesystem: {write: [{from: /srv/work}]}\n"
		    "limits: {pids: 7}\n",
	    NULL);
	assert_int_equal(PLAN_CEILING, policy_plan.kind);
	assert_int_equal(7, policy_plan.limits.pids);
	assert_int_equal(0, policy_plan.limits.wall_ms);
	assert_int_equal(1024 * 1000, policy_plan.limits.cpu_milli);
	assert_int_equal(PLAN_SECCOMP_DEBUG, policy_plan.seccomp);
	assert_int_equal(0, policy_program.length);
	/* read and tmpfs are everything, write is one root. */
	assert_int_equal(3, policy_plan.nmounts);
	policy_done();
}

static void
resolve_ceiling__extended__cuts_its_extender(void **state)
{
	static const struct policy_file files[] = {
		{ "./floor", "policy: 1\nkind: ceiling\nextends: [./lower]\n"
			     "limits: {pids: 30}\n" },
		{ "./lower", "policy: 1\nkind: ceiling\nlimits: {pids: 20}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nextends: [./floor]\nlimits: {pids: 99}\n",
	    files);
	assert_int_equal(20, policy_plan.limits.pids);
	policy_done();
	/* The same where the ceiling is the policy. */
	policy_good("policy: 1\nkind: ceiling\nextends: [./floor]\n", files);
	assert_int_equal(20, policy_plan.limits.pids);
	policy_done();
}

/* ---- the files ------------------------------------------------------------ */

static void
resolve_files__chain_too_deep__refused(void **state)
{
	static const struct policy_file files[] = {
		{ "./1", "policy: 1\nextends: [./2]\n" },
		{ "./2", "policy: 1\nextends: [./3]\n" },
		{ "./3", "policy: 1\nextends: [./4]\n" },
		{ "./4", "policy: 1\nextends: [./5]\n" },
		{ "./5", "policy: 1\nextends: [./6]\n" },
		{ "./6", "policy: 1\nextends: [./7]\n" },
		{ "./7", "policy: 1\nextends: [./8]\n" },
		{ "./8", "policy: 1\nlimits: {pids: 8}\n" },
		{ "./0", "policy: 1\nextends: [./1]\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nextends: [./1]\n", files);
	assert_int_equal(8, policy_plan.limits.pids);
	policy_done();
	policy_bad("policy: 1\nextends: [./0]\n", files,
	    "more than 8 levels deep");
}

static void
resolve_files__too_many__refused(void **state)
{
	struct policy_file files[64] = { 0 };
	char names[64][8], text[1024] = "policy: 1\nextends: [", *end;
	int i;

	(void)state;
	for (i = 0; i < 33; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "./f%d", i);
		files[i] = (struct policy_file){ names[i], default_grant };
		end = text + strlen(text);
		(void)snprintf(end, sizeof(text) - strlen(text), "%s%s",
		    i == 0 ? "" : ", ", names[i]);
	}
	end = text + strlen(text);
	(void)snprintf(end, 4, "]\n");
	policy_bad(text, files, "draws in more than 32 files");
	/* 31 and the question for the ceiling are the most there may be. */
	files[0].reference = NULL;
	end = strstr(text, "./f31");
	(void)snprintf(end - 2, 4, "]\n");
	files[0].reference = names[0];
	policy_good(text, files);
	policy_done();
}

static void
resolve_files__cycle__named(void **state)
{
	static const struct policy_file files[] = {
		{ "./a", "policy: 1\nextends: [./b]\n" },
		{ "./b", "policy: 1\nextends: [./a]\n" },
		{ "./p.yaml", "policy: 1\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_bad("policy: 1\nextends: [./a]\n", files,
	    "/srv/b:2:11: ./a leads back to /srv/a");
	policy_bad("policy: 1\nextends: [./p.yaml]\n", files,
	    "leads back to p.yaml");
}

static void
resolve_files__error_in_a_part__has_that_file(void **state)
{
	static const struct policy_file files[] = {
		{ "./a", "policy: 1\nlimits:\n  pids: none\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_bad("policy: 1\nextends: [./a]\n", files, "/srv/a:3:9: ");
	policy_bad("policy: 1\nextends: [./nowhere]\n", files,
	    "p.yaml:2:11: \"./nowhere\" is not to be found");
}

/* ---- services ------------------------------------------------------------- */

static const struct yaml_node *
service(const char *name)
{
	return yaml_get(yaml_get(yaml_get(policy_resolved.root, "network"),
			    "services"),
	    name);
}

static void
merge_services__same_name__nearest_with_all_denies(void **state)
{
	static const struct policy_file files[] = {
		{ "./a",
		    "policy: 1\nnetwork: {services: {\n"
		    " api: {to: far.example, allow: any, deny: [{path: /x}]},\n"
		    " far: {to: far.example, allow: any}}}\n" },
		{ NULL, NULL },
	};
	const struct yaml_node *api;

	(void)state;
	policy_good("policy: 1\nextends: [./a]\nnetwork: {services: {\n"
		    " api: {to: near.example, allow: any,"
		    " deny: [{path: /y}]}}}\n",
	    files);
	assert_int_equal(2, policy_plan.nservices);
	api = service("api");
	assert_string_equal("near.example:443",
	    yaml_get(api, "to")->first->text);
	assert_int_equal(2, yaml_get(api, "deny")->count);
	policy_done();
}

static const struct policy_file net_ceiling[] = {
	{ "ceiling",
	    "policy: 1\nkind: ceiling\nnetwork: {services: {\n"
	    " web: {to: \"*.example.com\","
	    " allow: [{methods: read, path: /v1/**},"
	    " {methods: [POST], path: /v1/items}],"
	    " deny: [{path: /v1/secret}], body: {max: 1MiB}},\n"
	    " db: {to: \"db.internal:5432\", protocol: tcp, allow: any}}}\n" },
	{ NULL, NULL },
};

static void
merge_services__ceiling__hosts_rules_bodies(void **state)
{
	const struct yaml_node *api, *allow;

	(void)state;
	policy_good("policy: 1\nnetwork: {services: {\n"
		    " api: {to: [api.example.com, evilexample.com,"
		    " a.b.example.com], allow: [{path: /v1/*},"
		    " {methods: [GET, POST], path: /v1/items},"
		    " {path: /v2/**}]},\n"
		    " db: {to: \"db.internal:5432\", protocol: tcp,"
		    " allow: any},\n"
		    " wrong: {to: \"db.internal:5432\", allow: any},\n"
		    " gone: {to: gone.example, allow: any}}}\n",
	    net_ceiling);
	assert_int_equal(2, policy_plan.nservices);
	assert_null(service("gone"));
	assert_null(service("wrong"));
	api = service("api");
	assert_int_equal(1, yaml_get(api, "to")->count);
	allow = yaml_get(api, "allow");
	/* /v1/ * read, /v1/items POST out of each, /v1/items GET */
	assert_int_equal(3, allow->count);
	assert_int_equal(1, yaml_get(api, "deny")->count);
	assert_string_equal("1MiB",
	    yaml_get(yaml_get(api, "body"), "max")->text);
	assert_true(warned("this rule is taken away"));
	assert_true(warned("evilexample.com:443 is taken away"));
	assert_true(warned("service gone is taken away"));
	policy_done();
	/* "any" becomes the ceiling's rules. */
	policy_good("policy: 1\nnetwork: {services: {\n"
		    " api: {to: api.example.com, allow: any}}}\n",
	    net_ceiling);
	assert_int_equal(2, yaml_get(service("api"), "allow")->count);
	policy_done();
}

static void
merge_net_host_covers__labels__exactly_one(void **state)
{
	(void)state;
	assert_true(merge_net_host_covers("a.b:443", "a.b:443"));
	assert_false(merge_net_host_covers("a.b:443", "a.b:80"));
	assert_true(merge_net_host_covers("*.b.c:443", "a.b.c:443"));
	assert_true(merge_net_host_covers("*.b.c:443", "*.b.c:443"));
	assert_false(merge_net_host_covers("*.b.c:443", "x.a.b.c:443"));
	assert_false(merge_net_host_covers("*.b.c:443", "b.c:443"));
	assert_false(merge_net_host_covers("*.b.c:443", "ab.c:443"));
	assert_false(merge_net_host_covers("a.b.c:443", "*.b.c:443"));
}

static void
merge_net_path_covers__patterns__never_too_much(void **state)
{
	static const struct {
		const char *a, *b;
		int covers;
	} rows[] = {
		{ NULL, "/x", 1 },
		{ "/x", NULL, 0 },
		{ NULL, NULL, 1 },
		{ "/x", "/x", 1 },
		{ "/x", "/x/", 0 },
		{ "/**", "/x", 1 },
		{ "/**", "/x/y/z", 1 },
		{ "/**", "/x/**", 1 },
		{ "/x/**", "/**", 0 },
		{ "/x/**", "/x/y/**", 1 },
		{ "/x/**", "/xy/z", 0 },
		{ "/x/**", "/x", 0 },
		{ "/x/*", "/x/y", 1 },
		{ "/x/*", "/x/y/z", 0 },
		{ "/x/*", "/x/**", 0 },
		{ "/x/*", "/x/a*", 1 },
		{ "/x/a*", "/x/*", 0 },
		{ "/x/a*c", "/x/abc", 1 },
		{ "/x/a*c", "/x/a*bc", 1 },
		{ "/x/a*c", "/x/a*b", 0 },
		{ "/x/*c*", "/x/abcabc", 1 },
		{ "/**/z", "/x/y/z", 1 },
		{ "/**/z", "/x/y/w", 0 },
		{ "/**/y/**", "/x/y/y/z", 1 },
		{ "/a/**/b/**/c", "/a/x/b/y/c", 1 },
		{ "/a/**/b/**/c", "/a/x/c/y/b", 0 },
	};

	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++)
		if (merge_net_path_covers(rows[i].a, rows[i].b) !=
		    rows[i].covers)
			fail_msg("%s over %s: not %d",
			    rows[i].a == NULL ? "any" : rows[i].a,
			    rows[i].b == NULL ? "any" : rows[i].b,
			    rows[i].covers);
}

static void
resolve_credentials__service_cut_away__no_error(void **state)
{
	(void)state;
	policy_good("policy: 1\nnetwork: {services: {\n"
		    " gone: {to: gone.example, allow: any}}}\n"
		    "credentials: {k: {source: {vault: a}, inject:"
		    " [{service: gone, as: bearer}]}}\n",
	    net_ceiling);
	assert_int_equal(0, policy_plan.nservices);
	assert_int_equal(1, policy_plan.ncredentials);
	policy_done();
}

/* What any service of the ceiling denies for a host is denied there. */
static void
merge_services__ceiling_denies_elsewhere__denied_too(void **state)
{
	static const struct policy_file files[] = {
		{ "ceiling", "policy: 1\nkind: ceiling\nnetwork: {services: {\n"
			     " all: {to: \"*.example.com\", allow: any},\n"
			     " one: {to: api.example.com, allow: any,"
			     " deny: [{methods: [DELETE]}]}}}\n" },
		{ NULL, NULL },
	};

	(void)state;
	policy_good("policy: 1\nnetwork: {services: {s: {to: "
		    "api.example.com, allow: any}, t: {to: b.example.com, "
		    "allow: any}}}\n",
	    files);
	assert_int_equal(1, yaml_get(service("s"), "deny")->count);
	assert_null(yaml_get(service("t"), "deny"));
	policy_done();
}

static void
merge_services__ceiling_ranges__the_smaller_of_two(void **state)
{
	static const struct policy_file files[] = {
		{ "ceiling",
		    "policy: 1\nkind: ceiling\nnetwork: {services: {\n"
		    " in: {to: \"*.corp.example:443\", allow: any,"
		    " only_addresses: [10.0.0.0/8, \"fd00::/16\"]}}}\n" },
		{ NULL, NULL },
	};
	const struct yaml_node *ranges;

	(void)state;
	policy_good("policy: 1\nnetwork: {services: {\n"
		    " narrow: {to: a.corp.example, allow: any,"
		    " only_addresses: [10.20.0.0/24, 192.168.0.0/16]},\n"
		    " wide: {to: b.corp.example, allow: any,"
		    " only_addresses: [0.0.0.0/0]},\n"
		    " silent: {to: c.corp.example, allow: any},\n"
		    " apart: {to: d.corp.example, allow: any,"
		    " only_addresses: [172.16.0.0/12]}}}\n",
	    files);
	ranges = yaml_get(service("narrow"), "only_addresses");
	assert_int_equal(1, ranges->count);
	assert_string_equal("10.20.0.0/24", ranges->first->text);
	ranges = yaml_get(service("wide"), "only_addresses");
	assert_int_equal(1, ranges->count);
	assert_string_equal("10.0.0.0/8", ranges->first->text);
	assert_int_equal(2,
	    yaml_get(service("silent"), "only_addresses")->count);
	assert_null(service("apart"));
	policy_done();
}

static void
merge_ask__layers_and_ceiling__united_then_cut(void **state)
{
	static const struct policy_file files[] = {
		{ "./a",
		    "policy: 1\nnetwork: {services: {api: {to: "
		    "api.example.com, allow: any, ask: [{methods: [POST], "
		    "path: /v1/items}, {methods: [PUT], path: /v2/x}]}}}\n" },
		{ "ceiling",
		    "policy: 1\nkind: ceiling\nnetwork: {services: {web: {to: "
		    "\"*.example.com\", allow: [{path: /v1/**}]}}}\n" },
		{ NULL, NULL },
	};
	const struct yaml_node *ask;

	(void)state;
	policy_good("policy: 1\nextends: [./a]\nnetwork: {services: {api: "
		    "{to: api.example.com, allow: [{methods: read, path: "
		    "/v1/**}], ask: [{methods: [PATCH], path: /v1/x}]}}}\n",
	    files);
	ask = yaml_get(service("api"), "ask");
	assert_int_equal(2, ask->count);
	assert_true(warned("this rule is taken away by the ceiling"));
	policy_done();
	policy_bad("policy: 1\nkind: ceiling\nnetwork: {services: {a: {to: "
		   "a.example, allow: any, ask: [{path: /x}]}}}\n",
	    NULL, "ask");
}

static void
merge_services__splice_under_rules_of_a_ceiling__refused(void **state)
{
	(void)state;
	policy_bad("policy: 1\nnetwork: {services: {api: {to: "
		   "api.example.com, tls: splice, allow: any}}}\n",
	    net_ceiling, "is passed on unseen, and a ceiling");
}

static void
resolve_manager__its_lines__hosts_with_their_places(void **state)
{
	static const struct policy_file files[] = {
		{ "pip", "tls m.example:8443\t/etc/pip.conf:3\n"
			 "plain p.example:8080\t(pip's default)\n"
			 "env PIP_INDEX_URL=https://m.example:8443/x\t"
			 "/etc/pip.conf:3\n" },
		{ NULL, NULL },
	};
	static const char policy[] =
	    "policy: 1\nnetwork: {services: {pip: {to: {manager: pip}, allow: "
	    "[{methods: read}]}}}\n";
	const struct yaml_node *to;

	(void)state;
	policy_good(policy, files);
	to = yaml_get(service("pip"), "to");
	assert_int_equal(2, to->count);
	assert_string_equal("m.example:8443", to->first->text);
	assert_string_equal("/etc/pip.conf", to->first->source->name);
	assert_int_equal(3, to->first->line);
	assert_string_equal("PIP_INDEX_URL",
	    policy_string(policy_plan.env[0].name));
	assert_int_equal(PLAN_NET_TLS_REQUIRED,
	    plan_net_destination(&policy_net.net, 0)->tls);
	assert_int_equal(PLAN_NET_TLS_NONE,
	    plan_net_destination(&policy_net.net, 1)->tls);
	/* On the premises if a file says so, a default never. */
	assert_int_equal(PLAN_NET_OPEN_PRIVATE,
	    plan_net_destination(&policy_net.net, 0)->open);
	assert_int_equal(PLAN_NET_OPEN_PUBLIC,
	    plan_net_destination(&policy_net.net, 1)->open);
	policy_done();
	/* What the policy says of the variable itself counts. */
	policy_good("policy: 1\nprocess: {env: {PIP_INDEX_URL: mine}}\n"
		    "network: {services: {pip: {to: {manager: pip}, allow: "
		    "any}}}\n",
	    files);
	assert_int_equal(1, policy_plan.nenv);
	assert_string_equal("mine", policy_string(policy_plan.env[0].value));
	policy_done();
}

#define SHOWN_POLICY                                            \
	"policy: 1\nnetwork: {services: {"                      \
	"apt: {to: {manager: apt}, allow: [{methods: read}]}, " \
	"too: {to: {manager: apt}, allow: [{methods: read}]}}}\n"
#define SHOWN_LINES                                           \
	"plain m.example:80\t/etc/apt/sources.list:1\n"       \
	"file /etc/apt/sources.list\t/etc/apt/sources.list\n" \
	"file /.cargo/config.toml\t/home/someone/.cargo/config.toml\n"

/* A manager that reads no variable is shown its files, once. */
static void
resolve_manager__files__read_only_mounts(void **state)
{
	static const struct policy_file files[] = { { "apt", SHOWN_LINES },
		{ NULL, NULL } };
	const struct plan_mount *m;

	(void)state;
	policy_good(SHOWN_POLICY, files);
	m = policy_mount("/.cargo/config.toml");
	assert_non_null(m);
	assert_int_equal(PLAN_MOUNT_READ, m->kind);
	assert_string_equal("/home/someone/.cargo/config.toml",
	    policy_string(m->from));
	assert_non_null(policy_mount("/etc/apt/sources.list"));
	policy_done();
}

/* What the policy itself has there, or a root of its own, goes first. */
static void
resolve_manager__files_where_the_policy_speaks__its_word(void **state)
{
	static const struct policy_file files[] = { { "apt", SHOWN_LINES },
		{ NULL, NULL } };
	const struct plan_mount *m;

	(void)state;
	policy_good(SHOWN_POLICY
	    "filesystem: {read: [{from: ./mine, path: /etc/apt/sources.list}], "
	    "tmpfs: [{path: /.cargo}]}\n",
	    files);
	m = policy_mount("/etc/apt/sources.list");
	assert_non_null(m);
	assert_string_equal("/srv/mine", policy_string(m->from));
	assert_null(policy_mount("/.cargo/config.toml"));
	policy_done();
	policy_good(SHOWN_POLICY "filesystem: {rootfs: {dir: /srv/root}}\n",
	    files);
	assert_null(policy_mount("/etc/apt/sources.list"));
	policy_done();
}

static void
resolve_manager__files_under_a_ceiling__cut_as_any(void **state)
{
	static const struct policy_file files[] = { { "apt", SHOWN_LINES },
		{ "ceiling",
		    "policy: 1\nkind: ceiling\n"
		    "filesystem: {read: [{from: /etc/apt, path: /etc/apt}]}\n" },
		{ NULL, NULL } };

	(void)state;
	policy_good(SHOWN_POLICY, files);
	assert_non_null(policy_mount("/etc/apt/sources.list"));
	assert_null(policy_mount("/.cargo/config.toml"));
	policy_done();
}

static void
resolve_manager__too_many_files__refused(void **state)
{
	static char text[8192];
	const struct policy_file files[] = { { "apt", text }, { NULL, NULL } };
	struct text t;
	int i;

	(void)state;
	text_init(&t, text, sizeof(text));
	text_add(&t, "plain m.example:80\t/etc/apt/sources.list:1\n");
	for (i = 0; i < RESOLVE_SHOWN_MAX; i++)
		text_addf(&t, "file /x/%d\t/y/%d\n", i, i);
	policy_good(SHOWN_POLICY, files);
	policy_done();
	text_add(&t, "file /x/more\t/y/more\n");
	policy_bad(SHOWN_POLICY, files, "the hosts of apt cannot be read");
}

/* The launcher is believed, but not more than any author. */
static void
resolve_manager__lines_that_are_none__refused(void **state)
{
	static const char *const bad[] = { "tls a.example:443",
		"tls a.example:443\n", "a.example:443\t/x:1\n",
		"tls A.example:443\t/x:1\n", "tls a.example:99999\t/x:1\n",
		"tls *.com:443\t/x:1\n", "", "env A=b\t/x:1\n" };
	struct policy_file files[] = { { "pip", NULL }, { NULL, NULL } };
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++) {
		files[0].text = bad[i];
		policy_bad("policy: 1\nnetwork: {services: {pip: {to: "
			   "{manager: pip}, allow: any}}}\n",
		    files, ":");
	}
	policy_bad("policy: 1\nnetwork: {services: {x: {to: {manager: pip, "
		   "more: 1}, allow: any}}}\n",
	    NULL, "unknown key \"more\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    resolve_defaults__silent_policy__as_the_built_in_one),
		cmocka_unit_test(
		    resolve_defaults__own_tmp__is_not_mounted_twice),
		cmocka_unit_test(merge_scalar__two_grants__nearest_wins),
		cmocka_unit_test(merge_list__two_grants__union_without_repeats),
		cmocka_unit_test(merge_env__set_and_passed__set_wins),
		cmocka_unit_test(
		    merge_mounts__same_path__nearest_wins_across_lists),
		cmocka_unit_test(merge_deny__all_layers__union),
		cmocka_unit_test(merge_limits__ceiling__cuts_and_never_widens),
		cmocka_unit_test(
		    merge_list__ceiling__intersection_and_a_warning),
		cmocka_unit_test(merge_mounts__ceiling__only_below_its_roots),
		cmocka_unit_test(
		    merge_rootfs__ceiling__below_its_directory_or_host),
		cmocka_unit_test(
		    resolve_ceiling__as_the_policy__a_ceiling_plan),
		cmocka_unit_test(resolve_ceiling__extended__cuts_its_extender),
		cmocka_unit_test(resolve_files__chain_too_deep__refused),
		cmocka_unit_test(resolve_files__too_many__refused),
		cmocka_unit_test(resolve_files__cycle__named),
		cmocka_unit_test(resolve_files__error_in_a_part__has_that_file),
		cmocka_unit_test(
		    merge_services__same_name__nearest_with_all_denies),
		cmocka_unit_test(merge_services__ceiling__hosts_rules_bodies),
		cmocka_unit_test(
		    merge_services__ceiling_denies_elsewhere__denied_too),
		cmocka_unit_test(
		    merge_services__ceiling_ranges__the_smaller_of_two),
		cmocka_unit_test(
		    merge_ask__layers_and_ceiling__united_then_cut),
		cmocka_unit_test(
		    merge_services__splice_under_rules_of_a_ceiling__refused),
		cmocka_unit_test(
		    resolve_manager__its_lines__hosts_with_their_places),
		cmocka_unit_test(resolve_manager__files__read_only_mounts),
		cmocka_unit_test(
		    resolve_manager__files_where_the_policy_speaks__its_word),
		cmocka_unit_test(
		    resolve_manager__files_under_a_ceiling__cut_as_any),
		cmocka_unit_test(resolve_manager__too_many_files__refused),
		cmocka_unit_test(resolve_manager__lines_that_are_none__refused),
		cmocka_unit_test(merge_net_host_covers__labels__exactly_one),
		cmocka_unit_test(
		    merge_net_path_covers__patterns__never_too_much),
		cmocka_unit_test(
		    resolve_credentials__service_cut_away__no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
