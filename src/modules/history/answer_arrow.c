/* answer_arrow.c - answers of history as an Arrow IPC stream.
 *
 * Samples: one row a sample, `point` (dictionary of all codes of the query), time, value, text, quality, reason; a
 * value of a boolean or integer is a number too, a text stands in `text`. Tables: `time` and one column of numbers for
 * each point and function, named by the code, or "code function" when there are windows; null where there is none.
 * Samples go out in batches of ARROW_ROWS_MAX as they come; the columns of a table come one after another and are held
 * until the end. */
#include <math.h>
#include "base/mem.h"
#include "model/sample.h"
#include "model/ts_text.h"
#include "modules/history/answer.h"
#include "proto/arrow_ipc.h"

#define TEXT_ROOM (8u << 20) /* texts of one batch */

static const struct arrow_column sample_columns[] = {
    {STR("point"), ARROW_DICT, false}, {STR("time"), ARROW_TIME, false},  {STR("value"), ARROW_F64, true},
    {STR("text"), ARROW_UTF8, true},   {STR("quality"), ARROW_U8, false}, {STR("reason"), ARROW_U8, false},
};
enum { SAMPLE_COLUMNS = sizeof sample_columns / sizeof *sample_columns };

struct rows { /* of a batch that gathers */
    int32_t point[ARROW_ROWS_MAX], text_at[ARROW_ROWS_MAX + 1];
    int64_t time[ARROW_ROWS_MAX];
    double value[ARROW_ROWS_MAX];
    uint8_t quality[ARROW_ROWS_MAX], reason[ARROW_ROWS_MAX];
    uint8_t has_value[ARROW_ROWS_MAX / 8], has_text[ARROW_ROWS_MAX / 8];
    size_t n, values, texts;
    char text[65536];
};
struct answer_arrow {
    struct answer base;
    struct rows *rows; /* samples */
    struct buf text;
    int32_t point; /* index of the series in work */
    /* tables */
    struct arrow_column *column;
    double **v; /* of each column; [0] stays NULL: time */
    int64_t *time;
    size_t ncolumns, nrows, held;
};

static struct answer_arrow *of(struct answer *a)
{
    return (struct answer_arrow *)a;
}

static void fail(struct answer *a, int err)
{
    if (!a->out.err) a->out.err = err;
}

/* ---- samples ---- */

static void begin_samples(struct answer *a)
{
    struct answer_arrow *x = of(a);
    struct str *codes = mem_alloc((a->head.npoints + 1) * sizeof *codes);
    x->rows = mem_alloc(sizeof *x->rows);
    buf_init(&x->text, TEXT_ROOM + 65536);
    x->point = -1;
    if (!codes || !x->rows) {
        fail(a, ERR_NOMEM);
    } else {
        x->rows->n = x->rows->values = x->rows->texts = 0;
        for (size_t i = 0; i < a->head.npoints; i++) codes[i] = a->head.point[i].code;
        arrow_schema(&a->out, sample_columns, SAMPLE_COLUMNS);
        arrow_dictionary(&a->out, 0, codes, a->head.npoints);
    }
    mem_free(codes);
}

static void flush(struct answer_arrow *x)
{
    struct rows *r = x->rows;
    if (!r || !r->n) return;
    const struct arrow_data d[SAMPLE_COLUMNS] = {
        {.values = r->point},
        {.values = r->time},
        {.values = r->value, .validity = r->has_value, .nulls = r->n - r->values},
        {.values = r->text_at, .validity = r->has_text, .nulls = r->n - r->texts, .bytes = x->text.p},
        {.values = r->quality},
        {.values = r->reason},
    };
    r->text_at[r->n] = (int32_t)x->text.n;
    arrow_batch(&x->base.out, sample_columns, d, SAMPLE_COLUMNS, r->n);
    buf_clear(&x->text);
    r->n = r->values = r->texts = 0;
}

static void mark(uint8_t *bits, size_t i, bool on)
{
    if (i % 8 == 0) bits[i / 8] = 0;
    bits[i / 8] |= (uint8_t)(on << (i % 8));
}

static bool add_text(struct answer_arrow *x, const struct sample *s)
{
    size_t n;
    if (ts_text(x->base.strings, s, x->rows->text, sizeof x->rows->text, &n)) return false;
    buf_add(&x->text, x->rows->text, n);
    if (x->text.err) fail(&x->base, x->text.err);
    return !x->text.err;
}

static void add_row(struct answer_arrow *x, const struct sample *s)
{
    struct rows *r = x->rows;
    size_t i = r->n++;
    bool number = s->type == SAMPLE_DOUBLE || s->type == SAMPLE_INT || s->type == SAMPLE_BOOL;
    r->point[i] = x->point;
    r->time[i] = s->time_us;
    r->value[i] = number ? sample_number(s) : 0;
    r->text_at[i] = (int32_t)x->text.n;
    bool text = add_text(x, s);
    mark(r->has_value, i, number);
    mark(r->has_text, i, text);
    r->values += number;
    r->texts += text;
    r->quality[i] = s->quality;
    r->reason[i] = (uint8_t)(s->flags & SAMPLE_REASON_MASK);
}

static void arrow_samples(struct answer *a, const struct sample *s, size_t n)
{
    struct answer_arrow *x = of(a);
    for (size_t i = 0; i < n && !a->out.err; i++) {
        if (x->rows->n == ARROW_ROWS_MAX || x->text.n > TEXT_ROOM) flush(x);
        add_row(x, &s[i]);
    }
}

/* ---- tables ---- */

static void begin_table(struct answer *a)
{
    struct answer_arrow *x = of(a);
    const struct answer_head *h = &a->head;
    x->ncolumns = 1 + h->npoints * h->nfn;
    x->column = mem_calloc(x->ncolumns, sizeof *x->column);
    x->v = mem_calloc(x->ncolumns, sizeof *x->v);
    if (!x->column || !x->v) {
        fail(a, ERR_NOMEM);
        return;
    }
    x->column[0] = (struct arrow_column){STR("time"), ARROW_TIME, false};
    for (size_t p = 0; p < h->npoints; p++)
        for (size_t f = 0; f < h->nfn; f++) {
            char name[400];
            int n = h->shape == ANSWER_ALIGNED
                        ? snprintf(name, sizeof name, "%.*s", STR_ARG(h->point[p].code))
                        : snprintf(name, sizeof name, "%.*s %s", STR_ARG(h->point[p].code), h->fn[f]);
            char *kept = mem_strdup(name);
            if (!kept) fail(a, ERR_NOMEM);
            x->column[1 + p * h->nfn + f] =
                (struct arrow_column){str_make(kept, kept ? (size_t)n : 0), ARROW_F64, true};
        }
    if (!a->out.err) arrow_schema(&a->out, x->column, x->ncolumns);
    x->point = -1;
}

static void *held(struct answer_arrow *x, const void *p, size_t n)
{
    x->held += n;
    void *copy = x->held > ANSWER_MAX / 2 ? NULL : mem_dup(p, n);
    if (!copy) fail(&x->base, x->held > ANSWER_MAX / 2 ? ERR_TOO_LARGE : ERR_NOMEM);
    return copy;
}

static void arrow_table(struct answer *a, const struct answer_table *t)
{
    struct answer_arrow *x = of(a);
    if (a->out.err || !t->rows || x->point < 0) return;
    if (!x->time) {
        x->time = held(x, t->t, t->rows * sizeof *t->t);
        x->nrows = t->rows;
    }
    for (size_t f = 0; f < a->head.nfn && !a->out.err; f++) {
        double **v = &x->v[1 + (size_t)x->point * a->head.nfn + f];
        if (!*v && t->rows == x->nrows) *v = held(x, t->v[f], t->rows * sizeof **v);
    }
}

/* Rows from .. from + n of a column with its bitmap; a column that never came is all null. */
static struct arrow_data slice(const double *v, size_t from, size_t n, uint8_t *bits, const double *zeros)
{
    struct arrow_data d = {.values = v ? v + from : zeros, .validity = bits};
    for (size_t i = 0; i < n; i++) {
        bool has = v && !isnan(v[from + i]);
        mark(bits, i, has);
        d.nulls += !has;
    }
    return d;
}

static void table_out(struct answer_arrow *x)
{
    struct arrow_data *d = mem_calloc(x->ncolumns, sizeof *d);
    size_t piece = x->nrows < ARROW_ROWS_MAX ? x->nrows : ARROW_ROWS_MAX, stride = (piece + 7) / 8;
    uint8_t *bits = mem_calloc(x->ncolumns, stride);
    double *zeros = mem_calloc(piece, sizeof *zeros);
    if (!d || !bits || !zeros) fail(&x->base, ERR_NOMEM);
    for (size_t from = 0; from < x->nrows && !x->base.out.err; from += piece) {
        size_t n = x->nrows - from < piece ? x->nrows - from : piece;
        d[0] = (struct arrow_data){.values = x->time + from};
        for (size_t c = 1; c < x->ncolumns; c++) d[c] = slice(x->v[c], from, n, bits + c * stride, zeros);
        arrow_batch(&x->base.out, x->column, d, x->ncolumns, n);
    }
    mem_free(d);
    mem_free(bits);
    mem_free(zeros);
}

/* ---- both ---- */

static void arrow_begin(struct answer *a)
{
    if (a->head.shape == ANSWER_SAMPLES)
        begin_samples(a);
    else
        begin_table(a);
}

static void arrow_series(struct answer *a, const struct answer_point *p)
{
    of(a)->point++;
}

static void arrow_series_end(struct answer *a, bool truncated) {}

static void arrow_done(struct answer *a)
{
    struct answer_arrow *x = of(a);
    if (a->out.err) return;
    if (a->head.shape == ANSWER_SAMPLES)
        flush(x);
    else if (x->nrows)
        table_out(x);
    arrow_end(&a->out);
}

static void arrow_fini(struct answer *a)
{
    struct answer_arrow *x = of(a);
    mem_free(x->rows);
    buf_fini(&x->text);
    for (size_t i = 1; i < x->ncolumns; i++) {
        if (x->v) mem_free(x->v[i]);
        if (x->column) mem_free((void *)(uintptr_t)x->column[i].name.p);
    }
    mem_free(x->column);
    mem_free(x->v);
    mem_free(x->time);
}

const struct answer_ops answer_arrow = {
    .name = "arrow",
    .media_type = "application/vnd.apache.arrow.stream",
    .shapes = 1u << ANSWER_SAMPLES | 1u << ANSWER_ALIGNED | 1u << ANSWER_AGGREGATE,
    .size = sizeof(struct answer_arrow),
    .begin = arrow_begin,
    .series = arrow_series,
    .samples = arrow_samples,
    .table = arrow_table,
    .series_end = arrow_series_end,
    .end = arrow_done,
    .fini = arrow_fini,
};
