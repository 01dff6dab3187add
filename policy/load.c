#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cache.h"
#include "load.h"

/*
 * Large, and mostly untouched: on the stack each page of it would be touched
 * once, by the compiler's guard against clashes.
 */
struct load_room {
	struct find_dirs dirs;
	struct client_files files;
	char text[CONFIG_TEXT_MAX];
};

static int
load_in(struct load_room *room, const struct policy_request *rq,
    struct plan *ret_plan, struct seccomp_program *ret_prog, struct err *e)
{
	struct policy_request full = *rq;
	unsigned char key[SHA256_SIZE];
	struct cache_entry entry = { ret_plan, ret_prog, &room->files,
		room->text, rq->net };
	autofd cache = -1;
	int rc = -1;

	if (full.dirs == NULL) {
		find_dirs_init(&room->dirs, rq->home);
		full.dirs = &room->dirs;
	}
	if (rq->cache_dir != NULL)
		cache = cache_open(rq->cache_dir, NULL);
	if (cache != -1) {
		cache_key(&full, key);
		rc = cache_load(cache, key, full.dirs, &entry) == 1 ? 0 : -1;
	}
	if (rc == -1) {
		rc = client_compile(&full, ret_plan, ret_prog, &room->files,
		    room->text, sizeof(room->text), e);
		if (rc == 0 && cache != -1)
			(void)cache_store(cache, key, &entry, NULL);
	}
	return rc;
}

int
policy_load(const struct policy_request *rq, struct plan *ret_plan,
    struct seccomp_program *ret_prog, char *ret_warnings, size_t size,
    struct err *e)
{
	struct load_room *room = mmap(NULL, sizeof(*room),
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (room == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap: policy");
	rc = load_in(room, rq, ret_plan, ret_prog, e);
	(void)snprintf(ret_warnings, size, "%s", room->text);
	(void)munmap(room, sizeof(*room));
	return rc;
}
