/* metric.h - counters and gauges of the whole process, for /metrics (Prometheus text format 0.0.4).
 * A metric is static data beside the code that counts; it registers itself once (metric_register, any
 * thread) and is added to with relaxed atomics. Metrics with labels belong to an owner that renders
 * them itself through a collector. */
#pragma once
#include <stdatomic.h>
#include "base/buf.h"
enum metric_type { METRIC_COUNTER, METRIC_GAUGE };
struct metric {
    const char *name; /* bornite_…, base units, counters end in _total */
    const char *help;
    enum metric_type type;
    _Atomic int64_t value;
    struct metric *next; /* metric_register's */
    atomic_bool registered;
};
#define METRIC(var, kind, nm, hlp) static struct metric var = {.name = nm, .help = hlp, .type = kind}
void metric_register(struct metric *m);                /* idempotent; must live as long as the process */
static inline void metric_add(struct metric *m, int64_t n)
{
    if (!atomic_load_explicit(&m->registered, memory_order_relaxed)) metric_register(m);
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void metric_set(struct metric *m, int64_t n)
{
    if (!atomic_load_explicit(&m->registered, memory_order_relaxed)) metric_register(m);
    atomic_store_explicit(&m->value, n, memory_order_relaxed);
}
/* A collector writes whole sample lines itself (with # HELP / # TYPE). May lock; called per scrape. */
typedef void metric_collect_fn(void *ctx, struct buf *out);
int metric_collector_add(metric_collect_fn *fn, void *ctx); /* ERR_LIMIT past 64 */
void metric_collector_remove(metric_collect_fn *fn, void *ctx);
void metric_render(struct buf *out);
