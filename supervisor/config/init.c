#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "policy/find.h"
#include "verb.h"

/*
 * The starting files lie in share/warder/init, each with its use in the first
 * line ("# what it is for").
 */
static char text[CONFIG_FILE_MAX];

static int
read_start(const char *name, size_t *ret_size, struct err *e)
{
	char path[PATH_MAX];
	struct find_dirs dirs;
	int fd;

	find_dirs_init(&dirs, "");
	if (strpbrk(name, "/") != NULL || name[0] == '.' ||
	    snprintf(path, sizeof(path), "%s/init/%s.yaml", dirs.share, name) >=
		(int)sizeof(path))
		return err_set(e, ERR_INVALID, "\"%s\" is no name", name);
	return find_open_file(path, &fd, e) == -1
		   ? -1
		   : find_read(path, fd, text, ret_size, e);
}

static int
is_start(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 5 && strcmp(d->d_name + n - 5, ".yaml") == 0;
}

static int
list_starts(FILE *to)
{
	char path[PATH_MAX];
	struct find_dirs dirs;
	struct dirent **names;
	size_t size;
	int n, i;

	find_dirs_init(&dirs, "");
	(void)snprintf(path, sizeof(path), "%.4000s/init", dirs.share);
	n = scandir(path, &names, is_start, alphasort);
	if (n == -1)
		return err_set(NULL, ERR_SYSTEM, "%s", path);
	for (i = 0; i < n; i++) {
		names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
		if (read_start(names[i]->d_name, &size, NULL) == 0 &&
		    strncmp(text, "# ", 2) == 0)
			(void)fprintf(to, "  %-18s %.*s\n", names[i]->d_name,
			    (int)strcspn(text + 2, "\n"), text + 2);
		free(names[i]);
	}
	free(names);
	return 0;
}

int
init_run(const struct verb_call *c)
{
	struct err e;
	size_t size;

	if (c->word[0] == NULL) {
		(void)puts("usage: warder policy init NAME >FILE\n");
		return list_starts(stdout) == -1 ? VERB_BAD : VERB_GOOD;
	}
	if (read_start(c->word[0], &size, &e) == -1) {
		(void)fprintf(stderr, "warder: policy init: %s; there are:\n",
		    e.msg);
		(void)list_starts(stderr);
		return VERB_BAD;
	}
	(void)fwrite(text, 1, size, stdout);
	return VERB_GOOD;
}
