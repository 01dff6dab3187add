/*
 * agent_record.h: an agent.yaml, compiled.
 *
 * warder-config writes it, unprivileged; warderd checks it before it reads a
 * field, and runs agents by it.  Flat, bounded, without pointers.  Schemas,
 * defaults and the graph are not in it: they are in agent.json, which warderd
 * passes on unread.
 */
#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include <stdint.h>

#include "err.h"

enum {
	AGENT_RECORD_MAGIC = 0x544e4757, /* "WGNT" */
	AGENT_RECORD_VERSION = 1,

	AGENT_NAME_SIZE = 65, /* a name as policies have them */
	AGENT_POLICY_FILE_SIZE = 256,
	AGENT_ARGS_MAX = 64,
	AGENT_ENV_MAX = 64,
	AGENT_STRINGS_MAX = 32 * 1024,
};

enum agent_protocol {
	AGENT_NATIVE, /* has the socket, and speaks JSON-RPC on it */
	AGENT_PLAIN, /* standard input and output */
	AGENT_PROTOCOL__MAX
};

enum agent_policy {
	AGENT_POLICY_NONE, /* the built-in one */
	AGENT_POLICY_INLINE, /* in agent.yaml itself */
	AGENT_POLICY_FILE,
	AGENT_POLICY__MAX
};

struct agent_record {
	uint32_t magic;
	uint32_t version;
	uint32_t size; /* sizeof(struct agent_record) */
	uint32_t protocol; /* enum agent_protocol */
	uint32_t policy; /* enum agent_policy */
	uint32_t nargs; /* at least 1 */
	uint32_t nenv;
	uint32_t nstrings; /* bytes in use */
	char name[AGENT_NAME_SIZE];
	/* Relative to agent.yaml, without "." and ".." in it. */
	char policy_file[AGENT_POLICY_FILE_SIZE];
	/* nargs arguments, then nenv times NAME=VALUE, each with its NUL. */
	char strings[AGENT_STRINGS_MAX];
};

/*
 * Decide whether the "size" bytes at r are whole and well-formed; ERR_CORRUPT
 * with the first defect.  r has room for sizeof(*r).
 */
must_check int agent_record_check(const struct agent_record *r, size_t size,
    struct err *e);

/* Split the strings of a checked record into two NULL-terminated vectors. */
void agent_record_split(const struct agent_record *r,
    const char *ret_argv[AGENT_ARGS_MAX + 1],
    const char *ret_env[AGENT_ENV_MAX + 1]);

#endif /* !AGENT_RECORD_H */
