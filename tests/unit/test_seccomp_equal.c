/*
 * Proof by evaluation: the compiled filter, the same policy built with
 * libseccomp, and a plain reading of the tables give the same answer to every
 * number and to every class of arguments, for each profile and architecture.
 *
 * libseccomp has no order of rules, no "not equal under a mask" and one
 * default.  So the first-match lines of a rule are cut into cubes, disjoint
 * sets of arguments that masked equality can express, each with its action.
 * It differs by design for numbers of x32, which it treats as a foreign
 * architecture: there it is held to that, and ours to the plain reading.
 *
 * It takes the numbers of its own architecture and translates them by name,
 * so it must know every call that is not ENOSYS: 2.5.5, or Debian 12's 2.5.4,
 * which has fchmodat2 added.
 */
#include "unit.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/seccomp_compile.h"
#include "policy/seccomp_eval.h"

#define X32_BIT 0x40000000
#define UNUSED_ARG 0xdeadbeefcafef00d

enum {
	NARGS = 6,
	BEYOND = 64, /* numbers tried above the highest known */
	VALUES_MAX = 1024, /* values of one argument */
};

static const struct target {
	enum seccomp_arch arch;
	uint32_t audit;
	uint32_t scmp;
} targets[] = {
	{ SECCOMP_ARCH_X86_64, AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64 },
	{ SECCOMP_ARCH_ARM64, AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64 },
};

struct pair {
	const struct target *target;
	uint32_t profile;
	struct seccomp_program ours;
	struct seccomp_program theirs;
	size_t evaluations;
	size_t differences; /* by design */
};

static struct pair pair;

/* ---- the plain reading ---- */

static const struct seccomp_syscall *
call_of_number(enum seccomp_arch arch, int nr)
{
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		if (nr >= 0 && seccomp_syscalls[i].nr[arch] == nr)
			return &seccomp_syscalls[i];
	return NULL;
}

static const struct seccomp_verdict *
verdict_of(const struct seccomp_syscall *s)
{
	return &seccomp_entry(pair.profile, (size_t)(s - seccomp_syscalls))
		    ->verdict;
}

static uint32_t
plain_reading(const struct seccomp_data *data)
{
	const struct seccomp_syscall *s;
	uint64_t args[NARGS];

	if (data->arch != pair.target->audit)
		return SECCOMP_RET_KILL_PROCESS;
	s = call_of_number(pair.target->arch, data->nr);
	if (s == NULL)
		return SECCOMP_RET_ERRNO | ENOSYS;
	for (int i = 0; i < NARGS; i++)
		args[i] = data->args[i];
	return seccomp_decide(verdict_of(s), args);
}

/* ---- the same with libseccomp ---- */

struct cube {
	struct {
		uint64_t mask;
		uint64_t value;
		int nonzero; /* and mask is 0 */
	} arg[NARGS];
};

struct cubes {
	struct cube *cube;
	size_t n;
};

static void
cubes_add(struct cubes *l, const struct cube *c)
{
	l->cube = realloc(l->cube, (l->n + 1) * sizeof(*l->cube));
	assert_non_null(l->cube);
	l->cube[l->n++] = *c;
}

/* Cut a cube into where (argument & mask) == value, and where it is not. */
static void
cube_cut(const struct cube *c, uint32_t arg, uint64_t mask, uint64_t value,
    struct cubes *equal, struct cubes *other)
{
	struct cube rest = *c, out;
	uint64_t bit;

	if ((c->arg[arg].value ^ value) & c->arg[arg].mask & mask) {
		cubes_add(other, c);
		return;
	}
	for (bit = 1ull << 63; bit != 0; bit >>= 1) {
		if (!(mask & bit) || rest.arg[arg].mask & bit)
			continue;
		out = rest;
		out.arg[arg].mask |= bit;
		out.arg[arg].value |= ~value & bit;
		cubes_add(other, &out);
		rest.arg[arg].mask |= bit;
		rest.arg[arg].value |= value & bit;
	}
	cubes_add(equal, &rest);
}

/* libseccomp can say "not equal" of all 64 bits. */
static void
cube_cut_null(const struct cube *c, uint32_t arg, struct cubes *null,
    struct cubes *other)
{
	struct cube out = *c;

	assert_int_equal(c->arg[arg].mask, 0);
	out.arg[arg].nonzero = 1;
	cubes_add(other, &out);
	out = *c;
	out.arg[arg].mask = UINT64_MAX;
	cubes_add(null, &out);
}

static void
cube_split(const struct cube *c, const struct seccomp_line *l,
    struct cubes *holds, struct cubes *fails)
{
	switch ((enum seccomp_op)l->op) {
	case SECCOMP_IS:
		cube_cut(c, l->arg, l->mask, l->value, holds, fails);
		break;
	case SECCOMP_ANY:
		cube_cut(c, l->arg, l->mask, 0, fails, holds);
		break;
	case SECCOMP_NONNULL:
		cube_cut_null(c, l->arg, fails, holds);
		break;
	case SECCOMP_ELSE:
		cubes_add(holds, c);
		break;
	}
}

static void
theirs_add(scmp_filter_ctx ctx, int nr, uint32_t action, const struct cube *c)
{
	struct scmp_arg_cmp cmp[NARGS];
	unsigned n = 0;

	if (action == SCMP_ACT_ERRNO(ENOSYS)) /* the default */
		return;
	for (unsigned i = 0; i < NARGS; i++)
		if (c->arg[i].mask != 0)
			cmp[n++] = SCMP_CMP(i, SCMP_CMP_MASKED_EQ,
			    c->arg[i].mask, c->arg[i].value);
		else if (c->arg[i].nonzero)
			cmp[n++] = SCMP_CMP(i, SCMP_CMP_NE, 0);
	assert_int_equal(seccomp_rule_add_exact_array(ctx, action, nr, n, cmp),
	    0);
}

static void
theirs_add_verdict(scmp_filter_ctx ctx, int nr, const struct seccomp_verdict *v,
    const struct cube *c)
{
	struct cubes now = { NULL, 0 }, holds, fails;
	const struct seccomp_line *l;
	size_t n;

	if (v->rule == 0) {
		theirs_add(ctx, nr, v->action, c);
		return;
	}
	cubes_add(&now, c);
	for (l = seccomp_rule_lines(v->rule, &n); n > 0; l++, n--) {
		holds = fails = (struct cubes){ NULL, 0 };
		for (size_t i = 0; i < now.n; i++)
			cube_split(&now.cube[i], l, &holds, &fails);
		for (size_t i = 0; i < holds.n; i++)
			theirs_add_verdict(ctx, nr, &l->verdict,
			    &holds.cube[i]);
		free(holds.cube);
		free(now.cube);
		now = fails;
	}
	assert_int_equal(now.n, 0);
	free(now.cube);
}

static void
theirs_add_call(scmp_filter_ctx ctx, const struct seccomp_syscall *s)
{
	static const struct cube all;
	const struct seccomp_verdict *v = verdict_of(s);
	int nr = seccomp_syscall_resolve_name(s->name);

	if (s->nr[pair.target->arch] == SECCOMP_NR_NONE ||
	    (v->rule == 0 && v->action == SCMP_ACT_ERRNO(ENOSYS)))
		return;
	if (nr == __NR_SCMP_ERROR)
		fail_msg("this libseccomp does not know %s", s->name);
	theirs_add_verdict(ctx, nr, v, &all);
}

static void
theirs_export(scmp_filter_ctx ctx, struct seccomp_program *ret)
{
	autofd fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	n = pread(fd, ret->insn, sizeof(ret->insn), 0);
	assert_true(n > 0 && (size_t)n < sizeof(ret->insn));
	ret->length = (uint32_t)((size_t)n / sizeof(*ret->insn));
}

static void
theirs_build(struct seccomp_program *ret)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));

	assert_non_null(ctx);
	if (pair.target->scmp != seccomp_arch_native()) {
		assert_int_equal(seccomp_arch_add(ctx, pair.target->scmp), 0);
		assert_int_equal(seccomp_arch_remove(ctx,
				     seccomp_arch_native()),
		    0);
	}
	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			     SCMP_ACT_KILL_PROCESS),
	    0);
	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), 0);
	for (size_t i = 0; i < seccomp_nsyscalls; i++)
		theirs_add_call(ctx, &seccomp_syscalls[i]);
	theirs_export(ctx, ret);
	seccomp_release(ctx);
}

/* ---- the comparison ---- */

static int
is_x32(const struct seccomp_data *data)
{
	return data->arch == AUDIT_ARCH_X86_64 &&
	       pair.target->arch == SECCOMP_ARCH_X86_64 &&
	       (uint32_t)data->nr >= X32_BIT && data->nr != -1;
}

static void
disagree(const struct seccomp_data *data, const char *whom, uint32_t ours,
    uint32_t other)
{
	fail_msg("%s, architecture %#x, number %d (%#llx, %#llx, %#llx, "
		 "%#llx): %s, but %s says %s",
	    plan_seccomp_name(pair.profile), data->arch, data->nr,
	    data->args[0], data->args[1], data->args[2], data->args[3],
	    seccomp_action_name(ours), whom, seccomp_action_name(other));
}

static void
compare(const struct seccomp_data *data)
{
	uint32_t ours = seccomp_eval(&pair.ours, data);
	uint32_t plain = plain_reading(data);
	uint32_t theirs;

	pair.evaluations++;
	if (ours != plain)
		disagree(data, "the table", ours, plain);
	theirs = seccomp_eval(&pair.theirs, data);
	if (is_x32(data)) {
		pair.differences++;
		assert_int_equal(ours, SECCOMP_RET_ERRNO | ENOSYS);
		assert_int_equal(theirs, SECCOMP_RET_KILL_PROCESS);
	} else if (ours != theirs)
		disagree(data, "libseccomp", ours, theirs);
}

/* The values of each argument that some line tells apart. */
struct values {
	uint64_t v[VALUES_MAX];
	size_t n;
};

static void
values_add_low(struct values *l, uint32_t low)
{
	static const uint32_t high[] = { 0, 1, 0x80000000, UINT32_MAX };
	uint64_t v;
	size_t j;

	for (size_t i = 0; i < countof(high); i++) {
		v = (uint64_t)high[i] << 32 | low;
		for (j = 0; j < l->n && l->v[j] != v; j++)
			;
		assert_true(l->n < VALUES_MAX);
		if (j == l->n)
			l->v[l->n++] = v;
	}
}

static void
values_add_line(struct values *l, const struct seccomp_line *line)
{
	uint32_t mask = line->mask, v = line->value;

	values_add_low(l, 0);
	values_add_low(l, UINT32_MAX);
	values_add_low(l, v);
	values_add_low(l, v + 1);
	values_add_low(l, v - 1);
	values_add_low(l, v | ~mask);
	values_add_low(l, v ^ (mask & -mask));
	values_add_low(l, v ^ 0x80000000);
	if (line->op != SECCOMP_ANY)
		return;
	values_add_low(l, mask);
	values_add_low(l, ~mask);
	for (uint32_t bit = 1; bit != 0; bit <<= 1)
		if (mask & bit)
			values_add_low(l, bit);
}

static void
values_of_rule(struct values values[NARGS], uint32_t rule)
{
	const struct seccomp_line *l;
	size_t n;

	for (l = seccomp_rule_lines(rule, &n); n > 0; l++, n--) {
		if (l->op != SECCOMP_ELSE)
			values_add_line(&values[l->arg], l);
		if (l->verdict.rule != 0)
			values_of_rule(values, l->verdict.rule);
	}
}

/* Every combination of the values, from argument "arg" on. */
static void
compare_values(struct seccomp_data *data, const struct values values[NARGS],
    int arg)
{
	if (arg == NARGS) {
		compare(data);
		return;
	}
	data->args[arg] = UNUSED_ARG;
	if (values[arg].n == 0)
		compare_values(data, values, arg + 1);
	for (size_t i = 0; i < values[arg].n; i++) {
		data->args[arg] = values[arg].v[i];
		compare_values(data, values, arg + 1);
	}
}

static void
compare_rules(void)
{
	static struct values values[NARGS];
	struct seccomp_data data = { .arch = pair.target->audit };
	const struct seccomp_syscall *s;

	for (int nr = 0; nr <= SECCOMP_NR_HIGHEST; nr++) {
		s = call_of_number(pair.target->arch, nr);
		if (s == NULL || verdict_of(s)->rule == 0)
			continue;
		memset(values, 0, sizeof(values));
		values_of_rule(values, verdict_of(s)->rule);
		data.nr = nr;
		compare_values(&data, values, 0);
	}
}

static void
compare_number(uint32_t audit, int nr)
{
	static const uint64_t fill[] = { 0, 1, UINT32_MAX, 1ull << 32,
		UINT64_MAX };
	struct seccomp_data data = { .nr = nr, .arch = audit };

	for (size_t i = 0; i < countof(fill); i++) {
		for (int a = 0; a < NARGS; a++)
			data.args[a] = fill[i];
		data.instruction_pointer = fill[i];
		compare(&data);
	}
}

static void
compare_numbers(void)
{
	static const int special[] = { 1000, 4095, INT32_MAX, INT32_MIN };
	static const uint32_t foreign[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM,
		AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64, 0, UINT32_MAX };

	for (int nr = -1; nr <= SECCOMP_NR_HIGHEST + BEYOND; nr++) {
		compare_number(pair.target->audit, nr);
		compare_number(pair.target->audit, nr | X32_BIT);
		for (size_t i = 0; i < countof(foreign); i++)
			compare_number(foreign[i], nr);
	}
	for (size_t i = 0; i < countof(special); i++)
		compare_number(pair.target->audit, special[i]);
}

static void
compare_pair(const struct target *t, uint32_t profile)
{
	struct err e = { .code = ERR_OK };

	pair.target = t;
	pair.profile = profile;
	pair.evaluations = pair.differences = 0;
	assert_int_equal(seccomp_compile(profile, NULL, 0, NULL, 0, t->audit,
			     &pair.ours, &e),
	    0);
	theirs_build(&pair.theirs);
	assert_int_equal(seccomp_program_check(&pair.ours, &e), 0);
	assert_int_equal(seccomp_program_check(&pair.theirs, &e), 0);
	compare_numbers();
	compare_rules();
	print_message("%s, architecture %#x: %u instructions, libseccomp %u; "
		      "%zu evaluations equal, %zu differ by design\n",
	    plan_seccomp_name(profile), t->audit, pair.ours.length,
	    pair.theirs.length, pair.evaluations - pair.differences,
	    pair.differences);
}

static void
equal_strict__every_number_and_argument_class__same_action(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(targets); i++)
		compare_pair(&targets[i], PLAN_SECCOMP_STRICT);
}

static void
equal_build__every_number_and_argument_class__same_action(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(targets); i++)
		compare_pair(&targets[i], PLAN_SECCOMP_BUILD);
}

static void
equal_debug__every_number_and_argument_class__same_action(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(targets); i++)
		compare_pair(&targets[i], PLAN_SECCOMP_DEBUG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    equal_strict__every_number_and_argument_class__same_action),
		cmocka_unit_test(
		    equal_build__every_number_and_argument_class__same_action),
		cmocka_unit_test(
		    equal_debug__every_number_and_argument_class__same_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
