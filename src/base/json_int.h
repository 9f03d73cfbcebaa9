/* json_int.h - shared by json_*.c: a set of keys of objects, so that many members are not compared one by
 * one. Open addressing, keyed hash (peers choose the keys). One table serves many objects, told apart
 * by an id, and is never cleared. Memory from mem_alloc; the owner calls json_keys_fini. */
#pragma once
#include "base/json.h"

struct json_key_slot {
    const char *p;
    uint32_t n, object; /* object 0: free */
    const struct json *node;
};
struct json_keys {
    struct json_key_slot *slots;
    size_t cap, used; /* cap is a power of two */
};
void json_keys_fini(struct json_keys *k);
/* Room for one more: false when out of memory. Objects that are not among open[0..n) are forgotten. */
MUST_CHECK bool json_keys_room(struct json_keys *k, const uint32_t *open, size_t n);
/* After json_keys_room. False: there already (nothing added). */
bool json_keys_add(struct json_keys *k, uint32_t object, struct str key, const struct json *node);
const struct json *json_keys_find(const struct json_keys *k, uint32_t object, struct str key);
