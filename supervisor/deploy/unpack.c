/*
 * unpack.c: warder-deploy, one deployment of an agent.
 *
 *	tar ──► hash ──► jail with the host's tar ──► copied out, made plain
 *	    ──► agent.yaml ──► record, agent.json     (warder-config)
 *	    ──► its policy ──► plan, under the ceiling (warder-config)
 *	    ──► judged as at each start ──► written, synced, renamed
 *
 * Started by warderd, as root where that is root, for one archive.  The
 * archive is hostile: nothing of it is looked at but by tar in a jail and by
 * warder-config, which is nobody.  Killed at any moment it leaves a directory
 * that the next start of warderd removes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ipc.h"
#include "jail/environ.h"
#include "jail/jail.h"
#include "jail/run.h"
#include "log.h"
#include "memfd.h"
#include "msg_deploy.h"
#include "policy/client.h"
#include "policy/client_describe.h"
#include "supervisor/agent.h"
#include "text.h"
#include "tree.h"

enum {
	UNPACK_OUTPUT_MAX = 4096, /* of tar's messages */
	UNPACK_POLICY_MAX = 2048,
	UNPACK_PATH_MAX = AGENT_PATH_MAX,
};

#define UNPACK_PLACE "/tree" /* in its jail */

static const char unpack_directory[] = "--directory=" UNPACK_PLACE;

/* What an agent runs by whose agent.yaml has no policy. */
static const char unpack_default[] =
    "policy: 1\n"
    "name: agent\n"
    "filesystem: {write: [{path: /workspace}]}\n";

struct unpack {
	struct deploy_job job;
	struct agent_store store;
	struct find_dirs dirs;
	char init_path[DEPLOY_PATH_MAX + 16], config_path[DEPLOY_PATH_MAX + 16];
	struct deploy_answer answer;
	char hex[AGENT_DIGEST_HEX];
	char place[UNPACK_PATH_MAX]; /* where it is made */
	char final[UNPACK_PATH_MAX];
	int dir; /* place, open */
	int tree; /* below it */
	char said[UNPACK_OUTPUT_MAX]; /* by tar */
	size_t nsaid;
	char text[CONFIG_FILE_MAX];
	char diagnostics[CONFIG_TEXT_MAX];
	struct plan plan;
	struct seccomp_program program;
	union plan_net_room net;
	struct agent_record record;
	size_t card_size;
	char card[SPAWN_CARD_MAX];
};

static struct unpack unpack_state;

/* ---- tar ---- */

/* Room for the tree, and nothing of this host but its programs. */
static int
unpack_policy(struct unpack *u, struct err *e)
{
	static struct client_files files;
	char text[UNPACK_POLICY_MAX];
	struct policy_request rq = {
		.text = text,
		.name = "deploy",
		.dir = "/",
		.home = "",
		.config_path = u->config_path,
		.dirs = &u->dirs,
	};
	int n = snprintf(text, sizeof(text),
	    "policy: 1\n"
	    "name: deploy\n"
	    "filesystem: {write: [{path: " UNPACK_PLACE ", size: %lluB}]}\n"
	    "seccomp: {profile: strict}\n"
	    "limits: {wall: 100s, pids: 16, output: 64KiB}\n",
	    (unsigned long long)u->job.agent_bytes);

	rq.size = (size_t)n;
	return client_compile(&rq, &u->plan, &u->program, &files,
	    u->diagnostics, sizeof(u->diagnostics), e);
}

/* What tar says is for the author of the archive. */
static void
unpack_said(void *ctx, int stream, const void *bytes, size_t size)
{
	struct unpack *u = ctx;
	size_t room = sizeof(u->said) - 1 - u->nsaid;

	(void)stream;
	if (size > room)
		size = room;
	memcpy(u->said + u->nsaid, bytes, size);
	u->nsaid += size;
}

static int
unpack_is_gzip(void)
{
	unsigned char head[2] = { 0 };

	return pread(DEPLOY_ARCHIVE_FD, head, sizeof(head), 0) == 2 &&
	       head[0] == 0x1f && head[1] == 0x8b;
}

static int
unpack_ended(struct unpack *u, const struct run_report *r, struct err *e)
{
	char shown[400];

	if (r->end == RUN_EXITED && r->status == 0)
		return 0;
	(void)text_escape(shown, sizeof(shown), u->said,
	    strcspn(u->said, "\n"));
	return err_set(e, ERR_INVALID, "the archive: tar %s%s%s",
	    run_end_text(r->end), shown[0] != '\0' ? ": " : "", shown);
}

static int
unpack_run(struct unpack *u, struct jail *j, const struct jail_command *c,
    struct err *e)
{
	static struct run run;
	struct run_report report = { 0 };
	int ours[3], r;

	run_init(&run, j, &u->plan, c->id);
	run.caller[0] = DEPLOY_ARCHIVE_FD;
	run.sink = unpack_said;
	run.sink_ctx = u;
	r = jail_launch(j, c, ours, e);
	if (r == 0) {
		run_connect(&run, ours);
		r = run_wait(&run, -1, &report, e) == -1 ? -1 : 0;
	}
	run_finish(&run);
	return r == -1 ? -1 : unpack_ended(u, &report, e);
}

/*
 * Names that are there are not replaced, so that no two readers of the
 * archive see different files; owners, modes beyond rwx, extended attributes
 * and access lists are nobody's here.
 */
static int
unpack_jail(struct unpack *u, struct jail *j, struct err *e)
{
	static struct environ env;
	const char *argv[] = { "tar", "--extract", "--file=-", unpack_directory,
		"--no-same-owner", "--no-same-permissions", "--keep-old-files",
		"--delay-directory-restore", "--no-acls", "--no-xattrs",
		"--no-selinux", "--warning=no-timestamp",
		unpack_is_gzip() ? "--gzip" : NULL, NULL };
	struct jail_command c = { .id = 1,
		.argv = argv,
		.envp = env.vector,
		.cwd = UNPACK_PLACE };
	struct keep_result kept;

	if (environ_make(&env, &u->plan, NULL, e) == -1 ||
	    lseek(DEPLOY_ARCHIVE_FD, 0, SEEK_SET) == -1 ||
	    unpack_run(u, j, &c, e) == -1)
		return -1;
	if (jail_keep(j, u->place, &kept, e) == -1)
		return e->code != ERR_LIMIT
			   ? -1
			   : err_set(e, ERR_INVALID,
				 "the archive: it is larger than it looks, or "
				 "has too many files");
	if (kept.skipped > 0)
		return err_set(e, ERR_INVALID,
		    "the archive: %llu of its files are devices, sockets, "
		    "FIFOs, too deep or too long",
		    (unsigned long long)kept.skipped);
	return 0;
}

static int
unpack_archive(struct unpack *u, struct err *e)
{
	struct jail_options o = {
		.plan = &u->plan,
		.program = &u->program,
		.init_path = u->init_path,
		.runtime_dir = u->job.runtime,
		.state_dir = u->job.state,
		.keep = 1,
	};
	struct jail *j = NULL;
	int r;

	if (unpack_policy(u, e) == -1 || jail_create(&o, &j, e) == -1)
		return -1;
	r = unpack_jail(u, j, e);
	if (jail_destroy(j) == -1 && r == 0)
		r = err_set(e, ERR_SYSTEM, "tar's jail left something behind");
	return r;
}

/* ---- agent.yaml ---- */

/* A file of the tree, whatever the tree says that its name is. */
static int
unpack_read(struct unpack *u, const char *name, size_t *ret_n, struct err *e)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	autofd fd = (int)syscall(SYS_openat2, u->tree, name, &how, sizeof(how));
	struct stat st;

	if (fd == -1)
		return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID,
		    "the archive has no regular file %s", name);
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is no regular file", name);
	return find_read(name, take_fd(&fd), u->text, ret_n, e);
}

static int
unpack_describe(struct unpack *u, struct err *e)
{
	struct client_describe_request rq = {
		.what = CONFIG_WHAT_AGENT,
		.text = u->text,
		.name = "agent.yaml",
		.config_path = u->config_path,
		.record = &u->record,
		.record_size = sizeof(u->record),
		.card = u->card,
		.card_size = sizeof(u->card),
	};
	size_t got;

	if (unpack_read(u, "agent.yaml", &rq.size, e) == -1 ||
	    client_describe(&rq, &got, &u->card_size, u->diagnostics,
		sizeof(u->diagnostics), e) == -1)
		return -1;
	return agent_record_check(&u->record, got, e);
}

/* Nothing of the tree is opened for it but the one file that is named. */
static int
unpack_compile(struct unpack *u, struct err *e)
{
	static struct client_files files;
	struct policy_request rq = {
		.text = u->text,
		.name = "agent.yaml",
		.dir = AGENT_MOUNT,
		.home = "",
		.config_path = u->config_path,
		.dirs = &u->dirs,
		.net = &u->net,
		.cwd = AGENT_MOUNT,
		.alone = 1,
	};

	if (u->record.policy == AGENT_POLICY_NONE) {
		rq.text = unpack_default;
		rq.size = sizeof(unpack_default) - 1;
		rq.name = "(the default of agents)";
	} else if (u->record.policy == AGENT_POLICY_FILE) {
		rq.name = u->record.policy_file;
		if (unpack_read(u, rq.name, &rq.size, e) == -1)
			return -1;
	} else {
		rq.section = "policy";
		if (unpack_read(u, "agent.yaml", &rq.size, e) == -1)
			return -1;
	}
	return client_compile(&rq, &u->plan, &u->program, &files,
	    u->diagnostics, sizeof(u->diagnostics), e);
}

/* As at each start: what is refused then is not deployed now. */
static int
unpack_judge(struct unpack *u, struct err *e)
{
	if (u->plan.kind != PLAN_GRANT)
		return err_set(e, ERR_INVALID,
		    "the agent's policy is a ceiling: it cannot be run");
	if (agent_make_filter(&u->plan, &u->program, e) == -1)
		return -1;
	return agent_judge(u->store.ceiling, &u->plan, &u->net, e);
}

/* ---- writing ---- */

static int
unpack_write(struct unpack *u, const char *name, const void *p, size_t n,
    struct err *e)
{
	autofd fd = openat(u->dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ssize_t w = 1;
	size_t done = 0;

	while (fd != -1 && w > 0 && done < n) {
		w = write(fd, (const char *)p + done, n - done);
		done += w > 0 ? (size_t)w : 0;
	}
	return fd == -1 || done < n ? err_set(e, ERR_SYSTEM, "%s", name) : 0;
}

static int
unpack_write_all(struct unpack *u, struct err *e)
{
	if (unpack_write(u, "plan", &u->plan, plan_size(&u->plan), e) == -1 ||
	    unpack_write(u, "record", &u->record, sizeof(u->record), e) == -1 ||
	    unpack_write(u, "agent.json", u->card, u->card_size, e) == -1)
		return -1;
	return plan_has_net(&u->plan)
		   ? unpack_write(u, "net", &u->net, u->net.net.size, e)
		   : 0;
}

/* On the disk before it has its name, and its name before it is told of. */
static int
unpack_publish(struct unpack *u, struct err *e)
{
	autofd of = -1;

	if (syncfs(u->dir) == -1)
		return err_set(e, ERR_SYSTEM, "syncfs");
	if (rename(u->place, u->final) == -1) {
		/* the same bytes, at the same time */
		if (errno != EEXIST && errno != ENOTEMPTY)
			return err_set(e, ERR_SYSTEM, "%s", u->final);
		u->answer.fresh = 0;
	}
	of = openat(u->store.dir, u->job.tenant,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return of == -1 || fsync(of) == -1
		   ? err_set(e, ERR_SYSTEM, "%s", u->job.tenant)
		   : 0;
}

/* ---- the whole ---- */

static int
unpack_hash(struct unpack *u, struct err *e)
{
	const void *p;
	size_t n;

	if (memfd_map(DEPLOY_ARCHIVE_FD, u->job.archive_bytes, &p, &n, e) == -1)
		return err_wrap(e, "the archive");
	sha256_buffer(p, n, u->answer.digest);
	memfd_unmap(p, n);
	agent_hex(u->answer.digest, u->hex);
	return 0;
}

static int
unpack_paths(struct unpack *u, struct err *e)
{
	char of[UNPACK_PATH_MAX];

	(void)snprintf(of, sizeof(of), "%s/%s", u->job.agents, u->job.tenant);
	if (mkdir(of, 0700) == -1 && errno != EEXIST)
		return err_set(e, ERR_SYSTEM, "%s", of);
	if (snprintf(u->final, sizeof(u->final), "%s/%s", of, u->hex) >=
		(int)sizeof(u->final) ||
	    snprintf(u->place, sizeof(u->place), "%s/.new-%d", of,
		(int)getpid()) >= (int)sizeof(u->place))
		return err_set(e, ERR_INVALID, "%s: path too long", of);
	return 0;
}

/* What was deployed is there, whole: read it as a start would. */
static int
unpack_known(struct unpack *u, struct err *e)
{
	char path[UNPACK_PATH_MAX + 16];
	struct agent *a;
	int fd;

	if (agent_get(&u->store, u->job.tenant, u->answer.digest, &a, e) == -1)
		return -1;
	memcpy(u->answer.policy, a->policy, sizeof(u->answer.policy));
	agent_release(a);
	(void)snprintf(path, sizeof(path), "%s/agent.json", u->final);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	return find_read(path, fd, u->card, &u->card_size, e);
}

static int
unpack_make(struct unpack *u, struct err *e)
{
	u->answer.fresh = 1;
	if (unpack_archive(u, e) == -1)
		return -1;
	u->dir = open(u->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	u->tree = u->dir == -1
		      ? -1
		      : openat(u->dir, "tree",
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (u->tree == -1)
		return err_set(e, ERR_SYSTEM, "%s", u->place);
	if (tree_settle(u->tree, u->job.agent_bytes, e) == -1 ||
	    unpack_describe(u, e) == -1 || unpack_compile(u, e) == -1 ||
	    unpack_judge(u, e) == -1 || unpack_write_all(u, e) == -1 ||
	    unpack_publish(u, e) == -1)
		return -1;
	memcpy(u->answer.policy, u->plan.digest, sizeof(u->answer.policy));
	return 0;
}

static int
unpack_do(struct unpack *u, struct err *e)
{
	int r;

	if (unpack_hash(u, e) == -1 || unpack_paths(u, e) == -1)
		return -1;
	if (access(u->final, F_OK) == 0)
		return unpack_known(u, e);
	r = unpack_make(u, e);
	(void)agent_remove(AT_FDCWD, u->place, 0);
	return r;
}

static int
unpack_answer(struct unpack *u, int r, const struct err *why, struct err *e)
{
	struct deploy_answer *a = &u->answer;
	autofd card = -1;

	if (r == 0) {
		card = memfd_create_sealed("warder-agent", u->card,
		    u->card_size, e);
		if (card == -1)
			return -1;
		return ipc_send(DEPLOY_JOB_FD, DEPLOY_ANSWER, a, sizeof(*a),
		    &card, 1, e);
	}
	a->code = why->code;
	a->sys = why->sys;
	/* a policy's defects are many, and the error is the first of them */
	(void)snprintf(a->text, sizeof(a->text), "%.8000s",
	    u->diagnostics[0] != '\0' ? u->diagnostics : why->msg);
	return ipc_send(DEPLOY_JOB_FD, DEPLOY_ANSWER, a, sizeof(*a), NULL, 0,
	    e);
}

/* ---- what warderd says ---- */

static int
unpack_ceiling(struct unpack *u, struct err *e)
{
	const void *p;
	size_t n;

	if (memfd_map(DEPLOY_CEILING_FD, sizeof(*u->store.ceiling), &p, &n,
		e) == -1)
		return -1;
	u->store.ceiling = p;
	return n == sizeof(*u->store.ceiling)
		   ? 0
		   : err_set(e, ERR_CORRUPT, "the ceiling");
}

static int
unpack_job(struct unpack *u, struct err *e)
{
	static struct ipc_msg m;
	struct deploy_job *j = &u->job;

	if (ipc_recv(DEPLOY_JOB_FD, &m, e) != 1 || m.type != DEPLOY_JOB ||
	    m.size != sizeof(*j) || m.nfds != 0)
		return err_set(e, ERR_INVALID, "started by warderd alone");
	memcpy(j, m.body, sizeof(*j));
	find_dirs_init(&u->dirs, "");
	memcpy(u->dirs.etc, j->etc, sizeof(u->dirs.etc));
	memcpy(u->dirs.user, j->user, sizeof(u->dirs.user));
	memcpy(u->dirs.ceiling, j->ceiling, sizeof(u->dirs.ceiling));
	(void)snprintf(u->init_path, sizeof(u->init_path), "%s/warder-init",
	    j->libexec);
	(void)snprintf(u->config_path, sizeof(u->config_path),
	    "%s/warder-config", j->libexec);
	u->store.path = j->agents;
	u->store.dir = open(j->agents, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u->store.dir == -1)
		return err_set(e, ERR_SYSTEM, "%s", j->agents);
	return unpack_ceiling(u, e);
}

int
main(void)
{
	struct unpack *u = &unpack_state;
	struct err why = { 0 }, e = { 0 };
	int r;

	log_init("warder-deploy", LOG_FORMAT_LOGFMT, LOG_LEVEL_WARN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	u->dir = u->tree = -1;
	if (unpack_job(u, &e) == -1) {
		(void)fprintf(stderr, "warder-deploy: %s\n", e.msg);
		return 2;
	}
	r = unpack_do(u, &why);
	return unpack_answer(u, r, &why, &e) == -1;
}
