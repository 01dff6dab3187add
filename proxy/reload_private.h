/* reload_private.h: what the two halves of reload.h share. */
#ifndef RELOAD_PRIVATE_H
#define RELOAD_PRIVATE_H

#include "reload.h"

/* Strings of two plans; the empty one is "not given" in both. */
int reload_is_same_string(const struct plan_net *a, net_str i,
    const struct plan_net *b, net_str j);

/* The number in a plan of a credential of another; PLAN_NET_NONE: none. */
uint32_t reload_find_credential(const struct plan_net *in,
    const struct plan_net *net, uint32_t credential);

#endif /* !RELOAD_PRIVATE_H */
