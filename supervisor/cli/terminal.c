#include "terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

void
terminal_size(uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize ws = { 0 };

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == -1 || ws.ws_row == 0)
		ws = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	*ret_rows = ws.ws_row;
	*ret_cols = ws.ws_col;
}

static void
on_forward(struct terminal *t, int signo)
{
	t->send(t->ctx, signo);
}

static void
on_window(struct terminal *t, int signo)
{
	struct winsize ws = { 0 };

	(void)signo;
	if (*t->master >= 0 && ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(*t->master, TIOCSWINSZ, &ws);
}

/*
 * Its session has no shell that would continue it: SIGSTOP, not SIGTSTP.  Our
 * shell finds the terminal as it was, and we want it raw when we go on.
 */
static void
on_stop(struct terminal *t, int signo)
{
	(void)signo;
	t->send(t->ctx, SIGSTOP);
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
	(void)kill(getpid(), SIGSTOP);
}

static void
on_continue(struct terminal *t, int signo)
{
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->keys);
	t->send(t->ctx, signo);
}

/* clang-format off */
static const struct {
	int signo;
	void (*handle)(struct terminal *, int);
} terminal_signals[] = {
	{ SIGHUP,   on_forward },
	{ SIGINT,   on_forward },
	{ SIGQUIT,  on_forward },
	{ SIGTERM,  on_forward },
	{ SIGUSR1,  on_forward },
	{ SIGUSR2,  on_forward },
	{ SIGALRM,  on_forward },
	{ SIGTSTP,  on_stop },
	{ SIGCONT,  on_continue },
	{ SIGWINCH, on_window },
};

/* clang-format on */

void
terminal_ready(void *terminal, int fd)
{
	struct terminal *t = terminal;
	struct signalfd_siginfo info;
	size_t i;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		for (i = 0; i < countof(terminal_signals); i++) {
			if (terminal_signals[i].signo == (int)info.ssi_signo)
				terminal_signals[i].handle(t,
				    (int)info.ssi_signo);
		}
	}
}

static int
terminal_raw(struct terminal *t, struct err *e)
{
	if (tcgetattr(STDIN_FILENO, &t->saved) == -1)
		return err_set(e, ERR_SYSTEM, "terminal");
	t->keys = t->saved;
	cfmakeraw(&t->keys);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &t->keys) == -1)
		return err_set(e, ERR_SYSTEM, "terminal");
	t->raw = 1;
	return 0;
}

int
terminal_open(struct terminal *t, int raw, struct err *e)
{
	sigset_t set;
	size_t i;

	t->raw = 0;
	(void)sigemptyset(&set);
	for (i = 0; i < countof(terminal_signals); i++)
		(void)sigaddset(&set, terminal_signals[i].signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return err_set(e, ERR_SYSTEM, "sigprocmask");
	(void)signal(SIGPIPE, SIG_IGN);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals == -1)
		return err_set(e, ERR_SYSTEM, "signalfd");
	return raw ? terminal_raw(t, e) : 0;
}

void
terminal_close(struct terminal *t)
{
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &t->saved);
	t->raw = 0;
	if (t->signals > 0)
		(void)close(t->signals);
	t->signals = -1;
}
