/* api_points.c - GET /forwards/{id}/points: what goes out, where it is found, and what is left out and why; POST
 * /forwards/{id}:assign: mappings with addresses for points that have none. */
#include "base/mem.h"
#include "core/resource.h"
#include "drivers/common/registry.h"
#include "modules/forward/forward.h"

#define PAGE_MAX 1000
#define ASSIGN_MAX 65536
#define ASSIGN_SHOWN 500

static int line_of(struct api_call *c, enum api_action act, struct f_line **ret, struct error *e)
{
    struct resource r;
    int rc = api_find(c, "forward", c->param[0], act, &r, e);
    if (rc) return rc;
    *ret = forward_line(forward_of(c), r.id);
    return *ret ? 0
                : error_set(e, ERR_UNAVAILABLE, "id", "the forwarding is not in force yet, try again in a moment",
                            "转发尚未生效，请稍后再试");
}

/* ---- the list ---- */

struct paging {
    struct str q; /* terminated */
    size_t from, to, at;
};

static bool shown(struct paging *p, const char *code, const char *name, const char *address)
{
    const char *q = p->q.p;
    bool found = !p->q.n || strstr(code, q) || strstr(name, q) || strstr(address, q);
    if (!found) return false;
    size_t at = p->at++;
    return at >= p->from && at < p->to;
}

static void write_point(struct json_writer *w, const struct f_line *l, size_t i)
{
    const struct outlet_point *p = &l->points[i];
    jw_object(w);
    jw_kz(w, "code", p->code);
    jw_kz(w, "name", p->name);
    jw_ki64(w, "num", p->num);
    jw_kz(w, "unit", p->unit);
    jw_kz(w, "address", p->address);
    jw_kz(w, "type", value_type_name(p->type));
    jw_kbool(w, "writable", p->writable);
    jw_kdouble(w, "scale", l->slots[i].scale);
    jw_kdouble(w, "offset", l->slots[i].offset);
    jw_kz(w, "error", NULL);
    jw_end(w);
}

static void write_problem(struct api_call *c, struct json_writer *w, const struct f_problem *p)
{
    jw_object(w);
    jw_kstr(w, "code", p->code);
    jw_kz(w, "name", "");
    jw_ki64(w, "num", 0);
    jw_kz(w, "unit", "");
    jw_kz(w, "address", "");
    jw_kz(w, "type", "auto");
    jw_kbool(w, "writable", false);
    jw_kdouble(w, "scale", 1);
    jw_kdouble(w, "offset", 0);
    jw_kz(w, "error", c->zh ? p->error.text_zh : p->error.text);
    jw_end(w);
}

int forward_get_points(struct api_call *c, struct error *e)
{
    struct f_line *l;
    int64_t page = 1, size = 50;
    int rc = api_query_i64(c, "page", 1, 1, 1000000, &page, e);
    if (!rc) rc = api_query_i64(c, "size", 50, 1, PAGE_MAX, &size, e);
    if (!rc) rc = line_of(c, ACT_READ, &l, e);
    if (rc) return rc;
    bool faults = str_is(http_query(c->req, "faults"), "true");
    struct str q = http_query(c->req, "q");
    struct paging p = {str_make(arena_strdup(c->a, q), q.n), (size_t)((page - 1) * size), (size_t)(page * size), 0};
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < l->nproblems; i++)
        if (shown(&p, l->problems[i].code.p, "", "")) write_problem(c, &w, &l->problems[i]);
    for (size_t i = 0; !faults && i < l->n; i++)
        if (shown(&p, l->points[i].code, l->points[i].name, l->points[i].address)) write_point(&w, l, i);
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)p.at);
    jw_ki64(&w, "faults", (int64_t)l->nfaults);
    jw_end(&w);
    f_line_unref(l);
    return 0;
}

/* ---- assigning ---- */

struct assigning {
    struct api_call *c;
    struct f_line *l;
    struct bulk_item *items;
    size_t n, cap;
    uint64_t next;
    const char **keys; /* of addresses that are taken, sorted */
    size_t nkeys;
    struct error e;
};

static int cmp_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_keys(struct assigning *as)
{
    const struct f_line *l = as->l;
    as->keys = mem_calloc(l->n + 1, sizeof *as->keys);
    if (!as->keys) return ERR_NOMEM;
    for (size_t i = 0; i < l->n; i++) {
        struct outlet_address at = {0};
        if (l->outlet->address_check(&l->points[i], &l->options, &at, NULL) || !at.key[0]) continue;
        as->keys[as->nkeys++] = arena_strdup(as->c->a, str_of(at.key));
    }
    if (as->nkeys) qsort(as->keys, as->nkeys, sizeof *as->keys, cmp_text);
    return 0;
}

/* The next address of the outlet that nobody has. */
static int free_address(struct assigning *as, struct outlet_point *p, char *room, size_t cap)
{
    const struct outlet *o = as->l->outlet;
    for (;;) {
        struct outlet_address found = {0};
        int rc = o->address_default(p, &as->l->options, &as->next, room, cap, &as->e);
        p->address = room;
        if (!rc) rc = o->address_check(p, &as->l->options, &found, &as->e);
        if (rc) return rc;
        const char *key = found.key;
        if (!as->nkeys || !key[0] || !bsearch(&key, as->keys, as->nkeys, sizeof *as->keys, cmp_text)) return 0;
    }
}

static bool known(const struct f_line *l, uint32_t num)
{
    size_t slot = f_line_slot(l, num);
    return slot != SIZE_MAX && l->points[slot].address[0];
}

/* A mapping for one point; its address must be nobody's. */
static int add_mapping(void *ctx, const struct brief *b)
{
    struct assigning *as = ctx;
    struct arena *a = as->c->a;
    char address[400];
    if (known(as->l, b->num)) return 0;
    if (!api_may_point(as->c, ACT_READ, b->num)) return 0;
    if (as->n == ASSIGN_MAX)
        return error_set(&as->e, ERR_TOO_LARGE, "filter", "more than %d points; narrow the filter",
                         "超过 %d 个测点，请缩小筛选范围", ASSIGN_MAX);
    struct plant *plant = plant_of(forward_of(as->c)->node);
    const struct p_point *pp = plant ? plant_point(plant, b->num) : NULL;
    struct outlet_point p = {.num = b->num,
                             .code = arena_strdup(a, b->code),
                             .name = arena_strdup(a, b->name),
                             .address = "",
                             .unit = "",
                             .area = "",
                             .device = "",
                             .lo = NAN,
                             .hi = NAN};
    if (pp) {
        p.type = pp->type == VALUE_BOOL || pp->type == VALUE_STRING ? pp->type : VALUE_AUTO;
        p.step = pp->step;
        p.writable = pp->writable && as->l->writes;
        p.area = arena_strdup(a, pp->area);
        p.unit = arena_strdup(a, pp->unit);
        p.lo = pp->lo;
        p.hi = pp->hi;
    }
    plant_unref(plant);
    int rc = free_address(as, &p, address, sizeof address);
    if (rc) return rc;
    if (!mem_grow((void **)&as->items, &as->cap, as->n + 1, sizeof *as->items)) return ERR_NOMEM;
    struct json *spec = json_new_object(a);
    json_set(spec, a, STR("forward"), json_new_str(a, as->l->id));
    json_set(spec, a, STR("point"), json_new_str(a, str_of(p.code)));
    json_set(spec, a, STR("address"), json_new_str(a, str_of(arena_strdup(a, str_of(address)))));
    as->items[as->n++] =
        (struct bulk_item){.op = BULK_CREATE,
                           .expect_rev = -1,
                           .in = {.code = str_of(arena_printf(a, "%.*s:%s", STR_ARG(as->l->code), p.code)),
                                  .name = str_of(p.name),
                                  .spec = spec}};
    return 0;
}

static void write_report(struct api_call *c, const struct assigning *as, const struct bulk_report *rep)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "added", (int64_t)rep->created);
    jw_key(&w, STR("failed"));
    jw_array(&w);
    for (size_t i = 0; i < rep->nitems; i++) {
        if (rep->items[i].status != BULK_FAILED) continue;
        jw_object(&w);
        jw_kstr(&w, "code", rep->items[i].code);
        jw_kz(&w, "detail", c->zh ? rep->items[i].err.text_zh : rep->items[i].err.text);
        jw_end(&w);
    }
    jw_end(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < as->n && i < ASSIGN_SHOWN; i++) {
        jw_object(&w);
        jw_kstr(&w, "code", json_str(json_get(as->items[i].in.spec, "point"), STR("")));
        jw_kstr(&w, "address", json_str(json_get(as->items[i].in.spec, "address"), STR("")));
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
}

int forward_post_assign(struct api_call *c, struct error *e)
{
    struct json *body;
    struct f_line *l;
    struct bulk_report rep = {0};
    static const char *const no_fields[] = {NULL};
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = line_of(c, ACT_WRITE, &l, e);
    if (rc) return rc;
    struct assigning as = {.c = c, .l = l};
    struct str filter = json_str(json_get(body, "filter"), STR("*"));
    struct list_query q = {.kind = "point", .filter = str_is(filter, "*") ? STR("") : filter, .by = &c->actor};
    if (!l->outlet || !l->outlet->address_default || !l->outlet->address_check)
        rc = error_set(e, ERR_UNSUPPORTED, "id", "this protocol has no addresses to assign", "该协议无需分配地址");
    if (!rc) rc = collect_keys(&as);
    if (!rc) rc = resource_list_brief(forward_of(c)->node->kernel, &q, no_fields, 0, add_mapping, &as, e);
    if (rc && as.e.code && e) *e = as.e;
    if (!rc && as.n)
        rc = resource_bulk(c->kernel, c->a, &c->actor, "forward_point", as.items, as.n,
                           json_bool(json_get(body, "dry_run"), false), true, &rep, e);
    if (!rc) write_report(c, &as, &rep);
    mem_free(as.items);
    mem_free(as.keys);
    f_line_unref(l);
    return rc;
}
