/* usage.c - see usage.h. */
#include "modules/history/usage.h"
#include <math.h>
#include <stdlib.h>
#include "base/mem.h"

struct gathering {
    struct usage *u;
    const atomic_bool *stop;
};

static int add_row(void *ctx, const struct ts_usage *row)
{
    struct gathering *g = ctx;
    struct usage *u = g->u;
    if (atomic_load(g->stop)) return ERR_CANCELLED;
    if (!mem_grow((void **)&u->row, &u->cap, u->n + 1, sizeof *u->row)) return ERR_NOMEM;
    u->row[u->n++] = *row;
    return 0;
}

static int add_name(void *ctx, const struct resource *r)
{
    struct gathering *g = ctx;
    struct usage *u = g->u;
    if (atomic_load(g->stop)) return ERR_CANCELLED;
    if (!mem_grow((void **)&u->name, &u->names_cap, u->nnames + 1, sizeof *u->name)) return ERR_NOMEM;
    struct usage_name *n = &u->name[u->nnames++];
    *n = (struct usage_name){r->num, arena_str(&u->arena, r->code), arena_str(&u->arena, r->name)};
    return n->code.p && n->name.p ? 0 : ERR_NOMEM;
}

static int by_row(const void *a, const void *b)
{
    const struct ts_usage *x = a, *y = b;
    if (x->point != y->point) return x->point < y->point ? -1 : 1;
    if (x->class_id != y->class_id) return x->class_id - y->class_id;
    return x->place - y->place;
}

static int by_num(const void *a, const void *b)
{
    const struct usage_name *x = a, *y = b;
    return (x->num > y->num) - (x->num < y->num);
}

int usage_gather(struct node *n, const atomic_bool *stop, struct usage **ret, struct error *e)
{
    const struct ts_admin_ops *admin = n->engine->admin;
    if (!admin || !admin->usage)
        return error_set(e, ERR_UNSUPPORTED, "", "this store does not tell what each point uses",
                         "该存储引擎不提供测点占用明细");
    struct usage *u = mem_calloc(1, sizeof *u);
    if (!u) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    struct gathering g = {u, stop};
    atomic_init(&u->refs, 1);
    arena_init(&u->arena, 1u << 30);
    u->at_us = clock_now_us(n->clock);
    int err = admin->usage(n->engine, add_row, &g, e);
    if (!err) err = resource_each(n->kernel, "point", add_name, &g, e);
    if (err) {
        usage_unref(u);
        return err == ERR_CANCELLED ? error_set(e, err, "", "the node is stopping", "节点正在停止") : err;
    }
    if (u->n) qsort(u->row, u->n, sizeof *u->row, by_row);
    if (u->nnames) qsort(u->name, u->nnames, sizeof *u->name, by_num);
    *ret = u;
    return 0;
}

struct usage *usage_ref(struct usage *u)
{
    if (u) atomic_fetch_add(&u->refs, 1);
    return u;
}

void usage_unref(struct usage *u)
{
    if (!u || atomic_fetch_sub(&u->refs, 1) != 1) return;
    mem_free(u->row);
    mem_free(u->name);
    arena_fini(&u->arena);
    mem_free(u);
}

const struct usage_name *usage_name(const struct usage *u, uint32_t point)
{
    struct usage_name key = {.num = point};
    return u->nnames ? bsearch(&key, u->name, u->nnames, sizeof key, by_num) : NULL;
}

double usage_bytes_per_sample(const struct usage *u, uint32_t point)
{
    uint64_t bytes = 0, samples = 0;
    size_t lo = 0, hi = u->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (u->row[mid].point < point)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < u->n && u->row[lo].point == point; lo++) {
        bytes += u->row[lo].bytes;
        samples += u->row[lo].samples;
    }
    return samples ? (double)bytes / (double)samples : NAN;
}

/* ---- lines of a page ---- */

static void add_to(struct usage_item *it, const struct ts_usage *u)
{
    if (!it->samples || u->oldest_us < it->oldest_us) it->oldest_us = u->oldest_us;
    if (!it->samples || u->newest_us > it->newest_us) it->newest_us = u->newest_us;
    it->classes |= (uint16_t)(1u << (u->class_id % TS_CLASSES));
    it->places |= (uint8_t)(1u << u->place);
    if (u->bytes >= it->main_bytes) it->main_class = u->class_id, it->main_bytes = u->bytes;
    it->bytes += u->bytes;
    it->samples += u->samples;
}

int usage_items(const struct usage *u, enum usage_by by, struct usage_item **ret, size_t *ret_n)
{
    size_t fixed = by == USAGE_CLASS ? TS_CLASSES : by == USAGE_PLACE ? TS_PLACES : 0, n = fixed;
    struct usage_item *it = mem_calloc(fixed + (fixed ? 0 : u->n) + 1, sizeof *it);
    if (!it) return ERR_NOMEM;
    for (size_t i = 0; i < fixed; i++) it[i].key = (uint32_t)i;
    for (size_t i = 0; i < u->n; i++) {
        const struct ts_usage *r = &u->row[i];
        size_t at = by == USAGE_CLASS ? r->class_id % TS_CLASSES : r->place % TS_PLACES;
        if (by == USAGE_POINT && (n == 0 || it[n - 1].key != r->point)) it[n++].key = r->point;
        add_to(&it[by == USAGE_POINT ? n - 1 : at], r);
    }
    *ret = it;
    *ret_n = n;
    return 0;
}
