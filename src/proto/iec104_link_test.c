/* The session: numbers and their wrap, k and w, t1 to t3, start and stop, what is out of order. Two links talk to each
 * other, or one to bytes made by hand; time is a number. */
#include "base/test.h"
#include "proto/iec104_station.h"

#define S 1000000000ull

static const struct iec104_link_config controlling = {
    .controlling = true, .k = 12, .w = 8, .t1_ms = 15000, .t2_ms = 10000, .t3_ms = 20000};
static const struct iec104_link_config controlled = {.k = 12, .w = 8, .t1_ms = 15000, .t2_ms = 10000, .t3_ms = 20000};
static const uint8_t asdu[] = {1, 1, 3, 0, 1, 0, 1, 0, 0, 1}; /* M_SP_NA_1, spontaneous, 1 = on */

struct answer {
    size_t n;
    uint8_t p[IEC104_LINK_OUT];
};
static struct answer due(struct iec104_link *l, uint64_t now)
{
    struct answer a;
    a.n = iec104_link_output(l, now, a.p);
    return a;
}

static int give(struct iec104_link *l, uint64_t now, const uint8_t *p, size_t n, enum iec104_link_event *ev,
                struct error *e)
{
    struct iec104_apdu a;
    return iec104_link_input(l, now, p, n, &a, ev, e);
}

static int give_i(struct iec104_link *l, uint64_t now, unsigned ns, unsigned nr, struct error *e)
{
    uint8_t p[IEC104_APDU_MAX];
    enum iec104_link_event ev;
    size_t n = iec104_put_i((uint16_t)ns, (uint16_t)nr, asdu, sizeof asdu, p);
    return give(l, now, p, n, &ev, e);
}

static int give_s(struct iec104_link *l, uint64_t now, unsigned nr, struct error *e)
{
    uint8_t p[6];
    enum iec104_link_event ev;
    return give(l, now, p, iec104_put_s((uint16_t)nr, p), &ev, e);
}

static int give_u(struct iec104_link *l, uint64_t now, enum iec104_function f, enum iec104_link_event *ev,
                  struct error *e)
{
    uint8_t p[6];
    return give(l, now, p, iec104_put_u(f, p), ev, e);
}

static struct iec104_link started(const struct iec104_link_config *c, uint64_t now)
{
    struct iec104_link l;
    enum iec104_link_event ev;
    struct error e;
    iec104_link_init(&l, c, now);
    if (c->controlling) {
        iec104_link_start(&l, now);
        due(&l, now);
        CHECK_INT(give_u(&l, now, IEC104_STARTDT_CON, &ev, &e), 1);
    } else {
        CHECK_INT(give_u(&l, now, IEC104_STARTDT_ACT, &ev, &e), 1);
        due(&l, now);
    }
    CHECK_INT(ev, IEC104_EVENT_STARTED);
    return l;
}

static void send_one(struct iec104_link *l, uint64_t now)
{
    uint8_t out[IEC104_APDU_MAX];
    CHECK(iec104_link_free(l));
    CHECK_INT(iec104_link_send(l, now, asdu, sizeof asdu, out), sizeof asdu + 6);
}

TEST(start_and_stop)
{
    struct iec104_link a, b;
    enum iec104_link_event ev;
    struct error e;
    iec104_link_init(&a, &controlling, 0);
    iec104_link_init(&b, &controlled, 0);
    CHECK(!iec104_link_free(&a) && !iec104_link_free(&b));
    iec104_link_start(&a, 0);
    struct answer x = due(&a, 0);
    CHECK_INT(x.n, 6);
    CHECK_INT(x.p[2], 0x07);
    CHECK_INT(give(&b, 1, x.p, x.n, &ev, &e), 1);
    CHECK_INT(ev, IEC104_EVENT_STARTED);
    x = due(&b, 1);
    CHECK_INT(x.p[2], 0x0b);
    CHECK_INT(give(&a, 2, x.p, x.n, &ev, &e), 1);
    CHECK_INT(ev, IEC104_EVENT_STARTED);
    CHECK(iec104_link_free(&a) && iec104_link_free(&b));
    iec104_link_stop(&a, 3);
    CHECK(!iec104_link_free(&a));
    x = due(&a, 3);
    CHECK_INT(x.p[2], 0x13);
    CHECK_INT(give(&b, 4, x.p, x.n, &ev, &e), 1);
    CHECK_INT(ev, IEC104_EVENT_STOPPED);
    x = due(&b, 4);
    CHECK_INT(x.p[2], 0x23);
    CHECK_INT(give(&a, 5, x.p, x.n, &ev, &e), 1);
    CHECK_INT(ev, IEC104_EVENT_STOPPED);
    CHECK_INT(give_i(&b, 6, 0, 0, &e), ERR_PROTOCOL); /* stopped */
}

TEST(a_stop_is_confirmed_when_all_is_acknowledged)
{
    struct iec104_link l = started(&controlled, 0);
    enum iec104_link_event ev;
    struct error e;
    for (int i = 0; i < 3; i++) send_one(&l, 1);
    CHECK_INT(give_u(&l, 2, IEC104_STOPDT_ACT, &ev, &e), 1);
    CHECK_INT(ev, IEC104_EVENT_NONE);
    CHECK(!iec104_link_free(&l)); /* no more data */
    CHECK_INT(due(&l, 2).n, 0);
    CHECK_INT(give_s(&l, 3, 2, &e), 1);
    CHECK_INT(due(&l, 3).n, 0); /* one is missing */
    uint8_t p[6];
    CHECK_INT(give(&l, 4, p, iec104_put_s(3, p), &ev, &e), 1);
    CHECK_INT(ev, IEC104_EVENT_STOPPED);
    struct answer x = due(&l, 4);
    CHECK_INT(x.n, 6);
    CHECK_INT(x.p[2], 0x23);
    CHECK_INT(give_u(&l, 5, IEC104_STARTDT_ACT, &ev, &e), 1); /* and on again, with the numbers going on */
    due(&l, 5);
    send_one(&l, 5);
    CHECK_INT(l.vs, 4);
    CHECK_INT(give_u(&l, 6, IEC104_STOPDT_ACT, &ev, &e), 1);
    CHECK_INT(iec104_link_time(&l, 6 + 15 * S, &e), ERR_TIMEOUT); /* never acknowledged */
    struct iec104_link b = started(&controlled, 0);
    send_one(&b, 1);
    CHECK_INT(give_u(&b, 2, IEC104_STOPDT_ACT, &ev, &e), 1);
    CHECK_INT(give_i(&b, 3, 0, 1, &e), 1); /* acknowledged by data that was on its way */
    x = due(&b, 3);
    CHECK_INT(b.state, IEC104_STOPPED);
    CHECK_INT(x.p[x.n - 4], 0x23);
}

TEST(startdt_that_is_never_confirmed)
{
    struct iec104_link l;
    struct error e = {0};
    iec104_link_init(&l, &controlling, 5 * S);
    iec104_link_start(&l, 5 * S);
    due(&l, 5 * S);
    CHECK_INT(iec104_link_deadline(&l), 20 * S);
    CHECK_INT(iec104_link_time(&l, 20 * S - 1, &e), 0);
    CHECK_INT(iec104_link_time(&l, 20 * S, &e), ERR_TIMEOUT);
    CHECK(strstr(e.text, "STARTDT") && strstr(e.text, "t1 = 15 s") && e.text_zh[0]);
    CHECK_INT(give_i(&l, 5 * S, 0, 0, &e), ERR_PROTOCOL); /* data before it */
}

TEST(numbers_wrap_at_32767)
{
    struct iec104_link l = started(&controlling, 0);
    struct error e = {0};
    uint8_t out[IEC104_APDU_MAX];
    for (unsigned n = 0; n < 3 * IEC104_SEQ + 5; n++) {
        unsigned at = n % IEC104_SEQ;
        iec104_link_send(&l, n, asdu, sizeof asdu, out);
        if (out[2] != (uint8_t)(at << 1) || out[3] != at >> 7) test_fail(__FILE__, __LINE__, "N(S) at %u", n);
        if (give_i(&l, n, at, (at + 1) % IEC104_SEQ, &e) != 1) test_fail(__FILE__, __LINE__, "%u: %s", n, e.text);
    }
    CHECK_INT(l.vs, 5);
    CHECK_INT(l.vr, 5);
    CHECK_INT(iec104_link_in_flight(&l), 0);
    CHECK_INT(l.frames_in, 3 * IEC104_SEQ + 5);
}

TEST(never_more_than_k)
{
    struct iec104_link l = started(&controlling, 0);
    struct error e = {0};
    l.vs = l.va = IEC104_SEQ - 6; /* over the wrap */
    for (int i = 0; i < 12; i++) send_one(&l, 1);
    CHECK(!iec104_link_free(&l));
    CHECK_INT(iec104_link_in_flight(&l), 12);
    CHECK_INT(give_s(&l, 2, IEC104_SEQ - 1, &e), 1);
    CHECK_INT(iec104_link_in_flight(&l), 7);
    CHECK_INT(give_s(&l, 2, 6, &e), 1);
    CHECK_INT(iec104_link_in_flight(&l), 0);
    CHECK_INT(give_s(&l, 2, 7, &e), ERR_PROTOCOL); /* not sent yet */
    CHECK(strstr(e.text, "acknowledges frame 7"));
    l = started(&controlling, 0);
    send_one(&l, 1);
    send_one(&l, 1);
    CHECK_INT(give_s(&l, 2, 2, &e), 1);
    CHECK_INT(give_s(&l, 2, 1, &e), ERR_PROTOCOL); /* backwards */
}

TEST(acknowledged_after_w_or_t2)
{
    struct iec104_link l = started(&controlling, 0);
    struct error e = {0};
    for (unsigned n = 0; n < 7; n++) CHECK_INT(give_i(&l, S, n, 0, &e), 1);
    CHECK_INT(due(&l, S).n, 0);
    CHECK_INT(give_i(&l, S, 7, 0, &e), 1);
    struct answer x = due(&l, S);
    CHECK_INT(x.n, 6);
    CHECK_INT(x.p[2], 1);
    CHECK_INT(x.p[4], 16);
    CHECK_INT(give_i(&l, 2 * S, 8, 0, &e), 1);
    CHECK_INT(give_i(&l, 3 * S, 9, 0, &e), 1);
    CHECK_INT(iec104_link_deadline(&l), 12 * S); /* t2 from the first of them */
    CHECK_INT(iec104_link_time(&l, 12 * S, &e), 0);
    x = due(&l, 12 * S);
    CHECK_INT(x.n, 6);
    CHECK_INT(x.p[4], 20);
    CHECK_INT(due(&l, 12 * S).n, 0);
    CHECK_INT(give_i(&l, 13 * S, 10, 0, &e), 1);
    send_one(&l, 13 * S); /* carries the acknowledgement */
    CHECK_INT(iec104_link_time(&l, 24 * S, &e), 0);
    CHECK_INT(due(&l, 24 * S).n, 0);
}

TEST(a_frame_that_is_not_acknowledged_within_t1)
{
    struct iec104_link l = started(&controlling, 0);
    struct error e = {0};
    send_one(&l, S);
    send_one(&l, 10 * S);
    CHECK_INT(iec104_link_deadline(&l), 16 * S);
    CHECK_INT(give_s(&l, 15 * S, 1, &e), 1);
    CHECK_INT(iec104_link_deadline(&l), 25 * S); /* the second */
    CHECK_INT(iec104_link_time(&l, 25 * S, &e), ERR_TIMEOUT);
    CHECK(strstr(e.text, "I was not confirmed"));
}

TEST(test_frames_after_t3)
{
    struct iec104_link l = started(&controlling, 0);
    struct error e = {0};
    enum iec104_link_event ev;
    CHECK_INT(iec104_link_deadline(&l), 20 * S);
    CHECK_INT(iec104_link_time(&l, 20 * S, &e), 0);
    struct answer x = due(&l, 20 * S);
    CHECK_INT(x.p[2], 0x43);
    CHECK_INT(iec104_link_deadline(&l), 35 * S);
    CHECK_INT(give_u(&l, 21 * S, IEC104_TESTFR_CON, &ev, &e), 1);
    CHECK_INT(ev, IEC104_EVENT_NONE);
    CHECK_INT(iec104_link_deadline(&l), 41 * S);
    CHECK_INT(iec104_link_time(&l, 41 * S, &e), 0);
    due(&l, 41 * S);
    CHECK_INT(iec104_link_time(&l, 56 * S, &e), ERR_TIMEOUT);
    CHECK(strstr(e.text, "TESTFR"));
    l = started(&controlling, 0);
    CHECK_INT(give_u(&l, S, IEC104_TESTFR_ACT, &ev, &e), 1);
    x = due(&l, S);
    CHECK_INT(x.n, 6);
    CHECK_INT(x.p[2], 0x83);
}

TEST(wrong_numbers_close)
{
    struct error e = {0};
    struct iec104_link l = started(&controlling, 0);
    CHECK_INT(give_i(&l, 1, 1, 0, &e), ERR_PROTOCOL); /* a gap */
    CHECK(strstr(e.text, "number 1 came, 0 was awaited") && strstr(e.text_zh, "丢失"));
    l = started(&controlling, 0);
    CHECK_INT(give_i(&l, 1, 0, 0, &e), 1);
    CHECK_INT(give_i(&l, 1, 0, 0, &e), ERR_PROTOCOL); /* repeated */
    l = started(&controlling, 0);
    CHECK_INT(give_i(&l, 1, 0, 1, &e), ERR_PROTOCOL); /* acknowledges what was not sent */
    enum iec104_link_event ev;
    l = started(&controlling, 0);
    CHECK_INT(give_u(&l, 1, IEC104_STARTDT_ACT, &ev, &e), ERR_PROTOCOL); /* not for a controlled station to send */
    CHECK_INT(give_u(&l, 1, IEC104_STARTDT_CON, &ev, &e), 1);            /* late: no matter */
    CHECK_INT(ev, IEC104_EVENT_NONE);
}

TEST(a_pause_gives_time_anew)
{
    struct iec104_link l = started(&controlling, 0);
    struct error e = {0};
    send_one(&l, S);
    CHECK_INT(give_i(&l, S, 0, 0, &e), 1);
    iec104_link_pause(&l);
    CHECK_INT(due(&l, 2 * S).n, 6);
    iec104_link_resume(&l, 100 * S);
    CHECK_INT(iec104_link_deadline(&l), 115 * S);
    CHECK_INT(iec104_link_time(&l, 100 * S, &e), 0);
}

/* ---- the station ---- */

static const uint16_t cas[] = {1, 7};
static struct iec104_item ring[4];
static int verdict;
static unsigned told, frozen;
static enum iec104_step last_step;

static bool next(void *ctx, uint16_t ca, bool counters, unsigned group, uint64_t *cursor, struct iec104_item *ret)
{
    /* 200 states in a row, 3 measured values with gaps, 2 counters */
    if (group) return false;
    uint64_t i = (*cursor)++;
    *ret = (struct iec104_item){0};
    if (counters) {
        ret->type = IEC104_M_IT_NA;
        ret->o = (struct iec104_object){.ioa = (uint32_t)(25601 + i), .i = (int64_t)i};
        return i < 2;
    }
    ret->type = i < 200 ? IEC104_M_SP_NA : IEC104_M_ME_NC;
    ret->o.ioa = (uint32_t)(i < 200 ? 1 + i : 16385 + 10 * (i - 200));
    ret->o.i = i & 1;
    ret->o.d = (double)i / 2;
    return i < 203;
}
static bool read_one(void *ctx, uint16_t ca, uint32_t ioa, struct iec104_item *ret)
{
    *ret = (struct iec104_item){.type = IEC104_M_ME_NB, .o = {.ioa = ioa, .i = -5}};
    return ioa == 77;
}
static int command(void *ctx, uint16_t ca, const struct iec104_type *t, const struct iec104_object *o,
                   enum iec104_step how)
{
    last_step = how;
    told++;
    return verdict;
}
static int freeze(void *ctx, uint16_t ca, unsigned group, unsigned how)
{
    frozen++;
    return 0;
}

struct bench {
    struct iec104_station s;
    struct iec104_link peer;
    uint64_t now;
    uint8_t wire[65536];
    size_t n;
    struct iec104_asdu got[64];
    uint8_t kept[64][IEC104_ASDU_MAX];
    unsigned ngot;
};

static void collect(struct bench *b)
{
    size_t n, at = 0;
    b->n = 0;
    while ((n = iec104_station_output(&b->s, b->now, b->wire + b->n, 4096)) > 0) b->n += n;
    while (at < b->n) {
        struct iec104_apdu a;
        enum iec104_link_event ev;
        struct error e = {0};
        int rc = iec104_link_input(&b->peer, b->now, b->wire + at, b->n - at, &a, &ev, &e);
        if (rc != 1) {
            test_fail(__FILE__, __LINE__, "%d %s", rc, e.text);
            return;
        }
        at += a.used;
        if (ev != IEC104_EVENT_ASDU) continue;
        memcpy(b->kept[b->ngot], a.asdu, a.asdu_n);
        CHECK_INT(iec104_asdu_decode(b->kept[b->ngot], a.asdu_n, &b->got[b->ngot], &e), 0);
        b->ngot++;
    }
}

/* Until nothing more comes, acknowledging. */
static void settle(struct bench *b)
{
    unsigned before;
    uint8_t out[IEC104_LINK_OUT];
    struct error e;
    do {
        before = b->ngot;
        collect(b);
        b->peer.s_due = b->peer.acked != b->peer.vr;
        size_t n = iec104_link_output(&b->peer, b->now, out);
        for (size_t at = 0; at < n; at += 6) CHECK_INT(iec104_station_input(&b->s, b->now, out + at, n - at, &e), 6);
    } while (b->ngot != before);
}

static struct bench *bench_new(void)
{
    static struct bench b;
    struct iec104_station_config c = {.link = controlled,
                                      .ops = {.next = next, .read = read_one, .command = command, .freeze = freeze},
                                      .cas = cas,
                                      .ncas = 2,
                                      .select_ms = 1000,
                                      .events = ring,
                                      .events_cap = 4};
    uint8_t out[IEC104_LINK_OUT];
    struct error e;
    b = (struct bench){.now = S};
    verdict = 0, told = frozen = 0;
    iec104_station_init(&b.s, &c, b.now);
    iec104_link_init(&b.peer, &controlling, b.now);
    iec104_link_start(&b.peer, b.now);
    CHECK_INT(iec104_station_input(&b.s, b.now, out, iec104_link_output(&b.peer, b.now, out), &e), 6);
    settle(&b);
    CHECK_INT(b.peer.state, IEC104_STARTED);
    return &b;
}

static void submit(struct bench *b, unsigned type, unsigned cause, uint16_t ca, struct iec104_object o)
{
    struct iec104_asdu head = {.type = iec104_type(type), .cause = (uint8_t)cause, .ca = ca};
    uint8_t p[IEC104_ASDU_MAX], out[IEC104_APDU_MAX];
    struct error e = {0};
    size_t n = iec104_put_one(&head, &o, p);
    n = iec104_link_send(&b->peer, b->now, p, n, out);
    b->ngot = 0;
    if (iec104_station_input(&b->s, b->now, out, n, &e) != (int)n) test_fail(__FILE__, __LINE__, "%s", e.text);
}

static void ask(struct bench *b, unsigned type, unsigned cause, uint16_t ca, struct iec104_object o)
{
    submit(b, type, cause, ca, o);
    settle(b);
}

TEST(a_station_answers_an_interrogation)
{
    struct bench *b = bench_new();
    ask(b, IEC104_C_IC_NA, IEC104_ACT, 1, (struct iec104_object){.i = 20});
    CHECK_INT(b->got[0].cause, IEC104_ACTCON);
    CHECK_INT(b->got[b->ngot - 1].cause, IEC104_ACTTERM);
    unsigned states = 0, values = 0;
    for (unsigned i = 1; i + 1 < b->ngot; i++) {
        CHECK_INT(b->got[i].cause, IEC104_INROGEN);
        CHECK_INT(b->got[i].ca, 1);
        if (b->got[i].type->id == IEC104_M_SP_NA) CHECK(b->got[i].sequence);
        for (unsigned k = 0; k < b->got[i].count; k++) {
            struct iec104_object o = iec104_object(&b->got[i], k);
            if (b->got[i].type->id == IEC104_M_SP_NA) {
                CHECK_INT(o.ioa, 1 + states);
                CHECK_INT(o.i, states & 1);
                states++;
            } else {
                CHECK_INT(o.ioa, 16385 + 10 * values);
                CHECK_DBL(o.d, (200.0 + values) / 2, 0);
                values++;
            }
        }
    }
    CHECK_INT(states, 200);
    CHECK_INT(values, 3);
    ask(b, IEC104_C_IC_NA, IEC104_ACT, 1, (struct iec104_object){.i = 21}); /* an empty group */
    CHECK_INT(b->ngot, 2);
    ask(b, IEC104_C_IC_NA, IEC104_ACT, 9, (struct iec104_object){.i = 20});
    CHECK_INT(b->ngot, 1);
    CHECK_INT(b->got[0].cause, IEC104_UNKNOWN_CA);
    CHECK(b->got[0].negative);
    ask(b, IEC104_C_IC_NA, IEC104_ACT, 1, (struct iec104_object){.i = 99});
    CHECK_INT(b->ngot, 1);
    CHECK(b->got[0].negative);
    ask(b, IEC104_C_IC_NA, IEC104_ACT, IEC104_BROADCAST, (struct iec104_object){.i = 20});
    CHECK_INT(b->got[0].ca, IEC104_BROADCAST);
    unsigned ends = 0;
    for (unsigned i = 0; i < b->ngot; i++) ends += b->got[i].cause == IEC104_ACTTERM;
    CHECK_INT(ends, 2);
}

TEST(counters_reads_and_what_is_not_known)
{
    struct bench *b = bench_new();
    ask(b, IEC104_C_CI_NA, IEC104_ACT, 7, (struct iec104_object){.i = 5});
    CHECK_INT(b->ngot, 3);
    CHECK_INT(b->got[1].cause, IEC104_REQCOGEN);
    CHECK_INT(b->got[1].count, 2);
    ask(b, IEC104_C_CI_NA, IEC104_ACT, 7, (struct iec104_object){.i = 0x45});
    CHECK_INT(frozen, 1);
    CHECK_INT(b->ngot, 1);
    ask(b, IEC104_C_RD_NA, IEC104_REQUEST, 1, (struct iec104_object){.ioa = 77});
    CHECK_INT(b->got[0].type->id, IEC104_M_ME_NB);
    CHECK_INT(b->got[0].cause, IEC104_REQUEST);
    ask(b, IEC104_C_RD_NA, IEC104_REQUEST, 1, (struct iec104_object){.ioa = 78});
    CHECK_INT(b->got[0].cause, IEC104_UNKNOWN_IOA);
    ask(b, IEC104_C_RD_NA, IEC104_ACT, 1, (struct iec104_object){.ioa = 77});
    CHECK_INT(b->got[0].cause, IEC104_UNKNOWN_CAUSE);
    ask(b, IEC104_M_SP_NA, IEC104_ACT, 1, (struct iec104_object){.ioa = 77});
    CHECK_INT(b->got[0].cause, IEC104_UNKNOWN_TYPE);
    ask(b, IEC104_C_CS_NA, IEC104_ACT, 1, (struct iec104_object){0});
    CHECK(b->got[0].negative); /* no clock here */
    ask(b, IEC104_C_TS_NA, IEC104_ACT, 1, (struct iec104_object){.i = 0x55aa});
    CHECK_INT(b->got[0].cause, IEC104_ACTCON);
    CHECK(!b->got[0].negative);
}

TEST(an_interrogation_of_all_is_taken_back)
{
    struct bench *b = bench_new();
    submit(b, IEC104_C_IC_NA, IEC104_ACT, IEC104_BROADCAST, (struct iec104_object){.i = 20});
    ask(b, IEC104_C_IC_NA, IEC104_DEACT, IEC104_BROADCAST, (struct iec104_object){.i = 20});
    CHECK_INT(b->ngot, 2);
    CHECK_INT(b->got[0].cause, IEC104_ACTCON);
    CHECK_INT(b->got[1].cause, IEC104_DEACTCON);
}

TEST(commands_direct_selected_refused_and_pending)
{
    struct bench *b = bench_new();
    struct iec104_object on = {.ioa = 24577, .i = 1};
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(b->ngot, 2);
    CHECK_INT(b->got[0].cause, IEC104_ACTCON);
    CHECK_INT(b->got[1].cause, IEC104_ACTTERM);
    CHECK_INT(last_step, IEC104_EXECUTE);
    on.select = true;
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(b->ngot, 1);
    CHECK_INT(last_step, IEC104_SELECT);
    on.select = false;
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(last_step, IEC104_EXECUTE_SELECTED);
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(last_step, IEC104_EXECUTE); /* a selection is good once */
    on.select = true;
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    b->now += 2 * S; /* too late */
    on.select = false;
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(last_step, IEC104_EXECUTE);
    ask(b, IEC104_C_SC_NA, IEC104_DEACT, 1, on);
    CHECK_INT(b->got[0].cause, IEC104_DEACTCON);
    verdict = ERR_FORBIDDEN;
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(b->ngot, 1);
    CHECK(b->got[0].negative);
    verdict = ERR_NOT_FOUND;
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(b->got[0].cause, IEC104_UNKNOWN_IOA);
    verdict = ERR_AGAIN;
    ask(b, IEC104_C_SC_NA, IEC104_ACT, 1, on);
    CHECK_INT(b->ngot, 0);
    iec104_station_done(&b->s, 1, 24577, 0);
    settle(b);
    CHECK_INT(b->ngot, 2);
    iec104_station_done(&b->s, 1, 24577, 0); /* not known any more */
    b->ngot = 0;
    settle(b);
    CHECK_INT(b->ngot, 0);
}

TEST(events_wait_for_the_window_and_the_oldest_goes)
{
    struct bench *b = bench_new();
    for (unsigned i = 0; i < 6; i++)
        iec104_station_event(&b->s, &(struct iec104_item){.ca = 1, .type = 30, .cause = 3, .o = {.ioa = i, .i = 1}});
    CHECK_INT(b->s.dropped, 2);
    b->ngot = 0;
    settle(b);
    CHECK_INT(b->ngot, 1); /* one ASDU of four */
    CHECK_INT(b->got[0].count, 4);
    CHECK_INT(iec104_object(&b->got[0], 0).ioa, 2);
    for (unsigned i = 0; i < 40; i++) { /* nobody acknowledges */
        iec104_station_event(&b->s,
                             &(struct iec104_item){.ca = 1, .type = i & 1 ? 30 : 1, .cause = 3, .o = {.ioa = i}});
        collect(b);
    }
    CHECK_INT(iec104_link_in_flight(&b->s.link), 12);
    CHECK(b->s.dropped > 2);
}

TEST(events_are_counted_when_they_are_acknowledged)
{
    struct bench *b = bench_new();
    struct iec104_item it = {.ca = 1, .type = 30, .cause = 3, .o = {.ioa = 1, .i = 1}};
    struct error e;
    uint8_t p[6];
    uint16_t acked = b->s.link.vs;
    for (unsigned i = 0; i < 3; i++) iec104_station_event(&b->s, &it);
    CHECK_INT(b->s.events_in, 3);
    CHECK_INT(b->s.events_out, 0);
    collect(b);   /* one frame of three */
    it.type = 36; /* another type: another frame */
    iec104_station_event(&b->s, &it);
    collect(b);
    CHECK_INT(b->s.events_out, 4);
    CHECK_INT(b->s.events_acked, 0);
    CHECK_INT(iec104_station_input(&b->s, b->now, p, iec104_put_s((uint16_t)(acked + 1), p), &e), 6);
    CHECK_INT(b->s.events_acked, 3);
    iec104_station_event(&b->s, &it);
    iec104_station_forget_events(&b->s); /* that one is gone; the other is on its way */
    CHECK_INT(b->s.events_out, 5);
    CHECK_INT(iec104_station_input(&b->s, b->now, p, iec104_put_s((uint16_t)(acked + 2), p), &e), 6);
    CHECK_INT(b->s.events_acked, 4);
    iec104_station_event(&b->s, &it);
    iec104_station_forget_events(&b->s);
    CHECK_INT(b->s.events_acked, 6);
    for (unsigned i = 0; i < 6; i++) iec104_station_event(&b->s, &it); /* two more than the ring holds */
    CHECK_INT(b->s.events_out, 8);
}

TEST(answers_are_bounded_when_nobody_reads)
{
    struct bench *b = bench_new();
    struct iec104_asdu head = {.type = iec104_type(IEC104_C_TS_NA), .cause = IEC104_ACT, .ca = 1};
    uint8_t p[IEC104_ASDU_MAX], out[IEC104_APDU_MAX];
    struct error e;
    size_t n = iec104_put_one(&head, &(struct iec104_object){0}, p);
    unsigned taken = 0;
    for (unsigned i = 0; i < 100; i++) {
        size_t size = iec104_put_i((uint16_t)i, 0, p, n, out);
        int rc = iec104_station_input(&b->s, b->now, out, size, &e);
        if (rc == 0) break;
        CHECK_INT(rc, size);
        taken++;
    }
    CHECK_INT(taken, IEC104_REPLIES - 2); /* then it waits */
}
