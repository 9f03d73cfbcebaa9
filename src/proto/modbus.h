/* modbus.h - Modbus as pure functions: bytes to structs and back, client and server side.
 *
 * Sources: MODBUS Application Protocol Specification V1.1b3 (2012-04-26), cited as AP; MODBUS Messaging
 * on TCP/IP Implementation Guide V1.0b, cited as MG; MODBUS over Serial Line V1.02, cited as SL.
 *
 * PDU    function code (1), data; at most 253 bytes (AP 4.1). Numbers are big endian; bits are packed,
 *        the first in the lowest bit of the first byte (AP 6.1).
 * TCP    MBAP header (MG 3.1.3): transaction (2), protocol 0 (2), length of what follows (2), unit (1);
 *        then the PDU. 260 bytes at most.
 * RTU    unit (1), PDU, CRC-16 low byte first (SL 2.5.1.2); 256 bytes at most. Over a stream there is no
 *        silence that ends a frame, so its length is computed from the function code and checked by CRC.
 * ASCII  ':', unit, PDU and LRC as pairs of upper case hexadecimal digits, CR LF (SL 2.5.2); 513 characters at
 *        most. Lower case is read too.
 *
 * Nothing here allocates, blocks or keeps state. Any thread. */
#pragma once
#include <stdbool.h>
#include "base/error.h"
#include "base/str.h"

#define MODBUS_PDU_MAX 253
#define MODBUS_MBAP 7
#define MODBUS_FRAME_MAX 513 /* ASCII; TCP 260 */
#define MODBUS_RTU_MAX 256
#define MODBUS_READ_BITS_MAX 2000      /* AP 6.1, 6.2 */
#define MODBUS_READ_REGISTERS_MAX 125  /* AP 6.3, 6.4, 6.17 */
#define MODBUS_WRITE_BITS_MAX 1968     /* AP 6.11 */
#define MODBUS_WRITE_REGISTERS_MAX 123 /* AP 6.12 */
#define MODBUS_RW_REGISTERS_MAX 121    /* AP 6.17, the write part */

enum modbus_area { MODBUS_COIL = 0, MODBUS_DISCRETE = 1, MODBUS_INPUT = 3, MODBUS_HOLDING = 4 };

enum modbus_function {
    MODBUS_READ_COILS = 1,
    MODBUS_READ_DISCRETE = 2,
    MODBUS_READ_HOLDING = 3,
    MODBUS_READ_INPUT = 4,
    MODBUS_WRITE_COIL = 5,
    MODBUS_WRITE_REGISTER = 6,
    MODBUS_DIAGNOSTICS = 8,
    MODBUS_WRITE_COILS = 15,
    MODBUS_WRITE_REGISTERS = 16,
    MODBUS_MASK_WRITE = 22,
    MODBUS_READ_WRITE = 23,
    MODBUS_TRANSPORT = 43, /* MEI; type 14 is reading the identification */
};

/* AP 7.   name                 code  English                                       Chinese */
#define MODBUS_EXCEPTIONS(X)                                                                       \
    X(ILLEGAL_FUNCTION,         1, "illegal function",                              "非法功能码")           \
    X(ILLEGAL_ADDRESS,          2, "illegal data address",                          "非法数据地址")         \
    X(ILLEGAL_VALUE,            3, "illegal data value",                            "非法数据值")           \
    X(DEVICE_FAILURE,           4, "server device failure",                         "从站设备故障")         \
    X(ACKNOWLEDGE,              5, "acknowledged, still working on it",             "已确认，处理中")       \
    X(BUSY,                     6, "server device busy",                            "从站设备忙")           \
    X(PARITY,                   8, "memory parity error",                           "存储奇偶校验错误")     \
    X(GATEWAY_PATH,            10, "gateway path unavailable",                      "网关路径不可用")       \
    X(GATEWAY_TARGET,          11, "gateway target device failed to respond",       "网关目标设备无应答")
enum modbus_exception {
#define X(name, code, en, zh) MODBUS_EX_##name = (code),
    MODBUS_EXCEPTIONS(X)
#undef X
};
const char *modbus_exception_text(unsigned code, bool zh); /* "unknown exception" outside the list */

/* ---- PDUs (modbus_pdu.c) --------------------------------------------------------------------------- */

/* One request. Which members count depends on the function:
 *   1-4  address, count          5  address, value: 0 or 1       6  address, value
 *   15   address, count, data: packed bits                       16 address, count, data: registers
 *   22   address, and_mask, or_mask: (content AND and) OR (or AND NOT and)
 *   23   address, count (read), write_address, write_count, data: registers
 * data is as on the wire; in a decoded request it points into the PDU. */
struct modbus_request {
    uint8_t function;
    uint16_t address, count, value;
    uint16_t and_mask, or_mask;
    uint16_t write_address, write_count;
    const uint8_t *data;
    size_t data_n;
};

/* Build the PDU in out[MODBUS_PDU_MAX]. ERR_INVALID names the limit that is passed. */
MUST_CHECK int modbus_request_encode(const struct modbus_request *q, uint8_t *out, size_t *ret_n, struct error *e);
/* Server side. 0, or the exception code (> 0) that the request deserves. */
MUST_CHECK int modbus_request_decode(const uint8_t *pdu, size_t n, struct modbus_request *ret);

struct modbus_response {
    uint8_t function;
    uint8_t exception;   /* 0: none */
    const uint8_t *data; /* functions 1-4, 23: packed bits or registers, into the PDU */
    size_t data_n;
};
/* Client side: decode and hold against the request: function, byte count, echoed fields. 0; ERR_DEVICE
 * for an exception (ret is filled); ERR_PROTOCOL when it is no proper answer to q. */
MUST_CHECK int modbus_response_decode(const uint8_t *pdu, size_t n, const struct modbus_request *q,
                                      struct modbus_response *ret, struct error *e);
static inline uint16_t modbus_register(const uint8_t *data, size_t i)
{
    return (uint16_t)(data[2 * i] << 8 | data[2 * i + 1]);
}
static inline bool modbus_bit(const uint8_t *data, size_t i) { return data[i / 8] >> (i % 8) & 1; }

/* ---- frames (modbus_frame.c) ------------------------------------------------------------------------ */

enum modbus_framing { MODBUS_TCP, MODBUS_RTU, MODBUS_ASCII };

struct modbus_frame {
    uint16_t transaction; /* TCP only */
    uint8_t unit;
    const uint8_t *pdu;   /* into the input; ASCII: into `decoded` (so a copy of this struct needs a new pointer) */
    size_t pdu_n;
    size_t used;          /* bytes of the input that are done with */
    uint8_t decoded[MODBUS_PDU_MAX + 2];
};

uint16_t modbus_crc(const void *p, size_t n); /* to be sent low byte first */
uint8_t modbus_lrc(const void *p, size_t n);  /* SL 6.2.1: minus the sum of the bytes */

/* Put a frame around a PDU (n <= MODBUS_PDU_MAX) in out[MODBUS_FRAME_MAX]; returns its length. */
size_t modbus_frame_put(enum modbus_framing f, uint16_t transaction, uint8_t unit, const uint8_t *pdu, size_t n,
                        uint8_t *out);

/* What a receiver waits for; makes finding the start of a frame in rubbish stricter. */
struct modbus_expect {
    bool requests;      /* server side: frames are requests, else answers */
    int transaction;    /* TCP: -1 any */
    int unit, function; /* RTU, ASCII: -1 any */
};
/* Next frame at the start of p[n]. 1: a frame; 0: more bytes are needed; ERR_PROTOCOL: what stands there
 * is no frame: drop ret->used bytes (up to where one could begin) and call again. */
MUST_CHECK int modbus_frame_next(enum modbus_framing f, const uint8_t *p, size_t n, const struct modbus_expect *x,
                                 struct modbus_frame *ret);

/* A frame in words, for diagnostics; terminated, cut to cap. Any bytes are allowed. */
void modbus_words(enum modbus_framing f, bool request, const uint8_t *p, size_t n, bool zh, char *out, size_t cap);

/* ---- addresses (modbus_address.c) -------------------------------------------------------------------- */

/* Byte order of values of two registers and more: bit 0 words swapped, bit 1 bytes of a word swapped. */
enum modbus_order { MODBUS_ABCD = 0, MODBUS_CDAB = 1, MODBUS_BADC = 2, MODBUS_DCBA = 3 };
/* Texts: two characters a register, the first in the high byte (H) or the low one (L); one a register, in
 * the low byte (D) or the high one (E). */
enum modbus_text { MODBUS_TEXT_H, MODBUS_TEXT_L, MODBUS_TEXT_D, MODBUS_TEXT_E };

struct modbus_address {
    int unit;          /* -1: not given */
    enum modbus_area area;
    uint16_t offset;   /* as on the wire, from 0 */
    int bit;           /* 0-15 in a register; -1: none */
    int order;         /* enum modbus_order; -1: not given */
    unsigned length;   /* characters of a text; 0: not given */
    enum modbus_text text;
};

struct modbus_address_hint {
    int area;          /* enum modbus_area for numbers that do not name one; -1: none, they are refused */
    bool zero_based;   /* such decimal numbers count from 0 */
    bool text;         /* the value is a text: ".10" is its length, not a bit */
};

/* [UNIT!]NUMBER[.BIT][#ORDER][.LENGTH[H|L|D|E]]
 *   NUMBER  400001 (area 0 1 3 4 and five digits, from 1), 40001 (area and four digits, from 1),
 *           4:0 or 4:0x1F (area, address on the wire from 0), 4x1 (from 1; not for area 0);
 *           with a hinted area any number up to 65536 stands in it: 1, 0x1F (hexadecimal always from 0)
 *   ORDER   ABCD CDAB BADC DCBA, AB BA; LL = ABCD, LB = BADC, BL = CDAB, BB = DCBA, L = AB, B = BA
 * ERR_INVALID says what is wrong and gives a right example. */
MUST_CHECK int modbus_address_parse(struct str s, const struct modbus_address_hint *hint, struct modbus_address *ret,
                                    struct error *e);
#define MODBUS_ADDRESS_MAX 64
const char *modbus_address_format(const struct modbus_address *a, char out[MODBUS_ADDRESS_MAX]);
const char *modbus_order_name(int order); /* "ABCD" */
static inline bool modbus_area_bits(enum modbus_area a) { return a == MODBUS_COIL || a == MODBUS_DISCRETE; }

/* ---- server (modbus_server.c) ------------------------------------------------------------------------ */

#define MODBUS_NO_ANSWER (-1) /* what an operation returns for a unit that is not there: silence */

/* What a server tells about itself (AP 6.21). Objects 0 to 2 (vendor, product code, revision) must be there; 3 to 6 are
 * address in the web, product name, model, application, NULL or "": not there. At most 244 bytes each. */
enum modbus_id_object {
    MODBUS_ID_VENDOR, MODBUS_ID_PRODUCT, MODBUS_ID_REVISION, MODBUS_ID_URL, MODBUS_ID_NAME, MODBUS_ID_MODEL,
    MODBUS_ID_APPLICATION, MODBUS_ID_OBJECTS
};
struct modbus_identity {
    const char *object[MODBUS_ID_OBJECTS];
};
/* What function 8 counts (AP 6.8), in the order of its sub-functions 11 to 18; all wrap at 65536. */
enum modbus_count {
    MODBUS_COUNT_BUS, MODBUS_COUNT_BAD, MODBUS_COUNT_EXCEPTION, MODBUS_COUNT_SERVED, MODBUS_COUNT_SILENT,
    MODBUS_COUNT_NAK, MODBUS_COUNT_BUSY, MODBUS_COUNT_OVERRUN, MODBUS_COUNTERS
};
struct modbus_counters {
    uint16_t n[MODBUS_COUNTERS];
};
/* Answer functions 8 and 43 into out[MODBUS_PDU_MAX]: 0 and the length, or the exception. NULL: those functions are not
 * there (exception 1). Diagnostics: 0 echo, 1 restart (counters to 0; the connection stays), 2 register (always 0), 10
 * clear, 11 to 18 counters. Identification: basic and regular objects as a stream (codes 1 to 3), one alone (4). */
MUST_CHECK int modbus_tell(const uint8_t *pdu, size_t n, const struct modbus_identity *id, struct modbus_counters *counters,
                           uint8_t *out, size_t *ret_n);

/* The data behind a server. Each returns 0, an exception code (> 0) or MODBUS_NO_ANSWER. address + count
 * never passes 65536. Bits are packed as on the wire, registers are numbers. */
struct modbus_data_ops {
    int (*read_bits)(void *ctx, uint8_t unit, enum modbus_area a, uint16_t address, uint16_t count, uint8_t *packed);
    int (*read_registers)(void *ctx, uint8_t unit, enum modbus_area a, uint16_t address, uint16_t count, uint16_t *r);
    int (*write_bits)(void *ctx, uint8_t unit, uint16_t address, uint16_t count, const uint8_t *packed);
    int (*write_registers)(void *ctx, uint8_t unit, uint16_t address, uint16_t count, const uint16_t *r);
    void *ctx;
    const struct modbus_identity *identity; /* NULL: function 43 is refused */
    struct modbus_counters *counters;       /* NULL: function 8 is refused; the caller counts */
};
/* Answer one request PDU into out[MODBUS_PDU_MAX]; returns the length of the answer, 0: none. */
size_t modbus_server_pdu(const uint8_t *pdu, size_t n, uint8_t unit, const struct modbus_data_ops *ops, uint8_t *out);
/* Answer as many requests at the start of in[n] as are complete and fit: *ret_n bytes of answers in
 * out[cap] (cap >= MODBUS_FRAME_MAX). Returns bytes of `in` that are done with, or ERR_PROTOCOL: not
 * Modbus, close the connection (answers before it may be in out). */
MUST_CHECK int modbus_server_handle(enum modbus_framing f, const uint8_t *in, size_t n,
                                    const struct modbus_data_ops *ops, uint8_t *out, size_t cap, size_t *ret_n);
