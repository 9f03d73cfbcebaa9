/* mqtt_props.c - properties of 5.0 (section 2.2.2.2) by one table: id, type, where it may stand, what it may be. */
#include "proto/mqtt_int.h"
#include "base/utf8.h"

enum type { BYTE, U16, U32, VARINT, TEXT, BINARY, PAIR };
#define B(t) MQTT_BIT(MQTT_##t)
#define WILL MQTT_BIT(MQTT_WILL)
#define ACKS (B(PUBACK) | B(PUBREC) | B(PUBREL) | B(PUBCOMP) | B(SUBACK) | B(UNSUBACK))

static const struct row {
    uint8_t id, type, place; /* place: enum mqtt_num or mqtt_text */
    uint32_t where;
    uint32_t min, max; /* of numbers; 0,0: any */
    const char *name;
} rows[] = {
    {0x01, BYTE, MQTT_N_PAYLOAD_FORMAT, B(PUBLISH) | WILL, 0, 1, "payload format"},
    {0x02, U32, MQTT_N_EXPIRY, B(PUBLISH) | WILL, 0, 0, "message expiry"},
    {0x03, TEXT, MQTT_T_CONTENT_TYPE, B(PUBLISH) | WILL, 0, 0, "content type"},
    {0x08, TEXT, MQTT_T_RESPONSE_TOPIC, B(PUBLISH) | WILL, 0, 0, "response topic"},
    {0x09, BINARY, MQTT_T_CORRELATION, B(PUBLISH) | WILL, 0, 0, "correlation data"},
    {0x0b, VARINT, MQTT_N_SUBSCRIPTION_ID, B(PUBLISH) | B(SUBSCRIBE), 1, MQTT_LENGTH_MAX, "subscription id"},
    {0x11, U32, MQTT_N_SESSION_EXPIRY, B(CONNECT) | B(CONNACK) | B(DISCONNECT), 0, 0, "session expiry"},
    {0x12, TEXT, MQTT_T_ASSIGNED_ID, B(CONNACK), 0, 0, "assigned client id"},
    {0x13, U16, MQTT_N_SERVER_KEEP_ALIVE, B(CONNACK), 0, 0, "server keep alive"},
    {0x15, TEXT, MQTT_T_AUTH_METHOD, B(CONNECT) | B(CONNACK) | B(AUTH), 0, 0, "authentication method"},
    {0x16, BINARY, MQTT_T_AUTH_DATA, B(CONNECT) | B(CONNACK) | B(AUTH), 0, 0, "authentication data"},
    {0x17, BYTE, MQTT_N_PROBLEM_INFO, B(CONNECT), 0, 1, "request problem information"},
    {0x18, U32, MQTT_N_WILL_DELAY, WILL, 0, 0, "will delay"},
    {0x19, BYTE, MQTT_N_RESPONSE_INFO_WANTED, B(CONNECT), 0, 1, "request response information"},
    {0x1a, TEXT, MQTT_T_RESPONSE_INFO, B(CONNACK), 0, 0, "response information"},
    {0x1c, TEXT, MQTT_T_SERVER_REFERENCE, B(CONNACK) | B(DISCONNECT), 0, 0, "server reference"},
    {0x1f, TEXT, MQTT_T_REASON, B(CONNACK) | ACKS | B(DISCONNECT) | B(AUTH), 0, 0, "reason"},
    {0x21, U16, MQTT_N_RECEIVE_MAXIMUM, B(CONNECT) | B(CONNACK), 1, 65535, "receive maximum"},
    {0x22, U16, MQTT_N_ALIAS_MAXIMUM, B(CONNECT) | B(CONNACK), 0, 0, "topic alias maximum"},
    {0x23, U16, MQTT_N_ALIAS, B(PUBLISH), 1, 65535, "topic alias"},
    {0x24, BYTE, MQTT_N_MAXIMUM_QOS, B(CONNACK), 0, 1, "maximum QoS"},
    {0x25, BYTE, MQTT_N_RETAIN_AVAILABLE, B(CONNACK), 0, 1, "retain available"},
    {0x26, PAIR, 0, 0xffff, 0, 0, "user property"},
    {0x27, U32, MQTT_N_MAXIMUM_PACKET, B(CONNECT) | B(CONNACK), 1, UINT32_MAX, "maximum packet size"},
    {0x28, BYTE, MQTT_N_WILDCARDS_AVAILABLE, B(CONNACK), 0, 1, "wildcards available"},
    {0x29, BYTE, MQTT_N_IDS_AVAILABLE, B(CONNACK), 0, 1, "subscription ids available"},
    {0x2a, BYTE, MQTT_N_SHARED_AVAILABLE, B(CONNACK), 0, 1, "shared subscriptions available"},
};
#define ROWS (sizeof rows / sizeof *rows)

static const struct row *row_of(uint8_t id)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].id == id) return &rows[i];
    return NULL;
}

static bool is_number(const struct row *row)
{
    return row->type <= VARINT;
}

bool mqtt_num_get(const struct mqtt_props *p, enum mqtt_num n, uint32_t *ret)
{
    if (!(p->nums >> n & 1)) return false;
    *ret = p->num[n];
    return true;
}

void mqtt_num_set(struct mqtt_props *p, enum mqtt_num n, uint32_t v)
{
    p->nums |= 1u << n;
    p->num[n] = v;
}

void mqtt_text_set(struct mqtt_props *p, enum mqtt_text t, struct str v)
{
    p->texts |= 1u << t;
    p->text[t] = v;
}

/* ---- reading ---- */

static int take_value(struct rd *r, const struct row *row, struct mqtt_prop *ret, struct mqtt_fault *why)
{
    int rc = 0;
    switch (row->type) {
    case BYTE: ret->num = rd_u8(r); break;
    case U16: ret->num = rd_u16be(r); break;
    case U32: ret->num = rd_u32be(r); break;
    case VARINT: rc = mqtt_take_varint(r, &ret->num, why); break;
    case BINARY: rc = mqtt_take_bytes(r, &ret->text, why); break;
    case PAIR:
    case TEXT: rc = mqtt_take_text(r, &ret->text, why); break;
    }
    if (!rc && row->type == PAIR) rc = mqtt_take_text(r, &ret->value, why);
    return rc || !r->err ? rc : mqtt_refuse(why, MQTT_MALFORMED, "a property is cut short", "属性不完整");
}

static int take_prop(struct rd *r, const struct row **ret_row, struct mqtt_prop *ret, struct mqtt_fault *why)
{
    uint8_t id = rd_u8(r);
    const struct row *row = row_of(id);
    if (!row) return mqtt_refuse(why, MQTT_MALFORMED, "there is no property of this id", "属性标识未知");
    *ret = (struct mqtt_prop){.id = id, .name = row->name};
    *ret_row = row;
    return take_value(r, row, ret, why);
}

int mqtt_prop_next(struct str *raw, struct mqtt_prop *ret)
{
    const struct row *row;
    struct mqtt_fault why;
    if (!raw->n) return 0;
    struct rd r = rd_make(raw->p, raw->n);
    int rc = take_prop(&r, &row, ret, &why);
    *raw = rc ? STR("") : str_make((const char *)r.p, rd_left(&r));
    return rc ? rc : 1;
}

static int keep_prop(const struct row *row, const struct mqtt_prop *v, uint8_t type, struct mqtt_props *p,
                     struct mqtt_fault *why)
{
    uint32_t *have = is_number(row) ? &p->nums : &p->texts, bit = 1u << row->place;
    if (!(row->where >> type & 1))
        return mqtt_refuse(why, MQTT_PROTOCOL, "a property does not belong in this packet", "该报文不应有此属性");
    if (row->type == PAIR) return 0;
    bool repeats = row->id == 0x0b && type == MQTT_PUBLISH;
    if ((*have & bit) && !repeats) return mqtt_refuse(why, MQTT_PROTOCOL, "a property stands twice", "属性重复");
    if (is_number(row) && row->max && (v->num < row->min || v->num > row->max))
        return mqtt_refuse(why, MQTT_PROTOCOL, "a property is out of its range", "属性值超出范围");
    *have |= bit;
    if (is_number(row))
        p->num[row->place] = v->num;
    else
        p->text[row->place] = v->text;
    return 0;
}

int mqtt_take_props(struct rd *r, uint8_t type, struct mqtt_props *ret, struct mqtt_fault *why)
{
    uint32_t n;
    int rc = mqtt_take_varint(r, &n, why);
    if (rc) return rc;
    if (n > rd_left(r)) return mqtt_refuse(why, MQTT_MALFORMED, "properties are cut short", "属性区不完整");
    ret->nums = ret->texts = 0;
    ret->extra = STR("");
    ret->raw = str_make((const char *)rd_bytes(r, n), n);
    struct rd in = rd_make(ret->raw.p, n);
    while (!rc && rd_left(&in)) {
        const struct row *row;
        struct mqtt_prop v;
        rc = take_prop(&in, &row, &v, why);
        if (!rc) rc = keep_prop(row, &v, type, ret, why);
    }
    return rc;
}

/* ---- writing ---- */

static size_t value_size(const struct row *row, uint32_t num, struct str text)
{
    static const uint8_t fixed[] = {[BYTE] = 1, [U16] = 2, [U32] = 4};
    if (row->type <= U32) return fixed[row->type];
    return row->type == VARINT ? mqtt_varint_size(num) : 2 + text.n;
}

static bool is_set(const struct mqtt_props *p, const struct row *row)
{
    return row->type != PAIR && ((is_number(row) ? p->nums : p->texts) >> row->place & 1);
}

size_t mqtt_props_size(const struct mqtt_props *p)
{
    size_t n = p->extra.n;
    if (!p->nums && !p->texts) return n;
    for (size_t i = 0; i < ROWS; i++)
        if (is_set(p, &rows[i]))
            n += 1 + value_size(&rows[i], is_number(&rows[i]) ? p->num[rows[i].place] : 0,
                                is_number(&rows[i]) ? STR("") : p->text[rows[i].place]);
    return n;
}

static void put_value(struct buf *b, const struct row *row, const struct mqtt_props *p)
{
    buf_u8(b, row->id);
    switch (row->type) {
    case BYTE: buf_u8(b, (uint8_t)p->num[row->place]); break;
    case U16: buf_u16be(b, (uint16_t)p->num[row->place]); break;
    case U32: buf_u32be(b, p->num[row->place]); break;
    case VARINT: mqtt_put_varint(b, p->num[row->place]); break;
    default: mqtt_put_text(b, p->text[row->place]);
    }
}

void mqtt_put_props(struct buf *b, const struct mqtt_props *p)
{
    mqtt_put_varint(b, (uint32_t)mqtt_props_size(p));
    if (p->nums || p->texts)
        for (size_t i = 0; i < ROWS; i++)
            if (is_set(p, &rows[i])) put_value(b, &rows[i], p);
    buf_str(b, p->extra);
}

void mqtt_user_property(struct buf *extra, struct str name, struct str value)
{
    buf_u8(extra, 0x26);
    mqtt_put_text(extra, name);
    mqtt_put_text(extra, value);
}

void mqtt_props_forward(struct str raw, struct buf *out)
{
    struct mqtt_prop v;
    for (const char *from = raw.p; mqtt_prop_next(&raw, &v) == 1;) {
        const char *to = raw.p;
        if (v.id != 0x02 && v.id != 0x0b && v.id != 0x23) buf_add(out, from, (size_t)(to - from));
        from = to;
    }
}
