/* head_lane.c - the chunks of a point: gathering samples in order of time, compressing them, and back.
 *
 * A closed chunk: the column of rows (or of the chunk's own times; nothing when the rows are in a row), the metas
 * (u8 type | quality << 4, u16 LE flags when all are the same, else a column of codec_meta.c), the values.
 * Chunks are decoded from a copy with some bytes behind it, so that the wide loops need no care at its end. */
#include <stddef.h>
#include "base/mem.h"
#include "tsdb/head_int.h"

#define KEEP_MIN 8 /* samples that stay open where there was disorder */
#define KEEP_MAX 32
#define SLACK 32
#define TIMES_BYTES (32 + CHUNK * 11)
#define CHUNK_BYTES (TIMES_BYTES + 16 + CHUNK * 10 + 64 + CHUNK * 24)

void lane_init(struct lane *l)
{
    *l = (struct lane){.closed_last = INT64_MIN};
}

void lane_fini(struct lane *l)
{
    for (uint32_t i = 0; i < l->nclosed; i++) mem_free(l->closed[i]);
    mem_free(l->v);
    mem_free(l->rows);
    mem_free(l->metas);
    mem_free(l->times);
    mem_free(l->closed);
}

/* ---- closing ---- */
/* As in a block: a sample without value repeats the one before, so that it costs nothing. */
static bool bridge_gaps(const struct lane *l, uint32_t k, uint64_t *out)
{
    bool doubles = true;
    uint64_t last = 0;
    for (uint32_t i = k; i-- > 0;)
        if ((l->metas[i] & 0xff) != SAMPLE_NONE) last = l->v[i];
    for (uint32_t i = 0; i < k; i++) {
        uint32_t type = l->metas[i] & 0xff;
        if (type != SAMPLE_NONE) last = l->v[i];
        doubles &= type == SAMPLE_DOUBLE || type == SAMPLE_NONE;
        out[i] = last;
    }
    return doubles;
}

/* Where the times of a chunk that is closed stand. */
struct places {
    enum chunk_times how;
    const uint32_t *rows; /* when listed */
    uint32_t first, last;
};

static struct places places_of(const struct lane *l, uint32_t k, const uint32_t *rows)
{
    if (l->own && !rows) return (struct places){.how = TIMES_IN_CHUNK};
    if (!l->own) return (struct places){l->dense ? TIMES_IN_ROW : TIMES_LISTED, l->rows, l->row0, l->row_last};
    bool dense = rows[k - 1] - rows[0] == k - 1;
    return (struct places){dense ? TIMES_IN_ROW : TIMES_LISTED, rows, rows[0], rows[k - 1]};
}

static uint8_t *put_places(uint8_t *o, const struct lane *l, const struct places *x, uint32_t k)
{
    int64_t ints[CHUNK];
    if (x->how == TIMES_IN_CHUNK) return o + intcol_encode(l->times, k, o, NULL);
    if (x->how == TIMES_IN_ROW) return o;
    for (uint32_t i = 0; i < k; i++) ints[i] = x->rows[i];
    return o + intcol_encode(ints, k, o, NULL);
}

static uint8_t *put_one_meta(uint8_t *o, uint32_t m)
{
    *o++ = (uint8_t)((m & 15) | (m >> 8 & 15) << 4);
    *o++ = (uint8_t)(m >> 16);
    *o++ = (uint8_t)(m >> 24);
    return o;
}

static size_t encode_chunk(struct lane *l, const struct places *x, uint32_t k, bool one_meta, uint8_t *out)
{
    int64_t ints[CHUNK + 1];
    uint64_t values[CHUNK];
    uint32_t meta = l->one_meta ? l->meta : l->metas[0];
    uint8_t *p = put_places(out, l, x, k);
    p = one_meta ? put_one_meta(p, meta) : p + metacol_encode(l->metas, k, p);
    bool doubles = one_meta ? (meta & 0xff) == SAMPLE_DOUBLE : bridge_gaps(l, k, values);
    return (size_t)(p - out) + valcol_encode(one_meta ? l->v : values, k, doubles, &l->hint, ints, p, NULL);
}

static bool all_the_same(const struct lane *l, uint32_t k)
{
    bool same = true;
    for (uint32_t i = 1; i < k && !l->one_meta; i++) same &= l->metas[i] == l->metas[0];
    return same;
}

static void drop_first(struct lane *l, uint8_t k)
{
    l->n -= k;
    memmove(l->v, l->v + k, l->n * sizeof *l->v);
    if (!l->own || !l->n) return;
    memmove(l->times, l->times + k, l->n * sizeof *l->times);
    if (!l->one_meta) memmove(l->metas, l->metas + k, l->n * sizeof *l->metas);
    l->t0 = l->times[0];
}

size_t chunk_size(const struct chunk *c)
{
    return offsetof(struct chunk, data) + c->len;
}

bool lane_close(struct lane *l, uint8_t k, int64_t last, const uint32_t *rows, size_t *bytes)
{
    uint8_t tmp[CHUNK_BYTES];
    size_t cap = l->cap;
    if (k == 0) return true;
    if (!mem_grow((void **)&l->closed, &cap, l->nclosed + 1u, sizeof *l->closed)) return false;
    *bytes += (cap - l->cap) * sizeof *l->closed;
    l->cap = (uint32_t)cap;
    bool one_meta = all_the_same(l, k);
    struct places x = places_of(l, k, rows);
    size_t len = encode_chunk(l, &x, k, one_meta, tmp);
    struct chunk *c = mem_alloc(offsetof(struct chunk, data) + len);
    if (!c) return false;
    c->t0 = l->t0;
    c->row0 = x.first;
    c->row_last = x.last;
    c->len = (uint16_t)len;
    c->n = k;
    c->which = l->which;
    c->times = (uint8_t)x.how;
    c->one_meta = one_meta;
    memcpy(c->data, tmp, len);
    l->closed[l->nclosed++] = c;
    l->closed_last = last;
    l->moved = 0;
    *bytes += chunk_size(c) + 16;
    drop_first(l, k);
    return true;
}

uint8_t lane_ready(const struct lane *l)
{
    unsigned keep = l->moved * 2u < KEEP_MIN ? KEEP_MIN : l->moved * 2u > KEEP_MAX ? KEEP_MAX : l->moved * 2u;
    return l->moved == 0 ? l->n : l->n > keep ? (uint8_t)(l->n - keep) : 1;
}

bool lane_full(const struct lane *l, bool scarce)
{
    if (l->n == CHUNK) return true;
    return scarce && l->n == CHUNK / 2 && l->n == l->room && lane_ready(l) >= l->n / 2;
}

/* ---- the open chunk ---- */
static bool open_room(struct lane *l, size_t *bytes)
{
    if (l->n < l->room) return true;
    uint8_t room = l->room == 0 ? 4 : l->own && l->room > 4 ? (uint8_t)(l->room * 2) : (uint8_t)(l->room * 4);
    if (room > CHUNK) room = CHUNK;
    uint64_t *v = mem_realloc(l->v, room * sizeof *v);
    if (!v) return false;
    *bytes += (l->v ? 0 : 16);
    l->v = v;
    if (l->own) {
        int64_t *t = mem_realloc(l->times, room * sizeof *t);
        if (!t) return false;
        l->times = t;
        *bytes += (room - l->room) * sizeof *t;
    }
    *bytes += (room - l->room) * sizeof *v;
    l->room = room;
    return true;
}

static bool side_array(uint32_t **a, size_t *bytes)
{
    if (*a) return true;
    *a = mem_alloc(CHUNK * sizeof **a);
    *bytes += *a ? CHUNK * sizeof **a : 0;
    return *a != NULL;
}

/* Make the array of metas if this one is not that of all samples before. */
static bool widen_metas(struct lane *l, uint32_t meta, size_t *bytes)
{
    if (!l->one_meta || meta == l->meta) return true;
    if (!side_array(&l->metas, bytes)) return false;
    for (uint32_t i = 0; i < l->n; i++) l->metas[i] = l->meta;
    l->one_meta = false;
    return true;
}

static bool widen_rows(struct lane *l, uint32_t row, size_t *bytes)
{
    if (!l->dense || row == l->row_last + 1) return true;
    if (!side_array(&l->rows, bytes)) return false;
    for (uint32_t i = 0; i < l->n; i++) l->rows[i] = l->row0 + i;
    l->dense = false;
    return true;
}

static void begin_chunk(struct lane *l, uint32_t meta)
{
    l->dense = l->one_meta = true;
    l->meta = meta;
    l->moved = 0;
}

bool lane_append(struct lane *l, const struct sample *in, uint8_t which, uint32_t row, int64_t last, size_t *bytes)
{
    uint32_t meta = meta_of(in);
    if (l->n && (l->which != which || l->n == CHUNK) && !lane_close(l, l->n, last, NULL, bytes)) return false;
    if (!open_room(l, bytes)) return false;
    if (l->n == 0) {
        begin_chunk(l, meta);
        l->t0 = in->time_us;
        l->row0 = row;
        l->which = which;
    } else if (!widen_rows(l, row, bytes) || !widen_metas(l, meta, bytes)) {
        return false;
    }
    if (!l->dense) l->rows[l->n] = row;
    if (!l->one_meta) l->metas[l->n] = meta;
    l->row_last = row;
    l->v[l->n++] = value_of(in);
    return true;
}

bool lane_own(struct lane *l, size_t *bytes)
{
    if (l->own) return true;
    if (l->room && !(l->times = mem_alloc(l->room * sizeof *l->times))) return false;
    *bytes += l->room * sizeof *l->times;
    l->own = true;
    return true;
}

void lane_disown(struct lane *l, size_t *bytes)
{
    mem_free(l->times);
    l->times = NULL;
    l->own = false;
    *bytes -= l->room * sizeof *l->times;
}

uint8_t lane_find(const struct lane *l, int64_t t)
{
    uint8_t at = l->n;
    while (at > 0 && l->times[at - 1] > t) at--;
    return at;
}

bool lane_replace(struct lane *l, uint8_t at, const struct sample *in, size_t *bytes)
{
    uint32_t meta = meta_of(in);
    if (!widen_metas(l, meta, bytes)) return false;
    if (!l->one_meta) l->metas[at] = meta;
    l->v[at] = value_of(in);
    return true;
}

static void open_gap(struct lane *l, uint8_t at)
{
    size_t behind = l->n - at;
    memmove(&l->times[at + 1], &l->times[at], behind * sizeof *l->times);
    memmove(&l->v[at + 1], &l->v[at], behind * sizeof *l->v);
    if (!l->one_meta) memmove(&l->metas[at + 1], &l->metas[at], behind * sizeof *l->metas);
    if (behind > l->moved) l->moved = (uint8_t)behind;
    l->n++;
}

bool lane_insert(struct lane *l, const struct sample *in, size_t *bytes, bool *ret_replaced)
{
    uint8_t at = lane_find(l, in->time_us);
    *ret_replaced = at > 0 && l->times[at - 1] == in->time_us;
    if (*ret_replaced) return lane_replace(l, (uint8_t)(at - 1), in, bytes);
    if (!open_room(l, bytes)) return false;
    if (l->n == 0) begin_chunk(l, meta_of(in));
    if (!widen_metas(l, meta_of(in), bytes)) return false;
    open_gap(l, at);
    l->times[at] = in->time_us;
    l->v[at] = value_of(in);
    if (!l->one_meta) l->metas[at] = meta_of(in);
    l->t0 = l->times[0];
    return true;
}

/* ---- decoding ---- */
static uint32_t get_one_meta(struct in *in)
{
    uint32_t tq = in_u8(in), lo = in_u8(in), hi = in_u8(in);
    return (tq & 15) | (tq >> 4) << 8 | lo << 16 | hi << 24;
}

bool chunk_decode(const struct chunk *c, struct columns *out)
{
    uint8_t copy[CHUNK_BYTES + SLACK];
    memcpy(copy, c->data, c->len);
    struct in in = in_make(copy, c->len + SLACK);
    if (c->times != TIMES_IN_ROW) intcol_decode(&in, out->t, c->n, NULL);
    out->one_meta = c->one_meta;
    if (c->one_meta)
        out->meta = get_one_meta(&in);
    else
        metacol_decode(&in, out->m, c->n);
    valcol_decode(&in, out->v, c->n, NULL);
    return !in.bad && in.p <= copy + c->len;
}

bool times_decode_rows(const struct times *x, int64_t out[CHUNK])
{
    uint8_t copy[TIMES_BYTES + SLACK];
    memcpy(copy, x->data, x->len);
    struct in in = in_make(copy, x->len + SLACK);
    intcol_decode(&in, out, CHUNK, NULL);
    return !in.bad;
}
