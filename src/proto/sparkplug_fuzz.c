/* Any bytes: as a topic, a STATE message, a payload that is read whole, told in words and as JSON, and written again.
 */
#include <assert.h>
#include "proto/sparkplug.h"

static void metric(const struct spb_metric *m)
{
    struct spb_scalar v;
    struct spb_array a;
    struct spb_property p;
    struct spb_properties it = spb_properties(m->properties);
    struct buf b;
    buf_init(&b, 1 << 16);
    if (spb_scalar(m->datatype, &m->value, &v) == 0) (void)spb_double(&v);
    if (spb_array_open(m->datatype, m->value.s, &a) == 0)
        while (spb_array_next(&a, &v)) assert(a.at <= a.n);
    while (spb_property_next(&it, &p)) spb_quality_class(p.value.u, &(uint8_t){0});
    struct json_writer w = json_writer(&b);
    spb_json(&w, m->datatype, &m->value);
    buf_fini(&b);
}

/* What was parsed is written and parsed again to the same. */
static void again(const struct spb_payload *p)
{
    struct buf b;
    struct spb_metric m, n;
    struct spb_payload q;
    struct str rest = p->metrics;
    buf_init(&b, 4 << 20);
    while (spb_metric_next(&rest, &m)) spb_put_metric(&b, &m);
    if (b.err == 0) {
        assert(spb_payload_parse(buf_view(&b), &q, NULL) == 0 && q.count == p->count);
        rest = p->metrics;
        while (spb_metric_next(&rest, &m)) {
            assert(spb_metric_next(&q.metrics, &n));
            assert(str_eq(m.name, n.name) && m.alias == n.alias && m.value.field == n.value.field &&
                   m.value.u == n.value.u);
        }
    }
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str all = str_make((const char *)p, n), rest;
    struct spb_topic t;
    struct spb_payload payload;
    struct spb_metric m;
    struct buf b;
    bool online;
    int64_t ms;
    buf_init(&b, 1 << 16);
    if (spb_topic_parse(all, &t) == 0) {
        spb_topic_write(&b, &t);
        assert(str_eq(buf_view(&b), all));
        buf_clear(&b);
    }
    (void)(spb_state_parse(all, &online, &ms) == 0);
    spb_words(&b, STR("spBv1.0/G/DDATA/E/D"), all, n & 1);
    spb_describe(&b, n & 2 ? 5 : 4, p, n, n & 1);
    if (spb_payload_parse(all, &payload, NULL) == 0) {
        rest = payload.metrics;
        while (spb_metric_next(&rest, &m)) metric(&m);
        again(&payload);
    }
    buf_fini(&b);
    return 0;
}
