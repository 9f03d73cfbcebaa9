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

struct kind_table {
    struct kind_table *older;
    size_t n;
    const struct kind *items[];
};
struct kind_owned {
    struct kind_owned *older;
    struct kind *kind;
};

struct kernel {
    struct sql *db;
    const struct clock *clock;
    const struct rng *rng;
    _Atomic(struct kind_table *) kinds; /* immutable once published; older ones live until close */
    int64_t kinds_gen;                  /* sequence 'kinds' that the table is of; under kinds_lock */
    bool kinds_loaded;                  /* user kinds are followed from user_kinds_load on */
    pthread_mutex_t kinds_lock;         /* one thread makes tables; outside `lock` */
    struct kind_table *tables;          /* all that were ever published */
    struct kind_owned *owned;           /* all kinds that were ever published */
    struct kind_hooks hooks[HOOKS_MAX];
    atomic_size_t nhooks;
    pthread_mutex_t lock; /* registration; watchers and seq below; cond */
    pthread_cond_t cond;  /* seq or dispatched moved, closing */
    struct watcher watchers[WATCHERS_MAX];
    size_t nwatchers;
    int64_t seq, dispatched;
    bool closing, dispatching;
    pthread_t dispatcher;
    struct lists *lists;     /* list_index.c; made under `lock` when it is needed */
    struct secrets *secrets; /* NULL: stored as they are */
    const struct kernel_files *files; /* NULL: fields of type file hold any text */
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
MUST_CHECK int watch_peers_start(struct kernel *k, struct error *e); /* changes that other processes make */
void watch_peers_stop(struct kernel *k);

/* ------------------------------------------------------------------ kinds (kernel_kinds.c) */

/* Puts a kind into the table, or in place of the one of its name; owns it unless it fails. */
MUST_CHECK int kinds_put(struct kernel *k, struct kind *kd, struct error *e);
MUST_CHECK int kinds_drop(struct kernel *k, struct str kind, struct error *e);
/* What the store needs for a kind: indices, states of rows that have none yet, codes that are never used again. */
MUST_CHECK int kind_prepare(struct sql_tx *tx, const struct kind *kd, struct error *e);
void kinds_free(struct kernel *k);
/* user_kind.c: make the table equal to the stored user kinds, when `gen` (of sequence 'kinds') is newer. */
MUST_CHECK int kinds_refresh(struct kernel *k, struct sql_tx *tx, int64_t gen, struct error *e);

void kinds_take(struct kernel *k); /* the newest, in a transaction of its own; a failure is logged */

/* The kind or ERR_NOT_FOUND with the nearest name. */
MUST_CHECK int kind_need(struct kernel *k, const char *name, const struct kind **ret, struct error *e);

/* ------------------------------------------------------------------ rows (resource_row.c) */

#define ROW_COLUMNS \
    "r.id, r.kind, r.num, r.code, r.name, r.org, r.state, r.origin, r.rev, r.created_by, r.created_us, r.updated_by, " \
    "r.updated_us, r.deleted, r.op, r.labels, r.spec"
MUST_CHECK int row_read(struct kernel *k, struct sql_stmt *s, struct arena *a, struct resource *ret, struct error *e);
/* For whom: codes are unique per organisation, so that the same key may mean different resources. Among
 * several that `by` may read the one of `org` is meant; `only`: just that one. */
struct row_view {
    const struct actor *by; /* NULL: everybody's */
    struct str org;         /* {NULL,0}: whichever */
    bool dead, only;
};
/* ERR_NOT_FOUND, also for what he may not read; ERR_CONFLICT when a code means several. */
MUST_CHECK int row_find_for(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct str key,
                            const struct row_view *view, struct resource *ret, struct error *e);
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

#define KIND_NAME_MAX 64
struct ref_entry;
struct code_rules;
struct kind_pending;
struct changer { /* one writing transaction for resources of one kind */
    struct kernel *k;
    const struct kind *kd;
    const struct actor *by;
    struct sql_tx *tx;
    int64_t now_us, seq, first_seq, num; /* last numbers given out */
    size_t stored; /* resources written so far */
    bool num_loaded, num_moved;
    int64_t text_num; /* of the text for searches made last; 0: none (search.c) */
    struct arena refs_arena; /* of the cache below: (kind, code or id) -> id */
    struct ref_entry *refs;
    size_t nrefs, refs_cap;
    char kind[KIND_NAME_MAX];    /* of kd, for permissions */
    struct str org;              /* of what is being checked; {NULL,0}: not known yet */
    const struct resource *old;  /* what is being changed, while it is checked */
    struct str transition, comment; /* of the revision to be stored; {NULL,0}: none */
    struct code_rules *rules;    /* of kd, when they were looked up */
    int depth;                   /* of dependants that follow an organisation */
    int64_t kinds_gen;           /* newest, moved when a user kind is changed */
    bool kinds_moved, broken;     /* broken: must not be committed */
    struct kind_pending *pending; /* a user kind between its check and its being carried out */
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
/* The same for any organisation and reader, with the organisation that it belongs to. */
MUST_CHECK int changer_ref_org(struct changer *c, struct str kind, struct str target, struct str *ret_id,
                               struct str *ret_org, struct error *e);
int no_such_ref(struct changer *c, struct str kind, struct str target, struct error *e);
/* Go on with resources of another kind in the same transaction. */
void changer_as(struct changer *c, const struct kind *kd);
MUST_CHECK int changer_revision(const struct resource *old, int64_t expect, struct error *e);
MUST_CHECK int sequence_read(struct sql_tx *tx, struct str name, int64_t *ret, struct error *e);
MUST_CHECK int sequence_write(struct sql_tx *tx, struct str name, int64_t value, struct error *e);
MUST_CHECK int changer_hooks(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
                             struct error *e);
/* After `next` was stored: what else has to move with it. */
MUST_CHECK int changer_follow(struct changer *c, struct arena *a, const struct resource *old,
                              const struct resource *next, struct error *e);
/* One change as an operation of its own: begin, fn, names of what it refers to, end. */
typedef int change_fn(struct changer *c, struct arena *a, void *ctx, struct resource *ret, struct error *e);
MUST_CHECK int change_run(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, change_fn *fn,
                          void *ctx, struct resource *ret, struct error *e);

/* resource_input.c: the content that an input asks for; input_keep: what the sender cannot see stays. */
#define MASK "***"
MUST_CHECK int input_create(struct changer *c, struct arena *a, const struct resource_input *in, struct resource *next,
                            struct error *e);
MUST_CHECK int input_replace(struct arena *a, const struct resource *old, const struct resource_input *in,
                             struct resource *next, struct error *e);
MUST_CHECK int input_patch(struct arena *a, const struct resource *old, const struct resource_input *in,
                           struct resource *next, struct error *e);
MUST_CHECK int input_keep(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                          struct error *e);

/* ------------------------------------------------------------------ organisations, permission (resource_scope.c) */

enum api_action change_action(const struct kind *kd, enum api_action act); /* people and their rights need admin */
/* next->org: what was given, what the reference says (org_from), or his only one. After the spec is checked. */
MUST_CHECK int scope_org(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                         const struct resource_input *in, struct error *e);
MUST_CHECK int scope_may(struct changer *c, enum api_action act, struct str org, struct error *e);
/* Both organisations and each changed field; old NULL: create. */
MUST_CHECK int scope_change(struct changer *c, const struct resource *old, const struct resource *next, struct error *e);
/* After `next` was stored with another organisation: whatever follows it. */
MUST_CHECK int scope_follow(struct changer *c, struct arena *a, const struct resource *next, struct error *e);
bool org_known(struct kernel *k); /* organisations are resources here */
bool of_itself(const struct kind *kd); /* an organisation belongs to itself */

/* owner.c: kinds whose resources belong to a user (kind.h "owner"). All are open where the kind names none. */
bool owner_sees(const struct actor *by, const struct resource *r);
bool owner_limits(const struct actor *by, const struct kind *kd, struct str org); /* whether it must be looked at */
bool owner_shows(struct changer *c, const struct kind *kd, struct str id, struct str org); /* whether he sees that one */
MUST_CHECK int owner_may(struct changer *c, const struct resource *old, struct error *e); /* change, delete, restore */
MUST_CHECK int owner_give(struct changer *c, struct arena *a, struct resource *next, struct error *e);

/* file_field.c */
MUST_CHECK int files_check(struct changer *c, const struct resource *old, const struct resource *next, struct error *e);
MUST_CHECK int files_take(struct changer *c, const struct resource *next, struct error *e);

/* lifecycle.c */
struct str state_of(const struct kind *kd, struct str stored); /* the initial one for what the life cycle does not know */
MUST_CHECK int state_may_edit(struct changer *c, const struct resource *old, const struct resource *next,
                              struct error *e);
MUST_CHECK int state_may_delete(struct changer *c, const struct resource *old, struct error *e);

/* code_rule.c */
MUST_CHECK int code_give(struct changer *c, struct arena *a, struct resource *next, struct error *e); /* when a rule says so */
MUST_CHECK int code_ruled(struct changer *c, struct arena *a, struct str org, bool *ret, struct error *e);
MUST_CHECK int code_rule_check(struct changer *c, struct arena *a, const struct resource *old,
                               const struct resource *next, struct error *e);
MUST_CHECK int code_unused(struct changer *c, const struct resource *next, struct error *e); /* life-long codes */
MUST_CHECK int code_used(struct changer *c, const struct resource *next, struct error *e);
void code_rules_forget(struct changer *c);

/* user_kind.c: a change of a resource of kind `user_kind`: checked before (next NULL: deleted), carried out after
 * it is stored. */
MUST_CHECK int user_kind_check(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                               struct error *e);
void user_kind_forget(struct changer *c);
MUST_CHECK int user_kind_changed(struct changer *c, struct arena *a, const struct resource *old,
                                 const struct resource *next, struct error *e);
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
MUST_CHECK int unique_prepare(struct sql_tx *tx, const struct kind *kd, struct error *e);
/* Drop the indices of `from` that `to` (NULL: none) has no use for. */
MUST_CHECK int unique_remove(struct sql_tx *tx, const struct kind *from, const struct kind *to, struct error *e);
MUST_CHECK int unique_check(struct changer *c, struct arena *a, const struct resource *next, struct error *e);

/* resource.c, shared with import.c */
void report_count(struct bulk_report *r, enum bulk_status status);
bool row_fault(int rc); /* true: the row is at fault, not the database */
/* resource_seal.c: a copy with the secrets sealed, for the store; the secrets of a spec that was just read
 * opened in place (kd NULL: nothing). `id`: of the resource. */
MUST_CHECK int spec_seal(struct kernel *k, const struct kind *kd, struct arena *a, struct str id,
                         const struct json *spec, const struct json **ret, struct error *e);
MUST_CHECK int spec_open(struct kernel *k, const struct kind *kd, struct arena *a, struct str id,
                         const struct json *spec, struct error *e);

/* resource_write.c */
void spec_write(struct json_writer *w, const struct kind *kd, const struct json *spec);
/* list_index.c */
void lists_settle(struct kernel *k); /* until no index is being made */
void lists_free(struct kernel *k);
MUST_CHECK int search_migrate(struct sql *db, struct error *e); /* search.c */
/* resource_list.c: everything that a query finds, one by one; the resource dies with the call. */
MUST_CHECK int list_stream(struct kernel *k, const struct list_query *q,
                           int (*fn)(void *ctx, struct sql_tx *tx, const struct resource *r, struct arena *a), void *ctx,
                           struct error *e);
