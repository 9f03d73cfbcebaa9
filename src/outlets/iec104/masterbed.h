/* masterbed.h - for the tests of this folder: controlling stations on the bed's loop (proto/iec104_link.h over
 * io/tls_stream.h) that keep every ASDU, and a bed with the outlet. Functions are static; include once. */
#pragma once
#include "io/testcert.h"
#include "io/tls_stream.h"
#include "outlets/common/testbed.h"
#include "outlets/iec104/outlet.h"
#include "outlets/iec104/station_int.h"

#define M_ASDUS 3000
#define T0 1700000000000000LL

struct master {
    struct obed *bed;
    struct tls_stream *s;
    bool opened, lost, closed, started, stopped, mute; /* mute: acknowledges nothing */
    char why[ERROR_TEXT_MAX];
    struct iec104_link link;
    size_t rx_n;
    uint8_t rx[70000];
    struct iec104_asdu got[M_ASDUS];
    uint8_t kept[M_ASDUS][IEC104_ASDU_MAX];
    unsigned n;
};

BED void m_flush(struct master *m)
{
    uint8_t out[IEC104_LINK_OUT];
    size_t n;
    if (!m->s || m->lost) return;
    if (m->mute) m->link.s_due = false;
    n = iec104_link_output(&m->link, uv_hrtime(), out);
    if (n) CHECK_INT(tls_stream_write(m->s, out, n), 0);
}
BED void m_opened(void *ctx)
{
    struct master *m = ctx;
    m->opened = true;
}
BED void m_keep(struct master *m, const struct iec104_apdu *a)
{
    struct error e = {0};
    if (m->n == M_ASDUS) return;
    memcpy(m->kept[m->n], a->asdu, a->asdu_n);
    if (iec104_asdu_decode(m->kept[m->n], a->asdu_n, &m->got[m->n], &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    m->n++;
}
BED void m_data(void *ctx, const uint8_t *p, size_t n)
{
    struct master *m = ctx;
    struct iec104_apdu a;
    enum iec104_link_event ev;
    struct error e = {0};
    size_t at = 0;
    CHECK(m->rx_n + n <= sizeof m->rx);
    memcpy(m->rx + m->rx_n, p, n);
    m->rx_n += n;
    for (int rc = 1; rc == 1 && at < m->rx_n;) {
        rc = iec104_link_input(&m->link, uv_hrtime(), m->rx + at, m->rx_n - at, &a, &ev, &e);
        if (rc < 0) test_fail(__FILE__, __LINE__, "the station sent what is wrong: %s", e.text);
        if (rc != 1) break;
        at += a.used;
        m->started = m->started || ev == IEC104_EVENT_STARTED;
        m->stopped = m->stopped || ev == IEC104_EVENT_STOPPED;
        if (ev == IEC104_EVENT_ASDU) m_keep(m, &a);
    }
    memmove(m->rx, m->rx + at, m->rx_n - at);
    m->rx_n -= at;
    m_flush(m);
}
BED void m_lost(void *ctx, const struct error *why)
{
    struct master *m = ctx;
    m->lost = true;
    str_to_cstr(str_of(why->text), m->why, sizeof m->why);
}
BED unsigned bed_port(struct obed *b)
{
    struct sv_channel *ch = (struct sv_channel *)b->ch;
    UNTIL(b, ch->listener);
    return tls_listener_port(ch->listener);
}
BED struct master *m_connect(struct obed *b, const struct tls_client *tls)
{
    static const struct tls_stream_ops ops = {m_opened, m_data, m_lost};
    struct master *m = mem_calloc(1, sizeof *m);
    struct tls_stream_config c = {.host = "127.0.0.1", .port = (uint16_t)bed_port(b), .tls = tls};
    struct iec104_link_config lc = {
        .controlling = true, .k = 12, .w = 8, .t1_ms = 15000, .t2_ms = 10000, .t3_ms = 20000};
    struct error e = {0};
    m->bed = b;
    iec104_link_init(&m->link, &lc, uv_hrtime());
    if (tls_stream_open(&b->loop, &c, &ops, m, &m->s, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    UNTIL(b, m->opened || m->lost);
    return m;
}
BED void m_start(struct master *m)
{
    m->started = false;
    m->link.state = IEC104_STOPPED;
    iec104_link_start(&m->link, uv_hrtime());
    m_flush(m);
    UNTIL(m->bed, m->started || m->lost);
}
BED struct master *m_new(struct obed *b)
{
    struct master *m = m_connect(b, NULL);
    m_start(m);
    return m;
}
BED void m_leave(struct master *m)
{
    struct obed *b = m->bed;
    m->closed = false;
    tls_stream_close(TAKE(m->s), bed_closed, &m->closed);
    UNTIL(b, m->closed);
}
BED void m_free(struct master *m)
{
    if (m->s) m_leave(m);
    mem_free(m);
}
/* Acknowledge what came. */
BED void m_ack(struct master *m)
{
    m->link.s_due = m->link.acked != m->link.vr;
    bool mute = m->mute;
    m->mute = false;
    m_flush(m);
    m->mute = mute;
}
BED bool m_ack_all(struct master *m)
{
    m_ack(m);
    return true;
}
BED void m_send(struct master *m, const struct iec104_asdu *head, const struct iec104_object *o)
{
    uint8_t asdu[IEC104_ASDU_MAX], out[IEC104_APDU_MAX];
    struct iec104_asdu a = *head;
    if (!a.cause) a.cause = IEC104_ACT;
    if (!a.ca) a.ca = 1;
    size_t n = iec104_put_one(&a, o, asdu);
    n = iec104_link_send(&m->link, uv_hrtime(), asdu, n, out);
    CHECK_INT(tls_stream_write(m->s, out, n), 0);
}
/* Ask and await an ASDU of that type and cause; the ones before it stay in m->got. */
BED const struct iec104_asdu *m_wait(struct master *m, unsigned type, unsigned cause)
{
    unsigned at = 0;
    for (uint64_t end = uv_hrtime() + 5000000000u; uv_hrtime() < end;) {
        for (; at < m->n; at++)
            if (m->got[at].type->id == type && m->got[at].cause == cause) return &m->got[at];
        bed_step(m->bed);
    }
    test_fail(__FILE__, __LINE__, "never came: type %u cause %u", type, cause);
    return NULL;
}
BED const struct iec104_asdu *m_ask(struct master *m, unsigned type, const struct iec104_object *o, unsigned cause)
{
    struct iec104_asdu head = {.type = iec104_type(type)};
    m->n = 0;
    m_send(m, &head, o);
    return m_wait(m, type, cause);
}
/* The value of an object among what came; NULL: it did not. */
BED const struct iec104_asdu *m_find(const struct master *m, uint32_t ioa, struct iec104_object *ret)
{
    for (unsigned i = m->n; i-- > 0;)
        for (unsigned k = 0; k < m->got[i].count; k++) {
            *ret = iec104_object(&m->got[i], k);
            if (ret->ioa == ioa && m->got[i].type->direction == IEC104_MONITOR) return &m->got[i];
        }
    return NULL;
}
BED unsigned m_objects(const struct master *m, unsigned cause)
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->n; i++) n += m->got[i].cause == cause ? m->got[i].count : 0;
    return n;
}

BED struct obed *station(const char *more)
{
    struct obed *b = obed_new(&iec104_server_outlet);
    char json[12000];
    snprintf(json, sizeof json, "{\"port\":0,\"bind\":\"127.0.0.1\"%s}", more);
    obed_open(b, json);
    return b;
}
