/* source_clock_test.c - clocks of devices, told from their samples. */
#include "modules/collect/source_clock.h"
#include "base/test.h"

#define SEC 1000000LL
#define NOW (1700000100 * SEC)

static struct sample at(uint32_t point, int64_t time_us, uint16_t flags)
{
    return (struct sample){.time_us = time_us, .point = point, .type = SAMPLE_DOUBLE, .flags = flags};
}

static void make(struct source_clock *c)
{
    static const struct driver_device devices[] = {{.num = 7}, {.num = 9}};
    struct driver_point p[] = {{.num = 12, .device = 1}, {.num = 3}, {.num = 4}, {.num = 5},
                               {.num = 20, .device = 1}, {.num = 21}};
    CHECK_INT(source_clock_set(c, devices, 2, p, 6), 0);
}

TEST(ranges_join_neighbours_of_a_device)
{
    struct source_clock c = {0};
    make(&c);
    CHECK_INT(c.nranges, 4);
    CHECK_INT(c.ranges[0].first, 3);
    CHECK_INT(c.ranges[0].last, 5);
    source_clock_fini(&c);
}

TEST(least_delayed_sample_tells)
{
    struct source_clock c = {0};
    int64_t us = 1;
    make(&c);
    CHECK(!source_clock_offset(&c, 7, NOW, &us));
    struct sample s[] = {at(4, NOW - 40 * SEC, SAMPLE_FLAG_SOURCE_TIME), at(5, NOW - 3 * SEC, SAMPLE_FLAG_SOURCE_TIME),
                         at(21, NOW - 5 * SEC, SAMPLE_FLAG_SOURCE_TIME),
                         at(20, NOW + 9 * SEC, SAMPLE_FLAG_SOURCE_TIME)};
    source_clock_note(&c, s, 4, NOW);
    CHECK(source_clock_offset(&c, 7, NOW, &us));
    CHECK_INT(us, -3 * SEC);
    CHECK(source_clock_offset(&c, 9, NOW, &us));
    CHECK_INT(us, 9 * SEC);
    CHECK(source_clock_worst(&c, NOW, &us));
    CHECK_INT(us, 9 * SEC);
    source_clock_fini(&c);
}

TEST(our_own_time_and_back_fill_tell_nothing)
{
    struct source_clock c = {0};
    int64_t us;
    make(&c);
    struct sample s[] = {at(3, NOW, 0), at(3, NOW - 1, SAMPLE_FLAG_SOURCE_TIME | SAMPLE_FLAG_BACKFILL),
                         at(99, NOW, SAMPLE_FLAG_SOURCE_TIME)};
    source_clock_note(&c, s, 3, NOW);
    CHECK(!source_clock_worst(&c, NOW, &us));
    source_clock_fini(&c);
}

TEST(old_windows_are_forgotten_and_a_new_set_keeps_devices)
{
    struct source_clock c = {0};
    int64_t us;
    make(&c);
    struct sample s = at(3, NOW - 2 * SEC, SAMPLE_FLAG_SOURCE_TIME);
    source_clock_note(&c, &s, 1, NOW);
    make(&c);
    CHECK(source_clock_offset(&c, 7, NOW + SOURCE_CLOCK_WINDOW_US, &us));
    CHECK_INT(us, -2 * SEC);
    CHECK(!source_clock_offset(&c, 7, NOW + 2 * SOURCE_CLOCK_WINDOW_US, &us));
    /* our clock set back: the window of the past is a new one */
    source_clock_note(&c, &s, 1, NOW - 10 * SOURCE_CLOCK_WINDOW_US);
    CHECK(source_clock_offset(&c, 7, NOW - 10 * SOURCE_CLOCK_WINDOW_US, &us));
    source_clock_fini(&c);
}
