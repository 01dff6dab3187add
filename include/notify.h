/*
 * notify.h: what the service manager is told, as sd_notify(3) describes it.
 *
 * A datagram to the socket that NOTIFY_SOCKET names; without one, nothing.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

/* Look at the environment, and take what is there out of it. */
void notify_init(void);

/* "READY=1", "STOPPING=1": lines as the manual page has them. */
void notify_say(const char *lines);

/* What holds until READY=1 is said again, with when it began. */
void notify_reloading(void);

/* Put into the environment again what notify_init() has taken: for an exec. */
void notify_hand_over(void);

/* In how many ms the watchdog wants a sign; -1: nobody watches. */
int notify_timeout(uint64_t now_ms);

/* Give it when it is due. */
void notify_alive(uint64_t now_ms);

#endif /* !NOTIFY_H */
