/* run_int.h - inside of the running forwardings: run.c (life, samples), host.c (what outlets may ask), try.c (tests). */
#pragma once
#include <pthread.h>
#include <semaphore.h>
#include "core/control.h"
#include "core/trust.h"
#include "io/loop.h"
#include "modules/forward/kept.h"
#include "modules/forward/run.h"

#define FLIGHTS 16         /* batches at an outlet */

struct call;
struct flight {
    uint64_t ticket;       /* 0: free */
    struct pump_batch *b;
};
struct fwd {
    struct run *run;
    char id[37], code[129];
    const struct outlet *outlet;
    struct outlet_channel *ch;
    struct outlet_host host;
    struct f_line *line;   /* what the slots mean */
    uint64_t options_sig, set_sig;
    struct pump_line *pump;
    struct flight flights[FLIGHTS];
    uint64_t ticket;
    uint32_t turn[2];      /* by flow: batches given back with ERR_AGAIN, see struct pump_batch */
    struct kept kept;      /* what the outlet keeps; in memory the loop's, after it is opened */
    struct call *calls;    /* not completed yet */
    unsigned refs;         /* the object itself, and each call that is out */
    bool closing, up;
    struct frame_log frames;
    uint8_t history[FWD_HISTORY];
    unsigned nhistory;
    uint64_t items_before, backfilled_before, bytes_before;
    double items_per_s, backfill_per_s, bytes_per_s;
    void (*gone)(void *arg); /* after it is closed */
    void *gone_arg;
    bool seen;             /* mark of run_apply */
};

/* Who wants the samples of a point. */
struct route {
    uint32_t num;
    struct fwd *fwd;
    struct pump_line *pump;
    struct gate_rule rule;
    struct gate gate;      /* only the point's shard touches it */
};
struct routes {
    struct route *at;      /* by number */
    size_t n, cap;
    uint32_t *first;       /* index of the first of a number; [max + 1] the end */
    uint32_t max;
};

struct run {
    struct node *node;
    struct loop *loop;
    struct pump *pump;
    struct pool *asking, *writing; /* history, log-ins; writes, which wait for equipment */
    uv_timer_t tick;
    unsigned ticks;
    struct fwd **fwds;
    size_t n, cap;
    struct outlet_item *items; /* room for one batch */
    pthread_rwlock_t routes_lock;
    struct routes routes;
    bool subscribed;
};

/* host.c */
void fwd_host(struct fwd *f, struct run *r, const char *code);
void fwd_cancel_calls(struct fwd *f); /* host_call.c; all that is out ends as CANCELLED */
void fwd_unref(struct fwd *f);
/* Value of a point as it goes on the wire. */
void fwd_scale(const struct f_slot *s, struct sample *v);
/* flow.c */
void flow_offer(void *fwd, struct pump_batch *b); /* on the pump's thread */
void flow_stop(struct run *r);                    /* no sample comes in any more */
void routes_renew(struct run *r);                 /* made from the running lines; gates keep their state */
void routes_cut(struct run *r, const struct fwd *f); /* nothing goes into that line any more */
void routes_free(struct routes *t);
/* run.c */
struct fwd *fwd_find(struct run *r, struct str id); /* on the loop, or by the reconciler */
struct fwd *fwd_new(struct run *r, const struct f_line *l); /* its outlet is opened on the loop */
void fwd_close(struct fwd *f, void (*gone)(void *arg), void *arg);          /* on the loop */
