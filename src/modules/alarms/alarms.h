/* alarms.h - the module's own: what its files share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "core/alarms.h"
#include "core/feed.h"
#include "core/lead.h"
#include "core/node.h"
#include "modules/alarms/store.h"

#define ALARM_WATCHERS 4
struct alarms {
    struct node *node;
    struct alarm_source source; /* what node->alarms points at */
    struct {
        alarm_fn *fn;
        void *arg;
    } watchers[ALARM_WATCHERS]; /* set before the threads start */
    unsigned nwatchers;
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

    /* Where several processes share the database one of them watches the samples; the others show what it stores. */
    struct lead lead;
    atomic_bool leading;
    uint64_t shown; /* digest of what the store held when it was last shown; the writer's */
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
/* lead.c: whether this process watches, asked by the writer's thread about once a second. */
int alarms_lead_start(struct alarms *a, struct error *e);
void alarms_lead_turn(struct alarms *a);
void alarms_discard(struct alarms *a); /* writer.c: steps that are not ours to tell */
/* One line about it in both languages. */
void alarms_titles(const struct alarm_item *it, bool raised, char en[400], char zh[400]);
/* outside.c: core/alarms.h. */
void alarms_outside_init(struct alarms *a);
void alarms_tell(struct alarms *a, const struct alarm_item *it);
/* ERR_CONFLICT: there is nothing to acknowledge. *seq: the step to wait for with alarms_written. */
MUST_CHECK int alarms_ack(struct alarms *a, const char *login, uint32_t num, int cond, struct str comment, uint64_t *seq,
                          struct error *e);
/* api.c: may he change it? What he may not read is not there. */
MUST_CHECK int alarms_check(struct alarms *a, const struct actor *by, struct str id, uint32_t *num, int *cond, struct error *e);
/* module.c */
int alarms_init(struct node *n, void **ret_ctx, struct error *e);
int alarms_start(void *ctx, struct error *e);
void alarms_stop(void *ctx);
void alarms_fini(void *ctx);
