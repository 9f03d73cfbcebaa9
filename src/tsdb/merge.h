/* merge.h - the samples of one point out of many sources, as one sorted sequence.
 *
 * A source is a sequence of pieces (blocks of a segment, chunks of the head) that are sorted by time and
 * do not overlap; sources overlap freely, and of two samples with the same time the one from the source
 * with the higher priority is given (of those with the same, from the one that stands first). Pieces are decoded only
 * when their turn comes. A whole piece that no other source overlaps can be had by its summary alone.
 * Threads: a merge belongs to one thread. Ownership: decoded samples stay valid until the next call. */
#pragma once
#include "base/error.h"
#include "bornite/sample.h"
#include "tsdb/block_meta.h"
#include "tsdb/codec.h"

struct piece {
    int64_t t0, t1;                /* first time exactly; last time or something later, before the next t0 */
    uint32_t n;                    /* samples at most */
    uint32_t a, b;                 /* the source's own */
    const void *p;                 /* the source's own */
    const struct block_meta *meta; /* summary, or NULL */
};
struct source {
    uint64_t prio;
    int64_t floor; /* samples before are expired: not given (INT64_MIN: all) */
    struct piece *pieces;
    size_t n;
    /* Samples of the piece in time order, point filled in; count, or ERR_CORRUPT (the piece is skipped; the
     * source has counted it), ERR_NOMEM, ERR_IO. */
    int (*decode)(struct source *, const struct piece *, struct sample *out, struct codec *c);
    void *ctx;
    const void *ctx2;
    uint32_t point;
};

struct cursor {
    struct source *s;
    size_t piece, i, n, cap;
    bool loaded;
    struct sample *buf;
};
struct merge {
    struct cursor *c;
    size_t n;
    int64_t from, to; /* [from, to] */
    struct codec *codec;
    struct cursor mix; /* samples of several cursors that alternate, put together */
    bool damaged;      /* a piece was skipped */
    uint64_t dropped;  /* older samples of a time that a newer one replaced */
};
struct run {
    const struct sample *s; /* NULL with `block` */
    size_t n;
    const struct block_meta *block; /* a whole piece inside the range, not decoded */
    struct cursor *cur;
};
/* For sources whose piece->p is an array of samples. */
int sample_array_decode(struct source *s, const struct piece *p, struct sample *out, struct codec *c);
/* Sources are borrowed. ERR_NOMEM. merge_fini also after a failure. */
int merge_init(struct merge *m, struct source *sources, size_t n, int64_t from, int64_t to, struct codec *codec);
void merge_fini(struct merge *m);
/* 1 and the next samples, or with `blocks` a whole piece; 0 at the end; negative error. */
int merge_next(struct merge *m, bool blocks, struct run *ret);
/* Take back all but the first `taken` samples (0: all, also a block) of what merge_next just gave. */
void merge_unread(struct run *r, size_t taken);
/* Go on with what is at or behind t, which is not before anything given. */
void merge_skip(struct merge *m, int64_t t);
/* Decode the piece that merge_next just gave as a block; the next merge_next gives its samples. */
int merge_open(struct merge *m, const struct run *r);
