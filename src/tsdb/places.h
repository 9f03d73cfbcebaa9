/* places.h - segments that lie elsewhere: "ts/moved" in the data directory says which ones. */
#pragma once
#include "tsdb/engine.h"

extern const struct fs_ops places_nowhere;
struct seg_set;
int places_load(struct tsdb *db, struct error *e); /* at the start, before segs_load */
/* Add what was moved to the segments that were found in the data directory. */
int places_open(struct tsdb *db, struct seg_set *set);
void places_fini(struct tsdb *db);
struct fs *place_fs(struct tsdb *db, uint8_t place);
/* Where a segment should lie at `now`; never nearer than it does, only places that are configured. */
uint8_t place_wanted(struct tsdb *db, const struct ts_class *c, const struct seg_info *s, int64_t now);
/* work held: forget the file of a segment that is no longer part of the store. `bad`: keep it under another name. */
void place_remove(struct tsdb *db, const struct seg_info *i, bool bad);
int places_save(struct tsdb *db); /* work held; when something has changed */
/* Move what is due; takes `work` itself, and holds it only for moments. */
int places_move(struct tsdb *db, const struct ts_class classes[TSDB_CLASSES], int64_t now);
/* For stats: segments that do not answer, and why. */
uint64_t places_away(struct tsdb *db, const struct view *v, char *why, size_t cap);
/* ERR_UNAVAILABLE and a text that names the place, when that is why a query failed with rc; else 0. */
int places_error(struct tsdb *db, struct error *e, int rc);
