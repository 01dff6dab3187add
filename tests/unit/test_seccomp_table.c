/* The tables: reasons for everything, numbers and constants as elsewhere. */
#include "unit.h"

#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/netlink.h>

#include "policy/seccomp_table.h"

enum {
	REASON_MIN = 4, /* bytes; "as …" is the shortest honest one */
	/* Calls that the oldest libseccomp here, 2.5.4, knows. */
	LIBSECCOMP_MIN = 300,
};

static void
table_entries__each_profile__has_a_verdict_and_a_reason(void **state)
{
	const struct seccomp_entry *entry;

	(void)state;
	for (uint32_t p = 0; p < PLAN_SECCOMP__MAX; p++)
		for (size_t i = 0; i < seccomp_nsyscalls; i++) {
			entry = seccomp_entry(p, i);
			if (entry->reason == NULL ||
			    strlen(entry->reason) < REASON_MIN)
				fail_msg("%s has no reason",
				    seccomp_syscalls[i].name);
			if (entry->verdict.rule == 0 &&
			    seccomp_action_name(entry->verdict.action)[0] ==
				'?')
				fail_msg("%s has no verdict",
				    seccomp_syscalls[i].name);
		}
}

static int
is_refused(const struct seccomp_entry *entry)
{
	return entry->verdict.rule == 0 &&
	       entry->verdict.action != SECCOMP_RET_ALLOW;
}

static void
table_flags__optional_and_init__fit_the_verdict(void **state)
{
	const struct seccomp_entry *entry;

	(void)state;
	for (size_t i = 0; i < seccomp_nsyscalls; i++) {
		entry = seccomp_entry(PLAN_SECCOMP_STRICT, i);
		if (entry->flags & SECCOMP_OPTIONAL && !is_refused(entry))
			fail_msg("%s is optional and allowed",
			    seccomp_syscalls[i].name);
		if (!(entry->flags & SECCOMP_INIT))
			continue;
		for (uint32_t p = 0; p < PLAN_SECCOMP__MAX; p++)
			if (is_refused(seccomp_entry(p, i)) ||
			    !(seccomp_entry(p, i)->flags & SECCOMP_INIT))
				fail_msg("the first process lacks %s",
				    seccomp_syscalls[i].name);
	}
}

/* A profile above strict only ever allows more, and says so in its own row. */
static void
table_profiles__each_override__widens_the_one_below(void **state)
{
	const struct seccomp_entry *own, *below;

	(void)state;
	for (uint32_t p = 1; p < PLAN_SECCOMP__MAX; p++)
		for (size_t i = 0; i < seccomp_nsyscalls; i++) {
			if (seccomp_entry_profile(p, i) != p)
				continue;
			own = seccomp_entry(p, i);
			below = seccomp_entry(p - 1, i);
			assert_false(is_refused(own));
			assert_true(own->verdict.rule != below->verdict.rule ||
				    is_refused(below));
		}
}

/* So every walk through the rules ends, and meets no rule unfinished. */
static void
table_rules__each__ends_in_else_and_only_goes_back(void **state)
{
	const struct seccomp_line *l;
	size_t n, total = 0;

	(void)state;
	for (uint32_t r = 1; r < seccomp_nrules; r++) {
		l = seccomp_rule_lines(r, &n);
		assert_true(strlen(seccomp_rules[r].about) >= REASON_MIN);
		assert_true(n >= 2);
		total += n;
		for (size_t i = 0; i < n; i++) {
			if (strlen(l[i].reason) < REASON_MIN)
				fail_msg("%s: line %zu has no reason",
				    seccomp_rules[r].name, i);
			assert_true(l[i].arg < 6);
			assert_true(l[i].verdict.rule < r);
			assert_int_equal(l[i].op == SECCOMP_ELSE, i == n - 1);
			assert_int_equal(l[i].label == NULL, i == n - 1);
			assert_int_equal(l[i].value & ~l[i].mask, 0);
		}
	}
	/* A rule torn in two would hide its second half. */
	l = seccomp_rule_lines(0, &n);
	assert_int_equal(n, 0);
	assert_ptr_equal(l, seccomp_rule_lines(1, &n) + total);
}

/* The compiler loads and masks the argument once for the whole rule. */
static void
table_rules__each__looks_at_one_argument_in_one_way(void **state)
{
	const struct seccomp_line *l;
	size_t n;

	(void)state;
	for (uint32_t r = 1; r < seccomp_nrules; r++) {
		l = seccomp_rule_lines(r, &n);
		assert_true(n == 2 || l->op == SECCOMP_IS);
		for (size_t i = 0; i < n - 1; i++)
			if (l[i].op != l->op || l[i].arg != l->arg ||
			    (l->op == SECCOMP_IS && l[i].mask != l->mask))
				fail_msg("%s: line %zu", seccomp_rules[r].name,
				    i);
	}
}

static void
table_numbers__each_architecture__distinct_and_bounded(void **state)
{
	unsigned char seen[SECCOMP_NR_HIGHEST + 1];
	int nr;

	(void)state;
	for (int a = 0; a < SECCOMP_ARCH__MAX; a++) {
		memset(seen, 0, sizeof(seen));
		for (size_t i = 0; i < seccomp_nsyscalls; i++) {
			nr = seccomp_syscalls[i].nr[a];
			if (nr == SECCOMP_NR_NONE)
				continue;
			assert_in_range(nr, 0, SECCOMP_NR_HIGHEST);
			if (seen[nr]++ != 0)
				fail_msg("%d twice", nr);
		}
		assert_int_equal(seen[SECCOMP_NR_HIGHEST], 1);
	}
}

/* The holes of x86-64 are known: so no call of an older kernel is missing. */
static void
table_numbers__x86_64__has_no_other_hole(void **state)
{
	unsigned char seen[SECCOMP_NR_HIGHEST + 1] = { 0 };

	(void)state;
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		if (seccomp_syscalls[i].nr[SECCOMP_ARCH_X86_64] >= 0)
			seen[seccomp_syscalls[i].nr[SECCOMP_ARCH_X86_64]] = 1;
	for (int nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++)
		assert_int_equal(seen[nr], nr < 337 || nr > 423);
}

static void
compare_name(const struct seccomp_syscall *s, int arch, uint32_t scmp_arch,
    size_t *compared)
{
	int nr = seccomp_syscall_resolve_name_arch(scmp_arch, s->name);

	if (nr == __NR_SCMP_ERROR) /* newer than this libseccomp */
		return;
	(*compared)++;
	if (s->nr[arch] == SECCOMP_NR_NONE ? nr >= 0 : nr != s->nr[arch])
		fail_msg("%s: %d, libseccomp says %d", s->name, s->nr[arch],
		    nr);
}

static void
compare_number(int nr, int arch, uint32_t scmp_arch)
{
	char *name = seccomp_syscall_resolve_num_arch(scmp_arch, nr);
	const struct seccomp_syscall *s;

	if (name == NULL)
		return;
	s = seccomp_syscall_find(name);
	if (s == NULL || s->nr[arch] != nr)
		fail_msg("libseccomp knows %d as %s", nr, name);
	free(name);
}

static void
table_numbers__libseccomp__agrees(void **state)
{
	static const uint32_t scmp[] = {
		[SECCOMP_ARCH_X86_64] = SCMP_ARCH_X86_64,
		[SECCOMP_ARCH_ARM64] = SCMP_ARCH_AARCH64,
	};
	size_t compared;

	(void)state;
	for (int a = 0; a < SECCOMP_ARCH__MAX; a++) {
		compared = 0;
		for (size_t i = 0; i < seccomp_nsyscalls; i++)
			compare_name(&seccomp_syscalls[i], a, scmp[a],
			    &compared);
		assert_true(compared >= LIBSECCOMP_MIN);
		for (int nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++)
			compare_number(nr, a, scmp[a]);
	}
}

/* What the conditions' labels mean in the headers of this system. */
static const struct {
	const char *label;
	uint64_t value;
} constants[] = {

#define C(name)                         \
	{                               \
#		name, (uint32_t)(name) \
	}
	C(S_ISUID),
	C(S_ISGID),
	C(S_IFREG),
	C(S_IFIFO),
	C(S_IFSOCK),
	{ "no type", 0 },
	C(O_CREAT),
	{ "__O_TMPFILE", O_TMPFILE & ~O_DIRECTORY },
	{ "CLONE_NEW*", CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
			    CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
			    CLONE_NEWNET },
	C(TIOCSTI),
	C(TIOCLINUX),
	C(TIOCSETD),
	C(TIOCCONS),
	C(AF_UNIX),
	C(AF_INET),
	C(AF_INET6),
	C(AF_NETLINK),
	C(SOCK_STREAM),
	C(SOCK_DGRAM),
	C(SOCK_RAW),
	C(IPPROTO_IP),
	C(IPPROTO_TCP),
	C(IPPROTO_UDP),
	C(NETLINK_ROUTE),
	C(SOL_TCP),
	C(TCP_ULP),
	C(RLIMIT_CORE),
	C(SECCOMP_SET_MODE_STRICT),
	C(SECCOMP_SET_MODE_FILTER),
	C(SECCOMP_GET_ACTION_AVAIL),
	C(SECCOMP_GET_NOTIF_SIZES),
	{ "all but TSYNC, LOG, SPEC_ALLOW, TSYNC_ESRCH",
	    (uint32_t) ~(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG |
			 SECCOMP_FILTER_FLAG_SPEC_ALLOW |
			 SECCOMP_FILTER_FLAG_TSYNC_ESRCH) },
	C(PER_LINUX),
	C(PER_LINUX32),
	C(UNAME26),
	C(ADDR_NO_RANDOMIZE),
	{ "query", 0xffffffff },
	C(PR_SET_NAME),
	C(PR_GET_NAME),
	C(PR_SET_VMA),
	C(PR_SET_PDEATHSIG),
	C(PR_GET_PDEATHSIG),
	C(PR_GET_DUMPABLE),
	C(PR_SET_DUMPABLE),
	C(PR_GET_KEEPCAPS),
	C(PR_GET_SECCOMP),
	C(PR_SET_SECCOMP),
	C(PR_CAPBSET_READ),
	C(PR_CAPBSET_DROP),
	C(PR_GET_SECUREBITS),
	C(PR_SET_SECUREBITS),
	C(PR_SET_TIMERSLACK),
	C(PR_GET_TIMERSLACK),
	C(PR_SET_CHILD_SUBREAPER),
	C(PR_GET_CHILD_SUBREAPER),
	C(PR_SET_NO_NEW_PRIVS),
	C(PR_GET_NO_NEW_PRIVS),
	C(PR_SET_THP_DISABLE),
	C(PR_GET_THP_DISABLE),
	C(PR_CAP_AMBIENT),
	C(PR_CAP_AMBIENT_RAISE),
	C(PR_SVE_SET_VL),
	C(PR_SVE_GET_VL),
	C(PR_GET_SPECULATION_CTRL),
	C(PR_PAC_RESET_KEYS),
	C(PR_SET_TAGGED_ADDR_CTRL),
	C(PR_GET_TAGGED_ADDR_CTRL),
	C(PR_PAC_SET_ENABLED_KEYS),
	C(PR_PAC_GET_ENABLED_KEYS),
	C(PR_SME_SET_VL),
	C(PR_SME_GET_VL),
	C(PR_SET_PTRACER),
/* Newer than the headers of Debian 12: include/uapi/linux/prctl.h of 6.18. */
#ifndef PR_SET_MDWE
#	define PR_SET_MDWE 65
#	define PR_GET_MDWE 66
#endif
#ifndef PR_GET_SHADOW_STACK_STATUS
#	define PR_GET_SHADOW_STACK_STATUS 74
#	define PR_SET_SHADOW_STACK_STATUS 75
#	define PR_LOCK_SHADOW_STACK_STATUS 76
#endif
#ifndef PR_GET_AUXV
#	define PR_GET_AUXV 0x41555856
#endif
	C(PR_SET_MDWE),
	C(PR_GET_MDWE),
	C(PR_GET_SHADOW_STACK_STATUS),
	C(PR_SET_SHADOW_STACK_STATUS),
	C(PR_LOCK_SHADOW_STACK_STATUS),
	C(PR_GET_AUXV),
#undef C
};

static uint32_t
constant_value(const char *name, size_t n)
{
	for (size_t i = 0; i < countof(constants); i++)
		if (strlen(constants[i].label) == n &&
		    memcmp(constants[i].label, name, n) == 0)
			return (uint32_t)constants[i].value;
	fail_msg("unknown label %.*s", (int)n, name);
	return 0;
}

/* The value of a label, or of names with "|" between them. */
static uint32_t
label_value(const char *label)
{
	uint32_t value = 0;
	size_t n;

	for (const char *s = label; *s != '\0'; s += n + (s[n] == '|')) {
		n = strcspn(s, "|");
		value |= constant_value(s, n);
	}
	return value;
}

static void
table_labels__headers__agree(void **state)
{
	const struct seccomp_line *l;
	uint32_t want;
	size_t n;

	(void)state;
	for (uint32_t r = 1; r < seccomp_nrules; r++) {
		l = seccomp_rule_lines(r, &n);
		for (size_t i = 0; i < n; i++) {
			if (l[i].op != SECCOMP_IS && l[i].op != SECCOMP_ANY)
				continue;
			want = l[i].op == SECCOMP_IS ? l[i].value : l[i].mask;
			if (label_value(l[i].label) != want)
				fail_msg("%s: %s is %#x, not %#x",
				    seccomp_rules[r].name, l[i].label,
				    label_value(l[i].label), want);
		}
	}
}

static void
table_masks__headers__agree(void **state)
{
	static const struct {
		const char *rule;
		uint32_t mask;
	} table[] = {
		{ "mknod", S_IFMT },
		{ "mknodat", S_IFMT },
		{ "socket_inet_type", 0xf }, /* SOCK_TYPE_MASK of the kernel */
		{ "socket_netlink_type", 0xf },
	};
	const struct seccomp_line *l;
	size_t n;

	(void)state;
	for (uint32_t r = 1; r < seccomp_nrules; r++) {
		uint32_t want = UINT32_MAX;

		for (size_t i = 0; i < countof(table); i++)
			if (strcmp(table[i].rule, seccomp_rules[r].name) == 0)
				want = table[i].mask;
		l = seccomp_rule_lines(r, &n);
		for (size_t i = 0; i < n; i++)
			if (l[i].op == SECCOMP_IS)
				assert_int_equal(l[i].mask, want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    table_entries__each_profile__has_a_verdict_and_a_reason),
		cmocka_unit_test(
		    table_flags__optional_and_init__fit_the_verdict),
		cmocka_unit_test(
		    table_profiles__each_override__widens_the_one_below),
		cmocka_unit_test(
		    table_rules__each__ends_in_else_and_only_goes_back),
		cmocka_unit_test(
		    table_rules__each__looks_at_one_argument_in_one_way),
		cmocka_unit_test(
		    table_numbers__each_architecture__distinct_and_bounded),
		cmocka_unit_test(table_numbers__x86_64__has_no_other_hole),
		cmocka_unit_test(table_numbers__libseccomp__agrees),
		cmocka_unit_test(table_labels__headers__agree),
		cmocka_unit_test(table_masks__headers__agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
