/*
 * fuzz_spawn_msg.c: warderd hears a warder-control of any kind.
 *
 *	| type u8 | flags u8 | length u16 | bytes |	again and again
 *
 * Each becomes one message; PAD gives it the size of its body, and FDS a
 * number of descriptors.  warderd must come to an end with it: answered,
 * refused, or control given up; with every descriptor closed, and never with
 * a run, since no version is there.
 */
#include <assert.h>
#include <dirent.h>
#include <sys/socket.h>

#include "log.h"
#include "sys.h"

/* What a broken control costs is a line; here it would be thousands. */
#define log_text(...) ((void)0)

#include "supervisor/agent.c" /* NOLINT(bugprone-suspicious-include) */
#include "supervisor/agent_narrow.c" /* NOLINT(bugprone-suspicious-include) */
#include "supervisor/warderd/control.c" /* NOLINT(bugprone-suspicious-include) */
#include "supervisor/warderd/jailed.c" /* NOLINT(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	PAD = 1,
	FDS = 2, /* its number is in the upper bits */
};

/* ---- deployments have processes: here each is refused ---- */

int
deploy_begin(struct warderd *w, struct ipc_msg *msg)
{
	const struct spawn_deploy *m = (const void *)msg->body;
	struct err e = { .code = ERR_LIMIT };

	(void)w;
	assert(msg->fds[0] >= 0);
	if (m->id == 0 || !settings_is_tenant(m->tenant, sizeof(m->tenant)))
		return -1;
	control_refuse(SPAWN_DEPLOY, m->id, &e);
	return 0;
}

int
deploy_has(uint64_t id)
{
	(void)id;
	return 0;
}

unsigned
deploy_count(void)
{
	return 0;
}

int
deploy_say(struct warderd *w)
{
	(void)w;
	return 0;
}

void
deploy_end_all(void)
{
}

/* No jail is ever made. */
long
sys_clone(const void *args, size_t size, int (*fn)(void *), void *arg)
{
	(void)args;
	(void)size;
	(void)fn;
	(void)arg;
	abort();
}

/* ---- the conversation ---- */

static struct warderd warderd;
static struct ceiling ceiling;
static uint8_t body[IPC_BODY_MAX];
static struct ipc_msg answer;

static void
set_up(void)
{
	if (warderd.store.path != NULL)
		return;
	settings_init(&warderd.kept.settings);
	warderd.store = (struct agent_store){ .path = "/nonexistent",
		.dir = -1,
		.ceiling = &ceiling };
	warderd.files.ceiling = &ceiling;
}

static unsigned
count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert(d != NULL);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void
hear_answers(int fd)
{
	while (ipc_recv(fd, &answer, NULL) == 1) {
		assert(
		    answer.type == SPAWN_REFUSED || answer.type == SPAWN_STATE);
		assert(answer.size == control_table[answer.type].size);
		assert(answer.nfds == 0);
	}
}

static void
send_one(int fd, unsigned type, unsigned flags, const uint8_t *bytes, size_t n)
{
	int fds[IPC_FDS_MAX], nfds = flags & FDS ? flags >> 2 & 7 : 0, i;
	size_t size = n;

	memset(body, 0, sizeof(body));
	memcpy(body, bytes, n);
	if ((flags & PAD) && type < SPAWN__MAX)
		size = control_table[type].size;
	for (i = 0; i < nfds; i++)
		fds[i] = fd;
	(void)!ipc_send(fd, type, body, size, fds, nfds, NULL);
}

static void
say_one(int fd, const uint8_t *data, size_t n)
{
	send_one(fd, data[0], data[1], data + 4, n);
	control_on_socket(&warderd, POLLIN);
	jailed_step(&warderd, clock_now_us());
	if (control.fd != -1 && !control.lost)
		control_say_all(&warderd, 0);
	hear_answers(fd);
	assert(jailed_count() == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned before;
	int pair[2];

	set_up();
	before = count_fds();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair) == -1)
		return 0;
	control.fd = pair[0];
	control.ready = size > 0 && data[0] % 8 != 7;
	while (size >= 4 && !control.lost) {
		size_t n = data[2] | (size_t)data[3] << 8;

		n = n > size - 4 ? size - 4 : n;
		say_one(pair[1], data, n);
		data += 4 + n;
		size -= 4 + n;
	}
	control_end();
	jailed_end_all(&warderd);
	jailed_step(&warderd, clock_now_us());
	assert(jailed_n == 0);
	(void)close(pair[1]);
	assert(count_fds() == before);
	return 0;
}
