/* record.c - see record.h. */
#include "modules/forward/record.h"
#include "base/mem.h"

#define VERSION 2
#define ROW_1 24 /* bytes of a sample in version 1 */
#define ROW_MAX 28

enum { SAME_TIME = 1, NEXT_POINT = 2, SAME_STATUS = 4, NEVER = 8 };

void batch_init(struct batch *b)
{
    *b = (struct batch){.max = RECORD_MAX};
    buf_init(&b->text, RECORD_TEXT_MAX);
}

void batch_fini(struct batch *b)
{
    mem_free(b->items);
    buf_fini(&b->text);
    *b = (struct batch){0};
}

int batch_add(struct batch *b, const struct sample *s, struct str text)
{
    if (b->n >= b->max || b->text.n + text.n > RECORD_TEXT_MAX) return ERR_TOO_LARGE;
    if (!mem_grow((void **)&b->items, &b->cap, b->n + 1, sizeof *b->items)) return ERR_NOMEM;
    struct item *it = &b->items[b->n];
    *it = (struct item){.s = *s, .at = (uint32_t)b->text.n, .len = (uint32_t)text.n};
    if (text.n) buf_str(&b->text, text);
    if (b->text.err) return b->text.err;
    b->n++;
    return 0;
}

/* ---- writing ---- */

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_low(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static unsigned bytes_of(uint64_t v)
{
    return v ? 8 - (unsigned)__builtin_clzll(v) / 8 : 0;
}

static uint8_t *put_row(uint8_t *p, const struct item *it, const struct sample *before)
{
    const struct sample *s = &it->s;
    uint8_t *control = p++;
    bool same = s->type == before->type && s->quality == before->quality && s->flags == before->flags;
    uint64_t v = s->type == SAMPLE_STRING ? it->len : s->type == SAMPLE_INT ? zigzag(s->v.i) : s->v.u;
    unsigned n = bytes_of(v);
    if (s->type == SAMPLE_DOUBLE && v) {
        n = 8 - (unsigned)__builtin_ctzll(v) / 8;
        v >>= 8 * (8 - n);
    }
    *control = (uint8_t)(n << 4 | (s->time_us == before->time_us ? SAME_TIME : 0) |
                         (s->point == before->point + 1 ? NEXT_POINT : 0) | (same ? SAME_STATUS : 0));
    if (!(*control & SAME_TIME)) p = put_varint(p, zigzag((int64_t)((uint64_t)s->time_us - (uint64_t)before->time_us)));
    if (!(*control & NEXT_POINT)) p = put_varint(p, zigzag((int32_t)(s->point - before->point)));
    if (!same) p = put_low(p, s->type | (uint64_t)s->quality << 8 | (uint64_t)s->flags << 16, 4);
    return put_low(p, v, n);
}

void record_write(const struct batch *b, struct buf *out)
{
    struct sample before = {.time_us = b->made_us};
    buf_u32le(out, VERSION);
    buf_u32le(out, (uint32_t)b->n);
    buf_u64le(out, (uint64_t)b->made_us);
    for (size_t i = 0; i < b->n; i++) {
        uint8_t *p = buf_space(out, ROW_MAX);
        if (!p) return;
        out->n += (size_t)(put_row(p, &b->items[i], &before) - p);
        before = b->items[i].s;
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i].len) buf_add(out, b->text.p + b->items[i].at, b->items[i].len);
}

/* ---- reading ---- */

struct head {
    uint32_t version;
    size_t n;
    int64_t made;
};

static bool head(struct rd *r, struct head *ret)
{
    ret->version = rd_u32le(r);
    ret->n = rd_u32le(r);
    ret->made = (int64_t)rd_u64le(r);
    if (r->err || ret->version < 1 || ret->version > VERSION || ret->n > RECORD_MAX) return false;
    return rd_left(r) >= ret->n * (ret->version == 1 ? ROW_1 : 1);
}

static uint64_t get_varint(struct rd *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = rd_u8(r);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) return v;
    }
    r->err = ERR_CORRUPT;
    return 0;
}

static struct sample row_1(struct rd *r)
{
    struct sample s = {.time_us = (int64_t)rd_u64le(r), .point = rd_u32le(r)};
    s.type = rd_u8(r);
    s.quality = rd_u8(r);
    s.flags = rd_u16le(r);
    s.v.u = rd_u64le(r);
    return s;
}

static struct sample row_2(struct rd *r, const struct sample *before)
{
    struct sample s = *before;
    uint8_t control = rd_u8(r);
    unsigned n = control >> 4;
    if (!(control & SAME_TIME)) s.time_us = (int64_t)((uint64_t)s.time_us + (uint64_t)unzigzag(get_varint(r)));
    s.point += control & NEXT_POINT ? 1 : (uint32_t)unzigzag(get_varint(r));
    if (!(control & SAME_STATUS)) {
        s.type = rd_u8(r);
        s.quality = rd_u8(r);
        s.flags = rd_u16le(r);
    }
    const uint8_t *p = n <= 8 && !(control & NEVER) ? rd_bytes(r, n) : NULL;
    if (!p) r->err = ERR_CORRUPT;
    uint64_t v = 0;
    for (unsigned i = 0; p && i < n; i++) v |= (uint64_t)p[i] << 8 * i;
    if (s.type == SAMPLE_DOUBLE && v) v <<= 8 * (8 - n);
    s.v.u = s.type == SAMPLE_INT ? (uint64_t)unzigzag(v) : v;
    return s;
}

/* Items with the length of their texts, which are not there yet. */
static int read_rows(struct rd *r, const struct head *h, struct batch *b)
{
    struct sample s = {.time_us = h->made};
    for (size_t i = 0; i < h->n; i++) {
        s = h->version == 1 ? row_1(r) : row_2(r, &s);
        if (r->err || (s.type == SAMPLE_STRING && s.v.u > rd_left(r))) return ERR_CORRUPT;
        int rc = batch_add(b, &s, STR(""));
        if (rc) return rc;
        struct item *it = &b->items[b->n - 1];
        if (s.type != SAMPLE_STRING) continue;
        it->len = (uint32_t)s.v.u;
        it->s.v.u = 0;
    }
    return 0;
}

static int read_texts(struct rd *r, size_t first, struct batch *b)
{
    for (size_t i = first; i < b->n; i++) {
        struct item *it = &b->items[i];
        it->at = (uint32_t)b->text.n;
        if (!it->len) continue;
        const uint8_t *p = rd_bytes(r, it->len);
        if (!p) return ERR_CORRUPT;
        if (b->text.n + it->len > RECORD_TEXT_MAX) return ERR_TOO_LARGE;
        buf_add(&b->text, p, it->len);
        if (b->text.err) return b->text.err;
    }
    return rd_left(r) ? ERR_CORRUPT : 0;
}

int record_read(struct str record, struct batch *b)
{
    size_t items = b->n, text = b->text.n;
    struct head h;
    struct rd r = rd_make(record.p, record.n);
    if (!head(&r, &h)) return ERR_CORRUPT;
    int rc = items + h.n > b->max ? ERR_TOO_LARGE : read_rows(&r, &h, b);
    if (!rc) rc = read_texts(&r, items, b);
    if (rc) {
        b->n = items;
        b->text.n = text;
        b->text.err = 0;
        return rc;
    }
    if (!items) b->made_us = h.made;
    return 0;
}

int64_t record_made(struct str record)
{
    struct head h;
    struct rd r = rd_make(record.p, record.n);
    return head(&r, &h) ? h.made : 0;
}
