/*
 * client.h: the launcher's side of msg_config.h.
 *
 * Starts warder-config (as root under uid 65534, with no group, file, or
 * environment but its socket), gives it the files it asks for and no others,
 * and believes nothing of its answer that plan_check() has not checked.
 * Runs in the launcher; libc only, no allocation.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "find.h"
#include "plan.h"
#include "plan_net.h"
#include "seccomp_program.h"

enum {
	CLIENT_TIMEOUT_MS = 20000, /* one compilation, files included */
	CLIENT_UID = 65534, /* nobody */
	/* Bytes that record the files of one policy. */
	CLIENT_FILES_SIZE = 64 * 1024,
};

struct policy_request {
	const char *text; /* the policy */
	size_t size;
	const char *name; /* as messages show it */
	const char *dir; /* absolute; relative paths start here */
	const char *home; /* what ~ stands for; may be empty */
	const char *config_path; /* of warder-config */
	const char *cache_dir; /* NULL: no cache */
	const struct find_dirs *dirs; /* NULL: the usual places */
	/* The policy is what lies under this key of the text; NULL: all. */
	const char *section;
	/* The working directory where no layer says one; NULL: as usual. */
	const char *cwd;
	int alone; /* 1: no file beside it is opened */
	/*
	 * Where the network half of the plan goes, checked (its size is 0 if
	 * there is none); NULL: the caller does not want it.
	 */
	union plan_net_room *net;
};

/* One file that was asked for, found or not. */
struct client_file {
	uint32_t what; /* enum config_what */
	uint32_t found;
	unsigned char digest[SHA256_SIZE]; /* of its bytes */
	const char *reference, *dir; /* as it was asked for */
	const char *path; /* where it was; empty if not found */
};

/* All of them, packed; zero it before use. */
struct client_files {
	uint32_t count;
	uint32_t size; /* bytes in use */
	char bytes[CLIENT_FILES_SIZE];
};

/* Append one; ERR_LIMIT if there is no room. */
must_check int client_files_add(struct client_files *f,
    const struct client_file *file, struct err *e);

/*
 * Read the one at *at (0 at first) and advance; the strings are borrowed
 * from f.  Returns 1, 0 at the end, -1 if the bytes are malformed.
 */
int client_files_next(const struct client_files *f, uint32_t *at,
    struct client_file *ret);

/*
 * Whether "size" bytes at net are a whole network plan, and the plan's own;
 * nothing is one of a plan that has none.
 */
must_check int client_check_net(const union plan_net_room *net, uint32_t size,
    const struct plan *p, struct err *e);

/*
 * Compile.  Blocks for at most CLIENT_TIMEOUT_MS.  On success writes the
 * checked plan and program, the files used, and warnings (lines, perhaps
 * none) to text.  On failure the outputs are undefined but text, which then
 * has the diagnostics, of which e->msg is the first line: ERR_INVALID.
 */
must_check int client_compile(const struct policy_request *rq,
    struct plan *ret_plan, struct seccomp_program *ret_program,
    struct client_files *ret_files, char *text, size_t text_size,
    struct err *e);

/*
 * The same with a warder-config that is connected already: one conversation
 * over fd, which stays the caller's.
 */
must_check int client_converse(int fd, const struct policy_request *rq,
    struct plan *ret_plan, struct seccomp_program *ret_program,
    struct client_files *ret_files, char *text, size_t text_size,
    struct err *e);

#endif /* !CLIENT_H */
