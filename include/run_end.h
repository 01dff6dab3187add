/*
 * run_end.h: how the command of a jail can end, as every report names it.
 *
 * The launchers find it out (jail/run.h); whoever is told by them needs the
 * same words.
 */
#ifndef RUN_END_H
#define RUN_END_H

/* clang-format off */
/*   name           exit text; exit -1: the program's own, or 128 + signal */
#define RUN_ENDS(X) \
	X(EXITED,       -1,  "exited") \
	X(SIGNALLED,    -1,  "was ended by a signal") \
	X(SECCOMP,      -1,  "was ended by the system call filter") \
	X(OOM,          137, "used more memory than its limit") \
	X(OUTPUT,       137, "wrote more output than its limit") \
	X(WALL,         124, "ran longer than its wall-clock limit") \
	X(IDLE,         124, "neither read nor wrote for its idle limit") \
	X(CPU_TIME,     124, "used more processor time than its limit") \
	X(NOT_FOUND,    127, "was not found") \
	X(NOT_EXECUTED, 126, "could not be executed") \
	X(LOST,         137, "was lost: its jail has ended") \
	X(PROXY,        125, "was ended, because its proxy has failed") \
	X(KILLED,       137, "was ended on request")

/* clang-format on */

enum run_end {
#define X(name, exit, text) RUN_##name,
	RUN_ENDS(X)
#undef X
	RUN__MAX
};

#endif /* !RUN_END_H */
