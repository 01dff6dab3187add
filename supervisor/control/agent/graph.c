#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "agent_rpc.h"
#include "attempt.h"
#include "base64.h"
#include "supervisor/control/storage/uuid.h"

enum {
	GRAPH_INLINE_TOTAL_BYTES = 384 * 1024, /* of one answer's channels */
	GRAPH_VERSION_MAX = 256,
};

void
graph_put_finish(struct graph_put *t)
{
	free(t->channels);
	free(t->writes);
	free(t->room);
	free(t->values);
	free(t->next);
	free(t->tasks);
	free(t->interrupts);
	free(t->versions);
	json_decref(t->shown);
}

/* ---- bytes ---------------------------------------------------------------- */

struct bytes_members {
	const char *data, *blob;
};

static const struct json_member bytes_members[] = {
	{ "data", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct bytes_members, data), 0, 0 },
	{ "blob", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct bytes_members, blob), 0, BLOBS_HEX },
};

/* "data" in base64, or "blob", whose bytes are there already. */
static int
graph_bytes(struct blobs *b, const json_t *of, struct graph_put *t,
    struct storage_blob *ret, struct err *e)
{
	struct bytes_members m = { NULL, NULL };
	size_t n;

	if (json_read(of, bytes_members, countof(bytes_members), &m, e) == -1)
		return -1;
	if (m.blob != NULL) {
		ret->data = blobs_find(b, m.blob, &ret->size);
		return ret->data != NULL
			   ? 0
			   : err_set(e, ERR_NOT_FOUND, "no blob %.64s", m.blob);
	}
	n = m.data != NULL ? strlen(m.data) : 0;
	/* all the text of a message is longer than all its bytes */
	if (base64_room(n) > t->size - t->used)
		return err_set(e, ERR_LIMIT, "too many bytes");
	ret->data = t->room + t->used;
	if (base64_decode(m.data != NULL ? m.data : "", n, t->room + t->used,
		&ret->size, e) == -1)
		return -1;
	t->used += ret->size;
	return 0;
}

/* ---- what is put ---------------------------------------------------------- */

static const struct json_member channel_members[] = {
	{ "name", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct storage_channel, name), 0, STORAGE_KEY_MAX },
	{ "version", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct storage_channel, version), 0, GRAPH_VERSION_MAX },
	{ "type", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct storage_channel, type), 0, 64 },
};

static const struct json_member write_members[] = {
	{ "task_id", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct storage_write, task_id), 0, 128 },
	{ "idx", JSON_KIND_WHOLE, JSON_REQUIRED,
	    offsetof(struct storage_write, idx), -1000, INT32_MAX },
	{ "channel", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct storage_write, channel), 0, STORAGE_KEY_MAX },
	{ "type", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct storage_write, type), 0, 64 },
	{ "task_path", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct storage_write, task_path), 0, STORAGE_KEY_MAX },
};

static int
graph_channels(struct blobs *b, const json_t *array, struct graph_put *t,
    struct err *e)
{
	size_t i, n = json_array_size(array);

	t->channels = calloc(n + 1, sizeof(*t->channels));
	if (t->channels == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a checkpoint");
	for (i = 0; i < n; i++) {
		const json_t *j = json_array_get(array, i);
		struct storage_channel *c = &t->channels[i];

		if (json_read(j, channel_members, countof(channel_members), c,
			e) == -1 ||
		    graph_bytes(b, j, t, &c->data, e) == -1)
			return err_wrap(e, "channel %zu", i);
	}
	t->nchannels = n;
	return 0;
}

static int
graph_writes(struct blobs *b, const json_t *array, struct graph_put *t,
    struct err *e)
{
	size_t i, n = json_array_size(array);

	t->writes = calloc(n + 1, sizeof(*t->writes));
	if (t->writes == NULL)
		return err_set(e, ERR_SYSTEM, "memory for writes");
	for (i = 0; i < n; i++) {
		const json_t *j = json_array_get(array, i);
		struct storage_write *w = &t->writes[i];

		if (json_read(j, write_members, countof(write_members), w, e) ==
			-1 ||
		    graph_bytes(b, j, t, &w->data, e) == -1)
			return err_wrap(e, "write %zu", i);
	}
	t->nwrites = n;
	return 0;
}

struct graph_members {
	const char *ns, *checkpoint_id, *parent_id, *type, *data, *values_blob;
	const json_t *metadata, *versions, *channels, *writes;
	const json_t *values, *next, *tasks, *interrupts;
};

#define GRAPH_TEXT(field, need, max)                              \
	{                                                         \
#		field, JSON_KIND_TEXT, need,                     \
		    offsetof(struct graph_members, field), 0, max \
	}
#define GRAPH_JSON(field, kind)                                 \
	{                                                       \
#		field, JSON_KIND_##kind, JSON_NULLABLE,        \
		    offsetof(struct graph_members, field), 0, 0 \
	}

static const struct json_member graph_members[] = {
	GRAPH_TEXT(ns, JSON_NULLABLE, 512),
	GRAPH_TEXT(checkpoint_id, JSON_REQUIRED, UUID_SIZE - 1),
	GRAPH_TEXT(parent_id, JSON_NULLABLE, UUID_SIZE - 1),
	GRAPH_TEXT(type, JSON_NULLABLE, 64),
	GRAPH_TEXT(data, JSON_NULLABLE, 0),
	GRAPH_TEXT(values_blob, JSON_NULLABLE, BLOBS_HEX),
	GRAPH_JSON(metadata, OBJECT),
	GRAPH_JSON(versions, OBJECT),
	GRAPH_JSON(channels, ARRAY),
	GRAPH_JSON(writes, ARRAY),
	GRAPH_JSON(values, OBJECT),
	GRAPH_JSON(next, ARRAY),
	GRAPH_JSON(tasks, ARRAY),
	GRAPH_JSON(interrupts, ARRAY),
};

static int
graph_read(const json_t *params, struct graph_members *m, struct graph_put *t,
    struct err *e)
{
	if (json_read(params, graph_members, countof(graph_members), m, e) ==
	    -1)
		return -1;
	if (!uuid_valid(m->checkpoint_id) ||
	    (m->parent_id != NULL && !uuid_valid(m->parent_id)))
		return err_set(e, ERR_INVALID, "a checkpoint's id is a UUID");
	t->size = AGENT_LINE_MAX;
	t->room = malloc(t->size);
	return t->room != NULL ? 0
			       : err_set(e, ERR_SYSTEM, "memory for a message");
}

/* NULL stays NULL. */
static int
graph_text(const json_t *j, char **ret, struct err *e)
{
	return j == NULL || json_is_null(j) ? 0 : json_text(j, ret, NULL, e);
}

/* What people are shown of it; larger than a message: as a blob. */
static int
graph_values(struct blobs *b, const struct graph_members *m,
    struct graph_put *t, struct err *e)
{
	const void *p = NULL;
	size_t n;

	if (m->values_blob == NULL)
		t->shown = json_incref((json_t *)(uintptr_t)m->values);
	else if ((p = blobs_find(b, m->values_blob, &n)) == NULL)
		return err_set(e, ERR_NOT_FOUND, "no blob %.64s",
		    m->values_blob);
	else if (json_parse(p, n, &attempt_values_limits, &t->shown, e) == -1)
		return err_wrap(e, "the values");
	if (graph_text(t->shown, &t->values, e) == -1)
		return -1;
	if (t->values != NULL &&
	    json_within(t->values, &attempt_values_limits, e) == -1)
		return err_wrap(e, "the thread's values");
	if (p != NULL)
		blobs_drop(b, m->values_blob);
	return 0;
}

static int
graph_projection(const struct graph_members *m, struct graph_put *t,
    struct err *e)
{
	return graph_text(m->next, &t->next, e) == -1 ||
		       graph_text(m->tasks, &t->tasks, e) == -1 ||
		       graph_text(m->interrupts, &t->interrupts, e) == -1
		   ? -1
		   : 0;
}

int
graph_put_read(const json_t *params, struct blobs *b, struct graph_put *t,
    struct storage_checkpoint_put_request *ret, struct err *e)
{
	struct graph_members m = { 0 };

	if (graph_read(params, &m, t, e) == -1 ||
	    graph_bytes(b, params, t, &ret->data, e) == -1 ||
	    graph_channels(b, m.channels, t, e) == -1 ||
	    graph_writes(b, m.writes, t, e) == -1 ||
	    graph_values(b, &m, t, e) == -1 ||
	    graph_projection(&m, t, e) == -1 ||
	    graph_text(m.versions, &t->versions, e) == -1)
		return -1;
	ret->ns = m.ns;
	ret->checkpoint_id = m.checkpoint_id;
	ret->parent_id = m.parent_id;
	ret->type = m.type;
	ret->versions = t->versions;
	ret->values = t->values;
	ret->next = t->next;
	ret->tasks = t->tasks;
	ret->interrupts = t->interrupts;
	ret->channels.v = t->channels;
	ret->channels.n = t->nchannels;
	ret->writes.v = t->writes;
	ret->writes.n = t->nwrites;
	t->metadata = m.metadata;
	return 0;
}

int
graph_writes_read(const json_t *params, struct blobs *b, struct graph_put *t,
    struct storage_checkpoint_write_request *ret, struct err *e)
{
	struct graph_members m = { 0 };

	if (graph_read(params, &m, t, e) == -1 ||
	    graph_writes(b, m.writes, t, e) == -1 ||
	    graph_projection(&m, t, e) == -1)
		return -1;
	ret->ns = m.ns;
	ret->checkpoint_id = m.checkpoint_id;
	ret->next = t->next;
	ret->tasks = t->tasks;
	ret->interrupts = t->interrupts;
	ret->writes.v = t->writes;
	ret->writes.n = t->nwrites;
	return 0;
}

static void
graph_drop_array(struct blobs *b, const json_t *array)
{
	size_t i;

	for (i = 0; i < json_array_size(array); i++) {
		const char *s = json_string_value(
		    json_object_get(json_array_get(array, i), "blob"));

		if (s != NULL)
			blobs_drop(b, s);
	}
}

void
graph_drop(const json_t *params, struct blobs *b)
{
	const char *own = json_string_value(json_object_get(params, "blob"));

	if (own != NULL)
		blobs_drop(b, own);
	graph_drop_array(b, json_object_get(params, "channels"));
	graph_drop_array(b, json_object_get(params, "writes"));
}

/* ---- what is got ---------------------------------------------------------- */

/* "data" while the answer has room for it, else "blob" and "size". */
static int
graph_show(struct blobs *b, json_t *j, const struct storage_blob *v,
    size_t *room, struct err *e)
{
	autofree char *text = NULL;
	char digest[BLOBS_HEX + 1];

	if (v->size > BLOBS_INLINE_BYTES || v->size > *room) {
		if (blobs_keep(b, v->data, v->size, digest, e) == -1)
			return -1;
		(void)json_object_set_new(j, "blob", json_string(digest));
		(void)json_object_set_new(j, "size",
		    json_integer((json_int_t)v->size));
		return 0;
	}
	text = malloc(base64_size(v->size) + 1);
	if (text == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a message");
	base64_encode(v->data, v->size, text);
	(void)json_object_set_new(j, "data",
	    json_stringn(text, base64_size(v->size)));
	*room -= v->size;
	return 0;
}

static int
graph_show_channels(struct blobs *b, json_t *j,
    const struct storage_checkpoint *c, size_t *room, struct err *e)
{
	json_t *list = json_array();
	size_t i;

	(void)json_object_set_new(j, "channels", list);
	for (i = 0; i < c->channels.n; i++) {
		const struct storage_channel *x = &c->channels.v[i];
		json_t *one = json_pack("{s:s, s:s?, s:s?}", "name", x->name,
		    "version", x->version, "type", x->type);

		(void)json_array_append_new(list, one);
		if (graph_show(b, one, &x->data, room, e) == -1)
			return -1;
	}
	return 0;
}

static int
graph_show_writes(struct blobs *b, json_t *j,
    const struct storage_checkpoint *c, size_t *room, struct err *e)
{
	json_t *list = json_array();
	size_t i;

	(void)json_object_set_new(j, "writes", list);
	for (i = 0; i < c->writes.n; i++) {
		const struct storage_write *x = &c->writes.v[i];
		json_t *one = json_pack("{s:s, s:I, s:s, s:s?, s:s?}",
		    "task_id", x->task_id, "idx", (json_int_t)x->idx, "channel",
		    x->channel, "type", x->type, "task_path", x->task_path);

		(void)json_array_append_new(list, one);
		if (graph_show(b, one, &x->data, room, e) == -1)
			return -1;
	}
	return 0;
}

int
graph_show_own(json_t *j, const struct storage_checkpoint *c, struct blobs *b,
    struct err *e)
{
	size_t room = GRAPH_INLINE_TOTAL_BYTES;
	json_t *versions = NULL;

	(void)json_object_set_new(j, "type", json_string(c->type));
	if (c->versions != NULL && json_parse(c->versions, strlen(c->versions),
				       NULL, &versions, NULL) == 0)
		(void)json_object_set_new(j, "versions", versions);
	return graph_show(b, j, &c->data, &room, e) == -1 ||
		       graph_show_channels(b, j, c, &room, e) == -1 ||
		       graph_show_writes(b, j, c, &room, e) == -1
		   ? -1
		   : 0;
}

/* ---- blobs ---------------------------------------------------------------- */

struct blob_members {
	const char *digest, *data;
	int64_t size, offset;
};

static const struct json_member blob_members[] = {
	{ "digest", JSON_KIND_TEXT, JSON_REQUIRED,
	    offsetof(struct blob_members, digest), 0, BLOBS_HEX },
	{ "data", JSON_KIND_TEXT, JSON_NULLABLE,
	    offsetof(struct blob_members, data), 0, 0 },
	{ "size", JSON_KIND_WHOLE, JSON_NULLABLE,
	    offsetof(struct blob_members, size), 0, BLOBS_JAIL_BYTES },
	{ "offset", JSON_KIND_WHOLE, JSON_NULLABLE,
	    offsetof(struct blob_members, offset), 0, BLOBS_JAIL_BYTES },
};

int
graph_blob_put(struct blobs *b, const json_t *params, json_t **ret,
    struct err *e)
{
	struct blob_members m = { 0 };
	autofree unsigned char *room = NULL;
	uint64_t have;
	size_t n;

	if (json_read(params, blob_members, countof(blob_members), &m, e) == -1)
		return -1;
	n = m.data != NULL ? strlen(m.data) : 0;
	room = malloc(base64_room(n) + 1);
	if (room == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a blob");
	if (base64_decode(m.data != NULL ? m.data : "", n, room, &n, e) == -1 ||
	    blobs_put(b, m.digest, (uint64_t)m.size, (uint64_t)m.offset, room,
		n, &have, e) == -1)
		return -1;
	*ret = json_pack("{s:I}", "have", (json_int_t)have);
	return 0;
}

/* A chunk; the last one takes the blob away. */
int
graph_blob_get(struct blobs *b, const json_t *params, json_t **ret,
    struct err *e)
{
	struct blob_members m = { 0 };
	autofree char *text = NULL;
	const char *p;
	size_t size, n;

	if (json_read(params, blob_members, countof(blob_members), &m, e) == -1)
		return -1;
	p = blobs_find(b, m.digest, &size);
	if (p == NULL || (uint64_t)m.offset > size)
		return err_set(e, ERR_NOT_FOUND, "no blob %.64s", m.digest);
	n = size - (size_t)m.offset;
	n = n > BLOBS_CHUNK_BYTES ? BLOBS_CHUNK_BYTES : n;
	text = malloc(base64_size(n) + 1);
	if (text == NULL)
		return err_set(e, ERR_SYSTEM, "memory for a blob");
	base64_encode(p + m.offset, n, text);
	*ret = json_pack("{s:I, s:s%}", "size", (json_int_t)size, "data", text,
	    base64_size(n));
	if ((size_t)m.offset + n == size)
		blobs_drop(b, m.digest);
	return 0;
}
