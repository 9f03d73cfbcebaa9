/* byte_template.h - what is sent to instruments of self-made protocols: bytes with places for values and checks. Pure.
 *
 * Literal bytes as in frame_spec.h ("SP1=\r\n", "hex:02 41 03"), and in between
 *   ${value}  ${value:.2}  ${value:08.1}  ${value:6}   the value as text: as short as it goes; digits behind the point;
 *                                                      width, filled with zeros or blanks
 *   ${value:int16:LE}  ${value:float:CDAB}             the value in binary, types and orders as in field_spec.h
 *   ${seq}  ${seq:uint8}  ${seq:uint16:LE}             a number that counts up with every message, modulo its width
 *   ${ts}  ${ts:uint32}  ${ms}  ${time}                seconds, milliseconds since 1970, RFC 3339
 *   ${code}                                            code of the point or the device
 *   ${sum:crc16_modbus}  ${sum:xor8:hex}  ${sum:crc16_modbus:LE:1}   check of all bytes before it, low byte first (LE),
 *                                                      as hexadecimal digits (hex), from byte 1 on
 * A template is immutable and may be shared between threads. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/str.h"

#define TEMPLATE_BYTES_MAX 4096
struct byte_template;
/* value: may it name the value? ERR_INVALID tells what is wrong; e->where is left to the caller. */
MUST_CHECK int byte_template_new(struct str text, bool value, struct byte_template **ret, struct error *e);
void byte_template_free(struct byte_template *t); /* NULL too */
bool byte_template_has_value(const struct byte_template *t);

struct template_values {
    double number;
    struct str text; /* a value that is a text; p NULL: it is the number */
    uint64_t seq;
    int64_t time_us;
    struct str code;
};
/* ERR_INVALID: the value does not fit its place; ERR_TOO_LARGE: more than cap bytes. */
MUST_CHECK int byte_template_write(const struct byte_template *t, const struct template_values *v, uint8_t *out, size_t cap,
                                   size_t *ret_n, struct error *e);
