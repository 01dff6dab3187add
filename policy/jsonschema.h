/* jsonschema.h: the tables of schema.c for editors and for the manual. */
#ifndef JSONSCHEMA_H
#define JSONSCHEMA_H

#include <stdio.h>

/* A JSON Schema, draft 2020-12, of whole policies. */
void jsonschema_write(FILE *to);

/* Every key with its type, default, layer rule and meaning, as Markdown. */
void jsonschema_keys(FILE *to);

#endif /* !JSONSCHEMA_H */
