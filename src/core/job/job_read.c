/* job_read.c - see job_read.h. The condition of a query is put together with its arguments beside it; who
 * may see a job stands in it too, so that pages and totals are right. */
#include "core/job/job_read.h"
#include <stdio.h>
#include "core/feed.h"
#include "core/job/job_int.h"

#define ARGS_MAX 20000
struct arg {
    bool number;
    int64_t i;
    struct str s;
};
struct where {
    struct arena *a;
    struct buf text;
    struct arg *args;
    size_t n, cap;
    bool full;
};

static void add_arg(struct where *w, struct arg arg)
{
    if (w->n >= ARGS_MAX || !mem_grow((void **)&w->args, &w->cap, w->n + 1, sizeof *w->args)) {
        w->full = true;
        return;
    }
    w->args[w->n++] = arg;
    buf_printf(&w->text, "$%zu", w->n);
}
static void add_str(struct where *w, const char *before, struct str s, const char *after)
{
    buf_z(&w->text, before);
    add_arg(w, (struct arg){.s = s.p ? s : STR("")});
    buf_z(&w->text, after);
}
static void add_i64(struct where *w, const char *before, int64_t i)
{
    buf_z(&w->text, before);
    add_arg(w, (struct arg){.number = true, .i = i});
}

/* ------------------------------------------------------------------ who sees what */

static void see_in(struct where *w, const struct job_type *t, const struct scope *s)
{
    add_str(w, " or (type = ", str_of(t->name), " and org in (");
    add_str(w, "", t->action == ACT_READ ? STR("") : STR("-"), "");
    for (size_t i = 0; i < s->n; i++) add_str(w, ",", s->orgs[i], "");
    buf_z(&w->text, "))");
}

static void see(struct where *w, struct jobs *js, const struct actor *by)
{
    if (!by || !by->may || permitted(by->may, "job", ACT_ADMIN)) return;
    add_str(w, " and (user_id = ", by->user_id[0] ? str_of(by->user_id) : STR("-"), "");
    for (size_t i = 0; i < js->ntypes; i++) {
        const struct job_type *t = js->types[i];
        struct scope s = permitted_scope(by->may, t->kind, t->action);
        if (s.all)
            add_str(w, " or type = ", str_of(t->name), "");
        else if (permitted(by->may, t->kind, t->action))
            see_in(w, t, &s);
    }
    buf_z(&w->text, ")");
}

/* ------------------------------------------------------------------ the other conditions */

static void any_of(struct where *w, const char *column, struct str list)
{
    if (!list.n) return;
    buf_printf(&w->text, " and %s in (", column);
    for (bool first = true; list.p; first = false) add_str(w, first ? "" : ",", str_trim(str_cut(&list, ',')), "");
    buf_z(&w->text, ")");
}

static void contains(struct where *w, struct str text)
{
    struct buf like;
    if (!text.n) return;
    buf_init(&like, 1024);
    buf_u8(&like, '%');
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '%' || c == '_' || c == '\\') buf_u8(&like, '\\');
        buf_u8(&like, (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
    buf_u8(&like, '%');
    struct str pattern = arena_str(w->a, buf_view(&like));
    buf_fini(&like);
    add_str(w, " and (lower(title) like ", pattern, " escape '\\'");
    add_str(w, " or lower(type) like ", pattern, " escape '\\'");
    add_str(w, " or lower(login) like ", pattern, " escape '\\')");
}

#define STATE "case when state = 'running' and cancel = 1 then 'cancelling' else state end"

static void conditions(struct where *w, struct jobs *js, const struct job_query *q)
{
    buf_z(&w->text, "1 = 1");
    if (q->id.n) add_str(w, " and id = ", q->id, "");
    any_of(w, "(" STATE ")", q->state);
    any_of(w, "type", q->type);
    if (q->schedule.n) add_str(w, " and schedule = ", q->schedule, "");
    if (q->parent.n) add_str(w, " and parent = ", q->parent, "");
    if (q->mine && q->by) add_str(w, " and user_id = ", str_of(q->by->user_id), "");
    if (q->to_us) add_i64(w, " and created_us <= ", q->to_us);
    if (q->from_us) {
        add_i64(w, " and (ended_us = 0 or ended_us >= ", q->from_us);
        buf_z(&w->text, ")");
    }
    if (q->after_change >= 0) add_i64(w, " and change > ", q->after_change);
    contains(w, q->text);
    see(w, js, q->by);
}

static int prepare(struct sql_tx *tx, const struct where *w, const char *head, const char *tail, struct sql_stmt **ret,
                   struct error *e)
{
    struct buf text;
    if (w->full || w->text.err) return error_set(e, ERR_TOO_LARGE, "", "the query is too large", "查询过大");
    buf_init(&text, w->text.n + 4096);
    buf_z(&text, head);
    buf_str(&text, buf_view(&w->text));
    buf_z(&text, tail);
    int rc = text.err ? job_nomem(e) : sql_prepare(tx, buf_cstr(&text), ret, e);
    buf_fini(&text);
    for (size_t i = 0; i < w->n && !rc; i++) {
        if (w->args[i].number)
            sql_bind_i64(*ret, (int)i + 1, w->args[i].i);
        else
            sql_bind_str(*ret, (int)i + 1, w->args[i].s);
    }
    return rc;
}

/* ------------------------------------------------------------------ one job as JSON */

#define COLUMNS \
    "select id, type, title, " STATE \
    ", login, org, schedule, parent, created_us, not_before_us, started_us, ended_us," \
    " attempt, done, total, what_en, what_zh, error_code, error_where, error_en, error_zh, change, user_id, runner" \
    " from job where "

static void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char t[TIME_TEXT_MAX];
    jw_kz(w, key, us ? time_format(us, t) : NULL);
}

static void write_title(struct json_writer *w, const struct job_type *t, struct str title, struct str type)
{
    struct str en = t ? str_of(t->title_en) : type, zh = t ? str_of(t->title_zh) : type;
    jw_key(w, STR("title"));
    jw_object(w);
    jw_kstr(w, "en", title.n ? title : en);
    jw_kstr(w, "zh", title.n ? title : zh);
    jw_end(w);
}

static void write_error(struct json_writer *w, struct sql_stmt *s, bool zh)
{
    jw_key(w, STR("error"));
    if (sql_i64(s, 17) == 0) {
        jw_null(w);
        return;
    }
    struct str text = sql_str(s, zh ? 20 : 19);
    jw_object(w);
    jw_kz(w, "code", error_name((int)sql_i64(s, 17)));
    jw_kstr(w, "where", sql_str(s, 18));
    jw_kstr(w, "detail", text.n ? text : sql_str(s, 19));
    jw_end(w);
}

static void write_progress(struct json_writer *w, struct sql_stmt *s, bool zh)
{
    struct str what = sql_str(s, zh ? 16 : 15);
    jw_key(w, STR("progress"));
    jw_object(w);
    jw_ki64(w, "done", sql_i64(s, 13));
    jw_ki64(w, "total", sql_i64(s, 14));
    jw_kstr(w, "what", what.n ? what : sql_str(s, 15));
    jw_end(w);
}

static bool may_touch(const struct actor *by, const struct job_type *t, struct str user_id, struct str org)
{
    if (!by || !by->may) return true;
    if (by->user_id[0] && str_is(user_id, by->user_id)) return true;
    return (t && permitted_at(by->may, t->kind, t->action, org)) || permitted(by->may, "job", ACT_ADMIN);
}

static void write_may(struct jobs *js, const struct job_query *q, struct sql_stmt *s, struct json_writer *w)
{
    const struct job_type *t = job_type_find(js, sql_str(s, 1));
    struct str state = sql_str(s, 3);
    bool may = may_touch(q->by, t, sql_str(s, 22), sql_str(s, 5));
    bool live = str_is(state, "waiting") || str_is(state, "queued") || str_is(state, "running");
    jw_key(w, STR("may"));
    jw_object(w);
    jw_kbool(w, "cancel", may && live);
    jw_kbool(w, "retry", may && t && (str_is(state, "failed") || str_is(state, "cancelled")));
    jw_end(w);
}

static void write_members(struct jobs *js, const struct job_query *q, struct sql_stmt *s, struct json_writer *w)
{
    jw_kstr(w, "id", sql_str(s, 0));
    jw_kstr(w, "type", sql_str(s, 1));
    write_title(w, job_type_find(js, sql_str(s, 1)), sql_str(s, 2), sql_str(s, 1));
    jw_kstr(w, "state", sql_str(s, 3));
    jw_kstr(w, "by", sql_str(s, 4));
    jw_kstr(w, "org", sql_str(s, 5));
    jw_kstr(w, "schedule", sql_str(s, 6));
    jw_kstr(w, "parent", sql_str(s, 7));
    write_time(w, "created_at", sql_i64(s, 8));
    write_time(w, "not_before", sql_i64(s, 9));
    write_time(w, "started_at", sql_i64(s, 10));
    write_time(w, "ended_at", sql_i64(s, 11));
    jw_ki64(w, "attempt", sql_i64(s, 12));
    write_progress(w, s, q->zh);
    write_error(w, s, q->zh);
    jw_kstr(w, "runner", sql_str(s, 23));
    write_may(js, q, s, w);
}

/* ------------------------------------------------------------------ what only one job shows */

static int write_depends(struct sql_tx *tx, struct str id, struct json_writer *w, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc =
        sql_prepare(tx,
                    "select a.needs, d.state from job_after a join job d on d.id = a.needs where a.job = $1 order by"
                    " a.needs",
                    &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    jw_key(w, STR("depends"));
    jw_array(w);
    while ((rc = sql_step(s, e)) == 1) {
        jw_object(w);
        jw_kstr(w, "id", sql_str(s, 0));
        jw_kstr(w, "state", sql_str(s, 1));
        jw_end(w);
    }
    jw_end(w);
    sql_done(s);
    return rc;
}

static int write_full(struct sql_tx *tx, struct str id, struct json_writer *w, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = sql_prepare(tx, "select params, result from job where id = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, e);
    if (rc == 1) {
        jw_key(w, STR("params"));
        jw_raw(w, sql_str(s, 0));
        jw_key(w, STR("result"));
        struct str result = sql_str(s, 1);
        jw_raw(w, result.n ? result : STR("null"));
    }
    sql_done(s);
    return rc < 0 ? rc : write_depends(tx, id, w, e);
}

/* ------------------------------------------------------------------ lists */

static int count(struct sql_tx *tx, const struct where *w, int64_t *ret, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = prepare(tx, w, "select count(*) from job where ", "", &s, e);
    if (!rc) rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

struct walk {
    struct jobs *js;
    const struct job_query *q;
    void (*begin)(void *ctx, struct json_writer *w); /* opens the object; NULL: as a value of what is open */
    void (*end)(void *ctx, struct json_writer *w);
    void *ctx;
    struct json_writer *w;
    int64_t *ret_change;
};

static int walk_rows(const struct walk *k, struct sql_tx *tx, const struct where *w, struct error *e)
{
    struct sql_stmt *s = NULL;
    char tail[128];
    snprintf(tail, sizeof tail, " order by %s limit %zu offset %zu", k->q->after_change >= 0 ? "change" : "id desc",
             k->q->limit ? k->q->limit : 50, k->q->offset);
    int rc = prepare(tx, w, COLUMNS, tail, &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        struct str id = arena_str(w->a, sql_str(s, 0));
        if (k->begin)
            k->begin(k->ctx, k->w);
        else
            jw_object(k->w);
        write_members(k->js, k->q, s, k->w);
        if (k->ret_change) *k->ret_change = sql_i64(s, 21);
        rc = k->q->full ? write_full(tx, id, k->w, e) : 0;
        if (!k->begin) jw_end(k->w);
        if (k->end) k->end(k->ctx, k->w);
    }
    sql_done(s);
    return rc;
}

static int read_all(const struct walk *k, int64_t *ret_total, struct error *e)
{
    AUTO_ARENA a;
    struct sql_tx *tx;
    arena_init(&a, 4u << 20);
    struct where w = {.a = &a};
    buf_init(&w.text, 1u << 20);
    conditions(&w, k->js, k->q);
    int rc = sql_begin(k->js->db, false, &tx, e);
    if (!rc) {
        if (ret_total) rc = count(tx, &w, ret_total, e);
        if (!rc) rc = walk_rows(k, tx, &w, e);
        sql_rollback(tx);
    }
    buf_fini(&w.text);
    mem_free(w.args);
    return rc;
}

int jobs_list(struct jobs *js, const struct job_query *q, struct json_writer *w, int64_t *ret_total,
              int64_t *ret_change, struct error *e)
{
    struct walk k = {.js = js, .q = q, .w = w, .ret_change = ret_change};
    return read_all(&k, ret_total, e);
}

struct each {
    void (*fn)(void *ctx, struct str json);
    void *ctx;
};

static void hand_out(void *ctx, struct json_writer *w)
{
    struct each *x = ctx;
    if (!w->out->err) x->fn(x->ctx, buf_view(w->out));
    buf_clear(w->out);
    *w = json_writer(w->out);
}

int jobs_each(struct jobs *js, const struct job_query *q, void (*fn)(void *ctx, struct str json), void *ctx,
              int64_t *ret_change, struct error *e)
{
    struct buf one;
    struct each x = {fn, ctx};
    buf_init(&one, 4u << 20);
    struct json_writer w = json_writer(&one);
    struct walk k = {.js = js, .q = q, .w = &w, .end = hand_out, .ctx = &x, .ret_change = ret_change};
    int rc = read_all(&k, NULL, e);
    buf_fini(&one);
    return rc;
}

static void begin_event(void *ctx, struct json_writer *w)
{
    *w = feed_event(ctx, "job");
}
static void end_event(void *ctx, struct json_writer *w)
{
    feed_event_end(w);
}

int jobs_events(struct jobs *js, const struct job_query *q, struct buf *out, int64_t *ret_change, struct error *e)
{
    struct json_writer w;
    struct walk k = {
        .js = js, .q = q, .w = &w, .begin = begin_event, .end = end_event, .ctx = out, .ret_change = ret_change};
    return read_all(&k, NULL, e);
}

int jobs_log(struct jobs *js, struct str id, int64_t after, size_t limit, struct json_writer *w, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    char t[TIME_TEXT_MAX];
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select n, t_us, level, line from job_log where job = $1 and n > $2 order by n limit $3", &s,
                     e);
    if (!rc) {
        sql_bind_str(s, 1, id);
        sql_bind_i64(s, 2, after);
        sql_bind_i64(s, 3, (int64_t)limit);
    }
    while (!rc && (rc = sql_step(s, e)) == 1) {
        jw_object(w);
        jw_ki64(w, "n", sql_i64(s, 0));
        jw_kz(w, "t", time_format(sql_i64(s, 1), t));
        jw_kstr(w, "level", sql_str(s, 2));
        jw_kstr(w, "text", sql_str(s, 3));
        jw_end(w);
        rc = 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

int jobs_newest_change(struct jobs *js, int64_t *ret, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(js->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select value from sequence where name = 'job'", &s, e);
    if (!rc) rc = sql_step(s, e);
    if (rc >= 0) *ret = rc == 1 ? sql_i64(s, 0) : 0;
    sql_done(s);
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

/* ------------------------------------------------------------------ types */

void job_types_write(struct jobs *js, const struct actor *by, struct json_writer *w)
{
    jw_array(w);
    for (size_t i = 0; i < js->ntypes; i++) {
        const struct job_type *t = js->types[i];
        if (by && !permitted(by->may, t->kind, t->action)) continue;
        jw_object(w);
        jw_kz(w, "name", t->name);
        write_title(w, t, STR(""), STR(""));
        jw_kz(w, "kind", t->kind);
        jw_key(w, STR("params"));
        jw_raw(w, t->params ? str_of(t->params) : STR("[]"));
        jw_kbool(w, "by_user", t->by_user);
        jw_kbool(w, "resumable", t->resumable);
        jw_ki64(w, "concurrency", t->concurrency ? t->concurrency : 1);
        jw_ki64(w, "retries", t->retries);
        jw_ki64(w, "timeout_s", t->timeout_s);
        jw_end(w);
    }
    jw_end(w);
}

int job_params_check(const struct job_type *t, struct arena *a, const struct json *params, struct json **ret,
                     struct error *e)
{
    struct kind *kd = NULL;
    char *doc = arena_printf(a,
                             "{\"kind\":\"params\",\"plural\":\"params-list\",\"title\":{\"en\":\"Parameters\",\"zh\":"
                             "\"参数\"},\"fields\":%s}",
                             t->params ? t->params : "[]");
    if (!doc) return job_nomem(e);
    int rc = kind_parse(str_of(doc), &kd, e);
    if (rc) return rc;
    size_t faults = 0;
    struct json *v = NULL;
    rc = kind_check(kd, a, params, &v, NULL, NULL, NULL, 0, &faults, e);
    if (!rc) *ret = json_copy(a, v);
    kind_free(kd);
    if (rc && e && str_starts(str_of(e->where), STR("spec"))) {
        char where[ERROR_WHERE_MAX];
        snprintf(where, sizeof where, "params%.80s", e->where + 4);
        memcpy(e->where, where, sizeof where);
    }
    return rc ? rc : *ret ? 0 : job_nomem(e);
}

void jobs_watch(struct jobs *js, void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&js->lock);
    js->watch = fn;
    js->watch_ctx = ctx;
    pthread_mutex_unlock(&js->lock);
}

void jobs_changed(struct jobs *js)
{
    pthread_mutex_lock(&js->lock);
    if (js->watch) js->watch(js->watch_ctx);
    pthread_mutex_unlock(&js->lock);
}
