/* point.c - one point: from address and options to its place on the wire, and its bytes to a value. */
#include "drivers/common/registry.h"
#include "drivers/modbus/modbus_int.h"
#include "base/utf8.h"

static const int8_t areas[] = {-1, MODBUS_COIL, MODBUS_DISCRETE, MODBUS_INPUT, MODBUS_HOLDING};

void mb_device_init(struct mb_device *d, const struct driver_device *dd, const struct options *o)
{
    *d = (struct mb_device){
        .num = dd ? dd->num : 0,
        .unit = (uint8_t)opt_i64(o, "unit", 1),
        .order = (uint8_t)opt_enum(o, "byte_order", MODBUS_ABCD),
        .area = areas[opt_enum(o, "area", 0)],
        .zero_based = opt_bool(o, "zero_based", false),
        .mask_write = opt_bool(o, "mask_write", true),
        .write_multiple = opt_bool(o, "write_multiple", false),
        .timeout_ms = (uint32_t)opt_ms(o, "timeout", 0),
    };
    str_to_cstr(str_of(dd && dd->code ? dd->code : ""), d->code, sizeof d->code);
}

static enum value_type natural_type(const struct modbus_address *a)
{
    if (modbus_area_bits(a->area) || a->bit >= 0) return VALUE_BOOL;
    return a->length ? VALUE_STRING : VALUE_UINT16;
}

static int check_type(enum value_type t, const struct modbus_address *a, const char *text, struct error *e)
{
    if (modbus_area_bits(a->area) && t != VALUE_BOOL)
        return error_set(e, ERR_INVALID, "type", "%s is a coil or discrete input: its type is bool, not %s",
                         "%s 是线圈或离散输入，类型应为 bool，而不是 %s", text, value_type_name(t));
    if (t == VALUE_BOOL && !modbus_area_bits(a->area) && a->bit < 0)
        return error_set(e, ERR_INVALID, "address", "bool in a register needs a bit number: %s.0 to %s.15",
                         "寄存器中的 bool 需要位号：%s.0 至 %s.15", text, text);
    if (t != VALUE_BOOL && a->bit >= 0)
        return error_set(e, ERR_INVALID, "type", "%s names one bit: its type is bool, not %s",
                         "%s 指定了位号，类型应为 bool，而不是 %s", text, value_type_name(t));
    if (t == VALUE_STRING && a->length == 0)
        return error_set(e, ERR_INVALID, "address", "a text needs its length: %s.10H or the option 'length'",
                         "字符串需要长度：%s.10H 或选项 length", text);
    return 0;
}

static unsigned registers_of(enum value_type t, const struct modbus_address *a)
{
    bool one_each = a->text == MODBUS_TEXT_D || a->text == MODBUS_TEXT_E;
    if (t == VALUE_BOOL) return 1;
    if (t == VALUE_STRING) return one_each ? a->length : (a->length + 1) / 2;
    return (value_type_bytes(t) + 1) / 2;
}

static void fill_address(const struct modbus_address *a, enum value_type t, struct driver_address *ret)
{
    char text[MODBUS_ADDRESS_MAX];
    snprintf(ret->canonical, sizeof ret->canonical, "%s", modbus_address_format(a, text));
    ret->type = t;
    ret->writable = a->area == MODBUS_COIL || a->area == MODBUS_HOLDING;
}

static int choose_order(const struct driver_point *p, const struct mb_device *d, const struct modbus_address *a)
{
    if (a->order >= 0) return a->order;
    return opt_enum(p->options, "byte_order", d->order);
}

int mb_point_resolve(const struct driver_point *p, const struct mb_device *d, struct mb_point *ret,
                     struct driver_address *addr, struct error *e)
{
    struct modbus_address_hint hint = {d->area, d->zero_based, p->type == VALUE_STRING};
    struct modbus_address a;
    int rc = modbus_address_parse(str_of(p->address ? p->address : ""), &hint, &a, e);
    if (rc) return rc;
    if (p->type == VALUE_STRING && a.length == 0) a.length = (unsigned)opt_i64(p->options, "length", 0);
    enum value_type t = p->type == VALUE_AUTO ? natural_type(&a) : p->type;
    rc = check_type(t, &a, p->address, e);
    unsigned count = registers_of(t, &a);
    if (rc) return rc;
    if (a.offset + count > 65536)
        return error_set(e, ERR_INVALID, "address", "%s and its %u registers pass the last register 465536",
                         "%s 连同其 %u 个寄存器超出末地址 465536", p->address, count);
    if (addr) fill_address(&a, t, addr);
    if (ret == NULL) return 0;
    *ret = (struct mb_point){.num = p->num,
                             .offset = a.offset,
                             .count = (uint16_t)count,
                             .area = (uint8_t)a.area,
                             .bit = (int8_t)a.bit,
                             .text = (uint8_t)a.text,
                             .length = (uint8_t)a.length,
                             .unit = a.unit >= 0 ? (uint8_t)a.unit : d->unit};
    ret->plain = !modbus_area_bits(a.area) && a.bit < 0 && t != VALUE_STRING && value_type_bytes(t) >= 2;
    ret->value = value_spec_of(p, t, (unsigned)choose_order(p, d, &a));
    return 0;
}

bool mb_point_writable(const struct mb_point *p)
{
    return p->area == MODBUS_COIL || p->area == MODBUS_HOLDING;
}

struct modbus_request mb_point_read(const struct mb_point *p)
{
    static const uint8_t functions[] = {MODBUS_READ_COILS, MODBUS_READ_DISCRETE, 0, MODBUS_READ_INPUT,
                                        MODBUS_READ_HOLDING};
    return (struct modbus_request){.function = functions[p->area], .address = p->offset, .count = p->count};
}

/* ---- bytes to value ---- */

/* Where character i of a text stands among the register bytes. */
static size_t text_place(const struct mb_point *p, size_t i)
{
    switch (p->text) {
    case MODBUS_TEXT_L: return i ^ 1;
    case MODBUS_TEXT_D: return 2 * i + 1;
    case MODBUS_TEXT_E: return 2 * i;
    default: return i;
    }
}

/* Ends at a zero byte; blanks at the end go; what is no UTF-8 becomes '?'. */
static size_t decode_text(const struct mb_point *p, const uint8_t *data, char *out)
{
    size_t n = 0, at = 0;
    for (; n < p->length && n < MB_TEXT_MAX && data[text_place(p, n)]; n++) out[n] = (char)data[text_place(p, n)];
    while (n && out[n - 1] == ' ') n--;
    while (at < n) {
        at += utf8_check(str_make(out + at, n - at));
        if (at < n) out[at++] = '?';
    }
    return n;
}

void mb_point_decode(const struct mb_point *p, const uint8_t *data, unsigned at, struct sample *s, char *text,
                     size_t *text_n)
{
    const uint8_t *raw = data + 2 * (size_t)at;
    uint8_t bit;
    if (p->plain) {
        value_decode(&p->value, raw, s);
    } else if (modbus_area_bits((enum modbus_area)p->area)) {
        bit = modbus_bit(data, at);
        value_decode(&p->value, &bit, s);
    } else if (p->bit >= 0) {
        unsigned order = p->value.order & ORDER_BYTES;
        unsigned word = order ? (unsigned)raw[1] << 8 | raw[0] : (unsigned)raw[0] << 8 | raw[1];
        bit = word >> p->bit & 1;
        value_decode(&p->value, &bit, s);
    } else if (p->value.type == VALUE_STRING) {
        *text_n = decode_text(p, raw, text);
        s->type = SAMPLE_STRING;
        s->quality = QUALITY_GOOD;
        s->flags = REASON_NONE;
    } else { /* one byte of a register: the low one */
        value_decode(&p->value, raw + (p->value.order & ORDER_BYTES ? 0 : 1), s);
    }
}

/* ---- value to bytes ---- */

static int encode_text(const struct mb_point *p, const char *text, size_t n, uint8_t *raw, struct error *e)
{
    if (n > p->length)
        return error_set(e, ERR_INVALID, "value", "the text has %zu bytes; there is room for %u",
                         "文本为 %zu 字节，最多 %u 字节", n, p->length);
    memset(raw, 0, 2 * (size_t)p->count);
    for (size_t i = 0; i < n; i++) raw[text_place(p, i)] = (uint8_t)text[i];
    return 0;
}

/* A part of a register: *mask says which bits the value has. */
static int encode_part(const struct mb_point *p, const struct sample *v, uint8_t *raw, uint16_t *mask, struct error *e)
{
    uint8_t part = 0;
    int rc = value_encode(&p->value, v, &part, e);
    bool swapped = p->value.order & ORDER_BYTES;
    unsigned shift = p->bit < 0 ? (swapped ? 8 : 0) : swapped ? (unsigned)p->bit ^ 8 : (unsigned)p->bit;
    uint16_t word = (uint16_t)(part << shift);
    *mask = (uint16_t)((p->bit < 0 ? 0xff : 1) << shift);
    raw[0] = (uint8_t)(word >> 8);
    raw[1] = (uint8_t)word;
    return rc;
}

/* *mask 0xffff: whole registers (or coils). */
int mb_point_encode(const struct mb_point *p, const struct sample *v, const char *text, size_t text_n, uint8_t *raw,
                    uint16_t *mask, struct error *e)
{
    *mask = 0xffff;
    if (p->value.type == VALUE_STRING) {
        if (v->type != SAMPLE_STRING)
            return error_set(e, ERR_INVALID, "value", "the value must be a text", "值应为文本");
        return encode_text(p, text, text_n, raw, e);
    }
    bool register_part =
        p->area == MODBUS_HOLDING && (p->bit >= 0 || value_type_bytes((enum value_type)p->value.type) == 1);
    return register_part ? encode_part(p, v, raw, mask, e) : value_encode(&p->value, v, raw, e);
}
