/* run.h - running forwardings: the outlets' objects on one loop, the way of samples to them, and what handlers see.
 *
 * The reconciler makes the running world equal to a plan (run_apply). Samples come from the bus on the shards' threads:
 * a table by point number says which lines want them, a gate lets through what the mapping asks for, the pump brings them
 * to disk and back, and the loop hands them to the outlet. Everything inside struct fwd belongs to the loop's thread. */
#pragma once
#include "drivers/common/frame_log.h"
#include "modules/forward/plan.h"
#include "modules/forward/pump.h"

#define FWD_HISTORY 50    /* states kept, one a minute */
#define FWD_PEERS 200

struct fwd_view {         /* a copy for a handler */
    struct outlet_status status;
    struct pump_stats pump;
    bool buffered;
    uint8_t history[FWD_HISTORY];
    unsigned nhistory;
    double items_per_s, backfill_per_s, bytes_per_s;
};

struct run;
MUST_CHECK int fwd_run_start(struct node *n, struct run **ret, struct error *e);
void fwd_run_stop(struct run *r);
void fwd_run_apply(struct run *r, const struct plan *p);         /* the reconciler only */
/* Any thread but the loop's. False: it does not run. */
bool fwd_run_view(struct run *r, struct str id, struct fwd_view *ret);
size_t fwd_run_peers(struct run *r, struct str id, struct outlet_peer *ret, size_t max);
size_t fwd_run_frames(struct run *r, struct str id, struct frame_copy *ret, size_t max);
bool fwd_run_discard(struct run *r, struct str id);
MUST_CHECK int fwd_run_record(struct run *r, struct str id, unsigned seconds, struct error *e);
MUST_CHECK int fwd_run_recorded(struct run *r, struct str id, struct capture_view *ret, struct buf *file, struct error *e);
/* An alarm began, ended or was acknowledged; an alarm_fn (core/alarms.h), any thread. */
struct alarm_view;
void fwd_run_alarm(void *run, const struct alarm_view *v);
struct run_test {
    bool ok;
    uint32_t ms;
    struct error error;                                      /* or what it says when it is ok */
};
/* On the running forwarding, or, id {NULL,0}, on one made for the purpose from the line (its outlet and options). */
void fwd_run_test(struct run *r, struct str id, struct f_line *line, unsigned wait_ms, struct run_test *ret);
