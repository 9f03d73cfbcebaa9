/* table.c - the table of backups: what the pages show. The truth about a backup is its manifest in the target; the
 * table remembers it, adds what became of it (drills) and what failed. */
#include "modules/backup/backup.h"
#include "base/mem.h"

static const struct sql_migration migrations[] = {
    {1, "create table backup(id text primary key, plan text not null, plan_code text not null, mode text not null,"
        " base text not null, state text not null, job text not null, error text not null, at_us int not null,"
        " ended_us int not null, until_us int not null, bytes int not null, new_bytes int not null, files int not null,"
        " samples int not null, parts text not null, report text not null, verified_us int not null,"
        " drill_us int not null, drill_ok int not null, drill_en text not null, drill_zh text not null) strict;"
        "create index backup_plan_at on backup(plan, at_us);"
        "create index backup_at on backup(at_us);"
        "create table backup_position(plan text primary key, log int not null, at_us int not null) strict;"},
};

int backup_tables(struct sql *db, struct error *e)
{
    return sql_migrate(db, "backup", migrations, sizeof migrations / sizeof *migrations, e);
}

static struct sql *db_of(struct backup *b)
{
    return kernel_sql(b->node->kernel);
}

static int64_t now_of(struct backup *b)
{
    return clock_now_us(b->node->clock);
}

static int end(struct sql_tx *tx, int rc, struct error *e)
{
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

/* [{"what","files","bytes"}] as the API answers it. */
static void write_parts(struct buf *b, const struct manifest *m)
{
    struct json_writer w = json_writer(b);
    jw_array(&w);
    for (int i = 0; i < PARTS; i++) {
        if (!m->part[i]) continue;
        jw_object(&w);
        jw_kz(&w, "what", part_name((enum backup_part)i));
        jw_ki64(&w, "files", (int64_t)m->part_files[i]);
        jw_ki64(&w, "bytes", (int64_t)m->part_bytes[i]);
        jw_end(&w);
    }
    jw_end(&w);
}

/* ------------------------------------------------------------------ writing */

/* A job that goes on after a crash has its row already. */
int backup_row_begin(struct backup *b, const struct backup_row *r, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db_of(b), true, &tx, e);
    if (rc) return rc;
    rc =
        sql_exec(tx, e,
                 "insert into backup(id, plan, plan_code, mode, base, state, job, error, at_us, ended_us, until_us,"
                 " bytes, new_bytes, files, samples, parts, report, verified_us, drill_us, drill_ok, drill_en,"
                 " drill_zh) values($1, $2, $3, $4, $5, 'running', $6, '', $7, 0, 0, 0, 0, 0, 0, '[]', '', 0, 0, 0,"
                 " '', '') on conflict(id) do update set state = 'running', mode = excluded.mode, base = excluded.base,"
                 " at_us = excluded.at_us, error = ''",
                 "ssssssi", r->id, r->plan, r->plan_code, r->mode, r->base, r->job, r->at_us);
    return end(tx, rc, e);
}

int backup_row_done(struct backup *b, const struct manifest *m, struct str job, struct str report, struct error *e)
{
    struct sql_tx *tx;
    struct buf parts;
    int rc = sql_begin(db_of(b), true, &tx, e);
    if (rc) return rc;
    buf_init(&parts, 4096);
    write_parts(&parts, m);
    rc = sql_exec(tx, e,
                  "insert into backup(id, plan, plan_code, mode, base, state, job, error, at_us, ended_us, until_us,"
                  " bytes, new_bytes, files, samples, parts, report, verified_us, drill_us, drill_ok, drill_en,"
                  " drill_zh) values($1, $2, $3, $4, $5, 'done', $6, '', $7, $8, $9, $10, $11, $12, $13, $14, $15, 0,"
                  " 0, 0, '', '') on conflict(id) do update set state = 'done', mode = excluded.mode, base ="
                  " excluded.base, error = '', at_us = excluded.at_us, ended_us = excluded.ended_us, until_us ="
                  " excluded.until_us, bytes = excluded.bytes, new_bytes = excluded.new_bytes, files ="
                  " excluded.files, samples = excluded.samples, parts = excluded.parts, report = excluded.report",
                  "ssssssiiiiiiiss", str_of(m->id), str_of(m->plan), str_of(m->plan_code), str_of(m->mode),
                  str_of(m->base), job, m->at_us, m->ended_us, m->until_us, (int64_t)m->bytes, (int64_t)m->new_bytes,
                  (int64_t)m->files, (int64_t)m->samples, buf_view(&parts), report);
    buf_fini(&parts);
    return end(tx, rc, e);
}

void backup_row_failed(struct backup *b, const char *id, const char *state, const struct error *why)
{
    struct sql_tx *tx;
    char text[ERROR_TEXT_MAX + ERROR_WHERE_MAX + 4];
    snprintf(text, sizeof text, "%s%s%s", why->where, why->where[0] ? ": " : "", why->text);
    if (sql_begin(db_of(b), true, &tx, NULL)) return;
    int rc = sql_exec(tx, NULL, "update backup set state = $1, error = $2, ended_us = $3 where id = $4", "ssis",
                      str_of(state), str_of(text), now_of(b), str_of(id));
    (void)!end(tx, rc, NULL);
}

int backup_row_drill(struct backup *b, const char *id, bool ok, const struct error *detail, struct str report,
                     struct error *e)
{
    struct sql_tx *tx;
    int64_t now = now_of(b);
    int rc = sql_begin(db_of(b), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e,
                  "update backup set drill_us = $1, drill_ok = $2, drill_en = $3, drill_zh = $4, report = $5 where id ="
                  " $6",
                  "iissss", now, (int64_t)ok, str_of(detail->text), str_of(detail->text_zh), report, str_of(id));
    if (!rc && ok) rc = sql_exec(tx, e, "update backup set verified_us = $1 where id = $2", "is", now, str_of(id));
    return end(tx, rc, e);
}

int backup_rows_heal(struct backup *b, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db_of(b), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e,
                  "update backup set state = 'failed', error = 'interrupted', ended_us = $1 where state = 'running' and"
                  " job not in (select id from job where ended_us = 0)",
                  "i", now_of(b));
    return end(tx, rc, e);
}

int backup_row_delete(struct backup *b, const char *id, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db_of(b), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "delete from backup where id = $1", "s", str_of(id));
    return end(tx, rc, e);
}

static bool is_among(struct str id, const struct manifest *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_is(id, m[i].id)) return true;
    return false;
}

int backup_rows_keep(struct backup *b, const char *plan, const struct manifest *m, size_t n, struct error *e)
{
    AUTO_ARENA a;
    struct backup_row *rows;
    size_t nrows;
    int64_t total;
    arena_init(&a, 256u << 20);
    int rc = backup_rows(b, &a, str_of(plan), 0, 100000, &rows, &nrows, &total, e);
    for (size_t i = 0; i < nrows && !rc; i++) {
        char id[37];
        if (!str_is(rows[i].state, "done") || is_among(rows[i].id, m, n)) continue;
        str_to_cstr(rows[i].id, id, sizeof id);
        rc = backup_row_delete(b, id, e);
    }
    return rc;
}

/* ------------------------------------------------------------------ reading */

#define COLUMNS \
    "id, plan, plan_code, mode, base, state, job, error, at_us, ended_us, until_us, bytes, new_bytes, files, samples," \
    " parts, report, verified_us, drill_us, drill_ok, drill_en, drill_zh"

static void take_row(struct sql_stmt *s, struct arena *a, struct backup_row *r)
{
    *r = (struct backup_row){.id = arena_str(a, sql_str(s, 0)),
                             .plan = arena_str(a, sql_str(s, 1)),
                             .plan_code = arena_str(a, sql_str(s, 2)),
                             .mode = arena_str(a, sql_str(s, 3)),
                             .base = arena_str(a, sql_str(s, 4)),
                             .state = arena_str(a, sql_str(s, 5)),
                             .job = arena_str(a, sql_str(s, 6)),
                             .error = arena_str(a, sql_str(s, 7)),
                             .at_us = sql_i64(s, 8),
                             .ended_us = sql_i64(s, 9),
                             .until_us = sql_i64(s, 10),
                             .bytes = sql_i64(s, 11),
                             .new_bytes = sql_i64(s, 12),
                             .files = sql_i64(s, 13),
                             .samples = sql_i64(s, 14),
                             .parts = arena_str(a, sql_str(s, 15)),
                             .report = arena_str(a, sql_str(s, 16)),
                             .verified_us = sql_i64(s, 17),
                             .drill_us = sql_i64(s, 18),
                             .drill_ok = sql_i64(s, 19) != 0,
                             .drill_en = arena_str(a, sql_str(s, 20)),
                             .drill_zh = arena_str(a, sql_str(s, 21))};
}

int backup_row_get(struct backup *b, struct arena *a, struct str id, struct backup_row *ret, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(db_of(b), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select " COLUMNS " from backup where id = $1", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, id.n ? id : STR("-"));
        rc = sql_step(s, e);
        if (rc == 1) take_row(s, a, ret);
    }
    sql_done(s);
    sql_rollback(tx);
    if (rc == 0)
        return error_set(e, ERR_NOT_FOUND, "", "there is no backup '%.*s'", "没有备份“%.*s”",
                         STR_ARG(str_sub(id, 0, 60)));
    return rc < 0 ? rc : 0;
}

static int count_rows(struct sql_tx *tx, struct str plan, int64_t *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select count(*) from backup where $1 = '' or plan = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, plan.p ? plan : STR(""));
    rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

int backup_rows(struct backup *b, struct arena *a, struct str plan, int64_t offset, int64_t limit,
                struct backup_row **ret, size_t *ret_n, int64_t *ret_total, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    size_t n = 0;
    *ret_n = 0;
    int rc = sql_begin(db_of(b), false, &tx, e);
    if (rc) return rc;
    rc = count_rows(tx, plan, ret_total, e);
    int64_t room = rc ? 0 : *ret_total < limit ? *ret_total : limit;
    struct backup_row *rows = rc ? NULL : arena_calloc(a, (size_t)room + 1, sizeof *rows);
    if (!rc && !rows) rc = backup_nomem(e);
    if (!rc)
        rc = sql_prepare(tx,
                         "select " COLUMNS " from backup where $1 = '' or plan = $1 order by at_us desc, id desc"
                         " limit $2 offset $3",
                         &s, e);
    if (!rc) {
        sql_bind_str(s, 1, plan.p ? plan : STR(""));
        sql_bind_i64(s, 2, room);
        sql_bind_i64(s, 3, offset);
        while ((rc = sql_step(s, e)) == 1) take_row(s, a, &rows[n++]);
    }
    sql_done(s);
    sql_rollback(tx);
    if (rc) return rc;
    *ret = rows;
    *ret_n = n;
    return 0;
}

static int one(struct backup *b, const char *text, struct str arg, int64_t *ret, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(db_of(b), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, text, &s, e);
    if (!rc) {
        sql_bind_str(s, 1, arg);
        rc = sql_step(s, e);
        *ret = rc == 1 ? sql_i64(s, 0) : 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

int backup_last(struct backup *b, const char *plan, const char *what, int64_t *ret, struct error *e)
{
    static const struct {
        const char *what, *text;
    } ask[] = {
        {"full", "select coalesce(max(at_us), 0) from backup where plan = $1 and mode = 'full'"},
        {"incremental", "select coalesce(max(at_us), 0) from backup where plan = $1"},
        {"good", "select coalesce(max(at_us), 0) from backup where plan = $1 and state = 'done'"},
        {"drill", "select coalesce(max(drill_us), 0) from backup where plan = $1"},
    };
    for (size_t i = 0; i < sizeof ask / sizeof *ask; i++)
        if (strcmp(ask[i].what, what) == 0) return one(b, ask[i].text, str_of(plan), ret, e);
    return ERR_INTERNAL;
}

int backup_is_suspect(struct backup *b, const char *plan, bool *ret, struct error *e)
{
    int64_t n = 0;
    int rc = one(b,
                 "select count(*) from backup d where d.plan = $1 and d.drill_us > 0 and d.drill_ok = 0 and not exists"
                 " (select 1 from backup n where n.plan = d.plan and n.mode = 'full' and n.state = 'done' and n.at_us >"
                 " d.drill_us)",
                 str_of(plan), &n, e);
    if (!rc) *ret = n > 0;
    return rc;
}

/* ------------------------------------------------------------------ logs */

int backup_position(struct backup *b, const char *plan, uint64_t *ret_log, int64_t *ret_at, struct error *e)
{
    int64_t log = 0, at = 0;
    int rc = one(b, "select log from backup_position where plan = $1", str_of(plan), &log, e);
    if (!rc) rc = one(b, "select at_us from backup_position where plan = $1", str_of(plan), &at, e);
    if (rc) return rc;
    *ret_log = (uint64_t)log;
    *ret_at = at;
    return 0;
}

int backup_position_set(struct backup *b, const char *plan, uint64_t log, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db_of(b), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e,
                  "insert into backup_position(plan, log, at_us) values($1, $2, $3) on conflict(plan) do update set log"
                  " = excluded.log, at_us = excluded.at_us",
                  "sii", str_of(plan), (int64_t)log, now_of(b));
    return end(tx, rc, e);
}
