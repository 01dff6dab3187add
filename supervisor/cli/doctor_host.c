/*
 * doctor_host.c: what this host offers, a row each.
 *
 * A row is tried where it can be, and read from a switch where it cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "doctor.h"
#include "doctor_file.h"
#include "jail/cgroup.h"
#include "jail/idmap.h"
#include "jail/mount.h"
#include "jail/uidblock.h"
#include "sys.h"
#include "text.h"

enum {
	HOST_KERNEL_LEAST = 512, /* 5.12: mount_setattr(2) */
	HOST_KERNEL_TESTED = 601,
	HOST_LANDLOCK_BEST = 6, /* scopes */
	HOST_LANDLOCK_ABI_MAX = 1000,
	HOST_LSM_MAX = 16,
	HOST_FILES = 1024, /* the default limit open_files */
	HOST_RND_BITS = 28, /* the kernel's default on 64 bits */
	HOST_GROUP_MEMORY = 64 << 20,
	HOST_GROUP_PIDS = 16,
};

/* What a row writes: its value, and where it is not well, the remedy. */
struct host_row {
	struct doctor *d;
	const struct doctor_trial *trial;
	struct text value, remedy;
};

/* ---- who asks ---- */

static enum doctor_state
host_caller(struct host_row *r)
{
	text_addf(&r->value, geteuid() == 0 ? "root" : "uid %u, rootless",
	    geteuid());
	if (geteuid() != 0 || doctor_file_maps_jails())
		return DOCTOR_OK;
	text_add(&r->value, " of a user namespace, without the uids of jails");
	doctor_trial_no_uids(&r->remedy);
	return DOCTOR_MISSING;
}

/* ---- the kernel ---- */

static enum doctor_state
host_kernel(struct host_row *r)
{
	struct utsname u = { 0 };
	unsigned major = 0, minor = 0;

	(void)uname(&u);
	text_add_escaped(&r->value, u.release);
	(void)sscanf(u.release, "%3u.%3u", &major, &minor);
	if (major * 100 + minor >= HOST_KERNEL_TESTED)
		return DOCTOR_OK;
	text_add(&r->remedy, "Warder is tested with Linux 6.1 and later");
	return major * 100 + minor >= HOST_KERNEL_LEAST ? DOCTOR_LESSENED
							: DOCTOR_MISSING;
}

/* The steps first to last of the trial; what fails is named. */
static enum doctor_state
host_trial(struct host_row *r, int first, int last, const char *good,
    enum doctor_state bad)
{
	int i;

	for (i = first; i <= last; i++) {
		int sys = r->trial->sys[i];

		if (sys == 0)
			continue;
		if (sys == TRIAL_NOT_TRIED) {
			text_add(&r->value, "not tried: see above");
			return bad;
		}
		text_add(&r->value, strerror(sys));
		doctor_trial_remedy((enum doctor_trial_step)i, sys, &r->remedy);
		return bad;
	}
	text_add(&r->value, good);
	return DOCTOR_OK;
}

static enum doctor_state
host_user_namespaces(struct host_row *r)
{
	return host_trial(r, TRIAL_USER, TRIAL_SECOND,
	    "can be made by this user", DOCTOR_MISSING);
}

static enum doctor_state
host_namespaces(struct host_row *r)
{
	return host_trial(r, TRIAL_MOUNT, TRIAL_PID,
	    "mount net ipc uts cgroup pid, with capabilities over them",
	    DOCTOR_MISSING);
}

static enum doctor_state
host_time_namespace(struct host_row *r)
{
	return host_trial(r, TRIAL_TIME, TRIAL_TIME,
	    "a jail's clocks start near zero", DOCTOR_LESSENED);
}

static enum doctor_state
host_mount_api(struct host_row *r)
{
	return host_trial(r, TRIAL_TMPFS, TRIAL_TMPFS, "works", DOCTOR_MISSING);
}

static enum doctor_state
host_proc(struct host_row *r)
{
	return host_trial(r, TRIAL_PROC, TRIAL_PROC, "can be mounted",
	    DOCTOR_MISSING);
}

static enum doctor_state
host_overlay(struct host_row *r)
{
	enum doctor_state s = host_trial(r, TRIAL_OVERLAY, TRIAL_OVERLAY,
	    "works on tmpfs, in a user namespace", DOCTOR_LESSENED);

	if (s == DOCTOR_OK)
		return s;
	r->remedy.len = 0;
	text_add(&r->remedy, "only rootfs {dir: ...} needs it; rootless it "
			     "takes Linux 6.6");
	return s;
}

/* Who owns a jail's user namespace may look at its processes all the same. */
static enum doctor_state
host_hidepid(struct host_row *r)
{
	char options[256];
	const char *p;

	if (!doctor_file_proc_options(options, sizeof(options)))
		options[0] = '\0';
	p = strstr(options, "hidepid=");
	if (p == NULL) {
		text_add(&r->value, "off; does not matter");
		return DOCTOR_OK;
	}
	text_add_escaped_bytes(&r->value, p, strcspn(p, ","));
	text_add(&r->value, "; does not matter, a jail's processes are shown "
			    "to who runs it");
	return DOCTOR_OK;
}

static enum doctor_state
host_yama(struct host_row *r)
{
	char word[16];

	if (!doctor_file_line("/proc/sys/kernel/yama/ptrace_scope", word,
		sizeof(word)))
		text_add(&r->value, "not there; no jail needs it");
	else
		text_addf(&r->value,
		    "ptrace_scope %s; does not matter, nothing here traces",
		    word);
	return DOCTOR_OK;
}

/* ---- layers ---- */

/* The file needs securityfs; the call Linux 6.8. */
static int
host_lsm_call(struct text *t)
{
	static const char *const names[] = {
		[100] = "capability",
		[101] = "selinux",
		[102] = "smack",
		[103] = "tomoyo",
		[104] = "apparmor",
		[105] = "yama",
		[106] = "loadpin",
		[107] = "safesetid",
		[108] = "lockdown",
		[109] = "bpf",
		[110] = "landlock",
		[111] = "ima",
		[112] = "evm",
		[113] = "ipe",
	};
	uint64_t ids[HOST_LSM_MAX];
	uint32_t size = sizeof(ids);
	long n = SYS(461 /* lsm_list_modules */, ids, &size, 0), i;

	for (i = 0; i < n; i++) {
		const char *name =
		    ids[i] < countof(names) ? names[ids[i]] : NULL;

		text_addf(t, "%s%s", i > 0 ? " " : "",
		    name != NULL ? name : "another");
	}
	return n > 0;
}

static enum doctor_state
host_lsm(struct host_row *r)
{
	char line[DOCTOR_VALUE_MAX], *p;

	if (doctor_file_line("/sys/kernel/security/lsm", line, sizeof(line))) {
		for (p = line; *p != '\0'; p++)
			*p = *p == ',' ? ' ' : *p;
		text_add_escaped(&r->value, line);
	} else if (!host_lsm_call(&r->value)) {
		text_add(&r->value, "not told: securityfs is not mounted");
	}
	return DOCTOR_OK;
}

static enum doctor_state
host_landlock(struct host_row *r)
{
	long abi = SYS(SYS_landlock_create_ruleset, 0, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 1 || abi > HOST_LANDLOCK_ABI_MAX) {
		text_add(&r->value, "off");
		text_add(&r->remedy,
		    "boot with lsm=landlock,... (CONFIG_SECURITY_LANDLOCK)");
		return DOCTOR_LESSENED;
	}
	text_addf(&r->value, "ABI %ld", abi);
	if (abi >= HOST_LANDLOCK_BEST)
		return DOCTOR_OK;
	text_add(&r->remedy,
	    "Linux 6.12 brings scopes for signals and abstract sockets");
	return DOCTOR_LESSENED;
}

static enum doctor_state
host_seccomp(struct host_row *r)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	char word[16];

	if (SYS(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0) {
		text_add(&r->value, "no filters");
		text_add(&r->remedy,
		    "a kernel with CONFIG_SECCOMP_FILTER is needed");
		return DOCTOR_MISSING;
	}
	text_add(&r->value, "filters can be installed");
	if (doctor_file_status("Seccomp:", word, sizeof(word)) &&
	    strcmp(word, "2") == 0)
		text_add(&r->value, "; one around us is in force already");
	if (doctor_file_status("NoNewPrivs:", word, sizeof(word)) &&
	    strcmp(word, "1") == 0)
		text_add(&r->value, "; no_new_privs is set around us");
	return DOCTOR_OK;
}

/* Made as a jail's are, and removed. */
static enum doctor_state
host_cgroup(struct host_row *r)
{
	static struct plan plan;
	char name[CGROUP_NAME_MAX / 2], text[DOCTOR_VALUE_MAX];
	struct cgroup c;
	struct err e;
	uint32_t limits =
	    1U << CGROUP_MEMORY | 1U << CGROUP_PIDS | 1U << CGROUP_CPU;
	int all;

	plan.limits.memory_bytes = HOST_GROUP_MEMORY;
	plan.limits.pids = HOST_GROUP_PIDS;
	plan.limits.cpu_milli = 1000;
	(void)snprintf(name, sizeof(name), "%d-0", (int)getpid());
	if (cgroup_create(&c, name, &plan, &e) == -1) {
		text_add_escaped(&r->value, e.msg);
		text_add(&r->remedy, "no jail can be limited: mend this first");
		return DOCTOR_MISSING;
	}
	cgroup_describe(&c, text, sizeof(text));
	all = (c.enforced & limits) == limits;
	(void)cgroup_destroy(&c, 1000);
	text_add_escaped(&r->value, text);
	if (all)
		return DOCTOR_OK;
	text_add(&r->remedy,
	    geteuid() == 0
		? "mount the controllers memory, pids and cpu"
		: "rlimits and a watchdog limit instead; delegate to this "
		  "user: systemd-run --user --scope -p Delegate=yes, cgroup v2");
	return DOCTOR_LESSENED;
}

static enum doctor_state
host_idmap(struct host_row *r)
{
	const struct idmap_owner disk = { 1000, 1000 };
	const struct idmap_owner seen = { UIDBLOCK_BASE, UIDBLOCK_BASE };
	struct err e;
	long fd;
	int ok;

	if (geteuid() != 0) {
		text_add(&r->value, "not needed: one uid, the caller's");
		return DOCTOR_OK;
	}
	fd = mount_new("tmpfs", NULL, 0, MOUNT_RW);
	if (fd < 0) {
		text_addf(&r->value, "not tried: tmpfs: %s",
		    strerror((int)-fd));
		return DOCTOR_LESSENED;
	}
	ok = idmap_mount((int)fd, disk, seen, &e) == 0;
	mount_close(fd);
	if (ok) {
		text_add(&r->value, "work, on tmpfs too");
		return DOCTOR_OK;
	}
	text_add_escaped(&r->value, e.msg);
	text_add(&r->remedy, "on a kernel before 6.3 tmpfs has none; other "
			     "file systems may: seen with each directory");
	return DOCTOR_LESSENED;
}

/* ---- switches ---- */

static enum doctor_state
host_core_pattern(struct host_row *r)
{
	char line[128];
	struct rlimit l = { 0, 0 };

	if (!doctor_file_line("/proc/sys/kernel/core_pattern", line,
		sizeof(line)))
		(void)snprintf(line, sizeof(line), "not readable");
	text_add_escaped(&r->value, line);
	(void)getrlimit(RLIMIT_CORE, &l);
	if (line[0] != '|' || l.rlim_max >= 1) {
		text_add(&r->value, line[0] == '|'
					? "; RLIMIT_CORE 1 keeps jails from it"
					: "");
		return DOCTOR_OK;
	}
	text_add(&r->remedy, "a crash in a jail would start it on the host: "
			     "raise the hard limit of core files (ulimit -Hc)");
	return DOCTOR_LESSENED;
}

static enum doctor_state
host_memfd(struct host_row *r)
{
	autofd fd = memfd_create("warder-doctor", MFD_CLOEXEC);
	char word[16];
	struct stat st;

	if (!doctor_file_line("/proc/sys/vm/memfd_noexec", word, sizeof(word)))
		(void)snprintf(word, sizeof(word), "0");
	text_addf(&r->value, "vm.memfd_noexec %s", word);
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0100) != 0)
		return DOCTOR_OK;
	text_add(&r->remedy, "warder-init runs from a memfd; as root: sysctl "
			     "-w vm.memfd_noexec=0");
	return DOCTOR_MISSING;
}

static enum doctor_state
host_limits(struct host_row *r)
{
	struct rlimit files = { 0, 0 }, core = { 0, 0 };
	enum doctor_state s = DOCTOR_OK;

	(void)getrlimit(RLIMIT_NOFILE, &files);
	(void)getrlimit(RLIMIT_CORE, &core);
	text_addf(&r->value, "NOFILE %lld, CORE %lld",
	    (long long)files.rlim_max, (long long)core.rlim_max);
	if (files.rlim_max < HOST_FILES) {
		text_addf(&r->remedy,
		    "a jail gets no more than that; ulimit -Hn %d", HOST_FILES);
		s = DOCTOR_LESSENED;
	}
	if (core.rlim_max < 1) {
		text_addf(&r->remedy, "%sulimit -Hc 1 or more",
		    s != DOCTOR_OK ? "; " : "");
		s = DOCTOR_LESSENED;
	}
	return s;
}

static enum doctor_state
host_tiocsti(struct host_row *r)
{
	char word[16];

	if (!doctor_file_line("/proc/sys/dev/tty/legacy_tiocsti", word,
		sizeof(word)))
		text_add(&r->value, "always allowed by this kernel");
	else
		text_addf(&r->value, "dev.tty.legacy_tiocsti %s", word);
	text_add(&r->value, "; the filter refuses it");
	return DOCTOR_OK;
}

static enum doctor_state
host_aslr(struct host_row *r)
{
	char bits[16], space[16];
	int told =
	    doctor_file_line("/proc/sys/vm/mmap_rnd_bits", bits, sizeof(bits));
	int full = !doctor_file_line("/proc/sys/kernel/randomize_va_space",
		       space, sizeof(space)) ||
		   strcmp(space, "2") == 0;

	text_addf(&r->value, "%s%s",
	    full ? "full" : "randomize_va_space is not 2",
	    told ? "" : "; how many bits is told to root only");
	if (told)
		text_addf(&r->value, ", vm.mmap_rnd_bits %s", bits);
	if (full && (!told || strtol(bits, NULL, 10) >= HOST_RND_BITS))
		return DOCTOR_OK;
	text_add(&r->remedy, "as root: sysctl -w vm.mmap_rnd_bits=32 "
			     "kernel.randomize_va_space=2");
	return DOCTOR_LESSENED;
}

/* ---- places and programs ---- */

static enum doctor_state
host_room(struct host_row *r, const char *path, uint64_t least)
{
	struct statvfs v;
	uint64_t room;

	if (path[0] == '\0') {
		text_add_escaped(&r->value, r->d->jail_error.msg);
		text_add(&r->remedy, "give it to this user, or remove it");
		return DOCTOR_MISSING;
	}
	text_add_escaped(&r->value, path);
	if (statvfs(path, &v) == -1 || access(path, W_OK) == -1) {
		text_addf(&r->value, ": %s", strerror(errno));
		text_add(&r->remedy, "it must be this user's, and writable");
		return DOCTOR_MISSING;
	}
	room = (uint64_t)v.f_bavail * v.f_frsize;
	text_addf(&r->value, ", %llu MiB free",
	    (unsigned long long)(room >> 20));
	if (room >= least && v.f_favail != 0)
		return DOCTOR_OK;
	/* some file systems have no inodes to count */
	if (room >= least && v.f_files == 0)
		return DOCTOR_OK;
	text_add(&r->remedy, "make room there");
	return DOCTOR_LESSENED;
}

static enum doctor_state
host_runtime(struct host_row *r)
{
	return host_room(r, r->d->have_places ? r->d->places.jails : "",
	    1 << 20);
}

static enum doctor_state
host_cache(struct host_row *r)
{
	return host_room(r, r->d->have_places ? r->d->places.cache : "",
	    8 << 20);
}

static int
host_program(struct host_row *r, const char *name)
{
	char path[PLACES_PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/%s", r->d->places.libexec, name);
	if (access(path, R_OK | X_OK) == 0)
		return 1;
	text_add_escaped(&r->value, path);
	text_addf(&r->value, ": %s", strerror(errno));
	text_add(&r->remedy, "install Warder again, or build it: make");
	return 0;
}

/* Whether warder-init runs is seen by the throw-away jail. */
static enum doctor_state
host_programs(struct host_row *r)
{
	struct err e;

	if (!host_program(r, "warder-init") ||
	    !host_program(r, "warder-config") ||
	    !host_program(r, "warder-probe"))
		return DOCTOR_MISSING;
	if (doctor_jail_policy(r->d, &e) == -1) {
		text_add(&r->value, "warder-config: ");
		text_add_escaped(&r->value, e.msg);
		text_add(&r->remedy, "see the policy directories named there");
		return DOCTOR_MISSING;
	}
	text_add(&r->value, "there; warder-config compiles the default");
	return DOCTOR_OK;
}

/* clang-format off */
static const struct {
	const char *name, *about;
	enum doctor_state (*look)(struct host_row *r);
} host_rows[] = {
	{ "caller",           "who asks, and would run jails", host_caller },
	{ "kernel",           "its release", host_kernel },
	{ "user namespaces",  "made by this user, with id maps", host_user_namespaces },
	{ "namespaces",       "the others, inside that one", host_namespaces },
	{ "mount by fd",      "the mount API of Linux 5.2", host_mount_api },
	{ "proc",             "a new /proc for the jail's processes", host_proc },
	{ "time namespace",   "hides how long the host has been up", host_time_namespace },
	{ "overlay",          "for rootfs {dir: ...}", host_overlay },
	{ "hidepid",          "an option of the host's /proc", host_hidepid },
	{ "yama",             "restricts ptrace", host_yama },
	{ "security modules", "what the kernel was booted with", host_lsm },
	{ "landlock",         "the third layer over files", host_landlock },
	{ "seccomp",          "filters of system calls", host_seccomp },
	{ "control groups",   "limits of memory, processes, processor time", host_cgroup },
	{ "idmapped mounts",  "given directories under other owners", host_idmap },
	{ "core_pattern",     "what a crash starts on the host", host_core_pattern },
	{ "memfd",            "programs that are no file", host_memfd },
	{ "hard limits",      "inherited by every jail", host_limits },
	{ "tiocsti",          "typing into somebody's terminal", host_tiocsti },
	{ "randomization",    "of addresses", host_aslr },
	{ "runtime folder",   "sockets of live jails", host_runtime },
	{ "cache folder",     "compiled policies", host_cache },
	{ "programs",         "warder-init, warder-config, warder-probe", host_programs },
};

/* clang-format on */

void
doctor_host_look(struct doctor *d)
{
	struct doctor_trial trial;
	size_t i;

	doctor_trial_run(&trial);
	_Static_assert(countof(host_rows) <= DOCTOR_HOST_MAX,
	    "more rows than there is room for");
	for (i = 0; i < countof(host_rows); i++) {
		struct doctor_finding *f = &d->host[d->nhost++];
		struct host_row r = { .d = d, .trial = &trial };

		text_init(&r.value, f->value, sizeof(f->value));
		text_init(&r.remedy, f->remedy, sizeof(f->remedy));
		f->name = host_rows[i].name;
		f->about = host_rows[i].about;
		f->state = host_rows[i].look(&r);
	}
}
