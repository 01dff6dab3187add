#include <string.h>

#include "builtin.h"

/* The bytes of a file between two symbols; the Makefile knows of them. */
#define EMBED(symbol, file)                                               \
	__asm__(".pushsection .rodata\n"                                  \
		".balign 16\n" #symbol ":\n"                              \
		".incbin \"" file "\"\n" #symbol "_end:\n"                \
		".byte 0\n"                                               \
		".popsection\n");                                         \
	extern const char symbol[] __attribute__((visibility("hidden"))); \
	extern const char symbol##_end[] __attribute__((visibility("hidden")))

EMBED(builtin_data_default, "policy/data/default.yaml");
EMBED(builtin_data_ceiling, "policy/data/ceiling.yaml");

static const struct {
	const char *name;
	const char *text, *end;
} builtins[] = {
	{ "default", builtin_data_default, builtin_data_default_end },
	{ "ceiling", builtin_data_ceiling, builtin_data_ceiling_end },
};

const char *
builtin_policy(const char *name, size_t *ret_size)
{
	size_t i;

	for (i = 0; i < countof(builtins); i++)
		if (strcmp(name, builtins[i].name) == 0) {
			*ret_size =
			    (size_t)(builtins[i].end - builtins[i].text);
			return builtins[i].text;
		}
	return NULL;
}

const char *
builtin_name(size_t i)
{
	return i < countof(builtins) ? builtins[i].name : NULL;
}
