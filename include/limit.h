/*
 * limit.h: the numbers that several folders share, with their reasons.
 *
 * One table for each group: what it is called, its unit, why it has this
 * value, and what happens one past it.  A constant that belongs to one module
 * is defined in that module's header and listed here; docs/limits.md is
 * generated from the tables ("make docs"), and lint compares the two.
 *
 * Not called limits.h: gcc's <limits.h> would find it in place of the C
 * library's.
 */
#ifndef LIMIT_H
#define LIMIT_H

#include "agent_record.h"
#include "http1.h"
#include "ipc.h"
#include "limits_api.h"
#include "limits_proxy.h"
#include "log.h"
#include "msg_config.h"
#include "msg_init.h"
#include "msg_spawn.h"
#include "plan.h"
#include "plan_net.h"
#include "secret.h"
#include "text.h"
#include "tls.h"

/*
 * What a jail gets whose policy does not say.  The policy is
 * policy/data/default.yaml; a test holds the two together.
 */
enum {
	LIMIT_CPU_MILLI = 1000,
	LIMIT_MEMORY_BYTES = 1 << 30,
	LIMIT_PIDS = 256,
	LIMIT_OPEN_FILES = 1024,
	LIMIT_WALL_MS = 10 * 60 * 1000,
	LIMIT_OUTPUT_BYTES = 16 << 20,
	LIMIT_WORKSPACE_BYTES = 1 << 30,
	LIMIT_TMP_BYTES = 256 << 20,
	LIMIT_INODES = 100000,
};

/* clang-format off */
/*   name, unit, reason, one past it */
#define LIMITS_JAIL(X) \
	X(LIMIT_CPU_MILLI, "thousandths of a processor", \
	    "a jail that says nothing must not slow its neighbours", \
	    "its processes wait for their share") \
	X(LIMIT_MEMORY_BYTES, "bytes", \
	    "a compiler or an interpreter with its libraries fits", \
	    "the whole jail is killed: 137, reason oom") \
	X(LIMIT_PIDS, "processes and threads", \
	    "make -j and thread pools fit, a fork bomb does not", \
	    "fork and clone fail with EAGAIN") \
	X(LIMIT_OPEN_FILES, "descriptors a process", \
	    "the usual soft limit, which programs are built for", \
	    "open fails with EMFILE") \
	X(LIMIT_WALL_MS, "ms", \
	    "what nobody waits for any more must end by itself", \
	    "the jail is killed: 124, reason wall") \
	X(LIMIT_OUTPUT_BYTES, "bytes", \
	    "stdout and stderr are stored and shown by others", \
	    "the jail is killed: reason output") \
	X(LIMIT_WORKSPACE_BYTES, "bytes", \
	    "a checked-out tree and its build fit", \
	    "write fails with ENOSPC") \
	X(LIMIT_TMP_BYTES, "bytes", \
	    "temporary files of compilers fit; it is memory", \
	    "write fails with ENOSPC") \
	X(LIMIT_INODES, "inodes a mount", \
	    "kernel memory that no byte limit counts", \
	    "creating fails with ENOSPC")

#define LIMITS_MESSAGES(X) \
	X(IPC_BODY_MAX, "bytes", \
	    "one datagram below the kernel's default socket buffer", \
	    "ipc_send refuses it; one received is dropped with its sender") \
	X(IPC_FDS_MAX, "descriptors", \
	    "no message needs more; the kernel would allow 253", \
	    "all are closed and the message is refused") \
	X(CONFIG_TEXT_MAX, "bytes", \
	    "diagnostics that a person still reads", \
	    "the text is cut and ends in ...") \
	X(INIT_COMMANDS_MAX, "commands alive in a jail", \
	    "a fixed table: warder-init allocates nothing", \
	    "the command is not started") \
	X(INIT_ARGS_MAX, "arguments and variables", \
	    "more than a command line has, a fixed table in warder-init", \
	    "the command is refused before anything starts") \
	X(INIT_STRINGS_MAX, "bytes", \
	    "above what the kernel takes in one execve", \
	    "the command is refused before anything starts")

#define LIMITS_SPAWN(X) \
	X(SPAWN_IDS_MAX, "runs and deployments at once", \
	    "each has some descriptors and a row of a fixed table", \
	    "refused: LIMIT") \
	X(SPAWN_DEPLOYS_MAX, "deployments at once", \
	    "each unpacks and compiles in processes of its own", \
	    "refused: LIMIT") \
	X(SPAWN_ARCHIVE_MAX, "bytes of a tar", \
	    "an interpreter's libraries fit; it lies in memory meanwhile", \
	    "refused: INVALID") \
	X(SPAWN_CARD_MAX, "bytes of agent.json", \
	    "schemas and graphs are written by people", \
	    "the agent is refused") \
	X(SPAWN_TEXT_SIZE, "bytes with the NUL", \
	    "diagnostics that a person still reads", \
	    "the text is cut") \
	X(AGENT_ARGS_MAX, "words of an agent's command", \
	    "the program and what it is told", \
	    "the agent is refused, with its line") \
	X(AGENT_ENV_MAX, "variables of an agent", \
	    "beside those of its policy", \
	    "the agent is refused, with its line") \
	X(AGENT_STRINGS_MAX, "bytes", \
	    "command and variables together", \
	    "the agent is refused, with its line") \
	X(SETTINGS_LISTEN_MAX, "listeners", \
	    "an address of each family and a socket", \
	    "the file is refused, with its line") \
	X(SETTINGS_TENANTS_MAX, "tenants", \
	    "they are named in a file that a person writes", \
	    "the file is refused, with its line") \
	X(SETTINGS_ROOTS_MAX, "directories", \
	    "where agents may be deployed from", \
	    "the file is refused, with its line") \
	X(SETTINGS_ORIGINS_MAX, "origins", \
	    "each request of a browser is compared with each", \
	    "the file is refused, with its line")

#define LIMITS_PLAN(X) \
	X(PLAN_ENV_MAX, "variables", \
	    "flat arrays need a bound; real policies have a dozen", \
	    "the policy does not compile: limit, with its line") \
	X(PLAN_MOUNT_MAX, "mounts", \
	    "each costs start time", \
	    "the policy does not compile: limit, with its line") \
	X(PLAN_PROTECT_MAX, "paths", \
	    "each pins its ancestors with mounts", \
	    "the policy does not compile: limit, with its line") \
	X(PLAN_SYSCALL_MAX, "system calls a list", \
	    "a profile is chosen, lists only amend it", \
	    "the policy does not compile: limit, with its line") \
	X(PLAN_STRINGS_MAX, "bytes", \
	    "all paths and values of a plan together", \
	    "the policy does not compile: limit") \
	X(PLAN_NET_SERVICES_MAX, "services", \
	    "a policy with its templates has a dozen", \
	    "the policy does not compile, with its line") \
	X(PLAN_NET_DESTINATIONS_MAX, "hosts with a port", \
	    "real policies have dozens", \
	    "the policy does not compile, with its line") \
	X(PLAN_NET_RULES_MAX, "rules", \
	    "eight times what authorize() is measured with", \
	    "the policy does not compile, with its line") \
	X(PLAN_NET_QUERIES_MAX, "query parameters of all rules", \
	    "few rules name any", \
	    "the policy does not compile, with its line") \
	X(PLAN_NET_RANGES_MAX, "address ranges", \
	    "private space is opened range by range", \
	    "the policy does not compile, with its line") \
	X(PLAN_NET_CREDENTIALS_MAX, "credentials", \
	    "each is a secret in locked memory", \
	    "the policy does not compile, with its line") \
	X(PLAN_NET_SERVICE_INJECTS_MAX, "credentials of one service", \
	    "each fills a header of one request", \
	    "the policy does not compile, with its line") \
	X(PLAN_NET_STRINGS_MAX, "bytes", \
	    "hosts, paths and names of a network plan together", \
	    "the policy does not compile: too large")

#define LIMITS_CONFIG(X) \
	X(CONFIG_FILE_MAX, "bytes", \
	    "a policy is written by people", \
	    "the file is refused before it is parsed") \
	X(CONFIG_FILES_MAX, "files", \
	    "chains of extends and use end", \
	    "the policy is refused") \
	X(CONFIG_PATH_MAX, "bytes with the NUL", \
	    "the kernel's PATH_MAX", \
	    "the path is refused") \
	X(CONFIG_PROGRAM_MAX, "instructions", \
	    "the kernel's BPF_MAXINSNS", \
	    "the policy is refused")

#define LIMITS_BASE(X) \
	X(TEXT_PATH_MAX, "bytes with the NUL", \
	    "the kernel's PATH_MAX", \
	    "text_path refuses it") \
	X(TEXT_WORD_MAX, "bytes", \
	    "the distance of two words costs their product", \
	    "no near name is offered") \
	X(LOG_LINE_MAX, "bytes", \
	    "PIPE_BUF: a line is written whole or not at all", \
	    "pairs are left out, the line says truncated=1") \
	X(LOG_VALUE_MAX, "bytes", \
	    "one hostile value must not push the others out", \
	    "the value ends in ..., the line says truncated=1") \
	X(SECRET_MAX, "bytes", \
	    "locked memory is scarce; a long signed token fits", \
	    "the secret is refused")

#define LIMITS_HTTP1(X) \
	X(HTTP1_METHOD_MAX, "bytes", \
	    "the longest registered method has 17", \
	    "refused: METHOD_LONG, 501") \
	X(HTTP1_START_MAX, "bytes", \
	    "RFC 9112 wants 8,000; signed URLs are longer", \
	    "refused: START_LONG, 414") \
	X(HTTP1_FIELD_MAX, "bytes of name, colon and value", \
	    "the longest secret fits, in base64 too", \
	    "refused: FIELD_LONG, 431") \
	X(HTTP1_FIELDS_MAX, "fields", \
	    "each is compared with each name looked for; browsers send 30", \
	    "refused: FIELDS_MANY, 431") \
	X(HTTP1_HEAD_MAX, "bytes", \
	    "held for every connection before anything is decided", \
	    "refused: HEAD_LONG, 431") \
	X(HTTP1_CONNECTION_MAX, "options in Connection", \
	    "each is compared with every field", \
	    "refused: CONNECTION_MANY, 400") \
	X(HTTP1_LENGTH_DIGITS_MAX, "digits of Content-Length", \
	    "any such number is below 2^63", \
	    "refused: LENGTH_LARGE, 413") \
	X(HTTP1_CHUNK_DIGITS_MAX, "digits of a chunk size", \
	    "any such number is below 2^60, zeros in front count", \
	    "refused: CHUNK_SIZE, 400") \
	X(HTTP1_CHUNK_LINE_MAX, "bytes of a chunk's size line", \
	    "a size and a short extension fit", \
	    "refused: CHUNK_LINE_LONG, 400") \
	X(HTTP1_CHUNK_EXT_MAX, "bytes of a body's chunk extensions", \
	    "nobody reads them, and they cost more than they carry", \
	    "refused: CHUNK_EXT_LONG, 400") \
	X(HTTP1_TRAILERS_MAX, "trailers", \
	    "a digest, a signature, a status: few are in use", \
	    "refused: FIELDS_MANY, 431") \
	X(HTTP1_TRAILER_BYTES_MAX, "bytes of all trailers", \
	    "they come when most of the message is gone", \
	    "refused: HEAD_LONG, 431")

#define LIMITS_TLS(X) \
	X(TLS_FIRST_MAX, "bytes", \
	    "what was read to see a ClientHello; real ones have 0.2 to 4 KiB", \
	    "no stream is made of it") \
	X(TLS_CHAIN_MAX, "certificates of an identity", \
	    "a leaf and what is between it and a root", \
	    "the identity is refused") \
	X(TLS_PEM_MAX, "bytes", \
	    "the largest bundles of authorities have 0.5 MiB", \
	    "the text is refused") \
	X(TLS_TICKET_S, "s", \
	    "programs come back within minutes", \
	    "a full handshake is made")

#define LIMITS_GROUPS(X) \
	X("A jail whose policy does not say", LIMITS_JAIL) \
	X("Messages between Warder's processes", LIMITS_MESSAGES) \
	X("The supervisor", LIMITS_SPAWN) \
	X("A compiled policy", LIMITS_PLAN) \
	X("Policy files", LIMITS_CONFIG) \
	X("Text, logs, secrets", LIMITS_BASE) \
	X("HTTP/1.1 messages", LIMITS_HTTP1) \
	X("TLS", LIMITS_TLS) \
	X("The way out of a jail", LIMITS_PROXY) \
	X("The API", LIMITS_API)

/* clang-format on */

#endif /* !LIMIT_H */
