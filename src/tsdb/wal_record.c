/* wal_record.c - the write-ahead log, byte by byte. Pure. All numbers little-endian.
 *
 * File: 32 bytes header, then records back to back.
 *   0  8  "BNTSWAL1"
 *   8  4  version 2 (1: no record says when it was written, none removes)
 *   12 4  0
 *   16 8  number of the file, as in its name
 *   24 4  0
 *   28 4  CRC32C of bytes 0..27
 * Record: one append.
 *   0  4  magic 0x4c415742 "BWAL"
 *   4  4  payload bytes
 *   8  8  sequence number in the file, from 1, without gaps
 *   16 4  samples, 0..2^22; 0 is the mark of a clean end. Bit 31: the payload begins with the wall clock at
 *         which the record was written (i64, microseconds UTC). Bit 30: the record removes, with 0 samples
 *   20 4  CRC32C of: file number (8 bytes), bytes 0..19, payload
 * Payload: runs of samples of one time, in the order of the append, until `samples` are reached.
 *   zigzag varint  time_us - time_us of the run before (0 at first)
 *   varint         samples in the run, k >= 1
 *   u8             flags: 1 = points count up by one; 2 = one meta for all
 *   zigzag varint  first point - last point of the run before; without flag 1, k-1 more: difference to
 *                  the point before
 *   u32            meta (type | quality << 8 | flags << 16), one or k of them
 *   k x 8          values
 * Payload of a record that removes: u32 point, i64 from, i64 to: the samples of the point in [from, to) that
 * stand in front of it in this log or in older ones.
 * A record that does not check ends the log when no good one with a higher sequence number follows
 * (torn by a crash: it was never acknowledged); otherwise it is damage. */
#include "tsdb/wal_record.h"
#include "base/crc32c.h"
#include "tsdb/bits.h"
#include "tsdb/meta.h"

#define REC_MAGIC 0x4c415742u
#define VERSION 2
#define HAS_TIME 0x80000000u
#define REMOVES 0x40000000u
#define REMOVE_BYTES 20
#define RUN_COUNTS_UP 1
#define RUN_ONE_META 2
#define RUN_BOUND(k) (32 + (k) * (5 + 4 + 8))

void wal_head_encode(uint64_t number, uint8_t out[WAL_HEAD])
{
    memset(out, 0, WAL_HEAD);
    memcpy(out, "BNTSWAL1", 8);
    put_u32(out + 8, VERSION);
    put_u64(out + 16, number);
    put_u32(out + 28, crc32c(0, out, 28));
}

int wal_head_decode(const uint8_t *p, size_t n, uint64_t *ret_number)
{
    if (n < WAL_HEAD || memcmp(p, "BNTSWAL1", 8) != 0 || load_u32(p + 28) != crc32c(0, p, 28)) return ERR_CORRUPT;
    if (load_u32(p + 8) < 1 || load_u32(p + 8) > VERSION) return ERR_UNSUPPORTED;
    *ret_number = load_u64(p + 16);
    return 0;
}

static uint32_t record_crc(const uint8_t *rec, size_t payload_n, uint64_t number)
{
    uint8_t seed[8];
    put_u64(seed, number);
    uint32_t crc = crc32c(0, seed, 8);
    crc = crc32c(crc, rec, 20);
    return crc32c(crc, rec + WAL_REC_HEAD, payload_n);
}

struct run_state {
    int64_t time;
    uint32_t point;
};

static uint8_t *put_run(uint8_t *o, struct run_state *st, const struct sample *s, size_t k)
{
    uint32_t meta = meta_of(&s[0]);
    unsigned flags = RUN_COUNTS_UP | RUN_ONE_META;
    for (size_t i = 1; i < k; i++) {
        if (s[i].point != s[i - 1].point + 1) flags &= ~(unsigned)RUN_COUNTS_UP;
        if (meta_of(&s[i]) != meta) flags &= ~(unsigned)RUN_ONE_META;
    }
    o = put_zigzag(o, (int64_t)((uint64_t)s[0].time_us - (uint64_t)st->time));
    o = put_varint(o, k);
    *o++ = (uint8_t)flags;
    o = put_zigzag(o, (int64_t)s[0].point - st->point);
    for (size_t i = 1; i < k && !(flags & RUN_COUNTS_UP); i++) o = put_zigzag(o, (int64_t)s[i].point - s[i - 1].point);
    for (size_t i = 0; i < ((flags & RUN_ONE_META) ? 1 : k); i++) o = put_u32(o, meta_of(&s[i]));
    for (size_t i = 0; i < k; i++) o = put_u64(o, value_of(&s[i]));
    *st = (struct run_state){s[0].time_us, s[k - 1].point};
    return o;
}

static void begin_record(struct buf *b, int64_t wall_us)
{
    uint8_t *o = buf_space(b, WAL_REC_HEAD + 8);
    if (!o) return;
    put_u64(o + WAL_REC_HEAD, (uint64_t)wall_us);
    b->n += WAL_REC_HEAD + 8;
}

static void end_record(struct buf *b, size_t start, uint64_t number, uint64_t seq, uint32_t samples)
{
    if (b->err) return;
    uint8_t *rec = b->p + start;
    size_t payload = b->n - start - WAL_REC_HEAD;
    put_u32(rec, REC_MAGIC);
    put_u32(rec + 4, (uint32_t)payload);
    put_u64(rec + 8, seq);
    put_u32(rec + 16, samples | HAS_TIME);
    put_u32(rec + 20, record_crc(rec, payload, number));
}

void wal_record_encode(struct buf *b, uint64_t number, uint64_t seq, int64_t wall_us, const struct sample *s, size_t n)
{
    size_t start = b->n;
    begin_record(b, wall_us);
    struct run_state st = {0, 0};
    for (size_t i = 0, k; i < n; i += k) {
        for (k = 1; i + k < n && s[i + k].time_us == s[i].time_us && k < 65536;) k++;
        uint8_t *o = buf_space(b, RUN_BOUND(k));
        if (!o) return;
        b->n += (size_t)(put_run(o, &st, s + i, k) - o);
    }
    end_record(b, start, number, seq, (uint32_t)n);
}

void wal_record_encode_remove(struct buf *b, uint64_t number, uint64_t seq, int64_t wall_us, const struct wal_remove *r)
{
    size_t start = b->n;
    begin_record(b, wall_us);
    uint8_t *o = buf_space(b, REMOVE_BYTES);
    if (!o) return;
    put_u64(put_u64(put_u32(o, r->point), (uint64_t)r->from), (uint64_t)r->to);
    b->n += REMOVE_BYTES;
    end_record(b, start, number, seq, REMOVES);
}

bool wal_record_parse(const uint8_t *p, size_t n, uint64_t number, struct wal_record *ret)
{
    if (n < WAL_REC_HEAD || load_u32(p) != REC_MAGIC) return false;
    size_t len = load_u32(p + 4);
    uint32_t word = load_u32(p + 16), samples = word & ~(HAS_TIME | REMOVES);
    if (len > n - WAL_REC_HEAD || samples > WAL_SAMPLES_MAX) return false;
    if (load_u32(p + 20) != record_crc(p, len, number)) return false;
    size_t skip = word & HAS_TIME ? 8 : 0;
    if (len < skip) return false;
    *ret = (struct wal_record){.seq = load_u64(p + 8),
                               .samples = samples,
                               .removes = word & REMOVES,
                               .wall_us = skip ? (int64_t)load_u64(p + WAL_REC_HEAD) : 0,
                               .payload = p + WAL_REC_HEAD + skip,
                               .payload_n = len - skip,
                               .total = WAL_REC_HEAD + len};
    return true;
}

size_t wal_record_size(const uint8_t *p)
{
    return WAL_REC_HEAD + (size_t)load_u32(p + 4);
}

bool wal_record_time(const uint8_t *p, size_t n, int64_t *ret)
{
    if (n < WAL_REC_HEAD || load_u32(p) != REC_MAGIC) return false;
    bool has = load_u32(p + 16) & HAS_TIME && n >= WAL_REC_HEAD + 8;
    *ret = has ? (int64_t)load_u64(p + WAL_REC_HEAD) : 0;
    return true;
}

static void get_points(struct in *in, struct run_state *st, unsigned flags, struct sample *s, size_t k)
{
    st->point += (uint32_t)in_zigzag(in);
    s[0].point = st->point;
    for (size_t i = 1; i < k; i++) {
        st->point += (flags & RUN_COUNTS_UP) ? 1 : (uint32_t)in_zigzag(in);
        s[i].point = st->point;
    }
}

static size_t get_run(struct in *in, struct run_state *st, struct sample *s, size_t max)
{
    st->time = (int64_t)((uint64_t)st->time + (uint64_t)in_zigzag(in));
    size_t k = in_count(in, max);
    unsigned flags = in_u8(in);
    if (k == 0) in->bad = true;
    if (in->bad) return 0;
    get_points(in, st, flags, s, k);
    uint32_t meta = 0;
    for (size_t i = 0; i < k; i++) {
        if (i == 0 || !(flags & RUN_ONE_META)) meta = in_u32(in);
        meta_to(&s[i], meta);
        s[i].time_us = st->time;
    }
    const uint8_t *v = in_take(in, k * 8);
    for (size_t i = 0; v && i < k; i++) s[i].v.u = load_u64(v + i * 8);
    return k;
}

int wal_record_decode(const struct wal_record *r, struct sample *out)
{
    struct in in = in_make(r->payload, r->payload_n);
    struct run_state st = {0, 0};
    for (size_t i = 0; i < r->samples && !in.bad;) i += get_run(&in, &st, out + i, r->samples - i);
    return in.bad || in_left(&in) ? ERR_CORRUPT : 0;
}

int wal_record_decode_remove(const struct wal_record *r, struct wal_remove *ret)
{
    struct in in = in_make(r->payload, r->payload_n);
    struct wal_remove x = {.point = in_u32(&in)};
    x.from = (int64_t)in_u64(&in);
    x.to = (int64_t)in_u64(&in);
    if (in.bad || in_left(&in) || r->samples || x.from >= x.to || x.point == 0) return ERR_CORRUPT;
    *ret = x;
    return 0;
}

size_t wal_record_find(const uint8_t *p, size_t n, size_t from, uint64_t number, uint64_t after)
{
    uint8_t magic[4];
    struct wal_record r;
    put_u32(magic, REC_MAGIC);
    while (from < n) {
        const uint8_t *q = memmem(p + from, n - from, magic, 4);
        if (!q) return n;
        from = (size_t)(q - p);
        if (wal_record_parse(q, n - from, number, &r) && r.seq > after) return from;
        from++;
    }
    return n;
}
