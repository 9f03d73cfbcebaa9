/* plan.c - see plan.h. */
#include "modules/forward/plan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "drivers/common/options.h"
#include "drivers/common/registry.h"
#include "outlets/common/registry.h"

#define LINE_ARENA (1024u << 20)
#define HOUR_US 3600000000.0

struct mapping {               /* a forward_point */
    struct str forward, point; /* ids */
    const struct json *spec;
    struct str code;
};
struct loading {
    struct node *node;
    const struct plant *plant;
    struct plan *plan;
    struct arena arena;   /* of the mappings */
    struct mapping *maps; /* by forward, then point */
    size_t nmaps, cap;
    uint32_t *by_id; /* indices of the plant's points, by id */
    struct error *e;
};

struct f_line *f_line_ref(struct f_line *l)
{
    atomic_fetch_add(&l->refs, 1);
    return l;
}

void f_line_unref(struct f_line *l)
{
    if (!l || atomic_fetch_sub(&l->refs, 1) > 1) return;
    mem_free(l->points);
    mem_free(l->slots);
    mem_free(l->point_options);
    mem_free(l->by_num);
    mem_free(l->problems);
    arena_fini(&l->arena);
    mem_free(l);
}

size_t f_line_slot(const struct f_line *l, uint32_t num)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->points[l->by_num[mid]].num < num)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < l->n && l->points[l->by_num[lo]].num == num ? l->by_num[lo] : SIZE_MAX;
}

void plan_free(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) f_line_unref(p->lines[i]);
    mem_free(p->lines);
    *p = (struct plan){0};
}

/* ---- small readers ---- */

static struct str keep(struct arena *a, struct str s)
{
    char *z = arena_strdup(a, s);
    return z ? str_make(z, s.n) : STR("");
}

static struct str text(const struct json *spec, const char *name)
{
    return json_str(json_get(spec, name), STR(""));
}

static int64_t duration(const struct json *spec, const char *name, int64_t def)
{
    int64_t us = 0;
    struct str t = text(spec, name);
    return t.n && duration_parse(t, &us, NULL) == 0 ? us : def;
}

static void problem(struct f_line *l, struct str code, const struct error *e)
{
    size_t cap = l->nproblems;
    l->nfaults++;
    if (l->nproblems == PLAN_PROBLEMS) return;
    if (!l->problems && !(l->problems = mem_calloc(PLAN_PROBLEMS, sizeof *l->problems))) return;
    l->problems[cap] = (struct f_problem){keep(&l->arena, code), *e};
    l->nproblems++;
}

int plan_point_options(const struct outlet *o, struct arena *a, const struct json *spec, struct options *ret,
                       struct error *e)
{
    int rc = options_check(o->point_options, a, json_get(spec, "options"), ret, NULL, 0, NULL, e);
    if (rc) error_prefix(e, "spec.options.");
    return rc;
}

/* ---- mappings and selection ---- */

static int load_mapping(void *ctx, const struct resource *r)
{
    struct loading *ld = ctx;
    if (!mem_grow((void **)&ld->maps, &ld->cap, ld->nmaps + 1, sizeof *ld->maps)) return ERR_NOMEM;
    struct mapping *m = &ld->maps[ld->nmaps++];
    *m = (struct mapping){.forward = keep(&ld->arena, text(r->spec, "forward")),
                          .point = keep(&ld->arena, text(r->spec, "point")),
                          .code = keep(&ld->arena, r->code),
                          .spec = json_copy(&ld->arena, r->spec)};
    return m->spec ? 0 : ERR_NOMEM;
}

static int by_forward(const void *a, const void *b)
{
    const struct mapping *x = a, *y = b;
    int c = str_cmp(x->forward, y->forward);
    return c ? c : str_cmp(x->point, y->point);
}

static const struct mapping *first_mapping(const struct loading *ld, struct str forward)
{
    size_t lo = 0, hi = ld->nmaps;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(ld->maps[mid].forward, forward) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return ld->maps + lo;
}

static int cmp_id(const void *a, const void *b, void *ctx)
{
    const struct plant *p = ctx;
    return str_cmp(p->points[*(const uint32_t *)a].id, p->points[*(const uint32_t *)b].id);
}

static const struct p_point *point_of_id(const struct loading *ld, struct str id)
{
    size_t lo = 0, hi = ld->plant->npoints;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (str_cmp(ld->plant->points[ld->by_id[mid]].id, id) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    const struct p_point *p = lo < ld->plant->npoints ? &ld->plant->points[ld->by_id[lo]] : NULL;
    return p && str_eq(p->id, id) ? p : NULL;
}

struct picked { /* a point that goes out, with its mapping or without */
    const struct p_point *p;
    const struct json *spec; /* NULL: by the filter alone */
};
struct picking {
    struct loading *ld;
    struct picked *at;
    size_t n, cap;
};

static int pick(void *ctx, const struct brief *b)
{
    struct picking *pk = ctx;
    const struct p_point *p = plant_point(pk->ld->plant, b->num);
    if (!p) return 0; /* not in the plant yet: comes with the next one */
    if (!mem_grow((void **)&pk->at, &pk->cap, pk->n + 1, sizeof *pk->at)) return ERR_NOMEM;
    pk->at[pk->n++] = (struct picked){.p = p};
    return 0;
}

static int by_num_mapped_first(const void *a, const void *b)
{
    const struct picked *x = a, *y = b;
    if (x->p->num != y->p->num) return x->p->num < y->p->num ? -1 : 1;
    return (x->spec == NULL) - (y->spec == NULL);
}

static int by_point_code(const void *a, const void *b)
{
    const struct picked *x = a, *y = b;
    int c = str_cmp(x->p->code, y->p->code);
    return c ? c : x->p->num < y->p->num ? -1 : x->p->num > y->p->num;
}

/* Those that the filter takes, of the forwarding's organisation. */
static int pick_filtered(struct picking *pk, const struct f_line *l, struct str filter, struct error *e)
{
    AUTO_ARENA a;
    static const char *const none[] = {NULL};
    arena_init(&a, 64 << 10);
    bool all = str_is(filter, "*");
    struct list_query q = {.kind = "point", .filter = all ? STR("") : filter};
    if (l->org.n)
        q.filter = str_of(all ? arena_printf(&a, "org under '%.*s'", STR_ARG(l->org))
                              : arena_printf(&a, "(%.*s) and org under '%.*s'", STR_ARG(filter), STR_ARG(l->org)));
    return resource_list_brief(pk->ld->node->kernel, &q, none, 0, pick, pk, e);
}

static int pick_mapped(struct picking *pk, struct f_line *l)
{
    const struct loading *ld = pk->ld;
    for (const struct mapping *m = first_mapping(ld, l->id); m < ld->maps + ld->nmaps && str_eq(m->forward, l->id);
         m++) {
        const struct p_point *p = point_of_id(ld, m->point);
        if (!p) continue;
        if (!mem_grow((void **)&pk->at, &pk->cap, pk->n + 1, sizeof *pk->at)) return ERR_NOMEM;
        pk->at[pk->n++] = (struct picked){p, m->spec};
    }
    return 0;
}

/* One entry a point: its first mapping wins; what a mapping switches off is gone. */
static void settle(struct picking *pk)
{
    size_t n = 0;
    if (pk->n) qsort(pk->at, pk->n, sizeof *pk->at, by_num_mapped_first);
    for (size_t i = 0; i < pk->n; i++) {
        if (i && pk->at[i].p == pk->at[i - 1].p) continue;
        pk->at[n++] = pk->at[i];
    }
    pk->n = n;
    n = 0;
    for (size_t i = 0; i < pk->n; i++)
        if (!pk->at[i].spec || json_bool(json_get(pk->at[i].spec, "enabled"), true)) pk->at[n++] = pk->at[i];
    pk->n = n;
    if (n) qsort(pk->at, n, sizeof *pk->at, by_point_code);
}

/* ---- slots ---- */

static double scaled(double v, const struct f_slot *s)
{
    return v * s->scale + s->offset;
}

static struct gate_rule rule_of(const struct json *line, const struct json *spec)
{
    bool all = json_bool(json_get(line, "unchanged"), false);
    double dead = json_double(json_get(spec, "deadband"), json_double(json_get(line, "deadband"), all ? -1 : 0));
    return (struct gate_rule){.deadband = dead,
                              .min_us = duration(spec, "min_interval", duration(line, "min_interval", 0)),
                              .max_us = duration(spec, "max_interval", duration(line, "max_interval", 0))};
}

static void fill(struct f_line *l, const struct plant *plant, const struct json *line, const struct picked *pk,
                 struct outlet_point *op, struct f_slot *s)
{
    const struct p_point *p = pk->p;
    const struct p_device *d = p->device == UINT32_MAX ? NULL : &plant->devices[p->device];
    *s = (struct f_slot){.scale = json_double(json_get(pk->spec, "scale"), 1),
                         .offset = json_double(json_get(pk->spec, "offset"), 0),
                         .rule = rule_of(line, pk->spec)};
    *op = (struct outlet_point){.num = p->num,
                                .address = keep(&l->arena, text(pk->spec, "address")).p,
                                .writable = l->writes && p->writable && json_bool(json_get(pk->spec, "writable"), true),
                                .step = p->step,
                                .lo = scaled(p->lo, s),
                                .hi = scaled(p->hi, s),
                                .code = keep(&l->arena, p->code).p,
                                .name = keep(&l->arena, p->name).p,
                                .unit = keep(&l->arena, p->unit).p,
                                .area = keep(&l->arena, p->area).p,
                                .device = d ? keep(&l->arena, d->code).p : ""};
    if (op->lo > op->hi) {
        double t = op->lo;
        op->lo = op->hi;
        op->hi = t;
    }
    if (!value_type_parse(text(pk->spec, "type"), &op->type)) op->type = VALUE_AUTO;
    if (op->type == VALUE_AUTO && (p->type == VALUE_BOOL || p->type == VALUE_STRING)) op->type = p->type;
}

/* Addresses that are taken, by hash; open addressing. */
struct taken {
    struct str *at;
    size_t cap;
};

static bool take(struct taken *t, struct arena *a, const char *key)
{
    struct str k = str_of(key);
    if (!k.n) return true;
    size_t i = (size_t)str_hash(k, 7) & (t->cap - 1);
    for (; t->at[i].p; i = (i + 1) & (t->cap - 1))
        if (str_eq(t->at[i], k)) return false;
    t->at[i] = keep(a, k);
    return true;
}

static int clash(struct error *e, const char *address)
{
    return error_set(e, ERR_EXISTS, "address", "the address '%s' is taken by another point of this forwarding",
                     "地址 '%s' 已被本转发的其他测点占用", address);
}

static int check_address(struct f_line *l, struct taken *t, struct outlet_point *op, struct error *e)
{
    struct outlet_address found = {0};
    int rc = l->outlet->address_check(op, &l->options, &found, e);
    if (rc) return rc;
    if (!take(t, &l->arena, found.key)) return clash(e, op->address);
    if (op->type == VALUE_AUTO) op->type = found.type;
    return 0;
}

static int default_address(struct f_line *l, struct taken *t, uint64_t *next, struct outlet_point *op, struct error *e)
{
    char room[400];
    const struct outlet *o = l->outlet;
    if (!o->address_default || o->needs_address)
        return o->needs_address
                   ? error_set(e, ERR_INVALID, "address", "has no address; map it or let addresses be assigned",
                               "没有地址；请填写映射或使用自动分配")
                   : 0;
    for (int tries = 0; tries < 100000; tries++) {
        int rc = o->address_default(op, &l->options, next, room, sizeof room, e);
        if (rc) return rc;
        op->address = keep(&l->arena, str_of(room)).p;
        rc = check_address(l, t, op, e);
        if (rc != ERR_EXISTS) return rc;
    }
    return clash(e, room);
}

static int add_slots(struct f_line *l, const struct plant *plant, const struct json *spec, const struct picking *pk)
{
    struct taken t = {.cap = 64};
    uint64_t next = 0;
    size_t n = 0;
    while (t.cap < pk->n * 2) t.cap *= 2;
    t.at = mem_calloc(t.cap, sizeof *t.at);
    l->points = mem_calloc(pk->n + 1, sizeof *l->points);
    l->slots = mem_calloc(pk->n + 1, sizeof *l->slots);
    l->point_options = mem_calloc(pk->n + 1, sizeof *l->point_options);
    if (!t.at || !l->points || !l->slots || !l->point_options) {
        mem_free(t.at);
        return ERR_NOMEM;
    }
    for (int round = 0; round < 2; round++) /* those with an address of their own first */
        for (size_t i = 0; i < pk->n; i++) {
            struct error e = {0};
            struct outlet_point *op = &l->points[n];
            bool own = text(pk->at[i].spec, "address").n > 0;
            if (own != (round == 0)) continue;
            fill(l, plant, spec, &pk->at[i], op, &l->slots[n]);
            int rc = plan_point_options(l->outlet, &l->arena, pk->at[i].spec, &l->point_options[n], &e);
            op->options = &l->point_options[n];
            if (!rc && own && !l->outlet->address_check)
                rc = error_set(&e, ERR_INVALID, "address", "this protocol has no addresses", "该协议没有地址");
            if (!rc) rc = own ? check_address(l, &t, op, &e) : default_address(l, &t, &next, op, &e);
            if (rc)
                problem(l, pk->at[i].p->code, &e);
            else
                n++;
        }
    mem_free(t.at);
    l->n = n;
    return 0;
}

static int cmp_num(const void *a, const void *b, void *ctx)
{
    const struct f_line *l = ctx;
    uint32_t x = l->points[*(const uint32_t *)a].num, y = l->points[*(const uint32_t *)b].num;
    return x < y ? -1 : x > y;
}

static int cmp_code(const void *a, const void *b)
{
    return strcmp(((const struct outlet_point *)a)->code, ((const struct outlet_point *)b)->code);
}

/* Slots in order of codes: points, slots and options move together. */
static int sort_slots(struct f_line *l)
{
    struct outlet_point *points = mem_dup(l->points, (l->n + 1) * sizeof *points);
    struct f_slot *slots = mem_calloc(l->n + 1, sizeof *slots);
    l->by_num = mem_calloc(l->n + 1, sizeof *l->by_num);
    if (!points || !slots || !l->by_num) {
        mem_free(points);
        mem_free(slots);
        return ERR_NOMEM;
    }
    if (l->n) qsort(points, l->n, sizeof *points, cmp_code);
    for (size_t i = 0; i < l->n; i++) slots[i] = l->slots[points[i].options - l->point_options];
    mem_free(l->points);
    mem_free(l->slots);
    l->points = points;
    l->slots = slots;
    for (size_t i = 0; i < l->n; i++) l->by_num[i] = (uint32_t)i;
    if (l->n) qsort_r(l->by_num, l->n, sizeof *l->by_num, cmp_num, l);
    return 0;
}

static void hash(uint64_t *h, const char *z)
{
    *h = str_hash(str_of(z), *h + 1);
}

static uint64_t signature(const struct f_line *l)
{
    uint64_t h = l->n + 1;
    for (size_t i = 0; i < l->n; i++) {
        const struct outlet_point *p = &l->points[i];
        char nums[200];
        snprintf(nums, sizeof nums, "%u %d %d %d %g %g %g %g %g %lld %lld", p->num, p->type, p->writable, p->step,
                 p->lo, p->hi, l->slots[i].scale, l->slots[i].offset, l->slots[i].rule.deadband,
                 (long long)l->slots[i].rule.min_us, (long long)l->slots[i].rule.max_us);
        hash(&h, nums);
        hash(&h, p->address);
        hash(&h, p->code);
        hash(&h, p->name);
        hash(&h, p->unit);
        hash(&h, p->area);
        hash(&h, p->device);
        for (const struct option *o = l->outlet->point_options; o && o->name; o++) {
            const struct option_value *v = opt_find(p->options, o->name);
            char value[64];
            snprintf(value, sizeof value, "%d %lld %g", v != NULL, v ? (long long)v->i : 0, v ? v->d : 0);
            hash(&h, value);
            if (v && v->s) hash(&h, v->s);
        }
    }
    return h;
}

/* ---- lines ---- */

static struct f_line *line_new(void)
{
    struct f_line *l = mem_calloc(1, sizeof *l);
    if (!l) return NULL;
    l->refs = 1;
    arena_init(&l->arena, LINE_ARENA);
    return l;
}

static int line_head(struct node *n, struct f_line *l, const struct json *spec)
{
    struct str name = text(spec, "outlet");
    l->enabled = json_bool(json_get(spec, "enabled"), true);
    l->writes = json_bool(json_get(spec, "writes"), false);
    l->keep_us = (int64_t)(json_double(json_get(spec, "buffer_hours"), 72) * HOUR_US);
    l->max_bytes = (uint64_t)json_i64(json_get(spec, "buffer_mb"), 1024) << 20;
    l->gather_ms = (unsigned)(duration(spec, "gather", 200000) / 1000);
    l->outlet = outlets_find(n->outlets, name);
    if (!l->outlet) {
        error_set(&l->problem, ERR_UNSUPPORTED, "spec.outlet", "this program has no outlet '%.*s'",
                  "本程序没有转发协议 '%.*s'", STR_ARG(name));
        return 0;
    }
    int rc = options_check(l->outlet->channel_options, &l->arena, json_get(spec, "options"), &l->options, NULL, 0, NULL,
                           &l->problem);
    return rc == ERR_NOMEM ? rc : 0;
}

static int load_line(void *ctx, const struct resource *r)
{
    struct loading *ld = ctx;
    struct picking pk = {.ld = ld};
    struct buf sig;
    struct f_line *l = line_new();
    if (!l || !mem_grow((void **)&ld->plan->lines, &ld->plan->cap, ld->plan->n + 1, sizeof l)) {
        f_line_unref(l);
        return ERR_NOMEM;
    }
    ld->plan->lines[ld->plan->n++] = l;
    l->id = keep(&l->arena, r->id);
    l->code = keep(&l->arena, r->code);
    l->name = keep(&l->arena, r->name);
    l->org = keep(&l->arena, r->org);
    int rc = line_head(ld->node, l, r->spec);
    if (rc || l->problem.code) return rc;
    buf_init(&sig, 1 << 20);
    json_write(&sig, json_get(r->spec, "options") ? json_get(r->spec, "options") : r->spec);
    buf_str(&sig, r->code);
    buf_str(&sig, text(r->spec, "outlet"));
    l->options_sig = str_hash(buf_view(&sig), 3);
    buf_fini(&sig);
    struct str filter = text(r->spec, "filter");
    if (filter.n) rc = pick_filtered(&pk, l, filter, &l->problem);
    if (rc && rc != ERR_NOMEM) rc = 0; /* the problem says it */
    if (!rc) rc = pick_mapped(&pk, l);
    if (!rc) {
        settle(&pk);
        rc = add_slots(l, ld->plant, r->spec, &pk);
    }
    if (!rc) rc = sort_slots(l);
    l->set_sig = signature(l);
    mem_free(pk.at);
    return rc;
}

int plan_load(struct node *n, const struct plant *p, struct plan *ret, struct error *e)
{
    struct loading ld = {.node = n, .plant = p, .plan = ret, .e = e};
    *ret = (struct plan){0};
    arena_init(&ld.arena, LINE_ARENA);
    int rc = resource_each(n->kernel, "forward_point", load_mapping, &ld, e);
    if (!rc && ld.nmaps) qsort(ld.maps, ld.nmaps, sizeof *ld.maps, by_forward);
    ld.by_id = mem_calloc(p->npoints + 1, sizeof *ld.by_id);
    if (!rc && !ld.by_id) rc = ERR_NOMEM;
    for (size_t i = 0; !rc && i < p->npoints; i++) ld.by_id[i] = (uint32_t)i;
    if (!rc && p->npoints) qsort_r(ld.by_id, p->npoints, sizeof *ld.by_id, cmp_id, (void *)p);
    if (!rc) rc = resource_each(n->kernel, "forward", load_line, &ld, e);
    mem_free(ld.by_id);
    mem_free(ld.maps);
    arena_fini(&ld.arena);
    if (rc) plan_free(ret);
    return rc == ERR_NOMEM ? error_set(e, rc, "forward", "out of memory", "内存不足") : rc;
}

int plan_line_of_spec(struct node *n, const struct json *spec, struct f_line **ret, struct error *e)
{
    struct f_line *l = line_new();
    int rc = l ? line_head(n, l, spec) : ERR_NOMEM;
    if (!rc && l->problem.code) {
        bool options = l->outlet != NULL;
        rc = ERR_INVALID;
        l->problem.code = rc;
        if (e) *e = l->problem;
        if (options) error_prefix(e, "spec.options.");
    }
    if (rc) {
        f_line_unref(l);
        return rc == ERR_NOMEM ? error_set(e, rc, "", "out of memory", "内存不足") : rc;
    }
    *ret = l;
    return 0;
}
