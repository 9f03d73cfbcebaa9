/* block_cache.c - see block_cache.h.
 *
 * A fixed array of slots with one room for their blocks (pages that were never used cost no memory); a hash table of
 * chains finds them, a doubly linked list orders them by use. A slot that is being filled or read from is pinned and
 * stays. When all slots are pinned a reader waits for one. The lock is never held while a block is fetched or copied.
 */
#include "store/block_cache.h"
#include <pthread.h>
#include <string.h>
#include "base/mem.h"

#define NONE UINT32_MAX
enum state { EMPTY, FILLING, FULL };

struct slot {
    uint64_t file, index;
    uint8_t *p; /* BLOCK_BYTES of room */
    uint32_t next_hash, newer, older;
    unsigned pins;
    enum state state;
};
struct block_cache {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot *slot;
    uint8_t *room;
    uint32_t *bucket;
    uint32_t n, nbuckets;
    uint32_t newest, oldest;
    uint64_t hits, fetches;
};

int block_cache_new(size_t bytes, struct block_cache **ret)
{
    struct block_cache *c = mem_calloc(1, sizeof *c);
    if (!c) return ERR_NOMEM;
    c->n = (uint32_t)(bytes / BLOCK_BYTES < 4 ? 4 : bytes / BLOCK_BYTES);
    c->nbuckets = c->n * 2 + 1;
    c->slot = mem_calloc(c->n, sizeof *c->slot);
    c->bucket = mem_alloc(c->nbuckets * sizeof *c->bucket);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->room = mem_alloc((size_t)c->n * BLOCK_BYTES);
    if (!c->slot || !c->bucket || !c->room) {
        block_cache_free(c);
        return ERR_NOMEM;
    }
    memset(c->bucket, 0xff, c->nbuckets * sizeof *c->bucket);
    for (uint32_t i = 0; i < c->n; i++) {
        c->slot[i].p = c->room + (size_t)i * BLOCK_BYTES;
        c->slot[i].newer = i ? i - 1 : NONE;
        c->slot[i].older = i + 1 < c->n ? i + 1 : NONE;
    }
    c->newest = 0;
    c->oldest = c->n - 1;
    *ret = c;
    return 0;
}

void block_cache_free(struct block_cache *c)
{
    if (!c) return;
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    mem_free(c->slot);
    mem_free(c->room);
    mem_free(c->bucket);
    mem_free(c);
}

/* ------------------------------------------------------------------ the table and the order; locked */

static uint32_t *bucket_of(struct block_cache *c, uint64_t file, uint64_t index)
{
    uint64_t h = (file * 0x9e3779b97f4a7c15u) ^ (index * 0xc2b2ae3d27d4eb4fu);
    return &c->bucket[(h ^ h >> 29) % c->nbuckets];
}

static struct slot *find(struct block_cache *c, uint64_t file, uint64_t index)
{
    for (uint32_t i = *bucket_of(c, file, index); i != NONE; i = c->slot[i].next_hash)
        if (c->slot[i].file == file && c->slot[i].index == index) return &c->slot[i];
    return NULL;
}

static void unhash(struct block_cache *c, struct slot *s)
{
    uint32_t me = (uint32_t)(s - c->slot), *at = bucket_of(c, s->file, s->index);
    while (*at != me) at = &c->slot[*at].next_hash;
    *at = s->next_hash;
    s->state = EMPTY;
}

static void use(struct block_cache *c, struct slot *s)
{
    uint32_t me = (uint32_t)(s - c->slot);
    if (c->newest == me) return;
    c->slot[s->newer].older = s->older;
    if (s->older != NONE)
        c->slot[s->older].newer = s->newer;
    else
        c->oldest = s->newer;
    s->older = c->newest;
    s->newer = NONE;
    c->slot[c->newest].newer = me;
    c->newest = me;
}

/* The slot that was not used for longest, taken for another block. NULL: all are pinned. */
static struct slot *take_oldest(struct block_cache *c, uint64_t file, uint64_t index)
{
    uint32_t i = c->oldest;
    while (i != NONE && c->slot[i].pins) i = c->slot[i].newer;
    if (i == NONE) return NULL;
    struct slot *s = &c->slot[i];
    if (s->state != EMPTY) unhash(c, s);
    uint32_t *at = bucket_of(c, file, index);
    s->file = file;
    s->index = index;
    s->next_hash = *at;
    s->state = FILLING;
    s->pins = 1;
    *at = i;
    return s;
}

/* ------------------------------------------------------------------ reading */

/* A pinned slot: full, or to be filled by the caller (*ret_mine). */
static void pin(struct block_cache *c, uint64_t file, uint64_t index, struct slot **ret, bool *ret_mine)
{
    pthread_mutex_lock(&c->lock);
    for (;;) {
        struct slot *s = find(c, file, index);
        bool mine = !s;
        if (s && s->state == FULL) {
            s->pins++;
            c->hits++;
        } else if (!s && (s = take_oldest(c, file, index))) {
            c->fetches++;
        } else {
            pthread_cond_wait(&c->changed, &c->lock);
            continue;
        }
        use(c, s);
        *ret = s;
        *ret_mine = mine;
        break;
    }
    pthread_mutex_unlock(&c->lock);
}

static void unpin(struct block_cache *c, struct slot *s, bool filled, int rc)
{
    pthread_mutex_lock(&c->lock);
    if (filled && rc)
        unhash(c, s);
    else
        s->state = FULL;
    s->pins--;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

int block_cache_read(struct block_cache *c, uint64_t file, uint64_t size, void *to, size_t n, uint64_t at,
                     block_fetch_fn *fetch, void *ctx)
{
    uint8_t *out = to;
    while (n) {
        uint64_t index = at / BLOCK_BYTES, from = index * BLOCK_BYTES;
        size_t have = size - from < BLOCK_BYTES ? (size_t)(size - from) : BLOCK_BYTES;
        size_t skip = (size_t)(at - from), take = have - skip < n ? have - skip : n;
        struct slot *s;
        bool mine;
        pin(c, file, index, &s, &mine);
        int rc = mine ? fetch(ctx, s->p, have, from) : 0;
        if (!rc) memcpy(out, s->p + skip, take);
        unpin(c, s, mine, rc);
        if (rc) return rc;
        out += take;
        at += take;
        n -= take;
    }
    return 0;
}

void block_cache_counts(struct block_cache *c, uint64_t *ret_hits, uint64_t *ret_fetches)
{
    pthread_mutex_lock(&c->lock);
    *ret_hits = c->hits;
    *ret_fetches = c->fetches;
    pthread_mutex_unlock(&c->lock);
}
