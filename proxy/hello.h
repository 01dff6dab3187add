/*
 * hello.h: what a TLS ClientHello says before anything is answered.
 *
 * Runs in warder-proxy on bytes from the jail.  No I/O: the caller reads,
 * pushes what came, and keeps it, for tls_server_stream() or for the upstream
 * of a splice.  It does not matter how the bytes are cut into reads or into
 * records.  Strict: what a TLS library could read in two ways is refused.
 *
 *	push ──► HELLO_MORE ... ──► HELLO_DONE | error
 */
#ifndef HELLO_H
#define HELLO_H

#include <stdint.h>

#include "buf.h"
#include "err.h"

enum {
	HELLO_BYTES_MAX =
	    16384, /* of the message; real ones have 0.2 to 4 KiB */
	HELLO_RECORDS_MAX = 256, /* around it; all is below TLS_FIRST_MAX */
	HELLO_NAME_MAX = 256, /* bytes of the server name with its NUL */
	HELLO_ALPN_MAX = 128, /* bytes of the offer, as text, with the NUL */
};

enum hello_status {
	HELLO_MORE,
	HELLO_DONE
};

/* Valid after HELLO_DONE. */
struct hello_facts {
	char name[HELLO_NAME_MAX]; /* lower case; "" if none was sent */
	char alpn[HELLO_ALPN_MAX]; /* "h2,http/1.1", escaped, maybe cut */
	int offers_http1; /* ALPN has "http/1.1", or there is no ALPN */
	int offers_h2;
	int has_alpn;
	int offers_tls13;
	int offers_tls12;
	/*
	 * encrypted_client_hello is there: the name above may be a cover for
	 * another that only the server can read.  Clients send it with random
	 * content too; who splices cannot tell and must refuse, who
	 * terminates need not care.
	 */
	int ech;
	int early_data;
	uint16_t legacy_version;
};

struct hello {
	struct buf message; /* the handshake message so far */
	unsigned char header[5]; /* of the record being read */
	unsigned nheader;
	unsigned nrecords;
	size_t left; /* bytes of the record that are still to come */
	size_t want; /* bytes of the whole message; 0: not known yet */
	int over; /* done, or refused */
	struct hello_facts facts;
};

/* Allocates nothing; memory comes with the first byte of a message. */
void hello_init(struct hello *h);
void hello_finish(struct hello *h);

/*
 * Take the next n bytes.  *ret HELLO_DONE: h->facts is filled.  Bytes behind
 * the message are left to the TLS library, in which they must be records of
 * their own.  ERR_UNSUPPORTED if this is no TLS at all (the first byte
 * decides), ERR_INVALID if it is malformed, ERR_LIMIT if it is too long.
 * After an error or HELLO_DONE nothing more may be pushed.
 */
must_check int hello_push(struct hello *h, const void *p, size_t n,
    enum hello_status *ret, struct err *e);

#endif /* !HELLO_H */
