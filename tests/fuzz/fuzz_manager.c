/*
 * fuzz_manager.c: configuration files of package managers, of any bytes.
 *
 *	| which u8 | bytes |
 *
 * They lie at a place where the manager looks, or in the place of a file that
 * came with it.  The answer is lines of
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

#define OWN_PIP "lib/python3/dist-packages/pip/_internal/models"
#define OWN_NPM "lib/node_modules/npm/node_modules/npm-registry-fetch/lib"
#define OWN_GO "share/go-1.19/src/cmd/go/internal/cfg"
#define INDEX ".cargo/registry/index/a.example-0123456789abcdef"

/* One directory stands for /etc, the home and /usr. */
static const struct {
	const char *manager, *dir, *file;
	const char *beside, *beside_text; /* there as well */
} places[] = {
	{ "pip", ".", "pip.conf", NULL, NULL },
	{ "npm", ".", "npmrc", NULL, NULL },
	{ "cargo", ".cargo", "config.toml", NULL, NULL },
	{ "go", ".config/go", "env", NULL, NULL },
	{ "apt", "apt", "sources.list", NULL, NULL },
	{ "apt", "apt/sources.list.d", "x.sources", NULL, NULL },
	{ "pip", OWN_PIP, "index.py", NULL, NULL },
	{ "npm", OWN_NPM, "default-opts.js", NULL, NULL },
	{ "go", OWN_GO, "cfg.go", NULL, NULL },
	{ "go", "local/go", "go.env", NULL, NULL },
	{ "cargo", INDEX, "config.json", ".cargo/config.toml",
	    "[source.crates-io]\nregistry = \"sparse+https://a.example/\"\n" },
};

static char top[64];

/* Each directory of a path below top. */
static void
make_directories(const char *path)
{
	char full[256], *slash = full + strlen(top);

	(void)snprintf(full, sizeof(full), "%s/%s/", top, path);
	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		(void)mkdir(full, 0700);
		*slash = '/';
	}
}

static void
put(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0);
	assert(write(fd, bytes, size) == (ssize_t)size);
	(void)close(fd);
}

static void
make_top(void)
{
	size_t i;

	(void)snprintf(top, sizeof(top), "/dev/shm/warder-fuzz-XXXXXX");
	assert(mkdtemp(top) != NULL);
	for (i = 0; i < countof(places); i++)
		make_directories(places[i].dir);
}

static void
check_line(const char *line)
{
	const char *tab = strchr(line, '\t'), *space = strchr(line, ' ');
	char host[CANON_HOST_SIZE];
	uint32_t port;

	assert(tab != NULL && space != NULL && space < tab && tab[1] != '\0');
	if (strncmp(line, "file ", 5) == 0) {
		assert(space[1] == '/' && tab[1] == '/');
		return;
	}
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
	const struct manager_dirs dirs = { top, top, top };
	char path[256], beside[256] = "", *line, *next;
	struct err e = { .code = ERR_OK };
	struct text t;
	size_t which;

	if (size < 1)
		return 0;
	if (top[0] == '\0')
		make_top();
	which = data[0] % countof(places);
	(void)snprintf(path, sizeof(path), "%s/%s/%s", top, places[which].dir,
	    places[which].file);
	put(path, data + 1, size - 1);
	if (places[which].beside != NULL) {
		(void)snprintf(beside, sizeof(beside), "%s/%s", top,
		    places[which].beside);
		put(beside, places[which].beside_text,
		    strlen(places[which].beside_text));
	}
	text_init(&t, answer, sizeof(answer));
	if (manager_read(places[which].manager, &dirs, &t, &e) == -1) {
		/* too many indexes are of several files together */
		assert(e.code == ERR_LIMIT ||
		       (e.code != ERR_OK &&
			   (strstr(e.msg, top) != NULL ||
			       strstr(e.msg, "names an index of") != NULL)));
		answer[0] = '\0';
	}
	for (line = answer; *line != '\0'; line = next) {
		next = strchr(line, '\n');
		assert(next != NULL);
		*next++ = '\0';
		check_line(line);
	}
	(void)unlink(path);
	if (beside[0] != '\0')
		(void)unlink(beside);
	return 0;
}
