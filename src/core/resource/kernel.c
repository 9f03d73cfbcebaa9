/* kernel.c - the resource engine's frame: tables, kinds, hooks, open and close.
 *
 * Tables (docs of the columns: README.md):
 *   resource          one row a resource, tombstones too (deleted = 1); spec stands last, so that filters
 *                     on the other columns do not read it
 *   resource_history  every revision but the newest
 *   resource_ref      who refers to whom, from live resources only
 *   resource_change   the change log, newest 1,000,000
 *   sequence          last number given out per name: 'change', 'num:<kind>'; never goes back
 *   resource_index    indices made for fields, by name, with their definition
 *   code_used         codes of kinds whose codes are never used again, with the resource that had them
 * Hooks are added at start and never removed; readers take no lock. Kinds: kernel_kinds.c. */
#include "core/resource/kernel_int.h"
#include <assert.h>

const struct actor actor_system = {.login = "system"};

static const struct sql_migration migrations[] = {
    {1, "create table resource(id text primary key, kind text not null, num int not null, code text not null,"
        " name text not null, org text not null, state text not null, origin text not null, rev int not null,"
        " op int not null, deleted int not null, created_by text not null, created_us int not null,"
        " updated_by text not null, updated_us int not null, labels text not null, spec text not null) strict;"
        "create unique index resource_code on resource(kind, code, org) where deleted = 0;"
        "create index resource_name on resource(kind, name, code, deleted);"
        "create index resource_updated on resource(kind, updated_us, code, deleted);"
        "create unique index resource_num on resource(kind, num) where num > 0;"
        "create table resource_history(id text not null, rev int not null, op int not null, deleted int not null,"
        " updated_by text not null, updated_us int not null, code text not null, name text not null, org text not null,"
        " state text not null, labels text not null, spec text not null, primary key(id, rev)) strict;"
        "create table resource_ref(from_id text not null, path text not null, to_id text not null,"
        " primary key(from_id, path)) strict;"
        "create index resource_ref_to on resource_ref(to_id);"
        "create table resource_change(seq integer primary key, op int not null, kind text not null, id text not null,"
        " code text not null, num int not null, rev int not null) strict;"
        "create table sequence(name text primary key, value int not null) strict;"
        "create table resource_index(name text primary key, definition text not null) strict;"},
    {2, "alter table resource add column transition text not null default '';"
        "alter table resource add column comment text not null default '';"
        "alter table resource_history add column transition text not null default '';"
        "alter table resource_history add column comment text not null default '';"
        "alter table resource_change add column org text not null default '';"
        "create index resource_dead on resource(kind, code) where deleted = 1;"
        "create index resource_org on resource(org) where org <> '' and deleted = 0;"
        "create table code_used(kind text not null, org text not null, code text not null, id text not null,"
        " primary key(kind, org, code)) strict;"},
    /* Lists in the order of code, name and time of change, with the organisation in the index. */
    {3, "drop index resource_name;"
        "drop index resource_updated;"
        "create index resource_name on resource(kind, name, code, org) where deleted = 0;"
        "create index resource_updated on resource(kind, updated_us, code, org) where deleted = 0;"
        "create index resource_org_code on resource(kind, org, code) where deleted = 0;"},
};

int kernel_nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int load_seq(struct kernel *k, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select value from sequence where name = 'change'", &s, e);
    if (!rc) {
        rc = sql_step(s, e);
        if (rc == 1) k->seq = k->dispatched = sql_i64(s, 0);
        sql_done(s);
    }
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

int kernel_open(struct sql *db, const struct clock *c, const struct rng *r, struct kernel **ret, struct error *e)
{
    struct kernel *k = mem_calloc(1, sizeof *k);
    CATCH_NOMEM(k, e);
    k->db = db;
    k->clock = c;
    k->rng = r;
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->kinds_lock, NULL);
    pthread_rwlock_init(&k->events_lock, NULL);
    pthread_cond_init(&k->cond, NULL);
    int rc = sql_migrate(db, "core", migrations, sizeof migrations / sizeof *migrations, e);
    if (!rc) rc = search_migrate(db, e);
    if (!rc) rc = load_seq(k, e);
    if (!rc) rc = watch_peers_start(k, e);
    if (rc)
        kernel_close(k);
    else
        *ret = k;
    return rc;
}

void kernel_close(struct kernel *k)
{
    if (!k) return;
    watch_peers_stop(k);
    watch_stop(k);
    lists_free(k);
    kinds_free(k);
    pthread_mutex_destroy(&k->lock);
    pthread_mutex_destroy(&k->kinds_lock);
    pthread_rwlock_destroy(&k->events_lock);
    pthread_cond_destroy(&k->cond);
    mem_free(k);
}

struct sql *kernel_sql(struct kernel *k)
{
    return k->db;
}
const struct clock *kernel_clock(struct kernel *k)
{
    return k->clock;
}
const struct rng *kernel_rng(struct kernel *k)
{
    return k->rng;
}
void kernel_secrets_set(struct kernel *k, struct secrets *s)
{
    k->secrets = s;
}
struct secrets *kernel_secrets(struct kernel *k)
{
    return k->secrets;
}

/* ------------------------------------------------------------------ hooks */

int kernel_hooks_add(struct kernel *k, const struct kind_hooks *h)
{
    assert(h->kind && (h->validate || h->changed));
    pthread_mutex_lock(&k->lock);
    size_t n = atomic_load(&k->nhooks);
    int rc = n == HOOKS_MAX ? ERR_LIMIT : 0;
    if (!rc && h->changed) rc = watch_dispatch_start(k);
    if (!rc) {
        k->hooks[n] = *h;
        atomic_store_explicit(&k->nhooks, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}
