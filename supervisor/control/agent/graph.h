/*
 * graph.h: checkpoints of an agent's own, between messages and storage.
 *
 * Run by warder-control.  Such a checkpoint is the agent's: its bytes, its
 * channels (typed bytes under versions; one whose version the parent has is
 * not sent again), its ids, its place in the tree, and beside it what people
 * are shown.  Here JSON becomes a request to storage and a record becomes
 * JSON; whoever calls says whose thread it is and under which fence.
 * docs/protocol-agent.md has the members.
 */
#ifndef AGENT_GRAPH_H
#define AGENT_GRAPH_H

#include "blobs.h"
#include "json.h"
#include "supervisor/control/storage/storage.h"

/* What a request points to; beginning as zero, finished after it was asked. */
struct graph_put {
	struct storage_channel *channels;
	struct storage_write *writes;
	size_t nchannels, nwrites;
	unsigned char *room; /* of what was decoded */
	size_t used, size;
	char *values, *next, *tasks, *interrupts, *versions;
	const json_t *metadata; /* the agent's, borrowed; NULL: none */
	json_t *shown; /* the values; NULL: none */
};

void graph_put_finish(struct graph_put *t);

#define autograph cleanup(graph_put_finish) struct graph_put

/*
 * Fill what a message says into *ret, but the metadata.  The message and the
 * blobs that it names are borrowed until the request was made; then
 * graph_drop() lets those blobs go.  ERR_INVALID, ERR_NOT_FOUND (a blob),
 * ERR_LIMIT.
 */
must_check int graph_put_read(const json_t *params, struct blobs *b,
    struct graph_put *t, struct storage_checkpoint_put_request *ret,
    struct err *e);
must_check int graph_writes_read(const json_t *params, struct blobs *b,
    struct graph_put *t, struct storage_checkpoint_write_request *ret,
    struct err *e);
void graph_drop(const json_t *params, struct blobs *b);

/* Add what is the agent's own to j; what is large becomes blobs. */
must_check int graph_show_own(json_t *j, const struct storage_checkpoint *c,
    struct blobs *b, struct err *e);

/* blob.put and blob.get: the answer. */
must_check int graph_blob_put(struct blobs *b, const json_t *params,
    json_t **ret, struct err *e);
must_check int graph_blob_get(struct blobs *b, const json_t *params,
    json_t **ret, struct err *e);

#endif /* !AGENT_GRAPH_H */
