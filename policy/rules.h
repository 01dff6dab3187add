/*
 * rules.h: what a policy must keep to beyond the form of each value.
 *
 * Each function gets a well-formed mapping of one type of schema.c, reports
 * what does not fit together, and writes down what the file left to be
 * understood (a mount's path, a service's port).  warder-config only.
 */
#ifndef RULES_H
#define RULES_H

#include "yaml.h"

void rules_process(struct yaml_node *n, struct diag *d);
void rules_read(struct yaml_node *n, struct diag *d);
void rules_write(struct yaml_node *n, struct diag *d);
void rules_tmpfs(struct yaml_node *n, struct diag *d);
void rules_rootfs(struct yaml_node *n, struct diag *d);
void rules_filesystem(struct yaml_node *n, struct diag *d);
void rules_seccomp(struct yaml_node *n, struct diag *d);
void rules_service(struct yaml_node *n, struct diag *d);
void rules_credential(struct yaml_node *n, struct diag *d);

/* 1 if both rules match the same requests, as written. */
int rules_same_matcher(const struct yaml_node *a, const struct yaml_node *b);

/* The methods of a rule: a bit for each index of the closed list; 0: any. */
uint32_t rules_methods(const struct yaml_node *rule);

#endif /* !RULES_H */
