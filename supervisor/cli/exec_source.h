/*
 * exec_source.h: where the policy of a "warder exec" comes from.
 *
 * The file and the flags, read and compiled at the start, and again in the
 * same way when the run's policy is reloaded.
 */
#ifndef EXEC_SOURCE_H
#define EXEC_SOURCE_H

#include "adhoc.h"
#include "jail/places.h"
#include "msg_config.h"
#include "policy/load.h"

struct exec_source {
	/* set by the caller, borrowed */
	const struct adhoc *flags;
	const struct places *places;
	const char *config_path; /* of warder-config */

	char text[CONFIG_FILE_MAX];
	char warnings[CONFIG_TEXT_MAX]; /* lines, of the last load */
};

/* What a load makes; net is untouched where the policy has no services. */
struct exec_made {
	struct plan *plan;
	struct seccomp_program *program;
	union plan_net_room *net;
};

/*
 * Read and compile.  file: in place of the one that the flags name, which
 * stay; messages call it "name"; NULL: that one.
 */
must_check int exec_source_load(struct exec_source *s, const char *file,
    const char *name, const struct exec_made *to, struct err *e);

/* The policy that the flags make, in s->text. */
must_check int exec_source_flags(struct exec_source *s, struct err *e);

#endif /* !EXEC_SOURCE_H */
