/* open.c - the options of a channel, checked, and the channel made of them. Nothing is connected here. */
#include "drivers/common/check.h"
#include "drivers/common/opcua_options.h"
#include "drivers/common/rows.h"
#include "drivers/opcua/opcua_int.h"

/* ---- options ---- */

static int parse_url(struct oc_place *c, struct str url, struct error *e)
{
    struct str rest = url, host, port = STR_NULL;
    uint64_t n = OC_PORT;
    if (!str_starts(url, STR("opc.tcp://")))
        return error_set(e, ERR_INVALID, "endpoint", "an endpoint is opc.tcp://host:4840/path",
                         "端点形如 opc.tcp://主机:4840/路径");
    rest = str_sub(rest, 10, rest.n);
    host = str_cut(&rest, '/');
    if (host.n && host.p[0] == '[') { /* IPv6 */
        ptrdiff_t end = str_find(host, ']');
        if (end > 0 && (size_t)end + 2 < host.n) port = str_sub(host, (size_t)end + 2, host.n);
        host = str_sub(host, 1, end > 0 ? (size_t)end - 1 : 0);
    } else if (str_find(host, ':') >= 0) {
        port = host;
        host = str_cut(&port, ':');
    }
    if (host.n == 0 || (port.p && (str_to_u64(port, &n) || n == 0 || n > 65535)))
        return error_set(e, ERR_INVALID, "endpoint",
                         "the host or the port of the endpoint is not right: opc.tcp://host:4840/path",
                         "端点的主机或端口不正确：应形如 opc.tcp://主机:4840/路径");
    str_to_cstr(host, c->host, sizeof c->host);
    str_to_cstr(url, c->url, sizeof c->url);
    c->port = (uint16_t)n;
    return check_at(e, "endpoint", check_host_text(host, e));
}

static void take_texts(struct oc_config *c, const struct options *o)
{
    str_to_cstr(str_of(opt_str(o, "username", "")), c->user_name, sizeof c->user_name);
    str_to_cstr(str_of(opt_str(o, "password", "")), c->password, sizeof c->password);
    size_t n = 0; /* digits alone, in lower case */
    for (const char *t = opt_str(o, "thumbprint", ""); *t && n + 1 < sizeof c->thumbprint; t++) {
        if (*t == ':' || *t == ' ' || *t == '-') continue;
        c->thumbprint[n++] = *t >= 'A' && *t <= 'F' ? (char)(*t - 'A' + 'a') : *t;
    }
}

/* Separated by blanks, commas or lines. */
static int take_others(struct oc_config *c, struct str text, struct error *e)
{
    for (size_t i = 0; i < text.n;) {
        size_t end = i;
        while (end < text.n && !strchr(" ,;\t\r\n", text.p[end])) end++;
        struct str one = str_sub(text, i, end - i);
        i = end + 1;
        if (one.n == 0) continue;
        int rc = c->nothers == OC_SPARES
                     ? error_set(e, ERR_INVALID, "", "at most %d further endpoints", "其他端点最多 %d 个", OC_SPARES)
                     : parse_url(&c->others[c->nothers], one, e);
        if (rc && e) str_to_cstr(STR("endpoints"), e->where, sizeof e->where);
        if (rc) return rc;
        c->nothers++;
    }
    return 0;
}

static int check_thumbprint(const struct oc_config *c, struct error *e)
{
    size_t n = strspn(c->thumbprint, "0123456789abcdef");
    if ((n == 0 || n == 64) && !c->thumbprint[n]) return 0;
    return error_set(
        e, ERR_INVALID, "thumbprint",
        "the thumbprint has %zu characters: it is the SHA-256 of the server's certificate, 64 hexadecimal digits",
        "指纹有 %zu 个字符：应为服务器证书的 SHA-256，即 64 位十六进制数", strlen(c->thumbprint));
}

/* Who signs in needs what the table shows for it. */
static int check_user(const struct oc_config *c, struct error *e)
{
    if (c->user == USER_NAME && !c->user_name[0])
        return error_set(e, ERR_INVALID, "username", "signing in by name needs the user's name",
                         "以用户名登录时必须填写用户名");
    if (c->user == USER_CERT && !c->user_cert)
        return error_set(e, ERR_INVALID, "user_certificate",
                         "signing in by certificate needs the user's certificate and its private key",
                         "以证书登录时必须填写用户证书及其私钥");
    return 0;
}

static int configure(struct oc_config *c, const struct options *o, struct error *e)
{
    take_texts(c, o);
    c->security = opt_enum(o, "security", 0);
    c->user = (enum oc_user)opt_enum(o, "user", USER_ANONYMOUS);
    c->trust = (enum oc_trust)opt_enum(o, "trust", TRUST_LIST);
    c->plain_password = opt_bool(o, "plain_password", false);
    c->backfill = opt_bool(o, "backfill", false);
    c->session_ms = (uint32_t)opt_ms(o, "session_timeout", 60000);
    c->token_ms = (uint32_t)opt_ms(o, "token_lifetime", 3600000);
    c->connect_ms = (uint32_t)opt_ms(o, "connect_timeout", 10000);
    c->answer_ms = (uint32_t)opt_ms(o, "answer_timeout", 10000);
    c->publishing_ms = (uint32_t)opt_ms(o, "publishing_interval", 0);
    c->backoff = reconnect_of(o, 3000);
    c->watch_ms = (uint32_t)opt_ms(o, "watch_interval", 5000);
    int rc = parse_url(&c->at, str_of(opt_str(o, "endpoint", "")), e);
    if (rc == 0) rc = take_others(c, str_of(opt_str(o, "endpoints", "")), e);
    if (rc == 0) rc = check_thumbprint(c, e);
    if (rc == 0) rc = opcua_pair_of(o, "certificate", "private_key", &c->cert, &c->key, e);
    if (rc == 0) rc = opcua_pair_of(o, "user_certificate", "user_key", &c->user_cert, &c->user_key, e);
    return rc ? rc : check_user(c, e);
}

/* ---- the channel ---- */

void oc_config_free(struct oc_config *c)
{
    ua_cert_free(c->cert);
    ua_key_free(c->key);
    ua_cert_free(c->user_cert);
    ua_key_free(c->user_key);
    ua_wipe(c->password, sizeof c->password);
}

int oc_channel_check(const struct options *o, struct error *e)
{
    struct oc_config *c = mem_calloc(1, sizeof *c);
    if (c == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = configure(c, o, e);
    oc_config_free(c);
    mem_free(c);
    return rc;
}

static int open_one(const struct driver_host *host, const struct options *o, struct oc_channel **ret, struct error *e)
{
    struct oc_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&opcua_driver, host};
    ch->st.since_us = host->now_us(host->ctx);
    ch->level = -1;
    int rc = configure(&ch->cfg, o, e);
    if (rc == 0 && uv_timer_init(host->loop, &ch->timer))
        rc = error_set(e, ERR_INTERNAL, "", "no timer", "无法创建定时器");
    if (rc) {
        oc_config_free(&ch->cfg);
        mem_free(ch);
        return rc;
    }
    arena_init(&ch->arena, 256u << 20);
    arena_init(&ch->session, 16u << 20);
    arena_init(&ch->set, 1024);
    buf_init(&ch->rx, OC_TRACE_MAX);
    ch->timer.data = ch;
    ch->timer_open = true;
    *ret = ch;
    return 0;
}

int oc_open_at(const struct driver_host *host, const struct options *o, const struct oc_place *at,
               struct oc_channel **ret, struct error *e)
{
    int rc = open_one(host, o, ret, e);
    if (rc) return rc;
    (*ret)->cfg.at = *at;
    (*ret)->cfg.nothers = 0;
    return 0;
}

int oc_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret, struct error *e)
{
    struct oc_channel *ch = NULL;
    struct error why = {0};
    int rc = open_one(host, o, &ch, e);
    if (rc) return rc;
    if (oc_spares_open(ch, o, &why)) host->log(host->ctx, DRIVER_LOG_ERROR, "a further endpoint is left out", why.text);
    *ret = &ch->base;
    return 0;
}
