#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "diag.h"

void
diag_init(struct diag *d)
{
	memset(d, 0, sizeof(*d));
	text_init(&d->errors.text, d->errors.buf, sizeof(d->errors.buf));
	text_init(&d->warnings.text, d->warnings.buf, sizeof(d->warnings.buf));
}

static void
diag_add(struct diag_list *l, struct diag_place at, const char *fmt, va_list ap)
{
	char line[2048];

	if (l->count++ == DIAG_LINES_MAX)
		text_add(&l->text, "further messages are left out\n");
	if (l->count > DIAG_LINES_MAX)
		return;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	text_add_escaped(&l->text, at.file);
	if (at.line != 0)
		text_addf(&l->text, ":%u:%u", at.line, at.column);
	text_add(&l->text, ": ");
	text_add_escaped(&l->text, line);
	text_add(&l->text, "\n");
}

void
diag_error(struct diag *d, struct diag_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag_add(&d->errors, at, fmt, ap);
	va_end(ap);
}

void
diag_warn(struct diag *d, struct diag_place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag_add(&d->warnings, at, fmt, ap);
	va_end(ap);
}
