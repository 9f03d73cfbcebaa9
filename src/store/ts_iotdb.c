/* ts_iotdb.c - Apache IoTDB 1.x by REST v2: insertTablet, insertRecords, query, nonQuery. Pure.
 *
 * An aligned device root.<database>.p<number> a point with the measurements t, q, f (INT32), d (DOUBLE), i (INT64), s
 * (TEXT) and code (TEXT, in the first row of each request). Its server has one precision of time (timestamp_precision:
 * ms by default, us), which is asked for; a finer time is cut to it. */
#include <inttypes.h>
#include "store/ts_dialect.h"

#define FEW 8 /* rows of a point: below, several points share one request of records */

static const char *const names[] = {"t", "q", "f", "d", "i", "s", "code"};
static const char *const types[] = {"INT32", "INT32", "INT32", "DOUBLE", "INT64", "TEXT", "TEXT"};
#define COLUMNS 7

static void post(struct ts_request *q, const char *path)
{
    q->method = "POST";
    q->type = "application/json";
    snprintf(q->path, sizeof q->path, "%s", path);
}

static int sql(struct ts_request *q, const char *path, uint32_t limit, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static int sql(struct ts_request *q, const char *path, uint32_t limit, const char *fmt, ...)
{
    char text[1000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct json_writer w = json_writer(&q->body);
    post(q, path);
    jw_object(&w);
    jw_kz(&w, "sql", text);
    if (limit) jw_ki64(&w, "row_limit", limit);
    jw_end(&w);
    return q->body.err;
}

static int setup(const struct ts_target *t, size_t step, struct ts_request *q)
{
    return step ? ERR_NOT_FOUND : sql(q, "/rest/v2/nonQuery", 0, "create database root.%s", t->database);
}

static int version(const struct ts_target *t, struct ts_request *q)
{
    return sql(q, "/rest/v2/query", 1000, "show variables");
}

static int64_t unit_named(struct str s)
{
    return str_is(s, "ms") ? 1000 : str_is(s, "us") || str_is(s, "ns") ? 1 : 0;
}

/* Two columns: names of variables, values. Nanoseconds are taken for microseconds only where the server has those. */
static void told(struct ts_target *t, struct str body, char *out, size_t cap)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 1 << 20);
    if (json_parse(&a, body, &v, NULL)) return;
    const struct json *name = json_path(v, "values.0"), *value = json_path(v, "values.1");
    size_t i = 0;
    for
        json_each (n, name) {
            struct str said = json_str(json_at(value, i++), STR(""));
            if (!str_is(json_str(n, STR("")), "TimestampPrecision")) continue;
            if (unit_named(said) && !str_is(said, "ns")) t->unit_us = unit_named(said);
            snprintf(out, cap, "timestamp_precision=%.*s", STR_ARG(said));
        }
}

/* ------------------------------------------------------------------ writing */

static void cell(struct json_writer *w, const struct ts_fields *f, size_t column, const char *code)
{
    const int64_t whole[] = {f->t, f->q, f->f};
    if (column < 3)
        jw_i64(w, whole[column]);
    else if (column == 3 && f->has_d)
        jw_double(w, f->d);
    else if (column == 4 && f->has_i)
        jw_i64(w, f->i);
    else if (column == 5 && f->s.p)
        jw_str(w, f->s);
    else if (column == 6 && code[0])
        jw_str(w, str_of(code));
    else
        jw_null(w);
}

static void texts(struct json_writer *w, const char *key, const char *const *z)
{
    if (key) jw_key(w, str_of(key));
    jw_array(w);
    for (size_t i = 0; i < COLUMNS; i++) jw_str(w, str_of(z[i]));
    jw_end(w);
}

static void times(struct json_writer *w, const struct ts_target *t, const struct ts_row *rows, size_t n)
{
    jw_key(w, STR("timestamps"));
    jw_array(w);
    for (size_t i = 0; i < n; i++) jw_i64(w, ts_floor(rows[i].s.time_us, t->unit_us));
    jw_end(w);
}

static void tablet(const struct ts_target *t, const struct ts_row *rows, size_t n, struct ts_request *q)
{
    char code[TS_REMOTE_NAME_MAX], device[120];
    struct json_writer w = json_writer(&q->body);
    ts_code(t, rows[0].s.point, code);
    post(q, "/rest/v2/insertTablet");
    jw_object(&w);
    times(&w, t, rows, n);
    texts(&w, "measurements", names);
    texts(&w, "data_types", types);
    jw_key(&w, STR("values"));
    jw_array(&w);
    for (size_t c = 0; c < COLUMNS; c++) {
        jw_array(&w);
        for (size_t i = 0; i < n; i++) {
            struct ts_fields f;
            ts_fields_of(&rows[i], &f);
            cell(&w, &f, c, i ? "" : code);
        }
        jw_end(&w);
    }
    jw_end(&w);
    snprintf(device, sizeof device, "root.%s.p%u", t->database, rows[0].s.point);
    jw_kbool(&w, "is_aligned", true);
    jw_kz(&w, "device", device);
    jw_end(&w);
}

static void records(const struct ts_target *t, const struct ts_row *rows, size_t n, struct ts_request *q)
{
    char code[TS_REMOTE_NAME_MAX], device[120];
    struct json_writer w = json_writer(&q->body);
    post(q, "/rest/v2/insertRecords");
    jw_object(&w);
    times(&w, t, rows, n);
    jw_key(&w, STR("devices"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        snprintf(device, sizeof device, "root.%s.p%u", t->database, rows[i].s.point);
        jw_str(&w, str_of(device));
    }
    jw_end(&w);
    jw_key(&w, STR("measurements_list"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) texts(&w, NULL, names);
    jw_end(&w);
    jw_key(&w, STR("data_types_list"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) texts(&w, NULL, types);
    jw_end(&w);
    jw_key(&w, STR("values_list"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        struct ts_fields f;
        ts_fields_of(&rows[i], &f);
        jw_array(&w);
        for (size_t c = 0; c < COLUMNS; c++) cell(&w, &f, c, c == 6 ? ts_code(t, rows[i].s.point, code) : "");
        jw_end(&w);
    }
    jw_end(&w);
    jw_kbool(&w, "is_aligned", true);
    jw_end(&w);
}

static int write_rows(const struct ts_target *t, const struct ts_row *rows, size_t n, uint64_t stamp,
                      struct ts_request *q, size_t *ret_n)
{
    size_t k = ts_same_point(rows, n), bytes = 0;
    if (k >= FEW) {
        for (size_t i = 0; i < k && bytes < TS_BODY_MAX / 4; i++) bytes += rows[i].text.n + 100, *ret_n = i + 1;
        tablet(t, rows, *ret_n, q);
        return q->body.err;
    }
    while (k < n && bytes < TS_BODY_MAX / 4) { /* whole points while they have few rows */
        size_t more = ts_same_point(rows + k, n - k);
        if (more >= FEW) break;
        for (size_t i = 0; i < more; i++) bytes += rows[k + i].text.n + 400;
        k += more;
    }
    records(t, rows, k, q);
    *ret_n = k;
    return q->body.err;
}

/* ------------------------------------------------------------------ reading */

static int read_rows(const struct ts_target *t, const struct ts_span *s, struct ts_request *q)
{
    return sql(q, "/rest/v2/query", s->limit + 1,
               "select t,q,f,d,i,s from root.%s.p%u where time >= %" PRId64 " and time < %" PRId64
               " order by time %s limit %u",
               t->database, s->point, ts_ceil(s->from, t->unit_us), ts_ceil(s->to, t->unit_us),
               s->last ? "desc" : "asc", s->limit);
}

/* Which of t q f d i s a column is, by the end of its name; -1: none of them. */
static int column_of(struct str name)
{
    for (int i = 0; i < 6; i++)
        if (name.n > 2 && name.p[name.n - 2] == '.' && name.p[name.n - 1] == names[i][0]) return i;
    return -1;
}

/* Columns side by side: the heads of all lists go on together. */
static int rows_of(const struct ts_target *t, uint32_t point, struct str body, ts_row_fn *fn, void *ctx)
{
    AUTO_ARENA a;
    struct json *v;
    const struct json *at[6] = {0};
    arena_init(&a, (size_t)TS_ANSWER_MAX * 8);
    if (json_parse(&a, body, &v, NULL)) return ERR_PROTOCOL;
    const struct json *time = json_get(v, "timestamps"), *values = json_get(v, "values");
    if (!time || !values) return ERR_PROTOCOL;
    const struct json *column = values->type == JSON_ARRAY ? values->child : NULL;
    for
        json_each (name, json_get(v, "expressions")) {
            int c = column_of(json_str(name, STR("")));
            if (c >= 0 && column && json_count(column) == json_count(time)) at[c] = column->child;
            column = column ? column->next : NULL;
        }
    for
        json_each (ts, time) {
            struct ts_fields f;
            struct ts_row row;
            if (ts->type != JSON_INT || ts->i > INT64_MAX / t->unit_us || ts->i < INT64_MIN / t->unit_us)
                return ERR_PROTOCOL;
            ts_fields_json(at, &f);
            int err = ts_fields_row(&f, point, ts->i * t->unit_us, &row);
            if (!err) err = fn(ctx, &row);
            if (err) return err;
            for (int i = 0; i < 6; i++) at[i] = at[i] ? at[i]->next : NULL;
        }
    return 0;
}

/* {"code":200,…} and status 200 when it worked; a query answers without code. */
static int verdict(int status, struct str body, char *why, size_t cap)
{
    static const struct {
        int64_t code;
        int err;
    } known[] = {
        {200, 0},
        {501, 0}, /* the database exists */
        {500, ERR_NOT_FOUND},
        {508, ERR_NOT_FOUND}, /* database, path */
        {801, ERR_UNAUTHENTICATED},
        {803, ERR_FORBIDDEN},
        {509, ERR_INVALID}, /* path */
        {507, ERR_INVALID}, /* types do not fit */
        {700, ERR_INVALID},
        {701, ERR_INVALID}, /* SQL */
    };
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 1 << 20);
    int err = ts_verdict_http(status);
    why[0] = 0;
    if (!err && (body.n > 65536 || !str_has(body, STR("\"code\"")))) return 0;
    if (body.n > 65536 || json_parse(&a, body, &v, NULL)) {
        ts_why(body, why, cap);
        return err ? err : ERR_PROTOCOL;
    }
    int64_t code = json_i64(json_get(v, "code"), err ? -1 : 200);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code && (known[i].err || !err)) {
            if (known[i].err) ts_why_json(body, "message", why, cap);
            return known[i].err;
        }
    ts_why_json(body, "message", why, cap);
    return err ? err : ERR_UNAVAILABLE;
}

static int remove_rows(const struct ts_target *t, uint32_t point, int64_t from, int64_t to, uint64_t stamp,
                       struct ts_request *q)
{
    return sql(q, "/rest/v2/nonQuery", 0, "delete from root.%s.p%u.* where time >= %" PRId64 " and time <= %" PRId64,
               t->database, point, ts_ceil(from, t->unit_us), ts_ceil(to, t->unit_us) - 1);
}

const struct ts_dialect ts_iotdb = {
    .name = "iotdb",
    .title = "Apache IoTDB",
    .token = "Bearer",
    .unit_us = 1000,
    .strings = true,
    .exact = true,
    .limits = true,
    .setup = setup,
    .version = version,
    .told = told,
    .write = write_rows,
    .read = read_rows,
    .rows = rows_of,
    .verdict = verdict,
    .remove = remove_rows,
};
