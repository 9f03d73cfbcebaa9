/* First letters: customary, several readings, runs, what is no Chinese. */
#include "base/pinyin.h"
#include "base/test.h"

static void check(const char *text, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    pinyin_words(&b, str_of(text));
    CHECK_STR(buf_view(&b), want);
    buf_fini(&b);
}

TEST(words_of_first_letters)
{
    check("球磨机", " qmj");
    check("1号球磨机给料泵 No. 2", " hqmjglb hqmjjlb");
    check("铜业集团/熔炼厂", " tyjt rlc");
    check("pump 3", "");
    check("泵", "");
    check("", "");
}

TEST(several_readings)
{
    struct buf b;
    buf_init(&b, 4096);
    pinyin_words(&b, STR("重庆"));
    CHECK(str_has(buf_view(&b), STR("cq")) && str_has(buf_view(&b), STR("zq")));
    buf_clear(&b);
    pinyin_words(&b, STR("重重重重重重重重"));
    int n = 0;
    for (size_t i = 0; i < b.n; i++) n += b.p[i] == ' ';
    CHECK_INT(n, PINYIN_WAYS);
    buf_fini(&b);
}

TEST(letters)
{
    CHECK_INT(pinyin_letter(0x4e00), 'y'); /* 一 */
    CHECK_INT(pinyin_letter(0x7403), 'q'); /* 球 */
    CHECK_INT(pinyin_letter('a'), 0);
    CHECK_INT(pinyin_letter(0xffffffff), 0);
    CHECK_INT(pinyin_letter(0x9fff + 1), 0);
    CHECK_Z(pinyin_others(0x91cd), "c");
    CHECK_Z(pinyin_others(0x7403), "");
}

TEST(long_runs_are_cut_into_words)
{
    char text[400] = "";
    for (int i = 0; i < 100; i++) memcpy(text + 3 * i, "铜", 3);
    struct buf b;
    buf_init(&b, 4096);
    pinyin_words(&b, str_of(text));
    CHECK_INT(b.n, 102); /* " " 64 " " 36 */
    pinyin_words(&b, STR("\xff\xfe\x80铜\xe9"));
    CHECK(!b.err);
    buf_fini(&b);
}
