#include "writer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/control/storage/storage.h"
#include "text.h"

void
writer_init(struct writer *w, size_t max)
{
	*w = (struct writer){ 0 };
	buf_init(&w->out, max);
}

void
writer_finish(struct writer *w)
{
	if (w->out.max > 0) /* it was begun */
		buf_finish(&w->out);
}

static void
put(struct writer *w, const void *p, size_t n)
{
	if (w->e.code == ERR_OK)
		(void)(buf_append(&w->out, p, n, &w->e) == -1);
}

/* Quoted; the few characters that must be are escaped, the rest goes as is. */
static void
put_string(struct writer *w, const char *s)
{
	const char *from = s;
	char escape[8];

	put(w, "\"", 1);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		put(w, from, (size_t)(s - from));
		(void)snprintf(escape, sizeof(escape), "\\u%04x", c);
		put(w, escape, 6);
		from = s + 1;
	}
	put(w, from, (size_t)(s - from));
	put(w, "\"", 1);
}

/* What stands before a value: a comma, its name. */
static void
put_name(struct writer *w, const char *name)
{
	if (w->full[w->depth])
		put(w, ",", 1);
	w->full[w->depth] = w->depth > 0;
	if (name == NULL)
		return;
	put_string(w, name);
	put(w, ":", 1);
}

void
writer_begin(struct writer *w, const char *name, char bracket)
{
	put_name(w, name);
	put(w, &bracket, 1);
	assert(w->depth + 1 < WRITER_DEPTH_MAX);
	w->full[++w->depth] = 0;
}

void
writer_end(struct writer *w, char bracket)
{
	assert(w->depth > 0);
	w->depth--;
	put(w, &bracket, 1);
}

void
writer_null(struct writer *w, const char *name)
{
	put_name(w, name);
	put(w, "null", 4);
}

void
writer_text(struct writer *w, const char *name, const char *value)
{
	if (value == NULL) {
		writer_null(w, name);
		return;
	}
	put_name(w, name);
	put_string(w, value);
}

void
writer_texts(struct writer *w, const char *name, const struct storage_texts *t)
{
	size_t i;

	writer_begin(w, name, '[');
	for (i = 0; i < t->n; i++)
		writer_text(w, NULL, t->v[i]);
	writer_end(w, ']');
}

void
writer_whole(struct writer *w, const char *name, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)value);

	put_name(w, name);
	put(w, text, (size_t)n);
}

void
writer_flag(struct writer *w, const char *name, int value)
{
	put_name(w, name);
	put(w, value ? "true" : "false", value ? 4 : 5);
}

void
writer_time(struct writer *w, const char *name, int64_t ms)
{
	char buf[32];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_add_time(&t, (uint64_t)ms);
	writer_text(w, name, buf);
}

void
writer_json(struct writer *w, const char *name, const char *json,
    const char *otherwise)
{
	const char *text = json != NULL ? json : otherwise;

	put_name(w, name);
	put(w, text, strlen(text));
}

char *
writer_take(struct writer *w, size_t *ret_size, struct err *e)
{
	char *text;

	put(w, "\n", 1);
	if (w->e.code != ERR_OK) {
		*e = w->e;
		return NULL;
	}
	assert(w->depth == 0);
	*ret_size = buf_size(&w->out);
	text = malloc(*ret_size);
	if (text == NULL) {
		(void)err_sys(e, ENOMEM, "an answer");
		return NULL;
	}
	memcpy(text, buf_bytes(&w->out), *ret_size);
	return text;
}
