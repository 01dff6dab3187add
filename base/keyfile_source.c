/*
 * keyfile_source.c: where the vault's key may come from, one table.
 *
 * A source that unwraps a key (a KMS, a TPM) is a row whose descriptor is a
 * sealed memfd that a helper has filled.
 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum {
	SOURCE_PATH_MAX = 4096
};

/* 0 with *ret_fd -1: this source has none. */
static int
source_open(const char *dir, const char *name, int *ret_fd, struct err *e)
{
	char path[SOURCE_PATH_MAX];
	struct err why = { 0 };
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	*ret_fd = -1;
	if (n < 0 || n >= (int)sizeof(path))
		return err_set(e, ERR_INVALID, "%s: path too long", dir);
	if (keyfile_open(AT_FDCWD, path, 0, ret_fd, &why) == 0 ||
	    why.code == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

static int
source_file(const char *config, int *ret_fd, struct err *e)
{
	return source_open(config, "vault.key", ret_fd, e);
}

/* systemd.exec(5), LoadCredential=, LoadCredentialEncrypted= (a TPM's) */
static int
source_systemd(const char *config, int *ret_fd, struct err *e)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");

	(void)config;
	*ret_fd = -1;
	if (dir == NULL || dir[0] != '/')
		return 0;
	return source_open(dir, "warder-vault-key", ret_fd, e);
}

static const struct {
	const char *name;
	int (*open)(const char *config, int *ret_fd, struct err *e);
} sources[] = {
	{ "vault.key", source_file },
	{ "systemd's credential warder-vault-key", source_systemd },
};

int
keyfile_find(const char *config, int *ret_fd, struct err *e)
{
	const char *name = NULL;
	autofd found = -1;
	size_t i;

	for (i = 0; i < countof(sources); i++) {
		autofd fd = -1;

		if (sources[i].open(config, &fd, e) == -1)
			return -1;
		if (fd == -1)
			continue;
		if (name != NULL)
			return err_set(e, ERR_CONFLICT,
			    "the vault has two keys, %s and %s: remove the one "
			    "that it was not made with",
			    name, sources[i].name);
		name = sources[i].name;
		found = take_fd(&fd);
	}
	if (name == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "%s/vault.key: there is no key", config);
	*ret_fd = take_fd(&found);
	return 0;
}
