/* permission.h - what somebody may do: actions on kinds, within organisations, perhaps on some fields only.
 *
 * Compiled from roles and grants (kinds role, user, group; auth/auth_perm.h), immutable, deny by default:
 * what no role allows is refused. A grant holds for the whole platform, or for some organisations with all
 * below them. A resource without an organisation (org "") belongs to the whole platform: whoever may read
 * its kind anywhere reads it; changing it needs a grant for the whole platform.
 * Pure, any thread, never SQL. `p` NULL: the system, which may everything. */
#pragma once
#include "base/str.h"

enum api_action {
    ACT_READ,
    ACT_WRITE, /* create and change */
    ACT_DELETE,
    ACT_APPROVE,   /* transitions that approve, publish or retire */
    ACT_CONTROL,   /* commands to equipment */
    ACT_SENSITIVE, /* see fields marked sensitive unmasked */
    ACT_ADMIN,
    ACT_LOGIN, /* routes only: anyone, not signed in */
    ACT_SELF   /* routes only: any signed-in user, on himself */
};

struct permissions;
/* Somewhere at all: the check of a route. */
bool permitted(const struct permissions *p, const char *kind, enum api_action act);
/* On a resource of that organisation (its id; "" or NULL: platform-wide). */
bool permitted_at(const struct permissions *p, const char *kind, enum api_action act, struct str org);
/* And that field of it: a member of spec by name ("period"), or "code", "name", "org", "labels". Rows of a
 * role with `fields` give only these; rows without give all. Only READ and WRITE are told apart by field. */
bool permitted_field(const struct permissions *p, const char *kind, enum api_action act, struct str org,
                     struct str field);
bool permitted_all_fields(const struct permissions *p, const char *kind, enum api_action act);

/* Where an action is allowed: everywhere, or in `orgs` (ids, sorted bytewise, descendants included; plus the
 * platform-wide resources when act is READ). n 0 and not all: nowhere (READ: the platform-wide ones). */
struct scope {
    bool all;
    const struct str *orgs; /* live as long as p */
    size_t n;
};
struct scope permitted_scope(const struct permissions *p, const char *kind, enum api_action act);
bool scope_has(const struct scope *s, struct str org); /* org "" only when all */
