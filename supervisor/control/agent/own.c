#include "own.h"

#include <string.h>

static int
own_show_base(json_t *params, const struct storage_checkpoint *base,
    struct blobs *b, struct err *e)
{
	json_t *j = json_pack("{s:s, s:s?, s:s}", "checkpoint_id",
	    base->checkpoint_id, "parent_id", base->parent_id, "ns",
	    base->ns != NULL ? base->ns : "");
	json_t *metadata = NULL;

	if (json_object_set_new(params, "checkpoint", j) == -1)
		return err_set(e, ERR_SYSTEM, "memory for a question");
	if (base->metadata != NULL &&
	    json_parse(base->metadata, strlen(base->metadata), NULL, &metadata,
		NULL) == 0)
		(void)json_object_set_new(j, "metadata", metadata);
	return graph_show_own(j, base, b, e);
}

int
own_ask(json_t *params, const struct own_place *p, json_t *updates,
    struct blobs *b, struct err *e)
{
	if (json_object_set_new(params, "thread_id",
		json_string(p->thread_id)) == -1 ||
	    json_object_set_new(params, "ns", json_string(p->ns)) == -1 ||
	    json_object_set(params, "updates", updates) == -1)
		return err_set(e, ERR_SYSTEM, "memory for a question");
	return p->base != NULL ? own_show_base(params, p->base, b, e) : 0;
}

int
own_read(const json_t *answer, const struct own_place *p, struct blobs *b,
    struct graph_put *t, struct storage_checkpoint_put_request *ret,
    struct err *e)
{
	struct err why;

	if (graph_put_read(answer, b, t, ret, &why) == -1)
		/* asking again does not help, but with memory */
		return err_set(e,
		    why.code == ERR_SYSTEM ? ERR_SYSTEM : ERR_INVALID,
		    "the agent's checkpoint: %s", why.msg);
	if (ret->type == NULL || ret->versions == NULL ||
	    strcmp(ret->versions, "{}") == 0)
		return err_set(e, ERR_INVALID,
		    "the agent's checkpoint has no channels");
	if (p->base != NULL &&
	    strcmp(ret->checkpoint_id, p->base->checkpoint_id) == 0)
		return err_set(e, ERR_INVALID,
		    "the agent's checkpoint has the id of the one before it");
	ret->thread_id = p->thread_id;
	ret->ns = p->ns;
	ret->parent_id = p->base != NULL ? p->base->checkpoint_id : NULL;
	return 0;
}

json_t *
own_metadata(const struct graph_put *t)
{
	static const char *const ours[] = { "warder", "run_id", "run_attempt",
		"graph_id", "assistant_id" };
	json_t *m = t->metadata != NULL
			? json_copy((json_t *)(uintptr_t)t->metadata)
			: json_object();
	size_t i;

	for (i = 0; m != NULL && i < countof(ours); i++)
		(void)json_object_del(m, ours[i]);
	return m;
}
