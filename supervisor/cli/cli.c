/* cli.c: what every verb ends with when it fails. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

int
cli_fail(const struct err *e)
{
	char shown[2 * sizeof(e->msg)];

	(void)text_escape(shown, sizeof(shown), e->msg, strlen(e->msg));
	(void)fprintf(stderr, "warder: %s\n", shown);
	return err_exit(e->code);
}
