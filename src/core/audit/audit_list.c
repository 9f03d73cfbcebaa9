/* audit_list.c - reading the log: pages, searches, rows for an export, checkpoints. */
#include "base/time.h"
#include "core/audit/audit_int.h"
#include "core/resource/list_filter.h"

const char *const audit_cell_names[AUDIT_CELLS] = {"seq",  "at",       "class",   "login",  "peer",  "action",
                                                   "kind", "resource", "outcome", "status", "detail"};

/* " from audit where …"; the parameters in order in p. */
struct where {
    char text[1024];
    struct filter_param p[16];
    size_t n;
};

static void add(struct where *w, const char *before, struct filter_param p, const char *behind)
{
    size_t at = strlen(w->text);
    w->p[w->n++] = p;
    snprintf(w->text + at, sizeof(w->text) - at, "%s$%zu%s", before, w->n, behind);
}

static int make_where(struct where *w, struct arena *a, const struct audit_query *q)
{
    const struct {
        const char *text;
        struct str value;
    } exact[] = {{" and login = ", q->login},
                 {" and kind = ", q->kind},
                 {" and class = ", q->cls},
                 {" and outcome = ", q->outcome}};
    *w = (struct where){.text = " from audit where "};
    add(w, "at_us >= ", (struct filter_param){.type = FILTER_INT, .i = q->from_us}, "");
    add(w, " and at_us < ", (struct filter_param){.type = FILTER_INT, .i = q->to_us}, "");
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
        if (exact[i].value.n)
            add(w, exact[i].text, (struct filter_param){.type = FILTER_TEXT, .s = exact[i].value}, "");
    if (!q->q.n) return 0;
    struct str pattern = like_pattern(a, str_sub(q->q, 0, 256));
    if (!pattern.p) return ERR_NOMEM;
    add(w, " and lower(login || ' ' || resource || ' ' || action || ' ' || peer || ' ' || detail) like lower(",
        (struct filter_param){.type = FILTER_TEXT, .s = pattern}, ") escape '\\'");
    return 0;
}

static int prepare(struct sql_tx *tx, const struct where *w, const char *select, const char *tail,
                   struct sql_stmt **ret, struct error *e)
{
    char text[2048];
    snprintf(text, sizeof(text), "%s%s%s", select, w->text, tail);
    int rc = sql_prepare(tx, text, ret, e);
    for (size_t i = 0; i < w->n && !rc; i++) filter_bind_one(*ret, (int)i + 1, &w->p[i]);
    return rc;
}

/* What was changed stands apart from the other details. */
static void write_detail(struct json_writer *w, struct str detail)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 4 << 20);
    if (!detail.n || json_parse(&a, detail, &v, NULL)) return;
    struct json *changes = json_get(v, "before_after");
    if (changes) {
        jw_key(w, STR("before_after"));
        jw_json(w, changes);
        json_remove(v, STR("before_after"));
    }
    jw_key(w, STR("detail"));
    jw_json(w, v);
}

static void write_item(struct sql_stmt *s, struct json_writer *w)
{
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_ki64(w, "seq", sql_i64(s, 0));
    jw_kz(w, "at", time_format(sql_i64(s, 1), at));
    jw_kstr(w, "class", sql_str(s, 2));
    jw_kstr(w, "user_id", sql_str(s, 3));
    jw_kstr(w, "login", sql_str(s, 4));
    jw_kstr(w, "peer", sql_str(s, 5));
    jw_kstr(w, "action", sql_str(s, 6));
    jw_kstr(w, "kind", sql_str(s, 7));
    jw_kstr(w, "resource", sql_str(s, 8));
    jw_kstr(w, "outcome", sql_str(s, 9));
    jw_ki64(w, "status", sql_i64(s, 10));
    write_detail(w, sql_str(s, 11));
    jw_end(w);
}

static int count(struct sql_tx *tx, const struct where *w, int64_t *ret, struct error *e)
{
    struct sql_stmt *s = NULL;
    int rc = prepare(tx, w, "select count(*)", "", &s, e);
    if (rc) return rc;
    rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc == 1 ? 0 : rc ? rc : ERR_INTERNAL;
}

static int page(struct sql_tx *tx, struct where *w, const struct audit_query *q, struct json_writer *out,
                struct error *e)
{
    struct sql_stmt *s = NULL;
    char tail[96];
    w->p[w->n++] = (struct filter_param){.type = FILTER_INT, .i = q->limit ? (int64_t)q->limit : INT64_MAX};
    w->p[w->n++] = (struct filter_param){.type = FILTER_INT, .i = (int64_t)q->offset};
    snprintf(tail, sizeof(tail), " order by seq desc limit $%zu offset $%zu", w->n - 1, w->n);
    int rc = prepare(tx, w, "select " AUDIT_COLUMNS, tail, &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        write_item(s, out);
        rc = 0;
    }
    sql_done(s);
    return rc;
}

int audit_list(struct audit *a, const struct audit_query *q, struct json_writer *w, int64_t *ret_total, struct error *e)
{
    AUTO_ARENA arena;
    struct sql_tx *tx = NULL;
    struct where where;
    arena_init(&arena, 1 << 16);
    int rc = make_where(&where, &arena, q);
    if (!rc) rc = sql_begin(audit_sql(a), false, &tx, e);
    if (rc) return rc;
    rc = count(tx, &where, ret_total, e);
    if (!rc) rc = page(tx, &where, q, w, e);
    sql_rollback(tx);
    return rc;
}

static int give(struct sql_stmt *s, int (*fn)(void *ctx, const struct str *cells), void *ctx)
{
    static const int from[AUDIT_CELLS] = {-1, -2, 2, 4, 5, 6, 7, 8, 9, -3, 11};
    char seq[24], at[TIME_TEXT_MAX], status[24];
    struct str own[3], cells[AUDIT_CELLS];
    snprintf(seq, sizeof(seq), "%lld", (long long)sql_i64(s, 0));
    snprintf(status, sizeof(status), "%lld", (long long)sql_i64(s, 10));
    own[0] = str_of(seq);
    own[1] = str_of(time_format(sql_i64(s, 1), at));
    own[2] = str_of(status);
    for (int i = 0; i < AUDIT_CELLS; i++) cells[i] = from[i] < 0 ? own[-from[i] - 1] : sql_str(s, from[i]);
    return fn(ctx, cells);
}

int audit_each(struct audit *a, const struct audit_query *q, int (*fn)(void *ctx, const struct str *cells), void *ctx,
               struct error *e)
{
    AUTO_ARENA arena;
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    struct where where;
    arena_init(&arena, 1 << 16);
    int rc = make_where(&where, &arena, q);
    if (!rc) rc = sql_begin(audit_sql(a), false, &tx, e);
    if (rc) return rc;
    rc = prepare(tx, &where, "select " AUDIT_COLUMNS, " order by seq desc", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) rc = give(s, fn, ctx);
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

int audit_checkpoints(struct audit *a, size_t limit, struct json_writer *w, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    char at[TIME_TEXT_MAX];
    int rc = sql_begin(audit_sql(a), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select seq, at_us, hash, signature from audit_checkpoint order by seq desc limit $1", &s, e);
    if (!rc) sql_bind_i64(s, 1, (int64_t)limit);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        jw_object(w);
        jw_ki64(w, "seq", sql_i64(s, 0));
        jw_kz(w, "at", time_format(sql_i64(s, 1), at));
        jw_kstr(w, "hash", sql_str(s, 2));
        jw_kstr(w, "signature", sql_str(s, 3));
        jw_end(w);
        rc = 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}
