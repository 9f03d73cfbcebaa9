/* record.h - samples as a record of a forwarding's journal. Pure.
 *
 * All numbers little-endian: u32 version, u32 number of samples, i64 when the record was made (UTC, us); then the
 * samples, then the texts of SAMPLE_STRING in their order. Values are those of the point: what a mapping makes of them
 * is decided when they go out. A varint has seven bits a byte, the low ones first; zigzag: 0, -1, 1, -2 as 0, 1, 2, 3.
 *
 * Version 2: a sample tells how it differs from the one before it (from made, point 0, zeros at the start)
 *   u8 control    bit 0: the same time; bit 1: the next point; bit 2: the same type, quality, flags; bit 3: 0;
 *                 bits 4-7: bytes of the value, 0 to 8
 *   time          unless bit 0: zigzag varint of the difference in us
 *   point         unless bit 1: zigzag varint of the difference as i32
 *   status        unless bit 2: u8 type, u8 quality, u16 flags
 *   value         DOUBLE: the upper bytes of its bits, the highest last, what is left out below is 0; INT: the lower
 *                 bytes of its zigzag; others: the lower bytes; STRING: of the length of its text
 * A register read from a device is 3 or 4 bytes then, a float 5 or 6.
 * Version 1 (read only): each i64 time_us, u32 point, u8 type, u8 quality, u16 flags, u64 value or length of the text. */
#pragma once
#include "base/buf.h"
#include "bornite/sample.h"

#define RECORD_MAX 1000              /* samples */
#define RECORD_TEXT_MAX (256u << 10) /* bytes of all texts */

struct item {
    struct sample s;  /* SAMPLE_STRING: v.u is not used */
    uint32_t at, len; /* the text, in batch.text */
};
struct batch {
    struct item *items;
    size_t n, cap, max; /* max: RECORD_MAX, or more by its owner where records are joined */
    struct buf text;
    int64_t made_us;
};
void batch_init(struct batch *b);
void batch_fini(struct batch *b);
MUST_CHECK int batch_add(struct batch *b, const struct sample *s,
                         struct str text); /* ERR_NOMEM, ERR_TOO_LARGE: begin another one */
void record_write(const struct batch *b, struct buf *out);
/* Appends to the batch. ERR_CORRUPT: it is no such record; the batch is as it was. ERR_TOO_LARGE: it would be too long.
 */
MUST_CHECK int record_read(struct str record, struct batch *b);
int64_t record_made(struct str record); /* 0: it is none */
