/*
 * program.h: warder-init's program, as a sealed memfd.
 *
 * /proc/1/exe in a jail is then no file of the host, and nobody can exchange
 * it between two starts.  A launcher has one copy: the jails that it starts
 * run the same pages, which nobody can write.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "err.h"

/* A descriptor of its copy, owned by the caller; -1: why is in *e. */
must_check int program_open(const char *path, struct err *e);

#endif /* !PROGRAM_H */
