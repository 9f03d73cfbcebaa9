/* resource_bin.c - what is done with resources as a whole: who refers to one, a copy of one, the only one of
 * its kind. (Restore: history.c.)
 *
 * A copy leaves out what must not stand twice or did not come from a person: secrets (whoever copies may not
 * know them), files (they belong to the original), unique and read_only fields. */
#include "core/resource/kernel_int.h"
#include "base/utf8.h"

/* ------------------------------------------------------------------ where used */

struct uses {
    struct kernel *k;
    struct sql_tx *tx;
    const struct actor *by;
    struct arena *a;
    size_t skip, room, n;
    int64_t total;
    struct where_used *out;
};

/* What belongs to others is read first. */
static bool sees_use(struct uses *u, const char *kind, struct sql_stmt *s)
{
    const struct kind *kd = kernel_kind(u->k, str_of(kind));
    const struct row_view view = {.by = u->by, .dead = true};
    struct resource r;
    if (!u->by) return true;
    if (!permitted_at(u->by->may, kind, ACT_READ, sql_str(s, 5))) return false;
    if (!owner_limits(u->by, kd, sql_str(s, 5))) return true;
    struct str id = arena_str(u->a, sql_str(s, 1));
    return id.p && row_find_for(u->k, u->tx, u->a, kd, id, &view, &r, NULL) == 0;
}

static int take_use(struct uses *u, struct sql_stmt *s, struct error *e)
{
    char kind[KIND_NAME_MAX];
    u->total++;
    str_to_cstr(sql_str(s, 0), kind, sizeof kind);
    if (!sees_use(u, kind, s)) return 0;
    if (u->skip) {
        u->skip--;
        return 0;
    }
    if (u->n == u->room) return 0;
    struct where_used *w = &u->out[u->n++];
    struct str *to[] = {&w->kind, &w->id, &w->code, &w->name, &w->path};
    for (int i = 0; i < 5; i++) {
        *to[i] =
            i < 4 ? arena_str(u->a, sql_str(s, i)) : str_of(arena_printf(u->a, "spec.%.*s", STR_ARG(sql_str(s, i))));
        CATCH_NOMEM(to[i]->p, e);
    }
    return 0;
}

static int find_uses(struct sql_tx *tx, struct str id, struct uses *u, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx,
                         "select r.kind, r.id, r.code, r.name, f.path, r.org from resource_ref f join resource r on "
                         "r.id = f.from_id where f.to_id = $1 order by r.kind, r.code, r.id, f.path",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    while ((rc = sql_step(s, e)) == 1 && (rc = take_use(u, s, e)) == 0) {
    }
    sql_done(s);
    return rc;
}

int resource_where_used(struct kernel *k, struct arena *a, const struct actor *by, const char *kind,
                        struct str id_or_code, size_t offset, size_t limit, struct where_used **ret, size_t *ret_n,
                        int64_t *ret_total, struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    struct resource r;
    const struct row_view view = {.by = by};
    if (!limit) limit = 50;
    struct uses u = {.by = by, .a = a, .skip = offset, .room = limit < LIMIT_PAGE ? limit : LIMIT_PAGE};
    u.out = arena_calloc(a, u.room, sizeof *u.out);
    CATCH_NOMEM(u.out, e);
    int rc = kind_need(k, kind, &kd, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    u.k = k;
    u.tx = tx;
    rc = row_find_for(k, tx, a, kd, id_or_code, &view, &r, e);
    if (!rc) rc = find_uses(tx, r.id, &u, e);
    sql_rollback(tx);
    if (rc) return rc;
    *ret = u.out;
    *ret_n = u.n;
    *ret_total = u.total;
    return 0;
}

/* ------------------------------------------------------------------ the only one */

int resource_single(struct kernel *k, struct arena *a, const char *kind, struct resource *ret, struct error *e)
{
    const struct kind *kd;
    int rc = kind_need(k, kind, &kd, e);
    if (rc) return rc;
    if (!kd->single)
        return error_set(e, ERR_INVALID, "kind", "the kind '%s' has many resources", "类型“%s”有多个资源", kind);
    rc = resource_get(k, a, kind, STR("default"), ret, e);
    if (rc != ERR_NOT_FOUND) return rc;
    struct resource_input in = {.name = kd->title_en};
    if (e) *e = (struct error){0};
    rc = resource_create(k, a, &actor_system, kind, &in, ret, e);
    return rc == ERR_EXISTS ? resource_get(k, a, kind, STR("default"), ret, e) : rc; /* somebody was faster */
}

/* ------------------------------------------------------------------ copy */

struct copying {
    struct str key, code, name;
};

static bool left_out(const struct changer *c, const struct resource *r, const struct field *f)
{
    return f->type == FIELD_SECRET || f->type == FIELD_FILE || f->unique || f->read_only ||
           !permitted_field(c->by->may, c->kind, ACT_READ, r->org, f->name);
}

static int blank(void *ctx, const struct field *f, struct str path, struct json *v)
{
    if (f->type == FIELD_SECRET || f->type == FIELD_FILE) v->type = JSON_NULL;
    return 0;
}

static struct json *copied(const struct changer *c, struct arena *a, const struct resource *r)
{
    struct json *out = json_copy(a, r->spec);
    for (size_t i = 0; out && i < c->kd->nfields; i++)
        if (left_out(c, r, &c->kd->fields[i])) (void)json_remove(out, c->kd->fields[i].name);
    if (out) (void)kind_walk(c->kd, out, blank, NULL); /* those inside */
    return out;
}

static int code_taken(struct changer *c, struct str code, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx,
                         "select 1 from resource where kind = $1 and code = $2 and deleted = 0 union all select 1 from "
                         "code_used where kind = $1 and code = $2 limit 1",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, c->kd->kind);
    sql_bind_str(s, 2, code);
    rc = sql_step(s, e);
    sql_done(s);
    return rc;
}

/* "PUMP-1" -> "PUMP-1-2", "PUMP-1-3" …: the first that is free. */
static int numbered_code(struct changer *c, struct arena *a, struct str code, struct str *ret, struct error *e)
{
    struct str head = str_sub(code, 0, utf8_floor(code, LIMIT_CODE - 8));
    for (int i = 2; i < 1000000; i++) {
        char *next = arena_printf(a, "%.*s-%d", STR_ARG(head), i);
        CATCH_NOMEM(next, e);
        *ret = str_of(next);
        int rc = code_taken(c, *ret, e);
        if (rc <= 0) return rc;
    }
    return error_set(e, ERR_INVALID, "code", "give the copy a code", "请给出副本的编码");
}

static int copy(struct changer *c, struct arena *a, void *ctx, struct resource *ret, struct error *e)
{
    const struct copying *x = ctx;
    const struct row_view view = {.by = c->by};
    struct resource old;
    enum bulk_status status;
    int rc = row_find_for(c->k, c->tx, a, c->kd, x->key, &view, &old, e);
    if (rc) return rc;
    struct resource_input in = {.code = x->code, .name = x->name.n ? x->name : old.name, .labels = old.labels};
    in.spec = copied(c, a, &old);
    CATCH_NOMEM(in.spec, e);
    if (!of_itself(c->kd)) in.org = old.org;
    bool ruled = false;
    if (!in.code.n) rc = code_ruled(c, a, old.org, &ruled, e);
    if (!rc && !in.code.n && !ruled && !uuid_like(old.code)) rc = numbered_code(c, a, old.code, &in.code, e);
    return rc ? rc : changer_apply(c, a, VERB_CREATE, STR_NULL, -1, &in, ret, &status, e);
}

int resource_copy(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code,
                  struct str code, struct str name, struct resource *ret, struct error *e)
{
    struct copying x = {id_or_code, code, name};
    return change_run(k, a, by, kind, copy, &x, ret, e);
}
