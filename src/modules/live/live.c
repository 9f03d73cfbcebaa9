/* live.c - the module live: current values and writing samples over HTTP. Handlers on worker threads. */
#include "modules/live/live.h"
#include <math.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "model/sample.h"
#include "model/ts_text.h"
#include "modules/live/samples_binary.h"

static struct node *node_of(struct api_call *c)
{
    return ((struct live_ctx *)c->module)->node;
}

const char *live_text(struct node *n, const struct sample *s, char *out, size_t cap)
{
    size_t len;
    out[0] = '\0';
    if (ts_text(n->history, s, out, cap - 1, &len)) return NULL;
    out[len] = '\0';
    return out;
}

static void write_value(struct node *n, struct json_writer *w, const struct sample *s)
{
    char text[4096];
    jw_key(w, STR("v"));
    if (s->type == SAMPLE_DOUBLE)
        jw_double(w, s->v.d);
    else if (s->type == SAMPLE_INT || s->type == SAMPLE_BOOL)
        jw_i64(w, s->v.i);
    else if (live_text(n, s, text, sizeof text))
        jw_str(w, str_of(text));
    else
        jw_null(w);
}

/* num 0: one that has no value; shown as `as`. */
static void write_item(struct node *n, struct json_writer *w, uint32_t num, uint32_t as, struct str code, int64_t now)
{
    struct sample s;
    char t[TIME_TEXT_MAX];
    jw_object(w);
    jw_ki64(w, "point", as);
    jw_kstr(w, "code", code);
    if (num && bus_current(n->bus, num, &s)) {
        jw_kz(w, "t", time_format(s.time_us, t));
        write_value(n, w, &s);
        jw_kz(w, "q", quality_name(s.quality));
        jw_kz(w, "reason", reason_name(s.flags));
        jw_ki64(w, "age_ms", (now - s.time_us) / 1000);
    } else {
        jw_kz(w, "t", NULL);
        jw_kz(w, "v", NULL);
        jw_kz(w, "q", "bad");
        jw_kz(w, "reason", "no_data");
        jw_kz(w, "age_ms", NULL);
    }
    jw_end(w);
}

/* A number that the caller may not see has no value, as one that no point has. */
static void write_number(struct api_call *c, struct json_writer *w, const struct point_view *v, uint32_t num)
{
    struct node *n = node_of(c);
    write_item(n, w, point_view_has(v, num) ? num : 0, num, STR(""), clock_now_us(n->clock));
}

static int current_named(struct api_call *c, struct json_writer *w, struct str name, struct error *e)
{
    struct node *n = node_of(c);
    struct api_point p;
    int err = api_find_point(c, name, ACT_READ, &p, e);
    if (err == ERR_NOT_FOUND)
        return error_set(e, err, "points", "there is no point '%.*s'", "没有测点 '%.*s'", STR_ARG(name));
    if (!err) write_item(n, w, p.num, p.num, p.code, clock_now_us(n->clock));
    return err;
}

static int current_filtered(struct api_call *c, struct json_writer *w, struct str filter, struct error *e)
{
    struct node *n = node_of(c);
    struct list_query q = {.kind = "point", .filter = filter, .limit = LIMIT_PAGE, .by = &c->actor};
    struct list_page page;
    int err = resource_list(n->kernel, c->a, &q, &page, e);
    for (size_t i = 0; !err && i < page.n; i++)
        write_item(n, w, page.items[i].num, page.items[i].num, page.items[i].code, clock_now_us(n->clock));
    return err;
}

static struct json_writer items_begin(struct api_call *c)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    return w;
}

static int get_current(struct api_call *c, struct error *e)
{
    struct str list = http_query(c->req, "points");
    if (!list.n)
        return error_set(e, ERR_INVALID, "points", "name the points, for example points=A,B",
                         "请给出测点，例如 points=A,B");
    struct json_writer w = items_begin(c);
    int err = 0;
    while (list.p && !err) {
        struct str name = str_trim(str_cut(&list, ','));
        if (name.n) err = current_named(c, &w, name, e);
    }
    jw_end(&w);
    jw_end(&w);
    return err;
}

static int post_current(struct api_call *c, struct error *e)
{
    struct json *body;
    int err = api_body_json(c, &body, e);
    if (err) return err;
    struct str filter = json_str(json_get(body, "filter"), STR_NULL);
    const struct json *points = json_get(body, "points");
    if (!filter.p && json_count(points) == 0)
        return error_set(e, ERR_INVALID, "points", "give 'points' (codes, ids or numbers) or 'filter'",
                         "请给出 points 或 filter");
    struct point_view v;
    err = point_view_open(api_points(c->api), c->actor.may, ACT_READ, &v);
    if (err) return err;
    struct json_writer w = items_begin(c);
    if (filter.p) err = current_filtered(c, &w, filter, e);
    for
        json_each (it, points) {
            if (err) break;
            if (it->type == JSON_INT)
                write_number(c, &w, &v, (uint32_t)it->i);
            else
                err = current_named(c, &w, json_str(it, STR("")), e);
        }
    point_view_close(&v);
    jw_end(&w);
    jw_end(&w);
    return err;
}

/* ---- POST /samples ---- */

static int parse_quality(const struct json *v, struct sample *s, struct error *e)
{
    struct str q = json_str(v, STR("good"));
    for (int i = QUALITY_GOOD; i <= QUALITY_BAD; i++) {
        if (!str_is(q, quality_name(i))) continue;
        s->quality = (uint8_t)i;
        s->flags = i == QUALITY_GOOD ? 0 : REASON_MANUAL;
        return 0;
    }
    return error_set(e, ERR_INVALID, "q", "'%.*s' is not a quality; write good, uncertain or bad",
                     "'%.*s' 不是有效质量；请写 good、uncertain 或 bad", STR_ARG(q));
}

static int parse_sample_value(struct node *n, const struct json *v, struct sample *s, struct error *e)
{
    if (!v || v->type == JSON_NULL) {
        s->type = SAMPLE_NONE;
        s->quality = QUALITY_BAD;
        s->flags = REASON_NO_DATA;
        return 0;
    }
    if (v->type == JSON_INT)
        s->type = SAMPLE_DOUBLE, s->v.d = (double)v->i;
    else if (v->type == JSON_DOUBLE)
        s->type = SAMPLE_DOUBLE, s->v.d = v->d;
    else if (v->type == JSON_BOOL)
        s->type = SAMPLE_BOOL, s->v.i = v->b;
    else if (v->type == JSON_STRING) {
        s->type = SAMPLE_STRING;
        int err = n->history->ops->string_put(n->history, v->s, &s->v.u);
        return err ? error_set(e, err, "v", "the text cannot be stored", "文本无法保存") : 0;
    } else {
        return error_set(e, ERR_INVALID, "v", "must be a number, boolean, text or null", "必须是数字、布尔、文本或空");
    }
    return 0;
}

static int parse_time(const struct json *v, int64_t now, struct sample *s, struct error *e)
{
    double ms;
    s->time_us = now;
    if (!v || v->type == JSON_NULL) return 0;
    if (v->type == JSON_INT)
        ms = (double)v->i;
    else if (v->type == JSON_DOUBLE)
        ms = v->d;
    else
        return time_parse_words(json_str(v, STR("")), now, 0, &s->time_us, e);
    if (!(ms * 1000 >= (double)TIME_MIN_US && ms * 1000 <= (double)TIME_MAX_US))
        return error_set(e, ERR_RANGE, "t", "is no time in milliseconds since 1970", "不是 1970 年以来的毫秒数");
    s->time_us = v->type == JSON_INT ? v->i * 1000 : (int64_t)(v->d * 1000);
    return 0;
}

static int parse_sample(struct api_call *c, const struct json *it, struct sample *s, struct error *e)
{
    struct node *n = node_of(c);
    struct resource r;
    struct str name = json_str(json_get(it, "point"), STR(""));
    *s = (struct sample){0};
    int err = api_find(c, "point", name, ACT_WRITE, &r, e);
    if (err == ERR_FORBIDDEN) return err;
    if (err) return error_set(e, ERR_NOT_FOUND, "point", "there is no point '%.*s'", "没有测点 '%.*s'", STR_ARG(name));
    s->point = r.num;
    err = parse_quality(json_get(it, "q"), s, e);
    if (!err) err = parse_time(json_get(it, "t"), clock_now_us(n->clock), s, e);
    if (!err) err = parse_sample_value(n, json_get(it, "v"), s, e);
    return err;
}

static int post_samples(struct api_call *c, struct error *e)
{
    struct json *body;
    if (samples_are_binary(c->req)) return samples_post_binary(c, e);
    int err = api_body_json(c, &body, e);
    if (err) return err;
    const struct json *list = json_get(body, "samples");
    size_t n = json_count(list), i = 0;
    if (!list || list->type != JSON_ARRAY || n == 0 || n > 100000)
        return error_set(e, ERR_INVALID, "samples", "must be an array of 1 to 100,000 samples",
                         "必须是 1 到 100000 个样本的数组");
    struct sample *s = arena_alloc(c->a, n * sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "samples", "out of memory", "内存不足");
    for
        json_each (it, list) {
            err = parse_sample(c, it, &s[i], e);
            if (err) {
                char where[40];
                snprintf(where, sizeof where, "samples[%zu].", i);
                error_prefix(e, where);
                return err;
            }
            i++;
        }
    err = bus_write(node_of(c)->bus, s, n, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "stored", (int64_t)n);
    jw_end(&w);
    return 0;
}

#define CURRENT \
    "{items:{point:integer;code:string;t:time|null;v:number|string|null;q:'good'|'uncertain'|'bad';reason:string;" \
    "age_ms:integer|null}[]}"
#define SAMPLES \
    "{samples:{point:string;t?:time|number|null;v:number|boolean|string|null;q?:'good'|'uncertain'|'bad'}[]}"

static const struct api_route routes[] = {
    API_GET("/api/v1/current", "point", AUDIT_NONE, get_current, .summary_en = "Current values", .summary_zh = "当前值",
            .params = "points:string:Codes or ids, comma", .answer_schema = CURRENT),
    API_DO("POST", "/api/v1/current", "point", ACT_READ, AUDIT_NONE, post_current,
           .summary_en = "Current values of many points", .summary_zh = "批量读取当前值",
           .body_schema = "{points?:(string|integer)[];filter?:string}", .answer_schema = CURRENT),
    {.method = "GET",
     .path = "/api/v1/stream",
     .kind = "point",
     .action = ACT_READ,
     .audit = AUDIT_NONE,
     .websocket = true,
     .stream = &live_stream_ops,
     .summary_en = "Live values (WebSocket)",
     .summary_zh = "实时数据流（WebSocket）"},
    API_DO("POST", "/api/v1/samples", "point", ACT_WRITE, AUDIT_CHANGE, post_samples,
           .summary_en = "Write samples; answered when durable", .summary_zh = "写入样本（落盘后应答）",
           .body_max = 32 << 20, .lane = LANE_PUSH, .body_schema = SAMPLES, .answer_schema = "{stored:integer}"),
};

static int live_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct live_ctx *l = mem_calloc(1, sizeof *l);
    if (!l) return error_set(e, ERR_NOMEM, "live", "out of memory", "内存不足");
    l->node = n;
    *ret_ctx = l;
    return 0;
}

const struct module live_module = {
    .name = "live",
    .title_en = "Live values",
    .title_zh = "实时数据",
    .routes = routes,
    .nroutes = sizeof routes / sizeof *routes,
    .init = live_init,
    .fini = mem_free,
};
