/* arena.c - bump allocation in blocks that double in size.
 *
 * Blocks hang in a list; the head is the one that is filled. A request over half a block gets a block of
 * its own behind the head, so that the head's room is not lost. `used` counts what was handed out
 * (rounded to 16) against `max`. Owner: the arena's user; one thread at a time. */
#include "base/arena.h"
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/mem.h"

enum { BLOCK_MIN = 4096, BLOCK_MAX = 1 << 20, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t cap, pos;
    alignas(ALIGN) uint8_t data[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        mem_free(b);
        b = next;
    }
}

void arena_fini(struct arena *a)
{
    free_blocks(a->head);
    a->head = NULL;
    a->used = 0;
}

void arena_reset(struct arena *a)
{
    a->used = 0;
    if (!a->head) return;
    free_blocks(a->head->next);
    a->head->next = NULL;
    a->head->pos = 0;
}

void arena_cleanup(struct arena *a)
{
    arena_fini(a);
}

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *b = mem_alloc(sizeof(*b) + cap);
    if (b) *b = (struct arena_block){.cap = cap};
    return b;
}

static void *alloc_own_block(struct arena *a, size_t n)
{
    struct arena_block *b = block_new(n);
    if (!b) return NULL;
    b->pos = n;
    if (a->head) {
        b->next = a->head->next;
        a->head->next = b;
    } else {
        a->head = b;
    }
    return b->data;
}

static void *alloc_slow(struct arena *a, size_t n)
{
    size_t cap = a->head ? a->head->cap * 2 : BLOCK_MIN;
    if (cap > BLOCK_MAX) cap = BLOCK_MAX;
    if (cap < BLOCK_MIN) cap = BLOCK_MIN;
    if (n > cap / 2) return alloc_own_block(a, n);
    struct arena_block *b = block_new(cap);
    if (!b) return NULL;
    b->next = a->head;
    b->pos = n;
    a->head = b;
    return b->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX - ALIGN) return NULL;
    n = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (n > a->max || a->used > a->max - n) return NULL;
    struct arena_block *b = a->head;
    void *p;
    if (b && b->cap - b->pos >= n) {
        p = b->data + b->pos;
        b->pos += n;
    } else if (!(p = alloc_slow(a, n))) {
        return NULL;
    }
    a->used += n;
    return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n)) return NULL;
    void *p = arena_alloc(a, n);
    if (p) memset(p, 0, n);
    return p;
}

char *arena_strdup(struct arena *a, struct str s)
{
    if (s.n == SIZE_MAX) return NULL;
    char *p = arena_alloc(a, s.n + 1);
    if (!p) return NULL;
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_strdup(a, s);
    return p ? str_make(p, s.n) : STR_NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (!p) return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}
