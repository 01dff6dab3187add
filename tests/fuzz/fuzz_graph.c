/*
 * fuzz_graph.c: what an agent says of checkpoints of its own.
 *
 * Lines, each a message's parameters: checkpoint.put, checkpoint.writes,
 * blob.put, blob.get, or the checkpoint of a state.update's answer by its first
 * byte.  What is read points into the
 * message, or into blobs that are whole.
 */
#include <assert.h>
#include <string.h>

#include "agent_rpc.h"
#include "supervisor/control/agent/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_limits limits = {
	.bytes = AGENT_LINE_MAX,
	.values = AGENT_VALUES_MAX,
	.depth = AGENT_DEPTH_MAX,
};

/* Every byte that a request points to can be read. */
static void
read_bytes(const struct storage_blob *b)
{
	static volatile unsigned sum;
	size_t i;

	for (i = 0; i < b->size; i++)
		sum += ((const unsigned char *)b->data)[i];
}

static void
read_writes(const struct storage_write *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		assert(v[i].task_id != NULL && v[i].channel != NULL);
		read_bytes(&v[i].data);
	}
}

static void
put_one(const json_t *params, struct blobs *b)
{
	struct storage_checkpoint_put_request q = { 0 };
	autograph t = { 0 };
	struct err e;
	size_t i;

	if (graph_put_read(params, b, &t, &q, &e) == -1)
		return;
	assert(q.checkpoint_id != NULL);
	read_bytes(&q.data);
	for (i = 0; i < q.channels.n; i++) {
		assert(q.channels.v[i].name != NULL);
		read_bytes(&q.channels.v[i].data);
	}
	read_writes(q.writes.v, q.writes.n);
	graph_drop(params, b);
}

/* Where it comes to lie, and whose it is, is not the agent's to say. */
static void
own_one(const json_t *answer, struct blobs *b)
{
	static const struct storage_checkpoint base = {
		.checkpoint_id = "01a1ffb2-a183-7083-b819-8197d81d987d",
	};
	const struct own_place place = { "a thread", "inner", &base };
	struct storage_checkpoint_put_request q = { 0 };
	autojson *metadata = NULL;
	autograph t = { 0 };
	struct err e;
	size_t i;

	if (own_read(answer, &place, b, &t, &q, &e) == -1)
		return;
	assert(q.thread_id == place.thread_id && q.ns == place.ns);
	assert(strcmp(q.parent_id, base.checkpoint_id) == 0);
	assert(strcmp(q.checkpoint_id, base.checkpoint_id) != 0);
	assert(q.run_id == NULL && q.tenant == NULL && q.metadata == NULL);
	read_bytes(&q.data);
	for (i = 0; i < q.channels.n; i++)
		read_bytes(&q.channels.v[i].data);
	read_writes(q.writes.v, q.writes.n);
	metadata = own_metadata(&t);
	assert(json_object_get(metadata, "warder") == NULL);
	assert(json_object_get(metadata, "run_id") == NULL);
}

static void
write_one(const json_t *params, struct blobs *b)
{
	struct storage_checkpoint_write_request q = { 0 };
	autograph t = { 0 };
	struct err e;

	if (graph_writes_read(params, b, &t, &q, &e) == -1)
		return;
	read_writes(q.writes.v, q.writes.n);
	graph_drop(params, b);
}

static void
blob_one(const json_t *params, struct blobs *b,
    int (*fn)(struct blobs *, const json_t *, json_t **, struct err *))
{
	autojson *result = NULL;
	struct err e;

	if (fn(b, params, &result, &e) == 0)
		assert(result != NULL);
}

static void
one(char what, const uint8_t *p, size_t n, struct blobs *b)
{
	autojson *params = NULL;

	if (json_parse(p, n, &limits, &params, NULL) == -1 ||
	    !json_is_object(params))
		return;
	if (what == 'p')
		put_one(params, b);
	else if (what == 'w')
		write_one(params, b);
	else if (what == 'o')
		own_one(params, b);
	else
		blob_one(params, b,
		    what == 'b' ? graph_blob_put : graph_blob_get);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct blobs *b = blobs_create("default");

	while (b != NULL && size > 1) {
		const uint8_t *nl = memchr(data, '\n', size);
		size_t n = nl != NULL ? (size_t)(nl - data) : size;

		if (n > 1)
			one((char)data[0], data + 1, n - 1, b);
		n += nl != NULL;
		data += n;
		size -= n;
	}
	blobs_destroy(b);
	return 0;
}
