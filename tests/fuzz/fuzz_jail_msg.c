/*
 * fuzz_jail_msg.c: what a launcher reads from a jail's pid 1, and from those
 * who ask it about the jail.
 *
 *	| which u8 | length u16 | bytes ... |	again and again
 *
 * which: bit 0: to the registry, else from warder-init; bits 1-2: how many
 * descriptors come with it.  A datagram is sent as it stands.  No
 * descriptor stays behind, and a jail that sends what it never sends is not
 * listened to as if it had sent something else.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "jail/jail_private.h"
#include "jail/registry.h"
#include "jail/run.h"
#include "msg_jail.h"
#include "tests/unit/send_raw.h"

enum {
	FUZZ_FDS = 3
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing is ever started here. */
long
sys_clone(const void *args, size_t size, int (*fn)(void *), void *arg)
{
	(void)args;
	(void)size;
	(void)fn;
	(void)arg;
	abort();
}

static struct jail fuzz_jail;
static struct stage fuzz_stage;
static struct plan fuzz_plan;
static struct run fuzz_run;
static struct registry fuzz_registry;
static int fuzz_init = -1; /* warder-init's end */
static char fuzz_dir[] = "/tmp/fuzz-jail-XXXXXX";

/* A reload is answered at once, or is on its way until the input's end. */
static void
fuzz_reload(void *ctx, const struct msg_jail_reload *m)
{
	static struct msg_jail_reloaded done;

	(void)ctx;
	assert(strlen(m->file) < sizeof(m->file));
	assert(strlen(m->name) < sizeof(m->name));
	assert(m->file[0] == '\0' || m->file[0] == '/');
	assert(fuzz_registry.reloading);
	if (m->name[0] != 'l')
		registry_reloaded(&fuzz_registry, &done);
}

static struct msg_jail_reloaded fuzz_late;

static int
fuzz_show(void *ctx, struct err *e)
{
	(void)ctx;
	return err_set(e, ERR_LIMIT, "nothing is shown");
}

static const char *
fuzz_name(void *ctx)
{
	(void)ctx;
	return "fuzz";
}

static int
lowest_free(void)
{
	int n = dup(0);

	assert(n >= 0);
	(void)close(n);
	return n;
}

static void
set_up(void)
{
	static const char *const envp[] = { "PATH=/bin", NULL };
	struct err e;
	int fd[2];

	if (fuzz_init != -1)
		return;
	assert(mkdtemp(fuzz_dir) != NULL);
	assert(ipc_pair(fd, &e) == 0);
	plan_init(&fuzz_plan);
	fuzz_plan.limits.memory_bytes = 1 << 20;
	plan_seal(&fuzz_plan);
	fuzz_jail.options.plan = &fuzz_plan;
	fuzz_jail.stage = &fuzz_stage;
	fuzz_jail.control = fd[0];
	fuzz_jail.theirs = -1;
	cgroup_init(&fuzz_jail.cgroup);
	fuzz_init = fd[1];
	(void)fcntl(fd[0], F_SETFL, O_NONBLOCK);
	(void)fcntl(fd[1], F_SETFL, O_NONBLOCK);
	run_init(&fuzz_run, &fuzz_jail, &fuzz_plan, 1);
	assert(registry_open(&fuzz_registry, fuzz_dir, &e) == 0);
	fuzz_registry.command = "fuzz";
	fuzz_registry.envp = envp;
	fuzz_registry.policy =
	    (struct registry_policy){ fuzz_reload, fuzz_show, fuzz_name, NULL };
	assert(registry_serve(&fuzz_registry, &fuzz_run, &e) == 0);
}

/* A client of the registry: connected, and accepted by its own callback. */
static int
connect_client(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memcpy(a.sun_path, fuzz_registry.path, sizeof(a.sun_path));
	assert(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	fuzz_run.watches[0].ready(fuzz_run.watches[0].ctx,
	    fuzz_run.watches[0].fd);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void
from_init(const uint8_t *data, size_t size, size_t nfds)
{
	struct jail_event v = { .kind = (enum jail_event_kind) - 1, .fd = -1 };
	struct err e = { 0 };
	int r;

	/* an empty one is end of file for a reader, and not sent */
	if (size == 0 || send_raw_copies(fuzz_init, data, size, nfds) == -1)
		return;
	r = jail_receive(&fuzz_jail, &v, &e);
	assert(r == 0 || e.code == ERR_CORRUPT || e.code == ERR_SYSTEM);
	if (r == 0)
		assert(v.kind <= JAIL_EVENT_GONE && v.kind != JAIL_EVENT_GONE);
	fd_closep(&v.fd);
}

static void
drain(int fd)
{
	static struct ipc_msg m;

	while (ipc_recv(fd, &m, NULL) == 1)
		ipc_drop_fds(&m);
}

static void
to_registry(int client, const uint8_t *data, size_t size, size_t nfds)
{
	int i;

	if (send_raw_copies(client, data, size, nfds) == -1)
		return;
	for (i = 1; i < RUN_WATCHES; i++) {
		struct run_watch *w = &fuzz_run.watches[i];

		if (w->fd != -1)
			w->ready(w->ctx, w->fd);
	}
	drain(client);
	drain(fuzz_init); /* what it would have started or signalled */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int before, client, i;

	set_up();
	before = lowest_free();
	client = connect_client();
	while (size >= 3) {
		size_t n = (size_t)(data[1] | data[2] << 8);
		size_t nfds = (data[0] >> 1) & 3;

		if (n > size - 3)
			n = size - 3;
		if (data[0] & 1)
			to_registry(client, data + 3, n, nfds);
		else
			from_init(data + 3, n, nfds);
		data += 3 + n;
		size -= 3 + n;
	}
	(void)close(client);
	for (i = 1; i < RUN_WATCHES; i++) {
		struct run_watch *w = &fuzz_run.watches[i];

		if (w->fd != -1)
			w->ready(w->ctx, w->fd);
	}
	drain(fuzz_init);
	if (fuzz_registry.reloading)
		registry_reloaded(&fuzz_registry, &fuzz_late);
	assert(!fuzz_registry.reloading);
	assert(lowest_free() == before);
	fuzz_jail.gone = 0;
	return 0;
}
