/* RFC 6238 appendix B (SHA-1; its eight digits cut to six), RFC 4226 appendix D, RFC 4648 base32. */
#include "core/auth/totp.h"
#include "base/test.h"

static const uint8_t key[] = "12345678901234567890";

TEST(rfc6238_vectors)
{
    static const struct {
        int64_t t;
        unsigned code;
    } v[] = {{59, 287082},       {1111111109, 81804},  {1111111111, 50471},
             {1234567890, 5924}, {2000000000, 279037}, {20000000000, 353130}};
    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
        CHECK_INT(totp_code(key, 20, (uint64_t)v[i].t / 30), v[i].code);
}

TEST(rfc4226_vectors)
{
    static const unsigned v[] = {755224, 287082, 359152, 969429, 338314, 254676, 287922, 162583, 399871, 520489};
    for (unsigned i = 0; i < 10; i++) CHECK_INT(totp_code(key, 20, i), v[i]);
}

TEST(a_code_is_good_for_its_step_and_its_neighbours_and_once)
{
    int64_t now = 1111111111LL * 1000000;
    uint64_t step = 1111111111 / 30;
    CHECK_INT(totp_check(key, 20, STR("050471"), now, 0), step);
    CHECK_INT(totp_check(key, 20, STR("050 471"), now, 0), step);
    CHECK_INT(totp_check(key, 20, STR("050471"), now, step), 0); /* used */
    CHECK_INT(totp_check(key, 20, STR("050471"), now + 30000000, 0), step);
    CHECK_INT(totp_check(key, 20, STR("050471"), now - 30000000, 0), step);
    CHECK_INT(totp_check(key, 20, STR("050471"), now + 90000000, 0), 0);
    CHECK_INT(totp_check(key, 20, STR("081804"), now, 0), step - 1);
    CHECK_INT(totp_check(key, 20, STR("081804"), now, step - 1), 0);
    static const char *const bad[] = {"", "05047", "0504711", "abcdef", "05047a", "      "};
    for (size_t i = 0; i < 6; i++) CHECK_INT(totp_check(key, 20, str_of(bad[i]), now, 0), 0);
}

TEST(base32_vectors)
{
    static const char *const v[][2] = {{"", ""},
                                       {"f", "MY"},
                                       {"fo", "MZXQ"},
                                       {"foo", "MZXW6"},
                                       {"foob", "MZXW6YQ"},
                                       {"fooba", "MZXW6YTB"},
                                       {"foobar", "MZXW6YTBOI"}};
    for (size_t i = 0; i < 7; i++) {
        struct buf b;
        uint8_t back[16];
        size_t n = 99;
        buf_init(&b, 64);
        base32_encode(&b, (const uint8_t *)v[i][0], strlen(v[i][0]));
        CHECK_STR(buf_view(&b), v[i][1]);
        CHECK(base32_decode(buf_view(&b), back, sizeof(back), &n) == 0 && n == strlen(v[i][0]));
        CHECK(n == 0 || memcmp(back, v[i][0], n) == 0);
        buf_fini(&b);
    }
    uint8_t out[4];
    size_t n;
    CHECK_INT(base32_decode(STR("M1"), out, 4, &n), ERR_INVALID);
    CHECK_INT(base32_decode(STR("MZXW6YTBOI"), out, 4, &n), ERR_TOO_LARGE);
}
