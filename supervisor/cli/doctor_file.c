#include "doctor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "jail/uidblock.h"

enum {
	FILE_MOUNTS = 256 * 1024, /* of mountinfo; what follows is not seen */
	FILE_STATUS = 8192,
};

static const char file_proc[] = "/proc";

size_t
doctor_file_read(const char *path, char *ret, size_t size)
{
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t r = 1;

	while (fd >= 0 && n < size - 1 && r > 0) {
		r = read(fd, ret + n, size - 1 - n);
		if (r == -1 && errno == EINTR)
			r = 1;
		else if (r > 0)
			n += (size_t)r;
	}
	ret[n] = '\0';
	return n;
}

int
doctor_file_line(const char *path, char *ret, size_t size)
{
	if (doctor_file_read(path, ret, size) == 0)
		return 0;
	ret[strcspn(ret, "\n")] = '\0';
	return ret[0] != '\0';
}

int
doctor_file_status(const char *key, char *ret, size_t size)
{
	char text[FILE_STATUS];
	const char *p;

	(void)doctor_file_read("/proc/self/status", text, sizeof(text));
	p = strstr(text, key);
	ret[0] = '\0';
	if (p == NULL)
		return 0;
	p += strlen(key);
	p += strspn(p, " \t");
	(void)snprintf(ret, size, "%.*s", (int)strcspn(p, " \t\n"), p);
	return 1;
}

int
doctor_file_map_has(const char *uid_map, uint64_t first, uint64_t count)
{
	unsigned in, out, n;
	const char *p = uid_map;

	while (sscanf(p, "%10u %10u %10u", &in, &out, &n) == 3) {
		if (in <= first && first + count <= (uint64_t)in + n)
			return 1;
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return 0;
}

int
doctor_file_maps_jails(void)
{
	char text[FILE_STATUS];

	(void)doctor_file_read("/proc/self/uid_map", text, sizeof(text));
	return doctor_file_map_has(text, UIDBLOCK_BASE,
	    (uint64_t)UIDBLOCK_SIZE * UIDBLOCK_COUNT);
}

/* The n-th field (from 0) of a line, separated by spaces; its length or 0. */
static size_t
file_field(const char *line, unsigned n, const char **ret)
{
	for (; n > 0; n--) {
		line += strcspn(line, " \n");
		if (*line != ' ')
			return 0;
		line++;
	}
	*ret = line;
	return strcspn(line, " \n");
}

/*
 * 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=…
 *            root  point                    type source      options
 *
 * Call f for the point and what follows the dash, until it returns 1.
 */
static int
file_each_mount(const char *text,
    int (*f)(const char *point, size_t n, const char *rest, char *ret,
	size_t size),
    char *ret, size_t size)
{
	const char *line, *point, *dash, *end;

	for (line = text; *line != '\0'; line = end + (*end == '\n')) {
		size_t n = file_field(line, 4, &point);

		end = line + strcspn(line, "\n");
		dash = strstr(line, " - ");
		if (n > 0 && dash != NULL && dash < end &&
		    f(point, n, dash + 3, ret, size))
			return 1;
	}
	return 0;
}

/*
 * What lies on a directory that is empty anyway hides nothing; the kernel
 * says so by this name alone.
 */
static int
file_is_over_proc(const char *point, size_t n, const char *rest, char *ret,
    size_t size)
{
	static const char harmless[] = "/proc/sys/fs/binfmt_misc";
	size_t m = sizeof(file_proc) - 1;

	(void)rest;
	if (n <= m + 1 || strncmp(point, file_proc, m) != 0 || point[m] != '/')
		return 0;
	if (n == sizeof(harmless) - 1 && strncmp(point, harmless, n) == 0)
		return 0;
	(void)snprintf(ret, size, "%.*s", (int)n, point);
	return 1;
}

/* The last one that is mounted there is the one that is seen. */
static int
file_is_proc(const char *point, size_t n, const char *rest, char *ret,
    size_t size)
{
	const char *options;
	size_t m;

	if (n != sizeof(file_proc) - 1 || strncmp(point, file_proc, n) != 0)
		return 0;
	m = file_field(rest, 2, &options);
	(void)snprintf(ret, size, "%.*s", (int)m, m > 0 ? options : "");
	return 0;
}

int
doctor_file_find_over_proc(const char *mountinfo, char *ret, size_t size)
{
	ret[0] = '\0';
	return file_each_mount(mountinfo, file_is_over_proc, ret, size);
}

int
doctor_file_find_proc_options(const char *mountinfo, char *ret, size_t size)
{
	ret[0] = '\0';
	(void)file_each_mount(mountinfo, file_is_proc, ret, size);
	return ret[0] != '\0';
}

static char file_mounts[FILE_MOUNTS];

int
doctor_file_over_proc(char *ret, size_t size)
{
	(void)doctor_file_read("/proc/self/mountinfo", file_mounts,
	    sizeof(file_mounts));
	return doctor_file_find_over_proc(file_mounts, ret, size);
}

int
doctor_file_proc_options(char *ret, size_t size)
{
	(void)doctor_file_read("/proc/self/mountinfo", file_mounts,
	    sizeof(file_mounts));
	return doctor_file_find_proc_options(file_mounts, ret, size);
}
