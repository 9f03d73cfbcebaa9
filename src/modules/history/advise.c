/* advise.c - see advise.h. One point after another: its samples are read into memory (at most SAMPLES_POINT of them,
 * and SAMPLES_ALL over all points; the answer tells when there were more), then every setting runs over them. */
#include "modules/history/advise.h"
#include <math.h>
#include "base/mem.h"
#include "base/time.h"
#include "modules/history/advice.h"
#include "modules/history/history.h"
#include "modules/history/storage.h"

#define POINTS_MAX 64
#define SETTINGS_MAX 20
#define SAMPLES_POINT 2000000
#define SAMPLES_ALL 10000000

struct advise {
    struct node *node;
    struct api_call *call;
    int64_t from, to;
    size_t max;                             /* samples a point */
    struct bus_point setting[SETTINGS_MAX]; /* as asked for; n 0: a ladder */
    bool own_interval[SETTINGS_MAX], own_door_max[SETTINGS_MAX];
    size_t n;
};

struct gathered {
    struct sample *s;
    size_t n, cap, max;
    bool truncated;
};

static int gather(void *ctx, const struct sample *s, size_t n)
{
    struct gathered *g = ctx;
    g->truncated = n > g->max - g->n;
    size_t take = g->truncated ? g->max - g->n : n;
    if (!mem_grow((void **)&g->s, &g->cap, g->n + take, sizeof *g->s)) return ERR_NOMEM;
    memcpy(g->s + g->n, s, take * sizeof *s);
    g->n += take;
    return g->truncated;
}

/* ---- what is asked ---- */

static int read_number(const struct json *v, const char *name, size_t i, double *ret, struct error *e)
{
    const struct json *m = json_get(v, name);
    if (!m || m->type == JSON_NULL) return 0;
    double d = json_double(m, NAN);
    if (d >= 0 && isfinite(d)) return *ret = d, 0;
    char where[64];
    snprintf(where, sizeof where, "settings.%zu.%s", i, name);
    return error_set(e, ERR_INVALID, where, "must be a number, 0 or more", "须为不小于 0 的数");
}

static int read_duration(const struct json *v, const char *name, size_t i, int64_t *ret, bool *given, struct error *e)
{
    struct str text = json_str(json_get(v, name), STR(""));
    if (!text.n) return 0;
    *given = true;
    int err = duration_parse(text, ret, e);
    char where[64];
    snprintf(where, sizeof where, "settings.%zu.%s", i, name);
    if (err) error_prefix(e, where);
    return err;
}

static int read_settings(struct advise *a, const struct json *list, struct error *e)
{
    int err = 0;
    if (json_count(list) > SETTINGS_MAX)
        return error_set(e, ERR_LIMIT, "settings", "at most %d settings at once", "一次最多 %d 组设置", SETTINGS_MAX);
    for
        json_each (it, list) {
            size_t i = a->n++;
            struct bus_point *c = &a->setting[i];
            *c = (struct bus_point){.deadband = -1};
            err = read_number(it, "deadband", i, &c->deadband, e);
            if (!err) err = read_number(it, "door", i, &c->door, e);
            if (!err) err = read_duration(it, "door_max", i, &c->door_max_us, &a->own_door_max[i], e);
            if (!err) err = read_duration(it, "max_interval", i, &c->max_interval_us, &a->own_interval[i], e);
            if (err) return err;
        }
    return 0;
}

static int read_time(const struct json *body, const char *name, const char *def, int64_t now, int64_t *ret,
                     struct error *e)
{
    const struct json *v = json_get(body, name);
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)json_i64(v, 0));
    struct str text = v && v->type == JSON_INT ? str_of(number) : json_str(v, str_of(def));
    int err = time_parse_words(text, now, 0, ret, e);
    if (err) error_prefix(e, name);
    return err;
}

static int read_body(struct advise *a, const struct json *body, struct error *e)
{
    int64_t now = clock_now_us(a->node->clock);
    int err = read_time(body, "from", "*-7d", now, &a->from, e);
    if (!err) err = read_time(body, "to", "*", now, &a->to, e);
    if (!err && a->to <= a->from)
        err = error_set(e, ERR_INVALID, "to", "the end of the range must lie after its beginning",
                        "时间范围的终点必须晚于起点");
    return err ? err : read_settings(a, json_get(body, "settings"), e);
}

/* ---- one point ---- */

/* The settings for this point: those asked for or a ladder, with its intervals and step. */
static size_t settings_for(const struct advise *a, const struct bus_point *now, const struct advice_shape *shape,
                           double range, struct bus_point *ret)
{
    if (!a->n) return advice_ladder(shape, range, now, ret);
    for (size_t i = 0; i < a->n; i++) {
        ret[i] = a->setting[i];
        ret[i].step = now->step;
        if (!a->own_interval[i]) ret[i].max_interval_us = now->max_interval_us;
        if (!a->own_door_max[i]) ret[i].door_max_us = now->door_max_us;
    }
    return a->n;
}

static void write_number(struct json_writer *w, const char *key, double v)
{
    if (isfinite(v))
        jw_kdouble(w, key, v);
    else
        jw_kz(w, key, NULL);
}

static void write_result(struct json_writer *w, const struct bus_point *c, const struct advice_result *r, double bytes)
{
    jw_object(w);
    write_number(w, "deadband", c->deadband < 0 ? NAN : c->deadband);
    jw_kdouble(w, "door", c->door);
    jw_ki64(w, "kept", (int64_t)r->kept);
    jw_kdouble(w, "saved_percent", r->saved_percent);
    write_number(w, "max_error", r->max_error);
    write_number(w, "mean_error", r->mean_error);
    jw_kdouble(w, "bound", advice_bound(c));
    write_number(w, "bytes", round(bytes * (double)r->kept));
    jw_end(w);
}

static void write_results(struct json_writer *w, const struct bus_point *c, const struct advice_result *r, size_t n,
                          size_t best, double bytes)
{
    jw_key(w, STR("results"));
    jw_array(w);
    for (size_t i = 0; i < n; i++) write_result(w, &c[i], &r[i], bytes);
    jw_end(w);
    jw_key(w, STR("suggested"));
    if (best < n)
        write_result(w, &c[best], &r[best], bytes);
    else
        jw_null(w);
}

static void write_point(struct json_writer *w, const struct resource *p, const struct gathered *g,
                        const struct advice_shape *shape, double bytes)
{
    char t[TIME_TEXT_MAX];
    jw_ki64(w, "point", p->num);
    jw_kstr(w, "code", p->code);
    jw_kstr(w, "unit", json_str(json_get(p->spec, "unit"), STR("")));
    jw_ki64(w, "samples", (int64_t)g->n);
    jw_kbool(w, "truncated", g->truncated);
    jw_kz(w, "until", g->n ? time_format(g->s[g->n - 1].time_us, t) : NULL);
    write_number(w, "bytes_per_sample", bytes);
    write_number(w, "span", shape->span);
    write_number(w, "noise", shape->noise);
    write_number(w, "resolution", shape->resolution);
}

static void advise_with(struct advise *a, struct json_writer *w, const struct resource *p, const struct gathered *g,
                        const struct advice_shape *shape)
{
    struct bus_point now = {.deadband = -1, .step = json_bool(json_get(p->spec, "step"), false)};
    struct bus_point c[SETTINGS_MAX];
    struct advice_result r[SETTINGS_MAX];
    _Static_assert(SETTINGS_MAX >= ADVICE_LADDER, "a ladder fits");
    (void)bus_point_get(a->node->bus, p->num, &now);
    double lo = json_double(json_get(p->spec, "lo"), NAN), hi = json_double(json_get(p->spec, "hi"), NAN);
    double bytes = storage_bytes_per_sample(a->call->module, p->num);
    size_t n = settings_for(a, &now, shape, hi - lo, c);
    for (size_t i = 0; i < n; i++) advice_try(g->s, g->n, &c[i], &r[i]);
    jw_object(w);
    write_point(w, p, g, shape, bytes);
    write_results(w, c, r, n, advice_suggest(shape, hi - lo, c, r, n), bytes);
    jw_end(w);
}

static int advise_point(struct advise *a, struct json_writer *w, struct str name, struct error *e)
{
    struct resource p;
    struct advice_shape shape;
    struct gathered g = {.max = a->max};
    struct ts_store *st = a->node->history;
    int err = api_find(a->call, "point", name, ACT_READ, &p, e);
    if (err == ERR_NOT_FOUND)
        return error_set(e, err, "points", "there is no point '%.*s'", "没有测点 '%.*s'", STR_ARG(name));
    if (!err) err = st->ops->scan(st, p.num, a->from, a->to, gather, &g, e);
    if (err >= 0 && (err = advice_shape(g.s, g.n, &shape)) == 0) advise_with(a, w, &p, &g, &shape);
    mem_free(g.s);
    return err;
}

static int post_advise(struct api_call *c, struct error *e)
{
    struct advise *a = arena_calloc(c->a, 1, sizeof *a);
    struct json *body = NULL;
    if (!a) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    a->node = history_node(c->module);
    a->call = c;
    int err = api_body_json(c, &body, e);
    if (!err) err = read_body(a, body, e);
    if (err) return err;
    const struct json *points = json_get(body, "points");
    size_t n = json_count(points);
    if (!n || n > POINTS_MAX || points->type != JSON_ARRAY)
        return error_set(e, ERR_INVALID, "points", "a list of 1 to %d codes or ids of points",
                         "须为 1 到 %d 个测点编码或标识的列表", POINTS_MAX);
    a->max = SAMPLES_ALL / n < SAMPLES_POINT ? SAMPLES_ALL / n : SAMPLES_POINT;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for
        json_each (it, points) {
            err = advise_point(a, &w, json_str(it, STR("")), e);
            if (err) return err;
        }
    jw_end(&w);
    jw_end(&w);
    return 0;
}

#define RESULT \
    "{deadband:number|null;door:number;kept:integer;saved_percent:number;max_error:number|null;mean_error:number|" \
    "null;" \
    "bound:number;bytes:number|null}"
static const struct api_route routes[] = {
    API_DO("POST", "/api/v1/history:advise", "point", ACT_READ, AUDIT_NONE, post_advise,
           .summary_en = "What filters would have saved on stored samples",
           .summary_zh = "过滤建议：在已存数据上试算压缩效果",
           .body_schema = "{points:string[];from?:time;to?:time;settings?:{deadband?:number|null;door?:number|null;"
                          "door_max?:string;max_interval?:string}[]}",
           .answer_schema = "{items:{point:integer;code:string;unit:string;samples:integer;truncated:boolean;"
                            "until:time|null;bytes_per_sample:number|null;span:number|null;noise:number|null;"
                            "resolution:number|null;results:" RESULT "[];suggested:" RESULT "|null}[]}"),
};

int history_advise_routes(struct node *n, void *module, struct error *e)
{
    return api_routes_add(n->api, routes, sizeof routes / sizeof *routes, module, e);
}
