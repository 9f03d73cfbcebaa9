/* mqtt_write.c - packets to bytes. Sizes are worked out first, since the length stands in front; then the body is
 * written by one function per shape. */
#include "proto/mqtt_int.h"

size_t mqtt_varint_size(uint32_t v)
{
    return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : 4;
}

void mqtt_put_varint(struct buf *b, uint32_t v)
{
    while (v > 127) {
        buf_u8(b, (uint8_t)(v | 0x80));
        v >>= 7;
    }
    buf_u8(b, (uint8_t)v);
}

void mqtt_put_text(struct buf *b, struct str s)
{
    buf_u16be(b, (uint16_t)s.n);
    buf_add(b, s.p, s.n);
}

static size_t props_size(uint8_t version, const struct mqtt_props *p)
{
    if (version != MQTT_5) return 0;
    size_t n = mqtt_props_size(p);
    return n + mqtt_varint_size((uint32_t)n);
}

static void put_props(struct buf *b, uint8_t version, const struct mqtt_props *p)
{
    if (version == MQTT_5) mqtt_put_props(b, p);
}

struct writer {
    size_t (*size)(uint8_t v, const struct mqtt_packet *p);
    void (*put)(struct buf *b, uint8_t v, const struct mqtt_packet *p);
    uint8_t flags;
};

static size_t connect_size(uint8_t v, const struct mqtt_packet *p)
{
    size_t n = (v == MQTT_3_1 ? 8 : 6) + 4 + props_size(v, &p->props) + 2 + p->client_id.n;
    if (p->has_will) n += props_size(v, &p->will_props) + 4 + p->will_topic.n + p->will_payload.n;
    return n + (p->has_user ? 2 + p->user.n : 0) + (p->has_password ? 2 + p->password.n : 0);
}

static void put_connect(struct buf *b, uint8_t v, const struct mqtt_packet *p)
{
    mqtt_put_text(b, v == MQTT_3_1 ? STR("MQIsdp") : STR("MQTT"));
    buf_u8(b, v);
    buf_u8(b, (uint8_t)(p->has_user << 7 | p->has_password << 6 | (p->has_will && p->will_retain) << 5 |
                        (p->has_will ? p->will_qos : 0) << 3 | p->has_will << 2 | p->clean << 1));
    buf_u16be(b, p->keep_alive);
    put_props(b, v, &p->props);
    mqtt_put_text(b, p->client_id);
    if (p->has_will) {
        put_props(b, v, &p->will_props);
        mqtt_put_text(b, p->will_topic);
        mqtt_put_text(b, p->will_payload);
    }
    if (p->has_user) mqtt_put_text(b, p->user);
    if (p->has_password) mqtt_put_text(b, p->password);
}

static size_t connack_size(uint8_t v, const struct mqtt_packet *p)
{
    return 2 + props_size(v, &p->props);
}

static void put_connack(struct buf *b, uint8_t v, const struct mqtt_packet *p)
{
    buf_u8(b, p->session_present);
    buf_u8(b, p->code);
    put_props(b, v, &p->props);
}

static size_t publish_size(uint8_t v, const struct mqtt_packet *p)
{
    return 2 + p->topic.n + (p->qos ? 2 : 0) + props_size(v, &p->props) + p->payload.n;
}

static void put_publish(struct buf *b, uint8_t v, const struct mqtt_packet *p)
{
    mqtt_put_text(b, p->topic);
    if (p->qos) buf_u16be(b, p->id);
    put_props(b, v, &p->props);
    buf_str(b, p->payload);
}

static bool has_props(uint8_t v, const struct mqtt_packet *p)
{
    return v == MQTT_5 && mqtt_props_size(&p->props);
}

static size_t ack_size(uint8_t v, const struct mqtt_packet *p)
{
    if (v != MQTT_5 || (!p->code && !has_props(v, p))) return 2;
    return has_props(v, p) ? 3 + props_size(v, &p->props) : 3;
}

static void put_ack(struct buf *b, uint8_t v, const struct mqtt_packet *p)
{
    buf_u16be(b, p->id);
    if (v != MQTT_5 || (!p->code && !has_props(v, p))) return;
    buf_u8(b, p->code);
    if (has_props(v, p)) put_props(b, v, &p->props);
}

static size_t items_size(uint8_t v, const struct mqtt_packet *p)
{
    return 2 + props_size(v, &p->props) + p->items.n;
}

static void put_items(struct buf *b, uint8_t v, const struct mqtt_packet *p)
{
    buf_u16be(b, p->id);
    put_props(b, v, &p->props);
    buf_str(b, p->items);
}

static size_t unsuback_size(uint8_t v, const struct mqtt_packet *p)
{
    return v == MQTT_5 ? items_size(v, p) : 2;
}

static void put_unsuback(struct buf *b, uint8_t v, const struct mqtt_packet *p)
{
    if (v == MQTT_5)
        put_items(b, v, p);
    else
        buf_u16be(b, p->id);
}

static size_t end_size(uint8_t v, const struct mqtt_packet *p)
{
    return ack_size(v, p) - 2;
}

static void put_end(struct buf *b, uint8_t v, const struct mqtt_packet *p)
{
    if (v != MQTT_5 || (!p->code && !has_props(v, p))) return;
    buf_u8(b, p->code);
    if (has_props(v, p)) put_props(b, v, &p->props);
}

static size_t no_size(uint8_t v, const struct mqtt_packet *p)
{
    return 0;
}
static void put_nothing(struct buf *b, uint8_t v, const struct mqtt_packet *p) {}

static const struct writer writers[16] = {
    [MQTT_CONNECT] = {connect_size, put_connect, 0},
    [MQTT_CONNACK] = {connack_size, put_connack, 0},
    [MQTT_PUBLISH] = {publish_size, put_publish, 0},
    [MQTT_PUBACK] = {ack_size, put_ack, 0},
    [MQTT_PUBREC] = {ack_size, put_ack, 0},
    [MQTT_PUBREL] = {ack_size, put_ack, 2},
    [MQTT_PUBCOMP] = {ack_size, put_ack, 0},
    [MQTT_SUBSCRIBE] = {items_size, put_items, 2},
    [MQTT_SUBACK] = {items_size, put_items, 0},
    [MQTT_UNSUBSCRIBE] = {items_size, put_items, 2},
    [MQTT_UNSUBACK] = {unsuback_size, put_unsuback, 0},
    [MQTT_PINGREQ] = {no_size, put_nothing, 0},
    [MQTT_PINGRESP] = {no_size, put_nothing, 0},
    [MQTT_DISCONNECT] = {end_size, put_end, 0},
    [MQTT_AUTH] = {end_size, put_end, 0},
};

size_t mqtt_size(uint8_t version, const struct mqtt_packet *p)
{
    size_t n = writers[p->type & 15].size ? writers[p->type & 15].size(version, p) : MQTT_LENGTH_MAX + 1ul;
    return n > MQTT_LENGTH_MAX ? 0 : n + 1 + mqtt_varint_size((uint32_t)n);
}

void mqtt_write(struct buf *b, uint8_t version, const struct mqtt_packet *p)
{
    const struct writer *w = &writers[p->type & 15];
    size_t n = w->size ? w->size(version, p) : MQTT_LENGTH_MAX + 1ul;
    if (n > MQTT_LENGTH_MAX) {
        b->err = ERR_TOO_LARGE;
        return;
    }
    uint8_t flags = p->type == MQTT_PUBLISH ? (uint8_t)(p->dup << 3 | p->qos << 1 | p->retain) : w->flags;
    buf_u8(b, (uint8_t)(p->type << 4 | flags));
    mqtt_put_varint(b, (uint32_t)n);
    w->put(b, version, p);
}

void mqtt_write_ack(struct buf *b, uint8_t version, uint8_t type, uint16_t id, uint8_t code)
{
    bool with_code = version == MQTT_5 && code;
    uint8_t out[5] = {(uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0)), with_code ? 3 : 2, (uint8_t)(id >> 8),
                      (uint8_t)id, code};
    buf_add(b, out, with_code ? 5 : 4);
}

void mqtt_item_write(uint8_t type, struct buf *items, const struct mqtt_item *i)
{
    mqtt_put_text(items, i->filter);
    if (type == MQTT_SUBSCRIBE)
        buf_u8(items, (uint8_t)(i->qos | i->no_local << 2 | i->as_published << 3 | i->retain_handling << 4));
}
