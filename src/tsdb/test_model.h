/* test_model.h - for tests: a naive sorted table of samples, batches that look like a plant's, and every
 * query of a store compared with what the table says. Included by test programs only. */
#pragma once
#include "base/test.h"
#include "io/sim_fs.h"
#include "model/ts_scan.h"
#include "tsdb/meta.h"
#include "tsdb/tsdb.h"

#define POINTS 24
#define SEC INT64_C(1000000)

struct series {
    struct sample *s;
    size_t n, cap;
};
struct model {
    struct series p[POINTS + 1];
    int64_t newest;
    uint64_t rng;
};

static uint64_t rnd(struct model *m, uint64_t n)
{
    uint64_t z = (m->rng += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}

__attribute__((unused)) static size_t lower(const struct series *p, int64_t t)
{
    size_t lo = 0, hi = p->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (p->s[mid].time_us < t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

__attribute__((unused)) static void model_put(struct model *m, struct sample s)
{
    struct series *p = &m->p[s.point];
    size_t at = lower(p, s.time_us);
    if (s.type == SAMPLE_NONE) s.v.u = 0;
    if (s.time_us > m->newest) m->newest = s.time_us;
    if (at == p->n || p->s[at].time_us != s.time_us) {
        struct sample *more = p->n == p->cap ? realloc(p->s, (p->cap = p->cap * 2 + 64) * sizeof s) : p->s;
        if (!more) abort();
        p->s = more;
        memmove(&p->s[at + 1], &p->s[at], (p->n - at) * sizeof s);
        p->n++;
    }
    p->s[at] = s;
}

__attribute__((unused)) static void model_init(struct model *m, uint64_t seed)
{
    *m = (struct model){.rng = seed, .newest = INT64_MIN};
}

__attribute__((unused)) static void model_fini(struct model *m)
{
    for (int i = 1; i <= POINTS; i++) free(m->p[i].s);
}

__attribute__((unused)) static void model_remove(struct model *m, uint32_t point, int64_t from, int64_t to)
{
    struct series *p = &m->p[point];
    size_t lo = lower(p, from), hi = lower(p, to);
    if (hi > lo) memmove(&p->s[lo], &p->s[hi], (p->n - hi) * sizeof *p->s);
    p->n -= hi > lo ? hi - lo : 0;
}

__attribute__((unused)) static void model_copy(struct model *to, const struct model *from)
{
    *to = *from;
    for (int i = 1; i <= POINTS; i++) {
        to->p[i].s = malloc(from->p[i].n * sizeof(struct sample) + 1);
        if (!to->p[i].s) abort();
        memcpy(to->p[i].s, from->p[i].s, from->p[i].n * sizeof(struct sample));
        to->p[i].cap = from->p[i].n;
    }
}

/* ---- making samples ---- */
static struct sample make_sample(struct model *m, uint32_t point, int64_t t)
{
    struct sample s = {.time_us = t, .point = point, .type = SAMPLE_DOUBLE};
    uint64_t kind = point % 6;
    if (kind < 3) s.v.d = (double)((int64_t)rnd(m, 4000) - 100) / (kind == 0 ? 10 : kind == 1 ? 100 : 1);
    if (kind == 3) s.v.d = (double)rnd(m, 1u << 30) * 1.1e-3; /* many digits */
    if (kind == 4) s.type = SAMPLE_BOOL, s.v.i = (int64_t)(t / (97 * SEC)) & 1;
    if (kind == 5) s.type = SAMPLE_INT, s.v.i = (int64_t)rnd(m, 50) + t / SEC;
    uint64_t dice = rnd(m, 100);
    if (dice < 3) s.quality = QUALITY_BAD, s.flags = REASON_COMM_FAILURE;
    if (dice == 3) s.quality = QUALITY_BAD, s.type = SAMPLE_NONE;
    if (dice == 4) s.quality = QUALITY_UNCERTAIN, s.flags = REASON_STALE | SAMPLE_FLAG_HEARTBEAT;
    if (dice == 5 && s.type == SAMPLE_DOUBLE) s.v.d = NAN;
    if (dice == 6 && s.type == SAMPLE_DOUBLE) s.v.d = -0.0;
    if (dice == 7) s.type = SAMPLE_STRING, s.v.u = rnd(m, 9);
    return s;
}

__attribute__((unused)) static size_t make_batch(struct model *m, int64_t *now, struct sample *out)
{
    size_t n = 0;
    uint64_t kind = rnd(m, 20);
    if (kind == 0) { /* late or rewritten singles */
        for (size_t k = rnd(m, 40) + 1; n < k; n++)
            out[n] = make_sample(m, 1 + (uint32_t)rnd(m, POINTS), *now - (int64_t)rnd(m, 400) * SEC);
    } else if (kind == 1) { /* back-fill of one point */
        int64_t t = *now - (int64_t)rnd(m, 2000) * SEC;
        uint32_t p = 1 + (uint32_t)rnd(m, POINTS);
        for (size_t k = rnd(m, 200) + 1; n < k; n++) out[n] = make_sample(m, p, t += (int64_t)rnd(m, 3) * SEC);
    } else if (kind == 2) { /* own times per point */
        for (uint32_t p = 1; p <= POINTS; p += 3) out[n++] = make_sample(m, p, *now + (int64_t)rnd(m, SEC));
    } else { /* polls of two devices, some points left out by the exception filter */
        for (size_t k = rnd(m, 12) + 1; k > 0; k--) {
            *now += SEC + (int64_t)rnd(m, 2000);
            for (uint32_t p = 1; p <= POINTS; p++)
                if (p % 4 || rnd(m, 3) == 0) out[n++] = make_sample(m, p, *now + (p > POINTS / 2) * 1000);
        }
    }
    return n;
}

/* ---- comparing ---- */
struct check {
    const struct sample *want;
    size_t n, at, wrong;
};

static bool same(const struct sample *a, const struct sample *b)
{
    return a->time_us == b->time_us && a->point == b->point && meta_of(a) == meta_of(b) && a->v.u == b->v.u;
}

static int check_run(void *ctx, const struct sample *s, size_t n)
{
    struct check *c = ctx;
    for (size_t i = 0; i < n; i++, c->at++)
        if (c->at >= c->n || !same(&s[i], &c->want[c->at])) c->wrong++;
    return 0;
}

__attribute__((unused)) static void check_scan(struct ts_store *st, struct model *m, uint32_t p, int64_t from,
                                               int64_t to)
{
    struct series *sr = &m->p[p];
    size_t lo = lower(sr, from), hi = lower(sr, to);
    struct check c = {.want = sr->s + lo, .n = hi > lo ? hi - lo : 0};
    struct error e;
    CHECK_INT(st->ops->scan(st, p, from, to, check_run, &c, &e), 0);
    CHECK_INT(c.wrong, 0);
    CHECK_INT(c.at, c.n);
}

__attribute__((unused)) static void check_around(struct ts_store *st, struct model *m, uint32_t p, int64_t at)
{
    struct series *sr = &m->p[p];
    struct sample got;
    size_t i = lower(sr, at + 1), k = lower(sr, at);
    int rc = st->ops->before(st, p, at, &got);
    CHECK_INT(rc, i ? 0 : ERR_NOT_FOUND);
    if (!rc && i) CHECK(same(&got, &sr->s[i - 1]));
    rc = st->ops->after(st, p, at, &got);
    CHECK_INT(rc, k < sr->n ? 0 : ERR_NOT_FOUND);
    if (!rc && k < sr->n) CHECK(same(&got, &sr->s[k]));
}

static bool usable(const struct sample *s, double *v)
{
    if (s->quality == QUALITY_BAD) return false;
    if (s->type == SAMPLE_DOUBLE)
        *v = s->v.d;
    else if (s->type == SAMPLE_INT || s->type == SAMPLE_BOOL)
        *v = (double)s->v.i;
    else
        return false;
    return isfinite(*v);
}

static double cut_integral(const struct sample *a, const struct sample *b, int64_t lo, int64_t hi, bool step)
{
    double va, vb, dt = (double)(hi - lo) / 1e6;
    (void)usable(a, &va);
    if (step || !b || !usable(b, &vb)) return va * dt;
    double slope = (vb - va) / (double)(b->time_us - a->time_us);
    return (va + slope * ((double)(lo - a->time_us) + (double)(hi - a->time_us)) / 2) * dt;
}

__attribute__((unused)) static void check_summary(struct ts_store *st, struct model *m, uint32_t p, int64_t from,
                                                  int64_t to, bool step)
{
    struct series *sr = &m->p[p];
    struct ts_summary got, want = {.min = INFINITY, .max = -INFINITY};
    struct error e;
    REQUIRE(st->ops->summary(st, p, from, to, step, &got, &e) == 0);
    int64_t end = to < m->newest ? to : m->newest;
    double usable_s = 0, v, squares = 0;
    for (size_t i = 0; i < sr->n; i++) {
        const struct sample *s = &sr->s[i], *next = i + 1 < sr->n ? s + 1 : NULL;
        if (s->time_us >= from && s->time_us < to) {
            if (want.count++ == 0) want.first = *s;
            want.last = *s;
            want.good += s->quality == QUALITY_GOOD;
            if (usable(s, &v) && v < want.min) want.min = v, want.min_us = s->time_us;
            if (usable(s, &v) && v > want.max) want.max = v, want.max_us = s->time_us;
            if (usable(s, &v)) want.sum += v, squares += v * v, want.usable++;
        }
        int64_t lo = s->time_us > from ? s->time_us : from, hi = next && next->time_us < end ? next->time_us : end;
        if (hi <= lo) continue;
        if (s->quality == QUALITY_GOOD) want.good_s += (double)(hi - lo) / 1e6;
        if (!usable(s, &v)) continue;
        usable_s += (double)(hi - lo) / 1e6;
        want.integral += cut_integral(s, next, lo, hi, step);
    }
    CHECK_INT(got.count, want.count);
    CHECK_INT(got.good, want.good);
    CHECK_INT(got.usable, want.usable);
    CHECK(isnan(got.m2) || want.usable == 0 ||
          fabs(got.m2 - (squares - want.sum * want.sum / (double)want.usable)) <= 1e-9 * squares + 1e-9);
    CHECK_DBL(got.usable_s, usable_s, 1e-6);
    CHECK(want.count == 0 || (same(&got.first, &want.first) && same(&got.last, &want.last)));
    CHECK(isinf(want.min) ? isnan(got.min) && isnan(got.max) : got.min == want.min && got.max == want.max);
    if (!isinf(want.min)) CHECK(got.min_us == want.min_us && got.max_us == want.max_us);
    double tol = 1e-9 * (fabs(want.integral) + fabs(want.sum) + 1e6);
    CHECK_DBL(got.sum, want.sum, tol);
    CHECK_DBL(got.integral, want.integral, tol);
    CHECK_DBL(got.good_s, want.good_s, 1e-6);
    if (usable_s > 0)
        CHECK_DBL(got.twa, want.integral / usable_s, 1e-6 * (1 + fabs(want.integral / usable_s)));
    else
        CHECK(isnan(got.twa));
}

/* ---- windows against those by scan ---- */
#define WINDOWS_MAX 600
struct window_list {
    struct ts_summary w[WINDOWS_MAX];
    size_t n, wrong_number;
};

static int keep_window(void *ctx, size_t i, const struct ts_summary *s)
{
    struct window_list *l = ctx;
    l->wrong_number += i != l->n;
    if (l->n < WINDOWS_MAX) l->w[l->n++] = *s;
    return 0;
}

static bool near(double a, double b, double scale)
{
    return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (scale + fabs(b)) + 1e-9;
}

/* big: of the values and seconds that the figures are made of */
__attribute__((unused)) static bool same_figures(const struct ts_summary *a, const struct ts_summary *b, double big)
{
    return a->count == b->count && a->good == b->good && a->usable == b->usable && near(a->min, b->min, 0) &&
           near(a->max, b->max, 0) && a->min_us == b->min_us && a->max_us == b->max_us && near(a->sum, b->sum, big) &&
           near(a->mean, b->mean, big) && (isnan(a->m2) || near(a->m2, b->m2, big * big)) &&
           near(a->integral, b->integral, big) && near(a->twa, b->twa, big) && near(a->good_s, b->good_s, 1) &&
           near(a->usable_s, b->usable_s, 1) && near(a->total_s, b->total_s, 1) &&
           near(a->percent_good, b->percent_good, 100) &&
           (a->count == 0 || (same(&a->first, &b->first) && same(&a->last, &b->last)));
}

__attribute__((unused)) static void check_windows(struct ts_store *st, uint32_t p, const int64_t *edges, size_t n,
                                                  bool step)
{
    static struct window_list got, want;
    struct error e = {0};
    got.n = want.n = got.wrong_number = 0;
    REQUIRE(st->ops->windows(st, p, edges, n, step, keep_window, &got, &e) == 0);
    REQUIRE(ts_windows_by_scan(st, p, edges, n, step, keep_window, &want, &e) == 0);
    CHECK_INT(got.n, n);
    CHECK_INT(want.n, n);
    CHECK_INT(got.wrong_number, 0);
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        double big = fabs(want.w[i].sum) + fabs(want.w[i].integral) + fabs(want.w[i].min) + fabs(want.w[i].max);
        wrong += !same_figures(&got.w[i], &want.w[i], isnan(big) ? fabs(want.w[i].integral) + 1 : big + 1);
    }
    CHECK_INT(wrong, 0);
}

/* Windows of one length, or of random ones (some empty). */
__attribute__((unused)) static void check_random_windows(struct ts_store *st, struct model *m, uint32_t p, int64_t from,
                                                         int64_t to)
{
    int64_t edges[WINDOWS_MAX + 1];
    size_t n = 1 + rnd(m, 60);
    bool even = rnd(m, 2);
    uint64_t length = 1 + (uint64_t)(to - from) / n;
    edges[0] = from;
    for (size_t i = 1; i <= n; i++) edges[i] = edges[i - 1] + (int64_t)(even ? length : rnd(m, 2 * length));
    check_windows(st, p, edges, n, rnd(m, 2));
}

struct collect {
    struct sample s[8192];
    size_t n;
};

static int collect_run(void *ctx, const struct sample *s, size_t n)
{
    struct collect *c = ctx;
    for (size_t i = 0; i < n && c->n < 8192; i++) c->s[c->n++] = s[i];
    return 0;
}

static bool wanted_of_pixel(const struct sample *s, size_t n, const struct sample *x)
{
    double v, lo = INFINITY, hi = -INFINITY;
    const struct sample *min = NULL, *max = NULL, *bad = NULL;
    for (size_t i = 0; i < n; i++) {
        if (usable(&s[i], &v) && v < lo) lo = v, min = &s[i];
        if (usable(&s[i], &v) && v > hi) hi = v, max = &s[i];
        if (!bad && s[i].quality != QUALITY_GOOD) bad = &s[i];
    }
    return x == s || x == s + n - 1 || x == min || x == max || x == bad;
}

/* Pixels longer than a rollup cell hold whole cells. */
static int64_t pixel_at(int64_t t, int64_t from, int64_t to, uint32_t px)
{
    static const int64_t spans[] = {60 * SEC, 1800 * SEC, 3600 * SEC, 8 * 3600 * SEC};
    int64_t grid = 0;
    for (int i = 0; i < 4; i++)
        if (((uint64_t)to - (uint64_t)from) / px >= (uint64_t)spans[i]) grid = spans[i];
    if (grid) t -= (t % grid + grid) % grid;
    if (t < from) t = from;
    return (int64_t)((__int128)(t - from) * px / (to - from));
}

__attribute__((unused)) static void check_plot(struct ts_store *st, struct model *m, uint32_t p, int64_t from,
                                               int64_t to, uint32_t px)
{
    static struct collect got, want;
    struct series *sr = &m->p[p];
    struct error e;
    got.n = want.n = 0;
    REQUIRE(st->ops->plot(st, p, from, to, px, collect_run, &got, &e) == 0);
    for (size_t i = lower(sr, from), j; i < sr->n && sr->s[i].time_us < to; i = j) {
        int64_t pixel = pixel_at(sr->s[i].time_us, from, to, px);
        for (j = i; j < sr->n && sr->s[j].time_us < to; j++)
            if (pixel_at(sr->s[j].time_us, from, to, px) != pixel) break;
        for (size_t k = i; k < j; k++)
            if (wanted_of_pixel(sr->s + i, j - i, &sr->s[k])) collect_run(&want, &sr->s[k], 1);
    }
    CHECK_INT(got.n, want.n);
    size_t wrong = 0;
    for (size_t i = 0; i < got.n && i < want.n; i++) wrong += !same(&got.s[i], &want.s[i]);
    CHECK_INT(wrong, 0);
}

__attribute__((unused)) static void check_some(struct ts_store *st, struct model *m, int64_t t0, int64_t now)
{
    uint64_t span = (uint64_t)(now - t0) + 200 * SEC;
    for (int k = 0; k < 6; k++) {
        uint32_t p = 1 + (uint32_t)rnd(m, POINTS);
        int64_t from = t0 - 100 * SEC + (int64_t)rnd(m, span), to = from + 1 + (int64_t)rnd(m, span / (1 + rnd(m, 20)));
        check_scan(st, m, p, from, to);
        check_around(st, m, p, from);
        check_around(st, m, p, INT64_MIN); /* the first of all */
        if (m->p[p].n) check_around(st, m, p, m->p[p].s[rnd(m, m->p[p].n)].time_us);
        check_summary(st, m, p, from, to, k & 1);
        check_random_windows(st, m, p, from, to);
        check_plot(st, m, p, from, to, 1 + (uint32_t)rnd(m, 300));
    }
}
