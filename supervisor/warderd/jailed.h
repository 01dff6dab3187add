/*
 * jailed.h: the runs that have a jail, from SPAWN to EXITED.
 *
 *	        ┌─ REFUSED ──────────────────────────────────────────► free
 *	SPAWN ──┤
 *	        └─► waiting ──► parked ──► running ──► dying ──► EXITED ─► free
 *
 *	waiting            for its proxy, where it has one
 *	parked             the jail is made, beside others; its pid 1 comes
 *	all but dying      a limit, KILL, or control's end leads to dying
 *	dying              until the jail's pid 1 is gone, then all of it is
 *
 * What is to be said about a run is kept in its row until control takes it,
 * so that a control that does not read costs no memory and loses nothing.
 */
#ifndef JAILED_H
#define JAILED_H

#include "handover.h"
#include "ipc.h"
#include "warderd.h"

/* -1: control broke the protocol; else it is answered, now or later. */
int jailed_spawn(struct warderd *w, struct ipc_msg *msg);
int jailed_exec(struct warderd *w, struct ipc_msg *msg);
int jailed_kill(struct warderd *w, struct ipc_msg *msg);
int jailed_freeze(struct warderd *w, struct ipc_msg *msg);

/* Once a turn: limits, and what has changed. */
void jailed_step(struct warderd *w, uint64_t now_us);

/* Say what is not said yet; -1: control does not take it now. */
must_check int jailed_say(struct warderd *w);

void jailed_wait(struct warderd *w, uint64_t now_us);

/* Control has gone: all die, and nobody is told. */
void jailed_end_all(struct warderd *w);

/* 1: each is launched, or over: none is half made. */
int jailed_is_settled(void);

/* They live on over an upgrade; all are settled. */
must_check int jailed_carry(struct warderd *w, struct handover *h,
    struct err *e);

/* Whether an id lives here; how many jails do. */
int jailed_has(uint64_t id);
unsigned jailed_count(void);

#endif /* !JAILED_H */
