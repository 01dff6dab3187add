/*
 * inject: run a command and make one system call of one of its processes
 * fail, or kill that process there.
 *
 *	inject LOG trace            -- COMMAND …
 *	inject LOG fail N K NR SYS  -- COMMAND …
 *	inject LOG kill N K NR      -- COMMAND …
 *	inject LOG orphan N K NR    -- COMMAND …
 *
 * N counts processes in the order in which they are made (the command is 1),
 * K each one's system calls from its first on (the command's from its exec
 * on), NR says which one that is: another call in its place is let be.  SYS is
 * the error number.  The failing call is not executed.  The log
 * has one line for each thing that happens:
 *
 *	pid PID                  of process 1
 *	proc N PARENT FLAGS      made by a clone with these flags
 *	call N K NR A B C TEXT   enters a system call (trace, and the fired one)
 *	fired                    the call before was failed, or killed
 *	exec N                   has executed another program
 *	end STATUS               process 1 has ended; as wait(2) gives it
 *
 * "orphan" holds a process in its call, kills process 1 a moment later, and
 * lets the call go on after another; who has lost his parent is reaped at once.
 *
 * When process 1 has ended, the others are let go (of orphans the end is waited
 * for): whether they end too is for the caller to see.  Exit status: 0 when
 * the log is complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

#ifndef __x86_64__
#	error "registers of this processor are not known here"
#endif

#define countof(a) (sizeof(a) / sizeof((a)[0]))

enum {
	PROCESSES_MAX = 256,
	QUIET_US = 20000, /* when the others have done all that they can */
	QUIET_EVENTS = 4000, /* or have done so much */
	ORPHANS_S = 8, /* for the others to end */
	TEXT_MAX = 128,
	OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
		  PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC
};

struct process {
	pid_t pid; /* 0: free */
	int number; /* 0: its parent's event has not come yet */
	int calls;
	int waiting; /* it has stopped before it had a number */
	int failing; /* this call was skipped: give it its error */
	int held; /* in this call until process 1 is dead */
	uint64_t clone_flags; /* of the clone that it is in */
};

enum mode {
	MODE_TRACE,
	MODE_FAIL,
	MODE_KILL,
	MODE_ORPHAN
};

struct inject {
	FILE *log;
	enum mode mode;
	int number, call, nr, sys; /* which one */
	int made; /* processes so far */
	int holding, events; /* since somebody is held */
	int orphaned; /* 1: process 1 is dead; 2: nobody is held any more */
	struct process processes[PROCESSES_MAX];
};

static struct inject state;

static _Noreturn void
die(const char *what)
{
	(void)fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
	exit(2);
}

static long
call_ptrace(long request, pid_t pid, uintptr_t address, uintptr_t data)
{
	return syscall(SYS_ptrace, request, pid, address, data);
}

/* ESRCH: it was killed meanwhile, and its end will be reported. */
static void
resume(const struct process *p, int signo)
{
	if (call_ptrace(PTRACE_SYSCALL, p->pid, 0, (uintptr_t)signo) == -1 &&
	    errno != ESRCH)
		die("PTRACE_SYSCALL");
}

static struct process *
process_of(pid_t pid)
{
	struct process *unused = NULL;
	size_t i;

	for (i = 0; i < countof(state.processes); i++) {
		struct process *p = &state.processes[i];

		if (p->pid == pid)
			return p;
		if (p->pid == 0 && unused == NULL)
			unused = p;
	}
	if (unused == NULL) {
		errno = ENOMEM;
		die("processes");
	}
	*unused = (struct process){ .pid = pid };
	return unused;
}

/* ---- process 1 ---- */

static volatile sig_atomic_t alarmed;

static void
on_alarm(int signo)
{
	(void)signo;
	alarmed = 1;
}

/* Again and again, should one come just before the wait. */
static void
set_alarm(long us)
{
	struct sigaction a = { .sa_handler = on_alarm };
	struct itimerval t = {
		.it_value = { us / 1000000, us % 1000000 },
		.it_interval = { us / 1000000, us % 1000000 },
	};

	if (sigaction(SIGALRM, &a, NULL) == -1 ||
	    setitimer(ITIMER_REAL, &t, NULL) == -1)
		die("setitimer");
}

/* The others have come as far as they can. */
static void
kill_first(void)
{
	size_t i;

	for (i = 0; i < countof(state.processes); i++) {
		if (state.processes[i].number == 1)
			(void)kill(state.processes[i].pid, SIGKILL);
	}
}

/* What dies with its parent is dead, and reaped. */
static void
let_go(void)
{
	size_t i;

	state.holding = 0;
	set_alarm(ORPHANS_S * 1000000L);
	for (i = 0; i < countof(state.processes); i++) {
		struct process *p = &state.processes[i];

		if (p->pid != 0 && p->held) {
			p->held = 0;
			resume(p, 0);
		}
	}
}

static void
orphan_step(void)
{
	alarmed = 0;
	if (!state.orphaned) {
		kill_first();
	} else if (state.orphaned++ == 1) {
		let_go();
	} else {
		errno = ETIMEDOUT;
		die("orphans");
	}
}

/* ---- one call ---- */

/* Where a call has a name among its arguments; -1: nowhere. */
static const struct {
	int nr, argument;
} texts[] = {
	{ SYS_openat, 1 },
	{ SYS_open, 0 },
	{ SYS_openat2, 1 },
	{ SYS_newfstatat, 1 },
	{ SYS_stat, 0 },
	{ SYS_lstat, 0 },
	{ SYS_statx, 1 },
	{ SYS_readlink, 0 },
	{ SYS_readlinkat, 1 },
	{ SYS_mkdir, 0 },
	{ SYS_mkdirat, 1 },
	{ SYS_rmdir, 0 },
	{ SYS_unlink, 0 },
	{ SYS_unlinkat, 1 },
	{ SYS_symlinkat, 2 },
	{ SYS_mknodat, 1 },
	{ SYS_mount, 1 },
	{ SYS_umount2, 0 },
	{ SYS_fsopen, 0 },
	{ SYS_fsconfig, 2 },
	{ SYS_open_tree, 1 },
	{ SYS_move_mount, 3 },
	{ SYS_mount_setattr, 1 },
	{ SYS_chdir, 0 },
	{ SYS_execve, 0 },
	{ SYS_execveat, 1 },
	{ SYS_memfd_create, 0 },
	{ SYS_renameat, 3 },
	{ SYS_rename, 1 },
	{ SYS_sethostname, 0 },
	{ SYS_write, 1 },
};

static uint64_t
text_address(const struct ptrace_syscall_info *i)
{
	size_t k;

	for (k = 0; k < countof(texts); k++) {
		if ((uint64_t)texts[k].nr == i->entry.nr)
			return i->entry.args[texts[k].argument];
	}
	return 0;
}

/* Up to the end of its page, since what is behind may not be there. */
static void
print_text(pid_t pid, uint64_t address)
{
	char text[TEXT_MAX + 1] = "";
	size_t room = 4096 - address % 4096;
	struct iovec to = { text, room < TEXT_MAX ? room : TEXT_MAX };
	struct iovec from = { (void *)(uintptr_t)address, to.iov_len };
	const char *p;

	if (address != 0)
		(void)!process_vm_readv(pid, &to, 1, &from, 1, 0);
	for (p = text; *p != '\0'; p++)
		(void)fputc(*p > ' ' && *p < 127 ? *p : '?', state.log);
	(void)fputc('\n', state.log);
}

static void
print_call(const struct process *p, const struct ptrace_syscall_info *i)
{
	(void)fprintf(state.log, "call %d %d %llu %llx %llx %llx ", p->number,
	    p->calls, (unsigned long long)i->entry.nr,
	    (unsigned long long)i->entry.args[0],
	    (unsigned long long)i->entry.args[1],
	    (unsigned long long)i->entry.args[2]);
	print_text(p->pid, text_address(i));
}

static void
set_register(pid_t pid, size_t offset, long value)
{
	if (call_ptrace(PTRACE_POKEUSER, pid, offset, (uintptr_t)value) == -1 &&
	    errno != ESRCH)
		die("PTRACE_POKEUSER");
}

/* clone3's flags are the first member of its structure. */
static void
note_clone(struct process *p, const struct ptrace_syscall_info *i)
{
	struct iovec to = { &p->clone_flags, sizeof(p->clone_flags) };
	struct iovec from = { (void *)(uintptr_t)i->entry.args[0], to.iov_len };

	p->clone_flags = i->entry.args[0];
	if (i->entry.nr == SYS_clone3)
		(void)!process_vm_readv(p->pid, &to, 1, &from, 1, 0);
	if (i->entry.nr == SYS_fork || i->entry.nr == SYS_vfork)
		p->clone_flags = 0;
}

static void
on_entry(struct process *p, const struct ptrace_syscall_info *i)
{
	int here;

	p->calls++;
	note_clone(p, i);
	here = state.mode != MODE_TRACE && p->number == state.number &&
	       p->calls == state.call && (int)i->entry.nr == state.nr;
	if (state.mode == MODE_TRACE || here)
		print_call(p, i);
	if (!here)
		return;
	(void)fprintf(state.log, "fired\n");
	if (state.mode == MODE_KILL) {
		(void)kill(p->pid, SIGKILL);
		return;
	}
	if (state.mode == MODE_ORPHAN) {
		p->held = state.holding = 1;
		set_alarm(QUIET_US);
		return;
	}
	p->failing = 1;
	set_register(p->pid, offsetof(struct user_regs_struct, orig_rax), -1);
}

static void
on_call(struct process *p)
{
	struct ptrace_syscall_info i;

	if (call_ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, sizeof(i),
		(uintptr_t)&i) == -1)
		return;
	if (i.op == PTRACE_SYSCALL_INFO_ENTRY) {
		on_entry(p, &i);
	} else if (i.op == PTRACE_SYSCALL_INFO_EXIT && p->failing) {
		p->failing = 0;
		set_register(p->pid, offsetof(struct user_regs_struct, rax),
		    -state.sys);
	}
}

/* ---- processes ---- */

static void
on_made(const struct process *parent)
{
	unsigned long pid = 0;
	struct process *child;

	if (call_ptrace(PTRACE_GETEVENTMSG, parent->pid, 0, (uintptr_t)&pid) ==
	    -1)
		return;
	child = process_of((pid_t)pid);
	child->number = ++state.made;
	(void)fprintf(state.log, "proc %d %d %llx\n", child->number,
	    parent->number, (unsigned long long)parent->clone_flags);
	if (child->waiting)
		resume(child, 0);
	child->waiting = 0;
}

static void
on_stop(struct process *p, int status)
{
	int event = status >> 16, signo = WSTOPSIG(status);

	if (p->number == 0) {
		p->waiting = 1;
		return;
	}
	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
	    event == PTRACE_EVENT_CLONE)
		on_made(p);
	else if (event == PTRACE_EVENT_EXEC)
		(void)fprintf(state.log, "exec %d\n", p->number);
	else if (signo == (SIGTRAP | 0x80))
		on_call(p);
	if (event == PTRACE_EVENT_STOP &&
	    (signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN ||
		signo == SIGTTOU)) {
		(void)call_ptrace(PTRACE_LISTEN, p->pid, 0, 0);
		return;
	}
	if (!p->held)
		resume(p, event != 0 || signo == (SIGTRAP | 0x80) ? 0 : signo);
}

static int
on_end(struct process *p, int status)
{
	int first = p->number == 1;

	p->pid = p->number = p->held = 0;
	if (!first)
		return 0;
	(void)fprintf(state.log, "end %d\n", status);
	if (state.mode != MODE_ORPHAN)
		return 1;
	state.orphaned = 1;
	set_alarm(QUIET_US);
	return 0;
}

static void
follow(void)
{
	int status;
	pid_t pid;

	for (;;) {
		if (alarmed)
			orphan_step();
		pid = waitpid(-1, &status, __WALL);
		if (pid == -1 && errno == EINTR)
			continue;
		if (pid == -1 && errno == ECHILD && state.mode == MODE_ORPHAN)
			return;
		if (pid == -1)
			die("waitpid");
		if (state.holding && state.events++ < QUIET_EVENTS)
			set_alarm(QUIET_US);
		if (WIFSTOPPED(status))
			on_stop(process_of(pid), status);
		else if (on_end(process_of(pid), status))
			return;
	}
}

/* ---- the beginning ---- */

/* It waits on a pipe until it is traced; its exec is the first event. */
static void
begin(char **argv)
{
	int fd[2], status;
	char go = 'x';
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) == -1 || (pid = fork()) == -1)
		die("fork");
	if (pid == 0) {
		(void)close(fd[1]);
		(void)!read(fd[0], &go, 1);
		(void)execv(argv[0], argv);
		die(argv[0]);
	}
	if (call_ptrace(PTRACE_SEIZE, pid, 0, OPTIONS) == -1)
		die("PTRACE_SEIZE");
	(void)close(fd[0]);
	(void)close(fd[1]);
	do {
		if (waitpid(pid, &status, __WALL) == -1)
			die("waitpid");
		if (!WIFSTOPPED(status)) {
			errno = ECHILD;
			die(argv[0]);
		}
		if (status >> 16 != PTRACE_EVENT_EXEC)
			(void)call_ptrace(PTRACE_CONT, pid, 0,
			    (uintptr_t)WSTOPSIG(status));
	} while (status >> 16 != PTRACE_EVENT_EXEC);
	(void)fprintf(state.log, "pid %d\n", (int)pid);
	process_of(pid)->number = state.made = 1;
	resume(process_of(pid), 0);
}

static int
number(const char *text)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*end != '\0' || end == text || v < 0 || v > 1 << 20) {
		errno = EINVAL;
		die(text);
	}
	return (int)v;
}

static const struct {
	const char *name;
	enum mode mode;
	int numbers;
} modes[] = {
	{ "trace", MODE_TRACE, 0 },
	{ "fail", MODE_FAIL, 4 },
	{ "kill", MODE_KILL, 3 },
	{ "orphan", MODE_ORPHAN, 3 },
};

int
main(int argc, char **argv)
{
	int *numbers[] = { &state.number, &state.call, &state.nr, &state.sys };
	size_t i;
	int k;

	for (i = 0; i < countof(modes); i++) {
		if (argc < 5 + modes[i].numbers ||
		    strcmp(argv[2], modes[i].name) != 0 ||
		    strcmp(argv[3 + modes[i].numbers], "--") != 0)
			continue;
		state.mode = modes[i].mode;
		for (k = 0; k < modes[i].numbers; k++)
			*numbers[k] = number(argv[3 + k]);
		state.log = fopen(argv[1], "we");
		if (state.log == NULL)
			die(argv[1]);
		if (state.mode == MODE_ORPHAN &&
		    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
			die("PR_SET_CHILD_SUBREAPER");
		begin(argv + 4 + modes[i].numbers);
		follow();
		return fclose(state.log) == 0 ? 0 : 2;
	}
	(void)fprintf(stderr, "usage: inject LOG trace|fail N K NR SYS|"
			      "kill N K NR -- COMMAND …\n");
	return 2;
}
