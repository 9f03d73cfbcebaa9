/* auth_backoff.c - see auth_backoff.h.
 *
 * Both tables are 8-way sets chosen by a keyed hash (so that nobody can choose who shares his set); in a
 * full set the one longest unused gives way. A slot with key 0 is free. */
#include "core/auth/auth_backoff.h"

#define WAYS 8
#define NS_PER_S 1000000000ULL

static uint64_t key_of(const char *scope, struct str key)
{
    uint64_t h = str_hash(key, hash_seed() ^ str_hash(str_of(scope), hash_seed()));
    return h ? h : 1;
}

void backoff_init(struct backoff *b)
{
    memset(b->slots, 0, sizeof(b->slots));
    pthread_mutex_init(&b->lock, NULL);
}

void backoff_fini(struct backoff *b)
{
    pthread_mutex_destroy(&b->lock);
}

static struct backoff_slot *backoff_find(struct backoff *b, uint64_t key, bool make)
{
    struct backoff_slot *set = &b->slots[key % (BACKOFF_SLOTS / WAYS) * WAYS], *old = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key) return &set[i];
        if (set[i].last_ns < old->last_ns) old = &set[i];
    }
    if (!make) return NULL;
    *old = (struct backoff_slot){.key = key};
    return old;
}

unsigned backoff_wait(struct backoff *b, const char *scope, struct str key, uint64_t now_ns)
{
    pthread_mutex_lock(&b->lock);
    const struct backoff_slot *s = backoff_find(b, key_of(scope, key), false);
    uint64_t until = s ? s->until_ns : 0;
    pthread_mutex_unlock(&b->lock);
    return until > now_ns ? (unsigned)((until - now_ns + NS_PER_S - 1) / NS_PER_S) : 0;
}

void backoff_failed(struct backoff *b, const char *scope, struct str key, uint64_t now_ns)
{
    pthread_mutex_lock(&b->lock);
    struct backoff_slot *s = backoff_find(b, key_of(scope, key), true);
    if (now_ns - s->last_ns > BACKOFF_FORGET_S * NS_PER_S) s->failures = 0;
    s->failures++;
    s->last_ns = now_ns;
    if (s->failures >= BACKOFF_FREE) {
        unsigned doubled = s->failures - BACKOFF_FREE;
        uint64_t wait_s = doubled > 9 ? BACKOFF_MAX_S : 1ULL << doubled;
        s->until_ns = now_ns + (wait_s > BACKOFF_MAX_S ? BACKOFF_MAX_S : wait_s) * NS_PER_S;
    }
    pthread_mutex_unlock(&b->lock);
}

void backoff_clear(struct backoff *b, const char *scope, struct str key)
{
    pthread_mutex_lock(&b->lock);
    struct backoff_slot *s = backoff_find(b, key_of(scope, key), false);
    if (s) *s = (struct backoff_slot){0};
    pthread_mutex_unlock(&b->lock);
}

void buckets_init(struct buckets *b)
{
    memset(b->slots, 0, sizeof(b->slots));
    pthread_mutex_init(&b->lock, NULL);
}

void buckets_fini(struct buckets *b)
{
    pthread_mutex_destroy(&b->lock);
}

static struct bucket_slot *bucket_find(struct buckets *b, uint64_t key, unsigned rate, uint64_t now_ns)
{
    struct bucket_slot *set = &b->slots[key % (BUCKET_SLOTS / WAYS) * WAYS], *old = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == key) return &set[i];
        if (set[i].last_ns < old->last_ns) old = &set[i];
    }
    *old = (struct bucket_slot){.key = key, .tokens = rate, .last_ns = now_ns};
    return old;
}

bool bucket_take(struct buckets *b, uint64_t route, struct str peer, unsigned rate, uint64_t now_ns)
{
    uint64_t key = str_hash(peer, hash_seed() ^ (route + 1) * 0x9e3779b97f4a7c15ULL);
    pthread_mutex_lock(&b->lock);
    struct bucket_slot *s = bucket_find(b, key ? key : 1, rate, now_ns);
    s->tokens += (double)(now_ns - s->last_ns) / NS_PER_S * rate / 60.0;
    if (s->tokens > rate) s->tokens = rate;
    s->last_ns = now_ns;
    bool ok = s->tokens >= 1.0;
    if (ok) s->tokens -= 1.0;
    pthread_mutex_unlock(&b->lock);
    return ok;
}
