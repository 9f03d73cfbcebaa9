/* Frames of each kind: whole, cut at every byte, after rubbish, too long; the same result however the bytes were cut.
 */
#include "base/test.h"
#include "proto/frame_spec.h"

static struct frame_mark mark(const char *text)
{
    struct frame_mark m = {0};
    size_t n = 0;
    CHECK_INT(bytes_parse(str_of(text), m.p, sizeof m.p, &n, NULL), 0);
    m.n = (uint8_t)n;
    return m;
}

/* All frames and drops of p[n] as a text: "[frame]" and "-N". */
static const char *walk(const struct frame_spec *s, const char *p, size_t n)
{
    static char out[4096];
    struct frame_state st = {0};
    size_t at = 0, k = 0;
    out[0] = 0;
    while (at < n) {
        struct frame_found f;
        struct error e;
        int rc = frame_next(s, &st, (const uint8_t *)p + at, n - at, &f, &e);
        if (rc == 0) break;
        CHECK(f.used > 0 && f.used <= n - at);
        if (rc < 0) CHECK(e.text[0]);
        int w = rc < 0 ? snprintf(out + k, sizeof out - k, "-%zu", f.used)
                       : snprintf(out + k, sizeof out - k, "[%.*s]", (int)f.n, p + at + f.at);
        k += (size_t)w;
        at += f.used;
    }
    snprintf(out + k, sizeof out - k, "+%zu", n - at);
    return out;
}
#define WALK(s, lit) walk(s, lit, sizeof(lit) - 1)

TEST(delimiter)
{
    struct frame_spec s = {.kind = FRAME_DELIMITER, .max = 10, .end = mark("\\r\\n")};
    CHECK_Z(WALK(&s, "ab\r\ncd\r\nef"), "[ab][cd]+2");
    CHECK_Z(WALK(&s, "\r\nab\r"), "[]+3");
    CHECK_Z(WALK(&s, "0123456789\r\n"), "[0123456789]+0");
    CHECK_Z(WALK(&s, "0123456789A\r\nab\r\n"), "-13[ab]+0");
    CHECK_Z(WALK(&s, "0123456789ABCDEF"), "-15+1"); /* never waits for more than it may hold */
    struct frame_state st = {0};
    struct frame_found f;
    CHECK_INT(frame_next(&s, &st, (const uint8_t *)"0123456789ABCDEF", 16, &f, NULL), ERR_PROTOCOL);
    CHECK_INT(frame_next(&s, &st, (const uint8_t *)"F+1.0\r\n", 8, &f, NULL), ERR_PROTOCOL); /* its tail is no frame */
    CHECK_INT(frame_next(&s, &st, (const uint8_t *)"ab\r\n", 4, &f, NULL), 1);
}

TEST(fixed_with_and_without_a_start)
{
    struct frame_spec s = {.kind = FRAME_FIXED, .max = 16, .fixed = 4};
    CHECK_Z(WALK(&s, "abcdefghij"), "[abcd][efgh]+2");
    s.start = mark("hex:41 42");
    CHECK_Z(WALK(&s, "xxABcdAB"), "-2[ABcd]+2");
    CHECK_Z(WALK(&s, "xA"), "-1+1");
    CHECK_Z(WALK(&s, "xAxA"), "-3+1");
}

TEST(length_field)
{
    struct frame_spec s = {.kind = FRAME_LENGTH, .max = 16, .length_at = 1, .length_size = 1, .length_adjust = 2};
    CHECK_Z(WALK(&s, "A\003xyzB\001qC"), "[A\003xyz][B\001q]+1");
    s.start = mark("A");
    CHECK_Z(WALK(&s, "??A\003xyz"), "-2[A\003xyz]+0");
    CHECK_Z(WALK(&s, "A\xff"
                     "A\001z"),
            "-2[A\001z]+0"); /* a length that cannot be */
    struct frame_spec wide = {.kind = FRAME_LENGTH, .max = 64, .length_at = 2, .length_size = 2, .length_little = true};
    CHECK_Z(WALK(&wide, "ab\006\000xy"), "[ab\006]+0"); /* printed up to the zero */
    wide.length_little = false;
    CHECK_Z(WALK(&wide, "ab\000\005x"), "[ab]+0");
    struct frame_spec four = {.kind = FRAME_LENGTH, .max = 64, .length_size = 4, .length_adjust = 4};
    CHECK_Z(WALK(&four, "\000\000\000\000"), "[]+0");
    CHECK_Z(WALK(&four, "\377\377\377\377"), "-1+3");
}

TEST(pattern)
{
    struct frame_spec s = {.kind = FRAME_PATTERN, .max = 12, .start = mark("<"), .end = mark(">>")};
    CHECK_Z(WALK(&s, "..<ab>><c>>"), "-2[<ab>>][<c>>]+0");
    CHECK_Z(WALK(&s, "<a<b>>"), "[<a<b>>]+0");
    CHECK_Z(WALK(&s, "<aaaaaaaaaaaaaaa<b>>"), "-16[<b>>]+0");
    s.restart = true;
    CHECK_Z(WALK(&s, "<a<b>>"), "-2[<b>>]+0");
    CHECK_Z(WALK(&s, "<ab>"), "+4");
}

TEST(whole_and_idle)
{
    struct frame_spec s = {.kind = FRAME_WHOLE, .max = 4};
    CHECK_Z(WALK(&s, "abcd"), "[abcd]+0");
    CHECK_Z(WALK(&s, "abcde"), "-5+0");
    s.kind = FRAME_IDLE;
    CHECK_Z(WALK(&s, "abcd"), "+4");
    CHECK_Z(WALK(&s, "abcde"), "-5+0");
}

TEST(a_spec_that_is_not_whole)
{
    static const struct {
        struct frame_spec s;
        const char *where;
    } rows[] = {
        {{.kind = FRAME_DELIMITER, .max = 10}, "end_bytes"},
        {{.kind = FRAME_FIXED, .max = 10}, "fixed_length"},
        {{.kind = FRAME_FIXED, .max = 10, .fixed = 11}, "fixed_length"},
        {{.kind = FRAME_LENGTH, .max = 10, .length_size = 3}, "length_size"},
        {{.kind = FRAME_LENGTH, .max = 10, .length_size = 2, .length_at = 9}, "length_at"},
        {{.kind = FRAME_PATTERN, .max = 10}, "start_bytes"},
        {{.kind = FRAME_PATTERN, .max = 10, .start = {1, {2}}}, "end_bytes"},
        {{.kind = FRAME_WHOLE, .max = 0}, "max_length"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error e = {0};
        CHECK_INT(frame_spec_check(&rows[i].s, &e), ERR_INVALID);
        CHECK_Z(e.where, rows[i].where);
    }
}

TEST(bytes_and_texts)
{
    uint8_t out[8];
    size_t n;
    struct error e;
    char text[60];
    CHECK_INT(bytes_parse(STR("\\x02A\\r\\n\\\\\\0"), out, sizeof out, &n, &e), 0);
    CHECK_INT(n, 6);
    CHECK(memcmp(out,
                 "\x02"
                 "A\r\n\\\0",
                 6) == 0);
    CHECK_INT(bytes_parse(STR("hex: 02 0d,0A"), out, sizeof out, &n, &e), 0);
    CHECK(n == 3 && memcmp(out, "\x02\r\n", 3) == 0);
    CHECK_INT(bytes_parse(STR("hex:0"), out, sizeof out, &n, &e), ERR_INVALID);
    CHECK_INT(bytes_parse(STR("hex:0G"), out, sizeof out, &n, &e), ERR_INVALID);
    CHECK(strstr(e.text, "'0G'"));
    CHECK_INT(bytes_parse(STR("\\q"), out, sizeof out, &n, &e), ERR_INVALID);
    CHECK_INT(bytes_parse(STR("\\"), out, sizeof out, &n, &e), ERR_INVALID);
    CHECK_INT(bytes_parse(STR("\\x1"), out, sizeof out, &n, &e), ERR_INVALID);
    CHECK_INT(bytes_parse(STR("123456789"), out, sizeof out, &n, &e), ERR_INVALID);
    bytes_show((const uint8_t *)"\x02ST,+12.5kg\r\n", 13, text, sizeof text);
    CHECK_Z(text, "<02>ST,+12.5kg<CR><LF>");
    bytes_show((const uint8_t *)"\x01\x03\xff", 3, text, sizeof text);
    CHECK_Z(text, "01 03 FF");
    bytes_show((const uint8_t *)"\x01\x03\xff\xff\xff\xff\xff", 7, text, 14);
    CHECK_Z(text, "01 03 FF...");
}
