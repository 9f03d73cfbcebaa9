/* roll.h - rollups: what the samples of a point amount to in each minute, half hour, hour and third of a
 * day (UTC).
 *
 * A cell is a block_meta over the samples of one point in one such interval; neighbouring cells compose exactly as
 * neighbouring blocks do, so that queries take cells like blocks. Thirds of a day and not days, because the days of
 * time zones at whole eight hours (China's) and the shifts of a plant are made of them; days, weeks and months of
 * UTC are anyway. Halves of hours, because at half hours the days of India, Iran or South Australia begin. A cell is
 * kept where it stands for ROLL_MIN samples: reading fewer is no work, and so rollups add no more than a few per cent
 * (at 1 Hz an hour of 3,600 samples has three cells of some 16 bytes, 6 per cent of what its samples take).
 *
 * Cells stand in files of their own (roll_file.h), each written once by a step (roll_step.c). A step takes segments
 * that were not rolled, computes the cells that they touch from all segments together, and says up to which sequence
 * number everything is rolled now (`rolled`). Of the cells of one interval the one of the later step counts; one
 * without figures says that there is none. So a cell is right unless a source newer than `rolled` (a younger segment,
 * what is in memory), or a deletion that no step knew of, touches its interval; then samples are read instead.
 * Segments on the two sides of `rolled` are not merged with one another, deletions are not forgotten before a step
 * knew of them.
 * A cell is complete, and is written, when a later sample of the point or one of the store two hours behind its end
 * is there. Late samples, rewrites and deletions touch cells like any others.
 *
 * Where a class keeps rollups longer than samples (rollup_age_us), its samples expire by whole hours, and before
 * they do every hour and third of a day has its cell, however few samples that has (roll_save). */
#pragma once
#include "tsdb/engine.h"
#include "tsdb/roll_file.h"

#define ROLL_MIN 256

/* roll_load.c. The files that count, out of those found at the start, and how far they reach. */
struct roll_set {
    struct roll **rolls;
    size_t n, cap;
    uint32_t known;
    uint64_t rolled, last; /* last: greatest sequence number or step that any name or file tells */
};
/* ERR_UNSUPPORTED, ERR_NOMEM, ERR_IO. Broken files are set aside and counted. */
int roll_load(struct tsdb *db, struct roll_info *names, size_t n, struct roll_set *ret, struct error *e);
void roll_set_fini(struct roll_set *s);
/* Cells older than all segments of a class that does not keep them longer do not count. */
void roll_limit(struct tsdb *db, struct seg *const *segs, size_t n);
/* Publish these files and this mark (references are taken); `work` held. */
int roll_publish(struct tsdb *db, struct roll *const *rolls, size_t n, uint64_t rolled, uint32_t known);
/* Some files are not to be believed: the others serve on only where cells are kept longer than samples. */
bool roll_keeps(struct tsdb *db);
/* What a new file says about itself: step number and class floors are the present ones. ERR_LIMIT. */
int roll_next_info(struct tsdb *db, uint64_t lo, uint64_t hi, uint64_t rolled, struct roll_info *ret);
void roll_remove(struct tsdb *db, struct roll *r);

/* roll_step.c, roll_merge.c; `work` held. 1: something was done, more may be due; 0: nothing is due. */
int roll_once(struct tsdb *db);
int roll_merge_once(struct tsdb *db);

/* roll_save.c; `work` held */
/* Before samples of a class that keeps rollups longer go: every cell that ends by `floor` exists. */
int roll_save(struct tsdb *db, uint8_t class_id, int64_t floor);
/* Enforcement by age: *floor becomes one before which samples may go (whole hours where cells are kept longer). */
int roll_expire(struct tsdb *db, const struct ts_class *c, int64_t now, int64_t *floor);
/* Samples of a class before a time are about to be dropped for want of room. May seal: look at the view again. */
int roll_drop(struct tsdb *db, uint8_t class_id, int64_t before);
