/* Frames: vectors of MODBUS Messaging on TCP/IP V1.0b (header of 3.1.3) and MODBUS over Serial Line V1.02
 * (6.2.2, the CRC of 02 07 is 0x1241; 2.5.2.1 and 6.2.1, ASCII and the LRC), every cut, and rubbish before and between
 * frames. */
#include "base/test.h"
#include "proto/modbus.h"

static const uint8_t read_tcp[] = {0x15, 0x01, 0, 0, 0, 6, 0xff, 3, 0, 4, 0, 1};
static const uint8_t read_rtu[] = {1, 3, 0, 0, 0, 0x0A, 0xC5, 0xCD};
static const uint8_t answer_rtu[] = {1, 4, 2, 0xff, 0xff, 0xB8, 0x80};
static const struct modbus_expect any = {.requests = false, .transaction = -1, .unit = -1, .function = -1};
static const struct modbus_expect any_request = {.requests = true, .transaction = -1, .unit = -1, .function = -1};

TEST(crc)
{
    CHECK_INT(modbus_crc("\x02\x07", 2), 0x1241);
    CHECK_INT(modbus_crc("123456789", 9), 0x4B37); /* the check value of CRC-16/MODBUS */
}

TEST(put)
{
    uint8_t out[MODBUS_FRAME_MAX];
    CHECK_INT(modbus_frame_put(MODBUS_TCP, 0x1501, 0xff, read_tcp + 7, 5, out), 12);
    CHECK(memcmp(out, read_tcp, 12) == 0);
    CHECK_INT(modbus_frame_put(MODBUS_RTU, 0, 1, read_rtu + 1, 5, out), 8);
    CHECK(memcmp(out, read_rtu, 8) == 0);
}

TEST(ascii_frames)
{
    /* SL 6.2.1: the two's complement of the sum. 11 03 00 6B 00 03: the sum is 82, the LRC 7E (Modicon PI-MBUS-300). */
    static const uint8_t pdu[] = {3, 0, 0x6B, 0, 3};
    static const char text[] = ":1103006B00037E\r\n";
    uint8_t out[MODBUS_FRAME_MAX];
    struct modbus_frame fr;
    CHECK_INT(modbus_lrc("\x11\x03\x00\x6B\x00\x03", 6), 0x7E);
    CHECK_INT(modbus_frame_put(MODBUS_ASCII, 0, 0x11, pdu, 5, out), 17);
    CHECK(memcmp(out, text, 17) == 0);
    CHECK_INT(modbus_frame_next(MODBUS_ASCII, out, 17, &any_request, &fr), 1);
    CHECK_INT(fr.unit, 0x11);
    CHECK_INT(fr.pdu_n, 5);
    CHECK(memcmp(fr.pdu, pdu, 5) == 0);
    CHECK_INT(modbus_frame_next(MODBUS_ASCII, (const uint8_t *)":1103006b00037e\r\n", 17, &any_request, &fr), 1);
}

TEST(the_longest_ascii_frame)
{
    uint8_t pdu[MODBUS_PDU_MAX], out[MODBUS_FRAME_MAX];
    struct modbus_frame fr;
    memset(pdu, 0xA5, sizeof pdu);
    CHECK_INT(modbus_frame_put(MODBUS_ASCII, 0, 247, pdu, sizeof pdu, out), MODBUS_FRAME_MAX);
    CHECK_INT(modbus_frame_next(MODBUS_ASCII, out, sizeof out, NULL, &fr), 1);
    CHECK_INT(fr.pdu_n, MODBUS_PDU_MAX);
    CHECK(memcmp(fr.pdu, pdu, sizeof pdu) == 0);
}

static void check_cuts(enum modbus_framing f, const uint8_t *p, size_t n, const struct modbus_expect *x, unsigned unit)
{
    struct modbus_frame fr = {0};
    for (size_t k = 0; k < n; k++) CHECK_INT(modbus_frame_next(f, p, k, x, &fr), 0);
    CHECK_INT(modbus_frame_next(f, p, n, x, &fr), 1);
    CHECK_INT(fr.unit, unit);
    CHECK_INT(fr.used, n);
}

TEST(every_cut_waits)
{
    check_cuts(MODBUS_TCP, read_tcp, sizeof read_tcp, &any, 0xff);
    check_cuts(MODBUS_RTU, read_rtu, sizeof read_rtu, &any_request, 1);
    check_cuts(MODBUS_RTU, answer_rtu, sizeof answer_rtu, &any, 1);
    check_cuts(MODBUS_ASCII, (const uint8_t *)":010402FFFFFB\r\n", 15, &any, 1);
}

/* Drops rubbish until a frame comes; returns bytes dropped, -1 when none came. */
static int drain(enum modbus_framing f, const uint8_t *p, size_t n, const struct modbus_expect *x,
                 struct modbus_frame *fr)
{
    size_t at = 0;
    int rc;
    while ((rc = modbus_frame_next(f, p + at, n - at, x, fr)) < 0) {
        CHECK(fr->used > 0);
        at += fr->used;
    }
    return rc == 1 ? (int)at : -1;
}

TEST(rubbish_before_a_frame_is_dropped)
{
    uint8_t in[64] = {9, 9, 9, 9, 9};
    struct modbus_frame fr;
    memcpy(in + 5, read_tcp, sizeof read_tcp);
    struct modbus_expect mine = {.transaction = 0x1501, .unit = -1, .function = -1};
    CHECK_INT(drain(MODBUS_TCP, in, 5 + sizeof read_tcp, &mine, &fr), 5);
    CHECK_INT(fr.transaction, 0x1501);
    memcpy(in + 5, answer_rtu, sizeof answer_rtu);
    struct modbus_expect unit1 = {.transaction = -1, .unit = 1, .function = 4};
    CHECK_INT(drain(MODBUS_RTU, in, 5 + sizeof answer_rtu, &unit1, &fr), 5);
    CHECK_INT(fr.pdu_n, 4);
}

TEST(a_bad_crc_is_no_frame)
{
    uint8_t in[16];
    struct modbus_frame fr;
    memcpy(in, answer_rtu, sizeof answer_rtu);
    memcpy(in + sizeof answer_rtu, answer_rtu, sizeof answer_rtu);
    in[3] ^= 1;
    struct modbus_expect unit1 = {.transaction = -1, .unit = 1, .function = 4};
    CHECK_INT(drain(MODBUS_RTU, in, 2 * sizeof answer_rtu, &unit1, &fr), (int)sizeof answer_rtu);
}

TEST(ascii_begins_anew_with_each_colon)
{
    static const struct {
        const char *in;
        int dropped; /* bytes before the frame; -1: none comes */
    } rows[] = {
        {"noise:010402FFFFFB\r\n", 5},
        {":0104:010402FFFFFB\r\n", 5},              /* half a frame, then a whole one */
        {":010402FFFFFA\r\n:010402FFFFFB\r\n", 15}, /* LRC wrong */
        {":010402FFFF\r:010402FFFFFB\r\n", 12},     /* no LF */
        {":0104020FB\r\n:010402FFFFFB\r\n", 12},    /* odd */
        {":01\r\n", -1},
        {":010402FFGGFB\r\n", -1},
        {":0304027FFFFB\r\n", -1},
    };
    struct modbus_expect x = {.transaction = -1, .unit = 1, .function = 4};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct modbus_frame fr = {0};
        int got = drain(MODBUS_ASCII, (const uint8_t *)rows[i].in, strlen(rows[i].in), &x, &fr);
        if (got != rows[i].dropped) test_fail(__FILE__, __LINE__, "row %zu: %d", i, got);
        if (got >= 0) CHECK_INT(fr.unit, 1);
    }
    uint8_t endless[2000];
    struct modbus_frame fr;
    memset(endless, '0', sizeof endless);
    endless[0] = ':';
    CHECK_INT(modbus_frame_next(MODBUS_ASCII, endless, sizeof endless, NULL, &fr), ERR_PROTOCOL);
    CHECK_INT(fr.used, 2000);
}

TEST(impossible_headers)
{
    struct modbus_frame fr;
    static const uint8_t protocol1[] = {0, 1, 0, 1, 0, 6, 1, 3, 0, 0, 0, 1};
    static const uint8_t length1[] = {0, 1, 0, 0, 0, 1, 1};
    static const uint8_t length255[] = {0, 1, 0, 0, 0, 255, 1};
    CHECK_INT(modbus_frame_next(MODBUS_TCP, protocol1, sizeof protocol1, &any, &fr), ERR_PROTOCOL);
    CHECK_INT(modbus_frame_next(MODBUS_TCP, length1, sizeof length1, &any, &fr), ERR_PROTOCOL);
    CHECK_INT(modbus_frame_next(MODBUS_TCP, length255, sizeof length255, &any, &fr), ERR_PROTOCOL);
}

#define WORDS(f, request, bytes, zh) (modbus_words(f, request, bytes, sizeof bytes, zh, text, sizeof text), text)

TEST(words)
{
    char text[600];
    static const uint8_t refused[] = {0x15, 1, 0, 0, 0, 3, 1, 0x83, 2};
    CHECK_Z(WORDS(MODBUS_TCP, true, read_tcp, false),
            "transaction 5377, station 255: read holding registers (function 3), 1 from 400005 (0x0004)");
    CHECK_Z(WORDS(MODBUS_TCP, true, read_tcp, true),
            "事务 5377，站 255：读保持寄存器（功能码 3），1 个，起始 400005（0x0004）");
    CHECK_Z(WORDS(MODBUS_RTU, false, answer_rtu, false),
            "station 1: answer: read input registers (function 4), 2 bytes: FFFF");
    CHECK_Z(WORDS(MODBUS_TCP, false, refused, false), "transaction 5377, station 1: refused: read holding registers "
                                                      "(function 3): illegal data address (exception 2)");
    static const uint8_t ascii[] = {':', '0', '1', '0', '4', '0', '2', 'F', 'F', 'F', 'F', 'F', 'B', 13, 10};
    CHECK_Z(WORDS(MODBUS_ASCII, false, ascii, true), "站 1：应答：读输入寄存器（功能码 4），2 字节: FFFF");
    modbus_words(MODBUS_ASCII, false, ascii, 12, false, text, sizeof text);
    CHECK_Z(text, "no whole ASCII frame, or its LRC is wrong: :010402FFFFF");
    modbus_words(MODBUS_RTU, false, answer_rtu, 3, false, text, sizeof text);
    CHECK_Z(text, "3 bytes, too short for a frame");
    modbus_words(MODBUS_TCP, true, read_tcp, sizeof read_tcp, true, text, 8);
    CHECK_Z(text, "事务 "); /* cut between characters */
}
