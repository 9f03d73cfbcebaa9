/* auth_perm.c - see auth_perm.h. Pure; any thread. */
#include "core/auth/auth_perm.h"
#include "base/mem.h"

static const char *const action_names[] = {
    [ACT_READ] = "read",       [ACT_WRITE] = "write",         [ACT_DELETE] = "delete", [ACT_APPROVE] = "approve",
    [ACT_CONTROL] = "control", [ACT_SENSITIVE] = "sensitive", [ACT_ADMIN] = "admin",
};
#define NACTIONS (sizeof(action_names) / sizeof(action_names[0]))
#define BIT(act) (uint8_t)(1u << (act))

int perm_action(struct str name)
{
    for (size_t i = 0; i < NACTIONS; i++)
        if (str_is(name, action_names[i])) return (int)i;
    return ERR_INVALID;
}

const char *perm_action_name(enum api_action act)
{
    return act < NACTIONS ? action_names[act] : "";
}

bool perm_protected(const char *kind)
{
    static const char *const names[] = {"user", "role", "audit"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(kind, names[i]) == 0) return true;
    return false;
}

/* Index of the row, or -(place to insert) - 1. */
static int find_row(const struct permissions *p, const char *kind)
{
    int lo = 0, hi = (int)p->n - 1;
    while (lo <= hi) {
        int mid = (lo + hi) / 2, c = strcmp(p->rows[mid].kind, kind);
        if (c == 0) return mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid - 1;
    }
    return -lo - 1;
}

uint8_t perm_mask(const struct permissions *p, const char *kind)
{
    int i = find_row(p, kind);
    uint8_t base = perm_protected(kind) ? p->any_protected : p->any;
    return i < 0 ? base : (uint8_t)(base | p->rows[i].mask);
}

bool permitted(const struct permissions *p, const char *kind, enum api_action act)
{
    if (!p || act == ACT_LOGIN || act == ACT_SELF) return true;
    return perm_mask(p, kind) & BIT(act);
}

bool permitted_at(const struct permissions *p, const char *kind, enum api_action act, struct str org)
{
    return permitted(p, kind, act);
}

bool permitted_field(const struct permissions *p, const char *kind, enum api_action act, struct str org,
                     struct str field)
{
    return permitted(p, kind, act);
}

bool permitted_all_fields(const struct permissions *p, const char *kind, enum api_action act)
{
    return permitted(p, kind, act);
}

struct scope permitted_scope(const struct permissions *p, const char *kind, enum api_action act)
{
    return (struct scope){.all = permitted(p, kind, act)};
}

bool scope_has(const struct scope *s, struct str org)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->orgs[i], org)) return true;
    return s->all;
}

size_t perm_size(const struct permissions *p)
{
    return sizeof(*p) + p->n * sizeof(p->rows[0]);
}

static int make_room(struct permissions **p, size_t rows)
{
    if (rows > PERM_ROWS_MAX) return ERR_LIMIT;
    bool fresh = !*p;
    struct permissions *q = mem_realloc(*p, sizeof(*q) + rows * sizeof(q->rows[0]));
    if (!q) return ERR_NOMEM;
    if (fresh) memset(q, 0, sizeof(*q));
    *p = q;
    return 0;
}

static int add_bits(struct permissions **p, const char *kind, uint8_t mask)
{
    int rc = make_room(p, *p ? (size_t)(*p)->n + 1 : 1);
    if (rc) return rc;
    struct permissions *q = *p;
    int i = find_row(q, kind);
    if (i >= 0) {
        q->rows[i].mask |= mask;
        return 0;
    }
    size_t at = (size_t)(-i - 1);
    memmove(&q->rows[at + 1], &q->rows[at], (q->n - at) * sizeof(q->rows[0]));
    memset(&q->rows[at], 0, sizeof(q->rows[at]));
    snprintf(q->rows[at].kind, PERM_KIND_MAX, "%s", kind);
    q->rows[at].mask = mask;
    q->n++;
    return 0;
}

static uint8_t mask_of(const struct json *actions)
{
    uint8_t mask = 0;
    for
        json_each (a, actions) {
            int act = perm_action(json_str(a, STR_NULL));
            if (act >= 0) mask |= BIT(act);
        }
    return mask;
}

static int add_kind(struct permissions **p, struct str kind, uint8_t mask)
{
    char name[PERM_KIND_MAX];
    if (!str_is(kind, "*")) return str_to_cstr(kind, name, sizeof(name)) ? add_bits(p, name, mask) : 0;
    int rc = make_room(p, *p ? (*p)->n : 0);
    if (rc) return rc;
    (*p)->any |= mask;
    if (mask & BIT(ACT_ADMIN)) (*p)->any_protected |= mask;
    return 0;
}

int perm_add_role(struct permissions **p, const struct json *permissions)
{
    int rc = make_room(p, *p ? (*p)->n : 0);
    for
        json_each (row, permissions) {
            uint8_t mask = mask_of(json_get(row, "actions"));
        for
            json_each (k, json_get(row, "kinds"))
                if (!rc) rc = add_kind(p, json_str(k, STR_NULL), mask);
        }
    return rc;
}

int perm_union(struct permissions **p, const struct permissions *more)
{
    int rc = make_room(p, *p ? (*p)->n : 0);
    if (rc) return rc;
    (*p)->any |= more->any;
    (*p)->any_protected |= more->any_protected;
    for (size_t i = 0; i < more->n && !rc; i++) rc = add_bits(p, more->rows[i].kind, more->rows[i].mask);
    return rc;
}

int perm_intersect(struct permissions **p, const struct permissions *with)
{
    /* Rows that only the other side has count too: the left side may reach that kind by its "*". */
    int rc = make_room(p, *p ? (*p)->n : 0);
    for (size_t i = 0; i < with->n && !rc; i++) rc = add_bits(p, with->rows[i].kind, 0);
    if (rc) return rc;
    struct permissions *q = *p;
    for (size_t i = 0; i < q->n; i++)
        q->rows[i].mask = perm_mask(q, q->rows[i].kind) & perm_mask(with, q->rows[i].kind);
    q->any &= with->any;
    q->any_protected &= with->any_protected;
    return 0;
}

bool perm_covers(const struct permissions *a, const struct permissions *b)
{
    if (!a) return true;
    if ((b->any & ~a->any) || (b->any_protected & ~a->any_protected)) return false;
    for (size_t i = 0; i < b->n; i++)
        if (perm_mask(b, b->rows[i].kind) & ~perm_mask(a, b->rows[i].kind)) return false;
    return true;
}

static void write_row(struct json_writer *w, const char *kind, uint8_t mask)
{
    jw_object(w);
    jw_kz(w, "kind", kind);
    jw_key(w, STR("actions"));
    jw_array(w);
    for (size_t i = 0; i < NACTIONS; i++)
        if (mask & BIT(i)) jw_str(w, str_of(action_names[i]));
    jw_end(w);
    jw_end(w);
}

void perm_write(struct json_writer *w, const struct permissions *p)
{
    static const char *const protected_kinds[] = {"audit", "role", "user"};
    jw_array(w);
    if (p->any) write_row(w, "*", p->any);
    /* The protected kinds are told one by one, because "*" may or may not reach them. */
    for (size_t i = 0; i < 3; i++) write_row(w, protected_kinds[i], perm_mask(p, protected_kinds[i]));
    for (size_t i = 0; i < p->n; i++)
        if (!perm_protected(p->rows[i].kind)) write_row(w, p->rows[i].kind, perm_mask(p, p->rows[i].kind));
    jw_end(w);
}
