#include "peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "limits_api.h"
#include "policy/address.h"

enum {
	PEER_BUCKETS = 4096,
	PEER_KEY_SIZE = 16,
};

struct peer {
	LIST_ENTRY(peer) hashed;
	TAILQ_ENTRY(peer)
	aged; /* in the table's idle, if it has no connection */
	struct peers *table;
	unsigned char family; /* 4, 6, or 0: a Unix socket */
	unsigned char key[PEER_KEY_SIZE];
	int local, uid;
	unsigned connections;
	unsigned bad; /* keys, less those that time has taken */
	uint64_t bad_ms; /* when bad was right */
};

struct peers {
	LIST_HEAD(peer_bucket, peer) buckets[PEER_BUCKETS];
	TAILQ_HEAD(peers_idle, peer) idle; /* the longest first */
	unsigned n;
	uint64_t seed;
};

int
peer_table_create(struct peers **ret, struct err *e)
{
	struct peers *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_sys(e, ENOMEM, "peers");
	TAILQ_INIT(&t->idle);
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed)) {
		free(t);
		return err_set(e, ERR_SYSTEM, "getrandom");
	}
	*ret = t;
	return 0;
}

static void
peer_forget(struct peer *p)
{
	LIST_REMOVE(p, hashed);
	if (p->connections == 0)
		TAILQ_REMOVE(&p->table->idle, p, aged);
	p->table->n--;
	free(p);
}

void
peer_table_destroy(struct peers *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < PEER_BUCKETS; i++)
		while (!LIST_EMPTY(&t->buckets[i]))
			peer_forget(LIST_FIRST(&t->buckets[i]));
	free(t);
}

/* Seeded, so that nobody chooses which addresses meet. */
static size_t
bucket_of(const struct peers *t, const struct peer *p)
{
	uint64_t h = t->seed ^ p->family;
	size_t i;

	for (i = 0; i < PEER_KEY_SIZE; i++) {
		h = (h ^ p->key[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h % PEER_BUCKETS;
}

static int
is_loopback(const struct net_address *a)
{
	static const unsigned char one[16] = { [15] = 1 };

	return a->family == 4 ? a->bytes[0] == 127
			      : memcmp(a->bytes, one, sizeof(one)) == 0;
}

static int
identify_unix(int fd, struct peer *ret)
{
	struct ucred u = { 0 };
	socklen_t size = sizeof(u);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &size) == -1)
		return -1;
	ret->uid = (int)u.uid;
	ret->local = 1;
	memcpy(ret->key, &u.uid, sizeof(u.uid));
	return 0;
}

static int
identify(int fd, struct peer *ret)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t size = sizeof(sa);
	struct net_address a;
	uint32_t port;

	ret->uid = -1;
	if (getpeername(fd, (struct sockaddr *)&sa, &size) == -1)
		return -1;
	if (sa.ss_family == AF_UNIX)
		return identify_unix(fd, ret);
	if (address_from_sockaddr((struct sockaddr *)&sa, size, &a, &port) ==
	    -1)
		return -1;
	ret->family = (unsigned char)a.family;
	ret->local = is_loopback(&a);
	memcpy(ret->key, a.bytes, a.family == 4 ? 4 : 8);
	return 0;
}

static struct peer *
peer_find(struct peers *t, const struct peer *like)
{
	struct peer *p;

	LIST_FOREACH (p, &t->buckets[bucket_of(t, like)], hashed)
		if (p->family == like->family &&
		    memcmp(p->key, like->key, PEER_KEY_SIZE) == 0)
			return p;
	return NULL;
}

static struct peer *
peer_add(struct peers *t, const struct peer *like)
{
	struct peer *p;

	if (t->n >= API_PEERS_MAX && !TAILQ_EMPTY(&t->idle))
		peer_forget(TAILQ_FIRST(&t->idle));
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	*p = *like;
	p->table = t;
	LIST_INSERT_HEAD(&t->buckets[bucket_of(t, like)], p, hashed);
	TAILQ_INSERT_TAIL(&t->idle, p, aged);
	t->n++;
	return p;
}

struct peer *
peer_enter(struct peers *t, int fd)
{
	struct peer like = { 0 };
	struct peer *p;

	if (identify(fd, &like) == -1)
		return NULL;
	p = peer_find(t, &like);
	if (p == NULL)
		p = peer_add(t, &like);
	if (p == NULL)
		return NULL;
	if (p->connections++ == 0)
		TAILQ_REMOVE(&t->idle, p, aged);
	return p;
}

void
peer_leave(struct peer *p)
{
	if (p == NULL)
		return;
	if (--p->connections > 0)
		return;
	TAILQ_INSERT_TAIL(&p->table->idle, p, aged);
	if (p->bad == 0)
		peer_forget(p);
}

unsigned
peer_connections(const struct peer *p)
{
	return p->connections;
}

int
peer_is_local(const struct peer *p)
{
	return p->local;
}

int
peer_uid(const struct peer *p)
{
	return p->uid;
}

int
peer_bad_key(struct peer *p, uint64_t now_ms)
{
	uint64_t passed = (now_ms - p->bad_ms) / API_BAD_LOGIN_REFILL_MS;

	p->bad -= passed < p->bad ? (unsigned)passed : p->bad;
	p->bad_ms = now_ms;
	if (p->bad >= API_BAD_LOGINS)
		return 1;
	p->bad++;
	return 0;
}
