#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "version.h"

static int
usage(FILE *to)
{
	(void)fputs("usage: warder-config policy VERB [ARGUMENT ...]\n"
		    "       warder-config --serve FD\n"
		    "       warder-config --version\n",
	    to);
	return to == stdout ? 0 : 2;
}

static int
serve(const char *number)
{
	uint64_t fd;
	struct err e;

	if (text_parse_u64(number, 1023, &fd, &e) == -1) {
		(void)fprintf(stderr, "warder-config: --serve: %s\n", e.msg);
		return 2;
	}
	/* Not exit(3): nothing here has anything to flush. */
	_exit(config_serve((int)fd));
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--serve") == 0)
		return serve(argv[2]);
	if (argc >= 2 && strcmp(argv[1], "policy") == 0)
		return config_policy(argc - 2, argv + 2);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("warder-config " WARDER_VERSION);
		return 0;
	}
	return usage(
	    argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
}
