/* resource_unique.c - fields with "unique" and "index": their SQL indices, made once per definition,
 * and the check that names who has the value already.
 *
 * The index expression is list_filter's field_expression, the same text that filters and sorts use, so
 * that they find the index. An index whose definition changed is made anew under the same name. */
#include "core/resource/kernel_int.h"
#include "core/resource/list_filter.h"

static int known(struct sql_tx *tx, struct str name, struct str definition, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select 1 from resource_index where name = $1 and definition = $2", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, name);
    sql_bind_str(s, 2, definition);
    rc = sql_step(s, e);
    sql_done(s);
    return rc;
}

static int make(struct sql_tx *tx, const char *name, const char *definition, struct error *e)
{
    char drop[256];
    snprintf(drop, sizeof drop, "drop index if exists %s", name);
    int rc = sql_exec(tx, e, drop, "");
    if (!rc) rc = sql_exec(tx, e, definition, "");
    if (!rc)
        rc = sql_exec(tx, e,
                      "insert into resource_index(name, definition) values($1, $2) on conflict(name) do update set "
                      "definition = excluded.definition",
                      "ss", str_of(name), str_of(definition));
    return rc;
}

/* Names of user kinds and their fields are free, long, and may read alike when joined: a digest stands for
 * them. */
static void name_of(const struct kind *kd, const struct field *f, char *out, size_t cap)
{
    if (kd->user) {
        unsigned long long h = str_hash(kd->kind, 1) * 31 + str_hash(f->name, 2);
        snprintf(out, cap, "resource_u_%016llx", h);
        return;
    }
    snprintf(out, cap, "resource_x_%.*s_%.*s", STR_ARG(kd->kind), STR_ARG(f->name));
    for (char *c = out; *c; c++)
        if (*c == '-') *c = '_';
}

/* Not a unique SQL index: uniqueness is checked under the one writer, and data that came before the
 * rule must not stop the start. */
static bool define(const struct kind *kd, const struct field *f, const char *name, struct buf *b)
{
    buf_printf(b, "create index %s on resource(", name);
    field_expression(b, "", f->name, f);
    buf_printf(b, ", code) where kind = '%.*s' and deleted = 0", STR_ARG(kd->kind));
    return !b->err;
}

static int prepare_field(struct sql_tx *tx, const struct kind *kd, const struct field *f, struct error *e)
{
    char name[160];
    struct buf b;
    buf_init(&b, 4096);
    name_of(kd, f, name, sizeof name);
    int rc = define(kd, f, name, &b) ? 0 : kernel_nomem(e);
    if (!rc) rc = known(tx, str_of(name), buf_view(&b), e);
    if (!rc)
        rc = make(tx, name, buf_cstr(&b), e);
    else if (rc == 1)
        rc = 0;
    buf_fini(&b);
    return rc;
}

int unique_prepare(struct sql_tx *tx, const struct kind *kd, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < kd->nfields; i++)
        if (kd->fields[i].unique || kd->fields[i].index) rc = prepare_field(tx, kd, &kd->fields[i], e);
    return rc;
}

static bool indexed(const struct kind *kd, struct str name)
{
    for (size_t i = 0; kd && i < kd->nfields; i++)
        if (str_eq(kd->fields[i].name, name)) return kd->fields[i].unique || kd->fields[i].index;
    return false;
}

int unique_remove(struct sql_tx *tx, const struct kind *from, const struct kind *to, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < from->nfields; i++) {
        char name[160], drop[200];
        if (!indexed(from, from->fields[i].name) || indexed(to, from->fields[i].name)) continue;
        name_of(from, &from->fields[i], name, sizeof name);
        snprintf(drop, sizeof drop, "drop index if exists %s", name);
        rc = sql_exec(tx, e, drop, "");
        if (!rc) rc = sql_exec(tx, e, "delete from resource_index where name = $1", "s", str_of(name));
    }
    return rc;
}

/* ------------------------------------------------------------------ the check */

static int taken(struct changer *c, struct arena *a, const struct resource *next, const struct field *f,
                 const struct json *v, struct error *e)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_printf(&b, "select code, org from resource where kind = '%.*s' and deleted = 0 and id <> $1 and ",
               STR_ARG(c->kd->kind));
    field_expression(&b, "", f->name, f);
    buf_z(&b, " = $2 limit 1");
    struct sql_stmt *s;
    int rc = b.err ? kernel_nomem(e) : sql_prepare(c->tx, buf_cstr(&b), &s, e);
    buf_fini(&b);
    if (rc) return rc;
    struct filter_param p;
    rc = field_param(f, a, v, &p, e);
    if (!rc) {
        sql_bind_str(s, 1, next->id);
        filter_bind_one(s, 2, &p);
        rc = sql_step(s, e);
    }
    if (rc == 1) {
        char where[ERROR_WHERE_MAX];
        snprintf(where, sizeof where, "spec.%.*s", STR_ARG(f->name));
        bool hidden = c->by->may && !permitted_at(c->by->may, c->kind, ACT_READ, sql_str(s, 1));
        struct str code = hidden ? STR("another") : sql_str(s, 0);
        rc = error_set(e, ERR_EXISTS, where, "must be unique; '%.*s' has this value already",
                       "必须唯一；“%.*s”已使用该值", STR_ARG(code));
    }
    sql_done(s);
    return rc;
}

int unique_check(struct changer *c, struct arena *a, const struct resource *next, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < c->kd->nfields; i++) {
        const struct field *f = &c->kd->fields[i];
        const struct json *v = f->unique ? json_get_str(next->spec, f->name) : NULL;
        if (v && v->type != JSON_NULL && !(v->type == JSON_STRING && !v->s.n)) rc = taken(c, a, next, f, v, e);
    }
    return rc;
}
