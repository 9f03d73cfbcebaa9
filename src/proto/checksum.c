/* checksum.c - see checksum.h. Bit by bit: frames are short, and a table a kind would be longer than the frames. */
#include "proto/checksum.h"
#include <stdio.h>

const struct checksum_row checksum_rows[CHECKSUM_COUNT] = {
#define X(kind, name, bytes, en, zh) {name, en, zh, bytes},
    CHECKSUMS(X)
#undef X
};

bool checksum_parse(struct str name, enum checksum *ret)
{
    for (int k = 0; k < CHECKSUM_COUNT; k++) {
        if (!str_ieq(name, str_of(checksum_rows[k].name))) continue;
        *ret = (enum checksum)k;
        return true;
    }
    return false;
}

/* Parameters as in the catalogue; none of these has the input reflected without the output. */
struct crc {
    uint8_t width;
    uint32_t poly, init, xorout; /* poly: as reflected when `reflected` */
    bool reflected;
};

static uint32_t reflected(const struct crc *c, const uint8_t *p, size_t n)
{
    uint32_t crc = c->init;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) crc = crc & 1 ? crc >> 1 ^ c->poly : crc >> 1;
    }
    return crc ^ c->xorout;
}

static uint32_t straight(const struct crc *c, const uint8_t *p, size_t n)
{
    uint32_t crc = c->init, top = 1u << (c->width - 1), mask = (top << 1) - 1u;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint32_t)p[i] << (c->width - 8);
        for (int k = 0; k < 8; k++) crc = (crc & top ? crc << 1 ^ c->poly : crc << 1) & mask;
    }
    return crc ^ c->xorout;
}

static const struct crc crcs[CHECKSUM_COUNT] = {
    [CHECKSUM_CRC8] = {8, 0x07, 0, 0, false},
    [CHECKSUM_CRC16_MODBUS] = {16, 0xA001, 0xFFFF, 0, true},
    [CHECKSUM_CRC16_CCITT] = {16, 0x1021, 0xFFFF, 0, false},
    [CHECKSUM_CRC16_XMODEM] = {16, 0x1021, 0, 0, false},
    [CHECKSUM_CRC32] = {32, 0xEDB88320, 0xFFFFFFFF, 0xFFFFFFFF, true},
};

uint32_t checksum_of(enum checksum k, const void *p, size_t n)
{
    const uint8_t *b = p;
    uint32_t sum = 0, parity = 0;
    if (crcs[k].width) return crcs[k].reflected ? reflected(&crcs[k], b, n) : straight(&crcs[k], b, n);
    for (size_t i = 0; i < n; i++) sum += b[i], parity ^= b[i];
    switch (k) {
    case CHECKSUM_SUM8: return sum & 0xff;
    case CHECKSUM_XOR8: return parity;
    case CHECKSUM_LRC8: return -sum & 0xff;
    case CHECKSUM_SUM16: return sum & 0xffff;
    default: return 0;
    }
}

size_t checksum_width(const struct checksum_spec *s)
{
    return checksum_rows[s->kind].bytes * (s->hex ? 2u : 1u);
}

static void put_hex(uint8_t v, uint8_t *out)
{
    static const char digits[] = "0123456789ABCDEF";
    out[0] = (uint8_t)digits[v >> 4];
    out[1] = (uint8_t)digits[v & 15];
}

size_t checksum_put(const struct checksum_spec *s, const uint8_t *p, size_t n, uint8_t *out)
{
    uint32_t v = checksum_of(s->kind, p, n);
    unsigned bytes = checksum_rows[s->kind].bytes;
    for (unsigned i = 0; i < bytes; i++) {
        uint8_t b = (uint8_t)(v >> 8 * (s->little ? i : bytes - 1 - i));
        if (s->hex)
            put_hex(b, out + 2 * (size_t)i);
        else
            out[i] = b;
    }
    return checksum_width(s);
}

static bool same(const struct checksum_spec *s, const uint8_t *a, const uint8_t *b, size_t n)
{
    return s->hex ? str_ieq(str_make((const char *)a, n), str_make((const char *)b, n)) : memcmp(a, b, n) == 0;
}

static void show(const uint8_t *p, size_t n, bool hex, char *out)
{
    for (size_t i = 0; i < n; i++) {
        if (hex)
            out[i] = p[i] >= ' ' && p[i] < 127 ? (char)p[i] : '.';
        else
            put_hex(p[i], (uint8_t *)out + 2 * i);
    }
    out[hex ? n : 2 * n] = 0;
}

int checksum_check(const struct checksum_spec *s, const uint8_t *p, size_t n, struct error *e)
{
    if (s->kind == CHECKSUM_NONE) return 0;
    size_t width = checksum_width(s);
    long long at = s->at < 0 ? (long long)n + s->at : s->at, from = s->from < 0 ? (long long)n + s->from : s->from;
    long long to = s->to == 0 ? at : s->to < 0 ? (long long)n + s->to : s->to;
    if (at < 0 || from < 0 || to < from || at + (long long)width > (long long)n || to > (long long)n)
        return error_set(e, ERR_PROTOCOL, "", "the frame of %zu bytes is too short for its check",
                         "帧只有 %zu 字节，不足以包含校验", n);
    uint8_t want[8];
    char got_text[20], want_text[20];
    checksum_put(s, p + from, (size_t)(to - from), want);
    if (same(s, p + at, want, width)) return 0;
    show(p + at, width, s->hex, got_text);
    show(want, width, s->hex, want_text);
    return error_set(e, ERR_PROTOCOL, "", "%s wrong: the frame says %s, its bytes give %s",
                     "%s 校验错误：帧中为 %s，计算值为 %s", checksum_rows[s->kind].name, got_text, want_text);
}
