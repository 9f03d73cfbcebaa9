/* ts_victoria.c - VictoriaMetrics: JSON lines in (/api/v1/import) and out (/api/v1/export). Pure.
 *
 * It holds doubles at milliseconds, so a point has two series with the labels db, point, code:
 *   bornite_quality   q + 4 x t + 32 x f: quality, type (5: not a number, 6, 7: + and - infinity), flags with the
 * reason bornite_value     of numbers; a bool is 0 or 1 Lost: microseconds (samples of one millisecond become one),
 * texts (quality stays), integers beyond 2^53, the last bits of long fractions (numbers are kept as decimals), times
 * before 1970 and outside its retention (-retentionPeriod), which it drops without a word. It keeps both of two samples
 * of one time: what is written again with another value may be answered by either. New samples show after a second or
 * two. Nothing but whole series can be removed. */
#include <inttypes.h>
#include <math.h>
#include "base/mem.h"
#include "store/ts_dialect.h"

enum { T_NAN = 5, T_INF = 6, T_MINUS_INF = 7 };

static int setup(const struct ts_target *t, size_t step, struct ts_request *q)
{
    if (step) return ERR_NOT_FOUND;
    q->method = "GET"; /* nothing to make: does it answer, and let us in? */
    snprintf(q->path, sizeof q->path, "/api/v1/query?query=1");
    return 0;
}

static int version(const struct ts_target *t, struct ts_request *q)
{
    q->method = "GET";
    snprintf(q->path, sizeof q->path, "/metrics");
    return 0;
}

/* vm_app_version{version="victoria-metrics-…", short_version="v1.79.5"} 1 */
static void told(struct ts_target *t, struct str body, char *out, size_t cap)
{
    static const char mark[] = "short_version=\"";
    for (size_t i = 0; i + sizeof mark < body.n; i++) {
        if (memcmp(body.p + i, mark, sizeof mark - 1) != 0) continue;
        struct str rest = str_sub(body, i + sizeof mark - 1, cap);
        str_to_cstr(str_cut(&rest, '"'), out, cap);
        return;
    }
}

/* ------------------------------------------------------------------ writing */

static int type_of(const struct sample *s)
{
    if (s->type != SAMPLE_DOUBLE || isfinite(s->v.d)) return s->type;
    return isnan(s->v.d) ? T_NAN : s->v.d > 0 ? T_INF : T_MINUS_INF;
}

static bool has_value(const struct sample *s)
{
    int t = type_of(s);
    return t == SAMPLE_DOUBLE || t == SAMPLE_INT || t == SAMPLE_BOOL;
}

static void put_head(struct buf *b, const struct ts_target *t, uint32_t point, const char *metric)
{
    char code[TS_REMOTE_NAME_MAX], num[16];
    struct json_writer w = json_writer(b);
    snprintf(num, sizeof num, "%u", point);
    buf_z(b, "{\"metric\":");
    jw_object(&w);
    jw_kz(&w, "__name__", metric);
    jw_kz(&w, "db", t->database);
    jw_kz(&w, "point", num);
    if (ts_code(t, point, code)[0]) jw_kz(&w, "code", code);
    jw_end(&w);
    buf_z(b, ",\"values\":[");
}

static void put_value(struct buf *b, const struct sample *s, bool quality)
{
    if (quality)
        buf_printf(b, "%d", s->quality + 4 * type_of(s) + 32 * s->flags);
    else if (s->type == SAMPLE_DOUBLE)
        buf_double(b, s->v.d);
    else
        buf_printf(b, "%" PRId64, s->v.i);
}

static void put_series(struct buf *b, const struct ts_target *t, const struct ts_row *rows, size_t n, bool quality)
{
    const char *comma = "";
    put_head(b, t, rows[0].s.point, quality ? "bornite_quality" : "bornite_value");
    for (size_t i = 0; i < n; i++) {
        if (!quality && !has_value(&rows[i].s)) continue;
        buf_z(b, comma);
        put_value(b, &rows[i].s, quality);
        comma = ",";
    }
    buf_z(b, "],\"timestamps\":[");
    comma = "";
    for (size_t i = 0; i < n; i++) {
        if (!quality && !has_value(&rows[i].s)) continue;
        buf_printf(b, "%s%" PRId64, comma, ts_floor(rows[i].s.time_us, t->unit_us));
        comma = ",";
    }
    buf_z(b, "]}\n");
}

static int write_rows(const struct ts_target *t, const struct ts_row *rows, size_t n, uint64_t stamp,
                      struct ts_request *q, size_t *ret_n)
{
    size_t i = 0;
    q->method = "POST";
    q->type = "application/json";
    snprintf(q->path, sizeof q->path, "/api/v1/import");
    while (i < n && q->body.n < TS_BODY_MAX / 2) {
        size_t k = ts_same_point(rows + i, n - i), numbers = 0;
        for (size_t j = i; j < i + k; j++) numbers += has_value(&rows[j].s);
        if (numbers) put_series(&q->body, t, rows + i, k, false);
        put_series(&q->body, t, rows + i, k, true);
        i += k;
    }
    *ret_n = i;
    return q->body.err;
}

/* ------------------------------------------------------------------ reading */

static int read_rows(const struct ts_target *t, const struct ts_span *s, struct ts_request *q)
{
    int64_t from = ts_ceil(s->from, t->unit_us), to = ts_ceil(s->to, t->unit_us) - 1;
    if (from < 0) from = 0;
    if (to < from) to = from; /* before 1970: one millisecond that holds nothing of that time */
    q->method = "GET";
    snprintf(q->path, sizeof q->path,
             "/api/v1/export?reduce_mem_usage=1&start=%" PRId64 ".%03d&end=%" PRId64
             ".%03d&match%%5B%%5D=%%7B__name__%%3D~"
             "%%22bornite_value%%7Cbornite_quality%%22%%2Cdb%%3D%%22%s%%22%%2Cpoint%%3D%%22%u%%22%%7D",
             from / 1000, (int)(from % 1000), to / 1000, (int)(to % 1000), t->database, s->point);
    return 0;
}

struct pair {
    int64_t ms;
    double v;
    uint32_t order; /* of arrival: the later of equal times counts */
};
struct pairs {
    struct pair *p;
    size_t n, cap;
};

static int by_time(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->ms != y->ms) return x->ms < y->ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int take_line(struct str line, struct pairs ret[2])
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, (size_t)TS_ANSWER_MAX * 8);
    if (json_parse(&a, line, &v, NULL)) return ERR_PROTOCOL;
    bool quality = str_is(json_str(json_path(v, "metric.__name__"), STR("")), "bornite_quality");
    const struct json *values = json_get(v, "values"), *times = json_get(v, "timestamps");
    if (!values || !times || json_count(values) != json_count(times)) return ERR_PROTOCOL;
    struct pairs *p = &ret[quality];
    const struct json *at = times->child;
    if (!mem_grow((void **)&p->p, &p->cap, p->n + json_count(values) + 1, sizeof *p->p)) return ERR_NOMEM;
    for
        json_each (x, values) {
            if (at->type != JSON_INT || at->i < 0 || at->i > INT64_MAX / 1000) return ERR_PROTOCOL;
            p->p[p->n] = (struct pair){at->i, json_double(x, NAN), (uint32_t)p->n};
            p->n++;
            at = at->next;
        }
    return 0;
}

static void once(struct pairs *p)
{
    size_t k = 0;
    if (p->n) qsort(p->p, p->n, sizeof *p->p, by_time);
    for (size_t i = 0; i < p->n; i++) {
        if (k && p->p[k - 1].ms == p->p[i].ms) k--;
        p->p[k++] = p->p[i];
    }
    p->n = k;
}

/* false: no such sample, or one whose value is not seen yet. */
static bool decode(uint32_t point, const struct pair *quality, const double *value, int64_t unit, struct ts_row *ret)
{
    static const double special[] = {[T_NAN] = NAN, [T_INF] = INFINITY, [T_MINUS_INF] = -INFINITY};
    if (!(quality->v >= 0 && quality->v < 32.0 * 65536)) return false;
    int code = (int)quality->v, type = code / 4 % 8;
    *ret = (struct ts_row){.s = {.time_us = quality->ms * unit,
                                 .point = point,
                                 .quality = (uint8_t)(code % 4),
                                 .flags = (uint16_t)(code / 32),
                                 .type = (uint8_t)(type >= T_NAN ? SAMPLE_DOUBLE : type)}};
    if (code % 4 > QUALITY_BAD) return false;
    if (type >= T_NAN) ret->s.v.d = special[type];
    if (type == SAMPLE_STRING) ret->s.type = SAMPLE_NONE;
    if (type == SAMPLE_NONE || type >= SAMPLE_STRING) return true;
    if (!value || isnan(*value)) return false;
    if (type == SAMPLE_DOUBLE)
        ret->s.v.d = *value;
    else if (type == SAMPLE_BOOL)
        ret->s.v.i = *value != 0;
    else
        ret->s.v.i = *value >= 0x1p63 ? INT64_MAX : *value < -0x1p63 ? INT64_MIN : (int64_t)*value;
    return true;
}

static int join(const struct ts_target *t, uint32_t point, const struct pairs p[2], ts_row_fn *fn, void *ctx)
{
    int err = 0;
    size_t j = 0;
    for (size_t i = 0; i < p[1].n && !err; i++) {
        struct ts_row row;
        while (j < p[0].n && p[0].p[j].ms < p[1].p[i].ms) j++;
        bool has = j < p[0].n && p[0].p[j].ms == p[1].p[i].ms;
        if (decode(point, &p[1].p[i], has ? &p[0].p[j].v : NULL, t->unit_us, &row)) err = fn(ctx, &row);
    }
    return err;
}

static int rows_of(const struct ts_target *t, uint32_t point, struct str body, ts_row_fn *fn, void *ctx)
{
    struct pairs p[2] = {0};
    int err = 0;
    while (body.p && !err) {
        struct str line = str_trim(str_cut(&body, '\n'));
        if (line.n) err = take_line(line, p);
    }
    once(&p[0]);
    once(&p[1]);
    if (!err) err = join(t, point, p, fn, ctx);
    mem_free(p[0].p);
    mem_free(p[1].p);
    return err;
}

static int verdict(int status, struct str body, char *why, size_t cap)
{
    int code = ts_verdict_http(status);
    if (code == ERR_NOT_FOUND) code = ERR_UNAVAILABLE; /* a path that is not there: a proxy, another product */
    if (code)
        ts_why(body, why, cap);
    else
        why[0] = 0;
    return code;
}

const struct ts_dialect ts_victoriametrics = {
    .name = "victoriametrics",
    .title = "VictoriaMetrics",
    .token = "Bearer",
    .unit_us = 1000,
    .visible_us = 10000000,
    .setup = setup,
    .version = version,
    .told = told,
    .write = write_rows,
    .read = read_rows,
    .rows = rows_of,
    .verdict = verdict,
};
