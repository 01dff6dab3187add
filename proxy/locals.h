/*
 * locals.h: which addresses this kernel routes as local, kept up to date.
 *
 * warder-proxy asks at its start and whenever a route changes.  If it cannot
 * be read, every address counts as the host's own, which nothing opens but
 * only_addresses: closed.
 */
#ifndef LOCALS_H
#define LOCALS_H

#include "loop.h"
#include "policy/address.h"

struct locals;

must_check int locals_create(struct loop *l, struct locals **ret,
    struct err *e);
void locals_destroy(struct locals *l);

/* Borrowed until the next turn of the loop. */
const struct address_locals *locals_get(const struct locals *l);

#endif /* !LOCALS_H */
