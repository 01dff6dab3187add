/*
 * main.c: warder-proxy starts.
 *
 * Everything that needs files happens here, before the first message; then
 * the process gives up what it does not need and serves its socket.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "control.h"
#include "heap.h"
#include "locals.h"
#include "log.h"
#include "names.h"
#include "sha256.h"
#include "upstream.h"
#include "version.h"

enum {
	/*
	 * A request takes and frees some buffers: the heap must not be given
	 * back and asked for again with each.
	 */
	MAIN_HEAP_SLACK_BYTES = 1024 * 1024,
	MAIN_MAP_BYTES = 512 * 1024,
	MAIN_CONTROL_FD = 3
};

/* Whether a launcher has started us: its socket is there. */
static int
is_started(void)
{
	socklen_t size = sizeof(int);
	int type = 0, domain = 0;

	return getsockopt(MAIN_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) ==
		   0 &&
	       getsockopt(MAIN_CONTROL_FD, SOL_SOCKET, SO_DOMAIN, &domain,
		   &size) == 0 &&
	       type == SOCK_SEQPACKET && domain == AF_UNIX;
}

static int
usage(void)
{
	(void)fputs("warder-proxy: started by warder(1), for a run whose "
		    "policy has network.services; it does nothing alone\n",
	    stderr);
	return 2;
}

/* Each connection may dial once; of the descriptors some are for waiting. */
static void
main_share(struct proxy *p, unsigned files)
{
	p->nkept_max = files / 4 < PROXY_KEPT ? files / 4 : PROXY_KEPT;
	p->nconns_max = (files - p->nkept_max) / 2;
}

/* A connection that went away is told by the call, not by a signal. */
static int
main_prepare(struct proxy *p, struct err *e)
{
	struct rlimit files = { PROXY_FILES_MAX, PROXY_FILES_MAX };
	struct rlimit hard;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		return err_set(e, ERR_SYSTEM, "prctl");
	(void)sha256_use_processor(); /* for the audit log */
	(void)mallopt(M_TRIM_THRESHOLD, MAIN_HEAP_SLACK_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, MAIN_MAP_BYTES);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* the audit log's write says EFBIG */
	if (getrlimit(RLIMIT_NOFILE, &hard) == 0 &&
	    hard.rlim_max < PROXY_FILES_MAX)
		files.rlim_cur = files.rlim_max = hard.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) == -1)
		return err_set(e, ERR_SYSTEM, "setrlimit");
	if (files.rlim_cur < 2 * PROXY_FILES_RESERVE)
		return err_set(e, ERR_LIMIT, "fewer than %d open files",
		    2 * PROXY_FILES_RESERVE);
	main_share(p, (unsigned)files.rlim_cur - PROXY_FILES_RESERVE);
	return 0;
}

/* Ours alone, so that a chain of proxies is no loop. */
static int
main_via(struct proxy *p, struct err *e)
{
	uint32_t id;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return err_set(e, ERR_SYSTEM, "getrandom");
	(void)snprintf(p->via, sizeof(p->via), "1.1 warder-%08x", id);
	return 0;
}

static int
main_run(struct proxy *p, struct err *e)
{
	p->locked = heap_lock();
	if (main_prepare(p, e) == -1 || main_via(p, e) == -1 ||
	    loop_create(&p->loop, e) == -1 ||
	    locals_create(p->loop, &p->locals, e) == -1 ||
	    names_create(p->loop, &p->names, e) == -1 ||
	    upstream_create(p->loop, p->nkept_max, &p->upstream, e) == -1 ||
	    control_create(p, MAIN_CONTROL_FD, &p->control, e) == -1 ||
	    lock_down(&p->landlock, e) == -1)
		return -1;
	return loop_run(p->loop, e);
}

int
main(int argc, char **argv)
{
	static struct proxy proxy;
	struct err e = { 0 };

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("warder-proxy " WARDER_VERSION);
		return 0;
	}
	if (argc != 1 || !is_started())
		return usage();
	log_init("warder-proxy", LOG_FORMAT_LOGFMT, LOG_LEVEL_WARN);
	if (main_run(&proxy, &e) == -1)
		log_err(LOG_LEVEL_ERROR, "start", &e);
	/* Nothing is left to flush, and the launcher notices. */
	_exit(1);
}
