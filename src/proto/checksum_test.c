/* Check values of the catalogue of parametrised CRC algorithms (reveng.sourceforge.io/crc-catalogue), sums by hand. */
#include "base/test.h"
#include "proto/checksum.h"

TEST(check_values)
{
    static const struct {
        const char *name;
        uint32_t check; /* of "123456789" */
    } rows[] = {
        {"sum8", 0xDD},
        {"xor8", 0x31},
        {"lrc", 0x23},
        {"crc8", 0xF4},
        {"sum16", 0x01DD},
        {"crc16_modbus", 0x4B37},
        {"crc16_xmodem", 0x31C3},
        {"crc16_ccitt_false", 0x29B1},
        {"crc32", 0xCBF43926},
        {"none", 0},
    };
    CHECK_INT(sizeof rows / sizeof *rows, CHECKSUM_COUNT);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum checksum k;
        REQUIRE(checksum_parse(str_of(rows[i].name), &k));
        if (checksum_of(k, "123456789", 9) != rows[i].check)
            test_fail(__FILE__, __LINE__, "%s: %X", rows[i].name, checksum_of(k, "123456789", 9));
    }
    enum checksum k;
    CHECK(!checksum_parse(STR("crc17"), &k));
}

TEST(where_it_stands)
{
    static const uint8_t modbus[] = {1, 4, 2, 0xFF, 0xFF, 0xB8, 0x80};
    struct checksum_spec s = {.kind = CHECKSUM_CRC16_MODBUS, .at = -2, .little = true};
    struct error e = {0};
    CHECK_INT(checksum_check(&s, modbus, 7, &e), 0);
    s.little = false;
    CHECK_INT(checksum_check(&s, modbus, 7, &e), ERR_PROTOCOL);
    CHECK_Z(e.text, "crc16_modbus wrong: the frame says B880, its bytes give 80B8");
    CHECK_INT(checksum_check(&s, modbus, 1, &e), ERR_PROTOCOL);
    CHECK(strstr(e.text, "too short"));
    /* NMEA 0183: exclusive or between $ and *, two digits */
    static const char nmea[] = "$GPGLL,5300.97914,N,00259.98174,E,125926,A*28";
    struct checksum_spec x = {.kind = CHECKSUM_XOR8, .at = -2, .from = 1, .to = -3, .hex = true};
    CHECK_INT(checksum_check(&x, (const uint8_t *)nmea, sizeof nmea - 1, &e), 0);
    x.from = 0;
    CHECK_INT(checksum_check(&x, (const uint8_t *)nmea, sizeof nmea - 1, &e), ERR_PROTOCOL);
    CHECK_Z(e.text, "xor8 wrong: the frame says 28, its bytes give 0C");
    struct checksum_spec none = {0};
    CHECK_INT(checksum_check(&none, NULL, 0, &e), 0);
}
