/* set.c - the desired set, and the way to it from the running one: each point hangs on its metric, which is made when
 * nobody has told of it yet. All memory is taken before anything changes; what was seen stays, so that a point that is
 * added shows at once what its node told before. */
#include <stdlib.h>
#include "drivers/sparkplug/sparkplug_int.h"

struct build {
    struct sh_conf *confs;
    struct sh_point *points;
    bool *fresh; /* to be shown anew */
    size_t nd, np;
};

static const struct sh_conf *old_conf(const struct sh_channel *ch, uint32_t num)
{
    for (size_t i = 0; i < ch->nconfs; i++)
        if (ch->confs[i].num == num) return &ch->confs[i];
    return NULL;
}

/* The metric of a point, made when it must be. NULL: out of memory. */
static struct sh_metric *metric_of(struct sh_channel *ch, const struct sh_target *t)
{
    struct sh_node *n = sh_node_get(ch, t->group, t->node, true);
    struct sh_device *d = n ? sh_device_get(n, t->device) : NULL;
    return d ? sh_metric_get(ch, d, t->metric, true) : NULL;
}

static int resolve(struct sh_channel *ch, struct build *b, const struct driver_device *dd,
                   const struct driver_point *points)
{
    for (size_t i = 0; i < b->nd; i++) {
        const struct sh_conf *old = old_conf(ch, dd[i].num);
        sh_conf_init(&b->confs[i], &dd[i], dd[i].options);
        if (old) b->confs[i].last_ok_us = old->last_ok_us;
    }
    for (size_t i = 0; i < b->np; i++) {
        const struct driver_point *p = &points[i];
        struct sh_conf *c = p->device < b->nd ? &b->confs[p->device] : NULL;
        struct sh_target at;
        if (c) c->points++;
        if (c && sh_point_init(p, c, &b->points[i], &at, c->config.code ? NULL : &c->config) == 0) {
            b->points[i].metric = metric_of(ch, &at);
            if (b->points[i].metric == NULL) return ERR_NOMEM;
            continue;
        }
        if (c) c->bad_config++;
        b->points[i] = (struct sh_point){.num = p->num, .device = c ? p->device : 0, .config_error = true};
    }
    return 0;
}

static int by_num(const void *pa, const void *pb)
{
    const struct sh_point *a = *(const struct sh_point *const *)pa, *b = *(const struct sh_point *const *)pb;
    return (a->num > b->num) - (a->num < b->num);
}

static bool same(const struct sh_point *a, const struct sh_point *b)
{
    return a->metric == b->metric && a->config_error == b->config_error && a->value_type == b->value_type &&
           a->element == b->element && memcmp(&a->step_s, &b->step_s, 5 * sizeof(double)) == 0;
}
_Static_assert(offsetof(struct sh_point, last) - offsetof(struct sh_point, step_s) == 5 * sizeof(double),
               "compared above");

/* A point that stays keeps its value. */
static int take_values(struct sh_channel *ch, struct build *b)
{
    const struct sh_point **old = mem_calloc(ch->npoints + 1, sizeof *old);
    if (old == NULL) return ERR_NOMEM;
    for (size_t i = 0; i < ch->npoints; i++) old[i] = &ch->points[i];
    if (ch->npoints) qsort(old, ch->npoints, sizeof *old, by_num);
    for (size_t i = 0; i < b->np; i++) {
        struct sh_point *p = &b->points[i];
        const struct sh_point *key = p;
        const struct sh_point **hit = ch->npoints ? bsearch(&key, old, ch->npoints, sizeof *old, by_num) : NULL;
        b->fresh[i] = !hit || !same(*hit, p);
        if (!hit || (*hit)->metric != p->metric) continue;
        p->last = (*hit)->last;
        p->text_hash = (*hit)->text_hash;
        p->text_id = (*hit)->text_id;
    }
    mem_free(old);
    return 0;
}

/* ---- changing over; nothing fails from here on ---- */

static void unlink_points(struct sh_channel *ch)
{
    for (struct sh_node *n = ch->nodes; n; n = n->next) {
        n->wanted = false;
        for (struct sh_device *d = n->devices; d; d = d->next) {
            d->wanted = false;
            for (struct sh_metric *m = d->metrics; m; m = m->next) m->first = 0;
        }
    }
}

static void link_points(struct sh_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++) {
        struct sh_point *p = &ch->points[i];
        if (p->metric == NULL) continue;
        p->next = p->metric->first;
        p->metric->first = (uint32_t)i + 1;
        p->metric->dev->wanted = p->metric->dev->node->wanted = true;
    }
}

static void swap(struct sh_channel *ch, struct build *b)
{
    struct sh_conf *confs = ch->confs;
    struct sh_point *points = ch->points;
    ch->confs = b->confs, ch->nconfs = b->nd;
    ch->points = b->points, ch->npoints = b->np;
    b->confs = confs, b->points = points;
}

/* Nodes that are wanted now and were not before: they may be asked for their birth at once. */
static void welcome(struct sh_channel *ch)
{
    for (struct sh_node *n = ch->nodes; n; n = n->next)
        if (n->wanted && !n->flow.alive && ch->conn == SH_UP && n->grace_ns == 0 && !n->flow.rebirth &&
            !n->trouble.code) {
            n->grace_ns = sh_now(ch) + ch->cfg.grace_ns;
            spb_flow_want_rebirth(&n->flow);
            sh_plan(ch, sh_now(ch));
        }
}

int sh_set(struct sh_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e)
{
    struct build b = {.nd = nd, .np = np};
    b.confs = mem_calloc(nd + 1, sizeof *b.confs);
    b.points = mem_calloc(np + 1, sizeof *b.points);
    b.fresh = mem_calloc(np + 1, sizeof *b.fresh);
    int rc = b.confs && b.points && b.fresh ? 0 : ERR_NOMEM;
    if (rc == 0) rc = resolve(ch, &b, devices, points);
    if (rc == 0) rc = take_values(ch, &b);
    if (rc == 0) {
        swap(ch, &b);
        ch->st.points = (uint32_t)np;
        unlink_points(ch);
        link_points(ch);
        welcome(ch);
        for (size_t i = 0; i < np; i++)
            if (b.fresh[i]) sh_show(ch, i);
        sh_flush(ch);
        sh_refresh_state(ch);
    } else {
        error_set(e, rc, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    mem_free(b.confs);
    mem_free(b.points);
    mem_free(b.fresh);
    return rc;
}

void sh_set_free(struct sh_channel *ch)
{
    mem_free(ch->confs);
    mem_free(ch->points);
    ch->confs = NULL, ch->points = NULL;
    ch->nconfs = ch->npoints = 0;
}
