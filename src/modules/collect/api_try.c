/* api_try.c - trying before storing: POST /channels:test, /channels/{id}:test, /channels:read, /channels:browse,
 * GET /channels/{id}/browse. */
#include "base/encode.h"
#include "base/mem.h"
#include "drivers/common/options.h"
#include "drivers/common/registry.h"
#include "model/sample.h"
#include "modules/collect/collect.h"

#define READ_MAX 500
#define BROWSE_MAX 1000
#define TEST_MS 20000

/* A channel spec from a body: driver and checked options. */
static int channel_spec(struct api_call *c, const struct json *spec, const struct driver **ret_d, struct options *ret_o,
                        struct error *e)
{
    struct str name = json_str(json_get(spec, "driver"), STR(""));
    *ret_d = drivers_find(collect_of(c)->node->drivers, name);
    if (!*ret_d)
        return error_set(e, ERR_INVALID, "spec.driver", "there is no driver '%.*s'", "没有驱动 '%.*s'", STR_ARG(name));
    return check_options((*ret_d)->channel_options, (*ret_d)->channel_check, c->a, spec, ret_o, e);
}

static int answer_test(struct api_call *c, const struct call_result *r)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "ok", r->ok);
    jw_ki64(&w, "ms", r->ms);
    jw_kz(&w, "code", r->ok ? NULL : error_name(r->error.code));
    jw_kz(&w, "detail", c->zh ? r->error.text_zh : r->error.text);
    jw_end(&w);
    return 0;
}

int post_test(struct api_call *c, struct error *e)
{
    struct json *body;
    const struct driver *d;
    struct options o;
    struct call_result r;
    int err = api_body_json(c, &body, e);
    if (!err) err = channel_spec(c, json_get(body, "spec"), &d, &o, e);
    if (err) return err;
    run_test(collect_of(c)->run, STR_NULL, d, &o, TEST_MS, &r);
    return answer_test(c, &r);
}

int post_discover(struct api_call *c, struct error *e)
{
    struct json *body;
    const struct driver *d;
    struct options o;
    int err = api_body_json(c, &body, e);
    if (!err) err = channel_spec(c, json_get(body, "spec"), &d, &o, e);
    if (err) return err;
    if (!d->discover)
        return error_set(e, ERR_UNSUPPORTED, "spec.driver", "nothing can be discovered by this protocol",
                         "该协议不支持发现服务器");
    return run_discover(collect_of(c)->run, d, &o, TEST_MS, &c->res->body, e);
}

int post_test_saved(struct api_call *c, struct error *e)
{
    struct resource res;
    const struct driver *d;
    struct options o;
    struct call_result r;
    struct chan_view v;
    int err = api_find(c, "channel", c->param[0], ACT_WRITE, &res, e);
    if (!err) err = channel_spec(c, res.spec, &d, &o, e);
    if (err) return err;
    bool runs = run_view(collect_of(c)->run, res.id, &v);
    run_test(collect_of(c)->run, runs ? res.id : STR_NULL, d, &o, TEST_MS, &r);
    return answer_test(c, &r);
}

/* ---- test read ---- */

struct reading_call {
    const struct driver *driver;
    struct options channel, device_options;
    struct str running; /* id of the channel when it runs and is asked as it is stored */
    struct driver_device device;
    struct driver_point *points;
    size_t n;
};

/* "channel" is an id or code, or a spec. */
static int read_channel(struct api_call *c, const struct json *v, struct reading_call *rc, struct error *e)
{
    struct resource res;
    struct chan_view view;
    if (v && v->type == JSON_OBJECT) return channel_spec(c, v, &rc->driver, &rc->channel, e);
    int err = api_find(c, "channel", json_str(v, STR("")), ACT_WRITE, &res, e);
    if (!err) err = channel_spec(c, res.spec, &rc->driver, &rc->channel, e);
    if (!err && run_view(collect_of(c)->run, res.id, &view)) rc->running = res.id;
    return err;
}

static int read_device(struct api_call *c, const struct json *v, struct reading_call *rc, struct error *e)
{
    struct resource res;
    const struct json *options = json_get(v, "options");
    int err = 0;
    if (v && v->type == JSON_STRING) {
        err = api_find(c, "device", v->s, ACT_READ, &res, e);
        if (!err) options = json_get(res.spec, "options");
    }
    if (!err) err = options_check(rc->driver->device_options, c->a, options, &rc->device_options, NULL, 0, NULL, e);
    if (!err && rc->driver->device_check) err = rc->driver->device_check(&rc->device_options, e);
    rc->device = (struct driver_device){.code = "test", .options = &rc->device_options};
    return err;
}

static int read_point(struct api_call *c, const struct json *spec, struct reading_call *rc, size_t i, struct error *e)
{
    struct p_point *pt = arena_calloc(c->a, 1, sizeof *pt);
    if (!pt) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int err = plant_point_spec(spec, c->a, pt, e);
    if (!err) err = plant_point_options(rc->driver, c->a, spec, &pt->options, e);
    if (err) return err;
    rc->points[i] = (struct driver_point){.num = (uint32_t)i + 1,
                                          .type = pt->type,
                                          .address = pt->address.p,
                                          .options = &pt->options,
                                          .period_ms = 1000,
                                          .scale = pt->scale,
                                          .offset = pt->offset,
                                          .lo = pt->lo,
                                          .hi = pt->hi};
    err = rc->driver->address_check(&rc->points[i], &rc->device_options, NULL, e);
    if (err && e) snprintf(e->where, sizeof e->where, "points[%zu].address", i);
    return err;
}

static int read_points(struct api_call *c, const struct json *list, struct reading_call *rc, struct error *e)
{
    rc->n = json_count(list);
    if (!list || list->type != JSON_ARRAY || rc->n == 0 || rc->n > READ_MAX)
        return error_set(e, ERR_INVALID, "points", "must be an array of 1 to %d points", "必须是 1 到 %d 个测点的数组",
                         READ_MAX);
    rc->points = arena_calloc(c->a, rc->n, sizeof *rc->points);
    if (!rc->points) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    size_t i = 0;
    int err = 0;
    for
        json_each (it, list)
            if (!err) err = read_point(c, it, rc, i++, e);
    return err;
}

static void write_reading(struct api_call *c, struct json_writer *w, const struct driver_point *p,
                          const struct reading_copy *r)
{
    struct buf hex;
    buf_init(&hex, 256);
    hex_encode(&hex, r->raw, r->raw_len);
    jw_object(w);
    jw_kz(w, "address", p->address);
    jw_key(w, STR("value"));
    if (r->sample.type == SAMPLE_STRING)
        jw_str(w, str_of(r->text));
    else if (r->sample.type == SAMPLE_DOUBLE)
        jw_double(w, r->sample.v.d);
    else if (r->sample.type == SAMPLE_NONE)
        jw_null(w);
    else
        jw_i64(w, r->sample.v.i);
    jw_kz(w, "quality", quality_name(r->sample.quality));
    jw_kz(w, "reason",
          r->error.code ? (c->zh ? r->error.text_zh : r->error.text) : reason_text(r->sample.flags, c->zh));
    jw_kstr(w, "raw", buf_view(&hex));
    jw_ki64(w, "ms", r->ms);
    jw_end(w);
    buf_fini(&hex);
}

int post_read(struct api_call *c, struct error *e)
{
    struct json *body;
    struct reading_call rc = {0};
    int err = api_body_json(c, &body, e);
    if (!err) err = read_channel(c, json_get(body, "channel"), &rc, e);
    if (!err) err = read_device(c, json_get(body, "device"), &rc, e);
    if (!err) err = read_points(c, json_get(body, "points"), &rc, e);
    if (err) return err;
    struct reading_copy *out = arena_calloc(c->a, rc.n, sizeof *out);
    if (!out) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    err =
        run_read(collect_of(c)->run, rc.running, rc.driver, &rc.channel, &rc.device, rc.points, rc.n, TEST_MS, out, e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < rc.n; i++) write_reading(c, &w, &rc.points[i], &out[i]);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

/* ---- browsing and searching (api_search.c) ---- */

struct browse_ask { /* as it came, whichever way */
    const struct json *channel, *device;
    struct str node, cursor;
    const struct str *text; /* NULL: no search */
    int64_t size, seconds, nodes;
};

static uint64_t sig_of(struct api_call *c, const struct browse_ask *b)
{
    uint64_t h = str_hash(json_text(c->a, b->channel), hash_seed());
    if (b->device) h = str_hash(json_text(c->a, b->device), h);
    h = str_hash(b->node, h);
    return str_hash(*b->text, h);
}

static int browse(struct api_call *c, const struct browse_ask *b, struct error *e)
{
    struct reading_call rc = {0};
    int err = read_channel(c, b->channel, &rc, e);
    if (!err) err = read_device(c, b->device, &rc, e);
    if (err) return err;
    if (b->size < 1 || b->size > BROWSE_MAX)
        return error_set(e, ERR_INVALID, "size", "must be 1 to %d", "必须为 1 到 %d", BROWSE_MAX);
    if (!rc.driver->browse)
        return error_set(e, ERR_UNSUPPORTED, "channel",
                         "devices of this protocol do not tell what they offer; enter the addresses",
                         "该协议的设备不提供可浏览的内容，请直接填写地址");
    if (!b->text)
        return run_browse(collect_of(c)->run, rc.running, rc.driver, &rc.channel, &rc.device, b->node, b->cursor,
                          (size_t)b->size, TEST_MS, &c->res->body, e);
    struct search_ask ask = {.running = rc.running,
                             .driver = rc.driver,
                             .channel = &rc.channel,
                             .device = &rc.device,
                             .node = b->node,
                             .text = *b->text,
                             .cursor = b->cursor,
                             .size = (size_t)b->size,
                             .nodes = b->nodes,
                             .seconds = b->seconds,
                             .sig = sig_of(c, b)};
    return search_answer(c, &ask, e);
}

int post_browse(struct api_call *c, struct error *e)
{
    struct json *body;
    int err = api_body_json(c, &body, e);
    if (err) return err;
    const struct json *q = json_get(body, "q");
    struct str text = json_str(q, STR(""));
    struct browse_ask b = {.channel = json_get(body, "channel"),
                           .device = json_get(body, "device"),
                           .node = json_str(json_get(body, "node"), STR("")),
                           .cursor = json_str(json_get(body, "cursor"), STR("")),
                           .text = q && q->type != JSON_NULL ? &text : NULL,
                           .size = json_i64(json_get(body, "size"), 200),
                           .seconds = json_i64(json_get(body, "seconds"), 0),
                           .nodes = json_i64(json_get(body, "nodes"), 0)};
    return browse(c, &b, e);
}

int get_browse(struct api_call *c, struct error *e)
{
    struct str text = http_query(c->req, "q"), device = http_query(c->req, "device");
    struct json channel = {.type = JSON_STRING, .s = c->param[0]}, dev = {.type = JSON_STRING, .s = device};
    struct browse_ask b = {.channel = &channel,
                           .device = device.n ? &dev : NULL,
                           .node = http_query(c->req, "node"),
                           .cursor = http_query(c->req, "cursor"),
                           .text = text.p ? &text : NULL};
    int err = api_query_i64(c, "size", 200, 1, BROWSE_MAX, &b.size, e);
    if (!err) err = api_query_i64(c, "seconds", 0, 0, INT32_MAX, &b.seconds, e);
    if (!err) err = api_query_i64(c, "nodes", 0, 0, INT32_MAX, &b.nodes, e);
    return err ? err : browse(c, &b, e);
}
