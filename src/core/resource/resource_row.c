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
    if (!rc) *ret = r;
    return rc;
}

static int ambiguous(const struct kind *kd, struct str key, struct error *e)
{
    return error_set(e, ERR_INVALID, "code", "several organisations have a %s%.0s '%.*s'; use its id",
                     "多个组织都有%.0s%s“%.*s”；请使用标识 id", kind_titles(kd).en, kind_titles(kd).zh, STR_ARG(key));
}

static int find_by(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, const char *text,
                   struct str key, struct resource *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, kd->kind);
    sql_bind_str(s, 2, key);
    rc = sql_step(s, e);
    int found = rc;
    if (found == 1) rc = row_read(k, s, a, ret, e);
    if (found == 1 && !rc && !ret->deleted && str_eq(ret->code, key) && !str_eq(ret->id, key)) {
        rc = sql_step(s, e);
        if (rc == 1 && sql_i64(s, 13) == 0)
            rc = ambiguous(kd, key, e);
        else if (rc == 1)
            rc = 0;
    }
    sql_done(s);
    return rc < 0 ? rc : found;
}

#define SELECT "select " ROW_COLUMNS " from resource r where r.kind = $1 and "
int row_find(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct str key, bool dead,
             struct resource *ret, struct error *e)
{
    int rc = 0;
    if (uuid_like(key))
        rc = find_by(k, tx, a, kd, dead ? SELECT "r.id = $2" : SELECT "r.id = $2 and r.deleted = 0", key, ret, e);
    if (!rc) rc = find_by(k, tx, a, kd, SELECT "r.code = $2 and r.deleted = 0 limit 2", key, ret, e);
    if (!rc && dead)
        rc = find_by(k, tx, a, kd, SELECT "r.code = $2 and r.deleted = 1 order by r.updated_us desc limit 1", key, ret,
                     e);
    if (rc < 0) return rc;
    if (rc) return 0;
    return error_set(e, ERR_NOT_FOUND, "", "there is no %s%.0s '%.*s'", "没有%.0s%s“%.*s”", kind_titles(kd).en,
                     kind_titles(kd).zh, STR_ARG(key));
}

/* ------------------------------------------------------------------ one */

int resource_get(struct kernel *k, struct arena *a, const char *kind, struct str id_or_code, struct resource *ret,
                 struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    int rc = kind_need(k, kind, &kd, e);
    if (!rc) rc = sql_begin(k->db, false, &tx, e);
    if (rc) return rc;
    struct resource r;
    rc = row_find(k, tx, a, kd, id_or_code, false, &r, e);
    if (!rc) rc = row_refs(k, tx, a, kd, &r, 1, e);
    sql_rollback(tx);
    if (!rc) *ret = r;
    return rc;
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
