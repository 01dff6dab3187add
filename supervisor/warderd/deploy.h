/*
 * deploy.h: deployments, as warderd's loop sees them.
 *
 * Unpacking, compiling and writing take seconds and block, so each
 * deployment has a process of its own, warder-deploy, with the archive, the
 * ceiling and one socket and nothing else of ours (msg_deploy.h).
 *
 *	DEPLOY ──► its process ──► answer | end | too late ──► DEPLOYED | REFUSED
 */
#ifndef DEPLOY_H
#define DEPLOY_H

#include "handover.h"
#include "ipc.h"
#include "warderd.h"

enum {
	DEPLOY_WAIT_MS = 120 * 1000
};

/* -1: control broke the protocol; else it is answered, now or later. */
int deploy_begin(struct warderd *w, struct ipc_msg *msg);

/* Once a turn: what takes too long ends. */
void deploy_step(struct warderd *w, uint64_t now_ms);
must_check int deploy_say(struct warderd *w);
void deploy_wait(struct warderd *w, uint64_t now_ms);
void deploy_end_all(void);

/* They go on over an upgrade. */
must_check int deploy_carry(struct handover *h, struct err *e);

int deploy_has(uint64_t id);
unsigned deploy_count(void);

#endif /* !DEPLOY_H */
