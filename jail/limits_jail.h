/*
 * limits_jail.h: the numbers inside every jail, whatever its policy says.
 */
#ifndef LIMITS_JAIL_H
#define LIMITS_JAIL_H

/* The root holds mount points and generated files only. */
#define LIMITS_ROOT_BYTES (4 * 1024 * 1024)
#define LIMITS_ROOT_INODES 1024
/* tmpfs made for every jail; their pages count against its memory. */
#define LIMITS_SHM_BYTES (64 * 1024 * 1024)
#define LIMITS_HOME_BYTES (64 * 1024 * 1024)
#define LIMITS_INODES 100000

/* AGENT_UID and INIT_UID of msg_init.h, as mount options want them. */
#define LIMITS_AGENT_ID_TEXT "1000"
#define LIMITS_INIT_ID_TEXT "999"

/* Below the mount of proc, with nothing in it: over what must not be seen. */
#define LIMITS_EMPTY_NAME "empty"

/* Every jail has the same name: it says nothing about the host. */
#define LIMITS_HOSTNAME "jail"

#endif /* !LIMITS_JAIL_H */
