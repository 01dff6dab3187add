#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "load.h"

int
policy_load(const struct policy_request *rq, struct plan *ret_plan,
    struct seccomp_program *ret_prog, char *ret_warnings, size_t size,
    struct err *e)
{
	struct policy_request full = *rq;
	unfilled char text[CONFIG_TEXT_MAX];
	unsigned char key[SHA256_SIZE];
	unfilled struct client_files files;
	struct cache_entry entry = { ret_plan, ret_prog, &files, text,
		rq->net };
	struct find_dirs dirs;
	autofd cache = -1;
	int rc = -1;

	text[0] = '\0';
	if (full.dirs == NULL) {
		find_dirs_init(&dirs, rq->home);
		full.dirs = &dirs;
	}
	if (rq->cache_dir != NULL)
		cache = cache_open(rq->cache_dir, NULL);
	if (cache != -1) {
		cache_key(&full, key);
		rc = cache_load(cache, key, full.dirs, &entry) == 1 ? 0 : -1;
	}
	if (rc == -1) {
		rc = client_compile(&full, ret_plan, ret_prog, &files, text,
		    sizeof(text), e);
		if (rc == 0 && cache != -1)
			(void)cache_store(cache, key, &entry, NULL);
	}
	(void)snprintf(ret_warnings, size, "%s", text);
	return rc;
}
