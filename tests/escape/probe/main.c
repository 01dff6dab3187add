#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "probe.h"

int probe_outside;
char probe_self[PROBE_PATH_MAX];

static const char *probe_id; /* of the present check */

/* ---- output ---- */

static void
probe_string(const char *s)
{
	(void)putchar('"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			(void)printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			(void)printf("\\u%04x", c);
		else
			(void)putchar(c);
	}
	(void)putchar('"');
}

void
probe_got(const char *attempt, const char *fmt, ...)
{
	char text[PROBE_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)printf("{\"id\":\"%s\",\"attempt\":", probe_id);
	probe_string(attempt);
	(void)printf(",\"got\":");
	probe_string(text);
	(void)printf("}\n");
	(void)fflush(stdout);
}

const char *
probe_errno(long rc)
{
	static char number[32];
	const char *name;

	if (rc >= 0)
		return "ok";
	if (rc == -10000 - SIGALRM)
		return "timeout";
	if (rc < -10000) {
		(void)snprintf(number, sizeof(number), "signal:%ld",
		    -rc - 10000);
		return number;
	}
	name = strerrorname_np((int)-rc);
	if (name != NULL)
		return name;
	(void)snprintf(number, sizeof(number), "errno:%ld", -rc);
	return number;
}

void
probe_result(const char *attempt, long rc)
{
	probe_got(attempt, "%s", probe_errno(rc));
}

const char *
probe_setting(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	/* outside, what may come to harm is only what the runner has made */
	if (v == NULL && probe_outside && otherwise[0] == '/')
		return "/nonexistent";
	return v != NULL ? v : otherwise;
}

/* ---- children ---- */

long
probe_child(long (*fn)(void *), void *arg)
{
	volatile long *rc = mmap(NULL, sizeof(*rc), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	long r;
	pid_t pid;

	if (rc == MAP_FAILED)
		return -errno;
	pid = fork();
	if (pid == -1)
		return -errno;
	if (pid == 0) {
		(void)signal(SIGALRM, SIG_DFL);
		(void)alarm(PROBE_ALARM_S);
		*rc = fn(arg);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	r = WIFSIGNALED(status) ? -10000 - WTERMSIG(status) : *rc;
	(void)munmap((void *)rc, sizeof(*rc));
	return r;
}

void
probe_try(const char *attempt, long (*fn)(void *), void *arg)
{
	probe_result(attempt, probe_child(fn, arg));
}

/* ---- files ---- */

long
probe_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t n = 0;
	ssize_t r = 0;

	buf[0] = '\0';
	if (fd == -1)
		return -errno;
	while (n < size - 1 && (r = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)r;
	if (r == -1 && n == 0)
		r = -errno;
	(void)close(fd);
	buf[n] = '\0';
	return n > 0 ? (long)n : r;
}

long
probe_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long r;

	if (fd == -1)
		return -errno;
	r = CALL(SYS_write, fd, text, strlen(text));
	(void)close(fd);
	return r;
}

void
probe_status(const char *who, const char *key, char *ret, size_t size)
{
	char path[64], text[PROBE_TEXT_MAX], *p, *end;

	ret[0] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/%s/status", who);
	if (probe_read(path, text, sizeof(text)) <= 0)
		return;
	for (p = text; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, strlen(key)) != 0)
			continue;
		p += strlen(key);
		p += strspn(p, ": \t");
		end = strchr(p, '\n');
		if (end != NULL)
			*end = '\0';
		(void)snprintf(ret, size, "%s", p);
		return;
	}
}

long
probe_each(const char *dir,
    void (*fn)(const char *dir, const char *name, void *arg), void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	long n = 0;

	if (d == NULL)
		return -errno;
	for (; (e = readdir(d)) != NULL; n++) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fn(dir, e->d_name, arg);
	}
	(void)closedir(d);
	return n;
}

static struct {
	probe_file *fn;
	void *arg;
	size_t left;
	long seen;
} walk;

static int
walk_step(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)type;
	(void)f;
	if (walk.left-- == 0)
		return 1;
	walk.seen++;
	walk.fn(path, st, walk.arg);
	return 0;
}

long
probe_walk(const char *dir, size_t most, probe_file *fn, void *arg)
{
	walk.fn = fn;
	walk.arg = arg;
	walk.left = most;
	walk.seen = 0;
	if (nftw(dir, walk_step, 16, FTW_PHYS) == -1)
		return -errno;
	return walk.seen;
}

/* ---- which checks ---- */

static const struct probe_check *const probe_groups[] = {
	probe_fd, /* first: it looks at what the process was born with */
	probe_ns,
	probe_fs,
	probe_pr,
	probe_sc,
	probe_cp,
	probe_dv,
	probe_tt,
	probe_ip,
	probe_rx,
	probe_sg,
	probe_tm,
	probe_ll,
	probe_ne,
};

static int
probe_wanted(const char *id, char **names)
{
	for (; *names != NULL; names++) {
		if (strcmp(*names, "all") == 0 || strcmp(*names, id) == 0)
			return 1;
	}
	return 0;
}

static int
probe_run(char **names)
{
	const struct probe_check *c;
	size_t i;
	int ran = 0;

	for (i = 0; i < countof(probe_groups); i++) {
		for (c = probe_groups[i]; c->id != NULL; c++) {
			if (!probe_wanted(c->id, names))
				continue;
			probe_id = c->id;
			c->run();
			ran++;
		}
	}
	return ran;
}

int
main(int argc, char **argv)
{
	ssize_t n =
	    readlink("/proc/self/exe", probe_self, sizeof(probe_self) - 1);

	if (n < 0 && argc > 0)
		(void)snprintf(probe_self, sizeof(probe_self), "%s", argv[0]);
	if (argc > 1 && strcmp(argv[argc - 1], "--outside") == 0) {
		probe_outside = 1;
		argv[--argc] = NULL;
	}
	if (argc < 2) {
		(void)fprintf(stderr, "usage: probe ID...|all [--outside]\n");
		return 2;
	}
	/* "exec" checks print a status line of the program after an execve */
	if (strcmp(argv[1], "status") == 0) {
		char text[256];

		probe_status("self", argc > 2 ? argv[2] : "Cap", text,
		    sizeof(text));
		(void)printf("%s\n", text);
		return 0;
	}
	return probe_run(argv + 1) > 0 ? 0 : 2;
}
