/* Events of runs. */
#include <string.h>

#include "op.h"

enum {
	EVENT_ROW_BYTES = 64 /* what a row costs besides its texts */
};

int64_t
op_event_bytes(const struct storage_event *v, size_t n)
{
	int64_t bytes = 0;
	size_t i;

	for (i = 0; i < n; i++)
		bytes += EVENT_ROW_BYTES +
			 (int64_t)(v[i].data == NULL ? 0 : strlen(v[i].data));
	return bytes;
}

static int
event_last(struct db *d, const char *tenant, const char *run_id, int64_t *ret,
    struct err *e)
{
	d->v.tenant = tenant;
	d->v.run_id = run_id;
	return db_number(d,
	    "SELECT ifnull(max(seq), -1) FROM event WHERE tenant = $tenant"
	    " AND run_id = $run_id",
	    ret, e);
}

int
op_event_add(struct db *d, const char *tenant, const char *run_id,
    const struct storage_event *v, size_t n, struct storage_appended *ret,
    struct err *e)
{
	int64_t last;
	size_t i;

	if (event_last(d, tenant, run_id, &last, e) == -1)
		return -1;
	ret->first_seq = last + 1;
	for (i = 0; i < n; i++) {
		d->v.seq = ++last;
		d->v.a = v[i].name;
		d->v.b = v[i].ns;
		d->v.c = v[i].data;
		if (db_exec(d,
			"INSERT INTO event (tenant, run_id, seq, name, ns,"
			" at_ms, data) VALUES ($tenant, $run_id, $seq, $a, $b,"
			" $now, $c)",
			e) == -1)
			return -1;
	}
	ret->last_seq = last;
	return 0;
}

/* Transitions are ours to tell. */
static int
event_check(const struct storage_event *v, size_t n, struct err *e)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (v[i].name == NULL || v[i].name[0] == '\0' ||
		    (v[i].name[0] == '$' &&
			strcmp(v[i].name, STORAGE_EVENT_LOG) != 0))
			return err_set(e, ERR_INVALID, "no name of an event");
	return 0;
}

int
op_event_append(struct db *d, const struct storage_event_append_request *q,
    struct storage_appended *ret, struct err *e)
{
	if (event_check(q->events.v, q->events.n, e) == -1 ||
	    op_fence(d, q->tenant, NULL, q->run_id, q->fence,
		op_event_bytes(q->events.v, q->events.n), e) == -1)
		return -1;
	return op_event_add(d, q->tenant, q->run_id, q->events.v, q->events.n,
	    ret, e);
}

int
op_event_read(struct db *d, const struct storage_event_read_request *q,
    struct storage_events *ret, struct err *e)
{
	struct storage_run r;
	int64_t limit = q->limit;
	int rc;

	if (op_check_page(&limit, 0, e) == -1)
		return -1;
	rc = op_run_read(d, q->tenant, NULL, q->run_id, &r, e);
	if (rc == -1 ||
	    event_last(d, q->tenant, q->run_id, &ret->last_seq, e) == -1)
		return -1;
	if (rc == 1) {
		ret->status = r.status;
		ret->ended = r.ended_at_ms != 0;
	}
	d->v.n = limit;
	d->v.m = q->max_bytes > 0 ? q->max_bytes : STORAGE_REPLY_BYTES_MAX / 2;
	/* at least one, however large it is */
	if (db_rows(d,
		"SELECT seq, name, ns, data, at_ms FROM event"
		" WHERE tenant = :tenant AND run_id = :run_id AND seq IN"
		" (SELECT seq FROM (SELECT seq, sum(length(data)) OVER"
		" (ORDER BY seq ROWS UNBOUNDED PRECEDING) - length(data) AS"
		" before FROM event WHERE tenant = :tenant AND run_id ="
		" :run_id AND seq > :after_seq ORDER BY seq LIMIT $n)"
		" WHERE ifnull(before, 0) < $m) ORDER BY seq",
		record_event(), &ret->rows, e) == -1)
		return -1;
	if (ret->rows.n > 0)
		ret->gone = ret->rows.v[0].seq > q->after_seq + 1;
	else
		ret->gone = rc == 1 && r.attempt > 0 && ret->last_seq == -1;
	return 0;
}

/* Some at a time, so that nobody waits for a long transaction. */
int
op_event_expire(struct db *d, const struct storage_event_expire_request *q,
    struct storage_count *ret, struct err *e)
{
	struct storage_runs over = { 0 };
	size_t i;

	(void)q;
	if (db_rows(d,
		"SELECT tenant, run_id FROM run WHERE events_kept = 1 AND"
		" ended_at_ms > 0 AND ended_at_ms < :ended_before_ms"
		" ORDER BY ended_at_ms LIMIT :limit",
		record_run(), &over.rows, e) == -1)
		return -1;
	for (i = 0; i < over.rows.n; i++) {
		d->v.tenant = over.rows.v[i].tenant;
		d->v.run_id = over.rows.v[i].run_id;
		if (db_exec(d,
			"DELETE FROM event WHERE tenant = $tenant"
			" AND run_id = $run_id",
			e) == -1 ||
		    db_exec(d,
			"UPDATE run SET events_kept = 0"
			" WHERE tenant = $tenant AND run_id = $run_id",
			e) == -1)
			return -1;
		ret->count++;
	}
	return 0;
}
