/* codec.h - what the second stage (zstd) needs, made once and reused: contexts and scratch memory for
 * columns of up to `max` values. One thread at a time. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

struct codec {
    ZSTD_CCtx *c;
    ZSTD_DCtx *d;
    size_t max;
    int64_t *ints;   /* max + 1 */
    uint64_t *words; /* max + 1 */
    uint32_t *metas; /* max + 1 */
    uint8_t *tmp;    /* intcol_bound(max) */
    uint8_t *io;     /* what is read from a file; grown by codec_io */
    size_t cap_io;
    int64_t *times; /* the time column used last, see block.c */
    size_t cap_times, ntimes;
    uint64_t times_uid, times_at;
    uint8_t *page; /* the index page used last, see segment.c */
    size_t npage;
    uint64_t page_uid, page_at;
};
struct codec *codec_new(size_t max); /* NULL when out of memory */
void codec_free(struct codec *c);
uint8_t *codec_io(struct codec *c, size_t n); /* room for n bytes; NULL when out of memory */
