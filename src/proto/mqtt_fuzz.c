/* mqtt_fuzz.c - any bytes as packets of each version: what is parsed is written and parsed again to the same bytes;
 * words and topics never fail. The first byte picks the version. */
#include <stdlib.h>
#include "proto/mqtt.h"

static void again(uint8_t version, const struct mqtt_packet *p)
{
    struct buf a, b;
    struct mqtt_head h;
    struct mqtt_packet q;
    struct mqtt_fault why;
    memset(&q, 0, sizeof q);
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    mqtt_write(&a, version, p);
    if (a.err || a.n != mqtt_size(version, p)) abort();
    if (mqtt_head(a.p, a.n, 1 << 20, &h, &why) != 1 || h.size + h.length != a.n) abort();
    if (mqtt_parse(version, &h, a.p + h.size, &q, &why)) abort();
    mqtt_write(&b, version, &q);
    if (b.err || b.n != a.n || memcmp(a.p, b.p, a.n) != 0) abort();
    buf_fini(&a);
    buf_fini(&b);
}

static void topics(const struct mqtt_packet *p)
{
    struct str rest = p->items;
    struct mqtt_item i;
    while (mqtt_item_next(p->type, &rest, &i) == 1) {
        struct str group, filter;
        if (!mqtt_filter_ok(i.filter)) continue;
        (void)mqtt_share(i.filter, &group, &filter);
        if (!mqtt_covers(i.filter, i.filter) && i.filter.p[0] != '$') abort();
        if (mqtt_topic_ok(i.filter) && !mqtt_match(i.filter, i.filter)) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const uint8_t versions[] = {MQTT_3_1, MQTT_3_1_1, MQTT_5, MQTT_5};
    struct mqtt_head h;
    struct mqtt_fault why;
    struct buf words;
    if (!n) return 0;
    uint8_t version = versions[*p++ & 3];
    n--;
    buf_init(&words, 1 << 20);
    mqtt_describe(&words, version, p, n, n & 1);
    buf_fini(&words);
    while (mqtt_head(p, n, 1 << 18, &h, &why) == 1 && h.size + h.length <= n) {
        struct mqtt_packet k;
        memset(&k, 0, sizeof k);
        if (mqtt_parse(version, &h, p + h.size, &k, &why)) break;
        if (k.type == MQTT_CONNECT) version = k.version;
        again(version, &k);
        if (k.type == MQTT_SUBSCRIBE) topics(&k);
        p += h.size + h.length;
        n -= h.size + h.length;
    }
    return 0;
}
