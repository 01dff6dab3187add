/*
 * resolve.h: a policy file, what it draws in, and the one policy they make.
 *
 * The caller gives the main text and a function that finds the other files;
 * this module opens nothing.  "to: {manager: pip}" becomes the hosts that the
 * caller finds in that manager's configuration, each with its place there.  Nearness: the file itself, then what it uses
 * (the later first), then what it extends (the later first, each with its
 * own), then the built-in defaults; the operator's ceiling cuts them all.
 * warder-config only.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "merge.h"

enum {
	RESOLVE_DEPTH_MAX = 8, /* extends of extends of … */
	RESOLVE_SHOWN_MAX = 32, /* files of package managers */
};

/* A file that was found; the text is borrowed until resolve_finish. */
struct resolve_file {
	char path[CONFIG_PATH_MAX]; /* absolute, or "builtin/…" */
	const char *text;
	size_t size;
};

/*
 * Find a file ("what" is an enum config_what; dir is the asking file's) and
 * give its text, allocated in the arena.  1 if there is one, 0 if there is
 * none (e says where it was looked for), -1 if the search itself failed.
 */
typedef int resolve_open_fn(void *arg, uint32_t what, const char *reference,
    const char *dir, struct arena *a, struct resolve_file *ret, struct err *e);

struct resolve_request {
	const char *text;
	size_t size;
	const char *name; /* as messages show it */
	const char *dir; /* absolute */
	const char *home; /* may be empty */
	const char *section; /* the policy lies under this key; NULL: all */
	const char *cwd; /* where no layer says one; NULL: as usual */
	resolve_open_fn *open;
	void *arg;
};

struct resolve_layer {
	struct yaml_source source;
	char path[CONFIG_PATH_MAX];
	struct yaml_node *root;
	const struct resolve_layer *by; /* who drew it in; NULL: nobody */
	unsigned depth;
};

/* A file of the host's that the jail sees. */
struct resolve_shown {
	const char *from, *path;
};

struct resolve {
	struct arena arena;
	struct diag diag;
	unsigned nlayers;
	struct resolve_layer layers[MERGE_LAYERS_MAX];
	struct yaml_node *root; /* the merged policy */
	/* Variables that package managers are told their mirror by. */
	struct yaml_node *env;
	/* Those that read no variable are shown their files. */
	unsigned nshown;
	struct resolve_shown shown[RESOLVE_SHOWN_MAX];
};

/*
 * Fill *r, which the caller finishes in every case.  Returns 0 with r->root,
 * or -1 with at least one error in r->diag.  Borrows the request's strings
 * until resolve_finish.
 */
must_check int resolve_policy(struct resolve *r,
    const struct resolve_request *rq);

void resolve_finish(struct resolve *r);

#endif /* !RESOLVE_H */
