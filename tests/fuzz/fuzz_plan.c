/*
 * fuzz_plan.c: plan_check on any bytes, as they are and with a digest that
 * fits.  What it accepts can be read through without leaving the plan.
 */
#include <assert.h>
#include <string.h>

#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plan plan;

static void
read_string(plan_str s)
{
	const char *text = plan_string(&plan, s);

	assert(s < plan.nstrings);
	assert(s + strlen(text) < plan.nstrings);
}

static void
read_through(void)
{
	uint32_t i;

	read_string(plan.name);
	read_string(plan.cwd);
	read_string(plan.rootfs_dir);
	for (i = 0; i < plan.nenv; i++) {
		read_string(plan.env[i].name);
		read_string(plan.env[i].value);
	}
	for (i = 0; i < plan.nmounts; i++) {
		read_string(plan.mounts[i].from);
		read_string(plan.mounts[i].path);
		read_string(plan.mounts[i].origin);
		assert(plan.mounts[i].kind < PLAN_MOUNT__MAX);
	}
	for (i = 0; i < plan.nprotect; i++)
		read_string(plan.protect[i].path);
	for (i = 0; i < plan.nsyscall_allow; i++)
		read_string(plan.syscall_allow[i]);
	for (i = 0; i < plan.nsyscall_deny; i++)
		read_string(plan.syscall_deny[i]);
	assert(plan_seccomp_name(plan.seccomp) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { .code = ERR_OK };
	size_t n = size < sizeof(plan) ? size : sizeof(plan);

	memset(&plan, 0, sizeof(plan));
	memcpy(&plan, data, n);
	if (plan_check(&plan, size, &e) == 0)
		read_through();
	else
		assert(e.code == ERR_CORRUPT);
	/* With the frame right, so that the fields are looked at. */
	plan.magic = PLAN_MAGIC;
	plan.version = PLAN_VERSION;
	plan.nstrings = 1 + plan.nstrings % PLAN_STRINGS_MAX;
	plan.nmeant = 1 + plan.nmeant % plan.nstrings;
	plan.strings[0] = plan.strings[plan.nstrings - 1] = '\0';
	plan.strings[plan.nmeant - 1] = '\0';
	plan_seal(&plan);
	if (plan_check(&plan, plan_size(&plan), NULL) == 0)
		read_through();
	return 0;
}
