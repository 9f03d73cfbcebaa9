/* mem.c - allocation over the C library, counted, with failure on demand.
 *
 * Invariants: every function that may fail leaves its arguments as they were. Counters are relaxed
 * atomics; the countdown of mem_fail_at is shared by all threads, as tests want it. */
#include "base/mem.h"
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENAS_MIN 4
#define MAP_FROM (1 << 20)
#define TRIM_FROM (4 << 20)

static _Atomic uint64_t count;
static _Atomic int64_t fail_in; /* > 0: countdown; -1: all fail; 0: off */
static atomic_bool fail_sticky;

static bool countdown_hits(void)
{
    int64_t left = atomic_load(&fail_in);
    while (left > 0) {
        int64_t next = left == 1 ? (atomic_load(&fail_sticky) ? -1 : 0) : left - 1;
        if (atomic_compare_exchange_weak(&fail_in, &left, next)) return left == 1;
    }
    return left < 0;
}

static inline bool must_fail(void)
{
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
    if (__builtin_expect(atomic_load_explicit(&fail_in, memory_order_relaxed) == 0, 1)) return false;
    return countdown_hits();
}

/* The C library would keep eight arenas a core, each with what a thread once needed (100,000 points imported: 150 MB
 * free and kept), and after the first large block was freed take all of its size from them. Nothing here allocates so
 * often that more arenas than cores are faster. */
void mem_tune(void)
{
#ifdef __GLIBC__
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    (void)mallopt(M_ARENA_MAX, cores > ARENAS_MIN ? (int)cores : ARENAS_MIN);
    (void)mallopt(M_MMAP_THRESHOLD, MAP_FROM);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_FROM);
#endif
}

void *mem_alloc(size_t n)
{
    return must_fail() ? NULL : malloc(n ? n : 1);
}

void *mem_calloc(size_t n, size_t size)
{
    if (n == 0 || size == 0) n = size = 1;
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) return NULL;
    return must_fail() ? NULL : calloc(n, size);
}

void *mem_realloc(void *p, size_t n)
{
    return must_fail() ? NULL : realloc(p, n ? n : 1);
}

void mem_free(void *p)
{
    free(p);
}

void *mem_dup(const void *p, size_t n)
{
    void *q = mem_alloc(n);
    if (q && n) memcpy(q, p, n);
    return q;
}

char *mem_strdup(const char *z)
{
    return mem_dup(z, strlen(z) + 1);
}

bool mem_grow(void **items, size_t *cap, size_t want, size_t item_size)
{
    if (want <= *cap) return true;
    size_t next = *cap ? *cap : 8, bytes;
    while (next < want) {
        if (next > SIZE_MAX / 2) return false;
        next *= 2;
    }
    if (__builtin_mul_overflow(next, item_size, &bytes)) return false;
    void *p = mem_realloc(*items, bytes);
    if (!p) return false;
    *items = p;
    *cap = next;
    return true;
}

void mem_fail_at(uint64_t nth, bool sticky)
{
    atomic_store(&fail_sticky, sticky);
    atomic_store(&fail_in, (int64_t)nth);
}

uint64_t mem_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

void mem_cleanup_free(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof(p));
    mem_free(p);
}
