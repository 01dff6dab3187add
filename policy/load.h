/*
 * load.h: from the text of a policy to its plan, by the shortest way.
 *
 * What a launcher calls: a cached compilation if nothing that went into it
 * has changed, a new one otherwise.  libc only, no allocation.
 */
#ifndef LOAD_H
#define LOAD_H

#include "client.h"

/*
 * Compile *rq.  Returns 0 with the checked plan and its program, and the
 * warnings (lines "FILE:LINE:COL: text", perhaps none) in ret_warnings.  On
 * failure e->msg is the first line of what is wrong, ret_warnings all of it,
 * and plan and program are undefined.  size should be CONFIG_TEXT_MAX.
 *
 * A cache that cannot be used costs time, nothing else: it is not an error.
 */
must_check int policy_load(const struct policy_request *rq,
    struct plan *ret_plan, struct seccomp_program *ret_prog, char *ret_warnings,
    size_t size, struct err *e);

#endif /* !LOAD_H */
