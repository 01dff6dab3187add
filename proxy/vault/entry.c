#include "entry.h"

#include <stdio.h>
#include <string.h>

#include "policy/canon.h"
#include "text.h"

static const char *const entry_kinds[] = {
#define X(name, text, what) text,
	ENTRY_KINDS(X)
#undef X
};

static const char *const entry_auths[] = {
#define X(name, text) text,
	ENTRY_AUTHS(X)
#undef X
};

static uint32_t
entry_word(const char *const words[], uint32_t n, const char *word)
{
	uint32_t i;

	for (i = 0; i < n && strcmp(words[i], word) != 0; i++)
		;
	return i;
}

const char *
entry_kind_name(uint32_t kind)
{
	return kind < ENTRY_KIND__MAX ? entry_kinds[kind] : "?";
}

enum entry_kind
entry_kind_find(const char *name)
{
	return (enum entry_kind)entry_word(entry_kinds, ENTRY_KIND__MAX, name);
}

enum entry_auth
entry_auth_find(const char *name)
{
	return (enum entry_auth)entry_word(entry_auths, ENTRY_AUTH__MAX, name);
}

/* ---- what is accepted ---- */

static int
entry_is_word(const char *s, size_t n)
{
	static const char more[] = "._-";
	size_t i;

	if (n == 0 || n > ENTRY_USER_MAX)
		return 0;
	for (i = 0; i < n; i++) {
		int alnum = (s[i] >= 'a' && s[i] <= 'z') ||
			    (s[i] >= 'A' && s[i] <= 'Z') ||
			    (s[i] >= '0' && s[i] <= '9');

		if (!alnum &&
		    (i == 0 || memchr(more, s[i], sizeof(more) - 1) == NULL))
			return 0;
	}
	return 1;
}

static int
entry_is_name(const char *s, size_t n)
{
	const char *slash;

	if (n > ENTRY_NAME_MAX)
		return 0;
	while ((slash = memchr(s, '/', n)) != NULL) {
		size_t k = (size_t)(slash - s);

		if (!entry_is_word(s, k))
			return 0;
		s = slash + 1;
		n -= k + 1;
	}
	return entry_is_word(s, n);
}

int
entry_check_name(const char *name, struct err *e)
{
	char shown[128];

	if (entry_is_name(name, strlen(name)))
		return 0;
	(void)text_escape(shown, sizeof(shown), name,
	    strnlen(name, sizeof(shown)));
	return err_set(e, ERR_INVALID,
	    "\"%s\" is not the name of a credential, such as github/bot",
	    shown);
}

static int
entry_is_printable(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			return 0;
	return 1;
}

int
entry_check_secret(const void *p, size_t n, struct err *e)
{
	const char *s = p;

	if (n == 0)
		return err_set(e, ERR_INVALID, "the secret is empty");
	if (n > SECRET_MAX)
		return err_set(e, ERR_LIMIT,
		    "a secret has at most %d bytes, this one %zu", SECRET_MAX,
		    n);
	if (!entry_is_printable(s, n))
		return err_set(e, ERR_INVALID,
		    "a secret is printable ASCII; this one has a control "
		    "character or a byte above 0x7e");
	if (s[0] == ' ' || s[n - 1] == ' ')
		return err_set(e, ERR_INVALID,
		    "the secret begins or ends with a blank");
	return 0;
}

/* Canonical, or "*." and a canonical name. */
static int
entry_is_host(struct entry_str host)
{
	char copy[CANON_HOST_SIZE];
	size_t star = host.n > 2 && memcmp(host.p, "*.", 2) == 0 ? 2 : 0;

	if (host.n - star > CANON_HOST_MAX)
		return 0;
	memcpy(copy, host.p + star, host.n - star);
	copy[host.n - star] = '\0';
	return strlen(copy) == host.n - star && canon_is_host(copy);
}

static int
entry_check_lists(const struct entry *n, struct err *e)
{
	uint32_t i;

	if (n->nto == 0)
		return err_set(e, ERR_CORRUPT, "an entry without destination");
	for (i = 0; i < n->nto; i++)
		if (!entry_is_host(n->to[i].host) || n->to[i].port == 0)
			return err_set(e, ERR_CORRUPT, "a bad destination");
	for (i = 0; i < n->nusers; i++)
		if (!entry_is_word(n->users[i].p, n->users[i].n))
			return err_set(e, ERR_CORRUPT, "a bad user");
	return 0;
}

static int
entry_check_oauth(const struct entry *n, struct err *e)
{
	int oauth = n->kind != ENTRY_STATIC;
	int refresh = n->kind == ENTRY_REFRESH_TOKEN;

	if (oauth != (n->token_url.n > 0) || oauth != (n->client_id.n > 0) ||
	    refresh != (n->refresh.n > 0) ||
	    (!oauth && n->scope.n + n->ca.n > 0))
		return err_set(e, ERR_CORRUPT, "parts of another kind");
	if (n->token_url.n > ENTRY_TEXT_MAX ||
	    n->client_id.n > ENTRY_TEXT_MAX || n->scope.n > ENTRY_TEXT_MAX ||
	    n->ca.n > ENTRY_CA_MAX || !text_is_utf8(n->ca.p, n->ca.n) ||
	    memchr(n->ca.p, '\0', n->ca.n) != NULL ||
	    !entry_is_printable(n->token_url.p, n->token_url.n) ||
	    !entry_is_printable(n->client_id.p, n->client_id.n) ||
	    !entry_is_printable(n->scope.p, n->scope.n))
		return err_set(e, ERR_CORRUPT, "a bad text");
	return refresh ? entry_check_secret(n->refresh.p, n->refresh.n, e) : 0;
}

static int
entry_check(const struct entry *n, struct err *e)
{
	int bare = n->kind == ENTRY_REFRESH_TOKEN && n->secret.n == 0;

	if (!entry_is_name(n->name.p, n->name.n) ||
	    n->kind >= ENTRY_KIND__MAX || n->auth >= ENTRY_AUTH__MAX ||
	    n->version == 0)
		return err_set(e, ERR_CORRUPT, "a bad name or number");
	if (entry_check_lists(n, e) == -1 || entry_check_oauth(n, e) == -1)
		return -1;
	return bare ? 0 : entry_check_secret(n->secret.p, n->secret.n, e);
}

static int
entry_compare(const struct entry *a, const struct entry *b)
{
	size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int c = memcmp(a->name.p, b->name.p, n);

	return c != 0 ? c : (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

/* ---- reading ---- */

struct entry_reader {
	const unsigned char *p;
	size_t left;
	int bad; /* something lay beyond the end, or was out of its range */
};

static uint64_t
entry_read_number(struct entry_reader *r, unsigned bytes)
{
	uint64_t n = 0;
	unsigned i;

	if (r->left < bytes) {
		r->bad = 1;
		return 0;
	}
	for (i = 0; i < bytes; i++)
		n |= (uint64_t)r->p[i] << (8 * i);
	r->p += bytes;
	r->left -= bytes;
	return n;
}

static uint32_t
entry_read_count(struct entry_reader *r, unsigned bytes, uint32_t most)
{
	uint64_t n = entry_read_number(r, bytes);

	r->bad |= n > most;
	return r->bad ? 0 : (uint32_t)n;
}

static struct entry_str
entry_read_str(struct entry_reader *r, unsigned bytes)
{
	size_t n = (size_t)entry_read_number(r, bytes);
	struct entry_str s = { (const char *)r->p, n };

	if (r->bad || n > r->left) {
		r->bad = 1;
		return (struct entry_str){ "", 0 };
	}
	r->p += n;
	r->left -= n;
	return s;
}

static void
entry_read(struct entry_reader *r, struct entry *n)
{
	uint32_t i;

	n->name = entry_read_str(r, 1);
	n->kind = (uint32_t)entry_read_number(r, 1);
	n->auth = (uint32_t)entry_read_number(r, 1);
	n->version = (uint32_t)entry_read_number(r, 4);
	n->created_s = entry_read_number(r, 8);
	n->changed_s = entry_read_number(r, 8);
	n->nto = entry_read_count(r, 1, ENTRY_TO_MAX);
	for (i = 0; i < n->nto; i++) {
		n->to[i].host = entry_read_str(r, 1);
		n->to[i].port = (uint32_t)entry_read_number(r, 2);
	}
	n->nusers = entry_read_count(r, 1, ENTRY_USERS_MAX);
	for (i = 0; i < n->nusers; i++)
		n->users[i] = entry_read_str(r, 1);
	n->token_url = entry_read_str(r, 2);
	n->client_id = entry_read_str(r, 2);
	n->scope = entry_read_str(r, 2);
	n->ca = entry_read_str(r, 2);
	n->secret = entry_read_str(r, 2);
	n->refresh = entry_read_str(r, 2);
}

int
entry_decode(const void *p, size_t n, struct entry_list *ret, struct err *e)
{
	struct entry_reader r = { p, n, 0 };
	uint32_t i;

	ret->n = entry_read_count(&r, 4, ENTRY_COUNT_MAX);
	for (i = 0; i < ret->n && !r.bad; i++) {
		struct entry *x = &ret->entries[i];

		entry_read(&r, x);
		if (r.bad)
			break;
		if (entry_check(x, e) == -1 ||
		    (i > 0 && entry_compare(x - 1, x) >= 0))
			return err_set(e, ERR_CORRUPT,
			    "entry %u of the vault is malformed", i + 1);
	}
	if (r.bad || r.left > 0)
		return err_set(e, ERR_CORRUPT,
		    "the vault's bytes do not add up");
	return 0;
}

/* ---- writing ---- */

struct entry_writer {
	unsigned char *p;
	size_t left;
	int full;
};

static void
entry_write_number(struct entry_writer *w, uint64_t n, unsigned bytes)
{
	unsigned i;

	if (w->left < bytes) {
		w->full = 1;
		return;
	}
	for (i = 0; i < bytes; i++)
		*w->p++ = (unsigned char)(n >> (8 * i));
	w->left -= bytes;
}

static void
entry_write_str(struct entry_writer *w, struct entry_str s, unsigned bytes)
{
	entry_write_number(w, s.n, bytes);
	if (w->full || s.n > w->left) {
		w->full = 1;
		return;
	}
	memcpy(w->p, s.p, s.n);
	w->p += s.n;
	w->left -= s.n;
}

static void
entry_write(struct entry_writer *w, const struct entry *n)
{
	uint32_t i;

	entry_write_str(w, n->name, 1);
	entry_write_number(w, n->kind, 1);
	entry_write_number(w, n->auth, 1);
	entry_write_number(w, n->version, 4);
	entry_write_number(w, n->created_s, 8);
	entry_write_number(w, n->changed_s, 8);
	entry_write_number(w, n->nto, 1);
	for (i = 0; i < n->nto; i++) {
		entry_write_str(w, n->to[i].host, 1);
		entry_write_number(w, n->to[i].port, 2);
	}
	entry_write_number(w, n->nusers, 1);
	for (i = 0; i < n->nusers; i++)
		entry_write_str(w, n->users[i], 1);
	entry_write_str(w, n->token_url, 2);
	entry_write_str(w, n->client_id, 2);
	entry_write_str(w, n->scope, 2);
	entry_write_str(w, n->ca, 2);
	entry_write_str(w, n->secret, 2);
	entry_write_str(w, n->refresh, 2);
}

size_t
entry_bound(const struct entry_list *l)
{
	/* Numbers and lengths of an entry, of a destination. */
	enum {
		HEAD = 64,
		TO = 3
	};

	size_t bytes = 4;
	uint32_t i, k;

	for (i = 0; i < l->n; i++) {
		const struct entry *n = &l->entries[i];

		bytes += HEAD + n->name.n + n->token_url.n + n->client_id.n +
			 n->scope.n + n->ca.n + n->secret.n + n->refresh.n;
		for (k = 0; k < n->nto; k++)
			bytes += TO + n->to[k].host.n;
		for (k = 0; k < n->nusers; k++)
			bytes += 1 + n->users[k].n;
	}
	return bytes;
}

static int
entry_order(const void *a, const void *b)
{
	return entry_compare(a, b);
}

int
entry_encode(struct entry_list *l, void *p, size_t room, size_t *ret_n,
    struct err *e)
{
	struct entry_writer w = { p, room, 0 };
	uint32_t i;

	qsort(l->entries, l->n, sizeof(l->entries[0]), entry_order);
	entry_write_number(&w, l->n, 4);
	for (i = 0; i < l->n; i++) {
		if (entry_check(&l->entries[i], e) == -1)
			return -1;
		entry_write(&w, &l->entries[i]);
	}
	if (w.full)
		return err_set(e, ERR_LIMIT, "%zu bytes are too few", room);
	*ret_n = room - w.left;
	return 0;
}

/* ---- using ---- */

struct entry_str
entry_str(const char *s)
{
	return (struct entry_str){ s, strlen(s) };
}

int
entry_str_is(struct entry_str a, const char *s)
{
	return strlen(s) == a.n && memcmp(a.p, s, a.n) == 0;
}

struct entry *
entry_find(struct entry_list *l, const char *name)
{
	uint32_t i;

	for (i = 0; i < l->n; i++)
		if (entry_str_is(l->entries[i].name, name))
			return &l->entries[i];
	return NULL;
}

struct entry *
entry_add(struct entry_list *l)
{
	struct entry *n;

	if (l->n == ENTRY_COUNT_MAX)
		return NULL;
	n = &l->entries[l->n++];
	memset(n, 0, sizeof(*n));
	n->token_url = n->client_id = n->scope = n->ca = n->secret =
	    n->refresh = entry_str("");
	return n;
}

void
entry_remove(struct entry_list *l, struct entry *entry)
{
	size_t after = l->n - (size_t)(entry - l->entries) - 1;

	memmove(entry, entry + 1, after * sizeof(*entry));
	l->n--;
}

/* A star stands for one label. */
static int
entry_host_matches(struct entry_str pattern, const char *host)
{
	const char *dot;

	if (pattern.p[0] != '*')
		return entry_str_is(pattern, host);
	dot = strchr(host, '.');
	return dot != NULL && dot != host &&
	       entry_str_is((struct entry_str){ pattern.p + 1, pattern.n - 1 },
		   dot);
}

int
entry_serves(const struct entry *entry, const char *host, uint32_t port)
{
	uint32_t i;

	for (i = 0; i < entry->nto; i++)
		if (entry->to[i].port == port &&
		    entry_host_matches(entry->to[i].host, host))
			return 1;
	return 0;
}

int
entry_serves_user(const struct entry *entry, const char *user)
{
	uint32_t i;

	for (i = 0; i < entry->nusers; i++)
		if (entry_str_is(entry->users[i], user))
			return 1;
	return entry->nusers == 0;
}
