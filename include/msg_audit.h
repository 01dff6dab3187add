/*
 * msg_audit.h: a launcher and the warder-audit that it starts for one segment.
 *
 *	warder-audit --sign NAME HEAD
 *		3  the segment, for reading
 *		4  the list of heads, O_RDWR | O_APPEND
 *		5  the key
 *
 * HEAD is "N:HASH", what the segment's writer says that its last line is, or
 * "-" where nobody knows.  It ends within AUDIT_SIGN_S, with status 0 (signed
 * and flushed to the disk), AUDIT_EXIT_STALE, or another one with a line on
 * standard error.  docs/audit.md has the files.
 */
#ifndef MSG_AUDIT_H
#define MSG_AUDIT_H

enum {
	AUDIT_FD_SEGMENT = 3,
	AUDIT_FD_HEADS,
	AUDIT_FD_KEY,

	AUDIT_SIGN_S = 10,
	AUDIT_EXIT_STALE = 75, /* the list was exchanged: open it again */
	AUDIT_UID_RESERVED = 1879048189, /* below the jails' blocks */
};

#define AUDIT_USER_NAME "_warderaudit"
#define AUDIT_HEADS_NAME "heads.jsonl"
#define AUDIT_KEY_NAME "key"

#endif /* !MSG_AUDIT_H */
