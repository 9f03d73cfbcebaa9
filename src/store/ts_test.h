/* ts_test.h - for tests of remote engines and the router: a store in memory (samples sorted by point and time, the last
 * write of a key wins; strings), random samples of every type. Appends may be made to fail. Thread-safe. */
#pragma once
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/test.h"
#include "model/sample.h"
#include "model/ts_scan.h"

struct mem_store {
    struct ts_store base;
    pthread_mutex_t lock;
    struct sample *s;
    size_t n, cap;
    char (*text)[80];
    size_t ntext, tcap;
    _Atomic int fail;        /* answer of every append */
    _Atomic uint32_t refuse; /* batches with this point are ERR_INVALID; 0: none */
    _Atomic int unreadable;  /* answer of every query */
    _Atomic unsigned appends;
    size_t batch;            /* samples a call of the scan's function; 0: all */
};

static inline size_t mem_find(const struct mem_store *m, uint32_t point, int64_t at)
{
    size_t lo = 0, hi = m->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        bool less = m->s[mid].point < point || (m->s[mid].point == point && m->s[mid].time_us < at);
        if (less)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static inline void mem_put(struct mem_store *m, const struct sample *s)
{
    size_t at = mem_find(m, s->point, s->time_us);
    if (at < m->n && m->s[at].point == s->point && m->s[at].time_us == s->time_us) {
        m->s[at] = *s;
        return;
    }
    if (!mem_grow((void **)&m->s, &m->cap, m->n + 1, sizeof *s)) abort();
    memmove(&m->s[at + 1], &m->s[at], (m->n - at) * sizeof *s);
    m->s[at] = *s;
    m->n++;
}

static inline int mem_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    struct mem_store *m = (struct mem_store *)st;
    m->appends++;
    if (m->fail) return error_set(e, m->fail, "", "refused", "拒绝");
    for (size_t i = 0; i < n && m->refuse; i++)
        if (s[i].point == m->refuse) return error_set(e, ERR_INVALID, "", "will not have it", "不接受");
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < n; i++) mem_put(m, &s[i]);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static inline int mem_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx,
                           struct error *e)
{
    struct mem_store *m = (struct mem_store *)st;
    if (m->unreadable) return error_set(e, m->unreadable, "", "cannot be read", "无法读取");
    pthread_mutex_lock(&m->lock);
    size_t a = mem_find(m, point, from), b = to > from ? mem_find(m, point, to) : a, n = b - a;
    struct sample *copy = mem_alloc((n + 1) * sizeof *copy);
    if (n) memcpy(copy, m->s + a, n * sizeof *copy);
    pthread_mutex_unlock(&m->lock);
    int err = 0;
    for (size_t i = 0; i < n && !err;) {
        size_t k = m->batch && n - i > m->batch ? m->batch : n - i;
        err = fn(ctx, copy + i, k);
        i += k;
    }
    mem_free(copy);
    return err;
}

static inline int mem_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct mem_store *m = (struct mem_store *)st;
    pthread_mutex_lock(&m->lock);
    size_t i = mem_find(m, point, at == INT64_MAX ? at : at + 1);
    bool got = i > 0 && m->s[i - 1].point == point;
    if (got) *ret = m->s[i - 1];
    pthread_mutex_unlock(&m->lock);
    return got ? 0 : ERR_NOT_FOUND;
}

static inline int mem_after(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    struct mem_store *m = (struct mem_store *)st;
    pthread_mutex_lock(&m->lock);
    size_t i = mem_find(m, point, at);
    bool got = i < m->n && m->s[i].point == point;
    if (got) *ret = m->s[i];
    pthread_mutex_unlock(&m->lock);
    return got ? 0 : ERR_NOT_FOUND;
}

static inline int mem_remove(struct ts_store *st, uint32_t point, int64_t from, int64_t to, struct error *e)
{
    struct mem_store *m = (struct mem_store *)st;
    pthread_mutex_lock(&m->lock);
    size_t a = mem_find(m, point, from), b = to > from ? mem_find(m, point, to) : a;
    memmove(m->s + a, m->s + b, (m->n - b) * sizeof *m->s);
    m->n -= b - a;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static inline int mem_string_put(struct ts_store *st, struct str s, uint64_t *ret_id)
{
    struct mem_store *m = (struct mem_store *)st;
    pthread_mutex_lock(&m->lock);
    size_t i = 0;
    while (i < m->ntext && !str_is(s, m->text[i])) i++;
    if (i == m->ntext) {
        if (!mem_grow((void **)&m->text, &m->tcap, m->ntext + 1, sizeof *m->text)) abort();
        str_to_cstr(s, m->text[m->ntext++], sizeof *m->text);
    }
    *ret_id = i + 1;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static inline int mem_string_get(struct ts_store *st, uint64_t id, char *out, size_t cap, size_t *ret_n)
{
    struct mem_store *m = (struct mem_store *)st;
    pthread_mutex_lock(&m->lock);
    bool got = id >= 1 && id <= m->ntext;
    if (got) *ret_n = strlen(m->text[id - 1]);
    if (got) memcpy(out, m->text[id - 1], *ret_n < cap ? *ret_n : cap);
    pthread_mutex_unlock(&m->lock);
    return got ? 0 : ERR_NOT_FOUND;
}

static inline void mem_stats(struct ts_store *st, struct ts_stats *ret)
{
    const struct mem_store *m = (const struct mem_store *)st;
    *ret = (struct ts_stats){.samples_head = m->n};
    for (size_t i = 0; i < m->n; i++) ret->bytes_blobs += m->s[i].type == SAMPLE_BLOB;
}
static inline int mem_summary(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step,
                              struct ts_summary *ret, struct error *e)
{
    return ts_summary_by_scan(st, point, from, to, step, ret, e);
}
static inline int mem_plot(struct ts_store *st, uint32_t point, int64_t from, int64_t to, uint32_t px, ts_scan_fn *fn,
                           void *ctx, struct error *e)
{
    return ts_plot_by_scan(st, point, from, to, px, fn, ctx, e);
}
static inline void mem_close(struct ts_store *st)
{
    struct mem_store *m = (struct mem_store *)st;
    mem_free(m->s);
    mem_free(m->text);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static inline struct mem_store *mem_store_new(void)
{
    static const struct ts_store_ops ops = {
        .name = "memory",
        .append = mem_append,
        .scan = mem_scan,
        .before = mem_before,
        .after = mem_after,
        .summary = mem_summary,
        .remove = mem_remove,
        .plot = mem_plot,
        .string_put = mem_string_put,
        .string_get = mem_string_get,
        .stats = mem_stats,
        .close = mem_close,
    };
    struct mem_store *m = mem_calloc(1, sizeof *m);
    m->base.ops = &ops;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

struct dice {
    uint64_t state;
};
static inline uint64_t roll(struct dice *d, uint64_t n)
{
    d->state += 0x9e3779b97f4a7c15u;
    uint64_t z = d->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

/* Values of every sort, among them those that text, decimals or 53 bits cannot hold. */
static inline struct sample random_sample(struct dice *d, struct ts_store *strings, uint32_t point, int64_t time_us)
{
    static const double odd[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 1e300, -5e-324, 0.1, 1e15 + 0.3, -273.15};
    static const int64_t whole[] = {0, -1, INT64_MAX, INT64_MIN, 1LL << 53, (1LL << 53) + 1, 42};
    static const char *const texts[] = {"", "run", "停机", "a\"b\\c'd", "line\nnext", "x,y=z w", "\\", "{\"a\":1}"};
    struct sample s = {.time_us = time_us, .point = point, .quality = (uint8_t)roll(d, 3)};
    s.flags = (uint16_t)(roll(d, 16) | (roll(d, 4) << 8));
    switch (roll(d, 8)) {
    case 0:
        s.type = SAMPLE_NONE;
        break;
    case 1:
        s.type = SAMPLE_INT;
        s.v.i = whole[roll(d, sizeof whole / sizeof *whole)];
        break;
    case 2:
        s.type = SAMPLE_BOOL;
        s.v.i = (int64_t)roll(d, 2);
        break;
    case 3:
        s.type = SAMPLE_STRING;
        (void)!strings->ops->string_put(strings, str_of(texts[roll(d, sizeof texts / sizeof *texts)]), &s.v.u);
        break;
    case 4:
        s.type = SAMPLE_DOUBLE;
        s.v.d = odd[roll(d, sizeof odd / sizeof *odd)];
        break;
    default:
        s.type = SAMPLE_DOUBLE;
        s.v.d = (double)(int64_t)roll(d, 2000000) / 1000 - 1000 + (double)roll(d, 1u << 30) * 0x1p-60;
        break;
    }
    return s;
}
