/*
 * control.h: warder-control: its life, and what it may ask.
 *
 *	down ──start──► starting ──READY──► up ──its end──► down
 *	  ▲                │ its end           (its jails are killed first)
 *	  └──── back-off ◄─┘
 *
 * It is less privileged than we are: the table of msg_spawn.h is the only way
 * in, and whatever is not in it ends control, never us.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "handover.h"
#include "warderd.h"

/* Start it when it is due, say what waits to be said; once a turn. */
void control_step(struct warderd *w, uint64_t now_ms);

/* What it waits for. */
void control_wait(struct warderd *w, uint64_t now_ms);

/*
 * Send a message about an id; borrows everything.  0: it is sent, or there is
 * nobody to tell; -1: not now, ask again when control_step() does.
 */
must_check int control_say(uint32_t type, const void *body, size_t size,
    const int *fds, int nfds);

/*
 * Answer the request that is handled now: an answer that does not fit waits,
 * and no other request is read before it is gone.
 */
void control_reply(uint32_t type, const void *body, size_t size);
void control_refuse(uint32_t what, uint64_t id, const struct err *e);

/* Take no more: it is told so. */
void control_drain(struct warderd *w);

/*
 * Start it again, perhaps of another version: it hands back what it does, as
 * when we stop, and its jails end with it.
 */
void control_renew(struct warderd *w);

/* Who waits for us is told that there is service, if there is. */
void control_is_served(void);

/* What is known of it, over an upgrade. */
must_check int control_carry(struct handover *h, struct err *e);

/* 1: there is none, and none is wanted while we drain. */
int control_is_gone(void);

/* Kill it, whatever it does. */
int control_end(void);

#endif /* !CONTROL_H */
