/* auth_perm.h - permissions as they are made and kept: rows of roles, compiled into one block of bytes.
 *
 * Rows (struct perm_rows) are what roles say and where: kind or "*", action bits, organisations (a set of
 * bits over the organisations' table, descendants included; NULL: everywhere), fields (none: all). "*"
 * reaches the protected kinds (people, their rights, keys, the audit log) only in a row that also allows
 * admin. Rows are added up for a user and his groups; a token's rows are cut down to its owner's.
 * perm_compile makes struct permissions of them, which core/permission.h asks: for each kind that some row
 * names, and for all others, which set of organisations each action has. Nothing is ever subtracted: what
 * no row allows is refused. The block holds no pointers into itself, so it is copied with memcpy
 * (perm_size); organisations' ids are the caller's and must outlive it. */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "core/permission.h"

#define PERM_KIND_MAX 48
#define PERM_ROWS_MAX 4096 /* of one user, counted by kind */
#define PERM_ACTIONS (ACT_ADMIN + 1)
#define PERM_ALL ((uint8_t)((1u << PERM_ACTIONS) - 1))

struct perm_row {
    struct str kind; /* "*": star */
    bool star, reach;
    uint8_t mask;
    const uint64_t *orgs; /* NULL: everywhere */
    const struct str *fields;
    size_t nfields; /* 0: all */
};
struct perm_rows {
    struct arena *arena;
    size_t words; /* of a set of organisations */
    struct perm_row *v;
    size_t n, cap;
};

bool perm_protected(struct str kind);
/* What is about the whole platform and belongs to no organisation: needs a grant everywhere. */
bool perm_platform(struct str kind);
bool perm_people(struct str kind); /* who may do what: changes of these kinds need admin */
int perm_action(struct str name);  /* enum api_action, or negative */
const char *perm_action_name(enum api_action act);

/* Add the array `permissions` of a role's spec. Everything lives in rows->arena or in the JSON. */
MUST_CHECK int perm_rows_add(struct perm_rows *to, const struct json *permissions, const uint64_t *orgs);
/* What both allow. `to` starts empty. */
MUST_CHECK int perm_rows_within(struct perm_rows *to, const struct perm_rows *a, const struct perm_rows *b);
/* orgs: the table that the bits of sets mean, sorted by id. *ret is freed with mem_free. */
MUST_CHECK int perm_compile(const struct perm_rows *rows, const struct str *orgs, size_t norgs,
                            struct permissions **ret);
/* One role everywhere. */
MUST_CHECK int perm_of_role(const struct json *permissions, struct permissions **ret);

size_t perm_size(const struct permissions *p);
bool perm_covers(const struct permissions *a, const struct permissions *b); /* a allows all that b allows */
/* The same wherever it is: what b allows somewhere, a allows somewhere. */
bool perm_reaches(const struct permissions *a, const struct permissions *b);
/* [{"kind":"*","actions":["read",…]}…] as the session object shows it: what is allowed somewhere. */
void perm_write(struct json_writer *w, const struct permissions *p);
/* Kinds that have rows of their own, in order; NULL past the end. Others are as "*". */
const char *perm_kind_at(const struct permissions *p, size_t i);
/* The field grants of a kind: i-th; false past the end. */
bool perm_fields_at(const struct permissions *p, const char *kind, size_t i, uint8_t *ret_mask, struct scope *ret_scope,
                    struct str *ret_names /* '\n'-separated */);
