/*
 * probe.h: the program that tries to get out.
 *
 * One static program, run inside a jail by tests/escape/run, and outside as
 * the positive control of the same attempts.  It judges nothing: it prints
 * one JSON object a line for each attempt, {"id", "attempt", "got"}, and the
 * runner compares "got" with what tests/escape/expect.tsv says.
 *
 * Attempts that could do harm if they were allowed get bad pointers and bad
 * descriptors, so that "allowed" shows as EFAULT or EBADF.  What changes the
 * process or may hang or die runs in a child with an alarm.
 */
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	PROBE_ALARM_S = 10,
	PROBE_TEXT_MAX = 8192,
	PROBE_PATH_MAX = 4096,
};

#define countof(a) (sizeof(a) / sizeof((a)[0]))

/* The raw call: its result, or -errno. */
#define CALL(...) probe_negate(syscall(__VA_ARGS__))

/* Faults whoever follows it; never mapped on any Linux. */
#define BAD ((void *)-4096L)

struct probe_check {
	const char *id; /* a row of tests/escape/rows.tsv */
	void (*run)(void);
};

/* One table a group, ended by a row without id. */
extern const struct probe_check probe_ns[], probe_fs[], probe_pr[], probe_sc[],
    probe_cp[], probe_dv[], probe_tt[], probe_ip[], probe_rx[], probe_fd[],
    probe_sg[], probe_tm[], probe_ll[], probe_ne[];

extern int probe_outside; /* 1: the positive control, on the host */
extern char probe_self[PROBE_PATH_MAX]; /* this program, to be exec'd again */

static inline long
probe_negate(long r)
{
	return r == -1 ? -errno : r;
}

/* A setting that the runner gave in the environment, or "otherwise". */
const char *probe_setting(const char *name, const char *otherwise);

/* "ok", an error's name, or a number where nobody named it. */
const char *probe_errno(long rc);

/* Report an attempt of the present check. */
void probe_got(const char *attempt, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void probe_result(const char *attempt, long rc);

/*
 * Run fn in a child and report what it returned (0 or more: "ok"; -errno),
 * "signal:N" if it died, "timeout" if it hung.
 */
void probe_try(const char *attempt, long (*fn)(void *), void *arg);

/* As probe_try(), but give the result back; a death is -10000 - signal. */
long probe_child(long (*fn)(void *), void *arg);

/* Read at most size - 1 bytes; the count, or -errno.  Ends with NUL. */
long probe_read(const char *path, char *buf, size_t size);

/* Write text to what is there already; its length, or -errno. */
long probe_write(const char *path, const char *text);

/* The rest of the line of /proc/<who>/status that starts with key. */
void probe_status(const char *who, const char *key, char *ret, size_t size);

/* Call fn for each entry of a directory; the count, or -errno. */
long probe_each(const char *dir,
    void (*fn)(const char *dir, const char *name, void *arg), void *arg);

/*
 * Call fn for each file below a directory, at most "most" of them, not
 * following links; the depth is bounded.
 */
struct stat;
typedef void probe_file(const char *path, const struct stat *st, void *arg);
long probe_walk(const char *dir, size_t most, probe_file *fn, void *arg);

#endif /* !PROBE_H */
