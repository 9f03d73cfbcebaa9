/* rules.c - options compiled: those of a device (which messages are its own), those of a channel. */
#include "base/encode.h"
#include "drivers/common/http_link.h"
#include "drivers/websocket/ws_driver_int.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static const char *keep(struct arena *a, const char *z)
{
    return arena_strdup(a, str_of(z));
}

/* ---- a device ---- */

static int compile(struct wd_rules *r, const struct options *o, bool load, struct error *e)
{
    const char *path = keep(&r->arena, opt_str(o, "select", ""));
    r->select_value = keep(&r->arena, opt_str(o, "select_value", ""));
    r->peer = keep(&r->arena, opt_str(o, "peer", ""));
    r->silence_ms = (uint32_t)opt_ms(o, "silence", 0);
    if (!path || !r->select_value || !r->peer) return no_memory(e);
    if (r->peer[0] && r->peer[0] != '/')
        return error_set(e, ERR_INVALID, "peer", "'%.60s': a path begins with '/', e.g. /plc1",
                         "“%.60s”：路径须以“/”开头，例如 /plc1", r->peer);
    int rc = path[0] ? json_path_compile(str_of(path), &r->arena, &r->select, e) : 0;
    if (rc && e) snprintf(e->where, sizeof e->where, "select");
    return rc || !load ? rc : payload_reader_new(o, &r->reader, e);
}

int wd_rules_new(const struct options *o, bool load, struct wd_rules **ret, struct error *e)
{
    struct wd_rules *r = mem_calloc(1, sizeof *r);
    if (!r) return no_memory(e);
    arena_init(&r->arena, 256 << 10);
    int rc = compile(r, o, load, e);
    if (rc)
        wd_rules_free(r);
    else
        *ret = r;
    return rc;
}

void wd_rules_free(struct wd_rules *r)
{
    if (!r) return;
    payload_reader_free(r->reader);
    arena_fini(&r->arena);
    mem_free(r);
}

static bool says(const struct json *v, const char *want)
{
    char text[40];
    if (!want[0]) return true;
    if (v->type == JSON_STRING) return str_is(v->s, want);
    if (v->type == JSON_INT) {
        snprintf(text, sizeof text, "%lld", (long long)v->i);
        return strcmp(text, want) == 0;
    }
    return v->type == JSON_BOOL && strcmp(want, v->b ? "true" : "false") == 0;
}

bool wd_rules_match(const struct wd_rules *r, const struct wd_message *m)
{
    if (r->peer[0] && !str_is(m->path, r->peer)) return false;
    if (!r->select) return true;
    const struct json *v = m->root ? json_path_first(r->select, m->root) : NULL;
    return v && says(v, r->select_value);
}

/* ---- a channel ---- */

static int add_headers(struct wd_config *c, const struct options *o, struct error *e)
{
    const char *lines = opt_str(o, "headers", "");
    int rc = http_headers_check(lines, e);
    if (rc) return rc;
    const char **all = arena_calloc(&c->arena, 54, sizeof *all);
    size_t n = 0;
    if (!all) return no_memory(e);
    c->headers = all;
    if (c->token[0] && opt_enum(o, "token_as", 0) == 0)
        if (!(all[n++] = arena_printf(&c->arena, "Authorization: Bearer %s", c->token))) return no_memory(e);
    struct str rest = str_of(lines);
    while (rest.p && n < 52) {
        size_t k = 0;
        while (k < rest.n && rest.p[k] != '|' && rest.p[k] != '\n') k++;
        struct str line = str_trim(str_sub(rest, 0, k));
        rest = k < rest.n ? str_sub(rest, k + 1, rest.n) : STR_NULL;
        if (line.n && !(all[n++] = arena_strdup(&c->arena, line))) return no_memory(e);
    }
    return 0;
}

static int add_token_query(struct wd_config *c, struct error *e)
{
    struct buf b;
    size_t n = strlen(c->url.target);
    buf_init(&b, sizeof c->url.target);
    buf_printf(&b, "%s%stoken=", c->url.target, strchr(c->url.target, '?') ? "&" : "?");
    percent_encode(&b, str_of(c->token));
    bool fits = !b.err && str_to_cstr(buf_view(&b), c->url.target, sizeof c->url.target);
    buf_fini(&b);
    return fits && n
               ? 0
               : error_set(e, ERR_INVALID, "token", "address and token together are too long", "地址与令牌合计过长");
}

static int init_client(struct wd_config *c, const struct options *o, struct error *e)
{
    const struct tls_client_config t = {.ca_pem = opt_str(o, "tls_ca", ""),
                                        .cert_pem = opt_str(o, "tls_certificate", ""),
                                        .key_pem = opt_str(o, "tls_key", ""),
                                        .verify = opt_bool(o, "tls_verify", true)};
    int rc = ws_url_parse(opt_str(o, "url", ""), &c->url, e);
    if (!rc) rc = add_headers(c, o, e);
    if (!rc && c->token[0] && opt_enum(o, "token_as", 0) == 1) rc = add_token_query(c, e);
    if (rc || !c->url.tls) return rc;
    rc = tls_client_new(&t, &c->tls_client, e);
    if (rc) error_prefix(e, "tls_");
    return rc;
}

static int init_server(struct wd_config *c, const struct options *o, struct error *e)
{
    const char *cert = opt_str(o, "tls_certificate", ""), *key = opt_str(o, "tls_key", "");
    if (strlen(c->token) < 8)
        return error_set(e, ERR_INVALID, "token", "devices sign in with a token of at least 8 characters",
                         "设备须以至少 8 个字符的令牌登录");
    int rc = ip_list_parse(opt_str(o, "allow", ""), &c->allow, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "allow");
    if (rc || (!cert[0] && !key[0])) return rc;
    const struct tls_server_config t = {.cert_pem = cert, .key_pem = key};
    rc = tls_server_new(&t, &c->tls_server, e);
    if (rc) error_prefix(e, "tls_");
    return rc;
}

int wd_config_init(struct wd_config *c, const struct options *o, struct error *e)
{
    *c = (struct wd_config){.server = opt_enum(o, "mode", 0) == 1,
                            .port = (uint16_t)opt_i64(o, "port", 8090),
                            .connections_max = (unsigned)opt_i64(o, "connections_max", 100),
                            .connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 10000),
                            .confirm_ms = (uint32_t)opt_ms(o, "confirm", 5000),
                            .ping_ms = (uint32_t)opt_ms(o, "ping", 30000),
                            .message_max = (size_t)opt_i64(o, "message_max", 1 << 20)};
    arena_init(&c->arena, 512 << 10);
    c->token = keep(&c->arena, opt_str(o, "token", ""));
    c->subscribe = keep(&c->arena, opt_str(o, "subscribe", ""));
    c->protocol = keep(&c->arena, opt_str(o, "protocol", ""));
    c->address = keep(&c->arena, opt_str(o, "address", "0.0.0.0"));
    int rc = c->token && c->subscribe && c->protocol && c->address ? 0 : no_memory(e);
    if (!rc && strpbrk(c->token, "\r\n"))
        rc = error_set(e, ERR_INVALID, "token", "the token holds a line break", "令牌含有换行");
    if (!rc) rc = (c->server ? init_server : init_client)(c, o, e);
    if (rc) wd_config_fini(c);
    return rc;
}

void wd_config_fini(struct wd_config *c)
{
    tls_client_free(c->tls_client);
    tls_server_free(c->tls_server);
    arena_fini(&c->arena);
}
