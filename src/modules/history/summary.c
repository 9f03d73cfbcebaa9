/* summary.c - GET and POST /history/summary: statistics of a range or of windows of it, straight from the store. */
#include "modules/history/summary.h"
#include <math.h>
#include "base/decimal.h"
#include "base/mem.h"
#include "base/time.h"
#include "model/ts_scan.h"
#include "modules/history/deliver.h"
#include "modules/history/query.h"
#include "modules/history/text.h"

#define SUMMARY_ROWS 10000 /* of all points of one answer */

struct summary {
    struct arena a;
    struct node *node;
    struct query q;
    struct buf out;
    int64_t *edges;
    size_t rows, at;
};

void summary_text(struct buf *b, const char *key, struct str s)
{
    struct json_writer w = json_writer(b);
    buf_z(b, key);
    jw_str(&w, s);
}

void summary_time(struct buf *b, const char *key, int64_t us, bool there)
{
    char t[TIME_TEXT_MAX];
    buf_z(b, key);
    buf_printf(b, there ? "\"%s\"" : "null", time_format(us, t));
}

void summary_number(struct buf *b, const char *key, double v)
{
    buf_z(b, key);
    write_number(b, v);
}

void summary_count(struct buf *b, const char *key, uint64_t v)
{
    char t[DECIMAL_MAX];
    buf_z(b, key);
    buf_add(b, t, decimal_u64(t, v));
}

void summary_head(struct buf *b, const struct answer_point *p)
{
    buf_printf(b, "{\"point\":%u", p->num);
    summary_text(b, ",\"code\":", p->code);
    summary_text(b, ",\"name\":", p->name);
    summary_text(b, ",\"unit\":", p->unit);
    buf_printf(b, ",\"step\":%s,\"rows\":[", p->step ? "true" : "false");
}

void summary_write(struct buf *b, int64_t from, int64_t to, const struct ts_summary *s, struct ts_store *strings)
{
    summary_time(b, "{\"from\":", from, true);
    summary_time(b, ",\"to\":", to, true);
    summary_count(b, ",\"count\":", s->count);
    summary_count(b, ",\"good\":", s->good);
    summary_number(b, ",\"min\":", s->min);
    summary_time(b, ",\"min_t\":", s->min_us, !isnan(s->min));
    summary_number(b, ",\"max\":", s->max);
    summary_time(b, ",\"max_t\":", s->max_us, !isnan(s->max));
    summary_number(b, ",\"mean\":", s->mean);
    summary_number(b, ",\"twa\":", s->twa);
    summary_number(b, ",\"integral\":", s->integral);
    summary_number(b, ",\"percent_good\":", s->percent_good);
    buf_z(b, ",\"first\":");
    write_value(b, &s->first, strings);
    buf_z(b, ",\"last\":");
    write_value(b, &s->last, strings);
    buf_u8(b, '}');
}

static int summary_row(void *ctx, size_t i, const struct ts_summary *s)
{
    struct summary *x = ctx;
    if (i) buf_u8(&x->out, ',');
    summary_write(&x->out, x->edges[i], x->edges[i + 1], s, x->node->history);
    return x->out.err;
}

static int summary_step(void *ctx, struct error *e)
{
    struct summary *x = ctx;
    struct buf *b = &x->out;
    const struct answer_point *p = &x->q.point[x->at];
    if (x->at == 0) {
        summary_time(b, "{\"from\":", x->q.from, true);
        summary_time(b, ",\"to\":", x->q.to, true);
        buf_z(b, ",\"series\":[");
    }
    if (x->at) buf_u8(b, ',');
    summary_head(b, p);
    int err = ts_windows(x->node->history, p->num, x->edges, x->rows, p->step, summary_row, x, e);
    if (err) return err;
    buf_z(b, ++x->at < x->q.npoints ? "]}" : "]}]}");
    return x->at < x->q.npoints;
}

static struct buf *summary_out(void *ctx)
{
    return &((struct summary *)ctx)->out;
}

static void summary_free(void *ctx)
{
    struct summary *x = ctx;
    mem_free(x->edges);
    buf_fini(&x->out);
    arena_fini(&x->a);
    mem_free(x);
}

static int summary_open(struct summary *x, struct api_call *c, const struct params *p, struct error *e)
{
    struct window_rule rule;
    struct run_caller by = deliver_caller(c);
    int err = query_points(&by, &x->a, p, ACT_READ, &x->q, e);
    if (!err) err = query_range(&by, p, &x->q, e);
    if (!err) err = query_windows(p, &x->q, &rule, e);
    if (err) return err;
    return windows_make(&rule, x->q.zone, x->q.from, x->q.to, SUMMARY_ROWS / x->q.npoints, &x->edges, &x->rows, e);
}

int summary_answer(struct api_call *c, struct error *e)
{
    struct params p;
    struct run_caller by = deliver_caller(c);
    int err = deliver_params(c, &p, e);
    if (err) return err;
    if (params_text(&p, "filter").n || params_text(&p, "overall").n) return summary_many(c, &p, e);
    struct summary *x = mem_calloc(1, sizeof *x);
    if (!x) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    x->node = by.node;
    arena_init(&x->a, 16u << 20);
    buf_init(&x->out, ANSWER_MAX);
    err = summary_open(x, c, &p, e);
    if (!err) return deliver(c, &(struct delivery){x, summary_step, summary_out, summary_free}, NULL, e);
    summary_free(x);
    return err;
}
