/* line_map.c - see line_map.h: mappings, what a series means, points that are made.
 *
 * The set of mappings is immutable and counted; a change makes a new one and empties all caches. Resolving runs
 * without locks but `making`, which keeps two requests from making one point twice. `generation` goes up before
 * entries are taken out, so that an answer of before that comes late is not kept. Caches: line_cache.c. */
#include "modules/history/line_int.h"
#include "base/mem.h"
#include "io/log.h"

#define MAPPINGS_ARENA (16u << 20)
#define RESOLVE_ARENA (4u << 20)

/* ---- mappings ---- */

static void set_free(struct line_mappings *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
    arena_fini(&s->arena);
    mem_free(s);
}

static struct line_mappings *set_hold(struct line_map *m)
{
    pthread_mutex_lock(&m->lock);
    struct line_mappings *s = m->set;
    if (s) atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&m->lock);
    return s;
}

static int add_mapping(void *ctx, const struct resource *r)
{
    struct line_mappings *s = ctx;
    const struct json *spec = r->spec, *more = json_get(spec, "point_spec");
    if (!json_bool(json_get(spec, "enabled"), true)) return 0;
    struct line_mapping *m = arena_calloc(&s->arena, 1, sizeof *m), **at = &s->first;
    if (!m) return ERR_NOMEM;
    *m = (struct line_mapping){.code = arena_str(&s->arena, r->code),
                               .org = arena_str(&s->arena, r->org),
                               .database = arena_str(&s->arena, json_str(json_get(spec, "database"), STR(""))),
                               .measurement = arena_str(&s->arena, json_str(json_get(spec, "measurement"), STR(""))),
                               .pattern = arena_str(&s->arena, json_str(json_get(spec, "pattern"), STR(""))),
                               .prefix = arena_str(&s->arena, json_str(json_get(spec, "prefix"), STR(""))),
                               .area = arena_str(&s->arena, json_str(json_get(spec, "area"), STR(""))),
                               .point_spec = more ? json_text(&s->arena, more) : STR_NULL,
                               .create = json_bool(json_get(spec, "create"), false)};
    m->weight = (m->database.n > 0) * 2 + (m->measurement.n > 0);
    while (*at && (*at)->weight >= m->weight) at = &(*at)->next; /* what says more goes first, else the older one */
    m->next = *at;
    *at = m;
    return 0;
}

static int read_mappings(struct line_map *m, struct error *e)
{
    struct line_mappings *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    atomic_init(&s->refs, 1);
    arena_init(&s->arena, MAPPINGS_ARENA);
    int err = resource_each(m->node->kernel, "line_mapping", add_mapping, s, e);
    if (err) {
        set_free(s);
        return err;
    }
    pthread_mutex_lock(&m->lock);
    struct line_mappings *old = m->set;
    m->set = s;
    pthread_mutex_unlock(&m->lock);
    set_free(old);
    atomic_fetch_add(&m->generation, 1);
    line_caches_forget(m, NULL, 0);
    return 0;
}

static void mappings_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct error e = {0};
    if (read_mappings(ctx, &e)) log_error("history", "cannot read the line mappings", "detail=\"%s\"", e.text);
}

static void points_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    struct line_map *m = ctx;
    uint32_t *num = mem_alloc(n * sizeof *num);
    for (size_t i = 0; num && i < n; i++) num[i] = c[i].num;
    atomic_fetch_add(&m->generation, 1);
    line_caches_forget(m, num, num ? n : 0);
    mem_free(num);
}

/* ---- what a series means ---- */

struct meaning {
    struct line_map *m;
    struct api_call *c;
    const struct lp_line *l;
    const struct lp_field *f;
    const struct line_mapping *by; /* NULL: no mapping */
    struct str database;
    struct arena arena;
    struct str code;
};

static struct str plain(struct arena *a, struct str raw)
{
    struct buf b;
    buf_init(&b, raw.n + 1);
    lp_unescape(&b, raw);
    struct str s = arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static struct str tag_of(struct meaning *x, struct str name)
{
    struct str tags = x->l->tags, k, v;
    while (lp_tag_next(&tags, &k, &v))
        if (str_eq(plain(&x->arena, k), name)) return plain(&x->arena, v);
    return STR_NULL;
}

/* What a code must not hold becomes '_'. */
static void put_clean(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        buf_u8(b, c <= ' ' || c == 0x7f || strchr(",;'\"", c) ? '_' : c);
    }
}

/* One {name} of a pattern; false: there is no such tag. */
static bool put_variable(struct meaning *x, struct buf *b, struct str name, struct error *why)
{
    struct str v = STR_NULL;
    if (str_is(name, "measurement")) v = plain(&x->arena, x->l->measurement);
    if (str_is(name, "field")) v = plain(&x->arena, x->f->key);
    if (str_is(name, "database")) v = x->database.p ? x->database : STR("");
    if (str_starts(name, STR("tag:"))) v = tag_of(x, str_sub(name, 4, name.n));
    if (!v.p) {
        error_set(why, ERR_INVALID, "", "the mapping %.*s needs '%.*s', which the line does not have",
                  "映射 %.*s 需要“%.*s”，该行没有", STR_ARG(x->by->code), STR_ARG(name));
        return false;
    }
    put_clean(b, v);
    return true;
}

static bool by_pattern(struct meaning *x, struct buf *b, struct error *why)
{
    struct str rest = x->by->pattern;
    put_clean(b, x->by->prefix);
    while (rest.n) {
        ptrdiff_t open = str_find(rest, '{'),
                  close = open < 0 ? -1 : str_find(str_sub(rest, (size_t)open, rest.n), '}');
        if (close < 0) {
            put_clean(b, rest);
            break;
        }
        put_clean(b, str_sub(rest, 0, (size_t)open));
        if (!put_variable(x, b, str_sub(rest, (size_t)open + 1, (size_t)close - 1), why)) return false;
        rest = str_sub(rest, (size_t)(open + close) + 1, rest.n);
    }
    return true;
}

/* The tag `point` before everything, then the mapping, then measurement.field. */
static bool name_point(struct meaning *x, struct buf *b, struct error *why)
{
    struct str point = tag_of(x, STR("point"));
    bool value = str_is(x->f->key, "value");
    if (!point.p && x->by) return by_pattern(x, b, why);
    put_clean(b, point.p ? point : plain(&x->arena, x->l->measurement));
    if (!value) {
        buf_u8(b, '.');
        put_clean(b, plain(&x->arena, x->f->key));
    }
    return true;
}

int line_fault(struct error *why, enum lp_fault fault)
{
    *why = (struct error){.code = ERR_INVALID};
    str_to_cstr(str_of(lp_fault_text(fault, false)), why->text, sizeof why->text);
    str_to_cstr(str_of(lp_fault_text(fault, true)), why->text_zh, sizeof why->text_zh);
    return ERR_INVALID;
}

static int find_code(struct meaning *x, struct error *why)
{
    struct buf b;
    enum lp_fault fault = lp_tags_check(x->l->tags);
    if (fault) return line_fault(why, fault);
    buf_init(&b, LIMIT_CODE);
    bool named = name_point(x, &b, why);
    int err = !named ? ERR_INVALID : 0;
    if (!err && b.err) err = error_set(why, ERR_INVALID, "", "the point's code would be too long", "测点编码过长");
    x->code = err ? STR("") : arena_str(&x->arena, buf_view(&b));
    buf_fini(&b);
    return err;
}

/* ---- points that are made ---- */

static struct json *spec_of(struct meaning *x)
{
    struct json *spec = NULL;
    struct arena *a = &x->arena;
    if (!x->by->point_spec.p || json_parse(a, x->by->point_spec, &spec, NULL) || spec->type != JSON_OBJECT)
        spec = json_new_object(a);
    if (spec && x->by->area.n) json_set(spec, a, STR("area"), json_new_str(a, x->by->area));
    if (!spec || json_get(spec, "type")) return spec;
    if (x->f->type == LP_STRING) json_set(spec, a, STR("type"), json_new_str(a, STR("string")));
    if (x->f->type == LP_BOOL) json_set(spec, a, STR("type"), json_new_str(a, STR("bool")));
    return spec;
}

static int make_point(struct meaning *x, struct resource *ret, struct error *why)
{
    struct arena *a = &x->arena;
    struct json *labels = json_new_object(a);
    json_set(labels, a, STR("line_mapping"), json_new_str(a, x->by->code));
    struct resource_input in = {.code = x->code,
                                .name = x->code,
                                .org = x->by->org.n ? x->by->org : STR_NULL,
                                .labels = labels,
                                .spec = spec_of(x)};
    if (!labels || !in.spec) return error_set(why, ERR_NOMEM, "", "out of memory", "内存不足");
    return resource_create(x->m->node->kernel, a, &x->c->actor, "point", &in, ret, why);
}

static int find_point(struct meaning *x, struct resource *ret, bool *ret_created, struct error *why)
{
    struct kernel *k = x->m->node->kernel;
    int err = resource_find(k, &x->arena, &x->c->actor, "point", x->code, false, ret, why);
    if (err != ERR_NOT_FOUND) return err;
    if (!x->by || !x->by->create)
        return error_set(why, err, "", "there is no point '%.*s'", "没有测点 '%.*s'", STR_ARG(x->code));
    pthread_mutex_lock(&x->m->making);
    err = resource_find(k, &x->arena, &x->c->actor, "point", x->code, false, ret, why);
    if (err == ERR_NOT_FOUND) {
        *why = (struct error){0};
        err = make_point(x, ret, why);
        if (!err) *ret_created = true;
    }
    pthread_mutex_unlock(&x->m->making);
    return err;
}

/* The store is in trouble: the sender tries again. */
static bool ours(int err)
{
    return err == ERR_AGAIN || err == ERR_DISK_FULL || err == ERR_IO || err == ERR_NOMEM || err == ERR_UNAVAILABLE ||
           err == ERR_CLOSED;
}

int line_resolve(struct line_cache *k, struct api_call *c, const struct lp_line *l, const struct lp_field *f,
                 uint32_t *ret_num, bool *ret_created, struct line_seen *ret_seen, struct error *e)
{
    struct meaning x = {.m = k->map, .c = c, .l = l, .f = f, .database = str_of(k->database)};
    struct line_mappings *set = set_hold(k->map);
    unsigned generation = atomic_load(&k->map->generation);
    struct resource r = {0};
    arena_init(&x.arena, RESOLVE_ARENA);
    *ret_seen = (struct line_seen){0};
    struct str measurement = plain(&x.arena, l->measurement);
    for (x.by = set ? set->first : NULL; x.by; x.by = x.by->next)
        if ((!x.by->database.n || str_eq(x.by->database, x.database)) &&
            (!x.by->measurement.n || str_eq(x.by->measurement, measurement)))
            break;
    int err = find_code(&x, &ret_seen->why);
    str_to_cstr(x.code, ret_seen->code, sizeof ret_seen->code);
    if (!err) err = find_point(&x, &r, ret_created, &ret_seen->why);
    if (!ret_seen->why.code) ret_seen->why.code = err;
    *ret_num = err ? 0 : r.num;
    if (ours(err)) {
        if (e) *e = ret_seen->why;
    } else {
        err = line_cache_keep(k, l->series, f->key, *ret_num, ret_seen, generation);
        if (err) error_set(e, err, "", "out of memory", "内存不足");
    }
    arena_fini(&x.arena);
    set_free(set);
    return err;
}

/* ---- life ---- */

int line_map_new(struct node *n, struct line_map **ret, struct error *e)
{
    struct line_map *m = mem_calloc(1, sizeof *m);
    if (!m) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    m->node = n;
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->making, NULL);
    int err = kernel_hooks_add(n->kernel,
                               &(struct kind_hooks){.kind = "line_mapping", .changed = mappings_changed, .ctx = m});
    if (!err)
        err = kernel_hooks_add(n->kernel, &(struct kind_hooks){.kind = "point", .changed = points_changed, .ctx = m});
    if (err) {
        line_map_free(m);
        return error_set(e, err, "history", "cannot watch the line mappings", "无法监视行协议映射");
    }
    *ret = m;
    return 0;
}

int line_map_start(struct line_map *m, struct error *e)
{
    return read_mappings(m, e);
}

void line_map_free(struct line_map *m)
{
    if (!m) return;
    line_caches_free(m);
    set_free(m->set);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->making);
    mem_free(m);
}
