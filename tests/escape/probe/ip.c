/* Channels to the host and to other jails. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "probe.h"

enum {
	IP_KEY = 0x57a4de4,
	IP_PORT = 47811
};

/* ---- IP-01 ---- */

static socklen_t
ip_unix_address(struct sockaddr_un *a, const char *name, int abstract)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	(void)snprintf(a->sun_path + abstract,
	    sizeof(a->sun_path) - (size_t)abstract, "%s", name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			   (size_t)abstract + strlen(name) + !abstract);
}

static long
ip_connect_unix(const char *name, int abstract, int type)
{
	struct sockaddr_un a;
	socklen_t n = ip_unix_address(&a, name, abstract);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	long r;

	if (fd == -1)
		return -errno;
	r = type == SOCK_DGRAM
		? CALL(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, &a, n)
		: CALL(SYS_connect, fd, &a, n);
	(void)close(fd);
	return r;
}

static long
ip_connect_inet(int family, int type, const char *address, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 b = { .sin6_family = AF_INET6,
		.sin6_port = htons((uint16_t)port) };
	struct timeval limit = { .tv_sec = 2 };
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	long r;

	if (fd == -1)
		return -errno;
	(void)inet_pton(AF_INET, address, &a.sin_addr);
	(void)inet_pton(AF_INET6, address, &b.sin6_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	r = family == AF_INET ? CALL(SYS_connect, fd, &a, sizeof(a))
			      : CALL(SYS_connect, fd, &b, sizeof(b));
	/* a datagram has arrived when the other side saw it, not before */
	if (r == 0 && type == SOCK_DGRAM) {
		(void)send(fd, "x", 1, MSG_NOSIGNAL);
		(void)usleep(20000);
		r = CALL(SYS_sendto, fd, "x", 1, MSG_NOSIGNAL, NULL, 0);
	}
	(void)close(fd);
	return r;
}

static long ip_sockets, ip_reached;

static void
ip_walked(const char *path, const struct stat *st, void *arg)
{
	(void)arg;
	if (!S_ISSOCK(st->st_mode))
		return;
	ip_sockets++;
	if (ip_connect_unix(path, 0, SOCK_STREAM) == 0 ||
	    ip_connect_unix(path, 0, SOCK_DGRAM) >= 0 ||
	    ip_connect_unix(path, 0, SOCK_SEQPACKET) == 0)
		ip_reached++;
}

static void
ip_01(void)
{
	static const struct {
		const char *name;
		int type;
	} types[] = { { "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM },
		{ "seqpacket", SOCK_SEQPACKET } };

	const char *name = probe_setting("PROBE_CANARY_SOCKET", "");
	int port = strtol(probe_setting("PROBE_CANARY_PORT", "1"), NULL, 10);
	char attempt[64], text[128];
	size_t i;

	for (i = 0; i < countof(types); i++) {
		(void)snprintf(attempt, sizeof(attempt), "abstract %s",
		    types[i].name);
		(void)snprintf(text, sizeof(text), "%s-%s", name,
		    types[i].name);
		probe_result(attempt, ip_connect_unix(text, 1, types[i].type));
	}
	probe_result("path",
	    ip_connect_unix(probe_setting("PROBE_CANARY_PATH", "/x"), 0,
		SOCK_STREAM));
	probe_result("tcp 127.0.0.1",
	    ip_connect_inet(AF_INET, SOCK_STREAM, "127.0.0.1", port));
	probe_result("tcp ::1",
	    ip_connect_inet(AF_INET6, SOCK_STREAM, "::1", port));
	probe_result("udp 127.0.0.1",
	    ip_connect_inet(AF_INET, SOCK_DGRAM, "127.0.0.1", port));
	probe_result("udp ::1",
	    ip_connect_inet(AF_INET6, SOCK_DGRAM, "::1", port));
	probe_result("tcp to the world",
	    ip_connect_inet(AF_INET, SOCK_STREAM,
		probe_setting("PROBE_CANARY_ADDRESS", "192.0.2.1"), port));
	if (probe_outside)
		return;
	(void)probe_walk("/", 500000, ip_walked, NULL);
	probe_got("sockets found by walking that answer", "%ld", ip_reached);
}

/* ---- IP-02: what one jail leaves, another must not find ---- */

static void
ip_make(void)
{
	struct sockaddr_un u;
	struct sockaddr_in any = { .sin_family = AF_INET,
		.sin_port = htons(IP_PORT) };
	socklen_t n = ip_unix_address(&u, "warder-battery", 1);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)bind(fd, (struct sockaddr *)&u, n);
	(void)listen(fd, 8);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)bind(fd, (struct sockaddr *)&any, sizeof(any));
	(void)listen(fd, 8);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	(void)bind(fd, (struct sockaddr *)&any, sizeof(any));
	(void)shmget(IP_KEY, 4096, IPC_CREAT | 0666);
	(void)msgget(IP_KEY, IPC_CREAT | 0666);
	(void)semget(IP_KEY, 1, IPC_CREAT | 0666);
	(void)close(open("/dev/shm/warder-battery", O_CREAT | O_RDWR, 0666));
	(void)close(open("/tmp/warder-battery", O_CREAT | O_RDWR, 0666));
	(void)CALL(SYS_mq_open, "warder-battery", O_CREAT | O_RDWR, 0600, NULL);
}

static void
ip_found(const char *attempt, long rc)
{
	probe_got(attempt, "%s", rc >= 0 ? "found" : "nothing");
}

static void
ip_find(void)
{
	ip_found("abstract", ip_connect_unix("warder-battery", 1, SOCK_STREAM));
	ip_found("tcp",
	    ip_connect_inet(AF_INET, SOCK_STREAM, "127.0.0.1", IP_PORT));
	ip_found("udp",
	    ip_connect_inet(AF_INET, SOCK_DGRAM, "127.0.0.1", IP_PORT));
	ip_found("shm", shmget(IP_KEY, 0, 0));
	ip_found("msg", msgget(IP_KEY, 0));
	ip_found("sem", semget(IP_KEY, 0, 0));
	ip_found("/dev/shm", access("/dev/shm/warder-battery", F_OK));
	ip_found("/tmp", access("/tmp/warder-battery", F_OK));
	ip_found("mq", CALL(SYS_mq_open, "warder-battery", O_RDWR, 0, NULL));
}

/* PROBE_ROLE: make (and stay), find, or both in the same jail. */
static void
ip_02(void)
{
	const char *role = probe_setting("PROBE_ROLE", "none");

	if (strcmp(role, "find") != 0 && strcmp(role, "none") != 0)
		ip_make();
	if (strcmp(role, "make") == 0) {
		probe_got("made", "yes");
		(void)sleep(60);
	} else if (strcmp(role, "none") != 0) {
		ip_find();
	}
}

/* ---- IP-04 ---- */

enum {
	IP_FDS = 253
};

static long
ip_pass(int channel)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(IP_FDS * sizeof(int))];
	} control;

	char byte = 'x';
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	int i, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	long r;

	memset(&control, 0, sizeof(control));
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(IP_FDS * sizeof(int));
	for (i = 0; i < IP_FDS; i++)
		memcpy(CMSG_DATA(&control.align) + i * (int)sizeof(int), &fd,
		    sizeof(fd));
	r = CALL(SYS_sendmsg, channel, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
	return r;
}

static void
ip_04(void)
{
	char attempt[32];
	int pair[2], i;

	for (i = 0; i < 3; i++) {
		if (probe_outside)
			break;
		(void)snprintf(attempt, sizeof(attempt), "pass by %d", i);
		probe_result(attempt, ip_pass(i));
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0)
		probe_result("pass by our own pair", ip_pass(pair[0]));
}

const struct probe_check probe_ip[] = {
	{ "IP-01", ip_01 },
	{ "IP-02", ip_02 },
	{ "IP-04", ip_04 },
	{ NULL, NULL },
};
