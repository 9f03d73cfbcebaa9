/* auth_perm.h - what somebody may do: action bits per kind, compiled from roles.
 *
 * `any` are the bits of "*" rows; `any_protected` those of "*" rows that also allow admin, the only "*"
 * that reaches the protected kinds (user, role, audit). A row adds to that for its kind. Nothing is ever
 * subtracted: what no role allows is refused. Immutable once built; plain bytes, copied freely. */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "core/api.h"

#define PERM_KIND_MAX 48
#define PERM_ROWS_MAX 512
struct permission_row {
    char kind[PERM_KIND_MAX];
    uint8_t mask;
};
struct permissions {
    uint8_t any, any_protected;
    uint16_t n;
    struct permission_row rows[]; /* sorted by kind, unique */
};

bool perm_protected(const char *kind);
uint8_t perm_mask(const struct permissions *p, const char *kind); /* all bits on that kind */
int perm_action(struct str name);                                 /* enum api_action, or negative */
const char *perm_action_name(enum api_action act);

/* Add the array `permissions` of a role's spec to *p (grown by mem_realloc; start with NULL). */
MUST_CHECK int perm_add_role(struct permissions **p, const struct json *permissions);
MUST_CHECK int perm_union(struct permissions **p, const struct permissions *more);
MUST_CHECK int perm_intersect(struct permissions **p, const struct permissions *with);
bool perm_covers(const struct permissions *a, const struct permissions *b); /* a allows all that b allows */
size_t perm_size(const struct permissions *p);
/* [{"kind":"*","actions":["read",…]}…] as the session object shows it. */
void perm_write(struct json_writer *w, const struct permissions *p);
