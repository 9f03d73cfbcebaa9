/* mqtt_words.c - packets and codes in words, English and Chinese. */
#include "proto/mqtt_int.h"

const char *mqtt_reason_words(uint8_t code, bool zh)
{
    static const struct {
        uint8_t code;
        const char *en, *zh;
    } rows[] = {
#define X(name, value, en, zh) {value, en, zh},
        MQTT_REASONS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].code == code) return zh ? rows[i].zh : rows[i].en;
    return zh ? "未知原因码" : "unknown reason";
}

const char *mqtt_type_name(uint8_t type)
{
    static const char *const names[16] = {"reserved", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
                                          "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
                                          "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};
    return names[type & 15];
}

uint8_t mqtt_return_code(uint8_t reason)
{
    switch (reason) {
    case MQTT_SUCCESS: return 0;
    case MQTT_VERSION: return 1;
    case MQTT_CLIENT_ID: return 2;
    case MQTT_CREDENTIALS:
    case MQTT_AUTH_METHOD: return 4;
    case MQTT_NOT_AUTHORIZED:
    case MQTT_BANNED: return 5;
    default: return 3;
    }
}

static void say_text(struct buf *b, struct str s)
{
    struct str part = str_sub(s, 0, 200);
    buf_u8(b, '"');
    for (size_t i = 0; i < part.n; i++) buf_u8(b, (unsigned char)part.p[i] < ' ' ? '.' : (uint8_t)part.p[i]);
    buf_z(b, part.n < s.n ? "…\"" : "\"");
}

static void say_props(struct buf *b, const struct mqtt_props *p)
{
    struct str rest = p->raw;
    struct mqtt_prop v;
    while (mqtt_prop_next(&rest, &v) == 1) {
        buf_printf(b, ", %s ", v.name);
        if (v.text.p)
            say_text(b, v.text);
        else
            buf_printf(b, "%u", v.num);
        if (v.value.p) {
            buf_z(b, "=");
            say_text(b, v.value);
        }
    }
}

static void say_connect(struct buf *b, const struct mqtt_packet *p, bool zh)
{
    buf_printf(b, zh ? " MQTT %s，客户端 " : " MQTT %s, client ",
               p->version == MQTT_5       ? "5.0"
               : p->version == MQTT_3_1_1 ? "3.1.1"
                                          : "3.1");
    say_text(b, p->client_id);
    buf_printf(b, zh ? "，保活 %u 秒，%s会话" : ", keep alive %u s, %s session", p->keep_alive,
               zh ? (p->clean ? "新" : "持久") : (p->clean ? "clean" : "persistent"));
    if (p->has_user) buf_z(b, zh ? "，带用户名" : ", with user name"); /* which may be a token: not shown */
    if (!p->has_will) return;
    buf_z(b, zh ? "，遗嘱主题 " : ", will to ");
    say_text(b, p->will_topic);
}

static void say_publish(struct buf *b, const struct mqtt_packet *p, bool zh)
{
    buf_z(b, " ");
    say_text(b, p->topic);
    buf_printf(b, ", QoS %u", p->qos);
    if (p->qos) buf_printf(b, ", id %u", p->id);
    if (p->dup) buf_z(b, zh ? "，重发" : ", duplicate");
    if (p->retain) buf_z(b, zh ? "，保留" : ", retain");
    buf_printf(b, zh ? "，%zu 字节 " : ", %zu bytes ", p->payload.n);
    say_text(b, p->payload);
}

static void say_items(struct buf *b, const struct mqtt_packet *p)
{
    struct str rest = p->items;
    struct mqtt_item i;
    buf_printf(b, " id %u", p->id);
    while (mqtt_item_next(p->type, &rest, &i) == 1) {
        buf_z(b, " ");
        say_text(b, i.filter);
        if (p->type == MQTT_SUBSCRIBE) buf_printf(b, " QoS %u", i.qos);
    }
}

static void say_codes(struct buf *b, const struct mqtt_packet *p, bool zh)
{
    buf_printf(b, " id %u", p->id);
    for (size_t i = 0; i < p->items.n; i++)
        buf_printf(b, " %02x (%s)", (uint8_t)p->items.p[i], mqtt_reason_words((uint8_t)p->items.p[i], zh));
}

static void say_code(struct buf *b, const struct mqtt_packet *p, bool zh)
{
    if (p->type >= MQTT_PUBACK && p->type <= MQTT_PUBCOMP) buf_printf(b, " id %u", p->id);
    if (p->type == MQTT_CONNACK && p->session_present) buf_z(b, zh ? " 会话存在" : " session present");
    buf_printf(b, " %02x (%s)", p->code, mqtt_reason_words(p->code, zh));
}

static void say_packet(struct buf *b, const struct mqtt_packet *p, bool zh)
{
    switch (p->type) {
    case MQTT_CONNECT: say_connect(b, p, zh); break;
    case MQTT_PUBLISH: say_publish(b, p, zh); break;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE: say_items(b, p); break;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK: say_codes(b, p, zh); break;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP: return;
    default: say_code(b, p, zh);
    }
    say_props(b, &p->props);
}

void mqtt_describe(struct buf *out, uint8_t version, const uint8_t *p, size_t n, bool zh)
{
    struct mqtt_head h;
    struct mqtt_packet k;
    struct mqtt_fault why = {0};
    memset(&k, 0, sizeof k);
    int rc = mqtt_head(p, n, MQTT_LENGTH_MAX + 5ul, &h, &why);
    if (rc == 0 || (rc == 1 && n < (size_t)h.size + h.length)) {
        buf_printf(out, zh ? "%s（不完整）" : "%s (cut short)", n ? mqtt_type_name(p[0] >> 4) : "-");
        return;
    }
    buf_z(out, mqtt_type_name(p[0] >> 4));
    if (rc == 1) rc = mqtt_parse(version, &h, p + h.size, &k, &why) ? -1 : 1;
    if (rc < 0)
        buf_printf(out, zh ? "：%s" : ": %s", zh ? why.zh : why.en);
    else
        say_packet(out, &k, zh);
}
