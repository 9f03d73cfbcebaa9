/* block.h - blocks (up to SEG_BLOCK_MAX samples of one point) and bundles of blocks. Pure.
 *
 * A bundle is the payload of one frame: blocks of neighbouring points of one window, each readable alone.
 *   varint blocks (1..BUNDLE_BLOCKS), varint bytes of all heads, heads, bodies in the same order
 * Head of a block:
 *   u8 flags   1 NEXT        point is that of the block before + 1
 *              2 SAME_COUNT  as many samples as in the block before
 *              4 SAME_TIMES  times are said as by the block before (how, distance, row)
 *              8 ONE_META    all samples have one meta; there is no meta column
 *              16 GOOD       with ONE_META: good doubles without flags
 *   unless NEXT: zigzag point - point of the block before (0 at first)
 *   unless SAME_COUNT: varint count
 *   unless SAME_TIMES: u8 times, and what belongs to it
 *              0 OWN     integer column of the times (us) in the body
 *              1 DENSE   varint distance, varint row: rows row, row + 1 ... of the time column whose frame
 *                        begins `distance` bytes before this bundle's frame
 *              2 ROWS    varint distance; integer column of rows (rising) in the body
 *   ONE_META without GOOD: varint meta (type | quality << 8 | flags << 16)
 *   varint bytes of the body
 * Body: times column with OWN and ROWS, meta column unless ONE_META, value column. Of a sample without value the
 * value column repeats the one before.
 *
 * The first version had a frame for every block: varint point, varint count, u8 times and what belongs to it (as
 * above), then the body, never with ONE_META.
 *
 * A time column's payload: varint count (<= TIMES_MAX), integer column, times rising. */
#pragma once
#include "tsdb/codec_value.h"
#include "tsdb/seg_format.h"

#define BUNDLE_BLOCKS 128
#define BUNDLE_BYTES 2048 /* a bundle that has grown to this is closed */

enum block_times { TIMES_OWN, TIMES_DENSE, TIMES_ROWS };
struct block_ref {
    enum block_times how;
    uint64_t distance;
    uint32_t row;        /* DENSE */
    const int64_t *rows; /* ROWS */
};
struct block_head {
    uint32_t point, count, row, meta;
    enum block_times how;
    bool one_meta;
    uint64_t distance;
};

/* Writing: zeroed but for the buffers (buf_init) at first. */
struct bundle {
    struct buf heads, bodies;
    size_t n;
    struct block_head last;
};
void bundle_add(struct bundle *x, const struct sample *s, size_t n, const struct block_ref *ref, struct codec *c);
size_t bundle_bytes(const struct bundle *x);
void bundle_end(struct bundle *x, struct buf *payload); /* and begin the next */
void times_encode(struct buf *b, const int64_t *t, size_t n, struct codec *c);

/* Reading, in two steps: the head says which time column is needed; then the samples out of the body. */
struct bundle_in {
    struct in heads, bodies;
    size_t left;
    struct block_head last;
};
int bundle_open(struct in *payload, struct bundle_in *ret);
/* The next block: 1, 0 at the end, ERR_CORRUPT. */
int bundle_next(struct bundle_in *x, struct block_head *ret, struct in *ret_body);
int block_head_decode(struct in *in, struct block_head *ret); /* of a block of the first version */
/* `in` is the body; times: the time column, nrows of them (NULL with OWN). ERR_CORRUPT unless the times rise. */
int block_decode(struct in *in, const struct block_head *h, const int64_t *times, size_t nrows, struct sample *out,
                 struct codec *c);
int times_decode(struct in *in, struct codec_times *ret, struct codec *c); /* t and n of it; ERR_CORRUPT, ERR_NOMEM */
