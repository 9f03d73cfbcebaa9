/* auth_perm_int.h - the block of compiled permissions, for auth_perm.c and auth_compile.c only.
 *
 *   struct permissions | entries | grants | sets | organisations (struct str) | names of fields
 *
 * Entries: [0] all kinds without an entry of their own, [1] the protected ones among them, then by kind.
 * `any` is the set of organisations where the action is allowed on something, `full` (read, write) where on
 * all fields; what `full` lacks is in the entry's grants. Everything is found by offset from the start. */
#pragma once
#include "core/auth/auth_perm.h"

enum { PERM_STAR, PERM_STAR_PROTECTED, PERM_FIRST };
enum { PERM_NOWHERE, PERM_EVERYWHERE, PERM_SET0 }; /* numbers of sets; from PERM_SET0 on: index into sets */

struct perm_entry {
    char kind[PERM_KIND_MAX];
    uint16_t any[PERM_ACTIONS], full[ACT_WRITE + 1];
    uint16_t ngrants;
    uint32_t grant_first;
};
struct perm_grant {
    uint8_t mask;
    uint16_t set;
    uint32_t name_first, name_n; /* bytes behind names_at */
};
struct perm_set {
    uint32_t first, n; /* of the organisations */
};
struct permissions {
    uint32_t size, nrows;
    uint32_t grants_at, sets_at, orgs_at, names_at;
    uint64_t entries[]; /* aligned for what follows */
};

static inline const struct perm_entry *perm_entries(const struct permissions *p)
{
    return (const struct perm_entry *)(const void *)p->entries;
}
static inline const struct perm_grant *perm_grants(const struct permissions *p)
{
    return (const struct perm_grant *)(const void *)((const char *)p + p->grants_at);
}
static inline const struct perm_set *perm_sets(const struct permissions *p)
{
    return (const struct perm_set *)(const void *)((const char *)p + p->sets_at);
}
static inline const struct str *perm_orgs(const struct permissions *p)
{
    return (const struct str *)(const void *)((const char *)p + p->orgs_at);
}
