/* seg_format.c - segment files outside their blocks. Pure. All numbers little-endian; see FORMAT.md. */
#include "tsdb/seg_format.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "tsdb/meta.h"

#define FRAME_MAGIC 0x42535442u /* "BTSB" */
#define VERSION 2               /* that is written; 1 is read, too */

static uint32_t frame_crc(const uint8_t *head, uint64_t uid, uint64_t offset, const void *payload, size_t n)
{
    uint8_t seed[16];
    put_u64(seed, uid);
    put_u64(seed + 8, offset);
    uint32_t crc = crc32c(0, seed, 16);
    crc = crc32c(crc, head, 8);
    crc = crc32c(crc, head + 12, 4);
    return crc32c(crc, payload, n);
}

void frame_encode(uint8_t head[FRAME_HEAD], enum frame_kind kind, uint64_t uid, uint64_t offset, const void *payload,
                  size_t n)
{
    memset(head, 0, FRAME_HEAD);
    put_u32(head, FRAME_MAGIC);
    put_u32(head + 4, (uint32_t)n);
    head[12] = (uint8_t)kind;
    put_u32(head + 8, frame_crc(head, uid, offset, payload, n));
}

int frame_check(const uint8_t *p, size_t n, uint64_t uid, uint64_t offset, struct in *ret_payload)
{
    if (n < FRAME_HEAD || load_u32(p) != FRAME_MAGIC) return 0;
    size_t len = load_u32(p + 4);
    if (len > n - FRAME_HEAD || len > FRAME_MAX) return 0;
    if (load_u32(p + 8) != frame_crc(p, uid, offset, p + FRAME_HEAD, len)) return 0;
    *ret_payload = in_make(p + FRAME_HEAD, len);
    return p[12];
}

/* Header and footer begin alike: magic, version, what the file is. */
static void put_info(uint8_t *p, const char *magic, const struct seg_info *i)
{
    memcpy(p, magic, 8);
    put_u32(p + 8, VERSION);
    put_u32(p + 12, i->gen);
    put_u64(p + 16, i->uid);
    put_u64(p + 24, i->seq_lo);
    put_u64(p + 32, i->seq_hi);
    put_u64(p + 40, i->wal_hi);
    p[48] = i->class_id;
}

static int get_info(const uint8_t *p, size_t n, const char *magic, struct seg_info *ret)
{
    if (memcmp(p, magic, 8) != 0 || load_u32(p + n - 4) != crc32c(0, p, n - 4)) return ERR_CORRUPT;
    if (load_u32(p + 8) == 0 || load_u32(p + 8) > VERSION) return ERR_UNSUPPORTED;
    *ret = (struct seg_info){.gen = load_u32(p + 12),
                             .uid = load_u64(p + 16),
                             .seq_lo = load_u64(p + 24),
                             .seq_hi = load_u64(p + 32),
                             .wal_hi = load_u64(p + 40),
                             .class_id = p[48]};
    return 0;
}

void seg_head_encode(const struct seg_info *i, uint8_t out[SEG_HEAD])
{
    memset(out, 0, SEG_HEAD);
    put_info(out, "BNTSSEG1", i);
    put_u32(out + SEG_HEAD - 4, crc32c(0, out, SEG_HEAD - 4));
}

int seg_head_decode(const uint8_t *p, size_t n, struct seg_info *ret)
{
    return n < SEG_HEAD ? ERR_CORRUPT : get_info(p, SEG_HEAD, "BNTSSEG1", ret);
}

void seg_foot_encode(const struct seg_foot *f, uint8_t out[SEG_FOOT])
{
    memset(out, 0, SEG_FOOT);
    put_info(out, "BNTSFOOT", &f->info);
    put_u64(out + 56, (uint64_t)f->info.min_us);
    put_u64(out + 64, (uint64_t)f->info.max_us);
    put_u64(out + 72, f->info.samples);
    put_u64(out + 80, f->info.blocks);
    put_u64(out + 88, f->dir_at);
    put_u32(out + 96, f->dir_len);
    put_u64(out + 104, (uint64_t)f->info.file_bytes);
    put_u32(out + SEG_FOOT - 4, crc32c(0, out, SEG_FOOT - 4));
}

int seg_foot_decode(const uint8_t *p, size_t n, struct seg_foot *ret)
{
    struct seg_foot f = {0};
    int rc = n < SEG_FOOT ? ERR_CORRUPT : get_info(p, SEG_FOOT, "BNTSFOOT", &f.info);
    if (rc) return rc;
    f.info.min_us = (int64_t)load_u64(p + 56);
    f.info.max_us = (int64_t)load_u64(p + 64);
    f.info.samples = load_u64(p + 72);
    f.info.blocks = load_u64(p + 80);
    f.dir_at = load_u64(p + 88);
    f.dir_len = load_u32(p + 96);
    f.info.file_bytes = (int64_t)load_u64(p + 104);
    *ret = f;
    return 0;
}

/* ---- index entries ---- */
static uint8_t *put_sample(uint8_t *o, const struct sample *s, int64_t base)
{
    *o++ = s->point != 0;
    if (!s->point) return o;
    o = put_varint(o, meta_of(s));
    o = put_varint(o, (uint64_t)s->time_us - (uint64_t)base);
    return put_u64(o, s->v.u);
}

static uint8_t *put_double(uint8_t *o, double d)
{
    uint64_t u;
    memcpy(&u, &d, 8);
    return put_u64(o, u);
}

static uint8_t *put_stats(uint8_t *o, const struct block_meta *m)
{
    const struct sample *five[] = {&m->first, &m->last, &m->min, &m->max, &m->bad};
    for (int i = 0; i < 5; i++) o = put_sample(o, five[i], m->first_us);
    o = put_varint(o, m->good);
    o = put_varint(o, m->usable);
    const double figures[] = {m->sum, m->step_integral, m->linear_integral, m->usable_s, m->good_s};
    for (int i = 0; i < 5; i++) o = put_double(o, figures[i]);
    return o;
}

void index_entry_encode(struct buf *b, const struct index_entry *e)
{
    const struct block_meta *m = &e->meta;
    uint8_t body[400], *o = body;
    o = put_varint(o, e->group);
    o = put_varint(o, m->count);
    o = put_varint(o, m->offset);
    o = put_varint(o, m->len);
    o = put_zigzag(o, m->first_us);
    o = put_varint(o, (uint64_t)m->last_us - (uint64_t)m->first_us);
    *o++ = m->has_stats;
    if (m->has_stats) o = put_stats(o, m);
    size_t n = (size_t)(o - body);
    uint8_t *start = buf_space(b, 2 * VARINT_MAX + n);
    if (!start) return;
    o = put_varint(start, m->point);
    o = put_varint(o, n);
    memcpy(o, body, n);
    b->n += (size_t)(o - start) + n;
}

static void get_sample(struct in *in, struct sample *s, uint32_t point, int64_t base)
{
    *s = (struct sample){0};
    if (!in_u8(in)) return;
    uint64_t meta = in_varint(in);
    if (meta > UINT32_MAX) in->bad = true;
    meta_to(s, (uint32_t)meta);
    s->time_us = (int64_t)((uint64_t)base + in_varint(in));
    s->v.u = in_u64(in);
    s->point = point;
}

static double get_double(struct in *in)
{
    uint64_t u = in_u64(in);
    double d;
    memcpy(&d, &u, 8);
    return d;
}

static void get_stats(struct in *in, struct block_meta *m)
{
    struct sample *five[] = {&m->first, &m->last, &m->min, &m->max, &m->bad};
    for (int i = 0; i < 5; i++) get_sample(in, five[i], m->point, m->first_us);
    m->good = (uint32_t)in_count(in, m->count);
    m->usable = (uint32_t)in_count(in, m->count);
    double *figures[] = {&m->sum, &m->step_integral, &m->linear_integral, &m->usable_s, &m->good_s};
    for (int i = 0; i < 5; i++) *figures[i] = get_double(in);
    m->m2 = NAN; /* this version does not have it */
}

static bool get_body(struct in *in, struct index_entry *e)
{
    struct block_meta *m = &e->meta;
    e->group = (uint32_t)in_count(in, UINT32_MAX);
    m->count = (uint32_t)in_count(in, SEG_BLOCK_MAX);
    m->offset = in_varint(in);
    m->len = (uint32_t)in_count(in, FRAME_MAX);
    m->first_us = in_zigzag(in);
    m->last_us = (int64_t)((uint64_t)m->first_us + in_varint(in));
    m->has_stats = in_u8(in) != 0;
    if (m->has_stats) get_stats(in, m);
    return !in->bad && in_left(in) == 0 && m->count && m->last_us >= m->first_us;
}

bool index_entry_decode(struct in *in, struct index_entry *e)
{
    *e = (struct index_entry){.meta.point = (uint32_t)in_count(in, UINT32_MAX)};
    size_t n = in_count(in, in_left(in));
    const uint8_t *body = in_take(in, n);
    if (!body || !e->meta.point) return false;
    struct in b = in_make(body, n);
    return get_body(&b, e);
}

/* ---- directory ---- */
void index_dir_encode(struct buf *b, const struct index_page *p, size_t n)
{
    uint8_t *start = buf_space(b, 16 + n * 60), *o = start;
    if (!o) return;
    o = put_varint(o, n);
    for (size_t i = 0; i < n; i++) {
        o = put_varint(o, p[i].first);
        o = put_varint(o, p[i].last);
        o = put_varint(o, p[i].at);
        o = put_varint(o, p[i].len);
        o = put_zigzag(o, p[i].min_us);
        o = put_zigzag(o, p[i].max_us);
    }
    b->n += (size_t)(o - start);
}

static bool get_page(struct in *in, uint64_t file_bytes, struct index_page *p)
{
    p->first = (uint32_t)in_count(in, UINT32_MAX);
    p->last = (uint32_t)in_count(in, UINT32_MAX);
    p->at = in_varint(in);
    p->len = (uint32_t)in_count(in, FRAME_MAX + FRAME_HEAD);
    p->min_us = in_zigzag(in);
    p->max_us = in_zigzag(in);
    return !in->bad && p->first <= p->last && p->at <= file_bytes && p->len <= file_bytes - p->at;
}

int index_dir_decode(struct in *in, uint64_t file_bytes, struct index_page **ret, size_t *ret_n)
{
    size_t n = in_count(in, in_left(in) / 6);
    struct index_page *p = mem_alloc(n * sizeof *p);
    if (!p) return ERR_NOMEM;
    for (size_t i = 0; i < n && !in->bad; i++) {
        if (!get_page(in, file_bytes, &p[i]) || (i && p[i].first < p[i - 1].last)) in->bad = true;
    }
    if (in->bad || in_left(in)) {
        mem_free(p);
        return ERR_CORRUPT;
    }
    *ret = p;
    *ret_n = n;
    return 0;
}

/* ---- second stage ---- */
void zip(struct buf *b, const void *p, size_t n, ZSTD_CCtx *c)
{
    size_t bound = ZSTD_compressBound(n);
    uint8_t *start = buf_space(b, VARINT_MAX + bound), *o = start;
    if (!o) return;
    o = put_varint(o, n);
    size_t got = ZSTD_compressCCtx(c, o, bound, p, n, 3);
    if (ZSTD_isError(got))
        b->err = ERR_NOMEM;
    else
        b->n += (size_t)(o - start) + got;
}

int unzip(struct in *in, size_t max, ZSTD_DCtx *d, uint8_t **ret, size_t *ret_n)
{
    size_t n = in_count(in, max);
    if (in->bad) return ERR_CORRUPT;
    uint8_t *p = mem_alloc(n);
    if (!p) return ERR_NOMEM;
    if (ZSTD_decompressDCtx(d, p, n, in->p, in_left(in)) != n) {
        mem_free(p);
        return ERR_CORRUPT;
    }
    *ret = p;
    *ret_n = n;
    return 0;
}
