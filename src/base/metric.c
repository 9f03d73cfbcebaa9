/* metric.c - the process's metrics: a list of static metrics (pushed without a lock, never removed) and up to
 * 64 collectors behind a lock. A collector runs under that lock, so that metric_collector_remove returns
 * only when it runs no more; a collector must not add or remove collectors. */
#include "base/metric.h"
#include <pthread.h>

enum { COLLECTORS = 64 };

static struct metric *_Atomic head;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    metric_collect_fn *fn;
    void *ctx;
} collectors[COLLECTORS];

void metric_register(struct metric *m)
{
    if (atomic_exchange(&m->registered, true)) return;
    m->next = atomic_load(&head);
    while (!atomic_compare_exchange_weak(&head, &m->next, m)) {
    }
}

int metric_collector_add(metric_collect_fn *fn, void *ctx)
{
    int rc = ERR_LIMIT;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < COLLECTORS && rc; i++) {
        if (collectors[i].fn) continue;
        collectors[i].fn = fn;
        collectors[i].ctx = ctx;
        rc = 0;
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

void metric_collector_remove(metric_collect_fn *fn, void *ctx)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < COLLECTORS; i++) {
        if (collectors[i].fn == fn && collectors[i].ctx == ctx) collectors[i].fn = NULL;
    }
    pthread_mutex_unlock(&lock);
}

void metric_render(struct buf *out)
{
    static const char *const types[] = {[METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge"};
    for (struct metric *m = atomic_load(&head); m; m = m->next) {
        long long v = (long long)atomic_load_explicit(&m->value, memory_order_relaxed);
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", m->name, m->help, m->name, types[m->type], m->name, v);
    }
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < COLLECTORS; i++) {
        if (collectors[i].fn) collectors[i].fn(collectors[i].ctx, out);
    }
    pthread_mutex_unlock(&lock);
}
