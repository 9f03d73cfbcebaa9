/* point_table.c - see point_table.h. */
#include <math.h>
#include "core/bus/point_table.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/sample.h"

struct point_slot *point_slot(struct point_table *t, uint32_t num, bool create)
{
    if (num == 0 || num >= LIMIT_POINTS) return NULL;
    _Atomic(struct point_slot *) *cell = &t->page[num / POINT_PAGE];
    struct point_slot *page = atomic_load_explicit(cell, memory_order_acquire);
    if (!page && create) {
        struct point_slot *fresh = mem_calloc(POINT_PAGE, sizeof *fresh);
        if (!fresh) return NULL;
        if (atomic_compare_exchange_strong(cell, &page, fresh))
            page = fresh;
        else
            mem_free(fresh);
    }
    return page ? &page[num % POINT_PAGE] : NULL;
}

void point_table_fini(struct point_table *t)
{
    for (size_t i = 0; i < sizeof t->page / sizeof *t->page; i++) mem_free(atomic_load(&t->page[i]));
}

static void slot_write(struct point_slot *s, size_t at, const uint64_t *w, size_t n)
{
    atomic_fetch_add_explicit(&s->seq, 1, memory_order_acq_rel);
    for (size_t i = 0; i < n; i++) atomic_store_explicit(&s->w[at + i], w[i], memory_order_release);
    atomic_fetch_add_explicit(&s->seq, 1, memory_order_release);
}

static void slot_read(struct point_slot *s, size_t at, uint64_t *w, size_t n)
{
    for (;;) {
        uint32_t before = atomic_load_explicit(&s->seq, memory_order_acquire);
        for (size_t i = 0; i < n; i++) w[i] = atomic_load_explicit(&s->w[at + i], memory_order_acquire);
        if (!(before & 1) && atomic_load_explicit(&s->seq, memory_order_acquire) == before) return;
    }
}

void point_publish(struct point_slot *s, const struct sample *v)
{
    uint64_t w[3];
    memcpy(w, v, sizeof w);
    slot_write(s, 0, w, 3);
    atomic_store_explicit(&s->has_value, true, memory_order_release);
}

/* Intervals are kept in milliseconds, 32 bits each; the flags share the last word. */
void point_configure(struct point_slot *s, const struct bus_point *cfg)
{
    if (!cfg) {
        atomic_store(&s->known, false);
        atomic_store(&s->has_value, false);
        s->stored = s->held = (struct sample){0};
        return;
    }
    uint64_t w[4];
    memcpy(&w[0], &cfg->deadband, sizeof w[0]);
    w[1] = (uint64_t)cfg->min_interval_us;
    w[2] = (uint64_t)cfg->max_interval_us;
    w[3] = (uint64_t)cfg->archive | (uint64_t)cfg->step << 1 | (uint64_t)cfg->num << 32;
    slot_write(s, 3, w, 4);
    atomic_store_explicit(&s->known, true, memory_order_release);
}

bool point_value(struct point_slot *s, struct sample *ret)
{
    if (!s || !atomic_load_explicit(&s->has_value, memory_order_acquire)) return false;
    uint64_t w[3];
    slot_read(s, 0, w, 3);
    memcpy(ret, w, sizeof w);
    return true;
}

bool point_settings(struct point_slot *s, struct bus_point *ret)
{
    if (!s || !atomic_load_explicit(&s->known, memory_order_acquire)) return false;
    uint64_t w[4];
    slot_read(s, 3, w, 4);
    *ret = (struct bus_point){.num = (uint32_t)(w[3] >> 32),
                              .min_interval_us = (int64_t)w[1],
                              .max_interval_us = (int64_t)w[2],
                              .archive = w[3] & 1,
                              .step = w[3] >> 1 & 1};
    memcpy(&ret->deadband, &w[0], sizeof ret->deadband);
    return true;
}

static bool within_deadband(const struct sample *a, const struct sample *b, double deadband)
{
    if (a->type != b->type) return false;
    if (sample_same_value(a, b)) return true;
    if (a->type == SAMPLE_STRING || a->type == SAMPLE_BOOL) return false;
    return fabs(sample_number(a) - sample_number(b)) <= deadband;
}

static int pass(struct point_slot *s, const struct sample *v, bool with_held, struct sample out[2])
{
    int n = 0;
    if (with_held && s->held.point && s->held.time_us > s->stored.time_us) out[n++] = s->held;
    out[n++] = *v;
    s->stored = *v;
    s->held = (struct sample){0};
    return n;
}

int point_filter(struct point_slot *s, const struct bus_point *cfg, const struct sample *v, struct sample out[2])
{
    const struct sample *p = &s->stored;
    if (p->point && v->time_us <= p->time_us) { /* late or repeated: history decides by (point, time) */
        out[0] = *v;
        return 1;
    }
    bool quality = !p->point || v->quality != p->quality || (v->flags ^ p->flags) & SAMPLE_REASON_MASK;
    if (cfg->deadband < 0 || quality) return pass(s, v, quality && p->point && !cfg->step, out);
    int64_t age = v->time_us - p->time_us;
    bool changed = !within_deadband(p, v, cfg->deadband);
    if (changed && age >= cfg->min_interval_us) return pass(s, v, !cfg->step, out);
    if (cfg->max_interval_us > 0 && age >= cfg->max_interval_us) {
        struct sample beat = *v;
        beat.flags |= SAMPLE_FLAG_HEARTBEAT;
        return pass(s, &beat, false, out);
    }
    s->held = *v;
    return 0;
}
