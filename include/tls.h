/*
 * tls.h: TLS streams over non-blocking descriptors.
 *
 * For the proxy (towards the jail, and raw TLS towards the world) and for the
 * API.  A stream is an engine, not a handler of events: each call does what
 * it can now and says what to wait for, and the owner arms its loop_fd.  So
 * back-pressure is not calling: a stream that is not read takes nothing from
 * its descriptor.  What a stream holds is bounded: one record each way
 * (TLS_RECORD_BYTES), the first bytes it was given (TLS_FIRST_MAX), and
 * nothing of that while it is idle.
 *
 * Fixed for every stream: TLS 1.2 and 1.3; AEAD with ephemeral keys only; no
 * compression, no renegotiation, no early data.  Nothing of the library
 * behind it (docs/adr/0011-tls-libraries.md) is seen here.
 *
 * One thread; a process may have many servers, clients and streams.
 */
#ifndef TLS_H
#define TLS_H

#include <stdint.h>

#include "err.h"

enum {
	TLS_RECORD_BYTES = 16384, /* of payload in one record, RFC 8446 5.1 */
	TLS_FIRST_MAX = 32768, /* bytes read before the stream was made */
	TLS_NAME_MAX = 256, /* bytes of a host name with its NUL */
	TLS_CHAIN_MAX = 4, /* certificates of an identity */
	TLS_PEM_MAX = 4 << 20, /* bytes of a bundle of authorities */
	TLS_TICKET_S = 2 * 60 * 60, /* for which a session can be resumed */
};

/*
 * What a call on a stream says.  Only TLS_FAILED fills the struct err: its
 * message gives the library's reason, and its code whose fault it is:
 * ERR_INVALID the peer's protocol, ERR_DENIED a certificate or a name that
 * was refused, ERR_SYSTEM ours or the kernel's.  After TLS_CUT and TLS_FAILED
 * only tls_destroy() may follow.
 */
enum tls_status {
	TLS_FAILED = -1,
	TLS_DONE,
	TLS_WANT_READ, /* again when the descriptor is readable */
	TLS_WANT_WRITE, /* again when it is writable */
	TLS_CLOSED, /* reading: the peer said that nothing more comes */
	TLS_CUT, /* the connection ended without that: truncation */
};

struct tls; /* a stream */
struct tls_key; /* a private key */
struct tls_identity; /* a certificate chain with its key */
struct tls_server;
struct tls_client;

struct tls_bytes {
	const void *p;
	size_t size;
};

/*
 * A private key from DER (RFC 5915 or PKCS #8); the caller wipes its own
 * bytes.  ERR_INVALID if it is none.  Reference-counted by its identities, so
 * destroy it whenever you need it no more; NULL is fine.
 */
must_check int tls_key_create(const struct tls_bytes *der, struct tls_key **ret,
    struct err *e);
void tls_key_destroy(struct tls_key *k);

/*
 * The chain in DER, the leaf first, at most TLS_CHAIN_MAX; the key is kept as
 * long as the identity lives.  ERR_INVALID if a certificate does not parse or
 * the leaf has another key.
 */
must_check int tls_identity_create(const struct tls_bytes *chain, size_t n,
    const struct tls_key *key, struct tls_identity **ret, struct err *e);

/* The same from PEM texts, as files of operators have them. */
must_check int tls_identity_create_pem(const struct tls_bytes *chain,
    const struct tls_bytes *key, struct tls_identity **ret, struct err *e);
void tls_identity_destroy(struct tls_identity *i);

/*
 * Choose the identity for a handshake, once, when the ClientHello has come.
 * name: what the client asked for, lower case, a well-formed DNS name; NULL
 * if it named nothing.  arg: the stream's.  *ret is used until the call of
 * tls_handshake() returns and then needed no more.  -1 with the reason
 * refuses: the client gets the alert unrecognized_name and tls_handshake()
 * says TLS_FAILED with that reason.
 */
typedef int tls_choose_fn(void *arg, const char *name,
    const struct tls_identity **ret, struct err *e);

struct tls_server_options {
	tls_choose_fn *choose;
	/*
	 * The one protocol spoken ("http/1.1").  A client whose ALPN does not
	 * offer it gets no_application_protocol; one without ALPN is taken at
	 * its word.  NULL: ALPN is not looked at.
	 */
	const char *alpn; /* borrowed until tls_server_destroy() */
};

/*
 * Keys of session tickets are made here and never leave: no two servers can
 * resume each other's sessions.  One for each jail.
 */
must_check int tls_server_create(const struct tls_server_options *o,
    struct tls_server **ret, struct err *e);
void tls_server_destroy(struct tls_server *s); /* its streams first */

struct tls_client_options {
	/* PEM of the authorities to trust; size 0: the system's. */
	struct tls_bytes authorities;
	const char *alpn; /* offered, and required if answered; NULL: none */
};

must_check int tls_client_create(const struct tls_client_options *o,
    struct tls_client **ret, struct err *e);
void tls_client_destroy(struct tls_client *c); /* its streams first */

struct tls_stream_options {
	int fd; /* non-blocking, borrowed until tls_destroy() */
	/*
	 * Bytes that were read from fd already, at most TLS_FIRST_MAX
	 * (copied): the stream reads them first.
	 */
	struct tls_bytes first;
	void *arg; /* for the server's choose */
	/*
	 * A client's: the name (or the text of an address) that the server's
	 * certificate must be for; sent as SNI when it is a name.
	 */
	const char *name;
};

must_check int tls_server_stream(struct tls_server *s,
    const struct tls_stream_options *o, struct tls **ret, struct err *e);
must_check int tls_client_stream(struct tls_client *c,
    const struct tls_stream_options *o, struct tls **ret, struct err *e);

/* Wipes and frees; sends nothing, leaves the descriptor open.  NULL is fine. */
void tls_destroy(struct tls *t);

/*
 * Until TLS_DONE.  Reading and writing do it too, but only after this has
 * said TLS_DONE are there a peer and a name to rely on.  TLS_CUT: the peer
 * left in the middle of it.
 */
must_check enum tls_status tls_handshake(struct tls *t, struct err *e);

/*
 * Up to n (n > 0) bytes of what the peer sent.  Only TLS_WANT_READ says that
 * the descriptor is to be waited for: bytes that are here already make it
 * readable no more.  So who has paused goes on by calling, not by waiting.
 */
must_check enum tls_status tls_read(struct tls *t, void *p, size_t n,
    size_t *ret, struct err *e);

/*
 * 1: after a read that was done, all that had come then has been read; waiting
 * for the descriptor is as good as reading until TLS_WANT_READ.
 */
int tls_is_drained(const struct tls *t);

/*
 * Send up to n (n > 0) bytes; *ret of them are taken, at most a record a
 * call.  After TLS_WANT_WRITE or TLS_WANT_READ nothing counts as taken, and
 * the next call must begin with the same bytes and bring no fewer.
 */
must_check enum tls_status tls_write(struct tls *t, const void *p, size_t n,
    size_t *ret, struct err *e);

/*
 * Say that we send nothing more (close_notify); not in the middle of a write
 * that has to be repeated (ERR_CONFLICT).  TLS_DONE: it is said; the
 * peer can still be read, and whoever wants to know that it has got
 * everything reads until TLS_CLOSED.
 */
must_check enum tls_status tls_close(struct tls *t, struct err *e);

/* Of a finished handshake; texts are borrowed until tls_destroy(). */
struct tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher; /* "TLS_AES_128_GCM_SHA256" */
	const char *name; /* what the client asked for, or NULL */
	const char *alpn; /* agreed on, or NULL */
	int resumed;
};

void tls_info(const struct tls *t, struct tls_info *ret);

#endif /* !TLS_H */
