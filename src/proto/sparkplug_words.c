/* sparkplug_words.c - messages in words, for people who look at a connection. */
#include "proto/mqtt.h"
#include "proto/sparkplug.h"

#define METRICS_SHOWN 20
#define VALUE_SHOWN 80

static void say_value(struct buf *out, const struct spb_metric *m)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    struct json_writer w = json_writer(&b);
    spb_json(&w, m->has_datatype ? m->datatype : 0, &m->value);
    buf_str(out, str_sub(buf_view(&b), 0, VALUE_SHOWN));
    if (b.n > VALUE_SHOWN || b.err) buf_z(out, "…");
    buf_fini(&b);
}

static void say_metric(struct buf *out, const struct spb_metric *m, bool zh)
{
    if (m->has_name)
        buf_printf(out, " %.*s", STR_ARG(m->name));
    else
        buf_printf(out, " #%llu", (unsigned long long)m->alias);
    if (m->has_name && m->has_alias) buf_printf(out, "#%llu", (unsigned long long)m->alias);
    if (m->has_datatype) buf_printf(out, ":%s", spb_type(m->datatype)->name);
    buf_z(out, "=");
    if (m->null || m->value.field == SPB_V_NONE)
        buf_z(out, "null");
    else
        say_value(out, m);
    if (m->historical) buf_z(out, zh ? "（历史）" : " (historical)");
}

static void say_payload(struct buf *out, const struct spb_payload *p, bool zh)
{
    struct str rest = p->metrics;
    struct spb_metric m;
    if (p->has_seq) buf_printf(out, zh ? "，序号 %llu" : ", seq %llu", (unsigned long long)p->seq);
    buf_printf(out, zh ? "，%u 个指标：" : ", %u metrics:", p->count);
    for (unsigned k = 0; k < METRICS_SHOWN && spb_metric_next(&rest, &m); k++) say_metric(out, &m, zh);
    if (p->count > METRICS_SHOWN) buf_z(out, " …");
    if (p->body.p) buf_printf(out, zh ? "，正文 %zu 字节" : ", body of %zu bytes", p->body.n);
}

/* false: for topics that are not of Sparkplug, and STATE, which is told whole. */
static bool say_head(struct buf *out, struct str topic, struct str payload, bool zh)
{
    struct spb_topic t;
    if (spb_topic_parse(topic, &t)) return false;
    if (t.type == SPB_STATE) {
        buf_printf(out, zh ? "主机应用 %.*s 的状态：%.*s" : "state of host application %.*s: %.*s", STR_ARG(t.host),
                   STR_ARG(str_sub(payload, 0, 200)));
        return false;
    }
    buf_printf(out, zh ? "%s（%s）%.*s/%.*s" : "%s (%s) %.*s/%.*s", spb_message_name(t.type),
               spb_message_words(t.type, zh), STR_ARG(t.group), STR_ARG(t.node));
    if (t.device.p) buf_printf(out, "/%.*s", STR_ARG(t.device));
    return true;
}

void spb_words(struct buf *out, struct str topic, struct str payload, bool zh)
{
    struct spb_payload p;
    if (!say_head(out, topic, payload, zh)) return;
    if (spb_payload_parse(payload, &p, NULL))
        buf_z(out, zh ? "，有效载荷损坏" : ", broken payload");
    else
        say_payload(out, &p, zh);
}

/* The beginning of a long PUBLISH, which is all that was kept: its topic, and the metrics that are whole. */
static bool say_cut(struct buf *out, uint8_t version, const struct mqtt_head *h, const uint8_t *bytes, size_t n,
                    bool zh)
{
    struct rd r = rd_make(bytes + h->size, n - h->size);
    size_t topic_n = rd_u16be(&r);
    const uint8_t *topic = rd_bytes(&r, topic_n);
    struct spb_metric m;
    if (bytes[0] & 6) rd_u16be(&r);
    if (version >= MQTT_5) rd_bytes(&r, rd_u8(&r)); /* properties, when they are short */
    if (topic == NULL || r.err) return false;
    struct str rest = str_make((const char *)r.p, rd_left(&r));
    if (!say_head(out, str_make((const char *)topic, topic_n), rest, zh)) return out->n > 0;
    buf_z(out, zh ? "，指标：" : ", metrics:");
    for (unsigned k = 0; k < METRICS_SHOWN && spb_metric_next(&rest, &m); k++) say_metric(out, &m, zh);
    buf_printf(out, zh ? " …（共 %zu 字节，保留 %zu）" : " … (%zu of %zu bytes kept)",
               zh ? h->size + (size_t)h->length : n, zh ? n : h->size + (size_t)h->length);
    return true;
}

void spb_describe(struct buf *out, uint8_t version, const uint8_t *bytes, size_t n, bool zh)
{
    struct mqtt_head h;
    struct mqtt_packet k;
    struct mqtt_fault why;
    struct spb_topic t;
    memset(&k, 0, sizeof k);
    bool publish = n && bytes[0] >> 4 == MQTT_PUBLISH && mqtt_head(bytes, n, MQTT_LENGTH_MAX + 5ul, &h, &why) == 1;
    bool whole = publish && n >= (size_t)h.size + h.length;
    if (publish && !whole && say_cut(out, version, &h, bytes, n, zh)) return;
    if (whole && mqtt_parse(version, &h, bytes + h.size, &k, &why) == 0 && spb_topic_parse(k.topic, &t) == 0)
        spb_words(out, k.topic, k.payload, zh);
    else
        mqtt_describe(out, version, bytes, n, zh);
}
