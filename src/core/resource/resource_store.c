/* resource_store.c - writing one revision: the row, the one before it into the history, references and
 * the change log. Nothing is judged here any more. */
#include "core/resource/kernel_int.h"
#include "core/resource/search.h"

static int keep_history(struct changer *c, const struct resource *old, struct error *e)
{
    return sql_exec(
        c->tx, e,
        "insert into resource_history(id, rev, op, deleted, updated_by, updated_us, code, name, org, state,"
        " labels, spec, transition, comment) select id, rev, op, deleted, updated_by, updated_us, code, name, org,"
        " state, labels, spec, transition, comment from resource where id = $1",
        "s", old->id);
}

static int insert_row(struct changer *c, const struct resource *r, struct str labels, struct str spec, struct error *e)
{
    return sql_exec(c->tx, e,
                    "insert into resource(id, kind, num, code, name, org, state, origin, rev, op, deleted, created_by,"
                    " created_us, updated_by, updated_us, labels, spec)"
                    " values($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12, $11, $12, $13, $14)",
                    "ssisssssiisiss", r->id, r->kind, (int64_t)r->num, r->code, r->name, r->org, r->state, r->origin,
                    r->rev, (int64_t)CHANGE_CREATE, r->created_by, r->created_us, labels, spec);
}

static int update_row(struct changer *c, const struct resource *r, enum change_op op, struct str labels,
                      struct str spec, struct error *e)
{
    return sql_exec(c->tx, e,
                    "update resource set code = $2, name = $3, org = $4, state = $5, rev = $6, op = $7, deleted = $8,"
                    " updated_by = $9, updated_us = $10, labels = $11, spec = $12, transition = $13, comment = $14"
                    " where id = $1",
                    "sssssiiisissss", r->id, r->code, r->name, r->org, r->state, r->rev, (int64_t)op,
                    (int64_t)r->deleted, r->updated_by, r->updated_us, labels, spec,
                    c->transition.p ? c->transition : STR(""), c->comment.p ? c->comment : STR(""));
}

static int add_ref(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct {
        struct changer *c;
        const struct resource *r;
        struct error *e;
    } *x = ctx;
    if (f->type != FIELD_REF || v->type != JSON_STRING) return 0;
    return sql_exec(x->c->tx, x->e, "insert into resource_ref(from_id, path, to_id) values($1, $2, $3)", "sss",
                    x->r->id, path, v->s);
}

static int write_refs(struct changer *c, const struct resource *old, const struct resource *next, struct error *e)
{
    if (!c->kd->has_ref && !(old && old->schema && old->schema->has_ref)) return 0;
    struct {
        struct changer *c;
        const struct resource *r;
        struct error *e;
    } x = {c, next, e};
    int rc = old ? sql_exec(c->tx, e, "delete from resource_ref where from_id = $1", "s", next->id) : 0;
    if (!rc && !next->deleted) rc = kind_walk(c->kd, (struct json *)next->spec, add_ref, &x);
    return rc;
}

static int log_change(struct changer *c, const struct resource *r, enum change_op op, struct error *e)
{
    return sql_exec(c->tx, e,
                    "insert into resource_change(seq, op, kind, id, code, num, rev, org) values($1, $2, $3, $4, $5, $6,"
                    " $7, $8)",
                    "iisssiis", ++c->seq, (int64_t)op, r->kind, r->id, r->code, (int64_t)r->num, r->rev, r->org);
}

static int stamp(struct changer *c, struct arena *a, const struct resource *old, struct resource *next, struct error *e)
{
    next->updated_by = arena_str(a, str_of(c->by->login));
    next->updated_us = c->now_us;
    CATCH_NOMEM(next->updated_by.p, e);
    next->rev = old ? old->rev + 1 : 1;
    if (old) return 0;
    next->created_by = next->updated_by;
    next->created_us = next->updated_us;
    return changer_number(c, &next->num, e);
}

/* PostgreSQL plans by statistics, which an import into an empty table outruns: without them it looks for a code
 * through all resources of the kind. */
static int fresh_statistics(struct changer *c, struct error *e)
{
    c->stored++;
    bool due = c->stored == 500 || c->stored == 5000 || c->stored == 50000;
    if (!due || sql_dialect(c->k->db) != SQL_POSTGRESQL) return 0;
    return sql_exec(c->tx, e, "analyze resource, resource_ref, resource_history, search_doc", "");
}

int changer_store(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                  enum change_op op, struct error *e)
{
    const struct json *stored;
    int rc = spec_seal(c->k, c->kd, a, next->id, next->spec, &stored, e);
    if (rc) return rc;
    struct str labels = json_text(a, next->labels), spec = json_text(a, stored);
    CATCH_NOMEM(labels.p && spec.p, e);
    if (spec.n > LIMIT_SPEC)
        return error_set(e, ERR_TOO_LARGE, "spec", "is larger than %d KiB", "超过 %d KiB", LIMIT_SPEC / 1024);
    rc = stamp(c, a, old, next, e);
    if (!rc && old) rc = keep_history(c, old, e);
    if (!rc) rc = old ? update_row(c, next, op, labels, spec, e) : insert_row(c, next, labels, spec, e);
    if (!rc) rc = write_refs(c, old, next, e);
    if (!rc && !next->deleted) rc = code_used(c, next, e);
    if (!rc) rc = log_change(c, next, op, e);
    if (!rc) rc = search_put(c, a, next, !old, e);
    return rc ? rc : fresh_statistics(c, e);
}
