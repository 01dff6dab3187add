/* proxy/vault: what is kept, in which form, and whom it may serve. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proxy/vault/store.h"

static struct store vault; /* large */
static struct entry_list list;

struct place {
	char path[64];
	int dir;
	struct secret *key;
};

static int
place_open(void **state)
{
	static struct place p;
	struct err e = { 0 };

	(void)snprintf(p.path, sizeof(p.path), "/tmp/vault-XXXXXX");
	assert_non_null(mkdtemp(p.path));
	p.dir = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p.dir >= 0);
	assert_int_equal(secret_create("0123456789abcdef0123456789abcdef", 32,
			     &p.key, &e),
	    0);
	*state = &p;
	return 0;
}

static int
place_close(void **state)
{
	struct place *p = *state;

	(void)unlinkat(p->dir, "entries", 0);
	(void)unlinkat(p->dir, "lock", 0);
	(void)unlinkat(p->dir, "key", 0);
	(void)close(p->dir);
	secret_destroy(p->key);
	return rmdir(p->path);
}

static struct entry *
add(struct entry_list *l, const char *name, const char *secret)
{
	struct entry *n = entry_add(l);

	assert_non_null(n);
	n->name = entry_str(name);
	n->version = 1;
	n->nto = 1;
	n->to[0] = (struct entry_to){ entry_str("api.example.com"), 443 };
	n->secret = entry_str(secret);
	return n;
}

static void
save(const struct place *p, const char *name, const char *secret)
{
	struct err e = { 0 };

	if (store_load(&vault, p->dir, p->key, 1, &e) == -1)
		fail_msg("%s", e.msg);
	(void)add(&vault.entries, name, secret);
	if (store_save(&vault, &e) == -1)
		fail_msg("%s", e.msg);
	store_finish(&vault);
}

/* ---- entries ---- */

static void
entry_serves__destinations__exact_or_one_label(void **state)
{
	struct entry n = {
		.nto = 2,
		.to = { { { "api.example.com", 15 }, 443 },
		    { { "*.example.org", 13 }, 8443 } },
	};

	(void)state;
	assert_true(entry_serves(&n, "api.example.com", 443));
	assert_false(entry_serves(&n, "api.example.com", 8443));
	assert_false(entry_serves(&n, "xapi.example.com", 443));
	assert_false(entry_serves(&n, "api.example.com.evil.net", 443));
	assert_true(entry_serves(&n, "a.example.org", 8443));
	assert_false(entry_serves(&n, "example.org", 8443));
	assert_false(entry_serves(&n, "a.b.example.org", 8443));
	assert_false(entry_serves(&n, "evilexample.org", 8443));
	assert_false(entry_serves(&n, ".example.org", 8443));
}

static void
entry_serves_user__users__those_or_anybody(void **state)
{
	struct entry n = { .nusers = 1, .users = { { "alice", 5 } } };
	struct entry all = { 0 };

	(void)state;
	assert_true(entry_serves_user(&n, "alice"));
	assert_false(entry_serves_user(&n, "alic"));
	assert_false(entry_serves_user(&n, "bob"));
	assert_false(entry_serves_user(&n, ""));
	assert_true(entry_serves_user(&all, "bob"));
}

static void
entry_check_secret__what_makes_headers__refused(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = { { "", 0 }, { "a\r\nX: y", 7 }, { "a\nb", 3 }, { "a\0b", 3 },
		{ "caf\xc3\xa9", 5 }, { "a\x7f", 2 }, { " a", 2 }, { "a ", 2 },
		{ "a\tb", 3 } };
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++)
		assert_int_equal(entry_check_secret(bad[i].p, bad[i].n, &e),
		    -1);
	assert_int_equal(entry_check_secret("correct horse~", 14, &e), 0);
}

static void
entry_check_name__path_tricks__refused(void **state)
{
	static const char *const bad[] = { "", "/", "a/", "/a", "a//b", "..",
		".a", "a b", "a\n", "-a", "a/../b" };
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(bad); i++)
		assert_int_equal(entry_check_name(bad[i], &e), -1);
	assert_int_equal(entry_check_name("github/bot-1", &e), 0);
}

static void
entry_encode__and_back__the_same_in_order(void **state)
{
	static unsigned char bytes[4096];
	static struct entry_list back;
	struct err e = { 0 };
	struct entry *n;
	size_t size;

	(void)state;
	list.n = 0;
	(void)add(&list, "zeta", "secret-z");
	n = add(&list, "alpha/x", "client-secret");
	n->kind = ENTRY_REFRESH_TOKEN;
	n->auth = ENTRY_AUTH_POST;
	n->token_url = entry_str("https://login.example.com/token");
	n->client_id = entry_str("client");
	n->scope = entry_str("a b");
	n->refresh = entry_str("refresh-1");
	n->nusers = 1;
	n->users[0] = entry_str("alice");
	n->changed_s = 1700000000;
	assert_int_equal(entry_encode(&list, bytes, sizeof(bytes), &size, &e),
	    0);
	assert_true(size <= entry_bound(&list));
	if (entry_decode(bytes, size, &back, &e) == -1)
		fail_msg("%s", e.msg);
	assert_int_equal(back.n, 2);
	assert_true(entry_str_is(back.entries[0].name, "alpha/x"));
	assert_true(entry_str_is(back.entries[0].refresh, "refresh-1"));
	assert_true(entry_str_is(back.entries[0].users[0], "alice"));
	assert_int_equal(back.entries[0].changed_s, 1700000000);
	assert_true(entry_str_is(back.entries[1].secret, "secret-z"));
}

static void
entry_decode__cut_anywhere_or_longer__refused(void **state)
{
	static unsigned char bytes[1024];
	struct err e = { 0 };
	size_t size, i;

	(void)state;
	list.n = 0;
	(void)add(&list, "a", "secret");
	assert_int_equal(entry_encode(&list, bytes, sizeof(bytes), &size, &e),
	    0);
	assert_int_equal(entry_decode(bytes, size, &list, &e), 0);
	for (i = 0; i < size; i++)
		assert_int_equal(entry_decode(bytes, i, &list, &e), -1);
	assert_refused(entry_decode(bytes, size + 1, &list, &e), &e,
	    ERR_CORRUPT, "add up");
}

static void
entry_encode__what_decode_refuses__not_written(void **state)
{
	static unsigned char bytes[1024];
	struct err e = { 0 };
	size_t size;

	(void)state;
	list.n = 0;
	(void)add(&list, "a", "two\r\nlines");
	assert_int_equal(entry_encode(&list, bytes, sizeof(bytes), &size, &e),
	    -1);
	list.n = 0;
	add(&list, "a", "secret")->nto = 0;
	assert_int_equal(entry_encode(&list, bytes, sizeof(bytes), &size, &e),
	    -1);
}

/* ---- the box ---- */

static void
box_open__any_bit_changed__refused(void **state)
{
	const struct place *p = *state;
	unsigned char box[16 + BOX_OVERHEAD], out[16];
	uint64_t generation = 0;
	struct err e = { 0 };
	size_t i;

	assert_int_equal(box_seal(p->key, 7, "sixteen bytes...", 16, box, &e),
	    0);
	assert_int_equal(box_open(p->key, box, sizeof(box), out, &generation,
			     &e),
	    0);
	assert_int_equal(generation, 7);
	assert_memory_equal(out, "sixteen bytes...", 16);
	assert_null(memmem(box, sizeof(box), "bytes", 5));
	for (i = 0; i < 8 * sizeof(box); i++) {
		box[i / 8] ^= (unsigned char)(1U << i % 8);
		assert_int_equal(box_open(p->key, box, sizeof(box), out,
				     &generation, &e),
		    -1);
		box[i / 8] ^= (unsigned char)(1U << i % 8);
	}
	for (i = 0; i < sizeof(box); i++)
		assert_int_equal(box_open(p->key, box, i, out, &generation, &e),
		    -1);
}

static void
box_open__another_key__refused_and_nothing_left(void **state)
{
	const struct place *p = *state;
	unsigned char box[16 + BOX_OVERHEAD], out[16] = { 1 };
	static const unsigned char zero[16];
	autosecret *other = NULL;
	uint64_t generation;
	struct err e = { 0 };

	assert_int_equal(secret_create("0123456789abcdef0123456789abcdeF", 32,
			     &other, &e),
	    0);
	assert_int_equal(box_seal(p->key, 1, "sixteen bytes...", 16, box, &e),
	    0);
	assert_refused(box_open(other, box, sizeof(box), out, &generation, &e),
	    &e, ERR_CORRUPT, "another key");
	assert_memory_equal(out, zero, 16);
}

/* ---- the files ---- */

static void
store_save__then_load__the_entries(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };
	struct stat st;

	assert_int_equal(store_load(&vault, p->dir, p->key, 0, &e), 0);
	assert_int_equal(vault.entries.n, 0);
	store_finish(&vault);
	save(p, "first", "swordfish");
	save(p, "second", "tunafish");
	assert_int_equal(store_load(&vault, p->dir, p->key, 0, &e), 0);
	assert_int_equal(vault.entries.n, 2);
	assert_int_equal(vault.generation, 2);
	assert_true(entry_str_is(entry_find(&vault.entries, "first")->secret,
	    "swordfish"));
	store_finish(&vault);
	assert_int_equal(fstatat(p->dir, "entries", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
store_file__on_disk__no_secret_no_name(void **state)
{
	const struct place *p = *state;
	char bytes[4096];
	autofd fd = -1;
	ssize_t n;

	save(p, "github/bot", "swordfish");
	fd = openat(p->dir, "entries", O_RDONLY | O_CLOEXEC);
	n = read(fd, bytes, sizeof(bytes));
	assert_true(n > BOX_OVERHEAD);
	assert_null(memmem(bytes, (size_t)n, "swordfish", 9));
	assert_null(memmem(bytes, (size_t)n, "github", 6));
}

static void
store_load__a_link_in_its_place__refused(void **state)
{
	const struct place *p = *state;
	struct err e = { 0 };

	assert_int_equal(symlinkat("/etc/passwd", p->dir, "entries"), 0);
	assert_int_equal(store_load(&vault, p->dir, p->key, 0, &e), -1);
	store_finish(&vault);
}

static void
store_key_read__others_may_read_it__refused(void **state)
{
	const struct place *p = *state;
	autosecret *key = NULL;
	autofd fd = -1, made = -1;
	char path[128];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/key", p->path);
	assert_refused(store_key_open(path, 0, &fd, &e), &e, ERR_NOT_FOUND,
	    "credential set");
	assert_int_equal(store_key_open(path, 1, &made, &e), 0);
	assert_int_equal(store_key_read(made, &key, &e), 0);
	assert_int_equal(secret_size(key), BOX_KEY_SIZE);
	secret_destroyp(&key);
	assert_int_equal(fchmod(made, 0640), 0);
	assert_int_equal(store_key_open(path, 1, &fd, &e), 0);
	assert_refused(store_key_read(fd, &key, &e), &e, ERR_DENIED, "0600");
}

int
main(void)
{
#define IN_PLACE(test) \
	cmocka_unit_test_setup_teardown(test, place_open, place_close)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    entry_serves__destinations__exact_or_one_label),
		cmocka_unit_test(entry_serves_user__users__those_or_anybody),
		cmocka_unit_test(
		    entry_check_secret__what_makes_headers__refused),
		cmocka_unit_test(entry_check_name__path_tricks__refused),
		cmocka_unit_test(entry_encode__and_back__the_same_in_order),
		cmocka_unit_test(entry_decode__cut_anywhere_or_longer__refused),
		cmocka_unit_test(
		    entry_encode__what_decode_refuses__not_written),
		IN_PLACE(box_open__any_bit_changed__refused),
		IN_PLACE(box_open__another_key__refused_and_nothing_left),
		IN_PLACE(store_save__then_load__the_entries),
		IN_PLACE(store_file__on_disk__no_secret_no_name),
		IN_PLACE(store_load__a_link_in_its_place__refused),
		IN_PLACE(store_key_read__others_may_read_it__refused),
	};

	return cmocka_run_group_tests_name("vault", tests, NULL, NULL);
}
