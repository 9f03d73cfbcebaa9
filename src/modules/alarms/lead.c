/* lead.c - one process watches (core/lead.h).
 *
 * Who leads feeds samples to the engine, writes the journal and says the events. The others' engines are empty;
 * their books show what the leader has stored. Whoever begins to lead restores what is stored and reads all
 * points; what it saw before does not count. Whoever has lost the lead drops what it had not stored: the next
 * leader sees the same samples. */
#include "io/log.h"
#include "modules/alarms/alarms.h"

/* ---- showing what another process stores ---- */

struct showing {
    struct alarms *a;
    uint64_t digest;
};

static void digest(struct showing *s, const void *p, size_t n)
{
    s->digest = s->digest * 31 + str_hash(str_make(p, n), 7);
}

static int digest_one(void *ctx, const struct alarm_item *it)
{
    const int64_t numbers[] = {it->num,       it->cond,       it->state,    it->priority,
                               it->raised_us, it->cleared_us, it->acked_us, it->shelved_until_us};
    digest(ctx, numbers, sizeof numbers);
    digest(ctx, &it->value, sizeof it->value);
    return 0;
}

static int show_one(void *ctx, const struct alarm_item *it)
{
    struct alarms *a = ctx;
    const struct point_info *p = it->info;
    int err = book_point(a->book, it->num, str_of(p->id), str_of(p->org), p->code, p->name, p->area, p->unit);
    return err ? err : book_put(a->book, it);
}

static void show_stored(struct alarms *a)
{
    struct showing s = {.a = a, .digest = 1};
    struct sql *db = kernel_sql(a->node->kernel);
    if (store_load(db, digest_one, &s, NULL) || s.digest == a->shown) return;
    int64_t before = book_version(a->book);
    if (store_load(db, show_one, a, NULL)) return; /* again in a second */
    book_sweep(a->book, before);
    a->shown = s.digest;
    feed_wake(a->feed);
    api_poke(a->node->api, "alarms");
}

/* ---- beginning and ending ---- */

static void forget_all(struct alarms *a)
{
    pthread_mutex_lock(&a->load_lock);
    engine_reload_begin(a->engine);
    engine_reload_end(a->engine);
    pthread_mutex_unlock(&a->load_lock);
    alarms_discard(a);
}

static int begin(struct alarms *a, struct error *e)
{
    int64_t before = book_version(a->book);
    forget_all(a);
    int err = alarms_restore(a, e);
    if (err) return err;
    book_sweep(a->book, before);
    a->leading = true;
    err = bus_subscribe_all(a->node->bus, engine_samples, a->engine);
    if (!err) return 0;
    a->leading = false;
    return error_set(e, err, "alarms", "cannot follow the samples", "无法订阅样本");
}

int alarms_lead_start(struct alarms *a, struct error *e)
{
    return lead_held(&a->lead) ? begin(a, e) : 0;
}

static void take_over(struct alarms *a)
{
    struct error e = {0};
    if (begin(a, &e)) {
        log_error("alarms", "cannot begin to watch the alarms; again in a second", "err=\"%s\"", e.text);
        return;
    }
    pthread_mutex_lock(&a->lock);
    a->dirty = a->timers = true;
    pthread_cond_signal(&a->load_cond);
    pthread_cond_signal(&a->timers_cond);
    pthread_mutex_unlock(&a->lock);
    log_info("alarms", "this process watches the alarms now", "lease=%s", a->lead.owner);
}

static void give_up(struct alarms *a)
{
    a->leading = false;
    bus_unsubscribe(a->node->bus, engine_samples, a->engine);
    forget_all(a);
    a->shown = 0;
    log_warn("alarms", "this process does not watch the alarms any more", "lease=%s", a->lead.owner);
}

void alarms_lead_turn(struct alarms *a)
{
    bool held = lead_held(&a->lead);
    if (held && !a->leading) take_over(a);
    if (!held && a->leading) give_up(a);
    if (!a->leading) show_stored(a);
}
