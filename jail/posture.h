/*
 * posture.h: what is in force in one jail, row by row.
 *
 * Runs in the launcher, after the start.  The rows are made from what each
 * layer answered, not from what was asked for; "warder doctor" compares them
 * with probes from inside.
 */
#ifndef POSTURE_H
#define POSTURE_H

#include "jail.h"
#include "plan.h"
#include "text.h"

/* clang-format off */
#define POSTURE_ROWS(X) \
	X(identity,      "whose uid the jail's programs have on the host") \
	X(groups,        "supplementary groups that still count") \
	X(namespaces,    "what the jail has of its own") \
	X(capabilities,  "what its programs may do as root would") \
	X(seccomp,       "profile and digest of the system call filter") \
	X(landlock,      "ABI in force, scopes") \
	X(memory,        "what keeps the memory limit") \
	X(pids,          "what keeps the process limit") \
	X(cpu,           "what keeps the processor share") \
	X(disk,          "what keeps the sizes of writable directories") \
	X(core_dumps,    "what keeps crashes from the host's core handler") \
	X(network,       "what the jail can reach")

/* clang-format on */

enum posture_row {
#define X(name, text) POSTURE_##name,
	POSTURE_ROWS(X)
#undef X
	POSTURE__MAX
};

const char *posture_name(enum posture_row row);
const char *posture_about(enum posture_row row);

/* The row's value, as one line. */
void posture_value(enum posture_row row, const struct jail_posture *p,
    const struct plan *plan, struct text *ret);

/* All of it as a JSON object, which ends within size; "{}" if there is no room. */
void posture_json(const struct jail_posture *p, const struct plan *plan,
    char *buf, size_t size);

/*
 * Whether the row is weaker than this project's strongest form, for a reason
 * of the host's (rootless, an older kernel, a missing controller).
 */
int posture_lessened(enum posture_row row, const struct jail_posture *p);

#endif /* !POSTURE_H */
