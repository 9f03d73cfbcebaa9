/* record.c - see record.h. */
#include "modules/forward/record.h"
#include "base/mem.h"

#define VERSION 1
#define ROW 24

void batch_init(struct batch *b)
{
    *b = (struct batch){0};
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
    if (b->n >= RECORD_MAX || b->text.n + text.n > RECORD_TEXT_MAX) return ERR_TOO_LARGE;
    if (!mem_grow((void **)&b->items, &b->cap, b->n + 1, sizeof *b->items)) return ERR_NOMEM;
    struct item *it = &b->items[b->n];
    *it = (struct item){.s = *s, .at = (uint32_t)b->text.n, .len = (uint32_t)text.n};
    if (text.n) buf_str(&b->text, text);
    if (b->text.err) return b->text.err;
    b->n++;
    return 0;
}

void record_write(const struct batch *b, struct buf *out)
{
    buf_u32le(out, VERSION);
    buf_u32le(out, (uint32_t)b->n);
    buf_u64le(out, (uint64_t)b->made_us);
    for (size_t i = 0; i < b->n; i++) {
        const struct item *it = &b->items[i];
        buf_u64le(out, (uint64_t)it->s.time_us);
        buf_u32le(out, it->s.point);
        buf_u8(out, it->s.type);
        buf_u8(out, it->s.quality);
        buf_u16le(out, it->s.flags);
        buf_u64le(out, it->s.type == SAMPLE_STRING ? it->len : it->s.v.u);
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->items[i].s.type == SAMPLE_STRING) buf_add(out, b->text.p + b->items[i].at, b->items[i].len);
}

static bool head(struct rd *r, size_t *ret_n, int64_t *ret_made)
{
    if (rd_u32le(r) != VERSION) return false;
    *ret_n = rd_u32le(r);
    *ret_made = (int64_t)rd_u64le(r);
    return !r->err && *ret_n <= RECORD_MAX && rd_left(r) >= *ret_n * ROW;
}

static struct sample row(struct rd *r)
{
    struct sample s = {.time_us = (int64_t)rd_u64le(r), .point = rd_u32le(r)};
    s.type = rd_u8(r);
    s.quality = rd_u8(r);
    s.flags = rd_u16le(r);
    s.v.u = rd_u64le(r);
    return s;
}

static int read_rows(struct rd *rows, struct rd *texts, size_t n, struct batch *b)
{
    for (size_t i = 0; i < n; i++) {
        struct sample s = row(rows);
        size_t len = s.type == SAMPLE_STRING ? (size_t)s.v.u : 0;
        const uint8_t *t = len ? rd_bytes(texts, len) : NULL;
        if (texts->err) return ERR_CORRUPT;
        if (s.type == SAMPLE_STRING) s.v.u = 0;
        int rc = batch_add(b, &s, str_make((const char *)t, t ? len : 0));
        if (rc) return rc;
    }
    return rd_left(texts) ? ERR_CORRUPT : 0;
}

int record_read(struct str record, struct batch *b)
{
    size_t n, items = b->n, text = b->text.n;
    int64_t made;
    struct rd r = rd_make(record.p, record.n);
    if (!head(&r, &n, &made)) return ERR_CORRUPT;
    struct rd texts = rd_make(r.p + n * ROW, rd_left(&r) - n * ROW);
    int rc = read_rows(&r, &texts, n, b);
    if (rc) {
        b->n = items;
        b->text.n = text;
        b->text.err = 0;
        return rc;
    }
    if (!items) b->made_us = made;
    return 0;
}

int64_t record_made(struct str record)
{
    size_t n;
    int64_t made;
    struct rd r = rd_make(record.p, record.n);
    return head(&r, &n, &made) ? made : 0;
}
