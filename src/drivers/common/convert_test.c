/* Raw bytes to values and back: every type and order, limits, scaling. */
#include "base/test.h"
#include "drivers/common/convert.h"
#include "drivers/common/registry.h"

static struct value_spec spec(enum value_type t, unsigned order)
{
    return (struct value_spec){.scale = 1, .lo = NAN, .hi = NAN, .type = (uint8_t)t, .order = (uint8_t)order};
}

static const struct {
    enum value_type t;
    unsigned order;
    uint8_t raw[8];
    double value;
} rows[] = {
    {VALUE_BOOL, 0, {1}, 1},
    {VALUE_INT8, 0, {0xFF}, -1},
    {VALUE_UINT8, 0, {0xFF}, 255},
    {VALUE_INT16, 0, {0xFF, 0xFE}, -2},
    {VALUE_UINT16, 0, {0xFF, 0xFE}, 65534},
    {VALUE_UINT16, 1, {0x12, 0x34}, 0x1234},
    {VALUE_UINT16, 2, {0x34, 0x12}, 0x1234},
    {VALUE_UINT32, 0, {0x12, 0x34, 0x56, 0x78}, 0x12345678},
    {VALUE_UINT32, 1, {0x56, 0x78, 0x12, 0x34}, 0x12345678},
    {VALUE_UINT32, 2, {0x34, 0x12, 0x78, 0x56}, 0x12345678},
    {VALUE_UINT32, 3, {0x78, 0x56, 0x34, 0x12}, 0x12345678},
    {VALUE_INT32, 0, {0xFF, 0xFF, 0xFF, 0xF6}, -10},
    {VALUE_FLOAT, 0, {0x41, 0xC8, 0, 0}, 25},
    {VALUE_FLOAT, 1, {0, 0, 0x41, 0xC8}, 25},
    {VALUE_FLOAT, 3, {0, 0, 0xC8, 0x41}, 25},
    {VALUE_DOUBLE, 0, {0xC0, 0x39, 0, 0, 0, 0, 0, 0}, -25},
    {VALUE_DOUBLE, 3, {0, 0, 0, 0, 0, 0, 0x39, 0xC0}, -25},
    {VALUE_INT64, 0, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE}, -2},
    {VALUE_INT64, 1, {0xFF, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, -2},
    {VALUE_UINT64, 2, {0, 0, 0, 0, 0, 0, 0x01, 0x02}, 0x0201},
    {VALUE_BCD16, 0, {0x12, 0x34}, 1234},
    {VALUE_BCD32, 1, {0x56, 0x78, 0x12, 0x34}, 12345678},
};

TEST(both_ways)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct value_spec v = spec(rows[i].t, rows[i].order);
        struct sample s = {.type = 0};
        uint8_t raw[8] = {0};
        value_decode(&v, rows[i].raw, &s);
        CHECK_DBL(s.type == SAMPLE_DOUBLE ? s.v.d : (double)s.v.i, rows[i].value, 0);
        CHECK_INT(s.quality, QUALITY_GOOD);
        CHECK_INT(value_encode(&v, &s, raw, NULL), 0);
        CHECK(memcmp(raw, rows[i].raw, value_type_bytes(rows[i].t)) == 0);
    }
}

TEST(integers_stay_integers_unless_scaled)
{
    struct value_spec v = spec(VALUE_INT16, 0);
    struct sample s;
    value_decode(&v, (const uint8_t *)"\x03\xE8", &s);
    CHECK_INT(s.type, SAMPLE_INT);
    v.scale = 0.1, v.offset = -20;
    value_decode(&v, (const uint8_t *)"\x03\xE8", &s);
    CHECK_INT(s.type, SAMPLE_DOUBLE);
    CHECK_DBL(s.v.d, 80, 1e-12);
}

TEST(range_and_rubbish)
{
    struct value_spec v = spec(VALUE_FLOAT, 0);
    struct sample s;
    v.lo = 0, v.hi = 24;
    value_decode(&v, (const uint8_t *)"\x41\xC8\0\0", &s);
    CHECK_INT(s.quality, QUALITY_UNCERTAIN);
    CHECK_INT(s.flags, REASON_OUT_OF_RANGE);
    CHECK_DBL(s.v.d, 25, 0);
    value_decode(&v, (const uint8_t *)"\x7F\xC0\0\0", &s);
    CHECK_INT(s.quality, QUALITY_BAD);
    CHECK_INT(s.flags, REASON_NOT_A_NUMBER);
    v = spec(VALUE_BCD16, 0);
    value_decode(&v, (const uint8_t *)"\x12\x3A", &s);
    CHECK_INT(s.flags, REASON_NOT_A_NUMBER);
    v = spec(VALUE_UINT64, 0);
    value_decode(&v, (const uint8_t *)"\xFF\0\0\0\0\0\0\0", &s);
    CHECK_INT(s.type, SAMPLE_DOUBLE);
    CHECK_DBL(s.v.d, 18374686479671623680.0, 0);
}

static int encode(enum value_type t, double scale, double x, uint8_t *raw, struct error *e)
{
    struct value_spec v = spec(t, 0);
    struct sample s = {.type = SAMPLE_DOUBLE, .v.d = x};
    v.scale = scale;
    return value_encode(&v, &s, raw, e);
}

TEST(what_does_not_fit_is_refused)
{
    uint8_t raw[8];
    struct error e = {0};
    CHECK_INT(encode(VALUE_INT16, 0.1, 80.04, raw, &e), 0);
    CHECK(memcmp(raw, "\x03\x20", 2) == 0); /* 800.4 rounds to 800 */
    CHECK_INT(encode(VALUE_INT16, 1, 32768, raw, &e), ERR_INVALID);
    CHECK_Z(e.text, "raw value 32768 does not fit 16-bit integer (-32768 to 32767)");
    CHECK_INT(encode(VALUE_UINT16, 1, -1, raw, &e), ERR_INVALID);
    CHECK_INT(encode(VALUE_BOOL, 1, 2, raw, &e), ERR_INVALID);
    CHECK_INT(encode(VALUE_BCD16, 1, 10000, raw, &e), ERR_INVALID);
    CHECK_INT(encode(VALUE_FLOAT, 1, 1e300, raw, &e), ERR_INVALID);
    CHECK_INT(encode(VALUE_FLOAT, 1, NAN, raw, &e), ERR_INVALID);
    CHECK_INT(encode(VALUE_INT16, 0, 1, raw, &e), ERR_INVALID);
}
