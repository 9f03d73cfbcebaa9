/* set.c - the desired set, and the way to it from the running one. A device whose options did not change goes on: its
 * request on the way, its ETag, the newest times of its points. All memory is taken before anything changes. */
#include <stdlib.h>
#include "drivers/http/http_int.h"

struct build {
    struct hc_channel *ch;
    struct hc_device **devices; /* new objects; those of devices that stay hold only points and signature */
    struct hc_device **stays;   /* the running one that goes on, or NULL */
    size_t nd;
    struct poll_queue queue;
};

static void point_fini(struct hc_point *p)
{
    payload_place_free(p->place);
    mem_free(p->address);
    mem_free(p->write_path);
    mem_free(p->write_body);
    mem_free(p->write_type);
}

static void points_free(struct hc_point *p, size_t n)
{
    for (size_t i = 0; i < n; i++) point_fini(&p[i]);
    mem_free(p);
}

void hc_device_free(struct hc_device *d)
{
    if (!d) return;
    hc_fetch_drop(d);
    points_free(d->points, d->npoints);
    hc_conf_free(d->conf);
    mem_free(d->code);
    mem_free(d->signature);
    mem_free(d);
}

struct hc_point *hc_find(struct hc_channel *ch, uint32_t num, struct hc_device **ret_device)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        for (size_t k = 0; k < ch->devices[i]->npoints; k++)
            if (ch->devices[i]->points[k].num == num) {
                *ret_device = ch->devices[i];
                return &ch->devices[i]->points[k];
            }
    return NULL;
}

/* All options as one text: equal when nothing was changed. */
static char *signature(const struct options *o)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; o && o->table && o->table[i].name; i++) {
        const struct option_value *v = &o->values[i];
        if (v->set) buf_printf(&b, "%zu=%s/%lld/%.17g\n", i, v->s ? v->s : "", (long long)v->i, v->d);
    }
    char *copy = b.err ? NULL : mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return copy;
}

static bool keep(const char *z, char **ret)
{
    *ret = mem_strdup(z);
    return *ret != NULL;
}

static int new_device(struct build *b, size_t i, const struct driver_device *dd)
{
    struct hc_device *d = mem_calloc(1, sizeof *d);
    b->devices[i] = d;
    if (!d) return ERR_NOMEM;
    d->ch = b->ch;
    d->num = dd->num;
    d->index = (uint32_t)i;
    d->backoff = (struct backoff){1000, 60000, 0};
    d->newest_us = INT64_MIN;
    d->signature = signature(dd->options);
    if (!d->signature || !keep(dd->code ? dd->code : "", &d->code)) return ERR_NOMEM;
    for (size_t k = 0; k < b->ch->ndevices; k++) {
        struct hc_device *old = b->ch->devices[k];
        if (old->num == d->num && old->conf && strcmp(old->signature, d->signature) == 0) b->stays[i] = old;
    }
    if (hc_conf_new(dd->options, true, &d->conf, &d->config) == ERR_NOMEM) return ERR_NOMEM;
    return 0;
}

static const char *method_name(const struct options *o)
{
    static const char *const names[] = {"none", "POST", "PUT", "PATCH"};
    int i = opt_enum(o, "write_method", 0);
    return names[i > 0 && i < 4 ? i : 0];
}

/* p->place stays NULL when the address is wrong: *e tells. */
static int new_point(struct hc_device *d, const struct driver_point *dp, struct hc_point *p, struct error *e)
{
    *p = (struct hc_point){.num = dp->num, .spec = *dp, .newest_us = INT64_MIN, .fresh_us = INT64_MIN};
    p->spec.address = NULL;
    p->spec.options = NULL;
    p->write_method = method_name(dp->options);
    if (!keep(dp->address, &p->address) || !keep(opt_str(dp->options, "write_path", ""), &p->write_path) ||
        !keep(opt_str(dp->options, "write_body", ""), &p->write_body) ||
        !keep(opt_str(dp->options, "write_type", "application/json"), &p->write_type))
        return ERR_NOMEM;
    if (!d->conf) {
        *e = d->config;
        return ERR_INVALID;
    }
    int rc = payload_place_new(d->conf->reader, dp->address, dp->options, &p->place, e);
    p->type = dp->type == VALUE_AUTO ? VALUE_DOUBLE : dp->type;
    p->writable = opt_enum(dp->options, "write_method", 0) != 0;
    return rc;
}

static int add_points(struct build *b, const struct driver_point *points, size_t np)
{
    AUTO_FREE size_t *count = mem_calloc(b->nd + 1, sizeof *count);
    if (!count) return ERR_NOMEM;
    for (size_t i = 0; i < np; i++)
        if (points[i].device < b->nd) count[points[i].device]++;
    for (size_t i = 0; i < b->nd; i++)
        if (!(b->devices[i]->points = mem_calloc(count[i] + 1, sizeof(struct hc_point)))) return ERR_NOMEM;
    for (size_t i = 0; i < np; i++) {
        if (points[i].device >= b->nd) continue;
        struct hc_device *d = b->devices[points[i].device];
        struct error e = {0};
        int rc = new_point(d, &points[i], &d->points[d->npoints++], &e);
        if (rc == ERR_NOMEM) return rc;
        if (rc && !d->bad_config++ && !d->config.code) d->config = e;
        if (!d->period_ms || points[i].period_ms < d->period_ms) d->period_ms = points[i].period_ms;
    }
    return 0;
}

static int by_num(const void *a, const void *b)
{
    const struct hc_point *x = a, *y = b;
    return (x->num > y->num) - (x->num < y->num);
}

/* What a point has learnt, when it is still the same. True: something is new or different. */
static bool keep_state(struct hc_device *d, const struct hc_device *old)
{
    bool fresh = d->npoints != old->npoints;
    for (size_t i = 0; i < d->npoints; i++) {
        struct hc_point *p = &d->points[i];
        const struct hc_point *was = bsearch(p, old->points, old->npoints, sizeof *p, by_num);
        bool same = was && was->type == p->type && strcmp(was->address, p->address) == 0 &&
                    memcmp(&was->spec.scale, &p->spec.scale, 4 * sizeof(double)) == 0;
        fresh |= !same;
        if (!same) continue;
        p->newest_us = was->newest_us;
        p->fresh_us = was->fresh_us;
        p->told_bad = was->told_bad;
        p->seen = was->seen;
        p->text_hash = was->text_hash;
        p->text_id = was->text_id;
        p->text_known = was->text_known;
        p->last = was->last;
    }
    return fresh;
}

/* The running object takes the points of the new one, which is given up: their places were compiled by the new rules.
 */
static struct hc_device *go_on(struct hc_device *old, struct hc_device *d)
{
    bool fresh = keep_state(d, old);
    struct hc_point *points = old->points;
    size_t n = old->npoints;
    struct hc_conf *conf = old->conf;
    old->points = d->points;
    old->npoints = d->npoints;
    old->conf = d->conf;
    old->index = d->index;
    old->bad_config = d->bad_config;
    old->config = d->config;
    old->period_ms = d->period_ms;
    d->points = points;
    d->npoints = n;
    d->conf = conf;
    if (fresh) {
        old->etag[0] = 0;
        old->slot.due_ns = hc_now(old->ch);
    }
    hc_device_free(d);
    return old;
}

static int plan_polls(struct build *b)
{
    uint64_t now = hc_now(b->ch);
    for (size_t i = 0; i < b->nd; i++) {
        struct hc_device *d = b->devices[i];
        uint32_t ms = d->conf && d->conf->period_ms ? d->conf->period_ms : d->period_ms;
        struct poll_slot probe = {.due_ns = now, .period_ns = (uint64_t)(ms ? ms : 1000) * NS_MS};
        d->slot = probe;
        if (d->conf && d->npoints > d->bad_config && poll_add(&b->queue, &d->slot)) return ERR_NOMEM;
    }
    return 0;
}

/* Room was made by plan_polls: adding the same number again cannot fail. */
static void change_over(struct build *b)
{
    struct hc_channel *ch = b->ch;
    for (size_t i = 0; i < b->nd; i++) poll_remove(&b->queue, &b->devices[i]->slot);
    for (size_t i = 0; i < b->nd; i++) {
        struct hc_device *d = b->devices[i], *old = b->stays[i];
        uint64_t period = d->slot.period_ns, due = old ? old->slot.due_ns : d->slot.due_ns;
        bool polled = d->conf && d->npoints > d->bad_config;
        if (old) {
            for (size_t k = 0; k < ch->ndevices; k++)
                if (ch->devices[k] == old) ch->devices[k] = NULL;
            old->slot.at = 0;
            old->slot.due_ns = due;
            d = b->devices[i] = go_on(old, d);
        }
        d->slot.period_ns = period;
        if (d->slot.due_ns > hc_now(ch) + period && !d->trouble.code) d->slot.due_ns = hc_now(ch) + period;
        if (polled && poll_add(&b->queue, &d->slot)) d->trouble.code = ERR_NOMEM;
        if (!polled) hc_fetch_drop(d);
    }
    for (size_t k = 0; k < ch->ndevices; k++) hc_device_free(ch->devices[k]);
    mem_free(ch->devices);
    poll_queue_fini(&ch->queue);
    ch->devices = b->devices;
    ch->ndevices = b->nd;
    ch->queue = b->queue;
}

static void tell_config(struct hc_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        for (size_t k = 0; k < ch->devices[i]->npoints; k++)
            if (!ch->devices[i]->points[k].place) hc_tell_config(ch->devices[i], &ch->devices[i]->points[k]);
}

int hc_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
           const struct driver_point *points, size_t np, struct error *e)
{
    struct hc_channel *ch = (struct hc_channel *)base;
    struct build b = {.ch = ch, .nd = nd};
    b.devices = mem_calloc(nd + 1, sizeof *b.devices);
    b.stays = mem_calloc(nd + 1, sizeof *b.stays);
    int rc = b.devices && b.stays ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < nd && !rc; i++) rc = new_device(&b, i, &devices[i]);
    if (!rc) rc = add_points(&b, points, np);
    if (!rc) rc = plan_polls(&b);
    if (rc) {
        for (size_t i = 0; b.devices && i < nd; i++) hc_device_free(b.devices[i]);
        mem_free(b.devices);
        mem_free(b.stays);
        poll_queue_fini(&b.queue);
        return error_set(e, rc, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    for (size_t i = 0; i < nd; i++)
        if (b.devices[i]->npoints) qsort(b.devices[i]->points, b.devices[i]->npoints, sizeof(struct hc_point), by_num);
    change_over(&b);
    mem_free(b.stays);
    ch->st.points = (uint32_t)np;
    tell_config(ch);
    hc_refresh(ch);
    hc_plan(ch);
    return 0;
}
