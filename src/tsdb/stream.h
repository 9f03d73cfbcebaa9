/* stream.h - the samples of one point in a range in order of time, as parts: runs of samples, blocks by their summary,
 * and where there are rollups and the asker can take them, cells. See roll.h for when a cell counts.
 *
 * Threads: a stream belongs to one thread. What is newer than the store's newest sample at the opening is left out. */
#pragma once
#include "tsdb/engine.h"

/* May what is in [t0, t1) be taken as one part? */
typedef bool stream_fits_fn(void *ctx, int64_t t0, int64_t t1);
struct cell {
    int64_t t0, t1;
    size_t order;               /* of its file; higher is newer */
    const struct block_meta *m; /* NULL: there is none */
};
struct span {
    int64_t t0, t1; /* [t0, t1] */
};
struct stream {
    struct query q;
    int64_t from, to, pos; /* [from, to); everything before pos has been given */
    unsigned levels;       /* bit of each level whose cells may fit */
    stream_fits_fn *fits;
    void *ctx;
    bool no_cells;
    /* the chunk that is planned */
    int64_t chunk_end;
    struct arena arena; /* summaries of the cells */
    struct cell *cells;
    size_t ncells, cap_cells, at;
    struct span *dirty; /* where sources newer than the rollups may hold samples; apart, sorted */
    size_t ndirty, cap_dirty;
    /* samples between cells */
    struct merge m;
    bool merging, in_gap;
    int64_t merge_end;
};
/* levels 0, fits NULL: no cells. */
void stream_open(struct stream *s, struct tsdb *db, uint32_t point, int64_t from, int64_t to, unsigned levels,
                 stream_fits_fn *fits, void *ctx);
/* 1 and the next part; 0 at the end; negative error. ret->cur is NULL for a cell. */
int stream_next(struct stream *s, struct run *ret);
/* Give the block that was given last as samples instead; not for cells. */
int stream_split(struct stream *s, const struct run *r);
/* The last sample before `at`, or the first at or behind it, where only rollups may be left. ERR_NOT_FOUND. */
int stream_before(struct tsdb *db, uint32_t point, int64_t at, struct sample *ret);
int stream_after(struct tsdb *db, uint32_t point, int64_t at, struct sample *ret);
void stream_close(struct stream *s);
