/* answer_json.c - answers as JSON: {"from","to","series":[…]}, columns inside a series.
 *
 * The columns of a series come at the same time, so v, q and r are kept in buffers of their own until the series
 * ends; t goes straight out. The times of windows are those of every point: their text is made once. All of them
 * together stay below ANSWER_MAX. Numbers are written in place, ROWS_AT_ONCE between two looks at the room. */
#include <math.h>
#include "base/decimal.h"
#include "base/json.h"
#include "base/time.h"
#include "model/ts_text.h"
#include "modules/history/aggregate.h"
#include "modules/history/answer.h"
#include "modules/history/text.h"

enum column { COLUMN_V, COLUMN_Q, COLUMN_R, COLUMN_AXIS, COLUMNS };
struct json_answer {
    struct answer base;
    struct buf column[COLUMNS];
    size_t nseries, nsamples; /* of the answer, of the series */
    bool times_done;          /* aligned: the one column of times */
    struct text_like like;
};

static struct json_answer *of(struct answer *a)
{
    return (struct json_answer *)a;
}

static void key_text(struct buf *b, const char *key, struct str s)
{
    struct json_writer w = json_writer(b);
    buf_z(b, key);
    jw_str(&w, s);
}

static void key_time(struct buf *b, const char *key, int64_t us)
{
    char t[TIME_TEXT_MAX];
    key_text(b, key, str_of(time_format(us, t)));
}

static void json_begin(struct answer *a)
{
    struct json_answer *j = of(a);
    for (int i = 0; i < COLUMNS; i++) buf_init(&j->column[i], ANSWER_MAX / 4);
    key_time(&a->out, "{\"from\":", a->head.from);
    key_time(&a->out, ",\"to\":", a->head.to);
    if (a->head.shape != ANSWER_ALIGNED) buf_z(&a->out, ",\"series\":[");
}

static void point_text(struct json_answer *j, const struct answer_point *p)
{
    struct buf *b = &j->base.out;
    buf_z(b, j->nseries++ ? ",{\"point\":" : "{\"point\":");
    write_small(b, p->num);
    key_text(b, ",\"code\":", p->code);
    key_text(b, ",\"name\":", p->name);
    key_text(b, ",\"unit\":", p->unit);
}

static void json_series(struct answer *a, const struct answer_point *p)
{
    struct json_answer *j = of(a);
    struct buf *b = &a->out;
    j->nsamples = 0;
    if (a->head.shape == ANSWER_ALIGNED) return; /* the times come first */
    point_text(j, p);
    buf_z(b, p->step ? ",\"step\":true" : ",\"step\":false");
    if (a->head.shape == ANSWER_SAMPLES) buf_z(b, ",\"t\":[");
}

/* Where the next cell of each column goes, with room for ROWS_AT_ONCE of them. */
#define ROWS_AT_ONCE 128
struct cursor {
    char *t, *v, *q, *r;
};

static char *room(struct buf *b)
{
    return (char *)buf_space(b, ROWS_AT_ONCE * (DECIMAL_MAX + 2));
}

static bool open_cursor(struct json_answer *j, struct cursor *c)
{
    c->t = room(&j->base.out);
    c->v = room(&j->column[COLUMN_V]);
    c->q = room(&j->column[COLUMN_Q]);
    c->r = room(&j->column[COLUMN_R]);
    for (int i = 0; i < COLUMN_AXIS; i++)
        if (j->column[i].err) j->base.out.err = j->column[i].err;
    return c->t && c->v && c->q && c->r;
}

static void advance(struct buf *b, const char *end)
{
    b->n = (size_t)(end - (const char *)b->p);
}

static void close_cursor(struct json_answer *j, const struct cursor *c)
{
    advance(&j->base.out, c->t);
    advance(&j->column[COLUMN_V], c->v);
    advance(&j->column[COLUMN_Q], c->q);
    advance(&j->column[COLUMN_R], c->r);
}

/* Up to ROWS_AT_ONCE rows written in place; ends before a text, which may be of any length. */
static size_t write_rows(struct json_answer *j, struct cursor *c, const struct sample *s, size_t n)
{
    size_t i = 0;
    if (n > ROWS_AT_ONCE) n = ROWS_AT_ONCE;
    for (; i < n && !sample_is_text(&s[i]); i++) {
        if (j->nsamples++) *c->t++ = *c->v++ = *c->q++ = *c->r++ = ',';
        c->t = put_time_like(c->t, s[i].time_us, &j->like);
        c->v = put_value_like(c->v, &s[i], &j->like);
        *c->q++ = (char)('0' + s[i].quality);
        unsigned reason = s[i].flags & SAMPLE_REASON_MASK;
        if (reason < 10)
            *c->r++ = (char)('0' + reason);
        else
            c->r += decimal_u64(c->r, reason);
    }
    return i;
}

static void write_text_row(struct json_answer *j, const struct sample *s)
{
    struct buf *b = &j->base.out, *v = &j->column[COLUMN_V], *q = &j->column[COLUMN_Q], *r = &j->column[COLUMN_R];
    if (j->nsamples++) {
        buf_u8(b, ',');
        buf_u8(v, ',');
        buf_u8(q, ',');
        buf_u8(r, ',');
    }
    write_time_ms(b, s->time_us);
    write_value(v, s, j->base.strings);
    buf_u8(q, (uint8_t)('0' + s->quality));
    write_small(r, s->flags & SAMPLE_REASON_MASK);
}

static void json_samples(struct answer *a, const struct sample *s, size_t n)
{
    struct json_answer *j = of(a);
    struct cursor c;
    size_t i = 0;
    while (i < n && open_cursor(j, &c)) {
        i += write_rows(j, &c, s + i, n - i);
        close_cursor(j, &c);
        if (i < n && sample_is_text(&s[i])) write_text_row(j, &s[i++]);
    }
}

/* What the columns hold goes out; errors of theirs become the answer's. */
static void give_columns(struct json_answer *j)
{
    static const char *const key[] = {"],\"v\":[", "],\"q\":[", "],\"r\":["};
    struct buf *b = &j->base.out;
    for (int i = 0; i < COLUMN_AXIS; i++) {
        buf_z(b, key[i]);
        buf_str(b, buf_view(&j->column[i]));
        buf_clear(&j->column[i]);
    }
}

static void json_series_end(struct answer *a, bool truncated)
{
    struct json_answer *j = of(a);
    if (a->head.shape == ANSWER_SAMPLES) {
        give_columns(j);
        buf_z(&a->out, truncated ? "],\"truncated\":true" : "],\"truncated\":false");
    }
    buf_u8(&a->out, '}');
}

static size_t some(size_t i, size_t n)
{
    return n - i < ROWS_AT_ONCE ? n : i + ROWS_AT_ONCE;
}

static void times(struct buf *b, const char *key, const int64_t *t, size_t n)
{
    struct text_like like = {0};
    char *to;
    buf_z(b, key);
    buf_u8(b, '[');
    for (size_t i = 0; i < n && (to = room(b)); advance(b, to))
        for (size_t end = some(i, n); i < end; i++) {
            if (i) *to++ = ',';
            to = put_time_like(to, t[i], &like);
        }
    buf_u8(b, ']');
}

static void numbers(struct json_answer *j, const double *v, size_t n)
{
    struct buf *b = &j->base.out;
    char *to;
    buf_u8(b, '[');
    for (size_t i = 0; i < n && (to = room(b)); advance(b, to))
        for (size_t end = some(i, n); i < end; i++) {
            if (i) *to++ = ',';
            to = put_number_like(to, v[i], &j->like);
        }
    buf_u8(b, ']');
}

static void aligned_series(struct json_answer *j, const struct answer_table *t)
{
    struct buf *b = &j->base.out;
    const struct answer_point *p = &j->base.head.point[j->nseries];
    if (!j->times_done) times(b, ",\"t\":", t->t, t->rows);
    if (!j->times_done) buf_z(b, ",\"series\":[");
    j->times_done = true;
    point_text(j, p);
    buf_z(b, ",\"v\":");
    numbers(j, t->v[0], t->rows);
    buf_z(b, ",\"q\":[");
    for (size_t i = 0; i < t->rows; i++) {
        if (i) buf_u8(b, ',');
        buf_u8(b, (uint8_t)('0' + t->q[0][i]));
    }
    buf_u8(b, ']');
}

/* Times of values; null where there is none. */
static void numbers_at(struct buf *b, const int64_t *at, const double *v, size_t n)
{
    buf_u8(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_u8(b, ',');
        if (isnan(v[i]))
            buf_z(b, "null");
        else
            write_time_ms(b, at[i]);
    }
    buf_u8(b, ']');
}

/* `"text",` n times. */
static void repeat(struct buf *b, const char *entry, size_t len, size_t n)
{
    char *to = (char *)buf_space(b, len * n);
    if (!to) return;
    memcpy(to, entry, len);
    for (size_t have = 1; have < n; have *= 2) memcpy(to + have * len, to, (have < n - have ? have : n - have) * len);
    b->n += len * n;
}

static void statuses(struct buf *b, const uint32_t *status, size_t n)
{
    char entry[STATUS_TEXT_MAX + 3] = "\"";
    buf_u8(b, '[');
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && status[end] == status[i];) end++;
        size_t len = 1 + status_text(status[i], entry + 1);
        memcpy(entry + len, "\",", 2);
        repeat(b, entry, len + 2, end - i);
    }
    if (n && !b->err) b->n--; /* the last comma */
    buf_u8(b, ']');
}

static void member(struct buf *b, size_t nth, const char *name)
{
    buf_z(b, nth ? ",\"" : "\"");
    buf_z(b, name);
    buf_z(b, "\":");
}

/* Begin and end of the windows. */
static void axis(struct json_answer *j, const struct answer_table *t)
{
    struct buf *b = &j->column[COLUMN_AXIS];
    if (!b->n) {
        times(b, ",\"t\":", t->t, t->rows);
        times(b, ",\"end\":", t->end, t->rows);
    }
    buf_str(&j->base.out, buf_view(b));
    if (b->err) j->base.out.err = b->err;
}

static void json_table(struct answer *a, const struct answer_table *t)
{
    struct buf *b = &a->out;
    size_t nat = 0;
    if (a->head.shape == ANSWER_ALIGNED) {
        aligned_series(of(a), t);
        return;
    }
    axis(of(a), t);
    buf_z(b, ",\"values\":{");
    for (size_t f = 0; f < a->head.nfn; f++) {
        member(b, f, a->head.fn[f]);
        numbers(of(a), t->v[f], t->rows);
    }
    buf_z(b, "},\"status\":{");
    for (size_t f = 0; f < a->head.nfn; f++) {
        member(b, f, a->head.fn[f]);
        statuses(b, t->status[f], t->rows);
    }
    for (size_t f = 0; t->at && f < a->head.nfn; f++) {
        if (!t->at[f]) continue;
        buf_z(b, nat ? "" : "},\"times\":{");
        member(b, nat++, a->head.fn[f]);
        numbers_at(b, t->at[f], t->v[f], t->rows);
    }
    buf_u8(b, '}');
}

static void json_end(struct answer *a)
{
    buf_z(&a->out, "]}");
}

static void json_fini(struct answer *a)
{
    for (int i = 0; i < COLUMNS; i++) buf_fini(&of(a)->column[i]);
}

const struct answer_ops answer_json = {
    .name = "json",
    .media_type = "application/json; charset=utf-8",
    .shapes = 1 << ANSWER_SAMPLES | 1 << ANSWER_ALIGNED | 1 << ANSWER_AGGREGATE,
    .size = sizeof(struct json_answer),
    .begin = json_begin,
    .series = json_series,
    .samples = json_samples,
    .table = json_table,
    .series_end = json_series_end,
    .end = json_end,
    .fini = json_fini,
};
