/* doctor_print.c: what the doctor found, for people and as JSON. */
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "text.h"
#include "version.h"

enum {
	PRINT_WIDTH = 78,
	PRINT_NAME = 17, /* column of names */
	PRINT_STATE = 9, /* column of states */
	PRINT_JSON_MAX = 128 * 1024,
};

static const char *const print_states[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_LESSENED] = "lessened",
	[DOCTOR_MISSING] = "missing",
};

static const char *const print_verdicts[] = {
	[DOCTOR_HELD] = "held",
	[DOCTOR_UNPROVED] = "unproved",
	[DOCTOR_ESCAPED] = "escaped",
};

const char *
doctor_state_name(enum doctor_state s)
{
	return print_states[s];
}

const char *
doctor_verdict_name(enum doctor_verdict v)
{
	return print_verdicts[v];
}

/* ---- counting ---- */

static size_t
print_count_host(const struct doctor *d, enum doctor_state s)
{
	size_t i, n = 0;

	for (i = 0; i < d->nhost; i++)
		n += d->host[i].state == s;
	return n;
}

static size_t
print_count_attempts(const struct doctor *d, enum doctor_verdict v)
{
	size_t i, n = 0;

	for (i = 0; i < d->nattempts; i++)
		n += d->attempts[i].verdict == v;
	return n;
}

static size_t
print_count_lies(const struct doctor *d)
{
	size_t i, n = 0;

	for (i = 0; d->ran && i < POSTURE__MAX; i++)
		n += !d->claims[i].agrees;
	return n;
}

static int
print_is_lessened(const struct doctor *d)
{
	int row, n = 0;

	for (row = 0; row < POSTURE__MAX; row++)
		n += d->claims[row].lessened;
	return n > 0 || print_count_host(d, DOCTOR_LESSENED) > 0 ||
	       print_count_attempts(d, DOCTOR_UNPROVED) > 0;
}

int
doctor_print_status(const struct doctor *d)
{
	return !d->ran || print_count_host(d, DOCTOR_MISSING) > 0 ||
	       print_count_attempts(d, DOCTOR_ESCAPED) > 0 ||
	       print_count_lies(d) > 0;
}

/* ---- text ---- */

/* Words, in lines that begin at a column. */
static void
print_wrapped(const char *text, int column)
{
	int at = column;

	while (*text != '\0') {
		int n = (int)strcspn(text, " ");

		if (at > column && at + 1 + n > PRINT_WIDTH) {
			printf("\n%*s", column, "");
			at = column;
		}
		printf("%s%.*s", at > column ? " " : "", n, text);
		at += n + (at > column);
		text += n;
		text += strspn(text, " ");
	}
	printf("\n");
}

static void
print_row(const char *state, const char *name, const char *value)
{
	printf("  %-*s%-*s", PRINT_STATE, state, PRINT_NAME, name);
	print_wrapped(value, 2 + PRINT_STATE + PRINT_NAME);
}

static void
print_more(const char *label, const char *value)
{
	printf("%*s%s: ", 2 + PRINT_STATE, "", label);
	print_wrapped(value, 2 + PRINT_STATE + (int)strlen(label) + 2);
}

static void
print_host(const struct doctor *d)
{
	size_t i;

	printf("This host offers, to %s:\n",
	    geteuid() == 0 ? "root" : "this user");
	for (i = 0; i < d->nhost; i++) {
		const struct doctor_finding *f = &d->host[i];

		print_row(doctor_state_name(f->state), f->name, f->value);
		if (f->remedy[0] != '\0')
			print_more("remedy", f->remedy);
	}
}

static void
print_claims(const struct doctor *d)
{
	int row;

	printf("\nA jail of the built-in policy has, by what its layers "
	       "answered:\n");
	for (row = 0; row < POSTURE__MAX; row++) {
		const struct doctor_claim *c = &d->claims[row];

		print_row(!c->agrees    ? "FALSE"
			  : c->lessened ? doctor_state_name(DOCTOR_LESSENED)
					: doctor_state_name(DOCTOR_OK),
		    posture_name((enum posture_row)row), c->value);
		if (!c->agrees)
			print_more("BUT THE PROBE SAW", c->seen);
	}
}

static void
print_attempt(const struct doctor_attempt *a)
{
	char line[3 * DOCTOR_WORD_MAX];

	(void)snprintf(line, sizeof(line), "%s: %s inside, %s outside",
	    a->about, a->got, a->control);
	print_row(a->verdict == DOCTOR_ESCAPED
		      ? "ESCAPED"
		      : doctor_verdict_name(a->verdict),
	    a->name, line);
}

static void
print_attempts(const struct doctor *d)
{
	char held[DOCTOR_PROBES_MAX * 24];
	struct text t;
	size_t i;

	printf("\nA probe in it tried %zu ways out; %zu held, each seen to "
	       "work outside:\n",
	    d->nattempts, print_count_attempts(d, DOCTOR_HELD));
	text_init(&t, held, sizeof(held));
	for (i = 0; i < d->nattempts; i++) {
		if (d->attempts[i].verdict == DOCTOR_HELD)
			text_addf(&t, "%s%s", t.len > 0 ? " " : "",
			    d->attempts[i].name);
	}
	printf("  %-*s", PRINT_STATE, doctor_verdict_name(DOCTOR_HELD));
	print_wrapped(held, 2 + PRINT_STATE);
	for (i = 0; i < d->nattempts; i++) {
		if (d->attempts[i].verdict != DOCTOR_HELD)
			print_attempt(&d->attempts[i]);
	}
}

static const char *
print_summary(const struct doctor *d)
{
	if (print_count_lies(d) > 0)
		return "A layer is not in force although it says so: do not "
		       "run anything.";
	if (print_count_attempts(d, DOCTOR_ESCAPED) > 0)
		return "The probe got out: do not run anything.";
	if (doctor_print_status(d) != 0)
		return "No jail can be started here; see what is missing.";
	return print_is_lessened(d) ? "Jails work here, with less than this "
				      "project's strongest form."
				    : "All well.";
}

void
doctor_print_text(const struct doctor *d)
{
	print_host(d);
	if (d->ran) {
		print_claims(d);
		print_attempts(d);
	} else {
		char shown[2 * sizeof(d->jail_error.msg)];

		(void)text_escape(shown, sizeof(shown), d->jail_error.msg,
		    strlen(d->jail_error.msg));
		printf("\nA jail of the built-in policy:\n");
		print_row(doctor_state_name(DOCTOR_MISSING), "start", shown);
		if (d->hint[0] != '\0')
			print_more("remedy", d->hint);
	}
	printf("\n%s\n", print_summary(d));
}

/* ---- JSON ---- */

static void
json_member(struct text *t, const char *name, const char *value)
{
	text_addf(t, "%s\"%s\":", t->buf[t->len - 1] == '{' ? "" : ",", name);
	text_add_json(t, value);
}

static void
json_begin(struct text *t)
{
	text_add(t, t->buf[t->len - 1] == '[' ? "{" : ",{");
}

static void
json_host(struct text *t, const struct doctor *d)
{
	size_t i;

	text_add(t, ",\"host\":[");
	for (i = 0; i < d->nhost; i++) {
		const struct doctor_finding *f = &d->host[i];

		json_begin(t);
		json_member(t, "name", f->name);
		json_member(t, "about", f->about);
		json_member(t, "state", doctor_state_name(f->state));
		json_member(t, "value", f->value);
		if (f->remedy[0] != '\0')
			json_member(t, "remedy", f->remedy);
		text_add(t, "}");
	}
	text_add(t, "]");
}

static void
json_posture(struct text *t, const struct doctor *d)
{
	int row;

	text_add(t, ",\"posture\":[");
	for (row = 0; d->ran && row < POSTURE__MAX; row++) {
		const struct doctor_claim *c = &d->claims[row];

		json_begin(t);
		json_member(t, "name", posture_name((enum posture_row)row));
		json_member(t, "about", posture_about((enum posture_row)row));
		json_member(t, "state",
		    doctor_state_name(
			c->lessened ? DOCTOR_LESSENED : DOCTOR_OK));
		json_member(t, "value", c->value);
		text_addf(t, ",\"agrees\":%s", c->agrees ? "true" : "false");
		if (!c->agrees)
			json_member(t, "seen", c->seen);
		text_add(t, "}");
	}
	text_add(t, "]");
}

static void
json_probes(struct text *t, const struct doctor *d)
{
	size_t i;

	text_add(t, ",\"probes\":[");
	for (i = 0; i < d->nattempts; i++) {
		const struct doctor_attempt *a = &d->attempts[i];

		json_begin(t);
		json_member(t, "name", a->name);
		json_member(t, "about", a->about);
		json_member(t, "verdict", doctor_verdict_name(a->verdict));
		json_member(t, "inside", a->got);
		json_member(t, "outside", a->control);
		text_add(t, "}");
	}
	text_add(t, "]");
}

static void
json_error(struct text *t, const struct doctor *d)
{
	if (d->ran)
		return;
	text_add(t, ",\"error\":{");
	json_member(t, "text", d->jail_error.msg);
	if (d->hint[0] != '\0')
		json_member(t, "remedy", d->hint);
	text_add(t, "}");
}

void
doctor_print_json(const struct doctor *d)
{
	static char buf[PRINT_JSON_MAX];
	int status = doctor_print_status(d);
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add(&t, "{");
	json_member(&t, "schema", "warder.doctor/1");
	json_member(&t, "version", WARDER_VERSION);
	text_addf(&t, ",\"rootless\":%s", geteuid() != 0 ? "true" : "false");
	json_member(&t, "result",
	    status != 0            ? "failed"
	    : print_is_lessened(d) ? "lessened"
				   : "ok");
	json_member(&t, "summary", print_summary(d));
	json_error(&t, d);
	json_host(&t, d);
	json_posture(&t, d);
	json_probes(&t, d);
	text_add(&t, "}");
	printf("%s\n", buf);
}
