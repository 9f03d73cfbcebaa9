/* api_metrics.c - counters per class of route: requests, errors, durations. Relaxed atomics; a collector
 * renders them. Classes: read, change, control, security (the audit class of the route) and other (files
 * and what was refused before a route took it). */
#include <stdatomic.h>
#include "core/api/api_int.h"
#include "base/mem.h"
#include "base/metric.h"

static const struct {
    uint64_t us;
    const char *le;
} bounds[] = {{5000, "0.005"}, {20000, "0.02"}, {100000, "0.1"}, {500000, "0.5"}, {2000000, "2"}, {10000000, "10"}};
#define NBOUNDS (sizeof(bounds) / sizeof(bounds[0]))
#define NCLASSES 5
static const char *const names[NCLASSES] = {"other", "read", "change", "control", "security"};

struct class
{
    _Atomic uint64_t requests, client_errors, server_errors, us, bucket[NBOUNDS];
};
struct api_metrics {
    struct class classes[NCLASSES];
};

void api_metrics_count(struct api_metrics *m, const struct route *r, int status, uint64_t us)
{
    struct class *c = &m->classes[r ? r->row->audit : 0];
    atomic_fetch_add_explicit(&c->requests, 1, memory_order_relaxed);
    if (status >= 500)
        atomic_fetch_add_explicit(&c->server_errors, 1, memory_order_relaxed);
    else if (status >= 400)
        atomic_fetch_add_explicit(&c->client_errors, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->us, us, memory_order_relaxed);
    for (size_t i = 0; i < NBOUNDS; i++)
        if (us <= bounds[i].us) atomic_fetch_add_explicit(&c->bucket[i], 1, memory_order_relaxed);
}

static unsigned long long get(_Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void render_durations(struct class *c, const char *name, struct buf *out)
{
    for (size_t i = 0; i < NBOUNDS; i++)
        buf_printf(out, "bornite_api_duration_seconds_bucket{class=\"%s\",le=\"%s\"} %llu\n", name, bounds[i].le,
                   get(&c->bucket[i]));
    buf_printf(out, "bornite_api_duration_seconds_bucket{class=\"%s\",le=\"+Inf\"} %llu\n", name, get(&c->requests));
    buf_printf(out, "bornite_api_duration_seconds_sum{class=\"%s\"} %.6f\n", name, (double)get(&c->us) / 1e6);
    buf_printf(out, "bornite_api_duration_seconds_count{class=\"%s\"} %llu\n", name, get(&c->requests));
}

static void render(void *ctx, struct buf *out)
{
    struct api_metrics *m = ctx;
    buf_z(out, "# HELP bornite_api_requests_total requests answered\n# TYPE bornite_api_requests_total counter\n");
    for (size_t i = 0; i < NCLASSES; i++)
        buf_printf(out, "bornite_api_requests_total{class=\"%s\"} %llu\n", names[i], get(&m->classes[i].requests));
    buf_z(out,
          "# HELP bornite_api_errors_total requests answered with an error\n# TYPE bornite_api_errors_total counter\n");
    for (size_t i = 0; i < NCLASSES; i++) {
        buf_printf(out, "bornite_api_errors_total{class=\"%s\",by=\"client\"} %llu\n", names[i],
                   get(&m->classes[i].client_errors));
        buf_printf(out, "bornite_api_errors_total{class=\"%s\",by=\"server\"} %llu\n", names[i],
                   get(&m->classes[i].server_errors));
    }
    buf_z(out, "# HELP bornite_api_duration_seconds time to answer\n# TYPE bornite_api_duration_seconds histogram\n");
    for (size_t i = 0; i < NCLASSES; i++) render_durations(&m->classes[i], names[i], out);
}

int api_metrics_new(struct api_metrics **ret)
{
    struct api_metrics *m = mem_calloc(1, sizeof(*m));
    if (!m) return ERR_NOMEM;
    int rc = metric_collector_add(render, m);
    if (rc)
        mem_free(m);
    else
        *ret = m;
    return rc;
}

void api_metrics_free(struct api_metrics *m)
{
    if (!m) return;
    metric_collector_remove(render, m);
    mem_free(m);
}
