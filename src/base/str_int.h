/* str_int.h - parts of str*.c that other files of this folder use. */
#pragma once
#include "base/str.h"
/* SipHash-1-3 under the whole 128-bit key, so that published vectors can be tested. */
uint64_t str_siphash13(struct str s, uint64_t k0, uint64_t k1);

/* A number scanned by the grammar -?digits[.digits][(e|E)[+-]digits]: the mantissa's digits as an integer
 * while they fit. Used by str_to_double and by JSON, whose grammar is a part of this one. */
struct number {
    uint64_t digits; /* the first up to 19 significant digits */
    int exp10;       /* value = digits * 10^exp10, unless `inexact` */
    bool neg, integer, inexact;
    size_t n; /* bytes scanned; 0: no number */
};
/* `strict`: no leading zeros, digits on both sides of the point (JSON). Else ".5", "5." and "007" too. */
struct number number_scan(const char *p, const char *end, bool strict);
/* The nearest double of the text p[0..num->n), ERR_INVALID when it overflows. */
MUST_CHECK int number_to_double(const char *p, const struct number *num, double *ret);
extern const double number_pow10[23]; /* 10^0 .. 10^22, all exact */
