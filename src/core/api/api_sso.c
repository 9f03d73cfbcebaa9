/* api_sso.c - the routes of signing in elsewhere: what the sign-in page offers, to the provider, and back. */
#include "base/encode.h"
#include "core/api/api_int.h"

#define BROWSER_COOKIE "bornite_oidc"

static int options_of(struct api_call *c, const char *kind, struct list_page *ret, struct error *e)
{
    struct list_query q = {.kind = kind, .limit = 100};
    return resource_list(c->kernel, c->a, &q, ret, e);
}

static bool disabled(const struct resource *r)
{
    return json_bool(json_get(r->spec, "disabled"), false);
}

static int session_options(struct api_call *c, struct error *e)
{
    struct list_page oidc = {0}, ldap = {0};
    bool any = false;
    int rc = options_of(c, "oidc_provider", &oidc, e);
    if (!rc) rc = options_of(c, "ldap_server", &ldap, e);
    if (rc) return rc;
    for (size_t i = 0; i < ldap.n; i++) any |= !disabled(&ldap.items[i]);
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kbool(&w, "password", true);
    jw_key(&w, STR("oidc"));
    jw_array(&w);
    for (size_t i = 0; i < oidc.n; i++) {
        if (disabled(&oidc.items[i])) continue;
        jw_object(&w);
        jw_kstr(&w, "code", oidc.items[i].code);
        jw_kstr(&w, "name", oidc.items[i].name);
        jw_end(&w);
    }
    jw_end(&w);
    jw_kbool(&w, "ldap", any);
    jw_end(&w);
    return 0;
}

static bool secure(const struct api_call *c)
{
    return c->api->cfg.secure_cookies || c->req->tls;
}

/* Lax: the way back comes from another site. */
static void browser_cookie(struct api_call *c, const char *secret)
{
    char text[200];
    snprintf(text, sizeof(text), "%s=%s; Path=/api/v1/session/oidc; HttpOnly; SameSite=Lax; Max-Age=%d%s",
             BROWSER_COOKIE, secret ? secret : "", secret ? 600 : 0, secure(c) ? "; Secure" : "");
    http_set_header(c->res, "Set-Cookie", str_of(text));
}

static int redirect(struct api_call *c, struct str to)
{
    http_set_header(c->res, "Location", to);
    c->res->status = 302;
    return 0;
}

/* As the browser sees us: what Host says, because the provider compares it with what was registered there. */
static struct str own_url(struct api_call *c)
{
    struct str host = http_header(c->req, "host");
    return str_of(arena_printf(c->a, "%s://%.*s", secure(c) ? "https" : "http", STR_ARG(host)));
}

static int oidc_begin(struct api_call *c, struct error *e)
{
    char browser[AUTH_TOKEN_CHARS + 1];
    struct str url = STR_NULL;
    int rc = auth_oidc_begin(c->api->auth, c->a, c->param[0], own_url(c), &url, browser, e);
    if (rc) return rc;
    browser_cookie(c, browser);
    return redirect(c, url);
}

/* People get back to the sign-in page with the reason; programs get the problem. */
static int failed(struct api_call *c, int rc, const struct error *e)
{
    struct buf b;
    if (!str_has(http_header(c->req, "accept"), STR("text/html"))) return rc;
    buf_init(&b, 8192);
    buf_z(&b, "/login?error=");
    percent_encode(&b, str_of(c->zh && e->text_zh[0] ? e->text_zh : e->text));
    struct str to = arena_str(c->a, buf_view(&b));
    buf_fini(&b);
    return redirect(c, to);
}

static int oidc_callback(struct api_call *c, struct error *e)
{
    char secret[AUTH_TOKEN_CHARS + 1];
    struct principal *who = arena_calloc(c->a, 1, sizeof(*who));
    struct auth_answer in = {.provider = c->param[0],
                             .state = http_query(c->req, "state"),
                             .code = http_query(c->req, "code"),
                             .issuer = http_query(c->req, "iss"),
                             .error = http_query(c->req, "error"),
                             .browser = http_cookie(c->req, BROWSER_COOKIE),
                             .from = {c->req->peer, http_header(c->req, "user-agent")}};
    int rc = who ? auth_oidc_finish(c->api->auth, c->a, &in, secret, who, e) : ERR_NOMEM;
    if (rc) return failed(c, rc, e);
    c->actor = who->actor;
    api_audit_note(c, arena_str(c->a, str_of(who->actor.login)), STR_NULL);
    api_cookie_set(c, secret, auth_session_seconds(c->api->auth));
    return redirect(c, STR("/"));
}

#define OPTIONS "{password:boolean;oidc:{code:string;name:string}[];ldap:boolean}"
#define ANYONE(path_, audit_, handler_, ...) \
    API_DO("GET", "/api/v1/session/" path_, "session", ACT_LOGIN, audit_, handler_, __VA_ARGS__)

static const struct api_route rows[] = {
    ANYONE("options", AUDIT_NONE, session_options, .summary_en = "Ways of signing in", .summary_zh = "可用的登录方式",
           .answer_schema = OPTIONS),
    ANYONE("oidc/{provider}", AUDIT_NONE, oidc_begin, .lane = LANE_AUTH, .rate = 60,
           .summary_en = "To the identity provider", .summary_zh = "前往身份提供方登录"),
    ANYONE("oidc/{provider}/callback", AUDIT_SECURITY, oidc_callback, .lane = LANE_AUTH, .rate = 60,
           .summary_en = "Back from the identity provider", .summary_zh = "从身份提供方返回",
           .params = "state:string:State;code:string:Code;iss:string:Issuer;error:string:Error"),
};
const struct route_table api_sso_routes = {rows, sizeof(rows) / sizeof(rows[0])};
