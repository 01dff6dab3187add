/*
 * Threads and their checkpoints in storage: supervisor/control/storage/
 * op_thread.c, op_checkpoint.c, pack.c, members.c.
 */
#include "unit_storage.h"

#include "../../supervisor/control/storage/db.h"
#include "../../supervisor/control/storage/members.h"
#include "../../supervisor/control/storage/pack.h"
#include "json.h"

#define T1 .tenant = "default", .thread_id = "t1"

static void
thread(struct world *w, const char *id, const char *metadata)
{
	call(thread_create, NULL, .tenant = "default", .thread_id = id,
	    .metadata = metadata);
}

/* ---- threads ---- */

static void
thread_create__again__conflict_or_the_same(void **state)
{
	struct world *w = *state;
	struct storage_thread t;

	call(thread_create, &t, .tenant = "default", .metadata = "{\"a\":1}");
	assert_int_equal(strlen(t.thread_id), 36);
	assert_int_equal(t.thread_id[14], '7');
	assert_string_equal(t.status, "idle");
	assert_null(t.values);
	refuse(thread_create, ERR_CONFLICT, "Thread already exists",
	    .tenant = "default", .thread_id = t.thread_id);
	call(thread_create, &t, .tenant = "default", .thread_id = t.thread_id,
	    .if_exists = "do_nothing", .metadata = "{\"b\":1}");
	assert_string_equal(t.metadata, "{\"a\":1}");
	refuse(thread_create, ERR_INVALID, "if_exists", .tenant = "default",
	    .if_exists = "replace");
	/* the same id is another thread for another tenant */
	call(thread_create, NULL, .tenant = "other", .thread_id = t.thread_id);
	refuse(thread_get, ERR_NOT_FOUND, "thread", .tenant = "third",
	    .thread_id = t.thread_id);
}

static void
thread_search__filters_sort_pages__own_rows(void **state)
{
	struct world *w = *state;
	struct storage_threads r;
	struct storage_count n;
	char id[16], meta[64];
	int i;

	for (i = 0; i < 25; i++) {
		(void)snprintf(id, sizeof(id), "t%02d", i);
		(void)snprintf(meta, sizeof(meta),
		    "{\"k\":%d,\"deep\":{\"x\":[%d],\"y\":1}}", i % 5, i % 2);
		thread(w, id, meta);
	}
	call(thread_create, NULL, .tenant = "other", .thread_id = "o",
	    .metadata = "{\"k\":1}");
	call(thread_search, &r, .tenant = "default", .sort_by = "thread_id",
	    .sort_order = "asc", .limit = 3, .offset = 4);
	assert_int_equal(r.total, 25);
	assert_int_equal(r.rows.n, 3);
	assert_string_equal(r.rows.v[0].thread_id, "t04");
	call(thread_search, &r, .tenant = "default", .limit = 2,
	    .sort_by = "thread_id");
	assert_string_equal(r.rows.v[0].thread_id, "t24");
	call(thread_search, &r, .tenant = "default", .metadata = "{\"k\":1}");
	assert_int_equal(r.total, 5);
	call(thread_search, &r, .tenant = "default",
	    .metadata = "{\"k\":1,\"deep\":{\"x\":[1]}}");
	assert_int_equal(r.total, 3);
	call(thread_search, &r, .tenant = "default",
	    .ids = texts("t01", "t07", "o", "nobody"));
	assert_int_equal(r.total, 2);
	call(thread_search, &r, .tenant = "default", .status = "busy");
	assert_int_equal(r.total, 0);
	call(thread_count, &n, .tenant = "default", .metadata = "{\"k\":4}");
	assert_int_equal(n.count, 5);
	refuse(thread_search, ERR_INVALID, "limit", .tenant = "default",
	    .limit = 1001);
	refuse(thread_search, ERR_INVALID, "offset", .tenant = "default",
	    .offset = -1);
	refuse(thread_search, ERR_INVALID, "sort_by", .tenant = "default",
	    .sort_by = "rowid");
	refuse(thread_search, ERR_INVALID, "", .tenant = "default",
	    .metadata = "{\"a\":");
}

static void
thread_search__values__of_the_newest_checkpoint(void **state)
{
	struct world *w = *state;
	struct storage_threads r;
	struct storage_count n;
	char id[16], values[64];
	int i;

	for (i = 0; i < 8; i++) {
		(void)snprintf(id, sizeof(id), "t%d", i);
		thread(w, id, NULL);
		if (i == 7)
			break;
		(void)snprintf(values, sizeof(values),
		    "{\"topic\":\"x\",\"n\":%d}", i % 2);
		call(checkpoint_put, NULL, .tenant = "default", .thread_id = id,
		    .checkpoint_id = "c1", .values = "{\"n\":9}");
		call(checkpoint_put, NULL, .tenant = "default", .thread_id = id,
		    .checkpoint_id = "c2", .values = values);
	}
	call(thread_search, &r, .tenant = "default", .values = "{\"n\":1}",
	    .sort_by = "thread_id", .sort_order = "asc", .limit = 2,
	    .offset = 1);
	assert_int_equal(r.total, 3);
	assert_int_equal(r.rows.n, 2);
	assert_string_equal(r.rows.v[0].thread_id, "t3");
	assert_string_equal(r.rows.v[0].values, "{\"topic\":\"x\",\"n\":1}");
	call(thread_count, &n, .tenant = "default", .values = "{\"n\":9}");
	assert_int_equal(n.count, 0);
	call(thread_count, &n, .tenant = "default",
	    .values = "{\"topic\":\"x\"}");
	assert_int_equal(n.count, 7);
}

static void
thread_patch__metadata__merged_one_level_deep(void **state)
{
	struct world *w = *state;
	struct storage_thread t;

	thread(w, "t1", "{\"a\":{\"x\":1},\"b\":2}");
	call(thread_patch, &t, T1, .metadata = "{\"a\":{\"y\":1},\"c\":null}");
	assert_string_equal(t.metadata, "{\"a\":{\"y\":1},\"b\":2,\"c\":null}");
	refuse(thread_patch, ERR_NOT_FOUND, "thread", .tenant = "other",
	    .thread_id = "t1", .metadata = "{}");
	refuse(thread_patch, ERR_INVALID, "object", T1, .metadata = "[1]");
}

static void
thread_ttl__over__deleted_or_thinned(void **state)
{
	struct world *w = *state;
	struct storage_thread t;
	struct storage_count n;
	struct storage_checkpoints list;

	call(thread_create, &t, .tenant = "default", .thread_id = "gone",
	    .ttl_ms = 1);
	assert_string_equal(t.ttl_strategy, "delete");
	call(thread_create, NULL, .tenant = "default", .thread_id = "t1",
	    .ttl_ms = 1, .ttl_strategy = "keep_latest");
	call(thread_create, NULL, .tenant = "default", .thread_id = "kept",
	    .ttl_ms = 100000);
	call(thread_create, NULL, .tenant = "default", .thread_id = "none",
	    .ttl_ms = 1);
	call(thread_patch, &t, .tenant = "default", .thread_id = "none",
	    .ttl_ms = -1);
	assert_int_equal(t.expires_at_ms, 0);
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c1", .values = "1");
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c2", .values = "2");
	assert_int_equal(usleep(5000), 0);
	call(thread_expire, &n, .limit = 10);
	assert_int_equal(n.count, 2);
	refuse(thread_get, ERR_NOT_FOUND, "thread", .tenant = "default",
	    .thread_id = "gone");
	call(checkpoint_list, &list, T1);
	assert_int_equal(list.rows.n, 1);
	assert_string_equal(list.rows.v[0].values, "2");
	call(thread_count, &n, .tenant = "default");
	assert_int_equal(n.count, 3);
}

/* ---- checkpoints ---- */

static void
checkpoint_put__channels__unchanged_ones_are_shared(void **state)
{
	struct world *w = *state;
	struct storage_checkpoint c;
	struct storage_channel both[] = {
		{ "messages", "1", "json", { "[1]", 3 } },
		{ "n", "1", "bytes", { "\0\1\2", 3 } },
	};
	struct storage_channel one[] = { { "n", "2", "bytes", { "\3", 1 } } };

	thread(w, "t1", NULL);
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c1",
	    .versions = "{\"messages\":\"1\",\"n\":\"1\"}",
	    .channels = { both, 2 }, .type = "json", .data = { "{}", 2 },
	    .metadata = "{\"step\":-1}", .next = "[\"a\"]", .tasks = "[]");
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c2", .parent_id = "c1",
	    .versions = "{\"messages\":\"1\",\"n\":\"2\"}",
	    .channels = { one, 1 });
	call(checkpoint_get, &c, T1, .full = 1);
	assert_string_equal(c.checkpoint_id, "c2");
	assert_string_equal(c.parent_id, "c1");
	assert_string_equal(c.ns, "");
	assert_null(c.run_id);
	assert_int_equal(c.channels.n, 2);
	assert_string_equal(c.channels.v[0].name, "n");
	assert_memory_equal(c.channels.v[0].data.data, "\3", 1);
	assert_string_equal(c.channels.v[1].name, "messages");
	assert_string_equal(c.channels.v[1].type, "json");
	assert_memory_equal(c.channels.v[1].data.data, "[1]", 3);
	/* the older one is what it was */
	call(checkpoint_get, &c, T1, .checkpoint_id = "c1", .full = 1);
	assert_int_equal(c.channels.n, 2);
	assert_memory_equal(c.channels.v[1].data.data, "\0\1\2", 3);
	assert_memory_equal(c.data.data, "{}", 2);
	assert_string_equal(c.next, "[\"a\"]");
	assert_string_equal(c.metadata, "{\"step\":-1}");
	/* a version that nobody stored is not made up */
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c3", .parent_id = "c2",
	    .versions = "{\"messages\":\"7\"}");
	call(checkpoint_get, &c, T1, .full = 1);
	assert_int_equal(c.channels.n, 0);
	refuse(checkpoint_get, ERR_NOT_FOUND, "checkpoint", .tenant = "other",
	    .thread_id = "t1");
	refuse(checkpoint_put, ERR_NOT_FOUND, "thread", .tenant = "other",
	    .thread_id = "t1", .checkpoint_id = "c1");
	refuse(checkpoint_put, ERR_INVALID, "twice", T1, .checkpoint_id = "c4",
	    .channels = {
		(struct storage_channel[]){ { .name = "a" }, { .name = "a" } },
		2 });
}

static void
checkpoint_history__before_limit_metadata_namespaces(void **state)
{
	struct world *w = *state;
	struct storage_checkpoints r;
	char id[16], parent[16], meta[64];
	int i;

	thread(w, "t1", NULL);
	for (i = 0; i < 12; i++) {
		(void)snprintf(id, sizeof(id), "c%02d", i);
		(void)snprintf(parent, sizeof(parent), "c%02d", i - 1);
		(void)snprintf(meta, sizeof(meta),
		    "{\"step\":%d,\"source\":\"%s\"}", i,
		    i == 0 ? "input" : "loop");
		call(checkpoint_put, NULL, T1, .checkpoint_id = id,
		    .parent_id = i == 0 ? NULL : parent, .metadata = meta);
	}
	call(checkpoint_put, NULL, T1, .ns = "sub:1", .checkpoint_id = "s1",
	    .metadata = "{\"step\":0}");
	call(checkpoint_list, &r, T1, .ns = "", .limit = 3);
	assert_int_equal(r.rows.n, 3);
	assert_string_equal(r.rows.v[0].checkpoint_id, "c11");
	call(checkpoint_list, &r, T1, .ns = "", .before = "c02", .limit = 9);
	assert_int_equal(r.rows.n, 2);
	assert_string_equal(r.rows.v[0].checkpoint_id, "c01");
	call(checkpoint_list, &r, T1, .ns = "",
	    .metadata = "{\"source\":\"input\"}");
	assert_int_equal(r.rows.n, 1);
	call(checkpoint_list, &r, T1, .limit = 1);
	assert_string_equal(r.rows.v[0].checkpoint_id, "s1");
	call(checkpoint_list, &r, T1, .ns = "sub:1");
	assert_int_equal(r.rows.n, 1);
	call(checkpoint_list, &r, .tenant = "other", .thread_id = "t1");
	assert_int_equal(r.rows.n, 0);
	call(checkpoint_patch, NULL, T1, .checkpoint_id = "c03",
	    .metadata = "{\"label\":\"x\"}");
	call(checkpoint_list, &r, T1, .metadata = "{\"label\":\"x\"}");
	assert_int_equal(r.rows.n, 1);
	assert_non_null(strstr(r.rows.v[0].metadata, "\"step\":3"));
}

static void
checkpoint_write__tasks__replaced_by_task_and_index(void **state)
{
	struct world *w = *state;
	struct storage_checkpoint c;
	struct storage_write first[] = {
		{ "b", 0, "ch", "json", { "1", 1 }, "p" },
		{ "a", 0, "ch", "json", { "2", 1 }, NULL },
	};
	struct storage_write again[] = { { "b", 0, "ch2", "json", { "3", 1 },
	    "p" } };

	thread(w, "t1", NULL);
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c1",
	    .writes = { first, 2 });
	call(checkpoint_write, NULL, T1, .checkpoint_id = "c1",
	    .writes = { again, 1 });
	call(checkpoint_get, &c, T1, .full = 1);
	assert_int_equal(c.writes.n, 2);
	assert_string_equal(c.writes.v[0].task_id, "a");
	assert_string_equal(c.writes.v[1].channel, "ch2");
	assert_string_equal(c.writes.v[1].task_path, "p");
	refuse(checkpoint_write, ERR_INVALID, "task", T1, .checkpoint_id = "c1",
	    .writes = { &(struct storage_write){ .channel = "x" }, 1 });
}

static void
checkpoint_write__what_tasks_came_to__is_the_checkpoints(void **state)
{
	struct world *w = *state;
	struct storage_checkpoint c;
	struct storage_thread t;

	thread(w, "t1", NULL);
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c1",
	    .next = "[\"a\",\"b\"]", .tasks = "[1]", .interrupts = "[]",
	    .values = "{\"k\":1}");
	call(checkpoint_write, NULL, T1, .checkpoint_id = "c1",
	    .tasks = "[{\"id\":\"x\",\"interrupts\":[{\"id\":\"i\"}]}]",
	    .interrupts = "[{\"id\":\"i\"}]");
	call(checkpoint_get, &c, T1);
	assert_string_equal(c.next, "[\"a\",\"b\"]");
	assert_string_equal(c.interrupts, "[{\"id\":\"i\"}]");
	assert_string_equal(c.values, "{\"k\":1}");
	call(thread_get, &t, T1);
	assert_non_null(strstr(t.tasks, "\"x\""));
	/* writes may be early, what tasks came to may not */
	call(checkpoint_write, NULL, T1, .checkpoint_id = "c9",
	    .writes = {
		&(struct storage_write){ .task_id = "x", .channel = "ch" },
		1 });
	refuse(checkpoint_write, ERR_NOT_FOUND, "checkpoint", T1,
	    .checkpoint_id = "c9", .next = "[]");
	refuse(checkpoint_write, ERR_NOT_FOUND, "checkpoint", T1, .ns = "sub",
	    .checkpoint_id = "c1", .next = "[]");
}

static void
checkpoint_put__busy_thread__refused_without_the_fence(void **state)
{
	struct world *w = *state;
	struct storage_thread t;

	world_agent(w, "default", "agent");
	thread(w, "t1", NULL);
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c1", .next = "[\"a\"]",
	    .values = "{}");
	call(thread_get, &t, T1);
	assert_string_equal(t.status, "interrupted");
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c2", .next = "[]",
	    .values = "{}");
	call(thread_get, &t, T1);
	assert_string_equal(t.status, "idle");
	call(run_create, NULL, T1, .assistant_id = "agent");
	refuse(checkpoint_put, ERR_CONFLICT, "Thread is busy", T1,
	    .checkpoint_id = "c3");
	refuse(checkpoint_delete, ERR_CONFLICT, "Thread is busy", T1);
}

/* The text of step n: an object of three members, one of which grows. */
static char *
growing(struct hold *h, int n)
{
	size_t room = 64 + (size_t)n * 32 + 4000, at;
	char *s = hold_alloc(h, room);
	int i;

	at = (size_t)snprintf(s, room,
	    "{\"constant\":\"%02000d\",\"n\":%d,"
	    "\"messages\":[",
	    7, n);
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(s + at, room - at, "%s\"message %06d\"",
		    i == 0 ? "" : ",", i);
	(void)snprintf(s + at, room - at, "]}");
	return s;
}

static void
checkpoint_put__growing_state__bytes_follow_the_change(void **state)
{
	struct world *w = *state;
	struct storage_checkpoint c;
	struct storage_count size;
	char id[16], parent[16];
	int64_t naive = 0, change;
	char *text, *list;
	int i;

	enum {
		STEPS = 300
	};

	thread(w, "t1", NULL);
	for (i = 0; i < STEPS; i++) {
		text = growing(&w->hold, i);
		list = strchr(text, '[');
		naive += (int64_t)(strlen(text) + strlen(list));
		(void)snprintf(id, sizeof(id), "c%04d", i);
		(void)snprintf(parent, sizeof(parent), "c%04d", i - 1);
		call(checkpoint_put, NULL, T1, .checkpoint_id = id,
		    .parent_id = i == 0 ? NULL : parent, .values = text,
		    .channels = { &(struct storage_channel){ "all", id, "json",
				      { list, strlen(list) } },
			1 });
	}
	/* a message is 17 bytes, twice, and the rest of a step is small */
	change = STEPS * (2 * 17 + 200);
	call(thread_size, &size, T1);
	assert_in_range(size.count, 1, 4 * change);
	assert_in_range(size.count, 1, naive / 10);
	/* and every one of them reads as it was */
	for (i = STEPS - 1; i >= 0; i -= 7) {
		(void)snprintf(id, sizeof(id), "c%04d", i);
		text = growing(&w->hold, i);
		call(checkpoint_get, &c, T1, .checkpoint_id = id, .full = 1);
		assert_string_equal(c.values, text);
		list = strchr(text, '[');
		assert_int_equal(c.channels.v[0].data.size, strlen(list));
		assert_memory_equal(c.channels.v[0].data.data, list,
		    strlen(list));
	}
}

static void
checkpoint_fork__from_an_older_one__both_branches_are_right(void **state)
{
	struct world *w = *state;
	struct storage_checkpoint c;
	struct storage_thread t;
	char id[16], parent[16];
	char *text;
	int i;

	thread(w, "t1", NULL);
	for (i = 0; i < 20; i++) {
		(void)snprintf(id, sizeof(id), "a%02d", i);
		(void)snprintf(parent, sizeof(parent), "a%02d", i - 1);
		call(checkpoint_put, NULL, T1, .checkpoint_id = id,
		    .parent_id = parent, .values = growing(&w->hold, i));
	}
	for (i = 8; i < 16; i++) {
		(void)snprintf(id, sizeof(id), "b%02d", i);
		(void)snprintf(parent, sizeof(parent), "%c%02d",
		    i == 8 ? 'a' : 'b', i - 1);
		call(checkpoint_put, NULL, T1, .checkpoint_id = id,
		    .parent_id = parent, .values = growing(&w->hold, 2 * i));
	}
	/* the newest is the fork's, though its id sorts before others */
	call(thread_get, &t, T1);
	assert_string_equal(t.checkpoint_id, "b15");
	assert_string_equal(t.values, growing(&w->hold, 30));
	call(checkpoint_get, &c, T1, .checkpoint_id = "a19");
	text = growing(&w->hold, 19);
	assert_string_equal(c.values, text);
	/* one that is put again keeps what hangs on it */
	call(checkpoint_put, NULL, T1, .checkpoint_id = "a10",
	    .parent_id = "a09", .values = "{\"other\":1}");
	call(checkpoint_get, &c, T1, .checkpoint_id = "a10");
	assert_string_equal(c.values, "{\"other\":1}");
	call(checkpoint_get, &c, T1, .checkpoint_id = "a19");
	assert_string_equal(c.values, text);
	call(thread_get, &t, T1);
	assert_string_equal(t.checkpoint_id, "b15");
}

static void
thread_copy__with_differences__its_own(void **state)
{
	struct world *w = *state;
	struct storage_checkpoints list;
	struct storage_checkpoint c;
	struct storage_thread t;
	char id[16], parent[16];
	int i;

	thread(w, "t0", NULL);
	thread(w, "t1", "{\"a\":1}");
	for (i = 0; i < 20; i++) {
		(void)snprintf(id, sizeof(id), "c%02d", i);
		(void)snprintf(parent, sizeof(parent), "c%02d", i - 1);
		/* another's rows between */
		call(checkpoint_put, NULL, .tenant = "default",
		    .thread_id = "t0", .checkpoint_id = id, .values = "{}");
		call(checkpoint_put, NULL, T1, .checkpoint_id = id,
		    .parent_id = parent, .values = growing(&w->hold, i),
		    .writes = { &(struct storage_write){ .task_id = "x",
				    .channel = "y" },
			1 });
	}
	call(thread_copy, &t, T1);
	assert_string_not_equal(t.thread_id, "t1");
	assert_non_null(strstr(t.metadata, "\"a\":1"));
	assert_non_null(strstr(t.metadata, t.thread_id));
	assert_string_equal(t.values, growing(&w->hold, 19));
	/* the original goes; the copy stands alone */
	call(thread_delete, NULL, T1);
	call(checkpoint_list, &list, .tenant = "default",
	    .thread_id = t.thread_id, .limit = 100);
	assert_int_equal(list.rows.n, 20);
	for (i = 0; i < 20; i++)
		assert_string_equal(list.rows.v[19 - i].values,
		    growing(&w->hold, i));
	call(checkpoint_get, &c, .tenant = "default", .thread_id = t.thread_id,
	    .checkpoint_id = "c05", .full = 1);
	assert_int_equal(c.writes.n, 1);
	refuse(thread_copy, ERR_NOT_FOUND, "thread", T1);
	refuse(thread_copy, ERR_CONFLICT, "exists", .tenant = "default",
	    .thread_id = "t0", .new_thread_id = t.thread_id);
}

static void
thread_prune__keep_latest__whole_and_alone(void **state)
{
	struct world *w = *state;
	struct storage_checkpoints list;
	struct storage_thread t;
	struct storage_count n;
	char id[16], parent[16];
	int i;

	world_agent(w, "default", "agent");
	thread(w, "t1", NULL);
	thread(w, "busy", NULL);
	for (i = 0; i < 20; i++) {
		(void)snprintf(id, sizeof(id), "c%02d", i);
		(void)snprintf(parent, sizeof(parent), "c%02d", i - 1);
		call(checkpoint_put, NULL, T1, .checkpoint_id = id,
		    .parent_id = parent, .values = growing(&w->hold, i),
		    .writes = { &(struct storage_write){ .task_id = "x",
				    .channel = "y" },
			1 });
	}
	call(checkpoint_put, NULL, T1, .ns = "sub", .checkpoint_id = "s",
	    .values = "{\"s\":1}");
	call(run_create, NULL, .tenant = "default", .thread_id = "busy",
	    .assistant_id = "agent");
	call(thread_prune, &n, .tenant = "default",
	    .thread_ids = texts("t1", "busy", "nobody"),
	    .strategy = "keep_latest");
	assert_int_equal(n.count, 1);
	call(checkpoint_list, &list, T1);
	assert_int_equal(list.rows.n, 2);
	call(thread_get, &t, T1);
	assert_string_equal(t.checkpoint_id, "c19");
	assert_string_equal(t.values, growing(&w->hold, 19));
	/* and goes on from there */
	call(checkpoint_put, NULL, T1, .checkpoint_id = "c20",
	    .parent_id = "c19", .values = growing(&w->hold, 20));
	call(thread_get, &t, T1);
	assert_string_equal(t.values, growing(&w->hold, 20));
	call(thread_prune, &n, .tenant = "default", .thread_ids = texts("t1"),
	    .strategy = "delete");
	assert_int_equal(n.count, 1);
	refuse(thread_get, ERR_NOT_FOUND, "thread", T1);
}

/* ---- the parts ---- */

static void
members_next__objects__cut_and_joined(void **state)
{
	static const char *const good[] = {
		"{\"a\":1}",
		"{\"a\":{\"b\":[1,2,{\"c\":\"},]\"}]},\"d\":\"x,y\"}",
		"{\"\":null,\"q\\\"\":\"\\\\\"}",
	};
	static const char *const bad[] = {
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}b}",
		"{\"a\":[1}",
		"{\"a:1}",
		"{a:1}",
		"{\"a\":1]}",
	};
	struct members_in in;
	struct members_out out;
	struct storage_blob text, value;
	struct hold h;
	const char *name;
	size_t i;

	(void)state;
	hold_init(&h);
	for (i = 0; i < countof(good); i++) {
		memset(&out, 0, sizeof(out));
		out.hold = &h;
		text = (struct storage_blob){ good[i], strlen(good[i]) };
		assert_int_equal(members_begin(&in, &text), 1);
		while (members_next(&in, &h, &name, &value))
			members_add(&out, name, &value);
		assert_int_equal(in.bad, 0);
		assert_string_equal(members_end(&out), good[i]);
	}
	for (i = 0; i < countof(bad); i++) {
		text = (struct storage_blob){ bad[i], strlen(bad[i]) };
		assert_int_equal(members_begin(&in, &text), 1);
		while (members_next(&in, &h, &name, &value))
			;
		assert_int_equal(in.bad, 1);
	}
	hold_finish(&h);
}

static void
pack_common__pairs__front_and_end_never_overlap(void **state)
{
	static const struct {
		const char *a, *b;
		uint32_t front, end;
	} rows[] = {
		{ "", "", 0, 0 },
		{ "abc", "", 0, 0 },
		{ "abc", "abc", 3, 0 },
		{ "[1]", "[1,2]", 2, 1 },
		{ "aaa", "aaaa", 3, 0 },
		{ "xay", "xaay", 2, 1 },
		{ "abc", "xyz", 0, 0 },
		{ "abc", "xbc", 0, 2 },
	};
	struct storage_blob a, b;
	uint32_t front, end;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		a = (struct storage_blob){ rows[i].a, strlen(rows[i].a) };
		b = (struct storage_blob){ rows[i].b, strlen(rows[i].b) };
		pack_common(&a, &b, &front, &end);
		assert_int_equal(front, rows[i].front);
		assert_int_equal(end, rows[i].end);
	}
}

/* Every prefix and every changed byte: refused or read, never outside. */
static void
pack_read__damaged__refused(void **state)
{
	struct hold h;
	struct db d = { .hold = &h };
	struct pack_piece piece = { .kind = 'c',
		.type = "json",
		.number = 3,
		.base_row = 1,
		.data = { "data", 4 } };
	struct pack_place place = { .kind = 'c',
		.name = "name",
		.version = "1" };
	struct pack_pieces pieces = { &piece, 1, 1 }, back;
	struct pack_places places = { &place, 1, 1 }, there;
	struct storage_blob a, b, cut;
	struct err e;
	size_t n;

	(void)state;
	hold_init(&h);
	pack_write_pieces(&d, &pieces, &a);
	pack_write_places(&d, &places, 0, &b);
	assert_int_equal(pack_read_pieces(&d, &a, &back, &e), 0);
	assert_int_equal(back.n, 1);
	assert_int_equal(back.v[0].number, 3);
	assert_int_equal(pack_read_places(&d, &b, 9, &there, &e), 0);
	assert_int_equal(there.v[0].row, 9);
	for (n = 1; n < a.size; n++) {
		cut = (struct storage_blob){ hold_copy(&h, a.data, n), n };
		assert_refused(pack_read_pieces(&d, &cut, &back, &e), &e,
		    ERR_CORRUPT, "damaged");
	}
	for (n = 1; n < b.size; n++) {
		cut = (struct storage_blob){ hold_copy(&h, b.data, n), n };
		assert_refused(pack_read_places(&d, &cut, 9, &there, &e), &e,
		    ERR_CORRUPT, "damaged");
	}
	hold_finish(&h);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		world_test(thread_create__again__conflict_or_the_same),
		world_test(thread_search__filters_sort_pages__own_rows),
		world_test(thread_search__values__of_the_newest_checkpoint),
		world_test(thread_patch__metadata__merged_one_level_deep),
		world_test(thread_ttl__over__deleted_or_thinned),
		world_test(checkpoint_put__channels__unchanged_ones_are_shared),
		world_test(
		    checkpoint_history__before_limit_metadata_namespaces),
		world_test(checkpoint_write__tasks__replaced_by_task_and_index),
		world_test(
		    checkpoint_write__what_tasks_came_to__is_the_checkpoints),
		world_test(
		    checkpoint_put__busy_thread__refused_without_the_fence),
		world_test(
		    checkpoint_put__growing_state__bytes_follow_the_change),
		world_test(
		    checkpoint_fork__from_an_older_one__both_branches_are_right),
		world_test(thread_copy__with_differences__its_own),
		world_test(thread_prune__keep_latest__whole_and_alone),
		cmocka_unit_test(members_next__objects__cut_and_joined),
		cmocka_unit_test(
		    pack_common__pairs__front_and_end_never_overlap),
		cmocka_unit_test(pack_read__damaged__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
