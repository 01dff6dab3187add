/*
 * What a jail beside a run's own is made from: a copy of what the run is made
 * from, cut down.  Nothing is read from the disk, and nothing that asks for
 * it can say more than policy/narrow_plan.h takes away.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "agent.h"
#include "policy/narrow_plan.h"

/* Its arguments in place of the agent's, the variables as they are. */
static int
record_narrow(const struct agent_record *of, const char *args, uint32_t size,
    struct agent_record *ret, struct err *e)
{
	const char *argv[AGENT_ARGS_MAX + 1], *env[AGENT_ENV_MAX + 1];
	uint32_t i, skip = 0;

	agent_record_split(of, argv, env);
	for (i = 0; i < of->nargs; i++)
		skip += (uint32_t)strlen(argv[i]) + 1;
	*ret = *of;
	ret->protocol = AGENT_PLAIN;
	ret->nargs = 0;
	for (i = 0; i < size; i++)
		ret->nargs += args[i] == '\0';
	if (ret->nargs > AGENT_ARGS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d arguments",
		    AGENT_ARGS_MAX);
	if (size > sizeof(ret->strings) - (of->nstrings - skip))
		return err_set(e, ERR_LIMIT,
		    "command and environment are longer than %d bytes",
		    AGENT_STRINGS_MAX);
	memcpy(ret->strings, args, size);
	memcpy(ret->strings + size, of->strings + skip, of->nstrings - skip);
	ret->nstrings = size + of->nstrings - skip;
	return agent_record_check(ret, sizeof(*ret), e) == 0
		   ? 0
		   : err_set(e, ERR_INVALID, "the command has no name");
}

static int
agent_cut(struct agent *a, const struct agent *of, const struct narrow *n,
    struct err *e)
{
	a->plan = of->plan;
	a->judged = of->judged;
	a->program = of->program;
	if (narrow_plan(&a->judged, n, e) == -1 ||
	    narrow_plan(&a->plan, n, e) == -1)
		return -1;
	if (plan_has_net(&a->plan))
		memcpy(&a->net, &of->net, of->net.net.size);
	plan_seal(&a->judged);
	memcpy(a->policy, a->judged.digest, sizeof(a->policy));
	/* mounts of our own are in no digest */
	memcpy(a->plan.digest, a->policy, sizeof(a->policy));
	return 0;
}

int
agent_narrow(const struct agent *of, const struct narrow *n, const char *args,
    uint32_t size, struct agent **ret, struct err *e)
{
	struct agent *a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (a == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap: version");
	a->users = 1;
	memcpy(a->tenant, of->tenant, sizeof(a->tenant));
	memcpy(a->digest, of->digest, sizeof(a->digest));
	if (agent_cut(a, of, n, e) == -1 ||
	    record_narrow(&of->record, args, size, &a->record, e) == -1) {
		(void)munmap(a, sizeof(*a));
		return -1;
	}
	*ret = a;
	return 0;
}
