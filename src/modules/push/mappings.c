/* mappings.c - kind payload_mapping in memory: compiled, by order; which one reads a topic; taking a message by one. A
 * mapping that is changed is compiled anew, messages under way keep the old one by its count. */
#include "base/mem.h"
#include "io/log.h"
#include "modules/push/mapping.h"
#include "modules/push/push.h"
#include "proto/mqtt.h"

struct push_map {
    atomic_uint refs;
    char id[37], org[37], code[129], topic[401];
    int64_t order;
    bool enabled, publish, create;
    int level; /* of the topic that names the device; -1 */
    size_t most;
    struct mapping *m;
};

void push_map_unref(struct push_map *m)
{
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1) return;
    mapping_free(m->m);
    mem_free(m);
}

struct str push_map_name(const struct push_map *m)
{
    return str_of(m->code);
}

/* ---- looking ---- */

static struct push_map *first(struct push *p, struct str topic)
{
    for (size_t i = 0; i < p->maps.n; i++) {
        struct push_map *m = p->maps.at[i];
        if (m->enabled && m->topic[0] && mqtt_match(str_of(m->topic), topic)) return m;
    }
    return NULL;
}

struct push_map *push_map_topic(struct push *p, struct str topic)
{
    if (!atomic_load_explicit(&p->maps.topics, memory_order_relaxed)) return NULL;
    pthread_mutex_lock(&p->maps.lock);
    struct push_map *m = first(p, topic);
    if (m) atomic_fetch_add(&m->refs, 1);
    pthread_mutex_unlock(&p->maps.lock);
    return m;
}

bool push_map_publish(struct push *p, struct str topic)
{
    if (!atomic_load_explicit(&p->maps.topics, memory_order_relaxed)) return false;
    pthread_mutex_lock(&p->maps.lock);
    const struct push_map *m = first(p, topic);
    bool yes = m && m->publish;
    pthread_mutex_unlock(&p->maps.lock);
    return yes;
}

int push_map_code(struct push *p, struct str id_or_code, struct push_map **ret, struct error *e)
{
    struct push_map *found = NULL;
    pthread_mutex_lock(&p->maps.lock);
    for (size_t i = 0; i < p->maps.n && !found; i++) {
        struct push_map *m = p->maps.at[i];
        if (m->enabled && (str_is(id_or_code, m->code) || str_is(id_or_code, m->id))) found = m;
    }
    if (found) atomic_fetch_add(&found->refs, 1);
    pthread_mutex_unlock(&p->maps.lock);
    *ret = found;
    return found ? 0
                 : error_set(e, ERR_NOT_FOUND, "mapping", "there is no mapping '%.*s' that is enabled",
                             "没有启用的报文映射 '%.*s'", STR_ARG(str_sub(id_or_code, 0, 80)));
}

struct str push_map_topic_device(const struct push_map *m, struct str topic)
{
    struct str part = STR_NULL;
    for (int i = 0; i <= m->level; i++) {
        if (!topic.p) return STR_NULL;
        part = str_cut(&topic, '/');
    }
    return part;
}

/* ---- a message ---- */

/* The first fault that is more than something missing; else the first. */
static const struct mapping_fault *worst(const struct mapping_result *r)
{
    for (size_t i = 0; i < r->nfaults; i++)
        if (!r->fault[i].missing) return &r->fault[i];
    return r->nfaults ? &r->fault[0] : NULL;
}

static void say(const struct push_map *m, const struct mapping_fault *f, struct error *e)
{
    char prefix[ERROR_WHERE_MAX];
    if (f->row == MAPPING_WHOLE)
        snprintf(prefix, sizeof prefix, "%.60s: ", m->code);
    else
        snprintf(prefix, sizeof prefix, "%.60s: rows[%zu].", m->code, f->row);
    *e = f->why;
    error_prefix(e, prefix);
}

struct taking_map {
    struct push *p;
    struct arena *a;
    struct push_map *m;
    const char *client;
    struct push_outcome *out;
    struct error *e;
    char first[37]; /* the device of the first values: faults are shown there */
};

/* The values of one device, in their order. */
static int take_device(struct taking_map *t, const struct mapping_result *r, struct str name, struct pushed *of)
{
    struct push_make make = {
        .label = STR("mapping"), .value = str_of(t->m->code), .org = str_of(t->m->org), .most = t->m->most};
    struct push_outcome o = {0};
    struct push_id who;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (str_eq(r->v[i].device, name)) of[n++] = r->v[i].v;
    int rc = push_named(t->p, t->a, t->client, name, t->m->create ? &make : NULL, &who, t->e);
    if (!rc) rc = push_take_values(t->p, t->a, who.id, PUSH_OWN, of, n, &o, t->e);
    if (o.wait_s > t->out->wait_s) t->out->wait_s = o.wait_s;
    if (rc) return rc;
    if (!t->first[0]) memcpy(t->first, who.id, sizeof t->first);
    t->out->stored += o.stored;
    t->out->unknown += o.unknown;
    t->out->rejected += o.rejected;
    return 0;
}

static bool seen(const struct mapping_result *r, size_t i)
{
    for (size_t k = i; k-- > 0 && i - k < 256;) /* devices come together, mostly */
        if (str_eq(r->v[k].device, r->v[i].device)) return true;
    return false;
}

static int take_all(struct taking_map *t, const struct mapping_result *r)
{
    struct pushed *of = arena_alloc(t->a, (r->n + 1) * sizeof *of);
    int rc = of ? 0 : error_set(t->e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < r->n && !rc; i++)
        if (!seen(r, i)) rc = take_device(t, r, r->v[i].device, of);
    return rc;
}

int push_take_mapped(struct push *p, struct arena *a, struct push_map *m, const char *client,
                     const struct mapping_input *in, struct push_outcome *ret, struct error *e)
{
    struct taking_map t = {.p = p, .a = a, .m = m, .client = client, .out = ret, .e = e};
    struct mapping_result r;
    struct error why;
    *ret = (struct push_outcome){0};
    int rc = mapping_apply(m->m, a, in, &r, e);
    if (rc) return rc;
    const struct mapping_fault *f = worst(&r);
    if (f) say(m, f, &why);
    if (!r.n) {
        if (!f) return 0;
        if (e) *e = why;
        return ERR_INVALID;
    }
    rc = take_all(&t, &r);
    for (size_t i = 0; i < r.nfaults; i++) ret->rejected += !r.fault[i].missing;
    if (!rc && f && !f->missing) push_problem(p, t.first, &why);
    return rc;
}

/* ---- from resources ---- */

static int build(const struct resource *r, struct push_map **ret, struct error *e)
{
    const struct json *device = json_get(r->spec, "device");
    struct push_map *m = mem_calloc(1, sizeof *m);
    if (!m) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    atomic_init(&m->refs, 1);
    str_to_cstr(r->id, m->id, sizeof m->id);
    str_to_cstr(r->org, m->org, sizeof m->org);
    str_to_cstr(r->code, m->code, sizeof m->code);
    str_to_cstr(json_str(json_get(r->spec, "topic"), STR("")), m->topic, sizeof m->topic);
    m->order = json_i64(json_get(r->spec, "order"), 100);
    m->enabled = json_bool(json_get(r->spec, "enabled"), true);
    m->publish = json_bool(json_get(r->spec, "publish"), true);
    m->create = str_is(json_str(json_get(r->spec, "unknown_device"), STR("")), "create");
    m->most = (size_t)json_i64(json_get(r->spec, "max_devices"), 1000);
    m->level =
        str_is(json_str(json_get(device, "from"), STR("")), "topic") ? (int)json_i64(json_get(device, "level"), 0) : -1;
    int rc = mapping_compile(r->spec, &m->m, e);
    if (rc) {
        mem_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

static int by_order(const void *x, const void *y)
{
    const struct push_map *a = *(struct push_map *const *)x, *b = *(struct push_map *const *)y;
    return a->order != b->order ? (a->order < b->order ? -1 : 1) : strcmp(a->code, b->code);
}

static void settle(struct push_maps *l)
{
    size_t topics = 0;
    if (l->n) qsort(l->at, l->n, sizeof *l->at, by_order);
    for (size_t i = 0; i < l->n; i++) topics += l->at[i]->enabled && l->at[i]->topic[0];
    atomic_store(&l->topics, topics);
}

/* NULL: it is gone. */
static int replace(struct push *p, struct str id, struct push_map *fresh)
{
    struct push_maps *l = &p->maps;
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->n; i++)
        if (str_is(id, l->at[i]->id)) {
            push_map_unref(l->at[i]);
            l->at[i] = l->at[--l->n];
            break;
        }
    if (fresh && mem_grow((void **)&l->at, &l->cap, l->n + 1, sizeof *l->at))
        l->at[l->n++] = fresh;
    else if (fresh)
        rc = ERR_NOMEM;
    settle(l);
    pthread_mutex_unlock(&l->lock);
    if (rc) push_map_unref(fresh);
    return rc;
}

static int load_one(void *ctx, const struct resource *r)
{
    struct push_map *m;
    struct error e = {0};
    int rc = build(r, &m, &e);
    if (rc) {
        log_warn("push", "a mapping cannot be used", "code=%.*s where=%s err=\"%s\"", STR_ARG(r->code), e.where,
                 e.text);
        return rc == ERR_NOMEM ? rc : 0;
    }
    return replace(ctx, r->id, m);
}

int push_maps_load(struct push *p, struct error *e)
{
    return resource_each(p->node->kernel, "payload_mapping", load_one, p, e);
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_ARENA a;
        struct resource r;
        arena_init(&a, 8u << 20);
        int rc = c[i].op == CHANGE_DELETE ? ERR_NOT_FOUND : resource_get(k, &a, "payload_mapping", c[i].id, &r, NULL);
        if (rc == ERR_NOT_FOUND) (void)replace(ctx, c[i].id, NULL);
        if (!rc) rc = load_one(ctx, &r);
        if (rc && rc != ERR_NOT_FOUND) log_error("push", "a mapping cannot be read", "code=%.*s", STR_ARG(c[i].code));
    }
}

static int validate(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                    const struct resource *new_, struct error *e)
{
    struct push_map *m;
    if (!new_) return 0;
    struct str topic = json_str(json_get(new_->spec, "topic"), STR(""));
    if (topic.n && !mqtt_filter_ok(topic))
        return error_set(e, ERR_INVALID, "spec.topic",
                         "is no topic filter: + stands for one level, # at the end for the rest",
                         "不是有效的主题过滤器：+ 代表一层，# 只能在末尾代表其余各层");
    if (topic.n && (topic.p[0] == '$' || str_starts(topic, STR("v1/devices/me"))))
        return error_set(e, ERR_INVALID, "spec.topic", "topics of the broker and v1/devices/me have their own forms",
                         "代理主题与 v1/devices/me 有固定格式");
    int rc = build(new_, &m, e);
    if (rc) {
        error_prefix(e, "spec.");
        return rc;
    }
    push_map_unref(m);
    return 0;
}

int push_maps_hooks(struct push *p, struct error *e)
{
    int rc = kernel_hooks_add(
        p->node->kernel,
        &(struct kind_hooks){.kind = "payload_mapping", .validate = validate, .changed = changed, .ctx = p});
    return rc ? error_set(e, rc, "push", "cannot watch the mappings", "无法监视报文映射") : 0;
}

void push_maps_init(struct push *p)
{
    pthread_mutex_init(&p->maps.lock, NULL);
}

void push_maps_free(struct push *p)
{
    for (size_t i = 0; i < p->maps.n; i++) push_map_unref(p->maps.at[i]);
    mem_free(p->maps.at);
    pthread_mutex_destroy(&p->maps.lock);
}
