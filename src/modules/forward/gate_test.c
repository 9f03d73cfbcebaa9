/* gate_test.c - what passes and what does not. */
#include "modules/forward/gate.h"
#include "base/test.h"

#define S 1000000

static bool feed(struct gate *g, const struct gate_rule *r, int64_t t, double v)
{
    struct sample s = {.time_us = t, .type = SAMPLE_DOUBLE, .v.d = v};
    return gate_pass(g, r, &s);
}

TEST(every_change_by_default)
{
    struct gate g = {0};
    struct gate_rule r = {0};
    CHECK(feed(&g, &r, 1 * S, 5));
    CHECK(!feed(&g, &r, 2 * S, 5));
    CHECK(feed(&g, &r, 3 * S, 5.001));
}

TEST(deadband_counts_from_what_passed)
{
    struct gate g = {0};
    struct gate_rule r = {.deadband = 1};
    CHECK(feed(&g, &r, 1 * S, 5));
    CHECK(!feed(&g, &r, 2 * S, 5.9));
    CHECK(!feed(&g, &r, 3 * S, 6));
    CHECK(feed(&g, &r, 4 * S, 6.1));
    CHECK(!feed(&g, &r, 5 * S, 5.2));
}

TEST(shortest_interval_and_heartbeat)
{
    struct gate g = {0};
    struct gate_rule r = {.min_us = 10 * S, .max_us = 60 * S};
    CHECK(feed(&g, &r, 1 * S, 1));
    CHECK(!feed(&g, &r, 5 * S, 2));
    CHECK(feed(&g, &r, 11 * S, 3));
    CHECK(!feed(&g, &r, 40 * S, 3));
    CHECK(feed(&g, &r, 71 * S, 3));
}

TEST(quality_passes_at_once_and_backfill_untouched)
{
    struct gate g = {0};
    struct gate_rule r = {.deadband = 100, .min_us = 60 * S};
    struct sample bad = {
        .time_us = 2 * S, .type = SAMPLE_DOUBLE, .v.d = 1, .quality = QUALITY_BAD, .flags = REASON_NOT_CONNECTED};
    struct sample late = {.time_us = 1 * S, .type = SAMPLE_DOUBLE, .v.d = 1, .flags = SAMPLE_FLAG_BACKFILL};
    CHECK(feed(&g, &r, 1 * S, 1));
    CHECK(gate_pass(&g, &r, &bad));
    CHECK(!gate_pass(&g, &r, &bad));
    CHECK(gate_pass(&g, &r, &late));
    CHECK_INT(g.last.time_us, 2 * S);
}
