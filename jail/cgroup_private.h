/*
 * cgroup_private.h: what the parts of cgroup.c share.
 *
 *	cgroup.c	make, limit, join, kill, remove
 *	cgroup_usage.c, cgroup_freeze.c, cgroup_sweep.c
 *	cgroup_host.c	where groups can be made on this host, and files of them
 *	cgroup_text.c	the kernel's text, parsed without any I/O
 */
#ifndef CGROUP_PRIVATE_H
#define CGROUP_PRIVATE_H

#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "text.h"

#define CGROUP_BIT(k) ((uint32_t)1 << (k))

/* Every group of ours is named so; nothing else is ever removed. */
#define CGROUP_PREFIX "warder-"
/* v2 as root: the directory that holds them, below the root group. */
#define CGROUP_TOP "warder"

enum {
	CGROUP_WHY_MAX = sizeof(((struct cgroup *)0)->why),
	CGROUP_NUMBER_MAX = 48, /* text of a limit */
	CGROUP_FILE_MAX = 4096, /* a file of a group; more is not looked at */
	CGROUP_LIST_MAX = 64, /* "cpu,cpuacct"; no usual mount if longer */
	CGROUP_LINES_MAX = 8192, /* longest line of /proc/self/mountinfo */
};

/* The controllers that limit; the others only count. */
#define CGROUP_LIMITING                                        \
	(CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_PIDS) | \
	    CGROUP_BIT(CGROUP_CPU))

/* ---- cgroup_text.c: allocates nothing, reads nothing but its arguments ---- */

/* One line of /proc/PID/cgroup, "4:cpu,cpuacct:/a/b"; v2 is "0::/a/b". */
struct cgroup_member {
	uint32_t v1; /* controllers of this hierarchy that we know */
	int is_v2;
	const char *list; /* all of them, into the line; no NUL behind it */
	size_t list_length;
	const char *path; /* into the line */
};

/*
 * -1: malformed, or the group lies outside our cgroup namespace ("/../x"),
 * where no directory could be made.  line has neither newline nor NUL inside.
 */
must_check int cgroup_text_member(const char *line, struct cgroup_member *ret);

/* One line of /proc/PID/mountinfo that is a cgroup mount. */
struct cgroup_mount {
	uint32_t v1;
	int is_v2;
	char root[CGROUP_PATH_MAX]; /* the group that the mount shows */
	char point[CGROUP_PATH_MAX];
};

/*
 * 1: such a mount; 0: another one, or none of our controllers; -1: junk.  ret
 * means something after 1 only.
 */
must_check int cgroup_text_mount(const char *line, struct cgroup_mount *ret);

/*
 * What is left of path below a mount's root, without leading slash ("." for
 * the root itself); NULL if the mount does not show it.
 */
const char *cgroup_text_below(const char *root, const char *path);

/* The controllers named in a list, by the names of one version. */
uint32_t cgroup_text_controllers(enum cgroup_version v, const char *list,
    size_t n, const char *separators);

/* "memory", "blkio"; NULL if the version has no such controller. */
const char *cgroup_text_name(enum cgroup_version v, enum cgroup_controller k);

/*
 * Sum up the numbers that follow key, which stands at the beginning of a line
 * or after a space and says its own separator ("oom_kill ", "rbytes="); the
 * empty key takes the number that the text begins with.  Returns how many
 * there were; at UINT64_MAX the sum stays.
 */
unsigned cgroup_text_sum(const char *text, const char *key, uint64_t *ret);

/* ---- cgroup_host.c ---- */

/* Where groups can be made: the parent of each controller's directory. */
struct cgroup_host {
	enum cgroup_version version;
	int parent[CGROUP__MAX]; /* O_PATH; equal where owner is equal */
	int owner[CGROUP__MAX];
	dev_t dev[CGROUP__MAX]; /* of parent: is it still the same? */
	ino_t ino[CGROUP__MAX];
	char why[CGROUP_WHY_MAX];
};

/*
 * The host as found once and kept by the process, memory, pids, cpu and what
 * is wanted besides; found anew if "again" is set, or if one of the
 * descriptors has become something else.  The descriptors stay the process's:
 * nobody closes them.
 */
void cgroup_host_get(struct cgroup_host *ret, uint32_t want, int again);

/* The same without the cache; the caller owns the descriptors. */
void cgroup_host_find(struct cgroup_host *h, uint32_t want);

/* A file of a group, whole and at once.  0 or -errno. */
must_check int cgroup_file_write(int dir, const char *name, const char *text,
    size_t n);

/* Its text, ended by a NUL and cut at size - 1; the length or -errno. */
must_check ssize_t cgroup_file_read(int dir, const char *name, char *buf,
    size_t size);

/* A file line by line; lines that are too long are left out. */
struct cgroup_lines {
	int fd;
	size_t start;
	size_t end;
	int skip; /* inside a line that was too long */
	char buf[CGROUP_LINES_MAX];
};

/* -1: it cannot be opened.  Close it with cgroup_lines_finish(). */
must_check int cgroup_lines_init(struct cgroup_lines *l, int dir,
    const char *name);
/* The next line without its newline, or NULL; valid until the next call. */
char *cgroup_lines_next(struct cgroup_lines *l);
void cgroup_lines_finish(struct cgroup_lines *l);

/* Add "; key: reason" to a why. */
void cgroup_why(char why[CGROUP_WHY_MAX], const char *key, const char *reason);

/* A directory in which all processes of the jail are; -1. */
int cgroup_any_dir(const struct cgroup *c);

/*
 * Call fn (may be NULL) for each process of a group that this process can
 * see; returns how many.  One outside our pid namespace is listed as 0 and
 * left out.
 */
unsigned cgroup_each_process(int dir, void (*fn)(pid_t, const struct cgroup *),
    const struct cgroup *c);

void cgroup_sleep_us(long us);

/* ---- cgroup.c ---- */

/* Make and open the directory of controller k.  0 or an error number. */
int cgroup_make_dir(struct cgroup *c, int k);

#endif /* !CGROUP_PRIVATE_H */
