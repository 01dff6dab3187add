/*
 * The program, in the order in which it runs:
 *
 *	load arch;   another one: KILL_PROCESS
 *	load number; above the highest known: ENOSYS
 *	binary search over runs of numbers with equal verdicts, whose leaves
 *	are returns, or checks of arguments that end in returns
 *
 * Comparing numbers as unsigned also sends those of x32 (bit 30) and negative
 * ones to ENOSYS.  The kernel runs a new filter once for each number, to
 * remember which are allowed whatever the arguments: so a short way to every
 * leaf is what loading costs.
 *
 * It is written backwards, last instruction first.  Classic BPF jumps only
 * forward, so everything that an instruction may jump to is in place before
 * it and its distance is known.  A place is called by its height, the number
 * of instructions from it to the end.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "seccomp_emit.h"

enum {
	EMIT_RULES_MAX = 64,
	EMIT_RETURNS_MAX = 16, /* different actions */
	/*
	 * A conditional jump skips at most 255 instructions.  One less, as
	 * bringing its second target near can move the first one by one.
	 */
	EMIT_NEAR_MAX = 254,
	/* An equal return is shared if it is so near that no detour follows. */
	EMIT_SHARE_MAX = 128,
};

struct emit_return {
	uint32_t action;
	uint32_t at; /* height of the last one written, 0: none yet */
};

struct emit {
	struct sock_filter *end; /* one past the last instruction */
	uint32_t height;
	uint32_t rules[EMIT_RULES_MAX]; /* their heights, 0: not yet written */
	struct emit_return returns[EMIT_RETURNS_MAX];
	uint32_t nreturns;
};

/* A run of numbers with one verdict, up to the next run's first. */
struct emit_run {
	uint32_t first;
	const struct seccomp_verdict *verdict;
};

static uint32_t emit_verdict(struct emit *m, const struct seccomp_verdict *v);

static uint32_t
emit_push(struct emit *m, struct sock_filter insn)
{
	assert(m->height < SECCOMP_PROGRAM_MAX);
	m->height++;
	*(m->end - m->height) = insn;
	return m->height;
}

static uint32_t
emit_goto(struct emit *m, uint32_t to)
{
	return emit_push(m,
	    (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, m->height - to));
}

/* The same place, or a jump to it that is near. */
static uint32_t
emit_near(struct emit *m, uint32_t to)
{
	return m->height - to > EMIT_NEAR_MAX ? emit_goto(m, to) : to;
}

/* "if (A test k) goto yes; else goto no" */
static uint32_t
emit_if(struct emit *m, uint16_t test, uint32_t k, uint32_t yes, uint32_t no)
{
	yes = emit_near(m, yes);
	no = emit_near(m, no);
	return emit_push(m,
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_K | test, k,
		(uint8_t)(m->height - yes), (uint8_t)(m->height - no)));
}

/* "A = the word at offset; go on at next" */
static uint32_t
emit_load(struct emit *m, size_t offset, uint32_t next)
{
	if (next != m->height)
		(void)emit_goto(m, next);
	return emit_push(m,
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		(uint32_t)offset));
}

static struct emit_return *
emit_return_slot(struct emit *m, uint32_t action)
{
	for (uint32_t i = 0; i < m->nreturns; i++)
		if (m->returns[i].action == action)
			return &m->returns[i];
	assert(m->nreturns < EMIT_RETURNS_MAX);
	m->returns[m->nreturns] = (struct emit_return){ .action = action };
	return &m->returns[m->nreturns++];
}

static uint32_t
emit_return(struct emit *m, uint32_t action)
{
	struct emit_return *r = emit_return_slot(m, action);

	if (r->at == 0 || m->height - r->at > EMIT_SHARE_MAX)
		r->at = emit_push(m,
		    (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
	return r->at;
}

/* Both architectures keep the low half of an argument first. */
static size_t
arg_low(uint32_t arg)
{
	return offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t);
}

/* "if (argument != 0) goto yes; else goto no", all 64 bits of it */
static uint32_t
emit_nonnull(struct emit *m, uint32_t arg, uint32_t yes, uint32_t no)
{
	uint32_t low, high;

	low = emit_if(m, BPF_JEQ, 0, no, yes);
	low = emit_load(m, arg_low(arg), low);
	high = emit_if(m, BPF_JEQ, 0, low, yes);
	return emit_load(m, arg_low(arg) + sizeof(uint32_t), high);
}

/* "A = low half of the line's argument, under the mask of SECCOMP_IS" */
static uint32_t
emit_argument(struct emit *m, const struct seccomp_line *l, uint32_t next)
{
	if (l->op == SECCOMP_IS && l->mask != UINT32_MAX)
		next = emit_push(m,
		    (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
			l->mask));
	return emit_load(m, arg_low(l->arg), next);
}

/* One line, its argument in A already. */
static uint32_t
emit_line(struct emit *m, const struct seccomp_line *l, uint32_t no)
{
	uint32_t yes = emit_verdict(m, &l->verdict);

	if (l->op == SECCOMP_IS)
		return emit_if(m, BPF_JEQ, l->value, yes, no);
	return emit_if(m, BPF_JSET, l->mask, yes, no);
}

static uint32_t
emit_lines(struct emit *m, const struct seccomp_line *lines, size_t n)
{
	uint32_t at = emit_verdict(m, &lines[--n].verdict);

	if (lines->op == SECCOMP_NONNULL)
		return emit_nonnull(m, lines->arg,
		    emit_verdict(m, &lines->verdict), at);
	while (n-- > 0)
		at = emit_line(m, &lines[n], at);
	return emit_argument(m, lines, at);
}

static uint32_t
emit_rule(struct emit *m, uint32_t rule)
{
	const struct seccomp_line *lines;
	size_t n;

	assert(rule < EMIT_RULES_MAX);
	if (m->rules[rule] == 0) {
		lines = seccomp_rule_lines(rule, &n);
		m->rules[rule] = emit_lines(m, lines, n);
	}
	return m->rules[rule];
}

static uint32_t
emit_verdict(struct emit *m, const struct seccomp_verdict *v)
{
	return v->rule != 0 ? emit_rule(m, v->rule) : emit_return(m, v->action);
}

/* The search among n runs, n > 0, with the number in A. */
static uint32_t
emit_search(struct emit *m, const struct emit_run *runs, size_t n)
{
	uint32_t above, below;

	if (n == 1)
		return emit_verdict(m, runs->verdict);
	above = emit_search(m, runs + n / 2, n - n / 2);
	below = emit_search(m, runs, n / 2);
	return emit_if(m, BPF_JGE, runs[n / 2].first, above, below);
}

static int
verdict_equal(const struct seccomp_verdict *a, const struct seccomp_verdict *b)
{
	return a->rule == b->rule && (a->rule != 0 || a->action == b->action);
}

static size_t
runs_find(const struct seccomp_verdict *verdicts, struct emit_run *runs)
{
	size_t n = 0;

	for (uint32_t nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++)
		if (n == 0 ||
		    !verdict_equal(&verdicts[nr], runs[n - 1].verdict))
			runs[n++] = (struct emit_run){ nr, &verdicts[nr] };
	return n;
}

static void
emit_program(struct emit *m, const struct emit_run *runs, size_t n,
    uint32_t audit_arch)
{
	uint32_t at = emit_search(m, runs, n);
	uint32_t unknown = emit_return(m, SECCOMP_RET_ERRNO | ENOSYS);
	uint32_t foreign = emit_return(m, SECCOMP_RET_KILL_PROCESS);

	at = emit_if(m, BPF_JGE, SECCOMP_NR_HIGHEST + 1, unknown, at);
	at = emit_load(m, offsetof(struct seccomp_data, nr), at);
	at = emit_if(m, BPF_JEQ, audit_arch, at, foreign);
	(void)emit_load(m, offsetof(struct seccomp_data, arch), at);
}

void
seccomp_emit(const struct seccomp_verdict verdicts[SECCOMP_NR_HIGHEST + 1],
    uint32_t audit_arch, struct seccomp_program *ret)
{
	struct emit_run runs[SECCOMP_NR_HIGHEST + 1];
	struct emit m = { .end = ret->insn + SECCOMP_PROGRAM_MAX };
	size_t n = runs_find(verdicts, runs);

	memset(ret, 0, sizeof(*ret));
	emit_program(&m, runs, n, audit_arch);
	ret->length = m.height;
	memmove(ret->insn, m.end - m.height, m.height * sizeof(*ret->insn));
	memset(ret->insn + m.height, 0,
	    (SECCOMP_PROGRAM_MAX - m.height) * sizeof(*ret->insn));
}
