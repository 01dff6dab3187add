#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Takes nothing but a socket that is bound. */
static int
listener_start(int fd, const char *what, int *ret, struct err *e)
{
	if (listen(fd, LISTENER_BACKLOG) == -1)
		return err_set(e, ERR_SYSTEM, "%s", what);
	*ret = fd;
	return 0;
}

static int
listener_socket(int family, struct err *e)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd == -1 ? err_set(e, ERR_SYSTEM, "socket") : fd;
}

int
listener_tcp(const char *address, uint16_t port, int *ret, struct err *e)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
		.sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(port) };
	int is4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1, one = 1, r;
	autofd fd = -1;

	if (!is4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1)
		return err_set(e, ERR_INVALID, "%s: no address", address);
	fd = listener_socket(is4 ? AF_INET : AF_INET6, e);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!is4)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one,
		    sizeof(one));
	r = is4 ? bind(fd, (const struct sockaddr *)&v4, sizeof(v4))
		: bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
	if (r == -1)
		return err_set(e, ERR_SYSTEM, "%s port %u", address, port);
	if (listener_start(fd, address, ret, e) == -1)
		return -1;
	(void)take_fd(&fd);
	return 0;
}

/* A socket's file that nobody answers is left over; any other is not ours. */
static int
listener_clear(const struct sockaddr_un *a, struct err *e)
{
	autofd fd = listener_socket(AF_UNIX, e);
	struct stat st;

	if (fd == -1)
		return -1;
	if (lstat(a->sun_path, &st) == -1)
		return errno == ENOENT
			   ? 0
			   : err_set(e, ERR_SYSTEM, "%s", a->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s: it is no socket",
		    a->sun_path);
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 ||
	    errno != ECONNREFUSED)
		return err_set(e, ERR_CONFLICT, "%s: somebody listens there",
		    a->sun_path);
	if (unlink(a->sun_path) == -1 && errno != ENOENT)
		return err_set(e, ERR_SYSTEM, "%s", a->sun_path);
	return 0;
}

int
listener_unix(const char *path, mode_t mode, gid_t group, int *ret,
    struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	autofd fd = -1;

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (listener_clear(&a, e) == -1)
		return -1;
	fd = listener_socket(AF_UNIX, e);
	if (fd == -1)
		return -1;
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) == -1 ||
	    (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) == -1) ||
	    chmod(path, mode) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (listener_start(fd, path, ret, e) == -1)
		return -1;
	(void)take_fd(&fd);
	return 0;
}
