/* api.c - routes of pushing devices and of those who look after them; the module's row.
 *
 * Routes of devices are ACT_LOGIN: the token of the device is the permission. They are not audited (their path
 * may hold the token); what a device creates stands in the history of its points. */
#include "base/mem.h"
#include "core/module.h"
#include "io/gunzip.h"
#include "modules/push/mapping.h"
#include "modules/push/push.h"

#define BODY_MAX (4 << 20)

static struct push *push_of(struct api_call *c)
{
    return c->module;
}

/* ---- bodies ---- */

static int body_text(struct api_call *c, struct str *ret, struct error *e)
{
    struct str coding = http_header(c->req, "content-encoding"), text = c->req->body;
    if (!text.n) return error_set(e, ERR_INVALID, "", "the message is empty", "消息为空");
    if (coding.n && !str_ieq(coding, STR("identity"))) {
        struct buf b;
        if (!str_ieq(coding, STR("gzip")))
            return error_set(e, ERR_MEDIA_TYPE, "", "bodies may be packed with gzip, not '%.*s'",
                             "内容只支持 gzip 压缩，不支持 '%.*s'", STR_ARG(str_sub(coding, 0, 40)));
        buf_init(&b, BODY_MAX);
        int rc = gunzip(text, &b, e);
        text = rc ? STR_NULL : arena_str(c->a, buf_view(&b));
        buf_fini(&b);
        if (rc) return rc;
        if (!text.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    *ret = text;
    return 0;
}

/* Devices are careless with Content-Type: JSON is what parses. */
static int body_of(struct api_call *c, struct json **ret, struct error *e)
{
    struct str text;
    int rc = body_text(c, &text, e);
    return rc ? rc : json_parse(c->a, text, ret, e);
}

static int refused(struct api_call *c, int rc, unsigned wait_s, struct error *e)
{
    if (rc == ERR_UNAUTHENTICATED) rc = push_refuse(push_of(c), c->req->peer, &wait_s, e);
    if (rc == ERR_LIMIT && wait_s) {
        char text[16];
        snprintf(text, sizeof text, "%u", wait_s);
        http_set_header(c->res, "Retry-After", str_of(text));
    }
    return rc;
}

/* ---- messages ---- */

/* A token that is wrong is said before anything about the body. */
static int known(struct api_call *c, struct str token, struct error *e)
{
    struct push *p = push_of(c);
    pthread_mutex_lock(&p->lock);
    bool there = push_by_token(p, token) != NULL;
    pthread_mutex_unlock(&p->lock);
    return there ? 0 : refused(c, ERR_UNAUTHENTICATED, 0, e);
}

static int take(struct api_call *c, struct str token, enum push_form form, struct push_outcome *o, struct error *e)
{
    struct json *body;
    int rc = known(c, token, e);
    if (!rc) rc = body_of(c, &body, e);
    if (rc) return rc;
    rc = push_take(push_of(c), c->a, token, form, body, o, e);
    return rc ? refused(c, rc, o->wait_s, e) : 0;
}

static int post_telemetry(struct api_call *c, struct error *e)
{
    struct push_outcome o;
    return take(c, c->param[0], PUSH_THINGSBOARD, &o, e); /* 200 with nothing, as devices expect */
}

static int post_attributes(struct api_call *c, struct error *e)
{
    struct json *body;
    struct push_outcome o = {0};
    int rc = known(c, c->param[0], e);
    if (!rc) rc = body_of(c, &body, e);
    if (rc) return rc;
    rc = push_attributes(push_of(c), c->a, c->param[0], body, &o, e);
    return rc ? refused(c, rc, o.wait_s, e) : 0;
}

/* ---- our own: JSON, CSV, line protocol, or as a mapping reads it ---- */

struct posted {
    struct push_id who;
    struct str text;
    struct push_outcome *o;
};
typedef int take_fn(struct api_call *c, const struct posted *m, struct error *e);

static int take_json(struct api_call *c, const struct posted *m, struct error *e)
{
    struct json *body;
    struct pushed *v;
    size_t n;
    int rc = json_parse(c->a, m->text, &body, e);
    if (!rc) rc = push_decode(c->a, PUSH_OWN, body, &v, &n, e);
    return rc ? rc : push_take_values(push_of(c), c->a, m->who.id, PUSH_OWN, v, n, m->o, e);
}

static int take_csv(struct api_call *c, const struct posted *m, struct error *e)
{
    struct pushed *v;
    size_t n;
    int rc = push_decode_csv(c->a, m->text, &v, &n, e);
    return rc ? rc : push_take_values(push_of(c), c->a, m->who.id, PUSH_OWN, v, n, m->o, e);
}

static int take_line(struct api_call *c, const struct posted *m, struct error *e)
{
    struct pushed *v;
    size_t n;
    int rc = push_decode_line(c->a, m->text, http_query(c->req, "precision"), &v, &n, e);
    return rc ? rc : push_take_values(push_of(c), c->a, m->who.id, PUSH_OWN, v, n, m->o, e);
}

static int take_mapped(struct api_call *c, struct str mapping, const struct posted *m, struct error *e)
{
    struct push_map *map;
    struct mapping_input in = {.topic = http_query(c->req, "topic"), .payload = m->text, .client = str_of(m->who.code)};
    int rc = push_map_code(push_of(c), mapping, &map, e);
    if (!rc) {
        rc = push_take_mapped(push_of(c), c->a, map, m->who.id, &in, m->o, e);
        push_map_unref(map);
    }
    if (rc != ERR_NOT_FOUND) return rc;
    e->code = ERR_INVALID; /* the address is right: it is the message that names what is not there */
    return ERR_INVALID;
}

static const struct {
    const char *format, *media;
    take_fn *take;
} formats[] = {{"json", "application/json", take_json},
               {"csv", "text/csv", take_csv},
               {"line", "application/vnd.influx.line-protocol", take_line}};

/* ?format= or the media type; else it is JSON. */
static take_fn *format_of(struct api_call *c)
{
    struct str format = http_query(c->req, "format"), media = http_header(c->req, "content-type");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (str_is(format, formats[i].format) || (!format.n && str_starts(media, str_of(formats[i].media))))
            return formats[i].take;
    return format.n ? NULL : take_json;
}

static int take_posted(struct api_call *c, const struct posted *m, struct error *e)
{
    struct str mapping = http_query(c->req, "mapping");
    take_fn *as = format_of(c);
    if (!mapping.n && !http_query(c->req, "format").n) {
        push_lock(push_of(c));
        const struct push_device *d = push_locked_device(push_of(c), m->who.id);
        mapping = d && d->mapping[0] ? arena_str(c->a, str_of(d->mapping)) : STR_NULL;
        push_unlock(push_of(c));
    }
    if (mapping.n) return take_mapped(c, mapping, m, e);
    if (!as) return error_set(e, ERR_INVALID, "format", "must be json, csv or line", "须为 json、csv 或 line");
    return as(c, m, e);
}

static int post_push(struct api_call *c, struct error *e)
{
    struct push_outcome o = {0};
    struct posted m = {.o = &o};
    struct str head = http_header(c->req, "authorization");
    bool bearer = head.n > 7 && str_ieq(str_sub(head, 0, 7), STR("Bearer "));
    if (!bearer || !push_find_token(push_of(c), str_trim(str_sub(head, 7, head.n)), &m.who))
        return refused(c, ERR_UNAUTHENTICATED, 0, e);
    int rc = body_text(c, &m.text, e);
    if (!rc) rc = take_posted(c, &m, e);
    if (rc) return refused(c, rc, o.wait_s, e);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_ki64(&w, "stored", (int64_t)o.stored);
    jw_ki64(&w, "unknown", (int64_t)o.unknown);
    jw_ki64(&w, "rejected", (int64_t)o.rejected);
    jw_end(&w);
    return 0;
}

/* As ThingsBoard answers: 200, the outcome in `status`. Faults of our own are problems as everywhere. */
static int post_provision(struct api_call *c, struct error *e)
{
    struct json *body;
    char token[PUSH_TOKEN_MAX];
    struct push *p = push_of(c);
    unsigned wait = backoff_wait(&p->backoff, "provision", str_of(c->req->peer), clock_mono_ns(p->node->clock));
    if (wait)
        return refused(c, error_set(e, ERR_LIMIT, "", "too many wrong keys; wait %u s", "错误过多，请等待 %u 秒", wait),
                       wait, e);
    int rc = body_of(c, &body, e);
    if (rc) return rc;
    struct error why = {0};
    rc = push_provision(p, c->a, body, token, &why);
    bool wrong = rc == ERR_UNAUTHENTICATED;
    if (rc && error_http(rc) >= 500) {
        *e = why;
        return rc;
    }
    if (wrong) backoff_failed(&p->backoff, "provision", str_of(c->req->peer), clock_mono_ns(p->node->clock));
    struct json_writer w = api_answer(c);
    jw_object(&w);
    if (rc) {
        jw_kz(&w, "status", wrong ? "NOT_FOUND" : "FAILURE");
        jw_kz(&w, "errorMsg", c->zh ? why.text_zh : why.text);
    } else {
        jw_kz(&w, "status", "SUCCESS");
        jw_kz(&w, "credentialsType", "ACCESS_TOKEN");
        jw_kz(&w, "credentialsValue", token);
    }
    jw_end(&w);
    return 0;
}

/* ---- looking after devices ---- */

static int device_of(struct api_call *c, enum api_action act, struct resource *ret, struct error *e)
{
    int rc = resource_get(c->kernel, c->a, "push_device", c->param[0], ret, e);
    if (!rc && !permitted_at(c->actor.may, "push_device", ACT_READ, ret->org)) rc = ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND) return error_set(e, rc, "id", "there is no such device", "没有该设备");
    if (!rc && !permitted_at(c->actor.may, "push_device", act, ret->org))
        rc = error_set(e, ERR_FORBIDDEN, "id", "%s may not change devices of this organisation",
                       "%s 无权更改该组织的设备", c->actor.login);
    return rc;
}

static int post_token(struct api_call *c, struct error *e)
{
    struct resource r;
    char token[PUSH_TOKEN_MAX];
    int rc = device_of(c, ACT_WRITE, &r, e);
    if (!rc) rc = push_token_make(push_of(c), r.id, c->actor.login, token, e);
    if (rc) return rc;
    api_audit_note(c, r.id, STR_NULL);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "token", token);
    jw_end(&w);
    return 0;
}

static int get_latest(struct api_call *c, struct error *e)
{
    struct resource r;
    int rc = device_of(c, ACT_READ, &r, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    return push_write_latest(push_of(c), r.id, c->zh, &w, e);
}

static int get_shared(struct api_call *c, struct error *e)
{
    struct resource r;
    int rc = device_of(c, ACT_READ, &r, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    rc = push_shared_list(push_of(c), arena_strdup(c->a, r.id), &w, e);
    jw_end(&w);
    jw_end(&w);
    return rc;
}

static int patch_shared(struct api_call *c, struct error *e)
{
    struct resource r;
    struct json *body;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = device_of(c, ACT_WRITE, &r, e);
    if (!rc) rc = push_shared_set(push_of(c), c->a, arena_strdup(c->a, r.id), body, c->actor.login, e);
    if (rc) return rc;
    api_audit_note(c, r.id, json_text(c->a, body));
    return get_shared(c, e);
}

/* What the platform tells a device, and what it said itself, asked with its token as ThingsBoard's devices do. */
static int get_attributes(struct api_call *c, struct error *e)
{
    struct push *p = push_of(c);
    struct push_id who;
    struct str client = http_query(c->req, "clientKeys"), shared = http_query(c->req, "sharedKeys");
    if (!push_find_token(p, c->param[0], &who)) return refused(c, ERR_UNAUTHENTICATED, 0, e);
    int rc = 0;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    if (client.n || !shared.n) {
        jw_key(&w, STR("client"));
        jw_object(&w);
        rc = push_read_attributes(p, who.id, client, &w, e);
        jw_end(&w);
    }
    if (!rc && (shared.n || !client.n)) {
        jw_key(&w, STR("shared"));
        jw_object(&w);
        rc = push_read_shared(p, who.id, shared, &w, e);
        jw_end(&w);
    }
    jw_end(&w);
    return rc;
}

#define LATEST \
    "{has_token:boolean;seen_at:time|null;messages:integer;samples:integer;unknown:integer;rejected:integer;" \
    "refused:integer;refused_at:time|null;problem:string;" \
    "items:{key:string;point:string|null;value:string;t:time|null;count:integer;problem:string}[];" \
    "attributes:{key:string;value:any;at:time}[]}"
#define SHARED "{items:{key:string;value:any;at:time;by:string}[]}"
#define DEVICE_ROUTE(path_, handler_, ...) \
    { \
        .method = "POST", .path = (path_), .kind = "push_device", .action = ACT_LOGIN, .audit = AUDIT_NONE, \
        .handler = (handler_), .body_max = BODY_MAX, .lane = LANE_PUSH, __VA_ARGS__ \
    }
static const struct api_route routes[] = {
    DEVICE_ROUTE("/api/v1/{token}/telemetry", post_telemetry,
                 .summary_en = "Values of a device, in ThingsBoard's forms; 200 when durable",
                 .summary_zh = "设备上报数据（ThingsBoard 格式），落盘后应答 200", .body_schema = "object|object[]"),
    DEVICE_ROUTE("/api/v1/{token}/attributes", post_attributes, .summary_en = "Attributes of a device",
                 .summary_zh = "设备上报属性", .body_schema = "{*:any}"),
    {.method = "GET",
     .path = "/api/v1/{token}/attributes",
     .kind = "push_device",
     .action = ACT_LOGIN,
     .audit = AUDIT_NONE,
     .handler = get_attributes,
     .lane = LANE_PUSH,
     .summary_en = "Attributes as a device may ask for them",
     .summary_zh = "设备查询自身属性与共享属性",
     .params = "clientKeys:string:Its own, with commas;sharedKeys:string:Those that the platform tells it",
     .answer_schema = "{client?:{*:any};shared?:{*:any}}"},
    DEVICE_ROUTE("/api/v1/push", post_push,
                 .summary_en = "Values of a device (JSON, CSV, line protocol, or mapped); 200 when durable",
                 .summary_zh = "设备上报数据（JSON、CSV、行协议或按报文映射），落盘后应答 200",
                 .params =
                     "format:string:json, csv or line, else by Content-Type;precision:string:Of line protocol (ns);"
                     "mapping:string:Code of a payload mapping;topic:string:For mappings that look at it",
                 .answer_schema = "{stored:integer;unknown:integer;rejected:integer}"),
    DEVICE_ROUTE("/api/v1/provision", post_provision, .rate = 600, .summary_en = "A device registers itself",
                 .summary_zh = "设备自注册",
                 .body_schema = "{deviceName:string;provisionDeviceKey:string;provisionDeviceSecret:string}",
                 .answer_schema = "{status:'SUCCESS'|'FAILURE'|'NOT_FOUND';credentialsType?:string;"
                                  "credentialsValue?:string;errorMsg?:string}"),
    API_DO("POST", "/api/v1/push-devices/{id}:token", "push_device", ACT_WRITE, AUDIT_SECURITY, post_token,
           .summary_en = "A new token, shown once; the old one is void",
           .summary_zh = "生成新令牌（仅显示一次，旧令牌作废）", .answer_schema = "{token:string}"),
    API_GET("/api/v1/push-devices/{id}/shared", "push_device", AUDIT_NONE, get_shared,
            .summary_en = "Shared attributes: what the platform tells the device",
            .summary_zh = "共享属性：平台下发给设备的属性", .answer_schema = SHARED),
    API_DO("PATCH", "/api/v1/push-devices/{id}/shared", "push_device", ACT_WRITE, AUDIT_CHANGE, patch_shared,
           .summary_en = "Change shared attributes; the device is told (null takes one away)",
           .summary_zh = "修改共享属性并通知设备（null 表示删除）", .body_schema = "{*:any}", .answer_schema = SHARED),
    API_GET("/api/v1/push-devices/{id}/latest", "push_device", AUDIT_NONE, get_latest,
            .summary_en = "What a device sent last, and what is wrong with it",
            .summary_zh = "设备最近上报的数据与问题", .answer_schema = LATEST),
};

/* ---- life ---- */

static struct push *running; /* between init and fini */

struct push *push_running(void)
{
    return running;
}

static void push_fini(void *ctx)
{
    struct push *p = ctx;
    if (!p) return;
    running = NULL;
    push_devices_free(p);
    push_maps_free(p);
    backoff_fini(&p->backoff);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->making);
    mem_free(p);
}

static int push_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct push *p = mem_calloc(1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "push", "out of memory", "内存不足");
    p->node = n;
    p->epoch = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->making, NULL);
    backoff_init(&p->backoff);
    push_maps_init(p);
    int rc = push_migrate(kernel_sql(n->kernel), e);
    if (!rc) rc = push_hooks_add(p, e);
    if (!rc) rc = push_maps_hooks(p, e);
    if (rc) {
        push_fini(p);
        return rc;
    }
    *ret_ctx = running = p;
    return 0;
}

static int push_start(void *ctx, struct error *e)
{
    int rc = push_load(ctx, e);
    return rc ? rc : push_maps_load(ctx, e);
}

extern const struct str modules_push_kinds[];
const struct module push_module = {
    .name = "push",
    .title_en = "Pushing devices",
    .title_zh = "设备推送",
    .kinds = modules_push_kinds,
    .routes = routes,
    .nroutes = sizeof routes / sizeof *routes,
    .init = push_init,
    .start = push_start,
    .fini = push_fini,
};
