/* Redundancy groups: who belongs to one, which connection has data transfer, what becomes of events at a switch-over.
 */
#include "outlets/iec104/masterbed.h"

#define EVENTS 1000

static struct obed *plant(const char *redundancy)
{
    char more[200];
    snprintf(more, sizeof more, ",\"announce\":false,\"redundancy\":\"%s\"", redundancy);
    struct obed *b = station(more);
    obed_point(b, "flow", "yc0", VALUE_AUTO);
    obed_set(b);
    return b;
}

/* The values 0, 1, 2 … a millisecond apart, as one batch: the same when it is offered again. */
static uint64_t offer(struct obed *b)
{
    static struct outlet_item items[EVENTS];
    for (int i = 0; i < EVENTS; i++) {
        struct sample s = {.type = SAMPLE_DOUBLE, .v.d = i, .point = b->points[0].num, .time_us = T0 + i * 1000LL};
        items[i] = (struct outlet_item){.sample = s, .text = ""};
    }
    return obed_send_items(b, items, EVENTS, OUTLET_LIVE);
}

/* Events that came, by value: seen[i] counts. Returns how many. */
static unsigned count(const struct master *m, unsigned seen[EVENTS])
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->n; i++)
        for (unsigned k = 0; m->got[i].cause == IEC104_SPONTANEOUS && k < m->got[i].count; k++, n++)
            seen[(unsigned)iec104_object(&m->got[i], k).d]++;
    return n;
}

/* The first window is acknowledged, the second one is on its way: returns how many events are acknowledged. */
static unsigned half_way(struct obed *b, struct master *m, uint64_t *ret_ticket)
{
    unsigned seen[EVENTS] = {0};
    m->mute = true;
    *ret_ticket = offer(b);
    UNTIL(b, m->n == 12);
    unsigned acked = count(m, seen);
    m_ack(m);
    UNTIL(b, m->n == 24);
    return acked;
}

TEST(start_on_another_takes_over_and_nothing_comes_twice)
{
    struct obed *b = plant("*");
    struct master *a = m_new(b), *s = m_connect(b, NULL);
    unsigned seen[EVENTS] = {0};
    uint64_t t;
    half_way(b, a, &t);
    m_start(s);
    CHECK_INT(obed_status(b).subscriptions, 1);
    CHECK(!b->sent[t]); /* what is in frames may still be acknowledged */
    CHECK_INT(a->n, 24);
    m_ack(a);
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], ERR_CLOSED); /* the rest: offered again */
    t = offer(b);
    UNTIL(b, m_ack_all(s) && b->sent[t]);
    CHECK_INT(b->sent_code[t], 0);
    CHECK_INT(count(a, seen) + count(s, seen), EVENTS);
    for (int i = 0; i < EVENTS; i++) CHECK_INT(seen[i], 1);
    CHECK_INT(a->n, 24);
    CHECK(!a->stopped && !a->lost); /* it was not asked, and stays as a spare */
    m_start(a);                     /* and back */
    UNTIL(b, obed_status(b).subscriptions == 1);
    a->n = s->n = 0;
    a->mute = false;
    t = obed_send(b, 0, 5, 0, OUTLET_LIVE);
    UNTIL(b, m_ack_all(a) && b->sent[t]);
    CHECK(a->n == 1 && s->n == 0);
    m_free(a);
    m_free(s);
    obed_free(b);
}

TEST(a_lost_connection_hands_over_what_was_not_acknowledged)
{
    struct obed *b = plant("*");
    struct master *a = m_new(b), *s = m_connect(b, NULL);
    unsigned seen[EVENTS] = {0};
    uint64_t t;
    unsigned acked = half_way(b, a, &t);
    m_leave(a);
    UNTIL(b, b->sent[t]);
    m_start(s);
    t = offer(b);
    UNTIL(b, m_ack_all(s) && b->sent[t]);
    CHECK_INT(count(s, seen), EVENTS - acked);
    for (int i = 0; i < EVENTS; i++) CHECK_INT(seen[i], (unsigned)i >= acked);
    m_free(a);
    m_free(s);
    obed_free(b);
}

TEST(stop_and_start_on_another)
{
    struct obed *b = plant("*");
    struct master *a = m_new(b), *s = m_connect(b, NULL);
    unsigned seen[EVENTS] = {0};
    uint64_t t;
    half_way(b, a, &t);
    iec104_link_stop(&a->link, uv_hrtime());
    m_flush(a);
    bed_step(b);
    m_ack(a); /* then it is confirmed */
    UNTIL(b, a->stopped && b->sent[t]);
    m_start(s);
    t = offer(b);
    UNTIL(b, m_ack_all(s) && b->sent[t]);
    CHECK_INT(count(a, seen) + count(s, seen), EVENTS);
    for (int i = 0; i < EVENTS; i++) CHECK_INT(seen[i], 1);
    m_free(a);
    m_free(s);
    obed_free(b);
}

TEST(one_that_is_not_asked_again_and_again)
{
    struct obed *b = plant("*");
    struct master *m[4];
    unsigned seen[EVENTS] = {0}, n = 0;
    uint64_t t;
    for (int i = 0; i < 4; i++) m[i] = m_connect(b, NULL);
    m_start(m[0]);
    half_way(b, m[0], &t);
    for (int i = 1; i < 4; i++) {
        m[i]->mute = i < 3;
        m_start(m[i]);
        m_ack(m[i - 1]);
        UNTIL(b, b->sent[t]);
        t = offer(b);
        if (i < 3) UNTIL(b, m[i]->n == 12);
    }
    UNTIL(b, m_ack_all(m[3]) && b->sent[t]);
    for (int i = 0; i < 4; i++) n += count(m[i], seen);
    CHECK_INT(n, EVENTS);
    for (int i = 0; i < EVENTS; i++) CHECK_INT(seen[i], 1);
    for (int i = 0; i < 4; i++) m_free(m[i]);
    obed_free(b);
}

TEST(others_are_not_touched)
{
    struct obed *b = plant("A: 10.9.9.9; B: fd00::1"); /* nobody here */
    struct master *a = m_new(b), *s = m_new(b);
    uint64_t t = obed_send(b, 0, 1, 0, OUTLET_LIVE);
    UNTIL(b, m_ack_all(a) && m_ack_all(s) && a->n == 1 && s->n == 1 && b->sent[t]);
    CHECK_INT(obed_status(b).subscriptions, 2);
    m_free(a);
    m_free(s);
    obed_free(b);
}

TEST(groups_as_text)
{
    struct sv_group g[SV_GROUPS];
    struct error e;
    unsigned n;
    CHECK_INT(sv_groups_parse(" A: 10.0.0.7, 10.0.1.0/24 ;B:fd00::/8;", g, &n, &e), 0);
    CHECK_INT(n, 2);
    CHECK(strcmp(g[0].name, "A") == 0 && ip_list_has(&g[0].members, "10.0.1.77") &&
          !ip_list_has(&g[0].members, "10.0.0.8"));
    CHECK(strcmp(g[1].name, "B") == 0 && ip_list_has(&g[1].members, "fd00::3"));
    CHECK_INT(sv_groups_parse("*", g, &n, &e), 0);
    CHECK(n == 1 && g[0].members.n == 0);
    CHECK_INT(sv_groups_parse("", g, &n, &e), 0);
    CHECK_INT(n, 0);
    static const char *const bad[] = {
        "10.0.0.7",   "A:",
        ": 10.0.0.7", "A: nonsense",
        "a;b",        "1:1.1.1.1;2:1.1.1.1;3:1.1.1.1;4:1.1.1.1;5:1.1.1.1;6:1.1.1.1;7:1.1.1.1;8:1.1.1.1;9:1.1.1.1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(sv_groups_parse(bad[i], NULL, NULL, &e), ERR_INVALID);
        CHECK_Z(e.where, "redundancy");
        CHECK(e.text[0] && e.text_zh[0]);
    }
}
