/* ts_influx.c - InfluxDB 1.x: line protocol in, InfluxQL out. Pure.
 *
 *   samples,point=12,code=A.PV t=1i,q=0i,f=0i,d=21.5 1700000000000000      POST /write?db=…&precision=u
 *   select t,q,f,d,i,s from samples where point='12' and time >= …u …      POST /query?db=…&epoch=u
 *
 * Everything is kept, microseconds too, for times of 1677 to 2262. Equal times of a series are written over. */
#include "base/encode.h"
#include "store/ts_dialect.h"

#define TIME_LIMIT 9223372036854000LL /* µs that nanoseconds can hold */

static int form(struct ts_request *q, const char *db, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int form(struct ts_request *q, const char *db, const char *fmt, ...)
{
    struct buf sql;
    va_list ap;
    buf_init(&sql, 4096);
    va_start(ap, fmt);
    buf_vprintf(&sql, fmt, ap);
    va_end(ap);
    q->method = "POST";
    q->type = "application/x-www-form-urlencoded";
    snprintf(q->path, sizeof q->path, db ? "/query?epoch=u&db=%s" : "/query?epoch=u", db);
    buf_z(&q->body, "q=");
    percent_encode(&q->body, buf_view(&sql));
    int err = sql.err ? sql.err : q->body.err;
    buf_fini(&sql);
    return err;
}

static int setup(const struct ts_target *t, size_t step, struct ts_request *q)
{
    return step ? ERR_NOT_FOUND : form(q, NULL, "create database \"%s\"", t->database);
}

static int version(const struct ts_target *t, struct ts_request *q)
{
    return form(q, NULL, "show diagnostics for 'build'");
}

static void told(struct ts_target *t, struct str body, char *out, size_t cap)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 4 << 20);
    if (json_parse(&a, body, &v, NULL)) return;
    const struct json *row = json_path(v, "results.0.series.0"), *values = json_path(row, "values.0");
    size_t i = 0;
    for
        json_each (c, json_get(row, "columns")) {
            if (str_is(json_str(c, STR("")), "Version")) str_to_cstr(json_str(json_at(values, i), STR("")), out, cap);
            i++;
        }
}

/* ------------------------------------------------------------------ lines */

/* A tag's value: blanks, commas, equal signs by a backslash; a line has no end inside. */
static void put_tag(struct buf *b, const char *z)
{
    for (; *z; z++) {
        if (*z == ' ' || *z == ',' || *z == '=') buf_u8(b, '\\');
        buf_u8(b, (unsigned char)*z < 0x20 || *z == '\\' ? '_' : (uint8_t)*z);
    }
}

static void put_text(struct buf *b, struct str s)
{
    buf_u8(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') buf_u8(b, '\\');
        buf_u8(b, (uint8_t)s.p[i]);
    }
    buf_u8(b, '"');
}

static void put_line(struct buf *b, const char *series, const struct ts_row *row, int64_t unit)
{
    struct ts_fields f;
    ts_fields_of(row, &f);
    buf_printf(b, "%s t=%lldi,q=%lldi,f=%lldi", series, (long long)f.t, (long long)f.q, (long long)f.f);
    if (f.has_d) {
        buf_z(b, ",d=");
        buf_double(b, f.d);
    }
    if (f.has_i) buf_printf(b, ",i=%lldi", (long long)f.i);
    if (f.s.p) {
        buf_z(b, ",s=");
        put_text(b, f.s);
    }
    buf_printf(b, " %lld\n", (long long)ts_floor(row->s.time_us, unit));
}

static int write_rows(const struct ts_target *t, const struct ts_row *rows, size_t n, uint64_t stamp,
                      struct ts_request *q, size_t *ret_n)
{
    char code[TS_REMOTE_NAME_MAX];
    size_t i = 0;
    q->method = "POST";
    q->type = "text/plain; charset=utf-8";
    snprintf(q->path, sizeof q->path, "/write?precision=u&db=%s", t->database);
    while (i < n && q->body.n < TS_BODY_MAX / 2) {
        struct buf series;
        buf_init(&series, 2048);
        buf_printf(&series, "samples,point=%u", rows[i].s.point);
        if (ts_code(t, rows[i].s.point, code)[0]) {
            buf_z(&series, ",code=");
            put_tag(&series, code);
        }
        size_t end = i + ts_same_point(rows + i, n - i);
        for (; i < end && q->body.n < TS_BODY_MAX / 2; i++) put_line(&q->body, buf_cstr(&series), &rows[i], t->unit_us);
        buf_fini(&series);
    }
    *ret_n = i;
    return q->body.err;
}

/* ------------------------------------------------------------------ reading */

static int64_t within(int64_t us)
{
    return us < -TIME_LIMIT ? -TIME_LIMIT : us > TIME_LIMIT ? TIME_LIMIT : us;
}

static int read_rows(const struct ts_target *t, const struct ts_span *s, struct ts_request *q)
{
    return form(q, t->database,
                "select t,q,f,d,i,s from samples where point='%u' and time >= %lldu and time < %lldu order by time %s "
                "limit %u",
                s->point, (long long)within(s->from), (long long)within(s->to), s->last ? "desc" : "asc", s->limit);
}

static int one_row(const struct json *values, uint32_t point, ts_row_fn *fn, void *ctx)
{
    const struct json *cell[7] = {0};
    struct ts_fields f;
    struct ts_row row;
    size_t i = 0;
    for
        json_each (c, values)
            if (i < 7) cell[i++] = c;
    if (i < 7 || cell[0]->type != JSON_INT) return ERR_PROTOCOL;
    ts_fields_json(cell + 1, &f);
    int err = ts_fields_row(&f, point, cell[0]->i, &row);
    return err ? err : fn(ctx, &row);
}

static int rows_of(const struct ts_target *t, uint32_t point, struct str body, ts_row_fn *fn, void *ctx)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, (size_t)TS_ANSWER_MAX * 8);
    if (json_parse(&a, body, &v, NULL)) return ERR_PROTOCOL;
    const struct json *result = json_path(v, "results.0"), *series = json_path(result, "series.0");
    if (!result || json_get(result, "error")) return ERR_PROTOCOL;
    for
        json_each (values, json_get(series, "values")) {
            int err = one_row(values, point, fn, ctx);
            if (err) return err;
        }
    return json_bool(json_get(result, "partial"), false) || json_bool(json_get(series, "partial"), false);
}

/* A statement that failed stands in an answer of 200. */
static int verdict(int status, struct str body, char *why, size_t cap)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 1 << 20);
    int code = ts_verdict_http(status);
    struct str text = STR("");
    if ((code || (body.n < 65536 && str_has(body, STR("\"error\"")))) && json_parse(&a, body, &v, NULL) == 0) {
        text = json_str(json_get(v, "error"), STR(""));
        if (!text.n) text = json_str(json_path(v, "results.0.error"), STR(""));
        if (text.n && !code) code = ERR_INVALID;
    }
    if (code && str_has(text, STR("database not found"))) code = ERR_NOT_FOUND;
    if (code && str_has(text, STR("timeout"))) code = ERR_UNAVAILABLE;
    ts_why(text.n ? text : code ? body : STR(""), why, cap);
    return code;
}

static int remove_rows(const struct ts_target *t, uint32_t point, int64_t from, int64_t to, uint64_t stamp,
                       struct ts_request *q)
{
    return form(q, t->database, "delete from samples where point='%u' and time >= %lldu and time < %lldu", point,
                (long long)within(from), (long long)within(to));
}

const struct ts_dialect ts_influxdb = {
    .name = "influxdb",
    .title = "InfluxDB",
    .token = "Token",
    .unit_us = 1,
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
