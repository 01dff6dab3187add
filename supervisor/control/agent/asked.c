#include "asked.h"

#include <stdlib.h>

#include "crash.h"

static const struct err asked_memory = { .code = ERR_SYSTEM,
	.msg = "no memory" };

struct asked *
asked_new(struct attempt *a, struct session_call *call)
{
	struct asked *q = malloc(sizeof(*q));

	if (q != NULL)
		*q = (struct asked){ .attempt = attempt_ref(a), .call = call };
	return q;
}

static void
asked_free(struct asked *q)
{
	attempt_unref(q->attempt);
	json_decref(q->keep);
	free(q);
}

void
asked_answer(struct asked *q, json_t *result, const struct err *error)
{
	CRASH_POINT();
	if (error != NULL)
		attempt_note(q->attempt, error);
	if (error != NULL || result == NULL)
		session_fail(q->call, error != NULL ? error : &asked_memory);
	else
		session_answer(q->call, result);
	json_decref(result);
	asked_free(q);
}

void
asked_fail(struct asked *q, struct session_call *call, const struct err *e)
{
	session_fail(call, q != NULL ? e : &asked_memory);
	if (q != NULL)
		asked_free(q);
}

void
asked_none(void *arg, const struct storage_none *r, const struct err *error)
{
	(void)r;
	asked_answer(arg, json_object(), error);
}
