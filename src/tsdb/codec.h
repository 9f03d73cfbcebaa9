/* codec.h - what the second stage (zstd) needs, made once and reused: contexts and scratch memory for
 * columns of up to `max` values. One thread at a time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

/* What was decoded lately, by file (uid) and place (never 0): points of one poll share time columns, neighbouring
 * points index pages and bundles. */
#define CODEC_SLOTS 16
struct codec_key {
    uint64_t uid, at; /* at = 0: empty */
    uint64_t used;    /* when, for taking the one that was not used for longest */
};
struct codec_times {
    int64_t *t;
    size_t n, cap;
};
struct index_entry;
struct codec_page { /* of an index, decoded */
    struct index_entry *e;
    size_t n;
};
struct codec_frame { /* a checked frame, header included */
    uint8_t *p;
    size_t n, cap;
};
enum codec_kept { KEPT_TIMES, KEPT_PAGES, KEPT_FRAMES, KEPT_KINDS };

struct codec {
    ZSTD_CCtx *c;
    ZSTD_DCtx *d;
    size_t max;
    int64_t *ints;   /* max + 1 */
    int64_t *scaled; /* max + 1 */
    int64_t *places; /* max + 1 */
    uint64_t *words; /* max + 1 */
    uint32_t *metas; /* max + 1 */
    uint8_t *tmp;    /* intcol_bound(max) */
    uint8_t *io;     /* what is read from a file; grown by codec_io */
    size_t cap_io;
    struct codec_times times[CODEC_SLOTS];
    struct codec_page pages[CODEC_SLOTS];
    struct codec_frame frames[CODEC_SLOTS];
    struct codec_key keys[KEPT_KINDS][CODEC_SLOTS];
    uint64_t clock;
};
/* Slot of the thing at that place: `true` in *ret_hit, or one to be filled and then named by codec_keep. */
unsigned codec_slot(struct codec *c, enum codec_kept kind, uint64_t uid, uint64_t at, bool *ret_hit);
void codec_keep(struct codec *c, enum codec_kept kind, unsigned slot, uint64_t uid, uint64_t at);
struct codec *codec_new(size_t max); /* NULL when out of memory */
void codec_free(struct codec *c);
uint8_t *codec_io(struct codec *c, size_t n); /* room for n bytes; NULL when out of memory */
