/* owner.c - kinds whose resources belong to a user: who sees them and who changes them.
 *
 * A kind document with "owner" names the field that holds the id of the user whose resource it is. The server
 * writes it when somebody makes one; nobody else can. The owner and whoever may `admin` the kind there see and
 * change it; others read it when the field of "shared" is true, and, when that of "shared_with" names roles, they
 * have one of them. What was made before its kind had owners belongs to whoever made it. Rights on the kind and
 * organisation are asked besides. The same rule stands here for one resource and as SQL for lists. */
#include "core/resource/kernel_int.h"
#include "core/resource/list_filter.h"

static bool owned(const struct kind *kd)
{
    return kd && kd->owner.n;
}

bool owner_limits(const struct actor *by, const struct kind *kd, struct str org)
{
    char kind[KIND_NAME_MAX];
    if (!by || !by->may || !owned(kd)) return false;
    return !str_to_cstr(kd->kind, kind, sizeof kind) || !permitted_at(by->may, kind, ACT_ADMIN, org);
}

static bool his(const struct actor *by, const struct resource *r)
{
    struct str owner = json_str(json_get_str(r->spec, r->schema->owner), STR(""));
    return owner.n ? str_is(owner, by->user_id) : str_is(r->created_by, by->login);
}

static bool has_role(const struct actor *by, struct str id)
{
    struct str all = str_of(by->role_ids ? by->role_ids : "");
    while (all.n)
        if (str_eq(str_cut(&all, ','), id)) return true;
    return false;
}

static bool shared_with(const struct actor *by, const struct resource *r)
{
    const struct kind *kd = r->schema;
    const struct json *roles = kd->shared_with.n ? json_get_str(r->spec, kd->shared_with) : NULL;
    if (!kd->shared.n || !json_bool(json_get_str(r->spec, kd->shared), false)) return false;
    if (!json_count(roles)) return true;
    for
        json_each (role, roles)
            if (has_role(by, json_str(role, STR("")))) return true;
    return false;
}

bool owner_sees(const struct actor *by, const struct resource *r)
{
    return !owner_limits(by, r->schema, r->org) || his(by, r) || shared_with(by, r);
}

bool owner_shows(struct changer *c, const struct kind *kd, struct str id, struct str org)
{
    const struct row_view view = {.by = c->by};
    struct resource r;
    return !owner_limits(c->by, kd, org) || row_find_for(c->k, c->tx, &c->refs_arena, kd, id, &view, &r, NULL) == 0;
}

int owner_may(struct changer *c, const struct resource *old, struct error *e)
{
    if (!owner_limits(c->by, c->kd, old->org) || his(c->by, old)) return 0;
    return error_set(e, ERR_FORBIDDEN, "", "it belongs to somebody else; make a copy and change that",
                     "该资源属于他人；请复制后修改副本");
}

int owner_give(struct changer *c, struct arena *a, struct resource *next, struct error *e)
{
    if (!owned(c->kd) || !c->by->user_id[0] || next->spec->type != JSON_OBJECT) return 0;
    struct json *spec = json_copy(a, next->spec);
    CATCH_NOMEM(spec, e);
    CATCH_NOMEM(json_set(spec, a, c->kd->owner, json_new_str(a, str_of(c->by->user_id))), e);
    next->spec = spec;
    return 0;
}

/* ------------------------------------------------------------------ as SQL */

/* What may stand in a text of SQL as it is. */
static bool plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        if (!letter && !strchr("-_.@", ch)) return false;
    }
    return s.n > 0;
}

static const struct field *field_of(const struct kind *kd, struct str name)
{
    for (size_t i = 0; i < kd->nfields; i++)
        if (str_eq(kd->fields[i].name, name)) return &kd->fields[i];
    return NULL;
}

static void column(struct buf *out, const struct kind *kd, struct str name, const char *alias)
{
    field_expression(out, alias, name, field_of(kd, name));
}

static void where_his(struct buf *out, const struct kind *kd, const char *alias, const struct actor *by)
{
    struct str id = str_of(by->user_id), login = str_of(by->login);
    buf_z(out, "1 = 0");
    if (plain(id)) {
        buf_z(out, " or ");
        column(out, kd, kd->owner, alias);
        buf_printf(out, " = '%.*s'", STR_ARG(id));
    }
    if (!plain(login)) return;
    buf_z(out, " or (");
    column(out, kd, kd->owner, alias);
    buf_printf(out, " is null and %s.created_by = '%.*s')", alias, STR_ARG(login));
}

static void where_shared(struct buf *out, const struct kind *kd, const char *alias, const struct actor *by)
{
    struct str ids = str_of(by->role_ids ? by->role_ids : "");
    buf_z(out, " or (");
    column(out, kd, kd->shared, alias);
    buf_z(out, " = 'true'");
    if (kd->shared_with.n) {
        buf_z(out, " and (coalesce(");
        column(out, kd, kd->shared_with, alias);
        buf_z(out, ", '[]') in ('[]', 'null')");
        while (ids.n) {
            struct str id = str_cut(&ids, ',');
            if (!plain(id)) continue;
            buf_z(out, " or ");
            column(out, kd, kd->shared_with, alias);
            buf_printf(out, " like '%%\"%.*s\"%%'", STR_ARG(id));
        }
        buf_z(out, ")");
    }
    buf_z(out, ")");
}

void owner_where(struct buf *out, const struct kind *kd, const char *alias, const struct actor *by)
{
    char kind[KIND_NAME_MAX];
    if (!by || !by->may || !owned(kd) || !str_to_cstr(kd->kind, kind, sizeof kind)) return;
    struct scope all = permitted_scope(by->may, kind, ACT_ADMIN);
    if (all.all) return;
    buf_z(out, " and (");
    where_his(out, kd, alias, by);
    if (kd->shared.n) where_shared(out, kd, alias, by);
    for (size_t i = 0; i < all.n; i++)
        if (plain(all.orgs[i])) buf_printf(out, " or %s.org = '%.*s'", alias, STR_ARG(all.orgs[i]));
    buf_z(out, ")");
}
