#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "memfd.h"
#include "msg_jail.h"
#include "policy/builtin.h"
#include "policy/path.h"
#include "policy/seccomp_eval.h"
#include "verb.h"

/* Room for the largest of what a live jail has. */
#define VERB_LIVE_MAX                                         \
	(sizeof(struct msg_jail_plan) + sizeof(struct plan) + \
	    sizeof(struct seccomp_program) + PLAN_NET_SIZE_MAX)

/* A resolve_open_fn over the file system; arg is a struct find_dirs. */
static int
open_file(void *arg, uint32_t what, const char *reference, const char *dir,
    struct arena *a, struct resolve_file *ret, struct err *e)
{
	const struct find_dirs *dirs = arg;
	char *buf;
	int fd = -1, rc;

	rc = find_open(dirs, what, reference, dir, ret->path, &fd, e);
	if (rc != 1)
		return rc;
	if (fd == -1) {
		ret->text = builtin_policy(ret->path + sizeof("builtin/") - 1,
		    &ret->size);
		return ret->text == NULL ? 0 : 1;
	}
	buf = arena_alloc(a, CONFIG_FILE_MAX);
	ret->text = buf;
	return find_read(ret->path, fd, buf, &ret->size, e) == -1 ? -1 : 1;
}

/* Of the user database: nothing in the environment can loosen a policy. */
static void
find_home(char home[PATH_MAX])
{
	const struct passwd *pw = getpwuid(getuid());

	(void)snprintf(home, PATH_MAX, "%s",
	    pw != NULL && pw->pw_dir != NULL && pw->pw_dir[0] == '/'
		? pw->pw_dir
		: "");
}

/* "default" and "builtin/default" name the built-in policy. */
static const char *
builtin_text(const char *file, size_t *ret_size)
{
	if (strncmp(file, "builtin/", 8) == 0)
		file += 8;
	return builtin_policy(file, ret_size);
}

static int
read_input(struct verb_policy *p, const char *file, struct err *e)
{
	const char *text = builtin_text(file, &p->rq.size);
	char cwd[PATH_MAX], path[PATH_MAX], *slash;
	int fd;

	find_home(p->home);
	find_dirs_init(&p->dirs, p->home);
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return err_set(e, ERR_SYSTEM, "the working directory");
	p->rq =
	    (struct resolve_request){ .name = text == NULL ? file
							   : "builtin/default",
		    .dir = cwd,
		    .size = p->rq.size,
		    .text = text,
		    .home = p->home,
		    .open = open_file,
		    .arg = &p->dirs };
	if (text == NULL) {
		if (find_open_file(file, &fd, e) == -1 ||
		    find_read(file, fd, p->text, &p->rq.size, e) == -1)
			return -1;
		p->rq.text = p->text;
	}
	if (text_path(cwd, text == NULL ? file : ".", path, sizeof(path), e) ==
	    -1)
		return -1;
	if (text == NULL && (slash = strrchr(path, '/')) != NULL)
		slash[slash == path] = '\0';
	(void)snprintf(p->dir, sizeof(p->dir), "%s", path);
	p->rq.dir = p->dir;
	return 0;
}

/* The messages, each behind the program's name. */
static void
print_errors(const struct diag *d)
{
	const char *s = d->errors.buf;
	size_t n;

	for (; *s != '\0'; s += n + (s[n] == '\n')) {
		n = strcspn(s, "\n");
		(void)fprintf(stderr, "warder: %.*s\n", (int)n, s);
	}
}

int
verb_load(struct verb_policy *p, const char *file)
{
	struct err e;

	if (read_input(p, file, &e) == -1) {
		(void)fprintf(stderr, "warder: %s\n", e.msg);
		return -1;
	}
	if (resolve_policy(&p->resolved, &p->rq) == -1 ||
	    compile_policy(&p->resolved, &p->plan, &p->program, &p->net) ==
		-1) {
		print_errors(&p->resolved.diag);
		return -1;
	}
	if (p->net.net.size == 0)
		plan_net_init(&p->net);
	return 0;
}

/* The parts of the memfd: each is checked as if a stranger had sent it. */
static int
take_parts(struct verb_policy *p, const char *at, size_t size, struct err *e)
{
	struct msg_jail_plan m;
	size_t filter;

	if (size < sizeof(m))
		return err_set(e, ERR_CORRUPT, "a short policy");
	memcpy(&m, at, sizeof(m));
	filter = (size_t)m.program_length * sizeof(p->program.insn[0]);
	if (m.plan_size > sizeof(p->plan) ||
	    m.program_length > SECCOMP_PROGRAM_MAX ||
	    m.net_size > sizeof(p->net) ||
	    size != sizeof(m) + m.plan_size + filter + m.net_size)
		return err_set(e, ERR_CORRUPT, "a policy of another size");
	at += sizeof(m);
	memcpy(&p->plan, at, m.plan_size);
	memcpy(p->program.insn, at + m.plan_size, filter);
	memcpy(&p->net, at + m.plan_size + filter, m.net_size);
	p->program.length = m.program_length;
	if (plan_check(&p->plan, m.plan_size, e) == -1 ||
	    seccomp_program_check(&p->program, e) == -1)
		return -1;
	if (m.net_size == 0) {
		plan_net_init(&p->net);
		return 0;
	}
	return plan_net_check(&p->net.net, m.net_size, e);
}

int
verb_load_live(struct verb_policy *p, const char *number)
{
	const void *all;
	uint64_t fd;
	struct err e;
	size_t size;
	int rc = text_parse_u64(number, 1023, &fd, &e);

	if (rc == -1)
		(void)err_set(&e, ERR_INVALID,
		    "--live: warder(1) finds the jail, not warder-config");
	if (rc == 0)
		rc = memfd_map((int)fd, VERB_LIVE_MAX, &all, &size, &e);
	if (rc == 0) {
		rc = take_parts(p, all, size, &e);
		memfd_unmap(all, size);
	}
	if (rc == -1)
		(void)fprintf(stderr, "warder: policy: %s\n", e.msg);
	return rc;
}

struct question_plan
verb_questions(const struct verb_policy *p)
{
	struct question_plan q = { &p->plan, &p->program, &p->net.net };

	return q;
}
