#include <string.h>

#include "cgroup_private.h"

/* The kernel's names, by version; NULL: part of every group, or not there. */
static const char *const cgroup_names[CGROUP__MAX][CGROUP_V2 + 1] = {
	[CGROUP_MEMORY] = { NULL, "memory", "memory" },
	[CGROUP_PIDS] = { NULL, "pids", "pids" },
	[CGROUP_CPU] = { NULL, "cpu", "cpu" },
	[CGROUP_CPUACCT] = { NULL, "cpuacct", NULL },
	[CGROUP_IO] = { NULL, "blkio", "io" },
	[CGROUP_FREEZER] = { NULL, "freezer", NULL },
};

const char *
cgroup_text_name(enum cgroup_version v, enum cgroup_controller k)
{
	return cgroup_names[k][v];
}

static uint32_t
cgroup_text_controller(enum cgroup_version v, const char *word, size_t n)
{
	unsigned k;

	for (k = 0; k < CGROUP__MAX; k++) {
		const char *name = cgroup_names[k][v];

		if (name != NULL && strlen(name) == n &&
		    memcmp(name, word, n) == 0)
			return CGROUP_BIT(k);
	}
	return 0;
}

uint32_t
cgroup_text_controllers(enum cgroup_version v, const char *list, size_t n,
    const char *separators)
{
	const char *end = list + n;
	uint32_t r = 0;

	while (list < end) {
		const char *p = list;

		while (p < end && strchr(separators, *p) == NULL)
			p++;
		r |= cgroup_text_controller(v, list, (size_t)(p - list));
		list = p + 1;
	}
	return r;
}

/* Whether a component of path is "..". */
static int
cgroup_text_leaves(const char *path)
{
	const char *p;

	for (p = strstr(path, "/.."); p != NULL; p = strstr(p + 1, "/.."))
		if (p[3] == '/' || p[3] == '\0')
			return 1;
	return 0;
}

int
cgroup_text_member(const char *line, struct cgroup_member *ret)
{
	size_t id = strspn(line, "0123456789");
	const char *list = line + id + 1;
	const char *path;

	if (id == 0 || line[id] != ':')
		return -1;
	path = strchr(list, ':');
	if (path == NULL || path[1] != '/' ||
	    strlen(path + 1) >= CGROUP_PATH_MAX || cgroup_text_leaves(path + 1))
		return -1;
	ret->v1 = cgroup_text_controllers(CGROUP_V1, list,
	    (size_t)(path - list), ",");
	ret->is_v2 = path == list;
	ret->list = list;
	ret->list_length = (size_t)(path - list);
	ret->path = path + 1;
	return 0;
}

/*
 * Undo the kernel's \ooo (space, tab, newline, backslash, hash).  -1 for any
 * other backslash, for \000, and if it does not fit.
 */
static int
cgroup_text_unescape(const char *s, size_t n, char ret[CGROUP_PATH_MAX])
{
	size_t i, out = 0;

	for (i = 0; i < n; i++) {
		unsigned c = (unsigned char)s[i];

		if (c == '\\') {
			if (n - i < 4 || strspn(s + i + 1, "01234567") < 3 ||
			    s[i + 1] > '3')
				return -1;
			c = (unsigned)(s[i + 1] - '0') << 6 |
			    (unsigned)(s[i + 2] - '0') << 3 |
			    (unsigned)(s[i + 3] - '0');
			i += 3;
		}
		if (c == 0 || out + 1 >= CGROUP_PATH_MAX)
			return -1;
		ret[out++] = (char)c;
	}
	ret[out] = '\0';
	return ret[0] == '/' ? 0 : -1;
}

/* The next word of a line; its length, 0 at the end. */
static size_t
cgroup_text_word(const char **p, const char **ret)
{
	size_t n;

	*p += strspn(*p, " ");
	n = strcspn(*p, " ");
	*ret = *p;
	*p += n;
	return n;
}

/*
 *	32 31 0:29 /root /point rw,opts [optional ...] - type source superopts
 */
int
cgroup_text_mount(const char *line, struct cgroup_mount *ret)
{
	const char *word[6], *type, *options, *p = line;
	size_t i, n[6], ntype, noptions;

	for (i = 0; i < countof(word); i++)
		if ((n[i] = cgroup_text_word(&p, &word[i])) == 0)
			return -1;
	p = strstr(p, " - ");
	if (p == NULL)
		return -1;
	p += 3;
	ntype = cgroup_text_word(&p, &type);
	(void)cgroup_text_word(&p, &options); /* the source */
	noptions = cgroup_text_word(&p, &options);
	ret->is_v2 = ntype == 7 && memcmp(type, "cgroup2", 7) == 0;
	ret->v1 = 0;
	if (ntype == 6 && memcmp(type, "cgroup", 6) == 0)
		ret->v1 =
		    cgroup_text_controllers(CGROUP_V1, options, noptions, ",");
	if (!ret->is_v2 && ret->v1 == 0)
		return 0;
	if (cgroup_text_unescape(word[3], n[3], ret->root) == -1 ||
	    cgroup_text_unescape(word[4], n[4], ret->point) == -1)
		return -1;
	return 1;
}

const char *
cgroup_text_below(const char *root, const char *path)
{
	size_t n = strlen(root);

	if (n > 0 && root[n - 1] == '/')
		n--;
	if (strncmp(root, path, n) != 0 || (path[n] != '/' && path[n] != '\0'))
		return NULL;
	path += n;
	path += strspn(path, "/");
	return *path == '\0' ? "." : path;
}

/* Add the number at s; 0 if there is none. */
static unsigned
cgroup_text_add(const char *s, uint64_t *sum)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return 0;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v > (UINT64_MAX - 9) / 10 ? UINT64_MAX
					      : v * 10 + (uint64_t)(*s - '0');
	if (__builtin_add_overflow(*sum, v, sum))
		*sum = UINT64_MAX;
	return 1;
}

unsigned
cgroup_text_sum(const char *text, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);
	const char *p = text;
	uint64_t sum = 0;
	unsigned found = 0;

	if (n == 0)
		found = cgroup_text_add(text, &sum);
	else
		while ((p = strstr(p, key)) != NULL) {
			int begins = p == text || p[-1] == ' ' || p[-1] == '\n';

			p += n;
			if (begins)
				found += cgroup_text_add(p, &sum);
		}
	if (found > 0)
		*ret = sum;
	return found;
}
