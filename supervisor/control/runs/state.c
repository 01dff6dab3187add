#include <assert.h>
#include <string.h>

#include "state.h"

static const struct {
	const char *name;
	int ended;
} states[] = {

#define X(s, api, e) [STATE_##s] = { api, e },
	STATES(X)
#undef X
};

_Static_assert(countof(states) == STATE__MAX, "every state has a row");

/* The whole machine; what is not here cannot happen. */
static const struct {
	enum state state;
	enum state_event event;
	struct state_step step;
} steps[] = {

#define ROW(s, ev, next, actions)             \
	{                                     \
		STATE_##s, STATE_EVENT_##ev,  \
		{                             \
			STATE_##next, actions \
		}                             \
	}

	ROW(PENDING, CLAIM, RUNNING, STATE_LEASE),
	ROW(PENDING, ORPHAN, ERROR, STATE_END),
	ROW(PENDING, CANCEL, INTERRUPTED, STATE_END),
	ROW(PENDING, ROLLBACK, DELETED, STATE_END | STATE_UNDO | STATE_REMOVE),
	ROW(PENDING, DELETE, DELETED, STATE_END | STATE_REMOVE),

	ROW(RUNNING, SUCCEED, SUCCESS, STATE_FREE | STATE_END),
	ROW(RUNNING, FAIL, ERROR, STATE_FREE | STATE_END),
	ROW(RUNNING, RETRY, PENDING, STATE_FREE | STATE_DEFER),
	ROW(RUNNING, WALL, TIMEOUT, STATE_FREE | STATE_END),
	ROW(RUNNING, INTERRUPT, INTERRUPTED, STATE_FREE | STATE_END),
	ROW(RUNNING, LOSE, PENDING, STATE_FREE),
	ROW(RUNNING, CANCEL, RUNNING, STATE_ASK),
	ROW(RUNNING, ROLLBACK, RUNNING, STATE_ASK),
	ROW(RUNNING, STOPPED, INTERRUPTED, STATE_FREE | STATE_END),
	ROW(RUNNING, UNDONE, DELETED,
	    STATE_FREE | STATE_END | STATE_UNDO | STATE_REMOVE),
	ROW(RUNNING, DELETE, DELETED, STATE_FREE | STATE_END | STATE_REMOVE),

	ROW(SUCCESS, DELETE, DELETED, STATE_REMOVE),
	ROW(ERROR, DELETE, DELETED, STATE_REMOVE),
	ROW(TIMEOUT, DELETE, DELETED, STATE_REMOVE),
	ROW(INTERRUPTED, DELETE, DELETED, STATE_REMOVE),
#undef ROW
};

int
state_next(enum state s, enum state_event ev, struct state_step *ret)
{
	size_t i;

	for (i = 0; i < countof(steps); i++) {
		if (steps[i].state != s || steps[i].event != ev)
			continue;
		*ret = steps[i].step;
		return 0;
	}
	return -1;
}

const char *
state_name(enum state s)
{
	assert((unsigned)s < STATE__MAX);
	return states[s].name;
}

int
state_ended(enum state s)
{
	assert((unsigned)s < STATE__MAX);
	return states[s].ended;
}

int
state_parse(const char *name, enum state *ret)
{
	unsigned s;

	for (s = 0; s < STATE_DELETED; s++) {
		if (strcmp(states[s].name, name) != 0)
			continue;
		*ret = (enum state)s;
		return 0;
	}
	return -1;
}

const char *
state_check(const struct state_facts *f)
{
	if (f->state == STATE_DELETED)
		return "a deleted run is not stored";
	if (f->leased != (f->state == STATE_RUNNING))
		return "exactly a running run has a lease";
	if (f->asked && !f->leased && !state_ended(f->state))
		return "a run that nobody runs is cancelled at once";
	if ((f->ended_at_ms != 0) != state_ended(f->state))
		return "exactly an ended run has an end";
	if ((f->attempt == 0) != (f->started_at_ms == 0))
		return "the first attempt is the start";
	if (f->attempt != f->fence)
		return "each attempt has a fence of its own";
	if (f->state == STATE_RUNNING && f->attempt == 0)
		return "what runs is an attempt";
	return NULL;
}
