/* stats.h - time-weighted figures and block summaries, shared by writing and asking. Pure. */
#pragma once
#include "tsdb/block_meta.h"
#include "tsdb/meta.h"

struct stretch {
    double integral, usable_s, good_s;
};
/* Add the stretch from sample a to the next one b (NULL: none, the value is held), cut to [from, end). */
void stretch_add(struct stretch *st, const struct sample *a, const struct sample *b, int64_t from, int64_t end,
                 bool step);
/* Fill everything but offset and len from n >= 1 samples in time order (their metas are type, quality, flags). */
void block_meta_fill(struct block_meta *m, const struct sample *s, size_t n);
