/* err.h: one error type for every process; small enough to travel by IPC. */
#ifndef ERR_H
#define ERR_H

#include "base.h"

/* clang-format off */
/*   name         http retry exit JSON-RPC text */
#define ERR_CODES(X) \
	X(OK,         200, 0,   0,      0, "no error") \
	X(INVALID,    400, 0, 125, -32602, "the request is malformed") \
	X(DENIED,     403, 0, 125, -32003, "policy forbids this") \
	X(NOT_FOUND,  404, 0, 125, -32004, "no such object") \
	X(CONFLICT,   409, 0, 125, -32009, "the object is in another state") \
	X(LIMIT,      429, 1, 125, -32029, "a configured limit was reached") \
	X(SYSTEM,     500, 1, 125, -32000, "a system call failed") \
	X(CORRUPT,    500, 0, 125, -32001, "stored or received data fails its checks") \
	X(UNSUPPORTED,501, 0, 125, -32005, "this host or this build cannot do it")

/* clang-format on */

enum err_code {
#define X(name, http, retry, exit, rpc, text) ERR_##name,
	ERR_CODES(X)
#undef X
	ERR__MAX
};

struct err {
	enum err_code code;
	int sys; /* errno at the point of failure, or 0 */
	char msg[480]; /* outermost context first; no secrets */
};

/*
 * err_set(e, code, fmt, ...): record the first failure in *e (which may be
 * NULL) and return -1, so that a caller can write "return err_set(...)".
 * With ERR_SYSTEM, errno is recorded and its text appended to the message.
 */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    printf_like(3, 4);

/*
 * err_sys(e, sys, fmt, ...): the same for ERR_SYSTEM with the error number
 * given, for callers of raw system calls that never touch errno.
 */
int err_sys(struct err *e, int sys, const char *fmt, ...) printf_like(3, 4);

/* err_wrap(e, fmt, ...): put context in front of what *e says; return -1. */
int err_wrap(struct err *e, const char *fmt, ...) printf_like(2, 3);

#ifdef __clang_analyzer__
/* It does not see err.c: tell it that these return -1. */
#	define err_set(...) (err_set(__VA_ARGS__), -1)
#	define err_sys(...) (err_sys(__VA_ARGS__), -1)
#	define err_wrap(...) (err_wrap(__VA_ARGS__), -1)
#endif

/*
 * The table's columns; an unknown code is "?", 500, no retry, 125, -32000.
 */
const char *err_name(enum err_code code);
const char *err_text(enum err_code code);
int err_http(enum err_code code);
int err_retry(enum err_code code);
int err_exit(enum err_code code);
int err_rpc(enum err_code code); /* to an agent: agent_rpc.h */

#endif /* !ERR_H */
