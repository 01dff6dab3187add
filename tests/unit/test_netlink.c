/*
 * jail/netlink.c: requests from tables.  Nothing of these tests reaches a
 * kernel but a socket that answers what the test tells it to.
 */
#include "unit.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "jail/net.h"
#include "jail/netlink.h"

#define OP(k, t, ...)                                         \
	{                                                     \
		.kind = NETLINK_##k, .type = (t), __VA_ARGS__ \
	}

static const uint32_t body = 0x11223344;

static void
netlink_encode__a_message_of_each_kind__bytes_are_these(void **state)
{
	static const struct netlink_op ops[] = {
		OP(MESSAGE, 0x10, .flags = 0x400, .bytes = &body,
		    .size = sizeof(body)),
		OP(NEST, 2, 0),
		OP(BE32, 3, .value = 0x01020304),
		OP(BYTES, 4, .bytes = "abcde", .size = 5),
		OP(END, 0, 0),
		OP(U32, 5, .value = 0x01020304),
	};
	static const unsigned char want[] = {
		/* header: length, type, flags | NLM_F_REQUEST, seq, port */
		52, 0, 0, 0, 0x10, 0, 1, 4, 1, 0, 0, 0, 0, 0, 0, 0, /* body */
		0x44, 0x33, 0x22, 0x11, /* nest, NLA_F_NESTED */
		24, 0, 2, 0x80, 8, 0, 3, 0, 1, 2, 3, 4, 9, 0, 4, 0, 'a', 'b',
		'c', 'd', 'e', 0, 0, 0, 8, 0, 5, 0, 4, 3, 2, 1
	};
	_Alignas(4) unsigned char got[128];

	(void)state;
	memset(got, 0xff, sizeof(got));
	assert_int_equal(netlink_encode(ops, countof(ops), 0, got, sizeof(got)),
	    sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(got[sizeof(want)], 0xff);
}

static void
netlink_encode__messages_to_skip__keep_their_numbers(void **state)
{
	static const struct netlink_op ops[] = {
		OP(MESSAGE, 1, .bytes = &body, .size = sizeof(body)),
		OP(MESSAGE, 2, .bytes = &body, .size = sizeof(body), .skip = 2),
		OP(U32, 9, .value = 1),
		OP(MESSAGE, 3, .bytes = &body, .size = sizeof(body), .skip = 1),
	};
	_Alignas(4) unsigned char got[128];
	struct nlmsghdr h;

	(void)state;
	assert_int_equal(netlink_encode(ops, countof(ops), 2, got, sizeof(got)),
	    2 * (sizeof(h) + sizeof(body)));
	memcpy(&h, got, sizeof(h));
	assert_int_equal(h.nlmsg_type, 1);
	assert_int_equal(h.nlmsg_seq, 1);
	memcpy(&h, got + sizeof(h) + sizeof(body), sizeof(h));
	assert_int_equal(h.nlmsg_type, 3);
	assert_int_equal(h.nlmsg_seq, 3);
}

/* The whole of the real table, at every size that is too small. */
static void
netlink_encode__too_little_room__nothing_beyond_it_is_written(void **state)
{
	_Alignas(4) unsigned char buf[NETLINK_REQUEST_MAX];
	const struct net_table *t = &net_rules_filter;
	long whole = netlink_encode(t->ops, t->n, 0, buf, sizeof(buf));
	long size;

	(void)state;
	assert_true(whole > 1000 && whole < NETLINK_REQUEST_MAX / 2);
	for (size = 0; size < whole; size++) {
		memset(buf, 0xa5, sizeof(buf));
		assert_int_equal(netlink_encode(t->ops, t->n, 0, buf,
				     (size_t)size),
		    -ENOBUFS);
		assert_int_equal(buf[size], 0xa5);
		assert_int_equal(buf[size + 4], 0xa5);
	}
	assert_int_equal(netlink_encode(t->ops, t->n, 0, buf, (size_t)whole),
	    whole);
}

static void
netlink_encode__tables_that_are_none__einval(void **state)
{
	static const struct netlink_op message =
	    OP(MESSAGE, 1, .bytes = &body, .size = sizeof(body));
	static const struct netlink_op nest = OP(NEST, 1, 0);
	static const struct netlink_op end = OP(END, 0, 0);
	_Alignas(4) unsigned char buf[512];
	struct netlink_op ops[NETLINK_NEST_MAX + 3];
	size_t i;

	(void)state;
	assert_int_equal(netlink_encode(&nest, 1, 0, buf, sizeof(buf)),
	    -EINVAL);
	ops[0] = message;
	ops[1] = end;
	assert_int_equal(netlink_encode(ops, 2, 0, buf, sizeof(buf)), -EINVAL);
	ops[1] = nest;
	assert_int_equal(netlink_encode(ops, 2, 0, buf, sizeof(buf)), -EINVAL);
	ops[2] = message; /* a nest across messages */
	ops[3] = end;
	assert_int_equal(netlink_encode(ops, 4, 0, buf, sizeof(buf)), -EINVAL);
	for (i = 1; i < countof(ops); i++)
		ops[i] = nest;
	assert_int_equal(netlink_encode(ops, countof(ops), 0, buf, sizeof(buf)),
	    -EINVAL);
	ops[1] = nest;
	ops[2] = end;
	assert_true(netlink_encode(ops, 3, 0, buf, sizeof(buf)) > 0);
}

/* What the kernel says, put into a socket before it is asked. */
struct answer {
	struct nlmsghdr h;
	struct nlmsgerr e;
};

static void
answer(int fd, uint16_t type, uint32_t seq, int error)
{
	struct answer a = {
		.h = { .nlmsg_len = sizeof(a),
		    .nlmsg_type = type,
		    .nlmsg_seq = seq },
		.e = { .error = error },
	};

	assert_int_equal(send(fd, &a, sizeof(a), 0), sizeof(a));
}

static const struct netlink_op two[] = {
	OP(MESSAGE, 1, .name = "first"),
	OP(U32, 1, .value = 1),
	OP(MESSAGE, 2, .name = "second"),
};

static long
ask(const int pair[2], const struct netlink_op **ret_failed)
{
	char request[256];
	long r = netlink_request(pair[0], two, countof(two), 0, ret_failed);

	assert_int_equal(recv(pair[1], request, sizeof(request), MSG_DONTWAIT),
	    40);
	return r;
}

static void
netlink_request__answers__the_first_failure_counts(void **state)
{
	const struct netlink_op *failed = NULL;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	/* none at all */
	assert_int_equal(ask(pair, &failed), -EPROTO);
	/* done */
	answer(pair[1], NLMSG_ERROR, 2, 0);
	assert_int_equal(ask(pair, &failed), 0);
	assert_null(failed);
	/* what is no answer says nothing */
	answer(pair[1], NLMSG_DONE, 2, 0);
	assert_int_equal(ask(pair, &failed), -EPROTO);
	assert_null(failed);
	/* one fails, the other does not */
	answer(pair[1], NLMSG_ERROR, 1, -ENOENT);
	answer(pair[1], NLMSG_ERROR, 2, 0);
	assert_int_equal(ask(pair, &failed), -ENOENT);
	assert_string_equal(failed->name, "first");
	/* both fail, whichever is told first */
	answer(pair[1], NLMSG_ERROR, 2, -EPERM);
	answer(pair[1], NLMSG_ERROR, 1, -ENOENT);
	assert_int_equal(ask(pair, &failed), -EPERM);
	assert_string_equal(failed->name, "second");
	/* a number that was never sent */
	failed = NULL;
	answer(pair[1], NLMSG_ERROR, 3, -EBUSY);
	assert_int_equal(ask(pair, &failed), -EBUSY);
	assert_null(failed);
	/* the kernel's end is gone */
	assert_int_equal(close(pair[1]), 0);
	assert_int_equal(netlink_request(pair[0], two, countof(two), 0,
			     &failed),
	    -EPIPE);
	(void)close(pair[0]);
}

static void
netlink_request__answers_cut_short__are_none(void **state)
{
	struct answer a = {
		.h = { .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = 1 },
	};
	static const uint32_t lengths[] = { 0, 1, sizeof(a.h) - 1, 4096,
		UINT32_MAX };
	const struct netlink_op *failed = NULL;
	int pair[2];
	size_t i;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	for (i = 1; i < sizeof(a.h) + sizeof(int); i++) {
		a.h.nlmsg_len = sizeof(a);
		assert_int_equal(send(pair[1], &a, i, 0), i);
		assert_int_equal(ask(pair, &failed), -EPROTO);
	}
	for (i = 0; i < countof(lengths); i++) {
		a.h.nlmsg_len = lengths[i];
		assert_int_equal(send(pair[1], &a, sizeof(a), 0), sizeof(a));
		assert_int_equal(ask(pair, &failed), -EPROTO);
	}
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    netlink_encode__a_message_of_each_kind__bytes_are_these),
		cmocka_unit_test(
		    netlink_encode__messages_to_skip__keep_their_numbers),
		cmocka_unit_test(
		    netlink_encode__too_little_room__nothing_beyond_it_is_written),
		cmocka_unit_test(netlink_encode__tables_that_are_none__einval),
		cmocka_unit_test(
		    netlink_request__answers__the_first_failure_counts),
		cmocka_unit_test(netlink_request__answers_cut_short__are_none),
	};

	return cmocka_run_group_tests_name("netlink", tests, NULL, NULL);
}
