/* time_form_test.c - times as tables have them. */
#include "io/time_form.h"
#include "base/test.h"
#include "base/time.h"

static const char *read_as(const char *format, const char *zone, const char *text)
{
    static char out[TIME_TEXT_MAX];
    struct time_form f;
    int64_t t;
    if (time_form_init(&f, str_of(format), str_of(zone), NULL)) return "no form";
    bool ok = time_form_text(&f, str_of(text), &t);
    time_form_fini(&f);
    return ok ? time_format(t, out) : "no time";
}

TEST(forms_that_are_found_out)
{
    static const char *const rows[][2] = {
        {"2026-01-02T03:04:05.678901+08:00", "2026-01-01T19:04:05.678901Z"},
        {"2026-01-02 03:04:05", "2026-01-02T03:04:05Z"},
        {"2026/1/2 3:04", "2026-01-02T03:04:00Z"},
        {"2026.01.02 03:04:05,5", "2026-01-02T03:04:05.500Z"},
        {"20260102T030405Z", "2026-01-02T03:04:05Z"},
        {"20260102", "2026-01-02T00:00:00Z"},
        {"2026-01-02 24:00", "2026-01-03T00:00:00Z"},
        {"1767323045", "2026-01-02T03:04:05Z"},
        {"1767323045678", "2026-01-02T03:04:05.678Z"},
        {"1767323045.25", "2026-01-02T03:04:05.250Z"},
        {"1767323045678901", "2026-01-02T03:04:05.678901Z"},
        {"1767323045678901234", "2026-01-02T03:04:05.678901Z"},
        {"2026-02-29", "no time"},
        {"2026-13-01", "no time"},
        {"2026-01-02 3", "no time"},
        {"2026-01-02 03:04:05 PM", "no time"},
        {"", "no time"},
        {"yesterday", "no time"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) CHECK_Z(read_as("", "", rows[i][0]), rows[i][1]);
}

TEST(patterns_units_and_zones)
{
    CHECK_Z(read_as("%d.%m.%Y %H:%M:%S", "", "02.01.2026 03:04:05"), "2026-01-02T03:04:05Z");
    CHECK_Z(read_as("%m/%d/%y %I:%M %p", "", "1/2/26 12:04 AM"), "2026-01-02T00:04:00Z");
    CHECK_Z(read_as("%m/%d/%y %I:%M %p", "", "1/2/26 1:04 pm"), "2026-01-02T13:04:00Z");
    CHECK_Z(read_as("%Y%m%d%H%M%S.%f%z", "", "20260102030405.25+0130"), "2026-01-02T01:34:05.250Z");
    CHECK_Z(read_as("%Y-%m-%d", "", "2026-01-02 03"), "no time");
    CHECK_Z(read_as("", "+08:00", "2026-01-02 08:00"), "2026-01-02T00:00:00Z");
    CHECK_Z(read_as("", "+08:00", "2026-01-02T08:00:00Z"), "2026-01-02T08:00:00Z"); /* has its own */
    CHECK_Z(read_as("s", "", "-1.5"), "1969-12-31T23:59:58.500Z");
    CHECK_Z(read_as("ms", "", "1000"), "1970-01-01T00:00:01Z");
    CHECK_Z(read_as("ns", "", "-1"), "1969-12-31T23:59:59.999999Z");
    CHECK_Z(read_as("ms", "", "2026-01-02"), "no time");
    CHECK_Z(read_as("s", "", "99999999999999999"), "no time");
    CHECK_Z(read_as("fortnights", "", "1"), "no form");
    CHECK_Z(read_as("", "Nowhere/Land", "1"), "no form");
}
