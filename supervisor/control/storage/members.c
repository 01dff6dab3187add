#include <string.h>

#include "members.h"

int
members_begin(struct members_in *in, const struct storage_blob *text)
{
	in->p = text->data;
	in->end = in->p + text->size;
	in->bad = 0;
	if (text->size < 3 || in->p[0] != '{' || in->end[-1] != '}')
		return 0;
	in->p++;
	in->end--;
	return 1;
}

/* Past the string at p, whose quote is there; NULL without its other. */
static const char *
members_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : NULL;
}

/* Past the value at p: up to the comma that ends it. */
static const char *
members_value(const char *p, const char *end)
{
	size_t depth = 0;

	while (p != NULL && p < end && (depth > 0 || *p != ',')) {
		if (*p == '"') {
			p = members_string(p, end);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && depth-- == 0)
			return NULL;
		p++;
	}
	return p != NULL && depth == 0 ? p : NULL;
}

int
members_next(struct members_in *in, struct hold *h, const char **ret_name,
    struct storage_blob *ret_value)
{
	const char *name = in->p, *colon, *end;

	if (in->p >= in->end)
		return 0;
	colon = *name == '"' ? members_string(name, in->end) : NULL;
	end = colon != NULL && colon < in->end && *colon == ':'
		  ? members_value(colon + 1, in->end)
		  : NULL;
	if (end == NULL || end == colon + 1) {
		in->bad = 1;
		return 0;
	}
	*ret_name = hold_copy(h, name, (size_t)(colon - name));
	ret_value->data = colon + 1;
	ret_value->size = (size_t)(end - colon) - 1;
	in->p = end + 1;
	return 1;
}

static void
members_put(struct members_out *out, const void *p, size_t n)
{
	char *text;

	if (out->room - out->n < n + 1) {
		out->room = 2 * (out->room + n + 1);
		text = hold_alloc(out->hold, out->room);
		if (out->n > 0)
			memcpy(text, out->text, out->n);
		out->text = text;
	}
	memcpy(out->text + out->n, p, n);
	out->n += n;
	out->text[out->n] = '\0';
}

void
members_add(struct members_out *out, const char *name,
    const struct storage_blob *value)
{
	members_put(out, out->n == 0 ? "{" : ",", 1);
	members_put(out, name, strlen(name));
	members_put(out, ":", 1);
	members_put(out, value->data, value->size);
}

const char *
members_end(struct members_out *out)
{
	if (out->n == 0)
		members_put(out, "{", 1);
	members_put(out, "}", 1);
	return out->text;
}

uint64_t
members_sum(const struct storage_blob *text)
{
	const unsigned char *p = text->data;
	uint64_t sum = 0xcbf29ce484222325;
	size_t i;

	for (i = 0; i < text->size; i++)
		sum = (sum ^ p[i]) * 0x100000001b3;
	return sum;
}
