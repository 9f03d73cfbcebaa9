/* browse_search.h - looking for a text in what a device offers: a crawl below a node, breadth first, by the driver's
 * own browse, in portions. Knows no protocol.
 *
 * A search lives over several portions: what still waits to be looked at stays in it. One owner at a time: the handler
 * that makes it, the loop while a portion runs, the shelf between portions. */
#pragma once
#include "bornite/driver.h"
#include "base/json.h"

struct browse_search;
/* Copies everything, the options of the device too. NULL: out of memory. */
struct browse_search *browse_search_new(struct str node, struct str text, const struct driver_device *device);
void browse_search_free(struct browse_search *s);

/* One portion ends with the first of these that is reached. */
struct browse_bounds {
    size_t items;    /* found */
    size_t nodes;    /* looked at */
    uint64_t ns;     /* by now() */
};
struct browse_run { /* on the loop of the channel */
    const struct driver *driver;
    /* The channel now; NULL: it is gone. */
    struct driver_channel *(*channel)(void *ctx);
    /* Call step(s) soon, from the loop, not from inside a callback of the driver. Negative: the loop ends. */
    int (*later)(void *ctx, void (*step)(void *s), void *s);
    uint64_t (*now)(void *ctx);
    /* Once, at the end: 0, or what stopped it (then the search cannot go on). */
    void (*done)(void *ctx, const struct error *e);
    void *ctx;
};
void browse_search_run(struct browse_search *s, const struct browse_run *r, const struct browse_bounds *b);
/* After a portion: {"items":[…],"next":cursor or null,…}. cursor: what continues it; used only when there is more. */
void browse_search_answer(struct browse_search *s, const char *cursor, struct json_writer *w);
bool browse_search_more(const struct browse_search *s);

/* The members of an item, without braces. */
void browse_item_members(struct json_writer *w, const struct driver_browse_item *i);
