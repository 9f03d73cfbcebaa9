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
 * Kinds and hooks are added at start and never removed; readers take no lock. */
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
    pthread_rwlock_init(&k->events_lock, NULL);
    pthread_cond_init(&k->cond, NULL);
    int rc = sql_migrate(db, "core", migrations, sizeof migrations / sizeof *migrations, e);
    if (!rc) rc = load_seq(k, e);
    if (rc)
        kernel_close(k);
    else
        *ret = k;
    return rc;
}

void kernel_close(struct kernel *k)
{
    if (!k) return;
    watch_stop(k);
    for (size_t i = 0; i < atomic_load(&k->nkinds); i++) kind_free(k->kinds[i]);
    pthread_mutex_destroy(&k->lock);
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

/* ------------------------------------------------------------------ kinds */

const struct kind *kernel_kind_at(struct kernel *k, size_t i)
{
    return i < atomic_load_explicit(&k->nkinds, memory_order_acquire) ? k->kinds[i] : NULL;
}

const struct kind *kernel_kind(struct kernel *k, struct str name)
{
    const struct kind *kd;
    for (size_t i = 0; (kd = kernel_kind_at(k, i)); i++)
        if (str_eq(kd->kind, name) || str_eq(kd->plural, name)) return kd;
    return NULL;
}

int kind_need(struct kernel *k, const char *name, const struct kind **ret, struct error *e)
{
    struct str names[KINDS_MAX], want = str_of(name);
    size_t n = 0;
    if ((*ret = kernel_kind(k, want))) return 0;
    for (const struct kind *kd; (kd = kernel_kind_at(k, n)); n++) names[n] = kd->kind;
    struct str near = name_nearest(want, names, n);
    if (near.p)
        return error_set(e, ERR_NOT_FOUND, "kind", "there is no kind '%s'; did you mean '%.*s'?",
                         "没有类型“%s”；是否想写“%.*s”？", name, STR_ARG(near));
    return error_set(e, ERR_NOT_FOUND, "kind", "there is no kind '%s'", "没有类型“%s”", name);
}

static int kind_publish(struct kernel *k, struct kind *kd, struct error *e)
{
    size_t n = atomic_load(&k->nkinds);
    if (kernel_kind(k, kd->kind) || kernel_kind(k, kd->plural))
        return error_set(e, ERR_EXISTS, "kind", "the kind '%.*s' is there already", "类型“%.*s”已存在",
                         STR_ARG(kd->kind));
    if (n == KINDS_MAX)
        return error_set(e, ERR_LIMIT, "kind", "there are %d kinds already", "类型数量已达上限 %d", KINDS_MAX);
    int rc = unique_prepare(k, kd, e);
    if (rc) return rc;
    k->kinds[n] = kd;
    atomic_store_explicit(&k->nkinds, n + 1, memory_order_release);
    return 0;
}

int kernel_kind_add(struct kernel *k, struct str document, struct error *e)
{
    struct kind *kd = NULL;
    int rc = kind_parse(document, &kd, e);
    if (rc) return rc;
    kd->builtin = true;
    pthread_mutex_lock(&k->lock);
    rc = kind_publish(k, kd, e);
    pthread_mutex_unlock(&k->lock);
    if (rc) kind_free(kd);
    return rc;
}

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
