/* convert.h - a value between the device's bytes and engineering units. Pure.
 *
 * Raw bytes stand as on the wire with the first byte first; `order` says what was done to them, in words
 * of two bytes: bit 0 the words are reversed, bit 1 the bytes in each word are swapped:
 * 0 ABCD, 1 CDAB, 2 BADC, 3 DCBA; 64 bits likewise over four words. One byte has no order. */
#pragma once
#include <stdbool.h>
#include "base/error.h"
#include "base/str.h"
#include "bornite/driver.h"

enum { ORDER_WORDS = 1, ORDER_BYTES = 2 };

struct value_spec {
    double scale, offset; /* value = raw * scale + offset */
    double lo, hi;        /* NAN: no limit */
    uint8_t type;         /* enum value_type, not AUTO */
    uint8_t order;
    uint8_t zero[6]; /* no padding: specs are compared as bytes */
};
struct value_spec value_spec_of(const struct driver_point *p, enum value_type t, unsigned order);

/* Set type, v, quality and reason of *s from value_type_bytes(type) bytes (BOOL: one byte, 0 or not 0).
 * Integers stay integers when scale is 1 and offset 0. NaN, infinity and wrong BCD digits: bad,
 * NOT_A_NUMBER; outside lo..hi: uncertain, OUT_OF_RANGE. Not for STRING. */
void value_decode(const struct value_spec *v, const uint8_t *raw, struct sample *s);

/* The way back. Values are rounded to the nearest raw step. ERR_INVALID names what does not fit. */
MUST_CHECK int value_encode(const struct value_spec *v, const struct sample *s, uint8_t *raw, struct error *e);

/* Make a sample bad and keep its value. */
static inline void sample_bad(struct sample *s, int64_t time_us, enum quality_reason why)
{
    s->time_us = time_us;
    s->quality = QUALITY_BAD;
    s->flags = (uint16_t)why;
}
