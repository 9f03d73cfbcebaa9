/* auth_compile.c - from rows of roles to compiled permissions (auth_perm.h). Pure; any thread. */
#include <stdlib.h>
#include "base/mem.h"
#include "core/auth/auth_perm_int.h"

#define SETS_MAX 8192
#define GRANTS_MAX 8192

/* --- rows --- */

static int push(struct perm_rows *to, const struct perm_row *row)
{
    if (to->n == PERM_ROWS_MAX) return ERR_LIMIT;
    if (to->n == to->cap) {
        size_t cap = to->cap ? to->cap * 2 : 32;
        struct perm_row *v = arena_alloc(to->arena, cap * sizeof(*v));
        if (!v) return ERR_NOMEM;
        if (to->n) memcpy(v, to->v, to->n * sizeof(*v));
        to->v = v;
        to->cap = cap;
    }
    to->v[to->n++] = *row;
    return 0;
}

static uint8_t mask_of(const struct json *actions)
{
    uint8_t mask = 0;
    for
        json_each (a, actions) {
            int act = perm_action(json_str(a, STR_NULL));
            if (act >= 0) mask |= (uint8_t)(1u << act);
        }
    return mask;
}

static int fields_of(struct perm_rows *to, const struct json *list, struct perm_row *row)
{
    size_t n = json_count(list);
    if (!n) return 0;
    struct str *names = arena_alloc(to->arena, n * sizeof(*names));
    if (!names) return ERR_NOMEM;
    for
        json_each (f, list) {
            struct str name = json_str(f, STR_NULL);
            if (str_starts(name, STR("spec."))) name = str_sub(name, 5, name.n);
            if (name.n && str_find(name, '\n') < 0) names[row->nfields++] = name;
        }
    row->fields = names;
    if (!row->nfields) row->mask &= (uint8_t) ~(1u << ACT_READ | 1u << ACT_WRITE);
    return 0;
}

int perm_rows_add(struct perm_rows *to, const struct json *permissions, const uint64_t *orgs)
{
    for
        json_each (spec, permissions) {
            struct perm_row row = {.mask = mask_of(json_get(spec, "actions")), .orgs = orgs};
            int rc = fields_of(to, json_get(spec, "fields"), &row);
        for
            json_each (k, json_get(spec, "kinds")) {
                row.kind = json_str(k, STR_NULL);
                row.star = str_is(row.kind, "*");
                row.reach = row.star && (row.mask & 1u << ACT_ADMIN);
                if (!rc && row.mask && row.kind.n && row.kind.n < PERM_KIND_MAX) rc = push(to, &row);
            }
        if (rc) return rc;
        }
    return 0;
}

static int meet_orgs(struct perm_rows *to, const uint64_t *a, const uint64_t *b, const uint64_t **ret, bool *ret_any)
{
    *ret = a ? a : b;
    *ret_any = true;
    if (!a || !b) return 0;
    uint64_t *set = arena_calloc(to->arena, to->words + 1, sizeof(*set));
    if (!set) return ERR_NOMEM;
    *ret_any = false;
    for (size_t i = 0; i < to->words; i++) *ret_any |= (set[i] = a[i] & b[i]) != 0;
    *ret = set;
    return 0;
}

static int meet_fields(struct perm_rows *to, const struct perm_row *a, const struct perm_row *b, struct perm_row *row)
{
    const struct perm_row *one = a->nfields ? a : b, *two = a->nfields ? b : a;
    row->fields = one->fields;
    row->nfields = one->nfields;
    if (!one->nfields || !two->nfields) return 0;
    struct str *names = arena_alloc(to->arena, one->nfields * sizeof(*names));
    if (!names) return ERR_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < one->nfields; i++)
        for (size_t j = 0; j < two->nfields; j++)
            if (str_eq(one->fields[i], two->fields[j])) {
                names[n++] = one->fields[i];
                break;
            }
    row->fields = names;
    row->nfields = n;
    if (!n) row->mask &= (uint8_t) ~(1u << ACT_READ | 1u << ACT_WRITE);
    return 0;
}

static bool meet_kind(const struct perm_row *a, const struct perm_row *b, struct perm_row *row)
{
    const struct perm_row *named = a->star ? b : a, *other = a->star ? a : b;
    row->kind = named->kind;
    row->star = named->star;
    row->reach = a->reach && b->reach;
    if (named->star) return true;
    if (other->star) return other->reach || !perm_protected(named->kind);
    return str_eq(a->kind, b->kind);
}

static int meet(struct perm_rows *to, const struct perm_row *a, const struct perm_row *b)
{
    struct perm_row row = {.mask = a->mask & b->mask};
    bool any = false;
    if (!row.mask || !meet_kind(a, b, &row)) return 0;
    int rc = meet_orgs(to, a->orgs, b->orgs, &row.orgs, &any);
    if (!rc && any) rc = meet_fields(to, a, b, &row);
    return !rc && any && row.mask ? push(to, &row) : rc;
}

int perm_rows_within(struct perm_rows *to, const struct perm_rows *a, const struct perm_rows *b)
{
    int rc = 0;
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n && !rc; j++) rc = meet(to, &a->v[i], &b->v[j]);
    return rc;
}

/* --- compiling --- */

struct compiling {
    const struct perm_rows *rows;
    struct arena arena;
    size_t words, norgs;
    struct perm_entry *entries;
    size_t nentries;
    struct perm_grant *grants;
    size_t ngrants, grants_cap;
    uint64_t *sets; /* nsets of `words` each */
    size_t nsets, sets_cap;
    struct buf names;
    int rc;
};

/* Number of a set; what is empty is nowhere. `everywhere` is a flag beside the bits: new organisations too. */
static uint16_t number_of(struct compiling *c, const uint64_t *set, bool everywhere)
{
    bool any = false;
    if (everywhere) return PERM_EVERYWHERE;
    for (size_t i = 0; i < c->words; i++) any |= set[i] != 0;
    if (!any || c->rc) return PERM_NOWHERE;
    for (size_t i = 0; i < c->nsets; i++)
        if (memcmp(c->sets + i * c->words, set, c->words * sizeof(*set)) == 0) return (uint16_t)(i + PERM_SET0);
    if (c->nsets == SETS_MAX) c->rc = ERR_LIMIT;
    if (!c->rc && !mem_grow((void **)&c->sets, &c->sets_cap, (c->nsets + 1) * c->words, sizeof(*c->sets)))
        c->rc = ERR_NOMEM;
    if (c->rc) return PERM_NOWHERE;
    memcpy(c->sets + c->nsets * c->words, set, c->words * sizeof(*set));
    return (uint16_t)(c->nsets++ + PERM_SET0);
}

static bool applies(const struct perm_row *r, struct str kind, bool protected)
{
    return r->star ? r->reach || !protected : str_eq(r->kind, kind);
}

static void add_orgs(const struct compiling *c, const struct perm_row *r, uint64_t *set, bool *everywhere)
{
    if (!r->orgs) *everywhere = true;
    for (size_t i = 0; r->orgs && i < c->words; i++) set[i] |= r->orgs[i];
}

static void action_sets(struct compiling *c, struct perm_entry *e, struct str kind, bool protected, size_t act)
{
    uint64_t *any = arena_calloc(&c->arena, 2 * c->words + 1, sizeof(*any)), *full = any + c->words;
    bool any_all = false, full_all = false;
    if (!any) {
        c->rc = ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < c->rows->n; i++) {
        const struct perm_row *r = &c->rows->v[i];
        if (!(r->mask & 1u << act) || !applies(r, kind, protected)) continue;
        add_orgs(c, r, any, &any_all);
        if (!r->nfields) add_orgs(c, r, full, &full_all);
    }
    e->any[act] = number_of(c, any, any_all);
    if (act <= ACT_WRITE) e->full[act] = number_of(c, full, full_all);
}

static void add_grant(struct compiling *c, const struct perm_row *r)
{
    struct perm_grant g = {.mask = r->mask & (uint8_t)(1u << ACT_READ | 1u << ACT_WRITE),
                           .set = number_of(c, r->orgs, !r->orgs),
                           .name_first = (uint32_t)c->names.n};
    for (size_t i = 0; i < r->nfields; i++) {
        buf_str(&c->names, r->fields[i]);
        buf_u8(&c->names, '\n');
    }
    g.name_n = (uint32_t)c->names.n - g.name_first;
    if (c->names.err) c->rc = c->names.err;
    if (c->ngrants == GRANTS_MAX) c->rc = ERR_LIMIT;
    if (!c->rc && !mem_grow((void **)&c->grants, &c->grants_cap, c->ngrants + 1, sizeof(g))) c->rc = ERR_NOMEM;
    if (!c->rc) c->grants[c->ngrants++] = g;
}

static void compile_entry(struct compiling *c, struct perm_entry *e, struct str kind, bool protected)
{
    str_to_cstr(kind, e->kind, sizeof(e->kind));
    for (size_t act = 0; act < PERM_ACTIONS && !c->rc; act++) action_sets(c, e, kind, protected, act);
    e->grant_first = (uint32_t)c->ngrants;
    for (size_t i = 0; i < c->rows->n && !c->rc; i++)
        if (c->rows->v[i].nfields && applies(&c->rows->v[i], kind, protected)) add_grant(c, &c->rows->v[i]);
    e->ngrants = (uint16_t)(c->ngrants - e->grant_first);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void compile_entries(struct compiling *c)
{
    struct str *kinds = arena_alloc(&c->arena, (c->rows->n + 1) * sizeof(*kinds));
    size_t n = 0;
    c->entries = arena_calloc(&c->arena, c->rows->n + PERM_FIRST, sizeof(*c->entries));
    if (!kinds || !c->entries) {
        c->rc = ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < c->rows->n; i++)
        if (!c->rows->v[i].star) kinds[n++] = c->rows->v[i].kind;
    qsort(kinds, n, sizeof(*kinds), by_text);
    compile_entry(c, &c->entries[PERM_STAR], STR("*"), false);
    compile_entry(c, &c->entries[PERM_STAR_PROTECTED], STR("*"), true);
    c->nentries = PERM_FIRST;
    for (size_t i = 0; i < n && !c->rc; i++)
        if (!i || !str_eq(kinds[i], kinds[i - 1]))
            compile_entry(c, &c->entries[c->nentries++], kinds[i], perm_protected(kinds[i]));
}

static size_t bits_in(const struct compiling *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->nsets * c->words; i++) n += (size_t)__builtin_popcountll(c->sets[i]);
    return n;
}

static void put_sets(const struct compiling *c, struct permissions *p, const struct str *orgs)
{
    struct perm_set *sets = (struct perm_set *)(void *)((char *)p + p->sets_at);
    struct str *out = (struct str *)(void *)((char *)p + p->orgs_at);
    uint32_t n = 0;
    for (size_t s = 0; s < c->nsets; s++) {
        sets[s].first = n;
        for (size_t i = 0; i < c->norgs; i++)
            if (c->sets[s * c->words + i / 64] >> (i % 64) & 1) out[n++] = orgs[i];
        sets[s].n = n - sets[s].first;
    }
}

static size_t align8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static struct permissions *put(const struct compiling *c, const struct str *orgs)
{
    size_t grants_at = align8(sizeof(struct permissions) + c->nentries * sizeof(*c->entries));
    size_t sets_at = align8(grants_at + c->ngrants * sizeof(*c->grants));
    size_t orgs_at = align8(sets_at + c->nsets * sizeof(struct perm_set));
    size_t names_at = orgs_at + bits_in(c) * sizeof(struct str), size = align8(names_at + c->names.n);
    struct permissions *p = size > UINT32_MAX ? NULL : mem_calloc(1, size);
    if (!p) return NULL;
    p->size = (uint32_t)size;
    p->nrows = (uint32_t)c->nentries;
    p->grants_at = (uint32_t)grants_at;
    p->sets_at = (uint32_t)sets_at;
    p->orgs_at = (uint32_t)orgs_at;
    p->names_at = (uint32_t)names_at;
    memcpy(p->entries, c->entries, c->nentries * sizeof(*c->entries));
    if (c->ngrants) memcpy((char *)p + grants_at, c->grants, c->ngrants * sizeof(*c->grants));
    if (c->names.n) memcpy((char *)p + names_at, c->names.p, c->names.n);
    put_sets(c, p, orgs);
    return p;
}

int perm_compile(const struct perm_rows *rows, const struct str *orgs, size_t norgs, struct permissions **ret)
{
    struct compiling c = {.rows = rows, .words = rows->words, .norgs = norgs};
    arena_init(&c.arena, 64 << 20);
    buf_init(&c.names, 1 << 20);
    compile_entries(&c);
    struct permissions *p = c.rc ? NULL : put(&c, orgs);
    if (!c.rc && !p) c.rc = ERR_NOMEM;
    buf_fini(&c.names);
    mem_free(c.grants);
    mem_free(c.sets);
    arena_fini(&c.arena);
    if (!c.rc) *ret = p;
    return c.rc;
}

int perm_of_role(const struct json *permissions, struct permissions **ret)
{
    AUTO_ARENA arena;
    arena_init(&arena, 16 << 20);
    struct perm_rows rows = {.arena = &arena};
    int rc = perm_rows_add(&rows, permissions, NULL);
    return rc ? rc : perm_compile(&rows, NULL, 0, ret);
}
