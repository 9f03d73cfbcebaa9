/* parquet_page.c - values of a page by their encoding (parquet-format Encodings.md), and unpacking. All readers stay
 * inside their bytes and answer false at the end. */
#include <math.h>
#include <zlib.h>
#include <zstd.h>
#include "base/mem.h"
#include "proto/parquet_int.h"
#include "proto/snappy.h"

enum {
    E_PLAIN = 0,
    E_PLAIN_DICTIONARY = 2,
    E_RLE = 3,
    E_DELTA = 5,
    E_DELTA_LENGTH = 6,
    E_DELTA_TEXT = 7,
    E_RLE_DICTIONARY = 8,
    E_SPLIT = 9
};

const char *encoding_name(int encoding)
{
    static const char *const names[] = {
        "PLAIN",          "GROUP_VAR_INT",       "PLAIN_DICTIONARY",        "RLE",
        "BIT_PACKED",     "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY",
        "RLE_DICTIONARY", "BYTE_STREAM_SPLIT"};
    return encoding >= 0 && encoding < 10 ? names[encoding] : "an encoding that nobody knows";
}

const char *codec_name(int codec)
{
    static const char *const names[] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW"};
    return codec >= 0 && codec < 8 ? names[codec] : "a codec that nobody knows";
}

#define TEXT_MAX (16u << 20)

/* ---- unpacking ---- */

static int gunzip(struct str packed, uint8_t *out, size_t n)
{
    z_stream z = {
        .next_in = (uint8_t *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n, .next_out = out, .avail_out = (uInt)n};
    if (inflateInit2(&z, 15 + 32) != Z_OK) return ERR_NOMEM; /* gzip or zlib, by its head */
    int rc = inflate(&z, Z_FINISH);
    size_t left = z.avail_out;
    inflateEnd(&z);
    return rc == Z_STREAM_END && left == 0 ? 0 : ERR_PROTOCOL;
}

int page_unpack(int codec, struct str packed, uint8_t *out, size_t n)
{
    switch (codec) {
    case C_NONE:
        if (packed.n != n) return ERR_PROTOCOL;
        memcpy(out, packed.p, n);
        return 0;
    case C_SNAPPY: return snappy_unpack(packed, out, n);
    case C_GZIP: return gunzip(packed, out, n);
    case C_ZSTD: return ZSTD_decompress(out, n, packed.p, packed.n) == n ? 0 : ERR_PROTOCOL;
    }
    return ERR_UNSUPPORTED;
}

/* ---- numbers of some bits ---- */

static uint64_t bits_at(const uint8_t *p, const uint8_t *end, unsigned bit, unsigned width)
{
    uint64_t v = 0;
    for (unsigned got = 0; got < width;) {
        const uint8_t *at = p + (bit + got) / 8;
        unsigned in = (bit + got) % 8, take = 8 - in < width - got ? 8 - in : width - got;
        uint64_t b = at < end ? (uint64_t)(*at >> in) & ((1u << take) - 1) : 0;
        v |= b << got;
        got += take;
    }
    return v;
}

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t b = *(*p)++;
        *ret |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* ---- run lengths and bit-packed groups of eight ---- */

void rle_begin(struct rle *r, const uint8_t *p, const uint8_t *end, unsigned width)
{
    *r = (struct rle){.p = p, .end = end, .width = width};
}

static bool rle_run(struct rle *r)
{
    uint64_t head;
    if (!varint(&r->p, r->end, &head)) return false;
    r->packed = head & 1;
    r->left = r->packed ? (head >> 1) * 8 : head >> 1;
    r->bit = 0;
    size_t bytes = r->packed ? 0 : (r->width + 7) / 8;
    if (bytes > (size_t)(r->end - r->p) || head >> 1 > UINT32_MAX) return false;
    if (!r->packed) r->value = (uint32_t)bits_at(r->p, r->end, 0, r->width);
    r->p += bytes;
    return true;
}

bool rle_next(struct rle *r, uint32_t *ret)
{
    while (r->left == 0)
        if (!rle_run(r)) return false;
    r->left--;
    if (!r->packed) return *ret = r->value, true;
    if ((size_t)(r->end - r->p) < (r->bit + r->width + 7) / 8) return false;
    *ret = (uint32_t)bits_at(r->p, r->end, r->bit, r->width);
    r->bit += r->width;
    r->p += r->bit / 8;
    r->bit %= 8;
    if (r->left == 0 && r->bit) r->p++;
    return true;
}

/* ---- deltas ---- */

static bool delta_begin(struct delta *d, const uint8_t *p, const uint8_t *end)
{
    uint64_t first;
    *d = (struct delta){.p = p, .end = end, .first = true};
    if (!varint(&d->p, end, &d->block) || !varint(&d->p, end, &d->minis) || !varint(&d->p, end, &d->left) ||
        !varint(&d->p, end, &first))
        return false;
    if (d->minis == 0 || d->minis > sizeof d->widths || d->block == 0 || d->block > 1 << 24 || d->block % d->minis)
        return false;
    d->per_mini = d->block / d->minis;
    d->value = (uint64_t)unzigzag(first);
    d->mini = d->minis; /* a block begins */
    return d->per_mini % 8 == 0;
}

static bool delta_mini(struct delta *d)
{
    uint64_t least;
    if (d->mini == d->minis) {
        if (!varint(&d->p, d->end, &least) || (size_t)(d->end - d->p) < d->minis) return false;
        d->least = (uint64_t)unzigzag(least);
        memcpy(d->widths, d->p, d->minis);
        d->p += d->minis;
        d->mini = 0;
    }
    d->width = d->widths[d->mini++];
    d->in_mini = d->per_mini;
    d->bit = 0;
    /* The last block may lack the bytes of what does not come any more. */
    uint64_t need = d->left < d->per_mini ? d->left : d->per_mini;
    return d->width <= 64 && (need * d->width + 7) / 8 <= (uint64_t)(d->end - d->p);
}

static bool delta_next(struct delta *d, int64_t *ret)
{
    if (d->left == 0) return false;
    if (d->first) {
        d->first = false;
    } else {
        if (d->in_mini == 0 && !delta_mini(d)) return false;
        d->value += d->least + bits_at(d->p, d->end, d->bit, d->width);
        d->bit += d->width;
        d->p += d->bit / 8; /* inside, as delta_mini has seen */
        d->bit %= 8;
        d->in_mini--;
    }
    d->left--;
    *ret = (int64_t)d->value;
    return true;
}

/* Where the deltas end: what is left of the last mini-block is padding. */
static const uint8_t *delta_end(struct delta d)
{
    int64_t ignored;
    while (delta_next(&d, &ignored)) continue;
    if (d.left) return NULL;
    if (d.in_mini == 0) return d.p;
    uint64_t rest = (d.in_mini * d.width + d.bit + 7) / 8;
    return rest <= (uint64_t)(d.end - d.p) ? d.p + rest : d.end;
}

/* ---- what the bytes mean ---- */

static void make_int(const struct leaf *l, int64_t v, struct parquet_value *ret)
{
    *ret = (struct parquet_value){.type = PARQUET_INT, .i = v};
    if (l->physical == P_INT32 && l->meaning == M_UNSIGNED) ret->i = (uint32_t)v;
    if (l->physical == P_INT64 && l->meaning == M_UNSIGNED && v < 0)
        *ret = (struct parquet_value){.type = PARQUET_DOUBLE, .d = (double)(uint64_t)v};
    if (l->meaning == M_DECIMAL)
        *ret = (struct parquet_value){.type = PARQUET_DOUBLE, .d = (double)v / pow(10, l->scale)};
    if (l->meaning == M_DATE && v >= -100000000 && v <= 100000000)
        *ret = (struct parquet_value){.type = PARQUET_TIME, .i = v * INT64_C(86400000000)};
    if (l->meaning < M_MILLIS || l->physical != P_INT64) return;
    ret->type = PARQUET_TIME;
    if (l->meaning == M_MILLIS && __builtin_mul_overflow(v, INT64_C(1000), &ret->i)) ret->type = PARQUET_NULL;
    if (l->meaning == M_NANOS) ret->i = v / 1000 - (v % 1000 < 0);
}

static void make_double(double v, struct parquet_value *ret)
{
    *ret = (struct parquet_value){.type = PARQUET_DOUBLE, .d = v};
}

static void make_bytes(const struct leaf *l, const uint8_t *p, size_t n, struct parquet_value *ret)
{
    if (l->meaning == M_DECIMAL) { /* big-endian, two's complement */
        double v = n && p[0] & 0x80 ? -1 : 0;
        for (size_t i = 0; i < n; i++) v = v * 256 + p[i];
        make_double(v / pow(10, l->scale), ret);
        return;
    }
    *ret = (struct parquet_value){.type = PARQUET_TEXT, .text = str_make((const char *)p, n)};
}

/* Nanoseconds of the day, Julian day. */
static void make_int96(const uint8_t *p, struct parquet_value *ret)
{
    int64_t ns;
    uint32_t day;
    memcpy(&ns, p, 8);
    memcpy(&day, p + 8, 4);
    *ret = (struct parquet_value){.type = PARQUET_NULL};
    if (ns < 0 || ns >= INT64_C(86400000000000) || day > 10000000) return;
    *ret =
        (struct parquet_value){.type = PARQUET_TIME, .i = ((int64_t)day - 2440588) * INT64_C(86400000000) + ns / 1000};
}

static unsigned plain_width(const struct leaf *l)
{
    static const uint8_t widths[] = {
        [P_INT32] = 4, [P_INT64] = 8, [P_INT96] = 12, [P_FLOAT] = 4, [P_DOUBLE] = 8, [P_FIXED] = 0};
    return l->physical == P_FIXED ? l->width : widths[l->physical];
}

static void make_fixed(const struct leaf *l, const uint8_t *p, struct parquet_value *ret)
{
    union {
        int32_t i32;
        int64_t i64;
        float f;
        double d;
    } u;
    memcpy(&u, p, l->physical == P_INT64 || l->physical == P_DOUBLE ? 8 : 4);
    switch (l->physical) {
    case P_INT32: make_int(l, u.i32, ret); return;
    case P_INT64: make_int(l, u.i64, ret); return;
    case P_FLOAT: make_double((double)u.f, ret); return;
    case P_DOUBLE: make_double(u.d, ret); return;
    case P_INT96: make_int96(p, ret); return;
    }
}

/* ---- values ---- */

static bool plain_next(struct values *v, struct parquet_value *ret)
{
    uint32_t n;
    if (v->leaf->physical == P_BOOLEAN) {
        if (v->p >= v->end) return false;
        *ret = (struct parquet_value){.type = PARQUET_BOOL, .i = *v->p >> v->bit & 1};
        v->bit = (v->bit + 1) % 8;
        v->p += v->bit == 0;
        return true;
    }
    if (v->leaf->physical == P_BYTE_ARRAY) {
        if (v->end - v->p < 4) return false;
        memcpy(&n, v->p, 4);
        if (n > (size_t)(v->end - v->p) - 4) return false;
        make_bytes(v->leaf, v->p + 4, n, ret);
        v->p += 4 + (size_t)n;
        return true;
    }
    n = plain_width(v->leaf);
    if (n > (size_t)(v->end - v->p)) return false;
    if (v->leaf->physical == P_FIXED)
        make_bytes(v->leaf, v->p, n, ret);
    else
        make_fixed(v->leaf, v->p, ret);
    v->p += n;
    return true;
}

static bool split_next(struct values *v, struct parquet_value *ret)
{
    uint8_t bytes[16] = {0};
    unsigned width = plain_width(v->leaf);
    if (v->at >= v->count || v->leaf->physical == P_FIXED) return false;
    for (unsigned i = 0; i < width; i++) bytes[i] = v->p[i * v->count + v->at];
    make_fixed(v->leaf, bytes, ret);
    v->at++;
    return true;
}

static bool text_next(struct values *v, struct parquet_value *ret)
{
    int64_t n;
    if (!delta_next(&v->delta, &n) || n < 0 || n > v->end - v->p) return false;
    make_bytes(v->leaf, v->p, (size_t)n, ret);
    v->p += n;
    return true;
}

/* So much of the value before, then so many bytes of its own. */
static bool front_next(struct values *v, struct parquet_value *ret)
{
    int64_t same, own;
    if (!delta_next(&v->delta, &same) || !delta_next(&v->suffix, &own)) return false;
    if (same < 0 || (size_t)same > v->text_n || own < 0 || own > v->end - v->p) return false;
    size_t n = (size_t)same + (size_t)own;
    if (n > TEXT_MAX || !mem_grow((void **)&v->text, &v->text_cap, n + 1, 1)) return false;
    memcpy(v->text + same, v->p, (size_t)own);
    v->p += own;
    v->text_n = n;
    make_bytes(v->leaf, v->text, n, ret);
    return true;
}

bool values_next(struct values *v, struct parquet_value *ret)
{
    uint32_t i;
    int64_t n;
    switch (v->encoding) {
    case E_PLAIN: return plain_next(v, ret);
    case E_PLAIN_DICTIONARY:
    case E_RLE_DICTIONARY:
        if (!rle_next(&v->rle, &i) || i >= v->ndict) return false;
        *ret = v->dict[i];
        return true;
    case E_RLE:
        if (!rle_next(&v->rle, &i)) return false;
        *ret = (struct parquet_value){.type = PARQUET_BOOL, .i = i != 0};
        return true;
    case E_DELTA:
        if (!delta_next(&v->delta, &n)) return false;
        make_int(v->leaf, v->leaf->physical == P_INT32 ? (int32_t)n : n, ret);
        return true;
    case E_DELTA_LENGTH: return text_next(v, ret);
    case E_DELTA_TEXT: return front_next(v, ret);
    case E_SPLIT: return split_next(v, ret);
    }
    return false;
}

static int begin_dictionary(struct values *v)
{
    if (v->p >= v->end) return rle_begin(&v->rle, v->p, v->end, 0), 0; /* nulls only */
    unsigned width = *v->p++;
    if (width > 32 || !v->dict) return ERR_PROTOCOL;
    rle_begin(&v->rle, v->p, v->end, width);
    return 0;
}

static int begin_front(struct values *v)
{
    if (v->leaf->physical != P_BYTE_ARRAY && v->leaf->physical != P_FIXED) return ERR_PROTOCOL;
    if (!delta_begin(&v->delta, v->p, v->end)) return ERR_PROTOCOL;
    v->p = delta_end(v->delta);
    if (!v->p || !delta_begin(&v->suffix, v->p, v->end)) return ERR_PROTOCOL;
    v->p = delta_end(v->suffix);
    return v->p ? 0 : ERR_PROTOCOL;
}

void values_fini(struct values *v)
{
    mem_free(v->text);
}

int values_begin(struct values *v, const struct leaf *leaf, int encoding, const uint8_t *p, const uint8_t *end,
                 uint64_t count, const struct parquet_value *dict, size_t ndict)
{
    struct values had = *v;
    *v = (struct values){.text = had.text,
                         .text_cap = had.text_cap,
                         .leaf = leaf,
                         .encoding = encoding,
                         .p = p,
                         .end = end,
                         .count = count,
                         .dict = dict,
                         .ndict = ndict};
    bool whole = leaf->physical == P_INT32 || leaf->physical == P_INT64;
    switch (encoding) {
    case E_PLAIN: return 0;
    case E_PLAIN_DICTIONARY:
    case E_RLE_DICTIONARY: return begin_dictionary(v);
    case E_RLE: /* booleans: with a length before */
        if (leaf->physical != P_BOOLEAN || end - p < 4) return ERR_PROTOCOL;
        rle_begin(&v->rle, p + 4, end, 1);
        return 0;
    case E_DELTA: return whole && delta_begin(&v->delta, p, end) ? 0 : ERR_PROTOCOL;
    case E_DELTA_LENGTH:
        if (leaf->physical != P_BYTE_ARRAY || !delta_begin(&v->delta, p, end)) return ERR_PROTOCOL;
        v->p = delta_end(v->delta);
        return v->p ? 0 : ERR_PROTOCOL;
    case E_DELTA_TEXT: return begin_front(v);
    case E_SPLIT:
        if (!plain_width(leaf) || leaf->physical == P_FIXED || leaf->physical == P_BYTE_ARRAY) return ERR_UNSUPPORTED;
        v->count = (uint64_t)(end - p) / plain_width(leaf);
        return 0;
    }
    return ERR_UNSUPPORTED;
}
