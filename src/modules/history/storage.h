/* storage.h - housekeeping of the store for people: disk use, growth, damage, previews, scrubbing.
 *
 * storage_watch.c has the one thread: every minute it looks for new damage (event storage.damage) and whether the
 * places of history answer, every hour it notes the growth and gathers what each point uses, which is kept as a picture
 * and read by pages; a request may ask for a new one. storage.c has the routes, scrub.c the job. */
#pragma once
#include "core/node.h"
#include "modules/history/places.h"
#include "modules/history/usage.h"

struct storage;
MUST_CHECK int storage_new(struct node *n, struct storage **ret, struct error *e); /* tables, job type */
MUST_CHECK int storage_start(struct storage *s, struct error *e);
void storage_stop(struct storage *s);
void storage_free(struct storage *s);
struct storage *history_storage(void *module);

struct storage_state {
    struct usage *usage; /* a reference, or NULL: never gathered */
    bool refreshing;
    int err; /* of the last try; 0 */
    char why[ERROR_TEXT_MAX], why_zh[ERROR_TEXT_MAX];
};
/* The picture as it is. refresh: ask for a new one; without any it is waited for, at most wait_ms. */
void storage_look(struct storage *s, bool refresh, unsigned wait_ms, struct storage_state *ret);
/* How the places were when they were last seen; asks for a new look when that was some seconds ago. */
void storage_places(struct storage *s, struct place_seen ret[TS_PLACES]);
double storage_bytes_per_sample(void *module, uint32_t point); /* NAN: not known */

int storage_routes(struct node *n, void *module, struct error *e); /* from init */

void storage_wake(struct storage *s); /* look for new damage now */

/* scrub.c: the job history.scrub. */
MUST_CHECK int scrub_add(struct node *n, struct storage *s, struct error *e);
