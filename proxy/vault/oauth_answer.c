#include "oauth_answer.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "entry.h"
#include "text.h"

static void
oauth_json_finish(json_t **j)
{
	json_decref(*j);
}

/* RFC 6749, 5.2: the code is one of a list, but lists grow. */
static int
oauth_answer_error(long status, const json_t *j, struct err *e)
{
	const char *code = json_string_value(json_object_get(j, "error"));
	char shown[64];

	if (code == NULL)
		return err_set(e, ERR_DENIED, "the token endpoint answers %ld",
		    status);
	(void)text_escape(shown, sizeof(shown), code,
	    strnlen(code, sizeof(shown)));
	return err_set(e, ERR_DENIED, "the token endpoint answers %ld, %s",
	    status, shown);
}

/* 0 with *ret NULL where the member is not there. */
static int
oauth_answer_secret(const json_t *j, const char *name, struct secret **ret,
    struct err *e)
{
	const json_t *v = json_object_get(j, name);

	if (v == NULL)
		return 0;
	if (!json_is_string(v))
		return err_set(e, ERR_CORRUPT, "%s is no string", name);
	if (entry_check_secret(json_string_value(v), json_string_length(v),
		e) == -1)
		return err_wrap(e, "%s", name);
	return secret_create(json_string_value(v), json_string_length(v), ret,
	    e);
}

static int
oauth_answer_expires(const json_t *j, uint64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(j, "expires_in");
	json_int_t s;

	*ret = 0;
	if (v == NULL)
		return 0;
	s = json_integer_value(v);
	if (!json_is_integer(v) || s <= 0)
		return err_set(e, ERR_CORRUPT,
		    "expires_in is no number of seconds");
	*ret = s > OAUTH_EXPIRES_MAX_S ? OAUTH_EXPIRES_MAX_S : (uint64_t)s;
	return 0;
}

static int
oauth_answer_good(const json_t *j, struct oauth_answer *a, struct err *e)
{
	const char *type = json_string_value(json_object_get(j, "token_type"));

	if (type == NULL || strcasecmp(type, "bearer") != 0)
		return err_set(e, ERR_CORRUPT,
		    "the token endpoint's answer is no bearer token");
	if (oauth_answer_expires(j, &a->expires_s, e) == -1 ||
	    oauth_answer_secret(j, "access_token", &a->access, e) == -1 ||
	    oauth_answer_secret(j, "refresh_token", &a->refresh, e) == -1)
		return -1;
	if (a->access == NULL)
		return err_set(e, ERR_CORRUPT,
		    "the token endpoint's answer has no access_token");
	return 0;
}

int
oauth_answer_read(long status, const void *p, size_t n,
    struct oauth_answer *ret, struct err *e)
{
	cleanup(oauth_json_finish) json_t *j = NULL;
	struct oauth_answer a = { 0 };

	if (n <= OAUTH_ANSWER_MAX)
		j = json_loadb(p, n, JSON_REJECT_DUPLICATES, NULL);
	if (status != 200)
		return oauth_answer_error(status, j, e);
	if (!json_is_object(j))
		return err_set(e, ERR_CORRUPT,
		    "the token endpoint's answer is no JSON object");
	if (oauth_answer_good(j, &a, e) == -1) {
		oauth_answer_finish(&a);
		return -1;
	}
	*ret = a;
	return 0;
}

void
oauth_answer_finish(struct oauth_answer *a)
{
	secret_destroyp(&a->access);
	secret_destroyp(&a->refresh);
}
