/* ws_settings.c - see ws_settings.h. */
#include "drivers/common/ws_settings.h"
#include "base/encode.h"
#include "base/mem.h"
#include "drivers/common/check.h"

#define HEADERS_MAX 50

const struct option_choice ws_token_places[] = {
    {"header", "header Authorization: Bearer", "请求头 Authorization: Bearer"},
    {"query", "parameter token", "查询参数 token"},
    {0}};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static const char *keep(struct ws_settings *s, const struct options *o, const char *name, const char *def)
{
    return arena_strdup(&s->arena, str_of(opt_str(o, name, def)));
}

static int add_headers(struct ws_settings *s, const struct options *o, struct error *e)
{
    struct str rest = str_of(opt_str(o, "headers", ""));
    int rc = http_headers_check(opt_str(o, "headers", ""), e);
    const char **all = arena_calloc(&s->arena, HEADERS_MAX + 2, sizeof *all);
    size_t n = 0;
    if (rc || !all) return rc ? rc : no_memory(e);
    s->headers = all;
    if (s->token[0] && opt_enum(o, "token_as", 0) == 0)
        if (!(all[n++] = arena_printf(&s->arena, "Authorization: Bearer %s", s->token))) return no_memory(e);
    while (rest.p && n < HEADERS_MAX) {
        size_t k = 0;
        while (k < rest.n && rest.p[k] != '|' && rest.p[k] != '\n') k++;
        struct str line = str_trim(str_sub(rest, 0, k));
        rest = k < rest.n ? str_sub(rest, k + 1, rest.n) : STR_NULL;
        if (line.n && !(all[n++] = arena_strdup(&s->arena, line))) return no_memory(e);
    }
    return 0;
}

static int add_token_query(struct ws_settings *s, struct error *e)
{
    struct buf b;
    buf_init(&b, sizeof s->url.target);
    buf_printf(&b, "%s%stoken=", s->url.target, strchr(s->url.target, '?') ? "&" : "?");
    percent_encode(&b, str_of(s->token));
    bool fits = !b.err && str_to_cstr(buf_view(&b), s->url.target, sizeof s->url.target);
    buf_fini(&b);
    return fits ? 0
                : error_set(e, ERR_INVALID, "token", "address and token together are too long", "地址与令牌合计过长");
}

/* A token of RFC 9110, 5.6.2. */
static int check_protocol(const char *p, struct error *e)
{
    for (const char *c = p; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *c))
            return error_set(e, ERR_INVALID, "protocol",
                             "'%s' is no name of a subprotocol: no blanks and no (),/:;<=>?@[]{}",
                             "“%s”不是子协议名：不能含空格和 (),/:;<=>?@[]{}", p);
    return 0;
}

static int init_client(struct ws_settings *s, const struct options *o, struct error *e)
{
    s->connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 10000);
    s->reconnect_min_ms = (uint32_t)opt_ms(o, "reconnect_min", 1000);
    s->reconnect_max_ms = (uint32_t)opt_ms(o, "reconnect_max", 60000);
    int rc = check_at(e, "url", ws_url_parse(opt_str(o, "url", ""), &s->url, e));
    if (!rc) rc = add_headers(s, o, e);
    if (!rc && s->token[0] && opt_enum(o, "token_as", 0) == 1) rc = add_token_query(s, e);
    if (!rc) rc = check_protocol(s->protocol, e);
    if (rc) return rc;
    return s->url.tls ? tls_client_of(o, &s->tls_client, e) : tls_options_check(o, false, e);
}

static int init_server(struct ws_settings *s, const struct options *o, struct error *e)
{
    s->port = (uint16_t)opt_i64(o, "port", 0);
    s->connections_max = (unsigned)opt_i64(o, "connections_max", 100);
    if (strlen(s->token) < 8)
        return error_set(e, ERR_INVALID, "token", "others sign in with a token of at least 8 characters",
                         "对端须以至少 8 个字符的令牌登录");
    int rc = check_ip_list(o, "allow", &s->allow, e);
    if (!rc) rc = check_bind(o, "address", e);
    return rc || !tls_own_given(o) ? rc : tls_server_of(o, &s->tls_server, e);
}

int ws_settings_init(struct ws_settings *s, const struct options *o, bool server, struct error *e)
{
    *s = (struct ws_settings){.server = server,
                              .limits = {.message_max = (size_t)opt_i64(o, "message_max", 1 << 20),
                                         .ping_ms = (uint32_t)opt_ms(o, "ping", 30000)}};
    arena_init(&s->arena, 512 << 10);
    s->token = keep(s, o, "token", "");
    s->subscribe = keep(s, o, "subscribe", "");
    s->protocol = keep(s, o, "protocol", "");
    s->address = keep(s, o, "address", "0.0.0.0");
    int rc = s->token && s->subscribe && s->protocol && s->address ? 0 : no_memory(e);
    if (!rc) rc = check_line(o, "token", e);
    if (!rc) rc = (server ? init_server : init_client)(s, o, e);
    if (rc) ws_settings_fini(s);
    return rc;
}

void ws_settings_fini(struct ws_settings *s)
{
    tls_client_free(s->tls_client);
    tls_server_free(s->tls_server);
    arena_fini(&s->arena);
}

struct ws_client_config ws_settings_client(const struct ws_settings *s)
{
    return (struct ws_client_config){.url = &s->url,
                                     .tls = s->tls_client,
                                     .headers = s->headers,
                                     .protocol = s->protocol[0] ? s->protocol : NULL,
                                     .connect_ms = s->connect_ms,
                                     .limits = s->limits};
}

struct ws_server_config ws_settings_server(const struct ws_settings *s)
{
    return (struct ws_server_config){.address = s->address,
                                     .port = s->port,
                                     .tls = s->tls_server,
                                     .allow = s->allow.n ? &s->allow : NULL,
                                     .connections_max = s->connections_max,
                                     .limits = s->limits};
}

bool ws_token_right(const struct ws_settings *s, const struct ws_request *q)
{
    struct str a = ws_request_token(q);
    size_t n = strlen(s->token);
    unsigned diff = a.n != n;
    for (size_t i = 0; i < a.n && n; i++) diff |= (unsigned char)(a.p[i] ^ s->token[i % n]);
    return diff == 0;
}

int ws_options_check(const struct options *o, bool server, struct error *e)
{
    struct ws_settings s;
    int rc = ws_settings_init(&s, o, server, e);
    if (!rc) ws_settings_fini(&s);
    return rc;
}
