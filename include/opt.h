/*
 * opt.h: command line options as a table.
 *
 * The table is the parser, the usage text and (completion.c) the shell
 * completion, so that they cannot disagree.
 */
#ifndef OPT_H
#define OPT_H

#include "err.h"

struct opt {
	const char *name; /* "policy": --policy, --policy=VALUE */
	char letter; /* 'i', or 0 */
	const char *value; /* what the help calls it; NULL: takes none */
	const char *help;
	/* Called for each use, in order; value is NULL if it takes none. */
	int (*set)(void *ctx, const char *value, struct err *e);
};

struct opt_verb {
	const char *usage; /* after "warder VERB" */
	const char *summary; /* a line or more of text below it */
	const struct opt *options;
	size_t noptions;
};

/*
 * Parse argv[1…]; stops at "--" (which it skips) or the first argument that
 * is no option.  Returns 1 if --help was asked for, 0 with *ret_rest the
 * index of the first argument left, -1 with ERR_INVALID that names the
 * nearest option.
 */
must_check int opt_parse(const struct opt_verb *v, void *ctx, int argc,
    char **argv, int *ret_rest, struct err *e);

/* Usage, options and their texts on stdout; of a verb of warder, or (verb
 * NULL) of a program whose usage says its name. */
void opt_help(const char *verb, const struct opt_verb *v);

#endif /* !OPT_H */
