/* ts_clickhouse.c - ClickHouse over HTTP: RowBinary in and out; works with 18.16 and newer. Pure.
 *
 * Table samples: ReplacingMergeTree(stamp), order (point, time), a partition a year. `stamp` grows with every row
 * written, so that FINAL answers with the last write of a (point, time). Removing writes rows of type 255 over what is
 * there: it holds at once and lets later writes through.
 *
 * RowBinary row as inserted: u32 point, i64 time, u8 t, u8 q, u16 f, f64 d, i64 i, string s, string code, u64 stamp; as
 * read: i64 time, u8 t, u8 q, u16 f, f64 d, i64 i, string s. Little-endian; a string is its length as LEB128 and bytes.
 */
#include <inttypes.h>
#include "base/encode.h"
#include "store/ts_dialect.h"

#define REMOVED 255
#define YEAR_US 31556952000000LL

static int sql(struct ts_request *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int sql(struct ts_request *q, const char *fmt, ...)
{
    va_list ap;
    q->method = "POST";
    q->type = "text/plain; charset=utf-8";
    snprintf(q->path, sizeof q->path, "/?wait_end_of_query=1");
    va_start(ap, fmt);
    buf_vprintf(&q->body, fmt, ap);
    va_end(ap);
    return q->body.err;
}

static int setup(const struct ts_target *t, size_t step, struct ts_request *q)
{
    switch (step) {
    case 0: return sql(q, "create database if not exists %s", t->database);
    case 1:
        return sql(q,
                   "create table if not exists %s.samples (point UInt32, time Int64, t UInt8, q UInt8, f UInt16, "
                   "d Float64, i Int64, s String, code String, stamp UInt64) engine = ReplacingMergeTree(stamp) "
                   "partition by intDiv(time, %lld) order by (point, time) settings index_granularity = 8192",
                   t->database, YEAR_US);
    default: return ERR_NOT_FOUND;
    }
}

static int version(const struct ts_target *t, struct ts_request *q)
{
    return sql(q, "select version()");
}

static void told(struct ts_target *t, struct str body, char *out, size_t cap)
{
    str_to_cstr(str_trim(body), out, cap);
}

/* ------------------------------------------------------------------ writing */

static void put_string(struct buf *b, struct str s)
{
    size_t n = s.n;
    for (; n > 127; n >>= 7) buf_u8(b, (uint8_t)(n | 0x80));
    buf_u8(b, (uint8_t)n);
    buf_str(b, s);
}

static void put_row(struct buf *b, const struct ts_row *row, const char *code, uint64_t stamp, int64_t unit)
{
    const struct sample *s = &row->s;
    bool whole = s->type == SAMPLE_INT || s->type == SAMPLE_BOOL;
    buf_u32le(b, s->point);
    buf_u64le(b, (uint64_t)ts_floor(s->time_us, unit));
    buf_u8(b, s->type);
    buf_u8(b, s->quality);
    buf_u16le(b, s->flags);
    buf_u64le(b, s->type == SAMPLE_DOUBLE ? s->v.u : 0);
    buf_u64le(b, whole ? s->v.u : 0);
    put_string(b, s->type == SAMPLE_STRING ? row->text : STR(""));
    put_string(b, str_of(code));
    buf_u64le(b, stamp);
}

static int write_rows(const struct ts_target *t, const struct ts_row *rows, size_t n, uint64_t stamp,
                      struct ts_request *q, size_t *ret_n)
{
    char code[TS_REMOTE_NAME_MAX] = "";
    struct buf text;
    size_t i = 0;
    q->method = "POST";
    q->type = "application/octet-stream";
    buf_init(&text, 400);
    buf_printf(&text, "insert into %s.samples (point,time,t,q,f,d,i,s,code,stamp) format RowBinary", t->database);
    struct buf path;
    buf_init(&path, sizeof q->path - 1);
    buf_z(&path, "/?query=");
    percent_encode(&path, buf_view(&text));
    snprintf(q->path, sizeof q->path, "%s", buf_cstr(&path));
    for (; i < n && q->body.n < TS_BODY_MAX / 2; i++) {
        if (i == 0 || rows[i].s.point != rows[i - 1].s.point) ts_code(t, rows[i].s.point, code);
        put_row(&q->body, &rows[i], code, stamp + i, t->unit_us);
    }
    int err = path.err ? path.err : text.err ? text.err : q->body.err;
    buf_fini(&text);
    buf_fini(&path);
    *ret_n = i;
    return err;
}

/* ------------------------------------------------------------------ reading */

#define COLUMNS "time,t,q,f,d,i,s"

static int read_rows(const struct ts_target *t, const struct ts_span *s, struct ts_request *q)
{
    return sql(q,
               "select " COLUMNS " from %s.samples final where point = %u and time >= %" PRId64 " and time < %" PRId64
               " and t != %d order by time %s limit %u format RowBinary",
               t->database, s->point, ts_ceil(s->from, t->unit_us), ts_ceil(s->to, t->unit_us), REMOVED,
               s->last ? "desc" : "asc", s->limit);
}

/* Per interval the times of first, last, least, greatest usable number and first that is not good; then those rows. */
static int plot_rows(const struct ts_target *t, const struct ts_span *s, uint32_t pixels, struct ts_request *q)
{
    char where[200];
    int64_t from = ts_ceil(s->from, t->unit_us), to = ts_ceil(s->to, t->unit_us), width = (to - from) / pixels;
    if (width * pixels < to - from) width++;
    snprintf(where, sizeof where, "point = %u and time >= %" PRId64 " and time < %" PRId64, s->point, from, to);
    return sql(q,
               "select " COLUMNS " from %s.samples final where %s and time in (select arrayJoin(keep) from (select "
               "arrayConcat([min(time), max(time)], if(sum(usable) > 0, [argMinIf(time, (v, time), usable), "
               "argMinIf(time, (-v, time), usable)], emptyArrayInt64()), if(sum(q != 0) > 0, [minIf(time, q != 0)], "
               "emptyArrayInt64())) as keep from (select time, q, if(t = 1, d, toFloat64(i)) as v, "
               "q < 2 and (t in (2, 3) or t = 1 and isFinite(d)) as usable from %s.samples final "
               "where %s and t != %d) group by intDiv(time - %" PRId64 ", %" PRId64
               "))) order by time format RowBinary",
               t->database, where, t->database, where, REMOVED, from, width);
}

static struct str take_string(struct rd *r)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t b = rd_u8(r);
        n |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) break;
    }
    const uint8_t *p = n > rd_left(r) ? NULL : rd_bytes(r, (size_t)n);
    if (!p) r->err = true;
    return p ? str_make((const char *)p, (size_t)n) : STR_NULL;
}

static int rows_of(const struct ts_target *t, uint32_t point, struct str body, ts_row_fn *fn, void *ctx)
{
    struct rd r = rd_make(body.p, body.n);
    while (rd_left(&r) && !r.err) {
        struct ts_row row = {.s = {.point = point}};
        int64_t time = (int64_t)rd_u64le(&r);
        row.s.type = rd_u8(&r);
        row.s.quality = rd_u8(&r);
        row.s.flags = rd_u16le(&r);
        uint64_t d = rd_u64le(&r), i = rd_u64le(&r);
        struct str s = take_string(&r);
        if (row.s.type == SAMPLE_STRING) row.text = s;
        if (row.s.type == SAMPLE_DOUBLE) row.s.v.u = d;
        if (row.s.type == SAMPLE_INT || row.s.type == SAMPLE_BOOL) row.s.v.u = i;
        bool odd = row.s.type > SAMPLE_STRING || row.s.quality > QUALITY_BAD || time > INT64_MAX / t->unit_us ||
                   time < INT64_MIN / t->unit_us;
        if (r.err || odd) return ERR_PROTOCOL;
        row.s.time_us = time * t->unit_us;
        int err = fn(ctx, &row);
        if (err) return err;
    }
    return r.err ? ERR_PROTOCOL : 0;
}

/* The number in "Code: 60, e.displayText() = DB::Exception: …" or "Code: 60. DB::Exception: …"; 0: none. */
static int64_t code_of(struct str body)
{
    int64_t code = 0;
    if (!str_starts(body, STR("Code: "))) return 0;
    for (size_t i = 6; i < body.n && body.p[i] >= '0' && body.p[i] <= '9' && code < 100000; i++)
        code = code * 10 + body.p[i] - '0';
    return code;
}

static int verdict(int status, struct str body, char *why, size_t cap)
{
    static const struct {
        int64_t code;
        int err;
    } known[] = {
        {60, ERR_NOT_FOUND},        {81, ERR_NOT_FOUND},        {192, ERR_UNAUTHENTICATED}, {193, ERR_UNAUTHENTICATED},
        {194, ERR_UNAUTHENTICATED}, {516, ERR_UNAUTHENTICATED}, {195, ERR_FORBIDDEN},       {291, ERR_FORBIDDEN},
        {164, ERR_FORBIDDEN},       {497, ERR_FORBIDDEN},       {33, ERR_INVALID},          {27, ERR_INVALID},
        {62, ERR_INVALID},          {117, ERR_INVALID},
    };
    int err = ts_verdict_http(status);
    why[0] = 0;
    if (!err) return 0;
    ts_why(body, why, cap);
    int64_t code = code_of(body);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code) return known[i].err;
    return err == ERR_UNAUTHENTICATED || err == ERR_FORBIDDEN ? err : ERR_UNAVAILABLE;
}

static int remove_rows(const struct ts_target *t, uint32_t point, int64_t from, int64_t to, uint64_t stamp,
                       struct ts_request *q)
{
    return sql(q,
               "insert into %s.samples (point,time,t,q,f,d,i,s,code,stamp) select point,time,%d,0,0,0,0,'','',%" PRIu64
               " from %s.samples final where point = %u and time >= %" PRId64 " and time < %" PRId64 " and t != %d",
               t->database, REMOVED, stamp, t->database, point, ts_ceil(from, t->unit_us), ts_ceil(to, t->unit_us),
               REMOVED);
}

const struct ts_dialect ts_clickhouse = {
    .name = "clickhouse",
    .title = "ClickHouse",
    .token = "Bearer",
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
    .plot = plot_rows,
};
