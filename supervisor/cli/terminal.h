/*
 * terminal.h: signals and the terminal, so that a jailed program behaves
 * under a shell as any other.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdint.h>
#include <termios.h>

#include "err.h"

struct terminal {
	void (*send)(void *ctx, int signo); /* to the command's group */
	void *ctx;
	const int *master; /* of its pty, -1: none */
	int signals; /* signalfd; readable when terminal_ready() has work */
	int raw; /* 1: the caller's terminal is in raw mode */
	struct termios saved, keys; /* as found; raw */
};

/*
 * Take the signals that a shell or a person sends: they go to the command's
 * process group; a stop stops the jail, then us; a new window size goes to
 * its pty.  With "raw" the caller's terminal is made raw, so that the keys
 * are the jail's.  The first three members are the caller's to set.
 */
must_check int terminal_open(struct terminal *t, int raw, struct err *e);

/* Handle what has arrived; of the shape that run_add_watch() wants. */
void terminal_ready(void *terminal, int fd);

/* Give the terminal back; may be called twice, and on a failed open. */
void terminal_close(struct terminal *t);

/* The caller's window; 24 by 80 where there is none. */
void terminal_size(uint16_t *ret_rows, uint16_t *ret_cols);

#endif /* !TERMINAL_H */
