/* protobuf.h - the wire format of Protocol Buffers (protobuf.dev, "Encoding"): fields out of bytes and back. No schema.
 *
 *   message = field*    field = key value    key = varint (number << 3 | wire)
 *   wire 0: varint, 7 bits a byte, low first, 0x80: more follow, at most 10 bytes    1: 8 bytes LE    5: 4 bytes LE
 *   wire 2: varint length, then that many bytes: text, bytes, a message, packed numbers
 * Groups (wires 3 and 4, long gone) are refused. What is parsed are views into the bytes given; nesting is the
 * caller's, who bounds its depth. Any thread. */
#pragma once
#include "base/buf.h"

enum pb_wire { PB_VARINT = 0, PB_64 = 1, PB_BYTES = 2, PB_32 = 5 };

struct pb_field {
    uint32_t number;
    uint8_t wire; /* enum pb_wire */
    uint64_t v;   /* VARINT, 64, 32 */
    struct str s; /* BYTES */
};
/* 1: *ret is the next field of *s, which is cut; 0: the end; ERR_INVALID: broken. */
int pb_next(struct str *s, struct pb_field *ret);
/* A varint of packed numbers, likewise. */
int pb_varint_next(struct str *s, uint64_t *ret);
float pb_float(const struct pb_field *f);   /* wire 32 */
double pb_double(const struct pb_field *f); /* wire 64 */

void pb_put_varint(struct buf *b, uint32_t number, uint64_t v);
void pb_put_float(struct buf *b, uint32_t number, float v);
void pb_put_double(struct buf *b, uint32_t number, double v);
void pb_put_str(struct buf *b, uint32_t number, struct str s);
/* A nested message: what is written between open and close becomes its body; its length takes the shortest form. */
size_t pb_open(struct buf *b, uint32_t number);
void pb_close(struct buf *b, size_t open);
