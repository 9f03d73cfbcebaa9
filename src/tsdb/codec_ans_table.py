#!/usr/bin/env python3
"""Prints codec_ans_table.h: how often each symbol comes in the model distributions of codec_ans.c, out of 1024.
Part of the file format: the output never changes, further models go behind the last one (64 at most)."""
import math

TOTAL, SYMBOLS = 1024, 32


def normal(lo, hi, sigma):
    cdf = lambda x: 0.5 * math.erfc(-x / sigma / math.sqrt(2))
    return cdf(hi) - cdf(lo)


def laplace(lo, hi, b):
    cdf = lambda x: 0.5 * math.exp(x / b) if x < 0 else 1 - 0.5 * math.exp(-x / b)
    return cdf(hi) - cdf(lo)


def two_sided(u, f, scale):  # u: zigzag of a residual
    r = -(u + 1) // 2 if u % 2 else u // 2
    return f(r - 0.5, r + 0.5, scale)


def one_sided(u, f, scale):  # u: zigzag without its lowest bit, an amount
    return 2 * f(u, u + 1, scale)


def frequencies(p):
    """p of symbols 0..30; the last used symbol is the escape. Sum TOTAL, each used one at least 1."""
    n = 1
    while n < SYMBOLS - 1 and p[n] * TOTAL >= 0.4: n += 1
    p = p[:n] + [max(1 - sum(p[:n]), 1e-9)]
    f = [max(1, round(x * TOTAL)) for x in p]
    while sum(f) != TOTAL:
        step = 1 if sum(f) < TOTAL else -1
        best = max((i for i in range(len(f)) if f[i] + step >= 1),
                   key=lambda i: p[i] * math.log((f[i] + step) / f[i]) if step > 0 else p[i] * math.log((f[i] - 1) / f[i]))
        f[best] += step
    return f + [0] * (SYMBOLS - len(f))


def family(side, f, least, count, step):
    for i in range(count):
        scale = least * step ** i
        yield frequencies([side(u, f, scale) for u in range(SYMBOLS - 1)])


rows = [*family(two_sided, normal, 0.14, 20, 1.19), *family(two_sided, laplace, 0.10, 22, 1.19),
        *family(one_sided, normal, 2.0, 10, 1.19), *family(one_sided, laplace, 1.4, 10, 1.19)]
print("/* codec_ans_table.h - made by codec_ans_table.py; part of the file format. */")
print("static const uint16_t ans_frequency[ANS_MODELS][ANS_SYMBOLS] = {")
print("    /* clang-format off */")
for r in rows:
    while r[-1] == 0: r.pop()
    print("    {" + ", ".join(map(str, r)) + "},")
print("    /* clang-format on */")
print("};")
