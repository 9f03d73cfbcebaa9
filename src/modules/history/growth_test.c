/* growth_test.c - the line through the days. */
#include "modules/history/growth.h"
#include "base/test.h"

TEST(a_line_through_the_last_two_weeks)
{
    struct growth_day d[30];
    double per_day = 0;
    for (int i = 0; i < 30; i++) d[i] = (struct growth_day){100 + i, i < 16 ? 1000000 : 1000 + 50 * i, 0};
    CHECK(growth_fit(d, 30, &per_day)); /* the last 14 only */
    CHECK_DBL(per_day, 50, 1e-9);
    d[29].day = 200; /* a long silence: one day is no line */
    CHECK(!growth_fit(d, 30, &per_day));
    CHECK_DBL(per_day, 50, 1e-9);
}

TEST(what_shrinks_is_never_full)
{
    struct growth_day d[] = {{1, 500, 0}, {2, 400, 0}, {3, 300, 0}};
    double per_day = -1;
    CHECK(!growth_fit(d, 3, &per_day));
    CHECK(!growth_fit(d, 1, &per_day));
    CHECK(!growth_fit(d, 0, &per_day));
    d[2].bytes = 900;
    CHECK(growth_fit(d, 3, &per_day));
    CHECK_DBL(per_day, 200, 1e-9);
}
