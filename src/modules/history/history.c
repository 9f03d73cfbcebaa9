/* history.c - the module history: queries over the time-series store as HTTP, and the kinds trend and
 * archive_class. Stateless but for the node that it was given; handlers run on worker threads. */
#include "modules/history/history.h"
#include <math.h>
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/export.h"
#include "modules/history/query.h"
#include "modules/history/series.h"

#define SUMMARY_ROWS 10000 /* of all points of one answer */

extern const struct str modules_history_kinds[];

static struct node *node_of(struct api_call *c)
{
    return history_node(c->module);
}

static void series_head(struct json_writer *w, const struct query_point *p)
{
    char id[12];
    snprintf(id, sizeof id, "%u", p->num);
    jw_object(w);
    jw_key(w, STR("point"));
    jw_raw(w, str_of(id));
    jw_kstr(w, "code", p->code);
    jw_kstr(w, "name", p->name);
    jw_kstr(w, "unit", p->unit);
    jw_kbool(w, "step", p->step);
}

static void answer_head(struct json_writer *w, const struct query *q)
{
    char t[TIME_TEXT_MAX];
    jw_object(w);
    jw_kz(w, "from", time_format(q->from, t));
    jw_kz(w, "to", time_format(q->to, t));
    jw_key(w, STR("series"));
    jw_array(w);
}

/* One kind of query: fills a series for one point. */
typedef int series_fn(struct node *n, struct api_call *c, const struct query *q, const struct query_point *p,
                      struct series *out, struct error *e);

static int answer_series(struct api_call *c, size_t max, series_fn *fn, struct error *e)
{
    struct node *n = node_of(c);
    struct query *q = arena_alloc(c->a, sizeof *q);
    if (!q) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = query_read(n, c, q, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    answer_head(&w, q);
    size_t total = 0;
    for (size_t i = 0; i < q->npoints && !err; i++) {
        size_t left = LIMIT_QUERY_SAMPLES - total;
        struct series s = {.max = max && max < left ? max : left};
        err = fn(n, c, q, &q->point[i], &s, e);
        if (!err) {
            series_head(&w, &q->point[i]);
            buf_u8(w.out, ',');
            series_write(&w, &s, n->history);
            jw_end(&w);
        }
        total += s.n;
        series_fini(&s);
    }
    jw_end(&w);
    jw_end(&w);
    return err;
}

static int read_boundary(struct api_call *c, enum ts_boundary *ret, struct error *e)
{
    static const char *const names[] = {
        [TS_INSIDE] = "inside", [TS_OUTSIDE] = "outside", [TS_INTERPOLATED] = "interpolated"};
    struct str text = http_query(c->req, "boundary");
    *ret = TS_INSIDE;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (text.n && !str_is(text, names[i])) continue;
        *ret = (enum ts_boundary)i;
        return 0;
    }
    return error_set(e, ERR_INVALID, "boundary", "'%.*s' is not known; write inside, outside or interpolated",
                     "'%.*s' 无效；请写 inside、outside 或 interpolated", STR_ARG(text));
}

static int one_recorded(struct node *n, struct api_call *c, const struct query *q, const struct query_point *p,
                        struct series *out, struct error *e)
{
    enum ts_boundary rule;
    int err = read_boundary(c, &rule, e);
    return err ? err : series_recorded(n->history, p->num, p->step, q->from, q->to, rule, q->good_only, out, e);
}

static int get_recorded(struct api_call *c, struct error *e)
{
    int64_t limit;
    int err = api_query_i64(c, "limit", 10000, 1, LIMIT_QUERY_SAMPLES, &limit, e);
    return err ? err : answer_series(c, (size_t)limit, one_recorded, e);
}

static int one_interpolated(struct node *n, struct api_call *c, const struct query *q, const struct query_point *p,
                            struct series *out, struct error *e)
{
    int64_t interval = q->interval ? q->interval : (q->to - q->from + 99) / 100;
    return series_interpolate(n->history, p->num, p->step, q->from, q->to, interval, out, e);
}

static int get_interpolated(struct api_call *c, struct error *e)
{
    return answer_series(c, 0, one_interpolated, e);
}

static int one_plot(struct node *n, struct api_call *c, const struct query *q, const struct query_point *p,
                    struct series *out, struct error *e)
{
    int64_t px;
    int err = api_query_i64(c, "px", 1000, 1, 10000, &px, e);
    if (err) return err;
    struct sample before; /* so that the line enters from the left edge */
    if (n->history->ops->before(n->history, p->num, q->from - 1, &before) == 0) (void)!series_add(out, &before, 1);
    err = n->history->ops->plot(n->history, p->num, q->from, q->to, (uint32_t)px, series_add, out, e);
    return err < 0 ? err : 0;
}

static int get_plot(struct api_call *c, struct error *e)
{
    return answer_series(c, 0, one_plot, e);
}

static void summary_row(struct json_writer *w, int64_t from, int64_t to, const struct ts_summary *s,
                        struct ts_store *st)
{
    char t[TIME_TEXT_MAX];
    jw_object(w);
    jw_kz(w, "from", time_format(from, t));
    jw_kz(w, "to", time_format(to, t));
    jw_ki64(w, "count", (int64_t)s->count);
    jw_ki64(w, "good", (int64_t)s->good);
    jw_kdouble(w, "min", s->min);
    jw_kz(w, "min_t", isnan(s->min) ? NULL : time_format(s->min_us, t));
    jw_kdouble(w, "max", s->max);
    jw_kz(w, "max_t", isnan(s->max) ? NULL : time_format(s->max_us, t));
    jw_kdouble(w, "mean", s->mean);
    jw_kdouble(w, "twa", s->twa);
    jw_kdouble(w, "integral", s->integral);
    jw_kdouble(w, "percent_good", s->percent_good);
    buf_z(w->out, ",\"first\":");
    write_value(w->out, &s->first, st);
    buf_z(w->out, ",\"last\":");
    write_value(w->out, &s->last, st);
    jw_end(w);
}

static int summary_of_point(struct node *n, struct json_writer *w, const struct query *q, const struct query_point *p,
                            struct error *e)
{
    int64_t interval = q->interval ? q->interval : q->to - q->from;
    series_head(w, p);
    jw_key(w, STR("rows"));
    jw_array(w);
    for (int64_t from = q->from; from < q->to; from += interval) {
        int64_t to = from + interval < q->to ? from + interval : q->to;
        struct ts_summary s;
        int err = n->history->ops->summary(n->history, p->num, from, to, p->step, &s, e);
        if (err) return err;
        summary_row(w, from, to, &s, n->history);
    }
    jw_end(w);
    jw_end(w);
    return 0;
}

static int get_summary(struct api_call *c, struct error *e)
{
    struct node *n = node_of(c);
    struct query *q = arena_alloc(c->a, sizeof *q);
    if (!q) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = query_read(n, c, q, e);
    if (err) return err;
    if (q->interval && (q->to - q->from) / q->interval > SUMMARY_ROWS / (int64_t)q->npoints)
        return error_set(e, ERR_TOO_LARGE, "interval", "gives more than 10,000 rows; use a longer interval",
                         "结果超过 10,000 行；请加大间隔");
    struct json_writer w = api_answer(c);
    answer_head(&w, q);
    for (size_t i = 0; i < q->npoints && !err; i++) err = summary_of_point(n, &w, q, &q->point[i], e);
    jw_end(&w);
    jw_end(&w);
    return err;
}

#define RANGE_PARAMS "points:string:Codes or ids, comma;from:time:Start, default *-1h;to:time:End, default *"
#define HEAD "point:integer;code:string;name:string;unit:string;step:boolean;"
#define SERIES \
    "{from:time;to:time;series:{" HEAD "t:number[];v:(number|string|null)[];q:integer[];r:integer[];" \
    "truncated:boolean}[]}"
#define SUMMARY \
    "{from:time;to:time;series:{" HEAD "rows:{from:time;to:time;count:integer;good:integer;min:number|null;" \
    "min_t:time|null;max:number|null;max_t:time|null;mean:number|null;twa:number|null;integral:number|null;" \
    "percent_good:number|null;first:number|string|null;last:number|string|null}[]}[]}"
static const struct api_route routes[] = {
    API_GET("/api/v1/history/recorded", "point", AUDIT_NONE, get_recorded, .summary_en = "Stored samples",
            .summary_zh = "历史原始值",
            .params = RANGE_PARAMS
            ";limit:integer:Samples a point;boundary:string:inside, outside or interpolated;filter_quality:string:good",
            .answer_schema = SERIES),
    API_GET("/api/v1/history/interpolated", "point", AUDIT_NONE, get_interpolated, .summary_en = "Values at even times",
            .summary_zh = "等间隔插值",
            .params = RANGE_PARAMS ";interval:duration:Step, default a hundredth of the range",
            .answer_schema = SERIES),
    API_GET("/api/v1/history/plot", "point", AUDIT_NONE, get_plot, .summary_en = "At most five values a pixel",
            .summary_zh = "绘图数据（每像素最多五个值）", .params = RANGE_PARAMS ";px:integer:Width in pixels",
            .answer_schema = SERIES),
    API_GET("/api/v1/history/summary", "point", AUDIT_NONE, get_summary,
            .summary_en = "Statistics of a range, or of windows of it", .summary_zh = "区间统计",
            .params = RANGE_PARAMS ";interval:duration:Length of a window", .answer_schema = SUMMARY),
    API_GET("/api/v1/history/export", "point", AUDIT_NONE, export_csv, .summary_en = "CSV, streamed",
            .summary_zh = "导出 CSV",
            .params = RANGE_PARAMS ";mode:string:recorded or interpolated;interval:duration:Step",
            .answer_schema = "csv"),
};

const struct module history_module = {
    .name = "history",
    .title_en = "History",
    .title_zh = "历史数据",
    .kinds = modules_history_kinds,
    .routes = routes,
    .nroutes = sizeof routes / sizeof *routes,
    .init = history_init,
    .start = history_start_module,
    .stop = history_stop_module,
    .fini = history_fini,
};
