/* encode.c - base64 (RFC 4648 sections 4 and 5), hex, percent-encoding (RFC 3986). Decoders are strict: wrong
 * padding, unused bits that are not zero and foreign characters are refused. Pure; any thread. */
#include "base/encode.h"

static const char alphabet[2][65] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};

void base64_encode(struct buf *out, const void *data, size_t n, bool url)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char q[4] = {alphabet[url][v >> 18], alphabet[url][v >> 12 & 63], alphabet[url][v >> 6 & 63],
                     alphabet[url][v & 63]};
        for (size_t k = left + 1; k < 4; k++) q[k] = '=';
        buf_add(out, q, url ? left + 1 : 4);
    }
}

static int digit64(char c, bool url)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

int base64_decode(struct buf *out, struct str s, bool url)
{
    if (!url) {
        if (s.n % 4) return ERR_INVALID;
        for (int pad = 0; pad < 2 && s.n && s.p[s.n - 1] == '='; pad++) s.n--;
    }
    if (s.n % 4 == 1) return ERR_INVALID;
    uint32_t v = 0;
    int bits = 0;
    for (size_t i = 0; i < s.n; i++) {
        int d = digit64(s.p[i], url);
        if (d < 0) return ERR_INVALID;
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) buf_u8(out, (uint8_t)(v >> (bits -= 8)));
    }
    if (v & ((1u << bits) - 1)) return ERR_INVALID;
    return out->err;
}

void hex_encode(struct buf *out, const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) buf_add(out, (char[]){digits[p[i] >> 4], digits[p[i] & 15]}, 2);
}

static int digit16(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int byte16(const char *p)
{
    int hi = digit16(p[0]), lo = digit16(p[1]);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

int hex_decode(struct buf *out, struct str s)
{
    if (s.n % 2) return ERR_INVALID;
    for (size_t i = 0; i < s.n; i += 2) {
        int b = byte16(s.p + i);
        if (b < 0) return ERR_INVALID;
        buf_u8(out, (uint8_t)b);
    }
    return out->err;
}

static bool unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void percent_encode(struct buf *out, struct str s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if (unreserved(s.p[i]))
            buf_u8(out, c);
        else
            buf_add(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

int percent_decode(struct arena *a, struct str s, bool form, struct str *ret)
{
    char *out = arena_alloc(a, s.n + 1), *p = out;
    if (!out) return ERR_NOMEM;
    for (size_t i = 0; i < s.n; i++) {
        int c = form && s.p[i] == '+' ? ' ' : (unsigned char)s.p[i];
        if (c == '%') {
            c = s.n - i >= 3 ? byte16(s.p + i + 1) : -1;
            i += 2;
        }
        if (c <= 0) return ERR_INVALID;
        *p++ = (char)c;
    }
    *p = '\0';
    *ret = str_make(out, (size_t)(p - out));
    return 0;
}
