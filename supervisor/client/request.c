#include "request.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "buf.h"
#include "json.h"

enum {
	URL_MAX = 8192,
};

/* One transfer. */
struct transfer {
	CURL *curl;
	struct curl_slist *headers;
	const struct request *request;
	struct request_answer *answer;
	struct buf body;
	const char *address; /* for people */
	int stopped; /* by the request's own piece() */
};

static void
transfer_finish(struct transfer *t)
{
	curl_easy_cleanup(t->curl);
	curl_slist_free_all(t->headers);
	buf_finish(&t->body);
}

#define autotransfer cleanup(transfer_finish) struct transfer

void
request_answer_finish(struct request_answer *a)
{
	json_decref(a->json);
	a->json = NULL;
}

static int
is_stream(const struct transfer *t)
{
	long status = 0;

	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	return t->request->piece != NULL && status == 200;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;

	if (is_stream(t)) {
		t->stopped = t->request->piece(t->request->arg, p, size * n);
		return t->stopped ? 0 : size * n;
	}
	return buf_append(&t->body, p, size * n, NULL) == 0 ? size * n : 0;
}

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	static const char name[] = "location:";
	struct transfer *t = arg;
	size_t len = size * n, from = sizeof(name) - 1;

	if (len > from && strncasecmp(p, name, from) == 0) {
		while (from < len && p[from] == ' ')
			from++;
		while (len > from && (p[len - 1] == '\r' || p[len - 1] == '\n'))
			len--;
		(void)snprintf(t->answer->location, sizeof(t->answer->location),
		    "%.*s", (int)(len - from), p + from);
	}
	return size * n;
}

static void
add_header(struct transfer *t, const char *name, const char *value)
{
	char line[1024];
	struct curl_slist *more;

	if (value == NULL)
		return;
	(void)snprintf(line, sizeof(line), "%s: %s", name, value);
	more = curl_slist_append(t->headers, line);
	if (more != NULL)
		t->headers = more;
}

int
request_is_local(void)
{
	const char *url = getenv("WARDER_URL");

	return url == NULL || *url == '\0' || strncmp(url, "unix:", 5) == 0;
}

static int
check_address(struct err *e)
{
	const char *url = getenv("WARDER_URL");

	if (url == NULL || request_is_local() ||
	    strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0)
		return 0;
	return err_set(e, ERR_INVALID,
	    "WARDER_URL must be http://..., https://... or unix:PATH");
}

static void
set_address(struct transfer *t, const struct request_service *s)
{
	const char *url = getenv("WARDER_URL");
	char full[URL_MAX];

	if (url == NULL || request_is_local()) {
		t->address = url == NULL || *url == '\0' ? s->socket : url + 5;
		curl_easy_setopt(t->curl, CURLOPT_UNIX_SOCKET_PATH, t->address);
		url = "http://localhost";
	} else
		t->address = url;
	(void)snprintf(full, sizeof(full), "%.*s%s",
	    (int)(strlen(url) - (url[strlen(url) - 1] == '/')), url,
	    t->request->path);
	curl_easy_setopt(t->curl, CURLOPT_URL, full);
}

static void
set_file(struct transfer *t)
{
	struct stat st;
	FILE *f = fdopen(t->request->file, "rb");

	if (f == NULL || fstat(t->request->file, &st) == -1)
		return;
	curl_easy_setopt(t->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(t->curl, CURLOPT_READDATA, f);
	curl_easy_setopt(t->curl, CURLOPT_INFILESIZE_LARGE,
	    (curl_off_t)st.st_size);
	add_header(t, "Content-Type", t->request->file_type);
}

static int
set_body(struct transfer *t, char **ret_text, struct err *e)
{
	if (t->request->body == NULL) {
		if (strcmp(t->request->method, "POST") == 0) {
			curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE, 0L);
			curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, "");
			add_header(t, "Content-Type", "");
		}
		return 0;
	}
	if (json_text(t->request->body, ret_text, NULL, e) == -1)
		return -1;
	curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, *ret_text);
	add_header(t, "Content-Type", "application/json");
	return 0;
}

static void
set_manners(struct transfer *t)
{
	CURL *c = t->curl;

	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)REQUEST_CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	if (t->request->piece != NULL) {
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
		    (long)REQUEST_SILENCE_S);
	}
}

/* What a refusal says, by its status. */
static int
refused(const struct request_answer *a, struct err *e)
{
	static const struct {
		long status;
		enum err_code code;
	} codes[] = {
		{ 400, ERR_INVALID },
		{ 401, ERR_DENIED },
		{ 403, ERR_DENIED },
		{ 404, ERR_NOT_FOUND },
		{ 409, ERR_CONFLICT },
		{ 413, ERR_LIMIT },
		{ 422, ERR_INVALID },
		{ 429, ERR_LIMIT },
		{ 501, ERR_UNSUPPORTED },
		{ 503, ERR_LIMIT },
	};

	const char *detail =
	    json_string_value(json_object_get(a->json, "detail"));
	size_t i;

	for (i = 0; i < countof(codes); i++)
		if (codes[i].status == a->status)
			return err_set(e, codes[i].code, "%.400s%s",
			    detail != NULL ? detail : "the service refused it",
			    a->status == 401
				? ": put it into WARDER_API_KEY; the operator "
				  "makes one with \"warder keys create\""
				: "");
	return err_set(e, ERR_CORRUPT, "the service answered %ld: %.300s",
	    a->status, detail != NULL ? detail : "");
}

static int
judge(struct transfer *t, CURLcode code, struct err *e)
{
	struct request_answer *a = t->answer;

	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &a->status);
	if (code != CURLE_OK && a->status == 200 && t->request->piece != NULL) {
		a->cut = !t->stopped;
		return 0;
	}
	if (code != CURLE_OK)
		return err_set(e, ERR_UNSUPPORTED,
		    "the service cannot be reached at %s (%s): is warderd "
		    "running?",
		    t->address, curl_easy_strerror(code));
	if (buf_size(&t->body) > 0 &&
	    json_parse(buf_bytes(&t->body), buf_size(&t->body), NULL, &a->json,
		e) == -1 &&
	    a->status < 300)
		return err_wrap(e, "the service's answer");
	return a->status >= 200 && a->status < 300 ? 0 : refused(a, e);
}

int
request_send(const struct request_service *s, const struct request *r,
    struct request_answer *ret, struct err *e)
{
	autotransfer t = { .request = r, .answer = ret };
	autofree char *text = NULL;

	*ret = (struct request_answer){ 0 };
	buf_init(&t.body, REQUEST_ANSWER_MAX);
	if (check_address(e) == -1)
		return -1;
	t.curl = curl_easy_init();
	if (t.curl == NULL)
		return err_set(e, ERR_SYSTEM, "libcurl");
	set_manners(&t);
	set_address(&t, s);
	curl_easy_setopt(t.curl, CURLOPT_CUSTOMREQUEST, r->method);
	if (!s->is_operator)
		add_header(&t, "X-Api-Key", getenv("WARDER_API_KEY"));
	add_header(&t, "Last-Event-ID", r->last_event);
	add_header(&t, "Idempotency-Key", r->idempotency);
	add_header(&t, "Expect", "");
	if (r->file >= 0)
		set_file(&t);
	else if (set_body(&t, &text, e) == -1)
		return -1;
	curl_easy_setopt(t.curl, CURLOPT_HTTPHEADER, t.headers);
	return judge(&t, curl_easy_perform(t.curl), e);
}
