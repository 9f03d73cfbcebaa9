/* run.h - running channels: the driver objects on their loops, and what the module sees of them.
 *
 * A worker is a loop thread with its own source on the bus; a channel lives on one worker for life.
 * The reconciler and the handlers come in from other threads through loop_call; everything inside
 * struct chan belongs to the worker's thread. */
#pragma once
#include "drivers/common/frame_log.h"
#include "io/loop.h"
#include "modules/collect/browse_search.h"
#include "modules/collect/plant.h"

#define CHAN_HISTORY 50   /* states kept, one a minute */

struct chan_view {          /* a copy for a handler */
    struct driver_status status;
    uint8_t history[CHAN_HISTORY];
    unsigned nhistory;
    double samples_per_s;
    bool has_clock;
    int64_t clock_us;       /* of the device whose clock is farthest from ours: its time - our time (source_clock.h) */
};

struct run;
MUST_CHECK int run_start(struct node *n, unsigned workers, struct run **ret, struct error *e);
void run_stop(struct run *r);                                     /* closes all channels, joins the loops */
/* Make the running channels equal to the snapshot; from the reconciler only. */
void run_apply(struct run *r, const struct plant *p);
/* Figures of a channel; false when it does not run. Any thread but a worker's. */
bool run_view(struct run *r, struct str id, struct chan_view *ret);
/* clocks[i]: the device's clock - ours in microseconds, INT64_MIN: not known. */
size_t run_devices(struct run *r, struct str id, struct driver_device_status *ret, int64_t *clocks, size_t max);
/* The frames kept, oldest first; from now on every frame is kept for a minute. */
size_t run_frames(struct run *r, struct str id, struct frame_copy *ret, size_t max);

/* Blocking calls into a driver; results are copied. */
struct call_result {
    enum driver_outcome outcome;
    bool ok, has_readback;
    struct error error;
    struct sample readback;
    char text[1024];
    uint32_t ms;
};
void run_write(struct run *r, struct str channel_id, const struct driver_write *w, unsigned wait_ms, struct call_result *ret);
/* On the running channel of that id, or, id {NULL,0}, on one made for the purpose from the options. */
void run_test(struct run *r, struct str channel_id, const struct driver *d, const struct options *o, unsigned wait_ms, struct call_result *ret);
struct reading_copy {
    struct sample sample;
    char text[256];
    uint8_t raw[64];
    size_t raw_len;
    struct error error;
    uint32_t ms;
};
int run_read(struct run *r, struct str channel_id, const struct driver *d, const struct options *o, const struct driver_device *dev,
             const struct driver_point *points, size_t n, unsigned wait_ms, struct reading_copy *ret, struct error *e);
/* What the device offers below `node`: appends the answer of POST /channels:browse as JSON. */
int run_browse(struct run *r, struct str channel_id, const struct driver *d, const struct options *o, const struct driver_device *dev,
               struct str node, struct str cursor, size_t max, unsigned wait_ms, struct buf *ret, struct error *e);
/* One portion of a search. *search is taken: it comes back with 0, else it is gone. */
int run_search(struct run *r, struct str channel_id, const struct driver *d, const struct options *o, struct browse_search **search,
               const struct browse_bounds *bounds, unsigned wait_ms, struct error *e);

/* A page of what the device keeps of a point's past, on the running channel of that id, whose driver must have a history.
 * The samples are back-filled ones, their texts in the dictionary; the page is the caller's. */
struct history_page {
    struct sample *samples;
    size_t n;
    char *next; /* cursor of the next one, NULL: all told */
};
int run_history(struct run *r, struct str channel_id, const struct driver_history *h, unsigned wait_ms,
                struct history_page *ret, struct error *e);
void history_page_free(struct history_page *p);

/* Who answers where the options say: appends the answer of POST /channels:discover as JSON. */
int run_discover(struct run *r, const struct driver *d, const struct options *o, unsigned wait_ms, struct buf *ret, struct error *e);

/* Recording of a channel, see frame_log.h. */
int run_capture(struct run *r, struct str id, unsigned seconds, struct error *e);
int run_captured(struct run *r, struct str id, struct capture_view *ret, struct buf *file, struct error *e);
const char *driver_state_name(enum driver_state s);
