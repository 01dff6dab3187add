/*
 * question.h: "may it?", asked by a person or by a test of the policy.
 *
 * Answered by what enforces: authorize() over the network plan, the compiled
 * filter, the mounts of the plan; never by the text of the policy.  Offline:
 * names are not resolved, and of this host's addresses only loopback is
 * known.  warder-config and tests.
 */
#ifndef QUESTION_H
#define QUESTION_H

#include "explain.h"
#include "plan.h"
#include "seccomp_program.h"

enum question_kind {
	QUESTION_HTTP, /* "GET https://host/path", "https://host/path" */
	QUESTION_TCP, /* "tcp:host:port" */
	QUESTION_DNS, /* "dns:host" */
	QUESTION_READ, /* "read:/path" */
	QUESTION_WRITE, /* "write:/path", "/path" */
	QUESTION_SYSCALL, /* "syscall:name", "name" */
	QUESTION__MAX
};

struct question {
	enum question_kind kind;
	const char *text; /* what follows the prefix; borrowed */
	uint32_t carries; /* HTTP: a credential's placeholder; or NONE */
};

/* What is asked of; all three passed their checks. */
struct question_plan {
	const struct plan *plan;
	const struct seccomp_program *program;
	const struct plan_net *net; /* plan_net_init's if the plan has none */
};

struct answer {
	enum verdict_answer answer;
	int network; /* the fields of the second half are filled */
	/* The reason; of the network only why it could not be read. */
	char why[EXPLAIN_SIZE];
	const char *near; /* "file:line", or "" */
	char edit[EXPLAIN_SIZE];

	struct intent in;
	struct verdict v;
	struct explain x;
	/* What in points to. */
	struct canon_url url;
	char host[CANON_HOST_SIZE];
	char method[CANON_METHOD_MAX + 1];
	char query[CANON_QUERY_MAX + 1];
	struct intent_carry carries[PLAN_NET_SERVICE_INJECTS_MAX];
};

/* ERR_INVALID if it is none of the forms above. */
must_check int question_parse(const char *text, struct question *ret,
    struct err *e);

/*
 * Answer.  A client is taken to behave: it sends the placeholder that its
 * service wants, where it belongs; with carries it sends that one alone, in
 * its header where the service takes it, otherwise elsewhere.
 */
void question_ask(const struct question_plan *p, const struct question *q,
    struct answer *ret);

/* The refusal record of an answer (see explain_record). */
void question_record(const struct question_plan *p, const struct question *q,
    const struct answer *a, struct text *t);

#endif /* !QUESTION_H */
