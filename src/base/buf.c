/* buf.c - the growing buffer and the bounded cursor.
 *
 * Invariants: n < cap whenever p is set (one byte is kept for buf_cstr's terminator); n <= max; after
 * err is set nothing more is added. Owner of the memory: the buffer. */
#include "base/buf.h"
#include <math.h>
#include <stdio.h>
#include "base/decimal.h"
#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->err = 0;
}

static uint8_t *grow(struct buf *b, size_t n)
{
    if (n > b->max - b->n || n >= SIZE_MAX / 4) {
        b->err = ERR_TOO_LARGE;
        return NULL;
    }
    size_t want = b->n + n + 1, cap = b->cap ? b->cap * 2 : 64;
    if (cap < want) cap = want;
    if (cap - 1 > b->max) cap = b->max + 1; /* >= want, as n fits */
    uint8_t *p = mem_realloc(b->p, cap);
    if (!p) {
        b->err = ERR_NOMEM;
        return NULL;
    }
    b->p = p;
    b->cap = cap;
    return p + b->n;
}

uint8_t *buf_space(struct buf *b, size_t n)
{
    if (b->err) return NULL;
    if (n < b->cap - b->n) return b->p + b->n; /* cap 0: n == 0 is not < 0, goes on to grow */
    return grow(b, n);
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0) return;
    uint8_t *to = buf_space(b, n);
    if (!to) return;
    memcpy(to, p, n);
    b->n += n;
}

void buf_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_z(struct buf *b, const char *z)
{
    buf_add(b, z, strlen(z));
}

void buf_u8(struct buf *b, uint8_t v)
{
    uint8_t *to = buf_space(b, 1);
    if (!to) return;
    *to = v;
    b->n++;
}

static void add_le(struct buf *b, uint64_t v, size_t n)
{
    uint8_t *to = buf_space(b, n);
    if (!to) return;
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)(v >> (8 * i));
    b->n += n;
}

static void add_be(struct buf *b, uint64_t v, size_t n)
{
    uint8_t *to = buf_space(b, n);
    if (!to) return;
    for (size_t i = 0; i < n; i++) to[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    b->n += n;
}

void buf_u16be(struct buf *b, uint16_t v)
{
    add_be(b, v, 2);
}
void buf_u32be(struct buf *b, uint32_t v)
{
    add_be(b, v, 4);
}
void buf_u64be(struct buf *b, uint64_t v)
{
    add_be(b, v, 8);
}
void buf_u16le(struct buf *b, uint16_t v)
{
    add_le(b, v, 2);
}
void buf_u32le(struct buf *b, uint32_t v)
{
    add_le(b, v, 4);
}
void buf_u64le(struct buf *b, uint64_t v)
{
    add_le(b, v, 8);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    uint8_t *to = buf_space(b, 64 < b->max - b->n ? 64 : b->max - b->n);
    int n = to ? vsnprintf((char *)to, b->cap - b->n, fmt, ap) : -1;
    if (n >= 0 && (size_t)n >= b->cap - b->n) {
        to = buf_space(b, (size_t)n);
        n = to ? vsnprintf((char *)to, b->cap - b->n, fmt, again) : -1;
    }
    if (n > 0) b->n += (size_t)n;
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_double(struct buf *b, double v)
{
    if (!isfinite(v)) {
        buf_z(b, "null");
        return;
    }
    char text[DECIMAL_MAX];
    buf_add(b, text, decimal_double(text, v));
}

void buf_drop(struct buf *b, size_t n)
{
    if (n > b->n) n = b->n;
    if (n == 0) return;
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

const char *buf_cstr(struct buf *b)
{
    if (b->err || !b->p) return "";
    b->p[b->n] = '\0';
    return (const char *)b->p;
}

const uint8_t *rd_bytes(struct rd *r, size_t n)
{
    if (r->err || rd_left(r) < n) {
        r->err = true;
        r->p = r->end;
        return NULL;
    }
    const uint8_t *p = r->p;
    if (n) r->p += n;
    return p;
}

static uint64_t read_be(struct rd *r, size_t n)
{
    const uint8_t *p = rd_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++) v = v << 8 | p[i];
    return v;
}

static uint64_t read_le(struct rd *r, size_t n)
{
    const uint8_t *p = rd_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)read_be(r, 1);
}
uint16_t rd_u16be(struct rd *r)
{
    return (uint16_t)read_be(r, 2);
}
uint32_t rd_u32be(struct rd *r)
{
    return (uint32_t)read_be(r, 4);
}
uint64_t rd_u64be(struct rd *r)
{
    return read_be(r, 8);
}
uint16_t rd_u16le(struct rd *r)
{
    return (uint16_t)read_le(r, 2);
}
uint32_t rd_u32le(struct rd *r)
{
    return (uint32_t)read_le(r, 4);
}
uint64_t rd_u64le(struct rd *r)
{
    return read_le(r, 8);
}
