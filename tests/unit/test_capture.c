/*
 * jail/capture.c: what the launcher believes of stage one.
 */
#include "unit.h"

#include <fcntl.h>

#include "jail/capture.h"
#include "msg_init.h"

struct capture_test {
	struct capture_listeners l;
	struct ipc_msg m;
	int fds; /* open before the test */
};

static int
setup(void **state)
{
	struct capture_test *t = calloc(1, sizeof(*t));

	t->fds = unit_count_fds();
	*state = t;
	return 0;
}

/* What was refused is the message's, and dropped with it. */
static int
teardown(void **state)
{
	struct capture_test *t = *state;
	int left;

	capture_drop(&t->l);
	capture_drop(&t->l);
	ipc_drop_fds(&t->m);
	left = unit_count_fds() - t->fds;
	free(t);
	return left == 0 ? 0 : -1;
}

static struct init_listen *
message(struct capture_test *t, uint32_t mode, int nfds)
{
	struct init_listen *b = (void *)t->m.body;
	int i;

	ipc_drop_fds(&t->m);
	memset(b, 0, sizeof(*b));
	t->m.type = INIT_LISTEN;
	t->m.size = sizeof(*b);
	t->m.nfds = nfds;
	for (i = 0; i < nfds; i++)
		t->m.fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	b->mode = mode;
	return b;
}

static void
capture_take__messages__are_collected(void **state)
{
	struct capture_test *t = *state;
	struct init_listen *b = message(t, CAPTURE_PORTS, 3);
	struct err e;

	b->kind[0] = CAPTURE_DNS_UDP;
	b->kind[2] = CAPTURE_PROXY;
	assert_int_equal(capture_take(&t->l, &t->m, &e), 0);
	assert_int_equal(t->l.n, 3);
	assert_int_equal(t->l.mode, CAPTURE_PORTS);
	assert_int_equal(t->l.at[0].kind, CAPTURE_DNS_UDP);
	assert_int_equal(t->l.at[1].kind, CAPTURE_TCP);
	assert_int_equal(t->l.at[2].kind, CAPTURE_PROXY);
	while (t->l.n < CAPTURE_LISTENERS_MAX - 3) {
		(void)message(t, CAPTURE_PORTS, 8);
		assert_int_equal(capture_take(&t->l, &t->m, &e), 0);
	}
	assert_true(t->l.at[t->l.n - 1].fd >= 0);
}

static void
capture_take__what_stage_one_never_sends__corrupt(void **state)
{
	struct capture_test *t = *state;
	struct init_listen *b;
	struct err e;

	(void)message(t, CAPTURE_TPROXY, 0);
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT,
	    "LISTEN");
	(void)message(t, CAPTURE_NONE, 1);
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT, "");
	(void)message(t, CAPTURE__MAX, 1);
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT, "");
	(void)message(t, UINT32_MAX, 1);
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT, "");
	b = message(t, CAPTURE_TPROXY, 2);
	b->kind[1] = CAPTURE_KIND__MAX;
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT, "");
	(void)message(t, CAPTURE_TPROXY, 1);
	t->m.size--;
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT, "");
	assert_int_equal(t->l.n, 0);
	/* two ways at once */
	(void)message(t, CAPTURE_TPROXY, 1);
	assert_int_equal(capture_take(&t->l, &t->m, &e), 0);
	(void)message(t, CAPTURE_PORTS, 1);
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT, "");
	/* more than there can be */
	while (t->l.n + 8 <= CAPTURE_LISTENERS_MAX) {
		(void)message(t, CAPTURE_TPROXY, 8);
		assert_int_equal(capture_take(&t->l, &t->m, &e), 0);
	}
	(void)message(t, CAPTURE_TPROXY, 8);
	assert_refused(capture_take(&t->l, &t->m, &e), &e, ERR_CORRUPT, "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    capture_take__messages__are_collected, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    capture_take__what_stage_one_never_sends__corrupt, setup,
		    teardown),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
