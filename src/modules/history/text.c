/* text.c - see text.h. */
#include "modules/history/text.h"
#include <math.h>
#include "base/decimal.h"
#include "base/json.h"
#include "model/ts_text.h"

char *put_time_ms(char *to, int64_t time_us)
{
    bool minus = time_us < 0;
    uint64_t mag = minus ? 0 - (uint64_t)time_us : (uint64_t)time_us, us = mag % 1000;
    if (minus) *to++ = '-';
    to += decimal_u64(to, mag / 1000);
    if (!us) return to;
    *to++ = '.';
    *to++ = (char)('0' + us / 100);
    *to++ = (char)('0' + us / 10 % 10);
    *to++ = (char)('0' + us % 10);
    return to;
}

char *put_time_like(char *to, int64_t time_us, struct text_like *l)
{
    int64_t ms = time_us / 1000, high = ms / 100000000;
    if (high <= 0 || time_us - ms * 1000 != 0) return put_time_ms(to, time_us);
    if (high != l->high) {
        l->high = high;
        l->n = decimal_i64(l->text, high);
    }
    memcpy(to, l->text, sizeof l->text); /* more than is there: one move of a fixed size */
    decimal_8(to + l->n, (uint32_t)(ms - high * 100000000));
    return to + l->n + 8;
}

static char *put_null(char *to)
{
    memcpy(to, "null", 4);
    return to + 4;
}

char *put_value(char *to, const struct sample *s)
{
    switch (s->type) {
    case SAMPLE_DOUBLE: return isfinite(s->v.d) ? to + decimal_double(to, s->v.d) : put_null(to);
    case SAMPLE_INT: return to + decimal_i64(to, s->v.i);
    case SAMPLE_BOOL: *to = s->v.i ? '1' : '0'; return to + 1;
    default: return put_null(to);
    }
}

char *put_number_like(char *to, double v, struct text_like *l)
{
    return isfinite(v) ? to + decimal_double_like(to, v, &l->places) : put_null(to);
}

char *put_value_like(char *to, const struct sample *s, struct text_like *l)
{
    return s->type == SAMPLE_DOUBLE ? put_number_like(to, s->v.d, l) : put_value(to, s);
}

void write_time_ms(struct buf *b, int64_t time_us)
{
    char t[DECIMAL_MAX];
    buf_add(b, t, (size_t)(put_time_ms(t, time_us) - t));
}

static void write_string(struct buf *b, const struct sample *s, struct ts_store *strings)
{
    char text[65536];
    size_t n;
    struct json_writer w = json_writer(b);
    if (ts_text(strings, s, text, sizeof text, &n) == 0)
        jw_str(&w, str_make(text, n));
    else
        buf_z(b, "null");
}

void write_number(struct buf *b, double v)
{
    buf_double(b, v);
}

void write_small(struct buf *b, unsigned v)
{
    char t[DECIMAL_MAX];
    buf_add(b, t, decimal_u64(t, v));
}

void write_value(struct buf *b, const struct sample *s, struct ts_store *strings)
{
    char t[DECIMAL_MAX];
    if (sample_is_text(s))
        write_string(b, s, strings);
    else
        buf_add(b, t, (size_t)(put_value(t, s) - t));
}
