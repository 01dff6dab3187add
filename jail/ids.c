/*
 * ids.c: user and group ids, inside and out.
 *
 * As root every jail has its own block of host uids and maps two of them:
 * warder-init's and the agent's (for which a given directory's owner may
 * stand, see source.h).  Rootless maps the caller alone, in two
 * steps, since the network namespace belongs to a user namespace outside the
 * jail's.  Host uid 0 is in neither map.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "decimal.h"
#include "msg_init.h"
#include "stage.h"
#include "sys.h"

enum {
	IDS_TEXT = 96, /* of a line */
	IDS_ROWS = 2,
};

/* "inside outside count\n" into text; returns its length. */
static size_t
ids_line(char *text, uint64_t inside, uint64_t outside, uint64_t count)
{
	const uint64_t v[] = { inside, outside, count };
	char *p = text + IDS_TEXT;
	size_t i, n;

	*--p = '\n';
	for (i = countof(v); i-- > 0;) {
		p = decimal_before(p, v[i]);
		if (i > 0)
			*--p = ' ';
	}
	n = (size_t)(text + IDS_TEXT - p);
	memmove(text, p, n);
	return n;
}

/* "/proc/<who>/<file>" with who a number, or "self" for 0. */
static long
ids_write(long who, const char *file, const char *text, size_t size)
{
	char path[64] = "/proc/", number[DECIMAL_MAX];
	char *d = number + sizeof(number);
	size_t n = 6;
	long fd, r;

	if (who == 0) {
		memcpy(path + n, "self", 4);
		n += 4;
	} else {
		d = decimal_before(d, (uint64_t)who);
		memcpy(path + n, d, (size_t)(number + sizeof(number) - d));
		n += (size_t)(number + sizeof(number) - d);
	}
	path[n++] = '/';
	memcpy(path + n, file, strlen(file) + 1);
	fd = SYS(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	r = SYS(SYS_write, fd, text, size);
	(void)SYS(SYS_close, fd);
	return r < 0 ? r : 0;
}

/* One map is three of these a line: inside, outside, how many. */
struct ids_row {
	uint64_t inside, uid, gid, count;
};

/* The map of uids, or that of gids. */
static size_t
ids_text(char *text, const struct ids_row *row, size_t rows, int gids)
{
	size_t i, n = 0;

	for (i = 0; i < rows; i++)
		n += ids_line(text + n, row[i].inside,
		    gids ? row[i].gid : row[i].uid, row[i].count);
	return n;
}

static long
ids_maps(struct stage *s, long who, const struct ids_row *row, size_t rows)
{
	char text[IDS_ROWS * IDS_TEXT];
	long r;

	stage_what(&s->one, "setgroups");
	if ((r = ids_write(who, "setgroups", "deny", 4)) < 0)
		return r;
	stage_what(&s->one, "uid_map");
	r = ids_write(who, "uid_map", text, ids_text(text, row, rows, 0));
	if (r < 0)
		return r;
	stage_what(&s->one, "gid_map");
	return ids_write(who, "gid_map", text, ids_text(text, row, rows, 1));
}

/* Rootless, stage one's namespace: the caller, under the agent's number. */
long
ids_map_self(struct stage *s)
{
	const struct ids_row row = { AGENT_UID, s->ids.agent_uid,
		s->ids.agent_gid, 1 };

	return ids_maps(s, 0, &row, 1);
}

/*
 * The jail's own namespace, written from outside it.  The agent is of the
 * jail's block too, or the owner of what cannot be idmapped.
 */
long
ids_map_child(struct stage *s, long pid)
{
	const struct ids_row own = { AGENT_UID, AGENT_UID, AGENT_UID, 1 };
	const struct ids_row rows[IDS_ROWS] = {
		{ INIT_UID, s->ids.init_uid, s->ids.init_gid, 1 },
		{ AGENT_UID, s->ids.agent_uid, s->ids.agent_gid, 1 },
	};

	if (s->rootless)
		return ids_maps(s, pid, &own, 1);
	return ids_maps(s, pid, rows, countof(rows));
}
