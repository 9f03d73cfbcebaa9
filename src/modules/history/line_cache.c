/* line_cache.c - what a series and field of line protocol mean, remembered by their raw bytes.
 *
 * Entries stand in the order in which they came first; clients send their series in one order, so that the entry
 * behind the last one is nearly always the right one: one comparison, memory read forwards. Else the hash finds it
 * (keyed: the bytes are the peer's choice). Past ENTRIES_MAX or KEYS_MAX a cache begins anew. Entries that mean no
 * point are looked at again after NONE_S: permission may have come. */
#include "modules/history/line_int.h"
#include "base/mem.h"
#include "core/auth/auth.h"

#define ENTRIES_MAX 2000000
#define KEYS_MAX (256u << 20)
#define BUDGET (512u << 20) /* of all caches; over it those that use more than their share begin anew */
#define NONE_S 20

/* ---- the table ---- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Eight bytes a step; every product takes the process's secret seed in. */
static uint64_t hash_bytes(const char *p, size_t n, uint64_t h)
{
    uint64_t w;
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&w, p, 8);
        h = mix(h ^ w, 0x9e3779b97f4a7c15ull);
    }
    w = 0;
    memcpy(&w, p, n);
    return mix(h ^ w ^ (uint64_t)n << 56, 0xd6e8feb86659fd93ull);
}

static uint64_t hash_of(struct str series, struct str field)
{
    return hash_bytes(field.p, field.n, hash_bytes(series.p, series.n, hash_seed() | 1));
}

static inline bool same(const struct line_entry *e, struct str series, struct str field)
{
    return e->series_n == series.n && e->field_n == field.n && memcmp(e->key, series.p, series.n) == 0 &&
           memcmp(e->key + series.n, field.p, field.n) == 0;
}

static uint32_t seconds(const struct line_cache *k)
{
    return (uint32_t)(clock_mono_ns(k->map->node->clock) / 1000000000);
}

static struct line_entry *look(const struct line_cache *k, struct str series, struct str field, uint64_t hash)
{
    if (!k->nslots) return NULL;
    for (size_t i = (size_t)hash & (k->nslots - 1); k->slot[i]; i = (i + 1) & (k->nslots - 1)) {
        struct line_entry *e = &k->entry[k->slot[i] - 1];
        if (e->hash == hash && same(e, series, field)) return e;
    }
    return NULL;
}

uint32_t line_cache_find(struct line_cache *k, struct str series, struct str field, uint32_t *at)
{
    uint32_t guess = *at + 1;
    struct line_entry *e = guess < k->n && same(&k->entry[guess], series, field)
                               ? &k->entry[guess]
                               : look(k, series, field, hash_of(series, field));
    if (!e) return LINE_UNSEEN;
    *at = (uint32_t)(e - k->entry);
    if (e->num == 0 && e->expires_s <= seconds(k)) return LINE_UNSEEN;
    return e->num;
}

void line_cache_lock(struct line_cache *k)
{
    pthread_rwlock_rdlock(&k->lock);
}

void line_cache_unlock(struct line_cache *k)
{
    pthread_rwlock_unlock(&k->lock);
}

bool line_cache_why(struct line_cache *k, uint32_t at, struct line_seen *ret)
{
    if (at >= k->n || k->entry[at].num || !k->entry[at].why) return false;
    const struct line_entry *e = &k->entry[at];
    *ret = (struct line_seen){.why.code = e->why_code};
    str_to_cstr(str_of(e->code), ret->code, sizeof ret->code);
    str_to_cstr(str_of(e->why), ret->why.text, sizeof ret->why.text);
    str_to_cstr(str_of(e->why_zh), ret->why.text_zh, sizeof ret->why.text_zh);
    return true;
}

/* ---- filling ---- */

static size_t size_of(const struct line_cache *k)
{
    return k->keys.used + k->cap * sizeof *k->entry + k->nslots * sizeof *k->slot;
}

static void count(struct line_cache *k)
{
    size_t now = size_of(k);
    atomic_fetch_add(&k->map->bytes, now - k->counted); /* modulo 2^64 */
    k->counted = now;
}

static void begin_anew(struct line_cache *k)
{
    mem_free(TAKE(k->entry));
    mem_free(TAKE(k->slot));
    k->n = k->cap = k->nslots = 0;
    arena_reset(&k->keys);
    count(k);
}

static bool too_large(const struct line_cache *k)
{
    if (k->n >= ENTRIES_MAX || k->keys.used > KEYS_MAX - 2 * LP_TEXT_MAX) return true;
    return atomic_load(&k->map->bytes) > BUDGET && k->counted > BUDGET / LINE_CACHES;
}

static bool grow_slots(struct line_cache *k)
{
    if (2 * (k->n + 1) <= k->nslots) return true;
    size_t want = k->nslots ? 2 * k->nslots : 1024;
    uint32_t *slot = mem_calloc(want, sizeof *slot);
    if (!slot) return false;
    for (size_t e = 0; e < k->n; e++) {
        size_t i = (size_t)k->entry[e].hash & (want - 1);
        while (slot[i]) i = (i + 1) & (want - 1);
        slot[i] = (uint32_t)e + 1;
    }
    mem_free(k->slot);
    k->slot = slot;
    k->nslots = want;
    return true;
}

static struct line_entry *insert(struct line_cache *k, struct str series, struct str field, uint64_t hash)
{
    if (too_large(k)) begin_anew(k);
    char *key = arena_alloc(&k->keys, series.n + field.n);
    if (!key || !grow_slots(k) || !mem_grow((void **)&k->entry, &k->cap, k->n + 1, sizeof *k->entry)) return NULL;
    memcpy(key, series.p, series.n);
    memcpy(key + series.n, field.p, field.n);
    size_t i = (size_t)hash & (k->nslots - 1);
    while (k->slot[i]) i = (i + 1) & (k->nslots - 1);
    k->slot[i] = (uint32_t)k->n + 1;
    struct line_entry *e = &k->entry[k->n++];
    *e = (struct line_entry){.hash = hash, .key = key, .series_n = (uint32_t)series.n, .field_n = (uint32_t)field.n};
    count(k);
    return e;
}

int line_cache_keep(struct line_cache *k, struct str series, struct str field, uint32_t num,
                    const struct line_seen *seen, unsigned generation)
{
    uint64_t hash = hash_of(series, field);
    pthread_rwlock_wrlock(&k->lock);
    struct line_entry *e = look(k, series, field, hash);
    if (!e) e = insert(k, series, field, hash);
    if (e) {
        bool fresh = generation == atomic_load(&k->map->generation);
        e->num = num;
        if (!num) {
            bool again = e->why && strcmp(e->why, seen->why.text) == 0 && strcmp(e->code, seen->code) == 0;
            e->code = again ? e->code : arena_strdup(&k->keys, str_of(seen->code));
            e->why = again ? e->why : arena_strdup(&k->keys, str_of(seen->why.text));
            e->why_zh = again ? e->why_zh : arena_strdup(&k->keys, str_of(seen->why.text_zh));
            e->why_code = seen->why.code;
            e->expires_s = seconds(k) + NONE_S;
        }
        if (!fresh) {
            e->num = 0;
            e->expires_s = 0;
        }
    }
    pthread_rwlock_unlock(&k->lock);
    return e ? 0 : ERR_NOMEM;
}

/* ---- forgetting ---- */

static int order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void forget(struct line_cache *k, const uint32_t *num, size_t n)
{
    pthread_rwlock_wrlock(&k->lock);
    if (!n) begin_anew(k);
    for (size_t i = 0; i < k->n; i++) {
        struct line_entry *e = &k->entry[i];
        if (e->num && !bsearch(&e->num, num, n, sizeof *num, order)) continue;
        e->num = 0;
        e->expires_s = 0;
    }
    pthread_rwlock_unlock(&k->lock);
}

void line_caches_forget(struct line_map *m, const uint32_t *num, size_t n)
{
    uint32_t *sorted = n ? mem_dup(num, n * sizeof *num) : NULL;
    if (sorted) qsort(sorted, n, sizeof *sorted, order);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < LINE_CACHES; i++)
        if (m->cache[i]) forget(m->cache[i], sorted, sorted ? n : 0);
    pthread_mutex_unlock(&m->lock);
    mem_free(sorted);
}

/* ---- caches ---- */

static void cache_free(struct line_cache *k)
{
    atomic_fetch_sub(&k->map->bytes, k->counted);
    pthread_rwlock_destroy(&k->lock);
    arena_fini(&k->keys);
    mem_free(k->entry);
    mem_free(k->slot);
    mem_free(k->database);
    mem_free(k);
}

void line_cache_put(struct line_cache *k)
{
    if (k && atomic_fetch_sub(&k->refs, 1) == 1) cache_free(k);
}

static struct line_cache *cache_new(struct line_map *m, const uint8_t who[32], struct str database)
{
    struct line_cache *k = mem_calloc(1, sizeof *k);
    char *name = mem_alloc(database.n + 1);
    if (!k || !name) {
        mem_free(k);
        mem_free(name);
        return NULL;
    }
    if (database.n) memcpy(name, database.p, database.n);
    name[database.n] = '\0';
    k->map = m;
    k->database = name;
    memcpy(k->who, who, sizeof k->who);
    atomic_init(&k->refs, 1);
    pthread_rwlock_init(&k->lock, NULL);
    arena_init(&k->keys, KEYS_MAX);
    return k;
}

/* Under the map's lock: the one of that key, else the place of the one unused longest. */
static size_t place_of(struct line_map *m, const uint8_t who[32], struct str database)
{
    size_t best = 0;
    for (size_t i = 0; i < LINE_CACHES; i++) {
        struct line_cache *k = m->cache[i];
        if (k && memcmp(k->who, who, 32) == 0 && str_is(database, k->database)) return i;
        if (!k || (m->cache[best] && k->used < m->cache[best]->used)) best = !k && !m->cache[best] ? best : i;
    }
    return best;
}

struct line_cache *line_cache_get(struct line_map *m, const struct api_call *c, struct str database)
{
    static const uint8_t nobody[32];
    const uint8_t *who = c->who ? c->who->key : nobody;
    pthread_mutex_lock(&m->lock);
    struct line_cache **at = &m->cache[place_of(m, who, database)], *k = *at;
    if (!k || memcmp(k->who, who, 32) != 0 || !str_is(database, k->database)) {
        struct line_cache *fresh = cache_new(m, who, database);
        if (fresh) {
            line_cache_put(k);
            *at = fresh;
        }
        k = fresh;
    }
    if (k) {
        k->used = ++m->clock;
        atomic_fetch_add(&k->refs, 1);
    }
    pthread_mutex_unlock(&m->lock);
    return k;
}

void line_caches_free(struct line_map *m)
{
    for (size_t i = 0; i < LINE_CACHES; i++) line_cache_put(m->cache[i]);
}
