/* places.h - where old history moves, as the settings `warm` and `cold` say: a directory, or for cold an S3 store. */
#pragma once
#include "app/config.h"
#include "model/ts_admin.h"
#include "store/object.h"

struct app_places {
    struct fs *fs[TS_PLACES]; /* [TS_WARM], [TS_COLD]; NULL: not set */
    struct object_store *store;
    char cold_at[512]; /* the setting `cold` without options and whoever it names */
};
/* A directory that cannot be used, or a store that refuses us, ends the start; one that is away does not. */
MUST_CHECK int app_places_open(const struct config *c, struct app_places *ret, struct error *e);
void app_places_close(struct app_places *p);
