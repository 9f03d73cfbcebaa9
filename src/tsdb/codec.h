/* codec.h - what the second stage (zstd) needs, made once and reused: contexts and scratch memory for
 * columns of up to `max` values. One thread at a time. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

/* What was decoded lately, by file (uid) and place: points of one poll share time columns, neighbouring
 * points index pages and bundles. at = 0: empty. */
#define CODEC_SLOTS 16
struct codec_times {
    int64_t *t;
    size_t n, cap;
    uint64_t uid, at;
};
struct index_entry;
struct codec_page { /* of an index, decoded */
    struct index_entry *e;
    size_t n;
    uint64_t uid, at;
};
struct codec_frame { /* payload of a checked frame */
    uint8_t *p;
    size_t n, cap;
    uint64_t uid, at;
};

struct codec {
    ZSTD_CCtx *c;
    ZSTD_DCtx *d;
    size_t max;
    int64_t *ints;   /* max + 1 */
    int64_t *scaled; /* max + 1 */
    uint64_t *words; /* max + 1 */
    uint32_t *metas; /* max + 1 */
    uint8_t *tmp;    /* intcol_bound(max) */
    uint8_t *io;     /* what is read from a file; grown by codec_io */
    size_t cap_io;
    struct codec_times times[CODEC_SLOTS];
    struct codec_page pages[CODEC_SLOTS];
    struct codec_frame frames[CODEC_SLOTS];
};
static inline unsigned codec_slot(uint64_t uid, uint64_t at)
{
    return (unsigned)(((uid ^ at) * UINT64_C(0x9e3779b97f4a7c15)) >> 60);
}
struct codec *codec_new(size_t max); /* NULL when out of memory */
void codec_free(struct codec *c);
uint8_t *codec_io(struct codec *c, size_t n); /* room for n bytes; NULL when out of memory */
