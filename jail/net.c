/*
 * net.c: the jail's network namespace, from inside stage one, which owns it.
 */
#include <net/if.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "stage.h"
#include "sys.h"

/* The namespace has lo and nothing else; programs expect it to be up. */
long
net_loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo" };
	long fd = SYS(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long rc = fd;

	if (fd < 0)
		return fd;
	r.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	rc = SYS(SYS_ioctl, fd, SIOCSIFFLAGS, &r);
	(void)SYS(SYS_close, fd);
	return rc;
}
