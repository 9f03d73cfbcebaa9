/* set.c - the desired set of devices and points. All is allocated before anything is changed. Links go on; a device
 * that stays keeps its link, and a point whose address and options stay keeps its last value. */
#include <stdlib.h>
#include "drivers/socket/socket_int.h"

struct build {
    struct sk_device *devices, **tail;
    struct sk_device **by_index;
    struct sk_point *points;
    size_t npoints;
    struct sample *batch;
};

static void abandon(struct build *b)
{
    while (b->devices) {
        struct sk_device *d = b->devices;
        b->devices = d->next;
        sk_device_free(d);
    }
    for (size_t i = 0; i < b->npoints; i++) sk_point_fini(&b->points[i]);
    mem_free(b->points);
    mem_free(b->batch);
    mem_free(b->by_index);
}

static int add_devices(struct build *b, const struct driver_device *devices, size_t nd)
{
    b->tail = &b->devices;
    b->by_index = mem_calloc(nd + 1, sizeof(struct sk_device *));
    if (b->by_index == NULL) return ERR_NOMEM;
    for (size_t i = 0; i < nd; i++) {
        struct sk_device *d = mem_calloc(1, sizeof *d);
        struct error e;
        if (d == NULL) return ERR_NOMEM;
        int rc = sk_device_read(d, &devices[i], devices[i].options, &e);
        *b->tail = d;
        b->tail = &d->next;
        b->by_index[i] = d;
        if (rc == ERR_NOMEM) return rc;
        if (rc) d->config = e;
    }
    return 0;
}

/* Points of a device stand together, in the order that they came in. */
static int add_points(struct build *b, const struct driver_point *points, size_t np, size_t nd)
{
    b->points = mem_calloc(np + 1, sizeof *b->points);
    b->batch = mem_calloc(np + 1, sizeof *b->batch);
    if (!b->points || !b->batch) return ERR_NOMEM;
    for (size_t i = 0; i < nd; i++) {
        struct sk_device *d = b->by_index[i];
        d->first = b->npoints;
        for (size_t k = 0; k < np; k++) {
            struct error e;
            if (points[k].device != i) continue;
            struct sk_point *p = &b->points[b->npoints++];
            int rc = sk_point_read(p, &points[k], &e);
            if (rc == ERR_NOMEM) return rc;
            p->wrong = rc != 0;
            p->last = (struct sample){
                .point = p->num, .quality = QUALITY_BAD, .flags = rc ? REASON_CONFIG_ERROR : REASON_NO_DATA};
            d->bad_config += p->wrong;
            if (rc && d->config.code == 0) d->config = e;
        }
        d->npoints = b->npoints - d->first;
    }
    return 0;
}

/* ---- taking over ---- */

static void take_device(struct sk_channel *ch, struct sk_device *d)
{
    struct sk_device *old = ch->devices;
    while (old && (old->num != d->num || old->job)) old = old->next;
    if (old == NULL) return;
    bool same = strcmp(old->peer, d->peer) == 0 && strcmp(old->id, d->id) == 0;
    d->seen = old->seen;
    old->seen = (struct sk_ring){0};
    d->last_ok_us = old->last_ok_us;
    if (!same) return;
    d->link = old->link;
    d->logged_in = old->logged_in;
    d->heard_ns = old->heard_ns;
    d->request_ns = old->request_ns;
    d->seq = old->seq;
    d->trouble = old->trouble;
    for (struct sk_link *l = ch->links; l; l = l->next)
        if (l->device == old) l->device = d;
}

static int by_num(const void *pa, const void *pb)
{
    const struct sk_point *a = *(struct sk_point *const *)pa, *b = *(struct sk_point *const *)pb;
    return (a->num > b->num) - (a->num < b->num);
}

static void take_points(struct sk_channel *ch, struct build *b)
{
    struct sk_point **old = mem_calloc(ch->npoints + 1, sizeof(struct sk_point *));
    if (old == NULL) return; /* values are told anew with the next frame */
    for (size_t i = 0; i < ch->npoints; i++) old[i] = &ch->points[i];
    if (ch->npoints) qsort(old, ch->npoints, sizeof *old, by_num);
    for (size_t i = 0; i < b->npoints; i++) {
        struct sk_point *p = &b->points[i];
        struct sk_point **k = ch->npoints ? bsearch(&p, old, ch->npoints, sizeof *old, by_num) : NULL;
        if (k == NULL || (*k)->key != p->key) continue;
        p->told = (*k)->told;
        if (p->wrong) continue;
        p->last = (*k)->last;
        p->text = (*k)->text;
        p->text_id = (*k)->text_id;
        p->text_known = (*k)->text_known;
        buf_init(&(*k)->text, SK_TEXT_MAX);
    }
    mem_free(old);
}

/* Wrong ones are told bad at once, and once. */
static void tell_wrong(struct sk_channel *ch)
{
    int64_t now = sk_utc(ch);
    size_t n = 0;
    if (ch->batch_n) return; /* with the next set */
    for (size_t i = 0; i < ch->npoints; i++) {
        if (!ch->points[i].wrong || ch->points[i].told) continue;
        ch->points[i].told = true;
        ch->points[i].last.time_us = now;
        ch->batch[n++] = ch->points[i].last;
    }
    ch->batch_n = n;
    if (n) frame_publish(ch);
}

static void swap(struct sk_channel *ch, struct build *b)
{
    struct sk_device *jobs = NULL, **tail = &jobs;
    for (struct sk_device *d = b->devices; d; d = d->next) take_device(ch, d);
    take_points(ch, b);
    while (ch->devices) {
        struct sk_device *d = ch->devices;
        ch->devices = d->next;
        d->next = NULL;
        if (d->job) {
            *tail = d;
            tail = &d->next;
            continue;
        }
        for (struct sk_link *l = ch->links; l; l = l->next)
            if (l->device == d) l->device = NULL;
        sk_device_free(d);
    }
    for (size_t i = 0; i < ch->npoints; i++) sk_point_fini(&ch->points[i]);
    mem_free(ch->points);
    *b->tail = jobs;
    ch->devices = b->devices;
    ch->points = b->points;
    ch->npoints = b->npoints;
}

/* A batch that waits for the sink goes on waiting, in the new array where it fits. */
static void swap_batch(struct sk_channel *ch, struct build *b)
{
    size_t keep = ch->batch_n < b->npoints ? ch->batch_n : b->npoints;
    if (keep) memcpy(b->batch, ch->batch, keep * sizeof *b->batch);
    mem_free(ch->batch);
    ch->batch = b->batch;
    ch->batch_n = keep;
}

int sk_set(struct sk_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e)
{
    struct build b = {0};
    int rc = add_devices(&b, devices, nd);
    if (rc == 0) rc = add_points(&b, points, np, nd);
    if (rc) {
        abandon(&b);
        return error_set(e, rc, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    swap_batch(ch, &b);
    swap(ch, &b);
    mem_free(b.by_index);
    ch->st.points = (uint32_t)np;
    tell_wrong(ch);
    return 0;
}

void sk_set_free(struct sk_channel *ch)
{
    while (ch->devices) {
        struct sk_device *d = ch->devices;
        ch->devices = d->next;
        sk_device_free(d);
    }
    for (size_t i = 0; i < ch->npoints; i++) sk_point_fini(&ch->points[i]);
    mem_free(TAKE(ch->points));
    mem_free(TAKE(ch->batch));
    ch->npoints = 0;
}

struct sk_device *sk_twin(struct sk_channel *ch, const struct options *device)
{
    struct str peer = str_trim(str_of(opt_str(device, "peer", ""))), id = str_trim(str_of(opt_str(device, "id", "")));
    for (struct sk_device *d = ch->devices; d; d = d->next) {
        bool any = ch->cfg.identify == SK_ANY, by_peer = ch->cfg.identify == SK_ADDRESS;
        if (!d->job && (any || (by_peer ? str_is(peer, d->peer) : str_is(id, d->id)))) return d;
    }
    return NULL;
}

struct sk_point *sk_find_point(struct sk_channel *ch, uint32_t num, struct sk_device **ret_device)
{
    for (struct sk_device *d = ch->devices; d; d = d->next) {
        for (size_t i = d->first; i < d->first + d->npoints && !d->job; i++) {
            if (ch->points[i].num != num) continue;
            *ret_device = d;
            return &ch->points[i];
        }
    }
    return NULL;
}
