/* ring.h - bounded single-producer single-consumer ring of fixed-size items, lock-free; counts what it
 * could not take. One thread puts, one thread takes. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
struct ring {
    unsigned char *items;
    size_t item_size;
    uint32_t mask;                       /* capacity - 1, a power of two */
    _Alignas(64) _Atomic uint32_t head;  /* next to take */
    _Alignas(64) _Atomic uint32_t tail;  /* next to put */
    _Alignas(64) _Atomic uint64_t refused;
};
MUST_CHECK int ring_init(struct ring *r, size_t item_size, uint32_t capacity); /* rounded up to a power of two */
void ring_fini(struct ring *r);
/* All n items or none: 0 or ERR_AGAIN (counted). */
int ring_put(struct ring *r, const void *items, size_t n);
size_t ring_take(struct ring *r, void *items, size_t max);
size_t ring_count(const struct ring *r);
