/* store.c - see store.h. Tables:
 *   alarm        what is not normal or is shelved: state, times, who, with the point's names of that time
 *   alarm_event  the journal: every step, kept 400 days and at most a million rows */
#include "modules/alarms/store.h"
#include <math.h>
#include "base/mem.h"
#include "base/time.h"

static const struct sql_migration migrations[] = {
    {1, "create table alarm(point int not null, cond text not null, point_id text not null, org text not null, "
        "code text not null, name text not null, area text not null, unit text not null, priority int not null, "
        "state text not null, value real, limit_value real, raised_us int not null, cleared_us int not null, "
        "acked_us int not null, acked_by text not null, comment text not null, shelved_until_us int not null, "
        "shelved_by text not null, reason text not null, primary key(point, cond)) strict;"
        "create table alarm_event(id text primary key, at_us int not null, point int not null, "
        "point_id text not null, org text not null, code text not null, name text not null, cond text not null, "
        "event text not null, state text not null, priority int not null, value real, limit_value real, "
        "by_login text not null, comment text not null) strict;"
        "create index alarm_event_at on alarm_event(at_us);"
        "create index alarm_event_point on alarm_event(point_id, at_us);"},
};

int store_migrate(struct sql *db, struct error *e)
{
    return sql_migrate(db, "alarms", migrations, sizeof migrations / sizeof *migrations, e);
}

/* ---- loading ---- */

static void read_row(struct sql_stmt *s, struct alarm_item *it, struct point_info *info)
{
    *it = (struct alarm_item){
        .num = (uint32_t)sql_i64(s, 0), .cond = (uint8_t)alarm_condition_parse(sql_str(s, 1)), .info = info};
    *info = (struct point_info){.num = it->num};
    str_to_cstr(sql_str(s, 2), info->id, sizeof info->id);
    str_to_cstr(sql_str(s, 3), info->org, sizeof info->org);
    info->code = sql_str(s, 4);
    info->name = sql_str(s, 5);
    info->area = sql_str(s, 6);
    info->unit = sql_str(s, 7);
    it->priority = (uint8_t)sql_i64(s, 8);
    it->state = (uint8_t)alarm_state_parse(sql_str(s, 9));
    it->value = sql_is_null(s, 10) ? NAN : sql_double(s, 10);
    it->limit = sql_is_null(s, 11) ? NAN : sql_double(s, 11);
    it->raised_us = sql_i64(s, 12);
    it->cleared_us = sql_i64(s, 13);
    it->acked_us = sql_i64(s, 14);
    str_to_cstr(sql_str(s, 15), it->acked_by, sizeof it->acked_by);
    str_to_cstr(sql_str(s, 16), it->comment, sizeof it->comment);
    it->shelved_until_us = sql_i64(s, 17);
    str_to_cstr(sql_str(s, 18), it->shelved_by, sizeof it->shelved_by);
    str_to_cstr(sql_str(s, 19), it->reason, sizeof it->reason);
}

int store_load(struct sql *db, int (*fn)(void *ctx, const struct alarm_item *it), void *ctx, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(
        tx,
        "select point, cond, point_id, org, code, name, area, unit, priority, state, value, limit_value, "
        "raised_us, cleared_us, acked_us, acked_by, comment, shelved_until_us, shelved_by, reason from alarm",
        &s, e);
    if (!rc) {
        while ((rc = sql_step(s, e)) == 1) {
            struct alarm_item it;
            struct point_info info;
            read_row(s, &it, &info);
            if (it.cond >= ALARM_CONDITIONS || it.state >= ALARM_STATES) continue; /* of a newer program */
            rc = fn(ctx, &it);
            if (rc) break;
        }
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}

/* ---- writing ---- */

static void bind_number(struct sql_stmt *s, int i, double v)
{
    if (isnan(v))
        sql_bind_null(s, i);
    else
        sql_bind_double(s, i, v);
}

static int run(struct sql_stmt *s, struct error *e)
{
    int rc = sql_step(s, e);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int bind_info(struct sql_stmt *s, int i, const struct point_info *p)
{
    sql_bind_str(s, i++, str_of(p ? p->id : ""));
    sql_bind_str(s, i++, str_of(p ? p->org : ""));
    sql_bind_str(s, i++, p && p->code.n ? p->code : STR(""));
    sql_bind_str(s, i++, p && p->name.n ? p->name : STR(""));
    return i;
}

#define ITEM_COLUMNS 20
static const char item_insert[] =
    "insert into alarm(point, cond, point_id, org, code, name, area, unit, priority, state, value, limit_value, "
    "raised_us, cleared_us, acked_us, acked_by, comment, shelved_until_us, shelved_by, reason) values";
static const char item_update[] =
    " on conflict(point, cond) do update set point_id = excluded.point_id, org = excluded.org, code = excluded.code, "
    "name = excluded.name, area = excluded.area, unit = excluded.unit, priority = excluded.priority, state = "
    "excluded.state, value = excluded.value, limit_value = excluded.limit_value, raised_us = excluded.raised_us, "
    "cleared_us = excluded.cleared_us, acked_us = excluded.acked_us, acked_by = excluded.acked_by, comment = "
    "excluded.comment, shelved_until_us = excluded.shelved_until_us, shelved_by = excluded.shelved_by, reason = "
    "excluded.reason";

static void bind_item(struct sql_stmt *s, int i, const struct alarm_item *it)
{
    sql_bind_i64(s, i + 1, it->num);
    sql_bind_str(s, i + 2, str_of(alarm_condition_name(it->cond)));
    bind_info(s, i + 3, it->info);
    sql_bind_str(s, i + 7, it->info && it->info->area.n ? it->info->area : STR(""));
    sql_bind_str(s, i + 8, it->info && it->info->unit.n ? it->info->unit : STR(""));
    sql_bind_i64(s, i + 9, it->priority);
    sql_bind_str(s, i + 10, str_of(alarm_state_name(it->state)));
    bind_number(s, i + 11, it->value);
    bind_number(s, i + 12, it->limit);
    sql_bind_i64(s, i + 13, it->raised_us);
    sql_bind_i64(s, i + 14, it->cleared_us);
    sql_bind_i64(s, i + 15, it->acked_us);
    sql_bind_str(s, i + 16, str_of(it->acked_by));
    sql_bind_str(s, i + 17, str_of(it->comment));
    sql_bind_i64(s, i + 18, it->shelved_until_us);
    sql_bind_str(s, i + 19, str_of(it->shelved_by));
    sql_bind_str(s, i + 20, str_of(it->reason));
}

/* "($1,$2,…),(…)" */
static void placeholders(struct buf *b, size_t rows, int columns)
{
    for (size_t r = 0; r < rows; r++)
        for (int c = 1; c <= columns; c++)
            buf_printf(b, "%s$%d%s", c == 1 ? (r ? ",(" : "(") : ",", (int)r * columns + c, c == columns ? ")" : "");
}

static int write_items(struct sql_tx *tx, const struct alarm_item *it, size_t n, struct error *e)
{
    struct sql_stmt *s;
    struct buf text;
    buf_init(&text, 64 << 10);
    buf_z(&text, item_insert);
    placeholders(&text, n, ITEM_COLUMNS);
    buf_z(&text, item_update);
    int rc = text.err ? text.err : sql_prepare(tx, buf_cstr(&text), &s, e);
    buf_fini(&text);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++) bind_item(s, (int)i * ITEM_COLUMNS, &it[i]);
    return run(s, e);
}

static int drop_item(struct sql_tx *tx, const struct alarm_step *step, struct error *e)
{
    return sql_exec(tx, e, "delete from alarm where point = $1 and cond = $2", "is", (int64_t)step->num,
                    str_of(alarm_condition_name(step->cond)));
}

#define COLUMNS 15
#define ROWS 40 /* a statement: a round trip to the server for each row would take too long in a storm */

static void bind_entry(struct sql_stmt *s, int i, struct kernel *k, const struct journal_entry *j)
{
    char id[37];
    const struct alarm_step *p = &j->step;
    uuid7(kernel_clock(k), kernel_rng(k), id);
    sql_bind_str(s, i + 1, str_of(id));
    sql_bind_i64(s, i + 2, p->at_us);
    sql_bind_i64(s, i + 3, p->num);
    bind_info(s, i + 4, j->info);
    sql_bind_str(s, i + 8, str_of(alarm_condition_name(p->cond)));
    sql_bind_str(s, i + 9, str_of(alarm_event_name(p->event)));
    sql_bind_str(s, i + 10, str_of(alarm_state_name(p->to)));
    sql_bind_i64(s, i + 11, p->priority);
    bind_number(s, i + 12, p->value);
    bind_number(s, i + 13, p->limit);
    sql_bind_str(s, i + 14, str_of(p->words ? p->words->login : ""));
    sql_bind_str(s, i + 15, str_of(p->words ? p->words->text : ""));
}

static int write_entries(struct sql_tx *tx, struct kernel *k, const struct journal_entry *j, size_t n, struct error *e)
{
    struct sql_stmt *s;
    struct buf text;
    buf_init(&text, 64 << 10);
    buf_z(&text, "insert into alarm_event(id, at_us, point, point_id, org, code, name, cond, event, state, priority, "
                 "value, limit_value, by_login, comment) values");
    placeholders(&text, n, COLUMNS);
    int rc = text.err ? text.err : sql_prepare(tx, buf_cstr(&text), &s, e);
    buf_fini(&text);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++) bind_entry(s, (int)i * COLUMNS, k, &j[i]);
    return run(s, e);
}

static int write_journal(struct sql_tx *tx, struct kernel *k, const struct journal_entry *j, size_t n, struct error *e)
{
    int rc = 0;
    size_t i = 0;
    for (; i + ROWS <= n && !rc; i += ROWS) rc = write_entries(tx, k, j + i, ROWS, e);
    for (; i < n && !rc; i++) rc = write_entries(tx, k, j + i, 1, e); /* two texts in all: both stay prepared */
    return rc;
}

/* Full groups in one statement, the rest one by one: two texts in all, so that both stay prepared. */
static int write_group(struct sql_tx *tx, const struct alarm_item *it, size_t n, struct error *e)
{
    int rc = n == ROWS ? write_items(tx, it, ROWS, e) : 0;
    for (size_t i = 0; i < n && n < ROWS && !rc; i++) rc = write_items(tx, &it[i], 1, e);
    return rc;
}

/* Of the alarms that the entries are about, each once: by the entry that was its last. */
static int write_states(struct sql_tx *tx, struct book *b, const struct journal_entry *j, size_t n, struct error *e)
{
    struct alarm_item *group = mem_calloc(ROWS, sizeof *group);
    size_t count = 0;
    int rc = group ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < n && !rc; i++) {
        struct alarm_item *it = &group[count];
        if (!book_get(b, j[i].step.num, j[i].step.cond, it)) {
            rc = drop_item(tx, &j[i].step, e);
        } else if (it->seq != j[i].step.seq) {
            book_item_done(b, it); /* a later entry brings it */
        } else if (++count == ROWS) {
            rc = write_group(tx, group, count, e);
            while (count) book_item_done(b, &group[--count]);
        }
    }
    if (!rc) rc = write_group(tx, group, count, e);
    while (count) book_item_done(b, &group[--count]);
    mem_free(group);
    return rc;
}

int store_write(struct kernel *k, struct book *b, const struct journal_entry *j, size_t n, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(k), true, &tx, e);
    if (rc) return rc;
    rc = write_journal(tx, k, j, n, e);
    if (!rc) rc = write_states(tx, b, j, n, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int store_prune(struct kernel *k, int keep_days, int64_t keep_rows, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(k), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "delete from alarm_event where at_us < $1", "i",
                  clock_now_us(kernel_clock(k)) - (int64_t)keep_days * 86400 * TIME_US_PER_S);
    if (!rc)
        rc = sql_exec(tx, e,
                      "delete from alarm_event where id <= (select id from alarm_event order by id desc limit 1 "
                      "offset $1)",
                      "i", keep_rows);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

/* ---- the journal ---- */

static void jw_number(struct json_writer *w, const char *key, struct sql_stmt *s, int col)
{
    if (sql_is_null(s, col))
        jw_kz(w, key, NULL);
    else
        jw_kdouble(w, key, sql_double(s, col));
}

static void write_event(struct json_writer *w, struct sql_stmt *s)
{
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_kstr(w, "id", sql_str(s, 0));
    jw_kz(w, "at", time_format(sql_i64(s, 1), at));
    jw_ki64(w, "point", sql_i64(s, 2));
    jw_kstr(w, "code", sql_str(s, 3));
    jw_kstr(w, "name", sql_str(s, 4));
    jw_kstr(w, "org", sql_str(s, 5));
    jw_kstr(w, "condition", sql_str(s, 6));
    jw_kstr(w, "event", sql_str(s, 7));
    jw_kstr(w, "state", sql_str(s, 8));
    jw_ki64(w, "priority", sql_i64(s, 9));
    jw_number(w, "value", s, 10);
    jw_number(w, "limit", s, 11);
    jw_kstr(w, "by", sql_str(s, 12));
    jw_kstr(w, "comment", sql_str(s, 13));
    jw_end(w);
}

/* "where …" with the organisations that he may see as $4… */
#define ORGS_MAX 900 /* parameters of a statement */
static void where(struct buf *b, const struct scope *scope)
{
    buf_z(b, " from alarm_event where at_us >= $1 and at_us < $2 and ($3 = '' or code = $3 or point_id = $3)");
    if (scope->all) return;
    buf_z(b, " and org in (''");
    for (size_t i = 0; i < scope->n; i++) buf_printf(b, ",$%zu", i + 4);
    buf_z(b, ")");
}

static int prepare(struct sql_tx *tx, const char *what, const char *tail, const struct journal_query *q,
                   const struct scope *scope, struct sql_stmt **ret, struct error *e)
{
    struct buf text;
    if (!scope->all && scope->n > ORGS_MAX)
        return error_set(e, ERR_LIMIT, "",
                         "you may see more than %d organisations one by one; ask for a grant above them",
                         "单独授权的组织超过 %d 个，请改为上级组织授权", ORGS_MAX);
    buf_init(&text, 1 << 20);
    buf_z(&text, what);
    where(&text, scope);
    buf_z(&text, tail);
    int rc = text.err ? text.err : sql_prepare(tx, buf_cstr(&text), ret, e);
    buf_fini(&text);
    if (rc) return rc;
    sql_bind_i64(*ret, 1, q->from_us);
    sql_bind_i64(*ret, 2, q->to_us);
    sql_bind_str(*ret, 3, q->point.n ? q->point : STR(""));
    for (size_t i = 0; !scope->all && i < scope->n; i++) sql_bind_str(*ret, (int)i + 4, scope->orgs[i]);
    return 0;
}

static int read_page(struct sql_tx *tx, const struct journal_query *q, const struct scope *scope, struct json_writer *w,
                     struct error *e)
{
    struct sql_stmt *s;
    char tail[120];
    snprintf(tail, sizeof tail, " order by at_us desc, id desc limit %zu offset %zu", q->limit, q->offset);
    int rc = prepare(tx,
                     "select id, at_us, point, code, name, org, cond, event, state, priority, value, limit_value, "
                     "by_login, comment",
                     tail, q, scope, &s, e);
    if (rc) return rc;
    while ((rc = sql_step(s, e)) == 1) write_event(w, s);
    sql_done(s);
    return rc;
}

int store_journal(struct kernel *k, struct arena *a, const struct journal_query *q, struct json_writer *w,
                  int64_t *ret_total, struct error *e)
{
    struct scope scope = permitted_scope(q->may, "alarm", ACT_READ);
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(kernel_sql(k), false, &tx, e);
    if (rc) return rc;
    rc = prepare(tx, "select count(*)", "", q, &scope, &s, e);
    if (!rc) {
        rc = sql_step(s, e);
        if (rc == 1) *ret_total = sql_i64(s, 0);
        sql_done(s);
    }
    rc = rc < 0 ? rc : read_page(tx, q, &scope, w, e);
    sql_rollback(tx);
    return rc;
}
