/*
 * msg_config.h: the launcher (warder, later warderd) and warder-config.
 *
 * warder-config parses policies and opens no file: it asks the launcher by
 * CONFIG_OPEN, which finds the file by the search rules, copies it into a
 * sealed memfd (so that what was hashed is what was parsed) and passes that.
 * It ends by CONFIG_DONE with the plan and the seccomp program in a memfd,
 * or CONFIG_FAILED with the diagnostics.
 *
 *	launcher                         warder-config
 *	CONFIG_COMPILE {text, name} ──►
 *	           ◄── CONFIG_OPEN {what, reference, asking file}
 *	CONFIG_FILE {path} + memfd ──►              (or CONFIG_NO_FILE {why})
 *	           ◄── CONFIG_DONE + memfd | CONFIG_FAILED {text}
 *
 * An agent.yaml and a warder.yaml draw nothing in:
 *
 *	CONFIG_DESCRIBE {what, name} + memfd ──►
 *	           ◄── CONFIG_DESCRIBED + memfd | CONFIG_FAILED {text}
 */
#ifndef MSG_CONFIG_H
#define MSG_CONFIG_H

#include <stdint.h>

enum {
	CONFIG_PATH_MAX = 4096, /* with its NUL */
	CONFIG_TEXT_MAX = 16384, /* diagnostics, with the NUL */
	CONFIG_FILE_MAX = 1024 * 1024, /* bytes of one policy file */
	CONFIG_FILES_MAX = 32, /* files one policy may draw in */
	CONFIG_WORD_MAX = 32, /* with its NUL */
	CONFIG_PROGRAM_MAX = 4096, /* instructions: BPF_MAXINSNS */
};

/* clang-format off */
/*   name      direction        body                     descriptors */
#define CONFIG_MSGS(X) \
	X(COMPILE, TO_CONFIG,   struct config_compile,   1) \
	X(FILE,    TO_CONFIG,   struct config_file,      1) \
	X(NO_FILE, TO_CONFIG,   struct config_no_file,   0) \
	X(OPEN,    TO_LAUNCHER, struct config_open,      0) \
	X(DESCRIBE, TO_CONFIG,  struct config_describe,  1) \
	X(DESCRIBED, TO_LAUNCHER, struct config_described, 1) \
	X(DONE,    TO_LAUNCHER, struct config_done,      1) \
	X(FAILED,  TO_LAUNCHER, struct config_failed,    0)

/* clang-format on */

enum config_msg {
#define X(name, dir, body, fds) CONFIG_##name,
	CONFIG_MSGS(X)
#undef X
	CONFIG__MAX
};

/* What is asked for; it decides where the launcher looks. */
enum config_what {
	CONFIG_WHAT_EXTENDS, /* "org/x", "./x.yaml", "builtin/default" */
	CONFIG_WHAT_SERVICE, /* a name from use: */
	CONFIG_WHAT_CEILING, /* the operator's; NO_FILE if there is none */
	CONFIG_WHAT_MANAGER, /* "pip": what manager.h makes of its files */
	CONFIG_WHAT_AGENT, /* agent.yaml: struct agent_record */
	CONFIG_WHAT_SETTINGS, /* warder.yaml: struct settings */
	CONFIG_WHAT__MAX
};

/* The main text comes as a sealed memfd. */
struct config_compile {
	char name[CONFIG_PATH_MAX]; /* as messages show it */
	char dir[CONFIG_PATH_MAX]; /* absolute; relative paths start here */
	char home[CONFIG_PATH_MAX]; /* what ~ stands for; may be empty */
	char section[CONFIG_WORD_MAX]; /* a key of the text; empty: all */
	char
	    cwd[CONFIG_PATH_MAX]; /* the default of process.cwd; may be empty */
};

/* The text of a file that is no policy comes as a sealed memfd. */
struct config_describe {
	uint32_t what; /* CONFIG_WHAT_AGENT, CONFIG_WHAT_SETTINGS */
	char name[CONFIG_PATH_MAX]; /* as messages show it */
};

/* In the memfd: the record, then the card, a JSON object. */
struct config_described {
	uint32_t record_size;
	uint32_t card_size; /* 0: there is none */
};

struct config_open {
	uint32_t what; /* enum config_what */
	char reference[CONFIG_PATH_MAX];
	char dir[CONFIG_PATH_MAX]; /* directory of the asking file */
};

struct config_file {
	char path[CONFIG_PATH_MAX]; /* absolute, or "builtin/…" */
};

struct config_no_file {
	char why[1024];
};

/*
 * In the memfd: the plan (plan_size bytes), then the program
 * (program_length times struct sock_filter), then the network plan.
 */
struct config_done {
	uint32_t plan_size;
	uint32_t program_length; /* instructions */
	uint32_t net_size; /* 0: the plan has no network half */
	char warnings[CONFIG_TEXT_MAX]; /* may be empty */
};

struct config_failed {
	char text[CONFIG_TEXT_MAX]; /* FILE:LINE:COL: text, a line each */
};

#endif /* !MSG_CONFIG_H */
