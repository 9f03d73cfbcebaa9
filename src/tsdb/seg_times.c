/* seg_times.c - sharing time columns.
 *
 * Points with exactly the same times form a set. With one set everything is said by one column. With
 * several (an exception filter leaves samples out), each set is weighed: naming rows of the union of all
 * sets against a column of its own, by the bytes that come out; the union is then built again from those
 * that chose it. A set of one point that keeps its own column has it inside its block. */
#include "tsdb/seg_times.h"
#include "base/mem.h"

void seg_times_clear(struct seg_times *x)
{
    for (size_t i = 0; i < x->nsets; i++) {
        mem_free(x->sets[i].t);
        mem_free(x->sets[i].use.rows);
        x->sets[i] = (struct times_set){0};
    }
    x->nsets = 0;
    mem_free(x->all);
    x->all = NULL;
    x->nall = 0;
}

void seg_times_fini(struct seg_times *x)
{
    seg_times_clear(x);
    mem_free(x->tmp);
    x->tmp = NULL;
}

static uint64_t hash_times(const struct sample *s, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint64_t)s[i].time_us) * 0x9e3779b97f4a7c15ULL, h ^= h >> 29;
    return h;
}

static bool same_times(const struct times_set *set, const struct sample *s, size_t n)
{
    if (set->n != n) return false;
    for (size_t i = 0; i < n; i++)
        if (set->t[i] != s[i].time_us) return false;
    return true;
}

int seg_times_add(struct seg_times *x, size_t i, const struct sample *s, size_t n)
{
    uint64_t hash = hash_times(s, n);
    for (size_t k = 0; k < x->nsets; k++) {
        if (x->sets[k].hash != hash || !same_times(&x->sets[k], s, n)) continue;
        x->sets[k].users++;
        x->set_of[i] = (int)k;
        return 0;
    }
    int64_t *t = mem_alloc(n * sizeof *t);
    if (!t) return ERR_NOMEM;
    for (size_t k = 0; k < n; k++) t[k] = s[k].time_us;
    x->set_of[i] = (int)x->nsets;
    x->sets[x->nsets++] = (struct times_set){.t = t, .n = n, .users = 1, .hash = hash};
    return 0;
}

struct times_use *seg_times_use(struct seg_times *x, size_t i)
{
    return &x->sets[x->set_of[i]].use;
}

static size_t unite(const int64_t *a, size_t na, const int64_t *b, size_t nb, int64_t *out)
{
    size_t n = 0, i = 0, k = 0;
    while (i < na || k < nb) {
        if (k == nb || (i < na && a[i] <= b[k])) {
            if (k < nb && a[i] == b[k]) k++;
            out[n++] = a[i++];
        } else {
            out[n++] = b[k++];
        }
    }
    return n;
}

/* Union of the sets that say their times by rows. Too long a one is no use: nall = 0. */
static int build_union(struct seg_times *x)
{
    x->nall = 0;
    for (size_t i = 0; i < x->nsets; i++) {
        struct times_set *s = &x->sets[i];
        if (s->use.how == TIMES_OWN) continue;
        int64_t *u = mem_alloc((x->nall + s->n) * sizeof *u);
        if (!u) return ERR_NOMEM;
        x->nall = unite(x->all, x->nall, s->t, s->n, u);
        mem_free(x->all);
        x->all = u;
        if (x->nall > TIMES_MAX) {
            x->nall = 0;
            break;
        }
    }
    return 0;
}

static int find_rows(struct seg_times *x, struct times_set *s)
{
    mem_free(s->use.rows);
    s->use.rows = mem_alloc(s->n * sizeof *s->use.rows);
    if (!s->use.rows) return ERR_NOMEM;
    for (size_t i = 0, r = 0; i < s->n; i++, r++) {
        while (x->all[r] != s->t[i]) r++;
        s->use.rows[i] = (int64_t)r;
    }
    bool dense = (size_t)(s->use.rows[s->n - 1] - s->use.rows[0]) == s->n - 1;
    s->use.how = dense ? TIMES_DENSE : TIMES_ROWS;
    s->use.row = (uint32_t)s->use.rows[0];
    return 0;
}

static int weigh(struct seg_times *x)
{
    if (!x->tmp && !(x->tmp = mem_alloc(intcol_bound(SEG_BLOCK_MAX)))) return ERR_NOMEM;
    for (size_t i = 0; i < x->nsets; i++) {
        struct times_set *s = &x->sets[i];
        int rc = find_rows(x, s);
        if (rc) return rc;
        if (s->use.how == TIMES_DENSE) continue;
        size_t by_rows = intcol_encode(s->use.rows, s->n, x->tmp, NULL) * s->users;
        size_t own = intcol_encode(s->t, s->n, x->tmp, NULL) + (s->users - 1) * 4;
        if (own <= by_rows) s->use.how = TIMES_OWN;
    }
    return 0;
}

static int decide(struct seg_times *x)
{
    for (size_t i = 0; i < x->nsets; i++) x->sets[i].use.how = TIMES_ROWS;
    int rc = build_union(x);
    if (!rc && x->nall) rc = weigh(x);
    if (!x->nall)
        for (size_t i = 0; i < x->nsets; i++) x->sets[i].use.how = TIMES_OWN;
    if (rc || !x->nall) return rc;
    rc = build_union(x);
    for (size_t i = 0; i < x->nsets && !rc; i++)
        if (x->sets[i].use.how != TIMES_OWN) rc = find_rows(x, &x->sets[i]);
    return rc;
}

static int write_own(struct times_set *s, times_write_fn *fn, void *ctx)
{
    if (s->users == 1) return 0;
    s->use.how = TIMES_DENSE;
    s->use.row = 0;
    return fn(ctx, s->t, s->n, &s->use.at);
}

int seg_times_write(struct seg_times *x, struct codec *c, times_write_fn *fn, void *ctx)
{
    uint64_t at = 0;
    int rc = 0;
    if (x->nsets == 1) {
        x->sets[0].use.how = TIMES_OWN;
        return write_own(&x->sets[0], fn, ctx);
    }
    if (x->nsets > 1) rc = decide(x);
    if (!rc && x->nall) rc = fn(ctx, x->all, x->nall, &at);
    for (size_t i = 0; i < x->nsets && !rc; i++) {
        if (x->sets[i].use.how == TIMES_OWN)
            rc = write_own(&x->sets[i], fn, ctx);
        else
            x->sets[i].use.at = at;
    }
    return rc;
}
