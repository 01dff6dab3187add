#include "agent_record.h"

#include <string.h>

/* The next string of the pool; NULL if it does not end in it. */
static const char *
next_string(const struct agent_record *r, uint32_t *at)
{
	const char *s = r->strings + *at;
	size_t left = r->nstrings - *at, n = strnlen(s, left);

	if (n == left)
		return NULL;
	*at += (uint32_t)n + 1;
	return s;
}

static int
check_strings(const struct agent_record *r)
{
	uint32_t i, at = 0;
	const char *s;

	for (i = 0; i < r->nargs + r->nenv; i++) {
		s = next_string(r, &at);
		if (s == NULL || (i == 0 && *s == '\0'))
			return 0;
		/* a variable has a name */
		if (i >= r->nargs && (*s == '=' || strchr(s, '=') == NULL))
			return 0;
	}
	return at == r->nstrings;
}

/* Relative, and each part is a name. */
static int
check_file(const char *s)
{
	size_t n;

	for (;; s += n + 1) {
		n = strcspn(s, "/");
		if (n == 0 || (n == 1 && s[0] == '.') ||
		    (n == 2 && s[0] == '.' && s[1] == '.'))
			return 0;
		if (s[n] == '\0')
			return 1;
	}
}

int
agent_record_check(const struct agent_record *r, size_t size, struct err *e)
{
	if (size != sizeof(*r) || r->size != sizeof(*r) ||
	    r->magic != AGENT_RECORD_MAGIC ||
	    r->version != AGENT_RECORD_VERSION)
		return err_set(e, ERR_CORRUPT,
		    "the agent's record: another size or version");
	if (r->protocol >= AGENT_PROTOCOL__MAX ||
	    r->policy >= AGENT_POLICY__MAX || r->nargs < 1 ||
	    r->nargs > AGENT_ARGS_MAX || r->nenv > AGENT_ENV_MAX ||
	    r->nstrings > AGENT_STRINGS_MAX)
		return err_set(e, ERR_CORRUPT, "the agent's record: a number");
	if (memchr(r->name, '\0', sizeof(r->name)) == NULL ||
	    memchr(r->policy_file, '\0', sizeof(r->policy_file)) == NULL ||
	    r->name[0] == '\0')
		return err_set(e, ERR_CORRUPT, "the agent's record: a name");
	if (r->policy == AGENT_POLICY_FILE && !check_file(r->policy_file))
		return err_set(e, ERR_CORRUPT, "the agent's record: a path");
	return check_strings(r)
		   ? 0
		   : err_set(e, ERR_CORRUPT, "the agent's record: a string");
}

void
agent_record_split(const struct agent_record *r,
    const char *ret_argv[AGENT_ARGS_MAX + 1],
    const char *ret_env[AGENT_ENV_MAX + 1])
{
	uint32_t i, at = 0;

	for (i = 0; i < r->nargs; i++)
		ret_argv[i] = next_string(r, &at);
	ret_argv[i] = NULL;
	for (i = 0; i < r->nenv; i++)
		ret_env[i] = next_string(r, &at);
	ret_env[i] = NULL;
}
