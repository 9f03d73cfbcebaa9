/* set.c - the desired set: points by code; which are left out. */
#include <stdlib.h>
#include "outlets/hj212/sender_int.h"

/* Flows first (the totals of the others need them), then by code, values before converted ones. */
static int compare(const struct hs_point *p, const struct hs_point *q)
{
    if (p->flow != q->flow) return p->flow ? -1 : 1;
    int c = strcmp(p->code, q->code);
    return c ? c : p->kind != q->kind ? p->kind - q->kind : 0;
}
static int by_code(const void *a, const void *b, void *points)
{
    const struct hs_point *p = points, *x = &p[*(const uint32_t *)a], *y = &p[*(const uint32_t *)b];
    int c = compare(x, y);
    return c ? c : x->slot < y->slot ? -1 : 1;
}

static void leave_out(struct hs_channel *ch, struct hs_point *p, const struct error *e)
{
    p->clash = true;
    if (ch->nclash++ == 0) ch->clash = *e;
}

static void drop_equal(struct hs_channel *ch, const struct outlet_point *points)
{
    size_t kept = 0;
    struct error e;
    for (size_t i = 0; i < ch->norder; i++) {
        struct hs_point *p = &ch->points[ch->order[i]];
        const struct hs_point *before = kept ? &ch->points[ch->order[kept - 1]] : NULL;
        if (before == NULL || compare(before, p) != 0) {
            ch->order[kept++] = ch->order[i];
            continue;
        }
        error_set(&e, ERR_EXISTS, "address", "%.80s and %.80s have the same address %.60s; the second is left out",
                  "%.80s 与 %.80s 的地址相同（%.60s），后者未转发", points[before->slot].code, points[p->slot].code,
                  points[p->slot].address);
        leave_out(ch, p, &e);
    }
    ch->norder = kept;
}

static void resolve(struct hs_channel *ch, const struct outlet_point *points, size_t n)
{
    struct error e, why;
    for (size_t i = 0; i < n; i++) {
        struct hs_point *p = &ch->points[i];
        if (hs_point_resolve(&points[i], p, NULL, &e)) {
            *p = (struct hs_point){.num = points[i].num};
            error_set(&why, ERR_INVALID, "address", "%.80s: %s%.0s", "%.80s：%.0s%s", points[i].code, e.text,
                      e.text_zh);
            leave_out(ch, p, &why);
        }
        p->slot = (uint32_t)i;
        ch->ncontrols += !p->clash && p->kind == HS_CONTROL;
        if (!p->clash && p->kind != HS_CONTROL) ch->order[ch->norder++] = (uint32_t)i;
    }
}

int hs_set(struct hs_channel *ch, const struct outlet_point *points, size_t n, struct error *e)
{
    struct hs_point *p = mem_calloc(n + 1, sizeof *p);
    uint32_t *order = mem_calloc(n + 1, sizeof *order);
    if (!p || !order) {
        mem_free(p);
        mem_free(order);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    hs_set_free(ch);
    ch->points = p;
    ch->order = order;
    ch->npoints = n;
    ch->generation++;
    resolve(ch, points, n);
    qsort_r(ch->order, ch->norder, sizeof *ch->order, by_code, ch->points);
    drop_equal(ch, points);
    for (size_t i = 0; i < ch->norder; i++) ch->nstates += ch->points[ch->order[i]].kind == HS_STATE;
    ch->st.points = (uint32_t)n;
    if (ch->nclash) hs_log(ch, DRIVER_LOG_WARN, "points are left out", ch->clash.text);
    return 0;
}

void hs_set_free(struct hs_channel *ch)
{
    mem_free(TAKE(ch->points));
    mem_free(TAKE(ch->order));
    ch->npoints = ch->norder = ch->nstates = ch->ncontrols = ch->nclash = 0;
    ch->clash = (struct error){0};
}
