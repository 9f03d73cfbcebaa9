/* modbus_tell.c - what a server tells about itself: diagnostics and identification (AP 6.8, 6.21).
 *
 *   8        fc sub(2) data(2 each)                                 echo, or the counter in data
 *   43/14    fc 14 code(1) object(1)
 *            fc 14 code(1) conformity(1) more(1) next(1) count(1) { object(1) length(1) text }
 * Codes: 1 basic objects (0-2), 2 regular ones (0-6), 3 extended (as regular: there are none beyond), 4 one object.
 * Objects that are not there are passed over; an unknown start begins anew, as AP asks, but as a single one is refused
 * (2). */
#include "proto/modbus.h"

#define MEI_IDENTIFICATION 14
#define CONFORMITY 0x82 /* regular objects, as a stream and one by one */
#define OBJECT_MAX (MODBUS_PDU_MAX - 9)

enum { BASIC = 1, REGULAR, EXTENDED, SINGLE };
enum { SUB_ECHO = 0, SUB_RESTART = 1, SUB_REGISTER = 2, SUB_CLEAR = 10, SUB_COUNTERS = 11, SUB_CLEAR_OVERRUN = 20 };

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static int answer_word(uint8_t *out, unsigned v, size_t *ret_n)
{
    out[3] = (uint8_t)(v >> 8);
    out[4] = (uint8_t)v;
    *ret_n = 5;
    return 0;
}

static int restart(struct modbus_counters *c, unsigned data, uint8_t *out, size_t *ret_n)
{
    if (data != 0 && data != 0xff00) return MODBUS_EX_ILLEGAL_VALUE;
    *c = (struct modbus_counters){0};
    return answer_word(out, data, ret_n);
}

static int diagnostics(const uint8_t *pdu, size_t n, struct modbus_counters *c, uint8_t *out, size_t *ret_n)
{
    if (n < 5 || n % 2 == 0) return MODBUS_EX_ILLEGAL_VALUE;
    unsigned sub = get16(pdu + 1), data = get16(pdu + 3);
    memmove(out, pdu, n);
    *ret_n = n;
    if (sub == SUB_ECHO) return 0;
    bool counter = sub >= SUB_COUNTERS && sub < SUB_COUNTERS + MODBUS_COUNTERS;
    if (!counter && sub != SUB_RESTART && sub != SUB_REGISTER && sub != SUB_CLEAR && sub != SUB_CLEAR_OVERRUN)
        return MODBUS_EX_ILLEGAL_FUNCTION;
    if (n != 5 || (data && sub != SUB_RESTART)) return MODBUS_EX_ILLEGAL_VALUE;
    if (sub == SUB_RESTART) return restart(c, data, out, ret_n);
    if (sub == SUB_CLEAR) *c = (struct modbus_counters){0};
    if (sub == SUB_CLEAR_OVERRUN) c->n[MODBUS_COUNT_OVERRUN] = 0;
    return answer_word(out, counter ? c->n[sub - SUB_COUNTERS] : 0, ret_n);
}

static const char *object_of(const struct modbus_identity *id, unsigned k)
{
    const char *p = k < MODBUS_ID_OBJECTS ? id->object[k] : NULL;
    return p && p[0] ? p : NULL;
}

/* One object at out + *n, when it fits. */
static bool put_object(const struct modbus_identity *id, unsigned k, uint8_t *out, size_t *n)
{
    const char *p = object_of(id, k);
    size_t len = p ? strlen(p) : 0;
    if (len > OBJECT_MAX) len = OBJECT_MAX;
    if (*n + 2 + len > MODBUS_PDU_MAX) return false;
    out[*n] = (uint8_t)k;
    out[*n + 1] = (uint8_t)len;
    memcpy(out + *n + 2, p, len);
    *n += 2 + len;
    return true;
}

static int identification(const uint8_t *pdu, size_t n, const struct modbus_identity *id, uint8_t *out, size_t *ret_n)
{
    if (n < 2 || pdu[1] != MEI_IDENTIFICATION) return MODBUS_EX_ILLEGAL_FUNCTION;
    if (n != 4 || pdu[2] < BASIC || pdu[2] > SINGLE) return MODBUS_EX_ILLEGAL_VALUE;
    unsigned code = pdu[2], at = pdu[3];
    if (code == SINGLE && !object_of(id, at)) return MODBUS_EX_ILLEGAL_ADDRESS;
    unsigned end = code == SINGLE ? at + 1 : code == BASIC ? MODBUS_ID_REVISION + 1 : MODBUS_ID_OBJECTS;
    if (code != SINGLE && !object_of(id, at)) at = 0;
    uint8_t head[7] = {MODBUS_TRANSPORT, MEI_IDENTIFICATION, (uint8_t)code, CONFORMITY, 0, 0, 0};
    size_t len = sizeof head;
    for (; at < end; at++) {
        if (!object_of(id, at)) continue;
        if (!put_object(id, at, out, &len)) {
            head[4] = 0xff; /* more follows, from there */
            head[5] = (uint8_t)at;
            break;
        }
        head[6]++;
    }
    memcpy(out, head, sizeof head);
    *ret_n = len;
    return 0;
}

int modbus_tell(const uint8_t *pdu, size_t n, const struct modbus_identity *id, struct modbus_counters *counters,
                uint8_t *out, size_t *ret_n)
{
    uint8_t copy[MODBUS_PDU_MAX]; /* out may be where the request stands */
    if (n < 1 || n > MODBUS_PDU_MAX) return MODBUS_EX_ILLEGAL_FUNCTION;
    memcpy(copy, pdu, n);
    if (copy[0] == MODBUS_DIAGNOSTICS && counters) return diagnostics(copy, n, counters, out, ret_n);
    if (copy[0] == MODBUS_TRANSPORT && id) return identification(copy, n, id, out, ret_n);
    return MODBUS_EX_ILLEGAL_FUNCTION;
}
