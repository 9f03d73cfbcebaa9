/* ring.c - bounded single-producer single-consumer ring of fixed-size items.
 *
 * head and tail run freely over 32 bits and are masked on use; the ring is empty when they are equal and
 * full when they differ by the capacity (at most 2^31). The producer owns tail, the consumer head; each
 * publishes its own with release and reads the other's with acquire. */
#include "io/ring.h"
#include <assert.h>
#include "base/mem.h"

static uint32_t round_up_pow2(uint32_t n)
{
    uint32_t p = 1;
    while (p < n) p <<= 1;
    return p;
}

int ring_init(struct ring *r, size_t item_size, uint32_t capacity)
{
    if (item_size == 0 || capacity == 0 || capacity > 1u << 31) return ERR_INVALID;
    uint32_t cap = round_up_pow2(capacity);
    unsigned char *items = mem_calloc(cap, item_size);
    if (!items) return ERR_NOMEM;
    r->items = items;
    r->item_size = item_size;
    r->mask = cap - 1;
    atomic_init(&r->head, 0);
    atomic_init(&r->tail, 0);
    atomic_init(&r->refused, 0);
    return 0;
}

void ring_fini(struct ring *r)
{
    mem_free(r->items);
    r->items = NULL;
}

/* Items from index `at` on that lie in one piece, at most n. */
static size_t run_at(const struct ring *r, uint32_t at, size_t n)
{
    size_t left = (size_t)r->mask + 1 - (at & r->mask);
    return n < left ? n : left;
}

int ring_put(struct ring *r, const void *items, size_t n)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    size_t room = (size_t)r->mask + 1 - (uint32_t)(tail - head);
    if (n > room) {
        atomic_fetch_add_explicit(&r->refused, n, memory_order_relaxed);
        return ERR_AGAIN;
    }
    if (n == 0) return 0;
    size_t first = run_at(r, tail, n), size = r->item_size;
    memcpy(r->items + (tail & r->mask) * size, items, first * size);
    memcpy(r->items, (const unsigned char *)items + first * size, (n - first) * size);
    atomic_store_explicit(&r->tail, tail + (uint32_t)n, memory_order_release);
    return 0;
}

size_t ring_take(struct ring *r, void *items, size_t max)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    size_t n = (uint32_t)(tail - head);
    if (n > max) n = max;
    if (n == 0) return 0;
    size_t first = run_at(r, head, n), size = r->item_size;
    memcpy(items, r->items + (head & r->mask) * size, first * size);
    memcpy((unsigned char *)items + first * size, r->items, (n - first) * size);
    atomic_store_explicit(&r->head, head + (uint32_t)n, memory_order_release);
    return n;
}

size_t ring_count(const struct ring *r)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    return (uint32_t)(tail - head);
}
