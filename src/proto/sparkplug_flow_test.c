/* Births, deaths and order of messages as Sparkplug 3.0.0 wants them (5.4, 5.8, 5.16), from both ends. */
#include "base/encode.h"
#include "base/mem.h"
#include "base/test.h"
#include "proto/sparkplug_edge.h"
#include "proto/sparkplug_flow.h"

#define S 1000000000ull

static struct spb_flow born(uint8_t seq)
{
    struct spb_flow f = {.reorder_ns = 2 * S, .rebirth_ns = 5 * S};
    spb_flow_birth(&f, true, seq, true, 7);
    return f;
}

static void hold(struct spb_flow *f, uint8_t seq, uint64_t now)
{
    struct spb_topic t = {.type = SPB_DDATA, .device = STR("D")};
    char text[2] = {(char)('a' + seq % 26), 0};
    spb_flow_hold(f, &t, seq, str_of(text), 5, now);
}

static int next(struct spb_flow *f, uint64_t now)
{
    struct spb_held *h = spb_flow_next(f, now);
    int seq = h ? h->seq : -1;
    if (h)
        CHECK(str_is(h->device, "D") && h->type == SPB_DDATA && h->payload.n == 1 && h->payload.p[0] == 'a' + seq % 26);
    mem_free(h);
    return seq;
}

TEST(numbers_go_round)
{
    struct spb_flow f = born(0);
    for (unsigned k = 1; k < 600; k++) CHECK_INT(spb_flow_message(&f, true, k % 256), SPB_TAKE);
    CHECK(!f.rebirth && f.gaps == 0 && f.late == 0);
    CHECK_INT(spb_flow_deadline(&f), -1);
}

TEST(what_is_missing_comes_in_time)
{
    struct spb_flow f = born(253);
    CHECK_INT(spb_flow_message(&f, true, 0), SPB_HOLD);
    hold(&f, 0, 10 * S);
    CHECK_INT(spb_flow_message(&f, true, 255), SPB_HOLD);
    hold(&f, 255, 10 * S);
    CHECK_INT(spb_flow_message(&f, true, 255), SPB_DROP); /* is held already */
    CHECK_INT(next(&f, 11 * S), -1);
    CHECK_INT(spb_flow_deadline(&f), 12 * S);
    CHECK_INT(spb_flow_message(&f, true, 254), SPB_TAKE);
    CHECK_INT(next(&f, 11 * S), 255);
    CHECK_INT(next(&f, 11 * S), 0);
    CHECK_INT(next(&f, 11 * S), -1);
    CHECK_INT(f.expected, 1);
    CHECK(!f.rebirth && f.nheld == 0 && f.held_bytes == 0);
}

TEST(what_is_missing_does_not_come)
{
    struct spb_flow f = born(0);
    CHECK_INT(spb_flow_message(&f, true, 3), SPB_HOLD);
    hold(&f, 3, 10 * S);
    CHECK_INT(spb_flow_message(&f, true, 4), SPB_HOLD);
    hold(&f, 4, 11 * S);
    CHECK_INT(next(&f, 12 * S - 1), -1);
    CHECK_INT(next(&f, 12 * S), 3);
    CHECK_INT(next(&f, 12 * S), 4);
    CHECK(f.rebirth && spb_flow_rebirth_due(&f, 12 * S));
    spb_flow_rebirth_sent(&f, 12 * S);
    CHECK(!spb_flow_rebirth_due(&f, 17 * S - 1) && spb_flow_rebirth_due(&f, 17 * S));
    CHECK_INT(spb_flow_deadline(&f), 17 * S);
    spb_flow_rebirth_sent(&f, 17 * S);
    CHECK(!spb_flow_rebirth_due(&f, 27 * S - 1) && spb_flow_rebirth_due(&f, 27 * S));
    for (int k = 0; k < 20; k++) spb_flow_rebirth_sent(&f, 0);
    CHECK_INT(f.rebirth_at_ns, 5 * 64 * S);
    CHECK_INT(spb_flow_message(&f, true, 1), SPB_TAKE); /* late after all */
    CHECK_INT(f.late, 1);
    CHECK_INT(f.expected, 5);
    spb_flow_birth(&f, true, 0, true, 8);
    CHECK(!f.rebirth && f.rebirths == 0);
}

TEST(too_much_is_not_held)
{
    struct spb_flow f = born(0);
    for (unsigned k = 0; k < SPB_HELD_MAX; k++) {
        CHECK_INT(spb_flow_message(&f, true, k + 2), SPB_HOLD);
        hold(&f, (uint8_t)(k + 2), 0);
    }
    CHECK_INT(next(&f, 0), -1);
    hold(&f, SPB_HELD_MAX + 2, 0);
    for (unsigned k = 0; k < SPB_HELD_MAX; k++) CHECK_INT(next(&f, 0), k + 2);
    CHECK_INT(next(&f, 0), -1);
    CHECK(f.rebirth && !f.full);
}

TEST(a_new_birth_lets_go_of_the_old_life)
{
    struct spb_flow f = born(0);
    hold(&f, 9, 0);
    spb_flow_release(&f);
    CHECK_INT(next(&f, 0), 9);
    CHECK_INT(next(&f, 0), -1);
    spb_flow_birth(&f, true, 0, true, 8);
    CHECK(f.alive && !f.rebirth && f.expected == 1);
}

TEST(deaths_belong_to_a_life)
{
    struct spb_flow f = born(0);
    hold(&f, 9, 0);
    CHECK(!spb_flow_death(&f, true, 6)); /* the will of the life before, late */
    CHECK(f.alive && f.nheld == 1);
    CHECK(spb_flow_death(&f, true, 7));
    CHECK(!f.alive && f.nheld == 0);
    CHECK(!spb_flow_death(&f, true, 7));
    f = born(0);
    CHECK(spb_flow_death(&f, false, 0)); /* without a number it counts */
}

TEST(data_before_a_birth)
{
    struct spb_flow f = {.reorder_ns = S, .rebirth_ns = S};
    CHECK_INT(spb_flow_message(&f, true, 4), SPB_DROP);
    CHECK(spb_flow_rebirth_due(&f, 0));
    spb_flow_lost(&f);
    CHECK(!f.rebirth);
    spb_flow_birth(&f, false, 0, false, 0);
    CHECK_INT(spb_flow_message(&f, false, 0), SPB_TAKE); /* a peer without numbers */
}

TEST(an_edge_node_counts_its_lives)
{
    struct spb_edge e = {0};
    struct buf b, h;
    struct spb_payload p;
    struct spb_metric m;
    buf_init(&b, 4096);
    buf_init(&h, 4096);
    for (unsigned life = 0; life < 600; life++) {
        spb_edge_connect(&e);
        CHECK_INT(e.bdseq, life % 256);
    }
    spb_edge_death(&e, 1668114759262, &b);
    hex_encode(&h, b.p, b.n);
    CHECK_Z(buf_cstr(&h), "08defc8c9bc63012120a0562645365711"
                          "8defc8c9bc63020045857");
    buf_clear(&b);
    for (unsigned k = 0; k < 300; k++) {
        buf_clear(&b);
        spb_put_timestamp(&b, 1);
        spb_edge_end(&e, &b);
        REQUIRE(spb_payload_parse(buf_view(&b), &p, NULL) == 0);
        CHECK_INT(p.seq, k % 256);
    }
    buf_clear(&b);
    spb_edge_birth(&e, 5, &b);
    spb_edge_end(&e, &b);
    REQUIRE(spb_payload_parse(buf_view(&b), &p, NULL) == 0);
    CHECK(p.has_seq && p.seq == 0 && p.count == 2);
    REQUIRE(spb_metric_next(&p.metrics, &m));
    CHECK(str_is(m.name, "bdSeq") && m.value.u == 599 % 256);
    REQUIRE(spb_metric_next(&p.metrics, &m));
    CHECK(str_is(m.name, "Node Control/Rebirth") && m.datatype == SPB_T_Boolean && m.value.u == 0);
    buf_fini(&b);
    buf_fini(&h);
}
