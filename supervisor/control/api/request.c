#include "request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "conn.h"
#include "supervisor/control/storage/storage.h"
#include "writer.h"

enum {
	REQUEST_ERROR_BYTES = 2048,
};

struct request *
request_create(struct api *api)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r != NULL)
		*r = (struct request){ .api = api, .file = -1 };
	return r;
}

void
request_destroy(struct request *r)
{
	if (r == NULL)
		return;
	if (r->drop != NULL)
		r->drop(r->state);
	while (r->nkept > 0)
		free(r->kept[--r->nkept]);
	query_finish(&r->query);
	json_decref(r->body);
	fd_closep(&r->file);
	free(r);
}

void *
request_keep(struct request *r, size_t n)
{
	void *p;

	if (r->nkept == REQUEST_KEPT_MAX)
		return NULL;
	p = calloc(1, n > 0 ? n : 1);
	if (p != NULL)
		r->kept[r->nkept++] = p;
	return p;
}

void *
request_state(struct request *r, size_t n)
{
	r->state = request_keep(r, n);
	if (r->state == NULL)
		request_fail(r, 503, ERR_SYSTEM, "no memory");
	return r->state;
}

const char *
request_json_text(struct request *r, const json_t *part, struct err *e)
{
	char *text = NULL;
	size_t n;

	if (part == NULL)
		return NULL;
	if (r->nkept == REQUEST_KEPT_MAX) {
		(void)err_set(e, ERR_LIMIT, "too many parts");
		return NULL;
	}
	if (json_text(part, &text, &n, e) == -1)
		return NULL;
	r->kept[r->nkept++] = text;
	return text;
}

int
request_texts(struct request *r, const char *name, const json_t *array,
    struct storage_texts *ret, struct err *e)
{
	size_t i, n = json_array_size(array);
	const char **v;

	*ret = (struct storage_texts){ 0 };
	if (n == 0)
		return 0;
	v = request_keep(r, n * sizeof(*v));
	if (v == NULL)
		return err_sys(e, ENOMEM, "%s", name);
	for (i = 0; i < n; i++) {
		v[i] = json_string_value(json_array_get(array, i));
		if (v[i] == NULL ||
		    strlen(v[i]) !=
			json_string_length(json_array_get(array, i)))
			return err_set(e, ERR_INVALID,
			    "%s must be an array of texts", name);
	}
	*ret = (struct storage_texts){ .v = v, .n = n };
	return 0;
}

int
request_read(struct request *r, void *ret)
{
	const struct route_body *b = r->route->body;
	autojson *empty = json_object();
	struct err e = { 0 };

	if (json_read(r->body != NULL ? r->body : empty, b->members, b->n, ret,
		&e) == 0)
		return 0;
	request_fail(r, 422, ERR_INVALID, "%s", e.msg);
	return -1;
}

void
request_field(struct request *r, const char *name, const char *fmt, ...)
{
	struct request_field *f;
	va_list ap;

	if (r->nfields == REQUEST_FIELDS_MAX)
		return;
	f = &r->fields[r->nfields++];
	f->name = name;
	va_start(ap, fmt);
	(void)vsnprintf(f->value, sizeof(f->value), fmt, ap);
	va_end(ap);
}

void
request_text(struct request *r, unsigned status, const char *type, char *text,
    size_t n)
{
	if (r->conn != NULL) {
		api_conn_answer(r->conn, status, type, text, n);
		return;
	}
	free(text);
	request_destroy(r);
}

void
request_empty(struct request *r, unsigned status)
{
	request_text(r, status, NULL, NULL, 0);
}

void
request_written(struct request *r, unsigned status, struct writer *w)
{
	struct err e = { 0 };
	size_t n = 0;
	char *text = writer_take(w, &n, &e);

	writer_finish(w);
	if (text != NULL)
		request_text(r, status, "application/json", text, n);
	else if (e.code == ERR_LIMIT)
		request_fail(r, 507, ERR_LIMIT,
		    "the answer is too long: ask for fewer");
	else
		request_fail(r, 503, ERR_SYSTEM, "no memory for the answer");
}

void
request_json(struct request *r, unsigned status, json_t *body)
{
	autojson *own = body;
	struct err e = { 0 };
	char *text = NULL;
	size_t n = 0;

	if (own == NULL || json_text(own, &text, &n, &e) == -1)
		request_fail(r, 503, ERR_SYSTEM, "no memory for the answer");
	else if (n > API_ANSWER_BYTES) {
		free(text);
		request_fail(r, 507, ERR_LIMIT,
		    "the answer is too long: ask for fewer");
	} else
		request_text(r, status, "application/json", text, n);
}

static void
request_problem(struct request *r, unsigned status, enum err_code code,
    const char *detail)
{
	char *buf = malloc(REQUEST_ERROR_BYTES);
	struct text t;

	if (buf == NULL) {
		request_empty(r, status);
		return;
	}
	text_init(&t, buf, REQUEST_ERROR_BYTES);
	request_problem_text(&t, status, code, detail);
	if (err_retry(code))
		request_field(r, "Retry-After", "1");
	request_text(r, status, "application/json", buf, t.len);
}

void
request_problem_text(struct text *t, unsigned status, enum err_code code,
    const char *detail)
{
	text_add(t, "{\"detail\":");
	text_add_json(t, detail);
	text_addf(t,
	    ",\"type\":\"urn:warder:error:%s\",\"title\":", err_name(code));
	text_add_json(t, err_text(code));
	text_addf(t, ",\"status\":%u,\"code\":\"%s\"}\n", status,
	    err_name(code));
}

void
request_fail(struct request *r, unsigned status, enum err_code code,
    const char *fmt, ...)
{
	char detail[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	request_problem(r, status, code, detail);
}

/* Of the host's: what is full can be emptied, a disk that fails is left. */
static const struct {
	int sys;
	unsigned status;
} troubles[] = {
	{ ENOSPC, 507 },
	{ EDQUOT, 507 },
	{ EIO, 503 },
	{ EROFS, 503 },
};

void
request_error(struct request *r, const struct err *e)
{
	unsigned status = (unsigned)err_http(e->code);
	size_t i;

	for (i = 0; e->code == ERR_SYSTEM && i < countof(troubles); i++)
		if (troubles[i].sys == e->sys)
			status = troubles[i].status;
	request_problem(r, status, e->code, e->msg);
}

void
request_refused(struct request *r, const struct err *e, const char *what,
    const char *id)
{
	if (e->code == ERR_NOT_FOUND)
		request_fail(r, 404, ERR_NOT_FOUND, "%s %s not found", what,
		    id);
	else if (e->code == ERR_INVALID)
		request_fail(r, 422, ERR_INVALID, "%s", e->msg);
	else
		request_error(r, e);
}

int
request_may_stream(struct request *r)
{
	if (r->api->counts.streams < r->api->config.streams)
		return 0;
	request_field(r, "Retry-After", "5");
	request_fail(r, 429, ERR_LIMIT, "%u streams are open already",
	    r->api->config.streams);
	return -1;
}

struct api_conn *
request_stream(struct request *r, const char *type,
    const struct request_source *s)
{
	struct api_conn *client = r->conn;

	if (client != NULL) {
		api_conn_stream(client, type, s);
		return client;
	}
	s->gone(s->arg);
	request_destroy(r);
	return NULL;
}

int
request_room(const struct api_conn *client)
{
	return api_conn_room(client);
}

size_t
request_write(struct api_conn *client, const void *p, size_t n)
{
	return api_conn_write(client, p, n);
}

void
request_end(struct api_conn *client)
{
	api_conn_end(client);
}

void
request_break(struct api_conn *client)
{
	api_conn_break(client);
}
