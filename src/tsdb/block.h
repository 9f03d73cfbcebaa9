/* block.h - the payload of a block: up to SEG_BLOCK_MAX samples of one point. Pure.
 *
 *   varint point, varint count
 *   u8 times: 0 OWN     integer column of the times (us)
 *             1 DENSE   varint distance, varint row: rows row, row + 1 ... of the time column whose frame
 *                       begins `distance` bytes before this block's frame
 *             2 ROWS    varint distance, integer column of rows (rising)
 *   meta column, value column. Of a sample without value the value column repeats the one before.
 * A time column's payload: varint count (<= TIMES_MAX), integer column, times rising. */
#pragma once
#include "tsdb/codec_value.h"
#include "tsdb/seg_format.h"

enum block_times { TIMES_OWN, TIMES_DENSE, TIMES_ROWS };
struct block_ref {
    enum block_times how;
    uint64_t distance;
    uint32_t row;        /* DENSE */
    const int64_t *rows; /* ROWS */
};
/* c->max >= n. */
void block_encode(struct buf *b, const struct sample *s, size_t n, const struct block_ref *ref, struct codec *c);
void times_encode(struct buf *b, const int64_t *t, size_t n, struct codec *c);

/* Two steps: the head of the payload says which time column is needed; then the samples. */
struct block_head {
    uint32_t point, count, row;
    enum block_times how;
    uint64_t distance;
};
int block_head_decode(struct in *in, struct block_head *ret);
/* `in` stands behind the head; times: the time column, nrows of them (NULL with OWN). ERR_CORRUPT unless the times
 * rise. */
int block_decode(struct in *in, const struct block_head *h, const int64_t *times, size_t nrows, struct sample *out,
                 struct codec *c);
int times_decode(struct in *in, struct codec_times *ret, struct codec *c); /* t and n of it; ERR_CORRUPT, ERR_NOMEM */
