/* resource_scope.c - where a resource belongs, and what the actor may do there.
 *
 * The organisation of a resource is the id of a resource of kind `org`, or "" for the whole platform. It is
 * what the input says (code or id), what the reference named by the kind's `org_from` belongs to, or, for
 * somebody whose rights all stand below organisations, the only one that he can mean. An organisation
 * belongs to itself; it is made with the rights of its parent. Where the kind `org` is not registered the
 * text is kept as it is.
 *
 * A change needs its action in the organisation that the resource had and in the one that it gets, and WRITE
 * on each field that changes. Whoever may not read a resource hears that it is not there. What follows an
 * organisation through `org_from` moves in the same transaction; that needs no rights of its own. */
#include "core/resource/kernel_int.h"
#include "core/auth/auth_perm.h"

#define FOLLOW_MAX 32 /* deep */
#define CHOICES_MAX 8 /* named in a message */

bool org_known(struct kernel *k)
{
    return kernel_kind(k, STR("org")) != NULL;
}

bool of_itself(const struct kind *kd)
{
    return str_is(kd->kind, "org");
}

bool resource_visible(const struct actor *by, const struct resource *r)
{
    char kind[KIND_NAME_MAX];
    if (!by || !by->may) return true;
    return str_to_cstr(r->kind, kind, sizeof kind) && permitted_at(by->may, kind, ACT_READ, r->org) &&
           owner_sees(by, r);
}

enum api_action change_action(const struct kind *kd, enum api_action act)
{
    return perm_people(kd->kind) && (act == ACT_WRITE || act == ACT_DELETE) ? ACT_ADMIN : act;
}

/* ------------------------------------------------------------------ may he */

static struct str org_code(struct changer *c, struct str org, char out[LIMIT_CODE + 1])
{
    struct sql_stmt *s;
    struct str code = org;
    if (sql_prepare(c->tx, "select code from resource where id = $1", &s, NULL)) return org;
    sql_bind_str(s, 1, org);
    if (sql_step(s, NULL) == 1 && str_to_cstr(sql_str(s, 0), out, LIMIT_CODE + 1)) code = str_of(out);
    sql_done(s);
    return code;
}

int scope_may(struct changer *c, enum api_action act, struct str org, struct error *e)
{
    char code[LIMIT_CODE + 1];
    if (!c->by->may) return 0;
    enum api_action need = change_action(c->kd, act);
    if (permitted_at(c->by->may, c->kind, need, org)) return 0;
    if (!org.n)
        return error_set(e, ERR_FORBIDDEN, "org", "%s may not %s %s for the whole platform",
                         "%s 没有权限：%s %s（平台级）", c->by->login, perm_action_name(need), c->kind);
    struct str name = org_code(c, org, code);
    return error_set(e, ERR_FORBIDDEN, "org", "%s may not %s %s of '%.*s'", "%s 没有权限：%s %s（组织“%.*s”）",
                     c->by->login, perm_action_name(need), c->kind, STR_ARG(name));
}

static int may_field(struct changer *c, struct str org, const char *prefix, struct str field, struct error *e)
{
    if (permitted_field(c->by->may, c->kind, ACT_WRITE, org, field)) return 0;
    char where[ERROR_WHERE_MAX];
    snprintf(where, sizeof where, "%s%.*s", prefix, STR_ARG(field));
    return error_set(e, ERR_FORBIDDEN, where, "%s may not change this field", "%s 没有修改该字段的权限", c->by->login);
}

static bool differs(const struct json *a, const struct json *b)
{
    return (a != NULL) != (b != NULL) || (a && b && !json_equal(a, b));
}

/* Against what was there; of a new one against what it has by itself. */
static int may_fields(struct changer *c, const struct resource *old, const struct resource *next, struct error *e)
{
    static const struct json none = {.type = JSON_OBJECT};
    if (permitted_all_fields(c->by->may, c->kind, ACT_WRITE)) return 0;
    int rc = 0;
    bool code = old ? !str_eq(old->code, next->code) : !str_eq(next->code, next->id);
    bool name = old ? !str_eq(old->name, next->name) : !str_eq(next->name, next->code);
    if (code) rc = may_field(c, next->org, "", STR("code"), e);
    if (!rc && name) rc = may_field(c, next->org, "", STR("name"), e);
    if (!rc && old && !str_eq(old->org, next->org)) rc = may_field(c, next->org, "", STR("org"), e);
    if (!rc && differs(old ? old->labels : &none, next->labels)) rc = may_field(c, next->org, "", STR("labels"), e);
    for (size_t i = 0; i < c->kd->nfields && !rc; i++) {
        const struct field *f = &c->kd->fields[i];
        const struct json *was = old ? json_get_str(old->spec, f->name) : f->def;
        if (differs(was, json_get_str(next->spec, f->name))) rc = may_field(c, next->org, "spec.", f->name, e);
    }
    return rc;
}

/* Where rights are asked for: an organisation that is made or moved stands below its parent. */
static struct str place_of(const struct changer *c, const struct resource *r, bool made)
{
    if (!made || !of_itself(c->kd)) return r->org;
    return json_str(json_get(r->spec, "parent"), STR(""));
}

int scope_change(struct changer *c, const struct resource *old, const struct resource *next, struct error *e)
{
    if (!c->by->may) return 0;
    struct str to = place_of(c, next, !old || differs(json_get(old->spec, "parent"), json_get(next->spec, "parent")));
    int rc = old ? scope_may(c, ACT_WRITE, old->org, e) : 0;
    if (!rc && (!old || !str_eq(old->org, to))) rc = scope_may(c, ACT_WRITE, to, e);
    return rc ? rc : may_fields(c, old, next, e);
}

/* ------------------------------------------------------------------ which organisation */

/* He may name it when he may read it, or do there what he is about to do. */
static int named_org(struct changer *c, struct arena *a, struct str given, struct str *ret, struct error *e)
{
    struct str id;
    int rc = changer_ref(c, STR("org"), given, &id, e);
    if (!rc && !permitted_at(c->by->may, "org", ACT_READ, id) && !permitted_at(c->by->may, c->kind, ACT_READ, id))
        rc = no_such_ref(c, STR("org"), given, e);
    if (rc) {
        if (e) str_to_cstr(STR("org"), e->where, sizeof e->where);
        return rc;
    }
    *ret = arena_str(a, id);
    return ret->p ? 0 : kernel_nomem(e);
}

struct choices {
    struct str ids[CHOICES_MAX];
    size_t n, all;
};

/* Those of the scope that do not stand below another of it. */
static int tops(struct changer *c, struct arena *a, const struct scope *in, struct choices *out, struct error *e)
{
    for (size_t i = 0; i < in->n; i++) {
        struct sql_stmt *s;
        int rc = sql_prepare(c->tx, "select coalesce(spec ->> 'parent', '') from resource where id = $1", &s, e);
        if (rc) return rc;
        sql_bind_str(s, 1, in->orgs[i]);
        rc = sql_step(s, e);
        bool below = rc == 1 && scope_has(in, sql_str(s, 0));
        sql_done(s);
        if (rc < 0) return rc;
        if (below) continue;
        if (out->n < CHOICES_MAX) out->ids[out->n++] = in->orgs[i];
        out->all++;
    }
    return 0;
}

static int ask_which(struct changer *c, const struct choices *ch, struct error *e)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ch->n; i++) {
        char code[LIMIT_CODE + 1];
        buf_printf(&b, "%s%.*s", i ? ", " : "", STR_ARG(org_code(c, ch->ids[i], code)));
    }
    if (ch->all > ch->n) buf_z(&b, " …");
    int rc = error_set(e, ERR_INVALID, "org", "say which organisation it belongs to: %s", "请指明所属组织：%s",
                       buf_cstr(&b));
    buf_fini(&b);
    return rc;
}

static int default_org(struct changer *c, struct arena *a, struct str *ret, struct error *e)
{
    struct scope in = permitted_scope(c->by->may, c->kind, change_action(c->kd, ACT_WRITE));
    struct choices ch = {.n = 0};
    if (in.all || !in.n) return 0; /* the check of permission tells the rest */
    if (in.n == 1) {
        ch.ids[0] = in.orgs[0];
        ch.n = ch.all = 1;
    } else {
        int rc = tops(c, a, &in, &ch, e);
        if (rc) return rc;
    }
    if (ch.all != 1) return ask_which(c, &ch, e);
    *ret = arena_str(a, ch.ids[0]);
    return ret->p ? 0 : kernel_nomem(e);
}

/* 1: the reference says it. */
static int org_of_ref(struct changer *c, struct arena *a, struct resource *next, struct error *e)
{
    const struct json *v = c->kd->org_from.p ? json_get_str(next->spec, c->kd->org_from) : NULL;
    struct str id, org;
    if (!v || v->type != JSON_STRING) return 0;
    for (size_t i = 0; i < c->kd->nfields; i++) {
        const struct field *f = &c->kd->fields[i];
        if (!str_eq(f->name, c->kd->org_from)) continue;
        int rc = changer_ref_org(c, f->ref_kind, v->s, &id, &org, e);
        if (rc) return rc;
        next->org = arena_str(a, org);
        return next->org.p ? 1 : kernel_nomem(e);
    }
    return 0;
}

int scope_org(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
              const struct resource_input *in, struct error *e)
{
    if (of_itself(c->kd)) {
        next->org = next->id;
        return 0;
    }
    int rc = org_of_ref(c, a, next, e);
    if (rc) return rc < 0 ? rc : 0;
    bool moved = !old || !str_eq(old->org, next->org);
    if (next->org.n && moved && org_known(c->k)) return named_org(c, a, next->org, &next->org, e);
    bool open = !old && !next->org.n && (!in || !in->org.p); /* "" says: the whole platform */
    return open && c->by->may ? default_org(c, a, &next->org, e) : 0;
}

/* ------------------------------------------------------------------ what follows */

static int store_moved(struct changer *c, struct arena *a, const struct resource *old, struct str org, struct error *e)
{
    struct resource next = *old;
    next.org = org;
    int rc = changer_hooks(c, a, old, &next, e);
    if (!rc) rc = changer_store(c, a, old, &next, CHANGE_UPDATE, e);
    if (rc == ERR_EXISTS)
        rc = error_set(e, ERR_EXISTS, "org", "'%.*s' would follow there, where its code is taken; change one of them",
                       "“%.*s”将随之移动，但其编码在目标组织中已被占用；请先修改其一", STR_ARG(old->code));
    return rc ? rc : scope_follow(c, a, &next, e);
}

struct ids {
    struct str *v;
    size_t n, cap;
};

static int add_id(struct ids *ids, struct arena *a, struct str id)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? ids->cap * 2 : 64;
        struct str *more = arena_alloc(a, cap * sizeof *more);
        if (!more) return ERR_NOMEM;
        if (ids->n) memcpy(more, ids->v, ids->n * sizeof *more);
        ids->v = more;
        ids->cap = cap;
    }
    ids->v[ids->n] = arena_str(a, id);
    return ids->v[ids->n++].p ? 0 : ERR_NOMEM;
}

static int dependants(struct changer *c, struct arena *a, const struct kind *kd, const struct resource *r,
                      struct ids *out, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx,
                         "select r.id from resource_ref f join resource r on r.id = f.from_id where f.to_id = $1 and "
                         "f.path = $2 and r.kind = $3 and r.deleted = 0 and r.org <> $4 order by r.id",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, r->id);
    sql_bind_str(s, 2, kd->org_from);
    sql_bind_str(s, 3, kd->kind);
    sql_bind_str(s, 4, r->org);
    while ((rc = sql_step(s, e)) == 1)
        if ((rc = add_id(out, a, sql_str(s, 0)))) break;
    sql_done(s);
    return rc == ERR_NOMEM ? kernel_nomem(e) : rc;
}

static int follow_kind(struct changer *c, const struct kind *kd, const struct resource *r, struct error *e)
{
    const struct kind *own = c->kd;
    AUTO_ARENA list;
    AUTO_ARENA a;
    struct ids ids = {.n = 0};
    arena_init(&list, 256 << 20);
    arena_init(&a, LIMIT_SPEC * 16);
    int rc = dependants(c, &list, kd, r, &ids, e);
    changer_as(c, kd);
    for (size_t i = 0; i < ids.n && !rc; i++) {
        struct resource one;
        arena_reset(&a);
        rc = row_find(c->k, c->tx, &a, kd, ids.v[i], false, &one, e);
        if (!rc && !str_eq(one.org, r->org)) rc = store_moved(c, &a, &one, r->org, e);
    }
    changer_as(c, own);
    return rc;
}

static bool follows(const struct kind *kd, struct str kind)
{
    for (size_t i = 0; kd->org_from.p && i < kd->nfields; i++)
        if (str_eq(kd->fields[i].name, kd->org_from)) return str_eq(kd->fields[i].ref_kind, kind);
    return false;
}

int scope_follow(struct changer *c, struct arena *a, const struct resource *next, struct error *e)
{
    const struct kind *kd;
    int rc = 0;
    if (++c->depth > FOLLOW_MAX)
        rc = error_set(e, ERR_TOO_LARGE, "org", "organisations follow each other too deep", "组织跟随层级过深");
    for (size_t i = 0; !rc && (kd = kernel_kind_at(c->k, i)); i++)
        if (follows(kd, c->kd->kind)) rc = follow_kind(c, kd, next, e);
    c->depth--;
    return rc;
}
