/* ws_client.c - see ws_client.h: the request, and what the server says to it. */
#include "io/ws_client.h"
#include <openssl/evp.h>
#include <openssl/rand.h>
#include "base/mem.h"
#include "io/http_parse.h"
#include "io/ws_int.h"

struct asking {
    char *request;
    size_t n;
    char accept[32];
    char protocol[64];
    char url[120]; /* for errors */
};

/* ---- addresses ---- */

static int bad_url(const char *url, struct error *e)
{
    return error_set(e, ERR_INVALID, "url", "'%.100s' is no address: wss://host/path or ws://10.0.0.7:8080 is expected",
                     "“%.100s”不是有效地址：应为 wss://主机/路径 或 ws://10.0.0.7:8080", url);
}

static bool take_port(struct str s, uint16_t *ret)
{
    uint64_t v = 0;
    if (str_to_u64(s, &v) || v < 1 || v > 65535) return false;
    *ret = (uint16_t)v;
    return true;
}

static bool good_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("#@\\\"<>", s.p[i])) return false;
    return true;
}

static bool take_authority(struct str a, struct ws_url *u)
{
    struct str host = a, port = STR_NULL;
    if (a.n && a.p[0] == '[') {
        ptrdiff_t end = str_find(a, ']');
        if (end < 0) return false;
        host = str_sub(a, 1, (size_t)end - 1);
        port = str_sub(a, (size_t)end + 1, a.n);
        if (port.n && port.p[0] != ':') return false;
        port = port.n ? str_sub(port, 1, port.n) : STR_NULL;
    } else {
        port = a;
        host = str_cut(&port, ':');
    }
    if (!host.n || !str_to_cstr(host, u->host, sizeof u->host)) return false;
    return !port.p || take_port(port, &u->port);
}

int ws_url_parse(const char *url, struct ws_url *ret, struct error *e)
{
    struct str s = str_trim(str_of(url));
    struct ws_url u = {.tls = str_starts(s, STR("wss://"))};
    if (!good_text(s) || (!u.tls && !str_starts(s, STR("ws://")))) return bad_url(url, e);
    s = str_sub(s, u.tls ? 6 : 5, s.n);
    size_t n = 0;
    while (n < s.n && s.p[n] != '/' && s.p[n] != '?') n++;
    struct str target = str_sub(s, n, s.n);
    bool slash = target.n && target.p[0] == '/';
    u.port = u.tls ? 443 : 80;
    if (!take_authority(str_sub(s, 0, n), &u) || target.n + 2 > sizeof u.target) return bad_url(url, e);
    snprintf(u.target, sizeof u.target, "%s%.*s", slash ? "" : "/", STR_ARG(target));
    *ret = u;
    return 0;
}

/* ---- the request ---- */

static int write_request(struct asking *a, const struct ws_client_config *c)
{
    uint8_t nonce[16];
    char key[32];
    struct buf b;
    bool v6 = strchr(c->url->host, ':') != NULL, usual = c->url->port == (c->url->tls ? 443 : 80);
    if (RAND_bytes(nonce, sizeof nonce) != 1) return ERR_INTERNAL;
    EVP_EncodeBlock((unsigned char *)key, nonce, sizeof nonce);
    ws_accept_key(str_of(key), a->accept);
    buf_init(&b, 64 << 10);
    buf_printf(&b, "GET %s HTTP/1.1\r\nHost: %s%s%s", c->url->target, v6 ? "[" : "", c->url->host, v6 ? "]" : "");
    if (!usual) buf_printf(&b, ":%u", c->url->port);
    buf_printf(
        &b, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
        key);
    if (c->protocol) buf_printf(&b, "Sec-WebSocket-Protocol: %s\r\n", c->protocol);
    for (size_t i = 0; c->headers && c->headers[i]; i++) buf_printf(&b, "%s\r\n", c->headers[i]);
    buf_z(&b, "\r\n");
    a->request = b.err ? NULL : mem_dup(b.p, b.n);
    a->n = b.n;
    buf_fini(&b);
    return a->request ? 0 : ERR_NOMEM;
}

static void send_request(struct ws *w)
{
    const struct asking *a = w->side;
    struct error e = {0};
    int rc = tls_stream_write(w->stream, a->request, a->n);
    if (!rc) {
        w->stats.bytes_out += a->n;
        return;
    }
    error_set(&e, rc, "", "the request could not be sent", "无法发送请求");
    ws_fail(w, &e);
}

/* ---- the answer ---- */

static struct str header(struct str head, const char *name)
{
    while (head.p) {
        struct str value = str_cut(&head, '\n'), key = str_cut(&value, ':');
        if (value.p && str_ieq(str_trim(key), str_of(name))) return str_trim(value);
    }
    return STR_NULL;
}

static int refused(struct ws *w, struct str line, unsigned status)
{
    const struct asking *a = w->side;
    struct error e = {0};
    int code = status == 401   ? ERR_UNAUTHENTICATED
               : status == 403 ? ERR_FORBIDDEN
               : status == 404 ? ERR_NOT_FOUND
               : status >= 500 ? ERR_UNAVAILABLE
                               : ERR_PROTOCOL;
    line = str_sub(str_trim(line), 0, 80);
    if (!status)
        error_set(&e, ERR_PROTOCOL, "", "%s: no WebSocket server answers there (%.*s)",
                  "%s：该地址不是 WebSocket 服务（%.*s）", a->url, STR_ARG(line));
    else
        error_set(&e, code, "", "%s: the server refuses the WebSocket (%.*s)%s",
                  "%s：服务器拒绝 WebSocket 连接（%.*s）%s", a->url, STR_ARG(line),
                  status == 401                   ? "; check the token"
                  : status >= 300 && status < 400 ? "; redirects are not followed"
                                                  : "");
    ws_fail(w, &e);
    return -1;
}

static unsigned status_of(struct str line)
{
    uint64_t v = 0;
    if (!str_starts(line, STR("HTTP/1.1 ")) || str_to_u64(str_sub(line, 9, 3), &v) || v < 100 || v > 599) return 0;
    return (unsigned)v;
}

enum ws_answer ws_answer_check(struct str head, const char *accept, const char *protocol, unsigned *ret_status,
                               struct str *ret_line)
{
    struct str rest = head, line = str_trim(str_cut(&rest, '\n')), chosen = header(rest, "sec-websocket-protocol");
    *ret_status = status_of(line);
    *ret_line = line;
    if (*ret_status != 101) return WS_ANSWER_REFUSED;
    bool good = http_has_token(header(rest, "upgrade"), "websocket") &&
                http_has_token(header(rest, "connection"), "upgrade") &&
                str_is(header(rest, "sec-websocket-accept"), accept) && !header(rest, "sec-websocket-extensions").n;
    if (!good) return WS_ANSWER_WRONG;
    return (protocol[0] ? str_is(chosen, protocol) : !chosen.n) ? WS_ANSWER_GOOD : WS_ANSWER_PROTOCOL;
}

static int check_answer(struct ws *w, struct str head)
{
    const struct asking *a = w->side;
    unsigned status = 0;
    struct str line;
    switch (ws_answer_check(head, a->accept, a->protocol, &status, &line)) {
    case WS_ANSWER_GOOD: return 1;
    case WS_ANSWER_WRONG: return refused(w, STR("a wrong handshake"), 0);
    case WS_ANSWER_PROTOCOL: return refused(w, STR("another subprotocol"), 0);
    default: return refused(w, line, status);
    }
}

static int shake(struct ws *w, const uint8_t *p, size_t n, size_t *ret_used)
{
    size_t before = w->head.n;
    buf_add(&w->head, p, n);
    if (w->head.err) return refused(w, STR("a head larger than 16 KiB"), 0);
    const uint8_t *end = memmem(w->head.p, w->head.n, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t len = (size_t)(end + 4 - w->head.p);
    *ret_used = len - before;
    return check_answer(w, str_make((const char *)w->head.p, len));
}

/* ---- opening ---- */

static void client_gone(struct ws *w)
{
    struct asking *a = w->side;
    mem_free(a->request);
    mem_free(a);
}

static void abandon(struct ws *w)
{
    client_gone(w);
    ws_reader_fini(&w->reader);
    buf_fini(&w->head);
}

static void timer_only_gone(uv_handle_t *h)
{
    mem_free(h->data);
}

int ws_client_open(uv_loop_t *loop, const struct ws_client_config *c, const struct ws_ops *ops, void *ctx,
                   struct ws **ret, struct error *e)
{
    struct ws *w = mem_calloc(1, sizeof *w);
    struct asking *a = mem_calloc(1, sizeof *a);
    const struct tls_stream_config sc = {.host = c->url->host,
                                         .port = c->url->port,
                                         .connect_ms = c->connect_ms,
                                         .tls = c->url->tls ? c->tls : NULL,
                                         .out_max = c->limits.out_max ? c->limits.out_max : 4u << 20};
    if (!w || !a || write_request(a, c)) {
        if (a) mem_free(a->request);
        mem_free(a);
        mem_free(w);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    snprintf(a->url, sizeof a->url, "%.100s:%u", c->url->host, c->url->port);
    snprintf(a->protocol, sizeof a->protocol, "%s", c->protocol ? c->protocol : "");
    *w = (struct ws){.ops = ops, .ctx = ctx, .begin = send_request, .shake = shake, .gone = client_gone, .side = a};
    int rc = ws_init(w, loop, &c->limits, true, c->connect_ms);
    if (!rc) rc = tls_stream_open(loop, &sc, &ws_stream_ops, w, &w->stream, e);
    if (!rc) {
        *ret = w;
        return 0;
    }
    abandon(w);
    uv_close((uv_handle_t *)&w->timer, timer_only_gone);
    return rc;
}
