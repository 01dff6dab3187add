/*
 * unit_tls.h: two ends of a TLS connection in one process, and an identity to
 * speak with, from proxy/mint.
 */
#ifndef UNIT_TLS_H
#define UNIT_TLS_H

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>

#include "proxy/mint.h"
#include "tls.h"

#define UNIT_HOST "api.example.test"

enum {
	UNIT_PUMPS = 100000, /* turns after which a handshake hangs */
};

struct unit_ends {
	struct mint *mint;
	struct tls_server *server;
	struct tls_client *client;
	int fds[2];
	struct tls *s, *c;
	unsigned asked; /* calls of choose */
	int64_t now_s;
	int unwilling; /* 1: choose refuses */
	char name[TLS_NAME_MAX]; /* asked for last; "-": none */
};

static inline struct mint *
unit_mint(const char *jail, const char *host, int64_t start_s, int64_t life_s)
{
	struct mint_options o = { .jail = jail,
		.hosts = &host,
		.nhosts = 1,
		.start_s = start_s,
		.life_s = life_s };
	struct err e = { .code = ERR_OK };
	struct mint *m;

	memset(o.seed, 7, sizeof(o.seed));
	if (mint_create(&o, &m, &e) == -1)
		fail_msg("%s", e.msg);
	return m;
}

static inline int
unit_choose(void *arg, const char *name, const struct tls_identity **ret,
    struct err *e)
{
	struct unit_ends *u = arg;

	u->asked++;
	(void)snprintf(u->name, sizeof(u->name), "%s",
	    name == NULL ? "-" : name);
	if (u->unwilling)
		return err_set(e, ERR_DENIED, "not this one");
	return mint_leaf(u->mint, name == NULL ? UNIT_HOST : name, u->now_s,
	    ret, e);
}

/* alpn: of the server and of the client. */
static inline void
unit_ends_init(struct unit_ends *u, const char *server_alpn,
    const char *client_alpn)
{
	struct tls_server_options so = { .choose = unit_choose,
		.alpn = server_alpn };
	struct tls_client_options co = { .alpn = client_alpn };
	struct err e = { .code = ERR_OK };

	*u = (struct unit_ends){ .fds = { -1, -1 }, .now_s = time(NULL) };
	u->mint = unit_mint("jail", UNIT_HOST, u->now_s, 0);
	co.authorities =
	    (struct tls_bytes){ mint_pem(u->mint), strlen(mint_pem(u->mint)) };
	if (tls_server_create(&so, &u->server, &e) == -1 ||
	    tls_client_create(&co, &u->client, &e) == -1)
		fail_msg("%s", e.msg);
}

static inline void
unit_ends_cut(struct unit_ends *u)
{
	int i;

	tls_destroy(u->s);
	tls_destroy(u->c);
	u->s = u->c = NULL;
	for (i = 0; i < 2; i++)
		fd_closep(&u->fds[i]);
}

static inline void
unit_ends_finish(struct unit_ends *u)
{
	unit_ends_cut(u);
	tls_server_destroy(u->server);
	tls_client_destroy(u->client);
	mint_destroy(u->mint);
}

/* A new connection: fds[0] is the server's. */
static inline void
unit_connect(struct unit_ends *u, const char *name)
{
	struct tls_stream_options o = { .arg = u, .name = name };
	struct err e = { .code = ERR_OK };

	unit_ends_cut(u);
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			     u->fds),
	    0);
	o.fd = u->fds[0];
	if (tls_server_stream(u->server, &o, &u->s, &e) == -1)
		fail_msg("%s", e.msg);
	o.fd = u->fds[1];
	if (u->client != NULL &&
	    tls_client_stream(u->client, &o, &u->c, &e) == -1)
		fail_msg("%s", e.msg);
}

static inline int
unit_waits(enum tls_status s)
{
	return s == TLS_WANT_READ || s == TLS_WANT_WRITE;
}

/* Both handshakes until each has an outcome, the server's first. */
static inline void
unit_shake(struct unit_ends *u, enum tls_status *ret_server, struct err *es,
    enum tls_status *ret_client, struct err *ec)
{
	enum tls_status s = TLS_WANT_READ, c = TLS_WANT_READ;
	int i;

	for (i = 0; i < UNIT_PUMPS && (unit_waits(s) || unit_waits(c)); i++) {
		if (unit_waits(c))
			c = tls_handshake(u->c, ec);
		if (unit_waits(s))
			s = tls_handshake(u->s, es);
	}
	assert_true(i < UNIT_PUMPS);
	*ret_server = s;
	*ret_client = c;
}

static inline void
unit_must_shake(struct unit_ends *u)
{
	struct err es = { .code = ERR_OK }, ec = { .code = ERR_OK };
	enum tls_status s, c;

	unit_shake(u, &s, &es, &c, &ec);
	if (s != TLS_DONE || c != TLS_DONE)
		fail_msg("server %d %s, client %d %s", (int)s, es.msg, (int)c,
		    ec.msg);
}

/* n bytes from one end to the other. */
static inline void
unit_carry(struct tls *from, struct tls *to, const unsigned char *p, size_t n)
{
	unsigned char got[TLS_RECORD_BYTES];
	struct err e = { .code = ERR_OK };
	size_t sent = 0, seen = 0, k;

	while (seen < n) {
		enum tls_status s = TLS_DONE;

		while (sent < n && s == TLS_DONE) {
			s = tls_write(from, p + sent, n - sent, &k, &e);
			sent += s == TLS_DONE ? k : 0;
		}
		assert_int_not_equal(s, TLS_FAILED);
		s = tls_read(to, got, sizeof(got), &k, &e);
		if (s == TLS_WANT_READ)
			continue;
		assert_int_equal(s, TLS_DONE);
		assert_true(k <= n - seen);
		assert_memory_equal(got, p + seen, k);
		seen += k;
	}
}

#endif /* !UNIT_TLS_H */
