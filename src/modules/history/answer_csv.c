/* answer_csv.c - answers as CSV (RFC 4180, CR LF, with a BOM so that spreadsheets read UTF-8).
 *
 * Samples: time, point, value, quality, reason. Tables: time, [end,] point and one column a function; one row a time
 * and point, so that nothing has to be gathered. Texts that a spreadsheet would take for a formula are quoted. */
#include <math.h>
#include "base/csv.h"
#include "base/time.h"
#include "model/sample.h"
#include "model/ts_text.h"
#include "modules/history/aggregate.h"
#include "modules/history/answer.h"
#include "modules/history/text.h"

struct csv_answer {
    struct answer base;
    const struct answer_point *point;
};

static void csv_begin(struct answer *a)
{
    struct buf *b = &a->out;
    buf_z(b, "\xef\xbb\xbftime,");
    if (a->head.shape == ANSWER_AGGREGATE) buf_z(b, "end,");
    buf_z(b, a->head.shape == ANSWER_SAMPLES ? "point,value,quality,reason" : "point");
    for (size_t f = 0; f < a->head.nfn; f++) {
        csv_cell(b, str_of(a->head.fn[f]), false);
        buf_printf(b, ",%s_status", a->head.fn[f]);
    }
    buf_z(b, "\r\n");
}

static void csv_series(struct answer *a, const struct answer_point *p)
{
    ((struct csv_answer *)a)->point = p;
}

static void csv_time(struct buf *b, int64_t us, bool first)
{
    char t[TIME_TEXT_MAX];
    if (!first) buf_u8(b, ',');
    buf_z(b, time_format(us, t));
}

static void csv_value(struct answer *a, const struct sample *s)
{
    char text[65536];
    size_t n;
    if (sample_is_text(s)) {
        bool known = ts_text(a->strings, s, text, sizeof text, &n) == 0;
        csv_cell(&a->out, known ? str_make(text, n) : STR(""), false);
        return;
    }
    buf_u8(&a->out, ',');
    if (s->type == SAMPLE_NONE || (s->type == SAMPLE_DOUBLE && !isfinite(s->v.d))) return;
    write_value(&a->out, s, a->strings);
}

static void csv_samples(struct answer *a, const struct sample *s, size_t n)
{
    struct buf *b = &a->out;
    for (size_t i = 0; i < n; i++) {
        csv_time(b, s[i].time_us, true);
        csv_cell(b, ((struct csv_answer *)a)->point->code, false);
        csv_value(a, &s[i]);
        csv_cell(b, str_of(quality_name(s[i].quality)), false);
        csv_cell(b, str_of(reason_name(s[i].flags)), false);
        buf_z(b, "\r\n");
    }
}

static void csv_table(struct answer *a, const struct answer_table *t)
{
    struct buf *b = &a->out;
    char text[STATUS_TEXT_MAX];
    for (size_t i = 0; i < t->rows; i++) {
        csv_time(b, t->t[i], true);
        if (t->end) csv_time(b, t->end[i], false);
        csv_cell(b, ((struct csv_answer *)a)->point->code, false);
        for (size_t f = 0; f < a->head.nfn; f++) {
            buf_u8(b, ',');
            if (isfinite(t->v[f][i])) write_number(b, t->v[f][i]);
            if (t->status)
                csv_cell(b, str_make(text, status_text(t->status[f][i], text)), false);
            else
                csv_cell(b, str_of(quality_name(t->q[f][i])), false);
        }
        buf_z(b, "\r\n");
    }
}

static void csv_series_end(struct answer *a, bool truncated)
{
    ((struct csv_answer *)a)->point = NULL;
}

static void csv_end(struct answer *a)
{
    ((struct csv_answer *)a)->point = NULL;
}

const struct answer_ops answer_csv = {
    .name = "csv",
    .media_type = "text/csv; charset=utf-8",
    .shapes = 1 << ANSWER_SAMPLES | 1 << ANSWER_ALIGNED | 1 << ANSWER_AGGREGATE,
    .size = sizeof(struct csv_answer),
    .begin = csv_begin,
    .series = csv_series,
    .samples = csv_samples,
    .table = csv_table,
    .series_end = csv_series_end,
    .end = csv_end,
};
