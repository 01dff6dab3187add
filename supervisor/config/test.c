#include <stdio.h>

#include "policy/verify.h"
#include "verb.h"

static struct verb_policy policy, recorded;

/* Tests that were recorded lie in a file of their own, also a policy. */
static int
run_tests(const struct verb_call *c, struct verify_count *count)
{
	const struct question_plan p = verb_questions(&policy);
	int json = (c->options & VERB_JSON) != 0;

	verify_tests(&p, yaml_get(policy.resolved.root, "tests"), json, stdout,
	    count);
	if (c->with == NULL)
		return 0;
	if (verb_load(&recorded, c->with) == -1)
		return -1;
	verify_tests(&p, yaml_get(recorded.resolved.root, "tests"), json,
	    stdout, count);
	return 0;
}

int
test_run(const struct verb_call *c)
{
	struct verify_count count = { 0 };

	if (verb_load(&policy, c->word[0]) == -1 || run_tests(c, &count) == -1)
		return VERB_BAD;
	if ((c->options & VERB_JSON) == 0)
		(void)printf("%u passed, %u failed%s\n", count.passed,
		    count.failed,
		    count.passed + count.failed == 0
			? ": the policy has no tests"
			: "");
	return count.failed > 0 ? VERB_FINDINGS : VERB_GOOD;
}
