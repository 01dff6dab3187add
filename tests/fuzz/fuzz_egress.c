/*
 * fuzz_egress.c: what a launcher reads from its proxy, which may have been
 * taken over: that it is ready, an answer to a reload, its last words.
 *
 *	| what u8 | then again and again: | which u8 | length u16 | bytes ... |
 *
 * what: how it is listened to.  which: bits 0-1: how many descriptors come
 * with it; bit 2: the first is a sealed memfd of the same bytes.  A datagram
 * is sent as it stands, and end of file follows the last one.  A plan is in
 * force only after PROXY_RELOAD_DONE, whoever waits for an answer gets one,
 * and no descriptor stays behind.
 */
#include <assert.h>
#include <stdlib.h>

#include "egress/egress.c" /* NOLINT(bugprone-suspicious-include) */
#include "tests/unit/send_raw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what is in the place of the other helpers ---- */

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

int
keeper_is_wanted(const struct plan_net *net)
{
	(void)net;
	return 0;
}

int
keeper_start(struct keeper *k, const struct keeper_options *o, int *ret_proxy,
    struct err *e)
{
	(void)k;
	(void)o;
	(void)ret_proxy;
	(void)e;
	abort();
}

int
keeper_ready(struct keeper *k, struct err *e)
{
	(void)k;
	(void)e;
	abort();
}

void
keeper_end(struct keeper *k)
{
	(void)k;
}

int
segment_init(struct segments *s, const char *state_dir, const char *program,
    const char *run, struct err *e)
{
	(void)s;
	(void)state_dir;
	(void)program;
	(void)run;
	(void)e;
	abort();
}

int
segment_open(struct segments *s, int *ret_fd, struct err *e)
{
	(void)s;
	(void)e;
	*ret_fd = dup(0);
	return 0;
}

static int fuzz_wanted; /* segments that it may still ask for */

int
segment_is_wanted(const struct segments *s)
{
	(void)s;
	return fuzz_wanted-- > 0 ? 1 : -1;
}

int
segment_ended(struct segments *s, uint64_t lines,
    const unsigned char digest[SHA256_SIZE], struct err *e)
{
	(void)s;
	(void)digest;
	return lines == 0 ? err_set(e, ERR_CORRUPT, "no line") : 0;
}

void
segment_finish(struct segments *s, uint64_t lines,
    const unsigned char digest[SHA256_SIZE])
{
	(void)s;
	(void)lines;
	(void)digest;
}

void
segment_discard(struct segments *s)
{
	(void)s;
}

int
segment_path(const struct segments *s, char *ret, size_t size)
{
	(void)s;
	(void)ret;
	(void)size;
	abort();
}

/* ---- the launcher ---- */

static union plan_net_room fuzz_first, fuzz_next;
static unsigned char fuzz_policy[SHA256_SIZE];
static struct egress fuzz_egress;
static int fuzz_answers;
static enum proxy_reload fuzz_answer;

static void
on_answer(void *ctx, const struct egress_reloaded *r)
{
	(void)ctx;
	assert(r->answer < PROXY_RELOAD__MAX);
	assert((r->answer == PROXY_RELOAD_DONE) == (r->why.code == ERR_OK));
	fuzz_answer = r->answer;
	fuzz_answers++;
}

static void
begin(int fd, int waits)
{
	struct egress *x = &fuzz_egress;

	if (fuzz_first.net.size == 0) {
		plan_net_init(&fuzz_first);
		plan_net_init(&fuzz_next);
	}
	memset(x, 0, sizeof(*x));
	x->o.net = x->first = &fuzz_first.net;
	x->o.policy = fuzz_policy;
	x->o.root = "/nonexistent";
	x->fd = fd;
	x->attached = 1;
	x->segments.now.fd = x->segments.ended.fd = x->segments.signing.fd = -1;
	fuzz_answers = 0;
	fuzz_wanted = 4;
	if (waits) {
		x->next = &fuzz_next.net;
		x->next_policy = fuzz_policy;
		x->reloaded = on_answer;
	}
}

static void
hear_all(struct egress *x)
{
	const struct err *why;

	do
		why = egress_heard(x);
	while (why == NULL);
	assert(why->code != ERR_OK && why->msg[0] != '\0');
}

static void
wait_answer(struct egress *x)
{
	struct egress_reloaded r;
	struct err e = { 0 };

	x->reloaded = NULL;
	if (egress_reload_wait(x, &r, &e) == 0)
		on_answer(NULL, &r);
	else
		assert(e.code != ERR_OK);
}

static void
wait_ready(struct egress *x)
{
	struct err e = { 0 };
	size_t i;

	x->attached = 0;
	if (egress_ready(x, &e) == -1)
		assert(e.code != ERR_OK);
	for (i = 0; i < x->nvariables; i++)
		assert(x->variables[i].value != NULL);
	free(x->authority);
	trust_finish(&x->trust);
}

static void
wait_end(struct egress *x)
{
	static struct egress_summary s;
	struct err e = { 0 };

	if (take_summary(x, &s, &e) == -1)
		assert(e.code != ERR_OK);
	else
		assert(s.services <= PLAN_NET_SERVICES_MAX);
}

static void (*const ways[])(
    struct egress *x) = { hear_all, wait_answer, wait_ready, wait_end };

/* ---- the proxy ---- */

static void
say(int fd, const uint8_t *data, size_t size, unsigned which)
{
	int fds[3] = { -1, -1, -1 };
	size_t i, n = which & 3;

	for (i = 0; i < n; i++)
		fds[i] =
		    i == 0 && (which & 4) != 0 && size > 8
			? memfd_create_sealed("fuzz", data + 8, size - 8, NULL)
			: dup(0);
	/* an empty one is end of file for a reader, and not sent */
	if (size > 0)
		(void)send_raw(fd, data, size, fds, n);
	for (i = 0; i < n; i++)
		fd_closep(&fds[i]);
}

static int
lowest_free(void)
{
	int n = dup(0);

	assert(n >= 0);
	(void)close(n);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2], before = lowest_free(), what, waits;

	if (size < 1)
		return 0;
	what = data[0] % (int)countof(ways);
	waits = what == 1 || (data[0] & 0x80) != 0;
	assert(ipc_pair(pair, NULL) == 0);
	begin(pair[0], waits);
	for (data++, size--; size >= 3;) {
		size_t n = (size_t)(data[1] | data[2] << 8);

		if (n > size - 3)
			n = size - 3;
		say(pair[1], data + 3, n, data[0]);
		data += 3 + n;
		size -= 3 + n;
	}
	/* it reads no more, and says no more */
	(void)shutdown(pair[1], SHUT_WR);
	ways[what](&fuzz_egress);
	if (fuzz_answers > 0 && fuzz_answer == PROXY_RELOAD_DONE)
		assert(fuzz_egress.o.net == &fuzz_next.net);
	else if (what != 3)
		assert(fuzz_egress.o.net == &fuzz_first.net);
	if (what == 0)
		assert(fuzz_answers == waits);
	assert(fuzz_answers <= waits);
	fd_closep(&pair[0]);
	fd_closep(&pair[1]);
	assert(lowest_free() == before);
	return 0;
}
