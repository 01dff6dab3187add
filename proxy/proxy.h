/*
 * proxy.h: what the parts of warder-proxy share.
 *
 * warder-proxy reads hostile bytes from jails and from the world.  It has a
 * uid of its own when started as root, one event loop, no thread, opens no
 * file after its start, and runs under a filter of system calls.
 *
 *	main.c      start, the loop
 *	lock.c      what is given up before the first hostile byte
 *	control.c   messages of the launcher, one table
 *	guest.c     a jail: its listeners, its caps
 *	generation.c  one policy of it, and what was made of that
 *	reload.c    another policy for it while it runs
 *	listener.c  accepts; where did the client want to go?
 *	conn.c      one connection, from there to a tunnel or to HTTP; its
 *	            bytes are base/stream.c's
 *	http.c      its requests, judged     exchange.c  one allowed request
 *	upstream.c  sent by libcurl          answer.c    what we say ourselves
 *	dnsio.c     the jail's queries       dns.c       their answers
 *	names.c     the resolver           locals.c  addresses of this host
 *	reach.c     a destination's vetted addresses
 *	dial.c      connects to one        tunnel.c  bytes both ways
 *	record.c    refusals, logged and counted
 */
#ifndef PROXY_H
#define PROXY_H

#include "limits_proxy.h"
#include "loop.h"

struct guest;
struct control;
struct names;
struct locals;
struct upstream;

enum {
	PROXY_VIA_SIZE = 32
};

struct proxy {
	struct loop *loop;
	struct control *control;
	struct names *names;
	struct locals *locals;
	struct upstream *upstream;
	/* What a request says that has been through this process. */
	char via[PROXY_VIA_SIZE];
	struct guest *guests[PROXY_JAILS_MAX]; /* NULL: free */
	unsigned nconns, nconns_max; /* of all guests */
	int landlock; /* ABI; 0: this kernel has none */
	int locked; /* its memory is never swapped out */
	unsigned nkept_max; /* idle connections to services */
};

/*
 * Give up what is not needed any more; the last step before the loop runs.
 * *ret_landlock: the kernel's ABI of it; 0: it has none, to be recorded.
 */
must_check int lock_down(int *ret_landlock, struct err *e);

#endif /* !PROXY_H */
