/* places.h - whether the places of history answer: looked at by the thread of storage_watch.c, read by pages. */
#pragma once
#include "core/node.h"
#include "model/ts_admin.h"

struct place_seen {
    int err; /* 0: it answers */
    struct error why;
    int64_t free, total; /* bytes; -1: nobody knows */
    int64_t at_us;       /* when it was looked at; 0: not yet */
};
/* Look at all that are set; may take seconds. */
void places_see(const struct node *n, struct place_seen ret[TS_PLACES]);
/* "places":[…],"places_at": what lies where, and how it was when it was seen. */
void places_write(const struct node *n, const struct place_seen seen[TS_PLACES], struct json_writer *w);
