/* module.c - life of the module alarms. */
#include "base/mem.h"
#include "base/metric.h"
#include "modules/alarms/alarms.h"

static void render(void *ctx, struct buf *out)
{
    struct engine_stats st;
    engine_stats(((struct alarms *)ctx)->engine, &st);
    buf_printf(
        out,
        "# HELP bornite_alarms_points Points with alarm conditions.\n# TYPE bornite_alarms_points gauge\n"
        "bornite_alarms_points %zu\n"
        "# HELP bornite_alarms_dropped_total Transitions that found no room and were caught up later.\n"
        "# TYPE bornite_alarms_dropped_total counter\nbornite_alarms_dropped_total %llu\n"
        "# HELP bornite_alarms_ignored_total Samples too old, too new or back-filled to say anything about now.\n"
        "# TYPE bornite_alarms_ignored_total counter\nbornite_alarms_ignored_total %llu\n",
        st.points, (unsigned long long)st.dropped, (unsigned long long)st.ignored);
}

static void fill(void *ctx, const struct actor *who, bool zh, int64_t *cursor, struct buf *out)
{
    book_news(((struct alarms *)ctx)->book, who->may, cursor, 500, out);
}

static void locks_init(struct alarms *a)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->load_lock, NULL);
    pthread_cond_init(&a->timers_cond, &attr);
    pthread_cond_init(&a->steps_cond, &attr);
    pthread_cond_init(&a->load_cond, &attr);
    pthread_cond_init(&a->written_cond, &attr);
    pthread_condattr_destroy(&attr);
}

void alarms_fini(void *ctx)
{
    struct alarms *a = ctx;
    if (!a) return;
    metric_collector_remove(render, a);
    feed_free(a->feed);
    engine_free(a->engine);
    for (size_t i = 0; i < a->npending; i++) {
        struct alarm_item it = {.info = a->pending[i].info};
        book_item_done(a->book, &it);
        mem_free(a->pending[i].step.words);
    }
    mem_free(a->pending);
    lead_fini(&a->lead);
    book_free(a->book);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->load_lock);
    pthread_cond_destroy(&a->timers_cond);
    pthread_cond_destroy(&a->steps_cond);
    pthread_cond_destroy(&a->load_cond);
    pthread_cond_destroy(&a->written_cond);
    mem_free(a);
}

int alarms_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct alarms *a = mem_calloc(1, sizeof *a);
    if (!a) return error_set(e, ERR_NOMEM, "alarms", "out of memory", "内存不足");
    a->node = n;
    alarms_outside_init(a);
    lead_init(&a->lead, kernel_sql(n->kernel), n->clock, n->rng, "alarms");
    locks_init(a);
    struct feed_config fc = {
        .api = n->api, .name = "alarm-feed", .kind = "alarm", .action = ACT_READ, .fill = fill, .ctx = a};
    int err = store_migrate(kernel_sql(n->kernel), e);
    if (!err) err = book_new(&a->book);
    if (!err) err = engine_new(n->clock, 0, alarms_woken, a, &a->engine);
    if (!err) err = feed_new(&fc, &a->feed, e);
    if (!err) err = metric_collector_add(render, a);
    if (!err) err = alarms_hooks_add(a, e);
    if (err) {
        alarms_fini(a);
        return err;
    }
    *ret_ctx = a;
    return 0;
}

int alarms_start(void *ctx, struct error *e)
{
    struct alarms *a = ctx;
    int err = alarms_lead_start(a, e);
    if (err) return err;
    err = alarms_threads_start(a, e);
    if (err) bus_unsubscribe(a->node->bus, engine_samples, a->engine);
    return err;
}

void alarms_stop(void *ctx)
{
    struct alarms *a = ctx;
    bus_unsubscribe(a->node->bus, engine_samples, a->engine);
    alarms_threads_stop(a);
    bus_unsubscribe(a->node->bus, engine_samples, a->engine); /* it may have begun to lead meanwhile */
    lead_drop(&a->lead);
}
