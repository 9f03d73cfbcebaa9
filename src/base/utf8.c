/* utf8.c - UTF-8 after RFC 3629 section 4 (the ABNF of well-formed sequences). Pure.
 *
 * Design: ASCII is skipped eight bytes at a time; other characters by a table of lead bytes that gives
 * the length and the range of the second byte, which is where overlong forms, surrogates and values
 * over U+10FFFF show. */
#include "base/utf8.h"

struct lead {
    uint8_t from, to; /* lead bytes */
    uint8_t len;      /* bytes of the character */
    uint8_t lo, hi;   /* second byte */
    uint8_t mask;     /* payload bits of the lead */
};

static const struct lead leads[] = {
    {0x00, 0x7f, 1, 0, 0, 0x7f},       {0xc2, 0xdf, 2, 0x80, 0xbf, 0x1f}, {0xe0, 0xe0, 3, 0xa0, 0xbf, 0x0f},
    {0xe1, 0xec, 3, 0x80, 0xbf, 0x0f}, {0xed, 0xed, 3, 0x80, 0x9f, 0x0f}, {0xee, 0xef, 3, 0x80, 0xbf, 0x0f},
    {0xf0, 0xf0, 4, 0x90, 0xbf, 0x07}, {0xf1, 0xf3, 4, 0x80, 0xbf, 0x07}, {0xf4, 0xf4, 4, 0x80, 0x8f, 0x07},
};

/* Length of the well-formed character at p, 0 when there is none; the code point goes to *ret. */
static size_t decode(const uint8_t *p, size_t left, uint32_t *ret)
{
    const struct lead *l = leads;
    const struct lead *end = leads + sizeof(leads) / sizeof(leads[0]);
    while (l < end && p[0] > l->to) l++;
    if (l == end || p[0] < l->from || left < l->len) return 0;
    uint32_t cp = p[0] & l->mask;
    for (size_t i = 1; i < l->len; i++) {
        uint8_t lo = i == 1 ? l->lo : 0x80, hi = i == 1 ? l->hi : 0xbf;
        if (p[i] < lo || p[i] > hi) return 0;
        cp = cp << 6 | (p[i] & 0x3f);
    }
    *ret = cp;
    return l->len;
}

static size_t skip_ascii(const char *p, size_t i, size_t n)
{
    for (uint64_t v; i + 8 <= n; i += 8) {
        memcpy(&v, p + i, 8);
        if (v & 0x8080808080808080ULL) break;
    }
    while (i < n && (unsigned char)p[i] < 0x80) i++;
    return i;
}

size_t utf8_check(struct str s)
{
    size_t i = 0;
    uint32_t cp;
    while ((i = skip_ascii(s.p, i, s.n)) < s.n) {
        size_t len = decode((const uint8_t *)s.p + i, s.n - i, &cp);
        if (len == 0) break;
        i += len;
    }
    return i;
}

bool utf8_valid(struct str s)
{
    return utf8_check(s) == s.n;
}

size_t utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) return 0;
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    static const uint8_t mark[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (cp & 0x3f));
        cp >>= 6;
    }
    out[0] = (char)(mark[len] | cp);
    return len;
}

uint32_t utf8_next(struct str s, size_t *pos)
{
    uint32_t cp = 0xfffd;
    if (*pos >= s.n) return cp;
    size_t len = decode((const uint8_t *)s.p + *pos, s.n - *pos, &cp);
    *pos += len ? len : 1;
    return cp;
}

size_t utf8_len(struct str s)
{
    size_t n = 0;
    for (size_t pos = 0; pos < s.n; n++) utf8_next(s, &pos);
    return n;
}

size_t utf8_floor(struct str s, size_t n)
{
    if (n >= s.n) return s.n;
    size_t i = n;
    while (i > 0 && n - i < 3 && ((unsigned char)s.p[i] & 0xc0) == 0x80) i--;
    return ((unsigned char)s.p[i] & 0xc0) == 0x80 ? n : i;
}
