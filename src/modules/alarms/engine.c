/* engine.c - see engine.h. */
#include "modules/alarms/engine.h"
#include <math.h>
#include <pthread.h>
#include "base/limits.h"
#include "base/mem.h"
#include "io/ring.h"
#include "model/sample.h"

#define OFF_US (300 * 1000000LL) /* further from the clock: says nothing about now */
#define RING 65536
#define SHELF ALARM_CONDITIONS /* slots of the heap: a condition, or its shelving */

struct condition {
    uint8_t state;
    bool lost;                /* its last step found no room */
    int64_t since_us;         /* beyond since, monotonic; 0: not */
    int64_t shelved_until_us; /* wall; 0: not */
    uint64_t due[2];          /* of the live heap entry: condition, shelving; 0: none */
};
struct watched {
    struct alarm_conf conf;
    bool configured, has_value;
    unsigned mark; /* of the full reading that saw it last */
    uint8_t quality;
    double value;
    int64_t time_us;    /* newest sample */
    int64_t arrived_us; /* monotonic, last data */
    struct condition c[ALARM_CONDITIONS];
};
struct timer {
    uint64_t due;
    uint32_t num, slot;
};
struct engine {
    const struct clock *clock;
    pthread_mutex_t lock;
    struct watched **by_num;
    size_t nums, points;
    unsigned mark;
    struct timer *heap;
    size_t nheap, heap_cap;
    uint64_t told; /* what engine_tick said last */
    struct ring ring;
    uint64_t seq;
    bool lost;
    struct engine_stats stats;
    void (*woken)(void *ctx, bool timers);
    void *ctx;
    int64_t mono_us, wall_us; /* of the call that holds the lock */
};

const char *alarm_event_name(int e)
{
    static const char *const names[] = {"raised", "cleared", "acked", "removed", "shelved", "unshelved", "caught_up"};
    return e >= 0 && e <= ALARM_CAUGHT_UP ? names[e] : "";
}

static void enter(struct engine *g)
{
    pthread_mutex_lock(&g->lock);
    g->mono_us = (int64_t)(clock_mono_ns(g->clock) / 1000);
    g->wall_us = clock_now_us(g->clock);
}

static void leave(struct engine *g)
{
    pthread_mutex_unlock(&g->lock);
}

/* ---- the heap of timers ---- */

static void heap_up(struct timer *h, size_t i)
{
    while (i && h[(i - 1) / 2].due > h[i].due) {
        struct timer t = h[i];
        h[i] = h[(i - 1) / 2];
        h[i = (i - 1) / 2] = t;
    }
}

static void heap_down(struct timer *h, size_t n, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < n; k++)
            if (h[k].due < h[least].due) least = k;
        if (least == i) return;
        struct timer t = h[i];
        h[i] = h[least];
        h[i = least] = t;
    }
}

/* Out of memory: the delay ends with the next sample instead. */
static void arm(struct engine *g, struct watched *w, uint32_t slot, int64_t due_us)
{
    struct condition *c = &w->c[slot % SHELF];
    uint64_t due = due_us > 0 ? (uint64_t)due_us : 1;
    if (!mem_grow((void **)&g->heap, &g->heap_cap, g->nheap + 1, sizeof *g->heap)) return;
    c->due[slot / SHELF] = due;
    g->heap[g->nheap] = (struct timer){due, w->conf.num, slot};
    heap_up(g->heap, g->nheap++);
    if (due >= g->told) return;
    g->told = due;
    g->woken(g->ctx, true);
}

static void heap_pop(struct engine *g)
{
    g->heap[0] = g->heap[--g->nheap];
    heap_down(g->heap, g->nheap, 0);
}

/* ---- steps ---- */

static double limit_of(const struct watched *w, int cond)
{
    if (cond == ALARM_STALE) return (double)w->conf.stale_us / 1e6;
    return cond < ALARM_LIMITS ? w->conf.limit[cond] : NAN;
}

static int emit(struct engine *g, struct watched *w, int cond, enum alarm_event ev, struct alarm_words *words)
{
    struct condition *c = &w->c[cond];
    struct alarm_step s = {.seq = ++g->seq,
                           .at_us = g->wall_us,
                           .num = w->conf.num,
                           .cond = (uint8_t)cond,
                           .event = (uint8_t)ev,
                           .to = c->state,
                           .priority = alarm_priority(cond, w->conf.priority),
                           .value = w->has_value ? w->value : NAN,
                           .limit = limit_of(w, cond),
                           .words = words};
    if (ring_put(&g->ring, &s, 1)) {
        g->stats.dropped++;
        g->lost = c->lost = true;
        g->woken(g->ctx, false);
        return ERR_AGAIN;
    }
    c->lost = false;
    g->stats.steps++;
    g->woken(g->ctx, false);
    return 0;
}

static void input(struct engine *g, struct watched *w, int cond, int in)
{
    static const enum alarm_event events[] = {ALARM_RAISED, ALARM_CLEARED, ALARM_ACKED, ALARM_REMOVED};
    struct condition *c = &w->c[cond];
    int to = in < 0 ? -1 : alarm_next((enum alarm_state)c->state, (enum alarm_input)in);
    if (to < 0) return;
    c->state = (uint8_t)to;
    if (emit(g, w, cond, events[in], NULL)) return; /* marked and counted */
}

static void reading(struct engine *g, struct watched *w, int cond, enum alarm_reading r)
{
    struct condition *c = &w->c[cond];
    bool was = c->since_us != 0;
    int in = alarm_debounce(alarm_active((enum alarm_state)c->state), r, g->mono_us, w->conf.delay_us, &c->since_us);
    if (c->since_us && !was && !c->due[0]) arm(g, w, (uint32_t)cond, c->since_us + w->conf.delay_us);
    input(g, w, cond, in);
}

static bool wanted(const struct watched *w, int cond)
{
    if (!w->configured) return false;
    if (cond < ALARM_LIMITS) return !isnan(w->conf.limit[cond]);
    return cond == ALARM_BAD ? w->conf.bad : w->conf.stale_us > 0;
}

static void compare(struct engine *g, struct watched *w)
{
    if (!w->has_value || w->quality == QUALITY_BAD) return;
    for (int c = 0; c < ALARM_LIMITS; c++)
        if (wanted(w, c))
            reading(g, w, c, alarm_read((enum alarm_condition)c, w->conf.limit[c], w->conf.deadband, w->value));
}

/* ---- samples ---- */

static bool about_now(struct engine *g, const struct watched *w, const struct sample *s)
{
    return !(s->flags & SAMPLE_FLAG_BACKFILL) && s->time_us >= w->time_us && s->time_us >= g->wall_us - OFF_US &&
           s->time_us <= g->wall_us + OFF_US;
}

static void take_bad(struct engine *g, struct watched *w, const struct sample *s)
{
    unsigned why = s->flags & SAMPLE_REASON_MASK;
    for (int c = 0; c < ALARM_LIMITS; c++) w->c[c].since_us = 0;
    if (why == REASON_SHUTDOWN || why == REASON_OUT_OF_SERVICE) return;
    if (wanted(w, ALARM_BAD)) reading(g, w, ALARM_BAD, ALARM_BEYOND);
}

static void take_value(struct engine *g, struct watched *w, const struct sample *s)
{
    double v = sample_number(s);
    w->arrived_us = g->mono_us;
    if (s->type != SAMPLE_BLOB) w->has_value = !isnan(v), w->value = v; /* a picture says nothing about limits */
    if (wanted(w, ALARM_BAD)) reading(g, w, ALARM_BAD, ALARM_INSIDE);
    if (alarm_active((enum alarm_state)w->c[ALARM_STALE].state)) {
        input(g, w, ALARM_STALE, ALARM_CLEAR);
        if (wanted(w, ALARM_STALE)) arm(g, w, ALARM_STALE, g->mono_us + w->conf.stale_us);
    }
    compare(g, w);
}

static void take_sample(struct engine *g, const struct sample *s)
{
    struct watched *w = s->point < g->nums ? g->by_num[s->point] : NULL;
    if (!w || !w->configured) return;
    if (!about_now(g, w, s)) {
        g->stats.ignored++;
        return;
    }
    w->time_us = s->time_us;
    w->quality = s->quality;
    if (s->quality == QUALITY_BAD)
        take_bad(g, w, s);
    else
        take_value(g, w, s);
}

void engine_samples(void *ctx, const struct sample *s, size_t n)
{
    struct engine *g = ctx;
    enter(g);
    for (size_t i = 0; i < n; i++) take_sample(g, &s[i]);
    leave(g);
}

void engine_first(struct engine *g, const struct sample *s)
{
    enter(g);
    struct watched *w = s->point < g->nums ? g->by_num[s->point] : NULL;
    if (w && !w->time_us) take_sample(g, s);
    leave(g);
}

/* ---- time ---- */

static void stale_due(struct engine *g, struct watched *w)
{
    if (!wanted(w, ALARM_STALE) || alarm_active((enum alarm_state)w->c[ALARM_STALE].state)) return;
    int64_t due = w->arrived_us + w->conf.stale_us;
    if (g->mono_us >= due)
        input(g, w, ALARM_STALE, ALARM_RAISE);
    else
        arm(g, w, ALARM_STALE, due);
}

static void delay_due(struct engine *g, struct watched *w, int cond)
{
    struct condition *c = &w->c[cond];
    if (!c->since_us) return;
    int64_t due = c->since_us + w->conf.delay_us;
    if (g->mono_us < due) {
        arm(g, w, (uint32_t)cond, due);
        return;
    }
    c->since_us = 0;
    input(g, w, cond, ALARM_RAISE);
}

static void shelf_due(struct engine *g, struct watched *w, int cond)
{
    struct condition *c = &w->c[cond];
    if (!c->shelved_until_us) return;
    if (g->wall_us < c->shelved_until_us) { /* the wall clock was set back */
        arm(g, w, (uint32_t)(cond + SHELF), g->mono_us + (c->shelved_until_us - g->wall_us));
        return;
    }
    c->shelved_until_us = 0;
    if (emit(g, w, cond, ALARM_UNSHELVED, NULL)) return; /* marked and counted */
}

static void timer_due(struct engine *g, const struct timer *t)
{
    struct watched *w = t->num < g->nums ? g->by_num[t->num] : NULL;
    int cond = (int)(t->slot % SHELF), kind = (int)(t->slot / SHELF);
    if (!w || w->c[cond].due[kind] != t->due) return; /* another took its place */
    w->c[cond].due[kind] = 0;
    if (kind)
        shelf_due(g, w, cond);
    else if (cond == ALARM_STALE)
        stale_due(g, w);
    else
        delay_due(g, w, cond);
}

uint64_t engine_tick(struct engine *g)
{
    enter(g);
    for (size_t i = 0; i < 4096 && g->nheap && g->heap[0].due <= (uint64_t)g->mono_us; i++) {
        struct timer t = g->heap[0];
        heap_pop(g);
        timer_due(g, &t);
    }
    uint64_t next = g->told = g->nheap ? g->heap[0].due : UINT64_MAX;
    leave(g);
    return next;
}

/* ---- configuration ---- */

static struct watched *watched_of(struct engine *g, uint32_t num, bool make)
{
    if (num < g->nums && (g->by_num[num] || !make)) return g->by_num[num];
    if (!make || num == 0 || num > 2 * LIMIT_POINTS) return NULL;
    size_t cap = g->nums;
    if (!mem_grow((void **)&g->by_num, &cap, (size_t)num + 1, sizeof *g->by_num)) return NULL;
    if (cap > g->nums) memset(g->by_num + g->nums, 0, (cap - g->nums) * sizeof *g->by_num);
    g->nums = cap;
    struct watched *w = g->by_num[num] = mem_calloc(1, sizeof *w);
    if (!w) return NULL;
    w->conf = (struct alarm_conf){.num = num, .limit = {NAN, NAN, NAN, NAN}};
    w->arrived_us = g->mono_us;
    g->points++;
    return w;
}

static void drop_unwanted(struct engine *g, struct watched *w)
{
    for (int c = 0; c < ALARM_CONDITIONS; c++) {
        if (wanted(w, c)) continue;
        w->c[c].since_us = 0;
        bool shelved = w->c[c].shelved_until_us != 0;
        w->c[c].shelved_until_us = 0;
        if (w->c[c].state != ALARM_NORMAL)
            input(g, w, c, ALARM_DROP);
        else if (shelved && emit(g, w, c, ALARM_UNSHELVED, NULL))
            return; /* marked and counted */
    }
}

int engine_set(struct engine *g, const struct alarm_conf *conf)
{
    enter(g);
    struct watched *w = watched_of(g, conf->num, true);
    if (w) {
        bool stale_moved = conf->stale_us != w->conf.stale_us;
        w->conf = *conf;
        w->configured = true;
        w->mark = g->mark;
        drop_unwanted(g, w);
        compare(g, w);
        for (int c = 0; c < ALARM_STALE; c++) /* a delay that was changed while it ran */
            if (w->c[c].since_us) arm(g, w, (uint32_t)c, w->c[c].since_us + conf->delay_us);
        if (conf->stale_us && stale_moved) {
            /* After a restart nothing has come yet: what was missing stays so until it comes. */
            bool here = w->time_us && g->mono_us - w->arrived_us < conf->stale_us;
            input(g, w, ALARM_STALE, here ? ALARM_CLEAR : -1);
            arm(g, w, ALARM_STALE, w->arrived_us + conf->stale_us);
        }
    }
    leave(g);
    return w ? 0 : ERR_NOMEM;
}

static void forget(struct engine *g, struct watched *w)
{
    w->configured = false;
    drop_unwanted(g, w);
    for (int c = 0; c < ALARM_CONDITIONS; c++)
        if (w->c[c].lost) return; /* the catching up needs it */
    g->by_num[w->conf.num] = NULL;
    g->points--;
    mem_free(w);
}

void engine_remove(struct engine *g, uint32_t num)
{
    enter(g);
    struct watched *w = watched_of(g, num, false);
    if (w) forget(g, w);
    leave(g);
}

void engine_reload_begin(struct engine *g)
{
    enter(g);
    g->mark++;
    leave(g);
}

void engine_reload_end(struct engine *g)
{
    for (size_t i = 0;; i++) { /* one at a time: samples go on between */
        enter(g);
        bool more = i < g->nums;
        struct watched *w = more ? g->by_num[i] : NULL;
        if (w && w->mark != g->mark) forget(g, w);
        leave(g);
        if (!more) return;
    }
}

int engine_restore(struct engine *g, uint32_t num, int cond, enum alarm_state s, int64_t shelved_until_us)
{
    enter(g);
    struct watched *w = watched_of(g, num, true);
    if (w) {
        w->c[cond].state = (uint8_t)s;
        w->c[cond].shelved_until_us = shelved_until_us;
        if (shelved_until_us) arm(g, w, (uint32_t)(cond + SHELF), g->mono_us + (shelved_until_us - g->wall_us));
    }
    leave(g);
    return w ? 0 : ERR_NOMEM;
}

/* ---- people ---- */

/* A step that finds no room is taken back: he is told, and tries again. */
static int act(struct engine *g, struct watched *w, int cond, enum alarm_event ev, struct alarm_words *words,
               const struct condition *before, uint64_t *ret_seq)
{
    int err = emit(g, w, cond, ev, words);
    if (err) w->c[cond] = *before;
    *ret_seq = g->seq;
    return err;
}

int engine_ack(struct engine *g, uint32_t num, int cond, struct alarm_words *words, uint64_t *ret_seq)
{
    int err = ERR_NOT_FOUND;
    enter(g);
    struct watched *w = watched_of(g, num, false);
    if (w) {
        struct condition before = w->c[cond];
        int to = alarm_next((enum alarm_state)before.state, ALARM_ACK);
        err = to < 0 ? ERR_CONFLICT : 0;
        if (!err) {
            w->c[cond].state = (uint8_t)to;
            err = act(g, w, cond, ALARM_ACKED, words, &before, ret_seq);
        }
    }
    leave(g);
    return err;
}

int engine_shelve(struct engine *g, uint32_t num, int cond, struct alarm_words *words, uint64_t *ret_seq)
{
    int err = ERR_NOT_FOUND;
    enter(g);
    struct watched *w = watched_of(g, num, false);
    if (w && wanted(w, cond)) {
        struct condition before = w->c[cond];
        err = !words->until_us && !before.shelved_until_us ? ERR_CONFLICT : 0;
        if (!err) {
            w->c[cond].shelved_until_us = words->until_us;
            err = act(g, w, cond, words->until_us ? ALARM_SHELVED : ALARM_UNSHELVED, words, &before, ret_seq);
        }
        if (!err && words->until_us)
            arm(g, w, (uint32_t)(cond + SHELF), g->mono_us + (w->c[cond].shelved_until_us - g->wall_us));
    }
    leave(g);
    return err;
}

/* ---- the other end ---- */

size_t engine_take(struct engine *g, struct alarm_step *out, size_t max)
{
    return ring_take(&g->ring, out, max);
}

static void bring_out(struct engine *g, struct watched *w)
{
    bool any = false;
    for (int c = 0; c < ALARM_CONDITIONS; c++) {
        any |= w->c[c].lost;
        if (w->c[c].lost && emit(g, w, c, ALARM_CAUGHT_UP, NULL)) {
            g->stats.dropped--; /* the same one again */
            return;
        }
    }
    if (any && !w->configured) forget(g, w);
}

void engine_catch_up(struct engine *g)
{
    enter(g);
    bool lost = g->lost;
    g->lost = false;
    leave(g);
    for (size_t i = 0; lost; i++) {
        enter(g);
        bool more = i < g->nums && !g->lost;
        if (more && g->by_num[i]) bring_out(g, g->by_num[i]);
        leave(g);
        if (!more) return;
    }
}

enum alarm_state engine_state(struct engine *g, uint32_t num, int cond)
{
    enter(g);
    struct watched *w = watched_of(g, num, false);
    enum alarm_state s = w ? (enum alarm_state)w->c[cond].state : ALARM_NORMAL;
    leave(g);
    return s;
}

void engine_stats(struct engine *g, struct engine_stats *ret)
{
    enter(g);
    *ret = g->stats;
    ret->points = g->points;
    leave(g);
}

int engine_new(const struct clock *clock, uint32_t ring, void (*woken)(void *ctx, bool timers), void *ctx,
               struct engine **ret)
{
    struct engine *g = mem_calloc(1, sizeof *g);
    if (!g) return ERR_NOMEM;
    *g = (struct engine){.clock = clock, .woken = woken, .ctx = ctx, .told = UINT64_MAX};
    pthread_mutex_init(&g->lock, NULL);
    int err = ring_init(&g->ring, sizeof(struct alarm_step), ring ? ring : RING);
    if (err)
        engine_free(g);
    else
        *ret = g;
    return err;
}

void engine_free(struct engine *g)
{
    struct alarm_step s;
    if (!g) return;
    while (g->ring.items && ring_take(&g->ring, &s, 1)) mem_free(s.words);
    ring_fini(&g->ring);
    for (size_t i = 0; i < g->nums; i++) mem_free(g->by_num[i]);
    mem_free(g->by_num);
    mem_free(g->heap);
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
}
