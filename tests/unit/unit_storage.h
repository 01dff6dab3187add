/*
 * unit_storage.h: a database of a test's own, asked and answered at once.
 *
 *	call_run_get(&w, &(struct storage_run_get_request) { … }, &run)
 *
 * runs the loop until the answer has come, and keeps it in the world's hold.
 */
#ifndef UNIT_STORAGE_H
#define UNIT_STORAGE_H

#include "unit.h"

#include "../../supervisor/control/storage/record.h"
#include "../../supervisor/control/storage/storage.h"

struct world {
	char dir[64], path[96];
	struct loop *loop;
	struct storage *storage;
	struct hold hold;
	struct err err; /* of the last call */
	const char *vfs;
	int log_pages;
	int failures; /* times that "failed" was called */
	int troubles, recoveries; /* that "trouble" was, with and without why */
};

struct world_call {
	struct world *w;
	const struct record_shape *shape;
	void *ret;
	int done, rc;
};

static inline void
world_answered(struct world_call *c, const void *reply, const struct err *error)
{
	c->done = 1;
	c->rc = reply == NULL ? -1 : 0;
	if (reply != NULL && c->ret != NULL)
		record_copy(&c->w->hold, c->shape, c->ret, reply);
	if (error != NULL)
		c->w->err = *error;
	loop_stop(c->w->loop);
}

/* clang-format off */
#define X(op, mode, record) \
	static inline void \
	world_fn_##op(void *arg, const struct storage_##record *reply, \
	    const struct err *error) \
	{ \
		world_answered(arg, reply, error); \
	} \
	__attribute__((unused)) static inline int \
	call_##op(struct world *w, const struct storage_##op##_request *q, \
	    struct storage_##record *ret) \
	{ \
		struct world_call c = { .w = w, .shape = record_##record(), \
			.ret = ret }; \
		struct err e; \
		if (storage_##op(w->storage, q, world_fn_##op, &c, \
			&w->err) == -1) \
			return -1; \
		while (!c.done) \
			assert_int_equal(loop_run(w->loop, &e), 0); \
		return c.rc; \
	}
STORAGE_OPS(X)
#undef X

/* call(op, ret, .field = value, …): must succeed; refuse(): must not. */
#define ask(op, ret, ...) \
	call_##op(w, &(struct storage_##op##_request) { __VA_ARGS__ }, ret)
#define call(op, ret, ...) \
	do { \
		if (ask(op, ret, __VA_ARGS__) == -1) \
			fail_msg(#op ": %s", w->err.msg); \
	} while (0)
#define refuse(op, code_, says, ...) \
	assert_refused(ask(op, NULL, __VA_ARGS__), &w->err, code_, says)
#define texts(...) \
	{ (const char *const[]) { __VA_ARGS__ }, \
	    countof(((const char *const[]) { __VA_ARGS__ })) }

/* clang-format on */

static inline void
world_failed(void *arg, const struct err *why)
{
	struct world *w = arg;

	(void)why;
	w->failures++;
}

static inline void
world_trouble(void *arg, const struct err *why)
{
	struct world *w = arg;

	if (why != NULL)
		w->troubles++;
	else
		w->recoveries++;
}

static inline int
world_open(struct world *w)
{
	struct storage_config c = { .path = w->path,
		.vfs = w->vfs,
		.log_pages = w->log_pages,
		.failed = world_failed,
		.failed_arg = w,
		.trouble = world_trouble,
		.trouble_arg = w };

	return storage_create(w->loop, &c, &w->storage, &w->err);
}

static inline void
world_close(struct world *w)
{
	storage_destroy(take_ptr(&w->storage));
}

static inline void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/warder-store-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->path, sizeof(w->path), "%s/db", w->dir);
	assert_int_equal(loop_create(&w->loop, &w->err), 0);
	if (world_open(w) == -1)
		fail_msg("%s", w->err.msg);
}

static inline void
world_finish(struct world *w)
{
	world_close(w);
	loop_destroy(take_ptr(&w->loop));
	hold_finish(&w->hold);
	(void)unit_remove_tree(w->dir);
}

/* cmocka's: a world for each test. */
static inline int
world_setup(void **state)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_init(w);
	*state = w;
	return 0;
}

static inline int
world_teardown(void **state)
{
	world_finish(*state);
	free(*state);
	return 0;
}

#define world_test(fn) \
	cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)

/* An agent, so that there is something to run. */
static inline void
world_agent(struct world *w, const char *tenant, const char *name)
{
	call(agent_put, NULL, .tenant = tenant, .name = name, .digest = "d1",
	    .policy_digest = "p1", .manifest = "{\"name\":\"x\"}");
}

#endif /* !UNIT_STORAGE_H */
