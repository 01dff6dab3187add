/*
 * client_describe.h: files that are no policies, compiled by warder-config.
 *
 * agent.yaml and warder.yaml: the same strict YAML, the same unprivileged
 * parser (client.h), a flat record as the answer.  Whoever asked checks the
 * record before it reads a field.  Runs in warderd and warder-deploy.
 */
#ifndef CLIENT_DESCRIBE_H
#define CLIENT_DESCRIBE_H

#include "err.h"
#include "msg_config.h"

struct client_describe_request {
	uint32_t what; /* CONFIG_WHAT_AGENT, CONFIG_WHAT_SETTINGS */
	const char *text;
	size_t size;
	const char *name; /* as messages show it */
	const char *config_path; /* of warder-config */
	void *record; /* where it goes; record_size bytes are there */
	size_t record_size;
	char *card; /* the same for the JSON object; NULL: none is wanted */
	size_t card_size;
};

/*
 * Blocks for at most CLIENT_TIMEOUT_MS.  *ret_record bytes of the record and
 * *ret_card of the card (may be NULL) were written.  On failure text has the
 * diagnostics, of which e->msg is the first line: ERR_INVALID.
 */
must_check int client_describe(const struct client_describe_request *rq,
    size_t *ret_record, size_t *ret_card, char *text, size_t text_size,
    struct err *e);

#endif /* !CLIENT_DESCRIBE_H */
