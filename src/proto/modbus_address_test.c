/* Addresses as users write them: Neuron's forms, the five-digit ones, marked and hinted ones, and what is
 * said about wrong ones. */
#include "base/test.h"
#include "proto/modbus.h"

static const struct modbus_address_hint none = {.area = -1}, holding = {.area = MODBUS_HOLDING},
                                        holding0 = {.area = MODBUS_HOLDING, .zero_based = true},
                                        text = {.area = -1, .text = true};

static const struct {
    const char *s;
    const struct modbus_address_hint *hint;
    int unit, area, offset, bit, order, length, style;
} good[] = {
    {"1!400001", &none, 1, 4, 0, -1, -1, 0, 0},
    {"1!300004.0", &none, 1, 3, 3, 0, -1, 0, 0},
    {"1!400001.15", &none, 1, 4, 0, 15, -1, 0, 0},
    {"1!400001#BB", &none, 1, 4, 0, -1, MODBUS_DCBA, 0, 0},
    {"1!400001#LL", &none, 1, 4, 0, -1, MODBUS_ABCD, 0, 0},
    {"1!400001#LB", &none, 1, 4, 0, -1, MODBUS_BADC, 0, 0},
    {"1!400001#BL", &none, 1, 4, 0, -1, MODBUS_CDAB, 0, 0},
    {"1!400001#B", &none, 1, 4, 0, -1, MODBUS_BADC, 0, 0},
    {"1!400001#CDAB", &none, 1, 4, 0, -1, MODBUS_CDAB, 0, 0},
    {"1!400001.10H", &none, 1, 4, 0, -1, -1, 10, MODBUS_TEXT_H},
    {"1!400001.10", &text, 1, 4, 0, -1, -1, 10, MODBUS_TEXT_H},
    {"1!400001.10D", &text, 1, 4, 0, -1, -1, 10, MODBUS_TEXT_D},
    {"1!400001.3#B", &none, 1, 4, 0, 3, MODBUS_BADC, 0, 0},
    {" 400001 ", &none, -1, 4, 0, -1, -1, 0, 0},
    {"465536", &none, -1, 4, 65535, -1, -1, 0, 0},
    {"40001", &none, -1, 4, 0, -1, -1, 0, 0},
    {"49999", &none, -1, 4, 9998, -1, -1, 0, 0},
    {"30001", &none, -1, 3, 0, -1, -1, 0, 0},
    {"10001", &none, -1, 1, 0, -1, -1, 0, 0},
    {"00001", &none, -1, 0, 0, -1, -1, 0, 0},
    {"000001", &none, -1, 0, 0, -1, -1, 0, 0},
    {"255!100016", &none, 255, 1, 15, -1, -1, 0, 0},
    {"4:0", &none, -1, 4, 0, -1, -1, 0, 0},
    {"4:0x1F", &none, -1, 4, 31, -1, -1, 0, 0},
    {"0:0x10", &none, -1, 0, 16, -1, -1, 0, 0},
    {"4x1", &none, -1, 4, 0, -1, -1, 0, 0},
    {"3X00010.2", &none, -1, 3, 9, 2, -1, 0, 0},
    {"1", &holding, -1, 4, 0, -1, -1, 0, 0},
    {"1", &holding0, -1, 4, 1, -1, -1, 0, 0},
    {"0x1F", &holding, -1, 4, 31, -1, -1, 0, 0},
    {"7!0xFFFF", &holding0, 7, 4, 65535, -1, -1, 0, 0},
    {"300001", &holding, -1, 3, 0, -1, -1, 0, 0},
    {"40001", &holding, -1, 4, 40000, -1, -1, 0, 0},
};

TEST(good_forms)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct modbus_address a = {0};
        struct error e = {0};
        int rc = modbus_address_parse(str_of(good[i].s), good[i].hint, &a, &e);
        if (rc) test_fail(__FILE__, __LINE__, "%s: %s", good[i].s, e.text);
        CHECK_INT(a.unit, good[i].unit);
        CHECK_INT(a.area, good[i].area);
        CHECK_INT(a.offset, good[i].offset);
        CHECK_INT(a.bit, good[i].bit);
        CHECK_INT(a.order, good[i].order);
        CHECK_INT(a.length, good[i].length);
        CHECK_INT(a.text, good[i].style);
    }
}

TEST(the_canonical_form_reads_back)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct modbus_address a, b;
        char out[MODBUS_ADDRESS_MAX];
        REQUIRE(modbus_address_parse(str_of(good[i].s), good[i].hint, &a, NULL) == 0);
        REQUIRE(modbus_address_parse(str_of(modbus_address_format(&a, out)), &none, &b, NULL) == 0);
        CHECK(a.unit == b.unit && a.area == b.area && a.offset == b.offset && a.bit == b.bit && a.order == b.order &&
              a.length == b.length && a.text == b.text);
    }
}

static const struct {
    const char *s, *says;
} bad[] = {
    {"", "is no Modbus address"},
    {"hello", "is no Modbus address"},
    {"400000", "must be 1 to 65536"},
    {"465537", "must be 1 to 65536"},
    {"200001", "does not say its area"},
    {"1", "does not say its area"},
    {"0x10", "does not say its area"},
    {"9:1", "does not say its area"},
    {"256!400001", "station '256' before '!' must be 0 to 255"},
    {"x!400001", "station 'x'"},
    {"1!", "is no Modbus address"},
    {"400001.16", "must be 0 to 15, for example 1!300004.0"},
    {"400001.", "must be 0 to 15"},
    {"100001.3", "has no bits"},
    {"400001#XY", "one of #ABCD #CDAB #BADC #DCBA"},
    {"400001.0H", "is no text length"},
    {"400001.251H", "is no text length"},
    {"400001.10Q", "is no text length"},
    {"4:65536", "must be 0 to 65535"},
    {"4:", "is no Modbus address"},
    {"-1", "is no Modbus address"},
    {"99999999999999999999", "is no Modbus address"},
};

TEST(wrong_forms_are_explained)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct modbus_address a;
        struct error e = {0};
        CHECK_INT(modbus_address_parse(str_of(bad[i].s), &none, &a, &e), ERR_INVALID);
        if (!strstr(e.text, bad[i].says)) test_fail(__FILE__, __LINE__, "%s: \"%s\"", bad[i].s, e.text);
        CHECK(e.text_zh[0] && strcmp(e.text_zh, e.text) != 0);
    }
}
