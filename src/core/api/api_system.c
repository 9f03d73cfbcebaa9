/* api_system.c - kinds, change stream, health, metrics, OpenAPI, version. */
#include "core/api/api_int.h"
#include "base/metric.h"

/* The document, and of one that was made at run time that it was. */
static void write_kind(struct json_writer *w, const struct kind *k)
{
    if (!k->user) {
        jw_json(w, k->doc);
        return;
    }
    jw_object(w);
    for
        json_each (m, k->doc) {
            if (str_is(m->key, "user")) continue;
            jw_key(w, m->key);
            jw_json(w, m);
        }
    jw_kbool(w, "user", true);
    jw_end(w);
}

static int kinds(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    const struct kind *k;
    for (size_t i = 0; (k = kernel_kind_at(c->kernel, i)); i++) write_kind(&w, k);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

static int kind_one(struct api_call *c, struct error *e)
{
    const struct kind *k = kernel_kind(c->kernel, c->param[0]);
    if (!k)
        return error_set(e, ERR_NOT_FOUND, "kind", "there is no kind '%.*s'", "没有类型“%.*s”", STR_ARG(c->param[0]));
    struct json_writer w = api_answer(c);
    write_kind(&w, k);
    return 0;
}

/* --- health: /healthz tells anybody whether all is well, and who is signed in also why not --- */

static bool store_check(void *ctx, struct error *why)
{
    struct api *api = ctx;
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    if (sql_begin(kernel_sql(api->kernel), false, &tx, why)) return false;
    int rc = sql_prepare(tx, "select count(*) from api_credential", &s, why);
    if (!rc) rc = sql_step(s, why);
    sql_done(s);
    sql_rollback(tx);
    return rc == 1;
}

static bool audit_check_ok(void *ctx, struct error *why)
{
    if (audit_ok(((struct api *)ctx)->audit)) return true;
    error_set(why, ERR_IO, "", "the audit log cannot be written", "审计日志无法写入");
    return false;
}

static bool write_check(struct api_call *c, struct json_writer *w, const struct api_health *h)
{
    struct error why = {0};
    bool ok = h->check(h->ctx, &why);
    jw_object(w);
    jw_kz(w, "name", h->name);
    jw_kbool(w, "ok", ok);
    if (!ok && c->who) jw_kz(w, "detail", c->zh && why.text_zh[0] ? why.text_zh : why.text);
    jw_end(w);
    return ok;
}

static int healthz(struct api_call *c, struct error *e)
{
    const struct api_health own[] = {{"store", store_check, c->api}, {"audit", audit_check_ok, c->api}};
    bool store = true, all = true;
    struct buf checks;
    buf_init(&checks, 64 << 10);
    struct json_writer list = json_writer(&checks);
    jw_array(&list);
    store = write_check(c, &list, &own[0]);
    all = write_check(c, &list, &own[1]) && store;
    for (size_t i = 0; i < c->api->nhealth; i++) all = write_check(c, &list, &c->api->health[i]) && all;
    jw_end(&list);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "status", all ? "ok" : "degraded");
    jw_key(&w, STR("checks"));
    jw_raw(&w, buf_view(&checks));
    jw_end(&w);
    buf_fini(&checks);
    c->res->status = store ? 200 : 503;
    return 0;
}

static bool loopback(const char *peer)
{
    return strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0 || strncmp(peer, "::ffff:127.", 11) == 0;
}

/* A proxy on this machine makes everybody look local, so that a forwarded request counts as remote. */
static bool local(const struct http_request *q)
{
    return loopback(q->peer) && !http_header(q, "x-forwarded-for").p && !http_header(q, "forwarded").p;
}

static int metrics(struct api_call *c, struct error *e)
{
    if (!local(c->req)) {
        if (!c->who)
            return error_set(e, ERR_UNAUTHENTICATED, "", "sign in first, or send a valid API token",
                             "请先登录，或提供有效的 API 令牌");
        if (!permitted(c->actor.may, "metrics", ACT_READ))
            return error_set(e, ERR_FORBIDDEN, "", "%s may not read metrics", "%s 没有查看指标的权限", c->actor.login);
    }
    c->res->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metric_render(&c->res->body);
    return 0;
}

static int openapi(struct api_call *c, struct error *e)
{
    return openapi_write(c->api, c->a, &c->res->body, e);
}

static int version(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "name", "Bornite");
    jw_kz(&w, "version", c->api->cfg.version ? c->api->cfg.version : "dev");
    jw_kz(&w, "api", "v1");
    jw_end(&w);
    return 0;
}

#define SELF(path_, handler_, ...) \
    API_DO("GET", "/api/v1/" path_, "system", ACT_SELF, AUDIT_NONE, handler_, __VA_ARGS__)
#define HEALTH "{status:'ok'|'degraded';checks:{name:string;ok:boolean;detail?:string}[]}"
#define FREE_OBJECT "{\"type\":\"object\"}"

static const struct api_route rows[] = {
    SELF("kinds", kinds, .summary_en = "Kind documents", .summary_zh = "类型定义",
         .answer_schema = "{items:KindDoc[]}"),
    SELF("kinds/{kind}", kind_one, .summary_en = "One kind document", .summary_zh = "单个类型定义",
         .answer_schema = "ref:KindDoc"),
    {.method = "GET",
     .path = "/api/v1/watch",
     .kind = "system",
     .action = ACT_SELF,
     .audit = AUDIT_NONE,
     .stream = &api_watch_ops,
     .summary_en = "Changes as they happen (SSE)",
     .summary_zh = "变更事件流",
     .params =
         "from:integer:Changes after this seq;kinds:string:Kinds, comma;topics:string:Pokes of alarms, notices, jobs",
     .answer_schema = "sse"},
    API_DO("GET", "/healthz", "system", ACT_LOGIN, AUDIT_NONE, healthz, .rate = 600, .summary_en = "Is all well",
           .summary_zh = "健康检查", .answer_schema = HEALTH),
    API_DO("GET", "/metrics", "metrics", ACT_LOGIN, AUDIT_NONE, metrics, .summary_en = "Prometheus metrics",
           .summary_zh = "指标", .answer_schema = "text"),
    SELF("openapi.json", openapi, .summary_en = "This description", .summary_zh = "接口描述",
         .answer_schema = FREE_OBJECT),
    SELF("version", version, .summary_en = "Version", .summary_zh = "版本",
         .answer_schema = "{name:string;version:string;api:string}"),
};
const struct route_table api_system_routes = {rows, sizeof(rows) / sizeof(rows[0])};
