/* meta.h - the meta word of a sample (type | quality << 8 | flags << 16) and its value as 8 bytes. Pure.
 * A sample of type NONE has no value: it is stored and given back as 0. */
#pragma once
#include <math.h>
#include <stdbool.h>
#include "bornite/sample.h"

static inline uint32_t meta_of(const struct sample *s)
{
    return s->type | (uint32_t)s->quality << 8 | (uint32_t)s->flags << 16;
}
static inline void meta_to(struct sample *s, uint32_t m)
{
    s->type = (uint8_t)m;
    s->quality = (uint8_t)(m >> 8);
    s->flags = (uint16_t)(m >> 16);
}
static inline uint64_t value_of(const struct sample *s)
{
    return s->type == SAMPLE_NONE ? 0 : s->v.u;
}

/* A number that may be averaged: good or uncertain, numeric, not NaN or infinite. */
static inline bool sample_usable(const struct sample *s, double *ret)
{
    if (s->quality > QUALITY_UNCERTAIN) return false;
    if (s->type == SAMPLE_DOUBLE)
        *ret = s->v.d;
    else if (s->type == SAMPLE_INT || s->type == SAMPLE_BOOL)
        *ret = (double)s->v.i;
    else
        return false;
    return isfinite(*ret);
}
