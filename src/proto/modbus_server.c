/* modbus_server.c - the server side: a request in, an answer out, data behind callbacks. Order of checks
 * after the state diagrams of AP section 6: function, quantity, address, then the operation itself. */
#include "proto/modbus.h"

static size_t refuse(uint8_t *out, uint8_t function, int ex)
{
    out[0] = function | 0x80;
    out[1] = (uint8_t)ex;
    return 2;
}

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static int answer_bits(const struct modbus_request *q, uint8_t unit, const struct modbus_data_ops *ops, uint8_t *out,
                       size_t *ret_n)
{
    enum modbus_area area = q->function == MODBUS_READ_COILS ? MODBUS_COIL : MODBUS_DISCRETE;
    size_t bytes = (q->count + 7u) / 8;
    if (!ops->read_bits) return MODBUS_EX_ILLEGAL_FUNCTION;
    memset(out + 2, 0, bytes);
    int ex = ops->read_bits(ops->ctx, unit, area, q->address, q->count, out + 2);
    out[1] = (uint8_t)bytes;
    *ret_n = 2 + bytes;
    return ex;
}

static int answer_registers(const struct modbus_request *q, uint8_t unit, const struct modbus_data_ops *ops,
                            uint8_t *out, size_t *ret_n)
{
    enum modbus_area area = q->function == MODBUS_READ_INPUT ? MODBUS_INPUT : MODBUS_HOLDING;
    uint16_t r[MODBUS_READ_REGISTERS_MAX] = {0};
    if (!ops->read_registers) return MODBUS_EX_ILLEGAL_FUNCTION;
    int ex = ops->read_registers(ops->ctx, unit, area, q->address, q->count, r);
    for (size_t i = 0; i < q->count; i++) put16(out + 2 + 2 * i, r[i]);
    out[1] = (uint8_t)(2 * q->count);
    *ret_n = 2 + 2 * (size_t)q->count;
    return ex;
}

static int store_registers(const struct modbus_request *q, uint16_t address, uint16_t count, uint8_t unit,
                           const struct modbus_data_ops *ops)
{
    uint16_t r[MODBUS_WRITE_REGISTERS_MAX];
    for (size_t i = 0; i < count; i++) r[i] = modbus_register(q->data, i);
    return ops->write_registers(ops->ctx, unit, address, count, r);
}

static int mask_write(const struct modbus_request *q, uint8_t unit, const struct modbus_data_ops *ops)
{
    uint16_t r = 0;
    if (!ops->read_registers) return MODBUS_EX_ILLEGAL_FUNCTION;
    int ex = ops->read_registers(ops->ctx, unit, MODBUS_HOLDING, q->address, 1, &r);
    if (ex) return ex;
    r = (uint16_t)((r & q->and_mask) | (q->or_mask & ~q->and_mask));
    return ops->write_registers(ops->ctx, unit, q->address, 1, &r);
}

/* The writing functions; read/write (23) also reads, after the write (AP 6.17). */
static int store(const struct modbus_request *q, uint8_t unit, const struct modbus_data_ops *ops)
{
    uint8_t bit = (uint8_t)q->value;
    bool bits = q->function == MODBUS_WRITE_COIL || q->function == MODBUS_WRITE_COILS;
    if (bits ? !ops->write_bits : !ops->write_registers) return MODBUS_EX_ILLEGAL_FUNCTION;
    switch (q->function) {
    case MODBUS_WRITE_COIL: return ops->write_bits(ops->ctx, unit, q->address, 1, &bit);
    case MODBUS_WRITE_REGISTER: return ops->write_registers(ops->ctx, unit, q->address, 1, &q->value);
    case MODBUS_WRITE_COILS: return ops->write_bits(ops->ctx, unit, q->address, q->count, q->data);
    case MODBUS_WRITE_REGISTERS: return store_registers(q, q->address, q->count, unit, ops);
    case MODBUS_MASK_WRITE: return mask_write(q, unit, ops);
    case MODBUS_READ_WRITE: return store_registers(q, q->write_address, q->write_count, unit, ops);
    default: return MODBUS_EX_ILLEGAL_FUNCTION;
    }
}

static int answer(const struct modbus_request *q, const uint8_t *pdu, size_t n, uint8_t unit,
                  const struct modbus_data_ops *ops, uint8_t *out, size_t *ret_n)
{
    if (q->function <= MODBUS_READ_DISCRETE) return answer_bits(q, unit, ops, out, ret_n);
    if (q->function <= MODBUS_READ_INPUT) return answer_registers(q, unit, ops, out, ret_n);
    int ex = store(q, unit, ops);
    if (ex) return ex;
    if (q->function == MODBUS_READ_WRITE) return answer_registers(q, unit, ops, out, ret_n);
    *ret_n = q->function == MODBUS_MASK_WRITE ? 7 : 5;
    memcpy(out, pdu, *ret_n);
    return n < *ret_n ? MODBUS_EX_ILLEGAL_VALUE : 0;
}

size_t modbus_server_pdu(const uint8_t *pdu, size_t n, uint8_t unit, const struct modbus_data_ops *ops, uint8_t *out)
{
    struct modbus_request q;
    size_t out_n = 0;
    if (n == 0) return 0;
    bool tell = pdu[0] == MODBUS_DIAGNOSTICS || pdu[0] == MODBUS_TRANSPORT;
    int ex = tell ? modbus_tell(pdu, n, ops->identity, ops->counters, out, &out_n) : modbus_request_decode(pdu, n, &q);
    out[0] = pdu[0];
    if (ex == 0 && !tell) ex = answer(&q, pdu, n, unit, ops, out, &out_n);
    if (ex == MODBUS_NO_ANSWER) return 0;
    return ex ? refuse(out, pdu[0], ex) : out_n;
}

int modbus_server_handle(enum modbus_framing f, const uint8_t *in, size_t n, const struct modbus_data_ops *ops,
                         uint8_t *out, size_t cap, size_t *ret_n)
{
    const struct modbus_expect x = {.requests = true, .transaction = -1, .unit = -1, .function = -1};
    size_t used = 0, out_n = 0;
    int rc = 0;
    while (cap - out_n >= MODBUS_FRAME_MAX) {
        struct modbus_frame fr;
        uint8_t pdu[MODBUS_PDU_MAX];
        rc = modbus_frame_next(f, in + used, n - used, &x, &fr);
        if (rc == 0 || (rc < 0 && f == MODBUS_TCP)) break;
        used += fr.used;
        if (rc < 0) continue;
        size_t k = modbus_server_pdu(fr.pdu, fr.pdu_n, fr.unit, ops, pdu);
        if (k) out_n += modbus_frame_put(f, fr.transaction, fr.unit, pdu, k, out + out_n);
    }
    *ret_n = out_n;
    return rc < 0 && f == MODBUS_TCP ? ERR_PROTOCOL : (int)used;
}
