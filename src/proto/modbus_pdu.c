/* modbus_pdu.c - requests and answers without their frame. Layouts after AP section 6, byte by byte:
 *
 *   function        request                                        answer
 *   1 2 3 4         fc addr(2) count(2)                            fc bytes(1) data
 *   5               fc addr(2) FF00|0000                           echo
 *   6               fc addr(2) value(2)                            echo
 *   15 16           fc addr(2) count(2) bytes(1) data              fc addr(2) count(2)
 *   22              fc addr(2) and(2) or(2)                        echo
 *   23              fc raddr(2) rcount(2) waddr(2) wcount(2)
 *                      bytes(1) data                               fc bytes(1) data
 *   refused                                                        fc|0x80 code(1) */
#include "proto/modbus.h"

static const struct {
    unsigned code;
    const char *en, *zh;
} exceptions[] = {
#define X(name, code, en, zh) {code, en, zh},
    MODBUS_EXCEPTIONS(X)
#undef X
};

const char *modbus_exception_text(unsigned code, bool zh)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++)
        if (exceptions[i].code == code) return zh ? exceptions[i].zh : exceptions[i].en;
    return zh ? "未知异常码" : "unknown exception";
}

/* Limits and shape of each function. */
struct rule {
    uint16_t count_max, write_max; /* items asked; items written; 0: the function has none */
    bool bits;
    const char *item_en, *item_zh;
};
static const struct rule rules[] = {
    [MODBUS_READ_COILS] = {MODBUS_READ_BITS_MAX, 0, true, "bits", "位"},
    [MODBUS_READ_DISCRETE] = {MODBUS_READ_BITS_MAX, 0, true, "bits", "位"},
    [MODBUS_READ_HOLDING] = {MODBUS_READ_REGISTERS_MAX, 0, false, "registers", "寄存器"},
    [MODBUS_READ_INPUT] = {MODBUS_READ_REGISTERS_MAX, 0, false, "registers", "寄存器"},
    [MODBUS_WRITE_COIL] = {0, 0, true, "", ""},
    [MODBUS_WRITE_REGISTER] = {0, 0, false, "", ""},
    [MODBUS_WRITE_COILS] = {0, MODBUS_WRITE_BITS_MAX, true, "bits", "位"},
    [MODBUS_WRITE_REGISTERS] = {0, MODBUS_WRITE_REGISTERS_MAX, false, "registers", "寄存器"},
    [MODBUS_MASK_WRITE] = {0, 0, false, "", ""},
    [MODBUS_READ_WRITE] = {MODBUS_READ_REGISTERS_MAX, MODBUS_RW_REGISTERS_MAX, false, "registers", "寄存器"},
};

static const struct rule *rule_of(unsigned function)
{
    if (function >= sizeof rules / sizeof *rules || rules[function].item_en == NULL) return NULL;
    return &rules[function];
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static size_t data_bytes(const struct rule *r, unsigned count)
{
    return r->bits ? (count + 7) / 8 : 2 * (size_t)count;
}

/* ---- requests ---- */

static int check_count(struct error *e, unsigned function, const char *field, unsigned n, unsigned max,
                       const struct rule *r)
{
    if (n >= 1 && n <= max) return 0;
    return error_set(e, ERR_INVALID, field, "function code %u carries 1 to %u %s%.0s; '%s' is %u",
                     "功能码 %u 的数量应为 1 至 %u 个%.0s%s；“%s”为 %u", function, max, r->item_en, r->item_zh, field,
                     n);
}

static int check_end(struct error *e, const char *field, unsigned address, unsigned n)
{
    if (address + n <= 65536) return 0;
    return error_set(e, ERR_INVALID, field, "address %u and %u items pass the last address 65535",
                     "起始地址 %u 加 %u 项超出末地址 65535", address, n);
}

static int check_request(const struct modbus_request *q, const struct rule *r, struct error *e)
{
    bool rw = q->function == MODBUS_READ_WRITE;
    unsigned wcount = rw ? q->write_count : q->count, waddr = rw ? q->write_address : q->address;
    int rc = 0;
    if (r->count_max) rc = check_count(e, q->function, "count", q->count, r->count_max, r);
    if (!rc && r->count_max) rc = check_end(e, "address", q->address, q->count);
    if (!rc && r->write_max) rc = check_count(e, q->function, rw ? "write_count" : "count", wcount, r->write_max, r);
    if (!rc && r->write_max) rc = check_end(e, rw ? "write_address" : "address", waddr, wcount);
    if (!rc && r->write_max && q->data_n != data_bytes(r, wcount))
        rc = error_set(e, ERR_INVALID, "data", "%u items need %zu bytes of data, not %zu",
                       "%u 项需要 %zu 字节数据，而不是 %zu", wcount, data_bytes(r, wcount), q->data_n);
    if (!rc && q->function == MODBUS_WRITE_COIL && q->value > 1)
        rc = error_set(e, ERR_INVALID, "value", "a coil takes 0 or 1, not %u", "线圈的值应为 0 或 1，而不是 %u",
                       q->value);
    return rc;
}

static size_t put_data(uint8_t *p, const struct modbus_request *q)
{
    p[0] = (uint8_t)q->data_n;
    memcpy(p + 1, q->data, q->data_n);
    return 1 + q->data_n;
}

int modbus_request_encode(const struct modbus_request *q, uint8_t *out, size_t *ret_n, struct error *e)
{
    const struct rule *r = rule_of(q->function);
    size_t n = 5;
    if (r == NULL)
        return error_set(e, ERR_UNSUPPORTED, "function", "function code %u is not supported", "不支持功能码 %u",
                         q->function);
    int rc = check_request(q, r, e);
    if (rc) return rc;
    out[0] = q->function;
    put16(out + 1, q->address);
    put16(out + 3, q->count);
    switch (q->function) {
    case MODBUS_WRITE_COIL: put16(out + 3, q->value ? 0xff00 : 0); break;
    case MODBUS_WRITE_REGISTER: put16(out + 3, q->value); break;
    case MODBUS_WRITE_COILS:
    case MODBUS_WRITE_REGISTERS: n += put_data(out + 5, q); break;
    case MODBUS_MASK_WRITE:
        put16(out + 3, q->and_mask);
        put16(out + 5, q->or_mask);
        n = 7;
        break;
    case MODBUS_READ_WRITE:
        put16(out + 5, q->write_address);
        put16(out + 7, q->write_count);
        n = 9 + put_data(out + 9, q);
        break;
    }
    *ret_n = n;
    return 0;
}

/* AP's state diagrams: wrong function 1, wrong count or size 3, address out of the 16 bits 2. */
static int decode_data(const struct rule *r, const uint8_t *p, size_t n, unsigned count, struct modbus_request *q)
{
    if (n < 1 || count < 1 || count > r->write_max) return MODBUS_EX_ILLEGAL_VALUE;
    if (p[0] != data_bytes(r, count) || n != 1 + (size_t)p[0]) return MODBUS_EX_ILLEGAL_VALUE;
    q->data = p + 1;
    q->data_n = p[0];
    return 0;
}

static int decode_write_coil(struct modbus_request *q, unsigned v)
{
    if (v != 0 && v != 0xff00) return MODBUS_EX_ILLEGAL_VALUE;
    q->value = v ? 1 : 0;
    return 0;
}

static int decode_read_write(const struct rule *r, const uint8_t *pdu, size_t n, struct modbus_request *q)
{
    if (n < 10) return MODBUS_EX_ILLEGAL_VALUE;
    q->write_address = (uint16_t)get16(pdu + 5);
    q->write_count = (uint16_t)get16(pdu + 7);
    int ex = decode_data(r, pdu + 9, n - 9, q->write_count, q);
    if (ex == 0 && q->write_address + q->write_count > 65536) ex = MODBUS_EX_ILLEGAL_ADDRESS;
    return ex;
}

static int decode_body(const struct rule *r, const uint8_t *pdu, size_t n, struct modbus_request *q)
{
    unsigned v = get16(pdu + 3);
    switch (q->function) {
    case MODBUS_WRITE_COILS:
    case MODBUS_WRITE_REGISTERS: return decode_data(r, pdu + 5, n - 5, q->count, q);
    case MODBUS_READ_WRITE: return decode_read_write(r, pdu, n, q);
    case MODBUS_MASK_WRITE:
        if (n != 7) return MODBUS_EX_ILLEGAL_VALUE;
        q->and_mask = (uint16_t)v;
        q->or_mask = (uint16_t)get16(pdu + 5);
        q->count = 1;
        return 0;
    default: break;
    }
    if (n != 5) return MODBUS_EX_ILLEGAL_VALUE;
    if (r->count_max) return 0;
    q->count = 1;
    q->value = (uint16_t)v;
    return q->function == MODBUS_WRITE_COIL ? decode_write_coil(q, v) : 0;
}

int modbus_request_decode(const uint8_t *pdu, size_t n, struct modbus_request *ret)
{
    if (n < 1) return MODBUS_EX_ILLEGAL_FUNCTION;
    const struct rule *r = rule_of(pdu[0]);
    struct modbus_request q = {.function = pdu[0]};
    if (r == NULL) return MODBUS_EX_ILLEGAL_FUNCTION;
    if (n < 5 || n > MODBUS_PDU_MAX) return MODBUS_EX_ILLEGAL_VALUE;
    q.address = (uint16_t)get16(pdu + 1);
    q.count = (uint16_t)get16(pdu + 3);
    int ex = decode_body(r, pdu, n, &q);
    if (ex) return ex;
    if (r->count_max && (q.count < 1 || q.count > r->count_max)) return MODBUS_EX_ILLEGAL_VALUE;
    if (q.address + q.count > 65536) return MODBUS_EX_ILLEGAL_ADDRESS;
    *ret = q;
    return 0;
}

/* ---- answers ---- */

/* "%.0s" swallows the label of the other language. */
static int broken(struct error *e, const char *en, const char *zh, unsigned want, unsigned got)
{
    return error_set(e, ERR_PROTOCOL, "", "%s%.0s: %u expected, %u came", "%.0s%s：应为 %u，实为 %u", en, zh, want,
                     got);
}

static int take_exception(const uint8_t *pdu, size_t n, struct modbus_response *ret, struct error *e)
{
    if (n != 2) return broken(e, "length of an exception answer", "异常应答长度", 2, (unsigned)n);
    ret->exception = pdu[1] ? pdu[1] : 255;
    return error_set(e, ERR_DEVICE, "", "function %u refused by the device: %s%.0s (exception %u)",
                     "设备拒绝功能码 %u：%.0s%s（异常码 %u）", ret->function, modbus_exception_text(pdu[1], false),
                     modbus_exception_text(pdu[1], true), pdu[1]);
}

static int take_data(const struct rule *r, const uint8_t *pdu, size_t n, const struct modbus_request *q,
                     struct modbus_response *ret, struct error *e)
{
    unsigned want = (unsigned)data_bytes(r, q->count);
    if (n < 2 || pdu[1] != want) return broken(e, "byte count of the answer", "应答字节数", want, n < 2 ? 0 : pdu[1]);
    if (n != 2 + want) return broken(e, "length of the answer", "应答长度", 2 + want, (unsigned)n);
    ret->data = pdu + 2;
    ret->data_n = want;
    return 0;
}

static int take_echo(const uint8_t *pdu, size_t n, const struct modbus_request *q, struct error *e)
{
    uint8_t sent[MODBUS_PDU_MAX];
    size_t sent_n = 0, want;
    if (modbus_request_encode(q, sent, &sent_n, e)) return ERR_PROTOCOL;
    want = q->function == MODBUS_MASK_WRITE ? 7 : 5;
    if (n != want) return broken(e, "length of the answer", "应答长度", (unsigned)want, (unsigned)n);
    if (get16(pdu + 1) != get16(sent + 1))
        return broken(e, "address in the answer", "应答中的地址", get16(sent + 1), get16(pdu + 1));
    for (size_t i = 3; i < want; i += 2)
        if (get16(pdu + i) != get16(sent + i))
            return broken(e, "echo in the answer", "应答回送值", get16(sent + i), get16(pdu + i));
    return 0;
}

int modbus_response_decode(const uint8_t *pdu, size_t n, const struct modbus_request *q, struct modbus_response *ret,
                           struct error *e)
{
    const struct rule *r = rule_of(q->function);
    struct modbus_response a = {.function = q->function};
    if (n < 2 || r == NULL) return broken(e, "length of the answer", "应答长度", 2, (unsigned)n);
    if ((pdu[0] & 0x7f) != q->function)
        return broken(e, "function code of the answer", "应答功能码", q->function, pdu[0] & 0x7f);
    int rc = pdu[0] & 0x80  ? take_exception(pdu, n, &a, e)
             : r->count_max ? take_data(r, pdu, n, q, &a, e)
                            : take_echo(pdu, n, q, e);
    if (rc == 0 || rc == ERR_DEVICE) *ret = a;
    return rc;
}
