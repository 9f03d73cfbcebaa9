/* ws_frame_test.c - frames: the examples of RFC 6455 5.7, fragmentation, refusals, every split. */
#include "base/test.h"
#include "io/ws_frame.h"

TEST(rfc_examples)
{
    static const uint8_t hello[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    struct ws_reader r;
    struct ws_event e;
    size_t used;
    ws_reader_init(&r, 1000, true);
    REQUIRE(ws_reader_next(&r, hello, sizeof hello, &used, &e) == 1);
    CHECK_INT(used, sizeof hello);
    CHECK_INT(e.opcode, WS_TEXT);
    CHECK_STR(e.data, "Hello");
    ws_reader_fini(&r);

    static const uint8_t parts[] = {0x01, 0x03, 'H', 'e', 'l', 0x89, 0x01, '!', 0x80, 0x02, 'l', 'o'};
    ws_reader_init(&r, 1000, false);
    REQUIRE(ws_reader_next(&r, parts, sizeof parts, &used, &e) == 1);
    CHECK_INT(e.opcode, WS_PING);
    CHECK_STR(e.data, "!");
    REQUIRE(ws_reader_next(&r, parts + used, sizeof parts - used, &used, &e) == 1);
    CHECK_STR(e.data, "Hello");
    ws_reader_fini(&r);
}

TEST(head_round_trip)
{
    static const uint64_t lens[] = {0, 1, 125, 126, 127, 65535, 65536, 1ull << 40};
    static const uint8_t mask[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (int masked = 0; masked < 2; masked++) {
            uint8_t out[WS_HEAD_MAX];
            struct ws_head h;
            size_t n = ws_head_write(out, true, WS_BINARY, lens[i], masked ? mask : NULL);
            for (size_t k = 0; k < n; k++) CHECK_INT(ws_head_parse(out, k, &h), 0);
            REQUIRE(ws_head_parse(out, n, &h) == (int)n);
            CHECK(h.fin && h.opcode == WS_BINARY && h.len == lens[i] && h.masked == (masked == 1));
            if (masked) CHECK(memcmp(h.mask, mask, 4) == 0);
        }
    }
}

TEST(mask_at_any_offset)
{
    static const uint8_t mask[4] = {0x11, 0x22, 0x44, 0x88};
    uint8_t a[37] = {0}, b[37] = {0};
    ws_mask(a, sizeof a, mask, 0);
    for (size_t cut = 0; cut <= sizeof b; cut++) {
        memset(b, 0, sizeof b);
        ws_mask(b, cut, mask, 0);
        ws_mask(b + cut, sizeof b - cut, mask, cut);
        CHECK(memcmp(a, b, sizeof a) == 0);
    }
    CHECK(a[0] == 0x11 && a[7] == 0x88 && a[36] == 0x11);
}

/* Feed frames one byte at a time; the first event or refusal. */
static int first(const uint8_t *p, size_t n, size_t max, struct ws_event *ret)
{
    static struct ws_reader r;
    ws_reader_fini(&r);
    ws_reader_init(&r, max, false);
    size_t used;
    for (size_t i = 0; i < n; i++) {
        int got = ws_reader_next(&r, p + i, 1, &used, ret);
        if (got) return got;
    }
    return 0;
}

TEST(refusals)
{
    static const struct {
        int want;
        size_t n;
        uint8_t p[12];
    } cases[] = {
        {-1002, 2, {0xc1, 0x00}},                  /* RSV1 */
        {-1002, 2, {0x83, 0x00}},                  /* reserved opcode */
        {-1002, 2, {0x8b, 0x00}},                  /* reserved control opcode */
        {-1002, 2, {0x09, 0x00}},                  /* fragmented ping */
        {-1002, 4, {0x89, 0x7e, 0x00, 0x7e}},      /* long ping */
        {-1002, 2, {0x80, 0x00}},                  /* continuation of nothing */
        {-1002, 5, {0x01, 0x01, 'a', 0x01, 0x01}}, /* new message inside one */
        {-1002, 6, {0x81, 0x80, 1, 2, 3, 4}},      /* masked, not wanted here */
        {-1002, 4, {0x82, 0x7e, 0x00, 0x05}},      /* length not shortest */
        {-1002, 10, {0x82, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0}},
        {-1009, 4, {0x82, 0x7e, 0x01, 0x00}}, /* over the maximum of 100 */
        {-1007, 4, {0x81, 0x02, 0xc3, 0x28}}, /* not UTF-8 */
        {-1002, 3, {0x88, 0x01, 0x03}},       /* close with half a code */
        {-1002, 4, {0x88, 0x02, 0x03, 0xed}}, /* 1005 must not be sent */
        {-1002, 4, {0x88, 0x02, 0x00, 0x00}},
        {-1007, 5, {0x88, 0x03, 0x03, 0xe8, 0xff}},
    };
    struct ws_event e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = first(cases[i].p, cases[i].n, 100, &e);
        if (got != cases[i].want) test_fail(__FILE__, __LINE__, "case %zu: %d, want %d", i, got, cases[i].want);
    }
}

TEST(fragments_add_up_to_the_limit)
{
    uint8_t p[2 * 62] = {0x02, 60};
    struct ws_event e;
    p[62] = 0x80;
    p[63] = 40;
    CHECK_INT(first(p, 62 + 42, 100, &e), 1);
    CHECK_INT(e.data.n, 100);
    p[63] = 41;
    CHECK_INT(first(p, 62 + 43, 100, &e), -1009);
}

TEST(close_event)
{
    static const uint8_t p[] = {0x88, 0x05, 0x03, 0xe9, 'b', 'y', 'e'}, none[] = {0x88, 0x00};
    struct ws_event e;
    REQUIRE(first(p, sizeof p, 100, &e) == 1);
    CHECK(e.opcode == WS_CLOSE && e.code == 1001);
    CHECK_STR(e.data, "bye");
    REQUIRE(first(none, sizeof none, 100, &e) == 1);
    CHECK_INT(e.code, 1005);
}

TEST(empty_text_is_a_message)
{
    static const uint8_t p[] = {0x81, 0x00};
    struct ws_event e;
    REQUIRE(first(p, sizeof p, 100, &e) == 1);
    CHECK(e.opcode == WS_TEXT && e.data.n == 0);
}

TEST(a_message_of_nothing_ends)
{
    static const uint8_t nothing[] = {0x00, 0x00};
    struct ws_reader r;
    struct ws_event e;
    size_t used;
    int got = 0, n = 0;
    ws_reader_init(&r, 1000, false);
    REQUIRE(ws_reader_next(&r, (const uint8_t *)"\x01\x01x", 3, &used, &e) == 0);
    while (got == 0 && n < 2000) {
        got = ws_reader_next(&r, nothing, sizeof nothing, &used, &e);
        n++;
    }
    CHECK_INT(got, -1009);
    CHECK_INT(n, 1001);
    ws_reader_fini(&r);
}
