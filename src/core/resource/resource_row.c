/* resource_row.c - rows of table resource as struct resource: find, get, each, and the names of what
 * they refer to. Everything read lives in the caller's arena. */
#include "core/resource/kernel_int.h"

bool uuid_like(struct str s)
{
    return s.n == 36 && s.p[8] == '-' && s.p[13] == '-' && s.p[18] == '-' && s.p[23] == '-';
}

struct titles kind_titles(const struct kind *kd)
{
    struct titles t;
    str_to_cstr(kd->title_en, t.en, sizeof t.en);
    str_to_cstr(kd->title_zh.n ? kd->title_zh : kd->title_en, t.zh, sizeof t.zh);
    for (char *c = t.en; *c; c++)
        if (*c >= 'A' && *c <= 'Z' && (c == t.en || c[-1] == ' ') && !(c[1] >= 'A' && c[1] <= 'Z'))
            *c = (char)(*c + 32);
    return t;
}

static int parse_column(struct sql_stmt *s, int col, struct arena *a, const struct json **ret, struct error *e)
{
    struct str text = arena_str(a, sql_str(s, col));
    struct json *v;
    CATCH_NOMEM(text.p, e);
    int rc = json_parse(a, text, &v, e);
    if (rc == ERR_INVALID) rc = error_set(e, ERR_CORRUPT, "", "a stored document is damaged", "存储的文档已损坏");
    if (!rc) *ret = v;
    return rc;
}

int row_read(struct kernel *k, struct sql_stmt *s, struct arena *a, struct resource *ret, struct error *e)
{
    static const struct {
        int col;
        size_t at;
    } texts[] = {{0, offsetof(struct resource, id)},         {1, offsetof(struct resource, kind)},
                 {3, offsetof(struct resource, code)},       {4, offsetof(struct resource, name)},
                 {5, offsetof(struct resource, org)},        {6, offsetof(struct resource, state)},
                 {7, offsetof(struct resource, origin)},     {9, offsetof(struct resource, created_by)},
                 {11, offsetof(struct resource, updated_by)}};
    struct resource r = {.num = (uint32_t)sql_i64(s, 2),
                         .rev = sql_i64(s, 8),
                         .created_us = sql_i64(s, 10),
                         .updated_us = sql_i64(s, 12),
                         .deleted = sql_i64(s, 13) != 0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct str *to = (struct str *)((char *)&r + texts[i].at);
        *to = arena_str(a, sql_str(s, texts[i].col));
        CATCH_NOMEM(to->p, e);
    }
    int rc = parse_column(s, 15, a, &r.labels, e);
    if (!rc) rc = parse_column(s, 16, a, &r.spec, e);
    r.schema = kernel_kind(k, r.kind);
    r.state = state_of(r.schema, r.state);
    if (!rc) rc = spec_open(k, r.schema, a, r.id, r.spec, e);
    if (!rc) *ret = r;
    return rc;
}

static int ambiguous(const struct kind *kd, struct str key, struct error *e)
{
    return error_set(e, ERR_CONFLICT, "code", "several organisations have a %s%.0s '%.*s'; use its id",
                     "多个组织都有%.0s%s“%.*s”；请使用标识 id", kind_titles(kd).en, kind_titles(kd).zh, STR_ARG(key));
}

struct finding {
    struct kernel *k;
    struct sql_tx *tx;
    struct arena *a;
    const struct kind *kd;
    struct str key;
    const struct row_view *view;
    bool by_code, several, exact; /* several: codes that he may read; exact: of view->org */
};

/* One more row with that key. */
static int consider(struct finding *f, struct sql_stmt *s, bool *found, struct resource *ret, struct error *e)
{
    struct resource r;
    struct str org = sql_str(s, 5);
    char kind[KIND_NAME_MAX];
    bool same_org = f->view->org.p && str_eq(f->view->org, org);
    str_to_cstr(f->kd->kind, kind, sizeof kind);
    if (f->view->by && !permitted_at(f->view->by->may, kind, ACT_READ, org)) return 0;
    if (f->by_code && f->view->only && f->view->org.p && !same_org) return 0;
    if (*found && f->by_code && !same_org) {
        f->several = true;
        return 0;
    }
    int rc = row_read(f->k, s, f->a, &r, e);
    if (rc) return rc;
    if (!owner_sees(f->view->by, &r)) return 0;
    f->several = f->by_code && *found;
    f->exact = same_org;
    *found = true;
    *ret = r;
    return 0;
}

static int find_by(struct finding *f, const char *text, bool by_code, struct resource *ret, struct error *e)
{
    struct sql_stmt *s;
    bool found = false;
    int rc = sql_prepare(f->tx, text, &s, e);
    if (rc) return rc;
    f->by_code = by_code;
    f->several = f->exact = false;
    sql_bind_str(s, 1, f->kd->kind);
    sql_bind_str(s, 2, f->key);
    while ((rc = sql_step(s, e)) == 1 && (rc = consider(f, s, &found, ret, e)) == 0) {
    }
    sql_done(s);
    if (!rc && f->several && !f->exact) return ambiguous(f->kd, f->key, e);
    return rc ? rc : found;
}

#define SELECT "select " ROW_COLUMNS " from resource r where r.kind = $1 and "
int row_find_for(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct str key,
                 const struct row_view *view, struct resource *ret, struct error *e)
{
    struct finding f = {.k = k, .tx = tx, .a = a, .kd = kd, .key = key, .view = view};
    int rc = 0;
    if (uuid_like(key))
        rc = find_by(&f, view->dead ? SELECT "r.id = $2" : SELECT "r.id = $2 and r.deleted = 0", false, ret, e);
    if (!rc) rc = find_by(&f, SELECT "r.code = $2 and r.deleted = 0", true, ret, e);
    if (!rc && view->dead)
        rc = find_by(&f, SELECT "r.code = $2 and r.deleted = 1 order by r.updated_us limit 1000", false, ret, e);
    if (rc < 0) return rc;
    if (rc) return 0;
    return error_set(e, ERR_NOT_FOUND, "", "there is no %s%.0s '%.*s'", "没有%.0s%s“%.*s”", kind_titles(kd).en,
                     kind_titles(kd).zh, STR_ARG(key));
}

int row_find(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct str key, bool dead,
             struct resource *ret, struct error *e)
{
    const struct row_view view = {.dead = dead};
    return row_find_for(k, tx, a, kd, key, &view, ret, e);
}

/* ------------------------------------------------------------------ one */

int resource_find(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code,
                  bool deleted, struct resource *ret, struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    const struct row_view view = {.by = by, .dead = deleted};
    int rc = kind_need(k, kind, &kd, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    struct resource r;
    rc = row_find_for(k, tx, a, kd, id_or_code, &view, &r, e);
    if (!rc) rc = row_refs(k, tx, a, kd, &r, 1, e);
    sql_rollback(tx);
    if (!rc) *ret = r;
    return rc;
}

int resource_find_in(struct kernel *k, struct sql_tx *tx, struct arena *a, const char *kind, struct str id_or_code,
                     struct resource *ret, struct error *e)
{
    const struct kind *kd;
    int rc = kind_need(k, kind, &kd, e);
    return rc ? rc : row_find(k, tx, a, kd, id_or_code, false, ret, e);
}

int resource_get(struct kernel *k, struct arena *a, const char *kind, struct str id_or_code, struct resource *ret,
                 struct error *e)
{
    return resource_find(k, a, NULL, kind, id_or_code, false, ret, e);
}

static int by_num(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, uint32_t num,
                  struct resource *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, SELECT "r.num = $2 and r.num > 0 and r.deleted = 0", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, kd->kind);
    sql_bind_i64(s, 2, num);
    rc = sql_step(s, e);
    if (rc == 1)
        rc = row_read(k, s, a, ret, e);
    else if (rc == 0)
        rc = error_set(e, ERR_NOT_FOUND, "", "there is no %s%.0s with number %u", "没有%.0s%s，编号 %u",
                       kind_titles(kd).en, kind_titles(kd).zh, num);
    sql_done(s);
    return rc;
}

int resource_by_num(struct kernel *k, struct arena *a, const char *kind, uint32_t num, struct resource *ret,
                    struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    int rc = kind_need(k, kind, &kd, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    rc = by_num(k, tx, a, kd, num, ret, e);
    sql_rollback(tx);
    return rc;
}

/* ------------------------------------------------------------------ each */

#define EACH_BYTES (4 << 20)

static int each_row(struct kernel *k, struct sql_stmt *s, int (*fn)(void *ctx, const struct resource *r), void *ctx,
                    struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, EACH_BYTES);
    int rc;
    while ((rc = sql_step(s, e)) == 1) {
        struct resource r;
        arena_reset(&a);
        rc = row_read(k, s, &a, &r, e);
        if (!rc) rc = fn(ctx, &r);
        if (rc) break;
    }
    return rc;
}

int resource_each(struct kernel *k, const char *kind, int (*fn)(void *ctx, const struct resource *r), void *ctx,
                  struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = kind_need(k, kind, &kd, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(
        tx, kd->numbered ? SELECT "r.num > 0 and r.deleted = 0 order by r.num" : SELECT "r.deleted = 0 order by r.id",
        &s, e);
    if (!rc) {
        sql_bind_str(s, 1, kd->kind);
        rc = each_row(k, s, fn, ctx, e);
        sql_done(s);
    }
    sql_rollback(tx);
    return rc;
}
