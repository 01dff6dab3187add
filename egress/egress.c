#include "egress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "child.h"
#include "handover.h"
#include "keeper.h"
#include "memfd.h"
#include "segment.h"
#include "text.h"

enum {
	EGRESS_DIRECT_MAX = 4096, /* bytes of NO_PROXY with its NUL */
	EGRESS_JAIL = 1, /* its number: there is one a proxy */
};

struct egress {
	struct egress_options o;
	pid_t pid;
	int fd;
	int ready;
	struct keeper keeper;
	int attached; /* something may have gone out */
	struct segments segments; /* of the audit log */
	struct run *run_watched;
	enum capture_mode mode; /* of the jail's listeners */
	struct err why;
	const struct plan_net *first; /* what the run began with */
	/* another policy, which the proxy has not spoken of yet; NULL */
	const struct plan_net *next;
	const unsigned char *next_policy;
	egress_reload_fn *reloaded;
	void *reloaded_ctx;
	uint16_t ports[PLAN_NET_DESTINATIONS_MAX];
	struct capture_request capture;
	char run[PROXY_RUN_MAX];
	char *authority;
	char hash[PROXY_HASH_SIZE];
	struct trust trust;
	struct egress_variable variables[EGRESS_VARS_MAX];
	size_t nvariables;
	struct proxy_placeholder placeholders[PLAN_NET_CREDENTIALS_MAX];
	char direct[EGRESS_DIRECT_MAX]; /* of NO_PROXY */
	struct ipc_msg msg;
	struct egress_summary unasked; /* where nobody wants it */
};

/* ---- what is known before ------------------------------------------------- */

/* UUIDv7: sorted by time, and hard to guess. */
static int
make_run(char ret[PROXY_RUN_MAX], struct err *e)
{
	unsigned char b[16];
	struct timespec now;
	uint64_t ms;
	int i;

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return err_set(e, ERR_SYSTEM, "getrandom");
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	for (i = 0; i < 6; i++)
		b[i] = (unsigned char)(ms >> (40 - 8 * i));
	b[6] = 0x70 | (b[6] & 0x0f);
	b[8] = 0x80 | (b[8] & 0x3f);
	(void)snprintf(ret, PROXY_RUN_MAX,
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x",
	    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
	    b[11], b[12], b[13], b[14], b[15]);
	return 0;
}

static int
has_port(const struct egress *x, uint32_t port)
{
	uint32_t i;

	for (i = 0; i < x->capture.nports; i++)
		if (x->ports[i] == port)
			return 1;
	return 0;
}

static void
find_ports(struct egress *x)
{
	const struct plan_net *net = x->o.net;
	uint32_t i, n = plan_net_count(net, PLAN_NET_DESTINATIONS);

	x->capture.ports = x->ports;
	for (i = 0; i < n; i++) {
		uint32_t port = plan_net_destination(net, i)->port;

		if (!has_port(x, port))
			x->ports[x->capture.nports++] = (uint16_t)port;
	}
}

static int
send_message(struct egress *x, uint32_t type, const void *body, size_t size,
    int fd, struct err *e)
{
	if (ipc_send(x->fd, type, body, size, &fd, fd >= 0, e) == -1)
		return err_wrap(e, "warder-proxy");
	return 0;
}

/* A run that may last for ever is cut to what the authority lasts. */
static uint32_t
life_of(const struct egress *x)
{
	uint64_t s = x->o.wall_ms / 1000 + EGRESS_SLACK_S;

	return x->o.wall_ms == 0 || s > UINT32_MAX ? 0 : (uint32_t)s;
}

static int
send_plan(struct egress *x, struct err *e)
{
	struct proxy_jail_add m = { .version = PROXY_VERSION,
		.jail = EGRESS_JAIL,
		.life_s = life_of(x) };
	autofd plan =
	    memfd_create_sealed("warder-network", x->o.net, x->o.net->size, e);
	int rc;

	if (plan == -1)
		return -1;
	if (getrandom(m.seed, sizeof(m.seed), 0) != sizeof(m.seed))
		return err_set(e, ERR_SYSTEM, "getrandom");
	memcpy(m.run, x->run, sizeof(m.run));
	memcpy(m.policy, x->o.policy, sizeof(m.policy));
	rc = send_message(x, PROXY_JAIL_ADD, &m, sizeof(m), plan, e);
	explicit_bzero(m.seed, sizeof(m.seed));
	return rc;
}

/* A regular file, whole, with room for one byte more; its size, or -1. */
static ssize_t
read_file(const char *path, char *to, size_t max, struct err *e)
{
	autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t n = 0;
	ssize_t r = 1;

	if (fd == -1 || fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s: not a regular file", path);
	while (r > 0 && n <= max) {
		r = read(fd, to + n, max + 1 - n);
		if (r == -1 && errno == EINTR)
			r = 1;
		else if (r > 0)
			n += (size_t)r;
	}
	if (r == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (n > max)
		return err_set(e, ERR_LIMIT, "%s: more than %zu bytes", path,
		    max);
	return (ssize_t)n;
}

/* The proxy could not open it: we may, since it is our user's policy. */
static int
send_ca(struct egress *x, const struct plan_net *net, uint32_t service,
    struct err *e)
{
	struct proxy_jail_ca m = { .jail = EGRESS_JAIL, .service = service };
	const struct plan_net_service *s = plan_net_service(net, service);
	autofree char *text = NULL;
	autofd file = -1;
	ssize_t n;

	if (s->ca == 0)
		return 0;
	text = malloc(PROXY_CA_FILE_MAX + 1);
	if (text == NULL)
		return err_sys(e, ENOMEM, "reading a CA file");
	n = read_file(plan_net_string(net, s->ca), text, PROXY_CA_FILE_MAX, e);
	if (n == -1)
		return err_wrap(e, "%s", plan_net_string(net, s->origin));
	file = memfd_create_sealed("warder-ca", text, (size_t)n, e);
	return file == -1
		   ? -1
		   : send_message(x, PROXY_JAIL_CA, &m, sizeof(m), file, e);
}

static int
send_cas(struct egress *x, const struct plan_net *net, struct err *e)
{
	uint32_t i, n = plan_net_count(net, PLAN_NET_SERVICES);

	for (i = 0; i < n; i++)
		if (send_ca(x, net, i, e) == -1)
			return -1;
	return 0;
}

/* ---- secrets of {env:} and {file:} ------------------------------------------ */

static ssize_t
find_env(const struct egress *x, const char *name, char *to, struct err *e)
{
	char *const *v = x->o.environ;
	size_t n = strlen(name), size;

	for (; v != NULL && *v != NULL; v++) {
		if (strncmp(*v, name, n) != 0 || (*v)[n] != '=')
			continue;
		size = strlen(*v + n + 1);
		if (size > PROXY_TOKEN_MAX)
			return err_set(e, ERR_LIMIT, "$%s: more than %d bytes",
			    name, PROXY_TOKEN_MAX);
		memcpy(to, *v + n + 1, size);
		return (ssize_t)size;
	}
	return err_set(e, ERR_NOT_FOUND, "$%s is not set", name);
}

/* A file's last newline is its editor's, not the secret's. */
static ssize_t
find_secret(const struct egress *x, const struct plan_net *net,
    const struct plan_net_credential *c, char *to, struct err *e)
{
	const char *name = plan_net_string(net, c->source_name);
	ssize_t n;

	if (c->source == PLAN_NET_SOURCE_ENV)
		return find_env(x, name, to, e);
	n = read_file(name, to, PROXY_TOKEN_MAX, e);
	if (n > 0 && to[n - 1] == '\n')
		n--;
	if (n > 0 && to[n - 1] == '\r')
		n--;
	return n;
}

static int
send_token(struct egress *x, const struct plan_net *net, uint32_t credential,
    struct err *e)
{
	const struct plan_net_credential *c =
	    plan_net_credential(net, credential);

	struct {
		struct proxy_jail_token m;
		char bytes[PROXY_TOKEN_MAX + 1];
	} t = { .m = { .jail = EGRESS_JAIL, .credential = credential } };

	ssize_t n;
	int rc = -1;

	if (c->source == PLAN_NET_SOURCE_VAULT)
		return 0;
	n = find_secret(x, net, c, t.bytes, e);
	if (n == 0)
		(void)err_set(e, ERR_INVALID, "it is empty");
	if (n > 0) {
		t.m.size = (uint32_t)n;
		rc = send_message(x, PROXY_JAIL_TOKEN, &t,
		    sizeof(t.m) + (size_t)n, -1, e);
	}
	explicit_bzero(&t, sizeof(t));
	return rc == 0 ? 0
		       : err_wrap(e, "%s: credential %s",
			     plan_net_string(net, c->origin),
			     plan_net_string(net, c->name));
}

static int
send_tokens(struct egress *x, const struct plan_net *net, struct err *e)
{
	uint32_t i, n = plan_net_count(net, PLAN_NET_CREDENTIALS);

	for (i = 0; i < n; i++)
		if (send_token(x, net, i, e) == -1)
			return -1;
	return 0;
}

/* ---- the audit log --------------------------------------------------------- */

/* A file for it: without one nothing goes out, so without it nothing starts. */
static int
send_segment(struct egress *x, struct err *e)
{
	struct proxy_jail_audit m = { .jail = EGRESS_JAIL };
	autofd fd = -1;

	if (segment_open(&x->segments, &fd, e) == -1)
		return -1;
	return send_message(x, PROXY_JAIL_AUDIT, &m, sizeof(m), fd, e);
}

/* ---- secrets of the vault ----------------------------------------------------- */

/* The proxy asks it itself, over a socket of theirs. */
static int
start_keeper(struct egress *x, struct err *e)
{
	struct proxy_jail_vault m = { .jail = EGRESS_JAIL };
	struct keeper_options o = {
		.vault_path = x->o.vault_path,
		.config_dir = x->o.config_dir,
		.state_dir = x->o.state_dir,
		.net = x->o.net,
		.run = x->run,
		.dir = x->segments.empty,
		.dies_with_us = x->o.dies_with_us,
	};
	autofd proxy = -1;

	if (!keeper_is_wanted(x->o.net))
		return 0;
	if (keeper_start(&x->keeper, &o, &proxy, e) == -1)
		return -1;
	return send_message(x, PROXY_JAIL_VAULT, &m, sizeof(m), proxy, e);
}

/* ---- starting ---------------------------------------------------------------- */

static int
start_proxy(struct egress *x, struct err *e)
{
	struct child_spec s = { .path = x->o.proxy_path,
		.name = "warder-proxy",
		.uid = child_uid("_warderproxy", EGRESS_UID),
		.locks_memory = 1,
		.nfds = 1,
		.dir = x->segments.empty,
		.dies_with_us = x->o.dies_with_us };
	struct timeval patience = { .tv_sec = EGRESS_READY_MS / 1000 };
	int pair[2], rc;

	if (ipc_pair(pair, e) == -1)
		return -1;
	x->fd = pair[0];
	s.fds[0] = pair[1];
	/* one that does not read must not hold us up for ever */
	(void)setsockopt(x->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	rc = child_start(&s, &x->pid, e);
	fd_closep(&pair[1]);
	return rc;
}

static int
send_all(struct egress *x, struct err *e)
{
	struct proxy_jail_prepare m = { .jail = EGRESS_JAIL };

	if (send_plan(x, e) == -1 || send_segment(x, e) == -1 ||
	    send_cas(x, x->o.net, e) == -1 ||
	    send_tokens(x, x->o.net, e) == -1 || start_keeper(x, e) == -1)
		return -1;
	return send_message(x, PROXY_JAIL_PREPARE, &m, sizeof(m), -1, e);
}

static struct egress *
new_egress(const struct egress_options *o, struct err *e)
{
	struct egress *x = mmap(NULL, sizeof(*x), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (x == MAP_FAILED) {
		(void)err_set(e, ERR_SYSTEM, "mmap: egress");
		return NULL;
	}
	x->o = *o;
	x->first = o->net;
	x->fd = -1;
	x->segments.now.fd = x->segments.ended.fd = x->segments.signing.fd = -1;
	x->segments.empty = -1;
	find_ports(x);
	return x;
}

int
egress_start(const struct egress_options *o, struct egress **ret, struct err *e)
{
	struct egress *x = new_egress(o, e);

	if (x == NULL)
		return -1;
	if (make_run(x->run, e) == -1 ||
	    segment_init(&x->segments, x->o.state_dir, x->o.audit_program,
		x->run, e) == -1 ||
	    start_proxy(x, e) == -1 || send_all(x, e) == -1) {
		egress_end(x, NULL);
		return -1;
	}
	*ret = x;
	return 0;
}

/* ---- its answers --------------------------------------------------------------- */

/* One message: 1; 0: it has ended, perhaps with words of ours unread. */
static int
receive_one(struct egress *x, struct err *e)
{
	int rc = ipc_recv(x->fd, &x->msg, e);

	return rc == -1 && e->code == ERR_SYSTEM && e->sys == ECONNRESET ? 0
									 : rc;
}

/* One message within its time: 1; 0: end of file. */
static int
receive(struct egress *x, int timeout_ms, struct err *e)
{
	struct pollfd p = { .fd = x->fd, .events = POLLIN };
	int rc;

	do
		rc = poll(&p, 1, timeout_ms);
	while (rc == -1 && errno == EINTR);
	if (rc <= 0)
		return err_set(e, ERR_LIMIT, "no answer within %d ms",
		    timeout_ms);
	return receive_one(x, e);
}

static int
refuse_message(struct err *e, const char *what)
{
	return err_set(e, ERR_CORRUPT, "%s", what);
}

static int
explain_failed(const struct ipc_msg *m, struct err *e)
{
	struct proxy_failed f;

	if (m->size != sizeof(f))
		return refuse_message(e, "a malformed failure");
	memcpy(&f, m->body, sizeof(f));
	f.text[sizeof(f.text) - 1] = '\0';
	if (f.code == ERR_OK || f.code >= ERR__MAX)
		f.code = ERR_CORRUPT;
	(void)err_set(e, (enum err_code)f.code, "%s", f.text);
	e->sys = f.sys;
	/* the message has the errno's text already */
	(void)snprintf(e->msg, sizeof(e->msg), "%s", f.text);
	return -1;
}

/*
 * What it says of the audit log at any time: 1 if the message was that.  One
 * that asks for more files than there may be gets none, and its last segment
 * fills up.
 */
static int
take_audit(struct egress *x, struct err *e)
{
	struct proxy_audit_ended m;
	int wanted;

	if (x->msg.nfds > 0)
		return 0;
	if (x->msg.type == PROXY_AUDIT_FULL &&
	    x->msg.size == sizeof(struct proxy_audit_full)) {
		wanted = segment_is_wanted(&x->segments);
		if (wanted == -1)
			return refuse_message(e, "it wants another audit log");
		return wanted && send_segment(x, e) == -1 ? -1 : 1;
	}
	if (x->msg.type == PROXY_AUDIT_ENDED && x->msg.size == sizeof(m)) {
		memcpy(&m, x->msg.body, sizeof(m));
		return segment_ended(&x->segments, m.lines, m.digest, e) == -1
			   ? -1
			   : 1;
	}
	return 0;
}

/* The next message that is not about the audit log: as receive(). */
static int
receive_other(struct egress *x, int timeout_ms, struct err *e)
{
	int rc;

	do {
		rc = receive(x, timeout_ms, e);
		if (rc != 1)
			return rc;
		rc = take_audit(x, e);
		if (rc != 0)
			ipc_drop_fds(&x->msg);
	} while (rc == 1);
	return rc == -1 ? -1 : 1;
}

/* A message of that type with a descriptor, which is *ret_fd. */
static int
expect(struct egress *x, uint32_t type, size_t size, int timeout_ms,
    int *ret_fd, struct err *e)
{
	int rc = receive_other(x, timeout_ms, e);

	if (rc == 0)
		return err_set(e, ERR_CONFLICT, "it has ended");
	if (rc == -1)
		return -1;
	if (x->msg.type == PROXY_FAILED)
		rc = explain_failed(&x->msg, e);
	else if (x->msg.type != type || x->msg.size != size || x->msg.nfds != 1)
		rc = refuse_message(e, "an unexpected message");
	else
		*ret_fd = ipc_take_fd(&x->msg, 0);
	ipc_drop_fds(&x->msg);
	return rc == -1 ? -1 : 0;
}

/* ---- the jail's variables ---------------------------------------------------- */

static void
add_variable(struct egress *x, const char *name, const char *value, int yields)
{
	/* EGRESS_VARS_MAX has room for all that is ever added */
	x->variables[x->nvariables++] =
	    (struct egress_variable){ name, value, yields };
}

/*
 * Hosts that the variables do not send to the proxy: what is the jail's own,
 * and services whose bytes are not HTTP, which are captured.  One too many
 * for the room is still captured, but by a client that first tries CONNECT.
 */
static void
find_direct(struct egress *x)
{
	const struct plan_net *net = x->o.net;
	uint32_t i, n = plan_net_count(net, PLAN_NET_DESTINATIONS);
	struct text t;

	text_init(&t, x->direct, sizeof(x->direct));
	text_add(&t, "localhost,127.0.0.1,::1");
	for (i = 0; i < n; i++) {
		const struct plan_net_destination *d =
		    plan_net_destination(net, i);
		const char *host = plan_net_string(net, d->host);

		if (plan_net_service(net, d->service)->protocol !=
			PLAN_NET_TCP ||
		    t.len + strlen(host) + 2 > t.size)
			continue;
		/* "*.example.com" is ".example.com" there */
		text_addf(&t, ",%s", host[0] == '*' ? host + 1 : host);
	}
}

/*
 * Convenience for programs that look for a proxy: whoever ignores it is led
 * to the same place by the address.  Both cases, since programs disagree;
 * what takes ALL_PROXY for other schemes finds CONNECT there.
 */
static void
add_proxy(struct egress *x)
{
	static const char *const names[] = { "HTTP_PROXY", "http_proxy",
		"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy" };
	size_t i;

	for (i = 0; i < countof(names); i++)
		add_variable(x, names[i], "http://127.0.0.1:3128", 1);
	find_direct(x);
	add_variable(x, "NO_PROXY", x->direct, 1);
	add_variable(x, "no_proxy", x->direct, 1);
}

/* A word of the environment: what a shell or a program takes as one. */
static int
is_word(const char *s, size_t size)
{
	size_t i;

	if (memchr(s, '\0', size) == NULL)
		return 0;
	for (i = 0; s[i] != '\0'; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return 0;
	return 1;
}

static int
add_placeholder(struct egress *x, uint32_t credential, struct err *e)
{
	const struct proxy_placeholder *p = &x->placeholders[credential];
	const struct plan_net_credential *c =
	    plan_net_credential(x->o.net, credential);

	if (!is_word(p->value, sizeof(p->value)))
		return refuse_message(e, "a malformed placeholder");
	if (c->placeholder_env != 0)
		add_variable(x, plan_net_string(x->o.net, c->placeholder_env),
		    p->value, 0);
	return 0;
}

static int
take_authority(struct egress *x, const struct proxy_ready *m, const char *text,
    struct err *e)
{
	if (m->ca_size == 0)
		return 0;
	if (memchr(text, '\0', m->ca_size) != NULL ||
	    memchr(m->ca_hash, '\0', sizeof(m->ca_hash)) == NULL)
		return refuse_message(e, "a malformed certificate");
	memcpy(x->hash, m->ca_hash, sizeof(x->hash));
	x->authority = strndup(text, m->ca_size);
	return x->authority == NULL ? err_sys(e, ENOMEM, "certificate") : 0;
}

static int
take_ready(struct egress *x, const struct proxy_ready *m, const char *p,
    size_t n, struct err *e)
{
	uint32_t i, count = plan_net_count(x->o.net, PLAN_NET_CREDENTIALS);

	if (m->credentials != count || m->ca_size > PROXY_CA_MAX ||
	    n != m->ca_size + count * sizeof(x->placeholders[0]) + 1)
		return refuse_message(e, "a malformed answer");
	if (take_authority(x, m, p, e) == -1)
		return -1;
	memcpy(x->placeholders, p + m->ca_size,
	    count * sizeof(x->placeholders[0]));
	add_proxy(x);
	for (i = 0; i < count; i++)
		if (add_placeholder(x, i, e) == -1)
			return -1;
	return 0;
}

/* The root's bundle with the authority; nothing without one. */
static int
make_trust(struct egress *x, struct err *e)
{
	const char *path = x->o.root == NULL ? "/" : x->o.root;
	struct trust_root root = { .bundle = NULL };
	autofd fd = -1;
	int rc;

	if (x->authority == NULL)
		return 0;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (trust_read(fd, &root, e) == -1)
		return err_wrap(e, "what %s trusts", path);
	rc = trust_make(&root, x->authority, x->hash, &x->trust, e);
	trust_root_finish(&root);
	return rc;
}

int
egress_ready(struct egress *x, struct err *e)
{
	struct proxy_ready m;
	const void *p;
	autofd fd = -1;
	size_t n;
	int rc;

	if (x->keeper.pid > 0 && keeper_ready(&x->keeper, e) == -1)
		return -1;
	if (expect(x, PROXY_READY, sizeof(m), EGRESS_READY_MS, &fd, e) == -1 ||
	    memfd_map(fd,
		PROXY_CA_MAX +
		    PLAN_NET_CREDENTIALS_MAX *
			sizeof(struct proxy_placeholder) +
		    1,
		&p, &n, e) == -1)
		return err_wrap(e, "warder-proxy");
	memcpy(&m, x->msg.body, sizeof(m));
	rc = take_ready(x, &m, p, n, e);
	memfd_unmap(p, n);
	x->ready = rc == 0;
	return rc == 0 ? make_trust(x, e) : err_wrap(e, "warder-proxy");
}

/* ---- listeners ------------------------------------------------------------------ */

static const uint32_t roles[] = {
	[CAPTURE_TCP] = PROXY_ROLE_CAPTURE,
	[CAPTURE_DNS_UDP] = PROXY_ROLE_DNS,
	[CAPTURE_DNS_TCP] = PROXY_ROLE_DNS_TCP,
	[CAPTURE_PROXY] = PROXY_ROLE_EXPLICIT,
};

static int
send_listeners(struct egress *x, const struct capture_listeners *l,
    struct err *e)
{
	uint32_t i = 0;

	while (i < l->n) {
		struct proxy_jail_listen m = { .jail = EGRESS_JAIL };
		int fds[IPC_FDS_MAX];

		for (; i < l->n && m.count < IPC_FDS_MAX; i++, m.count++) {
			m.role[m.count] = roles[l->at[i].kind];
			fds[m.count] = l->at[i].fd;
		}
		if (ipc_send(x->fd, PROXY_JAIL_LISTEN, &m, sizeof(m), fds,
			(int)m.count, e) == -1)
			return err_wrap(e, "warder-proxy");
	}
	return 0;
}

/* ---- another policy ---------------------------------------------------------------- */

/* What PROXY_RELOADED says; the next policy is the present one, or forgotten. */
static int
take_reloaded(struct egress *x, struct egress_reloaded *ret, struct err *e)
{
	struct proxy_reloaded m;

	if (x->msg.size != sizeof(m) || x->msg.nfds != 0 || x->next == NULL)
		return refuse_message(e, "an unexpected message");
	memcpy(&m, x->msg.body, sizeof(m));
	if (m.answer >= PROXY_RELOAD__MAX ||
	    memchr(m.text, '\0', sizeof(m.text)) == NULL)
		return refuse_message(e, "a malformed answer");
	*ret = (struct egress_reloaded){ .answer = m.answer,
		.kept = m.kept,
		.cut = m.cut };
	if (m.answer == PROXY_RELOAD_DONE) {
		x->o.net = x->next;
		x->o.policy = x->next_policy;
	} else {
		(void)err_set(&ret->why,
		    m.code > ERR_OK && m.code < ERR__MAX ? (enum err_code)m.code
							 : ERR_CORRUPT,
		    "%s", m.text);
		(void)snprintf(ret->why.msg, sizeof(ret->why.msg), "%s",
		    m.text);
	}
	x->next = NULL;
	return 0;
}

/* Somebody waits for an answer that does not come. */
static void
reload_lost(struct egress *x, const struct err *why)
{
	struct egress_reloaded r = { .answer = PROXY_RELOAD_REFUSED };
	egress_reload_fn *fn = x->reloaded;

	x->reloaded = NULL;
	x->next = NULL;
	if (fn == NULL)
		return;
	r.why = *why;
	fn(x->reloaded_ctx, &r);
}

/* 1, and whoever waits for it is told. */
static int
reload_answered(struct egress *x, struct err *e)
{
	struct egress_reloaded r;
	egress_reload_fn *fn;

	if (take_reloaded(x, &r, e) == -1)
		return -1;
	fn = x->reloaded;
	x->reloaded = NULL;
	if (fn != NULL)
		fn(x->reloaded_ctx, &r);
	return 1;
}

/* A port without a listener would be none, whatever the policy says. */
static int
has_listeners(const struct egress *x, const struct plan_net *net, struct err *e)
{
	uint32_t i, n = plan_net_count(net, PLAN_NET_DESTINATIONS);

	for (i = 0; x->mode == CAPTURE_PORTS && i < n; i++) {
		uint32_t port = plan_net_destination(net, i)->port;

		if (!has_port(x, port))
			return err_set(e, ERR_CONFLICT,
			    "port %u: this kernel has no nf_tables, and the "
			    "jail no listener for it",
			    port);
	}
	return 0;
}

/* A candidate that is not sent whole is followed by nothing, and is none. */
static int
send_next(struct egress *x, const struct plan_net *net,
    const unsigned char *policy, struct err *e)
{
	struct proxy_jail_plan m = { .jail = EGRESS_JAIL };
	struct proxy_jail_reload last = { .jail = EGRESS_JAIL };
	autofd plan = memfd_create_sealed("warder-network", net, net->size, e);

	if (plan == -1)
		return -1;
	memcpy(m.policy, policy, sizeof(m.policy));
	if (send_message(x, PROXY_JAIL_PLAN, &m, sizeof(m), plan, e) == -1 ||
	    send_cas(x, net, e) == -1 || send_tokens(x, net, e) == -1)
		return -1;
	return send_message(x, PROXY_JAIL_RELOAD, &last, sizeof(last), -1, e);
}

int
egress_reload(struct egress *x, const struct plan_net *net,
    const unsigned char *policy, egress_reload_fn *fn, void *ctx, struct err *e)
{
	if (!x->attached)
		return err_set(e, ERR_CONFLICT, "nothing runs yet");
	if (x->next != NULL)
		return err_set(e, ERR_LIMIT, "another reload is under way");
	if (plan_net_fits(x->first, net, e) == -1 ||
	    has_listeners(x, net, e) == -1 ||
	    send_next(x, net, policy, e) == -1)
		return -1;
	x->next = net;
	x->next_policy = policy;
	x->reloaded = fn;
	x->reloaded_ctx = ctx;
	return 0;
}

static int
read_reloaded(struct egress *x, int timeout_ms, struct egress_reloaded *ret,
    struct err *e)
{
	int rc = receive_other(x, timeout_ms, e);

	if (rc == 0)
		rc = err_sys(e, EPIPE, "it has ended");
	else if (rc == 1 && x->msg.type == PROXY_FAILED)
		rc = explain_failed(&x->msg, e);
	else if (rc == 1 && x->msg.type == PROXY_RELOADED)
		rc = take_reloaded(x, ret, e);
	else if (rc == 1)
		rc = refuse_message(e, "an unexpected message");
	ipc_drop_fds(&x->msg);
	return rc == 0 ? 0 : err_wrap(e, "warder-proxy");
}

/* The proxy has failed, and with it whatever was asked of it. */
static const struct err *
lose(struct egress *x, const struct err *why)
{
	x->why = *why;
	if (x->run_watched != NULL) {
		run_remove_watch(x->run_watched, x->fd);
		run_stop(x->run_watched, RUN_PROXY);
	}
	reload_lost(x, why);
	return &x->why;
}

/* Whatever comes instead is the proxy's end, and so the run's. */
int
egress_reload_wait(struct egress *x, struct egress_reloaded *ret, struct err *e)
{
	if (read_reloaded(x, EGRESS_READY_MS, ret, e) == 0)
		return 0;
	(void)lose(x, e);
	return -1;
}

const struct plan_net *
egress_net(const struct egress *x)
{
	return x->o.net;
}

/* ---- while it runs ------------------------------------------------------------------- */

/*
 * It speaks of its audit log and of a reload; whatever else comes is its end.
 * 1: that was all.
 */
static int
hear(struct egress *x, struct err *e)
{
	int rc = receive(x, 0, e);

	if (rc == 0)
		return err_set(e, ERR_CONFLICT, "it has ended");
	if (rc == 1)
		rc = take_audit(x, e);
	if (rc == 0 && x->msg.type == PROXY_FAILED)
		rc = explain_failed(&x->msg, e);
	else if (rc == 0 && x->msg.type == PROXY_RELOADED)
		rc = reload_answered(x, e);
	else if (rc == 0)
		rc = refuse_message(e, "an unexpected message");
	ipc_drop_fds(&x->msg);
	return rc;
}

const struct err *
egress_heard(struct egress *x)
{
	struct err e = { 0 };

	if (hear(x, &e) == 1)
		return NULL;
	(void)err_wrap(&e, "warder-proxy");
	return lose(x, &e);
}

static void
on_message(void *ctx, int fd)
{
	(void)fd;
	(void)egress_heard(ctx);
}

int
egress_hand_over(struct egress *x, struct jail *j, struct err *e)
{
	if (send_listeners(x, jail_listeners(j), e) == -1)
		return -1;
	x->mode = jail_listeners(j)->mode;
	jail_drop_listeners(j);
	x->attached = 1;
	return 0;
}

int
egress_attach(struct egress *x, struct jail *j, struct run *r, struct err *e)
{
	if (egress_hand_over(x, j, e) == -1)
		return -1;
	x->run_watched = r;
	return run_add_watch(r, x->fd, on_message, x, e);
}

size_t
egress_fds(const struct egress *x, int ret[2])
{
	ret[0] = x->fd;
	ret[1] = x->keeper.pid > 0 ? x->keeper.fd : -1;
	return ret[1] == -1 ? 1 : 2;
}

/* ---- over an execve(2) ------------------------------------------------------------- */

struct carried {
	char run[PROXY_RUN_MAX];
	pid_t pid;
	int fd;
	int attached;
	enum capture_mode mode;
	struct keeper keeper;
	struct segments segments;
};

static int
carry_fds(struct carried *c, struct handover *h, struct err *e)
{
	struct segments *s = &c->segments;

	if (handover_child(h, c->pid, e) == -1 ||
	    handover_child(h, c->keeper.pid, e) == -1 ||
	    handover_child(h, s->signer, e) == -1 ||
	    handover_fd(h, &c->fd, S_IFSOCK, e) == -1 ||
	    handover_fd(h, &c->keeper.fd, S_IFSOCK, e) == -1 ||
	    handover_fd(h, &s->empty, S_IFDIR, e) == -1 ||
	    handover_fd(h, &s->now.fd, S_IFREG, e) == -1 ||
	    handover_fd(h, &s->ended.fd, S_IFREG, e) == -1)
		return -1;
	return handover_fd(h, &s->signing.fd, S_IFREG, e);
}

static int
carried_is_sane(struct carried *c)
{
	struct segments *s = &c->segments;
	const struct segment *all[] = { &s->now, &s->ended, &s->signing };
	size_t i;

	for (i = 0; i < countof(all); i++)
		if (memchr(all[i]->name, '\0', sizeof(all[i]->name)) == NULL ||
		    memchr(all[i]->head, '\0', sizeof(all[i]->head)) == NULL)
			return 0;
	return c->pid > 0 && c->fd >= 0 && c->mode >= CAPTURE_NONE &&
	       c->mode < CAPTURE__MAX &&
	       memchr(c->run, '\0', sizeof(c->run)) != NULL &&
	       memchr(s->dir, '\0', sizeof(s->dir)) != NULL &&
	       memchr(s->stem, '\0', sizeof(s->stem)) != NULL;
}

static void
carry_fill(struct carried *c, const struct egress *x)
{
	memset(c, 0, sizeof(*c));
	memcpy(c->run, x->run, sizeof(c->run));
	c->pid = x->pid;
	c->fd = x->fd;
	c->attached = x->attached;
	c->mode = x->mode;
	c->keeper = x->keeper;
	if (c->keeper.pid <= 0)
		c->keeper = (struct keeper){ .fd = -1 };
	c->segments = x->segments;
	c->segments.program = NULL;
}

int
egress_carry(struct egress **ret, const struct egress_options *o,
    struct handover *h, struct err *e)
{
	static struct carried c;
	struct egress *x = *ret;

	if (!h->reading)
		carry_fill(&c, x);
	if (handover_block(h, "egress", &c, sizeof(c), e) == -1)
		return -1;
	if (!h->reading)
		return carry_fds(&c, h, e);
	if (!carried_is_sane(&c))
		return err_set(e, ERR_CORRUPT, "a proxy of impossible state");
	x = new_egress(o, e);
	if (x == NULL || carry_fds(&c, h, e) == -1)
		return -1;
	memcpy(x->run, c.run, sizeof(x->run));
	x->pid = c.pid;
	x->fd = c.fd;
	x->ready = 1;
	x->attached = c.attached;
	x->mode = c.mode;
	if (c.keeper.pid > 0)
		x->keeper = c.keeper;
	x->segments = c.segments;
	x->segments.program = o->audit_program;
	*ret = x;
	return 0;
}

size_t
egress_awaited(const struct egress *x, int ret[2])
{
	size_t i, left = 0, n = egress_fds(x, ret);

	for (i = 0; i < n; i++) {
		struct pollfd p = { .fd = ret[i], .events = POLLIN };

		if (poll(&p, 1, 0) == 0)
			ret[left++] = ret[i];
	}
	return left;
}

/* ---- the rest --------------------------------------------------------------------- */

const struct capture_request *
egress_capture(const struct egress *x)
{
	return &x->capture;
}

const struct egress_variable *
egress_variables(const struct egress *x, size_t *ret_n)
{
	*ret_n = x->nvariables;
	return x->variables;
}

static int
trust_environ(const struct egress *x, struct environ *v, struct err *e)
{
	size_t i, n;
	const struct trust_variable *t = trust_variables(&n);

	for (i = 0; i < n && x->trust.nfiles > 0; i++)
		if (trust_wants(&x->trust, &t[i]) &&
		    environ_add(v, t[i].name, t[i].value, 1, e) == -1)
			return -1;
	return 0;
}

int
egress_environ(const struct egress *x, struct environ *v, struct err *e)
{
	size_t i;

	for (i = 0; i < x->nvariables; i++) {
		const struct egress_variable *a = &x->variables[i];

		if (environ_add(v, a->name, a->value, a->yields, e) == -1)
			return -1;
	}
	return trust_environ(x, v, e);
}

const struct trust *
egress_trust(const struct egress *x)
{
	return &x->trust;
}

const char *
egress_authority(const struct egress *x)
{
	return x->authority;
}

const char *
egress_authority_hash(const struct egress *x)
{
	return x->authority != NULL ? x->hash : NULL;
}

const char *
egress_run(const struct egress *x)
{
	return x->run;
}

const struct err *
egress_why(const struct egress *x)
{
	return &x->why;
}

static int
take_summary(struct egress *x, struct egress_summary *ret, struct err *e)
{
	struct proxy_jail_remove ask = { .jail = EGRESS_JAIL };
	struct proxy_removed m;
	struct egress_reloaded late;
	uint32_t services;
	const void *p;
	autofd fd = -1;
	size_t n;

	if (x->next != NULL && read_reloaded(x, EGRESS_END_MS, &late, e) == -1)
		return -1;
	services = plan_net_count(x->o.net, PLAN_NET_SERVICES);
	if (send_message(x, PROXY_JAIL_REMOVE, &ask, sizeof(ask), -1, e) ==
		-1 ||
	    expect(x, PROXY_REMOVED, sizeof(struct proxy_removed),
		EGRESS_END_MS, &fd, e) == -1 ||
	    memfd_map(fd, sizeof(ret->count), &p, &n, e) == -1)
		return -1;
	memcpy(&m, x->msg.body, sizeof(m));
	if (n == (services + 1) * sizeof(ret->count[0])) {
		memcpy(ret->count, p, n);
		ret->services = services;
		ret->audit_lines = m.audit_lines;
		memcpy(ret->audit_digest, m.audit_digest, SHA256_SIZE);
	}
	memfd_unmap(p, n);
	return 0;
}

/* The proxy has gone: what it has written is what there is to sign. */
static void
end_audit(struct egress *x, struct egress_summary *ret)
{
	ret->audit_path[0] = '\0';
	(void)segment_path(&x->segments, ret->audit_path,
	    sizeof(ret->audit_path));
	if (!x->attached)
		segment_discard(&x->segments); /* nothing ran */
	segment_finish(&x->segments, ret->audit_lines, ret->audit_digest);
	ret->audit_segments = x->segments.n;
	ret->audit_unsigned = x->segments.unsigned_n;
}

void
egress_end(struct egress *x, struct egress_summary *ret)
{
	struct err e = { 0 };

	if (x == NULL)
		return;
	if (ret == NULL)
		ret = &x->unasked;
	ret->services = 0;
	ret->audit_lines = 0;
	if (x->ready)
		(void)take_summary(x, ret, &e);
	(void)err_set(&e, ERR_CONFLICT, "the jail has just ended");
	reload_lost(x, &e);
	fd_closep(&x->fd);
	(void)child_end(x->pid);
	keeper_end(&x->keeper);
	end_audit(x, ret);
	free(x->authority);
	trust_finish(&x->trust);
	(void)munmap(x, sizeof(*x));
}
