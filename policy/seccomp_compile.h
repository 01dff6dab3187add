/*
 * seccomp_compile.h: the seccomp part of a policy, to a filter.
 *
 * Runs in warder-config, without privilege, and in tests.  Pure: no I/O, no
 * state, and the same input always gives the same bytes.
 *
 * A policy has a profile (enum plan_seccomp), names that it allows, which the
 * profile must mark as optional, and names that it denies, which become
 * EPERM.  What is denied stays denied if it is allowed as well.  A name that
 * the architecture lacks, an allowed one that the profile allows already and
 * a denied one that it refuses already change nothing.
 */
#ifndef SECCOMP_COMPILE_H
#define SECCOMP_COMPILE_H

#include "err.h"
#include "seccomp_program.h"
#include "seccomp_table.h"

/*
 * ERR_INVALID, with the name in question: a call that no architecture has
 * (and the nearest one that exists), one to allow that is not optional, one
 * to deny that the jail's first process needs.  ERR_UNSUPPORTED for another
 * audit_arch than AUDIT_ARCH_X86_64 and AUDIT_ARCH_AARCH64.  Borrows the
 * names for the call; they may be hostile.
 */
must_check int seccomp_compile(uint32_t profile, const char *const *allow,
    size_t nallow, const char *const *deny, size_t ndeny, uint32_t audit_arch,
    struct seccomp_program *ret, struct err *e);

enum seccomp_source {
	SECCOMP_FROM_PROFILE,
	SECCOMP_FROM_ALLOW, /* the policy's seccomp.allow */
	SECCOMP_FROM_DENY, /* the policy's seccomp.deny */
};

/* For "warder policy why": what happens to one call, and what decided it. */
struct seccomp_answer {
	struct seccomp_verdict verdict; /* seccomp_decide() takes it further */
	enum seccomp_source source;
	const char *reason; /* static; of the profile's entry */
	uint32_t flags; /* of the profile's entry, SECCOMP_OPTIONAL ... */
	/* The least profile that allows it, perhaps within limits; or _MAX. */
	uint32_t least_profile;
};

/* Fails as seccomp_compile does, for the lists and for name too. */
must_check int seccomp_verdict(uint32_t profile, const char *const *allow,
    size_t nallow, const char *const *deny, size_t ndeny, const char *name,
    struct seccomp_answer *ret, struct err *e);

#endif /* !SECCOMP_COMPILE_H */
