/* answer_frames.c - see answer_frames.h. A frame carries at most ROWS rows of one point:
 *   samples   {"op":"rows","id","point","code","t":[…],"v":[…],"q":[…],"r":[…]}
 *   aligned   {"op":"rows","id","point","code","t":[…],"v":[…],"q":[…]}
 *   windows   {"op":"rows","id","point","code","t":[…],"end":[…],"values":{"average":[…]},"q":{"average":[…]}}
 * and, when there would have been more, {"op":"truncated","id","point"}. */
#include "modules/history/answer_frames.h"
#include "base/json.h"
#include "model/sample.h"
#include "modules/history/text.h"

#define ROWS 2048

struct frames {
    struct answer base;
    struct str id;
    const struct answer_point *point;
};

static struct frames *of(struct answer *a)
{
    return (struct frames *)a;
}

void answer_frames_id(struct answer *a, struct str id_json)
{
    of(a)->id = id_json;
}

bool answer_frames_next(const struct buf *b, size_t *at, struct str *ret)
{
    uint32_t n;
    if (b->n - *at < sizeof n) return false;
    memcpy(&n, b->p + *at, sizeof n);
    *ret = str_make((const char *)b->p + *at + sizeof n, n);
    *at += sizeof n + n;
    return true;
}

/* ---- one frame ---- */

static size_t open_frame(struct frames *x, const char *op)
{
    struct buf *b = &x->base.out;
    size_t at = b->n;
    buf_u32le(b, 0);
    buf_printf(b, "{\"op\":\"%s\",\"id\":%.*s,\"point\":%u", op, STR_ARG(x->id), x->point->num);
    struct json_writer w = json_writer(b);
    buf_z(b, ",\"code\":");
    jw_str(&w, x->point->code);
    return at;
}

static void close_frame(struct frames *x, size_t at)
{
    struct buf *b = &x->base.out;
    buf_u8(b, '}');
    uint32_t n = (uint32_t)(b->n - at - sizeof n);
    if (!b->err) memcpy(b->p + at, &n, sizeof n);
}

static void open_list(struct buf *b, const char *key)
{
    buf_printf(b, ",\"%s\":[", key);
}

#define LIST(b, key, n, write) \
    do { \
        open_list(b, key); \
        for (size_t i = 0; i < (n); i++) { \
            if (i) buf_u8(b, ','); \
            write; \
        } \
        buf_u8(b, ']'); \
    } while (0)

static void rows_of_samples(struct frames *x, const struct sample *s, size_t n)
{
    struct buf *b = &x->base.out;
    size_t at = open_frame(x, "rows");
    LIST(b, "t", n, write_time_ms(b, s[i].time_us));
    LIST(b, "v", n, write_value(b, &s[i], x->base.strings));
    LIST(b, "q", n, write_small(b, s[i].quality));
    LIST(b, "r", n, write_small(b, s[i].flags & SAMPLE_REASON_MASK));
    close_frame(x, at);
}

static void frames_samples(struct answer *a, const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i += ROWS) rows_of_samples(of(a), s + i, n - i < ROWS ? n - i : ROWS);
}

/* ---- tables ---- */

static void open_object(struct buf *b, const char *key, size_t nth)
{
    buf_printf(b, "%s\"%s\":", nth ? "," : "", key);
}

static void rows_of_windows(struct frames *x, const struct answer_table *t, size_t from, size_t n)
{
    struct buf *b = &x->base.out;
    size_t nfn = x->base.head.nfn;
    if (t->end) LIST(b, "end", n, write_time_ms(b, t->end[from + i]));
    buf_z(b, ",\"values\":{");
    for (size_t f = 0; f < nfn; f++) {
        open_object(b, x->base.head.fn[f], f);
        for (size_t i = 0; i < n; i++) {
            buf_u8(b, i ? ',' : '[');
            write_number(b, t->v[f][from + i]);
        }
        buf_u8(b, ']');
    }
    buf_z(b, "},\"q\":{");
    for (size_t f = 0; f < nfn; f++) {
        open_object(b, x->base.head.fn[f], f);
        for (size_t i = 0; i < n; i++) {
            buf_u8(b, i ? ',' : '[');
            write_small(b, t->q[f][from + i]);
        }
        buf_u8(b, ']');
    }
    buf_u8(b, '}');
}

static void frames_table(struct answer *a, const struct answer_table *t)
{
    struct frames *x = of(a);
    struct buf *b = &a->out;
    for (size_t from = 0; from < t->rows; from += ROWS) {
        size_t n = t->rows - from < ROWS ? t->rows - from : ROWS, at = open_frame(x, "rows");
        LIST(b, "t", n, write_time_ms(b, t->t[from + i]));
        if (a->head.shape == ANSWER_AGGREGATE) {
            rows_of_windows(x, t, from, n);
        } else {
            LIST(b, "v", n, write_number(b, t->v[0][from + i]));
            LIST(b, "q", n, write_small(b, t->q[0][from + i]));
        }
        close_frame(x, at);
    }
}

/* ---- the rest ---- */

static void frames_series(struct answer *a, const struct answer_point *p)
{
    of(a)->point = p;
}

static void frames_series_end(struct answer *a, bool truncated)
{
    if (truncated) close_frame(of(a), open_frame(of(a), "truncated"));
}

static void nothing(struct answer *a) {}

const struct answer_ops answer_frames = {
    .name = "frames",
    .media_type = "application/json",
    .shapes = 1u << ANSWER_SAMPLES | 1u << ANSWER_ALIGNED | 1u << ANSWER_AGGREGATE,
    .size = sizeof(struct frames),
    .begin = nothing,
    .series = frames_series,
    .samples = frames_samples,
    .table = frames_table,
    .series_end = frames_series_end,
    .end = nothing,
};
