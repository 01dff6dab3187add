#include <stdio.h>

#include "policy/compare.h"
#include "verb.h"

static struct verb_policy old, new;

struct diff_print {
	char sign; /* '+' widened, '-' narrowed */
	int json;
	unsigned printed;
};

static void
diff_say(void *arg, const char *kind, const char *what, const char *near)
{
	struct diff_print *d = arg;
	char line[8192];
	struct text t;

	d->printed++;
	if (!d->json) {
		(void)printf("%c %s: %s%s%s%s\n", d->sign, kind, what,
		    *near == '\0' ? "" : " (", near, *near == '\0' ? "" : ")");
		return;
	}
	text_init(&t, line, sizeof(line));
	text_addf(&t, "{\"change\":\"%s\",\"kind\":",
	    d->sign == '+' ? "widened" : "narrowed");
	text_add_json(&t, kind);
	text_add(&t, ",\"what\":");
	text_add_json(&t, what);
	text_add(&t, ",\"near\":");
	text_add_json(&t, near);
	text_add(&t, "}");
	(void)puts(line);
}

/* Where something is new and something is gone, what is new counts. */
int
diff_run(const struct verb_call *c)
{
	struct diff_print print = { '+', (c->options & VERB_JSON) != 0, 0 };
	struct compare_side a = { &old.plan, &old.net.net };
	struct compare_side b = { &new.plan, &new.net.net };
	unsigned widened, narrowed;

	if (verb_load(&old, c->word[0]) == -1 ||
	    verb_load(&new, c->word[1]) == -1)
		return VERB_BAD;
	widened = compare_widened(&a, &b, diff_say, &print);
	print.sign = '-';
	narrowed = compare_widened(&b, &a, diff_say, &print);
	return widened > 0    ? VERB_WIDENED
	       : narrowed > 0 ? VERB_NARROWED
			      : VERB_GOOD;
}
