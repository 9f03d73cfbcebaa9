/* server.c - configuration, our certificate, whom we trust, listening, the one timer, closing.
 *
 *   open -> (a key is made where none was given) -> listening; a port that is taken is tried again, 1 -> 60 s. */
#include <stdarg.h>
#include "drivers/common/wake.h"
#include "drivers/common/check.h"
#include "drivers/common/opcua_options.h"
#include "outlets/opcua/server_int.h"
#include "proto/opcua/ua_trust.h"

#define DAY_US 86400000000ll
#define BACKLOG 128
#define ASK_NS (10000 * NS_MS) /* whether our certificate was renewed, at a new connection */
#define AGAIN_NS (200 * NS_MS) /* while it is being made */

uint64_t os_now(const struct os_server *s)
{
    return s->base.host->mono_ns(s->base.host->ctx);
}
int64_t os_utc(const struct os_server *s)
{
    return s->base.host->now_us(s->base.host->ctx);
}
int os_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return uv_random(NULL, NULL, p, n, 0, NULL) == 0 ? 0 : ERR_IO;
}
void os_log(const struct os_server *s, enum driver_log level, const char *msg, const char *fmt, ...)
{
    char kv[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(kv, sizeof kv, fmt, ap);
    va_end(ap);
    s->base.host->log(s->base.host->ctx, level, msg, kv);
}

void os_plain(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\' || *c == 0x7f) *c = '_';
}

static void set_state(struct os_server *s, enum driver_state state, const struct error *why)
{
    const struct outlet_host *h = s->base.host;
    bool changed = s->st.state != state;
    str_to_cstr(str_of(why ? why->text : ""), s->st.reason, sizeof s->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), s->st.reason_zh, sizeof s->st.reason_zh);
    if (!changed) return;
    s->st.state = state;
    s->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, state, why);
}
void os_refresh_state(struct os_server *s)
{
    struct error e;
    if (!s->listening) return;
    uint32_t n = s->space->left_out;
    error_set(&e, ERR_INVALID, "", "%u points are left out: their addresses are those of others",
              "有 %u 个测点因地址与其他测点重复而未发布", n);
    set_state(s, n ? DRIVER_DEGRADED : DRIVER_UP, n ? &e : NULL);
}

/* ---- trust ---- */

static void note_refused(struct os_server *s, const struct ua_cert *peer, const struct error *why)
{
    const struct ua_cert_info *i = ua_cert_info(peer);
    for (unsigned k = 0; k < sizeof s->refused / sizeof s->refused[0]; k++)
        if (memcmp(s->refused[k].print, i->thumbprint, 20) == 0) return;
    char subject[256], uri[256];
    str_to_cstr(str_of(i->subject), subject, sizeof subject);
    str_to_cstr(str_of(i->uri), uri, sizeof uri);
    os_plain(subject);
    os_plain(uri);
    memcpy(s->refused[s->refused_at++ % (sizeof s->refused / sizeof s->refused[0])].print, i->thumbprint, 20);
    os_log(s, DRIVER_LOG_WARN, "a client's certificate is refused", "subject=\"%s\" uri=\"%s\" why=\"%s\"", subject,
           uri, why->text);
}
/* By the list of the options, or by what administrators decided about it or about who signed it. */
static uint32_t judge(struct os_server *s, const struct ua_cert *c, struct ua_cert *const *list, size_t n,
                      const char *purpose, struct error *e)
{
    const struct outlet_host *h = s->base.host;
    struct ua_cert_check k = {.now_us = os_utc(s), .trusted = list, .trusted_n = n};
    if (n && ua_cert_verify(c, &k, NULL) == 0) return 0;
    struct ua_trust t = {.ask = h->trust, .ctx = h->ctx, .purpose = purpose, .now_us = k.now_us};
    return ua_cert_trust(c, &t, NULL, e);
}
uint32_t os_trusts(struct os_server *s, const struct ua_cert *peer)
{
    struct error e = {0};
    if (s->cfg.trust_any) return 0;
    uint32_t status = judge(s, peer, s->cfg.trusted, s->cfg.ntrusted, "opcua", &e);
    if (status) note_refused(s, peer, &e);
    return status;
}
bool os_trusts_user(struct os_server *s, const struct ua_cert *user)
{
    struct error e;
    return judge(s, user, s->cfg.trusted_users, s->cfg.ntrusted_users, "opcua_user", &e) == 0;
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *t)
{
    struct os_server *s = t->data;
    s->wake_ns = 0;
    os_pump(s);
}
void os_wake(struct os_server *s, uint64_t ns)
{
    if (!s->closing) wake_at(&s->timer, on_timer, &s->wake_ns, os_now(s), ns);
}
static void start_listening(struct os_server *s);

void os_pump(struct os_server *s)
{
    uint64_t now = os_now(s), next = UINT64_MAX;
    if (s->closing || s->pumping) return;
    s->pumping = true;
    if (!s->listening && !s->listener_open && !s->working && now >= s->retry_ns) start_listening(s);
    if (!s->listening && s->retry_ns > now) next = s->retry_ns;
    wake_earlier(&next, os_sessions_tick(s, now));
    wake_earlier(&next, os_subs_tick(s, now));
    for (struct os_conn *c = s->conns, *after; c; c = after) {
        after = c->next;
        wake_earlier(&next, os_conn_tick(c, now));
        os_conn_flush(c);
    }
    s->pumping = false;
    os_wake(s, next);
}

/* ---- listening ---- */

static void on_listener_closed(uv_handle_t *h)
{
    struct os_server *s = h->data;
    s->listener_open = false;
    s->handles--;
    if (s->closing)
        os_finish(s);
    else
        os_wake(s, s->retry_ns);
}
static void close_listener(struct os_server *s)
{
    s->listening = false;
    if (s->listener_open && !uv_is_closing((uv_handle_t *)&s->listener))
        uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}
static void on_connection(uv_stream_t *t, int status)
{
    struct os_server *s = t->data;
    if (status == 0 && !s->closing) os_accept(s);
}
static int bind_and_listen(struct os_server *s)
{
    struct sockaddr_storage a = {0};
    int n = sizeof a;
    const char *ip = s->cfg.address;
    if (uv_ip4_addr(ip, s->cfg.port, (struct sockaddr_in *)&a) &&
        uv_ip6_addr(ip, s->cfg.port, (struct sockaddr_in6 *)&a))
        return UV_EADDRNOTAVAIL;
    int rc = uv_tcp_bind(&s->listener, (struct sockaddr *)&a, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    if (rc == 0) rc = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&a, &n);
    if (rc == 0)
        s->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                                : ((struct sockaddr_in *)&a)->sin_port);
    return rc;
}
static void retry_later(struct os_server *s, const struct error *e)
{
    s->retry_ms = s->retry_ms ? s->retry_ms * 2 : 1000;
    if (s->retry_ms > 60000) s->retry_ms = 60000;
    s->retry_ns = os_now(s) + (s->retry_ms + s->base.host->random(s->base.host->ctx) % 250) * NS_MS;
    if (s->st.state != DRIVER_DOWN) os_log(s, DRIVER_LOG_WARN, "not listening", "err=\"%s\"", e->text);
    set_state(s, DRIVER_DOWN, e);
    os_wake(s, s->retry_ns);
}
static bool have_own(struct os_server *s);

static void start_listening(struct os_server *s)
{
    struct error e;
    if (!have_own(s)) return;
    uv_tcp_init(s->base.host->loop, &s->listener);
    s->listener.data = s;
    s->listener_open = true;
    s->handles++;
    int rc = bind_and_listen(s);
    if (rc) {
        error_set(&e, rc == UV_EADDRINUSE ? ERR_EXISTS : ERR_UNAVAILABLE, "port",
                  "%s:%u cannot be listened on: %s; another program may have the port",
                  "无法监听 %s:%u：%s；端口可能被其他程序占用", s->cfg.address, s->cfg.port, uv_strerror(rc));
        retry_later(s, &e);
        close_listener(s);
        return;
    }
    s->listening = true;
    s->retry_ms = 0;
    os_refresh_state(s);
}

/* ---- our certificate ---- */

void os_own_unref(struct os_own *o)
{
    if (o == NULL || --o->refs) return;
    ua_cert_free(o->cert);
    ua_key_free(o->key);
    mem_free(o);
}
static struct os_own *new_own(void)
{
    struct os_own *o = mem_calloc(1, sizeof *o);
    if (o) o->refs = 1;
    return o;
}
static void adopt(struct os_server *s, struct os_own *o)
{
    os_own_unref(s->own);
    s->own = o;
    const char *uri = ua_cert_info(o->cert)->uri;
    if (!s->cfg.own_uri && uri[0]) str_to_cstr(str_of(uri), s->cfg.uri, sizeof s->cfg.uri);
}
static int parse_own(struct os_server *s, const char *cert, const char *key, struct error *e)
{
    struct os_own *o = new_own();
    if (o == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    o->hash = str_hash(str_of(cert), hash_seed());
    int rc = ua_cert_parse(str_of(cert), &o->cert, e);
    if (rc == 0) rc = ua_key_parse(str_of(key), STR_NULL, &o->key, e);
    if (rc == 0 && !ua_cert_has_key(o->cert, o->key))
        rc = error_set(e, ERR_INVALID, "", "certificate and private key do not belong together", "证书与私钥不匹配");
    if (rc)
        os_own_unref(o);
    else
        adopt(s, o);
    return rc;
}
/* That of this node. ERR_AGAIN: it is being made; other errors: there is none. */
static int ask_host(struct os_server *s, struct error *e)
{
    const struct outlet_host *h = s->base.host;
    const char *cert = NULL, *key = NULL;
    int rc = h->identity ? h->identity(h->ctx, "opcua", &cert, &key) : ERR_UNSUPPORTED;
    s->asked_ns = os_now(s);
    if (rc || (s->own && s->own->hash == str_hash(str_of(cert), hash_seed()))) return rc;
    return parse_own(s, cert, key, e);
}
void os_own_check(struct os_server *s)
{
    struct error e;
    if (!s->hosts_own || os_now(s) - s->asked_ns < ASK_NS) return;
    if (ask_host(s, &e) && e.code)
        os_log(s, DRIVER_LOG_WARN, "our new certificate cannot be used", "err=\"%s\"", e.text);
}

static void work_make_key(uv_work_t *w)
{
    struct os_server *s = w->data;
    struct os_config *f = &s->cfg;
    struct os_own *o = s->making;
    char host[UV_MAXHOSTNAMESIZE] = "localhost";
    size_t n = sizeof host;
    uint64_t serial = 0;
    struct buf der;
    uv_os_gethostname(host, &n);
    if (os_random(NULL, &serial, sizeof serial) || ua_key_new(2048, &o->key, NULL)) return;
    struct str hosts[2] = {str_of(host), str_of(f->host)};
    struct ua_cert_make m = {.name = str_of(f->name),
                             .organization = STR("Bornite"),
                             .uri = str_of(f->uri),
                             .hosts = hosts,
                             .hosts_n = f->host[0] ? 2 : 1,
                             .serial = (serial >> 1) | 1,
                             .from_us = s->started_us - DAY_US,
                             .until_us = s->started_us + 3650 * DAY_US};
    buf_init(&der, 65536);
    if (ua_cert_new(&m, o->key, NULL, NULL, &der, NULL) || ua_cert_parse(buf_view(&der), &o->cert, NULL))
        o->cert = NULL;
    buf_fini(&der);
}
static void key_made(uv_work_t *w, int status)
{
    struct os_server *s = w->data;
    struct os_own *o = TAKE(s->making);
    struct error e;
    (void)status;
    s->working = false;
    s->handles--;
    if (s->closing) {
        os_own_unref(o);
        os_finish(s);
        return;
    }
    if (o->cert == NULL) {
        os_own_unref(o);
        error_set(&e, ERR_INTERNAL, "", "no key could be made for our certificate", "无法生成本端证书的密钥");
        retry_later(s, &e);
        return;
    }
    adopt(s, o);
    os_pump(s);
}
/* In libuv's pool: it takes a tenth of a second or more. */
static void make_key(struct os_server *s)
{
    s->making = new_own();
    s->work.data = s;
    if (s->making == NULL || uv_queue_work(s->base.host->loop, &s->work, work_make_key, key_made)) {
        os_own_unref(TAKE(s->making));
        s->retry_ns = os_now(s) + ASK_NS;
        return;
    }
    s->working = true;
    s->handles++;
}
/* false: not yet, it is being made here or by the host. */
static bool have_own(struct os_server *s)
{
    struct error e = {0};
    if (s->own) return true;
    set_state(s, DRIVER_CONNECTING, NULL);
    int rc = ask_host(s, &e);
    s->hosts_own = rc == 0;
    if (rc == ERR_AGAIN) {
        s->retry_ns = os_now(s) + AGAIN_NS;
        os_wake(s, s->retry_ns);
    } else if (rc) {
        if (e.code) os_log(s, DRIVER_LOG_WARN, "the certificate of this node cannot be used", "err=\"%s\"", e.text);
        make_key(s);
    }
    return rc == 0;
}

/* ---- configuration ---- */

static int take_own(struct os_server *s, const struct options *o, struct error *e)
{
    struct os_own *own = new_own();
    const char *cert = opt_str(o, "certificate", "");
    if (own == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    own->hash = str_hash(str_of(cert), hash_seed());
    int rc = opcua_pair_of(o, "certificate", "private_key", &own->cert, &own->key, e);
    if (rc || own->cert == NULL)
        os_own_unref(own);
    else
        adopt(s, own);
    return rc;
}
/* PEM texts one after the other: each is a certificate of its own. */
static int take_list(const struct options *o, const char *name, struct ua_cert **list, size_t *n, struct error *e)
{
    static const struct str end = {"-----END CERTIFICATE-----", 25};
    struct str rest = str_trim(str_of(opt_str(o, name, "")));
    while (rest.n) {
        size_t at = 0;
        while (at + end.n <= rest.n && memcmp(rest.p + at, end.p, end.n) != 0) at++;
        size_t len = at + end.n <= rest.n ? at + end.n : rest.n;
        int rc = *n < OS_CERTS ? ua_cert_parse(str_sub(rest, 0, len), &list[*n], e)
                               : error_set(e, ERR_LIMIT, "", "at most %d certificates", "最多 %d 个证书", OS_CERTS);
        if (rc) return check_at(e, name, rc);
        ++*n;
        rest = str_trim(str_sub(rest, len, rest.n));
    }
    return 0;
}
static void take_security(struct os_config *f, const struct options *o)
{
    static const struct {
        const char *name;
        enum ua_policy_id policy;
    } rows[] = {{"basic256sha256", UA_POLICY_BASIC256SHA256},
                {"aes128_sha256_rsaoaep", UA_POLICY_AES128_SHA256_RSAOAEP},
                {"aes256_sha256_rsapss", UA_POLICY_AES256_SHA256_RSAPSS}};
    unsigned modes = 1u << UA_MODE_SIGN_ENCRYPT | (opt_bool(o, "sign_only", false) ? 1u << UA_MODE_SIGN : 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (opt_bool(o, rows[i].name, true)) f->modes[rows[i].policy] = (uint8_t)modes;
    if (opt_bool(o, "none", false)) f->modes[UA_POLICY_NONE] = 1 << UA_MODE_NONE;
    if (opt_bool(o, "anonymous", true)) f->users |= USERS_ANONYMOUS;
    if (opt_bool(o, "username", true)) f->users |= USERS_NAME;
    if (opt_bool(o, "user_certificate", false)) f->users |= USERS_CERTIFICATE;
    f->trust_any = opt_enum(o, "trust", 0) == 1;
}
static void take_limits(struct os_config *f, const struct options *o)
{
    f->max_conns = (uint32_t)opt_i64(o, "max_connections", 100);
    f->max_sessions = (uint32_t)opt_i64(o, "max_sessions", 100);
    f->max_subs = (uint32_t)opt_i64(o, "max_subscriptions", 500);
    f->max_items = (uint32_t)opt_i64(o, "max_items", 100000);
    f->max_queue = (uint32_t)opt_i64(o, "max_queue", 1000);
    f->max_nodes = (uint32_t)opt_i64(o, "max_nodes", 1000);
    f->max_message = (uint32_t)opt_i64(o, "max_message", 4) << 20;
    f->max_out = (uint64_t)opt_i64(o, "max_output", 16) << 20;
    f->max_notes = (uint64_t)opt_i64(o, "max_waiting", 1000000);
    f->max_publish = 20;
    f->session_max_ms = (uint32_t)opt_ms(o, "session_timeout_max", 3600000);
    f->publishing_min_ms = (uint32_t)opt_ms(o, "publishing_min", 100);
    f->history = opt_bool(o, "history", true);
    f->alarms = opt_bool(o, "alarms", true);
}
static void take_names(struct os_server *s, const struct options *o)
{
    struct os_config *f = &s->cfg;
    char host[UV_MAXHOSTNAMESIZE] = "localhost";
    size_t n = sizeof host;
    const char *node = s->base.host->node_name ? s->base.host->node_name : "";
    uv_os_gethostname(host, &n);
    str_to_cstr(str_of(opt_str(o, "address", "0.0.0.0")), f->address, sizeof f->address);
    str_to_cstr(str_of(opt_str(o, "host", "")), f->host, sizeof f->host);
    str_to_cstr(str_of(opt_str(o, "application_name", "Bornite")), f->name, sizeof f->name);
    str_to_cstr(str_of(opt_str(o, "namespace_uri", "urn:bornite:points")), f->ns_uri, sizeof f->ns_uri);
    str_to_cstr(str_of(opt_str(o, "application_uri", "")), f->uri, sizeof f->uri);
    f->own_uri = f->uri[0] != 0;
    if (!f->uri[0] && s->own) str_to_cstr(str_of(ua_cert_info(s->own->cert)->uri), f->uri, sizeof f->uri);
    if (!f->uri[0]) snprintf(f->uri, sizeof f->uri, "urn:%.80s:bornite%s%.80s", host, node[0] ? ":" : "", node);
    f->port = (uint16_t)opt_i64(o, "port", OS_PORT);
}
/* What one has to be on, and what excludes each other. */
static int check_choices(const struct os_config *f, struct error *e)
{
    bool any = false;
    for (unsigned i = 0; i < UA_POLICY_COUNT; i++) any |= f->modes[i] != 0;
    if (!any)
        return error_set(e, ERR_INVALID, "basic256sha256",
                         "at least one security policy must be on: Basic256Sha256, or none at all with 'none'",
                         "至少启用一种安全策略：例如 Basic256Sha256，或启用“无安全”");
    if (f->users == 0)
        return error_set(e, ERR_INVALID, "anonymous",
                         "at least one way to sign in must be on: anonymous, by password or by certificate",
                         "至少启用一种登录方式：匿名、密码或证书");
    return 0;
}
static int check_names(const struct options *o, struct error *e)
{
    static const struct option_rule rules[] = {{check_bind, "address"},          {check_host, "host"},
                                               {check_line, "application_name"}, {check_line, "application_uri"},
                                               {check_line, "namespace_uri"},    {0}};
    const char *uri = opt_str(o, "application_uri", ""), *ns = opt_str(o, "namespace_uri", "");
    int rc = check_rules(rules, o, e);
    if (rc) return rc;
    if (strcmp(ns, "http://opcfoundation.org/UA/") == 0 || (uri[0] && strcmp(ns, uri) == 0))
        return error_set(
            e, ERR_INVALID, "namespace_uri",
            "'%.100s' is a namespace of OPC UA itself or of this server: the points need one of their own, such "
            "as urn:plant:points",
            "“%.100s”是 OPC UA 或本服务端自身的命名空间；测点须使用单独的命名空间，例如 urn:plant:points", ns);
    return 0;
}
static int check_uri(const struct options *o, const struct ua_cert *cert, struct error *e)
{
    const char *uri = opt_str(o, "application_uri", ""), *its = cert ? ua_cert_info(cert)->uri : "";
    if (!uri[0] || !its[0] || strcmp(uri, its) == 0) return 0;
    return error_set(
        e, ERR_INVALID, "application_uri",
        "clients refuse a server whose URI is not that of its certificate: leave it out, or write '%.150s'",
        "客户端会拒绝 URI 与证书不符的服务端：请留空，或填写“%.150s”", its);
}
static void free_config(struct os_config *f)
{
    for (size_t i = 0; i < f->ntrusted; i++) ua_cert_free(f->trusted[i]);
    for (size_t i = 0; i < f->ntrusted_users; i++) ua_cert_free(f->trusted_users[i]);
}
/* Security, limits, certificates of others; free_config whatever it returns. */
static int take_config(struct os_config *f, const struct options *o, struct error *e)
{
    take_security(f, o);
    take_limits(f, o);
    int rc = take_list(o, "trusted", f->trusted, &f->ntrusted, e);
    if (rc == 0) rc = take_list(o, "trusted_users", f->trusted_users, &f->ntrusted_users, e);
    if (rc == 0) rc = check_choices(f, e);
    return rc ? rc : check_names(o, e);
}
int os_channel_check(const struct options *o, struct error *e)
{
    struct os_config *f = mem_calloc(1, sizeof *f);
    struct ua_cert *cert = NULL;
    struct ua_key *key = NULL;
    if (f == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = take_config(f, o, e);
    if (rc == 0) rc = opcua_pair_of(o, "certificate", "private_key", &cert, &key, e);
    if (rc == 0) rc = check_uri(o, cert, e);
    ua_cert_free(cert);
    ua_key_free(key);
    free_config(f);
    mem_free(f);
    return rc;
}

/* ---- open and close ---- */

int os_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    struct os_server *s = mem_calloc(1, sizeof *s);
    if (s == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->base = (struct outlet_channel){&opcua_server_outlet, host};
    s->started_us = s->st.since_us = host->now_us(host->ctx);
    int rc = take_config(&s->cfg, o, e);
    if (rc == 0) rc = take_own(s, o, e);
    take_names(s, o);
    if (rc == 0) rc = os_space_set(s, NULL, 0, e);
    if (rc == 0 && uv_timer_init(host->loop, &s->timer))
        rc = error_set(e, ERR_INTERNAL, "", "no timer", "无法创建定时器");
    if (rc) {
        free_config(&s->cfg);
        os_own_unref(s->own);
        os_space_free(s->space);
        mem_free(s->by_slot);
        mem_free(s);
        return rc;
    }
    s->event_seed = host->random(host->ctx) | 1;
    arena_init(&s->arena, 128u << 20);
    s->timer.data = s;
    s->handles = 1;
    s->st.state = DRIVER_CONNECTING;
    *ret = &s->base;
    os_wake(s, os_now(s));
    return 0;
}

/* All handles are gone, nothing is with the host any more: tell it. */
void os_finish(struct os_server *s)
{
    if (!s->closing || s->finished || s->handles || s->jobs) return;
    s->finished = true;
    driver_closed *closed = s->closed;
    void *arg = s->closed_arg;
    os_space_free(s->space);
    mem_free(s->by_slot);
    mem_free(s->items);
    arena_fini(&s->arena);
    free_config(&s->cfg);
    os_own_unref(s->own);
    mem_free(s);
    closed(arg);
}
static void on_timer_closed(uv_handle_t *h)
{
    struct os_server *s = h->data;
    s->handles--;
    os_finish(s);
}
void os_close(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct os_server *s = (struct os_server *)base;
    s->closed = closed;
    s->closed_arg = arg;
    while (s->sessions) os_session_end(s, s->sessions, true);
    os_subs_free(s);
    s->closing = true;
    while (s->conns) {
        ua_channel_fail(s->conns->ua, UA_BAD_SHUTDOWN, STR("the server is being stopped"));
        os_conn_end(s->conns);
    }
    close_listener(s);
    s->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
