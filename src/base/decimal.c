/* decimal.c - see decimal.h.
 *
 * A double of 1e-4 <= |v| < 1e15 is written from an integer D and a number of places k, v ~ D / 10^k:
 *  - D of up to 15 digits. Every decimal of at most 15 digits has a double of its own, so there is one candidate,
 *    round(v * 10^k) with 10^k the largest power that keeps it below 1e15; D / 10^k, exact powers, one rounding,
 *    tells whether it is the one. What most plants store ends here.
 *  - else D of 16, then 17 digits, exactly: v = m * 2^-s with m < 2^53, s <= 66, so m * 10^k fits in 128 bits;
 *    D is that shifted right by s, rounded, and reads back as v when it lies within half an ulp.
 * Other magnitudes go through printf.
 * decimal_double_like tries the number of places of the value before first, when that keeps D below 1e15: what reads
 * back with at most 15 digits is the only one that does, but for zeros at its end. */
#include "base/decimal.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "base/str_int.h"

typedef unsigned __int128 u128;

static const char pairs[201] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                               "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                               "8081828384858687888990919293949596979899";

/* The digits of v, ending before `end`. */
static void put_back(char *end, uint64_t v)
{
    while (v >= 100) {
        uint64_t q = v / 100;
        memcpy(end -= 2, pairs + (v - q * 100) * 2, 2);
        v = q;
    }
    if (v >= 10)
        memcpy(end - 2, pairs + v * 2, 2);
    else
        end[-1] = (char)('0' + v);
}

static const uint64_t powers[20] = {1,
                                    10,
                                    100,
                                    1000,
                                    10000,
                                    100000,
                                    1000000,
                                    10000000,
                                    100000000,
                                    1000000000,
                                    10000000000,
                                    100000000000,
                                    1000000000000,
                                    10000000000000,
                                    100000000000000,
                                    1000000000000000,
                                    10000000000000000,
                                    100000000000000000,
                                    1000000000000000000,
                                    10000000000000000000u};

static size_t count_digits(uint64_t v)
{
    unsigned guess = (64u - (unsigned)__builtin_clzll(v | 1)) * 1233 >> 12; /* log10(2) = 0.30103 */
    return guess + (v >= powers[guess]) + (v == 0);
}

size_t decimal_u64(char *out, uint64_t v)
{
    size_t n = count_digits(v);
    put_back(out + n, v);
    return n;
}

size_t decimal_i64(char *out, int64_t v)
{
    if (v >= 0) return decimal_u64(out, (uint64_t)v);
    *out = '-';
    return 1 + decimal_u64(out + 1, 0 - (uint64_t)v);
}

/* Zeros at the end of the fraction go. */
static void strip(uint64_t *digits, int *places)
{
    while (*places >= 4 && *digits % 10000 == 0) *digits /= 10000, *places -= 4;
    while (*places > 0 && *digits % 10 == 0) *digits /= 10, --*places;
}

static size_t put(char *out, bool neg, uint64_t digits, int places)
{
    char *p = out;
    if (neg) *p++ = '-';
    size_t n = count_digits(digits), behind = (size_t)places;
    if (behind == 0) {
        put_back(p + n, digits);
        return (size_t)(p - out) + n;
    }
    if (n <= behind) { /* 0.00123 */
        memset(p, '0', behind + 2 - n);
        put_back(p + behind + 2, digits);
        p[1] = '.';
        return (size_t)(p - out) + behind + 2;
    }
    put_back(p + n + 1, digits); /* a place to the right; what stands before the point comes back */
    for (size_t i = 0; i < n - behind; i++) p[i] = p[i + 1];
    p[n - behind] = '.';
    return (size_t)(p - out) + n + 1;
}

static bool short_form(double mag, int magnitude, uint64_t *ret_digits, int *ret_places)
{
    int places = 14 - magnitude;
    double scaled = mag * number_pow10[places];
    uint64_t digits = (uint64_t)(scaled + 0.5);
    *ret_digits = digits;
    *ret_places = places;
    return digits < 1000000000000000ULL && (double)digits / number_pow10[places] == mag;
}

static u128 pow10_128(int k)
{
    return k <= 19 ? (u128)(uint64_t)number_pow10[k]
                   : (u128)(uint64_t)number_pow10[19] * (uint64_t)number_pow10[k - 19];
}

static bool exact_form(double mag, int digits_wanted, int magnitude, uint64_t *ret_digits, int *ret_places)
{
    int e;
    uint64_t m = (uint64_t)ldexp(frexp(mag, &e), 53);
    int s = 53 - e, places = digits_wanted - 1 - magnitude;
    u128 scale = pow10_128(places), product = m * scale;
    uint64_t digits = (uint64_t)((product + ((u128)1 << (s - 1))) >> s);
    u128 back = (u128)digits << s, off = back > product ? back - product : product - back;
    *ret_digits = digits;
    *ret_places = places;
    return off * (m == 1ULL << 52 ? 4 : 2) < scale; /* below a power of two the doubles lie twice as dense */
}

/* floor(log10(mag)) of 1e-4 <= mag < 1e15 */
static int magnitude_of(double mag)
{
    int m = 0;
    if (mag < 1) {
        while (m > -4 && mag * number_pow10[-m] < 1) m--;
        return m;
    }
    while (m < 14 && mag >= number_pow10[m + 1]) m++;
    return m;
}

static size_t put_general(char *out, double v)
{
    size_t n = 0;
    for (int precision = 15; precision <= 17; precision++) {
        n = (size_t)snprintf(out, DECIMAL_MAX, "%.*g", precision, v);
        char *comma = memchr(out, ',', n);
        if (comma) *comma = '.'; /* a locale that someone set */
        double back;
        if (str_to_double(str_make(out, n), &back) == 0 && back == v) break;
    }
    return n;
}

/* As digits and places, when it is of a usual magnitude. */
static bool decimal_form(double mag, uint64_t *ret_digits, int *ret_places)
{
    if (mag < 1e15 && mag == (double)(uint64_t)mag) {
        *ret_digits = (uint64_t)mag;
        *ret_places = 0;
        return true;
    }
    if (!(mag >= 1e-4 && mag < 1e15)) return false;
    int magnitude = magnitude_of(mag);
    if (!short_form(mag, magnitude, ret_digits, ret_places) &&
        !exact_form(mag, 16, magnitude, ret_digits, ret_places) &&
        !exact_form(mag, 17, magnitude, ret_digits, ret_places))
        return false;
    strip(ret_digits, ret_places);
    return true;
}

size_t decimal_double(char *out, double v)
{
    uint64_t digits = 0;
    int places = 0;
    return decimal_form(fabs(v), &digits, &places) ? put(out, signbit(v), digits, places) : put_general(out, v);
}

size_t decimal_double_like(char *out, double v, unsigned *guess)
{
    double mag = fabs(v), power = number_pow10[*guess], scaled = mag * power;
    uint64_t digits = scaled < 1e15 ? (uint64_t)(scaled + 0.5) : 0;
    int places = (int)*guess;
    if (mag < 1e-4 || digits >= 1000000000000000ULL || (double)digits / power != mag) {
        if (!decimal_form(mag, &digits, &places)) return put_general(out, v);
        if (places < 15) *guess = (unsigned)places;
    }
    strip(&digits, &places);
    return put(out, signbit(v), digits, places);
}

void decimal_8(char *out, uint32_t v)
{
    uint32_t high = v / 10000, low = v % 10000;
    memcpy(out, pairs + high / 100 * 2, 2);
    memcpy(out + 2, pairs + high % 100 * 2, 2);
    memcpy(out + 4, pairs + low / 100 * 2, 2);
    memcpy(out + 6, pairs + low % 100 * 2, 2);
}
