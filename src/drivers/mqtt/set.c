/* set.c - the desired set, and the way to it from the running one. Points stand by device and topic, so that a source
 * is a range of them; what did not change keeps its value and its subscription. All memory is taken before anything
 * changes. */
#include <stdlib.h>
#include "drivers/mqtt/mqtt_int.h"

#define SET_MAX (512u << 20)

struct build {
    struct arena arena;
    struct mt_device *devices;
    struct mt_point *points;
    uint32_t *by_num;
    struct mt_source *sources, **table, *wild;
    struct mt_filter *filters;
    size_t nd, np, ns, nf, nsources_cap, ntable;
    bool failed; /* out of memory on the way */
};

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_place(const void *pa, const void *pb)
{
    const struct mt_point *a = pa, *b = pb;
    int c = order(a->device, b->device);
    if (c == 0) c = order(a->wrong, b->wrong);
    if (c == 0) c = str_cmp(a->at.filter, b->at.filter);
    return c ? c : order(a->num, b->num);
}

static int by_filter(const void *pa, const void *pb)
{
    const struct mt_filter *a = pa, *b = pb;
    int c = str_cmp(a->filter, b->filter);
    return c ? c : order(b->qos, a->qos); /* the highest first */
}

static int by_number(const void *pa, const void *pb, void *points)
{
    const struct mt_point *p = points;
    return order(p[*(const uint32_t *)pa].num, p[*(const uint32_t *)pb].num);
}

struct mt_point *mt_point_find(const struct mt_channel *ch, uint32_t num)
{
    size_t lo = 0, hi = ch->npoints;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (ch->points[ch->by_num[mid]].num < num)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == ch->npoints || ch->points[ch->by_num[lo]].num != num) return NULL;
    return &ch->points[ch->by_num[lo]];
}

const struct mt_filter *mt_filter_find(const struct mt_channel *ch, struct str filter)
{
    size_t lo = 0, hi = ch->nfilters;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(ch->filters[mid].filter, filter) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < ch->nfilters && str_eq(ch->filters[lo].filter, filter) ? &ch->filters[lo] : NULL;
}

/* ---- building ---- */

static void keep_device(const struct mt_channel *ch, struct mt_device *d)
{
    for (size_t k = 0; k < ch->ndevices; k++) {
        const struct mt_device *old = &ch->devices[k];
        if (old->num != d->num) continue;
        d->trouble = old->trouble;
        d->offline = old->offline && str_eq(d->state_topic, old->state_topic);
        d->last_ok_us = old->last_ok_us;
        d->nclock = old->nclock;
        memcpy(d->clock_us, old->clock_us, sizeof d->clock_us);
    }
}

static void take_devices(const struct mt_channel *ch, struct build *b, const struct driver_device *devices)
{
    for (size_t i = 0; i < b->nd; i++) {
        struct mt_device *d = &b->devices[i];
        const struct options *o = devices[i].options;
        *d = (struct mt_device){.num = devices[i].num,
                                .qos = (uint8_t)opt_i64(o, "qos", 1),
                                .stale_ns = (uint64_t)opt_us(o, "stale", 0) * 1000};
        str_to_cstr(str_of(devices[i].code ? devices[i].code : ""), d->code, sizeof d->code);
        b->failed |= mt_device_rules(d, o, &b->arena, &d->config) == ERR_NOMEM;
        keep_device(ch, d);
    }
}

static void keep_point(const struct mt_channel *ch, struct mt_point *p)
{
    const struct mt_point *old = mt_point_find(ch, p->num);
    if (old == NULL) return;
    p->last = old->last;
    if (!str_eq(old->address, p->address) || memcmp(&old->spec, &p->spec, sizeof p->spec) != 0 || old->wrong) return;
    p->told = old->told, p->owe = old->owe;
    p->text_hash = old->text_hash, p->text_id = old->text_id;
    p->heard_ns = old->heard_ns;
}

static void take_points(const struct mt_channel *ch, struct build *b, const struct driver_point *points)
{
    for (size_t i = 0; i < b->np; i++) {
        struct mt_point *p = &b->points[i];
        struct error e = {0};
        uint32_t at = points[i].device < b->nd ? points[i].device : 0;
        if (b->nd == 0) {
            *p = (struct mt_point){.num = points[i].num, .wrong = true};
            continue;
        }
        struct mt_device *d = &b->devices[at];
        int rc = d->config.code ? d->config.code
                                : mt_point_of(&d->format, d->filters, d->nfilters, &points[i], &b->arena, p, &e);
        if (d->config.code) *p = (struct mt_point){.num = points[i].num};
        p->device = at;
        p->wrong = rc != 0;
        b->failed = b->failed || rc == ERR_NOMEM;
        d->npoints++;
        if (rc && d->config.code == 0 && d->trouble.code == 0) d->trouble = e;
        keep_point(ch, p);
        if (p->heard_ns == 0) p->heard_ns = mt_now(ch);
    }
    if (b->np) qsort(b->points, b->np, sizeof *b->points, by_place);
    for (size_t i = 0; i < b->np; i++) b->by_num[i] = (uint32_t)i;
    if (b->np) qsort_r(b->by_num, b->np, sizeof *b->by_num, by_number, b->points);
}

/* ---- sources and filters ---- */

static struct str subscribed_by(const struct mt_device *d, struct str topic)
{
    struct str group, inner;
    for (size_t i = 0; i < d->nfilters; i++) {
        bool shared = mqtt_share(d->filters[i], &group, &inner);
        if (mqtt_covers(shared ? inner : d->filters[i], topic)) return d->filters[i];
    }
    return topic;
}

static bool add_source(struct build *b, struct str match, struct str filter, uint32_t device, size_t first, size_t n)
{
    if (!mem_grow((void **)&b->sources, &b->nsources_cap, b->ns + 1, sizeof *b->sources)) return false;
    struct mt_filter *f = mem_realloc(b->filters, (b->nsources_cap + 1) * sizeof *f);
    if (f == NULL) return false;
    b->filters = f;
    b->filters[b->ns] = (struct mt_filter){.filter = filter, .qos = b->devices[device].qos};
    b->sources[b->ns++] =
        (struct mt_source){.match = match, .device = device, .first = (uint32_t)first, .n = (uint32_t)n};
    return true;
}

static bool take_states(struct build *b)
{
    for (uint32_t i = 0; i < b->nd; i++) {
        const struct mt_device *d = &b->devices[i];
        if (d->npoints == 0 || d->state_topic.n == 0 || d->config.code) continue;
        if (!add_source(b, d->state_topic, subscribed_by(d, d->state_topic), i, 0, 0)) return false;
    }
    return true;
}

static bool take_sources(struct build *b)
{
    for (size_t i = 0, k; i < b->np; i = k) {
        const struct mt_point *p = &b->points[i];
        for (k = i + 1; k < b->np && b->points[k].device == p->device && b->points[k].wrong == p->wrong &&
                        str_eq(b->points[k].at.filter, p->at.filter);)
            k++;
        if (p->wrong) continue;
        const struct mt_device *d = &b->devices[p->device];
        bool ok = true;
        if (p->at.filter.n)
            ok = add_source(b, p->at.filter, subscribed_by(d, p->at.filter), p->device, i, k - i);
        else
            for (size_t f = 0; f < d->nfilters && ok; f++)
                ok = add_source(b, d->filters[f], d->filters[f], p->device, i, k - i);
        if (!ok) return false;
    }
    return true;
}

/* Once each, with the highest QoS wanted; sources find theirs by searching. */
static void unite_filters(struct build *b)
{
    b->nf = 0;
    if (b->ns) qsort(b->filters, b->ns, sizeof *b->filters, by_filter);
    for (size_t i = 0; i < b->ns; i++)
        if (b->nf == 0 || !str_eq(b->filters[b->nf - 1].filter, b->filters[i].filter))
            b->filters[b->nf++] = b->filters[i];
}

static void link_sources(struct build *b)
{
    const struct mt_channel find = {.filters = b->filters, .nfilters = b->nf};
    for (size_t i = 0; i < b->ns; i++) {
        struct mt_source *s = &b->sources[i];
        const struct mt_filter *f = mt_filter_find(&find, s->match);
        if (f == NULL) f = mt_filter_find(&find, subscribed_by(&b->devices[s->device], s->match));
        s->filter = f ? (size_t)(f - b->filters) : 0;
        struct mt_source **list =
            mt_is_wild(s->match) ? &b->wild : &b->table[str_hash(s->match, hash_seed()) & (b->ntable - 1)];
        s->next = *list;
        *list = s;
    }
}

static bool index_sources(struct build *b)
{
    b->ntable = 16;
    while (b->ntable < b->ns * 2) b->ntable *= 2;
    b->table = mem_calloc(b->ntable, sizeof *b->table);
    if (b->table == NULL) return false;
    unite_filters(b);
    link_sources(b);
    return true;
}

/* A subscription goes on unless it has points that have no value yet: then it is made again, for the retained ones. */
static void keep_filters(const struct mt_channel *ch, struct build *b)
{
    for (size_t i = 0; i < b->nf; i++) {
        const struct mt_filter *old = mt_filter_find(ch, b->filters[i].filter);
        if (old == NULL || old->qos != b->filters[i].qos) continue;
        b->filters[i].state = old->state;
        b->filters[i].code = old->code;
        b->filters[i].token = old->token;
        b->filters[i].at = old->at;
    }
    for (size_t i = 0; i < b->ns; i++)
        for (uint32_t k = 0; k < b->sources[i].n; k++)
            if (!mt_point_find(ch, b->points[b->sources[i].first + k].num))
                b->filters[b->sources[i].filter].state = FILTER_NEW;
}

/* ---- changing over ---- */

static void unsubscribe_dropped(const struct mt_channel *ch, const struct build *b)
{
    const struct mt_channel find = {.filters = b->filters, .nfilters = b->nf};
    struct error e;
    for (size_t i = 0; i < ch->nfilters && mqtt_client_up(ch->client); i++)
        if (!mt_filter_find(&find, ch->filters[i].filter) &&
            mqtt_client_unsubscribe(ch->client, &ch->filters[i].filter, 1, 0, &e))
            break; /* the connection ends */
}

static void free_build(struct build *b)
{
    mem_free(b->devices);
    mem_free(b->points);
    mem_free(b->by_num);
    mem_free(b->sources);
    mem_free(b->table);
    mem_free(b->filters);
    arena_fini(&b->arena);
}

static void swap(struct mt_channel *ch, struct build *b)
{
    mt_set_free(ch);
    ch->arena = b->arena;
    ch->devices = b->devices, ch->ndevices = b->nd;
    ch->points = b->points, ch->npoints = b->np;
    ch->by_num = b->by_num;
    ch->sources = b->sources, ch->nsources = b->ns;
    ch->table = b->table, ch->ntable = b->ntable;
    ch->wild = b->wild;
    ch->filters = b->filters, ch->nfilters = b->nf;
    ch->st.points = (uint32_t)b->np;
    ch->tell_at = 0;
    ch->any_stale = false;
    for (size_t i = 0; i < b->nd; i++) ch->any_stale = ch->any_stale || b->devices[i].stale_ns;
    for (size_t i = 0; i < b->np; i++)
        if (b->points[i].wrong && !b->points[i].told) mt_tell(ch, &b->points[i], REASON_CONFIG_ERROR);
}

int mt_set(struct mt_channel *ch, const struct driver_device *devices, size_t nd, const struct driver_point *points,
           size_t np, struct error *e)
{
    struct build b = {.nd = nd, .np = np};
    arena_init(&b.arena, SET_MAX);
    b.devices = mem_calloc(nd + 1, sizeof *b.devices);
    b.points = mem_calloc(np + 1, sizeof *b.points);
    b.by_num = mem_calloc(np + 1, sizeof *b.by_num);
    bool ok = b.devices && b.points && b.by_num;
    if (ok) {
        take_devices(ch, &b, devices);
        take_points(ch, &b, points);
        ok = !b.failed && take_sources(&b) && take_states(&b) && index_sources(&b);
    }
    if (!ok) {
        free_build(&b);
        return error_set(e, ERR_NOMEM, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    keep_filters(ch, &b);
    unsubscribe_dropped(ch, &b);
    swap(ch, &b);
    return 0;
}

void mt_set_free(struct mt_channel *ch)
{
    mem_free(ch->devices);
    mem_free(ch->points);
    mem_free(ch->by_num);
    mem_free(ch->sources);
    mem_free(ch->table);
    mem_free(ch->filters);
    arena_fini(&ch->arena);
}
