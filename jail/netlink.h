/*
 * netlink.h: requests to the kernel's netlink, encoded from tables.
 *
 * Stage one runs it, in the launcher's memory: it neither allocates nor calls
 * a library (see stage.h), and knows nothing of what the tables mean.  A
 * table is a list of operations; NETLINK_MESSAGE begins a message and so ends
 * the one before it, the others add attributes to it.
 *
 *	| nlmsghdr | fixed body | attribute | attribute | … |
 *	attribute: | length u16 | type u16 | content, padded to 4 |
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <stddef.h>
#include <stdint.h>

enum netlink_kind {
	NETLINK_MESSAGE, /* type, flags; bytes: the fixed body; see name */
	NETLINK_NEST, /* type: attributes follow, inside this one */
	NETLINK_END, /* of the innermost nest */
	NETLINK_BE32, /* type, value */
	NETLINK_U32, /* in the host's order */
	NETLINK_BYTES, /* type; bytes, as they are */
};

enum {
	NETLINK_NEST_MAX = 8, /* attributes in one another */
	NETLINK_REQUEST_MAX = 8192, /* bytes of all messages of a table */
};

struct netlink_op {
	uint16_t kind; /* enum netlink_kind */
	uint16_t type; /* of the message or the attribute */
	uint16_t flags; /* of the message, besides NLM_F_REQUEST */
	uint16_t size; /* of bytes */
	uint32_t value;
	uint32_t skip; /* of a message: left out if this is in the mask */
	const void *bytes;
	const char *name; /* of a message: what it makes, for the error */
};

/*
 * Encode the table into the "size" bytes at "to" (4-byte aligned).  Messages
 * are numbered from 1; those whose "skip" has a bit of the mask are left
 * out.  Returns the bytes used, or -ENOBUFS if they are too many, -EINVAL if
 * the table is none.
 */
long netlink_encode(const struct netlink_op *table, size_t n, uint32_t skip,
    void *to, size_t size);

/*
 * Encode and send the table by the socket fd, whose requests the kernel
 * answers before it returns, and read the answers.  One message at least
 * must have NLM_F_ACK: without an answer nothing is taken as done.  Returns
 * 0, or -errno; of a message, the first that failed, that is *ret_failed.
 */
long netlink_request(int fd, const struct netlink_op *table, size_t n,
    uint32_t skip, const struct netlink_op **ret_failed);

#endif /* !NETLINK_H */
