/* store_test.h - for tests: a store that is an array in memory, sorted by (point, time). One thread; it can
 * refuse scans. Only what the module asks of a store. */
#pragma once
#include <math.h>
#include "base/mem.h"
#include "base/test.h"
#include "model/ts_scan.h"

struct array_store {
    struct ts_store base;
    struct sample s[4096];
    size_t n;
    int fail;     /* answer of every scan */
    size_t batch; /* samples a call of the scan's function; 0: all */
};

static inline int array_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    struct array_store *a = (struct array_store *)st;
    for (size_t i = 0; i < n; i++) {
        size_t at = a->n++;
        for (; at > 0 && (a->s[at - 1].point > s[i].point ||
                          (a->s[at - 1].point == s[i].point && a->s[at - 1].time_us > s[i].time_us));
             at--)
            a->s[at] = a->s[at - 1];
        a->s[at] = s[i];
    }
    return 0;
}

static inline int array_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx,
                             struct error *e)
{
    struct array_store *a = (struct array_store *)st;
    size_t first = 0, end;
    if (a->fail) return error_set(e, a->fail, "", "refused", "拒绝");
    while (first < a->n && (a->s[first].point != point || a->s[first].time_us < from)) first++;
    for (end = first; end < a->n && a->s[end].point == point && a->s[end].time_us < to;) end++;
    while (first < end) {
        size_t n = a->batch && end - first > a->batch ? a->batch : end - first;
        int err = fn(ctx, &a->s[first], n);
        if (err) return err;
        first += n;
    }
    return 0;
}

static inline int array_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct array_store *a = (struct array_store *)st;
    for (size_t i = a->n; i-- > 0;)
        if (a->s[i].point == point && a->s[i].time_us <= at) return *ret = a->s[i], 0;
    return ERR_NOT_FOUND;
}

static inline int array_after(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct array_store *a = (struct array_store *)st;
    for (size_t i = 0; i < a->n; i++)
        if (a->s[i].point == point && a->s[i].time_us >= at) return *ret = a->s[i], 0;
    return ERR_NOT_FOUND;
}

static inline int array_string_get(struct ts_store *st, uint64_t id, char *out, size_t cap, size_t *ret_n)
{
    if (id != 1) return ERR_NOT_FOUND;
    memcpy(out, "run, \"fast\"", 11);
    *ret_n = 11;
    return 0;
}

static inline int array_summary(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step,
                                struct ts_summary *ret, struct error *e)
{
    return ts_summary_by_scan(st, point, from, to, step, ret, e);
}

static inline void array_stats(struct ts_store *st, struct ts_stats *ret)
{
    struct array_store *a = (struct array_store *)st;
    *ret = (struct ts_stats){.samples_appended = a->n};
    for (size_t i = 0; i < a->n; i++)
        if (!i || a->s[i].time_us > ret->newest_us) ret->newest_us = a->s[i].time_us;
}

static inline int array_remove(struct ts_store *st, uint32_t point, int64_t from, int64_t to, struct error *e)
{
    struct array_store *a = (struct array_store *)st;
    size_t n = 0;
    if (a->fail) return error_set(e, a->fail, "", "refused", "拒绝");
    for (size_t i = 0; i < a->n; i++)
        if (a->s[i].point != point || a->s[i].time_us < from || a->s[i].time_us >= to) a->s[n++] = a->s[i];
    a->n = n;
    return 0;
}

static const struct ts_store_ops array_ops = {.name = "array",
                                              .append = array_append,
                                              .scan = array_scan,
                                              .before = array_before,
                                              .after = array_after,
                                              .summary = array_summary,
                                              .remove = array_remove,
                                              .stats = array_stats,
                                              .string_get = array_string_get};

static inline void array_init(struct array_store *a)
{
    *a = (struct array_store){.base.ops = &array_ops};
}

static inline void put(struct array_store *a, int64_t t, double v, uint8_t quality)
{
    struct sample s = {.time_us = t, .point = 1, .type = SAMPLE_DOUBLE, .quality = quality, .v.d = v};
    if (quality != QUALITY_GOOD) s.flags = REASON_CONFIG_ERROR;
    (void)array_append(&a->base, &s, 1, NULL);
}
