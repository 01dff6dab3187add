/*
 * fuzz_policy.c: text, load, resolve, compile.
 *
 * The input is up to four files, parted by NUL: the policy, the operator's
 * ceiling, what "./a" extends, what "./t" uses.  Whatever is accepted gives
 * a plan that plan_check() accepts, the same one a second time, no wider
 * than the ceiling's limits, and prints as a policy that loads again.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "policy/builtin.h"
#include "policy/check.h"
#include "policy/compile.h"
#include "policy/show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	FILE_POLICY,
	FILE_CEILING,
	FILE_A,
	FILE_T,
	FILE__MAX
};

struct files {
	struct {
		const char *text;
		size_t size;
		int there;
	} at[FILE__MAX];
};

static struct resolve resolved;
static struct plan plan, again;
static struct seccomp_program program;
static union plan_net_room net;

static void
split(struct files *f, const char *text, size_t size)
{
	const char *nul;
	size_t n;
	int i;

	for (i = 0; i < FILE__MAX && size > 0; i++) {
		nul = memchr(text, '\0', size);
		n = nul == NULL ? size : (size_t)(nul - text);
		f->at[i].text = text;
		f->at[i].size = n;
		f->at[i].there = 1;
		n += nul != NULL;
		text += n;
		size -= n;
	}
}

static int
open_file(void *arg, uint32_t what, const char *reference, const char *dir,
    struct arena *a, struct resolve_file *ret, struct err *e)
{
	const struct files *f = arg;
	int i = what == CONFIG_WHAT_CEILING   ? FILE_CEILING
		: what == CONFIG_WHAT_SERVICE ? FILE_T
					      : FILE_A;

	(void)dir;
	(void)a;
	if (what == CONFIG_WHAT_EXTENDS &&
	    strcmp(reference, "builtin/default") == 0) {
		ret->text = builtin_policy("default", &ret->size);
		(void)snprintf(ret->path, sizeof(ret->path), "%s", reference);
		return 1;
	}
	if (!f->at[i].there) {
		(void)err_set(e, ERR_NOT_FOUND, "not there");
		return 0;
	}
	/* Two names for one text, so that chains of some length exist. */
	(void)snprintf(ret->path, sizeof(ret->path), "/srv/%s", reference);
	ret->text = f->at[i].text;
	ret->size = f->at[i].size;
	return 1;
}

static int
compile(struct files *f, const char *text, size_t size, struct plan *ret)
{
	struct resolve_request rq = { .text = text,
		.size = size,
		.name = "p.yaml",
		.dir = "/srv",
		.home = "/home/someone",
		.open = open_file,
		.arg = f };

	if (resolve_policy(&resolved, &rq) == -1 ||
	    compile_policy(&resolved, ret, &program, &net) == -1) {
		assert(resolved.diag.errors.count > 0);
		assert(resolved.diag.errors.buf[0] != '\0');
		return -1;
	}
	return 0;
}

/* What show --resolved prints is itself a policy, the same but for origins. */
static void
check_printed(void)
{
	struct files none = { 0 };
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	assert(f != NULL);
	show_json(&resolved, &plan, f);
	assert(fflush(f) == 0);
	rewind(f);
	show_resolved(&resolved, &plan, f);
	assert(fclose(f) == 0);
	resolve_finish(&resolved);
	if (size <= YAML_SIZE_MAX) {
		assert(compile(&none, out, size, &again) == 0);
		assert(memcmp(&plan.limits, &again.limits,
			   sizeof(plan.limits)) == 0);
		/* The default /tmp comes back where a ceiling took it. */
		assert(plan.nmounts == again.nmounts ||
		       plan.nmounts + 1 == again.nmounts);
		assert(plan.nenv == again.nenv);
		assert(plan.nprotect == again.nprotect);
		assert(plan.nservices == again.nservices);
		assert(memcmp(plan.seccomp_digest, again.seccomp_digest,
			   SHA256_SIZE) == 0);
		resolve_finish(&resolved);
	}
	free(out);
}

static void
check_under_ceiling(const struct files *f)
{
	struct files none = { 0 };

	if (plan.kind == PLAN_CEILING || !f->at[FILE_CEILING].there)
		return;
	/* Without the ceiling there is no less. */
	none = *f;
	none.at[FILE_CEILING].there = 0;
	if (compile(&none, f->at[0].text, f->at[0].size, &again) == 0) {
		assert(plan.nmounts <= again.nmounts);
		assert(plan.nenv <= again.nenv);
		assert(plan.nservices <= again.nservices);
		assert(plan.nsyscall_allow <= again.nsyscall_allow);
		assert(plan.nprotect >= again.nprotect);
		assert(plan.nsyscall_deny >= again.nsyscall_deny);
	}
	resolve_finish(&resolved);
	memset(&none, 0, sizeof(none));
	if (compile(&none, f->at[FILE_CEILING].text, f->at[FILE_CEILING].size,
		&again) == 0) {
		assert(plan.limits.memory_bytes <= again.limits.memory_bytes);
		assert(plan.limits.pids <= again.limits.pids);
		assert(plan.seccomp <= again.seccomp);
		assert(again.limits.wall_ms == 0 ||
		       (plan.limits.wall_ms != 0 &&
			   plan.limits.wall_ms <= again.limits.wall_ms));
	}
	resolve_finish(&resolved);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct files f = { 0 };
	int rc;

	split(&f, (const char *)data, size);
	rc = compile(&f, f.at[0].text == NULL ? "" : f.at[0].text, f.at[0].size,
	    &plan);
	if (rc == -1) {
		resolve_finish(&resolved);
		return 0;
	}
	assert(plan_check(&plan, plan_size(&plan), NULL) == 0);
	check_policy(&resolved, &plan);
	resolve_finish(&resolved);
	assert(compile(&f, f.at[0].text, f.at[0].size, &again) == 0);
	assert(memcmp(plan.digest, again.digest, SHA256_SIZE) == 0);
	check_printed();
	check_under_ceiling(&f);
	return 0;
}
