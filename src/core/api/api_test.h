/* api_test.h - for tests of handlers: a kernel and an API on a fresh database with a simulated clock, and
 * requests run synchronously through api_route and the handler, without a socket. One thread. */
#pragma once
#include "base/encode.h"
#include "base/mem.h"
#include "base/test.h"
#include "core/api.h"
#include "core/auth/auth.h"
#include "store/sql_fixture.h"

struct rig {
    struct sim_clock clock;
    struct sim_rng rng;
    struct sql *db;
    struct kernel *kernel;
    struct api *api;
    struct arena arena; /* of all requests */
    char url[800];
    bool fresh; /* a database that nobody opens again */
    /* what the next request carries */
    char cookie[64], bearer[64], peer[64];
    const char *language, *if_match, *idempotency, *origin, *accept, *content_type, *forwarded;
    bool no_csrf_header;
    /* what the last one brought */
    int status;
    enum http_kind kind;
    struct str body, headers;
    const char *type;
    struct json *json; /* of the body, NULL when it is none */
};

/* url: "sqlite:…/name.db", which may be opened again, or ":memory:"; a schema each with BORNITE_TEST_SQL. */
static inline int rig_open_at(struct rig *r, const char *url, const struct http_static *(*asset)(struct str path))
{
    struct error e = {0};
    memset(r, 0, sizeof(*r));
    sim_clock_init(&r->clock, 1780000000000000LL);
    sim_rng_init(&r->rng, 42);
    arena_init(&r->arena, 256 << 20);
    snprintf(r->peer, sizeof(r->peer), "10.0.0.7");
    const char *slash = strrchr(url, '/');
    r->fresh = !slash;
    snprintf(r->url, sizeof(r->url), "%s", url);
    if (sql_fixture_shared()) sql_fixture_url(slash ? slash + 1 : NULL, r->url, sizeof(r->url));
    int rc = sql_open(r->url, &r->db, &e);
    if (!rc) rc = kernel_open(r->db, &r->clock.clock, &r->rng.rng, &r->kernel, &e);
    struct api_config cfg = {.kernel = r->kernel, .asset = asset, .cheap_hash = true, .version = "1.2.3"};
    if (!rc) rc = api_new(&cfg, &r->api, &e);
    return rc;
}

static inline int rig_open(struct rig *r, const struct http_static *(*asset)(struct str path))
{
    return rig_open_at(r, "sqlite::memory:", asset);
}

static inline void rig_close(struct rig *r)
{
    api_free(r->api);
    kernel_close(r->kernel);
    if (r->fresh) sql_fixture_drop(r->db, r->url);
    sql_close(r->db);
    arena_fini(&r->arena);
}

static inline void rig_header(struct rig *r, struct http_header *list, size_t *n, const char *name, const char *value)
{
    if (value && value[0]) list[(*n)++] = (struct http_header){str_of(name), arena_str(&r->arena, str_of(value))};
}

static inline struct http_request *rig_request(struct rig *r, const char *method, const char *target, struct str body)
{
    struct http_request *q = arena_calloc(&r->arena, 1, sizeof(*q));
    struct http_header *h = arena_calloc(&r->arena, 16, sizeof(*h));
    char text[160];
    size_t n = 0;
    *q = (struct http_request){.arena = &r->arena,
                               .method = arena_str(&r->arena, str_of(method)),
                               .target = arena_str(&r->arena, str_of(target)),
                               .headers = h,
                               .body = body};
    struct str rest = q->target, path = str_cut(&rest, '?');
    q->query = rest;
    if (percent_decode(&r->arena, path, false, &q->path)) q->path = path;
    snprintf(q->peer, sizeof(q->peer), "%s", r->peer);
    rig_header(r, h, &n, "host", "plant.example:8080");
    if (r->cookie[0]) snprintf(text, sizeof(text), "bornite_session=%s", r->cookie);
    if (r->cookie[0]) rig_header(r, h, &n, "cookie", text);
    if (r->bearer[0]) snprintf(text, sizeof(text), "Bearer %s", r->bearer);
    if (r->bearer[0]) rig_header(r, h, &n, "authorization", text);
    if (!r->no_csrf_header) rig_header(r, h, &n, "x-bornite", "1");
    rig_header(r, h, &n, "accept-language", r->language);
    rig_header(r, h, &n, "if-match", r->if_match);
    rig_header(r, h, &n, "idempotency-key", r->idempotency);
    rig_header(r, h, &n, "origin", r->origin);
    rig_header(r, h, &n, "accept", r->accept);
    rig_header(r, h, &n, "x-forwarded-for", r->forwarded);
    if (body.p) rig_header(r, h, &n, "content-type", r->content_type ? r->content_type : "application/json");
    q->nheaders = n;
    return q;
}

/* What the server would pull as the peer reads. */
static inline void rig_pull(struct http_response *res)
{
    while (res->pull && res->pull(res->pull_ctx, &res->body) > 0) continue;
    if (res->pull_free) res->pull_free(res->pull_ctx);
    res->pull = NULL;
    res->pull_free = NULL;
}

static inline void rig_keep(struct rig *r, struct http_response *res)
{
    rig_pull(res);
    r->status = res->status ? res->status : 200;
    r->body = arena_str(&r->arena, buf_view(&res->body));
    r->headers = arena_str(&r->arena, buf_view(&res->headers));
    r->type = res->content_type;
    r->json = NULL;
    if (!r->body.n || json_parse(&r->arena, r->body, &r->json, NULL)) r->json = NULL;
    buf_fini(&res->body);
    buf_fini(&res->headers);
}

/* Status of the answer; 0 for an accepted stream or static file (r->kind tells which). */
static inline int rig_send(struct rig *r, const char *method, const char *target, struct str body)
{
    struct http_request *q = rig_request(r, method, target, body);
    struct http_response res = {0};
    struct http_route route = {0};
    buf_init(&res.headers, 64 << 10);
    buf_init(&res.body, 256 << 20);
    int refused = api_route(r->api, q, &route, &res);
    r->kind = route.kind;
    if (!refused && route.kind == HTTP_PLAIN) route.handler(q, &res);
    rig_keep(r, &res);
    if (!refused && route.kind != HTTP_PLAIN) r->status = 0;
    api_finished(r->api, q, r->status, r->body.n, 1000);
    return r->status;
}

static inline int rig_call(struct rig *r, const char *method, const char *target, const char *body)
{
    return rig_send(r, method, target, str_of(body));
}

/* Value of an answer's header into the rig's arena; "" when absent. */
static inline const char *rig_answer_header(struct rig *r, const char *name)
{
    struct str all = r->headers;
    while (all.n) {
        struct str line = str_cut(&all, '\n'), rest = line, key = str_cut(&rest, ':');
        if (str_ieq(key, str_of(name))) return arena_strdup(&r->arena, str_trim(rest));
    }
    return "";
}

/* Take the session cookie of the last answer for the requests to come. */
static inline void rig_take_cookie(struct rig *r)
{
    struct str v = str_of(rig_answer_header(r, "Set-Cookie"));
    struct str pair = str_cut(&v, ';');
    str_cut(&pair, '=');
    str_to_cstr(pair, r->cookie, sizeof(r->cookie));
    r->bearer[0] = 0;
}

static inline void rig_nobody(struct rig *r)
{
    r->cookie[0] = r->bearer[0] = 0;
}

/* Sign the first administrator in by the one-time link and set the password "correct horse battery". */
static inline void rig_admin(struct rig *r)
{
    char link[65], body[128];
    struct error e = {0};
    rig_nobody(r);
    int rc = api_first_link(r->api, link, &e);
    snprintf(body, sizeof(body), "{\"link\":\"%s\"}", rc ? "" : link);
    CHECK_INT(rig_call(r, "POST", "/api/v1/session", body), 200);
    rig_take_cookie(r);
    CHECK_INT(rig_call(r, "POST", "/api/v1/session/password", "{\"new\":\"correct horse battery\"}"), 204);
}

/* A user of one role with the password "a long enough secret"; signed in afterwards. Needs an admin. */
static inline void rig_user(struct rig *r, const char *login, const char *role, char cookie[64])
{
    char body[256], path[128], admin[64];
    memcpy(admin, r->cookie, sizeof(admin));
    snprintf(body, sizeof(body), "{\"code\":\"%s\",\"name\":\"%s\",\"spec\":{\"roles\":[\"%s\"]}}", login, login, role);
    CHECK_INT(rig_call(r, "POST", "/api/v1/users", body), 201);
    snprintf(path, sizeof(path), "/api/v1/users/%s:password", login);
    CHECK_INT(rig_call(r, "POST", path, "{\"password\":\"a long enough secret\"}"), 204);
    rig_nobody(r);
    snprintf(body, sizeof(body), "{\"login\":\"%s\",\"password\":\"a long enough secret\"}", login);
    CHECK_INT(rig_call(r, "POST", "/api/v1/session", body), 200);
    rig_take_cookie(r);
    memcpy(cookie, r->cookie, 64);
    memcpy(r->cookie, admin, sizeof(admin));
}

static inline struct str rig_str(const struct rig *r, const char *path)
{
    return json_str(json_path(r->json, path), STR_NULL);
}
static inline int64_t rig_i64(const struct rig *r, const char *path)
{
    return json_i64(json_path(r->json, path), -1);
}
