/* line_protocol_test.c - the rules of line protocol, one by one, in lines of our own. */
#include "proto/line_protocol.h"
#include "base/mem.h"
#include "base/test.h"

static struct lp r;
static struct lp_line l;

static int first(const char *text, const char *precision)
{
    CHECK_INT(lp_init(&r, str_of(text), str_of(precision)), 0);
    return lp_next(&r, &l);
}

static const char *clean(struct str raw, bool text)
{
    static char out[200];
    struct buf b;
    buf_init(&b, sizeof out - 1);
    if (text)
        lp_unescape_text(&b, raw);
    else
        lp_unescape(&b, raw);
    str_to_cstr(buf_view(&b), out, sizeof out);
    buf_fini(&b);
    return out;
}

TEST(a_whole_line)
{
    REQUIRE(first("mill,area=GRD,point=P1 value=12.5,quality=0i 1700000000123456789\n", "") == 1);
    CHECK_STR(l.series, "mill,area=GRD,point=P1");
    CHECK_STR(l.measurement, "mill");
    CHECK_STR(l.tags, "area=GRD,point=P1");
    CHECK_INT(l.nfields, 2);
    CHECK_STR(l.field[0].key, "value");
    CHECK_DBL(l.field[0].d, 12.5, 0);
    CHECK_INT(l.field[1].type, LP_INT);
    CHECK_INT(l.time_us, 1700000000123456);
    CHECK_INT(lp_next(&r, &l), 0);
}

TEST(values)
{
    REQUIRE(first("m a=1,b=-2.50,c=1e3,d=-3.5E-2,e=.5,f=7.,g=-12i,h=18446744073709551615u,i=t,j=FALSE,k=\"a "
                  "b,=\",l=\"\",m=+4,"
                  "n=0.1,o=9007199254740993,p=123456789012345678901234567890,q=-9223372036854775808i",
                  "") == 1);
    static const double d[] = {1, -2.5, 1000, -0.035, 0.5, 7};
    for (int i = 0; i < 6; i++) CHECK_DBL(l.field[i].d, d[i], 0);
    CHECK_INT(l.field[6].i, -12);
    CHECK(l.field[7].type == LP_UINT && l.field[7].u == UINT64_MAX);
    CHECK(l.field[8].type == LP_BOOL && l.field[8].b);
    CHECK(l.field[9].type == LP_BOOL && !l.field[9].b);
    CHECK_STR(l.field[10].s, "a b,=");
    CHECK_STR(l.field[11].s, "");
    CHECK_DBL(l.field[12].d, 4, 0);
    CHECK_DBL(l.field[13].d, 0.1, 0);
    CHECK_DBL(l.field[14].d, 9007199254740992.0, 0);
    CHECK_DBL(l.field[15].d, 1.2345678901234568e29, 0);
    CHECK(l.field[16].i == INT64_MIN);
    CHECK(!l.has_time);
}

TEST(escapes)
{
    REQUIRE(first("my\\ mill\\,1=x,ta\\=g=va\\ l\\,ue fi\\ e\\=ld=\"say \\\"hi\\\" \\\\ \\n\" 1", "s") == 1);
    CHECK_Z(clean(l.measurement, false), "my mill,1=x");
    struct str tags = l.tags, k, v;
    CHECK_INT(lp_tags_check(tags), LP_NONE);
    REQUIRE(lp_tag_next(&tags, &k, &v));
    CHECK_Z(clean(k, false), "ta=g");
    CHECK_Z(clean(v, false), "va l,ue");
    CHECK(!lp_tag_next(&tags, &k, &v));
    CHECK_Z(clean(l.field[0].key, false), "fi e=ld");
    CHECK_Z(clean(l.field[0].s, true), "say \"hi\" \\ \\n");
}

TEST(precisions)
{
    static const struct {
        const char *unit, *text;
        int64_t us;
    } v[] = {{"", "1500", 1},       {"ns", "-1500", -2},   {"n", "1999", 1},  {"u", "7", 7},
             {"us", "-7", -7},      {"\xc2\xb5", "3", 3},  {"ms", "7", 7000}, {"s", "-7", -7000000},
             {"m", "2", 120000000}, {"h", "1", 3600000000}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        char line[64];
        snprintf(line, sizeof line, "m f=1 %s\n", v[i].text);
        REQUIRE(first(line, v[i].unit) == 1);
        CHECK_INT(l.time_us, v[i].us);
    }
    CHECK_INT(lp_init(&r, STR("m f=1"), STR("days")), ERR_INVALID);
}

TEST(faults_name_line_and_reason_and_the_rest_is_read)
{
    static const struct {
        const char *line;
        enum lp_fault fault;
    } v[] = {{",a=b f=1", LP_NO_NAME},       {"m", LP_NO_FIELDS},
             {"m,a=b", LP_NO_FIELDS},        {"m  ", LP_NO_FIELDS},
             {"m f", LP_BAD_FIELD},          {"m f=", LP_BAD_NUMBER},
             {"m f=1,", LP_BAD_FIELD},       {"m =1", LP_NO_FIELDS},
             {"m f=abc", LP_BAD_NUMBER},     {"m f=1.2.3", LP_BAD_NUMBER},
             {"m f=-", LP_BAD_NUMBER},       {"m f=1x", LP_BAD_NUMBER},
             {"m f=-1u", LP_BAD_NUMBER},     {"m f=1.5i", LP_BAD_NUMBER},
             {"m f=NaN", LP_BAD_NUMBER},     {"m f=9223372036854775808i", LP_RANGE},
             {"m f=\"abc\"x", LP_BAD_FIELD}, {"m f=1 12x", LP_BAD_TIME},
             {"m f=1 -", LP_BAD_TIME},       {"m f=1 1 2", LP_BAD_TIME},
             {"m f=1 1.5", LP_BAD_TIME},     {"m f=1 99999999999999999999", LP_TIME_RANGE}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        char text[200];
        snprintf(text, sizeof text, "# first\r\n\n%s\r\n\tgood v=2i 5\r\n", v[i].line);
        int got = first(text, "");
        if (got != -1 || l.fault != v[i].fault || l.number != 3)
            test_fail(__FILE__, __LINE__, "'%s': %d, fault %d, line %zu", v[i].line, got, l.fault, l.number);
        REQUIRE(lp_next(&r, &l) == 1);
        CHECK_STR(l.measurement, "good");
        CHECK_INT(l.number, 4);
        CHECK_INT(lp_next(&r, &l), 0);
    }
    REQUIRE(first("m f=1 9223372036854775807", "s") == -1);
    CHECK_INT(l.fault, LP_TIME_RANGE);
    static const char *const tags[] = {"a", "a=", "=b", "a=b,", "a=b,,c=d", ""};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) CHECK_INT(lp_tags_check(str_of(tags[i])), LP_BAD_TAG);
    CHECK_INT(lp_tags_check(STR_NULL), LP_NONE);
}

TEST(texts_with_line_breaks_and_open_quotes)
{
    REQUIRE(first("m f=\"one\ntwo\" 1\nm f=\"open 2\nn g=1", "") == 1);
    CHECK_STR(l.field[0].s, "one\ntwo");
    CHECK_INT(lp_next(&r, &l), -1);
    CHECK_INT(l.number, 3);
    CHECK_INT(l.fault, LP_OPEN_QUOTE);
    CHECK_INT(lp_next(&r, &l), 1);
    CHECK_STR(l.measurement, "n");
    CHECK_INT(lp_next(&r, &l), 0);
}

TEST(limits)
{
    size_t n = 2 * 7 * LP_FIELDS_MAX + 100;
    char *text = mem_alloc(n);
    size_t at = (size_t)snprintf(text, n, "m ");
    for (int i = 0; i <= LP_FIELDS_MAX; i++) at += (size_t)snprintf(text + at, n - at, "%sf%d=1", i ? "," : "", i);
    CHECK_INT(first(text, ""), -1);
    CHECK_INT(l.fault, LP_MANY_FIELDS);
    *strrchr(text, ',') = '\0';
    CHECK_INT(first(text, ""), 1);
    CHECK_INT(l.nfields, LP_FIELDS_MAX);
    mem_free(text);
}

/* Any prefix of a good text is read without looking past its end (the sanitizer watches). */
TEST(cut_anywhere)
{
    static const char text[] = "a\\,b,t\\ 1=x\\=y f=1.5,g=-3i,h=\"q\\\"uote\",i=true 1700000000\nz v=1u 2\n";
    for (size_t n = 0; n < sizeof text; n++) {
        char *exact = mem_alloc(n ? n : 1);
        memcpy(exact, text, n);
        CHECK_INT(lp_init(&r, str_make(exact, n), STR("s")), 0);
        size_t lines = 0;
        while (lp_next(&r, &l)) lines++;
        CHECK(lines <= 2);
        mem_free(exact);
    }
}
