/* hashset.c - see hashset.h. Digests are as random as hashes come: their first bytes are the place. */
#include "modules/backup/hashset.h"
#include "base/mem.h"

#define DIGEST 32
static const uint8_t none[DIGEST];

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(struct str s, uint8_t out[DIGEST])
{
    if (s.n != 2 * DIGEST) return false;
    for (int i = 0; i < DIGEST; i++) {
        int hi = digit_of(s.p[2 * i]), lo = digit_of(s.p[2 * i + 1]);
        if (hi < 0 || lo < 0) return false;
        out[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

static size_t place_of(const struct hashset *s, const uint8_t d[DIGEST])
{
    uint64_t h;
    memcpy(&h, d, sizeof h);
    size_t i = (size_t)(h % s->slots);
    while (memcmp(s->slot[i], none, DIGEST) != 0 && memcmp(s->slot[i], d, DIGEST) != 0) i = (i + 1) % s->slots;
    return i;
}

static bool grow(struct hashset *s)
{
    struct hashset was = *s;
    uint8_t(*fresh)[DIGEST] = mem_calloc(was.slots ? was.slots * 2 : 1024, DIGEST);
    if (!fresh) return false;
    s->slot = fresh;
    s->slots = was.slots ? was.slots * 2 : 1024;
    for (size_t i = 0; i < was.slots; i++)
        if (memcmp(was.slot[i], none, DIGEST) != 0) memcpy(s->slot[place_of(s, was.slot[i])], was.slot[i], DIGEST);
    mem_free(was.slot);
    return true;
}

int hashset_add(struct hashset *s, struct str hex)
{
    uint8_t d[DIGEST];
    if (!from_hex(hex, d)) return ERR_INVALID;
    if (s->used * 2 >= s->slots && !grow(s)) return ERR_NOMEM;
    size_t i = place_of(s, d);
    if (memcmp(s->slot[i], none, DIGEST) != 0) return 0;
    memcpy(s->slot[i], d, DIGEST);
    s->used++;
    return 1;
}

bool hashset_has(const struct hashset *s, struct str hex)
{
    uint8_t d[DIGEST];
    return s->slots && from_hex(hex, d) && memcmp(s->slot[place_of(s, d)], none, DIGEST) != 0;
}

void hashset_fini(struct hashset *s)
{
    mem_free(s->slot);
    *s = (struct hashset){0};
}
