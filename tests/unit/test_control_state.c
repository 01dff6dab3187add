/*
 * supervisor/control/runs/state.c: the table, over all states and events.
 */
#include "unit.h"

#include "../../supervisor/control/runs/state.h"

/*
 * Written from the diagram, a line a state, a column an event: the letter of
 * the next state, "." where it cannot happen.  A small letter stays.
 */
static const char letters[] = "PRSETID";
static const char *const whole[STATE__MAX] = {
	/*            claim succeed fail retry wall interrupt lose orphan
	 *            cancel rollback stopped undone delete */
	[STATE_PENDING] = "R......EID..D",
	[STATE_RUNNING] = ".SEPTIP.RRIDD",
	[STATE_SUCCESS] = "............D",
	[STATE_ERROR] = "............D",
	[STATE_TIMEOUT] = "............D",
	[STATE_INTERRUPTED] = "............D",
	[STATE_DELETED] = ".............",
};

static void
state_next__every_state_and_event__as_drawn(void **state)
{
	struct state_step step;
	unsigned s, ev;
	int rc;

	(void)state;
	for (s = 0; s < STATE__MAX; s++) {
		assert_int_equal(strlen(whole[s]), STATE_EVENT__MAX);
		for (ev = 0; ev < STATE_EVENT__MAX; ev++) {
			rc = state_next((enum state)s, (enum state_event)ev,
			    &step);
			if (rc == -1)
				assert_int_equal(whole[s][ev], '.');
			else
				assert_int_equal(whole[s][ev],
				    letters[step.next]);
		}
	}
}

/* What a step does follows from where it leads. */
static void
state_next__every_step__its_actions_agree_with_its_states(void **state)
{
	struct state_step t;
	unsigned s, ev, a;

	(void)state;
	for (s = 0; s < STATE__MAX; s++) {
		for (ev = 0; ev < STATE_EVENT__MAX; ev++) {
			if (state_next((enum state)s, (enum state_event)ev,
				&t) == -1)
				continue;
			a = t.actions;
			assert_int_equal(!!(a & STATE_LEASE),
			    s != STATE_RUNNING && t.next == STATE_RUNNING);
			assert_int_equal(!!(a & STATE_FREE),
			    s == STATE_RUNNING && t.next != STATE_RUNNING);
			assert_int_equal(!!(a & STATE_END),
			    !state_ended((enum state)s) && state_ended(t.next));
			assert_int_equal(!!(a & STATE_REMOVE),
			    t.next == STATE_DELETED);
			assert_int_equal(!!(a & STATE_ASK),
			    s == STATE_RUNNING && t.next == STATE_RUNNING);
			assert_true(
			    (a & STATE_UNDO) == 0 || t.next == STATE_DELETED);
			assert_true(
			    (a & STATE_DEFER) == 0 || t.next == STATE_PENDING);
		}
	}
}

static void
state_parse__names__there_and_back(void **state)
{
	static const char *const none[] = { "", "deleted", "Pending",
		"pending ", "done" };
	enum state back;
	unsigned s;
	size_t i;

	(void)state;
	for (s = 0; s < STATE_DELETED; s++) {
		assert_int_equal(state_parse(state_name((enum state)s), &back),
		    0);
		assert_int_equal(back, s);
	}
	for (i = 0; i < countof(none); i++)
		assert_int_equal(state_parse(none[i], &back), -1);
}

static void
state_check__facts__the_invariant_that_fails(void **state)
{
	static const struct {
		struct state_facts facts;
		const char *says; /* NULL: nothing */
	} rows[] = {
		{ { .state = STATE_PENDING }, NULL },
		{ { .state = STATE_PENDING,
		      .attempt = 2,
		      .fence = 2,
		      .started_at_ms = 5 },
		    NULL },
		{ { .state = STATE_RUNNING,
		      .leased = 1,
		      .attempt = 1,
		      .fence = 1,
		      .started_at_ms = 5 },
		    NULL },
		{ { .state = STATE_RUNNING,
		      .leased = 1,
		      .asked = 1,
		      .attempt = 1,
		      .fence = 1,
		      .started_at_ms = 5 },
		    NULL },
		{ { .state = STATE_SUCCESS,
		      .attempt = 1,
		      .fence = 1,
		      .started_at_ms = 5,
		      .ended_at_ms = 6 },
		    NULL },
		{ { .state = STATE_INTERRUPTED, .asked = 1, .ended_at_ms = 6 },
		    NULL },
		{ { .state = STATE_DELETED }, "not stored" },
		{ { .state = STATE_PENDING, .leased = 1 }, "has a lease" },
		{ { .state = STATE_RUNNING,
		      .attempt = 1,
		      .fence = 1,
		      .started_at_ms = 5 },
		    "has a lease" },
		{ { .state = STATE_PENDING, .asked = 1 }, "at once" },
		{ { .state = STATE_ERROR }, "has an end" },
		{ { .state = STATE_PENDING, .ended_at_ms = 6 }, "has an end" },
		{ { .state = STATE_PENDING, .attempt = 1, .fence = 1 },
		    "the start" },
		{ { .state = STATE_PENDING,
		      .attempt = 1,
		      .fence = 2,
		      .started_at_ms = 5 },
		    "of its own" },
		{ { .state = STATE_RUNNING, .leased = 1 }, "an attempt" },
	};

	const char *says;
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		says = state_check(&rows[i].facts);
		if (rows[i].says == NULL)
			assert_null(says);
		else
			assert_non_null(strstr(says, rows[i].says));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_next__every_state_and_event__as_drawn),
		cmocka_unit_test(
		    state_next__every_step__its_actions_agree_with_its_states),
		cmocka_unit_test(state_parse__names__there_and_back),
		cmocka_unit_test(state_check__facts__the_invariant_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
