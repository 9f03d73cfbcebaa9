/* blob_format.c - see blob_format.h. Numbers are little-endian, CRC is CRC-32C.
 *
 * Header:
 *   0  8  magic "BNTSBLB1"
 *   8  4  version 1
 *   12 4  number of the file, as in its name
 *   16 8  uid, random: ties every record to this file
 *   24 1  class; 3 zeros follow
 *   28 4  CRC of bytes 0-27
 * Records, each at a multiple of 8:
 *   0  4  magic "BLOB"
 *   4  4  CRC of: uid (8), offset of the record (8), then its bytes from 8 up to the body
 *   8  8  time of the sample
 *   16 4  point
 *   20 4  bytes of the blob, at most 16 MiB
 *   24 4  bytes of the body
 *   28 4  CRC of the body
 *   32 1  codec: 0 the blob itself, 1 a zstd frame of it, 2 a zstd frame of it shuffled
 *   33 1  width of a value (2, 4, 8), when shuffled, else 0
 *   34 1  bytes before the first value that are not shuffled
 *   35 1  bytes of the type, 1 to 63
 *   36 4  0
 *   40    the type, zeros up to a multiple of 8, the body, zeros up to a multiple of 8
 * Shuffled: after `skip` bytes byte 0 of all values, then byte 1 ...; what is left of a value at the end as it is.
 * Footer, when nothing is added any more:
 *   0  8  magic "BNTSBLBE"
 *   8  24 as in the header: version, number, uid, class and zeros
 *   32 8  offset of the footer
 *   40 8  records
 *   48 8  bytes of all blobs
 *   56 8  least, 64 8 greatest time; of 72 bytes the CRC stands at 28, over all others
 *
 * A broken head loses its record only: the next one is found by its magic and CRC. */
#include "tsdb/blob_format.h"
#include <zstd.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "model/waveform.h"
#include "tsdb/bits.h"

#define REC_MAGIC 0x424f4c42u /* "BLOB" */
#define VERSION 1
#define LEVEL 3
#define WINDOW ((size_t)64 << 10) /* read at once when looking for records */

static size_t whole(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

void blob_path(uint32_t number, char out[BLOB_PATH_MAX])
{
    snprintf(out, BLOB_PATH_MAX, BLOB_DIR "/%08x", number);
}

bool blob_name_parse(const char *name, uint32_t *ret)
{
    uint32_t v = 0;
    if (strlen(name) != 8) return false;
    for (int i = 0; i < 8; i++) {
        const char *hex = "0123456789abcdef", *at = strchr(hex, name[i]);
        if (!at) return false;
        v = v << 4 | (uint32_t)(at - hex);
    }
    *ret = v;
    return v != 0;
}

/* ---- header and footer ---- */
static void put_common(uint8_t *p, const char *magic, const struct blob_info *i)
{
    memcpy(p, magic, 8);
    put_u32(p + 8, VERSION);
    put_u32(p + 12, i->number);
    put_u64(p + 16, i->uid);
    p[24] = i->class_id;
}

void blob_head_encode(const struct blob_info *i, uint8_t out[BLOB_FILE_HEAD])
{
    memset(out, 0, BLOB_FILE_HEAD);
    put_common(out, "BNTSBLB1", i);
    put_u32(out + 28, crc32c(0, out, 28));
}

static uint32_t foot_crc(const uint8_t *p)
{
    return crc32c(crc32c(0, p, 28), p + 32, BLOB_FILE_FOOT - 32);
}

void blob_foot_encode(const struct blob_info *i, uint8_t out[BLOB_FILE_FOOT])
{
    memset(out, 0, BLOB_FILE_FOOT);
    put_common(out, "BNTSBLBE", i);
    put_u64(out + 32, (uint64_t)i->end);
    put_u64(out + 40, i->records);
    put_u64(out + 48, i->size);
    put_u64(out + 56, (uint64_t)i->min_us);
    put_u64(out + 64, (uint64_t)i->max_us);
    put_u32(out + 28, foot_crc(out));
}

static int get_common(const uint8_t *p, struct blob_info *ret)
{
    if (load_u32(p + 8) != VERSION) return ERR_UNSUPPORTED;
    *ret = (struct blob_info){.number = load_u32(p + 12),
                              .uid = load_u64(p + 16),
                              .class_id = p[24],
                              .min_us = INT64_MAX,
                              .max_us = INT64_MIN};
    return ret->class_id < TS_CLASSES ? 0 : ERR_CORRUPT;
}

int blob_head_decode(const uint8_t *p, size_t n, struct blob_info *ret)
{
    if (n < BLOB_FILE_HEAD || memcmp(p, "BNTSBLB1", 8) != 0 || load_u32(p + 28) != crc32c(0, p, 28)) return ERR_CORRUPT;
    return get_common(p, ret);
}

int blob_foot_decode(const uint8_t *p, size_t n, struct blob_info *ret)
{
    if (n < BLOB_FILE_FOOT || memcmp(p, "BNTSBLBE", 8) != 0 || load_u32(p + 28) != foot_crc(p)) return ERR_CORRUPT;
    int rc = get_common(p, ret);
    if (rc) return rc;
    ret->ended = true;
    ret->end = (int64_t)load_u64(p + 32);
    ret->bytes = ret->end + BLOB_FILE_FOOT;
    ret->records = load_u64(p + 40);
    ret->size = load_u64(p + 48);
    ret->min_us = (int64_t)load_u64(p + 56);
    ret->max_us = (int64_t)load_u64(p + 64);
    return 0;
}

/* ---- bodies ---- */
static void shuffle(const uint8_t *p, size_t n, size_t width, size_t skip, uint8_t *out)
{
    size_t values = (n - skip) / width, rest = skip + values * width;
    memcpy(out, p, skip);
    for (size_t b = 0; b < width; b++)
        for (size_t i = 0; i < values; i++) out[skip + b * values + i] = p[skip + i * width + b];
    memcpy(out + rest, p + rest, n - rest);
}

static void unshuffle(const uint8_t *p, size_t n, size_t width, size_t skip, uint8_t *out)
{
    size_t values = (n - skip) / width, rest = skip + values * width;
    memcpy(out, p, skip);
    for (size_t b = 0; b < width; b++)
        for (size_t i = 0; i < values; i++) out[skip + i * width + b] = p[skip + b * values + i];
    memcpy(out + rest, p + rest, n - rest);
}

struct trial {
    struct str bytes;
    uint8_t *best, *tmp, *shuffled;
    size_t n, cap; /* of the best; as it is: bytes.n */
    uint8_t codec, width, skip;
};

static void try_zstd(struct trial *t, const void *p, uint8_t codec, uint8_t width, uint8_t skip)
{
    size_t got = ZSTD_compress(t->tmp, t->cap, p, t->bytes.n, LEVEL);
    if (ZSTD_isError(got) || got >= t->n) return;
    uint8_t *was = t->best;
    t->best = t->tmp;
    t->tmp = was;
    t->n = got;
    t->codec = codec;
    t->width = width;
    t->skip = skip;
}

static void try_shuffled(struct trial *t, uint8_t width, uint8_t skip)
{
    if (t->bytes.n < skip + 2u * width) return;
    shuffle((const uint8_t *)t->bytes.p, t->bytes.n, width, skip, t->shuffled);
    try_zstd(t, t->shuffled, BLOB_SHUFFLED, width, skip);
}

static void try_numbers(struct trial *t, const char *type)
{
    static const struct {
        const char *type;
        uint8_t widths[3], skip;
    } numeric[] = {{"application/octet-stream", {2, 4, 8}, 0},
                   {"audio/wav", {2}, 44},
                   {"audio/x-wav", {2}, 44},
                   {"audio/vnd.wave", {2}, 44}};
    static const uint8_t widths[] = {[WAVEFORM_I16] = 2, [WAVEFORM_I32] = 4, [WAVEFORM_F32] = 4, [WAVEFORM_F64] = 8};
    struct waveform w;
    if (strcmp(type, WAVEFORM_TYPE) == 0 && waveform_open(t->bytes, &w, NULL) == 0)
        try_shuffled(t, widths[w.form], (uint8_t)(w.raw - (const uint8_t *)t->bytes.p));
    for (size_t i = 0; i < sizeof numeric / sizeof *numeric; i++)
        for (int k = 0; k < 3 && strcmp(type, numeric[i].type) == 0 && numeric[i].widths[k]; k++)
            try_shuffled(t, numeric[i].widths[k], numeric[i].skip);
}

/* With no memory to try, the bytes stay as they are. */
static void make_small(struct trial *t, const char *type)
{
    t->n = t->bytes.n;
    t->cap = ZSTD_compressBound(t->bytes.n);
    t->best = mem_alloc(t->cap);
    t->tmp = mem_alloc(t->cap);
    t->shuffled = mem_alloc(t->bytes.n);
    if (!t->best || !t->tmp || !t->shuffled || t->bytes.n < 32) return;
    try_zstd(t, t->bytes.p, BLOB_ZSTD, 0, 0);
    try_numbers(t, type);
}

static uint32_t rec_crc(const struct blob_info *i, int64_t at, const uint8_t *p, size_t head)
{
    uint8_t where[16];
    put_u64(where, i->uid);
    put_u64(where + 8, (uint64_t)at);
    return crc32c(crc32c(0, where, 16), p + 8, head - 8);
}

static size_t head_bytes(const uint8_t *p)
{
    return BLOB_HEAD + whole(p[35]);
}

void blob_move(const struct blob_info *i, int64_t at, uint8_t *rec)
{
    put_u32(rec + 4, rec_crc(i, at, rec, head_bytes(rec)));
}

void blob_encode(const struct blob_info *i, int64_t at, const struct ts_blob *what, struct str bytes, struct buf *b)
{
    struct trial t = {.bytes = bytes};
    make_small(&t, what->type);
    const void *body = t.codec == BLOB_PLAIN ? (const void *)bytes.p : t.best;
    size_t type = strlen(what->type), head = BLOB_HEAD + whole(type), total = head + whole(t.n);
    uint8_t *p = buf_space(b, total);
    if (p) {
        memset(p, 0, head);
        put_u32(p, REC_MAGIC);
        put_u64(p + 8, (uint64_t)what->time_us);
        put_u32(p + 16, what->point);
        put_u32(p + 20, (uint32_t)bytes.n);
        put_u32(p + 24, (uint32_t)t.n);
        put_u32(p + 28, crc32c(0, body, t.n));
        p[32] = t.codec;
        p[33] = t.width;
        p[34] = t.skip;
        p[35] = (uint8_t)type;
        memcpy(p + BLOB_HEAD, what->type, type);
        if (t.n) memcpy(p + head, body, t.n);
        memset(p + head + t.n, 0, total - head - t.n);
        blob_move(i, at, p);
        b->n += total;
    }
    mem_free(t.best);
    mem_free(t.tmp);
    mem_free(t.shuffled);
}

bool blob_type_ok(const char *type)
{
    size_t n = strlen(type);
    for (size_t i = 0; i < n; i++)
        if (type[i] <= ' ' || type[i] > 126) return false;
    return n > 0 && n < TS_BLOB_TYPE;
}

static bool sound(const struct blob_rec *r)
{
    if (r->blob.size > TS_BLOB_MAX || r->blob.point == 0 || r->codec > BLOB_SHUFFLED) return false;
    if (r->codec == BLOB_PLAIN) return r->stored == r->blob.size;
    if (r->stored >= r->blob.size) return false;
    if (r->codec == BLOB_ZSTD) return true;
    return (r->width == 2 || r->width == 4 || r->width == 8) && r->skip <= r->blob.size;
}

int blob_rec_decode(const struct blob_info *i, int64_t at, const uint8_t *p, size_t n, struct blob_rec *ret)
{
    if (n < BLOB_HEAD || load_u32(p) != REC_MAGIC || p[35] == 0 || p[35] >= TS_BLOB_TYPE) return ERR_CORRUPT;
    if (n < head_bytes(p) || load_u32(p + 4) != rec_crc(i, at, p, head_bytes(p))) return ERR_CORRUPT;
    struct blob_rec r = {
        .blob = {.time_us = (int64_t)load_u64(p + 8), .point = load_u32(p + 16), .size = load_u32(p + 20)},
        .stored = load_u32(p + 24),
        .body_crc = load_u32(p + 28),
        .codec = p[32],
        .width = p[33],
        .skip = p[34],
        .head = (uint8_t)head_bytes(p)};
    memcpy(r.blob.type, p + BLOB_HEAD, p[35]);
    if (!sound(&r) || strlen(r.blob.type) != p[35] || !blob_type_ok(r.blob.type)) return ERR_CORRUPT;
    *ret = r;
    return 0;
}

static int unpack(const struct blob_rec *r, const uint8_t *p, uint8_t *out)
{
    size_t n = r->blob.size;
    if (r->codec == BLOB_PLAIN) {
        if (n) memcpy(out, p, n);
        return 0;
    }
    AUTO_FREE uint8_t *tmp = r->codec == BLOB_SHUFFLED ? mem_alloc(n) : NULL;
    if (r->codec == BLOB_SHUFFLED && !tmp) return ERR_NOMEM;
    size_t got = ZSTD_decompress(tmp ? tmp : out, n, p, r->stored);
    if (ZSTD_isError(got) || got != n) return ERR_CORRUPT;
    if (tmp) unshuffle(tmp, n, r->width, r->skip, out);
    return 0;
}

int blob_body_decode(const struct blob_rec *r, const uint8_t *p, struct buf *out)
{
    if (crc32c(0, p, r->stored) != r->body_crc) return ERR_CORRUPT;
    if (!out) return 0;
    uint8_t *o = buf_space(out, r->blob.size);
    if (!o) return out->err;
    int rc = unpack(r, p, o);
    if (!rc) out->n += r->blob.size;
    return rc;
}

/* ---- walking ---- */
struct walk {
    struct fs_file *f;
    const struct blob_info *i;
    int64_t end, at; /* at: of what is in `p` */
    uint8_t *p;
    size_t n;
};

/* BLOB_HEAD_MAX bytes of the file at `at`, fewer at its end. */
static int look(struct walk *w, int64_t at, const uint8_t **ret_p, size_t *ret_n)
{
    size_t want = w->end - at < BLOB_HEAD_MAX ? (size_t)(w->end - at) : BLOB_HEAD_MAX;
    if (at < w->at || at + (int64_t)want > w->at + (int64_t)w->n) {
        int64_t got = fs_pread(w->f, w->p, w->end - at < (int64_t)WINDOW ? (size_t)(w->end - at) : WINDOW, at);
        if (got < 0) return (int)got;
        w->at = at;
        w->n = (size_t)got;
        if (want > w->n) want = w->n;
    }
    *ret_p = w->p + (at - w->at);
    *ret_n = want;
    return 0;
}

static int rec_at(struct walk *w, int64_t at, struct blob_rec *ret)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    int rc = look(w, at, &p, &n);
    if (!rc) rc = blob_rec_decode(w->i, at, p, n, ret);
    if (!rc && blob_rec_bytes(ret) > w->end - at) rc = ERR_CORRUPT;
    return rc;
}

int blob_walk(struct fs_file *f, const struct blob_info *i, int64_t *at, int64_t end, blob_walk_fn *fn, void *ctx)
{
    struct walk w = {.f = f, .i = i, .end = end, .p = mem_alloc(WINDOW)};
    int rc = w.p ? 0 : ERR_NOMEM;
    while (!rc && *at < end) {
        struct blob_rec r;
        int64_t here = *at, next = here;
        rc = rec_at(&w, here, &r);
        if (rc == 0) next = here + blob_rec_bytes(&r);
        if (rc == ERR_CORRUPT) {
            do rc = (next += 8) < end ? rec_at(&w, next, &r) : 0;
            while (rc == ERR_CORRUPT);
            if (next > end) next = end;
            if (!rc) rc = fn(ctx, here, next - here, NULL);
        } else if (rc == 0) {
            rc = fn(ctx, here, next - here, &r);
        }
        if (rc >= 0 && next > here) *at = next;
    }
    mem_free(w.p);
    return rc;
}
