#include <errno.h>
#include <string.h>

#include "seccomp_table.h"

#define NONE SECCOMP_NR_NONE /* the word of syscalls.def */

const struct seccomp_syscall seccomp_syscalls[] = {
#define SYSCALL(n, x86_64, arm64) { #n, { x86_64, arm64 } },
#include "data/syscalls.def"
#undef SYSCALL
};

const size_t seccomp_nsyscalls = countof(seccomp_syscalls);

enum seccomp_call {
#define SYSCALL(n, x86_64, arm64) CALL_##n,
#include "data/syscalls.def"
#undef SYSCALL
	CALL__MAX
};

enum seccomp_rule_index {
	RULE_0,
#define RULE(n, about) RULE_##n,
#define LINE(n, condition, verdict, reason)
#include "data/seccomp_args.def"
#undef RULE
#undef LINE
	RULE__MAX
};

const struct seccomp_rule seccomp_rules[] = {
	[RULE_0] = { "", "" },
#define RULE(n, about) [RULE_##n] = { #n, about },
#define LINE(n, condition, verdict, reason)
#include "data/seccomp_args.def"
#undef RULE
#undef LINE
};

const size_t seccomp_nrules = countof(seccomp_rules);

/* The words of the .def files. */
#define V_ERRNO(e) .verdict = { SECCOMP_RET_ERRNO | (e), 0 }
#define V_ALLOW .verdict = { SECCOMP_RET_ALLOW, 0 }
#define V_OK V_ERRNO(0)
#define V_EPERM V_ERRNO(EPERM)
#define V_EINVAL V_ERRNO(EINVAL)
#define V_ENOSYS V_ERRNO(ENOSYS)
#define V_ENOPROTOOPT V_ERRNO(ENOPROTOOPT)
#define V_EPROTONOSUPPORT V_ERRNO(EPROTONOSUPPORT)
#define V_EAFNOSUPPORT V_ERRNO(EAFNOSUPPORT)
#define V_ARGS(r) .verdict = { 0, RULE_##r }

#define C_TEST(o, a, m, v, text) \
	.op = SECCOMP_##o, .arg = (a), .mask = (m), .value = (v), .label = text
#define C_IS(a, v, text) C_TEST(IS, a, 0xffffffff, v, text)
#define C_MASKED(a, m, v, text) C_TEST(IS, a, m, v, text)
#define C_ANY(a, m, text) C_TEST(ANY, a, m, 0, text)
#define C_NONNULL(a, text) C_TEST(NONNULL, a, 0, 0, text)
#define C_ELSE C_TEST(ELSE, 0, 0, 0, NULL)

#define F_0 .flags = 0
#define F_OPTIONAL .flags = SECCOMP_OPTIONAL
#define F_INIT .flags = SECCOMP_INIT
#define F_BYPASS .flags = SECCOMP_BYPASS

static const struct seccomp_line lines[] = {
#define RULE(n, about)
#define LINE(n, c, v, r) { .rule = RULE_##n, C_##c, V_##v, .reason = r },
#include "data/seccomp_args.def"
#undef RULE
#undef LINE
};

/* A profile without a reason for a call has none of its own: see below it. */
static const struct seccomp_entry entries[PLAN_SECCOMP__MAX][CALL__MAX] = {
#define CALL(n, v, f, r) \
	[PLAN_SECCOMP_STRICT][CALL_##n] = { V_##v, F_##f, .reason = r },
#define BUILD(n, v, f, r) \
	[PLAN_SECCOMP_BUILD][CALL_##n] = { V_##v, F_##f, .reason = r },
#define DEBUG(n, v, f, r) \
	[PLAN_SECCOMP_DEBUG][CALL_##n] = { V_##v, F_##f, .reason = r },
#include "data/seccomp.def"
#undef CALL
#undef BUILD
#undef DEBUG
};

_Static_assert(PLAN_SECCOMP_STRICT == 0 &&
		   PLAN_SECCOMP_BUILD == PLAN_SECCOMP_STRICT + 1 &&
		   PLAN_SECCOMP_DEBUG == PLAN_SECCOMP_BUILD + 1,
    "each profile extends the one before it");

uint32_t
seccomp_entry_profile(uint32_t profile, size_t call)
{
	while (profile > 0 && entries[profile][call].reason == NULL)
		profile--;
	return profile;
}

const struct seccomp_entry *
seccomp_entry(uint32_t profile, size_t call)
{
	return &entries[seccomp_entry_profile(profile, call)][call];
}

const struct seccomp_line *
seccomp_rule_lines(uint32_t rule, size_t *ret_n)
{
	size_t first = 0, n = 0;

	while (first < countof(lines) && lines[first].rule != rule)
		first++;
	while (first + n < countof(lines) && lines[first + n].rule == rule)
		n++;
	*ret_n = n;
	return &lines[first];
}

static int
line_holds(const struct seccomp_line *l, const uint64_t args[6])
{
	uint32_t low = (uint32_t)args[l->arg];

	switch ((enum seccomp_op)l->op) {
	case SECCOMP_IS:
		return (low & l->mask) == l->value;
	case SECCOMP_ANY:
		return (low & l->mask) != 0;
	case SECCOMP_NONNULL:
		return args[l->arg] != 0;
	case SECCOMP_ELSE:
		return 1;
	}
	abort();
}

uint32_t
seccomp_decide(const struct seccomp_verdict *v, const uint64_t args[6])
{
	const struct seccomp_line *l;
	size_t n;

	while (v->rule != 0) {
		l = seccomp_rule_lines(v->rule, &n);
		while (!line_holds(l, args))
			l++;
		v = &l->verdict;
	}
	return v->action;
}

int
seccomp_arch_find(uint32_t audit_arch)
{
	switch (audit_arch) {
	case AUDIT_ARCH_X86_64:
		return SECCOMP_ARCH_X86_64;
	case AUDIT_ARCH_AARCH64:
		return SECCOMP_ARCH_ARM64;
	default:
		return -1;
	}
}

const struct seccomp_syscall *
seccomp_syscall_find(const char *name)
{
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		if (strcmp(seccomp_syscalls[i].name, name) == 0)
			return &seccomp_syscalls[i];
	return NULL;
}

const char *
seccomp_action_name(uint32_t action)
{
	static const struct {
		uint32_t action;
		const char *name;
	} names[] = {
		{ SECCOMP_RET_ALLOW, "allow" },
		{ SECCOMP_RET_KILL_PROCESS, "kill" },
		{ SECCOMP_RET_ERRNO, "errno 0" },
		{ SECCOMP_RET_ERRNO | EPERM, "EPERM" },
		{ SECCOMP_RET_ERRNO | EINVAL, "EINVAL" },
		{ SECCOMP_RET_ERRNO | ENOSYS, "ENOSYS" },
		{ SECCOMP_RET_ERRNO | ENOPROTOOPT, "ENOPROTOOPT" },
		{ SECCOMP_RET_ERRNO | EPROTONOSUPPORT, "EPROTONOSUPPORT" },
		{ SECCOMP_RET_ERRNO | EAFNOSUPPORT, "EAFNOSUPPORT" },
	};

	for (size_t i = 0; i < countof(names); i++)
		if (names[i].action == action)
			return names[i].name;
	return "?";
}
