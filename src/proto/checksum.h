/* checksum.h - the checks that frames of instruments carry: one table of kinds, and where a check stands in a frame. Pure.
 *
 * Names and check values (of "123456789") after the catalogue of parametrised CRC algorithms (reveng). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/str.h"

/*    kind           name              bytes  English                                Chinese */
#define CHECKSUMS(X)                                                                               \
    X(NONE,          "none",               0, "none",                                "无")                               \
    X(SUM8,          "sum8",               1, "sum of bytes, 8 bits",                "字节累加和（8 位）")               \
    X(XOR8,          "xor8",               1, "exclusive or of bytes (BCC)",         "字节异或（BCC）")                  \
    X(LRC8,          "lrc",                1, "LRC: minus the sum of bytes",         "LRC（累加和取补）")                \
    X(CRC8,          "crc8",               1, "CRC-8 (SMBus, polynomial 07)",        "CRC-8（多项式 07）")               \
    X(SUM16,         "sum16",              2, "sum of bytes, 16 bits",               "字节累加和（16 位）")              \
    X(CRC16_MODBUS,  "crc16_modbus",       2, "CRC-16/MODBUS",                       "CRC-16/MODBUS")                    \
    X(CRC16_CCITT,   "crc16_ccitt_false",  2, "CRC-16/CCITT-FALSE (IBM-3740)",       "CRC-16/CCITT-FALSE")               \
    X(CRC16_XMODEM,  "crc16_xmodem",       2, "CRC-16/XMODEM",                       "CRC-16/XMODEM")                    \
    X(CRC32,         "crc32",              4, "CRC-32 (ISO-HDLC, zip)",              "CRC-32（ISO-HDLC，zip）")
enum checksum {
#define X(kind, name, bytes, en, zh) CHECKSUM_##kind,
    CHECKSUMS(X)
#undef X
    CHECKSUM_COUNT
};
struct checksum_row {
    const char *name, *en, *zh;
    uint8_t bytes;
};
extern const struct checksum_row checksum_rows[CHECKSUM_COUNT];
bool checksum_parse(struct str name, enum checksum *ret);
uint32_t checksum_of(enum checksum k, const void *p, size_t n);

/* Where it stands. Offsets count from the first byte of the frame; negative ones from its end. */
struct checksum_spec {
    enum checksum kind;
    int at;       /* of the check; -2: the last two bytes */
    int from, to; /* what it covers, `to` is behind the last; 0: up to the check */
    bool little;  /* low byte first */
    bool hex;     /* as hexadecimal digits, two a byte */
};
size_t checksum_width(const struct checksum_spec *s); /* bytes in the frame */
/* 0; ERR_PROTOCOL tells what it is and what it should be, or that the frame is too short. */
MUST_CHECK int checksum_check(const struct checksum_spec *s, const uint8_t *p, size_t n, struct error *e);
/* The check of p[n] as it goes on the wire; returns its length (at most 8). */
size_t checksum_put(const struct checksum_spec *s, const uint8_t *p, size_t n, uint8_t *out);
