/* json_keys.c - the key set of json_int.h. */
#include "base/json_int.h"
#include "base/mem.h"

void json_keys_fini(struct json_keys *k)
{
    mem_free(k->slots);
    *k = (struct json_keys){0};
}

static bool slot_is(const struct json_key_slot *s, uint32_t object, struct str key)
{
    return s->object == object && s->n == key.n && (key.n == 0 || memcmp(s->p, key.p, key.n) == 0);
}

/* The slot of the key, or the free one where it would go. Needs a free slot. */
static struct json_key_slot *slot_of(const struct json_keys *k, uint32_t object, struct str key)
{
    size_t i = (size_t)str_hash(key, hash_seed() ^ object) & (k->cap - 1);
    while (k->slots[i].object && !slot_is(&k->slots[i], object, key)) i = (i + 1) & (k->cap - 1);
    return &k->slots[i];
}

static bool is_open(uint32_t object, const uint32_t *open, size_t n)
{
    while (n && open[n - 1] != object) n--;
    return n > 0;
}

bool json_keys_room(struct json_keys *k, const uint32_t *open, size_t n)
{
    if (k->used * 2 < k->cap) return true;
    size_t alive = 0;
    for (size_t i = 0; i < k->cap; i++) alive += k->slots[i].object && is_open(k->slots[i].object, open, n);
    struct json_keys next = {.cap = 64, .used = alive};
    while (next.cap < alive * 4) next.cap *= 2;
    next.slots = mem_calloc(next.cap, sizeof(*next.slots));
    if (!next.slots) return false;
    for (size_t i = 0; i < k->cap; i++) {
        struct json_key_slot *s = &k->slots[i];
        if (s->object && is_open(s->object, open, n)) *slot_of(&next, s->object, str_make(s->p, s->n)) = *s;
    }
    mem_free(k->slots);
    *k = next;
    return true;
}

bool json_keys_add(struct json_keys *k, uint32_t object, struct str key, const struct json *node)
{
    struct json_key_slot *s = slot_of(k, object, key);
    if (s->object) return false;
    *s = (struct json_key_slot){key.p, (uint32_t)key.n, object, node};
    k->used++;
    return true;
}

const struct json *json_keys_find(const struct json_keys *k, uint32_t object, struct str key)
{
    if (!k->cap) return NULL;
    const struct json_key_slot *s = slot_of(k, object, key);
    return s->object ? s->node : NULL;
}
