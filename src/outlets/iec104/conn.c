/* conn.c - connections of controlling stations: bytes in and out, their time, how they end.
 *
 * A connection is read while its station takes what comes; frames are made while the socket takes them. It lives in
 * ch->conns until its stream is gone, so that nothing that walks the list minds an end. */
#include <stdio.h>
#include "outlets/iec104/station_int.h"

bool sv_conn_started(const struct sv_conn *c)
{
    return c->opened && !c->closing && c->station.link.state == IEC104_STARTED;
}

/* ---- frames, for diagnostics ---- */

static void trace(const struct sv_conn *c, enum driver_dir dir, const uint8_t *p, size_t n, const struct error *e)
{
    const struct outlet_host *h = c->ch->base.host;
    struct driver_frame f = {
        .time_us = sv_utc(c->ch), .dir = dir, .link = (uint16_t)c->number, .bytes = p, .n = n, .error = e};
    if (h->frame && (e || h->trace)) h->frame(h->ctx, &f);
}

/* ---- the end ---- */

static void on_stream_closed(void *arg)
{
    struct sv_conn *c = arg;
    struct sv_channel *ch = c->ch;
    struct sv_conn **at = &ch->conns;
    while (*at != c) at = &(*at)->next;
    *at = c->next;
    mem_free(c->missed);
    mem_free(c);
    sv_conn_closed(ch);
}

void sv_conn_drop(struct sv_conn *c, const struct error *why)
{
    struct sv_channel *ch = c->ch;
    char kv[480];
    if (c->closing) return;
    c->closing = true;
    ch->nconns--;
    snprintf(kv, sizeof kv, "peer=%s err=\"%s\"", c->peer, why ? why->text : "");
    sv_log(ch, DRIVER_LOG_INFO, "controlling station left", kv);
    tls_stream_close(TAKE(c->stream), on_stream_closed, c);
    sv_tell_lost(c);
    sv_soon(ch);
}

/* ---- out ---- */

static void transmit(struct sv_conn *c, const uint8_t *p, size_t n)
{
    struct iec104_apdu a;
    for (size_t at = 0; c->ch->base.host->trace && iec104_apdu_next(p + at, n - at, &a, NULL) == 1; at += a.used)
        trace(c, DRIVER_TX, p + at, a.used, NULL);
    c->bytes_out += n;
    c->ch->st.bytes_out += n;
    (void)!tls_stream_write(c->stream, p, n); /* a broken connection shows up at the next read */
}

void sv_conn_flush(struct sv_conn *c, uint64_t now)
{
    uint8_t out[4096];
    size_t n;
    while (!c->closing && tls_stream_waiting(c->stream) < SV_QUEUE &&
           (n = iec104_station_output(&c->station, now, out, sizeof out)) > 0)
        transmit(c, out, n);
}

/* ---- in ---- */

static void broken(struct sv_conn *c, const uint8_t *p, size_t n, const struct error *e)
{
    struct error why;
    c->ch->st.errors++;
    trace(c, DRIVER_RX, p, n < IEC104_APDU_MAX ? n : IEC104_APDU_MAX, e);
    error_set(&why, ERR_PROTOCOL, "", "%s broke the protocol: %s%.0s", "%s 违反协议：%.0s%s", c->peer, e->text,
              e->text_zh);
    sv_conn_drop(c, &why);
}

void sv_conn_note(struct sv_conn *c)
{
    bool on = sv_conn_started(c);
    if (on == c->started || c->closing) return;
    c->started = on;
    sv_log(c->ch, DRIVER_LOG_INFO, on ? "data transfer started" : "data transfer stopped", c->peer);
    if (on)
        sv_group_started(c);
    else
        sv_tell_stopped(c);
    sv_soon(c->ch);
}

static void serve(struct sv_conn *c, uint64_t now)
{
    struct error e = {0};
    size_t at = 0;
    int used = 1;
    while (!c->closing && used > 0 && at < c->rx_n) {
        used = iec104_station_input(&c->station, now, c->rx + at, c->rx_n - at, &e);
        if (used <= 0) break;
        c->ch->st.requests += (c->rx[at + 2] & 1) == 0; /* I frames */
        trace(c, DRIVER_RX, c->rx + at, (size_t)used, NULL);
        at += (size_t)used;
        c->ch->st.last_ok_us = sv_utc(c->ch);
        sv_conn_note(c);
        sv_conn_flush(c, now);
    }
    if (used < 0) broken(c, c->rx + at, c->rx_n - at, &e);
    if (at && at < c->rx_n) memmove(c->rx, c->rx + at, c->rx_n - at);
    c->rx_n -= at;
}

/* More than one frame is left: the station does not take it now. */
static void flow(struct sv_conn *c)
{
    bool full = c->rx_n > IEC104_APDU_MAX;
    if (c->closing || full == c->paused) return;
    c->paused = full;
    tls_stream_read(c->stream, !full);
}

static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct sv_conn *c = ctx;
    if (c->closing) return;
    c->bytes_in += n;
    c->ch->st.bytes_in += n;
    while (n > 0 && !c->closing) { /* while reading is paused at most one chunk comes, and that fits */
        size_t room = sizeof c->rx - c->rx_n, k = n < room ? n : room;
        if (k == 0) break;
        memcpy(c->rx + c->rx_n, p, k);
        c->rx_n += k;
        p += k, n -= k;
        serve(c, sv_now(c->ch));
    }
    if (!c->closing) flow(c);
    sv_pump(c->ch);
}

static void on_opened(void *ctx)
{
    struct sv_conn *c = ctx;
    c->opened = true;
    if (!tls_stream_name(c->stream, c->who, sizeof c->who)) c->who[0] = 0;
    sv_log(c->ch, DRIVER_LOG_INFO, "controlling station connected", c->peer);
    sv_pump(c->ch);
}

static void on_lost(void *ctx, const struct error *why)
{
    struct sv_conn *c = ctx;
    if (!c->opened) c->ch->st.errors++;
    sv_conn_drop(c, why);
}

static void on_drained(void *ctx)
{
    sv_pump(((struct sv_conn *)ctx)->ch);
}

/* ---- the beginning ---- */

static struct iec104_station_config config_of(struct sv_conn *c)
{
    const struct sv_channel *ch = c->ch;
    return (struct iec104_station_config){
        .link = ch->cfg.link,
        .ops =
            {.ctx = c, .next = sv_next, .read = sv_read, .command = sv_command, .clock = sv_clock, .freeze = sv_freeze},
        .cas = ch->cas,
        .ncas = ch->ncas,
        .select_ms = ch->cfg.select_ms,
        .announce = ch->cfg.announce,
        .events = c->events,
        .events_cap = SV_EVENTS};
}

void *sv_accept(void *ctx, struct tls_stream *s)
{
    struct sv_channel *ch = ctx;
    char kv[120];
    bool room = ch->nconns < ch->cfg.max_connections && !ch->closing;
    struct sv_conn *c = room ? mem_calloc(1, sizeof *c) : NULL;
    snprintf(kv, sizeof kv, "peer=%s max_connections=%u", tls_stream_host(s), ch->cfg.max_connections);
    if (c == NULL) {
        sv_log(ch, DRIVER_LOG_WARN, "a connection is refused: there are too many", kv);
        ch->st.errors++;
        return NULL;
    }
    *c = (struct sv_conn){.ch = ch,
                          .next = ch->conns,
                          .stream = s,
                          .number = ++ch->numbers & 0xffff,
                          .id = ++ch->ids,
                          .since_us = sv_utc(ch)};
    bool v6 = strchr(tls_stream_host(s), ':') != NULL;
    snprintf(c->peer, sizeof c->peer, "%s%.60s%s:%u", v6 ? "[" : "", tls_stream_host(s), v6 ? "]" : "",
             tls_stream_port(s));
    sv_group_join(c, tls_stream_host(s));
    struct iec104_station_config cfg = config_of(c);
    iec104_station_init(&c->station, &cfg, sv_now(ch));
    tls_stream_on_drained(s, on_drained);
    ch->conns = c;
    ch->nconns++;
    return c;
}

void sv_refused(void *ctx, const char *host)
{
    struct sv_channel *ch = ctx;
    char kv[80];
    snprintf(kv, sizeof kv, "peer=%.60s", host);
    sv_log(ch, DRIVER_LOG_WARN, "a connection is refused: the address is not in the list", kv);
    ch->st.errors++;
}

const struct tls_listener_ops sv_listener_ops = {{on_opened, on_data, on_lost}, sv_accept, sv_refused};

/* ---- time ---- */

void sv_conn_pump(struct sv_conn *c, uint64_t now)
{
    struct error e, why;
    if (!c->opened || c->closing) return;
    if (iec104_station_time(&c->station, now, &e)) {
        c->ch->st.timeouts++;
        error_set(&why, ERR_TIMEOUT, "", "%s: %s%.0s", "%s：%.0s%s", c->peer, e.text, e.text_zh);
        sv_conn_drop(c, &why);
        return;
    }
    sv_conn_flush(c, now);
    if (c->rx_n) serve(c, now);
    if (!c->closing) flow(c);
    sv_conn_note(c);
}
