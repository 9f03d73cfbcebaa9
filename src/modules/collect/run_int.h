/* run_int.h - shared by run.c (channels), run_call.c (blocking calls). */
#pragma once
#include <semaphore.h>
#include "base/mem.h"
#include "modules/collect/run.h"
#include "modules/collect/source_clock.h"

struct worker {
    struct run *run;
    struct loop *loop;
    struct bus_source *source;
    struct sink sink;
    uv_timer_t tick;                /* every 5 s */
    unsigned ticks;
    struct chan **chans;            /* worker's thread only */
    size_t n, cap;
};

struct chan {
    struct worker *w;
    char id[37], code[129];
    const struct driver *driver;
    struct driver_channel *ch;
    struct driver_host host;
    uint64_t options_sig, set_sig;
    struct frame_log frames;
    struct source_clock clock;
    uint8_t history[CHAN_HISTORY];
    unsigned nhistory;
    uint64_t samples_before;
    double samples_per_s;
    sem_t *closed;
    bool seen;                      /* mark of run_apply */
};

struct run {
    struct node *node;
    struct worker *workers;
    unsigned nworkers, next;
};

void chan_host(struct chan *c, struct worker *w, const char *code);    /* fill host */
struct chan *chan_find(struct worker *w, struct str id);               /* on the worker's thread */
