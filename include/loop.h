/*
 * loop.h: the event loop, one to a process, over libevent_core.
 *
 * A callback recovers its typed object from arg, does one thing and returns:
 * it never blocks, sleeps, or runs the loop.  What fires is no longer armed
 * when its callback starts; whoever wants more arms it again (only signals
 * stay).  So a reader that cannot take more simply does not ask, and nothing
 * fires for an object that has moved on.  A callback may destroy anything,
 * the handle that fired included.
 *
 * Handles are owned by whoever creates them and destroyed before the loop;
 * a destroy function accepts NULL.  Every callback runs inside loop_run().
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>

#include "err.h"

enum {
	LOOP_READ = 1 << 0,
	LOOP_WRITE = 1 << 1
};

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_signal;
struct loop_call;

typedef void loop_fn(void *arg);
typedef void loop_fd_fn(void *arg, unsigned ready); /* LOOP_READ | WRITE */

must_check int loop_create(struct loop **ret, struct err *e);
void loop_destroy(struct loop *l);

/*
 * Run until loop_stop() is called (return 0) or nothing is armed any more
 * (return 0 too).  ERR_SYSTEM if the kernel refuses to wait.
 */
must_check int loop_run(struct loop *l, struct err *e);

/* Return from loop_run() after the present callback; elsewhere, nothing. */
void loop_stop(struct loop *l);

/* Milliseconds of the monotonic clock. */
uint64_t loop_now_ms(void);

/*
 * Watch fd, which is borrowed: destroy the handle before the descriptor is
 * closed.  At first nothing is armed; loop_fd_want() says what is (0:
 * nothing).  A hang-up or an error makes whatever was wanted ready.
 */
must_check int loop_fd_create(struct loop *l, int fd, loop_fd_fn *fn, void *arg,
    struct loop_fd **ret, struct err *e);
must_check int loop_fd_want(struct loop_fd *f, unsigned want, struct err *e);
void loop_fd_destroy(struct loop_fd *f);

/* Fire once, delay_ms from now; setting it again replaces the time. */
must_check int loop_timer_create(struct loop *l, loop_fn *fn, void *arg,
    struct loop_timer **ret, struct err *e);
must_check int loop_timer_set(struct loop_timer *t, uint64_t delay_ms,
    struct err *e);
void loop_timer_clear(struct loop_timer *t);
void loop_timer_destroy(struct loop_timer *t);

/* Fire whenever the signal has come; several may count as one. */
must_check int loop_signal_create(struct loop *l, int signo, loop_fn *fn,
    void *arg, struct loop_signal **ret, struct err *e);
void loop_signal_destroy(struct loop_signal *s);

/*
 * Call once, on the loop's next turn, in the order in which calls were set;
 * for what must not happen in the middle of something else.  Setting it
 * twice is once.
 */
must_check int loop_call_create(struct loop *l, loop_fn *fn, void *arg,
    struct loop_call **ret, struct err *e);
must_check int loop_call_set(struct loop_call *c, struct err *e);
void loop_call_clear(struct loop_call *c);
void loop_call_destroy(struct loop_call *c);

#endif /* !LOOP_H */
