#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cgroup_private.h"

enum {
	CGROUP_FREEZE_ROUNDS = 1000
}; /* of a millisecond */

static int
cgroup_file_has(int dir, const char *file, const char *text)
{
	char buf[CGROUP_FILE_MAX];

	return cgroup_file_read(dir, file, buf, sizeof(buf)) > 0 &&
	       strstr(buf, text) != NULL;
}

/* The group in the freezer's hierarchy, made when it is first needed. */
static int
cgroup_v1_freezer(struct cgroup *c, struct err *e)
{
	struct cgroup_host h;
	int sys;

	if (c->dir[CGROUP_FREEZER] >= 0)
		return 0;
	cgroup_host_get(&h, CGROUP_BIT(CGROUP_FREEZER), 0);
	if (h.version != CGROUP_V1 || h.parent[CGROUP_FREEZER] == -1)
		return err_set(e, ERR_UNSUPPORTED,
		    "this host has no cgroup freezer");
	c->parent[CGROUP_FREEZER] = h.parent[CGROUP_FREEZER];
	c->owner[CGROUP_FREEZER] = CGROUP_FREEZER;
	sys = cgroup_make_dir(c, CGROUP_FREEZER);
	if (sys != 0)
		return err_sys(e, sys, "control group %s of freezer", c->name);
	/* The jail joins by cgroup_freeze(), not by itself. */
	fd_closep(&c->tasks[CGROUP_FREEZER]);
	c->enforced |= CGROUP_BIT(CGROUP_FREEZER);
	return 0;
}

static void
cgroup_freeze_one(pid_t pid, const struct cgroup *c)
{
	char buf[CGROUP_NUMBER_MAX];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_addf(&t, "%d", pid);
	(void)!cgroup_file_write(c->dir[CGROUP_FREEZER], "cgroup.procs", buf,
	    t.len);
}

/*
 * A process that enters a frozen group freezes; one that was forked beside
 * the list is found by the next round.
 */
static int
cgroup_v1_freeze(struct cgroup *c, struct err *e)
{
	int freezer, all = cgroup_any_dir(c);
	unsigned i;

	if (cgroup_v1_freezer(c, e) == -1)
		return -1;
	freezer = c->dir[CGROUP_FREEZER];
	for (i = 0; i < CGROUP_FREEZE_ROUNDS; i++) {
		int r =
		    cgroup_file_write(freezer, "freezer.state", "FROZEN", 6);

		if (r < 0)
			return err_sys(e, -r, "freeze group %s", c->name);
		if (cgroup_each_process(all, NULL, c) ==
			cgroup_each_process(freezer, NULL, c) &&
		    cgroup_file_has(freezer, "freezer.state", "FROZEN"))
			return 0;
		(void)cgroup_each_process(all, cgroup_freeze_one, c);
		cgroup_sleep_us(1000);
	}
	return err_sys(e, ETIMEDOUT, "freeze group %s", c->name);
}

static int
cgroup_v2_freeze(const struct cgroup *c, struct err *e)
{
	int dir = cgroup_any_dir(c);
	int r = cgroup_file_write(dir, "cgroup.freeze", "1", 1);
	unsigned i;

	for (i = 0; r == 0 && i < CGROUP_FREEZE_ROUNDS; i++) {
		if (cgroup_file_has(dir, "cgroup.events", "frozen 1"))
			return 0;
		cgroup_sleep_us(1000);
	}
	return err_sys(e, r < 0 ? -r : ETIMEDOUT, "freeze group %s", c->name);
}

static int
cgroup_thaw(const struct cgroup *c, struct err *e)
{
	int r = 0;

	if (c->version == CGROUP_V2)
		r = cgroup_file_write(cgroup_any_dir(c), "cgroup.freeze", "0",
		    1);
	else if (c->dir[CGROUP_FREEZER] >= 0)
		r = cgroup_file_write(c->dir[CGROUP_FREEZER], "freezer.state",
		    "THAWED", 6);
	return r < 0 ? err_sys(e, -r, "thaw group %s", c->name) : 0;
}

int
cgroup_freeze(struct cgroup *c, int frozen, struct err *e)
{
	if (c->version == CGROUP_NONE)
		return err_set(e, ERR_UNSUPPORTED,
		    "a jail without control group cannot be frozen");
	if (!frozen)
		return cgroup_thaw(c, e);
	return c->version == CGROUP_V2 ? cgroup_v2_freeze(c, e)
				       : cgroup_v1_freeze(c, e);
}

void
cgroup_rescue(struct cgroup *c)
{
	struct cgroup_host h;

	if (c->version == CGROUP_V1 && c->dir[CGROUP_FREEZER] < 0) {
		/* The process ends soon: it may leave these open. */
		cgroup_host_find(&h,
		    CGROUP_LIMITING | CGROUP_BIT(CGROUP_FREEZER));
		if (h.version != CGROUP_V1 || h.parent[CGROUP_FREEZER] < 0)
			return;
		c->parent[CGROUP_FREEZER] = h.parent[CGROUP_FREEZER];
		c->owner[CGROUP_FREEZER] = CGROUP_FREEZER;
		c->dir[CGROUP_FREEZER] = openat(c->parent[CGROUP_FREEZER],
		    c->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (c->version != CGROUP_NONE)
		(void)cgroup_thaw(c, NULL);
}
