/* run_tables.c - queries that give rows: aggregates over windows, values of all points at the same times. */
#include "base/mem.h"
#include "modules/history/run_int.h"

#define WINDOWS_SOME 2048 /* windows in one stretch */

static int check_cells(const struct run *r, struct error *e)
{
    if ((uint64_t)r->rows * r->q.npoints * r->plan.nfn <= CELLS_MAX) return 0;
    return error_set(e, ERR_TOO_LARGE, "interval", "%zu rows of %zu points: more than %d values; use a longer interval",
                     "%zu 行 × %zu 个测点，超过 %d 个值；请加大间隔", r->rows, r->q.npoints, CELLS_MAX);
}

static int open_windows(struct run *r, const struct params *p, struct error *e)
{
    struct window_rule rule;
    int err = query_windows(p, &r->q, &rule, e);
    if (!err) err = windows_make(&rule, r->q.zone, r->q.from, r->q.to, ROWS_MAX, &r->edges, &r->rows, e);
    r->plan.edges = r->edges;
    r->plan.rows = r->rows;
    r->plan.store = r->node->history;
    r->plan.max_values = ANSWER_MAX / 2 / sizeof(double);
    return err ? err : check_cells(r, e);
}

static int open_aggregate(struct run *r, const struct params *p, struct error *e)
{
    int err = query_functions(p, &r->a, &r->plan, r->fn, e);
    if (!err) err = query_config(p, &r->plan, e);
    return err ? err : open_windows(r, p, e);
}

static int open_aligned(struct run *r, const struct params *p, struct error *e)
{
    struct str fn = params_text(p, "fn");
    if (!r->q.interval && !params_text(p, "calendar").n) r->q.interval = (r->q.to - r->q.from + 99) / 100;
    bool last = str_is(fn, "last"), values = last || !fn.n || str_is(fn, "interpolated");
    r->plan.kind = last ? COLUMN_LAST : COLUMN_INTERPOLATED;
    r->plan.nfn = 1;
    r->fn[0] = last ? "last" : "interpolated";
    if (values) return open_windows(r, p, e);
    r->plan.kind = COLUMN_WINDOWS;
    if (str_has(fn, STR(",")))
        return error_set(e, ERR_INVALID, "fn", "aligned takes one function; ask aggregate for several",
                         "aligned 只接受一个函数；多个函数请用 aggregate");
    return open_aggregate(r, p, e);
}

static int some_rows(struct run *r, struct answer *to, struct error *e)
{
    const struct answer_point *p = &r->q.point[r->at];
    size_t end = r->row + WINDOWS_SOME < r->rows ? r->row + WINDOWS_SOME : r->rows;
    if (!r->have_cols && columns_init(&r->cols, &r->plan))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    r->have_cols = true;
    int err = columns_fill(&r->cols, &r->plan, p->num, p->step, r->row, end, e);
    if (err) return err;
    r->row = end;
    if (end < r->rows) return 1;
    struct answer_table t = {
        .rows = r->rows, .t = r->edges, .v = (const double *const *)r->cols.v, .q = (const uint8_t *const *)r->cols.q};
    if (r->kind->shape == ANSWER_AGGREGATE) {
        t.end = r->edges + 1;
        t.status = (const uint32_t *const *)r->cols.status;
        t.at = (const int64_t *const *)r->cols.at;
    }
    to->ops->table(to, &t);
    r->given += r->rows * r->plan.nfn;
    return 0;
}

const struct run_kind run_table_kinds[] = {
    {"aligned", ANSWER_ALIGNED, open_aligned, some_rows},
    {"aggregate", ANSWER_AGGREGATE, open_aggregate, some_rows},
    {0},
};
