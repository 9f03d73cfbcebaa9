/* series.c - see series.h. */
#include "modules/history/series.h"
#include <inttypes.h>
#include <math.h>
#include "base/mem.h"
#include "model/sample.h"

void series_fini(struct series *s)
{
    mem_free(s->s);
    *s = (struct series){0};
}

int series_add(void *ctx, const struct sample *s, size_t n)
{
    struct series *out = ctx;
    if (out->n + n > out->max) {
        out->truncated = true;
        n = out->max - out->n;
    }
    if (n == 0) return out->truncated;
    if (!mem_grow((void **)&out->s, &out->cap, out->n + n, sizeof *out->s)) return ERR_NOMEM;
    memcpy(out->s + out->n, s, n * sizeof *s);
    out->n += n;
    return out->truncated;
}

static struct sample no_data(uint32_t point, int64_t at)
{
    return (struct sample){
        .time_us = at, .point = point, .type = SAMPLE_NONE, .quality = QUALITY_BAD, .flags = REASON_NO_DATA};
}

static bool usable(const struct sample *s)
{
    return s->quality != QUALITY_BAD && !isnan(sample_number(s));
}

/* The value in force at `at` between neighbours prev (time <= at; point 0: none) and next (point 0: none). */
static struct sample between(const struct sample *prev, const struct sample *next, bool step, uint32_t point,
                             int64_t at)
{
    if (!prev->point) return no_data(point, at);
    struct sample s = *prev;
    s.time_us = at;
    if (prev->time_us == at || step || !usable(prev) || s.type == SAMPLE_BOOL || !next->point) return s;
    if (!usable(next)) {
        s.quality = QUALITY_UNCERTAIN;
        return s;
    }
    double a = sample_number(prev), b = sample_number(next);
    s.type = SAMPLE_DOUBLE;
    s.v.d = a + (b - a) * ((double)(at - prev->time_us) / (double)(next->time_us - prev->time_us));
    if (next->quality > s.quality) {
        s.quality = next->quality;
        s.flags = next->flags;
    }
    return s;
}

struct sample value_at(struct ts_store *store, uint32_t point, bool step, int64_t at)
{
    struct sample prev = {0}, next = {0};
    if (store->ops->before(store, point, at, &prev)) prev = (struct sample){0};
    if (store->ops->after(store, point, at + 1, &next)) next = (struct sample){0};
    return between(&prev, &next, step, point, at);
}

struct interpolation {
    struct series *out;
    struct sample prev;
    int64_t next_us, to, interval;
    uint32_t point;
    bool step;
    int err;
};

static void emit_before(struct interpolation *ip, const struct sample *next, int64_t limit)
{
    while (!ip->err && ip->next_us < limit && ip->next_us < ip->to) {
        struct sample s = between(&ip->prev, next, ip->step, ip->point, ip->next_us);
        ip->err = series_add(ip->out, &s, 1);
        ip->next_us += ip->interval;
    }
}

static int interpolate_scan(void *ctx, const struct sample *s, size_t n)
{
    struct interpolation *ip = ctx;
    for (size_t i = 0; i < n && !ip->err; i++) {
        emit_before(ip, &s[i], s[i].time_us);
        ip->prev = s[i];
    }
    return ip->err;
}

int series_interpolate(struct ts_store *store, uint32_t point, bool step, int64_t from, int64_t to, int64_t interval,
                       struct series *out, struct error *e)
{
    if (interval <= 0) return error_set(e, ERR_INVALID, "interval", "must be greater than 0", "必须大于 0");
    if ((to - from) / interval >= (int64_t)out->max)
        return error_set(e, ERR_TOO_LARGE, "interval", "would give more than %zu values; use a longer interval",
                         "结果将超过 %zu 个值；请加大间隔", out->max);
    struct interpolation ip = {
        .out = out, .next_us = from, .to = to, .interval = interval, .point = point, .step = step};
    if (store->ops->before(store, point, from, &ip.prev)) ip.prev = (struct sample){0};
    int err = store->ops->scan(store, point, from, to, interpolate_scan, &ip, e);
    if (err) return err;
    struct sample next = {0};
    if (store->ops->after(store, point, to, &next)) next = (struct sample){0};
    emit_before(&ip, &next, to);
    return ip.err < 0 ? error_set(e, ip.err, "", "out of memory", "内存不足") : 0;
}

struct good_only {
    struct series *out;
};

static int add_good(void *ctx, const struct sample *s, size_t n)
{
    struct good_only *g = ctx;
    for (size_t i = 0; i < n; i++) {
        int err = s[i].quality == QUALITY_GOOD ? series_add(g->out, &s[i], 1) : 0;
        if (err) return err;
    }
    return 0;
}

static void add_edge(struct ts_store *store, uint32_t point, bool step, int64_t at, enum ts_boundary b, bool first,
                     struct series *out)
{
    struct sample s;
    if (b == TS_INSIDE) return;
    if (b == TS_INTERPOLATED)
        s = value_at(store, point, step, at);
    else if (first ? store->ops->before(store, point, at, &s) : store->ops->after(store, point, at, &s))
        return;
    (void)!series_add(out, &s, 1);
}

int series_recorded(struct ts_store *store, uint32_t point, bool step, int64_t from, int64_t to, enum ts_boundary b,
                    bool good_only, struct series *out, struct error *e)
{
    struct good_only g = {out};
    struct sample at_from;
    bool exact = store->ops->before(store, point, from, &at_from) == 0 && at_from.time_us == from;
    if (!exact) add_edge(store, point, step, from, b, true, out);
    int err = good_only ? store->ops->scan(store, point, from, to, add_good, &g, e)
                        : store->ops->scan(store, point, from, to, series_add, out, e);
    if (err < 0) return err;
    if (!out->truncated) add_edge(store, point, step, to, b, false, out);
    return 0;
}

void write_time_ms(struct buf *b, int64_t time_us)
{
    int64_t ms = time_us / 1000, us = time_us % 1000;
    if (us == 0)
        buf_printf(b, "%" PRId64, ms);
    else
        buf_printf(b, "%s%" PRId64 ".%03d", time_us < 0 ? "-" : "", ms < 0 ? -ms : ms, (int)(us < 0 ? -us : us));
}

void write_value(struct buf *b, const struct sample *s, struct ts_store *strings)
{
    char text[65536];
    size_t n;
    struct json_writer w = json_writer(b);
    switch (s->type) {
    case SAMPLE_DOUBLE: buf_double(b, s->v.d); break;
    case SAMPLE_INT: buf_printf(b, "%" PRId64, s->v.i); break;
    case SAMPLE_BOOL: buf_z(b, s->v.i ? "1" : "0"); break;
    case SAMPLE_STRING:
        if (strings->ops->string_get(strings, s->v.u, text, sizeof text, &n) == 0)
            jw_str(&w, str_make(text, n));
        else
            buf_z(b, "null");
        break;
    default: buf_z(b, "null");
    }
}

void series_write(struct json_writer *w, const struct series *s, struct ts_store *strings)
{
    struct buf *b = w->out;
    buf_z(b, "\"t\":[");
    for (size_t i = 0; i < s->n; i++) {
        if (i) buf_u8(b, ',');
        write_time_ms(b, s->s[i].time_us);
    }
    buf_z(b, "],\"v\":[");
    for (size_t i = 0; i < s->n; i++) {
        if (i) buf_u8(b, ',');
        write_value(b, &s->s[i], strings);
    }
    buf_z(b, "],\"q\":[");
    for (size_t i = 0; i < s->n; i++) buf_printf(b, i ? ",%u" : "%u", s->s[i].quality);
    buf_z(b, "],\"r\":[");
    for (size_t i = 0; i < s->n; i++) buf_printf(b, i ? ",%u" : "%u", s->s[i].flags & SAMPLE_REASON_MASK);
    buf_printf(b, "],\"truncated\":%s", s->truncated ? "true" : "false");
}
