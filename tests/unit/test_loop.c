/* base/loop.c: what fires, when, how often, and what may be destroyed. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "loop.h"

enum {
	LOG_MAX = 64
};

/* What happened, in order, as letters. */
struct loop_test {
	struct loop *loop;
	int pair[2];
	char log[LOG_MAX];
	struct loop_fd *io;
	struct loop_timer *timer;
	struct loop_call *call[3];
	struct loop_signal *signal;
	int rounds;
	uint64_t begin;
	uint64_t fired;
};

static void
note(struct loop_test *t, char c)
{
	size_t n = strlen(t->log);

	if (n < LOG_MAX - 1)
		t->log[n] = c;
}

static int
setup(void **state)
{
	struct loop_test *t = calloc(1, sizeof(*t));

	if (loop_create(&t->loop, NULL) == -1 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		t->pair) == -1)
		return -1;
	*state = t;
	return 0;
}

static int
teardown(void **state)
{
	struct loop_test *t = *state;
	size_t i;

	loop_fd_destroy(t->io);
	loop_timer_destroy(t->timer);
	loop_signal_destroy(t->signal);
	for (i = 0; i < countof(t->call); i++)
		loop_call_destroy(t->call[i]);
	loop_destroy(t->loop);
	fd_closep(&t->pair[0]);
	fd_closep(&t->pair[1]);
	free(t);
	return 0;
}

static void
run(struct loop_test *t)
{
	assert_int_equal(loop_run(t->loop, NULL), 0);
}

static void
stop(void *arg)
{
	struct loop_test *t = arg;

	note(t, 's');
	loop_stop(t->loop);
}

static void
stop_after(struct loop_test *t, uint64_t ms)
{
	assert_int_equal(loop_timer_create(t->loop, stop, t, &t->timer, NULL),
	    0);
	assert_int_equal(loop_timer_set(t->timer, ms, NULL), 0);
}

static void
on_ready(void *arg, unsigned ready)
{
	struct loop_test *t = arg;

	note(t, ready & LOOP_READ ? 'r' : '-');
	note(t, ready & LOOP_WRITE ? 'w' : '-');
}

static void
watch(struct loop_test *t, loop_fd_fn *fn, unsigned want)
{
	assert_int_equal(loop_fd_create(t->loop, t->pair[0], fn, t, &t->io,
			     NULL),
	    0);
	assert_int_equal(loop_fd_want(t->io, want, NULL), 0);
}

static void
loop_run__nothing_armed__returns(void **state)
{
	struct loop_test *t = *state;

	run(t);
	assert_string_equal(t->log, "");
}

static void
loop_fd_want__readable__fires_once_only(void **state)
{
	struct loop_test *t = *state;

	/* The byte is never read: a watch that stayed would fire for ever. */
	assert_int_equal(write(t->pair[1], "x", 1), 1);
	watch(t, on_ready, LOOP_READ);
	run(t);
	assert_string_equal(t->log, "r-");
}

static void
loop_fd_want__both_directions__what_is_ready_is_told(void **state)
{
	struct loop_test *t = *state;

	watch(t, on_ready, LOOP_READ | LOOP_WRITE);
	run(t);
	assert_string_equal(t->log, "-w");
	assert_int_equal(write(t->pair[1], "x", 1), 1);
	assert_int_equal(loop_fd_want(t->io, LOOP_READ | LOOP_WRITE, NULL), 0);
	run(t);
	assert_string_equal(t->log, "-wrw");
	assert_int_equal(loop_fd_want(t->io, LOOP_READ, NULL), 0);
	run(t);
	assert_string_equal(t->log, "-wrwr-");
}

static void
read_and_ask_again(void *arg, unsigned ready)
{
	struct loop_test *t = arg;
	char c;

	on_ready(arg, ready);
	if (read(t->pair[0], &c, 1) == 1)
		assert_int_equal(loop_fd_want(t->io, LOOP_READ, NULL), 0);
	else
		loop_stop(t->loop);
}

static void
loop_fd_want__asked_again_in_callback__fires_until_end(void **state)
{
	struct loop_test *t = *state;

	assert_int_equal(write(t->pair[1], "abc", 3), 3);
	(void)shutdown(t->pair[1], SHUT_WR);
	watch(t, read_and_ask_again, LOOP_READ);
	run(t);
	assert_string_equal(t->log, "r-r-r-r-");
}

static void
want_other_direction(void *arg, unsigned ready)
{
	struct loop_test *t = arg;

	on_ready(arg, ready);
	if (t->rounds++ == 0)
		assert_int_equal(loop_fd_want(t->io, LOOP_WRITE, NULL), 0);
}

static void
loop_fd_want__changed_in_callback__takes_effect(void **state)
{
	struct loop_test *t = *state;

	assert_int_equal(write(t->pair[1], "abc", 3), 3);
	watch(t, want_other_direction, LOOP_READ);
	run(t);
	assert_string_equal(t->log, "r--w");
}

static void
ask_and_withdraw(void *arg, unsigned ready)
{
	struct loop_test *t = arg;

	on_ready(arg, ready);
	assert_int_equal(loop_fd_want(t->io, LOOP_READ, NULL), 0);
	assert_int_equal(loop_fd_want(t->io, 0, NULL), 0);
}

static void
loop_fd_want__withdrawn_in_callback__silent(void **state)
{
	struct loop_test *t = *state;

	assert_int_equal(write(t->pair[1], "abc", 3), 3);
	watch(t, ask_and_withdraw, LOOP_READ);
	run(t);
	assert_string_equal(t->log, "r-");
}

static void
loop_fd_want__hang_up__reported_to_the_reader(void **state)
{
	struct loop_test *t = *state;

	watch(t, on_ready, LOOP_READ);
	fd_closep(&t->pair[1]);
	run(t);
	assert_string_equal(t->log, "r-");
}

static void
loop_fd_want__unwatchable_descriptor__error(void **state)
{
	struct loop_test *t = *state;
	autofd file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct loop_fd *f;
	struct err e;

	assert_true(file >= 0);
	assert_int_equal(loop_fd_create(t->loop, file, on_ready, t, &f, &e), 0);
	assert_refused(loop_fd_want(f, LOOP_READ, &e), &e, ERR_SYSTEM,
	    "watching descriptor");
	run(t);
	assert_string_equal(t->log, "");
	loop_fd_destroy(f);
}

static void
destroy_self(void *arg, unsigned ready)
{
	struct loop_test *t = arg;

	on_ready(arg, ready);
	loop_fd_destroy(t->io);
	t->io = NULL;
}

static void
loop_fd_destroy__in_its_own_callback__fine(void **state)
{
	struct loop_test *t = *state;

	assert_int_equal(write(t->pair[1], "x", 1), 1);
	watch(t, destroy_self, LOOP_READ);
	run(t);
	assert_string_equal(t->log, "r-");
}

struct twins {
	struct loop_fd *io[2];
	int fired;
};

static void
destroy_both(void *arg, unsigned ready)
{
	struct twins *w = arg;

	(void)ready;
	w->fired++;
	loop_fd_destroy(w->io[0]);
	loop_fd_destroy(w->io[1]);
	w->io[0] = w->io[1] = NULL;
}

/* Both are ready in the same turn: whoever comes first ends the other. */
static void
loop_fd_destroy__other_ready_in_the_same_turn__silent(void **state)
{
	struct loop_test *t = *state;
	struct twins w = { .fired = 0 };
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(loop_fd_create(t->loop, t->pair[i],
				     destroy_both, &w, &w.io[i], NULL),
		    0);
		assert_int_equal(loop_fd_want(w.io[i], LOOP_WRITE, NULL), 0);
	}
	run(t);
	assert_int_equal(w.fired, 1);
}

static void
on_timer(void *arg)
{
	struct loop_test *t = arg;

	note(t, 't');
	t->fired = loop_now_ms();
}

static void
loop_timer_set__delay__fires_once_not_early(void **state)
{
	struct loop_test *t = *state;
	struct loop_timer *timer;

	assert_int_equal(loop_timer_create(t->loop, on_timer, t, &timer, NULL),
	    0);
	t->begin = loop_now_ms();
	assert_int_equal(loop_timer_set(timer, 30, NULL), 0);
	run(t);
	assert_string_equal(t->log, "t");
	/* libevent's clock ticks every 4 ms: it may be early by one tick. */
	assert_true(t->fired - t->begin >= 25);
	loop_timer_destroy(timer);
}

static void
loop_timer_set__again__replaces_the_time(void **state)
{
	struct loop_test *t = *state;
	struct loop_timer *timer;

	assert_int_equal(loop_timer_create(t->loop, on_timer, t, &timer, NULL),
	    0);
	assert_int_equal(loop_timer_set(timer, UINT64_MAX, NULL), 0);
	assert_int_equal(loop_timer_set(timer, 1, NULL), 0);
	run(t);
	assert_string_equal(t->log, "t");
	assert_int_equal(loop_timer_set(timer, 1, NULL), 0);
	loop_timer_clear(timer);
	run(t);
	assert_string_equal(t->log, "t");
	loop_timer_destroy(timer);
}

static void
be_slow(void *arg, unsigned ready)
{
	static const struct timespec slow = { .tv_nsec = 60L * 1000 * 1000 };

	(void)arg;
	(void)ready;
	(void)nanosleep(&slow, NULL);
}

/* With libevent's cached time it would fire after 160 ms. */
static void
loop_timer_set__slow_work_meanwhile__fires_on_time(void **state)
{
	struct loop_test *t = *state;

	watch(t, be_slow, LOOP_WRITE);
	assert_int_equal(loop_timer_create(t->loop, on_timer, t, &t->timer,
			     NULL),
	    0);
	t->begin = loop_now_ms();
	assert_int_equal(loop_timer_set(t->timer, 100, NULL), 0);
	run(t);
	assert_in_range(t->fired - t->begin, 95, 140);
}

static void
on_signal(void *arg)
{
	struct loop_test *t = arg;

	note(t, 'S');
	if (++t->rounds == 2)
		loop_stop(t->loop);
	else
		(void)raise(SIGUSR1);
}

static void
loop_signal_create__signal_twice__fires_twice(void **state)
{
	struct loop_test *t = *state;

	assert_int_equal(loop_signal_create(t->loop, SIGUSR1, on_signal, t,
			     &t->signal, NULL),
	    0);
	assert_int_equal(raise(SIGUSR1), 0);
	run(t);
	assert_string_equal(t->log, "SS");
}

static void
loop_signal_create__kill__refused(void **state)
{
	struct loop_test *t = *state;
	struct err e;

	assert_refused(loop_signal_create(t->loop, SIGKILL, on_signal, t,
			   &t->signal, &e),
	    &e, ERR_SYSTEM, "signal 9");
	assert_null(t->signal);
}

static void
call_a(void *arg)
{
	note(arg, 'a');
}

static void
call_b_sets_a(void *arg)
{
	struct loop_test *t = arg;

	note(t, 'b');
	assert_int_equal(loop_call_set(t->call[0], NULL), 0);
}

static void
call_c(void *arg)
{
	note(arg, 'c');
}

static void
make_calls(struct loop_test *t, loop_fn *a, loop_fn *b, loop_fn *c)
{
	loop_fn *fn[3] = { a, b, c };
	size_t i;

	for (i = 0; i < countof(fn); i++)
		assert_int_equal(loop_call_create(t->loop, fn[i], t,
				     &t->call[i], NULL),
		    0);
}

static void
loop_call_set__several__in_order_each_once(void **state)
{
	struct loop_test *t = *state;

	make_calls(t, call_a, call_b_sets_a, call_c);
	assert_int_equal(loop_call_set(t->call[1], NULL), 0);
	assert_int_equal(loop_call_set(t->call[2], NULL), 0);
	assert_int_equal(loop_call_set(t->call[1], NULL), 0);
	run(t);
	assert_string_equal(t->log, "bca");
}

static void
again_and_again(void *arg)
{
	struct loop_test *t = arg;

	if (t->rounds == 0)
		assert_int_equal(write(t->pair[1], "x", 1), 1);
	if (t->rounds++ < 1000)
		assert_int_equal(loop_call_set(t->call[0], NULL), 0);
}

static void
note_round(void *arg, unsigned ready)
{
	struct loop_test *t = arg;

	(void)ready;
	assert_true(t->rounds < 10);
	note(t, 'r');
}

/* A call that sets itself for ever must not keep descriptors waiting. */
static void
loop_call_set__sets_itself__descriptors_still_served(void **state)
{
	struct loop_test *t = *state;

	make_calls(t, again_and_again, call_a, call_c);
	watch(t, note_round, LOOP_READ);
	assert_int_equal(loop_call_set(t->call[0], NULL), 0);
	run(t);
	assert_string_equal(t->log, "r");
	assert_int_equal(t->rounds, 1001);
}

static void
clear_next_and_destroy_self(void *arg)
{
	struct loop_test *t = arg;

	note(t, 'x');
	loop_call_clear(t->call[1]);
	loop_call_destroy(t->call[0]);
	t->call[0] = NULL;
}

static void
loop_call_clear__set_in_the_same_turn__silent(void **state)
{
	struct loop_test *t = *state;
	size_t i;

	make_calls(t, clear_next_and_destroy_self, call_b_sets_a, call_c);
	for (i = 0; i < 3; i++)
		assert_int_equal(loop_call_set(t->call[i], NULL), 0);
	run(t);
	assert_string_equal(t->log, "xc");
}

static void
loop_stop__in_a_call__the_rest_waits_for_the_next_run(void **state)
{
	struct loop_test *t = *state;
	size_t i;

	make_calls(t, call_a, stop, call_c);
	for (i = 0; i < 3; i++)
		assert_int_equal(loop_call_set(t->call[i], NULL), 0);
	run(t);
	assert_string_equal(t->log, "as");
	run(t);
	assert_string_equal(t->log, "asc");
}

static void
loop_stop__descriptor_waiting__returns(void **state)
{
	struct loop_test *t = *state;

	watch(t, on_ready, LOOP_READ);
	stop_after(t, 5);
	run(t);
	assert_string_equal(t->log, "s");
}

/* The environment is the caller's: it must not choose how we wait. */
static void
loop_create__environment__ignored(void **state)
{
	struct loop_test *t = *state;
	struct loop *l = NULL;

	(void)t;
	(void)setenv("EVENT_NOEPOLL", "1", 1);
	(void)setenv("EVENT_NOPOLL", "1", 1);
	(void)setenv("EVENT_NOSELECT", "1", 1);
	assert_int_equal(loop_create(&l, NULL), 0);
	(void)unsetenv("EVENT_NOEPOLL");
	(void)unsetenv("EVENT_NOPOLL");
	(void)unsetenv("EVENT_NOSELECT");
	loop_destroy(l);
}

static void
loop_destroy__everything__no_descriptor_left(void **state)
{
	struct loop_test *t = *state;
	int before = unit_count_fds();
	struct loop *l;
	struct loop_signal *s;

	assert_int_equal(loop_create(&l, NULL), 0);
	assert_int_equal(loop_signal_create(l, SIGUSR2, stop, t, &s, NULL), 0);
	assert_true(unit_count_fds() > before);
	loop_signal_destroy(s);
	loop_destroy(l);
	assert_int_equal(unit_count_fds(), before);
	loop_destroy(NULL);
	loop_fd_destroy(NULL);
	loop_timer_destroy(NULL);
	loop_signal_destroy(NULL);
	loop_call_destroy(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(loop_run__nothing_armed__returns),
		TEST(loop_fd_want__readable__fires_once_only),
		TEST(loop_fd_want__both_directions__what_is_ready_is_told),
		TEST(loop_fd_want__asked_again_in_callback__fires_until_end),
		TEST(loop_fd_want__changed_in_callback__takes_effect),
		TEST(loop_fd_want__withdrawn_in_callback__silent),
		TEST(loop_fd_want__hang_up__reported_to_the_reader),
		TEST(loop_fd_want__unwatchable_descriptor__error),
		TEST(loop_fd_destroy__in_its_own_callback__fine),
		TEST(loop_fd_destroy__other_ready_in_the_same_turn__silent),
		TEST(loop_timer_set__delay__fires_once_not_early),
		TEST(loop_timer_set__again__replaces_the_time),
		TEST(loop_timer_set__slow_work_meanwhile__fires_on_time),
		TEST(loop_signal_create__signal_twice__fires_twice),
		TEST(loop_signal_create__kill__refused),
		TEST(loop_call_set__several__in_order_each_once),
		TEST(loop_call_set__sets_itself__descriptors_still_served),
		TEST(loop_call_clear__set_in_the_same_turn__silent),
		TEST(loop_stop__in_a_call__the_rest_waits_for_the_next_run),
		TEST(loop_stop__descriptor_waiting__returns),
		TEST(loop_create__environment__ignored),
		TEST(loop_destroy__everything__no_descriptor_left),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
