/* auth_perm.c - asking compiled permissions (core/permission.h) and showing them. The block's layout stands
 * in auth_perm_int.h. Pure; any thread; no allocation. */
#include "core/auth/auth_perm_int.h"

static const char *const action_names[PERM_ACTIONS] = {
    [ACT_READ] = "read",       [ACT_WRITE] = "write",         [ACT_DELETE] = "delete", [ACT_APPROVE] = "approve",
    [ACT_CONTROL] = "control", [ACT_SENSITIVE] = "sensitive", [ACT_ADMIN] = "admin",
};
#define BIT(act) (uint8_t)(1u << (act))

int perm_action(struct str name)
{
    for (size_t i = 0; i < PERM_ACTIONS; i++)
        if (str_is(name, action_names[i])) return (int)i;
    return ERR_INVALID;
}

const char *perm_action_name(enum api_action act)
{
    return act < PERM_ACTIONS ? action_names[act] : "";
}

/* Changing these changes who may do what (people), and "*" alone does not reach the protected ones. */
static const struct {
    const char *kind;
    bool people, protected;
} special[] = {
    {"audit", false, true},
    {"audit_settings", false, true},
    {"backup", false, true},
    {"backup_plan", false, true},
    {"group", true, true},
    {"ldap_server", true, true},
    {"oidc_provider", true, true},
    {"org", true, false},
    {"role", true, true},
    {"secret", false, true},
    {"security_settings", true, true},
    {"user", true, true},
};
#define NSPECIAL (sizeof(special) / sizeof(special[0]))

bool perm_platform(struct str kind)
{
    static const char *const names[] = {"audit", "backup", "metrics", "object_store", "secret"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_is(kind, names[i])) return true;
    return false;
}

bool perm_protected(struct str kind)
{
    for (size_t i = 0; i < NSPECIAL; i++)
        if (special[i].protected && str_is(kind, special[i].kind)) return true;
    return false;
}

bool perm_people(struct str kind)
{
    for (size_t i = 0; i < NSPECIAL; i++)
        if (special[i].people && str_is(kind, special[i].kind)) return true;
    return false;
}

static const struct perm_entry *entry_of(const struct permissions *p, const char *kind)
{
    const struct perm_entry *rows = perm_entries(p);
    size_t lo = PERM_FIRST, hi = p->nrows;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strcmp(rows[mid].kind, kind);
        if (c == 0) return &rows[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return &rows[perm_protected(str_of(kind)) ? PERM_STAR_PROTECTED : PERM_STAR];
}

static struct scope scope_of(const struct permissions *p, uint16_t set)
{
    if (set == PERM_NOWHERE) return (struct scope){.all = false};
    if (set == PERM_EVERYWHERE) return (struct scope){.all = true};
    const struct perm_set *s = &perm_sets(p)[set - PERM_SET0];
    return (struct scope){.orgs = perm_orgs(p) + s->first, .n = s->n};
}

bool scope_has(const struct scope *s, struct str org)
{
    if (s->all) return true;
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(s->orgs[mid], org);
        if (c == 0) return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* A platform-wide resource is read by whoever may read its kind anywhere. */
static bool set_has(const struct permissions *p, uint16_t set, enum api_action act, struct str org)
{
    if (set == PERM_NOWHERE) return false;
    if (!org.n && act == ACT_READ) return true;
    struct scope s = scope_of(p, set);
    return scope_has(&s, org);
}

bool permitted(const struct permissions *p, const char *kind, enum api_action act)
{
    if (!p || act == ACT_LOGIN || act == ACT_SELF) return true;
    return entry_of(p, kind)->any[act] != PERM_NOWHERE;
}

bool permitted_at(const struct permissions *p, const char *kind, enum api_action act, struct str org)
{
    if (!p || act == ACT_LOGIN || act == ACT_SELF) return true;
    return set_has(p, entry_of(p, kind)->any[act], act, org);
}

/* The names of a grant stand one after the other, each ended by a newline. */
static bool named(struct str names, struct str field)
{
    while (names.n)
        if (str_eq(str_cut(&names, '\n'), field)) return true;
    return false;
}

static struct str grant_names(const struct permissions *p, const struct perm_grant *g)
{
    return str_make((const char *)p + p->names_at + g->name_first, g->name_n);
}

static bool field_in(const struct permissions *p, const struct perm_entry *row, enum api_action act, struct str org,
                     struct str field)
{
    if (set_has(p, row->full[act], act, org)) return true;
    const struct perm_grant *g = perm_grants(p) + row->grant_first;
    for (size_t i = 0; i < row->ngrants; i++)
        if ((g[i].mask & BIT(act)) && set_has(p, g[i].set, act, org) && named(grant_names(p, &g[i]), field))
            return true;
    return false;
}

bool permitted_field(const struct permissions *p, const char *kind, enum api_action act, struct str org,
                     struct str field)
{
    if (!p || act > ACT_WRITE) return permitted_at(p, kind, act, org);
    return field_in(p, entry_of(p, kind), act, org, field);
}

bool permitted_all_fields(const struct permissions *p, const char *kind, enum api_action act)
{
    if (!p || act > ACT_WRITE) return permitted(p, kind, act);
    const struct perm_entry *row = entry_of(p, kind);
    return row->any[act] != PERM_NOWHERE && row->any[act] == row->full[act];
}

struct scope permitted_scope(const struct permissions *p, const char *kind, enum api_action act)
{
    if (!p || act == ACT_LOGIN || act == ACT_SELF) return (struct scope){.all = true};
    return scope_of(p, entry_of(p, kind)->any[act]);
}

size_t perm_size(const struct permissions *p)
{
    return p->size;
}

const char *perm_kind_at(const struct permissions *p, size_t i)
{
    return i < p->nrows - PERM_FIRST ? perm_entries(p)[PERM_FIRST + i].kind : NULL;
}

bool perm_fields_at(const struct permissions *p, const char *kind, size_t i, uint8_t *ret_mask, struct scope *ret_scope,
                    struct str *ret_names)
{
    const struct perm_entry *row = entry_of(p, kind);
    if (i >= row->ngrants) return false;
    const struct perm_grant *g = perm_grants(p) + row->grant_first + i;
    *ret_mask = g->mask;
    *ret_scope = scope_of(p, g->set);
    *ret_names = grant_names(p, g);
    return true;
}

/* --- one within another --- */

static bool set_within(const struct permissions *a, uint16_t inner_set, const struct permissions *b, uint16_t outer_set)
{
    struct scope inner = scope_of(a, inner_set), outer = scope_of(b, outer_set);
    if (outer.all || inner_set == PERM_NOWHERE) return true;
    if (inner.all) return false;
    for (size_t i = 0; i < inner.n; i++)
        if (!scope_has(&outer, inner.orgs[i])) return false;
    return true;
}

/* \x01 is no organisation: only a grant for everywhere has it. */
static bool field_within(const struct permissions *inner, const struct perm_grant *g, const struct permissions *outer,
                         const struct perm_entry *out, enum api_action act, struct str field)
{
    struct scope s = scope_of(inner, g->set);
    if (s.all) return field_in(outer, out, act, STR("\x01"), field);
    for (size_t i = 0; i < s.n; i++)
        if (!field_in(outer, out, act, s.orgs[i], field)) return false;
    return true;
}

static bool grants_within(const struct permissions *inner, const struct perm_entry *in, const struct permissions *outer,
                          const struct perm_entry *out)
{
    const struct perm_grant *g = perm_grants(inner) + in->grant_first;
    for (size_t i = 0; i < in->ngrants; i++) {
        struct str names = grant_names(inner, &g[i]);
        while (names.n) {
            struct str field = str_cut(&names, '\n');
            for (enum api_action act = ACT_READ; act <= ACT_WRITE; act++)
                if ((g[i].mask & BIT(act)) && !field_within(inner, &g[i], outer, out, act, field)) return false;
        }
    }
    return true;
}

static bool entry_within(const struct permissions *inner, const struct perm_entry *in, const struct permissions *outer,
                         const struct perm_entry *out)
{
    for (size_t act = 0; act < PERM_ACTIONS; act++) {
        bool by_field = act <= ACT_WRITE;
        uint16_t want = by_field ? in->full[act] : in->any[act], have = by_field ? out->full[act] : out->any[act];
        if (!set_within(inner, want, outer, have)) return false;
    }
    return grants_within(inner, in, outer, out);
}

bool perm_covers(const struct permissions *a, const struct permissions *b)
{
    const char *kind;
    if (!a) return true;
    for (size_t i = 0; i < PERM_FIRST; i++)
        if (!entry_within(b, &perm_entries(b)[i], a, &perm_entries(a)[i])) return false;
    for (size_t i = 0; (kind = perm_kind_at(b, i)); i++)
        if (!entry_within(b, entry_of(b, kind), a, entry_of(a, kind))) return false;
    for (size_t i = 0; (kind = perm_kind_at(a, i)); i++)
        if (!entry_within(b, entry_of(b, kind), a, entry_of(a, kind))) return false;
    return true;
}

static bool entry_reaches(const struct perm_entry *a, const struct perm_entry *b)
{
    for (size_t act = 0; act < PERM_ACTIONS; act++)
        if (b->any[act] != PERM_NOWHERE && a->any[act] == PERM_NOWHERE) return false;
    return true;
}

bool perm_reaches(const struct permissions *a, const struct permissions *b)
{
    const char *kind;
    for (size_t i = 0; i < PERM_FIRST; i++)
        if (!entry_reaches(&perm_entries(a)[i], &perm_entries(b)[i])) return false;
    for (size_t i = 0; (kind = perm_kind_at(b, i)); i++)
        if (!entry_reaches(entry_of(a, kind), entry_of(b, kind))) return false;
    for (size_t i = 0; (kind = perm_kind_at(a, i)); i++)
        if (!entry_reaches(entry_of(a, kind), entry_of(b, kind))) return false;
    return true;
}

/* --- shown --- */

static bool anything(const struct perm_entry *row)
{
    for (size_t i = 0; i < PERM_ACTIONS; i++)
        if (row->any[i] != PERM_NOWHERE) return true;
    return false;
}

static void write_row(struct json_writer *w, const char *kind, const struct perm_entry *row)
{
    jw_object(w);
    jw_kz(w, "kind", kind);
    jw_key(w, STR("actions"));
    jw_array(w);
    for (size_t i = 0; i < PERM_ACTIONS; i++)
        if (row->any[i] != PERM_NOWHERE) jw_str(w, str_of(action_names[i]));
    jw_end(w);
    jw_end(w);
}

void perm_write(struct json_writer *w, const struct permissions *p)
{
    const char *kind;
    jw_array(w);
    if (anything(&perm_entries(p)[PERM_STAR])) write_row(w, "*", &perm_entries(p)[PERM_STAR]);
    /* The protected kinds are told one by one, because "*" may or may not reach them. */
    for (size_t i = 0; i < NSPECIAL; i++)
        if (special[i].protected) write_row(w, special[i].kind, entry_of(p, special[i].kind));
    for (size_t i = 0; (kind = perm_kind_at(p, i)); i++)
        if (!perm_protected(str_of(kind))) write_row(w, kind, entry_of(p, kind));
    jw_end(w);
}
