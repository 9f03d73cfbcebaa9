/* Fields: every form out of frames as instruments send them, the way back, what is wrong told. */
#include "base/test.h"
#include "proto/field_spec.h"

#define FRAME_ARENA 65536

/* The value as a text; an error as "!code". */
static const char *get(const char *field, const char *p, size_t n, const char *separator)
{
    static char out[200];
    AUTO_ARENA a;
    arena_init(&a, FRAME_ARENA);
    struct field_frame fr = {.p = (const uint8_t *)p, .n = n, .a = &a};
    struct field *f = NULL;
    struct field_value v;
    struct error e = {0};
    str_to_cstr(str_of(separator), fr.separator, sizeof fr.separator);
    if (field_new(str_of(field), VALUE_AUTO, &f, &e)) {
        snprintf(out, sizeof out, "refused: %.150s", e.text);
        return out;
    }
    int rc = field_get(f, &fr, &v, &e);
    struct buf b;
    buf_init(&b, 150);
    if (rc == 0) json_write(&b, &v.v);
    snprintf(out, sizeof out, "%s", rc == ERR_NOT_FOUND ? "none" : rc == ERR_INVALID ? "invalid" : buf_cstr(&b));
    buf_fini(&b);
    field_free(f);
    return out;
}
#define GET(field, lit) get(field, lit, sizeof(lit) - 1, "")

TEST(binary)
{
    static const char p[] = "\x01\xFF\x12\x34\x56\x78\x41\xC8\x00\x00\x00\x00\x41\xC8\xC8\x41\x00\x00\x00\x00\xC8\x41";
    CHECK_Z(GET("0", p), "1");
    CHECK_Z(GET("1:int8", p), "-1");
    CHECK_Z(GET("2:uint16", p), "4660");
    CHECK_Z(GET("2:uint16:LE", p), "13330");
    CHECK_Z(GET("1:int16", p), "-238");
    CHECK_Z(GET("2:uint32", p), "305419896");
    CHECK_Z(GET("2:uint32:CDAB", p), "1450709556");
    CHECK_Z(GET("2:uint32:BADC", p), "873625686");
    CHECK_Z(GET("2:uint32:DCBA", p), "2018915346");
    CHECK_Z(GET("6:float", p), "25");
    CHECK_Z(GET("10:float:CDAB", p), "25");
    CHECK_Z(GET("14:float:BADC", p), "25");
    CHECK_Z(GET("-4:float:LE", p), "25");
    CHECK_Z(GET("2:bcd16", p), "1234");
    CHECK_Z(GET("2+4:bcd", p), "12345678");
    CHECK_Z(GET("2+3:bcd:LE", p), "563412");
    CHECK_Z(GET("1:bcd16", p), "invalid");
    CHECK_Z(GET("2+3:uint", p), "1193046");
    CHECK_Z(GET("2+3:uint:LE", p), "5649426");
    CHECK_Z(GET("1+3:int", p), "-60876");
    CHECK_Z(GET("-1:uint16", p), "none");
    CHECK_Z(GET("22:uint8", p), "none");
    CHECK_Z(GET("-30:uint8", p), "none");
    CHECK_Z(GET("0:uint64", "\xff\xff\xff\xff\xff\xff\xff\xff"), "1.8446744073709552e+19");
    CHECK_Z(GET("0:int64", "\xff\xff\xff\xff\xff\xff\xff\xff"), "-1");
    CHECK_Z(GET("0:double", "\x3f\xf8\0\0\0\0\0\0"), "1.5");
}

TEST(bits)
{
    CHECK_Z(GET("0.0", "\x81"), "true");
    CHECK_Z(GET("0.1", "\x81"), "false");
    CHECK_Z(GET("0.4-7", "\x81"), "8");
    CHECK_Z(GET("0.0-11", "\x12\x34"), "564");
    CHECK_Z(GET("0.0-11:LE", "\x12\x34"), "1042");
    CHECK_Z(GET("-1.7", "\x00\x80"), "true");
    CHECK_Z(GET("0.8", "\x80"), "none"); /* bit 8 needs two bytes */
}

TEST(texts_of_instruments)
{
    static const char scale[] = "ST,GS,+  12.34kg";
    CHECK_Z(GET("field 1", scale), "\"ST\"");
    CHECK_Z(GET("field 3", scale), "\"+  12.34kg\"");
    CHECK_Z(GET("field 4", scale), "none");
    CHECK_Z(GET("number", scale), "12.34");
    CHECK_Z(GET("6+8:number", scale), "12.34");
    CHECK_Z(GET("0+2:text", scale), "\"ST\"");
    CHECK_Z(GET("number 2", "T1=-3.5 T2=+.25e1"), "-3.5");
    CHECK_Z(GET("number 4", "T1=-3.5 T2=+.25e1"), "2.5");
    CHECK_Z(GET("number 5", "T1=-3.5 T2=+.25e1"), "none");
    CHECK_Z(GET("number", "-   .5 t"), "-0.5");
    CHECK_Z(GET("number", "--- OL ---"), "none");
    CHECK_Z(GET("0+6:number", "------"), "invalid");
    CHECK_Z(GET("0+4:hex", "1aF0"), "6896");
    CHECK_Z(GET("0+4:hex", "1aG0"), "invalid");
    CHECK_Z(GET("text", "  abc \r"), "\"abc\"");
    CHECK_Z(GET("key:T2", "T1=23.5;T2=24"), "\"24\"");
    CHECK_Z(GET("key:T", "T1=23.5;T = 24 ;"), "\"24\"");
    CHECK_Z(GET("key:pH", "{temp: 20, pH: 7.1"), "\"7.1\"");
    CHECK_Z(GET("key:X", "T1=23.5"), "none");
    CHECK_Z(get("field 2", "a||b", 4, "||"), "\"b\"");
    CHECK_Z(get("field 2", "a\tb\tc", 5, "\t"), "\"b\"");
    CHECK_Z(GET("field 2", "a,,c"), "\"\"");
    CHECK_Z(GET("field 3", "a,b,"), "\"\"");
}

TEST(expressions_and_paths)
{
    CHECK_Z(GET("regex:T=([0-9.]+)", "x T=23.5 y"), "\"23.5\"");
    CHECK_Z(GET("regex 2:([A-Z]+)([0-9]+)", "ab CD77"), "\"77\"");
    CHECK_Z(GET("regex:[0-9]+", "ab 77"), "\"77\"");
    CHECK_Z(GET("regex:^x", "ab"), "none");
    CHECK_Z(GET("json:$.data[1].v", "{\"data\":[{\"v\":1},{\"v\":2.5}]}"), "2.5");
    CHECK_Z(GET("json:$.b", "{\"b\":true}"), "true");
    CHECK_Z(GET("json:$.c", "{\"b\":true}"), "none");
    CHECK_Z(GET("json:$.c", "no json"), "none");
}

TEST(expressions_that_would_take_all_memory_are_refused)
{
    static const char *const rows[] = {"regex:a**b",
                                       "regex:a++++++++++++++++++++++++++++++++++",
                                       "regex:((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+",
                                       "regex:(a{60}){70}",
                                       "regex:((a{1,20}){1,20}){1,20}",
                                       "regex:(a{4000}){2,}",
                                       "regex:((((((((((((((((((a))))))))))))))))))",
                                       "regex:([+{]+++++++++++++++++)"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strstr(GET(rows[i], "x"), "refused: ")) test_fail(__FILE__, __LINE__, "%s is taken", rows[i]);
    CHECK_Z(GET("regex:^[+{(]+([0-9]{1,5}(\\.[0-9]+)?)", "+{(12.5"), "\"12.5\"");
    CHECK_Z(GET("regex:([A-Z]+[0-9]+,)*([0-9]+)", "A1,B22,7"), "\"B22,\"");
    CHECK_Z(GET("regex:(a{30}){30}", "x"), "none");
}

TEST(what_is_wrong_is_told)
{
    static const char *const rows[] = {
        "",          "abc",     "12:int17",   "12:float:XY", "12.",     "12.5-3",       "12.0-64",
        "4+0:text",  "4+8:foo", "4+9:uint",   "field",       "field 0", "key:",         "regex:([",
        "regex 3:a", "json:$[", "99999:int8", "12x",         "-0",      "regex:(a)\\1", "regex:((a{100}){100})",
        "12:string"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strncmp(GET(rows[i], "x"), "refused: ", 9) != 0) test_fail(__FILE__, __LINE__, "%s is taken", rows[i]);
}

static bool holds(const char *condition, const char *p, size_t n)
{
    AUTO_ARENA a;
    arena_init(&a, FRAME_ARENA);
    struct field_frame fr = {.p = (const uint8_t *)p, .n = n, .a = &a};
    struct condition *c = NULL;
    struct error e;
    if (condition_new(str_of(condition), &c, &e)) test_fail(__FILE__, __LINE__, "%s: %s", condition, e.text);
    bool yes = condition_holds(c, &fr);
    condition_free(c);
    return yes;
}
#define HOLDS(condition, lit) holds(condition, lit, sizeof(lit) - 1)

TEST(conditions)
{
    CHECK(HOLDS("", "x"));
    CHECK(HOLDS("0=0x41; 1:uint16 = 16963", "ABC"));
    CHECK(!HOLDS("0=0x42", "ABC"));
    CHECK(HOLDS("0!=66", "ABC"));
    CHECK(HOLDS("9!=66", "ABC")); /* what is not there is not 66 */
    CHECK(!HOLDS("9=66", "ABC"));
    CHECK(HOLDS("field 1=ST", "ST,1"));
    CHECK(!HOLDS("field 1=US", "ST,1"));
    CHECK(HOLDS("field 2=1", "ST,1.0"));
    CHECK(HOLDS("regex:^S[TU],", "ST,1"));
    CHECK(HOLDS("json:$.type=status", "{\"type\":\"status\"}"));
    CHECK(HOLDS("0.0=1", "\x01"));
    CHECK(HOLDS("json:$.ok=true", "{\"ok\":true}"));
    struct condition *c = NULL;
    CHECK_INT(condition_new(STR("what=1"), &c, NULL), ERR_INVALID);
}

/* The frame after a put, in hexadecimal. */
static const char *put(const char *field, double v, const char *text)
{
    static char out[40];
    uint8_t p[8] = {0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE};
    struct field *f;
    CHECK_INT(field_new(str_of(field), VALUE_AUTO, &f, NULL), 0);
    int rc = field_put(f, v, str_of(text), p, sizeof p, NULL);
    field_free(f);
    for (int i = 0; i < 8; i++) snprintf(out + 2 * i, 3, "%02X", p[i]);
    return rc ? "refused" : out;
}

TEST(the_way_back)
{
    CHECK_Z(put("2:int16", -2, ""), "EEEEFFFEEEEEEEEE");
    CHECK_Z(put("2:uint16:LE", 4660, ""), "EEEE3412EEEEEEEE");
    CHECK_Z(put("0:float:CDAB", 25, ""), "000041C8EEEEEEEE");
    CHECK_Z(put("0:double", 1.5, ""), "3FF8000000000000");
    CHECK_Z(put("0:uint64", 18446744073709549568.0, ""), "FFFFFFFFFFFFF800");
    CHECK_Z(put("1+3:uint:LE", 0x123456, ""), "EE563412EEEEEEEE");
    CHECK_Z(put("0+2:bcd", 1234, ""), "1234EEEEEEEEEEEE");
    CHECK_Z(put("0:bcd32:LE", 12345678, ""), "78563412EEEEEEEE");
    CHECK_Z(put("0.0", 1, ""), "EFEEEEEEEEEEEEEE");
    CHECK_Z(put("0.4-7", 3, ""), "3EEEEEEEEEEEEEEE");
    CHECK_Z(put("0+6:number", -12.345, ""), "2D31322E3335EEEE"); /* "-12.35": rounded to fit */
    CHECK_Z(put("0+6:number", 7, ""), "202020202037EEEE");
    CHECK_Z(put("0+4:hex", 0x1AF0, ""), "31414630EEEEEEEE");
    CHECK_Z(put("0+4:text", 0, "ab"), "61622020EEEEEEEE");
    CHECK_Z(put("0:uint8", 256, ""), "refused");
    CHECK_Z(put("0:uint8", -1, ""), "refused");
    CHECK_Z(put("0:int8", -129, ""), "refused");
    CHECK_Z(put("0:uint8", NAN, ""), "refused");
    CHECK_Z(put("0.0-1", 4, ""), "refused");
    CHECK_Z(put("0+2:number", 1234, ""), "refused");
    CHECK_Z(put("0+2:bcd", 10000, ""), "refused");
    CHECK_Z(put("7:uint16", 1, ""), "refused");
    CHECK_Z(put("0+2:text", 0, "abc"), "refused");
    CHECK_Z(put("field 1", 1, ""), "refused");
}
