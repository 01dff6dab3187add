/*
 * cache.h: compiled policies, on disk.
 *
 * One file an entry, named by the digest of what was asked for: the version,
 * the request, and which warder-config would answer it.  An entry lists the
 * files that went into it; a hit finds and hashes each of them again, so that
 * it is what a compilation would give now.  Everything read is checked as
 * if a stranger had written it.  Only the launcher writes the directory; a
 * damaged entry is a miss.  libc only, no allocation, no fsync.
 *
 * Bounded by count and bytes: each store removes the oldest entries above
 * that, and what a store that was killed has left.  A removed entry is a miss
 * for whoever comes next; whoever has it open reads on.
 */
#ifndef CACHE_H
#define CACHE_H

#include "client.h"

enum {
	CACHE_ENTRIES_MAX = 512, /* some hundred projects' policies */
	CACHE_BYTES_MAX = 32 * 1024 * 1024,
	CACHE_STALE_S = 60, /* a store takes milliseconds */
};

struct cache_entry {
	struct plan *plan;
	struct seccomp_program *program;
	struct client_files *files;
	char *warnings; /* CONFIG_TEXT_MAX bytes */
	union plan_net_room *net; /* NULL: not wanted, not stored */
};

/*
 * Open the directory, making it if its parent is there; the caller's own,
 * mode 0700, no symbolic link.  A descriptor, or -1.
 */
must_check int cache_open(const char *path, struct err *e);

/* The name of a request's entry. */
void cache_key(const struct policy_request *rq, unsigned char ret[SHA256_SIZE]);

/* 1 with *entry filled, or 0: a miss for whatever reason. */
int cache_load(int dir, const unsigned char key[SHA256_SIZE],
    const struct find_dirs *dirs, const struct cache_entry *entry);

/* Remove what is too much: all but "entries" and "bytes" at the most. */
void cache_trim(int dir, unsigned entries, uint64_t bytes);

/* Write the entry in place of any other; a failure costs only time later. */
int cache_store(int dir, const unsigned char key[SHA256_SIZE],
    const struct cache_entry *entry, struct err *e);

#endif /* !CACHE_H */
