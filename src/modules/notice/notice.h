/* notice.h - the module's own: what its files share. Threads: `notice` takes events (queue under the lock) to
 * inbox, deliveries and streams; `notice-due` hands due deliveries to the pool, one a channel at a time,
 * in one process only where several share the database. */
#pragma once
#include <pthread.h>
#include "core/feed.h"
#include "core/lead.h"
#include "io/loop.h"
#include "modules/notice/form.h"
#include "modules/notice/inbox.h"

struct rules;
struct waiting { /* an event in the queue */
    struct waiting *next;
    struct notice *n;
};
#define IN_FLIGHT 32
struct notices {
    struct node *node;
    struct inbox *inbox;
    struct feed *feed;
    struct pool *pool;
    struct lead lead; /* of sending, where several processes share the database */

    pthread_mutex_t lock; /* all below */
    pthread_cond_t queue_cond, due_cond;
    struct waiting *first, **last;
    size_t nwaiting;
    bool dirty, stopping, started, due;
    char busy[IN_FLIGHT][37]; /* channels that a delivery is on its way to */
    pthread_t queue_thread, due_thread;

    struct rules *rules; /* the queue thread's */
};

/* queue.c */
void notices_event(void *ctx, const struct event *ev);
void notices_dirty(struct notices *x);
int notices_threads_start(struct notices *x, struct error *e);
void notices_threads_stop(struct notices *x);

/* rules.c: subscriptions against notices. */
struct delivery { /* a row to be */
    char id[37], channel[37], channel_code[129], org[37];
    bool is_new, open; /* open: a summary that still gathers */
    struct str recipients; /* JSON array */
    struct str topic, title, text, link, kind, ref;
    enum event_severity severity;
    int64_t at_us, next_us, count;
};
int rules_load(struct node *n, struct rules *old /* may be NULL; its summaries go on */, struct rules **ret, struct error *e);
void rules_free(struct rules *r);
/* Deliveries of a notice into the arena; summaries are remembered and come with rules_open. */
int rules_match(struct rules *r, struct arena *a, const struct notice *n, struct delivery **ret, size_t *ret_n);
/* Summaries that changed since the last call (to be stored), those that are due closed. */
int rules_summaries(struct rules *r, struct arena *a, struct delivery **ret, size_t *ret_n);

/* deliver.c: table `delivery`. */
int deliver_migrate(struct sql *db, struct error *e);
int deliver_store(struct sql_tx *tx, const struct delivery *d, size_t n, struct error *e);
int deliver_recover(struct sql *db, struct error *e); /* summaries that a crash left open */
int deliver_prune(struct notices *x, struct error *e);
void deliver_due(struct notices *x, int64_t *ret_next_us);
extern const char *const deliver_states[];
int deliver_list(struct kernel *k, const struct permissions *may, struct str channel, struct str state, size_t offset,
                 size_t limit, struct json_writer *w, int64_t *ret_total, struct error *e);
int deliver_again(struct notices *x, const struct permissions *may, struct str id, struct error *e);

/* send.c: one message through a channel, now. *ret_again: worth another try. */
int send_message(struct node *n, struct arena *a, const struct resource *channel, const struct message *m,
                 const struct json *recipients, bool *ret_again, struct error *e);

/* module.c */
int notices_init(struct node *n, void **ret_ctx, struct error *e);
int notices_start(void *ctx, struct error *e);
void notices_stop(void *ctx);
void notices_fini(void *ctx);
