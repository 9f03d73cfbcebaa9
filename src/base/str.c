/* str.c - views: comparing, cutting, searching, keyed hashing. Numbers are in str_number.c. Pure. */
#include "base/str.h"
#include <stdatomic.h>
#include <sys/auxv.h>
#include "base/str_int.h"

static inline unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static inline bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    if (c) return c < 0 ? -1 : 1;
    return a.n < b.n ? -1 : a.n > b.n;
}

static bool same_ignoring_case(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (lower(a[i]) != lower(b[i])) return false;
    }
    return true;
}

bool str_ieq(struct str a, struct str b)
{
    return a.n == b.n && same_ignoring_case(a.p, b.p, a.n);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

bool str_has(struct str s, struct str needle)
{
    return needle.n == 0 || (s.n >= needle.n && memmem(s.p, s.n, needle.p, needle.n) != NULL);
}

bool str_ihas(struct str s, struct str needle)
{
    if (needle.n == 0) return true;
    for (size_t i = 0; i + needle.n <= s.n; i++) {
        if (same_ignoring_case(s.p + i, needle.p, needle.n)) return true;
    }
    return false;
}

struct str str_trim(struct str s)
{
    while (s.n && blank(s.p[0])) s.p++, s.n--;
    while (s.n && blank(s.p[s.n - 1])) s.n--;
    return s;
}

struct str str_sub(struct str s, size_t from, size_t len)
{
    if (from > s.n) from = s.n;
    if (len > s.n - from) len = s.n - from;
    return str_make(s.p ? s.p + from : NULL, len);
}

struct str str_cut(struct str *s, char sep)
{
    ptrdiff_t at = str_find(*s, sep);
    struct str part = *s;
    if (at < 0) {
        *s = STR_NULL;
        return part;
    }
    part.n = (size_t)at;
    *s = str_make(s->p + at + 1, s->n - (size_t)at - 1);
    return part;
}

ptrdiff_t str_find(struct str s, char c)
{
    const char *p = s.n ? memchr(s.p, c, s.n) : NULL;
    return p ? p - s.p : -1;
}

bool str_to_cstr(struct str s, char *out, size_t cap)
{
    if (cap == 0) return false;
    size_t n = s.n < cap ? s.n : cap - 1;
    if (n) memcpy(out, s.p, n);
    out[n] = '\0';
    return n == s.n;
}

/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012; one compression and three
 * finalisation rounds). The second half of the key is a fixed mix of the seed. */
#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))
struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1, s->v1 = ROTL(s->v1, 13) ^ s->v0, s->v0 = ROTL(s->v0, 32);
    s->v2 += s->v3, s->v3 = ROTL(s->v3, 16) ^ s->v2;
    s->v0 += s->v3, s->v3 = ROTL(s->v3, 21) ^ s->v0;
    s->v2 += s->v1, s->v1 = ROTL(s->v1, 17) ^ s->v2, s->v2 = ROTL(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
    s->v3 ^= m;
    sip_round(s);
    s->v0 ^= m;
}

static inline uint64_t load_le(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

uint64_t str_siphash13(struct str s, uint64_t k0, uint64_t k1)
{
    struct sip h = {k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL, k0 ^ 0x6c7967656e657261ULL,
                    k1 ^ 0x7465646279746573ULL};
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) sip_word(&h, load_le(s.p + i, 8));
    sip_word(&h, (uint64_t)s.n << 56 | load_le(s.p + i, s.n - i));
    h.v2 ^= 0xff;
    for (int r = 0; r < 3; r++) sip_round(&h);
    return h.v0 ^ h.v1 ^ h.v2 ^ h.v3;
}

uint64_t str_hash(struct str s, uint64_t seed)
{
    return str_siphash13(s, seed, ROTL(seed, 29) ^ 0x9e3779b97f4a7c15ULL);
}

static _Atomic uint64_t process_seed;

/* Unless set, the seed comes from the 16 random bytes that the kernel hands every new program. */
static uint64_t seed_from_kernel(void)
{
    const char *r = (const char *)getauxval(AT_RANDOM); /* an address by contract of getauxval(3) */
    uint64_t s = r ? str_siphash13(str_make(r, 16), 0x626f726e697465ULL, 1) : 0x626f726e697465ULL;
    return s ? s : 1;
}

uint64_t hash_seed(void)
{
    uint64_t s = atomic_load_explicit(&process_seed, memory_order_relaxed);
    if (s) return s;
    uint64_t fresh = seed_from_kernel(), none = 0;
    return atomic_compare_exchange_strong(&process_seed, &none, fresh) ? fresh : none;
}

void hash_seed_set(uint64_t seed)
{
    atomic_store(&process_seed, seed ? seed : 1);
}
