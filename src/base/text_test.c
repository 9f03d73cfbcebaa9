/* text_test.c - time, csv, encodings, UTF-8, metrics. */
#include "base/test.h"
#include "base/csv.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "base/utf8.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

TEST(time_round_trip)
{
    static const struct {
        const char *in, *out;
    } t[] = {{"2026-11-22T19:20:36.123456Z", NULL},
             {"2026-11-22T19:20:36.5Z", "2026-11-22T19:20:36.500Z"},
             {"2026-11-22", "2026-11-22T00:00:00Z"},
             {"2026-11-22 08:00:00+08:00", "2026-11-22T00:00:00Z"},
             {"2024-02-29T12:30", "2024-02-29T12:30:00Z"},
             {"0", "1970-01-01T00:00:00Z"},
             {"1700000000000", "2023-11-14T22:13:20Z"},
             {"1700000000", "2023-11-14T22:13:20Z"},
             {"-1", "1969-12-31T23:59:59Z"},
             {"0001-01-01", "0001-01-01T00:00:00Z"},
             {"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999Z"},
             {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
             {"2000-02-29", "2000-02-29T00:00:00Z"}};
    static const char *bad[] = {"",
                                "x",
                                "2026-13-01",
                                "2026-02-29",
                                "2026-11-22T24:00:00Z",
                                "2026-11-22T10",
                                "2026-11-22T10:00:00+",
                                "2026-11-22T10:00:00.Z",
                                "2026-11-22Z",
                                "1900-02-29",
                                "2026-1-2",
                                "99999999999999999",
                                "0001-01-01T00:00:00+01:00",
                                "2026-11-22T10:00:60Z"};
    char out[TIME_TEXT_MAX];
    for (size_t i = 0; i < COUNT(t); i++) {
        int64_t us = 0;
        CHECK_INT(time_parse(str_of(t[i].in), &us, NULL), 0);
        CHECK_Z(time_format(us, out), t[i].out ? t[i].out : t[i].in);
        struct civil c = civil_from_us(us);
        CHECK_INT(civil_to_us(&c), us);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t us = 7;
        struct error e = {0};
        if (time_parse(str_of(bad[i]), &us, &e) != ERR_INVALID || us != 7)
            test_fail(__FILE__, __LINE__, "accepted %s", bad[i]);
    }
}

TEST(time_words)
{
    static const struct {
        const char *in, *out;
    } t[] = {{"*", "2026-03-31T20:00:00Z"},       {"now-15m", "2026-03-31T19:45:00Z"},
             {"*-8h", "2026-03-31T12:00:00Z"},    {"t", "2026-03-31T16:00:00Z"},
             {"y", "2026-03-30T16:00:00Z"},       {"t+6h", "2026-03-31T22:00:00Z"},
             {"*-1d-2h", "2026-03-30T18:00:00Z"}, {"*-1mo", "2026-02-28T20:00:00Z"},
             {"*-1y", "2025-03-31T20:00:00Z"},    {"*+1w", "2026-04-07T20:00:00Z"},
             {"-8h", "2026-03-31T12:00:00Z"},     {"2026-01-01", "2026-01-01T00:00:00Z"}};
    static const char *bad[] = {"*-", "*-8", "*8h", "tx", "*-8x", "*-99999999999y", "*-999999999999w", "-", ""};
    int64_t now, us = 0;
    char out[TIME_TEXT_MAX];
    REQUIRE(time_parse(STR("2026-03-31T20:00:00Z"), &now, NULL) == 0);
    for (size_t i = 0; i < COUNT(t); i++) {
        CHECK_INT(time_parse_words(str_of(t[i].in), now, 480, &us, NULL), 0);
        CHECK_Z(time_format(us, out), t[i].out);
    }
    for (size_t i = 0; i < COUNT(bad); i++) CHECK_INT(time_parse_words(str_of(bad[i]), now, 0, &us, NULL), ERR_INVALID);
    CHECK_INT(time_parse_words(STR("*-1mo"), now, 0, &us, NULL), 0);
    CHECK_Z(time_format(us, out), "2026-02-28T20:00:00Z");
}

TEST(durations)
{
    static const struct {
        const char *in;
        int64_t us;
    } t[] = {{"500ms", 500000},   {"10s", 10000000}, {"5m", 300000000}, {"1h", 3600000000},
             {"1d", 86400000000}, {"250", 250000},   {"1.5s", 1500000}};
    static const char *bad[] = {"", "0", "0s", "-1s", "1x", "s", "1e3s", "99999999999999999d"};
    int64_t us = 0;
    for (size_t i = 0; i < COUNT(t); i++) {
        CHECK_INT(duration_parse(str_of(t[i].in), &us, NULL), 0);
        CHECK_INT(us, t[i].us);
    }
    for (size_t i = 0; i < COUNT(bad); i++) CHECK_INT(duration_parse(str_of(bad[i]), &us, NULL), ERR_INVALID);
}

static void csv_all(struct buf *out, struct str text)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct csv c;
    struct str *cells;
    size_t n;
    struct error e = {0};
    int rc;
    buf_clear(out);
    csv_init(&c, text);
    while ((rc = csv_next(&c, &a, &cells, &n, &e)) == 1) {
        buf_printf(out, "%zu:", c.line);
        for (size_t i = 0; i < n; i++) buf_printf(out, "<%.*s>", STR_ARG(cells[i]));
    }
    if (rc) buf_printf(out, "!%s", e.where);
}

TEST(csv_rows)
{
    static const struct {
        const char *in, *out;
    } t[] = {{"a,b\r\n1,2\r\n", "1:<a><b>2:<1><2>"},
             {"\xef\xbb\xbf"
              "a;b\n\n\nc;d",
              "1:<a><b>4:<c><d>"},
             {"a\tb\n,\t", "1:<a><b>2:<,><>"},
             {"\"x\"\"y\",\"l1\nl2\",\n3,4,5", "1:<x\"y><l1\nl2><>3:<3><4><5>"},
             {"", ""},
             {"\n\n", ""},
             {"a", "1:<a>"},
             {"a,", "1:<a><>"},
             {"\"a", "!line 1"},
             {"x\n\"a\"b", "1:<x>!line 2"},
             {"a\"b", "!line 1"},
             {"a\n\xff", "1:<a>!line 2"},
             {"\"\"", "1:<>"},
             {"a\rb,c", "1:<a\rb><c>"}};
    struct buf b;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < COUNT(t); i++) {
        csv_all(&b, str_of(t[i].in));
        CHECK_Z(buf_cstr(&b), t[i].out);
    }
    buf_fini(&b);
}

TEST(csv_cells_out)
{
    struct buf b;
    buf_init(&b, 1000);
    static const char *in[] = {"a", "x,y", "q\"q", "=1+1", "-5.5", "-", "@x", "l\nm", ""};
    for (size_t i = 0; i < COUNT(in); i++) csv_cell(&b, str_of(in[i]), i == 0);
    CHECK_Z(buf_cstr(&b), "a,\"x,y\",\"q\"\"q\",'=1+1,-5.5,-,'@x,\"l\nm\",");
    buf_fini(&b);
}

TEST(csv_every_allocation_may_fail)
{
    for (uint64_t n = 1; n < 3; n++) {
        AUTO_ARENA a;
        arena_init(&a, 1 << 20);
        struct csv c;
        struct str *cells;
        size_t count;
        csv_init(&c, STR("\"a\"\"b\",c\n"));
        mem_fail_at(n, false);
        int rc = csv_next(&c, &a, &cells, &count, NULL);
        mem_fail_at(0, false);
        CHECK_INT(rc, n == 1 ? ERR_NOMEM : 1);
    }
}

TEST(encodings)
{
    struct buf b;
    buf_init(&b, 1000);
    base64_encode(&b, "foobar", 6, false), buf_u8(&b, ' '), base64_encode(&b, "fooba", 5, false), buf_u8(&b, ' '),
        base64_encode(&b, "\xfb\xff", 2, true);
    hex_encode(&b, "\x01\xab", 2);
    percent_encode(&b, STR("a /铜"));
    CHECK_Z(buf_cstr(&b), "Zm9vYmFy Zm9vYmE= -_801aba%20%2F%E9%93%9C");
    buf_clear(&b);
    CHECK_INT(base64_decode(&b, STR("Zm9vYmE="), false), 0);
    CHECK_INT(base64_decode(&b, STR("-_8"), true), 0);
    CHECK_INT(hex_decode(&b, STR("4A4b")), 0);
    CHECK_Z(buf_cstr(&b), "fooba\xfb\xffJK");
    CHECK_INT(base64_decode(&b, STR("Zm9vYmF="), false), ERR_INVALID); /* bits left over */
    CHECK_INT(base64_decode(&b, STR("Zg"), false), ERR_INVALID);
    CHECK_INT(hex_decode(&b, STR("4")), ERR_INVALID);
    buf_fini(&b);
    AUTO_ARENA a;
    arena_init(&a, 1000);
    struct str s;
    CHECK_INT(percent_decode(&a, STR("a%20b+c"), true, &s), 0);
    CHECK_STR(s, "a b c");
    CHECK_INT(percent_decode(&a, STR("%0"), false, &s), ERR_INVALID);
    CHECK_INT(percent_decode(&a, STR("%00"), false, &s), ERR_INVALID);
}

TEST(utf8_forms)
{
    CHECK_INT(utf8_len(STR("a铜\xf0\x9f\x98\x80")), 3);
    CHECK_INT(utf8_check(STR("ab\xe9\x93")), 2);
    CHECK_INT(utf8_floor(STR("铜铜"), 4), 3);
    CHECK(!utf8_valid(STR("\xc1\xbf")) && !utf8_valid(STR("\xe0\x80\x80")) && !utf8_valid(STR("\xed\xbf\xbf")) &&
          utf8_valid(STR("\xf4\x8f\xbf\xbf")));
    char c[4];
    CHECK_INT(utf8_encode(0x94dc, c), 3);
    CHECK_INT(utf8_encode(0xd800, c), 0);
}

METRIC(test_total, METRIC_COUNTER, "bornite_test_total", "a test");
TEST(metrics)
{
    struct buf b;
    buf_init(&b, 1000);
    metric_add(&test_total, 2);
    metric_add(&test_total, 3);
    metric_render(&b);
    CHECK_Z(buf_cstr(&b),
            "# HELP bornite_test_total a test\n# TYPE bornite_test_total counter\nbornite_test_total 5\n");
    buf_fini(&b);
}

TEST(csv_in_windows)
{
    static const char text[] = "a,b\r\n1,\"x\r\ny\"\r\nbad \"quote\r\n3,\"open\r\n4,z\r\n";
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct csv whole;
    csv_init(&whole, str_of(text));
    for (size_t cut = 0; cut < sizeof text - 1; cut++) { /* every window either has the row whole or waits */
        struct csv c = {
            .text = str_make(text, cut), .sep = ',', .max_cells = 10, .max_cell = 100, .next_line = 1, .more = true};
        struct str *cells;
        size_t n, rows = 0;
        int rc;
        while ((rc = csv_next(&c, &a, &cells, &n, NULL)) == 1) rows++;
        CHECK(rc == 0 || rc == ERR_AGAIN || (rc == ERR_INVALID && cut >= 20));
        CHECK_INT(rows, cut < 5 ? 0 : cut < 15 ? 1 : 2);
        CHECK(rc == ERR_INVALID || c.pos == (rows == 0 ? 0 : rows == 1 ? 5 : 15));
    }
    struct str *cells;
    size_t n;
    CHECK_INT(csv_next(&whole, &a, &cells, &n, NULL), 1);
    CHECK_INT(csv_next(&whole, &a, &cells, &n, NULL), 1);
    CHECK_INT(csv_next(&whole, &a, &cells, &n, NULL), ERR_INVALID);
    CHECK_INT(whole.line, 4);
    CHECK(csv_skip_line(&whole));
    CHECK_INT(csv_next(&whole, &a, &cells, &n, NULL), ERR_INVALID); /* never closed: its line goes, not all below */
    CHECK_INT(whole.line, 5);
    CHECK(csv_skip_line(&whole));
    CHECK_INT(csv_next(&whole, &a, &cells, &n, NULL), 1);
    CHECK_INT(whole.line, 6);
    CHECK(str_is(cells[1], "z"));
    CHECK_INT(csv_next(&whole, &a, &cells, &n, NULL), 0);
}
