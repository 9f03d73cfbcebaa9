/* buf.h - a growing byte buffer with a maximum set at birth. Errors stick: after the first failed add
 * (maximum reached or out of memory) all further adds do nothing and buf->err says why, so that a
 * writer checks once at its end. Not terminated unless buf_cstr is asked. One thread at a time. */
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include "base/str.h"

struct buf {
    uint8_t *p;
    size_t n, cap, max;
    int err; /* 0, ERR_TOO_LARGE or ERR_NOMEM */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b);                       /* keeps the memory, forgets the error */
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_z(struct buf *b, const char *z);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16be(struct buf *b, uint16_t v);
void buf_u32be(struct buf *b, uint32_t v);
void buf_u64be(struct buf *b, uint64_t v);
void buf_u16le(struct buf *b, uint16_t v);
void buf_u32le(struct buf *b, uint32_t v);
void buf_u64le(struct buf *b, uint64_t v);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *b, const char *fmt, ...);
__attribute__((format(printf, 2, 0))) void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_double(struct buf *b, double v);            /* shortest form that reads back the same; "null" for nan/inf */
uint8_t *buf_space(struct buf *b, size_t n);         /* room for n bytes at the end (not yet counted), NULL + err */
void buf_drop(struct buf *b, size_t n);              /* forget the first n bytes */
const char *buf_cstr(struct buf *b);                 /* terminated; "" after an error */
static inline struct str buf_view(const struct buf *b) { return (struct str){(const char *)b->p, b->n}; }

/* rd - a bounded cursor over bytes. Reading past the end sets err and returns 0s from then on. */
struct rd {
    const uint8_t *p, *end;
    bool err;
};
static inline struct rd rd_make(const void *p, size_t n) { return (struct rd){p, (const uint8_t *)p + n, false}; }
static inline size_t rd_left(const struct rd *r) { return (size_t)(r->end - r->p); }
const uint8_t *rd_bytes(struct rd *r, size_t n);     /* NULL when fewer are left */
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16be(struct rd *r);
uint32_t rd_u32be(struct rd *r);
uint64_t rd_u64be(struct rd *r);
uint16_t rd_u16le(struct rd *r);
uint32_t rd_u32le(struct rd *r);
uint64_t rd_u64le(struct rd *r);
