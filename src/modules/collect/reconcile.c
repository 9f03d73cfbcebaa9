/* reconcile.c - the thread that makes the running world equal to the stored one, at start and after
 * every change: load a snapshot, tell the bus about the points, apply it to the channels. Changes that
 * come in quick succession (an import) are gathered for a moment. Idempotent. */
#include <time.h>
#include "base/mem.h"
#include "io/log.h"
#include "modules/collect/collect.h"

#define GATHER_MS 150
#define RETRY_MS 2000 /* after a configuration that could not be read */

struct plant *collect_plant(struct collect *c)
{
    pthread_mutex_lock(&c->lock);
    struct plant *p = c->plant ? plant_ref(c->plant) : NULL;
    pthread_mutex_unlock(&c->lock);
    return p;
}

struct plant *plant_of(struct node *n)
{
    return collect_plant(n->collect);
}

int plant_watch(struct node *n, void (*fn)(void *ctx), void *ctx)
{
    struct collect *c = n->collect;
    if (c->nwatchers == COLLECT_WATCHERS) return ERR_LIMIT;
    pthread_mutex_lock(&c->lock);
    c->watchers[c->nwatchers].fn = fn;
    c->watchers[c->nwatchers++].ctx = ctx;
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static void tell_watchers(struct collect *c)
{
    for (unsigned i = 0; i < c->nwatchers; i++) c->watchers[i].fn(c->watchers[i].ctx);
}

static void tell_bus(struct collect *c, const struct plant *fresh, const struct plant *old)
{
    for (size_t i = 0; i < fresh->npoints; i++) {
        struct bus_point bp = plant_bus_point(&fresh->points[i]);
        (void)!bus_point_set(c->node->bus, &bp, 1);
    }
    for (size_t i = 0; i < fresh->npoints; i++) {
        const struct p_point *p = &fresh->points[i];
        bool is_new = !old || !plant_point(old, p->num);
        if (is_new && p->device == UINT32_MAX) bus_restore(c->node->bus, p->num); /* no device will send it again */
    }
    for (size_t i = 0; old && i < old->npoints; i++)
        if (!plant_point(fresh, old->points[i].num)) (void)!bus_point_remove(c->node->bus, &old->points[i].num, 1);
}

static bool reconcile_once(struct collect *c)
{
    struct error e = {0};
    struct plant *fresh;
    if (plant_load(c->node, &fresh, &e)) {
        log_error("collect", "cannot load the configuration", "err=\"%s\"", e.text);
        return false;
    }
    pthread_mutex_lock(&c->lock);
    struct plant *old = c->plant;
    c->plant = fresh;
    pthread_mutex_unlock(&c->lock);
    tell_bus(c, fresh, old);
    run_apply(c->run, fresh);
    tell_watchers(c);
    plant_unref(old);
    return true;
}

/* Under the lock, which it lets go of; ends early when the module stops. */
static void sleep_ms(struct collect *c, long ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += ms % 1000 * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    while (!c->stopping && pthread_cond_timedwait(&c->wake, &c->lock, &ts) == 0) continue;
}

static void *reconciler(void *arg)
{
    struct collect *c = arg;
    pthread_setname_np(pthread_self(), "reconcile");
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        while (!c->dirty && !c->stopping) pthread_cond_wait(&c->wake, &c->lock);
        if (c->plant) sleep_ms(c, GATHER_MS); /* not at start */
        if (c->stopping) break;
        c->dirty = false;
        pthread_mutex_unlock(&c->lock);
        bool done = reconcile_once(c);
        pthread_mutex_lock(&c->lock);
        if (done) continue;
        c->dirty = true;
        sleep_ms(c, RETRY_MS);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

void reconcile_signal(struct collect *c)
{
    pthread_mutex_lock(&c->lock);
    c->dirty = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

int reconcile_start(struct collect *c, struct error *e)
{
    c->dirty = true;
    if (pthread_create(&c->thread, NULL, reconciler, c))
        return error_set(e, ERR_LIMIT, "collect", "cannot start the reconciler", "无法启动协调线程");
    c->running = true;
    return 0;
}

void reconcile_stop(struct collect *c)
{
    if (!c->running) return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    c->running = false;
}
