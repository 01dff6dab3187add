#include "opt.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

static const struct opt *
opt_by_letter(const struct opt_verb *v, char letter)
{
	size_t i;

	for (i = 0; i < v->noptions; i++) {
		if (v->options[i].letter == letter)
			return &v->options[i];
	}
	return NULL;
}

static const struct opt *
opt_by_name(const struct opt_verb *v, const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < v->noptions; i++) {
		const char *s = v->options[i].name;

		if (strlen(s) == n && strncmp(s, name, n) == 0)
			return &v->options[i];
	}
	return NULL;
}

static int
opt_unknown(const struct opt_verb *v, const char *arg, struct err *e)
{
	char shown[128];
	const char *names[64];
	const char *near;
	size_t i;

	for (i = 0; i < v->noptions && i < countof(names) - 1; i++)
		names[i] = v->options[i].name;
	(void)text_escape(shown, sizeof(shown), arg, strlen(arg));
	near = text_nearest(arg + 2, names, i);
	if (near != NULL)
		return err_set(e, ERR_INVALID,
		    "unknown option %s; did you mean --%s?", shown, near);
	return err_set(e, ERR_INVALID, "unknown option %s", shown);
}

/* --name, --name=value, --name value */
static int
opt_long(const struct opt_verb *v, void *ctx, int argc, char **argv, int *i,
    struct err *e)
{
	const char *arg = argv[*i], *eq = strchr(arg, '=');
	size_t n = eq != NULL ? (size_t)(eq - arg) : strlen(arg);
	const struct opt *o = opt_by_name(v, arg + 2, n - 2);
	const char *value = eq != NULL ? eq + 1 : NULL;

	if (o == NULL)
		return opt_unknown(v, arg, e);
	if (o->value == NULL && value != NULL)
		return err_set(e, ERR_INVALID, "--%s takes no value", o->name);
	if (o->value != NULL && value == NULL) {
		if (*i + 1 >= argc)
			return err_set(e, ERR_INVALID, "--%s needs a value: %s",
			    o->name, o->value);
		value = argv[++*i];
	}
	if (o->set(ctx, value, e) == -1)
		return err_wrap(e, "--%s", o->name);
	return 0;
}

/* -it is -i -t; letters take no value */
static int
opt_letters(const struct opt_verb *v, void *ctx, const char *arg, struct err *e)
{
	const char *p;

	for (p = arg + 1; *p != '\0'; p++) {
		const struct opt *o = opt_by_letter(v, *p);

		if (o == NULL)
			return opt_unknown(v, arg, e);
		if (o->set(ctx, NULL, e) == -1)
			return err_wrap(e, "-%c", *p);
	}
	return 0;
}

int
opt_parse(const struct opt_verb *v, void *ctx, int argc, char **argv,
    int *ret_rest, struct err *e)
{
	int i, r = 0;

	for (i = 1; i < argc && r == 0; i++) {
		const char *arg = argv[i];

		if (arg[0] != '-' || arg[1] == '\0')
			break;
		if (strcmp(arg, "--") == 0) {
			i++;
			break;
		}
		if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
			return 1;
		r = arg[1] == '-' ? opt_long(v, ctx, argc, argv, &i, e)
				  : opt_letters(v, ctx, arg, e);
	}
	if (r == 0)
		*ret_rest = i;
	return r;
}

void
opt_help(const char *verb, const struct opt_verb *v)
{
	size_t i;

	if (verb != NULL)
		printf("usage: warder %s %s\n\n%s\n", verb, v->usage,
		    v->summary);
	else
		printf("usage: %s\n\n%s\n", v->usage, v->summary);
	if (v->noptions > 0)
		printf("\noptions:\n");
	for (i = 0; i < v->noptions; i++) {
		const struct opt *o = &v->options[i];
		char left[64];

		(void)snprintf(left, sizeof(left), "%s%c%s--%s%s%s",
		    o->letter ? "-" : " ", o->letter ? o->letter : ' ',
		    o->letter ? ", " : "  ", o->name, o->value ? " " : "",
		    o->value ? o->value : "");
		printf("  %-28s %s\n", left, o->help);
	}
}
