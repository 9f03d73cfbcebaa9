/* workload.h - a plant as benchmarks see it: n points, each one sample a second, deterministic by seed.
 *
 *   70 % analog   value walks around a base and is pulled back to it, rounded to 0.1 or 0.01; the step per
 *                 second lies (log-uniform) between 0.05 and 8 counts of the resolution
 *   20 % states   two thirds switches, one third selectors 0..5; a change every 300 to 3600 s
 *   10 % counters whole numbers, 0.01 to 5 up per second
 *   quality       good; spells of bad or uncertain of about 30 s, 0.15 % of all samples, the value held
 *   times         milliseconds (as us); 100 points are a device and share the time of its poll, which lies
 *                 0..jitter ms after the device's phase in each second */
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "bornite/sample.h"

#define WORKLOAD_T0_US INT64_C(1700000000000000)
#define WORKLOAD_DEVICE 100

enum workload_kind { WORKLOAD_ANALOG, WORKLOAD_STATE, WORKLOAD_COUNTER };
struct workload_point {
    enum workload_kind kind;
    int64_t count; /* current value in counts of 1 / scale */
    double away;   /* analog: from the base, in counts; counter: fraction carried over */
    double base;   /* analog: counts */
    double rate;   /* analog: step; state: changes a second; counter: counts a second */
    int scale, levels;
    uint8_t quality;
};
struct workload {
    uint64_t rng;
    uint32_t n, jitter_ms;
    int64_t second;
    struct workload_point *p;
    int *phase_ms; /* by device */
};

static inline uint64_t workload_random(struct workload *w) /* splitmix64 */
{
    uint64_t z = (w->rng += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static inline double workload_unit(struct workload *w)
{
    return (double)(workload_random(w) >> 11) / 9007199254740992.0;
}

static inline double workload_log(struct workload *w, double lo, double hi)
{
    return lo * pow(hi / lo, workload_unit(w));
}

/* Near enough to a normal distribution: four uniform 16-bit parts of one draw. */
static inline double workload_normal(struct workload *w)
{
    uint64_t r = workload_random(w);
    double sum = 0;
    for (int i = 0; i < 4; i++, r >>= 16) sum += (double)(r & 0xffff) / 65536.0;
    return (sum - 2.0) * sqrt(3.0);
}

static inline void workload_point_init(struct workload *w, uint32_t i)
{
    struct workload_point *p = &w->p[i];
    *p = (struct workload_point){.scale = 1, .quality = QUALITY_GOOD};
    if (i % 10 < 7) {
        p->kind = WORKLOAD_ANALOG;
        p->scale = i % 2 ? 100 : 10;
        p->base = workload_log(w, 10, 1000) * p->scale;
        p->rate = workload_log(w, 0.05, 8);
        p->count = llround(p->base);
    } else if (i % 10 < 9) {
        p->kind = WORKLOAD_STATE;
        p->levels = i % 3 ? 2 : 6;
        p->rate = 1 / workload_log(w, 300, 3600);
        p->count = (int64_t)(workload_random(w) % (uint64_t)p->levels);
    } else {
        p->kind = WORKLOAD_COUNTER;
        p->rate = workload_log(w, 0.01, 5);
        p->count = (int64_t)(workload_random(w) % 1000000);
    }
}

/* false when out of memory */
static inline int workload_init(struct workload *w, uint32_t n, uint64_t seed, uint32_t jitter_ms)
{
    *w = (struct workload){.rng = seed, .n = n, .jitter_ms = jitter_ms};
    w->p = calloc(n, sizeof *w->p);
    w->phase_ms = calloc(n / WORKLOAD_DEVICE + 1, sizeof *w->phase_ms);
    if (!w->p || !w->phase_ms) return 0;
    for (uint32_t d = 0; d <= n / WORKLOAD_DEVICE; d++) w->phase_ms[d] = (int)(workload_random(w) % 900);
    for (uint32_t i = 0; i < n; i++) workload_point_init(w, i);
    return 1;
}

static inline void workload_fini(struct workload *w)
{
    free(w->p);
    free(w->phase_ms);
}

static inline void workload_move(struct workload *w, struct workload_point *p)
{
    double dice = workload_unit(w);
    if (p->quality == QUALITY_GOOD) {
        if (dice < 1.0 / 20000) p->quality = workload_random(w) & 1 ? QUALITY_BAD : QUALITY_UNCERTAIN;
    } else if (dice < 1.0 / 30) {
        p->quality = QUALITY_GOOD;
    }
    if (p->kind == WORKLOAD_ANALOG) {
        p->away += workload_normal(w) * p->rate - p->away * 0.002;
        if (p->quality == QUALITY_GOOD) p->count = llround(p->base + p->away);
    } else if (p->kind == WORKLOAD_STATE) {
        if (workload_unit(w) < p->rate) p->count = (p->count + 1) % p->levels;
    } else {
        p->away += p->rate * 2 * workload_unit(w);
        p->count += (int64_t)p->away;
        p->away -= floor(p->away);
    }
}

/* One poll of every point: n samples, in the order of the points (1..n). */
static inline void workload_step(struct workload *w, struct sample *out)
{
    int64_t t = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        struct workload_point *p = &w->p[i];
        if (i % WORKLOAD_DEVICE == 0) {
            int64_t ms = w->phase_ms[i / WORKLOAD_DEVICE];
            if (w->jitter_ms) ms += (int64_t)(workload_random(w) % (w->jitter_ms + 1));
            t = WORKLOAD_T0_US + w->second * 1000000 + ms * 1000;
        }
        workload_move(w, p);
        out[i] = (struct sample){.time_us = t,
                                 .point = i + 1,
                                 .type = SAMPLE_DOUBLE,
                                 .quality = p->quality,
                                 .v.d = (double)p->count / p->scale};
        if (p->quality != QUALITY_GOOD) out[i].flags = REASON_COMM_FAILURE;
    }
    w->second++;
}
