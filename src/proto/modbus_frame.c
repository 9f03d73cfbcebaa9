/* modbus_frame.c - frames around PDUs, and finding them in a stream that may hold rubbish.
 *
 * Resynchronisation: a header that cannot be right is never waited for. For TCP the candidate positions
 * are those where protocol is 0 and the length possible (and the transaction the awaited one, when the
 * caller names it); for RTU those where unit and function fit and, once all bytes are there, the CRC; for ASCII
 * a colon, which always begins a frame anew (SL 2.5.2.1). */
#include "proto/modbus.h"

/* CRC-16, polynomial 0xA001 reflected, four bits a step (SL 6.2.2). */
static const uint16_t crc_nibble[16] = {
    0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401,
    0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
};

uint16_t modbus_crc(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint16_t crc = 0xffff;
    for (size_t i = 0; i < n; i++) {
        crc = (uint16_t)(crc >> 4 ^ crc_nibble[(crc ^ b[i]) & 15]);
        crc = (uint16_t)(crc >> 4 ^ crc_nibble[(crc ^ b[i] >> 4) & 15]);
    }
    return crc;
}

uint8_t modbus_lrc(const void *p, size_t n)
{
    const uint8_t *b = p;
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) sum += b[i];
    return (uint8_t)-sum;
}

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static size_t put_rtu(uint8_t unit, const uint8_t *pdu, size_t n, uint8_t *out)
{
    out[0] = unit;
    memmove(out + 1, pdu, n);
    uint16_t crc = modbus_crc(out, n + 1);
    out[n + 1] = (uint8_t)crc;
    out[n + 2] = (uint8_t)(crc >> 8);
    return n + 3;
}

static uint8_t *put_hex(uint8_t *out, uint8_t v)
{
    static const char digits[] = "0123456789ABCDEF";
    *out++ = (uint8_t)digits[v >> 4];
    *out++ = (uint8_t)digits[v & 15];
    return out;
}

static size_t put_ascii(uint8_t unit, const uint8_t *pdu, size_t n, uint8_t *out)
{
    uint8_t bytes[MODBUS_PDU_MAX + 2], *p = out;
    bytes[0] = unit;
    memcpy(bytes + 1, pdu, n);
    bytes[n + 1] = modbus_lrc(bytes, n + 1);
    *p++ = ':';
    for (size_t i = 0; i < n + 2; i++) p = put_hex(p, bytes[i]);
    *p++ = '\r';
    *p++ = '\n';
    return (size_t)(p - out);
}

size_t modbus_frame_put(enum modbus_framing f, uint16_t transaction, uint8_t unit, const uint8_t *pdu, size_t n,
                        uint8_t *out)
{
    if (f == MODBUS_RTU) return put_rtu(unit, pdu, n, out);
    if (f == MODBUS_ASCII) return put_ascii(unit, pdu, n, out);
    memmove(out + MODBUS_MBAP, pdu, n);
    out[0] = (uint8_t)(transaction >> 8);
    out[1] = (uint8_t)transaction;
    out[2] = out[3] = 0;
    out[4] = (uint8_t)((n + 1) >> 8);
    out[5] = (uint8_t)(n + 1);
    out[6] = unit;
    return MODBUS_MBAP + n;
}

/* ---- TCP ---- */

/* Could a header begin at p with n bytes known? */
static bool tcp_plausible(const uint8_t *p, size_t n, int transaction)
{
    if (transaction >= 0 && n >= 1 && p[0] != (uint8_t)(transaction >> 8)) return false;
    if (transaction >= 0 && n >= 2 && p[1] != (uint8_t)transaction) return false;
    if (n >= 3 && p[2] != 0) return false;
    if (n >= 4 && p[3] != 0) return false;
    if (n >= 5 && p[4] != 0) return false;
    if (n >= 6 && (p[5] < 2 || p[5] > MODBUS_PDU_MAX + 1)) return false;
    return true;
}

static int tcp_next(const uint8_t *p, size_t n, const struct modbus_expect *x, struct modbus_frame *ret)
{
    int transaction = x ? x->transaction : -1;
    if (!tcp_plausible(p, n, -1)) {
        size_t skip = 1;
        while (skip < n && !tcp_plausible(p + skip, n - skip, transaction)) skip++;
        *ret = (struct modbus_frame){.used = skip};
        return ERR_PROTOCOL;
    }
    if (n < MODBUS_MBAP || n < 6 + (size_t)p[5]) return 0;
    *ret = (struct modbus_frame){
        .transaction = (uint16_t)get16(p), .unit = p[6], .pdu = p + MODBUS_MBAP, .pdu_n = p[5] - 1u, .used = 6u + p[5]};
    return 1;
}

/* ---- RTU ---- */

/* Length of the whole frame that begins at p; 0: not known yet; -1: no frame begins so. */
static int rtu_answer_length(const uint8_t *p, size_t n)
{
    unsigned fc = p[1];
    if (fc & 0x80) return 5;
    switch (fc) {
    case MODBUS_READ_COILS:
    case MODBUS_READ_DISCRETE:
    case MODBUS_READ_HOLDING:
    case MODBUS_READ_INPUT:
    case MODBUS_READ_WRITE:
        if (n < 3) return 0;
        return p[2] >= 1 && p[2] <= 250 ? 5 + p[2] : -1;
    case MODBUS_WRITE_COIL:
    case MODBUS_WRITE_REGISTER:
    case MODBUS_WRITE_COILS:
    case MODBUS_WRITE_REGISTERS: return 8;
    case MODBUS_MASK_WRITE: return 10;
    default: return -1;
    }
}

/* `at` is where the byte count of the data stands. */
static int rtu_counted(const uint8_t *p, size_t n, unsigned at)
{
    if (n <= at) return 0;
    return p[at] >= 1 && at + 3u + p[at] <= MODBUS_RTU_MAX ? (int)(at + 3u + p[at]) : -1;
}

static int rtu_request_length(const uint8_t *p, size_t n)
{
    unsigned fc = p[1];
    if (fc >= MODBUS_READ_COILS && fc <= MODBUS_WRITE_REGISTER) return 8;
    switch (fc) {
    case MODBUS_DIAGNOSTICS: return 8; /* one word of data; more of it cannot be told apart in a stream */
    case MODBUS_TRANSPORT:
        if (n < 3) return 0;
        return p[2] == 14 ? 7 : -1;
    case MODBUS_WRITE_COILS:
    case MODBUS_WRITE_REGISTERS: return rtu_counted(p, n, 6);
    case MODBUS_MASK_WRITE: return 10;
    case MODBUS_READ_WRITE: return rtu_counted(p, n, 10);
    default: return -1;
    }
}

static int rtu_length(const uint8_t *p, size_t n, const struct modbus_expect *x)
{
    if (x && x->unit >= 0 && n >= 1 && p[0] != x->unit) return -1;
    if (n < 2) return 0;
    if (x && x->function >= 0 && (p[1] & 0x7f) != x->function) return -1;
    return x && x->requests ? rtu_request_length(p, n) : rtu_answer_length(p, n);
}

static bool crc_good(const uint8_t *p, size_t n)
{
    return modbus_crc(p, n - 2) == (uint16_t)(p[n - 2] | p[n - 1] << 8);
}

static int rtu_next(const uint8_t *p, size_t n, const struct modbus_expect *x, struct modbus_frame *ret)
{
    for (size_t skip = 0; skip < n; skip++) {
        int len = rtu_length(p + skip, n - skip, x);
        bool whole = len > 0 && n - skip >= (size_t)len;
        if (len < 0 || (whole && !crc_good(p + skip, (size_t)len))) continue;
        if (skip > 0) {
            *ret = (struct modbus_frame){.used = skip};
            return ERR_PROTOCOL;
        }
        if (!whole) return 0;
        *ret = (struct modbus_frame){.unit = p[0], .pdu = p + 1, .pdu_n = (size_t)len - 3, .used = (size_t)len};
        return 1;
    }
    *ret = (struct modbus_frame){.used = n};
    return n ? ERR_PROTOCOL : 0;
}

/* ---- ASCII ---- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Characters after the colon at p up to the one that is no digit; *ret_end tells which that is, 0: none yet. */
static size_t ascii_digits(const uint8_t *p, size_t n, uint8_t *ret_end)
{
    size_t k = 1;
    while (k < n && k <= 2 * (MODBUS_PDU_MAX + 2u) && hex_digit(p[k]) >= 0) k++;
    *ret_end = k < n ? p[k] : 0;
    return k - 1;
}

static size_t ascii_skip(const uint8_t *p, size_t n)
{
    size_t skip = 1;
    while (skip < n && p[skip] != ':') skip++;
    return skip;
}

static bool ascii_decode(const uint8_t *p, size_t digits, const struct modbus_expect *x, struct modbus_frame *ret)
{
    uint8_t all[MODBUS_PDU_MAX + 2];
    size_t n = digits / 2;
    for (size_t i = 0; i < n; i++) all[i] = (uint8_t)(hex_digit(p[1 + 2 * i]) << 4 | hex_digit(p[2 + 2 * i]));
    if (modbus_lrc(all, n - 1) != all[n - 1]) return false;
    if (x && x->unit >= 0 && all[0] != x->unit) return false;
    if (x && x->function >= 0 && (all[1] & 0x7f) != x->function) return false;
    *ret = (struct modbus_frame){.unit = all[0], .pdu_n = n - 2, .used = digits + 3};
    memcpy(ret->decoded, all + 1, n - 2);
    ret->pdu = ret->decoded;
    return true;
}

static int ascii_next(const uint8_t *p, size_t n, const struct modbus_expect *x, struct modbus_frame *ret)
{
    uint8_t end = 0;
    size_t digits = p[0] == ':' ? ascii_digits(p, n, &end) : 0;
    bool begun = p[0] == ':' && (end == 0 || end == '\r') && digits <= 2 * (MODBUS_PDU_MAX + 2u);
    if (begun && digits + 3 > n) return 0; /* CR and LF are to come */
    if (begun && p[digits + 2] == '\n' && digits >= 6 && digits % 2 == 0 && ascii_decode(p, digits, x, ret)) return 1;
    *ret = (struct modbus_frame){.used = ascii_skip(p, n)};
    return ERR_PROTOCOL;
}

int modbus_frame_next(enum modbus_framing f, const uint8_t *p, size_t n, const struct modbus_expect *x,
                      struct modbus_frame *ret)
{
    if (n == 0) return 0;
    if (f == MODBUS_ASCII) return ascii_next(p, n, x, ret);
    return f == MODBUS_RTU ? rtu_next(p, n, x, ret) : tcp_next(p, n, x, ret);
}
