/* Checkpoints: put, read, listed, undone, thinned out, copied. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "members.h"
#include "op.h"
#include "pack.h"

/* ---- a row ---- */

#define CHECKPOINT_COLUMNS                                                 \
	"thread_id, ns, checkpoint_id, parent_id, run_id, metadata, type," \
	" data, next, tasks, interrupts, created_at_ms"

#define CHECKPOINT_REWRITE \
	"UPDATE checkpoint SET places = $blob, pack = $pack WHERE id = $n"

/* A row as it is stored: what is in no record.  Fields of storage_journal:
 * found is the row, data the places. */
static int
checkpoint_row(struct db *d, const char *tenant, const char *thread_id,
    const char *ns, const char *id, struct storage_journal *ret, struct err *e)
{
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	d->v.a = ns == NULL ? "" : ns;
	d->v.id = id;
	return db_one(d,
	    "SELECT id AS found, places AS data FROM checkpoint"
	    " WHERE tenant = $tenant AND thread_id = $thread_id AND ns = $a"
	    " AND checkpoint_id = $id",
	    record_journal(), ret, e);
}

static int
checkpoint_places(struct db *d, const struct storage_journal *row,
    struct pack_places *ret, struct err *e)
{
	return pack_read_places(d, &row->data, row->found, ret, e);
}

/* ---- values ---- */

/* The members in their order, or all of it if it is no object. */
static int
checkpoint_join(struct pack *p, const struct pack_places *places,
    const char **ret, struct err *e)
{
	struct members_out out = { .hold = p->db->hold };
	struct storage_blob content;
	size_t i, n = 0;

	for (i = 0; i < places->n; i++) {
		const struct pack_place *at = &places->v[i];

		if (at->kind != PACK_VALUE)
			continue;
		if (pack_content(p, at->row, at->index, &content, NULL, e) ==
		    -1)
			return -1;
		if (hold_size(p->db->hold) > STORAGE_REPLY_BYTES_MAX)
			return err_set(e, ERR_LIMIT,
			    "the values are too large to be put together");
		if (at->name[0] == '\0') {
			*ret = content.data;
			return 0;
		}
		members_add(&out, at->name, &content);
		n++;
	}
	*ret = n == 0 ? NULL : members_end(&out);
	return 0;
}

int
op_checkpoint_values(struct db *d, const char *tenant, const char *thread_id,
    const char *checkpoint_id, const char **ret, struct err *e)
{
	struct storage_journal row;
	struct pack_places places;
	struct pack p;
	int rc;

	*ret = NULL;
	rc = checkpoint_row(d, tenant, thread_id, "", checkpoint_id, &row, e);
	if (rc != 1)
		return rc;
	pack_init(&p, d, tenant, thread_id);
	if (checkpoint_places(d, &row, &places, e) == -1)
		return -1;
	return checkpoint_join(&p, &places, ret, e);
}

/* ---- put ---- */

struct put {
	const struct storage_checkpoint_put_request *q;
	struct pack pack;
	int64_t row; /* 0: none yet */
	int made; /* it is new */
	struct pack_pieces pieces; /* of the row */
	struct pack_places places; /* of the row */
	struct pack_places before; /* of the parent */
};

static int64_t
put_bytes(const struct storage_checkpoint_put_request *q)
{
	int64_t n = (int64_t)q->data.size;
	size_t i;

	n += q->values == NULL ? 0 : (int64_t)strlen(q->values);
	n += q->metadata == NULL ? 0 : (int64_t)strlen(q->metadata);
	for (i = 0; i < q->channels.n; i++)
		n += (int64_t)q->channels.v[i].data.size;
	for (i = 0; i < q->writes.n; i++)
		n += (int64_t)q->writes.v[i].data.size;
	return n + op_event_bytes(q->events.v, q->events.n);
}

/* Who may write to this thread: its attempt, or anybody while it is idle. */
static int
put_allowed(struct db *d, const char *tenant, const char *thread_id,
    const char *run_id, int64_t fence, int64_t bytes, struct err *e)
{
	int busy;

	if (run_id != NULL)
		return op_fence(d, tenant, thread_id, run_id, fence, bytes, e);
	if (op_thread_busy(d, tenant, thread_id, &busy, e) == -1)
		return -1;
	return busy ? err_set(e, ERR_CONFLICT, "Thread is busy") : 0;
}

/* What its parent has. */
static int
put_look(struct db *d, struct put *p, struct err *e)
{
	const struct storage_checkpoint_put_request *q = p->q;
	struct storage_journal row;
	int rc;

	if (q->parent_id == NULL)
		return 0;
	rc = checkpoint_row(d, q->tenant, q->thread_id, q->ns, q->parent_id,
	    &row, e);
	return rc == 1 ? checkpoint_places(d, &row, &p->before, e) : rc;
}

static int
put_piece(struct put *p, int kind, const char *name, const char *version,
    const char *type, const struct storage_blob *data, struct err *e)
{
	struct pack_place what = { .kind = kind,
		.name = name,
		.version = version == NULL ? "" : version };

	return pack_add(&p->pack, &p->pieces, &p->places, &what, type, data,
	    pack_find(&p->before, kind, name), e);
}

/* The channel as it is: in this request, or where the parent has it. */
static int
put_kept(struct db *d, struct put *p, const char *name, const char *version,
    struct err *e)
{
	const struct pack_place *at = pack_find(&p->before, PACK_CHANNEL, name);

	if (pack_find(&p->places, PACK_CHANNEL, name) != NULL)
		return 0;
	/* a channel that is empty has a version and no value */
	if (at == NULL ||
	    (version != NULL && strcmp(at->version, version) != 0))
		return 0;
	return pack_place(d, &p->places, at, e);
}

static const char *
put_version(struct db *d, const json_t *v)
{
	char *text;
	size_t size;
	const char *copy;

	if (json_is_string(v))
		return hold_text(d->hold, json_string_value(v));
	if (json_text(v, &text, &size, NULL) == -1)
		return "";
	copy = hold_copy(d->hold, text, size);
	free(text);
	return copy;
}

static int
put_unchanged(struct db *d, struct put *p, struct err *e)
{
	autojson *versions = NULL;
	const char *name;
	json_t *v;
	size_t i;

	if (p->q->versions == NULL) {
		for (i = 0; i < p->before.n; i++)
			if (p->before.v[i].kind == PACK_CHANNEL &&
			    put_kept(d, p, p->before.v[i].name, NULL, e) == -1)
				return -1;
		return 0;
	}
	if (json_parse(p->q->versions, strlen(p->q->versions), NULL, &versions,
		e) == -1)
		return -1;
	if (!json_is_object(versions))
		return err_set(e, ERR_INVALID, "versions is no object");
	json_object_foreach(versions, name,
	    v) if (put_kept(d, p, hold_text(d->hold, name), put_version(d, v),
		       e) == -1) return -1;
	return 0;
}

static int
put_channels(struct db *d, struct put *p, struct err *e)
{
	const struct storage_channel *c;
	size_t i;

	for (i = 0; i < p->q->channels.n; i++) {
		c = &p->q->channels.v[i];
		if (c->name == NULL || c->name[0] == '\0' ||
		    pack_find(&p->places, PACK_CHANNEL, c->name) != NULL)
			return err_set(e, ERR_INVALID,
			    "a channel has no name, or is there twice");
		if (put_piece(p, PACK_CHANNEL, c->name, c->version, c->type,
			&c->data, e) == -1)
			return -1;
	}
	return put_unchanged(d, p, e);
}

/* A member that is what it was is a place, else a piece. */
static int
put_member(struct db *d, struct put *p, const char *name,
    const struct storage_blob *value, struct err *e)
{
	const struct pack_place *at = pack_find(&p->before, PACK_VALUE, name);
	struct storage_blob old;
	char sum[20];

	(void)snprintf(sum, sizeof(sum), "%016jx",
	    (uintmax_t)members_sum(value));
	if (at != NULL && strcmp(at->version, sum) == 0) {
		if (pack_content(&p->pack, at->row, at->index, &old, NULL, e) ==
		    -1)
			return -1;
		if (old.size == value->size &&
		    memcmp(old.data, value->data, old.size) == 0)
			return pack_place(d, &p->places, at, e);
	}
	return put_piece(p, PACK_VALUE, name, hold_text(d->hold, sum), NULL,
	    value, e);
}

/* Small states and what is no object are one piece. */
static int
put_values(struct db *d, struct put *p, struct err *e)
{
	struct storage_blob all = { p->q->values, 0 }, value;
	struct members_in in;
	const char *name;

	if (p->q->values == NULL)
		return 0;
	all.size = strlen(p->q->values);
	if (all.size < PACK_WHOLE_BYTES || !members_begin(&in, &all))
		return put_member(d, p, "", &all, e);
	while (members_next(&in, d->hold, &name, &value))
		if (put_member(d, p, name, &value, e) == -1)
			return -1;
	return in.bad ? err_set(e, ERR_INVALID, "values is no JSON") : 0;
}

static void
put_bind(struct db *d, const struct put *p)
{
	const char *ns = p->q->ns;

	pack_write_pieces(d, &p->pieces, &d->v.pack);
	pack_write_places(d, &p->places, p->row, &d->v.blob);
	d->v.a = ns == NULL ? "" : ns;
	d->v.n = p->row;
}

static int put_pieces(struct db *d, struct put *p, struct err *e);

/*
 * The same id again: its new pieces come behind those that are there, since
 * others may be differences to them.
 */
static int
put_again(struct db *d, struct put *p, struct err *e)
{
	const struct storage_checkpoint_put_request *q = p->q;
	struct storage_journal row, pack;

	if (checkpoint_row(d, q->tenant, q->thread_id, q->ns, q->checkpoint_id,
		&row, e) != 1)
		return -1;
	p->row = row.found;
	d->v.n = row.found;
	memset(&p->places, 0, sizeof(p->places));
	if (db_one(d, "SELECT pack AS data FROM checkpoint WHERE id = $n",
		record_journal(), &pack, e) != 1 ||
	    pack_read_pieces(d, &pack.data, &p->pieces, e) == -1 ||
	    put_pieces(d, p, e) == -1)
		return -1;
	put_bind(d, p);
	return db_exec(d,
	    "UPDATE checkpoint SET parent_id = :parent_id,"
	    " run_id = :run_id, metadata = :metadata, next = :next,"
	    " tasks = :tasks, interrupts = :interrupts, type = :type,"
	    " places = $blob, data = :data, pack = $pack WHERE id = $n",
	    e);
}

static int
put_row(struct db *d, struct put *p, struct err *e)
{
	put_bind(d, p);
	if (db_exec(d,
		"INSERT INTO checkpoint (tenant, thread_id, ns,"
		" checkpoint_id, parent_id, run_id, created_at_ms,"
		" metadata, next, tasks, interrupts, type, places, data,"
		" pack) VALUES (:tenant, :thread_id, $a, :checkpoint_id,"
		" :parent_id, :run_id, $now, :metadata, :next, :tasks,"
		" :interrupts, :type, $blob, :data, $pack)"
		" ON CONFLICT DO NOTHING",
		e) == -1)
		return -1;
	if (db_changes(d) == 0)
		return put_again(d, p, e);
	p->row = sqlite3_last_insert_rowid(d->h);
	p->made = 1;
	return 0;
}

static int
put_thread(struct db *d, const struct put *p, struct err *e)
{
	const char *ns = p->q->ns;
	int root = ns == NULL || ns[0] == '\0';

	d->v.k = root && p->made;
	d->v.n = p->row;
	if (db_exec(d,
		"UPDATE thread SET state_updated_at_ms = $now,"
		" head = iif($k, $n, head)"
		" WHERE tenant = :tenant AND thread_id = :thread_id",
		e) == -1)
		return -1;
	if (db_changes(d) == 0)
		return op_not_found("thread", p->q->thread_id, e);
	/* what an update of the state leaves to be done, or does not */
	if (p->q->run_id != NULL || !root)
		return 0;
	return db_exec(d,
	    "UPDATE thread SET updated_at_ms = $now, error = NULL,"
	    " interrupts = (SELECT " OP_ASKED(
		":tasks") "),"
			  " status = iif(ifnull(:next, '[]') = '[]', 'idle', 'interrupted')"
			  " WHERE tenant = :tenant AND thread_id = :thread_id",
	    e);
}

static int
checkpoint_writes(struct db *d,
    const struct storage_checkpoint_write_request *q, struct err *e)
{
	const struct storage_write *v = q->writes.v;
	struct op_with w = { d->shape, d->request };
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < q->writes.n; i++) {
		if (v[i].task_id == NULL || v[i].channel == NULL)
			return err_set(e, ERR_INVALID,
			    "a write has a task and a channel");
		(void)op_with(d, record_write(), &v[i]);
		d->v.tenant = q->tenant;
		d->v.thread_id = q->thread_id;
		d->v.run_id = q->run_id;
		d->v.id = q->checkpoint_id;
		d->v.a = q->ns == NULL ? "" : q->ns;
		rc = db_exec(d,
		    "INSERT OR REPLACE INTO checkpoint_write (tenant,"
		    " thread_id, ns, checkpoint_id, task_id, idx, run_id,"
		    " channel, type, task_path, data) VALUES ($tenant,"
		    " $thread_id, $a, $id, :task_id, :idx, $run_id, :channel,"
		    " :type, :task_path, :data)",
		    e);
		op_with_end(d, &w);
	}
	return rc;
}

static int
put_pieces(struct db *d, struct put *p, struct err *e)
{
	if (put_channels(d, p, e) == -1)
		return -1;
	return put_values(d, p, e);
}

static int
put_rest(struct db *d, const struct put *p, struct storage_appended *ret,
    struct err *e)
{
	const struct storage_checkpoint_put_request *q = p->q;
	struct storage_checkpoint_write_request w = { .tenant = q->tenant,
		.thread_id = q->thread_id,
		.run_id = q->run_id,
		.ns = q->ns,
		.checkpoint_id = q->checkpoint_id };

	w.writes.v = q->writes.v;
	w.writes.n = q->writes.n;
	ret->first_seq = 0;
	ret->last_seq = -1;
	if (checkpoint_writes(d, &w, e) == -1)
		return -1;
	if (q->events.n == 0)
		return 0;
	if (q->run_id == NULL)
		return err_set(e, ERR_INVALID, "events belong to a run");
	return op_event_add(d, q->tenant, q->run_id, q->events.v, q->events.n,
	    ret, e);
}

int
op_checkpoint_put(struct db *d, const struct storage_checkpoint_put_request *q,
    struct storage_appended *ret, struct err *e)
{
	struct put p = { .q = q };

	if (q->thread_id == NULL || q->checkpoint_id == NULL)
		return err_set(e, ERR_INVALID,
		    "a checkpoint has a thread and an id");
	if (put_allowed(d, q->tenant, q->thread_id, q->run_id, q->fence,
		put_bytes(q), e) == -1)
		return -1;
	pack_init(&p.pack, d, q->tenant, q->thread_id);
	if (put_look(d, &p, e) == -1 || put_pieces(d, &p, e) == -1 ||
	    put_row(d, &p, e) == -1 || put_thread(d, &p, e) == -1)
		return -1;
	return put_rest(d, &p, ret, e);
}

/* What tasks have come to since the checkpoint was put. */
static int
write_tasks(struct db *d, const struct storage_checkpoint_write_request *q,
    struct err *e)
{
	if (q->next == NULL && q->tasks == NULL && q->interrupts == NULL)
		return 0;
	if (db_exec(d,
		"UPDATE checkpoint SET next = ifnull(:next, next),"
		" tasks = ifnull(:tasks, tasks),"
		" interrupts = ifnull(:interrupts, interrupts)"
		" WHERE tenant = :tenant AND thread_id = :thread_id"
		" AND ns = ifnull(:ns, '') AND checkpoint_id = :checkpoint_id",
		e) == -1)
		return -1;
	return db_changes(d) > 0
		   ? 0
		   : op_not_found("checkpoint", q->checkpoint_id, e);
}

static int
write_events(struct db *d, const struct storage_checkpoint_write_request *q,
    struct storage_appended *ret, struct err *e)
{
	ret->first_seq = 0;
	ret->last_seq = -1;
	if (q->events.n == 0)
		return 0;
	if (q->run_id == NULL)
		return err_set(e, ERR_INVALID, "events belong to a run");
	return op_event_add(d, q->tenant, q->run_id, q->events.v, q->events.n,
	    ret, e);
}

static int64_t
write_bytes(const struct storage_checkpoint_write_request *q)
{
	int64_t n = op_event_bytes(q->events.v, q->events.n);
	size_t i;

	for (i = 0; i < q->writes.n; i++)
		n += (int64_t)q->writes.v[i].data.size;
	return n;
}

int
op_checkpoint_write(struct db *d,
    const struct storage_checkpoint_write_request *q,
    struct storage_appended *ret, struct err *e)
{
	if (q->thread_id == NULL || q->checkpoint_id == NULL)
		return err_set(e, ERR_INVALID,
		    "a checkpoint has a thread and an id");
	if (put_allowed(d, q->tenant, q->thread_id, q->run_id, q->fence,
		write_bytes(q), e) == -1 ||
	    write_tasks(d, q, e) == -1 || checkpoint_writes(d, q, e) == -1)
		return -1;
	return write_events(d, q, ret, e);
}

/* ---- reading ---- */

static int
read_channels(struct db *d, struct pack *p, const struct pack_places *places,
    struct storage_checkpoint *ret, struct err *e)
{
	struct storage_channel *v;
	size_t i, n = 0;

	v = hold_alloc(d->hold, (places->n + 1) * sizeof(*v));
	for (i = 0; i < places->n; i++) {
		const struct pack_place *at = &places->v[i];

		if (at->kind != PACK_CHANNEL)
			continue;
		v[n].name = at->name;
		v[n].version = at->version;
		if (pack_content(p, at->row, at->index, &v[n].data, &v[n].type,
			e) == -1)
			return -1;
		n++;
	}
	ret->channels.v = v;
	ret->channels.n = n;
	return 0;
}

static int
read_versions(struct db *d, const struct pack_places *places, const char **ret,
    struct err *e)
{
	autojson *j = json_object();
	autofree char *text = NULL;
	size_t i, size;

	for (i = 0; i < places->n; i++)
		if (places->v[i].kind == PACK_CHANNEL)
			(void)json_object_set_new(j, places->v[i].name,
			    json_string(places->v[i].version));
	if (json_text(j, &text, &size, e) == -1)
		return -1;
	*ret = hold_copy(d->hold, text, size);
	return 0;
}

/* What is not in its columns. */
static int
read_rest(struct db *d, const char *tenant, struct storage_checkpoint *c,
    int full, struct err *e)
{
	struct storage_journal row;
	struct pack_places places;
	struct pack p;

	if (checkpoint_row(d, tenant, c->thread_id, c->ns, c->checkpoint_id,
		&row, e) != 1)
		return -1;
	pack_init(&p, d, tenant, c->thread_id);
	if (checkpoint_places(d, &row, &places, e) == -1 ||
	    checkpoint_join(&p, &places, &c->values, e) == -1 ||
	    read_versions(d, &places, &c->versions, e) == -1)
		return -1;
	if (!full)
		return 0;
	if (read_channels(d, &p, &places, c, e) == -1)
		return -1;
	d->v.tenant = tenant;
	d->v.thread_id = c->thread_id;
	d->v.a = c->ns;
	d->v.id = c->checkpoint_id;
	return db_rows(d,
	    "SELECT task_id, idx, channel, type, data, task_path"
	    " FROM checkpoint_write WHERE tenant = $tenant AND thread_id ="
	    " $thread_id AND ns = $a AND checkpoint_id = $id"
	    " ORDER BY task_id, idx",
	    record_write(), &c->writes, e);
}

int
op_checkpoint_get(struct db *d, const struct storage_checkpoint_get_request *q,
    struct storage_checkpoint *ret, struct err *e)
{
	int rc;

	rc = db_one(d,
	    "SELECT " CHECKPOINT_COLUMNS " FROM checkpoint"
	    " WHERE tenant = :tenant AND thread_id = :thread_id"
	    " AND ns = ifnull(:ns, '')"
	    " AND (:checkpoint_id IS NULL OR checkpoint_id = :checkpoint_id)"
	    " ORDER BY id DESC LIMIT 1",
	    record_checkpoint(), ret, e);
	if (rc == 0)
		return op_not_found("checkpoint", q->checkpoint_id, e);
	return rc == -1 ? -1 : read_rest(d, q->tenant, ret, q->full != 0, e);
}

int
op_checkpoint_list(struct db *d,
    const struct storage_checkpoint_list_request *q,
    struct storage_checkpoints *ret, struct err *e)
{
	struct storage_checkpoint *v;
	int64_t limit = q->limit;
	size_t i;

	if (op_check_page(&limit, 0, e) == -1)
		return -1;
	d->v.n = limit;
	if (db_rows(d,
		"SELECT " CHECKPOINT_COLUMNS " FROM checkpoint"
		" WHERE tenant = :tenant AND thread_id = :thread_id"
		" AND (:ns IS NULL OR ns = :ns) AND (:before IS NULL OR id <"
		" ifnull((SELECT max(id) FROM checkpoint WHERE tenant ="
		" :tenant AND thread_id = :thread_id AND checkpoint_id ="
		" :before AND (:ns IS NULL OR ns = :ns)), 0))"
		" AND warder_contains(metadata, :metadata)"
		" ORDER BY id DESC LIMIT $n",
		record_checkpoint(), &ret->rows, e) == -1)
		return -1;
	v = (struct storage_checkpoint *)ret->rows.v;
	for (i = 0; i < ret->rows.n; i++)
		if (read_rest(d, q->tenant, &v[i], q->full != 0, e) == -1)
			return -1;
	return 0;
}

int
op_checkpoint_patch(struct db *d,
    const struct storage_checkpoint_patch_request *q, struct storage_none *ret,
    struct err *e)
{
	if (db_exec(d,
		"UPDATE checkpoint SET metadata = warder_merge(metadata,"
		" :metadata) WHERE id = (SELECT max(id) FROM checkpoint"
		" WHERE tenant = :tenant AND thread_id = :thread_id"
		" AND ns = ifnull(:ns, '') AND (:checkpoint_id IS NULL"
		" OR checkpoint_id = :checkpoint_id))",
		e) == -1)
		return -1;
	if (db_changes(d) == 0)
		return op_not_found("checkpoint", q->checkpoint_id, e);
	ret->done = 1;
	return 0;
}

/* ---- taking away ---- */

/* The newest that is left is what the thread stands at. */
static int
checkpoint_head(struct db *d, struct err *e)
{
	return db_exec(d,
	    "UPDATE thread SET head = (SELECT max(id) FROM checkpoint"
	    " WHERE tenant = $tenant AND thread_id = $thread_id AND ns = '')"
	    " WHERE tenant = $tenant AND thread_id = $thread_id",
	    e);
}

/*
 * No other run comes between the checkpoints of one that is not over, and
 * none comes after them: what is left never refers to what goes.
 */
int
op_checkpoint_undo(struct db *d, const struct storage_run *r, struct err *e)
{
	d->v.tenant = r->tenant;
	d->v.thread_id = r->thread_id;
	d->v.run_id = r->run_id;
	if (db_exec(d,
		"DELETE FROM checkpoint_write WHERE tenant = $tenant"
		" AND thread_id = $thread_id AND (run_id = $run_id"
		" OR (ns, checkpoint_id) IN (SELECT ns, checkpoint_id"
		" FROM checkpoint WHERE tenant = $tenant AND thread_id ="
		" $thread_id AND run_id = $run_id))",
		e) == -1 ||
	    db_exec(d,
		"DELETE FROM checkpoint WHERE tenant = $tenant"
		" AND thread_id = $thread_id AND run_id = $run_id",
		e) == -1)
		return -1;
	return checkpoint_head(d, e);
}

int
op_checkpoint_delete(struct db *d,
    const struct storage_checkpoint_delete_request *q, struct storage_none *ret,
    struct err *e)
{
	if (put_allowed(d, q->tenant, q->thread_id, q->run_id, q->fence, 0,
		e) == -1)
		return -1;
	d->v.tenant = q->tenant;
	d->v.thread_id = q->thread_id;
	if (db_exec(d,
		"DELETE FROM checkpoint_write WHERE tenant = $tenant"
		" AND thread_id = $thread_id",
		e) == -1 ||
	    db_exec(d,
		"DELETE FROM checkpoint WHERE tenant = $tenant"
		" AND thread_id = $thread_id",
		e) == -1)
		return -1;
	ret->done = 1;
	return checkpoint_head(d, e);
}

/* Bring all that a row refers to into the row itself. */
static int
checkpoint_whole(struct db *d, const char *tenant, const char *thread_id,
    int64_t row, struct err *e)
{
	struct pack_places old, places = { 0 };
	struct pack_pieces pieces = { 0 };
	struct storage_journal found;
	struct storage_blob content;
	const char *type;
	struct pack p;
	size_t i;

	d->v.n = row;
	if (db_one(d,
		"SELECT id AS found, places AS data FROM checkpoint"
		" WHERE id = $n",
		record_journal(), &found, e) != 1 ||
	    checkpoint_places(d, &found, &old, e) == -1)
		return -1;
	pack_init(&p, d, tenant, thread_id);
	for (i = 0; i < old.n; i++)
		if (pack_content(&p, old.v[i].row, old.v[i].index, &content,
			&type, e) == -1 ||
		    pack_add(&p, &pieces, &places, &old.v[i], type, &content,
			NULL, e) == -1)
			return -1;
	pack_write_pieces(d, &pieces, &d->v.pack);
	pack_write_places(d, &places, row, &d->v.blob);
	d->v.n = row;
	return db_exec(d, CHECKPOINT_REWRITE, e);
}

int
op_checkpoint_prune(struct db *d, const char *tenant, const char *thread_id,
    struct err *e)
{
	struct record_list rows = { NULL, 0 };
	const struct storage_count *v;
	size_t i;

	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	if (db_rows(d,
		"SELECT max(id) AS count FROM checkpoint WHERE tenant ="
		" $tenant AND thread_id = $thread_id GROUP BY ns",
		record_count(), &rows, e) == -1)
		return -1;
	v = rows.v;
	for (i = 0; i < rows.n; i++)
		if (checkpoint_whole(d, tenant, thread_id, v[i].count, e) == -1)
			return -1;
	d->v.tenant = tenant;
	d->v.thread_id = thread_id;
	if (db_exec(d,
		"DELETE FROM checkpoint WHERE tenant = $tenant AND thread_id ="
		" $thread_id AND id NOT IN (SELECT max(id) FROM checkpoint"
		" WHERE tenant = $tenant AND thread_id = $thread_id"
		" GROUP BY ns)",
		e) == -1)
		return -1;
	return db_exec(d,
	    "DELETE FROM checkpoint_write WHERE tenant = $tenant"
	    " AND thread_id = $thread_id AND (ns, checkpoint_id) NOT IN"
	    " (SELECT ns, checkpoint_id FROM checkpoint"
	    " WHERE tenant = $tenant AND thread_id = $thread_id)",
	    e);
}

/* ---- copying ---- */

/* The rows of a thread and what they are in its copy, both ascending. */
struct copy {
	const int64_t *from;
	int64_t *to;
	size_t n;
};

static int64_t
copy_row(const struct copy *c, int64_t row)
{
	size_t low = 0, high = c->n, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (c->from[mid] < row)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->n && c->from[low] == row ? c->to[low] : 0;
}

static int
copy_one(struct db *d, struct copy *c, int64_t from, const char *to_thread,
    struct err *e)
{
	struct storage_journal places, pack;
	struct pack_places at;
	struct pack_pieces pieces;
	int64_t row;
	size_t i;

	d->v.n = from;
	if (db_one(d,
		"SELECT id AS found, places AS data FROM checkpoint"
		" WHERE id = $n",
		record_journal(), &places, e) != 1 ||
	    db_one(d, "SELECT pack AS data FROM checkpoint WHERE id = $n",
		record_journal(), &pack, e) != 1 ||
	    checkpoint_places(d, &places, &at, e) == -1 ||
	    pack_read_pieces(d, &pack.data, &pieces, e) == -1)
		return -1;
	d->v.thread_id = to_thread;
	if (db_exec(d,
		"INSERT INTO checkpoint (tenant, thread_id, ns, checkpoint_id,"
		" parent_id, created_at_ms, metadata, next, tasks, interrupts,"
		" type, places, data, pack) SELECT tenant, $thread_id, ns,"
		" checkpoint_id, parent_id, created_at_ms, metadata, next,"
		" tasks, interrupts, type, x'', data, x'' FROM checkpoint"
		" WHERE id = $n",
		e) == -1)
		return -1;
	row = sqlite3_last_insert_rowid(d->h);
	c->to[c->n++] = row;
	for (i = 0; i < at.n; i++)
		at.v[i].row = copy_row(c, at.v[i].row);
	for (i = 0; i < pieces.n; i++)
		pieces.v[i].base_row = copy_row(c, pieces.v[i].base_row);
	d->v.n = row;
	pack_write_places(d, &at, row, &d->v.blob);
	pack_write_pieces(d, &pieces, &d->v.pack);
	return db_exec(d, CHECKPOINT_REWRITE, e);
}

int
op_checkpoint_copy(struct db *d, const char *tenant, const char *from_thread_id,
    const char *to_thread_id, struct err *e)
{
	struct record_list rows = { NULL, 0 };
	struct copy c = { 0 };
	size_t i;

	d->v.tenant = tenant;
	d->v.thread_id = from_thread_id;
	if (db_rows(d,
		"SELECT id AS count FROM checkpoint WHERE tenant = $tenant"
		" AND thread_id = $thread_id ORDER BY id",
		record_count(), &rows, e) == -1)
		return -1;
	/* a storage_count is its number */
	_Static_assert(sizeof(struct storage_count) == sizeof(int64_t),
	    "a count is a number");
	c.from = rows.v;
	c.to = hold_alloc(d->hold, (rows.n + 1) * sizeof(*c.to));
	for (i = 0; i < rows.n; i++)
		if (copy_one(d, &c, c.from[i], to_thread_id, e) == -1)
			return -1;
	d->v.tenant = tenant;
	d->v.a = from_thread_id;
	d->v.thread_id = to_thread_id;
	if (db_exec(d,
		"INSERT INTO checkpoint_write (tenant, thread_id, ns,"
		" checkpoint_id, task_id, idx, channel, type, task_path, data)"
		" SELECT tenant, $thread_id, ns, checkpoint_id, task_id, idx,"
		" channel, type, task_path, data FROM checkpoint_write"
		" WHERE tenant = $tenant AND thread_id = $a",
		e) == -1)
		return -1;
	return checkpoint_head(d, e);
}
