/*
 * completion.c: "warder completion SHELL".
 *
 * Prints a script for the shell: the verbs and their options, from the
 * tables that also parse and explain them, and a body from data/ that reads
 * these rows.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "opt.h"

/* The bytes of a file as a string; the Makefile knows of them. */
#define EMBED(symbol, file)                            \
	__asm__(".pushsection .rodata\n" #symbol ":\n" \
		".incbin \"" file "\"\n"               \
		".byte 0\n"                            \
		".popsection\n");                      \
	extern const char symbol[] __attribute__((visibility("hidden")))

EMBED(completion_data_bash, "supervisor/cli/data/completion.bash");
EMBED(completion_data_zsh, "supervisor/cli/data/completion.zsh");

static const struct {
	const char *name, *first, *body;
} shells[] = {
	{ "bash", "# bash completion for warder", completion_data_bash },
	{ "zsh", "#compdef warder", completion_data_zsh },
};

const struct opt_verb completion_verb = {
	"SHELL",
	"Prints a script that completes warder's verbs, options, policy files\n"
	"and running jails. SHELL is bash or zsh:\n\n"
	"  source <(warder completion bash)",
	NULL,
	0,
};

/* In single quotes, each of which ends, is escaped, and begins again. */
static void
completion_text(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			(void)fputs("'\\''", stdout);
		else
			(void)putchar(*s);
	}
}

/* VERB NAME VALUE HELP; "-" where there is no value */
static void
completion_row(const char *verb, const char *name, const char *value,
    const char *help)
{
	(void)printf("%s %s %s ", verb, name, value != NULL ? value : "-");
	completion_text(help);
	(void)putchar('\n');
}

static void
completion_options(const struct cli_verb *v)
{
	char letter[] = "-x";
	char name[64];
	size_t i;

	for (i = 0; i < v->options->noptions; i++) {
		const struct opt *o = &v->options->options[i];

		(void)snprintf(name, sizeof(name), "--%s", o->name);
		completion_row(v->name, name, o->value, o->help);
		letter[1] = o->letter;
		if (o->letter != 0)
			completion_row(v->name, letter, o->value, o->help);
	}
}

static void
completion_print(const char *first, const char *body)
{
	size_t i;

	(void)printf("%s\n# made by \"warder completion\"\n\n", first);
	(void)fputs("_warder_table='", stdout);
	for (i = 0; i < main_nverbs; i++) {
		const struct cli_verb *v = &main_verbs[i];

		completion_row(v->name, ".", v->operands, v->help);
		if (v->options != NULL)
			completion_options(v);
	}
	(void)printf("'\n\n%s", body);
}

int
cli_completion(int argc, char **argv)
{
	struct err e = { 0 };
	int rest, r = opt_parse(&completion_verb, NULL, argc, argv, &rest, &e);
	size_t i;

	if (r == 1) {
		opt_help("completion", &completion_verb);
		return 0;
	}
	for (i = 0; r == 0 && argc - rest == 1 && i < countof(shells); i++) {
		if (strcmp(argv[rest], shells[i].name) == 0) {
			completion_print(shells[i].first, shells[i].body);
			return 0;
		}
	}
	if (r == 0)
		(void)err_set(&e, ERR_INVALID,
		    "which shell? write: warder completion bash, or zsh");
	return cli_fail(&e);
}
