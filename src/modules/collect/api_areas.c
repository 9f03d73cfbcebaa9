/* api_areas.c - GET /points:tree and /areas: points by the path of their area ("LT/GRD/BM01"). Computed
 * from the snapshot and the current values; 100,000 points take a few milliseconds. */
#include "base/limits.h"
#include "base/mem.h"
#include "modules/collect/collect.h"

#define AREAS_MAX 2000
#define KEYS_MAX 12

struct area {
    struct str path, name;
    struct str title; /* in the language asked for */
    size_t points, good, uncertain, bad, stale;
    bool children;
    uint32_t key[KEYS_MAX];
    size_t nkeys;
};
struct areas {
    struct area item[AREAS_MAX];
    size_t n;
    bool truncated;
};

/* The child of `parent` that `path` lies in: its path (a view into `path`); {NULL,0}: not below parent. */
static struct str child_of(struct str parent, struct str path, bool *ret_deeper)
{
    size_t at = parent.n ? parent.n + 1 : 0;
    if (!path.n || path.n <= at) return STR_NULL;
    if (parent.n && (!str_starts(path, parent) || path.p[parent.n] != '/')) return STR_NULL;
    size_t end = at;
    while (end < path.n && path.p[end] != '/') end++;
    *ret_deeper = end < path.n;
    return str_make(path.p, end);
}

static struct area *area_get(struct areas *a, struct str path, size_t parent_len)
{
    if (a->n && str_eq(a->item[a->n - 1].path, path)) return &a->item[a->n - 1]; /* points of an area stand together */
    for (size_t i = 0; i < a->n; i++)
        if (str_eq(a->item[i].path, path)) return &a->item[i];
    if (a->n == AREAS_MAX) {
        a->truncated = true;
        return NULL;
    }
    size_t skip = parent_len ? parent_len + 1 : 0;
    a->item[a->n] = (struct area){.path = path, .name = str_make(path.p + skip, path.n - skip)};
    return &a->item[a->n++];
}

/* Polled, and no answer for three periods. */
static bool late(const struct plant *p, const struct p_point *pt, const struct sample *s, int64_t now)
{
    const struct p_device *d = pt->device != UINT32_MAX ? &p->devices[pt->device] : NULL;
    const struct driver *driver = d && d->channel != UINT32_MAX ? p->channels[d->channel].driver : NULL;
    return driver && !driver->on_change && now - s->time_us > 3000LL * pt->period_ms + 5000000;
}

static void count_point(struct node *n, const struct plant *p, struct area *a, const struct p_point *pt, int64_t now)
{
    struct sample s;
    a->points++;
    bool any = bus_current(n->bus, pt->num, &s);
    if (!any || s.quality == QUALITY_BAD)
        a->bad++;
    else if (s.quality == QUALITY_UNCERTAIN)
        a->uncertain++;
    else
        a->good++;
    if (any && late(p, pt, &s, now)) a->stale++;
    if (pt->key && a->nkeys < KEYS_MAX) a->key[a->nkeys++] = pt->num;
}

static int by_path(const void *a, const void *b)
{
    return str_cmp(((const struct area *)a)->path, ((const struct area *)b)->path);
}

/* The area's own name, else that of a device that stands at just this path. */
static struct str title_of(const struct plant *p, const struct area *a, bool zh)
{
    const struct p_area *named = plant_area(p, a->path);
    if (named) return !zh && named->name_en.n ? named->name_en : named->name;
    for (size_t i = 0; i < p->ndevices && !a->children; i++)
        if (str_eq(a->path, p->devices[i].area)) return p->devices[i].name;
    return STR("");
}

static void gather(struct node *n, const struct plant *p, const struct point_view *v, struct str parent, bool zh,
                   struct areas *out)
{
    int64_t now = clock_now_us(n->clock);
    for (size_t i = 0; i < p->npoints; i++) {
        bool deeper = false;
        if (!point_view_has(v, p->points[i].num)) continue;
        struct str path = child_of(parent, p->points[i].area, &deeper);
        struct area *a = path.n ? area_get(out, path, parent.n) : NULL;
        if (!a) continue;
        a->children |= deeper;
        count_point(n, p, a, &p->points[i], now);
    }
    qsort(out->item, out->n, sizeof *out->item, by_path);
    for (size_t k = 0; k < out->n; k++) out->item[k].title = title_of(p, &out->item[k], zh);
}

static void write_counts(struct json_writer *w, const struct area *a)
{
    jw_kstr(w, "path", a->path);
    jw_kstr(w, "name", a->name);
    jw_kstr(w, "title", a->title);
    jw_ki64(w, "points", (int64_t)a->points);
    jw_ki64(w, "good", (int64_t)a->good);
    jw_ki64(w, "uncertain", (int64_t)a->uncertain);
    jw_ki64(w, "bad", (int64_t)a->bad);
    jw_ki64(w, "stale", (int64_t)a->stale);
    jw_kbool(w, "children", a->children);
}

static void write_keys(struct json_writer *w, const struct plant *p, const struct area *a)
{
    jw_key(w, STR("key"));
    jw_array(w);
    for (size_t i = 0; i < a->nkeys; i++) {
        const struct p_point *pt = plant_point(p, a->key[i]);
        jw_object(w);
        jw_kstr(w, "code", pt->code);
        jw_kstr(w, "name", pt->name);
        jw_ki64(w, "num", pt->num);
        jw_kstr(w, "unit", pt->unit);
        jw_kdouble(w, "lo", pt->lo);
        jw_kdouble(w, "hi", pt->hi);
        jw_end(w);
    }
    jw_end(w);
}

static int answer_areas(struct api_call *c, struct str parent, bool keys, struct error *e)
{
    while (parent.n && parent.p[parent.n - 1] == '/') parent.n--;
    struct plant *p = collect_plant(collect_of(c));
    struct areas *a = mem_calloc(1, sizeof *a);
    if (!a) {
        plant_unref(p);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    struct point_view v;
    int err = point_view_open(api_points(c->api), c->actor.may, ACT_READ, &v);
    if (p && !err) gather(collect_of(c)->node, p, &v, parent, c->zh, a);
    point_view_close(&v);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < a->n; i++) {
        jw_object(&w);
        write_counts(&w, &a->item[i]);
        if (keys) write_keys(&w, p, &a->item[i]);
        jw_end(&w);
    }
    jw_end(&w);
    jw_kbool(&w, "truncated", a->truncated);
    jw_end(&w);
    mem_free(a);
    plant_unref(p);
    return err;
}

int get_tree(struct api_call *c, struct error *e)
{
    return answer_areas(c, http_query(c->req, "parent"), false, e);
}

int get_areas(struct api_call *c, struct error *e)
{
    return answer_areas(c, http_query(c->req, "parent"), true, e);
}
