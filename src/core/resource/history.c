/* history.c - revisions of one resource: list with differences, content at a revision, rollback.
 *
 * Revisions before the newest stand in resource_history, the newest (perhaps a tombstone) in resource.
 * Differences are made when asked for: leaves that were added, changed or removed, by path; of secrets
 * only that they changed. */
#include "core/resource/kernel_int.h"

struct version {
    int64_t rev, at_us;
    enum change_op op;
    bool deleted;
    struct str by, code, name, org, state, transition, comment;
    const struct json *labels, *spec;
};

#define VERSION_COLUMNS \
    "rev, updated_us, op, deleted, updated_by, code, name, org, state, labels, spec, transition, comment"

static int read_json(struct sql_stmt *s, int col, struct arena *a, const struct json **ret, struct error *e)
{
    struct str text = arena_str(a, sql_str(s, col));
    struct json *v;
    CATCH_NOMEM(text.p, e);
    int rc = json_parse(a, text, &v, e);
    if (!rc) *ret = v;
    return rc == ERR_INVALID ? error_set(e, ERR_CORRUPT, "", "a stored document is damaged", "存储的文档已损坏") : rc;
}

static int read_version(struct sql_stmt *s, struct arena *a, struct version *v, struct error *e)
{
    struct str *texts[] = {&v->by, &v->code, &v->name, &v->org, &v->state};
    v->rev = sql_i64(s, 0);
    v->at_us = sql_i64(s, 1);
    v->op = (enum change_op)sql_i64(s, 2);
    v->deleted = sql_i64(s, 3) != 0;
    for (size_t i = 0; i < 5; i++) {
        *texts[i] = arena_str(a, sql_str(s, 4 + (int)i));
        CATCH_NOMEM(texts[i]->p, e);
    }
    v->transition = arena_str(a, sql_str(s, 11));
    v->comment = arena_str(a, sql_str(s, 12));
    CATCH_NOMEM(v->transition.p && v->comment.p, e);
    int rc = read_json(s, 9, a, &v->labels, e);
    return rc ? rc : read_json(s, 10, a, &v->spec, e);
}

/* Versions of `id` with rev <= upto, newest first, at most n. */
static int read_versions(struct sql_tx *tx, struct arena *a, struct str id, size_t skip, size_t n, struct version *out,
                         size_t *ret_n, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx,
                         "select " VERSION_COLUMNS " from (select " VERSION_COLUMNS
                         " from resource where id = $1 union all select " VERSION_COLUMNS
                         " from resource_history where id = $1) v order by rev desc limit $2 offset $3",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    sql_bind_i64(s, 2, (int64_t)n);
    sql_bind_i64(s, 3, (int64_t)skip);
    while ((rc = sql_step(s, e)) == 1 && (rc = read_version(s, a, &out[*ret_n], e)) == 0) ++*ret_n;
    sql_done(s);
    return rc;
}

/* ------------------------------------------------------------------ differences */

struct diff {
    struct arena *a;
    struct json *list;
    bool failed;
    int depth;
};

static struct json *or_null(struct arena *a, const struct json *v)
{
    return v ? json_copy(a, v) : json_new_null(a);
}

static void add(struct diff *d, struct str path, const struct json *before, const struct json *after, bool secret)
{
    struct json *o = json_new_object(d->a);
    bool ok = o && json_set(o, d->a, STR("path"), json_new_str(d->a, path)) &&
              json_set(o, d->a, STR("before"), secret ? json_new_null(d->a) : or_null(d->a, before)) &&
              json_set(o, d->a, STR("after"), secret ? json_new_null(d->a) : or_null(d->a, after)) &&
              json_push(d->list, o);
    if (!ok) d->failed = true;
}

static const struct field *member(const struct field *f, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(f[i].name, name)) return &f[i];
    return NULL;
}

static bool has_secret(const struct field *f)
{
    if (f->type == FIELD_SECRET) return true;
    for (size_t i = 0; i < f->nfields; i++)
        if (has_secret(&f->fields[i])) return true;
    return false;
}

static void compare(struct diff *d, struct str path, const struct field *f, const struct json *x, const struct json *y);

static void members(struct diff *d, struct str path, const struct field *fields, size_t n, const struct json *x,
                    const struct json *y, bool gone_only)
{
    for
        json_each (m, x) {
            const struct json *other = json_get_str(y, m->key);
            if (gone_only && other) continue;
            char *sub = arena_printf(d->a, "%.*s.%.*s", STR_ARG(path), STR_ARG(m->key));
            if (!sub) {
                d->failed = true;
                return;
            }
            if (gone_only)
                compare(d, str_of(sub), member(fields, n, m->key), NULL, m);
            else
                compare(d, str_of(sub), member(fields, n, m->key), m, other);
        }
}

/* x: before, y: after; either may be NULL. Lists are compared as a whole. */
static void compare(struct diff *d, struct str path, const struct field *f, const struct json *x, const struct json *y)
{
    if (x && y && json_equal(x, y)) return;
    bool open = (!x || x->type == JSON_OBJECT) && (!y || y->type == JSON_OBJECT) && (x || y);
    if (!open || d->depth > JSON_DEPTH_MAX) {
        add(d, path, x, y, f && has_secret(f));
        return;
    }
    d->depth++;
    members(d, path, f ? f->fields : NULL, f ? f->nfields : 0, x, y, false);
    members(d, path, f ? f->fields : NULL, f ? f->nfields : 0, y, x, true);
    d->depth--;
}

static void text(struct diff *d, const char *path, struct str x, struct str y)
{
    if (!str_eq(x, y)) add(d, str_of(path), x.p ? json_new_str(d->a, x) : NULL, json_new_str(d->a, y), false);
}

/* What came with `after`; before NULL: the first revision, everything is new. */
static const struct json *diff_of(struct arena *a, const struct kind *kd, const struct version *before,
                                  const struct version *after)
{
    static const struct version nothing = {.rev = 0};
    struct diff d = {.a = a, .list = json_new_array(a)};
    struct field root = {.type = FIELD_OBJECT, .fields = kd->fields, .nfields = kd->nfields};
    if (!d.list) return NULL;
    const struct version *b = before ? before : &nothing;
    text(&d, "code", b->code, after->code);
    text(&d, "name", b->name, after->name);
    if (before || after->org.n) text(&d, "org", b->org, after->org);
    if (before || after->state.n) text(&d, "state", b->state, after->state);
    compare(&d, STR("labels"), NULL, b->labels, after->labels);
    compare(&d, STR("spec"), &root, b->spec, after->spec);
    return d.failed ? NULL : d.list;
}

/* ------------------------------------------------------------------ operations */

static int entries(struct arena *a, const struct kind *kd, const struct version *v, size_t n, size_t limit,
                   struct history_entry **ret, size_t *ret_n, struct error *e)
{
    size_t m = n < limit ? n : limit;
    struct history_entry *out = arena_calloc(a, m ? m : 1, sizeof *out);
    CATCH_NOMEM(out, e);
    for (size_t i = 0; i < m; i++) {
        const struct version *before = i + 1 < n ? &v[i + 1] : NULL;
        out[i] = (struct history_entry){.rev = v[i].rev, .at_us = v[i].at_us, .op = v[i].op, .by = v[i].by};
        out[i].transition = v[i].transition;
        out[i].comment = v[i].comment;
        out[i].diff = diff_of(a, kd, before, &v[i]);
        CATCH_NOMEM(out[i].diff, e);
    }
    *ret = out;
    *ret_n = m;
    return 0;
}

int resource_history(struct kernel *k, struct arena *a, const char *kind, struct str id_or_code, size_t offset,
                     size_t limit, struct history_entry **ret, size_t *ret_n, struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    if (!limit) limit = 50;
    if (limit > LIMIT_PAGE) limit = LIMIT_PAGE;
    int rc = kind_need(k, kind, &kd, e);
    struct version *v = arena_calloc(a, limit + 1, sizeof *v);
    if (!rc && !v) rc = kernel_nomem(e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    struct resource now;
    size_t n = 0;
    rc = row_find(k, tx, a, kd, id_or_code, true, &now, e);
    if (!rc) rc = read_versions(tx, a, now.id, offset, limit + 1, v, &n, e);
    for (size_t i = 0; i < n && !rc; i++) rc = spec_open(k, kd, a, now.id, v[i].spec, e);
    sql_rollback(tx);
    return rc ? rc : entries(a, kd, v, n, limit, ret, ret_n, e);
}

static void apply(struct resource *r, const struct version *v)
{
    r->rev = v->rev;
    r->updated_by = v->by;
    r->updated_us = v->at_us;
    r->code = v->code;
    r->name = v->name;
    r->org = v->org;
    r->state = v->state;
    r->labels = v->labels;
    r->spec = v->spec;
    r->deleted = v->deleted;
}

static int at_rev(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *now, int64_t rev,
                  struct resource *ret, struct error *e)
{
    *ret = *now;
    if (rev == now->rev) return 0;
    struct sql_stmt *s;
    struct version v = {.rev = 0};
    int rc = sql_prepare(tx, "select " VERSION_COLUMNS " from resource_history where id = $1 and rev = $2", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, now->id);
    sql_bind_i64(s, 2, rev);
    rc = sql_step(s, e);
    if (rc == 1 && (rc = read_version(s, a, &v, e)) == 0 &&
        (rc = spec_open(k, now->schema, a, now->id, v.spec, e)) == 0)
        apply(ret, &v);
    else if (rc == 0)
        rc = error_set(e, ERR_NOT_FOUND, "rev", "'%.*s' has no revision %lld; it has 1 to %lld",
                       "“%.*s”没有修订 %lld；现有 1 至 %lld", STR_ARG(now->code), (long long)rev, (long long)now->rev);
    sql_done(s);
    return rc;
}

int resource_at_rev(struct kernel *k, struct arena *a, const char *kind, struct str id_or_code, int64_t rev,
                    struct resource *ret, struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    int rc = kind_need(k, kind, &kd, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    struct resource now, then;
    rc = row_find(k, tx, a, kd, id_or_code, true, &now, e);
    if (!rc) rc = at_rev(k, tx, a, &now, rev, &then, e);
    sql_rollback(tx);
    if (!rc) *ret = then;
    return rc;
}

/* ------------------------------------------------------------------ back to a revision */

/* Fields that the kind had then and has no more are left out. */
static struct json *known_members(struct arena *a, const struct field *fields, size_t n, const struct json *v)
{
    struct json *out = json_new_object(a);
    for (size_t i = 0; out && i < n; i++) {
        const struct json *m = json_get_str(v, fields[i].name);
        bool inner = m && m->type == JSON_OBJECT && fields[i].type == FIELD_OBJECT;
        struct json *copy = inner ? known_members(a, fields[i].fields, fields[i].nfields, m)
                            : m   ? json_copy(a, m)
                                  : NULL;
        if (m && (!copy || !json_set(out, a, fields[i].name, copy))) return NULL;
    }
    return out;
}

struct going_back {
    struct str key;
    int64_t to_rev, expect_rev; /* to_rev 0: the newest content of a deleted one */
};

static int content_then(struct changer *c, struct arena *a, const struct going_back *g, struct resource *now,
                        struct resource *then, struct error *e)
{
    const struct row_view view = {.by = c->by, .dead = true};
    int rc = row_find_for(c->k, c->tx, a, c->kd, g->key, &view, now, e);
    if (!rc && g->expect_rev >= 0 && g->expect_rev != now->rev)
        rc = error_set(e, ERR_CONFLICT, "rev", "it is at revision %lld, you expected %lld; read it again",
                       "当前为修订 %lld，期望为 %lld；请重新读取", (long long)now->rev, (long long)g->expect_rev);
    if (rc) return rc;
    if (!g->to_rev) {
        *then = *now;
        return now->deleted ? 0 : error_set(e, ERR_INVALID, "", "it is not deleted", "该资源未被删除");
    }
    rc = at_rev(c->k, c->tx, a, now, g->to_rev, then, e);
    if (!rc && then->deleted)
        rc = error_set(e, ERR_INVALID, "rev", "revision %lld is the deletion; choose an earlier one",
                       "修订 %lld 是删除操作；请选择更早的修订", (long long)g->to_rev);
    return rc;
}

/* The state comes back only with the content that it was reached with: when the newest is restored. */
static int go_back(struct changer *c, struct arena *a, void *ctx, struct resource *ret, struct error *e)
{
    const struct going_back *g = ctx;
    struct resource now, then;
    int rc = content_then(c, a, g, &now, &then, e);
    if (rc) return rc;
    struct resource next = now;
    next.code = then.code;
    next.name = then.name;
    next.org = then.org;
    if (!c->kd->lifecycle)
        next.state = then.state;
    else if (now.deleted && g->to_rev)
        next.state = state_of(c->kd, STR(""));
    next.labels = then.labels;
    next.spec = known_members(a, c->kd->fields, c->kd->nfields, then.spec);
    CATCH_NOMEM(next.spec, e);
    next.deleted = false;
    rc = input_keep(c, a, &now, &next, e);
    if (!rc) rc = changer_check(c, a, &now, &next, NULL, e);
    if (!rc) rc = changer_store(c, a, &now, &next, now.deleted ? CHANGE_CREATE : CHANGE_UPDATE, e);
    if (!rc) rc = changer_follow(c, a, now.deleted ? NULL : &now, &next, e);
    if (!rc) *ret = next;
    return rc;
}

int resource_rollback(struct kernel *k, struct arena *a, const struct actor *by, const char *kind,
                      struct str id_or_code, int64_t to_rev, int64_t expect_rev, struct resource *ret, struct error *e)
{
    struct going_back g = {id_or_code, to_rev, expect_rev};
    if (to_rev < 1)
        return error_set(e, ERR_INVALID, "rev", "a revision is a whole number from 1 on", "版本号须为从 1 开始的整数");
    return change_run(k, a, by, kind, go_back, &g, ret, e);
}

int resource_restore(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code,
                     int64_t expect_rev, struct resource *ret, struct error *e)
{
    struct going_back g = {id_or_code, 0, expect_rev};
    return change_run(k, a, by, kind, go_back, &g, ret, e);
}
