/* roll_file.h - a file of rollup cells: written once, then immutable. FORMAT.md has the bytes.
 *
 * Threads: reading from any. Ownership: reference counted like a segment. */
#pragma once
#include "model/tsstore.h"
#include "tsdb/seg_format.h"

enum roll_level { ROLL_MINUTE, ROLL_HALF, ROLL_HOUR, ROLL_THIRD, ROLL_LEVELS };
/* Microseconds of a cell. */
static inline int64_t roll_span(unsigned level)
{
    static const int64_t spans[ROLL_LEVELS] = {INT64_C(60000000), INT64_C(1800000000), INT64_C(3600000000),
                                               INT64_C(28800000000)};
    return spans[level];
}
/* Begin of the cell that holds t. */
static inline int64_t roll_start(unsigned level, int64_t t)
{
    int64_t span = roll_span(level), rest = t % span;
    return t - (rest < 0 ? rest + span : rest);
}

struct roll_info {
    uint64_t lo, hi; /* numbers of the steps whose cells are in it */
    uint32_t gen;    /* of two files with the same steps the higher one replaces the other */
    uint64_t uid;
    uint64_t rolled;           /* segments up to this sequence number are rolled, in this file and older ones */
    uint32_t known;            /* deletions of generations up to this one, too */
    uint64_t since;            /* steps from this number on are all needed for that to be so */
    int64_t floor[TS_CLASSES]; /* what segments of a class held before has been dropped: older cells do not count */
    int64_t min_us, max_us;    /* of the first samples of cells */
    uint64_t cells;
    int64_t file_bytes;
};
struct roll;
#define ROLL_PATH_MAX 80
void roll_path(const struct roll_info *i, char out[ROLL_PATH_MAX]);
bool roll_name_parse(const char *name, struct roll_info *ret); /* lo, hi, gen */
/* ERR_CORRUPT, ERR_UNSUPPORTED (of a newer version), ERR_NOMEM, ERR_IO. Reads footer and directory only. */
int roll_open(struct fs *fs, const char *path, struct roll **ret);
struct roll *roll_ref(struct roll *r);
void roll_unref(struct roll *r);
const struct roll_info *roll_info(const struct roll *r);
bool roll_broken(const struct roll *r); /* a page did not check; set once, by whoever met it */

/* Cells of a point that begin in [from, to), in order of time, each to fn; non-zero ends it and is returned.
 * meta->has_stats false: there is no such cell (meta->first_us lies in its interval). ERR_CORRUPT: r is broken now. */
typedef int roll_cell_fn(void *ctx, const struct block_meta *m);
int roll_cells(struct roll *r, unsigned level, uint32_t point, int64_t from, int64_t to, struct codec *c,
               roll_cell_fn *fn, void *ctx);
/* Read and check header, footer and directory, then each page, from step *at (0: the beginning) on, about max_bytes of
 * them; *at moves on. fn is told of each broken place (pg NULL: not a page), and the file is broken then. 1: there is
 * more, 0: that was all; ERR_IO, ERR_NOMEM. */
typedef void roll_damage_fn(void *ctx, const struct roll_info *i, uint64_t at, const struct index_page *pg);
int roll_scrub(struct roll *r, uint64_t *at, uint64_t max_bytes, struct codec *c, uint64_t *ret_bytes,
               roll_damage_fn *fn, void *ctx);
/* All cells of a level, page by page (for merging). *ret_e from mem_alloc. ERR_CORRUPT. */
size_t roll_page_count(const struct roll *r, unsigned level);
int roll_page(struct roll *r, unsigned level, size_t page, struct codec *c, struct index_entry **ret_e, size_t *ret_n);

/* Writing: cells of a level in order of point and time. */
struct roll_write;
int roll_write_begin(struct fs *fs, const struct roll_info *i, struct codec *codec, struct roll_write **ret);
int roll_write_cell(struct roll_write *w, unsigned level, const struct block_meta *m);
/* Directory, footer, sync, rename, sync of the directory; frees w; on failure nothing is left. */
int roll_write_finish(struct roll_write *w);
void roll_write_abort(struct roll_write *w); /* NULL is fine */
