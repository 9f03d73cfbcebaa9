/* Golden vectors of MODBUS Application Protocol V1.1b3, sections 6.1-6.17 (the example under each
 * function) and 7 (exception), both directions, and the limits. */
#include "base/buf.h"
#include "base/encode.h"
#include "base/test.h"
#include "proto/modbus.h"

struct bytes {
    uint8_t p[300];
    size_t n;
};

static struct bytes hex(const char *text)
{
    struct bytes b = {.n = 0};
    for (const char *t = text; *t; t++) {
        if (*t == ' ') continue;
        unsigned v = 0;
        sscanf(t, "%2x", &v);
        b.p[b.n++] = (uint8_t)v;
        t++;
    }
    return b;
}

#define CHECK_BYTES(ptr, len, text) \
    do { \
        struct bytes want_ = hex(text); \
        CHECK_INT(len, want_.n); \
        CHECK((size_t)(len) == want_.n && (want_.n == 0 || memcmp(ptr, want_.p, want_.n) == 0)); \
    } while (0)

static const uint8_t coils_cd01[] = {0xCD, 0x01}, regs_16[] = {0, 0x0A, 1, 2}, regs_23[] = {0, 0xFF, 0, 0xFF, 0, 0xFF};

static const struct {
    const char *source;
    struct modbus_request q;
    const char *request, *answer, *data; /* data: what the answer carries */
} golden[] = {
    {"AP 6.1", {.function = 1, .address = 0x13, .count = 0x13}, "01 0013 0013", "01 03 CD 6B 05", "CD 6B 05"},
    {"AP 6.2", {.function = 2, .address = 0xC4, .count = 0x16}, "02 00C4 0016", "02 03 AC DB 35", "AC DB 35"},
    {"AP 6.3", {.function = 3, .address = 0x6B, .count = 3}, "03 006B 0003", "03 06 022B 0000 0064", "022B 0000 0064"},
    {"AP 6.4", {.function = 4, .address = 8, .count = 1}, "04 0008 0001", "04 02 000A", "000A"},
    {"AP 6.5", {.function = 5, .address = 0xAC, .value = 1}, "05 00AC FF00", "05 00AC FF00", ""},
    {"AP 6.6", {.function = 6, .address = 1, .value = 3}, "06 0001 0003", "06 0001 0003", ""},
    {"AP 6.11",
     {.function = 15, .address = 0x13, .count = 10, .data = coils_cd01, .data_n = 2},
     "0F 0013 000A 02 CD 01",
     "0F 0013 000A",
     ""},
    {"AP 6.12",
     {.function = 16, .address = 1, .count = 2, .data = regs_16, .data_n = 4},
     "10 0001 0002 04 000A 0102",
     "10 0001 0002",
     ""},
    {"AP 6.16",
     {.function = 22, .address = 4, .and_mask = 0xF2, .or_mask = 0x25},
     "16 0004 00F2 0025",
     "16 0004 00F2 0025",
     ""},
    {"AP 6.17",
     {.function = 23, .address = 3, .count = 6, .write_address = 0x0E, .write_count = 3, .data = regs_23, .data_n = 6},
     "17 0003 0006 000E 0003 06 00FF 00FF 00FF",
     "17 0C 00FE 0ACD 0001 0003 000D 00FF",
     "00FE 0ACD 0001 0003 000D 00FF"},
};
#define NGOLDEN (sizeof golden / sizeof *golden)

TEST(requests_out)
{
    for (size_t i = 0; i < NGOLDEN; i++) {
        uint8_t pdu[MODBUS_PDU_MAX];
        size_t n = 0;
        CHECK_INT(modbus_request_encode(&golden[i].q, pdu, &n, NULL), 0);
        CHECK_BYTES(pdu, n, golden[i].request);
    }
}

TEST(requests_in)
{
    for (size_t i = 0; i < NGOLDEN; i++) {
        struct bytes b = hex(golden[i].request);
        struct modbus_request q = {0};
        const struct modbus_request *w = &golden[i].q;
        CHECK_INT(modbus_request_decode(b.p, b.n, &q), 0);
        CHECK_INT(q.function, w->function);
        CHECK_INT(q.address, w->address);
        if (w->count) CHECK_INT(q.count, w->count);
        CHECK_INT(q.value, w->value);
        CHECK_INT(q.and_mask, w->and_mask);
        CHECK_INT(q.or_mask, w->or_mask);
        CHECK_INT(q.write_address, w->write_address);
        CHECK_INT(q.write_count, w->write_count);
        CHECK_INT(q.data_n, w->data_n);
        CHECK(w->data_n == 0 || memcmp(q.data, w->data, w->data_n) == 0);
    }
}

TEST(answers_in)
{
    for (size_t i = 0; i < NGOLDEN; i++) {
        struct bytes b = hex(golden[i].answer);
        struct modbus_response r = {0};
        struct error e = {0};
        CHECK_INT(modbus_response_decode(b.p, b.n, &golden[i].q, &r, &e), 0);
        CHECK_BYTES(r.data, r.data_n, golden[i].data);
    }
}

TEST(answers_cut_or_long_are_refused)
{
    for (size_t i = 0; i < NGOLDEN; i++) {
        struct bytes b = hex(golden[i].answer);
        struct modbus_response r;
        for (size_t n = 0; n < b.n; n++)
            CHECK_INT(modbus_response_decode(b.p, n, &golden[i].q, &r, NULL), ERR_PROTOCOL);
        CHECK_INT(modbus_response_decode(b.p, b.n + 1, &golden[i].q, &r, NULL), ERR_PROTOCOL);
    }
}

TEST(requests_cut_or_long_are_refused)
{
    for (size_t i = 0; i < NGOLDEN; i++) {
        struct bytes b = hex(golden[i].request);
        struct modbus_request q;
        for (size_t n = 1; n < b.n; n++) CHECK_INT(modbus_request_decode(b.p, n, &q), MODBUS_EX_ILLEGAL_VALUE);
        CHECK_INT(modbus_request_decode(b.p, b.n + 1, &q), MODBUS_EX_ILLEGAL_VALUE);
    }
}

TEST(exception_answer)
{
    struct modbus_request q = {.function = 1, .address = 0x4A1, .count = 1}; /* AP 7, example */
    struct bytes b = hex("81 02");
    struct modbus_response r = {0};
    struct error e = {0};
    CHECK_INT(modbus_response_decode(b.p, b.n, &q, &r, &e), ERR_DEVICE);
    CHECK_INT(r.exception, 2);
    CHECK_Z(e.text, "function 1 refused by the device: illegal data address (exception 2)");
    CHECK_Z(e.text_zh, "设备拒绝功能码 1：非法数据地址（异常码 2）");
    b = hex("83 02");
    CHECK_INT(modbus_response_decode(b.p, b.n, &q, &r, &e), ERR_PROTOCOL);
}

TEST(echo_is_compared)
{
    struct modbus_request q = {.function = 6, .address = 1, .value = 3};
    struct modbus_response r;
    struct error e = {0};
    struct bytes b = hex("06 0001 0004");
    CHECK_INT(modbus_response_decode(b.p, b.n, &q, &r, &e), ERR_PROTOCOL);
    CHECK_Z(e.text, "echo in the answer: 3 expected, 4 came");
    b = hex("06 0002 0003");
    CHECK_INT(modbus_response_decode(b.p, b.n, &q, &r, &e), ERR_PROTOCOL);
    CHECK_Z(e.text_zh, "应答中的地址：应为 1，实为 2");
}

static int encode(struct modbus_request q, struct error *e)
{
    uint8_t pdu[MODBUS_PDU_MAX];
    size_t n;
    return modbus_request_encode(&q, pdu, &n, e);
}

TEST(limits_of_the_builder)
{
    static const uint8_t zeros[300];
    struct error e = {0};
    CHECK_INT(encode((struct modbus_request){.function = 3, .count = 125}, &e), 0);
    CHECK_INT(encode((struct modbus_request){.function = 3, .count = 126}, &e), ERR_INVALID);
    CHECK_Z(e.text, "function code 3 carries 1 to 125 registers; 'count' is 126");
    CHECK_Z(e.text_zh, "功能码 3 的数量应为 1 至 125 个寄存器；“count”为 126");
    CHECK_INT(encode((struct modbus_request){.function = 1, .count = 2000}, &e), 0);
    CHECK_INT(encode((struct modbus_request){.function = 1, .count = 2001}, &e), ERR_INVALID);
    CHECK_INT(encode((struct modbus_request){.function = 3, .count = 0}, &e), ERR_INVALID);
    CHECK_INT(encode((struct modbus_request){.function = 3, .address = 65535, .count = 2}, &e), ERR_INVALID);
    CHECK_INT(encode((struct modbus_request){.function = 16, .count = 123, .data = zeros, .data_n = 246}, &e), 0);
    CHECK_INT(encode((struct modbus_request){.function = 16, .count = 124, .data = zeros, .data_n = 248}, &e),
              ERR_INVALID);
    CHECK_INT(encode((struct modbus_request){.function = 15, .count = 1968, .data = zeros, .data_n = 246}, &e), 0);
    CHECK_INT(encode((struct modbus_request){.function = 15, .count = 1969, .data = zeros, .data_n = 247}, &e),
              ERR_INVALID);
    CHECK_INT(encode((struct modbus_request){.function = 16, .count = 2, .data = zeros, .data_n = 3}, &e), ERR_INVALID);
    CHECK_INT(encode((struct modbus_request){.function = 5, .value = 2}, &e), ERR_INVALID);
    CHECK_INT(encode((struct modbus_request){.function = 7}, &e), ERR_UNSUPPORTED);
}

TEST(faults_get_the_right_exception)
{
    static const struct {
        const char *pdu;
        int ex;
    } rows[] = {
        {"07", 1},
        {"2B 0E 01 00", 1},
        {"03 0000 0000", 3},
        {"03 0000 007E", 3},
        {"03 FFFF 0002", 2},
        {"05 0000 1234", 3},
        {"01 0000 07D1", 3},
        {"10 0000 0001 04 0000 0000", 3},
        {"0F 0000 0009 01 00", 3},
        {"17 0000 0001 FFFF 0002 04 0000 0000", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bytes b = hex(rows[i].pdu);
        struct modbus_request q;
        CHECK_INT(modbus_request_decode(b.p, b.n, &q), rows[i].ex);
    }
}
