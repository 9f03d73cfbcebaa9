/* link.c - the ways in and their links. A client's way is its one link; a listener's and a UDP socket's way stands
 * while links come and go. Links are bounded; of UDP peers the one that was silent longest makes room. */
#include "drivers/socket/socket_int.h"

#define ONCE_NS (1000 * NS_MS)
#define SILENT_NS (10000 * NS_MS) /* a stranger that may be let go for another */

/* ---- links ---- */

static struct sk_link *link_new(struct sk_channel *ch, struct tls_stream *s, const char *host, uint16_t port)
{
    struct sk_link *l = mem_calloc(1, sizeof *l);
    if (l == NULL) return NULL;
    l->ch = ch;
    l->stream = s;
    l->port = port;
    l->number = (uint16_t)ch->link_number++;
    l->heard_ns = sk_now(ch);
    str_to_cstr(str_of(host), l->host, sizeof l->host);
    buf_init(&l->rx, ch->cfg.frame.max + 2u * FRAME_MAX);
    l->next = ch->links;
    if (l->next) l->next->prev = l;
    ch->links = l;
    ch->nlinks++;
    return l;
}

static void link_free(void *arg)
{
    struct sk_link *l = arg;
    struct sk_channel *ch = l->ch;
    if (l->prev)
        l->prev->next = l->next;
    else
        ch->links = l->next;
    if (l->next) l->next->prev = l->prev;
    ch->nlinks--;
    buf_fini(&l->rx);
    mem_free(l);
}

static void link_closed(void *arg)
{
    struct sk_channel *ch = ((struct sk_link *)arg)->ch;
    bool client = ch->cfg.mode == SK_TCP_CLIENT;
    link_free(arg);
    if (client && ch->conn == SK_CLOSING) ch->conn = SK_IDLE;
    sk_handle_closed(ch);
}

/* Frames of any connection are for everybody: as long as there is one, nobody is without. */
static struct sk_link *another(struct sk_channel *ch)
{
    for (struct sk_link *l = ch->links; l; l = l->next)
        if (l->up && !l->closing) return l;
    return NULL;
}

/* Its devices are without it; then it closes. */
void link_drop(struct sk_link *l, const struct error *why)
{
    struct sk_channel *ch = l->ch;
    struct error e = *why;
    if (l->closing) return;
    l->closing = true;
    l->up = false;
    for (struct sk_device *d = ch->devices; d; d = d->next) {
        if (d->link != l) continue;
        d->link = ch->cfg.identify == SK_ANY ? another(ch) : NULL;
        d->logged_in = d->link != NULL;
        job_link_lost(ch, d);
        if (!ch->closing && d->link == NULL) sk_device_lost(ch, d, &e);
    }
    if (l->stream)
        tls_stream_close(l->stream, link_closed, l);
    else
        sk_wake_at(ch, sk_now(ch)); /* somebody above may still stand on it */
}

/* UDP peers that were let go. */
void link_sweep(struct sk_channel *ch)
{
    for (struct sk_link *l = ch->links, *next; l; l = next) {
        next = l->next;
        if (l->closing && l->stream == NULL) link_free(l);
    }
}

int link_send(struct sk_link *l, const uint8_t *p, size_t n)
{
    struct sk_channel *ch = l->ch;
    int rc;
    if (!l->up || n == 0) return n == 0 ? 0 : ERR_CLOSED;
    if (l->stream)
        rc = tls_stream_write(l->stream, p, n);
    else if (ch->cfg.mode == SK_UDP_CLIENT)
        rc = udp_port_send(ch->udp, p, n);
    else
        rc = udp_port_send_to(ch->udp, p, n, l->host, l->port);
    if (rc) return rc;
    ch->st.bytes_out += n;
    if (ch->base.host->trace) sk_trace(ch, l, DRIVER_TX, p, n, NULL);
    return 0;
}

int link_send_template(struct sk_link *l, struct sk_device *d, const struct byte_template *t,
                       const struct template_values *v, struct error *e)
{
    uint8_t out[TEMPLATE_BYTES_MAX];
    size_t n;
    struct template_values vars = v ? *v : (struct template_values){0};
    vars.seq = d->seq++;
    vars.time_us = sk_utc(l->ch);
    if (v == NULL) vars.code = str_of(d->code);
    int rc = byte_template_write(t, &vars, out, sizeof out, &n, e);
    if (rc) return rc;
    rc = link_send(l, out, n);
    return rc ? error_set(e, rc, "", "%s:%u takes nothing now", "%s:%u 暂时无法发送", l->host, l->port) : 0;
}

void link_greet(struct sk_link *l, struct sk_device *d)
{
    struct error e;
    if (d->logged_in || !l->up || l->ch->closing) return;
    d->logged_in = true;
    if (d->login && link_send_template(l, d, d->login, NULL, &e)) d->trouble = e;
}

void link_reading(struct sk_channel *ch, bool on)
{
    if (ch->udp && ch->conn == SK_UP) udp_port_read(ch->udp, on);
    for (struct sk_link *l = ch->links; l; l = l->next)
        if (l->stream && !l->closing) tls_stream_read(l->stream, on);
}

/* ---- which devices a link is for, before anything was heard ---- */

static bool same_peer(const struct sk_device *d, const struct sk_link *l)
{
    char full[80];
    snprintf(full, sizeof full, strchr(l->host, ':') ? "[%s]:%u" : "%s:%u", l->host, l->port);
    return strcmp(d->peer, l->host) == 0 || strcmp(d->peer, full) == 0;
}

/* A device that connects again has left its old connection behind. */
static void take_over(struct sk_link *l, struct sk_device *d)
{
    struct error e;
    struct sk_link *old = d->link;
    if (old == l) return;
    d->link = NULL;
    if (old && old->stream && l->ch->cfg.identify != SK_ANY) {
        error_set(&e, ERR_CLOSED, "", "%s has connected again", "%s 已重新连接", d->code);
        link_drop(old, &e);
    }
    d->link = l;
    d->logged_in = false;
    d->request_ns = d->heard_ns = sk_now(l->ch);
    d->answer_ns = 0;
}

void link_attach(struct sk_link *l, bool fresh)
{
    struct sk_channel *ch = l->ch;
    bool client = ch->cfg.mode == SK_TCP_CLIENT || ch->cfg.mode == SK_UDP_CLIENT;
    for (struct sk_device *d = ch->devices; d; d = d->next) {
        bool its = client || ch->cfg.identify == SK_ANY || (ch->cfg.identify == SK_ADDRESS && same_peer(d, l));
        if (!its || (!fresh && d->link)) continue;
        take_over(l, d);
        if (ch->cfg.identify == SK_ADDRESS) l->device = d;
        link_greet(l, d);
    }
}

static void link_up(struct sk_link *l)
{
    l->up = true;
    link_attach(l, true);
    sk_refresh(l->ch);
    sk_wake_at(l->ch, sk_now(l->ch));
}

/* ---- streams ---- */

static void on_opened(void *ctx)
{
    struct sk_link *l = ctx;
    struct sk_channel *ch = l->ch;
    if (ch->cfg.mode == SK_TCP_CLIENT) {
        ch->conn = SK_UP;
        ch->up_ns = sk_now(ch);
        ch->connect_now = ch->proved = false;
        job_opened(ch);
    }
    link_up(l);
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    frame_bytes(ctx, p, n);
}

static void lost_way(struct sk_channel *ch, const struct error *why)
{
    const struct driver_host *h = ch->base.host;
    char kv[800];
    uint64_t now = sk_now(ch);
    bool at_once = ch->proved &&
                   now - ch->up_ns > ONCE_NS; /* else one that says a word and hangs up would be called all the time */
    ch->why = *why;
    ch->proved = false;
    ch->connect_now = false;
    ch->retry_ns = at_once ? now : now + backoff_next_ms(&ch->cfg.backoff, h->random(h->ctx)) * NS_MS;
    snprintf(kv, sizeof kv, "to=\"%s\" retry_ms=%llu err=\"%s\"", ch->cfg.place,
             (unsigned long long)((ch->retry_ns - now) / NS_MS), why->text);
    h->log(h->ctx, DRIVER_LOG_WARN, "connection lost", kv);
    sk_state(ch, at_once ? DRIVER_CONNECTING : DRIVER_DOWN, why);
    job_failed(ch, why);
    sk_wake_at(ch, ch->retry_ns);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct sk_link *l = ctx;
    struct sk_channel *ch = l->ch;
    struct error e = *why;
    if (ch->cfg.frame.kind == FRAME_IDLE && l->rx.n) frame_silence(l); /* the end is a silence too */
    if (ch->cfg.mode == SK_TCP_CLIENT) ch->conn = SK_CLOSING;
    link_drop(l, &e);
    if (ch->cfg.mode == SK_TCP_CLIENT)
        lost_way(ch, &e);
    else
        sk_refresh(ch);
}

static const struct tls_stream_ops stream_ops = {on_opened, on_data, on_lost};

static void open_client(struct sk_channel *ch)
{
    struct tls_stream_config c = {
        .host = ch->cfg.host, .port = ch->cfg.port, .connect_ms = ch->cfg.connect_ms, .tls = ch->cfg.tls.client};
    struct error e;
    struct sk_link *l = link_new(ch, NULL, ch->cfg.host, ch->cfg.port);
    int rc = l ? tls_stream_open(ch->base.host->loop, &c, &stream_ops, l, &l->stream, &e)
               : error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        if (l) link_free(l);
        lost_way(ch, &e);
        return;
    }
    ch->handles++;
    ch->conn = SK_OPENING;
}

/* ---- a listener ---- */

/* Connections that no device has been heard on make room: scanners, and lines whose other end has died unnoticed. */
static void let_stranger_go(struct sk_channel *ch)
{
    struct sk_link *oldest = NULL;
    struct error e;
    uint64_t now = sk_now(ch);
    for (struct sk_link *l = ch->links; l; l = l->next) {
        bool known = l->closing || l->heard_ns + SILENT_NS > now;
        for (const struct sk_device *d = ch->devices; d && !known; d = d->next) known = d->link == l;
        if (!known && (!oldest || l->heard_ns < oldest->heard_ns)) oldest = l;
    }
    error_set(&e, ERR_LIMIT, "", "silent, and another one wants to connect", "长时间无数据，已让位给新连接");
    if (oldest) link_drop(oldest, &e);
}

static void *on_accept(void *ctx, struct tls_stream *s)
{
    struct sk_channel *ch = ctx;
    if (ch->nlinks >= ch->cfg.max_links) let_stranger_go(ch); /* there is room when it has closed */
    if (ch->nlinks >= ch->cfg.max_links) {
        ch->st.errors++;
        return NULL;
    }
    struct sk_link *l = link_new(ch, s, tls_stream_host(s), (uint16_t)tls_stream_port(s));
    if (l) ch->handles++;
    if (l && ch->batch_held) tls_stream_read(s, false);
    return l;
}

static void on_refused(void *ctx, const char *host)
{
    struct sk_channel *ch = ctx;
    ch->st.errors++;
}

static void open_listener(struct sk_channel *ch)
{
    static const struct tls_listener_ops ops = {{on_opened, on_data, on_lost}, on_accept, on_refused};
    struct tls_listener_config c = {
        .address = ch->cfg.address, .port = ch->cfg.port, .tls = ch->cfg.tls.server, .allow = &ch->cfg.allow};
    struct error e;
    if (tls_listener_open(ch->base.host->loop, &c, &ops, ch, &ch->listener, &e)) {
        lost_way(ch, &e);
        return;
    }
    ch->handles++;
    ch->conn = SK_UP;
    ch->connect_now = false;
    job_opened(ch);
    sk_refresh(ch);
}

/* ---- UDP ---- */

static void on_udp_opened(void *ctx)
{
    struct sk_channel *ch = ctx;
    ch->conn = SK_UP;
    ch->connect_now = ch->proved = false;
    job_opened(ch);
    struct sk_link *l = ch->cfg.mode == SK_UDP_CLIENT ? link_new(ch, NULL, ch->cfg.host, ch->cfg.port) : NULL;
    if (l) link_up(l);
    sk_refresh(ch);
}

/* The peer that was silent longest. */
static void make_room(struct sk_channel *ch)
{
    struct sk_link *oldest = NULL;
    struct error e;
    for (struct sk_link *l = ch->links; l; l = l->next)
        if (!l->closing && (!oldest || l->heard_ns < oldest->heard_ns)) oldest = l;
    error_set(&e, ERR_LIMIT, "", "more than %u peers: the one that was silent longest was let go",
              "对端超过 %u 个：已放弃最久未发言的一个", ch->cfg.max_links);
    if (oldest) link_drop(oldest, &e);
}

static struct sk_link *peer_link(struct sk_channel *ch, const char *host, uint16_t port)
{
    for (struct sk_link *l = ch->links; l; l = l->next) {
        if (l->closing || l->port != port || strcmp(l->host, host) != 0) continue;
        if (l->prev) { /* to the front: the busy ones are found first */
            l->prev->next = l->next;
            if (l->next) l->next->prev = l->prev;
            l->prev = NULL;
            l->next = ch->links;
            ch->links->prev = l;
            ch->links = l;
        }
        return l;
    }
    if (ch->nlinks >= ch->cfg.max_links) make_room(ch);
    struct sk_link *l = link_new(ch, NULL, host, port);
    if (l) link_up(l);
    return l;
}

static void on_datagram(void *ctx, const uint8_t *p, size_t n, const char *host, uint16_t port)
{
    struct sk_channel *ch = ctx;
    if (ch->cfg.mode == SK_UDP_SERVER && ch->cfg.allow.n && !ip_list_has(&ch->cfg.allow, host)) {
        ch->st.errors++;
        return;
    }
    struct sk_link *l = ch->cfg.mode == SK_UDP_CLIENT ? ch->links : peer_link(ch, host, port);
    if (l && !l->closing) frame_datagram(l, p, n);
}

static void on_udp_lost(void *ctx, const struct error *why)
{
    struct sk_channel *ch = ctx;
    struct error e = *why;
    link_close_way(ch);
    lost_way(ch, &e);
}

static void on_udp_refused(void *ctx)
{
    struct sk_channel *ch = ctx;
    struct error e;
    error_set(&e, ERR_UNAVAILABLE, "", "%s: nobody listens there", "%s：对端没有监听该端口", ch->cfg.place);
    ch->st.errors++;
    for (struct sk_device *d = ch->devices; d; d = d->next)
        if (!d->job) sk_device_lost(ch, d, &e);
    sk_refresh(ch);
}

static void open_udp(struct sk_channel *ch)
{
    static const struct udp_port_ops ops = {on_udp_opened, on_datagram, on_udp_lost, on_udp_refused};
    bool client = ch->cfg.mode == SK_UDP_CLIENT;
    struct udp_port_config c = {.address = client ? "" : ch->cfg.address,
                                .port = client ? ch->cfg.local_port : ch->cfg.port,
                                .peer = client ? ch->cfg.host : "",
                                .peer_port = client ? ch->cfg.port : 0,
                                .group = ch->cfg.group,
                                .interface = ch->cfg.interface};
    struct error e;
    if (udp_port_open(ch->base.host->loop, &c, &ops, ch, &ch->udp, &e)) {
        lost_way(ch, &e);
        return;
    }
    ch->handles++;
    ch->conn = SK_OPENING;
}

/* ---- the way ---- */

void link_open_way(struct sk_channel *ch)
{
    static void (*const open[])(struct sk_channel *) = {[SK_TCP_CLIENT] = open_client,
                                                        [SK_TCP_SERVER] = open_listener,
                                                        [SK_UDP_CLIENT] = open_udp,
                                                        [SK_UDP_SERVER] = open_udp};
    if (ch->why.code) ch->st.reconnects++;
    sk_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
    open[ch->cfg.mode](ch);
}

static void way_closed(void *arg)
{
    struct sk_channel *ch = arg;
    if (ch->conn == SK_CLOSING) ch->conn = SK_IDLE;
    sk_handle_closed(ch);
}

void link_close_way(struct sk_channel *ch)
{
    struct error e;
    error_set(&e, ERR_CLOSED, "", "the channel was closed", "通道已关闭");
    if (ch->conn == SK_UP || ch->conn == SK_OPENING) ch->conn = SK_CLOSING;
    for (struct sk_link *l = ch->links, *next; l; l = next) {
        next = l->next;
        link_drop(l, &e);
    }
    if (ch->listener) tls_listener_close(TAKE(ch->listener), way_closed, ch);
    if (ch->udp) udp_port_close(TAKE(ch->udp), way_closed, ch);
}
