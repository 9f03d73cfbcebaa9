/* export.c - see export.h. The answer is pulled: each pull reads one stretch of time of one point, so
 * memory stays bounded whatever the range. Columns: time (RFC 3339), point, value, quality, reason. */
#include "modules/history/export.h"
#include <math.h>
#include "base/csv.h"
#include "base/mem.h"
#include "base/time.h"
#include "model/sample.h"
#include "modules/history/history.h"
#include "modules/history/query.h"
#include "modules/history/series.h"

#define ROWS_A_PULL 5000

struct export
{
    struct node *node;
    uint32_t num[LIMIT_QUERY_POINTS];
    char code[LIMIT_QUERY_POINTS][LIMIT_CODE + 1];
    bool step[LIMIT_QUERY_POINTS];
    size_t npoints, at;         /* point in work */
    int64_t from, to, interval; /* interval 0: recorded */
    int64_t next;               /* where the point in work goes on */
    bool head_done;
};

static void export_row(struct export *x, struct buf *out, const struct sample *s)
{
    char t[TIME_TEXT_MAX];
    struct buf v;
    buf_init(&v, 1 << 20);
    csv_cell(out, str_of(time_format(s->time_us, t)), true);
    csv_cell(out, str_of(x->code[x->at]), false);
    if (s->type == SAMPLE_STRING) {
        char text[65536];
        size_t n;
        struct ts_store *st = x->node->history;
        csv_cell(out, st->ops->string_get(st, s->v.u, text, sizeof text, &n) ? STR("") : str_make(text, n), false);
    } else {
        write_value(&v, s, x->node->history);
        csv_cell(out, s->type == SAMPLE_NONE ? STR("") : buf_view(&v), false);
    }
    csv_cell(out, str_of(quality_name(s->quality)), false);
    csv_cell(out, str_of(reason_name(s->flags)), false);
    buf_z(out, "\r\n");
    buf_fini(&v);
}

static int export_piece(struct export *x, struct buf *out)
{
    struct series s = {.max = ROWS_A_PULL};
    struct ts_store *st = x->node->history;
    uint32_t num = x->num[x->at];
    int64_t to = x->to;
    int err;
    if (x->interval) {
        if ((to - x->next) / x->interval >= ROWS_A_PULL) to = x->next + x->interval * (ROWS_A_PULL - 1);
        err = series_interpolate(st, num, x->step[x->at], x->next, to, x->interval, &s, NULL);
    } else {
        err = st->ops->scan(st, num, x->next, to, series_add, &s, NULL);
    }
    for (size_t i = 0; i < s.n; i++) export_row(x, out, &s.s[i]);
    if (x->interval)
        x->next += (int64_t)s.n * x->interval;
    else
        x->next = s.truncated && s.n ? s.s[s.n - 1].time_us + 1 : to;
    series_fini(&s);
    return err < 0 ? err : 0;
}

static int export_pull(void *ctx, struct buf *out)
{
    struct export *x = ctx;
    if (!x->head_done) {
        buf_z(out, "\xef\xbb\xbftime,point,value,quality,reason\r\n"); /* BOM: spreadsheets then read UTF-8 */
        x->head_done = true;
    }
    int err = export_piece(x, out);
    if (err) return err;
    if (x->next >= x->to) {
        x->at++;
        x->next = x->from;
    }
    return x->at < x->npoints;
}

int export_csv(struct api_call *c, struct error *e)
{
    struct node *n = history_node(c->module);
    struct query *q = arena_alloc(c->a, sizeof *q);
    if (!q) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = query_read(n, c, q, e);
    if (err) return err;
    struct str mode = http_query(c->req, "mode");
    bool interpolated = str_is(mode, "interpolated");
    if (mode.n && !interpolated && !str_is(mode, "recorded"))
        return error_set(e, ERR_INVALID, "mode", "'%.*s' is not known; write recorded or interpolated",
                         "'%.*s' 无效；请写 recorded 或 interpolated", STR_ARG(mode));
    if (interpolated && !q->interval)
        return error_set(e, ERR_INVALID, "interval", "is needed with mode=interpolated, for example interval=1m",
                         "mode=interpolated 时必须给出，例如 interval=1m");
    struct export *x = mem_calloc(1, sizeof *x);
    if (!x) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    *x = (struct export){.node = n,
                         .npoints = q->npoints,
                         .from = q->from,
                         .to = q->to,
                         .next = q->from,
                         .interval = interpolated ? q->interval : 0};
    for (size_t i = 0; i < q->npoints; i++) {
        x->num[i] = q->point[i].num;
        x->step[i] = q->point[i].step;
        str_to_cstr(q->point[i].code, x->code[i], sizeof x->code[i]);
    }
    c->res->content_type = "text/csv; charset=utf-8";
    http_set_header(c->res, "Content-Disposition", STR("attachment; filename=\"history.csv\""));
    c->res->pull = export_pull;
    c->res->pull_free = mem_free;
    c->res->pull_ctx = x;
    return 0;
}
