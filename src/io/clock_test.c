/* clock_test.c - clocks, random numbers, UUIDv7. */
#include "base/test.h"
#include "io/clock.h"

TEST(sim_clock_moves_only_when_told)
{
    struct sim_clock s;
    sim_clock_init(&s, 1700000000000000);
    uint64_t mono = clock_mono_ns(&s.clock);
    CHECK_INT(clock_now_us(&s.clock), 1700000000000000);
    sim_clock_advance(&s, 1500);
    CHECK_INT(clock_now_us(&s.clock), 1700000000001500);
    CHECK_INT(clock_mono_ns(&s.clock) - mono, 1500000);
    sim_clock_jump(&s, -3600000000);
    CHECK_INT(clock_now_us(&s.clock), 1699996400001500);
    CHECK_INT(clock_mono_ns(&s.clock) - mono, 1500000);
}

TEST(real_clock_runs)
{
    uint64_t a = clock_mono_ns(clock_real());
    CHECK(clock_mono_ns(clock_real()) >= a);
    CHECK(clock_now_us(clock_real()) > 1700000000000000); /* after 2023 */
}

TEST(splitmix64_known_values)
{
    struct sim_rng s;
    sim_rng_init(&s, 1234567); /* the reference sequence of Vigna's splitmix64.c */
    CHECK(rng_u64(&s.rng) == 6457827717110365317u);
    CHECK(rng_u64(&s.rng) == 3203168211198807973u);
    CHECK(rng_u64(&s.rng) == 9817491932198370423u);
}

TEST(real_rng_differs)
{
    unsigned char big[700] = {0}; /* more than getrandom promises in one piece */
    CHECK(rng_u64(rng_real()) != rng_u64(rng_real()));
    rng_real()->bytes(rng_real()->ctx, big, sizeof big);
    int zeros = 0;
    for (size_t i = 0; i < sizeof big; i++) zeros += big[i] == 0;
    CHECK(zeros < 30);
}

TEST(uuid7_form)
{
    struct sim_clock c;
    struct sim_rng r;
    char u[37];
    sim_clock_init(&c, 4000000000000000); /* ahead of any other test in this process */
    sim_rng_init(&r, 1);
    uuid7(&c.clock, &r.rng, u);
    CHECK_INT(strlen(u), 36);
    CHECK(u[8] == '-' && u[13] == '-' && u[18] == '-' && u[23] == '-');
    CHECK(u[14] == '7');
    CHECK(strchr("89ab", u[19]) != NULL);
    CHECK(strncmp(u, "03a352944000", 8) == 0 || strncmp(u, "03a35294-400", 12) == 0);
}

TEST(uuid7_grows_when_the_clock_does_not)
{
    struct sim_clock c;
    char last[37], u[37];
    sim_clock_init(&c, 4000000100000000);
    uuid7(&c.clock, rng_real(), last);
    for (int i = 0; i < 10000; i++) {
        if (i == 5000) sim_clock_jump(&c, -86400000000);
        uuid7(&c.clock, rng_real(), u);
        REQUIRE(strcmp(last, u) < 0);
        memcpy(last, u, sizeof last);
    }
}
