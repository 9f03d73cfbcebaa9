/* calendar_test.c - windows where the clocks change, shifts, and the words of PI in a zone. */
#include "modules/history/calendar.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/time.h"

static int64_t at(const char *text)
{
    int64_t us = 0;
    CHECK_INT(time_parse(str_of(text), &us, NULL), 0);
    return us;
}

static const struct zone *zone(const char *name)
{
    static const struct zone none;
    const struct zone *z = &none;
    struct error e = {0};
    if (zone_named(str_of(name), &z, &e)) test_fail(__FILE__, __LINE__, "%s: %s", name, e.text);
    return z;
}

/* Edges as hours after the first. */
static void check_hours(const char *zone_name, struct window_rule rule, const char *from, const char *to,
                        const double *hours, size_t n)
{
    int64_t *edge = NULL;
    size_t got = 0;
    struct error e = {0};
    REQUIRE(windows_make(&rule, zone(zone_name), at(from), at(to), 1000, &edge, &got, &e) == 0);
    CHECK_INT(got, n);
    for (size_t i = 0; i < n && i < got; i++) {
        double h = (double)(edge[i + 1] - edge[i]) / 3600e6;
        if (fabs(h - hours[i]) > 1e-9)
            test_fail(__FILE__, __LINE__, "%s window %zu: %g h, want %g", zone_name, i, h, hours[i]);
    }
    CHECK_INT(edge[0], at(from));
    CHECK_INT(edge[got], at(to));
    mem_free(edge);
}

#define HOURS(...) (double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double)

TEST(days_where_the_clocks_change)
{
    struct window_rule day = {.unit = CAL_DAY};
    /* Berlin: 29 March 2026 02:00 -> 03:00; 25 October 2026 03:00 -> 02:00 */
    check_hours("Europe/Berlin", day, "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", HOURS(24, 23, 24));
    check_hours("Europe/Berlin", day, "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", HOURS(24, 25, 24));
    /* Santiago: 6 September 2026 00:00 -> 01:00 (no midnight); 5 April 2026 00:00 -> 23:00 of the 4th */
    check_hours("America/Santiago", day, "2026-09-05T04:00:00Z", "2026-09-08T03:00:00Z", HOURS(24, 23, 24));
    check_hours("America/Santiago", day, "2026-04-03T03:00:00Z", "2026-04-06T04:00:00Z", HOURS(24, 25, 24));
    check_hours("Asia/Shanghai", day, "2026-03-28T16:00:00Z", "2026-03-30T16:00:00Z", HOURS(24, 24));
}

TEST(hours_go_by_the_true_time)
{
    struct window_rule hour = {.unit = CAL_HOUR};
    check_hours("Europe/Berlin", hour, "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", HOURS(1, 1, 1));
    check_hours("Asia/Kolkata", hour, "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z", HOURS(0.5, 1, 0.5));
}

TEST(weeks_months_quarters_years)
{
    /* from a Wednesday: to Monday, then whole weeks */
    check_hours("Asia/Shanghai", (struct window_rule){.unit = CAL_WEEK}, "2026-11-17T16:00:00Z", "2026-11-30T16:00:00Z",
                HOURS(5 * 24, 7 * 24, 24));
    check_hours("Europe/Berlin", (struct window_rule){.unit = CAL_MONTH}, "2026-01-31T23:00:00Z",
                "2026-04-30T22:00:00Z", HOURS(28 * 24, 31 * 24 - 1, 30 * 24));
    check_hours("Asia/Shanghai", (struct window_rule){.unit = CAL_QUARTER}, "2025-12-31T16:00:00Z",
                "2026-12-31T16:00:00Z", HOURS(90 * 24, 91 * 24, 92 * 24, 92 * 24));
    check_hours("UTC", (struct window_rule){.unit = CAL_YEAR}, "2023-07-01T00:00:00Z", "2026-01-01T00:00:00Z",
                HOURS(184 * 24, 366 * 24, 365 * 24));
}

TEST(shifts)
{
    struct window_rule eight = {.unit = CAL_SHIFT, .shift_start_s = 8 * 3600, .shift_s = 8 * 3600};
    struct window_rule twelve = {.unit = CAL_SHIFT, .shift_start_s = 7 * 3600 + 1800, .shift_s = 12 * 3600};
    check_hours("Asia/Shanghai", eight, "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", HOURS(8, 8, 8));
    check_hours("Asia/Shanghai", eight, "2026-11-22T02:00:00Z", "2026-11-22T10:00:00Z", HOURS(6, 2));
    /* the night shift of the change is an hour longer */
    check_hours("Europe/Berlin", twelve, "2026-10-24T17:30:00Z", "2026-10-25T18:30:00Z", HOURS(13, 12));
}

TEST(intervals_and_limits)
{
    struct window_rule minute = {.interval_us = 60000000};
    int64_t *edge = NULL;
    size_t n = 0;
    struct error e = {0};
    check_hours("UTC", minute, "2026-01-01T00:00:00Z", "2026-01-01T00:02:30Z", HOURS(1 / 60., 1 / 60., 1 / 120.));
    CHECK_INT(windows_make(&minute, zone("UTC"), 0, 60000000LL * 1001, 1000, &edge, &n, &e), ERR_TOO_LARGE);
    CHECK_Z(e.where, "interval");
    CHECK_INT(
        windows_make(&(struct window_rule){.unit = CAL_HOUR}, zone("UTC"), 0, 3600000000LL * 1001, 1000, &edge, &n, &e),
        ERR_TOO_LARGE);
    CHECK_Z(e.where, "calendar");
    CHECK_INT(zone_named(STR("Mars/Phobos"), &(const struct zone *){NULL}, &e), ERR_INVALID);
    CHECK_Z(e.where, "tz");
}

TEST(words_in_a_zone)
{
    static const struct {
        const char *zone, *now, *text, *want;
    } t[] = {{"Asia/Shanghai", "2026-11-23T02:00:00Z", "t", "2026-11-22T16:00:00Z"},
             {"Asia/Shanghai", "2026-11-23T02:00:00Z", "y+8h", "2026-11-22T00:00:00Z"},
             {"UTC", "2026-11-23T02:00:00Z", "t", "2026-11-23T00:00:00Z"},
             {"Europe/Berlin", "2026-10-25T12:00:00Z", "t", "2026-10-24T22:00:00Z"},
             {"Europe/Berlin", "2026-10-25T12:00:00Z", "t-1d", "2026-10-23T22:00:00Z"},
             {"Europe/Berlin", "2026-10-26T12:00:00Z", "y", "2026-10-24T22:00:00Z"},
             {"Europe/Berlin", "2026-10-26T12:00:00Z", "t-1mo", "2026-09-25T22:00:00Z"},
             {"Europe/Berlin", "2026-10-25T12:00:00Z", "*-24h", "2026-10-24T12:00:00Z"},
             {"America/Santiago", "2026-09-06T12:00:00Z", "t", "2026-09-06T04:00:00Z"},
             {"+08:00", "2026-11-23T02:00:00Z", "today", "2026-11-22T16:00:00Z"},
             {"UTC", "2026-11-23T02:00:00Z", "2026-01-01", "2026-01-01T00:00:00Z"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        int64_t got = 0;
        char text[TIME_TEXT_MAX];
        CHECK_INT(time_in_zone(str_of(t[i].text), at(t[i].now), zone(t[i].zone), &got, NULL), 0);
        if (strcmp(time_format(got, text), t[i].want))
            test_fail(__FILE__, __LINE__, "%s %s: %s, want %s", t[i].zone, t[i].text, text, t[i].want);
    }
}
