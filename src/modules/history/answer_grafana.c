/* answer_grafana.c - see answer_grafana.h. As the JSON data source describes the answer of /query:
 *   time series  {"target":"P1","datapoints":[[value, epoch ms],…]}, with windows "P1 average" for each function
 *   table        {"type":"table","columns":[{"text":"Time","type":"time"},…],"rows":[[epoch ms,"P1",value],…]}
 * A value of bad quality or a text is null in a series (a gap), and shown as what it is in a table. */
#include "modules/history/answer_grafana.h"
#include <math.h>
#include "base/json.h"
#include "model/sample.h"
#include "modules/history/text.h"

struct grafana_answer {
    struct answer base;
    const struct answer_point *point;
    bool table, begun; /* begun: something stands before */
    size_t nrows;      /* of the table, of the series */
};

static struct grafana_answer *of(struct answer *a)
{
    return (struct grafana_answer *)a;
}

void answer_grafana_form(struct answer *a, bool table, bool first)
{
    of(a)->table = table;
    of(a)->begun = !first;
}

static void text(struct buf *b, struct str s)
{
    struct json_writer w = json_writer(b);
    jw_str(&w, s);
}

static void comma(struct grafana_answer *x)
{
    if (x->begun) buf_u8(&x->base.out, ',');
    x->begun = true;
}

static void open_series(struct grafana_answer *x, const char *fn)
{
    char name[400];
    comma(x);
    snprintf(name, sizeof name, "%.*s%s%s", STR_ARG(x->point->code), fn ? " " : "", fn ? fn : "");
    buf_z(&x->base.out, "{\"target\":");
    text(&x->base.out, str_of(name));
    buf_z(&x->base.out, ",\"datapoints\":[");
    x->nrows = 0;
}

static void grafana_begin(struct answer *a)
{
    struct grafana_answer *x = of(a);
    if (!x->table) return;
    comma(x);
    buf_z(&a->out,
          "{\"type\":\"table\",\"columns\":[{\"text\":\"Time\",\"type\":\"time\"},{\"text\":\"Point\",\"type\":"
          "\"string\"}");
    if (a->head.shape == ANSWER_SAMPLES)
        buf_z(&a->out, ",{\"text\":\"Value\",\"type\":\"number\"},{\"text\":\"Quality\",\"type\":\"string\"}");
    for (size_t f = 0; f < a->head.nfn; f++)
        buf_printf(&a->out, ",{\"text\":\"%s\",\"type\":\"number\"}", a->head.fn[f]);
    buf_z(&a->out, "],\"rows\":[");
}

static void grafana_series(struct answer *a, const struct answer_point *p)
{
    struct grafana_answer *x = of(a);
    x->point = p;
    if (!x->table && a->head.shape == ANSWER_SAMPLES) open_series(x, NULL);
}

static void row_head(struct grafana_answer *x, int64_t time_us)
{
    struct buf *b = &x->base.out;
    buf_z(b, x->nrows++ ? ",[" : "[");
    write_time_ms(b, time_us);
    buf_u8(b, ',');
    text(b, x->point->code);
}

static void point_of(struct grafana_answer *x, double v, int64_t time_us)
{
    struct buf *b = &x->base.out;
    buf_z(b, x->nrows++ ? ",[" : "[");
    write_number(b, v);
    buf_u8(b, ',');
    write_time_ms(b, time_us);
    buf_u8(b, ']');
}

static void grafana_samples(struct answer *a, const struct sample *s, size_t n)
{
    struct grafana_answer *x = of(a);
    for (size_t i = 0; i < n; i++) {
        if (!x->table) {
            point_of(x, s[i].quality == QUALITY_BAD ? NAN : sample_number(&s[i]), s[i].time_us);
            continue;
        }
        row_head(x, s[i].time_us);
        buf_u8(&a->out, ',');
        write_value(&a->out, &s[i], a->strings);
        buf_printf(&a->out, ",\"%s\"]", quality_name(s[i].quality));
    }
}

static void grafana_table(struct answer *a, const struct answer_table *t)
{
    struct grafana_answer *x = of(a);
    for (size_t i = 0; i < t->rows && x->table; i++) {
        row_head(x, t->t[i]);
        for (size_t f = 0; f < a->head.nfn; f++) {
            buf_u8(&a->out, ',');
            write_number(&a->out, t->v[f][i]);
        }
        buf_u8(&a->out, ']');
    }
    for (size_t f = 0; f < a->head.nfn && !x->table; f++) {
        open_series(x, a->head.fn[f]);
        for (size_t i = 0; i < t->rows; i++) point_of(x, t->v[f][i], t->t[i]);
        buf_z(&a->out, "]}");
    }
}

static void grafana_series_end(struct answer *a, bool truncated)
{
    if (!of(a)->table && a->head.shape == ANSWER_SAMPLES) buf_z(&a->out, "]}");
}

static void grafana_end(struct answer *a)
{
    if (of(a)->table) buf_z(&a->out, "]}");
}

const struct answer_ops answer_grafana = {
    .name = "grafana",
    .media_type = "application/json; charset=utf-8",
    .shapes = 1u << ANSWER_SAMPLES | 1u << ANSWER_AGGREGATE,
    .size = sizeof(struct grafana_answer),
    .begin = grafana_begin,
    .series = grafana_series,
    .samples = grafana_samples,
    .table = grafana_table,
    .series_end = grafana_series_end,
    .end = grafana_end,
};
