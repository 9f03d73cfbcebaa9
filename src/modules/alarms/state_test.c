/* state_test.c - every cell of the state table; readings and delays as tables. */
#include "base/test.h"
#include "modules/alarms/state.h"

TEST(every_state_and_input)
{
    static const struct {
        const char *from;
        const char *to[ALARM_INPUTS]; /* raise clear ack drop; "": nothing */
    } rows[] = {
        {"normal", {"active_unacked", "", "", ""}},
        {"active_unacked", {"", "cleared_unacked", "active_acked", "normal"}},
        {"active_acked", {"", "normal", "", "normal"}},
        {"cleared_unacked", {"active_unacked", "", "normal", "normal"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int in = 0; in < ALARM_INPUTS; in++) {
            int from = alarm_state_parse(str_of(rows[i].from));
            REQUIRE(from >= 0);
            CHECK_Z(alarm_state_name(alarm_next((enum alarm_state)from, (enum alarm_input)in)), rows[i].to[in]);
        }
}

TEST(readings)
{
    static const struct {
        enum alarm_condition c;
        double at, deadband, value;
        enum alarm_reading want;
    } rows[] = {
        {ALARM_H, 100, 0, 100, ALARM_INSIDE},    {ALARM_H, 100, 0, 100.01, ALARM_BEYOND},
        {ALARM_H, 100, 2, 99, ALARM_BETWEEN},    {ALARM_H, 100, 2, 98, ALARM_INSIDE},
        {ALARM_HH, 100, 2, 100.5, ALARM_BEYOND}, {ALARM_L, 10, 0, 10, ALARM_INSIDE},
        {ALARM_L, 10, 0, 9.99, ALARM_BEYOND},    {ALARM_L, 10, 1, 10.5, ALARM_BETWEEN},
        {ALARM_LL, 10, 1, 11, ALARM_INSIDE},     {ALARM_LL, -5, 1, -6, ALARM_BEYOND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(alarm_read(rows[i].c, rows[i].at, rows[i].deadband, rows[i].value), rows[i].want);
}

/* A run of readings, one a second, delay 2 s: the input that each brings. */
TEST(the_delay_needs_an_unbroken_excess)
{
    static const struct {
        enum alarm_reading r;
        int want;
    } rows[] = {
        {ALARM_BEYOND, -1},  {ALARM_BEYOND, -1},          {ALARM_INSIDE, -1}, /* broken: begins again */
        {ALARM_BEYOND, -1},  {ALARM_BEYOND, -1},          {ALARM_BEYOND, ALARM_RAISE},
        {ALARM_BETWEEN, -1}, {ALARM_INSIDE, ALARM_CLEAR}, {ALARM_BETWEEN, -1},
    };
    bool active = false;
    int64_t since = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int in = alarm_debounce(active, rows[i].r, (int64_t)(i + 1) * 1000000, 2000000, &since);
        CHECK_INT(in, rows[i].want);
        if (in >= 0) active = in == ALARM_RAISE;
    }
    since = 0;
    CHECK_INT(alarm_debounce(false, ALARM_BEYOND, 5, 0, &since), ALARM_RAISE); /* no delay: at once */
    CHECK_INT(alarm_debounce(true, ALARM_BEYOND, 6, 0, &since), -1);
}

TEST(priorities)
{
    CHECK_INT(alarm_priority(ALARM_HH, 0), 2);
    CHECK_INT(alarm_priority(ALARM_L, 0), 3);
    CHECK_INT(alarm_priority(ALARM_STALE, 0), 4);
    CHECK_INT(alarm_priority(ALARM_STALE, 1), 1);
    CHECK_INT(alarm_condition_parse(STR("ll")), ALARM_LL);
    CHECK_INT(alarm_condition_parse(STR("x")), -1);
}
