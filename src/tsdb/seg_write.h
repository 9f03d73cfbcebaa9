/* seg_write.h - writing a segment: groups of points, each point's samples pulled from a merge. */
#pragma once
#include "tsdb/merge.h"
#include "tsdb/segment.h"

struct feed { /* one point */
    uint32_t point;
    struct merge m; /* initialised; the writer uses it up */
    struct run r;
    size_t used;
    bool end;
    struct sample *buf; /* SEG_BLOCK_MAX; the writer's */
    size_t n;
};
struct seg_write;
/* Begins "<path>.new". codec: the caller's, with max >= SEG_BLOCK_MAX. */
int seg_write_begin(struct fs *fs, const struct seg_info *info, struct codec *codec, struct seg_write **ret);
/* At most 128 feeds, all of one group. The caller frees the merges. */
int seg_write_group(struct seg_write *w, uint32_t group, struct feed *feeds, size_t n);
uint64_t seg_write_samples(const struct seg_write *w);
/* Index, footer, sync, rename, sync of the directory. Frees w. On failure the temporary file is removed. */
int seg_write_finish(struct seg_write *w);
void seg_write_abort(struct seg_write *w); /* NULL is fine */
