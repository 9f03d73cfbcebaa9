/* request.c - requests of a connection: reads from current values, writes to the equipment, diagnostics.
 *
 * A write covers whole points, and all of it is checked before the first of it goes out. Functions 22 and 23 need what
 * stands there: 22 changes a register whose value is good (or single bits of it), 23 answers with what was read back
 * from the equipment where it told so, else with the current value. */
#include "model/sample.h"
#include "outlets/modbus/modbus_out.h"

#define WRITE_TEXT 257

/* A point of a write on its way. */
struct one {
    struct mo_conn *c;
    struct mo_point p;
};

/* Unit 0 of a line is everybody. */
static bool to_all(const struct mo_channel *ch, uint8_t unit)
{
    return ch->framing != MODBUS_TCP && unit == 0;
}

static uint8_t unit_of(const struct mo_channel *ch, uint8_t unit)
{
    if (to_all(ch, unit)) return ch->rules.unit;
    return !ch->any_unit || mo_map_unit(&ch->map, unit) ? unit : ch->rules.unit;
}

/* ---- reads ---- */

static int value_of(struct mo_channel *ch, const struct mo_point *p, enum mo_bad bad, uint16_t *regs)
{
    struct sample s;
    char text[WRITE_TEXT];
    size_t n = 0;
    const struct outlet_host *h = ch->base.host;
    h->current(h->ctx, p->slot, &s, text, sizeof text, &n);
    ch->status.items++;
    return mo_value_put(p, &s, text, n, bad, regs) ? 0 : MODBUS_EX_DEVICE_FAILURE;
}

static int read_bits(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t count, uint8_t *packed)
{
    struct mo_channel *ch = ctx;
    size_t i, end;
    uint16_t v;
    if (!mo_map_find(&ch->map, unit_of(ch, unit), true, at, count, &i, &end)) return MODBUS_EX_ILLEGAL_ADDRESS;
    for (; i < end; i++) {
        unsigned place = (unsigned)(ch->map.at[i].at - at);
        int ex = value_of(ch, &ch->map.at[i], ch->bad, &v);
        if (ex) return ex;
        if (v) packed[place / 8] |= (uint8_t)(1u << place % 8);
    }
    return 0;
}

static int read_registers(void *ctx, uint8_t unit, enum modbus_area a, uint16_t at, uint16_t count, uint16_t *r)
{
    struct mo_channel *ch = ctx;
    size_t i, end;
    if (!mo_map_find(&ch->map, unit_of(ch, unit), false, at, count, &i, &end)) return MODBUS_EX_ILLEGAL_ADDRESS;
    for (; i < end; i++) {
        const struct mo_point *p = &ch->map.at[i];
        uint16_t v[MODBUS_READ_REGISTERS_MAX + 1] = {0};
        int ex = value_of(ch, p, ch->bad, v);
        if (ex) return ex;
        if (p->bit >= 0) {
            r[p->at - at] |= (uint16_t)((v[0] & 1) << p->bit);
            continue;
        }
        for (int k = 0; k < p->count; k++) { /* a part of a value is its registers all the same */
            int place = p->at + k - at;
            if (place >= 0 && place < count) r[place] = v[k];
        }
    }
    return 0;
}

/* ---- answers ---- */

static void answer(struct mo_conn *c, const uint8_t *pdu, size_t n)
{
    struct mo_channel *ch = c->ch;
    uint8_t out[MODBUS_FRAME_MAX];
    if (pdu[0] & 0x80 && !(c->quiet && pdu[1] == MODBUS_EX_GATEWAY_TARGET)) {
        ch->status.errors++;
        ch->counters.n[MODBUS_COUNT_EXCEPTION]++;
        if (pdu[1] == MODBUS_EX_BUSY) ch->counters.n[MODBUS_COUNT_BUSY]++;
    }
    if (c->quiet) return;
    size_t len = modbus_frame_put(ch->framing, c->transaction, c->unit, pdu, n, out);
    mo_trace(c, DRIVER_TX, out, len, NULL);
    c->bytes_out += len;
    ch->status.bytes_out += len;
    if (tls_stream_write(c->stream, out, len)) mo_drop(c); /* it does not read what it asked for */
}

static void refuse(struct mo_conn *c, unsigned ex)
{
    answer(c, (const uint8_t[]){c->request[0] | 0x80, (uint8_t)ex}, 2);
}

/* Function 23: what stands there now, and what the equipment told after the write. */
static int answer_after(struct mo_conn *c, uint8_t *pdu, size_t *ret_n)
{
    struct modbus_request q;
    uint16_t r[MODBUS_READ_REGISTERS_MAX] = {0};
    int ex = modbus_request_decode(c->request, c->nrequest, &q);
    if (!ex) ex = read_registers(c->ch, c->unit, MODBUS_HOLDING, q.address, q.count, r);
    if (ex) return ex;
    for (unsigned i = 0; i < q.write_count; i++) {
        int place = q.write_address + (int)i - q.address;
        if (place < 0 || place >= q.count) continue;
        r[place] = (uint16_t)((r[place] & ~c->known[i]) | (c->after[i] & c->known[i]));
    }
    pdu[0] = q.function;
    pdu[1] = (uint8_t)(2 * q.count);
    for (unsigned i = 0; i < q.count; i++) {
        pdu[2 + 2 * i] = (uint8_t)(r[i] >> 8);
        pdu[3 + 2 * i] = (uint8_t)r[i];
    }
    *ret_n = 2 + 2 * (size_t)q.count;
    return 0;
}

static void finish_write(struct mo_conn *c)
{
    uint8_t pdu[MODBUS_PDU_MAX];
    size_t n = c->request[0] == MODBUS_MASK_WRITE ? 7 : 5;
    unsigned ex = c->exception;
    memcpy(pdu, c->request, n); /* all but 23 echo address and value, masks or quantity */
    if (!ex && c->request[0] == MODBUS_READ_WRITE) ex = (unsigned)answer_after(c, pdu, &n);
    if (ex)
        refuse(c, ex);
    else
        answer(c, pdu, n);
    c->nrequest = 0;
}

/* ---- writes ---- */

static unsigned exception_of(const struct driver_write_result *r)
{
    int code = r->error ? r->error->code : 0;
    switch (r->outcome) {
    case DRIVER_DONE: return 0;
    case DRIVER_REFUSED:
        return code == ERR_INVALID     ? MODBUS_EX_ILLEGAL_VALUE
               : code == ERR_FORBIDDEN ? MODBUS_EX_ILLEGAL_ADDRESS
                                       : MODBUS_EX_DEVICE_FAILURE;
    case DRIVER_EXPIRED: return MODBUS_EX_BUSY;
    default: return MODBUS_EX_DEVICE_FAILURE;
    }
}

static void one_less(struct mo_conn *c)
{
    if (--c->waiting) return;
    if (c->closing) {
        mo_conn_end(c);
        return;
    }
    finish_write(c);
    if (!c->closing) mo_go_on(c);
}

/* Only for function 23, whose registers are at most these. */
static void keep_readback(struct mo_conn *c, const struct mo_point *p, const struct driver_write_result *r)
{
    uint16_t v[MODBUS_READ_REGISTERS_MAX + 1] = {0};
    struct sample s = r->readback;
    unsigned at = (unsigned)(p->at - c->after_at);
    s.time_us = s.time_us ? s.time_us : 1;
    (void)mo_value_put(p, &s, r->text ? r->text : "", r->text ? r->text_len : 0, MO_BAD_MARK, v);
    for (unsigned k = 0; k < p->count && at + k < MODBUS_RW_REGISTERS_MAX; k++) {
        uint16_t mask = p->bit < 0 ? 0xffff : (uint16_t)(1u << p->bit);
        uint16_t value = p->bit < 0 ? v[k] : (uint16_t)((v[0] & 1) << p->bit);
        c->known[at + k] |= mask;
        c->after[at + k] = (uint16_t)((c->after[at + k] & ~mask) | value);
    }
}

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct one *w = arg;
    struct mo_conn *c = w->c;
    unsigned ex = exception_of(r);
    if (ex && !c->exception) c->exception = ex;
    c->ch->status.writes++;
    if (!ex && r->has_readback && !c->closing && c->request[0] == MODBUS_READ_WRITE) keep_readback(c, &w->p, r);
    mem_free(w);
    one_less(c);
}

static bool is_bits(uint8_t function)
{
    return function == MODBUS_WRITE_COIL || function == MODBUS_WRITE_COILS;
}

/* A stretch of registers or bits that is written; of registers only the bits of the mask. */
struct stretch {
    unsigned at, count;
    uint16_t mask;
    uint16_t v[MODBUS_WRITE_BITS_MAX];
    size_t i, end; /* its points in the map */
};

static bool touched(const struct mo_point *p, uint16_t mask)
{
    return p->bit < 0 ? mask != 0 : (mask >> p->bit & 1) != 0;
}

/* Every register belongs to a point that is covered whole and may be written; else nothing is written. */
static unsigned check_cover(const struct mo_map *m, const struct stretch *w)
{
    unsigned next = w->at;
    for (size_t i = w->i; i < w->end; i++) {
        const struct mo_point *p = &m->at[i];
        if (p->at < w->at || p->at + p->count > w->at + w->count || p->at > next) return MODBUS_EX_ILLEGAL_ADDRESS;
        if (touched(p, w->mask) && !p->writable) return MODBUS_EX_ILLEGAL_ADDRESS;
        next = (unsigned)p->at + p->count;
    }
    return next == w->at + w->count ? 0 : MODBUS_EX_ILLEGAL_ADDRESS;
}

static unsigned check_values(const struct mo_map *m, const struct stretch *w)
{
    char text[WRITE_TEXT];
    struct sample s;
    size_t n;
    for (size_t i = w->i; i < w->end; i++)
        if (touched(&m->at[i], w->mask) && !mo_value_take(&m->at[i], w->v + (m->at[i].at - w->at), &s, text, &n))
            return MODBUS_EX_ILLEGAL_VALUE;
    return 0;
}

/* The numbers of the request; bits as 0 and 1. */
static void values_of(const struct modbus_request *q, struct stretch *w)
{
    w->at = q->function == MODBUS_READ_WRITE ? q->write_address : q->address;
    w->count = q->function == MODBUS_READ_WRITE ? q->write_count : q->count;
    w->mask = 0xffff;
    w->v[0] = q->value;
    for (unsigned i = 0; q->data && i < w->count; i++)
        w->v[i] = is_bits(q->function) ? modbus_bit(q->data, i) : modbus_register(q->data, i);
}

/* What the masks make of the register as it is. Bits of points that are single ones need no value of the others. */
static unsigned mask_value(struct mo_channel *ch, const struct modbus_request *q, struct stretch *w)
{
    uint16_t now = 0;
    const struct mo_point *p = &ch->map.at[w->i];
    if (p->bit < 0) {
        if (p->at != w->at || p->count != 1) return MODBUS_EX_ILLEGAL_ADDRESS;
        if (value_of(ch, p, MO_BAD_EXCEPTION, &now)) return MODBUS_EX_DEVICE_FAILURE;
    }
    w->mask = (uint16_t)~q->and_mask;
    w->v[0] = (uint16_t)((now & q->and_mask) | (q->or_mask & ~q->and_mask));
    return 0;
}

static unsigned check_write(struct mo_conn *c, const struct modbus_request *q, struct stretch *w)
{
    struct mo_channel *ch = c->ch;
    uint16_t r[MODBUS_READ_REGISTERS_MAX];
    unsigned ex = 0;
    values_of(q, w);
    if (!mo_map_find(&ch->map, unit_of(ch, c->unit), is_bits(q->function), w->at, w->count, &w->i, &w->end))
        return MODBUS_EX_ILLEGAL_ADDRESS;
    if (q->function == MODBUS_MASK_WRITE) ex = mask_value(ch, q, w);
    if (!ex) ex = check_cover(&ch->map, w);
    if (!ex) ex = check_values(&ch->map, w);
    if (!ex && q->function == MODBUS_READ_WRITE)
        ex = (unsigned)read_registers(ch, c->unit, MODBUS_HOLDING, q->address, q->count, r);
    return ex;
}

static void write_one(struct mo_conn *c, const struct mo_point *p, const uint16_t *v)
{
    const struct outlet_host *h = c->ch->base.host;
    char text[WRITE_TEXT], peer[64];
    struct one *w = mem_alloc(sizeof *w);
    struct outlet_write out = {.slot = p->slot, .done = on_written, .arg = w, .peer = peer, .text = text};
    if (!w) {
        if (!c->exception) c->exception = MODBUS_EX_DEVICE_FAILURE;
        one_less(c);
        return;
    }
    *w = (struct one){c, *p};
    snprintf(peer, sizeof peer, "%.48s:%u", tls_stream_host(c->stream), tls_stream_port(c->stream));
    (void)mo_value_take(p, v, &out.value, text, &out.text_len);
    h->write(h->ctx, &out);
}

static unsigned begin_write(struct mo_conn *c, const struct modbus_request *q)
{
    struct stretch w;
    unsigned ex = check_write(c, q, &w);
    if (ex) return ex;
    c->exception = 0;
    c->after_at = (uint16_t)w.at;
    memset(c->known, 0, sizeof c->known);
    c->waiting = 1; /* ours, so that it does not end in the middle */
    for (size_t i = w.i; i < w.end; i++) c->waiting += touched(&c->ch->map.at[i], w.mask);
    for (; w.i < w.end; w.i++) {
        const struct mo_point *p = &c->ch->map.at[w.i];
        if (touched(p, w.mask)) write_one(c, p, w.v + (p->at - w.at));
    }
    one_less(c);
    return 0;
}

/* ---- requests ---- */

static bool is_write(uint8_t function)
{
    return function == MODBUS_WRITE_COIL || function == MODBUS_WRITE_REGISTER || function == MODBUS_WRITE_COILS ||
           function == MODBUS_WRITE_REGISTERS || function == MODBUS_MASK_WRITE || function == MODBUS_READ_WRITE;
}

/* Somebody else's on a shared line: silence; behind a TCP address: nothing answers there. */
static bool is_ours(const struct mo_channel *ch, uint8_t unit)
{
    return ch->any_unit || to_all(ch, unit) || unit == ch->rules.unit || mo_map_unit(&ch->map, unit);
}

static void take_write(struct mo_conn *c)
{
    struct modbus_request q;
    int ex = modbus_request_decode(c->request, c->nrequest, &q);
    if (!ex) ex = (int)begin_write(c, &q);
    if (!ex) return;
    refuse(c, (unsigned)ex);
    c->nrequest = 0;
}

const struct modbus_identity mo_identity = {
    {"Bornite", "modbus_server", BORNITE_VERSION, NULL, "Bornite Modbus server", NULL, NULL}};

void mo_take(struct mo_conn *c)
{
    struct mo_channel *ch = c->ch;
    uint8_t out[MODBUS_PDU_MAX];
    struct modbus_data_ops ops = {.read_bits = read_bits,
                                  .read_registers = read_registers,
                                  .ctx = ch,
                                  .identity = &mo_identity,
                                  .counters = &ch->counters};
    ch->status.requests++;
    ch->status.last_ok_us = ch->base.host->now_us(ch->base.host->ctx);
    c->items++;
    c->quiet = to_all(ch, c->unit) || (ch->framing != MODBUS_TCP && !is_ours(ch, c->unit));
    if (!is_ours(ch, c->unit)) {
        refuse(c, MODBUS_EX_GATEWAY_TARGET);
        return;
    }
    ch->counters.n[MODBUS_COUNT_SERVED]++;
    if (c->quiet) ch->counters.n[MODBUS_COUNT_SILENT]++;
    if (is_write(c->request[0])) {
        take_write(c);
        return;
    }
    size_t n = modbus_server_pdu(c->request, c->nrequest, c->unit, &ops, out);
    if (n) answer(c, out, n);
}
