/* sender.c - the way out (sender_int.h): connecting, listening, what is under way, acknowledgements, closing. */
#include "outlets/socket/sender_int.h"

static void pump(struct so_sender *ch);

static uint64_t now_ns(const struct so_sender *ch)
{
    return ch->base.host->mono_ns(ch->base.host->ctx);
}

static void trace(struct so_sender *ch, enum driver_dir dir, const uint8_t *p, size_t n)
{
    const struct outlet_host *h = ch->base.host;
    if (h->frame == NULL || !h->trace) return;
    h->frame(h->ctx, &(struct driver_frame){.time_us = h->now_us(h->ctx), .dir = dir, .bytes = p, .n = n});
}

static void set_state(struct so_sender *ch, enum driver_state s, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    str_to_cstr(str_of(why ? why->text : ""), ch->st.reason, sizeof ch->st.reason);
    str_to_cstr(str_of(why ? why->text_zh : ""), ch->st.reason_zh, sizeof ch->st.reason_zh);
    if (ch->st.state == s) return;
    ch->st.state = s;
    ch->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, s, why);
}

static void on_timer(uv_timer_t *t)
{
    struct so_sender *ch = t->data;
    ch->wake_ns = 0;
    pump(ch);
}

static void wake(struct so_sender *ch, uint64_t ns)
{
    if (!ch->closing) wake_at(&ch->timer, on_timer, &ch->wake_ns, now_ns(ch), ns);
}

/* ---- what is under way ---- */

static void batch_ends(struct so_sender *ch, unsigned i, const struct error *e)
{
    struct so_batch b = ch->way[i];
    const struct outlet_host *h = ch->base.host;
    memmove(&ch->way[i], &ch->way[i + 1], (ch->nway - i - 1) * sizeof *ch->way);
    ch->nway--;
    if (e == NULL) {
        ch->st.items += b.items;
        ch->st.last_ok_us = h->now_us(h->ctx);
        ch->proved = true;
        backoff_reset(&ch->cfg.backoff);
    }
    h->sent(h->ctx, b.ticket, e);
}

static void all_end(struct so_sender *ch, const struct error *why)
{
    struct error e = *why;
    while (ch->nway) batch_ends(ch, 0, &e);
}

/* Without an application's acknowledgement: all that the socket has taken. */
static void taken(struct so_sender *ch)
{
    bool waits =
        ch->cfg.mode == SO_TCP_CLIENT && (ch->cfg.ack.n || ch->conn != SO_UP || tls_stream_waiting(ch->stream));
    while (ch->nway && !ch->closing) {
        struct error e;
        struct so_batch *b = &ch->way[0];
        if (b->failed)
            error_set(&e, b->failed, "",
                      "the batch does not fit into a message (4 MiB, a datagram, or the length field)",
                      "该批数据超出一条消息的上限（4 MiB、数据报或长度字段）");
        else if (waits && b->messages)
            break;
        batch_ends(ch, 0, b->failed ? &e : NULL);
    }
}

static unsigned most_under_way(const struct so_sender *ch)
{
    return ch->cfg.ack.n ? 1 : SO_UNDER_WAY;
}

static void maybe_ready(struct so_sender *ch)
{
    if (!ch->refused || ch->closing || ch->conn != SO_UP || ch->nway >= most_under_way(ch)) return;
    ch->refused = false;
    ch->base.host->ready(ch->base.host->ctx);
}

/* ---- losing ---- */

static void tests_end(struct so_sender *ch, const struct error *e)
{
    char en[360], zh[360];
    while (ch->tests) {
        struct so_test *t = ch->tests;
        ch->tests = t->next;
        snprintf(en, sizeof en, ch->cfg.mode == SO_TCP_SERVER ? "listening on %s" : "connected to %s", ch->cfg.place);
        snprintf(zh, sizeof zh, ch->cfg.mode == SO_TCP_SERVER ? "正在监听 %s" : "已连接 %s", ch->cfg.place);
        t->done(t->arg, e, (uint32_t)((now_ns(ch) - t->began_ns) / NS_MS), e ? "" : en, e ? "" : zh);
        mem_free(t);
    }
}

static void lost(struct so_sender *ch, const struct error *why)
{
    const struct outlet_host *h = ch->base.host;
    struct error e = *why;
    char kv[800];
    uint64_t now = now_ns(ch);
    bool at_once = ch->proved && now - ch->up_ns > 1000 * NS_MS;
    ch->why = e;
    ch->proved = ch->connect_now = false;
    ch->retry_ns = at_once ? now : now + backoff_next_ms(&ch->cfg.backoff, h->random(h->ctx)) * NS_MS;
    snprintf(kv, sizeof kv, "to=\"%s\" retry_ms=%llu err=\"%s\"", ch->cfg.place,
             (unsigned long long)((ch->retry_ns - now) / NS_MS), e.text);
    h->log(h->ctx, DRIVER_LOG_WARN, "connection lost", kv);
    set_state(ch, at_once ? DRIVER_CONNECTING : DRIVER_DOWN, &e);
    all_end(ch, &e);
    tests_end(ch, &e);
    wake(ch, ch->retry_ns);
}

static void free_sender(struct so_sender *ch);

static void handle_closed(void *arg)
{
    struct so_sender *ch = arg;
    ch->handles--;
    if (ch->closing && ch->handles == 0)
        free_sender(ch);
    else if (!ch->closing)
        wake(ch, now_ns(ch));
}

static void way_closed(void *arg)
{
    struct so_sender *ch = arg;
    if (ch->conn == SO_CLOSING) ch->conn = SO_IDLE;
    handle_closed(ch);
}

static void peer_closed(void *arg)
{
    struct so_peer *p = arg;
    struct so_sender *ch = p->ch;
    if (p->prev)
        p->prev->next = p->next;
    else
        ch->peers = p->next;
    if (p->next) p->next->prev = p->prev;
    ch->npeers--;
    mem_free(p);
    handle_closed(ch);
}

static void peer_drop(struct so_peer *p)
{
    if (p->closing) return;
    p->closing = true;
    p->ch->npeers_up -= p->up;
    p->up = false;
    tls_stream_close(p->stream, peer_closed, p);
}

static void close_way(struct so_sender *ch)
{
    if (ch->conn == SO_UP || ch->conn == SO_OPENING) ch->conn = SO_CLOSING;
    for (struct so_peer *p = ch->peers; p; p = p->next) peer_drop(p);
    if (ch->stream) tls_stream_close(TAKE(ch->stream), way_closed, ch);
    if (ch->listener) tls_listener_close(TAKE(ch->listener), way_closed, ch);
    if (ch->udp) udp_port_close(TAKE(ch->udp), way_closed, ch);
}

/* ---- bytes ---- */

static void to_peers(struct so_sender *ch, const uint8_t *p, size_t n, size_t items)
{
    for (struct so_peer *k = ch->peers; k; k = k->next) {
        if (!k->up) continue;
        if (tls_stream_write(k->stream, p, n)) {
            peer_drop(k); /* it does not read: a megabyte waits for it */
            ch->st.errors++;
            continue;
        }
        k->items += items;
        k->bytes_out += n;
        ch->st.bytes_out += n;
    }
}

static void emit(void *ctx, const uint8_t *p, size_t n, size_t items)
{
    struct so_sender *ch = ctx;
    int rc = 0;
    trace(ch, DRIVER_TX, p, n);
    ch->st.requests++;
    if (ch->cfg.mode == SO_TCP_SERVER) {
        to_peers(ch, p, n, items);
        return;
    }
    if (ch->cfg.mode == SO_TCP_CLIENT)
        rc = tls_stream_write(ch->stream, p, n);
    else
        rc = udp_port_send(ch->udp, p, n);
    ch->st.errors += rc != 0;
    ch->choked |= rc != 0 && ch->cfg.mode == SO_TCP_CLIENT;
    if (rc == 0) ch->st.bytes_out += n;
}

static void send_image(struct so_sender *ch)
{
    uint8_t out[SO_FRAME_MAX];
    ch->image_due = false;
    if (ch->conn == SO_UP) emit(ch, out, message_image(ch, out), ch->points.n);
}

/* ---- all values, for whoever connects ---- */

static void current_items(struct so_sender *ch,
                          void (*fn)(struct so_sender *ch, const struct outlet_item *it, void *arg), void *arg)
{
    const struct outlet_host *h = ch->base.host;
    for (size_t i = 0; i < ch->points.n; i++) {
        char text[1024];
        size_t n = 0;
        struct outlet_item it = {.slot = (uint32_t)i};
        if (!h->current(h->ctx, it.slot, &it.sample, text, sizeof text, &n)) continue;
        it.text = text;
        it.text_len = n;
        fn(ch, &it, arg);
    }
}

static void apply_one(struct so_sender *ch, const struct outlet_item *it, void *arg)
{
    message_apply(ch, it, 1);
}

static void emit_to(void *ctx, const uint8_t *p, size_t n, size_t items)
{
    struct so_peer *k = ctx;
    if (!k->up || tls_stream_write(k->stream, p, n)) return;
    k->items += items;
    k->bytes_out += n;
    k->ch->st.bytes_out += n;
    trace(k->ch, DRIVER_TX, p, n);
}

static void greet_one(struct so_sender *ch, const struct outlet_item *it, void *arg)
{
    if (message_texts(ch, it, 1, emit_to, arg) < 0) ch->st.errors++;
}

static void greet(struct so_peer *k)
{
    uint8_t out[SO_FRAME_MAX];
    if (!k->ch->cfg.greet) return;
    if (k->ch->cfg.content == SO_BINARY)
        emit_to(k, out, message_image(k->ch, out), k->ch->points.n);
    else
        current_items(k->ch, greet_one, k);
}

/* ---- a TCP client ---- */

static void came_up(struct so_sender *ch)
{
    ch->conn = SO_UP;
    ch->up_ns = now_ns(ch);
    ch->connect_now = false;
    buf_clear(&ch->in);
    set_state(ch, DRIVER_UP, NULL);
    tests_end(ch, NULL);
    ch->image_due = ch->cfg.content == SO_BINARY;
    ch->period_ns = now_ns(ch);
    maybe_ready(ch);
    wake(ch, now_ns(ch));
}

static void on_opened(void *ctx)
{
    came_up(ctx);
}

static bool find_ack(struct so_sender *ch)
{
    const struct frame_mark *a = &ch->cfg.ack;
    for (size_t i = 0; i + a->n <= ch->in.n; i++) {
        if (memcmp(ch->in.p + i, a->p, a->n) != 0) continue;
        buf_drop(&ch->in, i + a->n);
        return true;
    }
    if (ch->in.n > 4096) buf_drop(&ch->in, ch->in.n - FRAME_MARK_MAX);
    return false;
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct so_sender *ch = ctx;
    ch->st.bytes_in += n;
    trace(ch, DRIVER_RX, p, n);
    if (ch->cfg.ack.n == 0) return;
    for (size_t at = 0; at < n && !ch->closing; at += 4096) {
        buf_add(&ch->in, p + at, n - at < 4096 ? n - at : 4096);
        while (find_ack(ch) && ch->nway) {
            ch->way[0].until_ns = now_ns(ch) + ch->cfg.ack_ms * NS_MS;
            if (--ch->way[0].messages == 0) batch_ends(ch, 0, NULL);
        }
    }
    maybe_ready(ch);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct so_sender *ch = ctx;
    struct error e = *why;
    close_way(ch);
    lost(ch, &e);
}

static void on_taken(void *ctx)
{
    wake(ctx, now_ns(ctx)); /* never from inside a write */
}

static void open_client(struct so_sender *ch)
{
    static const struct tls_stream_ops ops = {on_opened, on_data, on_lost};
    struct tls_stream_config c = {.host = ch->cfg.host,
                                  .port = ch->cfg.port,
                                  .connect_ms = ch->cfg.connect_ms,
                                  .tls = ch->cfg.tls.client,
                                  .out_max = 2 * SO_MESSAGE_MAX};
    struct error e;
    if (tls_stream_open(ch->base.host->loop, &c, &ops, ch, &ch->stream, &e)) {
        lost(ch, &e);
        return;
    }
    tls_stream_on_taken(ch->stream, on_taken);
    ch->handles++;
    ch->conn = SO_OPENING;
}

/* ---- a TCP server ---- */

static void peer_opened(void *ctx)
{
    struct so_peer *k = ctx;
    k->up = true;
    k->ch->npeers_up++;
    greet(k);
}
static void peer_data(void *ctx, const uint8_t *p, size_t n)
{
    struct so_peer *k = ctx; /* nothing is expected of them */
    k->bytes_in += n;
    k->ch->st.bytes_in += n;
}
static void peer_lost(void *ctx, const struct error *why)
{
    peer_drop(ctx);
}

static void *on_accept(void *ctx, struct tls_stream *s)
{
    struct so_sender *ch = ctx;
    struct so_peer *k = ch->npeers < ch->cfg.max_peers ? mem_calloc(1, sizeof *k) : NULL;
    if (k == NULL) {
        ch->st.errors++;
        return NULL;
    }
    k->ch = ch;
    k->stream = s;
    k->since_us = ch->base.host->now_us(ch->base.host->ctx);
    k->next = ch->peers;
    if (k->next) k->next->prev = k;
    ch->peers = k;
    ch->npeers++;
    ch->handles++;
    return k;
}
static void on_refused(void *ctx, const char *host)
{
    ((struct so_sender *)ctx)->st.errors++;
}

static void open_server(struct so_sender *ch)
{
    static const struct tls_listener_ops ops = {{peer_opened, peer_data, peer_lost}, on_accept, on_refused};
    struct tls_listener_config c = {
        .address = ch->cfg.address, .port = ch->cfg.port, .tls = ch->cfg.tls.server, .allow = &ch->cfg.allow};
    struct error e;
    if (tls_listener_open(ch->base.host->loop, &c, &ops, ch, &ch->listener, &e)) {
        lost(ch, &e);
        return;
    }
    ch->handles++;
    came_up(ch);
}

/* ---- UDP ---- */

static void udp_datagram(void *ctx, const uint8_t *p, size_t n, const char *host, uint16_t port)
{
    ((struct so_sender *)ctx)->st.bytes_in += n;
}
static void udp_refused(void *ctx)
{
    ((struct so_sender *)ctx)->st.errors++; /* nobody listens there now; it goes on */
}

static void open_udp(struct so_sender *ch)
{
    static const struct udp_port_ops ops = {on_opened, udp_datagram, on_lost, udp_refused};
    struct udp_port_config c = {.port = ch->cfg.local_port,
                                .peer = ch->cfg.host,
                                .peer_port = ch->cfg.port,
                                .interface = ch->cfg.interface,
                                .ttl = ch->cfg.ttl};
    struct error e;
    if (udp_port_open(ch->base.host->loop, &c, &ops, ch, &ch->udp, &e)) {
        lost(ch, &e);
        return;
    }
    ch->handles++;
    ch->conn = SO_OPENING;
}

/* ---- the pump ---- */

static void connection(struct so_sender *ch, uint64_t now, uint64_t *at)
{
    static void (*const open[])(struct so_sender *) = {
        [SO_TCP_CLIENT] = open_client, [SO_TCP_SERVER] = open_server, [SO_UDP] = open_udp};
    if (ch->points.n == 0 && ch->tests == NULL) {
        if (ch->conn == SO_UP || ch->conn == SO_OPENING) close_way(ch);
        set_state(ch, DRIVER_OFF, NULL);
        return;
    }
    if (ch->conn == SO_IDLE && (ch->connect_now || ch->retry_ns <= now)) {
        if (ch->why.code) ch->st.reconnects++;
        set_state(ch, DRIVER_CONNECTING, ch->why.code ? &ch->why : NULL);
        open[ch->cfg.mode](ch);
    }
    if (ch->conn == SO_IDLE) wake_earlier(at, ch->retry_ns > now ? ch->retry_ns : now + NS_MS);
}

static void unacknowledged(struct so_sender *ch, uint64_t now)
{
    struct error e;
    if (ch->cfg.ack.n == 0 || ch->nway == 0 || ch->way[0].until_ns > now) return;
    ch->st.timeouts++;
    error_set(&e, ERR_TIMEOUT, "", "%s: no acknowledgement within %u ms", "%s：%u 毫秒内没有应答", ch->cfg.place,
              ch->cfg.ack_ms);
    close_way(ch); /* one that comes late would count for the next batch */
    ch->proved = false;
    lost(ch, &e);
}

static void pump(struct so_sender *ch)
{
    uint64_t now = now_ns(ch), at = UINT64_MAX;
    if (ch->closing) return;
    connection(ch, now, &at);
    if (ch->conn == SO_UP && ch->cfg.content == SO_BINARY) {
        bool period = ch->cfg.period_ms && ch->period_ns <= now;
        if (period) ch->period_ns = now + ch->cfg.period_ms * NS_MS;
        if (period || ch->image_due) send_image(ch);
        if (ch->cfg.period_ms) wake_earlier(&at, ch->period_ns);
    }
    taken(ch);
    unacknowledged(ch, now);
    if (ch->closing) return;
    maybe_ready(ch);
    if (ch->cfg.ack.n && ch->nway) wake_earlier(&at, ch->way[0].until_ns);
    wake(ch, at);
}

/* ---- the outlet's functions ---- */

int so_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
            uint64_t ticket)
{
    struct so_sender *ch = (struct so_sender *)base;
    struct so_batch b = {.ticket = ticket, .items = n, .until_ns = now_ns(ch) + ch->cfg.ack_ms * NS_MS};
    int messages = 0;
    if (ch->conn != SO_UP || ch->nway >= most_under_way(ch) ||
        (ch->stream && tls_stream_waiting(ch->stream) > SO_MESSAGE_MAX)) {
        ch->refused = true;
        return ERR_AGAIN;
    }
    ch->choked = false;
    if (ch->cfg.content == SO_TEXT) {
        messages = message_texts(ch, items, n, emit, ch);
    } else if (flow == OUTLET_LIVE) {
        message_apply(ch, items, n);
        send_image(ch);
        messages = 1;
    }
    if (messages >= 0) b.messages = (unsigned)messages;
    if (messages < 0) b.failed = messages;
    if (ch->choked) b.failed = ERR_UNAVAILABLE; /* offered again */
    ch->way[ch->nway++] = b;
    wake(ch, now_ns(ch)); /* the host hears of it in the next turn, never from inside this call */
    return 0;
}

static bool overlaps(const struct so_sender *ch, size_t i)
{
    uint64_t from, to, a, b;
    if (!field_bits(ch->slots[i].field, &from, &to)) return false;
    for (size_t k = 0; k < i; k++)
        if (ch->slots[k].field && field_bits(ch->slots[k].field, &a, &b) && from < b && a < to) return true;
    return false;
}

static unsigned place_points(struct so_sender *ch)
{
    unsigned out = 0;
    for (size_t i = 0; i < ch->points.n && ch->cfg.content == SO_BINARY; i++) {
        struct so_slot *s = &ch->slots[i];
        int rc = field_new(str_of(ch->points.at[i].address), ch->points.at[i].type, &s->field, NULL);
        bool fits = rc == 0 && field_has_place(s->field) && field_needs(s->field) <= ch->cfg.frame_n;
        if (fits && !overlaps(ch, i)) continue;
        field_free(TAKE(s->field));
        out++;
    }
    return out;
}

static void free_slots(struct so_sender *ch)
{
    for (size_t i = 0; ch->slots && i < ch->points.n; i++) field_free(ch->slots[i].field);
    mem_free(TAKE(ch->slots));
    outlet_points_fini(&ch->points);
}

int so_set(struct outlet_channel *base, const struct outlet_point *points, size_t n, struct error *e)
{
    struct so_sender *ch = (struct so_sender *)base;
    struct outlet_points copy;
    struct so_slot *slots = mem_calloc(n + 1, sizeof *slots);
    if (slots == NULL || outlet_points_copy(points, n, &copy)) {
        mem_free(slots);
        return error_set(e, ERR_NOMEM, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", n);
    }
    free_slots(ch);
    ch->points = copy;
    ch->slots = slots;
    ch->st.points = (uint32_t)(n - place_points(ch));
    memcpy(ch->image, ch->cfg.frame, sizeof ch->image);
    if (ch->cfg.content == SO_BINARY) {
        current_items(ch, apply_one, NULL);
        ch->image_due = ch->conn == SO_UP;
    }
    wake(ch, now_ns(ch));
    return 0;
}

void so_test_it(struct outlet_channel *base, driver_test_done *done, void *arg)
{
    struct so_sender *ch = (struct so_sender *)base;
    struct error e;
    struct so_test *t = mem_calloc(1, sizeof *t);
    if (t == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, 0, "", "");
        return;
    }
    *t = (struct so_test){.next = ch->tests, .began_ns = now_ns(ch), .done = done, .arg = arg};
    ch->tests = t;
    if (ch->conn == SO_UP)
        tests_end(ch, NULL);
    else
        ch->connect_now = true;
    wake(ch, now_ns(ch));
}

void so_status(const struct outlet_channel *base, struct outlet_status *ret)
{
    const struct so_sender *ch = (const struct so_sender *)base;
    *ret = ch->st;
    ret->connections = ch->cfg.mode == SO_TCP_SERVER ? ch->npeers_up : ch->conn == SO_UP;
}

size_t so_peers(const struct outlet_channel *base, struct outlet_peer *ret, size_t max)
{
    const struct so_sender *ch = (const struct so_sender *)base;
    size_t n = 0;
    for (const struct so_peer *k = ch->peers; k && n < max; k = k->next) {
        if (!k->up) continue;
        ret[n] = (struct outlet_peer){
            .since_us = k->since_us, .items = k->items, .bytes_in = k->bytes_in, .bytes_out = k->bytes_out};
        snprintf(ret[n].address, sizeof ret[n].address, "%.50s:%u", tls_stream_host(k->stream),
                 tls_stream_port(k->stream));
        n++;
    }
    return n;
}

/* ---- open and close ---- */

int so_open(const struct outlet_host *host, const struct options *o, struct outlet_channel **ret, struct error *e)
{
    struct so_sender *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct outlet_channel){&socket_outlet, host};
    int rc = so_config_read(&ch->cfg, o, &ch->payload, e);
    if (rc == 0 && uv_timer_init(host->loop, &ch->timer)) rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        socket_tls_free(&ch->cfg.tls);
        payload_free(ch->payload);
        mem_free(ch);
        return rc;
    }
    ch->timer.data = ch;
    ch->handles = 1;
    ch->st.since_us = host->now_us(host->ctx);
    buf_init(&ch->in, 16384);
    buf_init(&ch->out, SO_MESSAGE_MAX);
    *ret = &ch->base;
    return 0;
}

static void free_sender(struct so_sender *ch)
{
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    free_slots(ch);
    payload_free(ch->payload);
    socket_tls_free(&ch->cfg.tls);
    buf_fini(&ch->in);
    buf_fini(&ch->out);
    mem_free(ch);
    closed(arg);
}

static void on_timer_closed(uv_handle_t *h)
{
    handle_closed(h->data);
}

void so_close(struct outlet_channel *base, driver_closed *closed, void *arg)
{
    struct so_sender *ch = (struct so_sender *)base;
    struct error e;
    error_set(&e, ERR_CANCELLED, "", "the forwarding was closed", "转发已关闭");
    ch->closing = true;
    ch->closed = closed;
    ch->closed_arg = arg;
    all_end(ch, &e);
    tests_end(ch, &e);
    close_way(ch);
    ch->st.state = DRIVER_OFF;
    uv_close((uv_handle_t *)&ch->timer, on_timer_closed);
}
