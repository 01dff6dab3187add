/*
 * doctor.c: "warder doctor": what this host offers, what a jail on it has,
 * and whether a probe gets out.
 */
#include "doctor.h"

#include <stdio.h>
#include <string.h>

/* Large, and there is one: not for the stack. */
static struct doctor doctor_state;

static int
set_json(void *ctx, const char *v, struct err *e)
{
	struct doctor *d = ctx;

	(void)v;
	(void)e;
	d->json = 1;
	return 0;
}

static int
set_clean(void *ctx, const char *v, struct err *e)
{
	struct doctor *d = ctx;

	(void)v;
	(void)e;
	d->clean = 1;
	return 0;
}

static const struct opt doctor_options[] = {
	{ "json", 0, NULL, "one JSON object", set_json },
	{ "clean", 0, NULL, "only remove what dead launchers left", set_clean },
};

const struct opt_verb doctor_verb = {
	"[OPTIONS]",
	"Says what this host offers and how to get what is missing; starts a\n"
	"throw-away jail, says what is in force in it, and tries known ways\n"
	"out of it.\n\n"
	"Exit status: 0 if jails can be started and nothing got out, 1 if not.",
	doctor_options,
	countof(doctor_options),
};

static int
doctor_look(struct doctor *d)
{
	d->have_places = places_find(&d->places, NULL, &d->jail_error) == 0;
	doctor_host_look(d);
	doctor_jail_run(d);
	(d->json ? doctor_print_json : doctor_print_text)(d);
	return doctor_print_status(d);
}

int
cli_doctor(int argc, char **argv)
{
	struct doctor *d = &doctor_state;
	struct err e = { 0 };
	int rest = 0, r = opt_parse(&doctor_verb, d, argc, argv, &rest, &e);

	if (r == 1) {
		opt_help("doctor", &doctor_verb);
		return 0;
	}
	if (r == 0 && rest < argc)
		r = err_set(&e, ERR_INVALID, "usage: warder doctor %s",
		    doctor_verb.usage);
	if (r == 0 && d->clean && (r = places_find(&d->places, NULL, &e)) == 0)
		r = doctor_clean_run(d, &e);
	if (r == -1)
		return cli_fail(&e);
	return d->clean ? 0 : doctor_look(d);
}
