/* cron_test.c - cron expressions and zones. Local times are written as people do; dates of weekdays and clock
 * changes are those of the calendar (DST in Berlin 2026: 29 March 02:00 -> 03:00, 25 October 03:00 -> 02:00;
 * New York 2026: 8 March, 1 November; Lord Howe changes by half an hour). */
#include "base/cron.h"
#include "base/test.h"
#include "base/time.h"

static int64_t secs(const char *text)
{
    int64_t us = 0;
    if (time_parse(str_of(text), &us, NULL)) test_fail(__FILE__, __LINE__, "bad time %s", text);
    return us / 1000000;
}

static const char berlin[] = "CET-1CEST,M3.5.0,M10.5.0/3", shanghai[] = "CST-8", new_york[] = "EST5EDT,M3.2.0,M11.1.0",
                  lord_howe[] = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", utc[] = "UTC0";

static const char *next_of(const char *cron, const char *tz, const char *after)
{
    static char out[TIME_TEXT_MAX];
    struct cron c;
    struct zone z;
    struct error e = {0};
    if (cron_parse(str_of(cron), &c, &e) || zone_parse_posix(str_of(tz), &z, &e)) {
        test_fail(__FILE__, __LINE__, "%s in %s: %s", cron, tz, e.text);
        return "";
    }
    int64_t t = cron_next(&c, &z, secs(after));
    return t == INT64_MAX ? "never" : time_format(t * 1000000, out);
}

TEST(next_times)
{
    static const struct {
        const char *cron, *tz, *after, *want;
    } v[] = {
        {"* * * * *", utc, "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"},
        {"*/15 * * * *", utc, "2026-01-01T00:16:00Z", "2026-01-01T00:30:00Z"},
        {"*/10 * * * * *", utc, "2026-01-01T00:00:59Z", "2026-01-01T00:01:00Z"},
        {"30 5 * * *", shanghai, "2026-01-01T00:00:00Z", "2026-01-01T21:30:00Z"},
        {"0 8 * * mon-fri", utc, "2026-11-20T08:00:00Z", "2026-11-23T08:00:00Z"}, /* a Friday */
        {"0 8 * * 7", utc, "2026-11-20T08:00:00Z", "2026-11-22T08:00:00Z"},
        {"0 8 * * fri-mon", utc, "2026-11-22T09:00:00Z", "2026-11-23T08:00:00Z"},
        {"0 8 * * fri-mon", utc, "2026-11-23T09:00:00Z", "2026-11-27T08:00:00Z"},
        {"0 0 1 jan,JUL ?", utc, "2026-02-01", "2026-07-01T00:00:00Z"},
        {"0 0 L * *", utc, "2026-02-01", "2026-02-28T00:00:00Z"},
        {"0 0 L 2 ?", utc, "2028-01-01", "2028-02-29T00:00:00Z"},
        {"0 0 L-2 * *", utc, "2026-02-01", "2026-02-26T00:00:00Z"},
        {"0 0 LW * *", utc, "2026-01-31", "2026-02-27T00:00:00Z"},  /* 28 February 2026 is a Saturday */
        {"0 0 15W * *", utc, "2026-08-01", "2026-08-14T00:00:00Z"}, /* 15 August 2026 is a Saturday */
        {"0 0 15W * *", utc, "2026-11-01", "2026-11-16T00:00:00Z"}, /* a Sunday */
        {"0 0 1W * *", utc, "2026-07-31", "2026-08-03T00:00:00Z"},  /* 1 August 2026 is a Saturday: not July */
        {"0 0 31W * *", utc, "2026-05-01", "2026-05-29T00:00:00Z"}, /* 31 May 2026 is a Sunday */
        {"0 0 31W * *", utc, "2026-06-01", "2026-07-31T00:00:00Z"}, /* June has none */
        {"0 0 ? * 5#2", utc, "2026-11-01", "2026-11-13T00:00:00Z"},
        {"0 0 ? * mon#5", utc, "2026-10-01", "2026-11-30T00:00:00Z"},
        {"0 0 ? * friL", utc, "2026-11-01", "2026-11-27T00:00:00Z"},
        {"0 0 13 * fri", utc, "2026-11-01", "2026-11-06T00:00:00Z"}, /* either day field */
        {"0 0 29 2 *", utc, "2026-01-01", "2028-02-29T00:00:00Z"},
        {"0 0 30 2 *", utc, "2026-01-01", "never"},
        {"5/20 * * * *", utc, "2026-01-01T00:06:00Z", "2026-01-01T00:25:00Z"},
        {"@weekly", utc, "2026-11-20", "2026-11-22T00:00:00Z"},
        /* a time that the clock leaves out happens at the moment after it, once */
        {"30 2 * * *", berlin, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
        {"30 2 * * *", berlin, "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
        {"0,30 2 * * *", berlin, "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"},
        {"30 2 * * *", new_york, "2026-03-07T12:00:00Z", "2026-03-08T07:00:00Z"},
        /* one that comes twice happens the first time */
        {"30 2 * * *", berlin, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
        {"30 2 * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
        {"30 1 * * *", new_york, "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"},
        /* every hour follows the real hours */
        {"30 * * * *", berlin, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"},
        {"30 * * * *", berlin, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
        {"*/20 * * * *", berlin, "2026-10-25T00:40:00Z", "2026-10-25T01:00:00Z"},
        /* half an hour left out, half an hour twice */
        {"15 2 * * *", lord_howe, "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"},
        {"45 1 * * *", lord_howe, "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z"},
        {"45 1 * * *", lord_howe, "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        const char *got = next_of(v[i].cron, v[i].tz, v[i].after);
        if (strcmp(got, v[i].want) != 0)
            test_fail(__FILE__, __LINE__, "%s in %s after %s: %s, want %s", v[i].cron, v[i].tz, v[i].after, got,
                      v[i].want);
    }
}

TEST(nonsense_is_refused_by_name)
{
    static const char *const bad[] = {"",          "* * * *",    "* * * * * * *", "60 * * * *",   "* 24 * * *",
                                      "* * 0 * *", "* * 32 * *", "* * * 13 *",    "* * * * 8",    "*/0 * * * *",
                                      "a * * * *", "1- * * * *", "1,, * * * *",   "* * L-31 * *", "* * * * 5#6",
                                      "* * * * L", "@never",     "* * 0W * *",    "?/5 * * * *",  "-5 * * * *"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cron c;
        struct error e = {0};
        if (cron_parse(str_of(bad[i]), &c, &e) != ERR_INVALID || !e.text[0] || !e.text_zh[0])
            test_fail(__FILE__, __LINE__, "'%s' is accepted", bad[i]);
    }
    struct cron c;
    struct error e = {0};
    CHECK_INT(cron_parse(STR("61 * * * *"), &c, &e), ERR_INVALID);
    CHECK_Z(e.text, "minute: cannot read '61'");
    CHECK_Z(e.text_zh, "分：无法识别“61”");
}

/* A second walk, by every minute of a year, tells the same as the search. */
TEST(same_as_looking_at_every_minute)
{
    static const char *const crons[] = {"7 3 * * *", "30 2 L * *", "*/13 1-4 * * sat,sun", "0 */5 15W * *",
                                        "59 23 ? * 2#3"};
    struct zone z;
    REQUIRE(zone_parse_posix(str_of(shanghai), &z, NULL) == 0);
    for (size_t i = 0; i < sizeof crons / sizeof *crons; i++) {
        struct cron c;
        REQUIRE(cron_parse(str_of(crons[i]), &c, NULL) == 0);
        int64_t t = secs("2026-01-01"), end = secs("2027-01-01"), next = cron_next(&c, &z, t - 1);
        int n = 0;
        for (; t < end; t += 60) {
            bool now = cron_local(&c, t + 8 * 3600, t + 8 * 3600 + 60) != INT64_MAX;
            if (now != (t == next)) test_fail(__FILE__, __LINE__, "%s: %lld", crons[i], (long long)t);
            if (now) n++, next = cron_next(&c, &z, t);
        }
        CHECK(n >= 12);
    }
}

TEST(zones_by_text)
{
    struct zone z;
    CHECK_INT(zone_parse_posix(str_of(berlin), &z, NULL), 0);
    CHECK_INT(zone_span(&z, secs("2026-07-01")).offset, 7200);
    CHECK_INT(zone_span(&z, secs("2026-12-01")).offset, 3600);
    CHECK_INT(zone_span(&z, secs("2026-12-01")).until, secs("2027-03-28T01:00:00Z"));
    CHECK_INT(zone_utc(&z, secs("2026-03-29T02:30:00Z")), secs("2026-03-29T01:00:00Z"));
    CHECK_INT(zone_utc(&z, secs("2026-10-25T02:30:00Z")), secs("2026-10-25T00:30:00Z"));
    CHECK_INT(zone_utc(&z, secs("2026-10-25T03:00:00Z")), secs("2026-10-25T02:00:00Z"));
    CHECK_INT(zone_parse_posix(str_of(new_york), &z, NULL), 0);
    CHECK_INT(zone_span(&z, secs("2026-07-01")).offset, -4 * 3600);
    CHECK_INT(zone_parse_posix(STR("AEST-10AEDT,M10.1.0,M4.1.0/3"), &z, NULL), 0); /* the south */
    CHECK_INT(zone_span(&z, secs("2026-01-01")).offset, 11 * 3600);
    CHECK_INT(zone_span(&z, secs("2026-07-01")).offset, 10 * 3600);
    CHECK_INT(zone_parse_posix(STR("X1"), &z, NULL), ERR_INVALID);
    CHECK_INT(zone_parse_posix(STR("CET-1CEST,M3.5.0"), &z, NULL), ERR_INVALID);
    CHECK_INT(zone_parse_posix(STR("CET-1CEST,M13.5.0,M10.5.0"), &z, NULL), ERR_INVALID);
    CHECK_INT(zone_parse_fixed(STR("+05:30"), &z, NULL), 0);
    CHECK_INT(zone_span(&z, 0).offset, 19800);
    CHECK_INT(zone_parse_fixed(STR("-0330"), &z, NULL), 0);
    CHECK_INT(zone_span(&z, 0).offset, -12600);
    CHECK_INT(zone_parse_fixed(STR("08:00"), &z, NULL), ERR_INVALID);
    CHECK_INT(zone_parse_fixed(STR("+08:00x"), &z, NULL), ERR_INVALID);
}

/* A file of one change: UTC+8 until 1000, UTC+9 until 2000, then by the closing text. */
static size_t make_file(uint8_t *out, const char *tail)
{
    struct buf b;
    buf_init(&b, 4096);
    for (int block = 0; block < 2; block++) {
        buf_add(&b, "TZif2", 5);
        buf_add(&b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15);
        uint32_t counts[] = {0, 0, 0, block ? 2 : 0, block ? 2 : 1, 4};
        for (int i = 0; i < 6; i++) buf_u32be(&b, counts[i]);
        if (block) {
            buf_u64be(&b, 1000);
            buf_u64be(&b, 2000);
            buf_u8(&b, 1);
            buf_u8(&b, 0);
        }
        for (int i = 0; i < (block ? 2 : 1); i++) {
            buf_u32be(&b, (uint32_t)(i ? 9 * 3600 : 8 * 3600));
            buf_u8(&b, 0);
            buf_u8(&b, 0);
        }
        buf_add(&b, "LMT", 4);
    }
    buf_z(&b, tail);
    memcpy(out, b.p, b.n);
    size_t n = b.n;
    buf_fini(&b);
    return n;
}

TEST(zone_file)
{
    uint8_t file[512];
    struct zone z;
    size_t n = make_file(file, "\nCST-8\n");
    REQUIRE(zone_parse(file, n, &z, NULL) == 0);
    CHECK_INT(zone_span(&z, 0).offset, 8 * 3600);
    CHECK_INT(zone_span(&z, 999).until, 1000);
    CHECK_INT(zone_span(&z, 1000).offset, 9 * 3600);
    CHECK_INT(zone_span(&z, 5000).offset, 8 * 3600);
    CHECK_INT(zone_span(&z, 5000).from, 2000);
    zone_fini(&z);
    for (size_t cut = 0; cut < n; cut++) CHECK_INT(zone_parse(file, cut, &z, NULL), ERR_INVALID);
}
