/* Templates: literals, each kind of place, and what is wrong with one told. */
#include "base/test.h"
#include "proto/byte_template.h"
#include "proto/frame_spec.h"

/* The bytes as a text; "refused: …" at compiling, "failed: …" at writing. */
static const char *render(const char *text, const struct template_values *v)
{
    static char out[400];
    uint8_t bytes[64];
    size_t n = 0;
    struct byte_template *t = NULL;
    struct error e = {0};
    if (byte_template_new(str_of(text), true, &t, &e)) {
        snprintf(out, sizeof out, "refused: %.300s", e.text);
        return out;
    }
    int rc = byte_template_write(t, v, bytes, sizeof bytes, &n, &e);
    if (rc)
        snprintf(out, sizeof out, "failed: %.300s", e.text);
    else
        bytes_show(bytes, n, out, sizeof out);
    byte_template_free(t);
    return out;
}

TEST(texts)
{
    struct template_values v = {.number = 12.5, .seq = 300, .time_us = 1700000000123456, .code = STR("LT.SP")};
    CHECK_Z(render("SP=${value}\\r\\n", &v), "SP=12.5<CR><LF>");
    CHECK_Z(render("${value:.2}|${value:08.1}|${value:6}|", &v), "12.50|000012.5|  12.5|");
    CHECK_Z(render("${code} ${seq} ${ts} ${ms} ${time}", &v),
            "LT.SP 300 1700000000 1700000000123 2023-11-14T22:13:20.123456Z");
    CHECK_Z(render("\\${value} \\\\${value}", &v), "${value} \\12.5");
    CHECK_Z(render("${value:3.1}", &v), "failed: 12.5 is longer than 3 characters");
    v.number = -0.5;
    CHECK_Z(render("${value:08.2}", &v), "-0000.50");
    v.text = STR("open");
    CHECK_Z(render("DO ${value}!", &v), "DO open!");
    CHECK_Z(render("DO ${value:int16}!", &v), "failed: a text has no place in binary");
    v.text = STR_NULL;
    v.number = NAN;
    CHECK_Z(render("DO ${value}!", &v), "failed: not a number");
}

TEST(binary_and_checks)
{
    struct template_values v = {.number = 4660, .seq = 0x1ff};
    CHECK_Z(render("hex:01 06 00 02 ${value:uint16} ${sum:crc16_modbus:LE}", &v), "01 06 00 02 12 34 25 7D");
    CHECK_Z(render("hex:${value:int16:LE}${value:float:CDAB}", &v), "34 12 A0 00 45 91");
    CHECK_Z(render("hex:02 ${seq:uint8} ${seq:uint16:LE} 03 ${sum:xor8:1}", &v), "02 FF FF 01 03 02");
    CHECK_Z(render("$AB*${sum:xor8:hex:1}\\r\\n", &v), "$AB*29<CR><LF>");
    CHECK_Z(render("${value:bcd16}", &v), "F`");
    v.number = 70000;
    CHECK_Z(render("hex:${value:uint16}", &v), "failed: 70000 does not fit into uint16");
}

TEST(what_is_wrong_is_told)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"a${val}", "names: value"},       {"a${value", "'}' is missing"},    {"${value:x}", "a format"},
        {"${sum:crc99}", "checks: sum8"},  {"${sum:crc32:MIDDLE}", "LE, BE"}, {"hex:0G", "hexadecimal"},
        {"${value:int16:XY}", "a format"}, {"${time:.2}", "a format"},        {"\\q", "after \\"},
    };
    struct template_values v = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = render(rows[i].text, &v);
        if (strncmp(got, "refused", 7) != 0 || !strstr(got, rows[i].says))
            test_fail(__FILE__, __LINE__, "%s: %s", rows[i].text, got);
    }
    CHECK_Z(render("0123456789012345678901234567890123456789012345678901234567890123456789", &v),
            "failed: more than 64 bytes");
    struct byte_template *t;
    struct error e;
    CHECK_INT(byte_template_new(STR("${value}"), false, &t, &e), ERR_INVALID); /* there is none in a request */
}
