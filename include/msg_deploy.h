/*
 * msg_deploy.h: warderd and warder-deploy, which makes one version of an agent.
 *
 * Both are root; warderd starts it with three descriptors and believes its
 * answer, which is why it looks at nothing of the archive itself.  Framing:
 * ipc.h.
 *
 *	warderd                          warder-deploy
 *	JOB ──►
 *	           ◄── ANSWER [+ agent.json]
 */
#ifndef MSG_DEPLOY_H
#define MSG_DEPLOY_H

#include <stdint.h>

#include "msg_config.h"
#include "msg_spawn.h"
#include "settings.h"
#include "sha256.h"

enum {
	DEPLOY_JOB_FD = 3, /* the socket */
	DEPLOY_ARCHIVE_FD = 4, /* the tar, in a sealed memfd */
	DEPLOY_CEILING_FD = 5, /* struct ceiling, in a sealed memfd */

	DEPLOY_PATH_MAX = 4096,
};

enum {
	DEPLOY_JOB, /* struct deploy_job */
	DEPLOY_ANSWER, /* struct deploy_answer, and where it is good a memfd */
};

struct deploy_job {
	char tenant[SETTINGS_TENANT_SIZE];
	uint64_t archive_bytes; /* the most */
	uint64_t agent_bytes;
	char agents[DEPLOY_PATH_MAX]; /* where versions lie */
	char libexec[DEPLOY_PATH_MAX]; /* where our programs do */
	char runtime[DEPLOY_PATH_MAX]; /* as struct jail_options has them */
	char state[DEPLOY_PATH_MAX];
	/* As struct find_dirs has them; ceiling too. */
	char etc[CONFIG_PATH_MAX], user[CONFIG_PATH_MAX];
	char ceiling[CONFIG_PATH_MAX];
};

struct deploy_answer {
	uint32_t code; /* enum err_code; ERR_OK: it is there */
	int32_t sys;
	uint32_t fresh; /* 0: it was there before */
	unsigned char digest[SHA256_SIZE];
	unsigned char policy[SHA256_SIZE];
	char text[SPAWN_TEXT_SIZE]; /* ended by NUL */
};

#endif /* !MSG_DEPLOY_H */
