/* api_identity.c - the routes of users' state and rights: second factor, unlocking, who may what and why,
 * roles by kinds, the tree of organisations. */
#include "base/mem.h"
#include "base/qr.h"
#include "base/time.h"
#include "core/api/api_int.h"

static int retry_after(struct api_call *c, unsigned wait_s, int rc)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", wait_s);
    if (rc == ERR_LIMIT && wait_s) http_set_header(c->res, "Retry-After", str_of(text));
    return rc;
}

static void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[TIME_TEXT_MAX];
    jw_kz(w, key, us ? time_format(us, text) : NULL);
}

/* --- second factor --- */

static int totp_begin(struct api_call *c, struct error *e)
{
    struct str secret = STR_NULL, uri = STR_NULL;
    struct buf svg;
    struct qr *qr = arena_alloc(c->a, sizeof(*qr));
    int rc = qr ? auth_totp_begin(c->api->auth, c->a, c->who, &secret, &uri, e) : ERR_NOMEM;
    if (!rc) rc = qr_encode(uri, qr);
    if (rc) return rc;
    buf_init(&svg, 256 << 10);
    qr_svg(qr, &svg);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kstr(&w, "secret", secret);
    jw_kstr(&w, "uri", uri);
    jw_kstr(&w, "qr_svg", buf_view(&svg));
    jw_end(&w);
    buf_fini(&svg);
    return 0;
}

static int read_code(struct api_call *c, struct str *ret, struct error *e)
{
    struct json *body = NULL;
    int rc = api_body_json(c, &body, e);
    if (rc) return rc;
    *ret = str_trim(json_str(json_get(body, "code"), STR("")));
    return ret->n
               ? 0
               : error_set(e, ERR_INVALID, "code", "'code' is the code of the second factor", "“code”为双因素验证码");
}

static int totp_confirm(struct api_call *c, struct error *e)
{
    char codes[AUTH_RECOVERY][AUTH_RECOVERY_CHARS + 1];
    struct str code;
    unsigned wait = 0;
    int rc = read_code(c, &code, e);
    if (!rc) rc = auth_totp_confirm(c->api->auth, c->who, code, codes, &wait, e);
    if (rc) return retry_after(c, wait, rc);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("recovery_codes"));
    jw_array(&w);
    for (size_t i = 0; i < AUTH_RECOVERY; i++) jw_str(&w, str_of(codes[i]));
    jw_end(&w);
    jw_end(&w);
    return 0;
}

static int totp_remove(struct api_call *c, struct error *e)
{
    struct str code;
    unsigned wait = 0;
    int rc = read_code(c, &code, e);
    if (!rc) rc = auth_totp_remove(c->api->auth, c->who, code, &wait, e);
    if (!rc) c->res->status = 204;
    return retry_after(c, wait, rc);
}

/* --- what administrators do to a user --- */

static int on_user(struct api_call *c, int (*fn)(struct auth *a, const char *user_id, struct error *e), struct error *e)
{
    char id[37];
    int rc = auth_may_manage(c->api->auth, &c->actor, c->param[0], id, e);
    if (!rc) rc = fn(c->api->auth, id, e);
    if (!rc) c->res->status = 204;
    return rc;
}

static int user_totp_drop(struct api_call *c, struct error *e)
{
    return on_user(c, auth_totp_drop, e);
}

static int user_unlock(struct api_call *c, struct error *e)
{
    return on_user(c, auth_unlock, e);
}

static int user_sign_out(struct api_call *c, struct error *e)
{
    int rc = on_user(c, auth_sign_out, e);
    if (!rc) api_watch_wake(c->api->watch);
    return rc;
}

static int users_state(struct api_call *c, struct error *e)
{
    struct auth_state *s = NULL;
    size_t n = 0;
    int rc = auth_states(c->api->auth, c->a, &c->actor, &s, &n);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kz(&w, "id", s[i].id);
        jw_kstr(&w, "login", s[i].login);
        jw_kbool(&w, "locked", s[i].locked_us > 0);
        write_time(&w, "locked_until", s[i].locked_us);
        write_time(&w, "password_set_at", s[i].password_us);
        write_time(&w, "seen_at", s[i].seen_us);
        jw_ki64(&w, "failures", s[i].failures);
        jw_ki64(&w, "sessions", s[i].sessions);
        jw_ki64(&w, "tokens", s[i].tokens);
        jw_kbool(&w, "second_factor", s[i].second_factor);
        jw_kbool(&w, "needs_second_factor", s[i].needs_second_factor);
        jw_kbool(&w, "external", s[i].external);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    return 0;
}

/* --- who may what --- */

static int user_permissions(struct api_call *c, struct error *e)
{
    return auth_explain(c->api->auth, c->a, &c->actor, c->param[0], &c->res->body, e);
}

static int check(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    int rc = api_body_json(c, &body, e);
    if (rc) return rc;
    struct auth_question q = {.user = json_str(json_get(body, "user"), STR_NULL),
                              .kind = json_str(json_get(body, "kind"), STR("")),
                              .action = json_str(json_get(body, "action"), STR("")),
                              .org = json_str(json_get(body, "org"), STR_NULL),
                              .field = json_str(json_get(body, "field"), STR_NULL)};
    return auth_ask(c->api->auth, c->a, &c->actor, &q, &c->res->body, e);
}

static int matrix(struct api_call *c, struct error *e)
{
    return auth_matrix(c->api->auth, c->zh, &c->res->body, e);
}

static int orgs_tree(struct api_call *c, struct error *e)
{
    return auth_orgs_tree(c->api->auth, c->a, &c->actor, &c->res->body, e);
}

#define TOTP_ANSWER "{secret:string;uri:string;qr_svg:string}"
#define CODE_BODY "{code:string}"
#define STATES \
    "{items:{id:string;login:string;locked:boolean;locked_until:time|null;password_set_at:time|null;" \
    "seen_at:time|null;failures:integer;sessions:integer;tokens:integer;second_factor:boolean;" \
    "needs_second_factor:boolean;external:boolean}[]}"
#define ORG "{id:string;code:string;name:string}"
#define ROWS \
    "{user:{id:string;login:string;name:string;disabled:boolean};groups:string[];" \
    "rows:{kind:string;actions:string[];orgs:'all'|" ORG "[];fields:string[]|null;" \
    "from:{role:string;via:string}[]}[]}"
#define CHECK_BODY "{user?:string;kind:string;action:string;org?:string|null;field?:string|null}"
#define CHECK_ANSWER "{allowed:boolean;because:{role:string;via:string;orgs:'all'|" ORG "[]}[]}"
#define MATRIX "{kinds:{kind:string;title:string}[];roles:{code:string;name:string;cells:{*:string[]}}[]}"
#define TREE \
    "{items:{id:string;code:string;name:string;type:string;parent:string|null;children:integer;counts:{*:integer}}[]}"
#define SELF(method_, path_, handler_, ...) \
    API_DO(method_, "/api/v1/" path_, "session", ACT_SELF, AUDIT_SECURITY, handler_, __VA_ARGS__)
#define ADMIN(method_, path_, handler_, ...) \
    API_DO(method_, "/api/v1/" path_, "user", ACT_ADMIN, AUDIT_SECURITY, handler_, __VA_ARGS__)

static const struct api_route rows[] = {
    SELF("POST", "session/totp", totp_begin, .rate = 30, .summary_en = "Begin to set up a second factor (TOTP)",
         .summary_zh = "开始设置双因素认证（TOTP）", .answer_schema = TOTP_ANSWER),
    SELF("POST", "session/totp:confirm", totp_confirm, .rate = 30, .summary_en = "Confirm the second factor by a code",
         .summary_zh = "用验证码确认双因素认证", .body_schema = CODE_BODY,
         .answer_schema = "{recovery_codes:string[]}"),
    SELF("DELETE", "session/totp", totp_remove, .rate = 30, .summary_en = "Remove the own second factor",
         .summary_zh = "解除本人的双因素认证", .body_schema = CODE_BODY),
    ADMIN("DELETE", "users/{id}/totp", user_totp_drop, .summary_en = "Remove somebody's second factor",
          .summary_zh = "解除用户的双因素认证"),
    ADMIN("POST", "users/{id}:unlock", user_unlock, .summary_en = "Unlock after failed sign-ins",
          .summary_zh = "解除登录锁定"),
    ADMIN("POST", "users/{id}:sign-out", user_sign_out, .summary_en = "End all sessions of a user",
          .summary_zh = "结束用户的全部会话"),
    API_GET("/api/v1/users:state", "user", AUDIT_NONE, users_state,
            .summary_en = "Locks, second factors, sessions and tokens of users",
            .summary_zh = "用户状态：锁定、双因素认证、会话与令牌", .answer_schema = STATES),
    API_DO("GET", "/api/v1/users/{id}/permissions", "session", ACT_SELF, AUDIT_NONE, user_permissions,
           .summary_en = "What a user may do, and by what (one's own, or of users that one may read)",
           .summary_zh = "用户的有效权限及来源（本人，或有权查看的用户）", .answer_schema = ROWS),
    API_DO("POST", "/api/v1/permissions:check", "session", ACT_SELF, AUDIT_NONE, check,
           .summary_en = "May somebody do something, and why", .summary_zh = "检查某项权限及原因",
           .body_schema = CHECK_BODY, .answer_schema = CHECK_ANSWER),
    API_GET("/api/v1/roles:matrix", "role", AUDIT_NONE, matrix, .summary_en = "Roles by kinds and actions",
            .summary_zh = "角色权限矩阵", .answer_schema = MATRIX),
    API_GET("/api/v1/orgs:tree", "org", AUDIT_NONE, orgs_tree, .summary_en = "Organisations with counts, parents first",
            .summary_zh = "组织树及资源数量", .answer_schema = TREE),
};
const struct route_table api_identity_routes = {rows, sizeof(rows) / sizeof(rows[0])};
