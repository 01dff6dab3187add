#include "synthetic.h"

#include <string.h>

enum {
	SYNTHETIC_FIRST = 16, /* names there is room for at first */
	SYNTHETIC_IPV4_BYTES = 4,
	SYNTHETIC_IPV6_BYTES = 16,
	SYNTHETIC_IPV6_PREFIX = 8,
};

#define SYNTHETIC_IPV4 0xc6120000U /* 198.18.0.0 */
static const unsigned char synthetic_ipv6[SYNTHETIC_IPV6_PREFIX] = { 0xfd, 'W',
	'a', 'r', 'd', 'e', 'r', 0 };

/*
 * A slot holds a number and one more; 0: nothing.  There are two slots for
 * each name that there is room for; the room doubles, and there is none until
 * the first name.
 */
struct synthetic {
	uint64_t key;
	uint32_t n, room; /* room: a power of two, or 0 */
	char **names;
	uint16_t *slots;
};

_Static_assert((SYNTHETIC_NAMES_MAX & (SYNTHETIC_NAMES_MAX - 1)) == 0 &&
		   SYNTHETIC_NAMES_MAX % (int)SYNTHETIC_FIRST == 0,
    "doubling ends there");
_Static_assert(SYNTHETIC_NAMES_MAX < UINT16_MAX, "a slot holds any number");

int
synthetic_create(uint64_t key, struct synthetic **ret, struct err *e)
{
	struct synthetic *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(e, ERR_SYSTEM, "calloc: names");
	s->key = key;
	*ret = s;
	return 0;
}

void
synthetic_destroy(struct synthetic *s)
{
	uint32_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->n; i++)
		free(s->names[i]);
	free(s->names);
	free(s->slots);
	free(s);
}

/* FNV-1a from a secret start, its bits mixed at the end. */
static size_t
synthetic_hash(const struct synthetic *s, const char *host)
{
	uint64_t h = s->key;

	for (; *host != '\0'; host++)
		h = (h ^ (unsigned char)*host) * 0x100000001b3U;
	h ^= s->key >> 32 | s->key << 32;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdU;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53U;
	return (size_t)(h ^ h >> 33) & (2 * s->room - 1);
}

/* The slot where the name is or belongs; half of them are free at least. */
static uint16_t *
synthetic_slot(struct synthetic *s, const char *host)
{
	size_t i = synthetic_hash(s, host);

	while (s->slots[i] != 0 && strcmp(s->names[s->slots[i] - 1], host) != 0)
		i = (i + 1) & (2 * s->room - 1);
	return &s->slots[i];
}

static int
synthetic_grow(struct synthetic *s, struct err *e)
{
	uint32_t i, room = s->room == 0 ? SYNTHETIC_FIRST : 2 * s->room;
	autofree uint16_t *slots = calloc(room, 2 * sizeof(*slots));
	char **names = reallocarray(s->names, room, sizeof(*names));

	if (names != NULL)
		s->names = names;
	if (names == NULL || slots == NULL)
		return err_set(e, ERR_SYSTEM, "calloc: names");
	free(s->slots);
	s->slots = take_ptr(&slots);
	s->room = room;
	for (i = 0; i < s->n; i++)
		*synthetic_slot(s, s->names[i]) = (uint16_t)(i + 1);
	return 0;
}

/* A name that has none yet. */
static int
synthetic_add(struct synthetic *s, const char *host, struct err *e)
{
	char *name;

	if (s->n == SYNTHETIC_NAMES_MAX)
		return err_set(e, ERR_LIMIT,
		    "%d names have an address in this jail, the most",
		    SYNTHETIC_NAMES_MAX);
	if (s->n == s->room && synthetic_grow(s, e) == -1)
		return -1;
	name = strdup(host);
	if (name == NULL)
		return err_set(e, ERR_SYSTEM, "strdup: name");
	s->names[s->n++] = name;
	*synthetic_slot(s, host) = (uint16_t)s->n;
	return 0;
}

int
synthetic_number(struct synthetic *s, const char *host, uint32_t *ret,
    struct err *e)
{
	uint16_t at = s->room > 0 ? *synthetic_slot(s, host) : 0;

	if (at == 0 && synthetic_add(s, host, e) == -1)
		return -1;
	*ret = at == 0 ? s->n - 1 : at - 1U;
	return 0;
}

static void
synthetic_be32(unsigned char to[4], uint32_t v)
{
	to[0] = (unsigned char)(v >> 24);
	to[1] = (unsigned char)(v >> 16);
	to[2] = (unsigned char)(v >> 8);
	to[3] = (unsigned char)v;
}

static uint32_t
synthetic_read(const unsigned char from[4])
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
	       (uint32_t)from[2] << 8 | from[3];
}

void
synthetic_address(uint32_t number, uint32_t family, struct net_address *ret)
{
	*ret = (struct net_address){ .family = family };
	if (family == 4) {
		synthetic_be32(ret->bytes, SYNTHETIC_IPV4 + 1 + number);
		return;
	}
	memcpy(ret->bytes, synthetic_ipv6, sizeof(synthetic_ipv6));
	synthetic_be32(ret->bytes + SYNTHETIC_IPV6_BYTES - 4, 1 + number);
}

const char *
synthetic_host(const struct synthetic *s, const struct net_address *a)
{
	struct net_address same;
	uint32_t number;

	if (a->family != 4 && a->family != 6)
		return NULL;
	number = a->family == 4
		     ? synthetic_read(a->bytes) - SYNTHETIC_IPV4 - 1
		     : synthetic_read(a->bytes + SYNTHETIC_IPV6_BYTES - 4) - 1;
	if (number >= s->n)
		return NULL;
	synthetic_address(number, a->family, &same);
	if (memcmp(same.bytes, a->bytes,
		a->family == 4 ? SYNTHETIC_IPV4_BYTES : SYNTHETIC_IPV6_BYTES) !=
	    0)
		return NULL;
	return s->names[number];
}
