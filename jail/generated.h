/*
 * generated.h: the texts of a jail's generated files.
 *
 * Runs in the launcher, before the clone.  Made anew for each jail: its
 * machine and boot ids differ, and what runtimes size themselves by says the
 * jail's limits, not the host's.
 */
#ifndef GENERATED_H
#define GENERATED_H

#include "err.h"
#include "plan.h"
#include "stage.h"
#include "trust.h"

enum {
	GENERATED_FILES_MAX = 48,
	GENERATED_BYTES_MAX = 512 * 1024
};

struct generated {
	uint32_t nfiles;
	uint32_t used; /* bytes of text[] */
	struct stage_file files[GENERATED_FILES_MAX];
	char text[GENERATED_BYTES_MAX];
};

/* ERR_SYSTEM if randomness or the host's /proc cannot be read. */
must_check int generated_make(struct generated *g, const struct plan *p,
    struct err *e);

/*
 * Append files whose bytes are given, borrowed until stage two has ended.
 * ERR_LIMIT if they are more than there is room for.
 */
must_check int generated_add(struct generated *g, const struct trust_file *f,
    size_t n, struct err *e);

#endif /* !GENERATED_H */
