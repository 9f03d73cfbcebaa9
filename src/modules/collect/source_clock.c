/* source_clock.c - see source_clock.h. Points are numbered in the order in which they were made, so those of a device
 * stand together mostly: ranges of numbers instead of an entry for each point. */
#include "modules/collect/source_clock.h"
#include <stdlib.h>
#include <string.h>
#include "base/error.h"
#include "base/mem.h"

static int by_first(const void *a, const void *b)
{
    const struct source_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Neighbours of one device become one range; returns how many are left. */
static size_t merge(struct source_range *r, size_t n)
{
    size_t k = 0;
    qsort(r, n, sizeof *r, by_first);
    for (size_t i = 0; i < n; i++) {
        if (k && r[k - 1].device == r[i].device && r[k - 1].last + 1 == r[i].first)
            r[k - 1].last = r[i].last;
        else
            r[k++] = r[i];
    }
    return k;
}

static struct source_lag *lag_of(const struct source_clock *c, uint32_t num)
{
    for (size_t i = 0; i < c->nlags; i++)
        if (c->lags[i].num == num) return &c->lags[i];
    return NULL;
}

int source_clock_set(struct source_clock *c, const struct driver_device *devices, size_t ndevices,
                     const struct driver_point *points, size_t npoints)
{
    struct source_range *r = mem_calloc(npoints ? npoints : 1, sizeof *r);
    struct source_lag *lags = mem_calloc(ndevices ? ndevices : 1, sizeof *lags);
    if (!r || !lags) {
        mem_free(r);
        mem_free(lags);
        source_clock_fini(c);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < ndevices; i++) {
        const struct source_lag *old = lag_of(c, devices[i].num);
        lags[i] = old ? *old : (struct source_lag){devices[i].num, 0, {INT64_MIN, INT64_MIN}};
    }
    for (size_t i = 0; i < npoints; i++) r[i] = (struct source_range){points[i].num, points[i].num, points[i].device};
    source_clock_fini(c);
    *c = (struct source_clock){r, lags, merge(r, npoints), ndevices};
    struct source_range *fit = mem_realloc(r, (c->nranges ? c->nranges : 1) * sizeof *r);
    if (fit) c->ranges = fit;
    return 0;
}

static const struct source_range *range_of(const struct source_clock *c, uint32_t point)
{
    size_t lo = 0, hi = c->nranges;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c->ranges[mid].last < point)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->nranges && c->ranges[lo].first <= point ? &c->ranges[lo] : NULL;
}

/* Make the newest window the one of `window`. */
static void roll(struct source_lag *l, int64_t window)
{
    if (window == l->window) return;
    l->best[1] = window == l->window + 1 ? l->best[0] : INT64_MIN;
    l->best[0] = INT64_MIN;
    l->window = window;
}

void source_clock_note(struct source_clock *c, const struct sample *s, size_t n, int64_t now_us)
{
    const struct source_range *r = NULL;
    for (size_t i = 0; i < n; i++) {
        if ((s[i].flags & (SAMPLE_FLAG_SOURCE_TIME | SAMPLE_FLAG_BACKFILL)) != SAMPLE_FLAG_SOURCE_TIME) continue;
        if (!r || s[i].point < r->first || s[i].point > r->last) r = range_of(c, s[i].point);
        if (!r) continue;
        struct source_lag *l = &c->lags[r->device];
        int64_t diff = s[i].time_us - now_us;
        roll(l, now_us / SOURCE_CLOCK_WINDOW_US);
        if (diff > l->best[0]) l->best[0] = diff;
    }
}

static bool offset(const struct source_lag *l, int64_t now_us, int64_t *ret_us)
{
    struct source_lag now = *l;
    roll(&now, now_us / SOURCE_CLOCK_WINDOW_US);
    *ret_us = now.best[0] > now.best[1] ? now.best[0] : now.best[1];
    return *ret_us != INT64_MIN;
}

bool source_clock_offset(const struct source_clock *c, uint32_t device_num, int64_t now_us, int64_t *ret_us)
{
    const struct source_lag *l = lag_of(c, device_num);
    return l && offset(l, now_us, ret_us);
}

bool source_clock_worst(const struct source_clock *c, int64_t now_us, int64_t *ret_us)
{
    int64_t one, worst = INT64_MIN;
    for (size_t i = 0; i < c->nlags; i++)
        if (offset(&c->lags[i], now_us, &one) && (worst == INT64_MIN || llabs(one) > llabs(worst))) worst = one;
    *ret_us = worst;
    return worst != INT64_MIN;
}

void source_clock_fini(struct source_clock *c)
{
    mem_free(c->ranges);
    mem_free(c->lags);
    *c = (struct source_clock){0};
}
