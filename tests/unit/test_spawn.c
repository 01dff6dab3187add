/*
 * test_spawn.c: control's side of the spawn protocol, the test in warderd's
 * place.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "ipc.h"
#include "memfd.h"
#include "supervisor/control/spawn.h"

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

struct seen {
	unsigned started, refused, exited, deployed, drained, lost;
	int socket, fresh;
	uint64_t wait_ms;
	uint32_t end;
	struct err why;
	char text[256], card[64], digest[SPAWN_HEX_SIZE];
};

struct fixture {
	struct loop *loop;
	struct spawn *spawn;
	int warderd; /* the other end */
	struct seen seen;
	struct ipc_msg msg;
};

static struct fixture fixture;

static void
on_started(void *arg, const struct spawn_started *t)
{
	struct seen *s = arg;
	int i;

	s->started++;
	s->socket = t->socket;
	for (i = 0; i < 3; i++)
		assert_int_equal(0, close(t->stdio[i]));
	if (t->socket != -1)
		assert_int_equal(0, close(t->socket));
}

static void
on_refused(void *arg, const struct err *why)
{
	struct seen *s = arg;

	s->refused++;
	s->why = *why;
}

static void
on_exited(void *arg, const struct spawn_exited *x)
{
	struct seen *s = arg;

	s->exited++;
	s->end = x->end;
}

static void
on_deployed(void *arg, const struct spawn_version *v, const struct err *e,
    const char *text)
{
	struct seen *s = arg;

	s->deployed++;
	(void)snprintf(s->text, sizeof(s->text), "%s", text);
	if (v == NULL) {
		s->why = *e;
		return;
	}
	s->fresh = v->fresh;
	(void)snprintf(s->card, sizeof(s->card), "%.*s", (int)v->card_size,
	    v->card);
	memcpy(s->digest, v->digest, sizeof(s->digest));
}

static void
on_drain(void *arg, uint64_t wait_ms)
{
	struct seen *s = arg;

	s->drained++;
	s->wait_ms = wait_ms;
}

static void
on_lost(void *arg, const struct err *why)
{
	struct seen *s = arg;

	s->lost++;
	s->why = *why;
	loop_stop(fixture.loop);
}

static const struct spawn_run_hooks hooks = { on_started, on_refused,
	on_exited };

static int
set_up(void **state)
{
	struct fixture *f = &fixture;
	struct spawn_hooks h = { on_drain, on_lost, &f->seen };
	struct err e;
	int pair[2];

	*state = f;
	memset(f, 0, sizeof(*f));
	assert_int_equal(0, ipc_pair(pair, &e));
	f->warderd = pair[1];
	assert_int_equal(0, loop_create(&f->loop, &e));
	assert_int_equal(0, spawn_create(f->loop, pair[0], &h, &f->spawn, &e));
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	spawn_destroy(f->spawn);
	loop_destroy(f->loop);
	fd_closep(&f->warderd);
	return 0;
}

static void
stop(void *arg)
{
	loop_stop(arg);
}

/* Everything that has come is handled. */
static void
run(struct fixture *f)
{
	struct loop_timer *t;
	struct err e;

	assert_int_equal(0, loop_timer_create(f->loop, stop, f->loop, &t, &e));
	assert_int_equal(0, loop_timer_set(t, 20, &e));
	assert_int_equal(0, loop_run(f->loop, &e));
	loop_timer_destroy(t);
}

static const void *
expect(struct fixture *f, uint32_t type, size_t size, int nfds)
{
	struct err e;

	if (ipc_recv(f->warderd, &f->msg, &e) != 1)
		fail_msg("%s", e.msg);
	assert_int_equal(type, f->msg.type);
	assert_int_equal(size, f->msg.size);
	assert_int_equal(nfds, f->msg.nfds);
	ipc_drop_fds(&f->msg);
	return f->msg.body;
}

static void
say(struct fixture *f, uint32_t type, const void *body, size_t size,
    const int *fds, int nfds)
{
	struct err e;

	assert_int_equal(0,
	    ipc_send(f->warderd, type, body, size, fds, nfds, &e));
}

static struct spawn_run *
begin(struct fixture *f, uint64_t *ret_id)
{
	struct spawn_request q = { .tenant = "default",
		.digest = HEX,
		.run = "run-1",
		.attempt = 2,
		.wall_ms = 77 };
	const struct spawn_spawn *m;
	struct spawn_run *r = NULL;
	struct err e;
	size_t i;

	assert_int_equal(0,
	    spawn_start(f->spawn, &q, &hooks, &f->seen, &r, &e));
	m = expect(f, SPAWN_SPAWN, sizeof(*m), 0);
	for (i = 0; i < SHA256_SIZE; i++)
		assert_int_equal(i, m->digest[i]);
	assert_string_equal("default", m->tenant);
	assert_string_equal("run-1", m->run);
	assert_int_equal(2, m->attempt);
	assert_int_equal(77, m->wall_ms);
	*ret_id = m->id;
	return r;
}

static void
say_spawned(struct fixture *f, uint64_t id, int nfds)
{
	struct spawn_spawned m = { .id = id, .posture = "{}" };
	int fds[4], i;

	for (i = 0; i < nfds; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	say(f, SPAWN_SPAWNED, &m, sizeof(m), fds, nfds);
	for (i = 0; i < nfds; i++)
		assert_int_equal(0, close(fds[i]));
}

static void
spawn_start__started_and_exited__each_told_once(void **state)
{
	struct fixture *f = *state;
	struct spawn_exited x = { .end = RUN_OOM };
	int fds = unit_count_fds();

	(void)begin(f, &x.id);
	say_spawned(f, x.id, 4);
	run(f);
	assert_int_equal(1, f->seen.started);
	assert_int_not_equal(-1, f->seen.socket);
	say(f, SPAWN_EXITED, &x, sizeof(x), NULL, 0);
	run(f);
	assert_int_equal(1, f->seen.exited);
	assert_string_equal("oom", spawn_end_name(f->seen.end));
	assert_int_equal(0, f->seen.lost);
	assert_int_equal(fds, unit_count_fds());
}

static void
spawn_start__plain_agent__has_no_socket(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	(void)begin(f, &id);
	say_spawned(f, id, 3);
	run(f);
	assert_int_equal(-1, f->seen.socket);
}

static void
spawn_start__refused__says_why(void **state)
{
	struct fixture *f = *state;
	struct spawn_refused m = { .what = SPAWN_SPAWN,
		.code = ERR_LIMIT,
		.text = "too many\nand more" };

	(void)begin(f, &m.id);
	say(f, SPAWN_REFUSED, &m, sizeof(m), NULL, 0);
	run(f);
	assert_int_equal(1, f->seen.refused);
	assert_int_equal(ERR_LIMIT, f->seen.why.code);
	assert_string_equal("too many", f->seen.why.msg);
}

static void
spawn_abandon__what_comes_later__nobodys(void **state)
{
	struct fixture *f = *state;
	struct spawn_exited x = { .end = RUN_KILLED };
	const struct spawn_kill *k;
	struct spawn_run *r = begin(f, &x.id);
	int fds = unit_count_fds();

	spawn_abandon(r, SPAWN_WHY_LEASE);
	k = expect(f, SPAWN_KILL, sizeof(*k), 0);
	assert_int_equal(x.id, k->id);
	assert_int_equal(SPAWN_WHY_LEASE, k->why);
	say_spawned(f, x.id, 4);
	say(f, SPAWN_EXITED, &x, sizeof(x), NULL, 0);
	run(f);
	assert_int_equal(0, f->seen.started + f->seen.exited + f->seen.lost);
	assert_int_equal(fds, unit_count_fds());
}

static void
spawn_start__names_that_are_none__refused_here(void **state)
{
	static const struct spawn_request wrong[] = {
		{ .tenant = "../x", .digest = HEX, .run = "r" },
		{ .tenant = "", .digest = HEX, .run = "r" },
		{ .tenant = "default", .digest = "00", .run = "r" },
		{ .tenant = "default", .digest = "G" HEX, .run = "r" },
		{ .tenant = "default", .digest = HEX, .run = "" },
	};
	struct fixture *f = *state;
	struct spawn_run *r;
	struct err e;
	size_t i;

	for (i = 0; i < countof(wrong); i++)
		assert_refused(spawn_start(f->spawn, &wrong[i], &hooks,
				   &f->seen, &r, &e),
		    &e, ERR_INVALID, "no name");
}

static void
spawn_deploy__good_and_bad__card_or_text(void **state)
{
	struct fixture *f = *state;
	struct spawn_deployed d = { .fresh = 1, .digest = { 0xab } };
	struct spawn_refused no = { .what = SPAWN_DEPLOY,
		.code = ERR_INVALID,
		.text = "a:1:1: x\nb:2:2: y" };
	const struct spawn_deploy *m;
	struct err e;
	int tar, card;

	tar = memfd_create_sealed("tar", "tar", 3, &e);
	card = memfd_create_sealed("card", "{\"name\":1}", 10, &e);
	assert_int_equal(0,
	    spawn_deploy(f->spawn, "acme", tar, on_deployed, &f->seen, &e));
	m = expect(f, SPAWN_DEPLOY, sizeof(*m), 1);
	assert_string_equal("acme", m->tenant);
	d.id = m->id;
	say(f, SPAWN_DEPLOYED, &d, sizeof(d), &card, 1);
	run(f);
	assert_int_equal(1, f->seen.deployed);
	assert_string_equal("{\"name\":1}", f->seen.card);
	assert_memory_equal("ab00", f->seen.digest, 4);
	assert_int_equal(0,
	    spawn_deploy(f->spawn, "acme", tar, on_deployed, &f->seen, &e));
	m = expect(f, SPAWN_DEPLOY, sizeof(*m), 1);
	no.id = m->id;
	say(f, SPAWN_REFUSED, &no, sizeof(no), NULL, 0);
	run(f);
	assert_int_equal(2, f->seen.deployed);
	assert_string_equal("a:1:1: x", f->seen.why.msg);
	assert_string_equal("a:1:1: x\nb:2:2: y", f->seen.text);
	assert_int_equal(0, close(tar));
	assert_int_equal(0, close(card));
}

static void
spawn_hooks__drain_and_end__told(void **state)
{
	struct fixture *f = *state;
	struct spawn_drain m = { .wait_ms = 1234 };
	struct spawn_request q = { .tenant = "default",
		.digest = HEX,
		.run = "r" };
	struct spawn_run *r;
	struct err e;

	say(f, SPAWN_DRAIN, &m, sizeof(m), NULL, 0);
	run(f);
	assert_int_equal(1, f->seen.drained);
	assert_int_equal(1234, f->seen.wait_ms);
	fd_closep(&f->warderd);
	run(f);
	assert_int_equal(1, f->seen.lost);
	assert_refused(spawn_start(f->spawn, &q, &hooks, &f->seen, &r, &e), &e,
	    ERR_CONFLICT, "gone");
}

/* Each of them once; the same with a good message is the control. */
static void
spawn_dispatch__malformed__lost(void **state)
{
	struct spawn_exited x = { .id = 99 };

	static const struct {
		uint32_t type;
		size_t size;
	} wrong[] = {
		{ SPAWN__MAX, 8 }, { SPAWN_SPAWN, sizeof(struct spawn_spawn) },
		{ SPAWN_START, sizeof(struct spawn_start) },
		{ SPAWN_EXITED, sizeof(struct spawn_exited) - 8 },
		{ SPAWN_SPAWNED, sizeof(struct spawn_spawned) }, /* no fds */
		{ SPAWN_EXITED, sizeof(struct spawn_exited) }, /* unknown id */
	};

	static unsigned char body[sizeof(struct spawn_start)];
	struct fixture *f;
	size_t i;

	(void)state;
	memcpy(body, &x, sizeof(x));
	for (i = 0; i < countof(wrong); i++) {
		assert_int_equal(0, tear_down(state));
		assert_int_equal(0, set_up(state));
		f = *state;
		say(f, wrong[i].type, body, wrong[i].size, NULL, 0);
		run(f);
		if (f->seen.lost != 1)
			fail_msg("row %zu", i);
	}
}

static void
spawn_receive_start__its_descriptors__taken(void **state)
{
	static struct spawn_start m, got;
	int pair[2], fds[SPAWN_START_FDS], out[2], n;
	struct err e;

	(void)state;
	assert_int_equal(0, ipc_pair(pair, &e));
	m.version = SPAWN_VERSION;
	m.nlisteners = 2;
	out[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	out[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(0,
	    ipc_send(pair[0], SPAWN_START, &m, sizeof(m), out, 2, &e));
	assert_int_equal(0, spawn_receive_start(pair[1], &got, fds, &n, &e));
	assert_int_equal(2, n);
	assert_int_equal(0, close(fds[0]) | close(fds[1]));
	assert_int_equal(0,
	    ipc_send(pair[0], SPAWN_START, &m, sizeof(m), out, 1, &e));
	assert_refused(spawn_receive_start(pair[1], &got, fds, &n, &e), &e,
	    ERR_CORRUPT, "no start");
	assert_int_equal(0, close(out[0]) | close(out[1]));
	assert_int_equal(0, close(pair[0]) | close(pair[1]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(spawn_start__started_and_exited__each_told_once),
		TEST(spawn_start__plain_agent__has_no_socket),
		TEST(spawn_start__refused__says_why),
		TEST(spawn_abandon__what_comes_later__nobodys),
		TEST(spawn_start__names_that_are_none__refused_here),
		TEST(spawn_deploy__good_and_bad__card_or_text),
		TEST(spawn_hooks__drain_and_end__told),
		TEST(spawn_dispatch__malformed__lost),
		TEST(spawn_receive_start__its_descriptors__taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
