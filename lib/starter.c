#include "starter.h"

#include <pthread.h>
#include <signal.h>

enum {
	STARTER_STACK_BYTES = 256 * 1024
};

/* What is asked of the thread: one thing at a time. */
struct starter_job {
	const struct child_spec *spec;
	pid_t *ret_pid;
	struct err *e;
	int rc;
	int done;
};

static struct {
	pthread_mutex_t callers; /* held from asking to the answer */
	pthread_mutex_t lock; /* of the job */
	pthread_cond_t asked, answered;
	struct starter_job *job;
	pid_t process; /* whose thread it is: not a forked one's */
} starter = {
	.callers = PTHREAD_MUTEX_INITIALIZER,
};

static void *
starter_run(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&starter.lock);
	for (;;) {
		struct starter_job *j;

		while (starter.job == NULL)
			(void)pthread_cond_wait(&starter.asked, &starter.lock);
		j = take_ptr(&starter.job);
		j->rc = child_start_here(j->spec, j->ret_pid, j->e);
		j->done = 1;
		(void)pthread_cond_signal(&starter.answered);
	}
	return NULL;
}

/*
 * It inherits the mask: signals are the host's other threads' affair.  After
 * a fork the parent's thread is not there, but still counted as one that
 * waits: so all is made anew.
 */
static int
starter_create(struct err *e)
{
	pthread_attr_t a;
	sigset_t all, old;
	pthread_t t;
	int r;

	starter.job = NULL;
	(void)pthread_mutex_init(&starter.lock, NULL);
	(void)pthread_cond_init(&starter.asked, NULL);
	(void)pthread_cond_init(&starter.answered, NULL);
	(void)sigfillset(&all);
	if (pthread_attr_init(&a) != 0)
		return err_set(e, ERR_SYSTEM, "a thread");
	(void)pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&a, STARTER_STACK_BYTES);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t, &a, starter_run, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&a);
	if (r != 0)
		return err_sys(e, r, "a thread");
	starter.process = getpid();
	return 0;
}

int
warder_starter_start(const struct child_spec *s, pid_t *ret_pid, struct err *e)
{
	struct starter_job j = { .spec = s, .ret_pid = ret_pid, .e = e };
	int r = 0;

	(void)pthread_mutex_lock(&starter.callers);
	if (starter.process != getpid())
		r = starter_create(e);
	if (r == 0) {
		(void)pthread_mutex_lock(&starter.lock);
		starter.job = &j;
		(void)pthread_cond_signal(&starter.asked);
		while (!j.done)
			(void)pthread_cond_wait(&starter.answered,
			    &starter.lock);
		(void)pthread_mutex_unlock(&starter.lock);
		r = j.rc;
	}
	(void)pthread_mutex_unlock(&starter.callers);
	return r;
}
