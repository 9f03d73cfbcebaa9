/* summary_many.c - GET and POST /history/summary of the points that a filter finds, and of all points together.
 *
 * The points are listed once, with the reader's permission, by number; of each are kept its number and, when each gets
 * its own row, its texts (NAMES_MAX of them in all). Then they are asked in batches, which grow while they are quick
 * and shrink when they are not, so that a client who has gone is noticed within about a second, and a million points
 * are still asked in few walks over the files.
 *
 * Over all: counts, sums and integrals are added up (in long double: the order in which points come is not fixed);
 * mean is plain over samples, twa over the usable seconds of all points, percent_good over the seconds of all. Of
 * equal extremes the point with the lower number counts. */
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "model/ts_scan.h"
#include "modules/history/deliver.h"
#include "modules/history/query.h"
#include "modules/history/summary.h"
#include "modules/history/text.h"

#define POINTS_MAX 1000000
#define NAMES_MAX ((size_t)160 << 20) /* bytes of texts */
#define BATCH_FIRST 256
#define BATCH_ROWS 2048 /* when each point gets a row */
#define BATCH_MAX 65536
#define QUICK_NS UINT64_C(50000000)
#define SLOW_NS UINT64_C(300000000)

struct extreme {
    double v;
    int64_t us;
    uint32_t point; /* 0: there is none */
};
struct overall {
    uint64_t count, good, usable;
    long double sum, integral, usable_s, good_s, total_s;
    struct extreme min, max;
};
struct many {
    struct arena a;
    struct node *node;
    struct query q;
    struct answer_point *p; /* by number; texts unless `all` */
    size_t n, cap, at, batch;
    uint32_t *nums;
    bool *steps;
    bool all; /* one row over all */
    struct overall over;
    struct ts_summary *rows; /* of a batch; unless `all` */
    struct buf out;
};

/* ---- which points ---- */
static int too_many(struct error *e)
{
    return error_set(e, ERR_LIMIT, "filter", "the filter finds more than %d points; narrow it",
                     "筛选出的测点超过 %d 个；请缩小范围", POINTS_MAX);
}

static int no_room(struct error *e)
{
    return error_set(e, ERR_TOO_LARGE, "",
                     "the query would hold more than 256 MiB; ask for fewer points, or for overall=true",
                     "查询将占用超过 256 MiB；请减少测点，或使用 overall=true");
}

/* A row of the list; 1 ends it: there are too many. */
static int add_point(void *ctx, const struct brief *b)
{
    struct many *m = ctx;
    struct bus_point cfg;
    if (b->num == 0) return 0;
    if (m->n == POINTS_MAX) return 1;
    if (!mem_grow((void **)&m->p, &m->cap, m->n + 1, sizeof *m->p)) return ERR_NOMEM;
    struct answer_point *p = &m->p[m->n++];
    *p = (struct answer_point){.num = b->num, .step = str_is(b->field[1], "1") || str_is(b->field[1], "true")};
    if (bus_point_get(m->node->bus, b->num, &cfg)) p->step = cfg.step;
    if (m->all) return 0;
    p->code = arena_str(&m->a, b->code);
    p->name = arena_str(&m->a, b->name);
    p->unit = arena_str(&m->a, b->field[0]);
    return p->code.p && p->name.p && p->unit.p ? 0 : ERR_TOO_LARGE;
}

static int by_num(const void *a, const void *b)
{
    const struct answer_point *x = a, *y = b;
    return (x->num > y->num) - (x->num < y->num);
}

static int list_points(struct many *m, const struct run_caller *by, const struct params *p, struct error *e)
{
    static const char *const fields[] = {"unit", "step"};
    const struct list_query q = {.kind = "point", .filter = params_text(p, "filter"), .by = by->actor};
    int err = resource_list_brief(by->node->kernel, &q, fields, 2, add_point, m, e);
    if (err == 1) return too_many(e);
    if (err == ERR_TOO_LARGE && !(e && e->code)) return no_room(e);
    if (err == ERR_NOMEM) return error_set(e, err, "", "out of memory", "内存不足");
    if (!err && m->n > 1) qsort(m->p, m->n, sizeof *m->p, by_num);
    return err;
}

static int named_points(struct many *m, const struct run_caller *by, const struct params *p, struct error *e)
{
    int err = query_points(by, &m->a, p, ACT_READ, &m->q, e);
    if (err) return err;
    m->n = m->q.npoints;
    m->p = mem_dup(m->q.point, m->n * sizeof *m->p);
    return m->p ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int choose_points(struct many *m, const struct run_caller *by, const struct params *p, struct error *e)
{
    bool filter = params_text(p, "filter").n > 0, points = params_text(p, "points").n > 0;
    if (filter && points)
        return error_set(e, ERR_INVALID, "filter", "give 'points' or 'filter', not both",
                         "points 与 filter 只能给出一个");
    return filter ? list_points(m, by, p, e) : named_points(m, by, p, e);
}

static int prepare(struct many *m, struct error *e)
{
    size_t rows = m->n < BATCH_ROWS ? m->n : BATCH_ROWS;
    m->nums = mem_alloc(m->n * sizeof *m->nums);
    m->steps = mem_alloc(m->n * sizeof *m->steps);
    m->rows = m->all ? NULL : mem_alloc(rows * sizeof *m->rows);
    if (!m->nums || !m->steps || (!m->all && !m->rows)) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < m->n; i++) {
        m->nums[i] = m->p[i].num;
        m->steps[i] = m->p[i].step;
    }
    m->batch = BATCH_FIRST;
    return 0;
}

/* ---- all together ---- */
static void take_extreme(struct extreme *x, double v, int64_t us, uint32_t point, bool greatest)
{
    if (isnan(v)) return;
    bool better = !x->point || (greatest ? v > x->v : v < x->v) || (v == x->v && point < x->point);
    if (better) *x = (struct extreme){v, us, point};
}

static int add_all(void *ctx, size_t i, const struct ts_summary *s)
{
    struct many *m = ctx;
    struct overall *o = &m->over;
    o->count += s->count;
    o->good += s->good;
    o->usable += s->usable;
    o->sum += (long double)s->sum;
    o->integral += (long double)s->integral;
    o->usable_s += (long double)s->usable_s;
    o->good_s += (long double)s->good_s;
    o->total_s += (long double)s->total_s;
    take_extreme(&o->min, s->min, s->min_us, m->nums[m->at + i], false);
    take_extreme(&o->max, s->max, s->max_us, m->nums[m->at + i], true);
    return 0;
}

static void write_extreme(struct many *m, const char *key, const struct extreme *x)
{
    struct buf *b = &m->out;
    struct resource r = {.code = STR_NULL};
    AUTO_ARENA a;
    arena_init(&a, LIMIT_SPEC * 16);
    buf_printf(b, ",\"%s\":", key);
    write_number(b, x->point ? x->v : NAN);
    buf_printf(b, ",\"%s_t\":", key);
    summary_time(b, "", x->us, x->point != 0);
    buf_printf(b, ",\"%s_point\":", key);
    if (x->point && resource_by_num(m->node->kernel, &a, "point", x->point, &r, NULL) == 0)
        summary_text(b, "", r.code);
    else
        buf_z(b, "null");
}

static void write_overall(struct many *m)
{
    const struct overall *o = &m->over;
    struct buf *b = &m->out;
    summary_time(b, "{\"from\":", m->q.from, true);
    summary_time(b, ",\"to\":", m->q.to, true);
    summary_count(b, ",\"points\":", m->n);
    summary_count(b, ",\"overall\":{\"count\":", o->count);
    summary_count(b, ",\"good\":", o->good);
    write_extreme(m, "min", &o->min);
    write_extreme(m, "max", &o->max);
    summary_number(b, ",\"mean\":", o->usable ? (double)(o->sum / (long double)o->usable) : NAN);
    summary_number(b, ",\"twa\":", o->usable_s > 0 ? (double)(o->integral / o->usable_s) : NAN);
    summary_number(b, ",\"integral\":", (double)o->integral);
    summary_number(b, ",\"percent_good\":", o->total_s > 0 ? (double)(100 * o->good_s / o->total_s) : 0);
    buf_z(b, "}}");
}

/* ---- each its own row ---- */
static int keep_row(void *ctx, size_t i, const struct ts_summary *s)
{
    struct many *m = ctx;
    m->rows[i] = *s;
    return 0;
}

static void write_rows(struct many *m, size_t n)
{
    struct buf *b = &m->out;
    if (m->at == 0) {
        summary_time(b, "{\"from\":", m->q.from, true);
        summary_time(b, ",\"to\":", m->q.to, true);
        buf_z(b, ",\"series\":[");
    }
    for (size_t i = 0; i < n; i++) {
        if (m->at + i) buf_u8(b, ',');
        summary_head(b, &m->p[m->at + i]);
        summary_write(b, m->q.from, m->q.to, &m->rows[i], m->node->history);
        buf_z(b, "]}");
    }
}

/* ---- the answer ---- */
static void pace(struct many *m, uint64_t ns)
{
    size_t most = m->all ? BATCH_MAX : BATCH_ROWS;
    if (ns < QUICK_NS && m->batch < most) m->batch *= 2;
    if (ns > SLOW_NS && m->batch > 1) m->batch /= 2;
}

static int many_step(void *ctx, struct error *e)
{
    struct many *m = ctx;
    size_t n = m->n - m->at < m->batch ? m->n - m->at : m->batch;
    uint64_t begun = clock_mono_ns(m->node->clock);
    int err = n ? ts_summaries(m->node->history, m->nums + m->at, m->steps + m->at, n, m->q.from, m->q.to,
                               m->all ? add_all : keep_row, m, e)
                : 0;
    if (err) return err;
    if (!m->all) write_rows(m, n);
    m->at += n;
    uint64_t took = clock_mono_ns(m->node->clock) - begun;
    pace(m, took);
    if (m->at < m->n) return m->all && took > QUICK_NS ? 2 : 1;
    if (m->all)
        write_overall(m);
    else
        buf_z(&m->out, "]}");
    return 0;
}

static struct buf *many_out(void *ctx)
{
    return &((struct many *)ctx)->out;
}

static void many_free(void *ctx)
{
    struct many *m = ctx;
    mem_free(m->p);
    mem_free(m->nums);
    mem_free(m->steps);
    mem_free(m->rows);
    buf_fini(&m->out);
    arena_fini(&m->a);
    mem_free(m);
}

static int many_open(struct many *m, struct api_call *c, const struct params *p, struct error *e)
{
    struct run_caller by = deliver_caller(c);
    int err = params_bool(p, "overall", false, &m->all, e);
    if (!err && (params_text(p, "interval").n || params_text(p, "calendar").n))
        err =
            error_set(e, ERR_INVALID, "interval", "windows are for up to %d named points: leave out filter and overall",
                      "分窗统计只支持列出的测点（最多 %d 个），请去掉 filter 与 overall", LIMIT_QUERY_POINTS_POST);
    if (!err) err = query_range(&by, p, &m->q, e);
    if (!err) err = choose_points(m, &by, p, e);
    return err ? err : prepare(m, e);
}

int summary_many(struct api_call *c, const struct params *p, struct error *e)
{
    struct many *m = mem_calloc(1, sizeof *m);
    if (!m) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    m->node = deliver_caller(c).node;
    arena_init(&m->a, NAMES_MAX);
    buf_init(&m->out, ANSWER_MAX);
    int err = many_open(m, c, p, e);
    if (!err) return deliver(c, &(struct delivery){m, many_step, many_out, many_free}, NULL, e);
    many_free(m);
    return err;
}
