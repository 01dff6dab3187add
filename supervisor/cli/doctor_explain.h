/*
 * doctor_explain.h: which switch of the host keeps a jail from starting.
 */
#ifndef DOCTOR_EXPLAIN_H
#define DOCTOR_EXPLAIN_H

#include "err.h"

/*
 * For the error of a start that failed: tries again what a start needs and
 * names the switch that is off, with its remedy, in ret.  Costs some
 * milliseconds, and nothing at all if the error cannot come from such a
 * switch.  Returns 1, or 0 if nothing is known.
 */
int doctor_explain(const struct err *e, char *ret, size_t size);

#endif /* !DOCTOR_EXPLAIN_H */
