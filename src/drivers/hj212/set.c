/* set.c - the desired set of devices and points, and the way to it from the running one. Everything is allocated
 * before anything is changed, so that a failure leaves the old set running. A device that keeps its MN keeps its
 * connection and what is known of it; a point that keeps its address keeps its last value. */
#include <stdlib.h>
#include "drivers/hj212/hj212_int.h"

static int order(long long a, long long b)
{
    return (a > b) - (a < b);
}

static int by_key(const void *pa, const void *pb)
{
    const struct hj_point *a = pa, *b = pb;
    int c = order(a->device, b->device);
    if (c == 0) c = order(a->a.cn, b->a.cn);
    if (c == 0) c = strcmp(a->a.name, b->a.name);
    return c ? c : order(a->num, b->num);
}

static struct hj_device *device_new(const struct driver_device *dd)
{
    struct hj_device *d = mem_calloc(1, sizeof *d);
    const struct options *o = dd->options;
    if (d == NULL) return NULL;
    d->num = dd->num;
    str_to_cstr(str_of(dd->code), d->code, sizeof d->code);
    str_to_cstr(str_trim(str_of(opt_str(o, "mn", ""))), d->mn, sizeof d->mn);
    str_to_cstr(str_of(opt_str(o, "password", "")), d->pw, sizeof d->pw);
    d->st = (unsigned)opt_i64(o, "st", 0);
    d->version = (const int[]){-1, HJ212_2017, HJ212_2005}[opt_enum(o, "version", 0) % 3];
    d->timeout_ms = (uint32_t)opt_ms(o, "timeout", 10000);
    d->retries = (unsigned)opt_i64(o, "retries", 3);
    d->set_clock = opt_bool(o, "set_clock", false);
    d->recall = opt_bool(o, "recall", true);
    d->recall_max_us = opt_us(o, "recall_max", 86400 * TIME_US_PER_S);
    d->rtd_us = opt_us(o, "rtd_interval", 0);
    d->minute_us = opt_us(o, "minute_interval", 0);
    d->heard_version = HJ212_2017;
    return d;
}

static struct hj_point point_new(struct hj_device *d, const struct driver_point *p)
{
    struct hj_point n = {
        .num = p->num, .device = p->device, .scale = p->scale, .offset = p->offset, .lo = p->lo, .hi = p->hi};
    n.wrong = hj_point_check(p, &n.a, &n.type, d->config.code ? NULL : &d->config) != 0;
    if (n.wrong) n.a = (struct hj_address){.kind = HJ_DATA};
    return n;
}

/* ---- what goes on ---- */

static void take_device(struct hj_channel *ch, struct hj_device *d)
{
    struct hj_device *old = NULL;
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i]->mn[0] && strcmp(ch->devices[i]->mn, d->mn) == 0) old = ch->devices[i];
    if (old == NULL) return;
    d->conn = old->conn;
    d->heard_st = old->heard_st;
    d->heard_version = old->heard_version;
    d->up_us = old->up_us;
    d->last_ok_us = old->last_ok_us;
    d->clock_us = old->clock_us;
    d->clock_known = old->clock_known;
    d->ever = old->ever;
    d->trouble = old->trouble;
    memcpy(d->streams, old->streams, sizeof d->streams);
    d->chores = old->chores;
    d->chore = old->chore;
    d->chore_token = old->chore_token;
    d->chores_ns = old->chores_ns;
    d->clock_due_ns = old->clock_due_ns;
    d->retell_ns = old->retell_ns;
    if (strcmp(d->pw, old->pw) == 0) memcpy(d->pw_next, old->pw_next, sizeof d->pw_next);
}

static bool same_point(const struct hj_point *a, const struct hj_point *b)
{
    return a->wrong == b->wrong && a->a.kind == b->a.kind && a->a.cn == b->a.cn && strcmp(a->a.name, b->a.name) == 0;
}

static int by_num(const void *pa, const void *pb)
{
    const struct hj_point *const *a = pa, *const *b = pb;
    return order((*a)->num, (*b)->num);
}

static void take_points(struct hj_channel *ch, struct hj_point *points, size_t n)
{
    struct hj_point **old = mem_calloc(ch->npoints + 1, sizeof *old);
    for (size_t i = 0; old && i < ch->npoints; i++) old[i] = &ch->points[i];
    if (old && ch->npoints) qsort(old, ch->npoints, sizeof *old, by_num);
    for (size_t i = 0; old && ch->npoints && i < n; i++) {
        const struct hj_point *key = &points[i];
        struct hj_point **found = bsearch(&key, old, ch->npoints, sizeof *old, by_num);
        if (found == NULL || !same_point(*found, key)) continue;
        points[i].last = (*found)->last;
        points[i].told = (*found)->told;
        points[i].owe = (*found)->owe;
    }
    mem_free(old);
}

/* Two devices with one MN: the first one gets the data, the other says why it gets none. */
static void check_twins(struct hj_device **d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++)
            if (d[i]->mn[0] && d[k]->config.code == 0 && strcmp(d[i]->mn, d[k]->mn) == 0)
                error_set(&d[k]->config, ERR_EXISTS, "mn", "its MN is also that of device %s, which gets the data",
                          "其 MN 与设备 %s 相同，数据归后者", d[i]->code);
}

/* ---- the change ---- */

static void free_devices(struct hj_device **d, size_t n)
{
    for (size_t i = 0; d && i < n; i++) mem_free(d[i]);
    mem_free(d);
}

static void split_points(struct hj_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++) {
        struct hj_device *d = ch->devices[ch->points[i].device];
        if (d->n++ == 0) d->first = (uint32_t)i;
    }
}

/* New points say why they have no value yet. */
static void owe_new(struct hj_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++) {
        struct hj_point *p = &ch->points[i];
        struct hj_device *d = ch->devices[p->device];
        if (p->told || p->owe || p->last.time_us || p->a.kind == HJ_COMMAND || p->a.kind == HJ_RECALL) continue;
        p->owe = p->wrong || d->mn[0] == 0 ? REASON_CONFIG_ERROR : d->conn ? REASON_NO_DATA : REASON_NOT_CONNECTED;
        if (!p->wrong && d->retell_ns == 0) d->retell_ns = hj_now(ch) + 600 * NS_S;
        ch->owing = true;
    }
}

int hj_set(struct hj_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e)
{
    struct hj_device **d = mem_calloc(nd + 1, sizeof *d);
    struct hj_point *p = mem_calloc(np + 1, sizeof *p);
    bool ok = d && p;
    size_t n = 0;
    for (size_t i = 0; ok && i < nd; i++) ok = (d[i] = device_new(&devices[i])) != NULL;
    if (!ok) {
        free_devices(d, nd);
        mem_free(p);
        return error_set(e, ERR_NOMEM, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    for (size_t i = 0; i < np; i++)
        if (points[i].device < nd) p[n++] = point_new(d[points[i].device], &points[i]);
    if (n) qsort(p, n, sizeof *p, by_key);
    check_twins(d, nd);
    for (size_t i = 0; i < nd; i++) take_device(ch, d[i]);
    take_points(ch, p, n);
    free_devices(ch->devices, ch->ndevices);
    mem_free(ch->points);
    ch->devices = d, ch->ndevices = nd, ch->points = p, ch->npoints = n;
    ch->st.points = (uint32_t)n;
    split_points(ch);
    owe_new(ch);
    return 0;
}

void hj_set_free(struct hj_channel *ch)
{
    free_devices(ch->devices, ch->ndevices);
    mem_free(ch->points);
    ch->devices = NULL, ch->points = NULL, ch->ndevices = ch->npoints = 0;
}

/* ---- finding ---- */

struct hj_device *hj_device_by_mn(struct hj_channel *ch, struct str mn)
{
    for (size_t i = 0; mn.n && i < ch->ndevices; i++)
        if (str_is(mn, ch->devices[i]->mn)) return ch->devices[i];
    return NULL;
}

struct hj_device *hj_device_by_num(struct hj_channel *ch, uint32_t num)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i]->num == num) return ch->devices[i];
    return NULL;
}

struct hj_point *hj_point_by_num(struct hj_channel *ch, uint32_t num)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].num == num) return &ch->points[i];
    return NULL;
}

static int compare(const struct hj_point *p, unsigned cn, struct str name)
{
    int c = order(p->a.cn, cn);
    return c ? c : str_cmp(str_of(p->a.name), name);
}

struct hj_point *hj_points_of(struct hj_channel *ch, const struct hj_device *d, unsigned cn, struct str name,
                              size_t *ret_n)
{
    struct hj_point *base = ch->points + d->first;
    size_t lo = 0, hi = d->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(&base[mid], cn, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (hi = lo; hi < d->n && compare(&base[hi], cn, name) == 0;) hi++;
    *ret_n = hi - lo;
    return hi > lo ? base + lo : NULL;
}

bool hj_has_points(struct hj_channel *ch, const struct hj_device *d, unsigned cn)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (ch->points[d->first + i].a.cn == cn && ch->points[d->first + i].a.kind == HJ_DATA) return true;
    return false;
}
