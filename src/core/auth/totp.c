/* totp.c - see totp.h. Pure; any thread. All candidates of the window are computed and compared in any case. */
#include "core/auth/totp.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const char digits32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

unsigned totp_code(const uint8_t *secret, size_t n, uint64_t step)
{
    uint8_t message[8], mac[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    for (int i = 7; i >= 0; i--, step >>= 8) message[i] = (uint8_t)step;
    if (!HMAC(EVP_sha1(), secret, (int)n, message, sizeof(message), mac, &len) || len != 20) return UINT32_MAX;
    const uint8_t *p = mac + (mac[19] & 15);
    uint32_t v = (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    return v % 1000000;
}

static unsigned read_code(struct str s)
{
    unsigned v = 0, n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == ' ') continue;
        if (s.p[i] < '0' || s.p[i] > '9' || ++n > 6) return UINT32_MAX;
        v = v * 10 + (unsigned)(s.p[i] - '0');
    }
    return n == 6 ? v : UINT32_MAX;
}

uint64_t totp_check(const uint8_t *secret, size_t n, struct str code, int64_t now_us, uint64_t last)
{
    unsigned want = read_code(code);
    uint64_t now = (uint64_t)(now_us / 1000000 / TOTP_STEP_S), found = 0;
    for (uint64_t step = now - TOTP_WINDOW; step <= now + TOTP_WINDOW; step++) {
        unsigned right = totp_code(secret, n, step);
        if (right == want && want != UINT32_MAX && step > last && !found) found = step;
    }
    return found;
}

void base32_encode(struct buf *out, const uint8_t *p, size_t n)
{
    uint32_t v = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
        for (bits += 8; bits >= 5; bits -= 5) buf_u8(out, (uint8_t)digits32[v >> (bits - 5) & 31]);
    }
    if (bits) buf_u8(out, (uint8_t)digits32[v << (5 - bits) & 31]);
}

int base32_decode(struct str s, uint8_t *out, size_t cap, size_t *ret_n)
{
    uint32_t v = 0;
    int bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(digits32, s.p[i]) : NULL;
        if (!at) return ERR_INVALID;
        v = v << 5 | (uint32_t)(at - digits32);
        bits += 5;
        if (bits < 8) continue;
        if (n == cap) return ERR_TOO_LARGE;
        out[n++] = (uint8_t)(v >> (bits -= 8));
    }
    *ret_n = n;
    return 0;
}
