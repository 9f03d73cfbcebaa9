/* conn.c - a connection: bytes in and out, and its secure channel.
 *
 * Output    what the channel has ready goes to the socket in one piece; the next piece waits until that is taken. More
 * than cfg.max_out, or a piece that is not taken within STALL, ends the connection; from a quarter of max_out on
 *           nothing is published to it, from half of it on nothing is read from it.
 * Ends      by whoever: out of the list at once, the memory goes when libuv lets go of the handle. */
#include "drivers/common/wake.h"
#include "outlets/opcua/server_int.h"

#define STALL_NS (30000 * NS_MS)
#define IDLE_NS (60000 * NS_MS)
#define TRACE_MAX (1u << 20)
#define ROOM_MAX ((size_t)16 << 20)

struct os_conn *os_conn_find(struct os_server *s, uint32_t id)
{
    for (struct os_conn *c = s->conns; c; c = c->next)
        if (c->id == id) return c;
    return NULL;
}

static size_t waiting(const struct os_conn *c)
{
    return c->writing.n + ua_channel_out(c->ua)->n;
}
bool os_conn_full(const struct os_conn *c)
{
    return waiting(c) > c->s->cfg.max_out / 4;
}

size_t os_conn_room(const struct os_conn *c)
{
    struct ua_channel_info i = ua_channel_info(c->ua);
    uint64_t room = i.peer_max_message ? i.peer_max_message : UINT64_MAX;
    uint64_t chunks = i.peer_max_chunks ? (uint64_t)i.peer_max_chunks * (i.peer_receive_buffer - 512u) : UINT64_MAX;
    if (chunks < room) room = chunks;
    return room > ROOM_MAX ? ROOM_MAX : (size_t)room;
}

/* ---- frames ---- */

static void trace(struct os_conn *c, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e)
{
    const struct outlet_host *h = c->s->base.host;
    if (h->frame == NULL || (!h->trace && !e)) return;
    struct driver_frame f = {
        .time_us = h->now_us(h->ctx), .dir = dir, .link = (uint16_t)c->id, .bytes = p, .n = n, .error = e};
    h->frame(h->ctx, &f);
}
/* Whole chunks; returns their bytes. */
static size_t trace_chunks(struct os_conn *c, enum driver_dir dir, const uint8_t *p, size_t n)
{
    size_t at = 0;
    while (n - at >= 8) {
        const uint8_t *k = p + at;
        size_t size = k[4] | (size_t)k[5] << 8 | (size_t)k[6] << 16 | (size_t)k[7] << 24;
        if (size < 8 || size > n - at) break;
        trace(c, dir, k, size, NULL);
        at += size;
    }
    return at;
}
static void trace_in(struct os_conn *c, const uint8_t *p, size_t n)
{
    if (!c->s->base.host->trace) {
        buf_clear(&c->rx);
        return;
    }
    buf_add(&c->rx, p, n);
    buf_drop(&c->rx, trace_chunks(c, DRIVER_RX, c->rx.p, c->rx.n));
    if (c->rx.err || c->rx.n > TRACE_MAX / 2) buf_clear(&c->rx);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *h)
{
    struct os_conn *c = h->data;
    struct os_server *s = c->s;
    ua_channel_free(c->ua);
    os_own_unref(c->own);
    buf_fini(&c->writing);
    buf_fini(&c->rx);
    mem_free(c);
    s->handles--;
    os_finish(s);
}
void os_conn_end(struct os_conn *c)
{
    struct os_server *s = c->s;
    if (c->closing) return;
    struct buf *out = ua_channel_out(c->ua);
    if (c->writing.n == 0 && out->n && out->n < 65536) { /* the reason, when it fits */
        uv_buf_t b = uv_buf_init((char *)out->p, (unsigned)out->n);
        trace_chunks(c, DRIVER_TX, out->p, out->n);
        uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    }
    c->closing = true;
    for (struct os_conn **p = &s->conns; *p; p = &(*p)->next) {
        if (*p != c) continue;
        *p = c->next;
        break;
    }
    s->nconns--;
    os_sessions_lost(c);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- out ---- */

static void read_on(struct os_conn *c, bool on);

static void on_written(uv_write_t *w, int status)
{
    struct os_conn *c = w->data;
    c->stalled_ns = 0;
    buf_fini(&c->writing);
    buf_init(&c->writing, (size_t)256 << 20);
    if (c->closing) return;
    if (status < 0)
        os_conn_end(c);
    else
        os_conn_flush(c);
}
static void start_write(struct os_conn *c, struct buf *out)
{
    struct buf ready = *out;
    *out = c->writing;
    c->writing = ready;
    trace_chunks(c, DRIVER_TX, ready.p, ready.n);
    c->bytes_out += ready.n;
    c->s->st.bytes_out += ready.n;
    uv_buf_t b = uv_buf_init((char *)ready.p, (unsigned)ready.n);
    c->write.data = c;
    c->stalled_ns = os_now(c->s);
    os_wake(c->s, c->stalled_ns + STALL_NS);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written)) {
        c->writing.n = 0;
        c->dead = true;
    }
}
void os_conn_flush(struct os_conn *c)
{
    if (c->closing) return;
    struct buf *out = ua_channel_out(c->ua);
    if (out->n && c->writing.n == 0 && !c->dead) start_write(c, out);
    if (waiting(c) > c->s->cfg.max_out) {
        os_log(c->s, DRIVER_LOG_WARN, "a client does not take what it is sent", "peer=%s waiting=%zu", c->peer,
               waiting(c));
        c->dead = true;
    }
    if (c->dead || (ua_channel_over(c->ua) && c->writing.n == 0)) {
        os_conn_end(c);
        return;
    }
    read_on(c, waiting(c) <= c->s->cfg.max_out / 2);
}

/* ---- in ---- */

static void told(struct os_conn *c, const struct ua_event *ev)
{
    struct error e;
    char reason[200];
    str_to_cstr(ev->text, reason, sizeof reason);
    os_plain(reason);
    c->s->st.errors++;
    error_set(&e, ERR_PROTOCOL, "", "%s: %s", "%s：%s", ua_status_name(ev->status), reason);
    trace(c, DRIVER_RX, (const uint8_t *)"", 0, &e);
    os_log(c->s, DRIVER_LOG_INFO, "a connection ended", "peer=%s status=%s reason=\"%s\"", c->peer,
           ua_status_name(ev->status), reason);
}
static void take(struct os_conn *c, const struct ua_event *ev)
{
    if (ev->kind == UA_EVENT_MESSAGE) os_call_take(c, ev);
    if (ev->kind == UA_EVENT_ERROR) told(c, ev);
    if (ev->kind == UA_EVENT_CLOSED) c->dead = true;
    if (ev->kind == UA_EVENT_OPENED || ev->kind == UA_EVENT_RENEWED) os_wake(c->s, c->tick_ns = os_now(c->s));
}
static void receive(struct os_conn *c)
{
    struct os_server *s = c->s;
    struct ua_event ev;
    while (!c->closing && !c->dead) {
        arena_reset(&s->arena);
        if (ua_channel_next(c->ua, os_now(s), &s->arena, &ev) != 1) break;
        take(c, &ev);
        if (!c->closing && waiting(c) > s->cfg.max_out) break;
    }
    arena_reset(&s->arena);
    os_conn_flush(c);
}
static void on_read(uv_stream_t *t, ssize_t n, const uv_buf_t *b)
{
    struct os_conn *c = t->data;
    if (c->closing || n == 0) return;
    if (n < 0) {
        os_conn_end(c);
        return;
    }
    c->bytes_in += (uint64_t)n;
    c->s->st.bytes_in += (uint64_t)n;
    trace_in(c, (const uint8_t *)b->base, (size_t)n);
    if (ua_channel_in(c->ua, b->base, (size_t)n)) c->dead = true;
    receive(c);
}
static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
    struct os_conn *c = h->data;
    (void)want;
    *b = uv_buf_init((char *)c->s->read_buffer, sizeof c->s->read_buffer);
}
static void read_on(struct os_conn *c, bool on)
{
    if (on == c->reading || c->closing) return;
    c->reading = on;
    if (on)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

/* Connections without a session are for discovery: they may not stay. */
static bool signed_in(const struct os_conn *c)
{
    for (const struct os_session *x = c->s->sessions; x; x = x->next)
        if (x->conn == c->id && x->activated) return true;
    return false;
}
void os_conn_make_room(struct os_server *s)
{
    struct os_conn *oldest = NULL;
    for (struct os_conn *c = s->conns; c; c = c->next)
        if (!signed_in(c)) oldest = c; /* new ones stand in front */
    if (oldest) os_conn_end(oldest);
}

uint64_t os_conn_tick(struct os_conn *c, uint64_t now)
{
    uint64_t next = UINT64_MAX;
    if (now >= c->idle_ns) {
        if (!signed_in(c)) c->dead = true;
        c->idle_ns = now + IDLE_NS;
    }
    next = c->idle_ns;
    if (c->stalled_ns && now >= c->stalled_ns + STALL_NS) {
        os_log(c->s, DRIVER_LOG_WARN, "a client does not read", "peer=%s waiting=%zu", c->peer, waiting(c));
        c->dead = true;
    } else if (c->stalled_ns) {
        wake_earlier(&next, c->stalled_ns + STALL_NS);
    }
    if (now >= c->tick_ns) {
        c->tick_ns = ua_channel_tick(c->ua, now);
        if (ua_channel_over(c->ua)) receive(c); /* it tells why */
    }
    wake_earlier(&next, c->tick_ns);
    return next;
}

/* ---- a new one ---- */

static uint32_t check_peer(void *ctx, const struct ua_cert *peer)
{
    return os_trusts(((struct os_conn *)ctx)->s, peer);
}
static int64_t clock_us(void *ctx)
{
    return os_utc(((struct os_conn *)ctx)->s);
}
static int open_channel(struct os_conn *c)
{
    const struct os_config *f = &c->s->cfg;
    struct ua_channel_config k = {.server = true,
                                  .limits = {.string = 1u << 20,
                                             .array = 65536,
                                             .depth = UA_DEPTH_MAX,
                                             .message = f->max_message,
                                             .chunks = f->max_message / 4096 + 8,
                                             .partial = 4},
                                  .random = {os_random, NULL},
                                  .cert = c->own->cert,
                                  .key = c->own->key,
                                  .now_us = clock_us,
                                  .channel_id = c->id,
                                  .check_peer = check_peer,
                                  .ctx = c};
    memcpy(k.modes, f->modes, sizeof k.modes);
    if (k.modes[UA_POLICY_NONE] == 0) k.modes[UA_POLICY_NONE] = 1 << UA_MODE_NONE; /* for discovery alone */
    return ua_channel_new(&k, &c->ua, NULL);
}
static void name_peer(struct os_conn *c)
{
    struct sockaddr_storage a;
    int n = sizeof a;
    char ip[48] = "?";
    unsigned port = 0;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n) == 0) {
        bool v6 = a.ss_family == AF_INET6;
        uv_ip_name((struct sockaddr *)&a, ip, sizeof ip);
        port = ntohs(v6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
        snprintf(c->peer, sizeof c->peer, v6 ? "[%s]:%u" : "%s:%u", ip, port);
    }
}
static void on_dropped(uv_handle_t *h)
{
    struct os_conn *c = h->data;
    c->s->handles--;
    os_finish(c->s);
    os_own_unref(c->own);
    mem_free(c);
}
void os_accept(struct os_server *s)
{
    struct os_conn *c = mem_calloc(1, sizeof *c);
    if (c == NULL) return;
    c->s = s;
    os_own_check(s);
    c->own = s->own;
    c->own->refs++;
    c->id = ++s->conn_ids ? s->conn_ids : ++s->conn_ids;
    uv_tcp_init(s->base.host->loop, &c->tcp);
    c->tcp.data = c;
    s->handles++;
    if (s->nconns >= s->cfg.max_conns) os_conn_make_room(s);
    bool ok = uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp) == 0 && s->nconns < s->cfg.max_conns;
    if (!ok || open_channel(c)) {
        uv_close((uv_handle_t *)&c->tcp, on_dropped);
        return;
    }
    buf_init(&c->writing, (size_t)256 << 20);
    buf_init(&c->rx, TRACE_MAX);
    name_peer(c);
    uv_tcp_nodelay(&c->tcp, 1);
    c->since_us = os_utc(s);
    c->idle_ns = os_now(s) + IDLE_NS;
    c->next = s->conns;
    s->conns = c;
    s->nconns++;
    c->tick_ns = ua_channel_tick(c->ua, os_now(s));
    os_wake(s, c->tick_ns);
    read_on(c, true);
}
