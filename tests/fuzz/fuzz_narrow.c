/*
 * fuzz_narrow.c: any request to cut down any plan.
 *
 *	| struct narrow | a plan |
 *
 * What comes out is a plan, and allows nothing that the one before did not.
 */
#include <assert.h>
#include <string.h>

#include "policy/compare.h"
#include "policy/narrow_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plan before, after;
static union plan_net_room none;

static void
say(void *arg, const char *kind, const char *what, const char *near)
{
	(void)arg;
	(void)kind;
	(void)what;
	(void)near;
}

static void
narrow_one(const struct narrow *n)
{
	struct compare_side a = { &before, &none.net };
	struct compare_side b = { &after, &none.net };
	struct err e;

	after = before;
	if (narrow_plan(&after, n, &e) == -1) {
		assert(memcmp((const char *)&before, (const char *)&after,
			   sizeof(before)) == 0);
		return;
	}
	plan_seal(&after);
	assert(plan_check(&after, plan_size(&after), &e) == 0);
	/* services are in the other half, which is not here */
	if (!plan_has_net(&after))
		assert(compare_widened(&a, &b, say, NULL) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct narrow n;
	struct err e;

	if (none.net.size == 0)
		plan_net_init(&none);
	if (size < sizeof(n) || size - sizeof(n) > sizeof(before))
		return 0;
	memcpy(&n, data, sizeof(n));
	memset(&before, 0, sizeof(before));
	memcpy(&before, data + sizeof(n), size - sizeof(n));
	/* the frame and the digests are not to be guessed */
	before.magic = PLAN_MAGIC;
	before.version = PLAN_VERSION;
	before.kind = PLAN_GRANT;
	before.nstrings = 1 + before.nstrings % PLAN_STRINGS_MAX;
	before.nmeant = 1 + before.nmeant % before.nstrings;
	before.strings[0] = before.strings[before.nstrings - 1] = '\0';
	before.strings[before.nmeant - 1] = '\0';
	plan_seal(&before);
	if (plan_check(&before, plan_size(&before), &e) == 0)
		narrow_one(&n);
	return 0;
}
