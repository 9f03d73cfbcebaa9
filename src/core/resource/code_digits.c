/* code_digits.c - see code_digits.h. */
#include "core/resource/code_digits.h"
#include <stdio.h>

static const struct {
    const char *name;
    size_t len;
} kinds[] = {[CHECK_DIGITS_NONE] = {"none", 0},
             [CHECK_DIGITS_LUHN] = {"luhn", 1},
             [CHECK_DIGITS_MOD11_2] = {"mod11_2", 1},
             [CHECK_DIGITS_MOD97_10] = {"mod97_10", 2}};

enum check_digits check_digits_of(struct str name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(name, kinds[i].name)) return (enum check_digits)i;
    return CHECK_DIGITS_NONE;
}

size_t check_digits_len(enum check_digits d)
{
    return kinds[d].len;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : -1;
}

static int alnum(char c)
{
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : digit(c);
}

/* From the right, every second digit doubled, beginning with the last (the check digit comes behind it). */
static unsigned luhn(struct str s)
{
    unsigned sum = 0;
    bool twice = true;
    for (size_t i = s.n; i > 0; i--) {
        int d = digit(s.p[i - 1]);
        if (d < 0) continue;
        int v = twice ? d * 2 : d;
        sum += (unsigned)(v > 9 ? v - 9 : v);
        twice = !twice;
    }
    return (10 - sum % 10) % 10;
}

static unsigned mod11_2(struct str s)
{
    unsigned p = 0;
    for (size_t i = 0; i < s.n; i++)
        if (digit(s.p[i]) >= 0) p = (p + (unsigned)digit(s.p[i])) * 2 % 11;
    return (12 - p) % 11;
}

static unsigned mod97_10(struct str s)
{
    unsigned r = 0;
    for (size_t i = 0; i < s.n; i++) {
        int v = alnum(s.p[i]);
        if (v >= 0) r = (r * (v > 9 ? 100u : 10u) + (unsigned)v) % 97;
    }
    return 98 - r * 100 % 97;
}

void check_digits(enum check_digits d, struct str code, char out[3])
{
    unsigned v = 0;
    out[0] = 0;
    if (d == CHECK_DIGITS_LUHN) v = luhn(code);
    if (d == CHECK_DIGITS_MOD11_2) v = mod11_2(code);
    if (d == CHECK_DIGITS_MOD97_10) v = mod97_10(code);
    if (d == CHECK_DIGITS_MOD11_2 && v == 10)
        snprintf(out, 3, "X");
    else if (d != CHECK_DIGITS_NONE)
        snprintf(out, 3, "%0*u", (int)kinds[d].len, v % 100);
}
