/* run_samples.c - queries that give samples: recorded, interpolated, plot. */
#include <stdlib.h>
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/run_int.h"

#define INTERPOLATED_SOME 16384 /* values in one stretch */
#define TIMES_MAX 10000

struct feed { /* from a scan into the answer */
    struct run *r;
    struct answer *to;
};

static int feed_answer(void *ctx, const struct sample *s, size_t n)
{
    struct feed *f = ctx;
    f->to->ops->samples(f->to, s, n);
    f->r->given += n;
    return f->to->out.err;
}

/* ------------------------------------------------------------------ recorded */

static int open_recorded(struct run *r, const struct params *p, struct error *e)
{
    static const char *const words[] = {"inside", "outside", "interpolated", NULL};
    size_t boundary;
    int64_t limit;
    int err = r->unlimited ? 0 : params_i64(p, "limit", 10000, 1, LIMIT_QUERY_SAMPLES, &limit, e);
    if (!err) err = params_word(p, "boundary", words, &boundary, e);
    if (!err) err = query_filter(p, &r->rec.filter, e);
    if (err) return err;
    r->rec.boundary = (enum ts_boundary)boundary;
    r->limit = r->unlimited ? SIZE_MAX : (size_t)limit;
    return 0;
}

static int open_all_recorded(struct run *r, const struct params *p, struct error *e)
{
    r->unlimited = true;
    return open_recorded(r, p, e);
}

static int some_recorded(struct run *r, struct answer *to, struct error *e)
{
    const struct answer_point *p = &r->q.point[r->at];
    struct feed f = {r, to};
    if (!r->open)
        r->rec = (struct recorded){.store = r->node->history,
                                   .point = p->num,
                                   .step = p->step,
                                   .from = r->q.from,
                                   .to = r->q.to,
                                   .boundary = r->rec.boundary,
                                   .filter = r->rec.filter,
                                   .left = r->limit};
    int err = recorded_some(&r->rec, feed_answer, &f, e);
    r->truncated = r->rec.truncated;
    return err;
}

/* ------------------------------------------------------------------ interpolated */

static int by_time(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

static int read_times(struct run *r, const struct params *p, struct str list, struct error *e)
{
    size_t cap = 0;
    int64_t now = clock_now_us(r->node->clock);
    while (list.p) {
        struct str text = str_trim(str_cut(&list, ','));
        int64_t t;
        if (!text.n) continue;
        if (r->rows == TIMES_MAX)
            return error_set(e, ERR_LIMIT, "times", "at most %d times in one query", "一次查询最多 %d 个时刻",
                             TIMES_MAX);
        int err = r->q.zone ? time_in_zone(text, now, r->q.zone, &t, e) : time_parse_words(text, now, 0, &t, e);
        if (err) error_prefix(e, "times");
        if (err) return err;
        if (!mem_grow((void **)&r->edges, &cap, r->rows + 1, sizeof *r->edges))
            return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        r->edges[r->rows++] = t;
    }
    if (!r->rows) return error_set(e, ERR_INVALID, "times", "name at least one time", "请至少给出一个时刻");
    qsort(r->edges, r->rows, sizeof *r->edges, by_time);
    r->q.from = r->edges[0];
    r->q.to = r->edges[r->rows - 1];
    return 0;
}

static int open_interpolated(struct run *r, const struct params *p, struct error *e)
{
    struct str times = params_text(p, "times");
    if (times.n) return read_times(r, p, times, e);
    int64_t span = r->q.to - r->q.from;
    if (!r->q.interval) r->q.interval = (span + 99) / 100;
    if (!r->unlimited && (span - 1) / r->q.interval >= LIMIT_QUERY_SAMPLES)
        return error_set(e, ERR_TOO_LARGE, "interval", "would give more than %d values; use a longer interval",
                         "结果将超过 %d 个值；请加大间隔", LIMIT_QUERY_SAMPLES);
    r->rows = (size_t)((span - 1) / r->q.interval) + 1;
    return 0;
}

static int open_all_interpolated(struct run *r, const struct params *p, struct error *e)
{
    r->unlimited = true;
    if (!r->q.interval)
        return error_set(e, ERR_INVALID, "interval", "is needed with mode=interpolated, for example interval=1m",
                         "mode=interpolated 时必须给出，例如 interval=1m");
    return open_interpolated(r, p, e);
}

static int some_interpolated(struct run *r, struct answer *to, struct error *e)
{
    const struct answer_point *p = &r->q.point[r->at];
    size_t n = r->rows - r->row < INTERPOLATED_SOME ? r->rows - r->row : INTERPOLATED_SOME;
    int64_t even[1024], *t = even;
    if (r->edges)
        t = r->edges + r->row;
    else if (n > 1024)
        n = 1024;
    for (size_t i = 0; !r->edges && i < n; i++) t[i] = r->q.from + (int64_t)(r->row + i) * r->q.interval;
    struct series s = {.max = n};
    int err = series_at(r->node->history, p->num, p->step, t, n, &s, e);
    if (!err && s.n) to->ops->samples(to, s.s, s.n);
    r->given += s.n;
    r->row += n;
    series_fini(&s);
    return err ? err : r->row < r->rows;
}

/* ------------------------------------------------------------------ plot */

static int open_plot(struct run *r, const struct params *p, struct error *e)
{
    return params_i64(p, "px", 1000, 1, 10000, &r->px, e);
}

static int some_plot(struct run *r, struct answer *to, struct error *e)
{
    const struct answer_point *p = &r->q.point[r->at];
    struct ts_store *st = r->node->history;
    struct feed f = {r, to};
    struct sample before; /* so that the line enters from the left edge */
    int err = st->ops->before(st, p->num, r->q.from - 1, &before);
    if (!err) err = feed_answer(&f, &before, 1);
    if (err == ERR_NOT_FOUND) err = 0;
    if (!err) err = st->ops->plot(st, p->num, r->q.from, r->q.to, (uint32_t)r->px, feed_answer, &f, e);
    return err;
}

const struct run_kind run_sample_kinds[] = {
    {"recorded", ANSWER_SAMPLES, open_recorded, some_recorded},
    {"interpolated", ANSWER_SAMPLES, open_interpolated, some_interpolated},
    {"all_recorded", ANSWER_SAMPLES, open_all_recorded, some_recorded}, /* for exports: without a limit */
    {"all_interpolated", ANSWER_SAMPLES, open_all_interpolated, some_interpolated},
    {"plot", ANSWER_SAMPLES, open_plot, some_plot},
    {0},
};
