/* jails_spawn.h: jails from warderd: struct jails over spawn.h. */
#ifndef AGENT_JAILS_SPAWN_H
#define AGENT_JAILS_SPAWN_H

#include "jails.h"

/* Its arg is the struct spawn. */
extern const struct jails jails_spawn;

#endif /* !AGENT_JAILS_SPAWN_H */
