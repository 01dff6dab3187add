#include "frame.h"

#include <stdio.h>
#include <string.h>

enum {
	FRAME_PIECES = 9,
};

struct frame {
	size_t n;

	struct {
		const char *p;
		size_t size;
	} pieces[FRAME_PIECES];

	char id[FRAME_ID_SIZE];
};

/* ---- modes ------------------------------------------------------------------ */

static const struct {
	const char *mode, *event; /* "messages" is named by its parts */
} modes[] = {
	{ "values", "values" },
	{ "updates", "updates" },
	{ "messages", "messages/" },
	{ "messages-tuple", "messages" },
	{ "custom", "custom" },
	{ "events", "events" },
	{ "debug", "debug" },
	{ "tasks", "tasks" },
	{ "checkpoints", "checkpoints" },
	{ "tools", "tools" },
	{ "lifecycle", "lifecycle" },
};

unsigned
frame_mode(const char *name)
{
	size_t i;

	for (i = 0; i < countof(modes); i++)
		if (strcmp(modes[i].mode, name) == 0)
			return 1u << i;
	return 0;
}

unsigned
frame_shown(const char *name)
{
	static const struct {
		const char *name;
		unsigned bit;
	} names[] = {
		{ "run_modes", FRAME_RUN_MODES },
		{ "lifecycle", FRAME_LIFECYCLE },
		{ "state_update", FRAME_STATE_UPDATE },
	};

	size_t i;

	for (i = 0; i < countof(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].bit;
	return 0;
}

static int
is_event_of(const char *name, const char *event)
{
	size_t n = strlen(event);

	return event[n - 1] == '/' ? strncmp(name, event, n) == 0
				   : strcmp(name, event) == 0;
}

/* Names that no mode has are for everybody: metadata, error. */
static int
is_wanted(const struct frame_style *s, const char *name)
{
	size_t i;

	if (s->what == FRAME_LOG)
		return strcmp(name, STORAGE_EVENT_LOG) == 0;
	if (name[0] == '$')
		return 0;
	if (s->shown != 0 && !(s->shown & FRAME_RUN_MODES))
		return (s->shown & FRAME_LIFECYCLE) != 0 &&
		       strcmp(name, "metadata") == 0;
	for (i = 0; i < countof(modes); i++)
		if (is_event_of(name, modes[i].event))
			return s->modes == 0 || (s->modes & (1u << i)) != 0;
	return 1;
}

/* ---- frames ------------------------------------------------------------------- */

static void
piece(struct frame *f, const char *p)
{
	f->pieces[f->n].p = p;
	f->pieces[f->n++].size = strlen(p);
}

void
frame_id(const struct frame_style *s, int64_t seq, char ret[FRAME_ID_SIZE])
{
	const char *run = s->run_id != NULL ? s->run_id : "";
	const char *checkpoint =
	    s->checkpoint_id != NULL ? s->checkpoint_id : "";
	char number[32] = "end";

	ret[0] = '\0';
	if (seq != FRAME_END)
		(void)snprintf(number, sizeof(number), "%lld", (long long)seq);
	if (s->ids)
		(void)snprintf(ret, FRAME_ID_SIZE, "id: %s%s%s%s%s\n", run,
		    s->run_id != NULL ? ":" : "", number,
		    checkpoint[0] != '\0' ? ":" : "", checkpoint);
}

/* Names with "$" are ours: clients see them without it. */
static void
frame_make(const struct frame_style *s, const struct storage_event *v,
    struct frame *ret)
{
	ret->n = 0;
	piece(ret, "event: ");
	piece(ret, v->name + (v->name[0] == '$'));
	if (v->ns != NULL && v->ns[0] != '\0') {
		piece(ret, "|");
		piece(ret, v->ns);
	}
	piece(ret, "\ndata: ");
	piece(ret, v->data != NULL ? v->data : "null");
	piece(ret, "\n");
	frame_id(s, v->seq, ret->id);
	piece(ret, ret->id);
	piece(ret, "\n");
}

size_t
frame_size(const struct frame_style *s, const struct storage_event *v)
{
	struct frame f unfilled;
	size_t i, n = 0;

	if (!is_wanted(s, v->name))
		return 0;
	frame_make(s, v, &f);
	for (i = 0; i < f.n; i++)
		n += f.pieces[i].size;
	return n;
}

size_t
frame_copy(const struct frame_style *s, const struct storage_event *v,
    size_t offset, char *ret, size_t room)
{
	struct frame f unfilled;
	size_t i, n, done = 0;

	if (!is_wanted(s, v->name))
		return 0;
	frame_make(s, v, &f);
	for (i = 0; i < f.n && done < room; i++) {
		if (offset >= f.pieces[i].size) {
			offset -= f.pieces[i].size;
			continue;
		}
		n = f.pieces[i].size - offset;
		if (n > room - done)
			n = room - done;
		memcpy(ret + done, f.pieces[i].p + offset, n);
		done += n;
		offset = 0;
	}
	return done;
}
