/*
 * merge_net.h: the network part of merging: services and their rules.
 *
 * A ceiling's service covers a grant's where its hosts do.  Patterns are
 * compared, not sampled: what cannot be shown to lie under the ceiling is
 * taken away.  warder-config only, but for the last two.
 */
#ifndef MERGE_NET_H
#define MERGE_NET_H

#include "yaml.h"

/* Add the deny, or the ask, rules of "from" to the service "to". */
void merge_net_deny(struct arena *a, struct yaml_node *to,
    const struct yaml_node *from);
void merge_net_ask(struct arena *a, struct yaml_node *to,
    const struct yaml_node *from);

/*
 * The service as far as the ceiling's services (a mapping) allow it, or NULL
 * if nothing is left; what is taken away is a warning in *d.
 */
struct yaml_node *merge_net_cut(struct arena *a,
    const struct yaml_node *service, const struct yaml_node *ceiling,
    struct diag *d);

/* 1 if every host:port that b stands for, a stands for too. */
int merge_net_host_covers(const char *a, const char *b);

/* 1 if every path that pattern b matches, pattern a matches; NULL is any. */
int merge_net_path_covers(const char *a, const char *b);

#endif /* !MERGE_NET_H */
