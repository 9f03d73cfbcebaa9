/* mqtt_parse.c - packets from bytes; the format stands in mqtt.h. One function per shape of packet, chosen by a table
 * that also says what the low bits of the first byte must be (section 2.1.3). */
#include "proto/mqtt_int.h"
#include "base/utf8.h"

int mqtt_refuse(struct mqtt_fault *why, uint8_t code, const char *en, const char *zh)
{
    *why = (struct mqtt_fault){code, en, zh};
    return -code;
}
#define malformed(why, en, zh) mqtt_refuse(why, MQTT_MALFORMED, en, zh)
#define broken(why, en, zh) mqtt_refuse(why, MQTT_PROTOCOL, en, zh)

int mqtt_take_varint(struct rd *r, uint32_t *ret, struct mqtt_fault *why)
{
    uint32_t v = 0;
    for (unsigned shift = 0; shift < 28; shift += 7) {
        uint8_t c = rd_u8(r);
        v |= (uint32_t)(c & 0x7f) << shift;
        if (c & 0x80) continue;
        if (r->err) break;
        if (shift && !c) return malformed(why, "a number is not in its shortest form", "变长整数非最短形式");
        *ret = v;
        return 0;
    }
    return malformed(why, "a number of variable length is broken", "变长整数错误");
}

int mqtt_take_bytes(struct rd *r, struct str *ret, struct mqtt_fault *why)
{
    uint16_t n = rd_u16be(r);
    const uint8_t *p = rd_bytes(r, n);
    if (r->err) return malformed(why, "a text is longer than the packet", "字符串超出报文");
    *ret = str_make((const char *)p, n);
    return 0;
}

int mqtt_take_text(struct rd *r, struct str *ret, struct mqtt_fault *why)
{
    int rc = mqtt_take_bytes(r, ret, why);
    if (rc) return rc;
    if (!utf8_valid(*ret) || (ret->n && memchr(ret->p, '\0', ret->n)))
        return malformed(why, "a text is not UTF-8 or holds U+0000", "字符串不是 UTF-8 或含 U+0000");
    return 0;
}

int mqtt_head(const uint8_t *p, size_t n, size_t max, struct mqtt_head *ret, struct mqtt_fault *why)
{
    uint32_t v = 0;
    if (n && !(p[0] >> 4)) return malformed(why, "type 0 is reserved", "报文类型 0 保留");
    for (unsigned i = 1; i < 5; i++) {
        if (i >= n) return 0;
        v |= (uint32_t)(p[i] & 0x7f) << (7 * (i - 1));
        if (p[i] & 0x80) continue;
        if (i > 1 && !p[i]) return malformed(why, "the length is not in its shortest form", "剩余长度非最短形式");
        if ((size_t)v + i + 1 > max)
            return mqtt_refuse(why, MQTT_TOO_LARGE, "the packet is larger than is taken", "报文超过上限");
        *ret = (struct mqtt_head){p[0], (uint8_t)(i + 1), v};
        return 1;
    }
    return malformed(why, "the length has more than four bytes", "剩余长度超过四字节");
}

struct parser {
    uint8_t version, type;
    struct rd r;
    struct mqtt_packet *p;
    struct mqtt_fault *why;
};

static int props_of(struct parser *s, uint8_t type, struct mqtt_props *ret)
{
    ret->nums = ret->texts = 0;
    ret->raw = ret->extra = STR("");
    return s->version == MQTT_5 ? mqtt_take_props(&s->r, type, ret, s->why) : 0;
}

static int take_id(struct parser *s)
{
    s->p->id = rd_u16be(&s->r);
    if (s->r.err) return malformed(s->why, "the packet identifier is missing", "缺少报文标识");
    return s->p->id ? 0 : broken(s->why, "the packet identifier is 0", "报文标识为 0");
}

/* ---- CONNECT ---- */

static int take_version(struct parser *s)
{
    struct str name;
    int rc = mqtt_take_bytes(&s->r, &name, s->why);
    if (rc) return rc;
    uint8_t level = rd_u8(&s->r);
    s->p->bridge = level == (0x80 | MQTT_3_1) || level == (0x80 | MQTT_3_1_1); /* mosquitto's: another broker */
    if (s->p->bridge) level &= 0x7f;
    bool old = str_is(name, "MQIsdp") && level == MQTT_3_1;
    if (!str_is(name, "MQTT") && !old) return mqtt_refuse(s->why, MQTT_VERSION, "this is not MQTT", "不是 MQTT 协议");
    if (!old && level != MQTT_3_1_1 && level != MQTT_5)
        return mqtt_refuse(s->why, MQTT_VERSION, "only MQTT 3.1, 3.1.1 and 5.0 are spoken",
                           "仅支持 MQTT 3.1、3.1.1、5.0");
    s->version = s->p->version = level;
    return 0;
}

static int take_flags(struct parser *s)
{
    uint8_t f = rd_u8(&s->r);
    struct mqtt_packet *p = s->p;
    p->clean = f >> 1 & 1;
    p->has_will = f >> 2 & 1;
    p->will_qos = f >> 3 & 3;
    p->will_retain = f >> 5 & 1;
    p->has_password = f >> 6 & 1;
    p->has_user = f >> 7;
    if (f & 1) return malformed(s->why, "the reserved flag of CONNECT is set", "CONNECT 保留位被置位");
    if (p->will_qos == 3 || (!p->has_will && (p->will_qos || p->will_retain)))
        return malformed(s->why, "the will's flags are impossible", "遗嘱标志错误");
    if (p->has_password && !p->has_user && s->version != MQTT_5)
        return malformed(s->why, "a password needs a user name", "有密码必须有用户名");
    return 0;
}

static int take_will(struct parser *s)
{
    struct mqtt_packet *p = s->p;
    int rc = props_of(s, MQTT_WILL, &p->will_props);
    if (!rc) rc = mqtt_take_text(&s->r, &p->will_topic, s->why);
    if (!rc) rc = mqtt_take_bytes(&s->r, &p->will_payload, s->why);
    if (!rc && !mqtt_topic_ok(p->will_topic))
        rc = mqtt_refuse(s->why, MQTT_TOPIC, "the will's topic is not a name", "遗嘱主题名无效");
    return rc;
}

static int parse_connect(struct parser *s)
{
    struct mqtt_packet *p = s->p;
    p->user = p->password = p->will_topic = p->will_payload = STR("");
    int rc = take_version(s);
    if (!rc) rc = take_flags(s);
    p->keep_alive = rd_u16be(&s->r);
    if (!rc) rc = props_of(s, MQTT_CONNECT, &p->props);
    if (!rc) rc = mqtt_take_text(&s->r, &p->client_id, s->why);
    if (!rc && p->has_will) rc = take_will(s);
    if (!rc && p->has_user) rc = mqtt_take_text(&s->r, &p->user, s->why);
    if (!rc && p->has_password) rc = mqtt_take_bytes(&s->r, &p->password, s->why);
    return rc;
}

/* ---- the others ---- */

static int parse_connack(struct parser *s)
{
    uint8_t f = rd_u8(&s->r);
    s->p->session_present = f & 1;
    s->p->code = rd_u8(&s->r);
    if (f & 0xfe) return malformed(s->why, "a reserved flag of CONNACK is set", "CONNACK 保留位被置位");
    return props_of(s, MQTT_CONNACK, &s->p->props);
}

static int parse_publish(struct parser *s)
{
    struct mqtt_packet *p = s->p;
    if (p->qos == 3) return malformed(s->why, "QoS 3 does not exist", "不存在 QoS 3");
    if (p->dup && !p->qos) return malformed(s->why, "DUP with QoS 0", "QoS 0 不应有 DUP");
    int rc = mqtt_take_text(&s->r, &p->topic, s->why);
    p->id = 0;
    if (!rc && p->qos) rc = take_id(s);
    if (!rc) rc = props_of(s, MQTT_PUBLISH, &p->props);
    if (rc) return rc;
    bool aliased = p->props.nums >> MQTT_N_ALIAS & 1;
    if (!(aliased && !p->topic.n) && !mqtt_topic_ok(p->topic))
        return mqtt_refuse(s->why, MQTT_TOPIC, "the topic is empty or holds a wildcard", "主题为空或含通配符");
    if ((p->props.texts >> MQTT_T_RESPONSE_TOPIC & 1) && !mqtt_topic_ok(p->props.text[MQTT_T_RESPONSE_TOPIC]))
        return broken(s->why, "the response topic is empty or holds a wildcard", "响应主题为空或含通配符");
    p->payload = str_make((const char *)s->r.p, rd_left(&s->r));
    s->r.p = s->r.end;
    return 0;
}

static int parse_ack(struct parser *s)
{
    int rc = take_id(s);
    s->p->code = 0;
    if (!rc && s->version == MQTT_5 && rd_left(&s->r)) s->p->code = rd_u8(&s->r);
    s->p->props.nums = s->p->props.texts = 0;
    if (rc || s->version != MQTT_5 || !rd_left(&s->r)) return rc;
    return props_of(s, s->type, &s->p->props);
}

static int check_items(struct parser *s)
{
    struct str rest = s->p->items;
    struct rd r = rd_make(rest.p, rest.n);
    int rc = rest.n ? 0 : broken(s->why, "there is no topic filter", "没有主题过滤器");
    while (!rc && rd_left(&r)) {
        struct str filter;
        rc = mqtt_take_text(&r, &filter, s->why);
        if (rc || s->type == MQTT_UNSUBSCRIBE) continue;
        uint8_t o = rd_u8(&r), reserved = s->version == MQTT_5 ? 0xc0 : 0xfc;
        if (r.err || (o & reserved) || (o & 3) == 3 || (o >> 4 & 3) == 3)
            rc = malformed(s->why, "the options of a subscription are impossible", "订阅选项错误");
    }
    return rc;
}

static int parse_items(struct parser *s)
{
    int rc = take_id(s);
    if (!rc) rc = props_of(s, s->type, &s->p->props);
    if (rc) return rc;
    s->p->items = str_make((const char *)s->r.p, rd_left(&s->r));
    s->r.p = s->r.end;
    return check_items(s);
}

static int parse_codes(struct parser *s)
{
    int rc = take_id(s);
    if (!rc) rc = props_of(s, s->type, &s->p->props);
    s->p->items = str_make((const char *)s->r.p, rd_left(&s->r));
    s->r.p = s->r.end;
    if (!rc && !s->p->items.n && (s->version == MQTT_5 || s->type == MQTT_SUBACK))
        rc = broken(s->why, "there is no reason code", "没有原因码");
    return rc;
}

static int parse_end(struct parser *s) /* DISCONNECT, AUTH */
{
    s->p->code = 0;
    s->p->props.nums = s->p->props.texts = 0;
    if (s->version != MQTT_5 || !rd_left(&s->r)) return 0;
    s->p->code = rd_u8(&s->r);
    return rd_left(&s->r) ? props_of(s, s->type, &s->p->props) : 0;
}

static int parse_nothing(struct parser *s)
{
    return 0;
}

static const struct shape {
    int (*parse)(struct parser *s);
    uint8_t flags; /* of the first byte; 0xff: any */
} shapes[16] = {
    [MQTT_CONNECT] = {parse_connect, 0},   [MQTT_CONNACK] = {parse_connack, 0}, [MQTT_PUBLISH] = {parse_publish, 0xff},
    [MQTT_PUBACK] = {parse_ack, 0},        [MQTT_PUBREC] = {parse_ack, 0},      [MQTT_PUBREL] = {parse_ack, 2},
    [MQTT_PUBCOMP] = {parse_ack, 0},       [MQTT_SUBSCRIBE] = {parse_items, 2}, [MQTT_SUBACK] = {parse_codes, 0},
    [MQTT_UNSUBSCRIBE] = {parse_items, 2}, [MQTT_UNSUBACK] = {parse_codes, 0},  [MQTT_PINGREQ] = {parse_nothing, 0},
    [MQTT_PINGRESP] = {parse_nothing, 0},  [MQTT_DISCONNECT] = {parse_end, 0},  [MQTT_AUTH] = {parse_end, 0},
};

int mqtt_parse(uint8_t version, const struct mqtt_head *h, const uint8_t *body, struct mqtt_packet *ret,
               struct mqtt_fault *why)
{
    uint8_t flags = h->first & 15;
    struct parser s = {.version = version, .type = h->first >> 4, .r = rd_make(body, h->length), .p = ret, .why = why};
    const struct shape *shape = &shapes[s.type];
    if (!shape->parse) return malformed(why, "type 0 is reserved", "报文类型 0 保留");
    if (s.type == MQTT_AUTH && version != MQTT_5) return malformed(why, "AUTH is of 5.0", "AUTH 仅用于 5.0");
    if (shape->flags != 0xff && shape->flags != flags)
        return malformed(why, "the flags of the packet are not those of its type", "报文标志位错误");
    ret->type = s.type;
    ret->dup = flags >> 3 & 1;
    ret->qos = flags >> 1 & 3;
    ret->retain = flags & 1;
    int rc = shape->parse(&s);
    if (!rc && s.r.err) return malformed(why, "the packet is too short", "报文过短");
    if (!rc && rd_left(&s.r))
        return malformed(why, "bytes are left over at the end of the packet", "报文末尾有多余字节");
    return rc;
}

int mqtt_item_next(uint8_t type, struct str *items, struct mqtt_item *ret)
{
    struct mqtt_fault why;
    if (!items->n) return 0;
    struct rd r = rd_make(items->p, items->n);
    if (mqtt_take_text(&r, &ret->filter, &why)) return 0;
    uint8_t o = type == MQTT_SUBSCRIBE ? rd_u8(&r) : 0;
    ret->qos = o & 3;
    ret->no_local = o >> 2 & 1;
    ret->as_published = o >> 3 & 1;
    ret->retain_handling = o >> 4 & 3;
    *items = str_make((const char *)r.p, rd_left(&r));
    return 1;
}
