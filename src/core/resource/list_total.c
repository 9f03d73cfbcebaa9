/* list_total.c - exact totals of unfiltered lists, without counting each time.
 *
 * Per kind the live resources of each organisation are counted once and then moved on with the change log:
 * what was created, deleted or moved between organisations since. All of it in the reader's snapshot, so that
 * total and page always fit together. One mutex; held over SQL reads only. */
#include <stdlib.h>
#include "core/resource/list_int.h"
#include "core/resource/lists.h"

#define MOVE_MAX 20000 /* changes; past that it is counted again */
#define ORG_MAX 48

struct org_count {
    char org[ORG_MAX];
    int64_t n;
};
struct tally {
    struct tally *next;
    char kind[KIND_NAME_MAX];
    int64_t seq;
    struct org_count *orgs; /* sorted */
    size_t n, cap;
};

void tallies_free(struct tally *t)
{
    while (t) {
        struct tally *next = t->next;
        mem_free(t->orgs);
        mem_free(t);
        t = next;
    }
}

static int by_org(const void *a, const void *b)
{
    return strcmp(((const struct org_count *)a)->org, ((const struct org_count *)b)->org);
}

static int add(struct tally *t, struct str org, int64_t n)
{
    struct org_count key = {.n = n};
    if (!str_to_cstr(org, key.org, sizeof key.org)) return ERR_TOO_LARGE;
    struct org_count *at = t->n ? bsearch(&key, t->orgs, t->n, sizeof key, by_org) : NULL;
    if (at) {
        at->n += n;
        return 0;
    }
    if (!mem_grow((void **)&t->orgs, &t->cap, t->n + 1, sizeof key)) return ERR_NOMEM;
    size_t i = t->n++;
    for (; i > 0 && by_org(&t->orgs[i - 1], &key) > 0; i--) t->orgs[i] = t->orgs[i - 1];
    t->orgs[i] = key;
    return 0;
}

static int recount(struct tally *t, struct sql_tx *tx, struct error *e)
{
    struct sql_stmt *s;
    t->n = 0;
    int rc = sql_prepare(tx, "select org, count(*) from resource where kind = $1 and deleted = 0 group by org", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, str_of(t->kind));
    while ((rc = sql_step(s, e)) == 1 && (rc = add(t, sql_str(s, 0), sql_i64(s, 1))) == 0) {
    }
    sql_done(s);
    return rc;
}

static int apply(struct tally *t, struct sql_stmt *s)
{
    enum change_op op = (enum change_op)sql_i64(s, 0);
    if (op != CHANGE_UPDATE) return add(t, sql_str(s, 1), op == CHANGE_CREATE ? 1 : -1);
    if (sql_is_null(s, 2)) return 0;
    char from[ORG_MAX];
    if (!str_to_cstr(sql_str(s, 2), from, sizeof from)) return ERR_TOO_LARGE;
    int rc = add(t, sql_str(s, 1), 1);
    return rc ? rc : add(t, str_of(from), -1);
}

static int move_on(struct tally *t, struct sql_tx *tx, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx,
                         "select c.op, c.org, h.org from resource_change c left join resource_history h on h.id = c.id"
                         " and h.rev = c.rev - 1 and h.org <> c.org where c.seq > $1 and c.kind = $2",
                         &s, e);
    if (rc) return rc;
    sql_bind_i64(s, 1, t->seq);
    sql_bind_str(s, 2, str_of(t->kind));
    while ((rc = sql_step(s, e)) == 1 && (rc = apply(t, s)) == 0) {
    }
    sql_done(s);
    return rc;
}

static int snapshot_seq(struct sql_tx *tx, int64_t *ret, struct error *e)
{
    *ret = 0;
    return sequence_read(tx, STR("change"), ret, e);
}

static struct tally *tally_of(struct lists *ls, const struct kind *kd)
{
    for (struct tally *t = ls->tallies; t; t = t->next)
        if (str_is(kd->kind, t->kind)) return t;
    struct tally *t = mem_calloc(1, sizeof *t);
    if (!t) return NULL;
    str_to_cstr(kd->kind, t->kind, sizeof t->kind);
    t->seq = -1;
    t->next = ls->tallies;
    return ls->tallies = t;
}

static int64_t org_get(const struct tally *t, struct str org)
{
    struct org_count key = {.n = 0};
    if (!str_to_cstr(org, key.org, sizeof key.org)) return 0;
    const struct org_count *at = t->n ? bsearch(&key, t->orgs, t->n, sizeof key, by_org) : NULL;
    return at ? at->n : 0;
}

static int64_t sum(const struct tally *t, const struct permissions *may)
{
    int64_t n = 0;
    if (may && !permitted(may, t->kind, ACT_READ)) return 0;
    struct scope s = permitted_scope(may, t->kind, ACT_READ);
    if (!may || s.all) {
        for (size_t i = 0; i < t->n; i++) n += t->orgs[i].n;
        return n;
    }
    n = org_get(t, STR(""));
    for (size_t i = 0; i < s.n; i++) n += org_get(t, s.orgs[i]);
    return n;
}

static int bring(struct tally *t, struct sql_tx *tx, struct error *e)
{
    int64_t seq = 0;
    int rc = snapshot_seq(tx, &seq, e);
    if (rc || seq == t->seq) return rc;
    bool near = t->seq >= 0 && seq > t->seq && seq - t->seq <= MOVE_MAX;
    rc = near ? move_on(t, tx, e) : recount(t, tx, e);
    t->seq = rc ? -1 : seq;
    return rc;
}

int total_live(struct kernel *k, struct sql_tx *tx, const struct kind *kd, const struct permissions *may, int64_t *ret,
               struct error *e)
{
    struct lists *ls = lists_of(k);
    CATCH_NOMEM(ls, e);
    pthread_mutex_lock(&ls->lock);
    struct tally *t = tally_of(ls, kd);
    int rc = t ? bring(t, tx, e) : kernel_nomem(e);
    if (!rc) *ret = sum(t, may);
    pthread_mutex_unlock(&ls->lock);
    return rc;
}
