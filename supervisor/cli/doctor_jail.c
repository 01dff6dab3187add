/*
 * doctor_jail.c: the throw-away jail, and what watches from the host.
 *
 * The probe is no file of the jail: its own standard input is the program, a
 * sealed memfd, run by its name in /proc.  So the policy is the built-in one
 * unchanged, nothing of the host is shown for the probe's sake, and the
 * posture is the one that "warder exec" gives.
 *
 *	canaries (a process, two listeners, an open descriptor)
 *	   │ run the probe in the jail: each must see nothing
 *	   │ run the probe outside: each must see it once
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "doctor.h"
#include "doctor_explain.h"
#include "doctor_file.h"
#include "jail/environ.h"
#include "jail/run.h"
#include "msg_config.h"
#include "policy/builtin.h"
#include "policy/find.h"
#include "policy/load.h"
#include "text.h"

enum {
	JAIL_COMMAND_ID = 1,
	JAIL_SIGNAL_MS = 1000, /* for a signal that was sent to arrive */
	JAIL_PROBE_MS = 60000,
	JAIL_NUMBER = 24,
	JAIL_MFD_EXEC = 0x10, /* MFD_EXEC, newer than some headers */
};

/* ---- the policy ---- */

static char jail_warnings[CONFIG_TEXT_MAX];

int
doctor_jail_policy(struct doctor *d, struct err *e)
{
	char config[PLACES_PATH_MAX + 16];
	struct policy_request rq = {
		.name = "builtin/default",
		.dir = "/",
		.home = d->places.home,
		.config_path = config,
	};

	(void)snprintf(config, sizeof(config), "%s/warder-config",
	    d->places.libexec);
	rq.text = builtin_policy("default", &rq.size);
	return policy_load(&rq, &d->plan, &d->program, jail_warnings,
	    sizeof(jail_warnings), e);
}

/* ---- canaries ---- */

struct canaries {
	char nonce[JAIL_NUMBER];
	char port[JAIL_NUMBER];
	char file[64]; /* ours, by our descriptor of it */
	int *signals; /* shared with the process */
	pid_t pid;
	int tcp, abstract;
	int open; /* not CLOEXEC: whoever inherits has it */
};

static int *canary_counts;

static void
canary_signal(int signo)
{
	canary_counts[signo == PROBE_SIGNAL_OUTSIDE]++;
}

/* Waits to be signalled, until we go. */
static _Noreturn void
canary_process(int *counts, pid_t parent)
{
	struct sigaction a = { .sa_handler = canary_signal };

	canary_counts = counts;
	(void)sigaction(PROBE_SIGNAL_INSIDE, &a, NULL);
	(void)sigaction(PROBE_SIGNAL_OUTSIDE, &a, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	__atomic_store_n(&counts[2], 1, __ATOMIC_RELEASE);
	while (getppid() == parent)
		(void)pause();
	_exit(0);
}

static void
canary_sleep_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* Until a counter of the process's is not zero. */
static void
canary_wait(const int *count)
{
	int i;

	for (i = 0; i < JAIL_SIGNAL_MS; i++) {
		if (__atomic_load_n(count, __ATOMIC_ACQUIRE) != 0)
			return;
		canary_sleep_ms(1);
	}
}

static int
canary_start(struct canaries *c, struct err *e)
{
	pid_t parent = getpid();

	c->signals = mmap(NULL, 3 * sizeof(int), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->signals == MAP_FAILED) {
		c->signals = NULL;
		return err_set(e, ERR_SYSTEM, "canary: mmap");
	}
	c->pid = fork();
	if (c->pid == 0)
		canary_process(c->signals, parent);
	if (c->pid == -1)
		return err_set(e, ERR_SYSTEM, "canary: fork");
	canary_wait(&c->signals[2]);
	return 0;
}

static int
canary_listen(int family, const void *address, socklen_t size, struct err *e)
{
	autofd fd =
	    socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 || bind(fd, address, size) == -1 || listen(fd, 8) == -1)
		return err_set(e, ERR_SYSTEM, "canary: listen");
	return take_fd(&fd);
}

static int
canary_listeners(struct canaries *c, struct err *e)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(in);

	memcpy(un.sun_path + 1, c->nonce, strlen(c->nonce));
	c->tcp = canary_listen(AF_INET, &in, sizeof(in), e);
	if (c->tcp == -1)
		return -1;
	c->abstract = canary_listen(AF_UNIX, &un,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			strlen(c->nonce)),
	    e);
	if (c->abstract == -1)
		return -1;
	if (getsockname(c->tcp, (struct sockaddr *)&in, &size) == -1)
		return err_set(e, ERR_SYSTEM, "canary: getsockname");
	(void)snprintf(c->port, sizeof(c->port), "%u", ntohs(in.sin_port));
	return 0;
}

static int
canaries_open(struct canaries *c, struct err *e)
{
	unsigned char bytes[JAIL_NUMBER / 2 - 1];
	size_t i;

	c->tcp = c->abstract = c->open = -1;
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_set(e, ERR_SYSTEM, "getrandom");
	for (i = 0; i < sizeof(bytes); i++)
		(void)snprintf(c->nonce + 2 * i, 3, "%02x", bytes[i]);
	c->open = memfd_create("warder-canary", 0);
	if (c->open == -1)
		return err_set(e, ERR_SYSTEM, "canary: memfd_create");
	(void)snprintf(c->file, sizeof(c->file), "/proc/%d/fd/%d",
	    (int)getpid(), c->open);
	if (canary_listeners(c, e) == -1)
		return -1;
	return canary_start(c, e);
}

static void
canaries_close(struct canaries *c)
{
	fd_closep(&c->tcp);
	fd_closep(&c->abstract);
	fd_closep(&c->open);
	if (c->pid > 0) {
		(void)kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
	}
	if (c->signals != NULL)
		(void)munmap(c->signals, 3 * sizeof(int));
}

static int
canary_accepted(int fd)
{
	int n = 0;

	for (;;) {
		autofd client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (client == -1)
			return n;
		n++;
	}
}

/* which: 0 after the run inside, 1 after the one outside */
static void
canaries_count(const struct canaries *c, int which, struct doctor_seen *s)
{
	s->tcp[which] = canary_accepted(c->tcp);
	s->abstract[which] = canary_accepted(c->abstract);
	if (which == 0)
		return;
	/* what was sent before it has arrived before it */
	canary_wait(&c->signals[1]);
	s->signals[0] = __atomic_load_n(&c->signals[0], __ATOMIC_ACQUIRE);
	s->signals[1] = __atomic_load_n(&c->signals[1], __ATOMIC_ACQUIRE);
}

/* ---- the probe ---- */

/* A copy that nobody can change; opened for reading and running. */
static int
probe_open(const struct doctor *d, struct err *e)
{
	char path[PLACES_PATH_MAX + 16];
	autofd from = -1, to = -1;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/warder-probe",
	    d->places.libexec);
	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from == -1 || fstat(from, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	to = memfd_create("warder-probe",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING | JAIL_MFD_EXEC);
	if (to == -1)
		to = memfd_create("warder-probe",
		    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to == -1 ||
	    sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size ||
	    fcntl(to, F_ADD_SEALS,
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == -1)
		return err_set(e, ERR_SYSTEM, "%s: copy", path);
	return take_fd(&to);
}

/* argv for one side: run by name, its standard input is itself. */
static void
probe_arguments(const struct canaries *c, int outside, char *number,
    const char *argv[PROBE_ARG__MAX + 1])
{
	(void)snprintf(number, JAIL_NUMBER, "%d", (int)c->pid);
	argv[PROBE_ARG_SELF] = "/proc/self/fd/0";
	argv[PROBE_ARG_MODE] = outside ? "outside" : "inside";
	argv[PROBE_ARG_VICTIM] = outside ? number : "1";
	argv[PROBE_ARG_WITNESS] = number;
	argv[PROBE_ARG_FILE] = c->file;
	argv[PROBE_ARG_NONCE] = c->nonce;
	argv[PROBE_ARG_PORT] = c->port;
	argv[PROBE_ARG__MAX] = NULL;
}

/* Its last line is there. */
static int
probe_finished(const char *lines, struct err *e)
{
	char word[8];

	if (!doctor_judge_word(lines, "end", word, sizeof(word)))
		return err_set(e, ERR_CORRUPT, "the probe did not finish: %s",
		    lines[0] != '\0' ? lines : "no output");
	return 0;
}

static int
probe_outside(struct doctor *d, const struct canaries *c, int program,
    struct err *e)
{
	autofd out = memfd_create("warder-output", MFD_CLOEXEC);
	const char *argv[PROBE_ARG__MAX + 1];
	char *envp[] = { NULL };
	char number[JAIL_NUMBER];
	ssize_t n;
	pid_t pid;

	if (out == -1)
		return err_set(e, ERR_SYSTEM, "memfd_create");
	probe_arguments(c, 1, number, argv);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (dup2(program, STDIN_FILENO) != -1 &&
		    dup2(out, STDOUT_FILENO) != -1)
			(void)execve(argv[PROBE_ARG_SELF],
			    (char *const *)(uintptr_t)argv, envp);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	n = pread(out, d->seen.outside, sizeof(d->seen.outside) - 1, 0);
	d->seen.outside[n > 0 ? n : 0] = '\0';
	return probe_finished(d->seen.outside, e);
}

/* ---- the jail ---- */

/* What the host sees of it; a process under its pid 1 would be the same. */
static void
jail_witness(struct doctor *d, const struct jail *j)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map",
	    (int)jail_pid(j));
	(void)doctor_file_read(path, d->seen.uid_map, sizeof(d->seen.uid_map));
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)jail_pid(j));
	(void)doctor_file_read(path, d->seen.groups, sizeof(d->seen.groups));
	(void)snprintf(d->seen.group_name, sizeof(d->seen.group_name), "%s",
	    jail_cgroup(j)->name);
	sha256_buffer(d->program.insn,
	    d->program.length * sizeof(d->program.insn[0]),
	    d->seen.program_digest);
}

/* What the probe in the jail prints, cut at the end of its room. */
struct jail_sink {
	char *bytes;
	size_t used;
};

static void
jail_take(void *ctx, int stream, const void *bytes, size_t size)
{
	struct jail_sink *s = ctx;

	(void)stream;
	if (size > DOCTOR_OUTPUT_MAX - 1 - s->used)
		size = DOCTOR_OUTPUT_MAX - 1 - s->used;
	memcpy(s->bytes + s->used, bytes, size);
	s->used += size;
	s->bytes[s->used] = '\0';
}

/* Its standard input is the program, which is run by that name. */
static int
jail_command(struct doctor *d, struct jail *j, const struct canaries *c,
    int program, struct run *run, struct err *e)
{
	static struct environ env;
	const char *argv[PROBE_ARG__MAX + 1];
	char number[JAIL_NUMBER];
	struct jail_command command = { .id = JAIL_COMMAND_ID, .argv = argv };
	autofd read_end = -1, write_end = -1;
	int ours[3] = { -1, -1, -1 }, fd[2];

	probe_arguments(c, 0, number, argv);
	if (environ_make(&env, &d->plan, NULL, e) == -1)
		return -1;
	command.envp = env.vector;
	if (pipe2(fd, O_CLOEXEC) == -1)
		return err_set(e, ERR_SYSTEM, "pipe2");
	read_end = fd[0];
	write_end = fd[1];
	if (fcntl(read_end, F_SETFL, O_NONBLOCK) == -1)
		return err_set(e, ERR_SYSTEM, "O_NONBLOCK");
	if (jail_start_on(j, &command,
		(const int[]){ program, write_end, write_end }, e) == -1)
		return -1;
	ours[1] = take_fd(&read_end);
	run_connect(run, ours);
	return 0;
}

static int
jail_run(struct doctor *d, struct jail *j, const struct canaries *c,
    int program, struct run *run, struct err *e)
{
	struct run_report report;
	int r;

	if (jail_command(d, j, c, program, run, e) == -1)
		return -1;
	r = run_wait(run, JAIL_PROBE_MS, &report, e);
	if (r == -1)
		return -1;
	if (r == 0 || report.end != RUN_EXITED)
		return err_set(e, ERR_CONFLICT, "the probe %s",
		    r == 0 ? "did not end" : run_end_text(report.end));
	return probe_finished(d->seen.inside, e);
}

static int
jail_probe(struct doctor *d, struct jail *j, const struct canaries *c,
    int program, struct err *e)
{
	static struct run run;
	struct jail_sink sink = { .bytes = d->seen.inside };
	int none[3], r;

	if (jail_launch(j, NULL, none, e) == -1)
		return -1;
	d->posture = *jail_posture(j);
	jail_witness(d, j);
	run_init(&run, j, &d->plan, JAIL_COMMAND_ID);
	run.sink = jail_take;
	run.sink_ctx = &sink;
	r = jail_run(d, j, c, program, &run, e);
	run_finish(&run);
	return r;
}

static int
jail_try(struct doctor *d, const struct canaries *c, int program, struct err *e)
{
	char init[PLACES_PATH_MAX + 16];
	struct jail_options o = {
		.plan = &d->plan,
		.program = &d->program,
		.init_path = init,
		.runtime_dir = d->places.runtime,
		.state_dir = d->places.state,
		.config_dir = d->places.config,
		.cache_dir = d->places.cache,
		.state_root = d->places.state_root,
	};
	struct jail *j = NULL;
	int r;

	(void)snprintf(init, sizeof(init), "%s/warder-init", d->places.libexec);
	r = jail_create(&o, &j, e);
	if (r == 0)
		r = jail_probe(d, j, c, program, e);
	if (jail_destroy(j) == -1 && r == 0)
		r = err_set(e, ERR_SYSTEM, "the jail left something behind");
	return r;
}

static int
jail_both(struct doctor *d, struct canaries *c, struct err *e)
{
	autofd program = -1;

	if (doctor_jail_policy(d, e) == -1 || canaries_open(c, e) == -1 ||
	    (program = probe_open(d, e)) == -1)
		return -1;
	if (jail_try(d, c, program, e) == -1)
		return -1;
	canaries_count(c, 0, &d->seen);
	if (probe_outside(d, c, program, e) == -1)
		return -1;
	canaries_count(c, 1, &d->seen);
	return 0;
}

void
doctor_jail_run(struct doctor *d)
{
	struct canaries c = { .tcp = -1, .abstract = -1, .open = -1 };

	d->ran = d->have_places && jail_both(d, &c, &d->jail_error) == 0;
	canaries_close(&c);
	if (!d->ran &&
	    !doctor_explain(&d->jail_error, d->hint, sizeof(d->hint)))
		d->hint[0] = '\0';
	if (!d->ran)
		return;
	doctor_judge_attempts(d);
	doctor_judge_claims(d);
}
