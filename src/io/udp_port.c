/* udp_port.c - see udp_port.h. */
#include "io/udp_port.h"
#include <errno.h>
#include <stdio.h>
#include "base/mem.h"
#include "base/str.h"

#define DATAGRAM_MAX 65536

struct udp_port {
    uv_udp_t udp;
    uv_getaddrinfo_t resolve;
    const struct udp_port_ops *ops;
    void *ctx;
    char peer[256];
    uint16_t peer_port;
    struct sockaddr_storage to;
    bool open, resolving, closing, closed_handle, reading, dead;
    void (*closed)(void *arg);
    void *closed_arg;
    uv_timer_t soon; /* so that opened never comes from inside udp_port_open */
    bool timer_open;
    uint8_t in[DATAGRAM_MAX];
};

static void lose(struct udp_port *u, int status, const char *what)
{
    struct error e;
    if (u->dead || u->closing) return;
    u->dead = true;
    error_set(&e, ERR_UNAVAILABLE, "", "%s: %s", "%s：%s", what, uv_strerror(status));
    u->ops->lost(u->ctx, &e);
}

/* ---- receiving ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct udp_port *u = h->data;
    *buf = uv_buf_init((char *)u->in, sizeof u->in);
}

static void on_datagram(uv_udp_t *h, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct udp_port *u = h->data;
    char host[64] = "";
    if (n == UV_ECONNREFUSED) {
        if (u->ops->refused) u->ops->refused(u->ctx);
        return;
    }
    if (n < 0) lose(u, (int)n, "UDP");
    if (n <= 0 || from == NULL) return;
    bool v6 = from->sa_family == AF_INET6;
    uint16_t port =
        ntohs(v6 ? ((const struct sockaddr_in6 *)from)->sin6_port : ((const struct sockaddr_in *)from)->sin_port);
    if (v6)
        uv_ip6_name((const struct sockaddr_in6 *)from, host, sizeof host);
    else
        uv_ip4_name((const struct sockaddr_in *)from, host, sizeof host);
    u->ops->datagram(u->ctx, u->in, (size_t)n, strncmp(host, "::ffff:", 7) == 0 && strchr(host, '.') ? host + 7 : host,
                     port);
}

void udp_port_read(struct udp_port *u, bool on)
{
    if (u->closing || u->dead || u->reading == on) return;
    u->reading = on;
    if (on)
        uv_udp_recv_start(&u->udp, on_alloc, on_datagram);
    else
        uv_udp_recv_stop(&u->udp);
}

/* ---- opening ---- */

static bool parse_address(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
    return uv_ip4_addr(text, port, (struct sockaddr_in *)ret) == 0 ||
           uv_ip6_addr(text, port, (struct sockaddr_in6 *)ret) == 0;
}

static bool is_set(const char *text)
{
    return text && *text;
}

static int bind_port(struct udp_port *u, const struct udp_port_config *c, struct error *e)
{
    struct sockaddr_storage a;
    bool v6 = u->to.ss_family == AF_INET6;
    const char *address = is_set(c->address) ? c->address : v6 ? "::" : "0.0.0.0";
    if (!parse_address(address, c->port, &a))
        return error_set(e, ERR_INVALID, "address", "'%s' is no IP address", "“%s”不是 IP 地址", address);
    int rc = uv_udp_bind(&u->udp, (struct sockaddr *)&a, is_set(c->group) ? UV_UDP_REUSEADDR : 0);
    if (rc == UV_EADDRINUSE)
        return error_set(e, ERR_UNAVAILABLE, "port",
                         "UDP port %u is taken by another program: `ss -ulpn` shows which; choose another one",
                         "UDP 端口 %u 已被其他程序占用：可用 ss -ulpn 查看，或更换端口", c->port);
    if (rc == UV_EACCES)
        return error_set(e, ERR_UNAVAILABLE, "port", "UDP port %u needs rights (below 1024): choose a higher one",
                         "UDP 端口 %u 需要特权（低于 1024）：请选用更高的端口", c->port);
    if (rc)
        return error_set(e, ERR_UNAVAILABLE, "address", "UDP %s port %u: %s", "UDP %s 端口 %u：%s", address, c->port,
                         uv_strerror(rc));
    return 0;
}

static int join(struct udp_port *u, const struct udp_port_config *c, struct error *e)
{
    const char *card = is_set(c->interface) ? c->interface : NULL;
    uv_udp_set_broadcast(&u->udp, 1);
    uv_udp_set_multicast_ttl(&u->udp, (int)(c->ttl ? c->ttl : 1));
    int rc = card ? uv_udp_set_multicast_interface(&u->udp, card) : 0;
    if (rc)
        return error_set(e, ERR_INVALID, "interface", "'%s' is not the address of a network card here: %s",
                         "“%s”不是本机网卡的地址：%s", card, uv_strerror(rc));
    if (is_set(c->group)) rc = uv_udp_set_membership(&u->udp, c->group, card, UV_JOIN_GROUP);
    if (rc)
        return error_set(e, ERR_INVALID, "group",
                         "multicast group '%s' cannot be joined: %s; groups are 224.0.0.0 to 239.255.255.255",
                         "无法加入组播组“%s”：%s；组播地址为 224.0.0.0 至 239.255.255.255", c->group, uv_strerror(rc));
    return 0;
}

static void opened(struct udp_port *u)
{
    u->open = true;
    udp_port_read(u, true);
    u->ops->opened(u->ctx);
}

static void maybe_free(struct udp_port *u)
{
    if (!u->closing || !u->closed_handle || u->timer_open || u->resolving) return;
    void (*closed)(void *) = u->closed;
    void *arg = u->closed_arg;
    mem_free(u);
    if (closed) closed(arg);
}

/* Only a peer's own datagrams come in, and refusals are told; groups and broadcast addresses answer from elsewhere. */
static void connect_peer(struct udp_port *u)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&u->to;
    uint32_t a = u->to.ss_family == AF_INET ? ntohl(v4->sin_addr.s_addr) : 0;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&u->to;
    bool many = u->to.ss_family == AF_INET ? a >> 28 == 14 || (a & 255) == 255 : v6->sin6_addr.s6_addr[0] == 0xff;
    if (!many) uv_udp_connect(&u->udp, (struct sockaddr *)&u->to);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct udp_port *u = req->data;
    u->resolving = false;
    if (u->closing) {
        uv_freeaddrinfo(res);
        maybe_free(u);
        return;
    }
    if (status || res == NULL) {
        lose(u, status ? status : UV_EAI_NONAME, u->peer);
    } else {
        memcpy(&u->to, res->ai_addr, res->ai_addrlen);
        connect_peer(u);
        opened(u);
    }
    uv_freeaddrinfo(res);
}

static void on_soon(uv_timer_t *t)
{
    struct udp_port *u = t->data;
    char port[8];
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
    if (u->peer[0] == 0 || u->to.ss_family) {
        if (u->peer[0]) connect_peer(u);
        opened(u);
        return;
    }
    snprintf(port, sizeof port, "%u", u->peer_port);
    u->resolve.data = u;
    int rc = uv_getaddrinfo(t->loop, &u->resolve, on_resolved, u->peer, port, &hints);
    u->resolving = rc == 0;
    if (rc) lose(u, rc, u->peer);
}

int udp_port_open(uv_loop_t *loop, const struct udp_port_config *c, const struct udp_port_ops *ops, void *ctx,
                  struct udp_port **ret, struct error *e)
{
    struct udp_port *u = mem_calloc(1, sizeof *u);
    if (u == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    u->ops = ops;
    u->ctx = ctx;
    u->udp.data = u->soon.data = u;
    str_to_cstr(str_of(c->peer ? c->peer : ""), u->peer, sizeof u->peer);
    u->peer_port = c->peer_port;
    if (u->peer[0] && !parse_address(u->peer, c->peer_port, &u->to)) u->to.ss_family = 0;
    if (uv_udp_init(loop, &u->udp)) {
        mem_free(u);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    uv_timer_init(loop, &u->soon);
    u->timer_open = true;
    int rc = bind_port(u, c, e);
    if (rc == 0) rc = join(u, c, e);
    if (rc) {
        udp_port_close(u, NULL, NULL);
        return rc;
    }
    uv_timer_start(&u->soon, on_soon, 0, 0);
    *ret = u;
    return 0;
}

unsigned udp_port_number(const struct udp_port *u)
{
    struct sockaddr_storage a = {0};
    int n = sizeof a;
    if (uv_udp_getsockname(&u->udp, (struct sockaddr *)&a, &n)) return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                         : ((struct sockaddr_in *)&a)->sin_port);
}

/* ---- sending ---- */

static int send_result(int k)
{
    if (k >= 0) return 0;
    if (k == UV_EAGAIN || k == UV_ENOBUFS) return ERR_AGAIN;
    return k == UV_EMSGSIZE ? ERR_TOO_LARGE : ERR_UNAVAILABLE;
}

int udp_port_send(struct udp_port *u, const void *p, size_t n)
{
    struct sockaddr_storage a;
    int len = sizeof a;
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (!u->open || u->closing || u->peer[0] == 0) return ERR_AGAIN;
    bool connected = uv_udp_getpeername(&u->udp, (struct sockaddr *)&a, &len) == 0;
    int k = uv_udp_try_send(&u->udp, &b, 1, connected ? NULL : (struct sockaddr *)&u->to);
    if (k == UV_ECONNREFUSED)
        k = uv_udp_try_send(&u->udp, &b, 1, connected ? NULL : (struct sockaddr *)&u->to); /* that was the one before */
    return send_result(k);
}

int udp_port_send_to(struct udp_port *u, const void *p, size_t n, const char *host, uint16_t port)
{
    struct sockaddr_storage a;
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    if (!u->open || u->closing || !parse_address(host, port, &a)) return ERR_AGAIN;
    return send_result(uv_udp_try_send(&u->udp, &b, 1, (struct sockaddr *)&a));
}

/* ---- closing ---- */

static void on_udp_closed(uv_handle_t *h)
{
    struct udp_port *u = h->data;
    u->closed_handle = true;
    maybe_free(u);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct udp_port *u = h->data;
    u->timer_open = false;
    maybe_free(u);
}

void udp_port_close(struct udp_port *u, void (*closed)(void *arg), void *arg)
{
    u->closing = true;
    u->closed = closed;
    u->closed_arg = arg;
    if (u->resolving) uv_cancel((uv_req_t *)&u->resolve);
    uv_close((uv_handle_t *)&u->udp, on_udp_closed);
    uv_close((uv_handle_t *)&u->soon, on_timer_closed);
}
