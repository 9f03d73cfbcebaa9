/* point_scope.c - see point_scope.h.
 *
 * of[num] is 0 for no point, 1 for a point of the whole platform, else 2 + index into orgs. Organisations'
 * ids are interned and never leave: there are some hundred. */
#include "core/auth/point_scope.h"
#include <pthread.h>
#include "base/mem.h"
#include "io/log.h"

#define ORGS_MAX 20000
#define NUM_MAX (1u << 26) /* 256 MiB of table */

struct point_scope {
    struct kernel *kernel;
    pthread_rwlock_t lock;
    uint32_t *of;
    size_t cap;
    struct str *orgs;
    size_t norgs, orgs_cap;
    struct arena arena; /* ids */
};

/* Under the write lock. */
static uint32_t org_number(struct point_scope *p, struct str org)
{
    if (!org.n) return 1;
    for (size_t i = p->norgs; i-- > 0;)
        if (str_eq(p->orgs[i], org)) return (uint32_t)i + 2;
    if (p->norgs == ORGS_MAX || !mem_grow((void **)&p->orgs, &p->orgs_cap, p->norgs + 1, sizeof(*p->orgs))) return 0;
    struct str kept = arena_str(&p->arena, org);
    if (!kept.p) return 0;
    p->orgs[p->norgs++] = kept;
    return (uint32_t)p->norgs + 1;
}

static int put(struct point_scope *p, uint32_t num, struct str org)
{
    if (!num || num >= NUM_MAX) return 0;
    size_t old = p->cap;
    if (num >= p->cap && !mem_grow((void **)&p->of, &p->cap, num + 1, sizeof(*p->of))) return ERR_NOMEM;
    if (p->cap > old) memset(p->of + old, 0, (p->cap - old) * sizeof(*p->of));
    p->of[num] = org_number(p, org);
    return 0;
}

static int load(struct point_scope *p, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    int rc = sql_begin(kernel_sql(p->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select num, org from resource where kind = 'point' and deleted = 0 and num > 0", &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        pthread_rwlock_wrlock(&p->lock);
        rc = put(p, (uint32_t)sql_i64(s, 0), sql_str(s, 1));
        pthread_rwlock_unlock(&p->lock);
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct point_scope *p = ctx;
    int rc = 0;
    pthread_rwlock_wrlock(&p->lock);
    for (size_t i = 0; i < n && !rc; i++) {
        if (c[i].op != CHANGE_DELETE)
            rc = put(p, c[i].num, c[i].org);
        else if (c[i].num < p->cap)
            p->of[c[i].num] = 0;
    }
    pthread_rwlock_unlock(&p->lock);
    if (rc) log_error("auth", "no memory for the organisations of points", "points=%zu", n);
}

int point_scope_new(struct kernel *k, struct point_scope **ret, struct error *e)
{
    struct point_scope *p = mem_calloc(1, sizeof(*p));
    if (!p) return ERR_NOMEM;
    p->kernel = k;
    pthread_rwlock_init(&p->lock, NULL);
    arena_init(&p->arena, 4 << 20);
    struct kind_hooks hooks = {.kind = "point", .changed = changed, .ctx = p};
    int rc = kernel_hooks_add(k, &hooks);
    if (!rc) rc = load(p, e);
    if (rc)
        point_scope_free(p);
    else
        *ret = p;
    return rc;
}

void point_scope_free(struct point_scope *p)
{
    if (!p) return;
    mem_free(p->of);
    mem_free(p->orgs);
    arena_fini(&p->arena);
    pthread_rwlock_destroy(&p->lock);
    mem_free(p);
}

static int view_open(struct point_scope *p, const struct scope *s, bool no_org, struct point_view *ret)
{
    *ret = (struct point_view){.no_org = no_org};
    pthread_rwlock_rdlock(&p->lock);
    ret->allowed = mem_calloc(p->norgs + 1, sizeof(bool));
    if (!ret->allowed) {
        pthread_rwlock_unlock(&p->lock);
        *ret = (struct point_view){.all = false};
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < p->norgs; i++) ret->allowed[i] = s->all || scope_has(s, p->orgs[i]);
    ret->of = p;
    return 0;
}

int point_view_open_known(struct point_scope *p, const struct permissions *may, enum api_action act,
                          struct point_view *ret)
{
    struct scope s = permitted_scope(may, "point", act);
    return view_open(p, &s, permitted_at(may, "point", act, STR("")), ret);
}

int point_view_open(struct point_scope *p, const struct permissions *may, enum api_action act, struct point_view *ret)
{
    struct scope s = permitted_scope(may, "point", act);
    *ret = (struct point_view){.all = s.all};
    return s.all ? 0 : view_open(p, &s, permitted_at(may, "point", act, STR("")), ret);
}

bool point_view_has(const struct point_view *v, uint32_t num)
{
    if (v->all || !v->of) return v->all;
    uint32_t org = num < v->of->cap ? v->of->of[num] : 0;
    return org > 1 ? v->allowed[org - 2] : org == 1 && v->no_org;
}

void point_view_close(struct point_view *v)
{
    if (v->of) pthread_rwlock_unlock(&v->of->lock);
    mem_free(v->allowed);
    *v = (struct point_view){.all = false};
}
