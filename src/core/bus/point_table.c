/* point_table.c - see point_table.h. */
#include "core/bus/point_table.h"
#include "base/limits.h"
#include "base/mem.h"

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

void point_table_each(struct point_table *t, void (*fn)(void *ctx, struct point_slot *s), void *ctx)
{
    for (size_t i = 0; i < sizeof t->page / sizeof *t->page; i++) {
        struct point_slot *page = atomic_load_explicit(&t->page[i], memory_order_acquire);
        for (size_t k = 0; page && k < POINT_PAGE; k++) fn(ctx, &page[k]);
    }
}

void point_table_fini(struct point_table *t)
{
    for (size_t i = 0; i < sizeof t->page / sizeof *t->page; i++) mem_free(atomic_load(&t->page[i]));
}

/* One writer: the sequence is stored, not added to; each word's release keeps the odd sequence before it. */
static void slot_write(struct point_slot *s, size_t at, const uint64_t *w, size_t n)
{
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
    atomic_store_explicit(&s->seq, seq + 1, memory_order_relaxed);
    for (size_t i = 0; i < n; i++) atomic_store_explicit(&s->w[at + i], w[i], memory_order_release);
    atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
}

static void slot_read(struct point_slot *s, size_t at, uint64_t *w, size_t n)
{
    for (;;) {
        uint32_t before = atomic_load_explicit(&s->seq, memory_order_acquire);
        for (size_t i = 0; i < n; i++) w[i] = atomic_load_explicit(&s->w[at + i], memory_order_acquire);
        if (!(before & 1) && atomic_load_explicit(&s->seq, memory_order_acquire) == before) return;
    }
}

int64_t point_newest(struct point_slot *s)
{
    _Static_assert(offsetof(struct sample, time_us) == 0, "the first word is the time");
    if (!atomic_load_explicit(&s->has_value, memory_order_relaxed)) return INT64_MIN;
    return (int64_t)atomic_load_explicit(&s->w[0], memory_order_relaxed);
}

void point_publish(struct point_slot *s, const struct sample *v)
{
    uint64_t w[3];
    memcpy(w, v, sizeof w);
    slot_write(s, 0, w, 3);
    atomic_store_explicit(&s->has_value, true, memory_order_release);
}

/* The flags share a word with the number. */
void point_configure(struct point_slot *s, const struct bus_point *cfg)
{
    if (!cfg) {
        atomic_store(&s->known, false);
        atomic_store(&s->has_value, false);
        s->filter = (struct point_filter){0};
        return;
    }
    uint64_t w[6];
    memcpy(&w[0], &cfg->deadband, sizeof w[0]);
    w[1] = (uint64_t)cfg->min_interval_us;
    w[2] = (uint64_t)cfg->max_interval_us;
    w[3] = (uint64_t)cfg->archive | (uint64_t)cfg->step << 1 | (uint64_t)cfg->num << 32;
    memcpy(&w[4], &cfg->door, sizeof w[4]);
    w[5] = (uint64_t)cfg->door_max_us;
    slot_write(s, 3, w, 6);
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
    uint64_t w[6];
    slot_read(s, 3, w, 6);
    *ret = (struct bus_point){.num = (uint32_t)(w[3] >> 32),
                              .min_interval_us = (int64_t)w[1],
                              .max_interval_us = (int64_t)w[2],
                              .door_max_us = (int64_t)w[5],
                              .archive = w[3] & 1,
                              .step = w[3] >> 1 & 1};
    memcpy(&ret->deadband, &w[0], sizeof ret->deadband);
    memcpy(&ret->door, &w[4], sizeof ret->door);
    return true;
}
