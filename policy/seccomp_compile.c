#include <errno.h>
#include <string.h>

#include "seccomp_compile.h"
#include "seccomp_emit.h"
#include "text.h"

enum {
	NAME_SHOWN_MAX = 64 /* bytes of a wrong name in a message */
};

/* A checked policy: what was decided about each call. */
struct choice {
	uint32_t profile;
	const char *const *allow;
	size_t nallow;
	const char *const *deny;
	size_t ndeny;
};

static int
is_allow(const struct seccomp_verdict *v)
{
	return v->rule == 0 && v->action == SECCOMP_RET_ALLOW;
}

static int
refuse_unknown(const char *name, struct err *e)
{
	char shown[NAME_SHOWN_MAX];
	struct text_guess g;

	text_guess_init(&g, name);
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		text_guess_offer(&g, seccomp_syscalls[i].name);
	(void)text_escape(shown, sizeof(shown), name, strlen(name));
	if (g.best == NULL)
		return err_set(e, ERR_INVALID,
		    "seccomp: unknown system call \"%s\"", shown);
	return err_set(e, ERR_INVALID,
	    "seccomp: unknown system call \"%s\"; did you mean \"%s\"?", shown,
	    g.best);
}

static int
call_find(const char *name, size_t *ret_call, struct err *e)
{
	const struct seccomp_syscall *s = seccomp_syscall_find(name);

	if (s == NULL)
		return refuse_unknown(name, e);
	*ret_call = (size_t)(s - seccomp_syscalls);
	return 0;
}

/* The least profile that does not simply refuse it, PLAN_SECCOMP__MAX: none */
static uint32_t
least_profile(size_t call)
{
	const struct seccomp_verdict *v;
	uint32_t p;

	for (p = 0; p < PLAN_SECCOMP__MAX; p++) {
		v = &seccomp_entry(p, call)->verdict;
		if (v->rule != 0 || is_allow(v))
			break;
	}
	return p;
}

static int
refuse_allow(uint32_t profile, size_t call, struct err *e)
{
	const struct seccomp_entry *entry = seccomp_entry(profile, call);
	const char *name = seccomp_syscalls[call].name;
	uint32_t least = least_profile(call);

	if (entry->verdict.rule != 0)
		return err_set(e, ERR_INVALID,
		    "seccomp.allow: %s is allowed within limits that a policy "
		    "cannot lift (%s)",
		    name, seccomp_rules[entry->verdict.rule].about);
	if (least < PLAN_SECCOMP__MAX)
		return err_set(e, ERR_INVALID,
		    "seccomp.allow: %s is not optional in profile %s (%s); "
		    "profile %s allows it",
		    name, plan_seccomp_name(profile), entry->reason,
		    plan_seccomp_name(least));
	return err_set(e, ERR_INVALID, "seccomp.allow: %s is not optional (%s)",
	    name, entry->reason);
}

static int
check_allow(uint32_t profile, const char *name, struct err *e)
{
	const struct seccomp_entry *entry;
	size_t call = 0;

	if (call_find(name, &call, e) == -1)
		return -1;
	entry = seccomp_entry(profile, call);
	if (is_allow(&entry->verdict) || entry->flags & SECCOMP_OPTIONAL)
		return 0;
	return refuse_allow(profile, call, e);
}

static int
check_deny(uint32_t profile, const char *name, struct err *e)
{
	size_t call = 0;

	if (call_find(name, &call, e) == -1)
		return -1;
	if (!(seccomp_entry(profile, call)->flags & SECCOMP_INIT))
		return 0;
	return err_set(e, ERR_INVALID,
	    "seccomp.deny: %s cannot be denied: the jail's first process lives "
	    "under the same filter and needs it",
	    name);
}

static int
choice_check(const struct choice *c, struct err *e)
{
	if (c->profile >= PLAN_SECCOMP__MAX)
		return err_set(e, ERR_INVALID, "seccomp: profile %u",
		    c->profile);
	for (size_t i = 0; i < c->nallow; i++)
		if (check_allow(c->profile, c->allow[i], e) == -1)
			return -1;
	for (size_t i = 0; i < c->ndeny; i++)
		if (check_deny(c->profile, c->deny[i], e) == -1)
			return -1;
	return 0;
}

static int
listed(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return 1;
	return 0;
}

/* Where a refusal is listed as denied, it keeps its own error number. */
static enum seccomp_source
choice_decide(const struct choice *c, size_t call, struct seccomp_verdict *ret)
{
	const struct seccomp_entry *entry = seccomp_entry(c->profile, call);
	const char *name = seccomp_syscalls[call].name;
	int denied = listed(name, c->deny, c->ndeny);

	*ret = entry->verdict;
	if (denied && (ret->rule != 0 || is_allow(ret))) {
		*ret = (struct seccomp_verdict){ SECCOMP_RET_ERRNO | EPERM, 0 };
		return SECCOMP_FROM_DENY;
	}
	if (denied || is_allow(ret) || !listed(name, c->allow, c->nallow))
		return SECCOMP_FROM_PROFILE;
	*ret = (struct seccomp_verdict){ SECCOMP_RET_ALLOW, 0 };
	return SECCOMP_FROM_ALLOW;
}

static void
choice_map(const struct choice *c, int arch,
    struct seccomp_verdict verdicts[SECCOMP_NR_HIGHEST + 1])
{
	struct seccomp_verdict v;
	int nr;

	for (nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++)
		verdicts[nr] =
		    (struct seccomp_verdict){ SECCOMP_RET_ERRNO | ENOSYS, 0 };
	for (size_t call = 0; call < seccomp_nsyscalls; call++) {
		nr = seccomp_syscalls[call].nr[arch];
		(void)choice_decide(c, call, &v);
		if (nr != SECCOMP_NR_NONE)
			verdicts[nr] = v;
	}
}

int
seccomp_compile(uint32_t profile, const char *const *allow, size_t nallow,
    const char *const *deny, size_t ndeny, uint32_t audit_arch,
    struct seccomp_program *ret, struct err *e)
{
	const struct choice c = { profile, allow, nallow, deny, ndeny };
	struct seccomp_verdict verdicts[SECCOMP_NR_HIGHEST + 1];
	int arch = seccomp_arch_find(audit_arch);

	if (arch == -1)
		return err_set(e, ERR_UNSUPPORTED,
		    "seccomp: no tables for architecture %#x", audit_arch);
	if (choice_check(&c, e) == -1)
		return -1;
	choice_map(&c, arch, verdicts);
	seccomp_emit(verdicts, audit_arch, ret);
	return 0;
}

int
seccomp_verdict(uint32_t profile, const char *const *allow, size_t nallow,
    const char *const *deny, size_t ndeny, const char *name,
    struct seccomp_answer *ret, struct err *e)
{
	const struct choice c = { profile, allow, nallow, deny, ndeny };
	const struct seccomp_entry *entry;
	size_t call = 0;

	if (choice_check(&c, e) == -1 || call_find(name, &call, e) == -1)
		return -1;
	entry = seccomp_entry(profile, call);
	ret->source = choice_decide(&c, call, &ret->verdict);
	ret->reason = entry->reason;
	ret->flags = entry->flags;
	ret->least_profile = least_profile(call);
	return 0;
}
