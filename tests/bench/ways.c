/*
 * ways.c: jails of one warder-proxy that send nothing.
 *
 *	ways WARDER-PROXY JAILS [PORT CERTIFICATE OUT]
 *
 * Starts the proxy, gives it one jail and then the rest, each with a plan, a
 * credential, an authority of its own and six listeners.  Prints "jails pid"
 * when it has one and when it has all, and waits for a line on stdin after
 * each: what they need is measured from outside.
 *
 * With PORT the service is there, on 127.0.0.1, and has the CERTIFICATE;
 * "port N" says of each jail where its explicit proxy listens, and the file
 * OUT gets the last one's authority.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bench.h"
#include "child.h"
#include "memfd.h"
#include "msg_proxy.h"
#include "tests/policy_text.h"

enum {
	WAYS_LISTENERS = 6,
};

static struct {
	const struct plan_net *net;
	struct ipc_msg msg;
	char policy[1024];
	const char *certificate, *out; /* NULL: there is no service */
	int fd;
	pid_t pid;
} ways;

static const char policy_format[] =
    "policy: 1\n"
    "network:\n"
    "  services:\n"
    "    api: {to: api.internal, allow: [{methods: read, path: /**}]%s%s}\n"
    "credentials:\n"
    "  key: {source: {env: KEY}, %s\n"
    "    inject: [{service: api, as: bearer}]}\n";

/* Without a service the placeholder's memory is there; a load has none. */
static const char placeholder[] = "placeholder: {env: KEY, shape: github_pat},";
static const char no_scrub[] = "scrub_response: false,";

/* What the upstream of run wants. */
static const char secret[] = "swordfish-swordfish-swordfish";

static void
ways_check(int r, const struct err *e)
{
	if (r == -1)
		bench_die("ways", e->msg);
}

static void
ways_start(const char *path)
{
	struct child_spec s = { .path = path,
		.name = "warder-proxy",
		.uid = child_uid("_warderproxy", 1879048191),
		.nfds = 1 };
	struct err e = { 0 };
	int pair[2];

	ways_check(ipc_pair(pair, &e), &e);
	ways.fd = pair[0];
	s.fds[0] = pair[1];
	ways_check(child_start(&s, &ways.pid, &e), &e);
	fd_closep(&pair[1]);
}

static void
ways_send(uint32_t type, const void *body, size_t size, const int *fds, int n)
{
	struct err e = { 0 };

	ways_check(ipc_send(ways.fd, type, body, size, fds, (size_t)n, &e), &e);
}

static int
ways_listener(int type, uint32_t role)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&a, sizeof(a)) == -1 ||
	    (type == SOCK_STREAM && listen(fd, SOMAXCONN) == -1))
		bench_die("a listener", "not to be had");
	if (ways.out != NULL && role == PROXY_ROLE_EXPLICIT &&
	    getsockname(fd, (struct sockaddr *)&a, &size) == 0)
		(void)printf("port %u\n", ntohs(a.sin_port));
	return fd;
}

static void
ways_listen(uint32_t jail)
{
	struct proxy_jail_listen m = { .jail = jail,
		.count = WAYS_LISTENERS,
		.role = { PROXY_ROLE_CAPTURE, PROXY_ROLE_CAPTURE,
		    PROXY_ROLE_EXPLICIT, PROXY_ROLE_DNS, PROXY_ROLE_DNS,
		    PROXY_ROLE_DNS_TCP } };
	int fds[WAYS_LISTENERS], i;

	for (i = 0; i < WAYS_LISTENERS; i++)
		fds[i] =
		    ways_listener(m.role[i] == PROXY_ROLE_DNS ? SOCK_DGRAM
							      : SOCK_STREAM,
			m.role[i]);
	ways_send(PROXY_JAIL_LISTEN, &m, sizeof(m), fds, WAYS_LISTENERS);
	for (i = 0; i < WAYS_LISTENERS; i++)
		fd_closep(&fds[i]);
}

static void
ways_token(uint32_t jail)
{
	struct {
		struct proxy_jail_token head;
		char value[sizeof(secret) - 1];
	} m = { .head = { .jail = jail, .size = sizeof(secret) - 1 } };

	memcpy(m.value, secret, sizeof(m.value));
	ways_send(PROXY_JAIL_TOKEN, &m, sizeof(m.head) + sizeof(m.value), NULL,
	    0);
}

static void
ways_audit(uint32_t jail)
{
	struct proxy_jail_audit m = { .jail = jail };
	autofd fd = memfd_create("audit", MFD_CLOEXEC);

	if (fd == -1 || fcntl(fd, F_SETFL, O_APPEND) == -1)
		bench_die("audit log", "not to be had");
	ways_send(PROXY_JAIL_AUDIT, &m, sizeof(m), &fd, 1);
}

/* What the service's certificate is to be believed by. */
static void
ways_ca(uint32_t jail)
{
	struct proxy_jail_ca m = { .jail = jail };
	struct err e = { 0 };
	autofd from = -1, sealed = -1;
	char text[16 * 1024];
	ssize_t n;

	if (ways.certificate == NULL)
		return;
	from = open(ways.certificate, O_RDONLY | O_CLOEXEC);
	n = from == -1 ? -1 : read(from, text, sizeof(text));
	if (n <= 0)
		bench_die(ways.certificate, "cannot be read");
	sealed = memfd_create_sealed("warder-ca", text, (size_t)n, &e);
	ways_check(sealed, &e);
	ways_send(PROXY_JAIL_CA, &m, sizeof(m), &sealed, 1);
}

/* The jail's authority is the first that READY's file has. */
static void
ways_trust(void)
{
	const struct proxy_ready *m = (const void *)ways.msg.body;
	autofd fd = -1;
	char text[16 * 1024];

	if (ways.out == NULL || m->ca_size > sizeof(text))
		return;
	fd = open(ways.out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd == -1 ||
	    pread(ways.msg.fds[0], text, m->ca_size, 0) !=
		(ssize_t)m->ca_size ||
	    write(fd, text, m->ca_size) != (ssize_t)m->ca_size)
		bench_die(ways.out, "cannot be written");
}

/* One jail more, once the proxy is ready for it. */
static void
ways_add(uint32_t jail)
{
	struct proxy_jail_add add = { .version = PROXY_VERSION, .jail = jail };
	struct proxy_jail_prepare prepare = { .jail = jail };
	struct err e = { 0 };
	autofd plan =
	    memfd_create_sealed("warder-network", ways.net, ways.net->size, &e);

	ways_check(plan, &e);
	(void)snprintf(add.run, sizeof(add.run), "bench-%u", jail);
	memset(add.seed, (int)jail, sizeof(add.seed));
	ways_send(PROXY_JAIL_ADD, &add, sizeof(add), &plan, 1);
	ways_ca(jail);
	ways_audit(jail);
	ways_token(jail);
	ways_send(PROXY_JAIL_PREPARE, &prepare, sizeof(prepare), NULL, 0);
	ways_check(ipc_recv(ways.fd, &ways.msg, &e), &e);
	if (ways.msg.type == PROXY_FAILED)
		bench_die("warder-proxy",
		    ((struct proxy_failed *)(void *)ways.msg.body)->text);
	if (ways.msg.type != PROXY_READY)
		bench_die("warder-proxy", "it is not ready");
	ways_trust();
	ipc_drop_fds(&ways.msg);
	ways_listen(jail);
}

static void
ways_tell(int jails)
{
	(void)printf("%d %d\n", jails, (int)ways.pid);
	(void)fflush(stdout);
	(void)getchar();
}

static void
ways_policy(const char *port)
{
	(void)snprintf(ways.policy, sizeof(ways.policy), policy_format,
	    port != NULL ? ", dial: 127.0.0.1:" : "", port != NULL ? port : "",
	    port != NULL ? no_scrub : placeholder);
}

int
main(int argc, char **argv)
{
	int i, n;

	if (argc != 3 && argc != 6)
		bench_die("usage",
		    "ways WARDER-PROXY JAILS [PORT CERTIFICATE OUT]");
	n = bench_count(argv[2]);
	ways_policy(argc == 6 ? argv[3] : NULL);
	if (argc == 6) {
		ways.certificate = argv[4];
		ways.out = argv[5];
	}
	ways.net = policy_text_compile(ways.policy);
	ways_start(argv[1]);
	ways_add(1);
	ways_tell(1);
	for (i = 2; i <= n; i++)
		ways_add((uint32_t)i);
	ways_tell(n);
	fd_closep(&ways.fd);
	return child_end(ways.pid) == -1;
}
