/* api_auth.c - the routes of signing in: session, passwords, sessions, tokens. */
#include "core/api/api_int.h"
#include "base/time.h"
#include "core/api/problem.h"

static void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[TIME_TEXT_MAX];
    jw_kz(w, key, us ? time_format(us, text) : NULL);
}

static void write_session(struct api_call *c, const struct principal *p)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("user"));
    jw_object(&w);
    jw_kz(&w, "id", p->actor.user_id);
    jw_kz(&w, "login", p->actor.login);
    jw_kstr(&w, "name", p->name);
    jw_key(&w, STR("roles"));
    jw_array(&w);
    for (size_t i = 0; i < p->nroles; i++) jw_str(&w, p->roles[i]);
    jw_end(&w);
    jw_end(&w);
    jw_key(&w, STR("permissions"));
    perm_write(&w, p->actor.may);
    jw_kbool(&w, "must_set_password", p->must_set_password || p->password_expired);
    jw_kbool(&w, "second_factor", p->second_factor);
    jw_kbool(&w, "must_add_second_factor", p->must_add_factor);
    write_time(&w, "expires_at", p->expires_us);
    jw_end(&w);
}

static int retry_after(struct api_call *c, unsigned wait_s, int rc)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", wait_s);
    if (rc == ERR_LIMIT && wait_s) http_set_header(c->res, "Retry-After", str_of(text));
    return rc;
}

static int sign_in(struct api_call *c, const struct json *body, char secret[AUTH_TOKEN_CHARS + 1],
                   struct principal *who, struct error *e)
{
    const struct json *link = json_get(body, "link");
    struct auth_try t = {.login = json_str(json_get(body, "login"), STR_NULL),
                         .password = json_str(json_get(body, "password"), STR_NULL),
                         .code = str_trim(json_str(json_get(body, "code"), STR(""))),
                         .from = {c->req->peer, http_header(c->req, "user-agent")}};
    unsigned wait = 0;
    if (link) return auth_login_link(c->api->auth, c->a, json_str(link, STR("")), &t.from, secret, who, e);
    if (!t.login.n || !t.password.n)
        return error_set(e, ERR_INVALID, t.login.n ? "password" : "login",
                         "'login' and 'password' are needed, or 'link'", "须提供“login”和“password”，或“link”");
    api_audit_note(c, str_sub(t.login, 0, 64), STR_NULL);
    int rc = auth_login(c->api->auth, c->a, &t, secret, who, &wait, e);
    return retry_after(c, wait, rc);
}

/* The UI asks for the code and sends both again. */
static int second_factor(struct api_call *c, const struct error *why)
{
    struct error e = *why;
    e.code = ERR_UNAUTHENTICATED;
    problem_write_as(c->res, c->zh, "second_factor", &e, NULL, 0);
    return 0;
}

static int session_post(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    char secret[AUTH_TOKEN_CHARS + 1];
    struct principal *who = arena_calloc(c->a, 1, sizeof(*who));
    int rc = who ? api_body_json(c, &body, e) : ERR_NOMEM;
    if (!rc) rc = sign_in(c, body, secret, who, e);
    if (rc == ERR_PRECONDITION || (rc == ERR_UNAUTHENTICATED && strcmp(e->where, "code") == 0))
        return second_factor(c, e);
    if (rc) return rc;
    c->actor = who->actor; /* so that the audit record names him */
    api_audit_note(c, str_of(who->actor.login), STR_NULL);
    api_cookie_set(c, secret, auth_session_seconds(c->api->auth));
    write_session(c, who);
    return 0;
}

static int session_get(struct api_call *c, struct error *e)
{
    write_session(c, c->who);
    return 0;
}

static int session_delete(struct api_call *c, struct error *e)
{
    api_cookie_set(c, NULL, 0);
    c->res->status = 204;
    return auth_session_kill(c->api->auth, str_of(c->who->id), &c->actor, e);
}

static int password_own(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    unsigned wait = 0;
    int rc = api_body_json(c, &body, e);
    if (rc) return rc;
    struct str fresh = json_str(json_get(body, "new"), STR_NULL);
    if (!fresh.p) return error_set(e, ERR_INVALID, "new", "'new' is the new password", "“new”为新密码");
    rc = auth_password_own(c->api->auth, c->who, json_str(json_get(body, "old"), STR("")), fresh, &wait, e);
    if (!rc) c->res->status = 204;
    return retry_after(c, wait, rc);
}

static int password_of(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    int rc = api_body_json(c, &body, e);
    if (rc) return rc;
    struct str fresh = json_str(json_get(body, "password"), STR_NULL);
    if (!fresh.p) return error_set(e, ERR_INVALID, "password", "'password' is the new password", "“password”为新密码");
    char id[37];
    rc = auth_may_manage(c->api->auth, &c->actor, c->param[0], id, e);
    if (!rc) rc = auth_password_set(c->api->auth, str_of(id), fresh, "", e);
    if (!rc) c->res->status = 204;
    return rc;
}

static int sessions_get(struct api_call *c, struct error *e)
{
    struct session_info *s = NULL;
    size_t n = 0;
    int rc = auth_sessions(c->api->auth, c->a, &c->actor, &s, &n);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kz(&w, "id", s[i].id);
        jw_kz(&w, "user_id", s[i].user_id);
        jw_kz(&w, "login", s[i].login);
        jw_kz(&w, "peer", s[i].peer);
        jw_kstr(&w, "agent", s[i].agent);
        write_time(&w, "created_at", s[i].created_us);
        write_time(&w, "seen_at", s[i].seen_us);
        write_time(&w, "expires_at", s[i].expires_us);
        jw_kbool(&w, "current", strcmp(s[i].id, c->who->id) == 0);
        jw_end(&w);
    }
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)n);
    jw_end(&w);
    return 0;
}

static int session_kill(struct api_call *c, struct error *e)
{
    int rc = auth_session_kill(c->api->auth, c->param[0], &c->actor, e);
    if (!rc) c->res->status = 204;
    return rc;
}

static int token_expiry(const struct json *body, int64_t *ret, struct error *e)
{
    const struct json *v = json_get(body, "expires_at");
    *ret = 0;
    if (!v || v->type == JSON_NULL) return 0;
    if (v->type == JSON_STRING && time_parse(v->s, ret, e) == 0) return 0;
    return error_set(e, ERR_INVALID, "expires_at",
                     "'expires_at' is a time such as 2027-01-31T00:00:00Z, or null for never",
                     "“expires_at”为时间，例如 2027-01-31T00:00:00Z，或 null 表示永不过期");
}

static int token_post(struct api_call *c, struct error *e)
{
    struct json *body = NULL;
    char id[37], secret[AUTH_TOKEN_CHARS + 4];
    int64_t expires = 0;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = token_expiry(body, &expires, e);
    struct token_request q = {.by = c->who,
                              .name = json_str(json_get(body, "name"), STR("")),
                              .user = json_str(json_get(body, "user"), STR_NULL),
                              .roles = json_get(body, "roles"),
                              .orgs = json_get(body, "orgs"),
                              .expires_us = expires};
    if (!rc) rc = auth_token_create(c->api->auth, c->a, &q, id, secret, e);
    if (rc) return rc;
    api_audit_note(c, arena_str(c->a, str_of(id)), STR_NULL);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "id", id);
    jw_kz(&w, "token", secret);
    jw_end(&w);
    return 0;
}

static int tokens_get(struct api_call *c, struct error *e)
{
    struct token_info *t = NULL;
    size_t n = 0;
    int rc = auth_tokens(c->api->auth, c->a, &c->actor, &t, &n);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_kz(&w, "id", t[i].id);
        jw_kstr(&w, "name", t[i].name);
        jw_kz(&w, "user_id", t[i].user_id);
        jw_kz(&w, "login", t[i].login);
        jw_key(&w, STR("roles"));
        if (t[i].roles)
            jw_json(&w, t[i].roles);
        else
            jw_raw(&w, STR("[]"));
        jw_key(&w, STR("orgs"));
        jw_json(&w, t[i].orgs);
        jw_kz(&w, "created_by", t[i].created_by);
        write_time(&w, "created_at", t[i].created_us);
        write_time(&w, "expires_at", t[i].expires_us);
        write_time(&w, "used_at", t[i].used_us);
        jw_end(&w);
    }
    jw_end(&w);
    jw_ki64(&w, "total", (int64_t)n);
    jw_end(&w);
    return 0;
}

static int token_delete(struct api_call *c, struct error *e)
{
    int rc = auth_token_delete(c->api->auth, c->param[0], &c->actor, e);
    if (!rc) c->res->status = 204;
    return rc;
}

#define LOGIN_BODY "{login?:string;password?:string;code?:string;link?:string}"
#define OWN_BODY "{old?:string;new:string}"
#define SET_BODY "{password:string}"
#define TOKEN_BODY "{name:string;roles:string[];orgs?:string[]|null;user?:string|null;expires_at?:time|null}"
#define TOKEN_ANSWER "{id:string;token:string}"
#define SESSION_ANSWER \
    "{user:{id:string;login:string;name:string;roles:string[]};permissions:{kind:string;actions:string[]}[];" \
    "must_set_password:boolean;second_factor:boolean;must_add_second_factor:boolean;expires_at:time|null}"
#define SESSIONS \
    "{items:{id:string;user_id:string;login:string;peer:string;agent:string;created_at:time|null;seen_at:time|null;" \
    "expires_at:time|null;current:boolean}[];total:integer}"
#define TOKENS \
    "{items:{id:string;name:string;user_id:string;login:string;roles:string[];orgs:string[];" \
    "created_by:string;created_at:time|null;expires_at:time|null;used_at:time|null}[];total:integer}"
#define SELF(method_, path_, audit_, handler_, ...) \
    API_DO(method_, "/api/v1/" path_, "session", ACT_SELF, audit_, handler_, __VA_ARGS__)

static const struct api_route rows[] = {
    API_DO("POST", "/api/v1/session", "session", ACT_LOGIN, AUDIT_SECURITY, session_post, .lane = LANE_AUTH, .rate = 60,
           .body_max = 8192, .summary_en = "Sign in", .summary_zh = "登录", .body_schema = LOGIN_BODY,
           .answer_schema = SESSION_ANSWER),
    SELF("GET", "session", AUDIT_NONE, session_get, .summary_en = "Who am I", .summary_zh = "当前会话",
         .answer_schema = SESSION_ANSWER),
    SELF("DELETE", "session", AUDIT_SECURITY, session_delete, .summary_en = "Sign out", .summary_zh = "退出登录"),
    SELF("POST", "session/password", AUDIT_SECURITY, password_own, .lane = LANE_AUTH, .rate = 30, .body_max = 8192,
         .summary_en = "Change the own password", .summary_zh = "修改本人密码", .body_schema = OWN_BODY),
    SELF("GET", "sessions", AUDIT_NONE, sessions_get, .summary_en = "Own sessions; all for who administers users",
         .summary_zh = "会话列表", .answer_schema = SESSIONS),
    SELF("DELETE", "sessions/{id}", AUDIT_SECURITY, session_kill, .summary_en = "End a session",
         .summary_zh = "结束会话"),
    API_DO("POST", "/api/v1/users/{id}:password", "user", ACT_ADMIN, AUDIT_SECURITY, password_of, .lane = LANE_AUTH,
           .rate = 60, .body_max = 8192, .summary_en = "Set somebody's password", .summary_zh = "设置用户密码",
           .body_schema = SET_BODY),
    SELF("POST", "tokens", AUDIT_SECURITY, token_post, .rate = 60, .summary_en = "Create an API token",
         .summary_zh = "创建 API 令牌", .body_schema = TOKEN_BODY, .answer_schema = TOKEN_ANSWER),
    SELF("GET", "tokens", AUDIT_NONE, tokens_get, .summary_en = "API tokens", .summary_zh = "API 令牌列表",
         .answer_schema = TOKENS),
    SELF("DELETE", "tokens/{id}", AUDIT_SECURITY, token_delete, .summary_en = "Delete an API token",
         .summary_zh = "删除 API 令牌"),
};
const struct route_table api_auth_routes = {rows, sizeof(rows) / sizeof(rows[0])};
