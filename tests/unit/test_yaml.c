/* yaml.c: the tree, its places, and the bounds of the subset. */
#include "unit.h"

#include "policy/yaml.h"

static struct arena arena;
static struct diag diag;
static struct yaml_source source = { .name = "p.yaml",
	.dir = "/srv",
	.home = "",
	.arena = &arena };

static struct yaml_node *
parse_bytes(const char *text, size_t size)
{
	arena_finish(&arena);
	diag_init(&diag);
	return yaml_parse(&source, text, size, &diag);
}

static struct yaml_node *
parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void
yaml_parse__nested__kinds_and_places(void **state)
{
	const struct yaml_node *root, *list, *n;

	(void)state;
	root = parse("a: 1\n"
		     "b:\n"
		     "  - x\n"
		     "  - {c: true, d: 0.5, e: \"1\", f: }\n");
	assert_non_null(root);
	assert_int_equal(YAML_MAP, root->kind);
	assert_int_equal(2, root->count);
	assert_int_equal(YAML_INT, yaml_get(root, "a")->kind);
	list = yaml_get(root, "b");
	assert_int_equal(YAML_LIST, list->kind);
	assert_int_equal(3, list->first->line);
	assert_int_equal(5, list->first->column);
	n = list->first->next;
	assert_int_equal(YAML_BOOL, yaml_get(n, "c")->kind);
	assert_int_equal(YAML_FLOAT, yaml_get(n, "d")->kind);
	assert_int_equal(YAML_STRING, yaml_get(n, "e")->kind);
	assert_int_equal(YAML_NULL, yaml_get(n, "f")->kind);
	assert_int_equal(15, yaml_get(n, "d")->key->column);
	assert_null(yaml_get(n, "g"));
	assert_null(yaml_get(list, "c"));
}

static void
yaml_parse__wide_characters__columns_count_characters(void **state)
{
	(void)state;
	assert_null(parse("\xc3\xbc\xc3\xbc: \xff\n"));
	assert_string_equal("p.yaml:1:5: this byte (0xff) is not UTF-8\n",
	    diag.errors.buf);
	assert_null(parse("a: 1\n\xe4\xbd\xa0: &x 1\n"));
	assert_string_equal("p.yaml:2:4: anchors are not accepted\n",
	    diag.errors.buf);
}

static void
yaml_parse__doubtful_words__marked(void **state)
{
	static const struct {
		const char *word;
		enum yaml_kind kind;
		const char *doubt;
	} rows[] = {
		{ "yes", YAML_STRING, "a boolean" },
		{ "Off", YAML_STRING, "a boolean" },
		{ "y", YAML_STRING, "a boolean" },
		{ "TRUE", YAML_STRING, "a boolean" },
		{ "true", YAML_BOOL, NULL },
		{ "yesterday", YAML_STRING, NULL },
		{ "0", YAML_INT, NULL },
		{ "-7", YAML_INT, NULL },
		{ "007", YAML_STRING, "a number" },
		{ "0x1F", YAML_STRING, "a number" },
		{ "0o17", YAML_STRING, "a number" },
		{ "1_000", YAML_STRING, "a number" },
		{ "+1", YAML_STRING, "a number" },
		{ "1e3", YAML_STRING, "a number" },
		{ ".5", YAML_STRING, "a number" },
		{ ".inf", YAML_STRING, "a number" },
		{ "12:30:45", YAML_STRING, "a number" },
		{ "1.2.3", YAML_STRING, NULL },
		{ "10m", YAML_STRING, NULL },
		{ "4GiB", YAML_STRING, NULL },
		{ "10.0.0.0/8", YAML_STRING, NULL },
		{ "~", YAML_NULL, NULL },
		{ "NULL", YAML_NULL, NULL },
		{ "'~'", YAML_STRING, NULL },
		{ "'yes'", YAML_STRING, NULL },
		{ "\"12\"", YAML_STRING, NULL },
	};
	const struct yaml_node *n;
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < countof(rows); i++) {
		(void)snprintf(text, sizeof(text), "a: %s\n", rows[i].word);
		n = yaml_get(parse(text), "a");
		assert_non_null(n);
		if (n->kind != rows[i].kind ||
		    (n->doubt == NULL) != (rows[i].doubt == NULL) ||
		    (n->doubt != NULL && strcmp(n->doubt, rows[i].doubt) != 0))
			fail_msg("%s: kind %d, doubt %s", rows[i].word, n->kind,
			    n->doubt == NULL ? "none" : n->doubt);
	}
}

static void
yaml_parse__size__one_past_refused(void **state)
{
	char *text = test_malloc(YAML_SIZE_MAX + 1);

	(void)state;
	memset(text, '#', YAML_SIZE_MAX + 1);
	memcpy(text, "a: 1\n", 5);
	assert_non_null(parse_bytes(text, YAML_SIZE_MAX));
	assert_null(parse_bytes(text, YAML_SIZE_MAX + 1));
	assert_non_null(strstr(diag.errors.buf, "larger than 1 MiB"));
	test_free(text);
}

static void
yaml_parse__depth__one_past_refused(void **state)
{
	char text[64] = "a: ";

	(void)state;
	/* The mapping is the first level. */
	memset(text + 3, '[', YAML_DEPTH_MAX - 1);
	memset(text + 3 + YAML_DEPTH_MAX - 1, ']', YAML_DEPTH_MAX - 1);
	assert_non_null(parse(text));
	memset(text, 0, sizeof(text));
	memcpy(text, "a: ", 3);
	memset(text + 3, '[', YAML_DEPTH_MAX);
	memset(text + 3 + YAML_DEPTH_MAX, ']', YAML_DEPTH_MAX);
	assert_null(parse(text));
	assert_string_equal("p.yaml:1:19: nested deeper than 16 levels\n",
	    diag.errors.buf);
}

static void
yaml_parse__scalar_and_list__one_past_refused(void **state)
{
	char *text = test_malloc(YAML_SCALAR_MAX + 64);
	size_t i;

	(void)state;
	memcpy(text, "a: ", 3);
	memset(text + 3, 'x', YAML_SCALAR_MAX);
	text[3 + YAML_SCALAR_MAX] = '\0';
	assert_non_null(parse(text));
	memcpy(text + 3 + YAML_SCALAR_MAX, "x", 2);
	assert_null(parse(text));
	assert_non_null(strstr(diag.errors.buf, "more than 16384 bytes"));
	memcpy(text, "a: [", 4);
	for (i = 0; i < YAML_ITEMS_MAX; i++)
		memcpy(text + 4 + 2 * i, "x,", 2);
	memcpy(text + 4 + 2 * i, "]", 2);
	assert_non_null(parse(text));
	memcpy(text + 4 + 2 * i, "x]", 3);
	assert_null(parse(text));
	assert_non_null(strstr(diag.errors.buf, "more than 1024 items"));
	test_free(text);
}

static void
yaml_parse__values__one_past_refused(void **state)
{
	size_t rows = YAML_ITEMS_MAX, columns = 64, i, j, n = 0;
	char *text = test_malloc(rows * (2 * columns + 4) + 64);

	(void)state;
	/* 1024 lists of 64 are more than YAML_NODES_MAX. */
	for (i = 0; i < rows; i++) {
		n += (size_t)snprintf(text + n, 8, i == 0 ? "[[" : ",[");
		for (j = 0; j < columns; j++)
			n += (size_t)snprintf(text + n, 8, "%s1",
			    j == 0 ? "" : ",");
		n += (size_t)snprintf(text + n, 8, "]");
	}
	(void)snprintf(text + n, 8, "]");
	assert_null(parse(text));
	assert_non_null(strstr(diag.errors.buf, "more than 65536 values"));
	test_free(text);
}

static void
diag_error__many_lines__bounded_and_escaped(void **state)
{
	struct diag_place at = { "a\nb", 3, 4 };
	int i;

	(void)state;
	diag_init(&diag);
	diag_error(&diag, at, "the word \"%s\"", "\x1b[31m");
	assert_string_equal("a\\x0ab:3:4: the word \"\\x1b[31m\"\n",
	    diag.errors.buf);
	for (i = 0; i < 1000; i++)
		diag_error(&diag, at, "again");
	assert_int_equal(1001, diag.errors.count);
	assert_non_null(strstr(diag.errors.buf, "further messages"));
	assert_true(strlen(diag.errors.buf) < 4096);
}

static int
teardown(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_parse__nested__kinds_and_places),
		cmocka_unit_test(
		    yaml_parse__wide_characters__columns_count_characters),
		cmocka_unit_test(yaml_parse__doubtful_words__marked),
		cmocka_unit_test(yaml_parse__size__one_past_refused),
		cmocka_unit_test(yaml_parse__depth__one_past_refused),
		cmocka_unit_test(yaml_parse__scalar_and_list__one_past_refused),
		cmocka_unit_test(yaml_parse__values__one_past_refused),
		cmocka_unit_test(diag_error__many_lines__bounded_and_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
