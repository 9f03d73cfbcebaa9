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
    c->scaled = mem_alloc((max + 1) * sizeof *c->scaled);
    c->places = mem_alloc((max + 1) * sizeof *c->places);
    c->words = mem_alloc((max + 1) * sizeof *c->words);
    c->metas = mem_alloc((max + 1) * sizeof *c->metas);
    c->tmp = mem_alloc(intcol_bound(max));
    c->c = ZSTD_createCCtx();
    c->d = ZSTD_createDCtx();
    if (c->ints && c->scaled && c->places && c->words && c->metas && c->tmp && c->c && c->d) return c;
    codec_free(c);
    return NULL;
}

void codec_free(struct codec *c)
{
    if (!c) return;
    ZSTD_freeCCtx(c->c);
    ZSTD_freeDCtx(c->d);
    mem_free(c->ints);
    mem_free(c->scaled);
    mem_free(c->places);
    mem_free(c->words);
    mem_free(c->metas);
    mem_free(c->tmp);
    mem_free(c->io);
    for (int i = 0; i < CODEC_SLOTS; i++) mem_free(c->times[i].t), mem_free(c->pages[i].e), mem_free(c->frames[i].p);
    mem_free(c);
}

uint8_t *codec_io(struct codec *c, size_t n)
{
    if (n > c->cap_io) {
        uint8_t *p = mem_realloc(c->io, n + n / 4);
        if (!p) return NULL;
        c->io = p;
        c->cap_io = n + n / 4;
    }
    return c->io ? c->io : (c->io = mem_alloc(1));
}

unsigned codec_slot(struct codec *c, enum codec_kept kind, uint64_t uid, uint64_t at, bool *ret_hit)
{
    struct codec_key *k = c->keys[kind];
    unsigned oldest = 0;
    for (unsigned i = 0; i < CODEC_SLOTS; i++) {
        if (k[i].at == at && k[i].uid == uid) {
            k[i].used = ++c->clock;
            *ret_hit = true;
            return i;
        }
        if (k[i].used < k[oldest].used) oldest = i;
    }
    k[oldest].at = 0;
    *ret_hit = false;
    return oldest;
}

void codec_keep(struct codec *c, enum codec_kept kind, unsigned slot, uint64_t uid, uint64_t at)
{
    c->keys[kind][slot] = (struct codec_key){uid, at, ++c->clock};
}
