/*
 * fuzz_manager.c: configuration files of package managers, of any bytes.
 *
 *	| which u8 | bytes |
 *
 * They lie at a place where the manager looks.  The answer is lines of
 * manager.h with canonical hosts and without a user or a password, or an
 * error that names the file.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/canon.h"
#include "policy/manager.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *manager, *file;
} places[] = {
	{ "pip", "pip.conf" },
	{ "npm", "npmrc" },
	{ "cargo", "cargo/config.toml" },
	{ "go", "go/env" },
	{ "apt", "apt/sources.list" },
	{ "apt", "apt/sources.list.d/x.sources" },
};

static char top[64];

static void
make_directories(void)
{
	static const char *const dirs[] = { "cargo", "go", "apt",
		"apt/sources.list.d" };
	char path[160];
	size_t i;

	(void)snprintf(top, sizeof(top), "/dev/shm/warder-fuzz-XXXXXX");
	assert(mkdtemp(top) != NULL);
	for (i = 0; i < countof(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", top, dirs[i]);
		assert(mkdir(path, 0700) == 0);
	}
}

static void
check_line(const char *line)
{
	const char *tab = strchr(line, '\t'), *space = strchr(line, ' ');
	char host[CANON_HOST_SIZE];
	uint32_t port;

	assert(tab != NULL && space != NULL && space < tab && tab[1] != '\0');
	if (strncmp(line, "env ", 4) == 0) {
		assert(memchr(line, '=', (size_t)(tab - line)) != NULL);
		return;
	}
	assert(
	    strncmp(line, "tls ", 4) == 0 || strncmp(line, "plain ", 6) == 0);
	assert(canon_authority(space + 1, (size_t)(tab - space - 1), 0, host,
		   &port, NULL) == 0);
	assert(strncmp(space + 1, host, strlen(host)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[MANAGER_TEXT_MAX];
	const struct manager_dirs dirs = { top, "" };
	char path[160], *line, *next;
	struct err e = { .code = ERR_OK };
	struct text t;
	size_t which;
	int fd;

	if (size < 1)
		return 0;
	if (top[0] == '\0')
		make_directories();
	which = data[0] % countof(places);
	(void)snprintf(path, sizeof(path), "%s/%s", top, places[which].file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0);
	assert(write(fd, data + 1, size - 1) == (ssize_t)size - 1);
	(void)close(fd);
	text_init(&t, answer, sizeof(answer));
	if (manager_read(places[which].manager, &dirs, &t, &e) == -1) {
		/* too many indexes are of several files together */
		assert(e.code == ERR_LIMIT ||
		       (e.code != ERR_OK && strstr(e.msg, top) != NULL));
		(void)unlink(path);
		return 0;
	}
	for (line = answer; *line != '\0'; line = next) {
		next = strchr(line, '\n');
		assert(next != NULL);
		*next++ = '\0';
		check_line(line);
	}
	(void)unlink(path);
	return 0;
}
