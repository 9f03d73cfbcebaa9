/* text.c - see text.h. */
#include "modules/history/text.h"
#include "base/decimal.h"
#include "base/json.h"

void write_time_ms(struct buf *b, int64_t time_us)
{
    char t[DECIMAL_MAX];
    size_t n = 0;
    bool minus = time_us < 0;
    uint64_t mag = minus ? 0 - (uint64_t)time_us : (uint64_t)time_us, us = mag % 1000;
    if (minus) t[n++] = '-';
    n += decimal_u64(t + n, mag / 1000);
    if (us) {
        t[n++] = '.';
        t[n++] = (char)('0' + us / 100);
        t[n++] = (char)('0' + us / 10 % 10);
        t[n++] = (char)('0' + us % 10);
    }
    buf_add(b, t, n);
}

static void write_string(struct buf *b, uint64_t id, struct ts_store *strings)
{
    char text[65536];
    size_t n;
    struct json_writer w = json_writer(b);
    if (strings->ops->string_get(strings, id, text, sizeof text, &n) == 0)
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
    switch (s->type) {
    case SAMPLE_DOUBLE: write_number(b, s->v.d); break;
    case SAMPLE_INT: buf_add(b, t, decimal_i64(t, s->v.i)); break;
    case SAMPLE_BOOL: buf_u8(b, s->v.i ? '1' : '0'); break;
    case SAMPLE_STRING: write_string(b, s->v.u, strings); break;
    default: buf_z(b, "null");
    }
}
