/*
 * jailed.h: the runs that have a jail, from SPAWN to EXITED.
 *
 *	        ┌─ REFUSED ──────────────────────────────────────────► free
 *	SPAWN ──┤
 *	        └─► waiting (for its proxy) ──► running ──► dying ──► EXITED ─► free
 *
 *	waiting, running   a limit, KILL, or control's end leads to dying
 *	dying              until the jail's pid 1 is gone, then all of it is
 *
 * What is to be said about a run is kept in its row until control takes it,
 * so that a control that does not read costs no memory and loses nothing.
 */
#ifndef JAILED_H
#define JAILED_H

#include "warderd.h"

/* -1: control broke the protocol; else it is answered, now or later. */
int jailed_spawn(struct warderd *w, const struct spawn_spawn *m,
    const struct spawn_exec *x); /* NULL, or beside which run it is */
int jailed_exec(struct warderd *w, const struct spawn_exec *m);
int jailed_kill(struct warderd *w, const struct spawn_kill *m);
int jailed_freeze(struct warderd *w, const struct spawn_freeze *m);

/* Once a turn: limits, and what has changed. */
void jailed_step(struct warderd *w, uint64_t now_us);

/* Say what is not said yet; -1: control does not take it now. */
must_check int jailed_say(struct warderd *w);

void jailed_wait(struct warderd *w, uint64_t now_us);

/* Control has gone: all die, and nobody is told. */
void jailed_end_all(struct warderd *w);

/* Whether an id lives here; how many jails do. */
int jailed_has(uint64_t id);
unsigned jailed_count(void);

#endif /* !JAILED_H */
