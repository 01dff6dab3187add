#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "sys.h"

/* A request being written; "over" once something did not fit. */
struct netlink_writer {
	unsigned char *to;
	size_t size, used;
	size_t message; /* where the open one begins; == used: none is open */
	size_t nest[NETLINK_NEST_MAX]; /* where the open ones begin */
	size_t depth;
	uint32_t seq;
	int over, wrong;
};

static void
writer_add(struct netlink_writer *w, const void *bytes, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);

	if (w->over || padded > w->size - w->used) {
		w->over = 1;
		return;
	}
	if (n > 0)
		memcpy(w->to + w->used, bytes, n);
	memset(w->to + w->used + n, 0, padded - n);
	w->used += padded;
}

static void
writer_attribute(struct netlink_writer *w, uint16_t type, const void *bytes,
    size_t n)
{
	struct nlattr a = {
		.nla_len = (uint16_t)(NLA_HDRLEN + n),
		.nla_type = type,
	};

	writer_add(w, &a, sizeof(a));
	writer_add(w, bytes, n);
}

static void
writer_nest(struct netlink_writer *w, uint16_t type)
{
	if (w->depth == NETLINK_NEST_MAX) {
		w->wrong = 1;
		return;
	}
	w->nest[w->depth++] = w->used;
	writer_attribute(w, type | NLA_F_NESTED, NULL, 0);
}

static void
writer_end(struct netlink_writer *w)
{
	struct nlattr a;
	size_t at;

	if (w->depth == 0) {
		w->wrong = 1;
		return;
	}
	at = w->nest[--w->depth];
	if (w->over)
		return;
	memcpy(&a, w->to + at, sizeof(a));
	a.nla_len = (uint16_t)(w->used - at);
	memcpy(w->to + at, &a, sizeof(a));
}

/* The length of a message is known when the next one begins. */
static void
writer_close(struct netlink_writer *w)
{
	uint32_t length = (uint32_t)(w->used - w->message);

	if (w->depth != 0)
		w->wrong = 1;
	if (!w->over && length > 0)
		memcpy(w->to + w->message, &length, sizeof(length));
	w->message = w->used;
}

static void
writer_message(struct netlink_writer *w, const struct netlink_op *o)
{
	struct nlmsghdr h = {
		.nlmsg_type = o->type,
		.nlmsg_flags = NLM_F_REQUEST | o->flags,
		.nlmsg_seq = w->seq,
	};

	writer_add(w, &h, sizeof(h));
	writer_add(w, o->bytes, o->size);
}

static void
writer_do(struct netlink_writer *w, const struct netlink_op *o)
{
	unsigned char be[4];

	switch ((enum netlink_kind)o->kind) {
	case NETLINK_MESSAGE:
		writer_message(w, o);
		break;
	case NETLINK_NEST:
		writer_nest(w, o->type);
		break;
	case NETLINK_END:
		writer_end(w);
		break;
	case NETLINK_BE32:
		be[0] = (unsigned char)(o->value >> 24);
		be[1] = (unsigned char)(o->value >> 16);
		be[2] = (unsigned char)(o->value >> 8);
		be[3] = (unsigned char)o->value;
		writer_attribute(w, o->type, be, 4);
		break;
	case NETLINK_U32:
		writer_attribute(w, o->type, &o->value, sizeof(o->value));
		break;
	case NETLINK_BYTES:
		writer_attribute(w, o->type, o->bytes, o->size);
		break;
	}
}

long
netlink_encode(const struct netlink_op *table, size_t n, uint32_t skip,
    void *to, size_t size)
{
	struct netlink_writer w = { .to = to, .size = size };
	int skipped = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (table[i].kind == NETLINK_MESSAGE) {
			writer_close(&w);
			w.seq++;
			skipped = !!(table[i].skip & skip);
		}
		if (w.seq == 0)
			return -EINVAL;
		if (!skipped)
			writer_do(&w, &table[i]);
	}
	writer_close(&w);
	if (w.wrong)
		return -EINVAL;
	return w.over ? -ENOBUFS : (long)w.used;
}

/* ---- the answers ---- */

struct netlink_answer {
	uint32_t seq; /* of the first message that failed */
	int error; /* of it, negative */
	int acked; /* something was done, and said so */
};

static void
netlink_judge(struct netlink_answer *a, const unsigned char *p, size_t n)
{
	struct nlmsghdr h;
	int error;

	while (n >= sizeof(h) + sizeof(error)) {
		memcpy(&h, p, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
			return;
		memcpy(&error, p + sizeof(h), sizeof(error));
		if (h.nlmsg_type == NLMSG_ERROR && error == 0)
			a->acked = 1;
		if (h.nlmsg_type == NLMSG_ERROR && error < 0 && a->error == 0) {
			a->error = error;
			a->seq = h.nlmsg_seq;
		}
		if (NLMSG_ALIGN(h.nlmsg_len) >= n)
			return;
		p += NLMSG_ALIGN(h.nlmsg_len);
		n -= NLMSG_ALIGN(h.nlmsg_len);
	}
}

/* The message with this number; NULL if the answer names none. */
static const struct netlink_op *
netlink_message(const struct netlink_op *table, size_t n, uint32_t seq)
{
	size_t i;

	for (i = 0; i < n && seq > 0; i++) {
		if (table[i].kind == NETLINK_MESSAGE && --seq == 0)
			return &table[i];
	}
	return NULL;
}

/* All answers are there: the kernel has worked before the send returned. */
static long
netlink_answers(int fd, unsigned char *buf, size_t size,
    struct netlink_answer *a)
{
	long r;

	while ((r = SYS(SYS_recvfrom, fd, buf, size, MSG_DONTWAIT, 0, 0)) > 0)
		netlink_judge(a, buf, (size_t)r);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (a->error == 0 && !a->acked)
		return -EPROTO;
	return a->error;
}

long
netlink_request(int fd, const struct netlink_op *table, size_t n, uint32_t skip,
    const struct netlink_op **ret_failed)
{
	unsigned char buf[NETLINK_REQUEST_MAX] unfilled
	    __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct netlink_op *failed;
	struct netlink_answer a = { 0 };
	long r = netlink_encode(table, n, skip, buf, sizeof(buf));

	if (r >= 0)
		r = SYS(SYS_sendto, fd, buf, r, MSG_NOSIGNAL, 0, 0);
	if (r >= 0)
		r = netlink_answers(fd, buf, sizeof(buf), &a);
	failed = netlink_message(table, n, a.seq);
	if (failed != NULL)
		*ret_failed = failed;
	return r < 0 ? r : 0;
}
