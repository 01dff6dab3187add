/*
 * card.h: a JSON object, member by member, from values and parsed YAML.
 *
 * Runs in warder-config.  What does not fit, and what two readers of YAML
 * would read differently, is an error in the diagnostics.
 */
#ifndef CARD_H
#define CARD_H

#include "policy/yaml.h"

struct card {
	struct text text;
	struct diag *diag;
	int first; /* no member of this object yet */
};

/* Borrows the buffer until card_end(). */
void card_begin(struct card *c, struct diag *d, char *buf, size_t size);

void card_string(struct card *c, const char *name, const char *value);
void card_number(struct card *c, const char *name, uint64_t value);
void card_tree(struct card *c, const char *name, const struct yaml_node *n);

/* An object as a member; what follows is in it until card_close(). */
void card_open(struct card *c, const char *name);
void card_close(struct card *c);

/* Its bytes, without a NUL; "at" is blamed if they are too many. */
size_t card_end(struct card *c, struct diag_place at);

#endif /* !CARD_H */
