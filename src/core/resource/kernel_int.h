/* kernel_int.h - between the files of the resource engine: kernel*.c, resource*.c, watch.c, history.c,
 * import*.c, list_filter*.c. Nothing else includes it. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "base/limits.h"
#include "base/mem.h"
#include "core/event.h"
#include "core/resource.h"

#define KINDS_MAX 1024
#define HOOKS_MAX 256
#define WATCHERS_MAX 64
#define LISTENERS_MAX 32
#define CHANGES_KEPT 1000000

struct watcher {
    void (*fn)(void *ctx, int64_t newest_seq);
    void *ctx;
};

struct listener {
    event_fn *fn;
    void *ctx;
};

struct kernel {
    struct sql *db;
    const struct clock *clock;
    const struct rng *rng;
    struct kind *kinds[KINDS_MAX]; /* append-only; nkinds is published after the entry */
    atomic_size_t nkinds;
    struct kind_hooks hooks[HOOKS_MAX];
    atomic_size_t nhooks;
    pthread_mutex_t lock; /* registration; watchers and seq below; cond */
    pthread_cond_t cond;  /* seq or dispatched moved, closing */
    struct watcher watchers[WATCHERS_MAX];
    size_t nwatchers;
    int64_t seq, dispatched;
    bool closing, dispatching;
    pthread_t dispatcher;
    struct secrets *secrets; /* NULL: stored as they are */
    pthread_rwlock_t events_lock;
    struct listener listeners[LISTENERS_MAX];
    size_t nlisteners;
};

int kernel_nomem(struct error *e);
#define CATCH_NOMEM(p, e) \
    do { \
        if (!(p)) return kernel_nomem(e); \
    } while (0)

/* watch.c */
void watch_committed(struct kernel *k, int64_t newest_seq); /* after a commit; any thread */
int watch_dispatch_start(struct kernel *k);                 /* lock held */
void watch_stop(struct kernel *k);

/* The kind or ERR_NOT_FOUND with the nearest name. */
MUST_CHECK int kind_need(struct kernel *k, const char *name, const struct kind **ret, struct error *e);

/* ------------------------------------------------------------------ rows (resource_row.c) */

#define ROW_COLUMNS \
    "r.id, r.kind, r.num, r.code, r.name, r.org, r.state, r.origin, r.rev, r.created_by, r.created_us, r.updated_by, " \
    "r.updated_us, r.deleted, r.op, r.labels, r.spec"
MUST_CHECK int row_read(struct kernel *k, struct sql_stmt *s, struct arena *a, struct resource *ret, struct error *e);
/* By id or code; `dead`: tombstones too (the live one first). ERR_NOT_FOUND. */
MUST_CHECK int row_find(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct str key,
                        bool dead, struct resource *ret, struct error *e);
/* Fill r->refs of n resources of one kind with one query per 200 ids. */
MUST_CHECK int row_refs(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct resource *r,
                        size_t n, struct error *e);
bool uuid_like(struct str s);
struct titles {
    char en[64], zh[64];
};
struct titles kind_titles(const struct kind *kd); /* for messages: "modbus channel", "通道" */

/* ------------------------------------------------------------------ changes (resource_change.c) */

struct ref_entry;
struct changer { /* one writing transaction for resources of one kind */
    struct kernel *k;
    const struct kind *kd;
    const struct actor *by;
    struct sql_tx *tx;
    int64_t now_us, seq, first_seq, num; /* last numbers given out */
    bool num_loaded, num_moved;
    struct arena refs_arena; /* of the cache below: (kind, code or id) -> id */
    struct ref_entry *refs;
    size_t nrefs, refs_cap;
};
enum verb { VERB_CREATE, VERB_REPLACE, VERB_PATCH, VERB_DELETE, VERB_UPSERT };

MUST_CHECK int changer_begin(struct kernel *k, const char *kind, const struct actor *by, struct changer *c,
                             struct error *e);
/* Ends the transaction; with commit, tells the watchers. */
MUST_CHECK int changer_end(struct changer *c, bool commit, struct error *e);
/* One change. UPSERT: `key` is a code; patches when it is there, else creates. */
MUST_CHECK int changer_apply(struct changer *c, struct arena *a, enum verb verb, struct str key, int64_t expect_rev,
                             const struct resource_input *in, struct resource *ret, enum bulk_status *ret_status,
                             struct error *e);
/* Id of the resource that a reference means (code or id). ERR_NOT_FOUND names it. */
MUST_CHECK int changer_ref(struct changer *c, struct str kind, struct str target, struct str *ret_id, struct error *e);
/* Write `old` -> `next` (checked, ids resolved) as a new revision; old NULL: create. */
MUST_CHECK int changer_store(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                             enum change_op op, struct error *e);
/* Check and complete next->spec, labels, code, uniqueness; run the hooks. */
MUST_CHECK int changer_check(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                             const struct resource_input *in, struct error *e);

/* The next number of a numbered kind; 0 for others. */
MUST_CHECK int changer_number(struct changer *c, uint32_t *ret, struct error *e);
void changer_refs_forget(struct changer *c);

/* resource_unique.c: indices and checks of fields with index or unique. */
MUST_CHECK int unique_prepare(struct kernel *k, const struct kind *kd, struct error *e);
MUST_CHECK int unique_check(struct changer *c, struct arena *a, const struct resource *next, struct error *e);

/* resource.c, shared with import.c */
void report_count(struct bulk_report *r, enum bulk_status status);
bool row_fault(int rc); /* true: the row is at fault, not the database */
/* resource_write.c */
void spec_write(struct json_writer *w, const struct kind *kd, const struct json *spec);
/* resource_list.c: everything that a query finds, one by one; the resource dies with the call. */
MUST_CHECK int list_stream(struct kernel *k, const struct list_query *q,
                           int (*fn)(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *a), void *ctx,
                           struct error *e);
