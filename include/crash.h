/*
 * crash.h: numbered places at which a test kills a process of ours.
 *
 * In a build made with CRASH=1 each CRASH_POINT() is an entry of the section
 * "crash_points", numbered by its place there: a sweep reads their count from
 * the binary.  Elsewhere it is nothing at all.
 *
 * Which point it is to be stands in the file CRASH_FILE, read by crash_begin():
 * "PROGRAM NUMBER PASS", the program's name, the point from 0, and at which
 * pass of it, from 1.  The first that it names takes the file away: whoever is
 * started in its place goes on.  Death is by an instruction that cannot be
 * executed: no handler, no system call, nothing is tidied up.
 */
#ifndef CRASH_H
#define CRASH_H

#define CRASH_FILE "/run/warder-crash/point"

#ifdef CRASH_POINTS

struct crash_place {
	const char *file;
	long line;
};

/* program: as the file names it; called before anything is given up. */
void crash_begin(const char *program);
void crash_pass(const struct crash_place *p);

#	define CRASH_POINT()                                       \
		do {                                                \
			static const struct crash_place here_       \
			    __attribute__((section("crash_points"), \
				used)) = { __FILE__, __LINE__ };    \
			crash_pass(&here_);                         \
		} while (0)

#else

#	define crash_begin(program) ((void)(program))
#	define CRASH_POINT() ((void)0)

#endif

#endif /* !CRASH_H */
