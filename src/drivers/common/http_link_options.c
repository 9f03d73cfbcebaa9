/* http_link_options.c - what the option rows of http_link.h say, checked and made ready: header lines, credentials. */
#include "base/encode.h"
#include "drivers/common/check.h"
#include "drivers/common/http_link_int.h"

#define HEADERS_MAX 50

const struct option_choice http_auths[] = {
    {"none", "none", "无"},
    {"basic", "user name and password (Basic)", "用户名和密码（Basic）"},
    {"bearer", "token (Bearer)", "令牌（Bearer）"},
    {"header", "key in a header", "请求头中的密钥"},
    {"query", "key in the query", "查询参数中的密钥"},
    {"oauth2", "OAuth 2.0, client credentials", "OAuth 2.0 客户端凭据"},
    {0},
};
const struct option_choice http_token_styles[] = {
    {"basic", "in the header (Basic)", "请求头（Basic）"},
    {"body", "in the form", "表单"},
    {0},
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ---- header lines ---- */

static bool name_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`~", c));
}

static bool good_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!name_char(s.p[i])) return false;
    return s.n > 0;
}

static bool good_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') return false;
    return true;
}

static int check_header(struct str line, struct error *e)
{
    static const char *const ours[] = {"host", "content-length", "transfer-encoding", "connection"};
    struct str rest = line, name = str_trim(str_cut(&rest, ':'));
    line = str_sub(line, 0, 60);
    if (!rest.p || !good_name(name) || !good_value(rest))
        return error_set(e, ERR_INVALID, "headers",
                         "'%.*s' is no header: Name: value is expected, e.g. Accept: application/json",
                         "“%.*s”不是请求头：应为“名称: 值”，例如 Accept: application/json", STR_ARG(line));
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (str_ieq(name, str_of(ours[i])))
            return error_set(e, ERR_INVALID, "headers", "the header %.*s is set by itself; leave it out",
                             "请求头 %.*s 自动设置，请删除", STR_ARG(name));
    return 0;
}

static bool next_line(struct str *rest, struct str *ret)
{
    while (rest->p) {
        size_t n = 0;
        while (n < rest->n && rest->p[n] != '|' && rest->p[n] != '\n') n++;
        *ret = str_trim(str_sub(*rest, 0, n));
        *rest = n < rest->n ? str_sub(*rest, n + 1, rest->n) : STR_NULL;
        if (ret->n) return true;
    }
    return false;
}

int http_headers_check(const char *lines, struct error *e)
{
    struct str rest = str_of(lines), line;
    int rc = 0, n = 0;
    while (!rc && next_line(&rest, &line)) {
        if (++n > HEADERS_MAX)
            return error_set(e, ERR_INVALID, "headers", "more than %d headers", "请求头超过 %d 个", HEADERS_MAX);
        rc = check_header(line, e);
    }
    return rc;
}

static int keep_headers(struct http_settings *s, const char *lines, struct error *e)
{
    struct str rest = str_of(lines), line;
    int rc = http_headers_check(lines, e);
    if (rc) return rc;
    const char **all = arena_calloc(&s->arena, HEADERS_MAX + 1, sizeof *all);
    if (!all) return no_memory(e);
    s->headers = all;
    while (next_line(&rest, &line))
        if (!(all[s->nheaders++] = arena_strdup(&s->arena, line))) return no_memory(e);
    return 0;
}

/* ---- credentials ---- */

static const char *basic(struct arena *a, const char *user, const char *password)
{
    struct buf plain, out;
    buf_init(&plain, 16 << 10);
    buf_init(&out, 32 << 10);
    buf_printf(&plain, "%s:%s", user, password);
    buf_z(&out, "Authorization: Basic ");
    base64_encode(&out, plain.p, plain.n, false);
    const char *line = plain.err || out.err ? NULL : arena_strdup(a, buf_view(&out));
    buf_fini(&plain);
    buf_fini(&out);
    return line;
}

static void form_field(struct buf *b, const char *name, const char *value)
{
    if (b->n) buf_u8(b, '&');
    buf_z(b, name);
    buf_u8(b, '=');
    percent_encode(b, str_of(value));
}

static int set_oauth2(struct http_settings *s, const struct options *o, struct error *e)
{
    struct buf b;
    bool in_body = opt_enum(o, "token_style", 0) == 1;
    const char *id = opt_str(o, "client_id", ""), *secret = opt_str(o, "client_secret", ""),
               *scope = opt_str(o, "scope", "");
    int rc = http_url_check(opt_str(o, "token_url", ""), e);
    if (rc == ERR_INVALID && e) snprintf(e->where, sizeof e->where, "token_url");
    if (rc) return rc;
    buf_init(&b, 32 << 10);
    form_field(&b, "grant_type", "client_credentials");
    if (scope[0]) form_field(&b, "scope", scope);
    if (in_body) form_field(&b, "client_id", id);
    if (in_body) form_field(&b, "client_secret", secret);
    s->token_url = arena_strdup(&s->arena, str_of(opt_str(o, "token_url", "")));
    s->token_body = b.err ? NULL : arena_strdup(&s->arena, buf_view(&b));
    s->token_auth = in_body ? NULL : basic(&s->arena, id, secret);
    buf_fini(&b);
    return s->token_url && s->token_body && (in_body || s->token_auth) ? 0 : no_memory(e);
}

static int set_query(struct http_settings *s, const struct options *o, struct error *e)
{
    struct buf b;
    buf_init(&b, 32 << 10);
    percent_encode(&b, str_of(opt_str(o, "key_name", "")));
    s->auth_query_shown = b.err ? NULL : arena_printf(&s->arena, "%.*s=***", STR_ARG(buf_view(&b)));
    buf_u8(&b, '=');
    percent_encode(&b, str_of(opt_str(o, "key", "")));
    s->auth_query = b.err ? NULL : arena_strdup(&s->arena, buf_view(&b));
    buf_fini(&b);
    return s->auth_query && s->auth_query_shown ? 0 : no_memory(e);
}

static int set_key_header(struct http_settings *s, const struct options *o, struct error *e)
{
    const char *name = opt_str(o, "key_name", ""), *key = opt_str(o, "key", "");
    if (!good_name(str_of(name)))
        return error_set(e, ERR_INVALID, "key_name", "'%.60s' is no name of a header; e.g. X-API-Key",
                         "“%.60s”不是请求头名称，例如 X-API-Key", name);
    if (!good_value(str_of(key)))
        return error_set(e, ERR_INVALID, "key", "the key holds line breaks or control characters",
                         "密钥含有换行或控制字符");
    s->auth_header = arena_printf(&s->arena, "%s: %s", name, key);
    return s->auth_header ? 0 : no_memory(e);
}

static int set_bearer(struct http_settings *s, const struct options *o, struct error *e)
{
    struct str token = str_trim(str_of(opt_str(o, "token", "")));
    if (!token.n || !good_value(token))
        return error_set(e, ERR_INVALID, "token", "the token is empty or holds control characters",
                         "令牌为空或含有控制字符");
    s->auth_header = arena_printf(&s->arena, "Authorization: Bearer %.*s", STR_ARG(token));
    return s->auth_header ? 0 : no_memory(e);
}

static int set_basic(struct http_settings *s, const struct options *o, struct error *e)
{
    s->auth_header = basic(&s->arena, opt_str(o, "username", ""), opt_str(o, "password", ""));
    return s->auth_header ? 0 : no_memory(e);
}

static int set_none(struct http_settings *s, const struct options *o, struct error *e)
{
    return 0;
}

static int (*const set_auth[])(struct http_settings *, const struct options *, struct error *) = {
    [AUTH_NONE] = set_none,         [AUTH_BASIC] = set_basic, [AUTH_BEARER] = set_bearer,
    [AUTH_HEADER] = set_key_header, [AUTH_QUERY] = set_query, [AUTH_OAUTH2] = set_oauth2};

/* ---- all ---- */

static int set_url(struct http_settings *s, const char *url, struct error *e)
{
    struct str text = str_trim(str_of(url));
    int rc = http_url_check(url, e);
    if (rc) return rc;
    if (str_find(text, '?') >= 0)
        return error_set(e, ERR_INVALID, "url",
                         "the address must hold no query ('?…'); it goes into the path of the request",
                         "地址中不能含查询（“?…”）；请写到请求路径中");
    while (text.n && text.p[text.n - 1] == '/') text.n--;
    s->url = arena_strdup(&s->arena, text);
    return s->url ? 0 : no_memory(e);
}

static const char *kept(struct http_settings *s, const struct options *o, const char *name, bool *ok)
{
    const char *text = opt_str(o, name, ""), *copy = arena_strdup(&s->arena, str_of(text));
    *ok &= copy != NULL;
    return copy;
}

static void set_proxy(struct http_settings *s, const struct options *o, bool *ok)
{
    s->multi.proxy = kept(s, o, "proxy", ok);
    s->multi.proxy_user = kept(s, o, "proxy_username", ok);
    s->multi.proxy_password = kept(s, o, "proxy_password", ok);
}

/* "http://host:port", nothing else; and what the proxy must not be asked for in our place. */
static int check_proxy(const struct options *o, struct error *e)
{
    static const char *const urls[] = {"url", "token_url"};
    struct str p = str_of(opt_str(o, "proxy", "")), rest = str_sub(p, 7, p.n);
    if (!p.n && (opt_str(o, "proxy_username", "")[0] || opt_str(o, "proxy_password", "")[0]))
        return error_set(e, ERR_INVALID, "proxy",
                         "a user at the proxy is given, but no proxy: e.g. http://10.0.0.1:3128",
                         "填写了代理用户，但没有代理地址：例如 http://10.0.0.1:3128");
    if (!p.n) return 0;
    while (rest.n && rest.p[rest.n - 1] == '/') rest.n--;
    if (!str_starts(p, STR("http://")) || str_find(rest, '/') >= 0 || str_find(rest, '?') >= 0 ||
        http_url_check(p.p, NULL))
        return error_set(e, ERR_INVALID, "proxy",
                         "'%.100s' is no proxy: http://host:port is expected, e.g. http://10.0.0.1:3128; its user has "
                         "an option of its own",
                         "“%.100s”不是代理地址：应为 http://主机:端口，例如 http://10.0.0.1:3128；代理用户请另行填写",
                         p.p);
    for (size_t i = 0; i < 2; i++)
        if (http_url_is_metadata(opt_str(o, urls[i], "")))
            return error_set(e, ERR_INVALID, urls[i],
                             "the address leads to the metadata service of a cloud, which is never asked",
                             "该地址指向云主机的元数据服务，不允许访问");
    return check_line(o, "proxy_username", e);
}

static int set_all(struct http_settings *s, const struct options *o, struct error *e)
{
    bool ok = true;
    double rate = opt_double(o, "rate", 0);
    s->auth = (enum http_auth)opt_enum(o, "auth", AUTH_NONE);
    s->timeout_ms = (uint32_t)opt_ms(o, "timeout", 10000);
    s->parallel = (unsigned)opt_i64(o, "parallel", 4);
    if (s->parallel > LINK_PARALLEL_MAX) s->parallel = LINK_PARALLEL_MAX;
    s->gap_ns = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    s->answer_max = (size_t)opt_i64(o, "answer_max", 16 << 20);
    s->multi = (struct http_multi_config){.ca_pem = kept(s, o, "tls_ca", &ok),
                                          .cert_pem = kept(s, o, "tls_certificate", &ok),
                                          .key_pem = kept(s, o, "tls_key", &ok),
                                          .insecure = !opt_bool(o, "tls_verify", true),
                                          .connections_max = s->parallel,
                                          .connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 5000)};
    set_proxy(s, o, &ok);
    int rc = ok ? set_url(s, opt_str(o, "url", ""), e) : no_memory(e);
    if (!rc) rc = check_proxy(o, e);
    if (!rc) rc = tls_options_check(o, false, e);
    if (!rc) rc = keep_headers(s, opt_str(o, "headers", ""), e);
    return rc ? rc : set_auth[s->auth](s, o, e);
}

int http_settings_new(const struct options *o, struct http_settings **ret, struct error *e)
{
    struct http_settings *s = mem_calloc(1, sizeof *s);
    if (!s) return no_memory(e);
    arena_init(&s->arena, 1 << 20);
    int rc = set_all(s, o, e);
    if (rc)
        http_settings_free(s);
    else
        *ret = s;
    return rc;
}

void http_settings_free(struct http_settings *s)
{
    if (!s) return;
    arena_fini(&s->arena);
    mem_free(s);
}

int http_options_check(const struct options *o, struct error *e)
{
    struct http_settings *s = NULL;
    int rc = http_settings_new(o, &s, e);
    if (!rc) http_settings_free(s);
    return rc;
}
