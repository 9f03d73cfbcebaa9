/* codec.c - contexts and scratch of the column codecs. */
#include "tsdb/codec.h"
#include "base/mem.h"
#include "tsdb/codec_int.h"

struct codec *codec_new(size_t max)
{
    struct codec *c = mem_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->max = max;
    c->ints = mem_alloc((max + 1) * sizeof *c->ints);
    c->words = mem_alloc((max + 1) * sizeof *c->words);
    c->metas = mem_alloc((max + 1) * sizeof *c->metas);
    c->tmp = mem_alloc(intcol_bound(max));
    c->c = ZSTD_createCCtx();
    c->d = ZSTD_createDCtx();
    if (c->ints && c->words && c->metas && c->tmp && c->c && c->d) return c;
    codec_free(c);
    return NULL;
}

void codec_free(struct codec *c)
{
    if (!c) return;
    ZSTD_freeCCtx(c->c);
    ZSTD_freeDCtx(c->d);
    mem_free(c->ints);
    mem_free(c->words);
    mem_free(c->metas);
    mem_free(c->tmp);
    mem_free(c);
}
