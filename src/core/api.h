/* api.h - the HTTP API: one table of routes, each with permission and audit class.
 *
 * A route row without permission or audit class does not compile (the macros need them). Handlers run
 * on the worker pool, may block, and answer through the helpers; errors become application/problem+json
 * {type, title, status, code, detail, where, errors:[{where, detail}]} in the language asked for
 * (Accept-Language: zh… or en). */
#pragma once
#include "core/auth/point_scope.h"
#include "core/permission.h"
#include "core/resource.h"
#include "io/http_server.h"

struct api;
/* Who does the work: what may wait long has threads of its own, so that it holds up nothing else. */
enum api_lane {
    LANE_COMMON,
    LANE_AUTH,   /* hashes passwords */
    LANE_TRY,    /* waits for a device that is being tried */
    LANE_CONTROL, /* commands to the plant; a short queue: late commands are not wanted */
    LANE_PUSH     /* devices that push: many at once wait for one fsync together */
};
#define LANES 5
enum api_audit { AUDIT_NONE = 1 /* reads */, AUDIT_CHANGE, AUDIT_CONTROL, AUDIT_SECURITY };

struct api_call {
    struct api *api;
    struct kernel *kernel;
    struct http_request *req;
    struct http_response *res;
    struct arena *a; /* the request's */
    struct actor actor;
    bool zh;                     /* language of the answer */
    struct str param[4];         /* path parameters in order */
    void *module;                /* ctx of the module that owns the route */
    void *upload_ctx;            /* of a streamed body */
    const struct principal *who; /* NULL: nobody (only on ACT_LOGIN routes); core/auth.h */
};
/* Path pattern: "/api/v1/points/{id}:write", "{x}" one segment. Return 0 after answering or a negative
 * code with *e filled: the router writes the problem. */
typedef int api_handler(struct api_call *c, struct error *e);

struct api_route {
    const char *method, *path;
    const char *kind; /* permission: on this kind ("point"); "*" for the kind in the path */
    enum api_action action;
    enum api_audit audit;
    api_handler *handler;                 /* plain */
    const struct http_stream_ops *stream; /* or SSE / WebSocket (the request's route_ctx is a struct api_call *) */
    bool websocket;
    /* Or a body that is streamed: begin, piece, abort as in http_server.h (route_ctx is a struct api_call *). The
     * handler runs when all of it has come and finds what begin gave in upload_ctx; then `done` lets go of it. */
    const struct http_upload_ops *upload;
    size_t body_max; /* 0: LIMIT_BODY_JSON */
    enum api_lane lane;
    bool any_token; /* the API token also as `Token …`, as password of Basic, as query parameter p: protocols of others */
    unsigned rate; /* requests a minute and peer, 0: unlimited */
    const char *summary_en, *summary_zh;
    const char *params;                      /* query parameters for OpenAPI: "from:time:Start;px:integer:Width" */
    const char *body_schema, *answer_schema; /* "kind:point", "list:point", a shape (api_shape.h), JSON Schema; NULL: none / free */
};
#define API_GET(path_, kind_, audit_, handler_, ...) \
    { \
        .method = "GET", .path = (path_), .kind = (kind_), .action = ACT_READ, .audit = (audit_), \
        .handler = (handler_), __VA_ARGS__ \
    }
#define API_DO(method_, path_, kind_, act_, audit_, handler_, ...) \
    { \
        .method = (method_), .path = (path_), .kind = (kind_), .action = (act_), .audit = (audit_), \
        .handler = (handler_), __VA_ARGS__ \
    }

struct api_config {
    struct kernel *kernel;
    const struct http_static *(*asset)(struct str path); /* the web UI; NULL for none of that path */
    bool secure_cookies;
    const char *version; /* NULL: "dev" */
    const char *spool_dir; /* for exports on their way; NULL: /tmp */
    bool cheap_hash;     /* tests only: argon2id at its smallest cost */
};
MUST_CHECK int api_new(const struct api_config *cfg, struct api **ret, struct error *e);
/* Before start. The table must live on. Asserts rows are complete and unique. */
MUST_CHECK int api_routes_add(struct api *api, const struct api_route *r, size_t n, void *module, struct error *e);
/* Use as http_config.route / .finished with ctx = api. */
int api_route(void *api, struct http_request *q, struct http_route *ret, struct http_response *refuse);
void api_finished(void *api, const struct http_request *q, int status, uint64_t bytes, uint64_t us);
void api_server_set(struct api *api, struct http_server *srv); /* after http_server_start; ended by api_server_stop */
struct http_server *api_server(struct api *api);
/* http_stream_post for threads of modules: ERR_CLOSED (fn is not called) once the server is about to stop. */
MUST_CHECK int api_stream_post(struct api *api, uint64_t id, void (*fn)(struct http_stream *s, void *arg), void *arg);
struct auth;
struct auth *api_auth(struct api *api); /* who somebody is: core/auth/auth.h */
/* Stops serving, in the right order: no more streams' posts, http_server_stop of the server that was set
 * (may be none), no more `changed` hooks. Instead of http_server_stop, before modules_stop. */
void api_server_stop(struct api *api);
void api_free(struct api *api);

/* Helpers for handlers. */
MUST_CHECK int api_body_json(struct api_call *c, struct json **ret,
                             struct error *e);     /* media type, size, syntax checked */
struct json_writer api_answer(struct api_call *c); /* writes into the response body */
int api_query_i64(struct api_call *c, const char *name, int64_t def, int64_t lo, int64_t hi, int64_t *ret,
                  struct error *e);
int api_problem(struct api_call *c, const struct error *e, const struct error *more,
                size_t nmore); /* fills the response, returns 0 */

/* What the audit record of this request is about: the resource, and details as a JSON object (both in the
 * request's arena; {NULL,0}: leave). Without it the record names the last path parameter. */
void api_audit_note(struct api_call *c, struct str resource, struct str detail_json);

/* A batch of a machine: no record of its own once it is done; what is refused or fails is recorded as ever. */
void api_audit_quiet(struct api_call *c);

/* A resource as the caller may see and use it: what he may not read is ERR_NOT_FOUND, what he may read but not
 * `act` on is ERR_FORBIDDEN. */
MUST_CHECK int api_find(struct api_call *c, const char *kind, struct str id_or_code, enum api_action act,
                        struct resource *ret, struct error *e);
/* The same for a point, mostly from memory: for queries that name many. Text lives in the request's arena. */
struct api_point {
    uint32_t num;
    bool step;
    struct str id, code, name, unit, org;
};
MUST_CHECK int api_find_point(struct api_call *c, struct str id_or_code, enum api_action act, struct api_point *ret,
                              struct error *e);
/* Points by number (core/auth/point_scope.h). */
struct point_scope *api_points(struct api *api);
bool api_may_point(struct api_call *c, enum api_action act, uint32_t num);

/* A long-lived stream outlives its request: take a ticket in open() and ask at least once a second whether
 * it still holds; when not, close the stream (revocation). Any thread, quick, never SQL. */
struct api_ticket {
    uint8_t key[32]; /* of the session or token */
    char user_id[37], login[64];
    bool session;
};
void api_ticket_take(const struct api_call *c, struct api_ticket *ret);
bool api_ticket_may(struct api *api, const struct api_ticket *t, const char *kind, enum api_action act);
/* The same with the points that its owner may see now; true: close the view (quickly) after looking. */
bool api_ticket_points(struct api *api, const struct api_ticket *t, enum api_action act, struct point_view *ret);

/* Tell open pages that something of this topic ("alarms", "notices", "jobs") is new, so that they ask
 * again; cheap, gathered. Events of the kernel do it by themselves (api_watch.c). */
void api_poke(struct api *api, const char *topic);

/* Health: each check answers quickly whether its part works; text says what is wrong. For /healthz. */
struct api_health {
    const char *name;
    bool (*check)(void *ctx, struct error *why);
    void *ctx;
};
int api_health_add(struct api *api, const struct api_health *h); /* ERR_LIMIT past 32 */

/* One-time link: a token that signs the first administrator in. Printed by the app while no administrator
 * has a password (so that it is also the way back); valid 24 h or until used; a new one at each start.
 * ret: token text. ERR_EXISTS: there is an administrator with a password. */
MUST_CHECK int api_first_link(struct api *api, char ret[65], struct error *e);
/* Audit record of something done outside a request (write-back outcome …). */
void api_audit(struct api *api, const struct actor *by, enum api_audit cls, const char *action, const char *kind,
               struct str id, const char *outcome, struct str detail_json);
