#include "answer.h"

#include <string.h>

#include "http1.h"
#include "policy/explain.h"

enum {
	ANSWER_CHALLENGE = 401,
};

/* The body, behind its head. */
static int
answer_write(struct buf *out, unsigned status, const char *body, size_t size,
    int head, struct err *e)
{
	static const char type[] = "application/problem+json";
	static const char basic[] = "Basic realm=\"warder\"";
	autohttp1_head h;

	http1_head_init(&h, HTTP1_RESPONSE, NULL);
	if (http1_head_make_response(&h, status, NULL, e) == -1 ||
	    (status == ANSWER_CHALLENGE &&
		http1_head_add(&h, "WWW-Authenticate", basic, sizeof(basic) - 1,
		    e) == -1) ||
	    http1_head_add(&h, "Content-Type", type, sizeof(type) - 1, e) ==
		-1 ||
	    http1_head_add(&h, "Cache-Control", "no-store", 8, e) == -1 ||
	    http1_head_add(&h, "Connection", "close", 5, e) == -1 ||
	    http1_head_set_framing(&h, HTTP1_BODY_LENGTH, size, e) == -1 ||
	    http1_head_write(&h, out, e) == -1)
		return -1;
	return head ? 0 : buf_append(out, body, size, e);
}

/*
 * Clients of Basic say who they are only when they are asked to (RFC 7617,
 * 2), git with a user in its URL among them: they are asked, so that their
 * placeholder comes.
 */
static unsigned
answer_status(const struct plan_net *net, const struct verdict *v)
{
	const struct plan_net_service *s;
	uint32_t i;

	if (v->code != REFUSAL_credential_missing ||
	    v->service == PLAN_NET_NONE)
		return (unsigned)refusal_http(v->code);
	s = plan_net_service(net, v->service);
	for (i = s->first_inject; i < s->first_inject + s->ninjects; i++)
		if (plan_net_inject(net, i)->credential == v->credential &&
		    plan_net_inject(net, i)->as == PLAN_NET_AS_BASIC)
			return ANSWER_CHALLENGE;
	return (unsigned)refusal_http(v->code);
}

int
answer_refusal(struct buf *out, const struct guest *g, const struct intent *in,
    const struct verdict *v, int head, struct err *e)
{
	char body[EXPLAIN_RECORD_SIZE];
	struct text t;

	text_init(&t, body, sizeof(body));
	explain_record(g->net, in, v, g->now->policy, g->run, &t);
	text_add(&t, "\n");
	if (t.truncated)
		return answer_failure(out, g, answer_status(g->net, v), v->code,
		    "a request", refusal_text(v->code), head, e);
	return answer_write(out, answer_status(g->net, v), body, t.len, head,
	    e);
}

int
answer_failure(struct buf *out, const struct guest *g, unsigned status,
    enum refusal_code code, const char *what, const char *detail, int head,
    struct err *e)
{
	char body[EXPLAIN_RECORD_SIZE], digest[SHA256_HEX_SIZE];
	struct text t;

	sha256_hex(g->now->policy, digest);
	text_init(&t, body, sizeof(body));
	text_add(&t, "{\"code\":");
	text_add_json(&t, refusal_name(code));
	text_add(&t, ",\"what\":");
	text_add_json(&t, what);
	text_add(&t, ",\"detail\":");
	text_add_json(&t, detail);
	text_addf(&t, ",\"policy\":\"sha256:%s\",\"run\":", digest);
	text_add_json(&t, g->run);
	text_add(&t, "}\n");
	if (t.truncated)
		return err_set(e, ERR_LIMIT, "an answer is too long");
	return answer_write(out, status, body, t.len, head, e);
}

int
answer_connected(struct buf *out, struct err *e)
{
	static const char text[] =
	    "HTTP/1.1 200 Connection established\r\n\r\n";

	return buf_append(out, text, sizeof(text) - 1, e);
}
