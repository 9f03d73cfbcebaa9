/* core_test.c - error, str, mem, arena, buf, rd, crc32c. */
#include "base/test.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/crc32c_int.h"
#include "base/mem.h"
#include "base/str_int.h"
#include <errno.h>
#include <sys/stat.h>

TEST(error_texts)
{
    CHECK_Z(error_name(ERR_NOT_FOUND), "not_found");
    CHECK_Z(error_name(-99), "unknown_error");
    CHECK_Z(error_name(5), "unknown_error");
    CHECK_INT(error_http(ERR_CONFLICT), 412);
    CHECK_INT(error_http(-1000), 500);
    CHECK_Z(error_title(ERR_IO), "input/output error");
    CHECK_Z(error_title_zh(ERR_IO), "读写错误");
    CHECK_INT(error_from_errno(-ENOSPC), ERR_DISK_FULL);
    CHECK_INT(error_from_errno(ENOENT), ERR_NOT_FOUND);
    CHECK_INT(error_from_errno(-ELOOP), ERR_IO);
    CHECK_INT(error_from_errno(0), 0);
}

TEST(error_set_and_prefix)
{
    struct error e = {0};
    CHECK_INT(error_set(&e, ERR_INVALID, "count", "at most %d, is %s", "最多%d，实为%s", 125, "130"), ERR_INVALID);
    CHECK_Z(e.text, "at most 125, is 130");
    CHECK_Z(e.text_zh, "最多125，实为130");
    error_prefix(&e, "rows[3].");
    CHECK_Z(e.where, "rows[3].count");
    error_prefix(NULL, "x");
    CHECK_INT(error_set(NULL, ERR_IO, NULL, "x", NULL), ERR_IO);
    error_set(&e, ERR_IO, NULL, "open %s", "open %s", e.text); /* an argument inside the target */
    CHECK_Z(e.text, "open at most 125, is 130");
    CHECK_Z(e.text_zh, e.text);
    CHECK_Z(e.where, "");
}

TEST(error_text_is_cut_at_a_character)
{
    char zh[3 * 200 + 1] = "";
    for (int i = 0; i < 200; i++) memcpy(zh + 3 * i, "铜", 4);
    for (int pad = 0; pad < 3; pad++) {
        struct error e;
        error_set(&e, ERR_INVALID, zh, "%.*s%s", "%.*s%s", pad, "ab", zh);
        size_t n = strlen(e.text);
        CHECK(n <= ERROR_TEXT_MAX - 1 && n > ERROR_TEXT_MAX - 5);
        CHECK_INT((n - (size_t)pad) % 3, 0);
        CHECK_INT(strlen(e.where) % 3, 0);
    }
}

TEST(str_basics)
{
    CHECK_INT(str_cmp(STR("ab"), STR("abc")), -1);
    CHECK_INT(str_cmp(STR("b"), STR("abc")), 1);
    CHECK_INT(str_cmp(STR_NULL, STR("")), 0);
    CHECK(str_ieq(STR("Flow"), STR("fLOW")) && !str_ieq(STR("a"), STR("ab")));
    CHECK(str_starts(STR("LT/GRD"), STR("LT/")) && !str_starts(STR("L"), STR("LT")));
    CHECK(str_ends(STR("a_test"), STR("_test")) && !str_ends(STR("t"), STR("_t")));
    CHECK(str_has(STR("abc"), STR("bc")) && str_has(STR_NULL, STR("")) && !str_has(STR_NULL, STR("a")));
    CHECK(str_ihas(STR("Motor POWER"), STR("power")) && !str_ihas(STR("pow"), STR("power")));
    CHECK_STR(str_trim(STR(" \t x y\r\n")), "x y");
    CHECK_STR(str_trim(STR("  ")), "");
    CHECK_STR(str_sub(STR("hello"), 3, 99), "lo");
    CHECK_STR(str_sub(STR("hello"), 9, 1), "");
    CHECK_INT(str_find(STR("a.b"), '.'), 1);
    CHECK_INT(str_find(STR_NULL, '.'), -1);
    char c[4];
    CHECK(!str_to_cstr(STR("abcd"), c, sizeof(c)));
    CHECK_Z(c, "abc");
    CHECK(str_to_cstr(STR("abc"), c, sizeof(c)));
}

TEST(str_cut_loops)
{
    struct str s = STR("a,,b");
    const char *want[] = {"a", "", "b"};
    int n = 0;
    while (s.p && n < 4) {
        struct str part = str_cut(&s, ',');
        if (n < 3) CHECK_STR(part, want[n]);
        n++;
    }
    CHECK_INT(n, 3);
}

TEST(siphash13_vectors)
{
    /* Key 0: values of the reference implementation (github.com/veorq/SipHash, cROUNDS 1, dROUNDS 3). */
    CHECK_INT(str_siphash13(STR(""), 0, 0), 0xd1fba762150c532cULL);
    CHECK_INT(str_siphash13(str_make("\0", 1), 0, 0), 0x68a914128e01e473ULL);
    CHECK_INT(str_siphash13(STR("siphash"), 0, 0), 0x8264ceeccb16bcbeULL);
    CHECK_INT(str_siphash13(STR("digest-sip_hash"), 0, 0), 0xce31007e34130c0aULL);
    CHECK_INT(str_siphash13(STR(""), 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL), 0xabac0158050fc4dcULL);
    static const char in[8] = "1234567";
    CHECK(str_hash(STR("a"), 1) != str_hash(STR("a"), 2));
    CHECK(str_hash(STR("a"), 1) != str_hash(STR("b"), 1));
    CHECK(str_hash(str_make(in, 8), 1) != str_hash(str_make(in, 7), 1));
    CHECK(hash_seed() != 0 && hash_seed() == hash_seed());
    hash_seed_set(42);
    CHECK_INT(hash_seed(), 42);
}

TEST(str_to_integers)
{
    static const struct {
        const char *z;
        int64_t want;
    } good[] = {
        {"0", 0}, {"-1", -1}, {"+5", 5}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
    static const char *bad[] = {"",
                                "-",
                                "+",
                                " 1",
                                "1 ",
                                "0x1",
                                "9223372036854775808",
                                "-9223372036854775809",
                                "1.0",
                                "--1",
                                "+-1",
                                "18446744073709551616"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t v = 77;
        CHECK_INT(str_to_i64(str_of(good[i].z), &v), 0);
        CHECK_INT(v, good[i].want);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t v = 77;
        CHECK_INT(str_to_i64(str_of(bad[i]), &v), ERR_INVALID);
        CHECK_INT(v, 77);
    }
    uint64_t u;
    CHECK_INT(str_to_u64(STR("18446744073709551615"), &u), 0);
    CHECK(u == UINT64_MAX);
    CHECK_INT(str_to_u64(STR("18446744073709551616"), &u), ERR_INVALID);
    CHECK_INT(str_to_u64(STR("-1"), &u), ERR_INVALID);
}

TEST(str_to_doubles)
{
    static const struct {
        const char *z;
        double want;
    } good[] = {{"0", 0},
                {"-0.5", -0.5},
                {"+2", 2},
                {".5", .5},
                {"5.", 5},
                {"007", 7},
                {"1e3", 1000},
                {"1E-3", 1e-3},
                {"123456789012345678", 123456789012345678.0},
                {"1e22", 1e22},
                {"1e23", 1e23},
                {"9007199254740993", 9007199254740992.0},
                {"0.1", 0.1},
                {"1.7976931348623157e308", 0x1.fffffffffffffp1023},
                {"5e-324", 0x1p-1074},
                {"2.2250738585072011e-308", 2.2250738585072011e-308},
                {"1e-400", 0},
                {"100000000000000000000000000000000", 1e32},
                {"0.000000000000000000000000000001", 1e-30},
                {"0.30000000000000004", 0.30000000000000004}};
    static const char *bad[] = {"",   "-",  ".",     "1e",  "1e+", "0x10",  "inf", "nan", "1,5",
                                " 1", "1 ", "1e400", "--1", "+-1", "1.2.3", "e5",  "+"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        double v = 77;
        CHECK_INT(str_to_double(str_of(good[i].z), &v), 0);
        CHECK_DBL(v, good[i].want, 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        double v = 77;
        if (str_to_double(str_of(bad[i]), &v) != ERR_INVALID) test_fail(__FILE__, __LINE__, "accepted \"%s\"", bad[i]);
        CHECK_DBL(v, 77, 0);
    }
}

TEST(mem_failure_on_demand)
{
    mem_fail_at(2, false);
    void *a = mem_alloc(1), *b = mem_alloc(1), *c = mem_alloc(0);
    CHECK(a && !b && c);
    mem_fail_at(1, true);
    CHECK(!mem_calloc(1, 1) && !mem_realloc(a, 9) && !mem_strdup("x"));
    mem_fail_at(0, false);
    uint64_t before = mem_count();
    char *z = mem_strdup("x");
    CHECK_Z(z, "x");
    CHECK_INT(mem_count() - before, 1);
    mem_free(a);
    mem_free(c);
    mem_free(z);
    volatile size_t huge = SIZE_MAX / 2;
    CHECK(mem_calloc(huge, 3) == NULL);
}

TEST(mem_grow_doubles)
{
    int *items = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < 100; i++) {
        REQUIRE(mem_grow((void **)&items, &cap, i + 1, sizeof(int)));
        items[i] = (int)i;
    }
    CHECK_INT(cap, 128);
    CHECK_INT(items[99], 99);
    CHECK(!mem_grow((void **)&items, &cap, SIZE_MAX, sizeof(int)));
    mem_fail_at(1, false);
    CHECK(!mem_grow((void **)&items, &cap, 1000, sizeof(int)));
    CHECK_INT(cap, 128);
    mem_free(items);
}

TEST(mem_auto_free_and_take)
{
    AUTO_FREE char *z = mem_strdup("gone by itself");
    AUTO_FREE char *moved = TAKE(z);
    CHECK(z == NULL);
    CHECK_Z(moved, "gone by itself");
}

TEST(arena_bounds)
{
    AUTO_ARENA a;
    arena_init(&a, 64 << 10);
    size_t n = 0;
    uint8_t *p;
    while ((p = arena_alloc(&a, 100))) {
        CHECK_INT((uintptr_t)p % 16, 0);
        memset(p, 0xaa, 100);
        n++;
    }
    CHECK_INT(n, (64 << 10) / 112);
    arena_reset(&a);
    CHECK_INT(a.used, 0);
    p = arena_calloc(&a, 10, 10);
    REQUIRE(p);
    for (int i = 0; i < 100; i++) CHECK_INT(p[i], 0);
    CHECK(arena_alloc(&a, SIZE_MAX) == NULL);
    CHECK(arena_calloc(&a, SIZE_MAX / 2, 3) == NULL);
    CHECK(arena_alloc(&a, 0) != arena_alloc(&a, 0));
}

TEST(arena_big_blocks_do_not_waste_the_head)
{
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    char *small = arena_alloc(&a, 16);
    char *big = arena_alloc(&a, 3 << 20);
    char *next = arena_alloc(&a, 16);
    REQUIRE(small && big && next);
    memset(big, 1, 3 << 20);
    CHECK(next == small + 16);
    CHECK_Z(arena_printf(&a, "%s=%d", "x", 5), "x=5");
    CHECK_STR(arena_str(&a, STR("copy")), "copy");
    mem_fail_at(1, true);
    CHECK(arena_alloc(&a, 1 << 20) == NULL);
    CHECK(arena_str(&a, str_make(big, 1 << 20)).p == NULL);
    mem_fail_at(0, false);
}

TEST(buf_maximum_and_sticky_error)
{
    struct buf b;
    buf_init(&b, 10);
    CHECK_Z(buf_cstr(&b), "");
    buf_z(&b, "0123456789");
    CHECK_INT(b.err, 0);
    CHECK_Z(buf_cstr(&b), "0123456789");
    buf_u8(&b, 'x');
    CHECK_INT(b.err, ERR_TOO_LARGE);
    buf_drop(&b, 5);
    buf_u8(&b, 'y');
    CHECK_INT(b.n, 5);
    CHECK_Z(buf_cstr(&b), "");
    buf_clear(&b);
    buf_printf(&b, "%d", 1234567890);
    CHECK_Z(buf_cstr(&b), "1234567890");
    buf_printf(&b, "x");
    CHECK_INT(b.err, ERR_TOO_LARGE);
    buf_fini(&b);
    mem_fail_at(1, false);
    buf_z(&b, "a");
    CHECK_INT(b.err, ERR_NOMEM);
    buf_fini(&b);
}

TEST(buf_printf_grows)
{
    struct buf b;
    buf_init(&b, 10000);
    for (int i = 0; i < 50; i++) buf_printf(&b, "%0100d", i);
    CHECK_INT(b.n, 5000);
    CHECK_INT(b.err, 0);
    CHECK_STR(str_sub(buf_view(&b), 4990, 10), "0000000049");
    buf_drop(&b, 4998);
    CHECK_Z(buf_cstr(&b), "49");
    buf_drop(&b, 99);
    CHECK_INT(b.n, 0);
    buf_fini(&b);
}

TEST(buf_and_rd_numbers)
{
    struct buf b;
    buf_init(&b, 100);
    buf_u8(&b, 1);
    buf_u16be(&b, 0x0203);
    buf_u32be(&b, 0x04050607);
    buf_u64be(&b, 0x08090a0b0c0d0e0fULL);
    buf_u16le(&b, 0x1110);
    buf_u32le(&b, 0x15141312);
    buf_u64le(&b, 0x1d1c1b1a19181716ULL);
    REQUIRE(b.n == 29);
    for (uint8_t i = 0; i < 29; i++) CHECK_INT(b.p[i], i < 15 ? i + 1 : i + 1);
    struct rd r = rd_make(b.p, b.n);
    CHECK_INT(rd_u8(&r), 1);
    CHECK_INT(rd_u16be(&r), 0x0203);
    CHECK_INT(rd_u32be(&r), 0x04050607);
    CHECK_INT(rd_u64be(&r), 0x08090a0b0c0d0e0fULL);
    CHECK_INT(rd_u16le(&r), 0x1110);
    CHECK_INT(rd_u32le(&r), 0x15141312);
    CHECK_INT(rd_left(&r), 8);
    CHECK(rd_bytes(&r, 9) == NULL && r.err);
    CHECK_INT(rd_u8(&r), 0);
    buf_fini(&b);
}

TEST(buf_double_is_short_and_exact)
{
    static const struct {
        double v;
        const char *want;
    } t[] = {{0, "0"},
             {-0.0, "-0"},
             {1, "1"},
             {-1.5, "-1.5"},
             {0.1, "0.1"},
             {0.3, "0.3"},
             {0.1 + 0.2, "0.30000000000000004"},
             {1e15, "1e+15"},
             {999999999999999.0, "999999999999999"},
             {123.456, "123.456"},
             {1e-4, "0.0001"},
             {1e-5, "1e-05"},
             {1e300, "1e+300"},
             {5e-324, "4.94065645841247e-324"},
             {0x1.fffffffffffffp1023, "1.7976931348623157e+308"},
             {NAN, "null"},
             {INFINITY, "null"},
             {100, "100"},
             {25.05, "25.05"},
             {1.0 / 3, "0.3333333333333333"}};
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct buf b;
        buf_init(&b, 100);
        buf_double(&b, t[i].v);
        CHECK_Z(buf_cstr(&b), t[i].want);
        buf_fini(&b);
    }
}

TEST(buf_double_round_trips)
{
    uint64_t x = 88172645463325252ULL;
    struct buf b;
    buf_init(&b, 100);
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        double v, back = 0;
        memcpy(&v, &x, 8);
        if (i % 3 == 0) v = (double)(int64_t)(x >> 40) / 1000;
        if (i % 3 == 1) v = (double)x / 1.8e16;
        if (!isfinite(v)) continue;
        buf_clear(&b);
        buf_double(&b, v);
        CHECK_INT(str_to_double(buf_view(&b), &back), 0);
        if (back != v) test_fail(__FILE__, __LINE__, "%.17g became %s", v, buf_cstr(&b));
    }
    buf_fini(&b);
}

TEST(crc32c_vectors)
{
    CHECK_INT(crc32c(0, "123456789", 9), 0xE3069283);
    /* RFC 3720 B.4 */
    uint8_t v[48] = {0};
    CHECK_INT(crc32c(0, v, 32), 0x8a9136aa);
    memset(v, 0xff, 32);
    CHECK_INT(crc32c(0, v, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) v[i] = i;
    CHECK_INT(crc32c(0, v, 32), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++) v[i] = (uint8_t)(31 - i);
    CHECK_INT(crc32c(0, v, 32), 0x113fdb5c);
    CHECK_INT(crc32c(7, v, 0), 7);
}

TEST(crc32c_both_ways_agree_and_chain)
{
    uint8_t v[300];
    for (size_t i = 0; i < sizeof(v); i++) v[i] = (uint8_t)(i * 31 + (i >> 3));
    for (size_t n = 0; n < sizeof(v) - 8; n++) {
        uint32_t t = crc32c_by_table(5, v + n % 8, n);
        if (crc32c_has_cpu()) CHECK_INT(crc32c_by_cpu(5, v + n % 8, n), t);
        CHECK_INT(crc32c(crc32c(5, v + n % 8, n / 3), v + n % 8 + n / 3, n - n / 3), t);
    }
}

TEST(tmpdir_is_there)
{
    struct stat st;
    CHECK_INT(stat(test_tmpdir(), &st), 0);
    CHECK(S_ISDIR(st.st_mode));
}
