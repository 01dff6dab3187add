/*
 * The parsers of /proc/PID/cgroup, /proc/PID/mountinfo and the files of a
 * group: whatever the bytes, results lie inside their bounds.
 */
#include <assert.h>
#include <string.h>

#include "../../jail/cgroup_private.h"

enum {
	FUZZ_MAX = 16384
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_member(const char *line)
{
	struct cgroup_member m;

	if (cgroup_text_member(line, &m) == -1)
		return;
	assert(m.path > line && m.path[0] == '/' &&
	       strlen(m.path) < CGROUP_PATH_MAX);
	assert(m.list > line && m.list[m.list_length] == ':' &&
	       m.list + m.list_length + 1 == m.path);
	assert((m.v1 >> CGROUP__MAX) == 0 && !(m.is_v2 && m.v1 != 0));
	assert(strstr(m.path, "/../") == NULL);
}

static void
fuzz_mount(const char *line)
{
	struct cgroup_mount m;
	const char *below;

	if (cgroup_text_mount(line, &m) != 1)
		return;
	assert((m.v1 != 0) != (m.is_v2 != 0));
	assert(m.root[0] == '/' && strlen(m.root) < CGROUP_PATH_MAX);
	assert(m.point[0] == '/' && strlen(m.point) < CGROUP_PATH_MAX);
	below = cgroup_text_below(m.root, m.point);
	assert(below == NULL || (below[0] != '/' && below[0] != '\0'));
}

/* The key is the first line, the text what follows. */
static void
fuzz_sum(char *text)
{
	char *newline = strchr(text, '\n');
	uint64_t v = 1;

	if (newline == NULL)
		return;
	*newline = '\0';
	if (cgroup_text_sum(newline + 1, text, &v) == 0)
		assert(v == 1);
	*newline = '\n';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exactly as long as needed, so that one byte too far is seen. */
	autofree char *text = malloc(size + 1);
	char *line, *next;

	if (text == NULL || size > FUZZ_MAX)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	(void)cgroup_text_controllers(CGROUP_V2, text, size, " \n");
	fuzz_sum(text);
	for (line = text; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		fuzz_member(line);
		fuzz_mount(line);
	}
	return 0;
}
