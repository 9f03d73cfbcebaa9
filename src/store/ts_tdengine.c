/* ts_tdengine.c - TDengine 3 by the REST interface of taosAdapter: POST /rest/sql, SQL as the body. Pure.
 *
 * One super table of columns ts, t, q, f, d, i, s with the tags point and code; a sub-table "p<number>" a point, made
 * by its first insert. The database has microseconds and keeps 100 years. Equal times are written over as a whole: a
 * row names all columns. Texts over 16000 bytes are cut. A code is that of the first insert. */
#include <inttypes.h>
#include "store/ts_dialect.h"

#define SQL_MAX (900u << 10) /* maxSQLLength is 1 MiB */
#define TEXT_MAX 16000

static int sql(struct ts_request *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int sql(struct ts_request *q, const char *fmt, ...)
{
    va_list ap;
    q->method = "POST";
    q->type = "text/plain; charset=utf-8";
    snprintf(q->path, sizeof q->path, "/rest/sql");
    va_start(ap, fmt);
    buf_vprintf(&q->body, fmt, ap);
    va_end(ap);
    return q->body.err;
}

static int setup(const struct ts_target *t, size_t step, struct ts_request *q)
{
    switch (step) {
    case 0: return sql(q, "create database if not exists %s precision 'us' keep 36500", t->database);
    case 1:
        return sql(q,
                   "create stable if not exists %s.samples (ts timestamp, t tinyint, q tinyint, f int, d double, "
                   "i bigint, s varchar(%d)) tags (point int unsigned, code nchar(160))",
                   t->database, TEXT_MAX);
    default: return ERR_NOT_FOUND;
    }
}

static int version(const struct ts_target *t, struct ts_request *q)
{
    return sql(q, "select server_version()");
}

static void told(struct ts_target *t, struct str body, char *out, size_t cap)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 1 << 20);
    if (json_parse(&a, body, &v, NULL) == 0) str_to_cstr(json_str(json_path(v, "data.0.0"), STR("")), out, cap);
}

/* ------------------------------------------------------------------ writing */

static void put_text(struct buf *b, struct str s)
{
    buf_u8(b, '\'');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\'' || s.p[i] == '\\') buf_u8(b, '\\');
        buf_u8(b, (uint8_t)s.p[i]);
    }
    buf_u8(b, '\'');
}

/* No half characters at the end. */
static struct str cut(struct str s)
{
    if (s.n <= TEXT_MAX) return s;
    s.n = TEXT_MAX;
    while (s.n && ((unsigned char)s.p[s.n] & 0xc0) == 0x80) s.n--;
    return s;
}

static void put_row(struct buf *b, const struct ts_row *row, int64_t unit)
{
    struct ts_fields f;
    ts_fields_of(row, &f);
    buf_printf(b, "(%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",", ts_floor(row->s.time_us, unit), f.t, f.q, f.f);
    if (f.has_d)
        buf_double(b, f.d);
    else
        buf_z(b, "null");
    if (f.has_i && f.i == INT64_MIN) /* a bare one is the mark of null */
        buf_z(b, ",null,");
    else if (f.has_i)
        buf_printf(b, ",%" PRId64 ",", f.i);
    else
        buf_z(b, ",null,");
    if (f.s.p)
        put_text(b, cut(f.s));
    else
        buf_z(b, "null");
    buf_u8(b, ')');
}

static int write_rows(const struct ts_target *t, const struct ts_row *rows, size_t n, uint64_t stamp,
                      struct ts_request *q, size_t *ret_n)
{
    char code[TS_REMOTE_NAME_MAX];
    size_t i = 0;
    int err = sql(q, "insert into");
    while (i < n && q->body.n < SQL_MAX - 2 * TEXT_MAX) {
        size_t end = i + ts_same_point(rows + i, n - i);
        uint32_t point = rows[i].s.point;
        buf_printf(&q->body, " %s.p%u using %s.samples tags (%u,", t->database, point, t->database, point);
        put_text(&q->body, str_of(ts_code(t, point, code)));
        buf_z(&q->body, ") values ");
        for (; i < end && q->body.n < SQL_MAX - 2 * TEXT_MAX; i++) put_row(&q->body, &rows[i], t->unit_us);
    }
    *ret_n = i;
    return err ? err : q->body.err;
}

/* ------------------------------------------------------------------ reading */

static int read_rows(const struct ts_target *t, const struct ts_span *s, struct ts_request *q)
{
    return sql(q,
               "select cast(ts as bigint),t,q,f,d,i,s from %s.p%u where ts >= %" PRId64 " and ts < %" PRId64
               " order by ts %s limit %u",
               t->database, s->point, ts_ceil(s->from, t->unit_us), ts_ceil(s->to, t->unit_us),
               s->last ? "desc" : "asc", s->limit);
}

static int one_row(const struct ts_target *t, const struct json *data, uint32_t point, ts_row_fn *fn, void *ctx)
{
    const struct json *cell[7] = {0};
    struct ts_fields f;
    struct ts_row row;
    size_t i = 0;
    for
        json_each (c, data)
            if (i < 7) cell[i++] = c;
    if (i < 7 || cell[0]->type != JSON_INT || cell[0]->i > INT64_MAX / t->unit_us ||
        cell[0]->i < INT64_MIN / t->unit_us)
        return ERR_PROTOCOL;
    ts_fields_json(cell + 1, &f);
    if ((f.t == SAMPLE_INT || f.t == TS_TYPE_BITS) && !f.has_i) f.has_i = true, f.i = INT64_MIN;
    int err = ts_fields_row(&f, point, cell[0]->i * t->unit_us, &row);
    return err ? err : fn(ctx, &row);
}

static int rows_of(const struct ts_target *t, uint32_t point, struct str body, ts_row_fn *fn, void *ctx)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, (size_t)TS_ANSWER_MAX * 8);
    if (json_parse(&a, body, &v, NULL) || json_i64(json_get(v, "code"), -1) != 0) return ERR_PROTOCOL;
    for
        json_each (data, json_get(v, "data")) {
            int err = one_row(t, data, point, fn, ctx);
            if (err) return err;
        }
    return 0;
}

/* Errors come as {"code":…,"desc":…}, with status 200 or (httpCodeServerError) another. */
static int verdict(int status, struct str body, char *why, size_t cap)
{
    static const struct {
        int64_t code;
        int err;
    } known[] = {
        {0x0357, ERR_UNAUTHENTICATED}, {0x0351, ERR_UNAUTHENTICATED},                          /* password, user */
        {0x0303, ERR_FORBIDDEN},       {0x2644, ERR_FORBIDDEN},                                /* rights */
        {0x0388, ERR_NOT_FOUND},       {0x0362, ERR_NOT_FOUND},       {0x2603, ERR_NOT_FOUND}, /* database, table */
        {0x2600, ERR_INVALID},         {0x0216, ERR_INVALID},         {0x2602, ERR_INVALID},   /* syntax, column */
        {0x2605, ERR_INVALID},         {0x060b, ERR_INVALID}, /* value, time out of KEEP */
    };
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 1 << 20);
    int err = ts_verdict_http(status);
    why[0] = 0;
    if (!err && (body.n > 65536 || str_has(body, STR("\"code\":0,")))) return 0;
    ts_why_json(body, "desc", why, cap);
    if (body.n > 65536 || json_parse(&a, body, &v, NULL)) return err ? err : ERR_PROTOCOL;
    int64_t code = json_i64(json_get(v, "code"), -1) & 0xffff;
    if (!err && code == 0) return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code) return known[i].err;
    return err && err != ERR_NOT_FOUND ? err : ERR_UNAVAILABLE;
}

static int remove_rows(const struct ts_target *t, uint32_t point, int64_t from, int64_t to, uint64_t stamp,
                       struct ts_request *q)
{
    return sql(q, "delete from %s.p%u where ts >= %" PRId64 " and ts < %" PRId64, t->database, point,
               ts_ceil(from, t->unit_us), ts_ceil(to, t->unit_us));
}

const struct ts_dialect ts_tdengine = {
    .name = "tdengine",
    .title = "TDengine",
    .token = "Taosd",
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
