/* api.c - the router: from the head of a request to its handler.
 *
 * On the loop (api_route): find the route, rate limit, who is it, may he, is it he (cross-site), and only
 * then accept the body. Nothing there touches SQL. On a worker (run_handler): refuse changes while the
 * audit log cannot be written, run the handler (through the idempotency table for creating requests),
 * turn an error into a problem, write the audit record. Refusals of audited routes are recorded too. */
#include "core/api/api_int.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/mem.h"
#include "core/api/api_security.h"
#include "core/api/problem.h"
#include "io/log.h"

/* --- refusing --- */

static int refuse_with(const struct http_request *q, struct http_response *r, const struct error *e)
{
    security_headers_api(r);
    problem_write(r, problem_zh(q), e, NULL, 0);
    return e->code;
}

static void set_allow(struct http_response *r, const struct route_match *m)
{
    struct buf list;
    buf_init(&list, 128);
    for (size_t i = 0; i < ROUTE_METHODS; i++)
        if (m->method[i]) buf_printf(&list, "%s%s", list.n ? ", " : "", router_method(i));
    http_set_header(r, "Allow", buf_view(&list));
    buf_fini(&list);
}

static int refuse_unknown(struct api *api, const struct http_request *q, struct http_response *r)
{
    struct error e = {0};
    const char *more[128];
    size_t n = 0;
    for (const struct kind *k; n < 128 && (k = kernel_kind_at(api->kernel, n)); n++)
        more[n] = arena_printf(q->arena, "/api/v1/%.*s", STR_ARG(k->plural));
    const char *near = router_nearest(api->router, q->path, more, n);
    struct str path = str_sub(q->path, 0, 120);
    if (near[0])
        error_set(&e, ERR_NOT_FOUND, "", "there is nothing at %.*s; do you mean %s?", "没有 %.*s；是否为 %s？",
                  STR_ARG(path), near);
    else
        error_set(&e, ERR_NOT_FOUND, "", "there is nothing at %.*s; GET /api/v1/openapi.json lists all paths",
                  "没有 %.*s；GET /api/v1/openapi.json 可列出全部路径", STR_ARG(path));
    return refuse_with(q, r, &e);
}

static int refuse_method(const struct http_request *q, const struct route_match *m, struct http_response *r)
{
    struct error e = {0};
    set_allow(r, m);
    error_set(&e, ERR_METHOD, "", "%.*s cannot be done on %.*s", "不支持方法 %.*s：%.*s", STR_ARG(q->method),
              STR_ARG(q->path));
    return refuse_with(q, r, &e);
}

/* --- the audit record of a request --- */

static const char *outcome_of(int status)
{
    if (status < 400) return "done";
    return status == 401 || status == 403 || status == 429 ? "denied" : "failed";
}

static int audit_request(struct api_exchange *x, int status, bool wait)
{
    const struct api_route *row = x->route->row;
    char action[160];
    struct str resource = x->audit_resource;
    if (row->audit == AUDIT_NONE || (x->audit_quiet && status < 400)) return 0;
    snprintf(action, sizeof(action), "%s %s", row->method, row->path);
    for (int i = ROUTE_PARAMS_MAX - 1; i >= 0 && !resource.p; i--)
        if (x->call.param[i].n && !(i == 0 && strcmp(row->kind, "*") == 0)) resource = x->call.param[i];
    struct audit_record r = {
        .cls = row->audit,
        .user_id = x->call.actor.user_id,
        .login = x->call.actor.login,
        .peer = x->call.req->peer,
        .action = action,
        .kind = x->kind,
        .outcome = outcome_of(status),
        .resource = resource,
        .detail = x->audit_detail,
        .status = status,
    };
    return audit_add(x->call.api->audit, &r, wait);
}

void api_audit_note(struct api_call *c, struct str resource, struct str detail_json)
{
    if (resource.p) exchange_of(c)->audit_resource = resource;
    if (detail_json.p) exchange_of(c)->audit_detail = detail_json;
}

void api_audit_quiet(struct api_call *c)
{
    exchange_of(c)->audit_quiet = true;
}

void api_audit(struct api *api, const struct actor *by, enum api_audit cls, const char *action, const char *kind,
               struct str id, const char *outcome, struct str detail_json)
{
    struct audit_record r = {.cls = cls,
                             .user_id = by->user_id,
                             .login = by->login,
                             .peer = "",
                             .action = action,
                             .kind = kind,
                             .outcome = outcome,
                             .resource = id,
                             .detail = detail_json};
    if (audit_add(api->audit, &r, false)) return; /* counted there */
}

/* --- on the worker --- */

static void call_handler(struct api_call *c)
{
    struct error e = {0};
    int rc = exchange_of(c)->route->row->handler(c, &e);
    if (!rc && c->res->body.err)
        rc = error_set(&e, c->res->body.err, "", "the answer is too large; ask for less", "结果过大，请缩小查询范围");
    if (!rc) return;
    if (!e.code) e.code = rc;
    if (c->res->pull_free) c->res->pull_free(c->res->pull_ctx);
    c->res->pull = NULL;
    c->res->pull_free = NULL;
    api_problem(c, &e, exchange_of(c)->faults, exchange_of(c)->nfaults);
}

static bool idempotent(const struct api_exchange *x)
{
    return strcmp(x->route->row->method, "POST") == 0 && x->route->row->audit == AUDIT_CHANGE;
}

static void run_handler(struct http_request *q, struct http_response *r)
{
    struct api_exchange *x = q->route_ctx;
    struct api_call *c = &x->call;
    struct str key = http_header(q, "idempotency-key");
    c->res = r;
    x->seq = kernel_seq(c->kernel);
    security_headers_api(r);
    if (x->route->row->audit != AUDIT_NONE && !audit_ok(c->api->audit)) {
        struct error e = {0};
        error_set(&e, ERR_UNAVAILABLE, "", "the audit log cannot be written, so nothing may be changed now",
                  "审计日志无法写入，暂不允许更改");
        api_problem(c, &e, NULL, 0);
        return;
    }
    if (key.n && idempotent(x))
        idem_run(c->api->idem, c, key, call_handler);
    else
        call_handler(c);
    if (!r->status) r->status = 200;
    if (c->who) auth_seen(c->api->auth, c->who->key, c->who->by_session);
    if (audit_request(x, r->status, true)) return; /* logged and shown by the log's owner */
}

/* --- bodies that are streamed --- */

static int upload_begin(struct http_request *q, void **ret_ctx, struct error *e)
{
    struct api_call *c = q->route_ctx;
    *ret_ctx = c;
    return exchange_of(c)->route->row->upload->begin(q, &c->upload_ctx, e);
}

static int upload_piece(void *ctx, const void *p, size_t n, struct error *e)
{
    struct api_call *c = ctx;
    return exchange_of(c)->route->row->upload->piece(c->upload_ctx, p, n, e);
}

static void upload_done(void *ctx, struct http_request *q, struct http_response *r)
{
    struct api_call *c = ctx;
    run_handler(q, r);
    exchange_of(c)->route->row->upload->done(c->upload_ctx, q, r);
}

static void upload_abort(void *ctx)
{
    struct api_call *c = ctx;
    exchange_of(c)->route->row->upload->abort(c->upload_ctx);
}

static const struct http_upload_ops upload_ops = {upload_begin, upload_piece, upload_done, upload_abort};

/* --- on the loop --- */

static int recognise(struct api *api, const struct http_request *q, bool any_token, struct principal *who)
{
    struct str bearer = any_token ? security_any_token(q) : security_bearer(q), cookie = http_cookie(q, API_COOKIE);
    if (bearer.p) return auth_by_token(api->auth, q->arena, bearer, who);
    return cookie.n ? auth_by_session(api->auth, q->arena, cookie, who) : ERR_UNAUTHENTICATED;
}

void api_people_changed(struct api_call *c)
{
    struct error e = {0};
    if (!perm_people(str_of(exchange_of(c)->kind))) return;
    if (auth_refresh(c->api->auth, &e)) log_error("auth", "users and roles cannot be read again", "err=\"%s\"", e.text);
    api_watch_wake(c->api->watch);
}

enum api_action api_action_for(const char *kind, enum api_action act)
{
    return perm_people(str_of(kind)) && (act == ACT_WRITE || act == ACT_DELETE) ? ACT_ADMIN : act;
}

static int check_permission(struct api_exchange *x, struct error *e)
{
    const struct api_route *row = x->route->row;
    enum api_action act = api_action_for(x->kind, row->action);
    const struct permissions *may = x->who.actor.may;
    bool whole = act < ACT_LOGIN && perm_platform(str_of(x->kind));
    if (whole ? permitted_scope(may, x->kind, act).all : permitted(may, x->kind, act)) return 0;
    return error_set(e, ERR_FORBIDDEN, "", "%s may not %s %s", "%s 没有权限：%s %s", x->who.actor.login,
                     perm_action_name(act), x->kind);
}

/* Something about his own sign-in comes before everything else. */
static int check_due(const struct api_exchange *x, struct error *e)
{
    const struct api_route *row = x->route->row;
    if (row->action == ACT_SELF && str_starts(str_of(row->path), STR("/api/v1/session"))) return 0;
    if (x->who.password_expired)
        return error_set(e, ERR_FORBIDDEN, "password", "your password has run out; set a new one first",
                         "密码已过期，请先设置新密码");
    return error_set(e, ERR_FORBIDDEN, "second_factor", "your role needs a second factor; set it up first",
                     "您的角色必须启用双因素认证，请先设置");
}

/* Who, may he, is it he. Fills call.who and call.actor. */
static int admit(struct api_exchange *x, struct error *e)
{
    const struct api_route *row = x->route->row;
    const struct http_request *q = x->call.req;
    int rc = recognise(x->call.api, q, row->any_token, &x->who);
    if (!rc) {
        x->call.who = &x->who;
        x->call.actor = x->who.actor;
    }
    if (row->action == ACT_LOGIN) return rc == ERR_NOMEM ? rc : 0;
    if (rc) return error_set(e, rc, "", "sign in first, or send a valid API token", "请先登录，或提供有效的 API 令牌");
    if (x->who.by_session && !security_same_site(q, row->websocket))
        return error_set(e, ERR_FORBIDDEN, "",
                         row->websocket ? "the page comes from another site: Origin and Host differ"
                                        : "a change with a session cookie needs the header X-Bornite: 1",
                         row->websocket ? "页面来自其他站点：Origin 与 Host 不一致"
                                        : "使用会话 Cookie 的更改请求须带请求头 X-Bornite: 1");
    if (!x->who.by_session && row->action == ACT_SELF && row->audit == AUDIT_SECURITY)
        return error_set(e, ERR_FORBIDDEN, "",
                         "passwords, sessions and tokens are changed when signed in, not with an API token",
                         "密码、会话和令牌须登录后更改，不能使用 API 令牌");
    return x->who.password_expired || x->who.must_add_factor ? check_due(x, e) : check_permission(x, e);
}

static int limit_rate(struct api *api, const struct route *r, const struct http_request *q,
                      struct http_response *refuse, struct error *e)
{
    if (!r->row->rate || bucket_take(&api->buckets, r->index, str_of(q->peer), r->row->rate, clock_mono_ns(api->clock)))
        return 0;
    http_set_header(refuse, "Retry-After", STR("10"));
    return error_set(e, ERR_LIMIT, "", "more than %u requests a minute from %s; try again in some seconds",
                     "每分钟请求超过 %u 次（来自 %s），请稍后重试", r->row->rate, q->peer);
}

static void fill_route(const struct api *api, const struct route *r, struct http_route *ret)
{
    const struct api_route *row = r->row;
    *ret = (struct http_route){
        .kind = row->websocket ? HTTP_WEBSOCKET
                : row->stream  ? HTTP_SSE
                : row->upload  ? HTTP_UPLOAD
                               : HTTP_PLAIN,
        .handler = row->stream ? NULL : run_handler,
        .stream = row->stream,
        .upload = row->upload ? &upload_ops : NULL,
        .body_max = row->body_max ? row->body_max : LIMIT_BODY_JSON,
        .body_timeout_s = row->body_max > LIMIT_BODY_JSON ? 300 : 0,
        .pool = api->pools[row->lane],
        .cost_us = row->audit == AUDIT_NONE && row->lane == LANE_COMMON ? r->cost_us : NULL,
    };
}

static int accept_route(struct api *api, struct http_request *q, const struct route_match *m, struct http_route *ret,
                        struct http_response *refuse)
{
    const struct api_route *row = m->route->row;
    struct error e = {0};
    struct api_exchange *x = arena_calloc(q->arena, 1, sizeof(*x));
    if (!x) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        return refuse_with(q, refuse, &e);
    }
    x->route = m->route;
    x->kind = row->kind;
    x->call = (struct api_call){
        .api = api, .kernel = api->kernel, .req = q, .a = q->arena, .zh = problem_zh(q), .module = m->route->module};
    memcpy(x->call.param, m->param, sizeof(m->param));
    if (strcmp(row->kind, "*") == 0) {
        const struct kind *kd = kernel_kind(api->kernel, m->param[0]); /* may have been dropped just now */
        x->kind = kd ? arena_strdup(q->arena, kd->kind) : "";
    }
    int rc = x->kind ? limit_rate(api, m->route, q, refuse, &e) : ERR_NOMEM;
    if (!rc) rc = admit(x, &e);
    if (rc) {
        if (!e.code) e.code = rc;
        refuse_with(q, refuse, &e);
        if (rc != ERR_LIMIT && audit_request(x, refuse->status, false)) return rc; /* counted there */
        return rc;
    }
    q->route_ctx = &x->call;
    fill_route(api, m->route, ret);
    return 0;
}

/* --- the web UI --- */

static void page_handler(struct http_request *q, struct http_response *r)
{
    const struct http_static *f = ((struct api_exchange *)q->route_ctx)->page;
    security_headers_page(r);
    http_set_header(r, "Cache-Control", STR("no-cache"));
    if (f->etag) http_set_header(r, "ETag", str_of(f->etag));
    r->content_type = f->content_type;
    if (f->etag && str_is(http_header(q, "if-none-match"), f->etag))
        r->status = 304;
    else
        buf_str(&r->body, f->data);
}

/* Files go out by the server itself; documents through a handler, because they carry the CSP. */
static int route_static(struct api *api, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    bool get = str_is(q->method, "GET") || str_is(q->method, "HEAD");
    struct str path = str_is(q->path, "/") ? STR("/index.html") : q->path;
    const struct http_static *f = get && api->cfg.asset ? api->cfg.asset(path) : NULL;
    if (!f && get && api->cfg.asset && !str_starts(path, STR("/api/")) &&
        str_has(http_header(q, "accept"), STR("text/html")))
        f = api->cfg.asset(STR("/index.html"));
    if (!f) return refuse_unknown(api, q, refuse);
    if (str_starts(str_of(f->content_type), STR("text/html"))) {
        struct api_exchange *x = arena_calloc(q->arena, 1, sizeof(*x));
        if (!x) return refuse_unknown(api, q, refuse);
        x->page = f;
        q->route_ctx = &x->call;
        *ret = (struct http_route){.kind = HTTP_PLAIN, .handler = page_handler, .body_max = 1};
        return 0;
    }
    *ret = (struct http_route){.kind = HTTP_STATIC, .file = f};
    return 0;
}

/* Path segments, decoded one by one when the target holds an encoded slash (a code may contain one). */
static int split(struct http_request *q, struct str segs[ROUTE_SEGMENTS_MAX + 1], size_t *ret_n)
{
    struct str rest = q->target, path = str_cut(&rest, '?');
    bool raw = str_ihas(path, STR("%2f"));
    size_t n = 0;
    rest = str_sub(raw ? path : q->path, 1, path.n > q->path.n ? path.n : q->path.n);
    while (rest.p && n <= ROUTE_SEGMENTS_MAX) {
        segs[n] = str_cut(&rest, '/');
        if (raw && percent_decode(q->arena, segs[n], false, &segs[n])) return ERR_INVALID;
        n++;
    }
    *ret_n = n;
    return 0;
}

int api_route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    struct api *api = ctx;
    struct str segs[ROUTE_SEGMENTS_MAX + 1];
    struct route_match m;
    size_t n = 0;
    if (split(q, segs, &n)) return refuse_unknown(api, q, refuse);
    int rc = router_find(api->router, q->method, segs, n, &m);
    if (rc == 0) return accept_route(api, q, &m, ret, refuse);
    if (rc == ERR_METHOD) return refuse_method(q, &m, refuse);
    return route_static(api, q, ret, refuse);
}

void api_finished(void *ctx, const struct http_request *q, int status, uint64_t bytes, uint64_t us)
{
    struct api *api = ctx;
    const struct api_exchange *x = q->route_ctx;
    api_metrics_count(api->metrics, x ? x->route : NULL, status, us);
}

/* --- tickets, health, life --- */

void api_ticket_take(const struct api_call *c, struct api_ticket *ret)
{
    *ret = (struct api_ticket){.session = c->who && c->who->by_session};
    if (c->who) memcpy(ret->key, c->who->key, sizeof(ret->key));
    memcpy(ret->user_id, c->actor.user_id, sizeof(ret->user_id));
    memcpy(ret->login, c->actor.login, sizeof(ret->login));
}

bool api_ticket_may(struct api *api, const struct api_ticket *t, const char *kind, enum api_action act)
{
    AUTO_ARENA arena;
    struct principal who;
    arena_init(&arena, 1 << 20);
    return auth_by_key(api->auth, &arena, t->key, t->session, &who) == 0 && permitted(who.actor.may, kind, act);
}

int api_health_add(struct api *api, const struct api_health *h)
{
    if (api->nhealth == API_HEALTH_MAX) return ERR_LIMIT;
    api->health[api->nhealth++] = *h;
    return 0;
}

static bool accept_kind(void *ctx, const struct route *r, struct str plural)
{
    struct api *api = ctx;
    const struct kind *k = kernel_kind(api->kernel, plural);
    return k && str_eq(k->plural, plural) && json_bool(json_get(k->doc, "api"), true);
}

int api_routes_add(struct api *api, const struct api_route *r, size_t n, void *module, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) rc = router_add(api->router, &r[i], module, e);
    return rc;
}

extern const struct str core_kinds[];

static int open_lanes(struct api *api)
{
    static const struct {
        enum api_lane lane;
        const char *name;
        unsigned threads, queue;
    } lanes[] = {{LANE_AUTH, "api-auth", 1, 16},
                 {LANE_TRY, "api-try", 4, 32},
                 {LANE_CONTROL, "api-control", 8, 8},
                 {LANE_PUSH, "api-push", 16, 1024}};
    int rc = 0;
    for (size_t i = 0; i < sizeof(lanes) / sizeof(*lanes) && !rc; i++)
        rc = pool_start(lanes[i].name, lanes[i].threads, lanes[i].queue, &api->pools[lanes[i].lane]);
    return rc;
}

static int open_parts(struct api *api, struct error *e)
{
    struct sql *db = kernel_sql(api->kernel);
    struct auth_config auth = {.kernel = api->kernel};
    if (api->cfg.cheap_hash) auth.cost = (struct password_cost){8, 1, 1};
    int rc = 0;
    for (const struct str *doc = core_kinds; doc->p && !rc; doc++) rc = kernel_kind_add(api->kernel, *doc, e);
    const struct audit_config audit = {
        .db = db, .clock = api->clock, .rng = kernel_rng(api->kernel), .secrets = kernel_secrets(api->kernel)};
    if (!rc) rc = audit_open(&audit, &api->audit, e);
    if (!rc) rc = api_audit_start(api);
    if (!rc) rc = auth_new(&auth, &api->auth, e);
    if (!rc) rc = point_scope_new(api->kernel, &api->points, e);
    if (!rc) rc = api_point_names_new(api->kernel, &api->names);
    if (!rc) rc = idem_new(db, api->clock, &api->idem, e);
    if (!rc) rc = open_lanes(api);
    if (!rc) rc = api_metrics_new(&api->metrics);
    if (!rc) rc = router_new(accept_kind, api, &api->router);
    if (!rc) rc = api_watch_new(api, &api->watch, e);
    return rc;
}

static int own_routes(struct api *api, struct error *e)
{
    const struct route_table *tables[] = {&api_auth_routes,      &api_system_routes,   &api_resource_routes,
                                          &api_import_routes,    &api_identity_routes, &api_sso_routes,
                                          &api_lifecycle_routes, &api_kind_routes,     &api_audit_routes};
    int rc = 0;
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables) && !rc; i++)
        rc = api_routes_add(api, tables[i]->rows, tables[i]->n, NULL, e);
    return rc;
}

int api_new(const struct api_config *cfg, struct api **ret, struct error *e)
{
    struct api *api = mem_calloc(1, sizeof(*api));
    if (!api) return ERR_NOMEM;
    api->cfg = *cfg;
    api->kernel = cfg->kernel;
    api->clock = kernel_clock(cfg->kernel);
    buckets_init(&api->buckets);
    pthread_mutex_init(&api->posting, NULL);
    int rc = open_parts(api, e);
    if (!rc) rc = own_routes(api, e);
    if (rc) {
        api_free(api);
        return rc;
    }
    *ret = api;
    return 0;
}

void api_server_set(struct api *api, struct http_server *srv)
{
    pthread_mutex_lock(&api->posting);
    api->server = srv;
    pthread_mutex_unlock(&api->posting);
    api_watch_server(api->watch, srv);
    feeds_server(api->feeds, srv);
}

int api_stream_post(struct api *api, uint64_t id, void (*fn)(struct http_stream *s, void *arg), void *arg)
{
    pthread_mutex_lock(&api->posting);
    struct http_server *srv = api->server;
    int err = srv ? http_stream_post(srv, id, fn, arg) : ERR_CLOSED;
    pthread_mutex_unlock(&api->posting);
    return err;
}

void api_server_stop(struct api *api)
{
    struct http_server *srv = api->server;
    if (api->watch) api_server_set(api, NULL);
    if (srv) http_server_stop(srv);
    kernel_hooks_stop(api->kernel);
}

struct http_server *api_server(struct api *api)
{
    return api->server;
}

struct auth *api_auth(struct api *api)
{
    return api->auth;
}
int api_first_link(struct api *api, char ret[65], struct error *e)
{
    return auth_first_link(api->auth, ret, e);
}

void api_free(struct api *api)
{
    if (!api) return;
    kernel_hooks_stop(api->kernel);
    api_watch_free(api->watch);
    for (size_t i = 0; i < LANES; i++)
        if (api->pools[i]) pool_stop(api->pools[i]);
    api_metrics_free(api->metrics);
    router_free(api->router);
    idem_free(api->idem);
    point_scope_free(api->points);
    api_point_names_free(api->names);
    auth_free(api->auth);
    audit_free(api->audit);
    buckets_fini(&api->buckets);
    pthread_mutex_destroy(&api->posting);
    mem_free(api);
}
