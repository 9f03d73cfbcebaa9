/* Identification that does not fit one answer, and the words of functions 8 and 43. */
#include "base/test.h"
#include "proto/modbus.h"

static const struct modbus_identity id = {{"Vendor", "P", "1.0", NULL, "Name", "", "App"}};

TEST(a_long_identification_goes_on)
{
    char big[200];
    struct modbus_identity x = id;
    uint8_t out[MODBUS_PDU_MAX];
    size_t n = 0;
    memset(big, 'x', 199);
    big[199] = 0;
    x.object[MODBUS_ID_URL] = x.object[MODBUS_ID_NAME] = big;
    CHECK_INT(modbus_tell((const uint8_t *)"\x2b\x0e\x02\x00", 4, &x, NULL, out, &n), 0);
    CHECK(out[4] == 0xff && out[5] == MODBUS_ID_NAME && out[6] == 4 && n <= MODBUS_PDU_MAX);
    uint8_t next[4] = {43, 14, 2, out[5]};
    CHECK_INT(modbus_tell(next, 4, &x, NULL, out, &n), 0);
    CHECK(out[4] == 0 && out[5] == 0 && out[6] == 2 && out[7] == MODBUS_ID_NAME && out[8] == 199);
    CHECK_INT(n, 7 + 2 + 199 + 2 + 3);
}

static const char *words(bool request, const char *pdu, size_t n, bool zh)
{
    static char out[300];
    uint8_t frame[MODBUS_FRAME_MAX];
    n = modbus_frame_put(MODBUS_TCP, 1, 1, (const uint8_t *)pdu, n, frame);
    modbus_words(MODBUS_TCP, request, frame, n, zh, out, sizeof out);
    return strstr(out, zh ? "：" : ": ") + (zh ? 3 : 2);
}

TEST(words_of_diagnostics_and_identification)
{
    CHECK_Z(words(true, "\x08\x00\x00\xa5\x37", 5, false), "diagnostics (function 8), 0 echo: A537");
    CHECK_Z(words(false, "\x08\x00\x0d\x00\x02", 5, true), "应答：诊断（功能码 8），13 异常应答数: 0002");
    CHECK_Z(words(true, "\x08\x00\x63\x00\x02", 5, false), "diagnostics (function 8), 99: 0002");
    CHECK_Z(words(true, "\x08\x00", 2, false), "diagnostics (function 8), badly formed");
    CHECK_Z(words(true, "\x2b\x0e\x01\x00", 4, false), "device identification (function 43), code 1 from object 0");
    CHECK_Z(words(false, "\x2b\x0e\x01\x82\x00\x00\x02\x00\x02He\x80\x01\x01", 14, false),
            "answer: device identification (function 43): vendor He; 128 .");
    CHECK_Z(words(false, "\xab\x01", 2, false),
            "refused: device identification (function 43): illegal function (exception 1)");
    CHECK_Z(words(true, "\x2b\x0d\x01", 3, false), "encapsulated transport (function 43)");
}
