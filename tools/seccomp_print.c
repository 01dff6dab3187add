/*
 * seccomp_print.c: the seccomp tables for people and for tests.
 *
 *	seccomp-print golden PROFILE	JSON: what a jail must observe
 *	seccomp-print docs		docs/seccomp-tables.md
 *
 * A build tool: no program of Warder contains it.  It reads the tables alone
 * and knows nothing of compiled filters, so that what it prints can judge
 * them.  docs/seccomp.md describes the formats.
 */
#include <stdio.h>
#include <string.h>

#include "policy/seccomp_table.h"

#if defined(__x86_64__)
#	define NATIVE SECCOMP_ARCH_X86_64
#	define NATIVE_NAME "x86_64"
#elif defined(__aarch64__)
#	define NATIVE SECCOMP_ARCH_ARM64
#	define NATIVE_NAME "arm64"
#endif

enum {
	NARGS = 6,
	BITS_MAX = 8, /* a mask of no more bits is tried bit by bit */
};

struct args {
	uint64_t v[NARGS];
};

/* Neither a descriptor nor an address. */
static const struct args bad_args = { { UINT64_MAX, UINT64_MAX, UINT64_MAX,
    UINT64_MAX, UINT64_MAX, UINT64_MAX } };

static const struct seccomp_syscall *
call_of_number(int nr)
{
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		if (seccomp_syscalls[i].nr[NATIVE] == nr)
			return &seccomp_syscalls[i];
	return NULL;
}

static const struct seccomp_entry *
entry_of(uint32_t profile, const struct seccomp_syscall *s)
{
	return seccomp_entry(profile, (size_t)(s - seccomp_syscalls));
}

/* ---- golden: the answer to every number ---- */

static void
print_call(uint32_t profile, int nr)
{
	const struct seccomp_syscall *s = call_of_number(nr);
	const struct seccomp_entry *e;

	if (s == NULL) {
		printf("{\"nr\":%d,\"name\":null,\"verdict\":\"ENOSYS\"}", nr);
		return;
	}
	e = entry_of(profile, s);
	printf("{\"nr\":%d,\"name\":\"%s\",", nr, s->name);
	if (e->verdict.rule == 0)
		printf("\"verdict\":\"%s\"",
		    seccomp_action_name(e->verdict.action));
	else
		printf(
		    "\"verdict\":\"arguments\",\"rule\":\"%s\",\"bad\":\"%s\"",
		    seccomp_rules[e->verdict.rule].name,
		    seccomp_action_name(
			seccomp_decide(&e->verdict, bad_args.v)));
	printf("%s}", e->flags & SECCOMP_BYPASS ? ",\"bypass\":true" : "");
}

/* ---- golden: arguments that reach each line of each rule ---- */

static void
set_low(uint64_t *arg, uint32_t mask, uint32_t value)
{
	*arg = (*arg & ~(uint64_t)mask) | value;
}

static int
holds(const struct seccomp_line *l, const struct args *a)
{
	return l->op == SECCOMP_IS &&
	       ((uint32_t)a->v[l->arg] & l->mask) == l->value;
}

/* Change the arguments so that the line's own condition holds, by one bit. */
static void
make_hold(const struct seccomp_line *l, uint32_t bit, struct args *a)
{
	if (l->op == SECCOMP_IS)
		set_low(&a->v[l->arg], l->mask, l->value);
	else if (l->op == SECCOMP_ANY)
		set_low(&a->v[l->arg], l->mask, bit);
	else if (l->op == SECCOMP_NONNULL)
		a->v[l->arg] = UINT64_MAX;
}

/* The bits to try one by one; of a whole list of allowed ones, the least. */
static uint32_t
bits_of(const struct seccomp_line *l)
{
	if (l->op != SECCOMP_ANY)
		return 1;
	return __builtin_popcount(l->mask) <= BITS_MAX ? l->mask
						       : l->mask & -l->mask;
}

/* Change them so that it does not: no table lists 0x7ffffffe. */
static void
make_fail(const struct seccomp_line *l, struct args *a)
{
	if (l->op == SECCOMP_ANY)
		set_low(&a->v[l->arg], l->mask, 0);
	else if (l->op == SECCOMP_NONNULL)
		a->v[l->arg] = 0;
	else if (holds(l, a))
		set_low(&a->v[l->arg], UINT32_MAX, 0x7ffffffe);
}

static void
print_case(uint32_t profile, const struct seccomp_syscall *s,
    const struct args *a)
{
	static int printed;

	printf("%s\n{\"nr\":%d,\"name\":\"%s\",\"args\":[", printed ? "," : "",
	    s->nr[NATIVE], s->name);
	printed = 1;
	for (int i = 0; i < NARGS; i++)
		printf("%s\"%#llx\"", i > 0 ? "," : "",
		    (unsigned long long)a->v[i]);
	printf("],\"verdict\":\"%s\"}",
	    seccomp_action_name(
		seccomp_decide(&entry_of(profile, s)->verdict, a->v)));
}

static void print_cases(uint32_t profile, const struct seccomp_syscall *s,
    const struct seccomp_verdict *v, const struct args *a);

static void
print_line_cases(uint32_t profile, const struct seccomp_syscall *s,
    const struct seccomp_line *l, const struct args *a)
{
	struct args next;

	for (uint32_t bits = bits_of(l); bits != 0; bits &= bits - 1) {
		next = *a;
		make_hold(l, bits & -bits, &next);
		print_cases(profile, s, &l->verdict, &next);
	}
}

static void
print_cases(uint32_t profile, const struct seccomp_syscall *s,
    const struct seccomp_verdict *v, const struct args *a)
{
	const struct seccomp_line *l;
	struct args rest = *a;
	size_t n;

	if (v->rule == 0) {
		print_case(profile, s, a);
		return;
	}
	for (l = seccomp_rule_lines(v->rule, &n); n > 0; l++, n--) {
		print_line_cases(profile, s, l, &rest);
		make_fail(l, &rest);
	}
}

static void
print_call_cases(uint32_t profile, int nr)
{
	const struct seccomp_syscall *s = call_of_number(nr);
	struct args low = bad_args;

	if (s == NULL || entry_of(profile, s)->verdict.rule == 0)
		return;
	print_cases(profile, s, &entry_of(profile, s)->verdict, &bad_args);
	for (int i = 0; i < NARGS; i++)
		low.v[i] = UINT32_MAX;
	print_cases(profile, s, &entry_of(profile, s)->verdict, &low);
}

static int
print_golden(const char *name)
{
	uint32_t p = 0;

	while (p < PLAN_SECCOMP__MAX && strcmp(plan_seccomp_name(p), name) != 0)
		p++;
	if (p == PLAN_SECCOMP__MAX)
		return -1;
	printf("{\"schema\":\"warder.seccomp-golden/1\",\"profile\":\"%s\","
	       "\"arch\":\"" NATIVE_NAME "\",\"highest\":%d,"
	       "\"above\":\"ENOSYS\",\"foreign_arch\":\"kill\",\n\"calls\":[",
	    name, SECCOMP_NR_HIGHEST);
	for (int nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++) {
		printf("%s\n", nr > 0 ? "," : "");
		print_call(p, nr);
	}
	printf("],\n\"cases\":[");
	for (int nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++)
		print_call_cases(p, nr);
	printf("]}\n");
	return 0;
}

/* ---- docs ---- */

static void
print_verdict(const struct seccomp_verdict *v)
{
	if (v->rule != 0)
		printf(" [%s](#rule-%s) |", seccomp_rules[v->rule].name,
		    seccomp_rules[v->rule].name);
	else
		printf(" %s |", seccomp_action_name(v->action));
}

static void
print_nr(int nr)
{
	if (nr == SECCOMP_NR_NONE)
		printf(" – |");
	else
		printf(" %d |", nr);
}

static void
print_docs_call(size_t call)
{
	const struct seccomp_syscall *s = &seccomp_syscalls[call];
	const struct seccomp_entry *e;
	uint32_t flags = seccomp_entry(PLAN_SECCOMP_STRICT, call)->flags;

	printf("| `%s` |", s->name);
	for (int a = 0; a < SECCOMP_ARCH__MAX; a++)
		print_nr(s->nr[a]);
	for (uint32_t p = 0; p < PLAN_SECCOMP__MAX; p++)
		print_verdict(&seccomp_entry(p, call)->verdict);
	printf("%s%s%s |", flags & SECCOMP_OPTIONAL ? " optional" : "",
	    flags & SECCOMP_INIT ? " init" : "",
	    flags & SECCOMP_BYPASS ? " bypass" : "");
	for (uint32_t p = 0; p < PLAN_SECCOMP__MAX; p++) {
		e = seccomp_entry(p, call);
		if (seccomp_entry_profile(p, call) == p)
			printf("%s%s%s%s", p > 0 ? "; in " : " ",
			    p > 0 ? plan_seccomp_name(p) : "",
			    p > 0 ? ": " : "", e->reason);
	}
	printf(" |\n");
}

/* "|" ends a cell, in code too. */
static void
print_label(const char *label)
{
	printf("`");
	for (; *label != '\0'; label++)
		printf("%s%c", *label == '|' ? "\\" : "", *label);
	printf("`");
}

static void
print_condition(const struct seccomp_line *l)
{
	static const char *const words[] = {
		[SECCOMP_IS] = "is",
		[SECCOMP_ANY] = "has any of",
		[SECCOMP_NONNULL] = "is not null:",
	};

	if (l->op == SECCOMP_ELSE) {
		printf("| else |");
		return;
	}
	printf("| argument %u %s ", l->arg, words[l->op]);
	print_label(l->label);
	if (l->op != SECCOMP_NONNULL)
		printf(" (%#x)", l->op == SECCOMP_IS ? l->value : l->mask);
	if (l->op == SECCOMP_IS && l->mask != UINT32_MAX)
		printf(" under %#x", l->mask);
	printf(" |");
}

static void
print_docs_rule(uint32_t rule)
{
	const struct seccomp_line *l;
	size_t n;

	printf("\n<a id=\"rule-%s\"></a>**%s**: %s\n\n"
	       "| condition | verdict | reason |\n|---|---|---|\n",
	    seccomp_rules[rule].name, seccomp_rules[rule].name,
	    seccomp_rules[rule].about);
	for (l = seccomp_rule_lines(rule, &n); n > 0; l++, n--) {
		print_condition(l);
		print_verdict(&l->verdict);
		printf(" %s |\n", l->reason);
	}
}

static int
print_docs(void)
{
	printf("# Seccomp tables\n\n"
	       "Generated from `policy/data/` by `make docs`; "
	       "[seccomp.md](seccomp.md) explains them.\n\n"
	       "## Rules on arguments\n\n"
	       "The first line of a rule that holds decides.\n");
	for (uint32_t r = 1; r < seccomp_nrules; r++)
		print_docs_rule(r);
	printf("\n## System calls\n\n"
	       "| call | x86-64 | arm64 | strict | build | debug | flags | "
	       "reason |\n|---|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		print_docs_call(i);
	return 0;
}

int
main(int argc, char **argv)
{
	int r = -1;

	if (argc == 3 && strcmp(argv[1], "golden") == 0)
		r = print_golden(argv[2]);
	else if (argc == 2 && strcmp(argv[1], "docs") == 0)
		r = print_docs();
	if (r == -1)
		(void)fprintf(stderr,
		    "usage: seccomp-print golden PROFILE | seccomp-print docs\n");
	return r == -1 || fflush(stdout) != 0 ? 1 : 0;
}
