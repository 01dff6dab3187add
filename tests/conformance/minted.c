/*
 * minted.c: TLS servers with leaves of a jail's authority, rightly and wrongly
 * made, for other people's clients.
 *
 *	minted DIR [FD…]
 *
 * Writes DIR/NAME.pem and DIR/NAME.hash for the authorities "jail", "other"
 * and "over" (whose run has ended), and says "ready".  Then it accepts on the
 * listening sockets FD and answers HTTP; the port that a client meant decides
 * which certificate it gets.  Ends when its standard input does.
 *
 * What a thief of the authority's key could make, proxy/mint.c does not: so
 * it is included here whole, and its key is used.
 */
#include "proxy/mint.c" /* NOLINT(bugprone-suspicious-include) */

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>

#include "loop.h"

#define HOST "api.example.test"

enum {
	REQUEST_MAX = 4096,
	LISTENERS_MAX = 8,
};

enum authority {
	JAIL,
	OTHER,
	OVER,
	AUTHORITIES
};

static struct mint *authorities[AUTHORITIES];
static const char *const authority_names[] = { "jail", "other", "over" };

/* A leaf that the authority's key has signed, whatever it should have. */
struct forged {
	int type; /* of the name; GEN_DNS and so on, -1: none */
	const char *name; /* of an address: its text */
	int with_host; /* HOST is there, too */
	const char *subject;
	int below; /* 1: by an authority below this one */
};

/* clang-format off */
static const struct row {
	uint16_t port;
	enum authority by;
	int forge;
	struct forged leaf;
} rows[] = {
	{ 443,  JAIL,  0, { 0 } },
	{ 4001, JAIL,  1, { GEN_DNS, "evil.test", 0, "evil.test", 0 } },
	{ 4002, JAIL,  1, { GEN_IPADD, "192.0.2.7", 0, "x", 0 } },
	{ 4003, JAIL,  1, { GEN_IPADD, "2001:db8::7", 0, "x", 0 } },
	{ 4004, JAIL,  1, { GEN_EMAIL, "root@example.test", 1, "x", 0 } },
	{ 4005, JAIL,  1, { GEN_URI, "https://evil.test/", 1, "x", 0 } },
	{ 4006, OTHER, 0, { 0 } },
	{ 4007, OVER,  0, { 0 } },
	{ 4008, JAIL,  1, { -1, NULL, 1, "x", 1 } },
	{ 4009, JAIL,  1, { -1, NULL, 0, "evil.test", 0 } },
	{ 4011, JAIL,  1, { GEN_DNS, "evil.test", 0, "x", 1 } },
	/* the control of all that is forged */
	{ 4010, JAIL,  1, { -1, NULL, 1, "x", 0 } },
};

/* clang-format on */

static struct tls_identity *identities[countof(rows)];

static _Noreturn void
die(const char *what, const struct err *e)
{
	(void)fprintf(stderr, "minted: %s: %s\n", what,
	    e == NULL ? "failed" : e->msg);
	exit(1);
}

static void
must(int good, const char *what)
{
	if (!good)
		die(what, NULL);
}

/* ---- certificates ---- */

static void
add_name(GENERAL_NAMES *names, int type, const char *text)
{
	unsigned char address[16];
	const void *p = text;
	size_t n = strlen(text);
	GENERAL_NAME *g;

	if (type == GEN_IPADD) {
		int six = strchr(text, ':') != NULL;

		must(inet_pton(six ? AF_INET6 : AF_INET, text, address) == 1,
		    text);
		p = address;
		n = six ? 16 : 4;
	}
	g = mint_general_name(type, p, n);
	must(g != NULL && sk_GENERAL_NAME_push(names, g) > 0, "name");
}

static void
set_names(X509 *x, const struct forged *f)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	must(names != NULL, "names");
	if (f->with_host)
		add_name(names, GEN_DNS, HOST);
	if (f->type >= 0)
		add_name(names, f->type, f->name);
	if (sk_GENERAL_NAME_num(names) > 0)
		must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0,
			 X509V3_ADD_REPLACE) == 1,
		    "names");
	GENERAL_NAMES_free(names);
}

/* An authority of the same key as the leaves, signed by the real one. */
static X509 *
make_below(struct mint *m)
{
	static const struct mint_extension list[] = {
		{ NID_basic_constraints, "critical,CA:TRUE" },
		{ NID_key_usage, "critical,keyCertSign" },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
	};
	X509 *x = X509_new();

	must(x != NULL && X509_set_version(x, X509_VERSION_3) &&
		 mint_number(x) && mint_entitle(x, "below") &&
		 X509_set_issuer_name(x, X509_get_subject_name(m->authority)) &&
		 mint_between(x, m->from_s, m->until_s) &&
		 X509_set_pubkey(x, m->leaf_key) &&
		 mint_extend(x, m->authority, list, countof(list)) &&
		 X509_sign(x, m->authority_key, EVP_sha256()) > 0,
	    "authority below");
	return x;
}

static struct tls_bytes
der_of(X509 *x)
{
	unsigned char *p = NULL;
	int n = i2d_X509(x, &p);

	must(n > 0, "certificate");
	return (struct tls_bytes){ p, (size_t)n };
}

static struct tls_identity *
forge(struct mint *m, const struct forged *f)
{
	X509 *below = f->below ? make_below(m) : NULL;
	X509 *issuer = below == NULL ? m->authority : below, *x = X509_new();
	struct tls_bytes chain[2];
	struct tls_identity *ret;
	struct err e;

	must(x != NULL && X509_set_version(x, X509_VERSION_3) &&
		 mint_number(x) && mint_entitle(x, f->subject) &&
		 X509_set_issuer_name(x, X509_get_subject_name(issuer)) &&
		 mint_between(x, m->from_s, m->until_s) &&
		 X509_set_pubkey(x, m->leaf_key) &&
		 mint_extend(x, issuer, mint_of_leaf, countof(mint_of_leaf)),
	    "leaf");
	set_names(x, f);
	must(X509_sign(x, below == NULL ? m->authority_key : m->leaf_key,
		 EVP_sha256()) > 0,
	    "leaf");
	chain[0] = der_of(x);
	if (below != NULL)
		chain[1] = der_of(below);
	if (tls_identity_create(chain, below == NULL ? 1 : 2, m->leaf_tls_key,
		&ret, &e) == -1)
		die("identity", &e);
	return ret;
}

static void
make_authority(enum authority a, const char *dir)
{
	static const char *const hosts[] = { HOST, "*.wild.test" };
	struct mint_options o = { .jail = authority_names[a],
		.hosts = hosts,
		.nhosts = countof(hosts),
		.start_s = time(NULL) - (a == OVER ? 7200 : 0),
		.life_s = 3600 };
	const struct tls_identity *first;
	char path[512];
	struct err e;
	FILE *f;

	memset(o.seed, 1, sizeof(o.seed));
	if (mint_create(&o, &authorities[a], &e) == -1 ||
	    mint_leaf(authorities[a], HOST, o.start_s, &first, &e) == -1)
		die("authority", &e);
	(void)snprintf(path, sizeof(path), "%s/%s.pem", dir,
	    authority_names[a]);
	f = fopen(path, "we");
	must(f != NULL && fputs(mint_pem(authorities[a]), f) >= 0 &&
		 fclose(f) == 0,
	    path);
	(void)snprintf(path, sizeof(path), "%s/%s.hash", dir,
	    authority_names[a]);
	f = fopen(path, "we");
	must(f != NULL && fputs(mint_hash(authorities[a]), f) >= 0 &&
		 fclose(f) == 0,
	    path);
}

static void
make_all(const char *dir)
{
	size_t i;

	for (i = 0; i < AUTHORITIES; i++)
		make_authority((enum authority)i, dir);
	for (i = 0; i < countof(rows); i++)
		if (rows[i].forge)
			identities[i] =
			    forge(authorities[rows[i].by], &rows[i].leaf);
}

/* ---- the server ---- */

struct conn {
	int fd;
	struct loop_fd *watch;
	struct tls *tls;
	const struct row *row;
	char request[REQUEST_MAX];
	size_t nrequest;
	char answer[1024];
	size_t nanswer, sent;
};

static struct loop *loop;
static struct tls_server *server;

static int
choose(void *arg, const char *name, const struct tls_identity **ret,
    struct err *e)
{
	const struct conn *c = arg;
	struct mint *m = authorities[c->row->by];

	*ret = identities[c->row - rows];
	if (*ret != NULL)
		return 0;
	return mint_leaf(m, name == NULL ? HOST : name,
	    c->row->by == OVER ? time(NULL) - 7200 : time(NULL), ret, e);
}

static void
conn_free(struct conn *c)
{
	tls_destroy(c->tls);
	loop_fd_destroy(c->watch);
	(void)close(c->fd);
	free(c);
}

/* Each path that some tool asks for, by a part of it. */
static const struct {
	const char *path, *type, *body;
} pages[] = {
	{ "/info/refs", "text/plain",
	    "0123456789012345678901234567890123456789\trefs/heads/hello\n" },
	{ "/HEAD ", "text/plain", "ref: refs/heads/hello\n" },
	{ "/simple/", "text/html",
	    "<!DOCTYPE html><html><body><a href=\"hello-1.0.zip\">hello-1.0.zip"
	    "</a></body></html>" },
	{ "/npm/", "application/json",
	    "{\"name\":\"hello\",\"dist-tags\":{\"latest\":\"1.0.0\"},"
	    "\"versions\":{\"1.0.0\":{\"name\":\"hello\",\"version\":"
	    "\"1.0.0\",\"description\":\"hello\"}}}" },
	{ "", "text/plain", "hello\n" },
};

static void
conn_answer(struct conn *c)
{
	size_t i = 0;
	int head = strncmp(c->request, "HEAD", 4) == 0;

	while (strstr(c->request, pages[i].path) == NULL)
		i++;
	c->nanswer = (size_t)snprintf(c->answer, sizeof(c->answer),
	    "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n%s",
	    pages[i].type, strlen(pages[i].body), head ? "" : pages[i].body);
}

/* One step; what to wait for, or what ends it. */
static enum tls_status
conn_step(struct conn *c, struct err *e)
{
	enum tls_status s;
	size_t n;

	if (c->sent < c->nanswer) {
		s = tls_write(c->tls, c->answer + c->sent, c->nanswer - c->sent,
		    &n, e);
		c->sent += s == TLS_DONE ? n : 0;
		return s;
	}
	if (c->nanswer > 0) {
		s = tls_close(c->tls, e);
		return s == TLS_DONE ? TLS_CLOSED : s;
	}
	s = tls_read(c->tls, c->request + c->nrequest,
	    sizeof(c->request) - 1 - c->nrequest, &n, e);
	if (s != TLS_DONE)
		return s;
	c->nrequest += n;
	c->request[c->nrequest] = '\0';
	if (strstr(c->request, "\r\n\r\n") != NULL)
		conn_answer(c);
	return c->nrequest == sizeof(c->request) - 1 ? TLS_CUT : s;
}

static void
conn_ready(void *arg, unsigned ready)
{
	struct conn *c = arg;
	enum tls_status s;
	struct err e = { .code = ERR_OK };

	(void)ready;
	do
		s = conn_step(c, &e);
	while (s == TLS_DONE);
	if (s == TLS_FAILED)
		(void)fprintf(stderr, "port %u: %s\n", c->row->port, e.msg);
	if ((s != TLS_WANT_READ && s != TLS_WANT_WRITE) ||
	    loop_fd_want(c->watch, s == TLS_WANT_READ ? LOOP_READ : LOOP_WRITE,
		&e) == -1)
		conn_free(c);
}

static uint16_t
port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a;

	socklen_t n = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (getsockname(fd, &a.any, &n) == -1)
		return 0;
	return ntohs(
	    a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static const struct row *
row_of(uint16_t port)
{
	size_t i;

	for (i = 0; i < countof(rows); i++)
		if (rows[i].port == port)
			return &rows[i];
	return NULL;
}

static void
conn_new(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct tls_stream_options o = { .fd = fd, .arg = c };
	struct err e;

	must(c != NULL, "memory");
	c->fd = fd;
	c->row = row_of(port_of(fd));
	if (c->row == NULL) {
		(void)fprintf(stderr, "no row for port %u\n", port_of(fd));
		(void)close(fd);
		free(c);
		return;
	}
	(void)fprintf(stderr, "port %u: a client\n", c->row->port);
	if (tls_server_stream(server, &o, &c->tls, &e) == -1 ||
	    loop_fd_create(loop, fd, conn_ready, c, &c->watch, &e) == -1)
		die("connection", &e);
	conn_ready(c, 0);
}

struct listener {
	int fd;
	struct loop_fd *watch;
};

static void
listener_ready(void *arg, unsigned ready)
{
	struct listener *l = arg;
	int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct err e;

	(void)ready;
	if (fd >= 0)
		conn_new(fd);
	if (loop_fd_want(l->watch, LOOP_READ, &e) == -1)
		die("listener", &e);
}

static void
end_ready(void *arg, unsigned ready)
{
	(void)arg;
	(void)ready;
	loop_stop(loop);
}

static void
watch(struct listener *l, int fd, loop_fd_fn *fn)
{
	struct err e;

	l->fd = fd;
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (loop_fd_create(loop, fd, fn, l, &l->watch, &e) == -1 ||
	    loop_fd_want(l->watch, LOOP_READ, &e) == -1)
		die("listener", &e);
}

int
main(int argc, char **argv)
{
	static struct listener listeners[LISTENERS_MAX + 1];
	struct tls_server_options o = { .choose = choose, .alpn = "http/1.1" };
	struct err e;
	int i;

	must(argc >= 2 && argc - 2 <= LISTENERS_MAX, "usage: DIR [FD...]");
	make_all(argv[1]);
	if (loop_create(&loop, &e) == -1 ||
	    tls_server_create(&o, &server, &e) == -1)
		die("server", &e);
	watch(&listeners[0], STDIN_FILENO, end_ready);
	for (i = 2; i < argc; i++)
		watch(&listeners[i - 1], (int)strtol(argv[i], NULL, 10),
		    listener_ready);
	(void)printf("ready\n");
	(void)fflush(stdout);
	if (loop_run(loop, &e) == -1)
		die("loop", &e);
	return 0; /* what is open ends with the process */
}
