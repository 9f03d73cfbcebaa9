/* The station on the wire: interrogations, events and their acknowledgement, losses, STOPDT, several controlling
 * stations, clocks, cycles, who is let in, faults. */
#include "outlets/iec104/masterbed.h"

static const struct iec104_object qoi20 = {.i = 20};

static struct obed *plant(void)
{
    struct obed *b = station(",\"announce\":false");
    obed_point(b, "run", "M_SP:1", VALUE_BOOL);
    obed_point(b, "flow", "yc0", VALUE_AUTO);
    obed_point(b, "valve", "2!M_DP:7", VALUE_BOOL);
    obed_point(b, "meter", "ym0", VALUE_AUTO);
    obed_point(b, "none", "M_ME_NB:16400", VALUE_AUTO);
    obed_set(b);
    obed_sample(b, 0, (struct sample){.type = SAMPLE_BOOL, .v.i = 1});
    obed_value(b, 1, 12.5);
    obed_sample(b, 2,
                (struct sample){.type = SAMPLE_BOOL, .v.i = 0, .quality = QUALITY_UNCERTAIN, .flags = REASON_STALE});
    obed_value(b, 3, 100.9);
    return b;
}

TEST(interrogations)
{
    struct obed *b = plant();
    struct master *m = m_new(b);
    struct iec104_object o;
    CHECK_INT(obed_status(b).state, DRIVER_UP);
    m_ask(m, IEC104_C_IC_NA, &qoi20, IEC104_ACTTERM);
    CHECK_INT(m->got[0].cause, IEC104_ACTCON);
    CHECK_INT(m_objects(m, IEC104_INROGEN), 3); /* of common address 1; not the counter */
    REQUIRE(m_find(m, 1, &o));
    CHECK_INT(o.i, 1);
    CHECK_INT(m_find(m, 16385, &o)->type->id, IEC104_M_ME_NC);
    CHECK_DBL(o.d, 12.5, 0);
    CHECK_INT(m_find(m, 16400, &o)->type->id, IEC104_M_ME_NB); /* never had a value */
    CHECK_INT(o.quality, IEC104_IV | IEC104_NT);
    struct iec104_asdu all = {.type = iec104_type(IEC104_C_IC_NA), .ca = IEC104_BROADCAST};
    m->n = 0;
    m_send(m, &all, &qoi20);
    UNTIL(b, m_objects(m, IEC104_ACTTERM) == 2);
    REQUIRE(m_find(m, 7, &o));
    CHECK_INT(o.i, 1); /* off */
    CHECK_INT(o.quality, IEC104_NT);
    CHECK_INT(m_find(m, 7, &o)->ca, 2);
    m_ask(m, IEC104_C_CI_NA, &(struct iec104_object){.i = 5}, IEC104_ACTTERM);
    CHECK_INT(m_find(m, 25601, &o)->cause, IEC104_REQCOGEN);
    CHECK_INT(o.i, 100);
    struct iec104_asdu read = {.type = iec104_type(IEC104_C_RD_NA), .cause = IEC104_REQUEST};
    m->n = 0;
    m_send(m, &read, &(struct iec104_object){.ioa = 16385});
    CHECK_DBL(iec104_object(m_wait(m, IEC104_M_ME_NC, IEC104_REQUEST), 0).d, 12.5, 0);
    m_send(m, &read, &(struct iec104_object){.ioa = 9});
    CHECK(m_wait(m, IEC104_C_RD_NA, IEC104_UNKNOWN_IOA)->negative);
    read.ca = 9;
    m_send(m, &read, &(struct iec104_object){.ioa = 1});
    m_wait(m, IEC104_C_RD_NA, IEC104_UNKNOWN_CA);
    m_free(m);
    obed_free(b);
}

TEST(groups_and_frozen_counters)
{
    struct obed *b = station(",\"announce\":false");
    struct iec104_object o;
    obed_point(b, "a", "1", VALUE_BOOL);
    obed_point(b, "b", "16385", VALUE_AUTO);
    obed_point(b, "c", "ym0", VALUE_AUTO);
    obed_point(b, "d", "ym1", VALUE_AUTO);
    b->points[1].options = bed_options(b, iec104_server_outlet.point_options, "{\"group\":3}");
    b->points[2].options = bed_options(b, iec104_server_outlet.point_options, "{\"group\":2}");
    obed_set(b);
    for (uint32_t i = 0; i < 4; i++) obed_value(b, i, 5);
    struct master *m = m_new(b);
    m_ask(m, IEC104_C_IC_NA, &(struct iec104_object){.i = 23}, IEC104_ACTTERM);
    CHECK_INT(m_objects(m, IEC104_INROGEN + 3), 1);
    CHECK(m_find(m, 16385, &o) != NULL);
    m_ask(m, IEC104_C_CI_NA, &(struct iec104_object){.i = 5 | 1 << 6}, IEC104_ACTCON); /* freeze */
    CHECK(!m->got[0].negative);
    obed_value(b, 2, 8);
    m_ask(m, IEC104_C_CI_NA, &(struct iec104_object){.i = 2}, IEC104_ACTTERM);
    CHECK_INT(m_objects(m, IEC104_REQCOGEN + 2), 1);
    REQUIRE(m_find(m, 25601, &o));
    CHECK_INT(o.i, 5);
    CHECK_INT(o.qualifier, 1); /* sequence number */
    obed_set(b);               /* the same set: frozen it stays */
    m_ask(m, IEC104_C_CI_NA, &(struct iec104_object){.i = 5}, IEC104_ACTTERM);
    CHECK_INT(m_objects(m, IEC104_REQCOGEN), 2);
    CHECK(m_find(m, 25601, &o) && o.i == 5);
    CHECK(m_ask(m, IEC104_C_CI_NA, &(struct iec104_object){.i = 5 | 2 << 6}, IEC104_ACTCON)->negative); /* reset */
    CHECK(m_ask(m, IEC104_C_RP_NA, &(struct iec104_object){.i = 1}, IEC104_ACTCON)->negative);
    CHECK(!m_ask(m, IEC104_C_TS_NA, &(struct iec104_object){.i = 0x55aa}, IEC104_ACTCON)->negative);
    m_free(m);
    obed_free(b);
}

TEST(events_are_kept_until_one_acknowledges)
{
    struct obed *b = plant();
    struct iec104_object o;
    int64_t at = T0 + 5123000;
    CHECK_INT(obed_send(b, 1, 1, at, OUTLET_LIVE), 0); /* nobody is there */
    struct master *m = m_connect(b, NULL);
    CHECK_INT(obed_send(b, 1, 1, at, OUTLET_LIVE), 0); /* not started */
    CHECK_INT(b->ready, 0);
    m->mute = true;
    m_start(m);
    UNTIL(b, b->ready == 1);
    uint64_t t = obed_send(b, 1, 1.5, at, OUTLET_LIVE);
    CHECK(t > 0);
    const struct iec104_asdu *a = m_wait(m, IEC104_M_ME_TF, IEC104_SPONTANEOUS);
    o = iec104_object(a, 0);
    CHECK_DBL(o.d, 1.5, 0);
    CHECK_INT(o.ioa, 16385);
    int64_t local;
    CHECK_INT(iec104_time_local(&o.time, 0, &local), 0);
    CHECK_INT(local, at + 8 * 3600 * 1000000LL);
    CHECK(!o.time.summer && o.time.full);
    bed_step(b);
    CHECK_INT(b->nsent, 0); /* not acknowledged */
    m_ack(m);
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], 0);
    CHECK_INT(obed_status(b).items, 1);
    t = obed_send(b, 1, 2.5, at - 3600000000, OUTLET_BACKFILL);
    UNTIL(b, m->n == 2);
    o = iec104_object(&m->got[1], 0);
    CHECK_INT(m->got[1].cause, IEC104_SPONTANEOUS);
    CHECK_INT(iec104_time_local(&o.time, 0, &local), 0);
    CHECK_INT(local, at + 7 * 3600 * 1000000LL);
    m_leave(m); /* without an acknowledgement */
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], ERR_CLOSED);
    UNTIL(b, b->state == DRIVER_CONNECTING);
    CHECK(strstr(obed_status(b).reason, "no controlling station") && strstr(obed_status(b).reason_zh, "尚无主站"));
    m_free(m);
    obed_free(b);
}

TEST(what_carries_nothing_is_done_at_once)
{
    struct obed *b = plant();
    struct master *m = m_new(b);
    uint64_t t = obed_send(b, 3, 1, 0, OUTLET_LIVE); /* a counter: only when asked */
    CHECK(t > 0 && !b->sent[t]);                     /* never inside the call */
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], 0);
    struct outlet_item text = {.slot = 1, .sample = {.type = SAMPLE_STRING, .time_us = T0}, .text = "x", .text_len = 1};
    t = obed_send_items(b, &text, 1, OUTLET_LIVE);
    UNTIL(b, b->sent[t]);
    CHECK_INT(m->n, 0);
    m_free(m);
    obed_free(b);
}

TEST(one_of_several_is_enough)
{
    struct obed *b = plant();
    struct master *m[3];
    for (int i = 0; i < 3; i++) m[i] = m_new(b);
    m[0]->mute = m[1]->mute = true;
    uint64_t t = obed_send(b, 1, 3, 0, OUTLET_LIVE);
    for (int i = 0; i < 3; i++) m_wait(m[i], IEC104_M_ME_TF, IEC104_SPONTANEOUS);
    CHECK(!b->sent[t]);
    m_leave(m[0]); /* one of two without */
    bed_step(b);
    CHECK(!b->sent[t]);
    m_ack(m[2]);
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], 0);
    struct outlet_peer p[4];
    CHECK_INT(iec104_server_outlet.peers(b->ch, p, 4), 2);
    CHECK_INT(p[0].items + p[1].items, 1);
    CHECK(p[0].subscriptions == 5 && strstr(p[0].address, "127.0.0.1:"));
    for (int i = 0; i < 3; i++) m_free(m[i]);
    obed_free(b);
}

TEST(stop_and_start_again)
{
    struct obed *b = plant();
    struct master *m = m_new(b);
    m->mute = true;
    uint64_t first = obed_send(b, 1, 1, 0, OUTLET_LIVE);
    m_wait(m, IEC104_M_ME_TF, IEC104_SPONTANEOUS);
    uint64_t rest[14];
    for (int i = 0; i < 14; i++) { /* k is 12: the last ones do not go out */
        rest[i] = obed_send(b, 1, i, 0, OUTLET_LIVE);
        bed_step(b);
    }
    CHECK_INT(m->n, 12);
    uint8_t out[6];
    m->link.state = IEC104_STOPPING;
    m->link.awaited = IEC104_STOPDT_CON;
    CHECK_INT(tls_stream_write(m->s, out, iec104_put_u(IEC104_STOPDT_ACT, out)), 0);
    UNTIL(b, b->sent[rest[13]]);
    CHECK_INT(b->sent_code[rest[13]], ERR_CLOSED); /* offered again later */
    CHECK(!b->sent[first] && !m->stopped);
    CHECK_INT(obed_send(b, 1, 1, 0, OUTLET_LIVE), 0);
    m_ack(m);
    UNTIL(b, m->stopped);
    UNTIL(b, b->sent[first] && b->sent[rest[10]]);
    CHECK_INT(b->sent_code[first], 0);
    CHECK_INT(b->sent_code[rest[10]], 0);
    CHECK_INT(b->sent_code[rest[11]], ERR_CLOSED);
    UNTIL(b, b->state == DRIVER_CONNECTING);
    m_start(m);
    UNTIL(b, b->ready == 1 && b->state == DRIVER_UP);
    m->mute = false;
    m->n = 0;
    uint64_t t = obed_send(b, 1, 7, 0, OUTLET_LIVE);
    m_wait(m, IEC104_M_ME_TF, IEC104_SPONTANEOUS);
    m_ack(m);
    UNTIL(b, b->sent[t]);
    m_free(m);
    obed_free(b);
}

TEST(many_events_in_order)
{
    struct obed *b = plant();
    struct master *m = m_new(b);
    struct outlet_item items[1000];
    uint64_t last = 0;
    unsigned sent = 0;
    for (unsigned i = 0; i < 1000; i++)
        items[i] = (struct outlet_item){.slot = 1, .sample = {.type = SAMPLE_INT, .v.i = i}, .text = ""};
    for (int tries = 0; sent < 12 && tries < 2000; tries++) {
        for (unsigned i = 0; i < 1000; i++) items[i].sample.time_us = T0 + (sent * 1000 + i) * 1000;
        uint64_t t = obed_send_items(b, items, 1000, OUTLET_LIVE);
        if (t) last = t, sent++;
        bed_step(b);
    }
    CHECK_INT(sent, 12);
    UNTIL(b, m_ack_all(m) && b->sent[last]);
    CHECK_INT(b->nsent, 12);
    CHECK_INT(b->nrefused, 0);
    CHECK_INT(m_objects(m, IEC104_SPONTANEOUS), 12000);
    int64_t before = 0, at, wrong = 0;
    for (unsigned i = 0; i < m->n; i++)
        for (unsigned k = 0; k < m->got[i].count; k++) {
            struct iec104_object o = iec104_object(&m->got[i], k);
            wrong += iec104_time_local(&o.time, 0, &at) != 0 || at <= before;
            before = at;
        }
    CHECK_INT(wrong, 0);
    m_free(m);
    obed_free(b);
}

TEST(a_slow_one_holds_nobody_up)
{
    struct obed *b = plant();
    struct master *slow = m_new(b), *quick = m_new(b);
    struct outlet_item items[1000];
    struct iec104_object o;
    slow->mute = true;
    for (unsigned i = 0; i < 1000; i++)
        items[i] =
            (struct outlet_item){.slot = 1, .sample = {.type = SAMPLE_INT, .v.i = i, .time_us = T0 + i}, .text = ""};
    unsigned sent = 0;
    for (int tries = 0; sent < 8 && tries < 2000; tries++) {
        sent += obed_send_items(b, items, 1000, OUTLET_LIVE) != 0;
        bed_step(b);
        m_ack(quick);
    }
    CHECK_INT(sent, 8);
    UNTIL(b, m_ack_all(quick) && b->nsent == 8);
    CHECK(strstr(b->last_log, "too slow") || b->warnings > 0);
    obed_value(b, 1, 77);
    slow->mute = false;
    UNTIL(b, m_ack_all(slow) && m_find(slow, 16385, &o) && o.d == 77); /* the present value in the end */
    uint64_t t = obed_send(b, 1, 78, 0, OUTLET_LIVE);                  /* and from then on everything */
    UNTIL(b, m_ack_all(slow) && m_ack_all(quick) && b->sent[t] && m_find(slow, 16385, &o) && o.d == 78);
    m_free(slow);
    m_free(quick);
    obed_free(b);
}

/* ---- clocks, who is let in, faults ---- */

TEST(clocks_are_compared)
{
    struct obed *b = plant();
    struct master *m = m_new(b);
    b->now_us = T0;
    struct iec104_object o = {.time = iec104_time_of(T0 + 5500000 + 8 * 3600000000LL)};
    CHECK(!m_ask(m, IEC104_C_CS_NA, &o, IEC104_ACTCON)->negative);
    UNTIL(b, b->state == DRIVER_DEGRADED);
    CHECK(strstr(obed_status(b).reason, "5.5 s ahead") && strstr(obed_status(b).reason_zh, "5.5 秒（快）"));
    o.time = iec104_time_of(T0 - 300000 + 8 * 3600000000LL);
    m_ask(m, IEC104_C_CS_NA, &o, IEC104_ACTCON);
    UNTIL(b, b->state == DRIVER_UP);
    o.time.month = 13;
    CHECK(m_ask(m, IEC104_C_CS_NA, &o, IEC104_ACTCON)->negative);
    m_free(m);
    obed_free(b);
}

TEST(summer_time)
{
    struct obed *b = station(",\"announce\":false,\"time_zone\":\"Europe/Berlin\"");
    obed_point(b, "t", "16385", VALUE_AUTO);
    obed_set(b);
    struct master *m = m_new(b);
    obed_send(b, 0, 1, 1720000000000000, OUTLET_LIVE); /* 2024-07-03T09:46:40Z */
    struct iec104_object o = iec104_object(m_wait(m, IEC104_M_ME_TF, IEC104_SPONTANEOUS), 0);
    CHECK_INT(o.time.hour, 11);
    CHECK(o.time.summer);
    m_free(m);
    obed_free(b);
}

TEST(the_end_of_initialization_is_told)
{
    struct obed *b = station(",\"time_tags\":false");
    obed_point(b, "t", "16385", VALUE_AUTO);
    obed_set(b);
    struct master *m = m_new(b);
    CHECK_INT(m_wait(m, IEC104_M_EI_NA, IEC104_INITIALIZED)->ca, 1);
    obed_send(b, 0, 1, T0, OUTLET_LIVE);
    m_wait(m, IEC104_M_ME_NC, IEC104_SPONTANEOUS); /* without time */
    obed_send(b, 0, 1, T0, OUTLET_BACKFILL);
    m_wait(m, IEC104_M_ME_TF, IEC104_SPONTANEOUS); /* what comes later needs it */
    m_free(m);
    obed_free(b);
}

TEST(measured_values_in_a_cycle)
{
    struct obed *b = station(",\"announce\":false,\"cycle\":\"100ms\"");
    obed_point(b, "run", "1", VALUE_BOOL);
    obed_point(b, "a", "16385", VALUE_AUTO);
    obed_point(b, "b", "2!M_ME_NB:16385", VALUE_AUTO);
    obed_point(b, "meter", "ym0", VALUE_AUTO);
    obed_set(b);
    obed_value(b, 1, 1.5);
    struct master *m = m_new(b);
    UNTIL(b, m_objects(m, IEC104_PERIODIC) >= 4);
    struct iec104_object o;
    CHECK_INT(m->got[0].cause, IEC104_PERIODIC);
    CHECK_INT(m->got[0].type->id, IEC104_M_ME_NC);
    CHECK_INT(m_find(m, 1, &o) != NULL, 0);
    uint64_t t = obed_send(b, 1, 2.5, 0, OUTLET_LIVE); /* changes beside them */
    UNTIL(b, m_ack_all(m) && b->sent[t]);
    for (unsigned i = 0; i < m->n; i++) CHECK_INT(m->got[i].ca, m->got[i].type->id == IEC104_M_ME_NB ? 2 : 1);
    m_free(m);
    obed_free(b);
}

TEST(who_is_let_in)
{
    struct obed *b = station(",\"announce\":false,\"allow\":\"10.0.0.0/8\"");
    obed_point(b, "t", "16385", VALUE_AUTO);
    obed_set(b);
    struct master *m = m_connect(b, NULL);
    UNTIL(b, m->lost);
    CHECK(strstr(b->last_log, "not in the list"));
    m_free(m);
    obed_free(b);
    b = station(",\"announce\":false,\"max_connections\":1");
    obed_point(b, "t", "16385", VALUE_AUTO);
    obed_set(b);
    struct master *one = m_new(b), *two = m_connect(b, NULL);
    UNTIL(b, two->lost);
    CHECK(strstr(b->last_log, "too many"));
    CHECK_INT(obed_status(b).connections, 1);
    m_leave(one);
    bed_step(b);
    struct master *three = m_new(b); /* there is room again */
    CHECK(three->started);
    m_free(one);
    m_free(two);
    m_free(three);
    obed_free(b);
}

static void quote(const char *pem, char *out)
{
    for (; *pem; pem++) {
        if (*pem == '\n') *out++ = '\\';
        *out++ = *pem == '\n' ? 'n' : *pem;
    }
    *out = 0;
}

TEST(tls_with_certificates)
{
    static struct testcert own, peer;
    static char json[11000], cert[3000], key[1500], ca[3000];
    testcert_make(&own, "station", "IP:127.0.0.1");
    testcert_make(&peer, "dispatch", "DNS:x");
    quote(own.cert, cert), quote(own.key, key), quote(peer.cert, ca);
    snprintf(json, sizeof json, ",\"tls\":true,\"tls_certificate\":\"%s\",\"tls_key\":\"%s\",\"tls_ca\":\"%s\"", cert,
             key, ca);
    struct obed *b = station(json);
    obed_point(b, "t", "16385", VALUE_AUTO);
    obed_set(b);
    struct tls_client *with = NULL, *without = NULL;
    struct error e = {0};
    struct tls_client_config c = {.ca_pem = own.cert, .verify = true};
    CHECK_INT(tls_client_new(&c, &without, &e), 0);
    c.cert_pem = peer.cert, c.key_pem = peer.key;
    CHECK_INT(tls_client_new(&c, &with, &e), 0);
    struct master *m = m_connect(b, with);
    m_start(m);
    m_wait(m, IEC104_M_EI_NA, IEC104_INITIALIZED);
    struct outlet_peer p;
    CHECK_INT(iec104_server_outlet.peers(b->ch, &p, 1), 1);
    CHECK_Z(p.who, "dispatch");
    struct master *no = m_connect(b, without);
    UNTIL(b, no->lost);
    m_free(m);
    m_free(no);
    obed_free(b);
    tls_client_free(with);
    tls_client_free(without);
    b = obed_new(&iec104_server_outlet); /* this node's own certificate, when none is given */
    b->cert_pem = own.cert, b->key_pem = own.key;
    obed_open(b, "{\"port\":0,\"tls\":true}");
    obed_free(b);
    b = obed_new(&iec104_server_outlet);
    CHECK_INT(iec104_server_outlet.channel_open(
                  &b->host, bed_options(b, iec104_server_outlet.channel_options, "{\"tls\":true}"), &b->ch, &e),
              ERR_INVALID);
    CHECK_Z(e.where, "tls_certificate");
    b->ch = NULL;
    obed_free(b);
}

TEST(a_port_that_is_taken)
{
    struct obed *b = plant();
    char json[80];
    unsigned port = bed_port(b);
    snprintf(json, sizeof json, "{\"port\":%u,\"bind\":\"127.0.0.1\"}", port);
    struct obed *c = obed_new(&iec104_server_outlet);
    obed_open(c, json);
    obed_point(c, "t", "16385", VALUE_AUTO);
    obed_set(c);
    CHECK_INT(c->state, DRIVER_DOWN);
    CHECK(strstr(obed_status(c).reason, "in use"));
    obed_test(c);
    CHECK_INT(c->test_code, ERR_UNAVAILABLE);
    obed_free(b); /* it is free now */
    obed_test(c);
    CHECK_INT(c->test_code, 0);
    CHECK(strstr(c->test_detail, "listening on 127.0.0.1 port"));
    UNTIL(c, c->state == DRIVER_CONNECTING);
    obed_free(c);
}

TEST(rubbish_and_silence)
{
    struct obed *b = station(",\"announce\":false,\"t1\":\"60ms\",\"t3\":\"50ms\"");
    obed_point(b, "t", "16385", VALUE_AUTO);
    obed_set(b);
    struct master *m = m_connect(b, NULL);
    CHECK_INT(tls_stream_write(m->s, "GET / HTTP/1.1\r\n\r\n", 18), 0);
    UNTIL(b, m->lost);
    CHECK(b->bad_frames == 1 && obed_status(b).errors == 1);
    struct master *n = m_connect(b, NULL); /* asks nothing, answers no test frame */
    n->mute = true;
    iec104_link_start(&n->link, uv_hrtime());
    m_flush(n);
    tls_stream_read(n->s, false);
    UNTIL(b, obed_status(b).timeouts == 1 && obed_status(b).connections == 0);
    m_free(m);
    m_free(n);
    obed_free(b);
}

TEST(another_set)
{
    struct obed *b = plant();
    struct master *m = m_new(b);
    struct iec104_object o;
    b->npoints = 0;
    obed_point(b, "x", "3!M_SP:5", VALUE_BOOL);
    obed_point(b, "y", "3!M_SP:5", VALUE_BOOL); /* clashes */
    obed_point(b, "z", "3!16385/C_SE_NC:25089", VALUE_AUTO);
    obed_set(b);
    CHECK_INT(b->state, DRIVER_DEGRADED);
    CHECK(strstr(obed_status(b).reason, "x and y have the same address"));
    struct iec104_asdu ic = {.type = iec104_type(IEC104_C_IC_NA), .ca = 3};
    m->n = 0;
    m_send(m, &ic, &qoi20);
    m_wait(m, IEC104_C_IC_NA, IEC104_ACTTERM);
    CHECK_INT(m_objects(m, IEC104_INROGEN), 2);
    CHECK(m_find(m, 5, &o));
    ic.ca = 1;
    m_send(m, &ic, &qoi20);
    m_wait(m, IEC104_C_IC_NA, IEC104_UNKNOWN_CA);
    CHECK(!m->lost);
    b->npoints = 0;
    obed_set(b);
    UNTIL(b, m->lost);
    CHECK_INT(obed_status(b).state, DRIVER_OFF);
    m_free(m);
    obed_free(b);
}

TEST(memory_that_runs_out)
{
    struct obed *b = obed_new(&iec104_server_outlet);
    const struct options *opts =
        bed_options(b, iec104_server_outlet.channel_options, "{\"port\":0,\"bind\":\"127.0.0.1\"}");
    unsigned failed = 0;
    obed_point(b, "a", "yc0/yt0", VALUE_AUTO);
    for (uint64_t n = 1; n < 200; n++) {
        struct error e = {0};
        uint64_t before = mem_count();
        mem_fail_at(n, false);
        int rc = iec104_server_outlet.channel_open(&b->host, opts, &b->ch, &e);
        if (rc == 0) rc = iec104_server_outlet.channel_set(b->ch, b->points, b->npoints, &e);
        bool all = mem_count() - before < n;
        mem_fail_at(0, false);
        if (rc) CHECK_INT(rc, ERR_NOMEM);
        failed += rc != 0;
        if (b->ch) obed_close(b);
        if (all) break;
    }
    CHECK(failed > 2);
    obed_free(b);
}
