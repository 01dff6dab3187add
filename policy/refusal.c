#include <string.h>

#include "base.h"
#include "refusal.h"

static const struct {
	const char *name;
	int http;
	const char *text, *help;
} codes[] = { [REFUSAL_none] = { "none", 200, "allowed", "" },

#define X(n, h, t, p) [REFUSAL_##n] = { #n, h, t, p },
	REFUSAL_CODES(X)
#undef X
};

_Static_assert(countof(codes) == REFUSAL__MAX, "every code has a row");

const char *
refusal_name(unsigned code)
{
	return code < REFUSAL__MAX ? codes[code].name : NULL;
}

const char *
refusal_text(unsigned code)
{
	return code < REFUSAL__MAX ? codes[code].text : NULL;
}

const char *
refusal_help(unsigned code)
{
	return code < REFUSAL__MAX ? codes[code].help : NULL;
}

int
refusal_http(unsigned code)
{
	return code < REFUSAL__MAX ? codes[code].http : 500;
}

enum refusal_code
refusal_find(const char *name)
{
	unsigned i;

	for (i = REFUSAL_none + 1; i < REFUSAL__MAX; i++)
		if (strcmp(codes[i].name, name) == 0)
			break;
	return (enum refusal_code)i;
}
