/* segment.h - an immutable file of compressed blocks of many points. See FORMAT.md for the bytes.
 *
 * Threads: reading from any. Ownership: reference counted; the file stays open until the last reference
 * goes, also when it has been removed from the directory. */
#pragma once
#include "io/fs.h"
#include "base/arena.h"
#include "tsdb/merge.h"

#define SEG_PATH_MAX 80
#define SEG_BLOCK_MAX 4096 /* samples in a block */

struct seg_info {
    uint64_t uid;            /* ties every frame of the file to it */
    uint64_t seq_lo, seq_hi; /* heads (log numbers) whose samples are in it; higher is newer */
    uint64_t wal_hi;         /* log files up to this number are covered by it and older segments; 0: says nothing */
    uint32_t gen;            /* of two segments with the same range the higher one replaces the other */
    uint8_t class_id, place; /* place: enum ts_place, of where the file lies; not in the file */
    int64_t min_us, max_us;
    uint64_t samples, blocks;
    int64_t file_bytes;
};
struct seg;
void seg_path(const struct seg_info *i, char out[SEG_PATH_MAX]);
bool seg_name_parse(const char *name, struct seg_info *ret); /* seq_lo, seq_hi, gen, class_id */
/* ERR_CORRUPT when neither index nor blocks can be used; ERR_UNSUPPORTED, ERR_NOMEM, ERR_IO. `damage` is
 * told about every broken frame that a reader meets, once each. */
typedef void seg_damage_fn(void *ctx, const struct seg_info *seg, uint64_t at);
int seg_open(struct fs *fs, const char *path, seg_damage_fn *damage, void *ctx, struct seg **ret);
struct seg *seg_ref(struct seg *s);
void seg_unref(struct seg *s);
const struct seg_info *seg_info(const struct seg *s);
/* A segment in another place, known by `i` (place set), opened when it is first read. What reads it may fail with
 * ERR_UNAVAILABLE then, and works again as soon as the place does. */
int seg_lazy(struct fs *fs, const struct seg_info *i, seg_damage_fn *damage, void *ctx, struct seg **ret);
int seg_away(const struct seg *s); /* the error of the last attempt to read it; 0: it went well */
/* Read and check every frame and decode every block from *at on (0: the beginning), about max_bytes of them; *at moves
 * on, to file_bytes at the end. What is broken is told to `damage`. ERR_IO, ERR_UNAVAILABLE, ERR_NOMEM. */
int seg_scrub(struct seg *s, uint64_t *at, uint64_t max_bytes, uint64_t *ret_blocks);
/* Which points have blocks in it, as bits from `first` on; made when first asked for and kept with the segment. One
 * thread at a time. */
struct point_set {
    uint32_t first, last;
    uint64_t bits[];
};
int seg_point_set(struct seg *s, struct codec *codec, const struct point_set **ret);
uint64_t *seg_seen(struct seg *s); /* up to which deletion it was looked at (delete.c); `work` */
size_t seg_damaged(struct seg *s); /* broken places that were met so far */
int64_t seg_read(struct seg *s, void *p, size_t n, int64_t at); /* bytes of the file as they are */

/* The blocks of a point that may hold samples of [from, to], as a source; the last block that begins at
 * or before `from` is always among them. 1 found, 0 none, negative error (ERR_CORRUPT: index page broken). */
int seg_source(struct seg *s, uint32_t point, int64_t from, int64_t to, int64_t floor, struct arena *a,
               struct codec *codec, struct source *ret);
/* The index entry of every block, in order of point and time, cheaply. `m` is valid during the call (has_stats false:
 * only count, times and place are known; m2 NAN: not known, of a file of the first version). Non-zero from fn ends the
 * walk and is returned; 0 at the end; ERR_IO, ERR_NOMEM, ERR_CORRUPT (nothing can be found any more). fn must not use
 * the codec. */
typedef int seg_meta_fn(void *ctx, const struct block_meta *m);
int seg_each_meta(struct seg *s, struct codec *codec, seg_meta_fn *fn, void *ctx);

/* The same of the points p[0..n), rising, and of them only what begins with the last block that may hold a sample
 * before `from`; fn gets the index into p. 1 from fn: no more of this point. ERR_CORRUPT also after some were given. fn
 * may decode, with another codec. */
typedef int seg_of_fn(void *ctx, size_t i, const struct block_meta *m);
int seg_metas_of(struct seg *s, const uint32_t *p, size_t n, int64_t from, struct codec *codec, seg_of_fn *fn,
                 void *ctx);
/* The samples of a block out of its entry, SEG_BLOCK_MAX at most: how many, or ERR_CORRUPT (counted), ERR_IO,
 * ERR_NOMEM, ERR_UNAVAILABLE. */
int seg_block(struct seg *s, const struct block_meta *m, struct sample *out, struct codec *codec);

/* For merging: every point with its group, in order of the group; memory from mem_alloc. */
struct seg_point {
    uint32_t point, group;
};
int seg_points(struct seg *s, struct codec *codec, struct seg_point **ret, size_t *ret_n);
