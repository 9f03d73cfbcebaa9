/* str_number.c - text to numbers, strict and without locale.
 *
 * Design: one scanner for the decimal grammar. Short numbers (digits below 2^53, |exponent| <= 22) become
 * doubles by one exact multiplication or division, which IEEE 754 rounds correctly (Clinger, "How to read
 * floating point numbers accurately", 1990); the rest goes to strtod_l under the "C" locale. A number of
 * more than NUMBER_MAX bytes is refused. Pure; any thread. */
#include "base/str_int.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>

enum { NUMBER_MAX = 1024, EXP_CLAMP = 100000 };

const double number_pow10[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline bool digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Digits from *p on go into num; `shift`: each moves the decimal exponent down. Returns where they end. */
static inline const char *scan_digits(const char *p, const char *end, struct number *num, int shift)
{
    for (; p < end && digit(*p); p++) {
        unsigned d = (unsigned)(*p - '0');
        if (num->digits < UINT64_MAX / 10 && !num->inexact) {
            num->digits = num->digits * 10 + d;
            num->exp10 -= shift;
        } else {
            num->inexact = true;
        }
    }
    return p;
}

/* After an 'e': the exponent; NULL when it has no digits. */
static const char *scan_exponent(const char *p, const char *end, struct number *num)
{
    bool neg = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p >= end || !digit(*p)) return NULL;
    int e = 0;
    for (; p < end && digit(*p); p++) e = e < EXP_CLAMP ? e * 10 + (*p - '0') : e;
    num->exp10 += neg ? -e : e;
    return p;
}

struct number number_scan(const char *start, const char *end, bool strict)
{
    struct number num = {.integer = true};
    const char *p = start;
    if (p < end && *p == '-') num.neg = true, p++;
    const char *whole = p;
    p = scan_digits(p, end, &num, 0);
    size_t n_whole = (size_t)(p - whole), n_frac = 0;
    if (strict && (n_whole == 0 || (n_whole > 1 && *whole == '0'))) return (struct number){0};
    if (p < end && *p == '.') {
        const char *frac = ++p;
        num.integer = false;
        p = scan_digits(p, end, &num, 1);
        n_frac = (size_t)(p - frac);
        if (strict && n_frac == 0) return (struct number){0};
    }
    if (n_whole + n_frac == 0) return (struct number){0};
    if (p < end && (*p == 'e' || *p == 'E')) {
        num.integer = false;
        p = scan_exponent(p + 1, end, &num);
        if (!p) return (struct number){0};
    }
    num.n = (size_t)(p - start);
    return num;
}

static int by_strtod(const char *p, size_t n, double *ret)
{
    char tmp[NUMBER_MAX + 1];
    if (n > NUMBER_MAX) return ERR_INVALID;
    memcpy(tmp, p, n);
    tmp[n] = '\0';
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc: the static one, no allocation */
    if (!c) return ERR_INVALID;
    double d = strtod_l(tmp, NULL, c);
    freelocale(c);
    if (!isfinite(d)) return ERR_INVALID;
    *ret = d;
    return 0;
}

int number_to_double(const char *p, const struct number *num, double *ret)
{
    if (num->inexact || num->digits > (1ULL << 53) || num->exp10 < -22 || num->exp10 > 22)
        return by_strtod(p, num->n, ret);
    double d = (double)num->digits;
    d = num->exp10 < 0 ? d / number_pow10[-num->exp10] : d * number_pow10[num->exp10];
    *ret = num->neg ? -d : d;
    return 0;
}

int str_to_double(struct str s, double *ret)
{
    if (s.n == 0) return ERR_INVALID;
    const char *p = s.p, *end = s.p + s.n;
    if (*p == '+' && s.n > 1 && p[1] != '-') p++;
    struct number num = number_scan(p, end, false);
    if (num.n == 0 || p + num.n != end) return ERR_INVALID;
    return number_to_double(p, &num, ret);
}

int str_to_u64(struct str s, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.n == 0) return ERR_INVALID;
    for (size_t i = 0; i < s.n; i++) {
        if (!digit(s.p[i])) return ERR_INVALID;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return ERR_INVALID;
    }
    *ret = v;
    return 0;
}

int str_to_i64(struct str s, int64_t *ret)
{
    bool neg = s.n && s.p[0] == '-';
    if (s.n > 1 && (s.p[0] == '-' || s.p[0] == '+')) s = str_make(s.p + 1, s.n - 1);
    uint64_t u;
    if (str_to_u64(s, &u)) return ERR_INVALID;
    if (u > (uint64_t)INT64_MAX + neg) return ERR_INVALID;
    *ret = neg ? (int64_t)(0 - u) : (int64_t)u;
    return 0;
}
