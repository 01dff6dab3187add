/*
 * cli.h: what the verbs of the warder command share.
 */
#ifndef CLI_H
#define CLI_H

#include "err.h"
#include "ipc.h"
#include "jail/places.h"
#include "opt.h"

/*
 * Print "warder: message" on stderr, with what is hostile in it escaped, and
 * return the exit status that belongs to the error.
 */
int cli_fail(const struct err *e);

/* The verbs: argv[0] is the verb; the return value is the exit status. */
int cli_exec(int argc, char **argv);
int live_enter(int argc, char **argv);
int live_ps(int argc, char **argv);
int live_kill(int argc, char **argv);
int cli_policy(int argc, char **argv);
int cli_audit(int argc, char **argv);
int cli_credential(int argc, char **argv);
int cli_service(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_completion(int argc, char **argv);

/* Their options; "policy" has its own, in warder-config. */
extern const struct opt_verb exec_verb;
extern const struct opt_verb live_enter_verb;
extern const struct opt_verb live_ps_verb;
extern const struct opt_verb live_kill_verb;
extern const struct opt_verb doctor_verb;
extern const struct opt_verb completion_verb;

/* What a live jail's launcher is asked, and the one answer to it. */
struct live_question {
	uint32_t type; /* enum jail_msg */
	const void *body;
	size_t size;
	uint32_t answer;
	size_t answer_size;
	int timeout_ms;
};

/*
 * Over a registry's socket; ERR_CONFLICT with the reason if it refuses.  The
 * answer is borrowed until the next call, its descriptors are the caller's.
 */
must_check int live_ask(int fd, const struct live_question *q,
    struct ipc_msg **ret, struct err *e);

struct cli_verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const struct opt_verb *options; /* NULL: another program knows them */
	/* What follows them: COMMAND, JAIL,COMMAND, JAILS, SHELL;
	 * POLICY, VERBS: verbs of its own, then policies, or any files. */
	const char *operands; /* NULL: nothing */
	const char *help;
};

/* All verbs, in the order of the help. */
extern const struct cli_verb main_verbs[];
extern const size_t main_nverbs;

#endif /* !CLI_H */
