/* record.h - samples as a record of a forwarding's journal. Pure.
 *
 * All numbers little-endian: u8 version 1, u8 0, u16 0, u32 number of samples, i64 when the record was made (UTC, us);
 * then each: i64 time_us, u32 point, u8 type, u8 quality, u16 flags, u64 value bits; SAMPLE_STRING has as value the
 * length of its text, and the texts follow in order of the samples behind the last one. Values are those of the point:
 * what a mapping makes of them is decided when they go out. */
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
    size_t n, cap;
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
