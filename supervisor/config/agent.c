/*
 * agent.c: agent.yaml, by its table.
 */
#include <stdio.h>
#include <string.h>

#include "card.h"
#include "describe.h"
#include "policy/bounds.h"
#include "policy/path.h"
#include "policy/validate.h"

enum {
	AGENT_RECURSION_MAX = 100000,
	AGENT_ATTEMPTS_MAX = 100,
};

/* ---- its keys ---- */

static const char *
agent_file(struct yaml_node *n)
{
	char path[PATH_SIZE];
	size_t size = strlen(n->text);

	if (n->text[0] == '/' || size >= AGENT_POLICY_FILE_SIZE)
		return "is not the name of a file beside agent.yaml";
	(void)snprintf(path, sizeof(path), "/%s", n->text);
	return path_defect(path) == NULL
		   ? NULL
		   : "is not the name of a file beside agent.yaml";
}

static const char *
agent_argument(struct yaml_node *n)
{
	return strlen(n->text) < AGENT_STRINGS_MAX ? NULL
						   : "is longer than 32 KiB";
}

/* clang-format off */
#define KEY(name, type, flags, doc) \
	{ name, &(type), flags, SCHEMA_SELF, SCHEMA_BUILD, NULL, doc }
#define END { NULL, NULL, 0, SCHEMA_SELF, 0, NULL, NULL }

static const struct schema_type agent_any = { .shape = SCHEMA_ANY };
static const struct schema_type agent_name = { .shape = SCHEMA_STRING,
	.form = form_name, .wants = "a name" };
static const struct schema_type agent_prose = { .shape = SCHEMA_TEXT,
	.form = form_text, .wants = "text" };
static const struct schema_type agent_protocol = { .shape = SCHEMA_WORD,
	.words = (const struct schema_word[]){
		{ "native", SCHEMA_BUILD }, { "plain", SCHEMA_BUILD },
		{ NULL, 0 } },
	.wants = "native or plain" };
static const struct schema_type agent_word = { .shape = SCHEMA_STRING,
	.form = agent_argument, .numbers = 1, .wants = "a string" };
static const struct schema_type agent_command = { .shape = SCHEMA_LIST,
	.item = &agent_word, .min = 1, .wants = "a list of arguments" };
static const struct schema_type agent_value = { .shape = SCHEMA_STRING,
	.form = form_env_value, .numbers = 1, .wants = "a string" };
static const struct schema_type agent_env = { .shape = SCHEMA_DICT,
	.form = form_env_name, .item = &agent_value,
	.wants = "variables and their values" };
static const struct schema_type agent_policy_file = { .shape = SCHEMA_STRING,
	.form = agent_file, .wants = "a file beside agent.yaml" };
static const struct schema_type agent_policy = { .shape = SCHEMA_UNION,
	.scalar = &agent_policy_file, .map = &agent_any,
	.wants = "a file beside agent.yaml, or a policy" };
static const struct schema_type agent_schemas = { .shape = SCHEMA_MAP,
	.wants = "JSON Schemas", .keys = (const struct schema_key[]){
	KEY("input", agent_any, 0, "Of a run's input."),
	KEY("output", agent_any, 0, "Of its result."),
	KEY("state", agent_any, 0, "Of a thread's values."),
	KEY("config", agent_any, 0, "Of config.configurable."),
	KEY("context", agent_any, 0, "Of the context."),
	END } };
static const struct schema_type agent_recursion = { .shape = SCHEMA_INT,
	.min = 1, .max = AGENT_RECURSION_MAX,
	.wants = "a number from 1 to 100000" };
static const struct schema_type agent_defaults = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("config", agent_any, 0, "Configuration of a run that brings none."),
	KEY("context", agent_any, 0, "The same for its context."),
	KEY("recursion_limit", agent_recursion, 0, "Steps of a run."),
	END } };
static const struct schema_type agent_time = { .shape = SCHEMA_TIME,
	.min = BOUND_TIME_MIN, .max = BOUND_TIME_MAX,
	.wants = "a time such as 500ms, 10s, 10m, 2h or 1d (at most 366d)" };
static const struct schema_type agent_attempts = { .shape = SCHEMA_INT,
	.min = 1, .max = AGENT_ATTEMPTS_MAX,
	.wants = "a number from 1 to 100" };
static const struct schema_type agent_retry = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("attempts", agent_attempts, 0, "How often a run is tried."),
	KEY("backoff", agent_time, 0, "Before the second; then doubled."),
	END } };

static const struct schema_type agent_type = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("name", agent_name, SCHEMA_REQUIRED, "Its graph id."),
	KEY("summary", agent_prose, 0, "One sentence."),
	KEY("protocol", agent_protocol, 0, "How it is spoken to; native."),
	KEY("command", agent_command, SCHEMA_REQUIRED, "What runs in the jail."),
	KEY("env", agent_env, 0, "Variables set for it."),
	KEY("policy", agent_policy, 0, "What it may do."),
	KEY("schemas", agent_schemas, 0, "What is read and written."),
	KEY("defaults", agent_defaults, 0, "Of its assistants."),
	KEY("timeout", agent_time, 0, "Of a run."),
	KEY("retry", agent_retry, 0, "Of a run that fails."),
	KEY("nodes", agent_any, 0, "Of its graph, for people."),
	KEY("edges", agent_any, 0, "Of its graph, for people."),
	END } };

/* clang-format on */

/* ---- the record ---- */

static void
agent_put(struct describe *d, const struct yaml_node *at, const char *name,
    const char *value)
{
	struct agent_record *r = &d->record.agent;
	size_t left = sizeof(r->strings) - r->nstrings;
	int n = snprintf(r->strings + r->nstrings, left, "%s%s%s", name,
	    *name != '\0' ? "=" : "", value);

	if (n < 0 || (size_t)n >= left)
		diag_error(&d->diag, yaml_place(at),
		    "command and env are longer than %d bytes together",
		    AGENT_STRINGS_MAX);
	else
		r->nstrings += (uint32_t)n + 1;
}

static void
agent_count(struct describe *d, const struct yaml_node *list, unsigned max)
{
	if (list != NULL && list->count > max)
		diag_error(&d->diag, yaml_place(list), "more than %u", max);
}

static void
agent_strings(struct describe *d, const struct yaml_node *root)
{
	const struct yaml_node *command = yaml_get(root, "command"), *n;
	const struct yaml_node *env = yaml_get(root, "env");
	struct agent_record *r = &d->record.agent;

	agent_count(d, command, AGENT_ARGS_MAX);
	agent_count(d, env, AGENT_ENV_MAX);
	if (d->diag.errors.count > 0)
		return;
	for (n = command->first; n != NULL; n = n->next, r->nargs++) {
		if (r->nargs == 0 && n->text[0] == '\0')
			diag_error(&d->diag, yaml_place(n),
			    "the program has no name");
		agent_put(d, n, "", n->text);
	}
	for (n = env == NULL ? NULL : env->first; n != NULL;
	     n = n->next, r->nenv++)
		agent_put(d, n, n->key->text, n->text);
}

static void
agent_policy_of(struct agent_record *r, const struct yaml_node *policy)
{
	if (policy == NULL)
		return;
	r->policy = AGENT_POLICY_INLINE;
	if (policy->kind == YAML_MAP)
		return;
	r->policy = AGENT_POLICY_FILE;
	(void)snprintf(r->policy_file, sizeof(r->policy_file), "%s",
	    policy->text);
}

/* ---- the card ---- */

static void
agent_number(struct card *c, const struct yaml_node *n, const char *name)
{
	if (n != NULL)
		card_number(c, name, n->number);
}

static void
agent_card(struct describe *d, const struct yaml_node *root)
{
	static const char *const words[] = { "native", "plain" };
	static const char *const trees[] = { "schemas", "defaults", "nodes",
		"edges" };
	const struct yaml_node *retry = yaml_get(root, "retry"), *n;
	struct card c;
	size_t i;

	card_begin(&c, &d->diag, d->card, sizeof(d->card));
	card_string(&c, "name", yaml_get(root, "name")->text);
	if ((n = yaml_get(root, "summary")) != NULL)
		card_string(&c, "summary", n->text);
	card_string(&c, "protocol", words[d->record.agent.protocol]);
	agent_number(&c, yaml_get(root, "timeout"), "timeout_ms");
	if (retry != NULL) {
		card_open(&c, "retry");
		agent_number(&c, yaml_get(retry, "attempts"), "attempts");
		agent_number(&c, yaml_get(retry, "backoff"), "backoff_ms");
		card_close(&c);
	}
	for (i = 0; i < countof(trees); i++)
		if ((n = yaml_get(root, trees[i])) != NULL)
			card_tree(&c, trees[i], n);
	d->card_size = card_end(&c, yaml_place(root));
}

int
agent_describe(struct describe *d, struct yaml_node *root)
{
	struct agent_record *r = &d->record.agent;
	const struct yaml_node *protocol;

	if (validate_as(root, &agent_type, "agent", &d->diag) == -1)
		return -1;
	memset(r, 0, sizeof(*r));
	r->magic = AGENT_RECORD_MAGIC;
	r->version = AGENT_RECORD_VERSION;
	r->size = sizeof(*r);
	protocol = yaml_get(root, "protocol");
	r->protocol =
	    protocol == NULL ? AGENT_NATIVE : (uint32_t)protocol->number;
	(void)snprintf(r->name, sizeof(r->name), "%s",
	    yaml_get(root, "name")->text);
	agent_policy_of(r, yaml_get(root, "policy"));
	agent_strings(d, root);
	agent_card(d, root);
	d->record_size = sizeof(*r);
	return d->diag.errors.count == 0 ? 0 : -1;
}
