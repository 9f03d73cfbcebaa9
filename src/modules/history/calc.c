/* calc.c - GET and POST /history/calc: an expression over points (expr.h) at even times, or over an aggregate of each
 * window. The columns of its points are filled stretch by stretch, point by point; then the rows are computed. */
#include "modules/history/calc.h"
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/deliver.h"
#include "modules/history/expr.h"
#include "modules/history/query.h"
#include "modules/history/text.h"

#define CALC_ROWS 200000
#define CALC_CELLS 4000000 /* rows x points */
#define CALC_SOME 2048

struct calc {
    struct arena a;
    struct expr x;
    struct str text;
    struct query q;
    struct buf out;
    struct column_plan plan;
    struct columns col[EXPR_NAMES];
    int64_t *edges;
    size_t rows, point, row; /* the point in work and its next row */
};

static void calc_free(void *ctx)
{
    struct calc *x = ctx;
    for (size_t i = 0; i < EXPR_NAMES; i++) columns_fini(&x->col[i]);
    mem_free(x->edges);
    buf_fini(&x->out);
    arena_fini(&x->a);
    mem_free(x);
}

static struct buf *calc_out(void *ctx)
{
    return &((struct calc *)ctx)->out;
}

static struct expr_value row_of(const struct calc *x, size_t row)
{
    struct expr_value v[EXPR_NAMES];
    for (size_t i = 0; i < x->q.npoints; i++) v[i] = (struct expr_value){x->col[i].v[0][row], x->col[i].q[0][row]};
    return expr_eval(&x->x, v);
}

static void write_points(struct calc *x, struct json_writer *w)
{
    jw_key(w, STR("points"));
    jw_array(w);
    for (size_t i = 0; i < x->q.npoints; i++) jw_str(w, x->q.point[i].code);
    jw_end(w);
}

static void write_rows(struct calc *x)
{
    struct buf *b = &x->out, q;
    buf_init(&q, ANSWER_MAX);
    buf_z(b, ",\"t\":[");
    for (size_t i = 0; i < x->rows; i++) {
        if (i) buf_u8(b, ',');
        write_time_ms(b, x->edges[i]);
    }
    buf_z(b, "],\"v\":[");
    for (size_t i = 0; i < x->rows; i++) {
        struct expr_value v = row_of(x, i);
        if (i) buf_u8(b, ',');
        if (i) buf_u8(&q, ',');
        write_number(b, v.v);
        buf_u8(&q, (uint8_t)('0' + v.q));
    }
    buf_z(b, "],\"q\":[");
    buf_str(b, buf_view(&q));
    if (q.err) b->err = q.err;
    buf_z(b, "]");
    buf_fini(&q);
}

static void write_answer(struct calc *x)
{
    char t[TIME_TEXT_MAX];
    struct json_writer w = json_writer(&x->out);
    jw_object(&w);
    jw_kstr(&w, "expr", x->text);
    jw_kz(&w, "unit", "");
    jw_kz(&w, "from", time_format(x->q.from, t));
    jw_kz(&w, "to", time_format(x->q.to, t));
    write_points(x, &w);
    write_rows(x);
    jw_end(&w);
}

static int calc_step(void *ctx, struct error *e)
{
    struct calc *x = ctx;
    if (x->point == x->q.npoints) {
        write_answer(x);
        return 0;
    }
    const struct answer_point *p = &x->q.point[x->point];
    struct columns *c = &x->col[x->point];
    size_t end = x->row + CALC_SOME < x->rows ? x->row + CALC_SOME : x->rows;
    if (x->row == 0 && columns_init(c, &x->plan)) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = columns_fill(c, &x->plan, p->num, p->step, x->row, end, e);
    if (err) return err;
    x->row = end;
    if (end < x->rows) return 1;
    x->row = 0;
    x->point++;
    return 1;
}

static int read_points(struct calc *x, const struct run_caller *by, struct error *e)
{
    x->q.point = arena_calloc(&x->a, x->x.nname + 1, sizeof *x->q.point);
    if (!x->q.point) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < x->x.nname; i++) {
        int err = query_point(by, &x->a, x->x.name[i], ACT_READ, &x->q.point[i], e);
        if (err && e) str_to_cstr(STR("expr"), e->where, sizeof e->where);
        if (err) return err;
        x->q.npoints++;
    }
    return 0;
}

static int read_function(struct calc *x, const struct params *p, struct error *e)
{
    const char *names[COLUMN_FUNCTIONS];
    struct str fn = params_text(p, "fn");
    bool last = str_is(fn, "last"), values = last || !fn.n || str_is(fn, "interpolated");
    x->plan.kind = last ? COLUMN_LAST : values ? COLUMN_INTERPOLATED : COLUMN_WINDOWS;
    x->plan.nfn = 1;
    int err = values ? 0 : query_functions(p, &x->a, &x->plan, names, e);
    if (!err && x->plan.nfn != 1)
        return error_set(e, ERR_INVALID, "fn", "an expression takes one function", "表达式只接受一个函数");
    return err || values ? err : query_config(p, &x->plan, e);
}

static int read_rows(struct calc *x, const struct params *p, struct node *n, struct error *e)
{
    struct window_rule rule;
    if (!x->q.interval && !params_text(p, "calendar").n) x->q.interval = (x->q.to - x->q.from + 99) / 100;
    int err = query_windows(p, &x->q, &rule, e);
    if (!err) err = windows_make(&rule, x->q.zone, x->q.from, x->q.to, CALC_ROWS, &x->edges, &x->rows, e);
    if (err) return err;
    if (x->rows * (x->q.npoints + 1) > CALC_CELLS)
        return error_set(e, ERR_TOO_LARGE, "interval", "%zu rows of %zu points are too many; use a longer interval",
                         "%zu 行 × %zu 个测点过多；请加大间隔", x->rows, x->q.npoints);
    x->plan.edges = x->edges;
    x->plan.rows = x->rows;
    x->plan.store = n->history;
    x->plan.max_values = ANSWER_MAX / 2 / sizeof(double);
    return 0;
}

static int calc_open(struct calc *x, struct api_call *c, struct error *e)
{
    struct params p;
    struct run_caller by = deliver_caller(c);
    int err = deliver_params(c, &p, e);
    if (err) return err;
    x->text = arena_str(&x->a, params_text(&p, "expr"));
    err = expr_parse(&x->a, x->text, &x->x, e);
    if (!err) err = read_points(x, &by, e);
    if (!err) err = query_range(&by, &p, &x->q, e);
    if (!err) err = read_function(x, &p, e);
    return err ? err : read_rows(x, &p, by.node, e);
}

int calc_answer(struct api_call *c, struct error *e)
{
    struct calc *x = mem_calloc(1, sizeof *x);
    if (!x) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    arena_init(&x->a, 16u << 20);
    buf_init(&x->out, ANSWER_MAX);
    int err = calc_open(x, c, e);
    if (!err) return deliver(c, &(struct delivery){x, calc_step, calc_out, calc_free}, NULL, e);
    calc_free(x);
    return err;
}
