/*
 * The whole way: text, launcher's side, a real warder-config, plan.  The
 * program is found beside this one in the build tree.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "ipc.h"
#include "policy/builtin.h"
#include "policy/cache.h"
#include "policy/load.h"

static struct plan plan, again;
static struct seccomp_program program;
static struct client_files cached_files;
static char text[CONFIG_TEXT_MAX];
static char config_path[4096];
static char tmp[64];
static struct find_dirs dirs;

static struct policy_request
request(const char *policy)
{
	struct policy_request rq = { .text = policy,
		.size = strlen(policy),
		.name = "test.yaml",
		.dir = "/srv/project",
		.home = "/home/someone",
		.config_path = config_path,
		.dirs = &dirs };

	return rq;
}

static const char *
load_error(const char *policy)
{
	static struct err e;
	struct policy_request rq = request(policy);

	e.msg[0] = '\0';
	assert_int_equal(-1,
	    policy_load(&rq, &plan, &program, text, sizeof(text), &e));
	return e.msg;
}

static union plan_net_room net;
static const char with_services[] =
    "policy: 1\nlimits: {pids: 13}\nnetwork: {services: {a: {to: "
    "a.example, allow: [{methods: read, path: /v1/**}]}}}\n";

static void
load(const struct policy_request *rq)
{
	struct err e = { .code = ERR_OK };

	if (policy_load(rq, &plan, &program, text, sizeof(text), &e) == -1)
		fail_msg("%s", e.msg);
}

static void
put_file(const char *name, const char *contents)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", tmp, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(contents, f) >= 0);
	assert_int_equal(0, fclose(f));
}

static int
count_entries(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *de;
	int n = 0;

	assert_non_null(d);
	while ((de = readdir(d)) != NULL)
		n += strcmp(de->d_name, ".") != 0 &&
		     strcmp(de->d_name, "..") != 0;
	assert_int_equal(0, closedir(d));
	return n;
}

static void
client_compile__default_policy__plan_of_the_conventions(void **state)
{
	struct policy_request rq;
	size_t size;
	const char *policy = builtin_policy("default", &size);

	(void)state;
	rq = request(policy);
	rq.size = size;
	rq.name = "builtin/default";
	load(&rq);
	assert_string_equal("", text);
	assert_string_equal("default", plan_string(&plan, plan.name));
	assert_string_equal("/workspace", plan_string(&plan, plan.cwd));
	assert_int_equal(2, plan.nmounts);
	assert_string_equal("/tmp", plan_string(&plan, plan.mounts[0].path));
	assert_int_equal(PLAN_MOUNT_TMPFS, plan.mounts[0].kind);
	assert_int_equal(256 << 20, plan.mounts[0].size_bytes);
	assert_int_equal(PLAN_MOUNT_NEW, plan.mounts[1].kind);
	assert_int_equal(1 << 30, plan.mounts[1].size_bytes);
	assert_int_equal(100000, plan.mounts[1].inodes);
	assert_int_equal(1000, plan.limits.cpu_milli);
	assert_int_equal(600000, plan.limits.wall_ms);
	assert_int_equal(2, plan.nenv);
	assert_true(program.length > 100);
}

static void
client_compile__error__first_line_with_its_place(void **state)
{
	(void)state;
	assert_string_equal("test.yaml:2:14: unknown key \"reed\" in "
			    "filesystem; did you mean \"read\"?",
	    load_error("policy: 1\nfilesystem: {reed: []}\n"));
}

static void
client_compile__relative_from__begins_at_dir(void **state)
{
	struct policy_request rq =
	    request("policy: 1\n"
		    "filesystem: {write: [{from: ., path: /workspace}],"
		    " read: [{from: ~/data}]}\n");

	(void)state;
	load(&rq);
	assert_int_equal(3, plan.nmounts);
	assert_string_equal("/mnt/home/someone/data",
	    plan_string(&plan, plan.mounts[0].path));
	assert_string_equal("/srv/project",
	    plan_string(&plan, plan.mounts[2].from));
	assert_string_equal("test.yaml:2",
	    plan_string(&plan, plan.mounts[2].origin));
}

static void
client_compile__no_program__says_so(void **state)
{
	struct policy_request rq = request("policy: 1\n");
	struct err e;

	(void)state;
	rq.config_path = "/bin/false";
	assert_int_equal(-1,
	    policy_load(&rq, &plan, &program, text, sizeof(text), &e));
	assert_non_null(strstr(e.msg, "ended without an answer"));
	rq.config_path = "/nonexistent/warder-config";
	assert_int_equal(-1,
	    policy_load(&rq, &plan, &program, text, sizeof(text), &e));
	assert_non_null(strstr(e.msg, "/nonexistent/warder-config"));
}

static void
client_compile__extends_beside__both_files_count(void **state)
{
	struct policy_request rq =
	    request("policy: 1\nextends: [./base.yaml]\n");

	(void)state;
	put_file("base.yaml", "policy: 1\nlimits: {pids: 77}\n");
	rq.dir = tmp;
	load(&rq);
	assert_int_equal(77, plan.limits.pids);
}

static void
client_compile__ceiling_on_the_host__cuts(void **state)
{
	struct policy_request rq = request("policy: 1\nlimits: {pids: 500}\n");

	(void)state;
	put_file("ceiling.yaml",
	    "policy: 1\nkind: ceiling\nlimits: {pids: 50}\n");
	load(&rq);
	assert_int_equal(50, plan.limits.pids);
	put_file("ceiling.yaml", "policy: 1\nlimits: {pids: 50}\n");
	assert_non_null(strstr(load_error("policy: 1\n"), "not a ceiling"));
	{
		char path[256];

		(void)snprintf(path, sizeof(path), "%s/ceiling.yaml", tmp);
		assert_int_equal(0, unlink(path));
	}
	load(&rq);
	assert_int_equal(500, plan.limits.pids);
}

static void
cache_load__second_time__same_plan_without_compiling(void **state)
{
	struct policy_request rq = request("policy: 1\nlimits: {pids: 9}\n");
	char cache[128];
	struct timespec a, b;
	int i;

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache1", tmp);
	rq.cache_dir = cache;
	load(&rq);
	assert_int_equal(1, count_entries(cache));
	again = plan;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < 100; i++)
		load(&rq);
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_message("cache hit: %.1f us\n",
	    ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		(double)(b.tv_nsec - a.tv_nsec)) /
		1e5);
	assert_memory_equal(&again, &plan, plan_size(&plan));
}

static void
cache_load__dependency_changes__compiles_again(void **state)
{
	struct policy_request rq =
	    request("policy: 1\nextends: [./dep.yaml]\n");
	char cache[128];

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache2", tmp);
	rq.cache_dir = cache;
	rq.dir = tmp;
	put_file("dep.yaml", "policy: 1\nlimits: {pids: 11}\n");
	load(&rq);
	load(&rq);
	assert_int_equal(11, plan.limits.pids);
	put_file("dep.yaml", "policy: 1\nlimits: {pids: 12}\n");
	load(&rq);
	assert_int_equal(12, plan.limits.pids);
	/* A ceiling that appears later counts at once, too. */
	put_file("ceiling.yaml",
	    "policy: 1\nkind: ceiling\nlimits: {pids: 5}\n");
	load(&rq);
	assert_int_equal(5, plan.limits.pids);
	put_file("ceiling.yaml",
	    "policy: 1\nkind: ceiling\nlimits: {pids: 50}\n");
}

/* Damage every part of an entry: each is a miss, then rewritten. */
static void
cache_load__damaged__compiles_again(void **state)
{
	struct policy_request rq = request(with_services);
	unsigned char key[SHA256_SIZE];
	char cache[128], name[SHA256_HEX_SIZE], path[256];
	struct stat st;
	long at, step;

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache3", tmp);
	rq.cache_dir = cache;
	rq.net = &net;
	load(&rq);
	again = plan;
	cache_key(&rq, key);
	sha256_hex(key, name);
	(void)snprintf(path, sizeof(path), "%s/%s", cache, name);
	assert_int_equal(0, stat(path, &st));
	step = st.st_size / 23;
	for (at = 0; at < st.st_size; at += step) {
		struct client_files files;
		struct cache_entry entry = { &plan, &program, &files, text,
			&net };
		FILE *f = fopen(path, "r+");
		int dir, c;

		assert_non_null(f);
		assert_int_equal(0, fseek(f, at, SEEK_SET));
		c = fgetc(f);
		assert_int_equal(0, fseek(f, at, SEEK_SET));
		assert_int_not_equal(EOF, fputc(c ^ 1, f));
		assert_int_equal(0, fclose(f));
		dir = cache_open(cache, NULL);
		assert_true(dir >= 0);
		assert_int_equal(0, cache_load(dir, key, &dirs, &entry));
		load(&rq);
		assert_memory_equal(&again, &plan, plan_size(&plan));
		assert_int_equal(1, cache_load(dir, key, &dirs, &entry));
		assert_int_equal(0, close(dir));
	}
	assert_int_equal(1, count_entries(cache));
}

static void
cache_load__with_services__network_plan_too(void **state)
{
	struct policy_request rq = request(with_services);
	unsigned char digest[SHA256_SIZE];
	char cache[128];

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache9", tmp);
	rq.cache_dir = cache;
	rq.net = &net;
	load(&rq);
	assert_int_equal(1, count_entries(cache));
	assert_memory_equal(net.net.digest, plan.net_digest, SHA256_SIZE);
	memcpy(digest, net.net.digest, sizeof(digest));
	memset(&net, 0, sizeof(net));
	load(&rq);
	assert_memory_equal(net.net.digest, digest, SHA256_SIZE);
	/* Who does not want it gets the plan that says that there is one. */
	rq.net = NULL;
	load(&rq);
	assert_true(plan_has_net(&plan));
	/* … and stores no entry without it. */
	(void)snprintf(cache, sizeof(cache), "%s/cache10", tmp);
	load(&rq);
	assert_int_equal(0, count_entries(cache));
	/* A policy without services leaves the room empty. */
	rq = request("policy: 1\n");
	rq.net = &net;
	load(&rq);
	assert_int_equal(0, net.net.size);
}

/* A digest that fits does not make a filter of any bytes. */
static void
cache_load__no_filter__is_a_miss(void **state)
{
	struct policy_request rq = request("policy: 1\nlimits: {pids: 14}\n");
	struct cache_entry entry = { &plan, &program, &cached_files, text,
		NULL };
	unsigned char key[SHA256_SIZE];
	char cache[128];
	int dir;

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache5", tmp);
	rq.cache_dir = cache;
	load(&rq);
	cache_key(&rq, key);
	dir = cache_open(cache, NULL);
	assert_int_equal(1, cache_load(dir, key, &dirs, &entry));
	/* jumps behind the end */
	program.insn[0] =
	    (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, SECCOMP_PROGRAM_MAX);
	sha256_buffer(program.insn, program.length * sizeof(program.insn[0]),
	    plan.seccomp_digest);
	plan_seal(&plan);
	assert_int_equal(0, cache_store(dir, key, &entry, NULL));
	assert_int_equal(0, cache_load(dir, key, &dirs, &entry));
	load(&rq);
	assert_int_equal(1, cache_load(dir, key, &dirs, &entry));
	assert_int_equal(0, close(dir));
}

/* Old entries by age; what is not the cache's own stays. */
static void
cache_trim__too_many__oldest_go_first(void **state)
{
	char cache[128], name[SHA256_HEX_SIZE];
	int dir, i, fd;

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache6", tmp);
	dir = cache_open(cache, NULL);
	assert_true(dir >= 0);
	for (i = 0; i < 100; i++) {
		/* made in another order than that of their age */
		int age = (i * 37) % 100;
		struct timespec t[2] = { { .tv_sec = 1000000 + age },
			{ .tv_sec = 1000000 + age } };

		(void)snprintf(name, sizeof(name), "%064x", age);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		assert_true(fd >= 0);
		assert_int_equal(10, write(fd, "0123456789", 10));
		assert_int_equal(0, futimens(fd, t));
		assert_int_equal(0, close(fd));
	}
	close(openat(dir, "README", O_WRONLY | O_CREAT, 0600));
	close(openat(dir, ".0123456789abcdef.1", O_WRONLY | O_CREAT, 0600));
	close(openat(dir, ".0123456789abcdee.1", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(0,
	    utimensat(dir, ".0123456789abcdee.1",
		(struct timespec[2]){ { .tv_sec = 1 }, { .tv_sec = 1 } }, 0));
	cache_trim(dir, 100, 1000);
	for (i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "%064x", i);
		assert_int_equal(0, faccessat(dir, name, F_OK, 0));
	}
	cache_trim(dir, 40, 1000);
	for (i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "%064x", i);
		assert_int_equal(i < 60 ? -1 : 0,
		    faccessat(dir, name, F_OK, 0));
	}
	cache_trim(dir, 40, 55);
	for (i = 60; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "%064x", i);
		assert_int_equal(i < 95 ? -1 : 0,
		    faccessat(dir, name, F_OK, 0));
	}
	assert_int_equal(0, faccessat(dir, "README", F_OK, 0));
	assert_int_equal(0, faccessat(dir, ".0123456789abcdef.1", F_OK, 0));
	assert_int_equal(-1, faccessat(dir, ".0123456789abcdee.1", F_OK, 0));
	assert_int_equal(0, close(dir));
}

/* Every store keeps the bound, with the new entry among those that stay. */
static void
cache_store__full__makes_room(void **state)
{
	struct policy_request rq = request("policy: 1\nlimits: {pids: 15}\n");
	char cache[128], name[SHA256_HEX_SIZE];
	unsigned char key[SHA256_SIZE];
	int dir, i;

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache7", tmp);
	dir = cache_open(cache, NULL);
	for (i = 0; i < CACHE_ENTRIES_MAX + 50; i++) {
		(void)snprintf(name, sizeof(name), "%064x", i);
		close(openat(dir, name, O_WRONLY | O_CREAT, 0600));
		assert_int_equal(0, utimensat(dir, name,
					(struct timespec[2]){ { .tv_sec = 1 },
					    { .tv_sec = 1 } },
					0));
	}
	rq.cache_dir = cache;
	load(&rq);
	assert_int_equal(CACHE_ENTRIES_MAX, count_entries(cache));
	cache_key(&rq, key);
	sha256_hex(key, name);
	assert_int_equal(0, faccessat(dir, name, F_OK, 0));
	assert_int_equal(0, close(dir));
}

static void
cache_open__open_to_others__refused(void **state)
{
	char cache[128];
	struct err e;

	(void)state;
	(void)snprintf(cache, sizeof(cache), "%s/cache4", tmp);
	assert_int_equal(0, mkdir(cache, 0700));
	assert_int_equal(0, chmod(cache, 0750));
	assert_int_equal(-1, cache_open(cache, &e));
	assert_int_equal(ERR_DENIED, e.code);
	assert_int_equal(0, chmod(cache, 0700));
	assert_true(cache_open(cache, &e) >= 0);
	(void)snprintf(cache, sizeof(cache), "%s/link", tmp);
	assert_int_equal(0, symlink("cache4", cache));
	assert_int_equal(-1, cache_open(cache, &e));
}

/* ---- in the place of warder-config ------------------------------------ */

static int
say_state(int socket)
{
	struct config_failed f = { .text = "" };
	gid_t groups[64];

	(void)snprintf(f.text, sizeof(f.text),
	    "uid=%u gid=%u groups=%d env=%d nnp=%d fds=%d cwd=%s",
	    (unsigned)getuid(), (unsigned)getgid(), getgroups(64, groups),
	    environ[0] != NULL, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	    unit_count_fds(), getcwd((char[64]){ 0 }, 64));
	return ipc_send(socket, CONFIG_FAILED, &f, sizeof(f), NULL, 0, NULL);
}

/*
 * A plan that is good in itself, some bytes more, and what is said of it; of
 * "length" instructions, all zero, its digest is of the first "hashed".
 */
static int
say_plan(int socket, size_t extra, uint32_t length, uint32_t hashed,
    uint32_t kind)
{
	struct config_done m = { .program_length = length };
	static const struct sock_filter insn[2];
	int fd = memfd_create("plan", MFD_CLOEXEC);

	plan_init(&plan);
	plan.kind = kind;
	plan.limits = (struct plan_limits){ .cpu_milli = 1000,
		.memory_bytes = 1 << 30,
		.pids = 1,
		.open_files = 16 };
	if (kind == PLAN_GRANT &&
	    plan_add_string(&plan, "/", &plan.cwd, NULL) == -1)
		return -1;
	sha256_buffer(insn, hashed * sizeof(insn[0]), plan.seccomp_digest);
	plan_seal(&plan);
	m.plan_size = (uint32_t)plan_size(&plan);
	if (write(fd, &plan, m.plan_size) != (ssize_t)m.plan_size ||
	    write(fd, insn, length * sizeof(insn[0]) + extra) == -1)
		return -1;
	return ipc_send(socket, CONFIG_DONE, &m, sizeof(m), &fd, 1, NULL);
}

/* A plan with a filter that allows all, and a network plan of any bytes. */
static int
say_net(int socket, int claimed, const void *bytes, uint32_t size,
    const unsigned char digest[SHA256_SIZE])
{
	static const struct sock_filter insn = { 0x06, 0, 0, 0x7fff0000 };
	struct config_done m = { .program_length = 1, .net_size = size };
	int fd = memfd_create("plan", MFD_CLOEXEC);

	plan_init(&plan);
	plan.limits = (struct plan_limits){ .cpu_milli = 1000,
		.memory_bytes = 1 << 30,
		.pids = 1,
		.open_files = 16 };
	if (plan_add_string(&plan, "/", &plan.cwd, NULL) == -1)
		return -1;
	if (claimed) {
		plan.nservices = 1;
		memcpy(plan.net_digest, digest, SHA256_SIZE);
	}
	sha256_buffer(&insn, sizeof(insn), plan.seccomp_digest);
	plan_seal(&plan);
	m.plan_size = (uint32_t)plan_size(&plan);
	if (write(fd, &plan, m.plan_size) != (ssize_t)m.plan_size ||
	    write(fd, &insn, sizeof(insn)) != sizeof(insn) ||
	    write(fd, bytes, size) != (ssize_t)size)
		return -1;
	return ipc_send(socket, CONFIG_DONE, &m, sizeof(m), &fd, 1, NULL);
}

static const unsigned char some_digest[SHA256_SIZE] = { 1 };

static int
say_net_without(int socket)
{
	return say_net(socket, 0, NULL, 0, some_digest);
}

static int
say_net_missing(int socket)
{
	return say_net(socket, 1, NULL, 0, some_digest);
}

static int
say_net_unasked(int socket)
{
	plan_net_init(&net);
	return say_net(socket, 0, &net, net.net.size, some_digest);
}

static int
say_net_garbage(int socket)
{
	return say_net(socket, 1, "garbage", 7, some_digest);
}

/* Whole in itself, and not the one that the plan names. */
static int
say_net_other(int socket)
{
	plan_net_init(&net);
	return say_net(socket, 1, &net, net.net.size, some_digest);
}

/* Named by its digest, and without the service that the plan counts. */
static int
say_net_fewer(int socket)
{
	plan_net_init(&net);
	return say_net(socket, 1, &net, net.net.size, net.net.digest);
}

static int
say_net_huge(int socket)
{
	struct config_done m = { .net_size = PLAN_NET_SIZE_MAX + 1 };
	int fd = memfd_create("plan", MFD_CLOEXEC);

	return ipc_send(socket, CONFIG_DONE, &m, sizeof(m), &fd, 1, NULL);
}

static int
say_good(int socket)
{
	return say_plan(socket, 0, 0, 0, PLAN_CEILING);
}

static int
say_other_program(int socket)
{
	return say_plan(socket, 0, 1, 0, PLAN_CEILING);
}

/* Zeroes are an instruction that no filter may have. */
static int
say_no_filter(int socket)
{
	return say_plan(socket, 0, 1, 1, PLAN_GRANT);
}

static int
say_no_program(int socket)
{
	return say_plan(socket, 0, 0, 0, PLAN_GRANT);
}

static int
say_other_size(int socket)
{
	return say_plan(socket, 1, 0, 0, PLAN_CEILING);
}

static int
say_huge(int socket)
{
	struct config_done m = { .plan_size = UINT32_MAX };
	int fd = memfd_create("plan", MFD_CLOEXEC);

	return ipc_send(socket, CONFIG_DONE, &m, sizeof(m), &fd, 1, NULL);
}

static int
say_without_memfd(int socket)
{
	struct config_done m = { 0 };

	return ipc_send(socket, CONFIG_DONE, &m, sizeof(m), NULL, 0, NULL);
}

static int
say_compile(int socket)
{
	return ipc_send(socket, CONFIG_COMPILE, "", 0, NULL, 0, NULL);
}

static int
say_endless(int socket)
{
	struct config_failed f;

	memset(&f, 'x', sizeof(f));
	return ipc_send(socket, CONFIG_FAILED, &f, sizeof(f), NULL, 0, NULL);
}

static int
ask(int socket, const char *reference, const char *dir, int times)
{
	static struct ipc_msg m;
	struct config_open o = { .what = CONFIG_WHAT_EXTENDS };

	(void)snprintf(o.reference, sizeof(o.reference), "%s", reference);
	(void)snprintf(o.dir, sizeof(o.dir), "%s", dir);
	for (; times > 0; times--)
		if (ipc_send(socket, CONFIG_OPEN, &o, sizeof(o), NULL, 0,
			NULL) == -1 ||
		    ipc_recv(socket, &m, NULL) != 1)
			return -1;
	return say_good(socket);
}

static int
say_ask_elsewhere(int socket)
{
	return ask(socket, "./x", "/etc", 1);
}

static int
say_ask_here(int socket)
{
	return ask(socket, "./x", "/srv/project", 1);
}

static int
say_ask_too_often(int socket)
{
	return ask(socket, "builtin/default", "/srv/project", 40);
}

static int
say_nothing(int socket)
{
	(void)socket;
	return 0;
}

static int
die(int socket)
{
	(void)socket;
	(void)signal(SIGUSR1, SIG_DFL);
	(void)raise(SIGUSR1);
	return 0;
}

/* The policy's name says which; NULL: it must succeed. */
static const struct {
	const char *name;
	int (*say)(int socket);
	const char *error;
} answers[] = {
	{ "state", say_state, "uid=" },
	{ "good", say_good, NULL },
	{ "other_program", say_other_program, "is not the plan's" },
	{ "no_filter", say_no_filter, "instruction 0 unknown instruction" },
	{ "no_program", say_no_program, "without a program" },
	{ "other_size", say_other_size, "another size" },
	{ "huge", say_huge, "out of bounds" },
	{ "net_without", say_net_without, NULL },
	{ "net_missing", say_net_missing, "too many or too few" },
	{ "net_unasked", say_net_unasked, "too many or too few" },
	{ "net_garbage", say_net_garbage, "its size is wrong" },
	{ "net_other", say_net_other, "is another plan's" },
	{ "net_fewer", say_net_fewer, "is another plan's" },
	{ "net_huge", say_net_huge, "out of bounds" },
	{ "without_memfd", say_without_memfd, "unknown message" },
	{ "compile", say_compile, "unknown message" },
	{ "endless", say_endless, "without an end" },
	{ "ask_elsewhere", say_ask_elsewhere, "directory of no file" },
	{ "ask_here", say_ask_here, NULL },
	{ "ask_too_often", say_ask_too_often, "too many files" },
	{ "nothing", say_nothing, "ended without an answer" },
	{ "die", die, "died of signal 10" },
};

static int
serve_witness(int socket)
{
	static struct ipc_msg m;
	const struct config_compile *c = (const void *)m.body;
	size_t i;

	if (ipc_recv(socket, &m, NULL) != 1)
		return 1;
	for (i = 0; i < countof(answers); i++)
		if (strcmp(answers[i].name, c->name) == 0)
			return answers[i].say(socket) == 0 ? 0 : 1;
	return 1;
}

static void
use_witness(struct policy_request *rq)
{
	static char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	rq->config_path = self;
}

static void
client_compile__hostile_answer__refused_by_name(void **state)
{
	struct policy_request rq = request("policy: 1\n");
	int fds = unit_count_fds(), rc;
	struct err e;
	size_t i;

	(void)state;
	use_witness(&rq);
	rq.net = &net;
	for (i = 0; i < countof(answers); i++) {
		rq.name = answers[i].name;
		e.msg[0] = '\0';
		rc = policy_load(&rq, &plan, &program, text, sizeof(text), &e);
		if ((rc == 0) != (answers[i].error == NULL))
			fail_msg("%s: %d, %s", rq.name, rc, e.msg);
		else if (rc == -1 && strstr(e.msg, answers[i].error) == NULL)
			fail_msg("%s: %s", rq.name, e.msg);
	}
	assert_int_equal(fds, unit_count_fds());
}

static void
client_start__child__nobody_with_nothing(void **state)
{
	struct policy_request rq = request("policy: 1\n");
	gid_t old[64], extra[] = { 7, 8 };
	int root = geteuid() == 0, nold = getgroups(64, old);
	char want[256];
	struct err e;

	(void)state;
	use_witness(&rq);
	rq.name = "state";
	assert_true(nold >= 0);
	if (root)
		assert_int_equal(0, setgroups(2, extra));
	assert_int_equal(-1,
	    policy_load(&rq, &plan, &program, text, sizeof(text), &e));
	if (root)
		assert_int_equal(0, setgroups((size_t)nold, old));
	/* Five descriptors: 0, 1, 2, the socket, and the policy's text. */
	(void)snprintf(want, sizeof(want),
	    "uid=%u gid=%u groups=%d env=0 nnp=1 fds=5 cwd=/",
	    root ? CLIENT_UID : (unsigned)getuid(),
	    root ? CLIENT_UID : (unsigned)getgid(), root ? 0 : nold);
	assert_string_equal(want, text);
	/* Nothing is left to wait for. */
	assert_int_equal(-1, waitpid(-1, NULL, WNOHANG));
	assert_int_equal(ECHILD, errno);
}

static int
setup(void **state)
{
	char *slash;
	ssize_t n;

	(void)state;
	n = readlink("/proc/self/exe", config_path, sizeof(config_path) - 64);
	if (n <= 0)
		return -1;
	config_path[n] = '\0';
	/* …/tests/unit/test_client */
	for (int i = 0; i < 3; i++) {
		slash = strrchr(config_path, '/');
		*slash = '\0';
	}
	(void)strncat(config_path, "/libexec/warder/warder-config", 40);
	(void)snprintf(tmp, sizeof(tmp), "/tmp/test_client.XXXXXX");
	if (mkdtemp(tmp) == NULL)
		return -1;
	(void)snprintf(dirs.etc, sizeof(dirs.etc), "%s", tmp);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return unit_remove_tree(tmp);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    client_compile__default_policy__plan_of_the_conventions),
		cmocka_unit_test(
		    client_compile__error__first_line_with_its_place),
		cmocka_unit_test(client_compile__relative_from__begins_at_dir),
		cmocka_unit_test(client_compile__no_program__says_so),
		cmocka_unit_test(client_start__child__nobody_with_nothing),
		cmocka_unit_test(
		    client_compile__hostile_answer__refused_by_name),
		cmocka_unit_test(
		    client_compile__extends_beside__both_files_count),
		cmocka_unit_test(client_compile__ceiling_on_the_host__cuts),
		cmocka_unit_test(
		    cache_load__second_time__same_plan_without_compiling),
		cmocka_unit_test(
		    cache_load__dependency_changes__compiles_again),
		cmocka_unit_test(cache_load__damaged__compiles_again),
		cmocka_unit_test(cache_load__no_filter__is_a_miss),
		cmocka_unit_test(cache_load__with_services__network_plan_too),
		cmocka_unit_test(cache_trim__too_many__oldest_go_first),
		cmocka_unit_test(cache_store__full__makes_room),
		cmocka_unit_test(cache_open__open_to_others__refused),
	};

	if (argc == 3 && strcmp(argv[1], "--serve") == 0)
		return serve_witness(3);
	return cmocka_run_group_tests(tests, setup, teardown);
}
