/* alarms.h - the module's own: what its files share. */
#pragma once
#include <pthread.h>
#include "core/feed.h"
#include "core/node.h"
#include "modules/alarms/store.h"

struct alarms {
    struct node *node;
    struct engine *engine;
    struct book *book;
    struct feed *feed;

    pthread_mutex_t lock; /* all below */
    pthread_cond_t timers_cond, steps_cond, load_cond, written_cond;
    bool timers, steps, dirty, stopping, started;
    uint64_t written; /* last step that is durable */
    pthread_t timer_thread, writer_thread, loader_thread;

    pthread_mutex_t load_lock; /* one change of the configuration at a time */
    struct journal_entry *pending; /* the writer's: not yet durable */
    size_t npending, pending_cap;
    uint64_t retry_ns;
};

/* load.c: points -> engine and book. */
int alarms_hooks_add(struct alarms *a, struct error *e);
int alarms_restore(struct alarms *a, struct error *e); /* the stored alarms */
int alarms_load(struct alarms *a, struct error *e);    /* all points */
/* writer.c: steps -> book, store, events. */
size_t alarms_turn(struct alarms *a); /* one round of the writer; steps that it took */
int alarms_written(struct alarms *a, uint64_t seq, struct error *e); /* waits until it is durable */
void alarms_woken(void *ctx, bool timers);
int alarms_threads_start(struct alarms *a, struct error *e);
void alarms_threads_stop(struct alarms *a);
/* module.c */
int alarms_init(struct node *n, void **ret_ctx, struct error *e);
int alarms_start(void *ctx, struct error *e);
void alarms_stop(void *ctx);
void alarms_fini(void *ctx);
