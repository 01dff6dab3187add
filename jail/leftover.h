/*
 * leftover.h: whether what has a jail's name is still somebody's.
 *
 * Runs in whoever sweeps, with cgroup_sweep().  A name says which process has
 * made it, and when: what is older than a moment and whose maker is dead is
 * left over.
 */
#ifndef LEFTOVER_H
#define LEFTOVER_H

/*
 * 1: its maker lives, or it is too young, or it is no name of ours; 0: it is
 * left over.  The second argument is for cgroup_sweep() and is not used.
 */
int leftover_is_live(const char *name, void *unused);

#endif /* !LEFTOVER_H */
