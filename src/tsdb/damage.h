/* damage.h - the list of broken places ("ts/damage"). */
#pragma once
#include "tsdb/engine.h"

#define DAMAGE_MAX 1000
int damage_load(struct tsdb *db); /* at the start */
void damage_fini(struct tsdb *db);
/* A reader met a broken frame (any thread, segment.h): counted, described later. */
seg_damage_fn damage_met;
void damage_place(struct tsdb *db, const struct ts_damage *d); /* counted and listed, unless it is known */
void damage_file(struct tsdb *db, const char *path);           /* a whole file, or a log, at the start */
/* Describe what was met, and save the list. Any thread that holds no lock but `work`. */
void damage_flush(struct tsdb *db);
bool damage_names(struct tsdb *db, const char *path); /* there is a row of that file */
bool damage_knows(struct tsdb *db, const struct seg_info *i);
