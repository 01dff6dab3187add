/*
 * describe.h: files that are no policies: agent.yaml and warder.yaml.
 *
 * Runs in warder-config, locked down; one request, one answer.
 */
#ifndef DESCRIBE_H
#define DESCRIBE_H

#include "agent_record.h"
#include "config.h"
#include "msg_spawn.h"
#include "settings.h"

struct describe {
	struct config_describe request;
	struct arena arena;
	struct diag diag;
	struct yaml_source source;

	union {
		struct agent_record agent;
		struct settings settings;
	} record;

	size_t record_size;
	char card[SPAWN_CARD_MAX];
	size_t card_size;
};

/*
 * Fill record and card from the text (borrowed).  0, or -1 with errors in
 * d->diag.
 */
must_check int describe_make(struct describe *d, const char *text, size_t size);

/* The rows of its table: a parsed and otherwise unknown file. */
typedef int describe_fn(struct describe *d, struct yaml_node *root);

describe_fn agent_describe; /* agent.c */
describe_fn settings_describe; /* settings.c */

#endif /* !DESCRIBE_H */
