#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "err.h"

#undef err_set
#undef err_sys
#undef err_wrap

static const struct {
	const char *name;
	const char *text;
	int http;
	int retry;
	int exit;
	int rpc;
} codes[] = {

#define X(n, h, r, x, j, t) [ERR_##n] = { #n, t, h, r, x, j },
	ERR_CODES(X)
#undef X
};

_Static_assert(countof(codes) == ERR__MAX, "every err_code has a row");

static void
err_append(struct err *e, const char *text)
{
	size_t n = strlen(e->msg);

	(void)snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", text);
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;

	if (e == NULL)
		return -1;
	e->code = code;
	e->sys = code == ERR_SYSTEM ? sys : 0;
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (code == ERR_SYSTEM)
		err_append(e, strerror(sys));
	return -1;
}

int
err_sys(struct err *e, int sys, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return -1;
	e->code = ERR_SYSTEM;
	e->sys = sys;
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	err_append(e, strerror(sys));
	return -1;
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;

	if (e == NULL)
		return -1;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	err_append(e, old);
	return -1;
}

const char *
err_name(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? codes[code].name : "?";
}

const char *
err_text(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? codes[code].text : "?";
}

int
err_http(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? codes[code].http : 500;
}

int
err_retry(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? codes[code].retry : 0;
}

int
err_exit(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? codes[code].exit : 125;
}

int
err_rpc(enum err_code code)
{
	return (unsigned)code < ERR__MAX ? codes[code].rpc : -32000;
}
