/* poll.c - see poll.h. A binary heap; each slot knows its place. */
#include "drivers/common/poll.h"
#include "base/mem.h"

static void put(struct poll_queue *q, size_t i, struct poll_slot *s)
{
    q->heap[i] = s;
    s->at = i + 1;
}

static void sift_up(struct poll_queue *q, size_t i)
{
    struct poll_slot *s = q->heap[i];
    for (; i > 0 && q->heap[(i - 1) / 2]->due_ns > s->due_ns; i = (i - 1) / 2) put(q, i, q->heap[(i - 1) / 2]);
    put(q, i, s);
}

static void sift_down(struct poll_queue *q, size_t i)
{
    struct poll_slot *s = q->heap[i];
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= q->n) break;
        if (c + 1 < q->n && q->heap[c + 1]->due_ns < q->heap[c]->due_ns) c++;
        if (q->heap[c]->due_ns >= s->due_ns) break;
        put(q, i, q->heap[c]);
        i = c;
    }
    put(q, i, s);
}

void poll_queue_fini(struct poll_queue *q)
{
    mem_free(q->heap);
    *q = (struct poll_queue){0};
}

int poll_add(struct poll_queue *q, struct poll_slot *s)
{
    void *items = q->heap;
    if (!mem_grow(&items, &q->cap, q->n + 1, sizeof *q->heap)) return ERR_NOMEM;
    q->heap = items;
    put(q, q->n++, s);
    sift_up(q, q->n - 1);
    return 0;
}

void poll_remove(struct poll_queue *q, struct poll_slot *s)
{
    if (s->at == 0) return;
    size_t i = s->at - 1;
    struct poll_slot *last = q->heap[--q->n];
    s->at = 0;
    if (last == s) return;
    put(q, i, last);
    sift_up(q, i);
    sift_down(q, last->at - 1);
}

struct poll_slot *poll_first(const struct poll_queue *q)
{
    return q->n ? q->heap[0] : NULL;
}

void poll_move(struct poll_queue *q, struct poll_slot *s, uint64_t due_ns)
{
    s->due_ns = due_ns;
    if (s->at == 0) return;
    sift_up(q, s->at - 1);
    sift_down(q, s->at - 1);
}

uint64_t poll_advance(struct poll_queue *q, struct poll_slot *s, uint64_t now_ns)
{
    uint64_t behind = now_ns > s->due_ns ? (now_ns - s->due_ns) / s->period_ns : 0;
    s->late += behind;
    poll_move(q, s, s->due_ns + (behind + 1) * s->period_ns);
    return behind;
}

uint64_t poll_phase(uint64_t now_ns, uint64_t period_ns, uint64_t key)
{
    key *= 0x9E3779B97F4A7C15u; /* Fibonacci hashing: evenly spread for running numbers */
    key ^= key >> 32;
    return now_ns + (period_ns ? (key * 0x9E3779B97F4A7C15u >> 11) % period_ns : 0);
}

uint32_t backoff_next_ms(struct backoff *b, uint64_t random)
{
    uint64_t ms = b->min_ms;
    for (unsigned i = 0; i < b->tries && ms < b->max_ms; i++) ms *= 2;
    if (ms > b->max_ms) ms = b->max_ms;
    if (b->tries < 32) b->tries++;
    return (uint32_t)(ms - ms / 4 + random % (ms / 2 + 1));
}
