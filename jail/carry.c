/*
 * carry.c: a launched jail, over its launcher's execve(2).
 *
 * What the kernel knows of it stays as it is: it is the same process that
 * holds the lifeline and is the parent of pid 1 and of the janitor.  So only
 * what the launcher knows goes over, without pointers.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cgroup_private.h"
#include "handover.h"
#include "jail_private.h"
#include "outcome.h"

struct carried {
	char name[JAIL_NAME_MAX];
	int control, uid_lock;
	uid_t maker;
	pid_t janitor, init;
	int gone;
	struct jail_posture posture;
	struct cgroup cgroup;
	struct quota quota;
	struct stage_ids ids;
	uint32_t ncreated;
	struct stage_created created[PLAN_PROTECT_MAX];
	struct stage_source sources[PLAN_MOUNT_MAX];
};

static struct carried carried;

static int
carry_is_text(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

/* Descriptors of groups, each once: several controllers may share one. */
static int
carry_cgroup_fds(struct cgroup *c, struct handover *h, struct err *e)
{
	int k;

	for (k = 0; k < CGROUP__MAX; k++)
		if (c->owner[k] == k &&
		    handover_fd(h, &c->dir[k], S_IFDIR, e) == -1)
			return -1;
	return 0;
}

static int
carry_sources_fds(struct carried *c, struct handover *h, struct err *e)
{
	int i;

	for (i = 0; i < PLAN_MOUNT_MAX; i++)
		if (handover_fd(h, &c->sources[i].fd, 0, e) == -1)
			return -1;
	return 0;
}

static int
carry_fds(struct carried *c, struct handover *h, struct err *e)
{
	uint32_t i;

	for (i = 0; i < QUOTA_PLACES; i++)
		if (handover_fd(h, &c->quota.fd[i], S_IFDIR, e) == -1)
			return -1;
	if (handover_fd(h, &c->control, S_IFSOCK, e) == -1 ||
	    handover_fd(h, &c->uid_lock, S_IFREG, e) == -1 ||
	    handover_child(h, c->init, e) == -1 ||
	    handover_child(h, c->janitor, e) == -1 ||
	    carry_cgroup_fds(&c->cgroup, h, e) == -1)
		return -1;
	return carry_sources_fds(c, h, e);
}

/* ---- writing ---- */

static void
carry_fill(struct carried *c, const struct jail *j)
{
	int i;

	memset(c, 0, sizeof(*c));
	memcpy(c->name, j->name, sizeof(c->name));
	c->control = j->control;
	c->uid_lock = j->uid_lock;
	c->maker = j->maker;
	c->janitor = j->janitor;
	c->init = j->init;
	c->gone = j->gone;
	c->posture = j->posture;
	c->cgroup = j->cgroup;
	c->quota = j->quota;
	c->quota.work = NULL;
	/* its janitor must not take us for somebody else */
	j->stage->carried = 1;
	c->ids = j->stage->ids;
	c->ncreated = j->stage->ncreated;
	memcpy(c->created, j->stage->created, sizeof(c->created));
	memcpy(c->sources, j->sources, sizeof(c->sources));
	/* only to remove what was made in them */
	for (i = 0; c->ncreated == 0 && i < PLAN_MOUNT_MAX; i++)
		c->sources[i].fd = -1;
}

/* ---- reading ---- */

static int
carry_cgroup_is_sane(const struct cgroup *c)
{
	int k;

	for (k = 0; k < CGROUP__MAX; k++)
		if (c->owner[k] < -1 || c->owner[k] > k || c->dir[k] < -1 ||
		    (c->owner[k] >= 0 &&
			(c->owner[c->owner[k]] != c->owner[k] ||
			    c->dir[k] != c->dir[c->owner[k]])))
			return 0;
	return c->version >= CGROUP_NONE && c->version <= CGROUP_V2 &&
	       carry_is_text(c->name, sizeof(c->name)) &&
	       carry_is_text(c->why, sizeof(c->why));
}

static int
carry_created_is_sane(const struct carried *c, const struct plan *p)
{
	uint32_t i;

	for (i = 0; i < c->ncreated; i++) {
		const struct stage_created *s = &c->created[i];

		if (s->mount >= p->nmounts || s->protect >= p->nprotect ||
		    strlen(plan_string(p, p->protect[s->protect].path)) <=
			s->length ||
		    strlen(plan_string(p, p->mounts[s->mount].path)) >=
			s->length)
			return 0;
	}
	return 1;
}

static int
carry_is_sane(const struct carried *c, const struct plan *p)
{
	uint32_t i;

	for (i = 0; i < QUOTA_PLACES; i++)
		if (c->quota.kind[i] >= QUOTA__MAX)
			return 0;
	return carry_is_text(c->name, sizeof(c->name)) && c->control >= 0 &&
	       c->init > 0 && c->janitor > 0 && c->quota.work == NULL &&
	       c->ncreated <= PLAN_PROTECT_MAX && carry_created_is_sane(c, p) &&
	       carry_cgroup_is_sane(&c->cgroup);
}

/*
 * The parents are the process's: found anew, and the same, or its group could
 * not be removed.
 */
static int
carry_parents(struct cgroup *c, struct err *e)
{
	struct cgroup_host host;
	struct stat here, there;
	int k;

	cgroup_host_get(&host, c->enforced, 0);
	for (k = 0; k < CGROUP__MAX; k++) {
		c->tasks[k] = c->parent[k] = -1;
		if (c->owner[k] < 0)
			continue;
		c->parent[k] = host.parent[k];
		if (fstat(c->dir[k], &here) == -1 ||
		    fstatat(c->parent[k], c->name, &there,
			AT_SYMLINK_NOFOLLOW) == -1)
			return err_set(e, ERR_SYSTEM, "group %s", c->name);
		if (here.st_dev != there.st_dev || here.st_ino != there.st_ino)
			return err_set(e, ERR_CORRUPT,
			    "group %s is another one", c->name);
	}
	return 0;
}

static int
carry_new(struct jail **ret, const struct plan *p, struct err *e)
{
	struct jail *j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stage *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	if (j == MAP_FAILED || s == MAP_FAILED)
		return err_set(e, ERR_SYSTEM, "mmap: jail");
	j->options.plan = s->plan = p;
	j->stage = s;
	j->theirs = j->kept_root = -1;
	for (i = 0; i < countof(j->kept); i++)
		j->kept[i] = -1;
	j->init_fd = j->rootfs_fd = -1;
	s->launcher_pid = getpid();
	s->cgroup = &j->cgroup;
	s->sources = j->sources;
	j->released = j->launched = j->supplied = 1;
	*ret = j;
	return 0;
}

static void
carry_take(const struct carried *c, struct jail *j)
{
	memcpy(j->name, c->name, sizeof(j->name));
	j->control = c->control;
	j->uid_lock = c->uid_lock;
	j->maker = c->maker;
	j->janitor = c->janitor;
	j->init = c->init;
	j->gone = c->gone;
	j->posture = c->posture;
	j->cgroup = c->cgroup;
	j->quota = c->quota;
	j->stage->ids = c->ids;
	j->stage->ncreated = c->ncreated;
	memcpy(j->stage->created, c->created, sizeof(c->created));
	memcpy(j->sources, c->sources, sizeof(j->sources));
}

static int
carry_read(struct jail **ret, const struct plan *p, struct handover *h,
    struct err *e)
{
	struct jail *j = NULL;

	if (!carry_is_sane(&carried, p))
		return err_set(e, ERR_CORRUPT, "a jail of impossible state");
	if (carry_fds(&carried, h, e) == -1 || carry_new(&j, p, e) == -1)
		return -1;
	carry_take(&carried, j);
	*ret = j;
	return h->trial ? 0 : carry_parents(&j->cgroup, e);
}

int
jail_carry(struct jail **j, const struct plan *plan, struct handover *h,
    struct err *e)
{
	if (!h->reading)
		carry_fill(&carried, *j);
	if (handover_block(h, "jail", &carried, sizeof(carried), e) == -1)
		return -1;
	return h->reading ? carry_read(j, plan, h, e)
			  : carry_fds(&carried, h, e);
}

int
jail_carry_outcome(struct outcome *o, struct jail *j, const struct plan *p,
    struct handover *h, struct err *e)
{
	if (h->reading) {
		o->jail = j;
		o->plan = p;
		cgroup_meter_init(&o->meter);
	}
	return handover_fd(h, &o->oom, 0, e);
}
