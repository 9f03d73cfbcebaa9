/* drill.c - the job backup.drill: is this backup one that can be restored?
 *
 * Everything is fetched and hashed; history is opened in a scratch folder and each point's samples are hashed in the
 * window of the manifest and compared; the database is opened and looked through by its own check. What is found bad is
 * named, file by file and point by point, and the drill goes on to find the rest. The report is kept with the backup;
 * the folder is removed. A drill that finds damage is done, not failed: it did its work; the event says what it found.
 */
#include "base/mem.h"
#include "base/limits.h"
#include "base/time.h"
#include "modules/backup/backup.h"
#include "modules/backup/digest.h"

#define SHOWN 100

struct drill {
    struct backup *b;
    struct job *j;
    struct arena *a;
    struct json *files, *points; /* what is bad; SHOWN of each */
    uint64_t bad_files, bad_points, compared, samples;
    int64_t resources; /* rows of the database; -1: it was not looked at */
    char database[ERROR_TEXT_MAX];
    struct taken k;
    struct take x;
    struct error first; /* what was found bad first */
    double seconds;
};

static void note_first(struct drill *d, const struct error *why)
{
    if (!d->first.code) d->first = *why;
}

static void add_text(struct drill *d, struct json *o, const char *name, const char *text)
{
    json_set(o, d->a, str_of(name), json_new_str(d->a, arena_str(d->a, str_of(text))));
}

static int bad_file(void *ctx, const struct entry *f, const struct error *why)
{
    struct drill *d = ctx;
    char name[200];
    str_to_cstr(f->name, name, sizeof name);
    note_first(d, why);
    job_log(d->j, "error", "%s: %s", name, why->text);
    if (++d->bad_files > SHOWN) return 0;
    struct json *o = json_new_object(d->a);
    if (!o) return ERR_NOMEM;
    add_text(d, o, "file", name);
    add_text(d, o, "what", why->text);
    add_text(d, o, "what_zh", why->text_zh);
    json_push(d->files, o);
    return 0;
}

/* ------------------------------------------------------------------ points */

static bool ended(void *ctx)
{
    return job_cancelled(ctx);
}

static int bad_point(struct drill *d, uint32_t point, uint64_t want, const struct digest *is)
{
    struct error why = {0};
    struct resource r;
    char code[LIMIT_CODE + 1] = "";
    if (resource_by_num(d->b->node->kernel, d->a, "point", point, &r, NULL) == 0)
        str_to_cstr(r.code, code, sizeof code);
    error_set(&why, ERR_CORRUPT, code[0] ? code : "point",
              "point %u has %llu samples where the backup had %llu, or others",
              "点 %u 有 %llu 个样本，备份时为 %llu 个，或内容不同", point, (unsigned long long)is->samples,
              (unsigned long long)want);
    note_first(d, &why);
    job_log(d->j, "error", "%s: %s", why.where, why.text);
    if (++d->bad_points > SHOWN) return 0;
    struct json *o = json_new_object(d->a);
    if (!o) return ERR_NOMEM;
    json_set(o, d->a, STR("point"), json_new_i64(d->a, point));
    add_text(d, o, "code", code);
    json_set(o, d->a, STR("samples"), json_new_i64(d->a, (int64_t)is->samples));
    json_set(o, d->a, STR("expected"), json_new_i64(d->a, (int64_t)want));
    json_push(d->points, o);
    return 0;
}

static int compare_point(void *ctx, struct arena *a, const struct json *line, struct error *e)
{
    struct drill *d = ctx;
    struct digest is;
    const struct manifest *m = &d->k.m;
    uint32_t point = (uint32_t)json_i64(json_get(line, "p"), 0);
    uint64_t want = (uint64_t)json_i64(json_get(line, "n"), 0);
    job_progress(d->j, d->compared, m->digest_points, "comparing points", "正在比对各点");
    int rc = digest_point(d->k.history, point, m->digest_from, m->digest_to, ended, d->j, &is, e);
    if (rc) return rc;
    d->compared++;
    d->samples += is.samples;
    bool same = is.samples == want && str_is(json_str(json_get(line, "h"), STR("")), is.hash);
    return same ? 0 : bad_point(d, point, want, &is);
}

/* What makes it impossible to look is a finding too. */
static int look_at_history(struct drill *d, struct error *e)
{
    struct error why = {0};
    if (!d->k.m.part[PART_HISTORY]) return 0;
    int rc = backup_take_open(d->b, &d->k, &why);
    if (!rc) rc = lines_each(d->x.t, d->k.m.points, compare_point, d, &why);
    if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND) {
        note_first(d, &why);
        d->bad_files++;
        rc = 0;
    }
    if (rc && e) *e = why;
    return rc;
}

/* ------------------------------------------------------------------ database */

static int ask_all(struct sql_tx *tx, struct drill *d, const char *text, bool count, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    while ((rc = sql_step(s, e)) == 1) {
        if (count)
            d->resources = sql_i64(s, 0);
        else if (!str_is(sql_str(s, 0), "ok") && !d->database[0])
            str_to_cstr(sql_str(s, 0), d->database, sizeof d->database);
    }
    sql_done(s);
    return rc;
}

static void look_at_database(struct drill *d)
{
    char url[4500];
    struct sql *db = NULL;
    struct sql_tx *tx;
    struct error why = {0};
    if (!d->k.m.part[PART_DATABASE]) return;
    snprintf(url, sizeof url, "sqlite:%s/kernel.db", d->k.path);
    job_progress(d->j, 0, 0, "checking the database", "正在检查数据库");
    int rc = sql_open(url, &db, &why);
    if (!rc) rc = sql_begin(db, false, &tx, &why);
    if (!rc) {
        rc = ask_all(tx, d, "pragma integrity_check(100)", false, &why);
        if (!rc) rc = ask_all(tx, d, "select count(*) from resource where deleted = 0", true, &why);
        sql_rollback(tx);
    }
    sql_close(db);
    if (rc) snprintf(d->database, sizeof d->database, "%s", why.text);
    if (!d->database[0]) return;
    error_set(&why, ERR_CORRUPT, "kernel.db", "the database is damaged: %s", "数据库已损坏：%s", d->database);
    job_log(d->j, "error", "%s", why.text);
    note_first(d, &why);
}

/* ------------------------------------------------------------------ report */

static struct json *report(struct drill *d, bool ok)
{
    struct arena *a = d->a;
    const struct manifest *m = &d->k.m;
    struct json *r = json_new_object(a), *p = json_new_object(a);
    char t[TIME_TEXT_MAX];
    if (!r || !p) return NULL;
    json_set(r, a, STR("ok"), json_new_bool(a, ok));
    add_text(d, r, "at", time_format(clock_now_us(d->b->node->clock), t));
    json_set(r, a, STR("seconds"), json_new_double(a, d->seconds));
    json_set(r, a, STR("files"), json_new_i64(a, (int64_t)d->x.files));
    json_set(r, a, STR("bytes"), json_new_i64(a, (int64_t)d->x.bytes));
    json_set(r, a, STR("bad_files"), json_new_i64(a, (int64_t)d->bad_files));
    json_set(r, a, STR("bad"), d->files);
    json_set(p, a, STR("compared"), json_new_i64(a, (int64_t)d->compared));
    json_set(p, a, STR("samples"), json_new_i64(a, (int64_t)d->samples));
    json_set(p, a, STR("all_samples"), json_new_bool(a, m->digest_complete));
    add_text(d, p, "from", time_format(m->digest_from, t));
    add_text(d, p, "to", time_format(m->digest_to, t));
    json_set(p, a, STR("different"), json_new_i64(a, (int64_t)d->bad_points));
    json_set(p, a, STR("bad"), d->points);
    json_set(r, a, STR("points"), p);
    if (m->part[PART_DATABASE]) {
        struct json *q = json_new_object(a);
        json_set(q, a, STR("resources"), json_new_i64(a, d->resources));
        add_text(d, q, "fault", d->database);
        json_set(r, a, STR("database"), q);
    }
    return r;
}

static void sum_up(struct drill *d, bool ok, struct error *out)
{
    if (ok)
        error_set(out, 0, "",
                  "%llu files (%llu bytes) and %llu samples of %llu points are as they were backed up, in %.0f s",
                  "%llu 个文件（%llu 字节）、%llu 个样本（%llu 个点）与备份一致，用时 %.0f 秒",
                  (unsigned long long)d->x.files, (unsigned long long)d->x.bytes, (unsigned long long)d->samples,
                  (unsigned long long)d->compared, d->seconds);
    if (ok) return;
    snprintf(out->text, sizeof out->text, "%llu files and %llu points are bad; first %.90s: %.160s",
             (unsigned long long)d->bad_files, (unsigned long long)d->bad_points, d->first.where, d->first.text);
    snprintf(out->text_zh, sizeof out->text_zh, "%llu 个文件、%llu 个点异常；首个 %.90s：%.160s",
             (unsigned long long)d->bad_files, (unsigned long long)d->bad_points, d->first.where, d->first.text_zh);
}

static int look(struct drill *d, struct error *e)
{
    struct error why = {0};
    int rc = backup_take(d->b, &d->x, &d->k, &why);
    if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND) { /* manifest or list: nothing can be restored from it */
        note_first(d, &why);
        d->bad_files++;
        str_to_cstr(d->x.backup, d->k.m.id, sizeof d->k.m.id);
        return 0;
    }
    if (rc && e) *e = why;
    if (!rc) rc = look_at_history(d, e);
    if (!rc) look_at_database(d);
    return rc;
}

static int tell(struct drill *d, const struct backup_plan *p, struct error *e)
{
    struct error detail = {0};
    bool ok = !d->first.code;
    struct json *r = report(d, ok);
    if (!r) return backup_nomem(e);
    sum_up(d, ok, &detail);
    int rc = backup_row_drill(d->b, d->k.m.id, ok, &detail, json_text(d->a, r), e);
    if (!rc) rc = job_result(d->j, r, e);
    if (!ok) {
        backup_tell(d->b, "damaged", EVENT_CRITICAL, p, str_of(detail.text), str_of(detail.text_zh));
        job_log(d->j, "error", "%s", detail.text);
    } else {
        backup_tell(d->b, "drilled", EVENT_INFO, p, str_of(detail.text), str_of(detail.text_zh));
    }
    return rc;
}

/* The backup that is asked for, or the newest of the plan. */
static int find_backup(struct backup *b, struct job *j, struct backup_plan *p, struct str *ret, struct error *e)
{
    struct arena *a = job_arena(j);
    struct str id = json_str(json_get(job_params(j), "backup"), STR(""));
    struct str plan = json_str(json_get(job_params(j), "plan"), STR(""));
    struct backup_row *rows, row;
    size_t n = 0;
    int64_t total;
    int rc = id.n ? backup_row_get(b, a, id, &row, e) : 0;
    if (!rc) rc = backup_plan_get(b, a, id.n ? row.plan : plan, p, e);
    if (!rc && !id.n) rc = backup_rows(b, a, str_of(p->id), 0, 1000, &rows, &n, &total, e);
    for (size_t i = 0; i < n && !id.n; i++)
        if (str_is(rows[i].state, "done")) id = rows[i].id;
    if (!rc && !id.n) rc = error_set(e, ERR_NOT_FOUND, "plan", "the plan has no backup yet", "该计划尚无备份");
    if (!rc) *ret = id;
    return rc;
}

int backup_job_drill(void *ctx, struct job *j, struct error *e)
{
    struct backup_plan p;
    struct arena *a = job_arena(j);
    struct drill d = {
        .b = ctx, .j = j, .a = a, .files = json_new_array(a), .points = json_new_array(a), .resources = -1};
    d.x = (struct take){.j = j, .from_us = INT64_MIN, .to_us = INT64_MAX, .all = true, .bad = bad_file, .ctx = &d};
    uint64_t began = clock_mono_ns(clock_real());
    int rc = d.files && d.points ? find_backup(ctx, j, &p, &d.x.backup, e) : backup_nomem(e);
    if (!rc) rc = backup_target_open(ctx, &p, j, &d.x.t, e);
    if (rc) return rc;
    rc = look(&d, e);
    d.seconds = (double)(clock_mono_ns(clock_real()) - began) / 1e9;
    if (!rc) rc = tell(&d, &p, e);
    backup_taken_end(&d.k);
    backup_target_close(ctx, &p, d.x.t);
    backup_wake(ctx);
    return rc;
}
