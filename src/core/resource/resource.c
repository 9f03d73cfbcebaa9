/* resource.c - create, replace, patch, delete and bulk: transactions around resource_change.c. */
#include "core/resource/kernel_int.h"

int change_run(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, change_fn *fn, void *ctx,
               struct resource *ret, struct error *e)
{
    struct changer c;
    struct resource r = {.deleted = true};
    int rc = changer_begin(k, kind, by, &c, e);
    if (rc) return rc;
    rc = fn(&c, a, ctx, &r, e);
    if (!rc && !r.deleted) rc = row_refs(k, c.tx, a, c.kd, &r, 1, e);
    int end = changer_end(&c, rc == 0, rc ? NULL : e);
    if (!rc) rc = end;
    if (!rc && ret) *ret = r;
    return rc;
}

struct one {
    enum verb verb;
    struct str key;
    int64_t expect_rev;
    const struct resource_input *in;
};

static int apply_one(struct changer *c, struct arena *a, void *ctx, struct resource *ret, struct error *e)
{
    const struct one *x = ctx;
    enum bulk_status status;
    return changer_apply(c, a, x->verb, x->key, x->expect_rev, x->in, ret, &status, e);
}

static int change_one(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, enum verb verb,
                      struct str key, int64_t expect_rev, const struct resource_input *in, struct resource *ret,
                      struct error *e)
{
    struct one x = {verb, key, expect_rev, in};
    return change_run(k, a, by, kind, apply_one, &x, ret, e);
}

int resource_create(struct kernel *k, struct arena *a, const struct actor *by, const char *kind,
                    const struct resource_input *in, struct resource *ret, struct error *e)
{
    return change_one(k, a, by, kind, VERB_CREATE, STR_NULL, -1, in, ret, e);
}

int resource_replace(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code,
                     int64_t expect_rev, const struct resource_input *in, struct resource *ret, struct error *e)
{
    return change_one(k, a, by, kind, VERB_REPLACE, id_or_code, expect_rev, in, ret, e);
}

int resource_patch(struct kernel *k, struct arena *a, const struct actor *by, const char *kind, struct str id_or_code,
                   int64_t expect_rev, const struct resource_input *in, struct resource *ret, struct error *e)
{
    return change_one(k, a, by, kind, VERB_PATCH, id_or_code, expect_rev, in, ret, e);
}

int resource_delete(struct kernel *k, const struct actor *by, const char *kind, struct str id_or_code,
                    int64_t expect_rev, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, LIMIT_SPEC * 16);
    return change_one(k, &a, by, kind, VERB_DELETE, id_or_code, expect_rev, NULL, NULL, e);
}

/* ------------------------------------------------------------------ bulk */

#define ROW_ARENA (16 << 20)

void report_count(struct bulk_report *r, enum bulk_status status)
{
    size_t *counts[] = {[BULK_CREATED] = &r->created,
                        [BULK_UPDATED] = &r->updated,
                        [BULK_UNCHANGED] = &r->unchanged,
                        [BULK_DELETED] = &r->deleted,
                        [BULK_FAILED] = &r->failed};
    ++*counts[status];
}

/* Faults of one row; everything else ends the whole change. */
bool row_fault(int rc)
{
    return rc == ERR_INVALID || rc == ERR_NOT_FOUND || rc == ERR_EXISTS || rc == ERR_CONFLICT || rc == ERR_REFERENCED ||
           rc == ERR_TOO_LARGE || rc == ERR_FORBIDDEN || rc == ERR_PRECONDITION || rc == ERR_UNSUPPORTED ||
           rc == ERR_LIMIT;
}

static int bulk_one(struct changer *c, struct arena *row, const struct bulk_item *it, struct str *ret_code,
                    struct arena *keep, enum bulk_status *status, struct error *e)
{
    static const enum verb verbs[] = {[BULK_CREATE] = VERB_CREATE,
                                      [BULK_UPSERT] = VERB_UPSERT,
                                      [BULK_PATCH] = VERB_PATCH,
                                      [BULK_DELETE] = VERB_DELETE};
    struct resource r;
    struct str key = it->id_or_code.n ? it->id_or_code : it->in.code;
    int rc =
        changer_apply(c, row, verbs[it->op], key, it->op == BULK_CREATE ? -1 : it->expect_rev, &it->in, &r, status, e);
    *ret_code = arena_str(keep, rc ? (key.p ? key : STR("")) : r.code);
    return rc;
}

static int bulk_all(struct changer *c, struct arena *a, const struct bulk_item *items, size_t n,
                    struct bulk_report *report, struct error *e)
{
    AUTO_ARENA row;
    arena_init(&row, ROW_ARENA);
    for (size_t i = 0; i < n; i++) {
        struct bulk_result *res = &report->items[i];
        arena_reset(&row);
        res->line = i;
        int rc = bulk_one(c, &row, &items[i], &res->code, a, &res->status, &res->err);
        if (rc && !row_fault(rc)) {
            if (e) *e = res->err;
            return rc;
        }
        if (rc) res->status = BULK_FAILED;
        report_count(report, res->status);
    }
    return 0;
}

int resource_bulk(struct kernel *k, struct arena *a, const struct actor *by, const char *kind,
                  const struct bulk_item *items, size_t n, bool dry_run, bool skip_errors, struct bulk_report *ret,
                  struct error *e)
{
    struct bulk_report report = {.items = arena_calloc(a, n ? n : 1, sizeof *report.items), .nitems = n};
    struct changer c;
    CATCH_NOMEM(report.items, e);
    int rc = changer_begin(k, kind, by, &c, e);
    if (rc) return rc;
    rc = bulk_all(&c, a, items, n, &report, e);
    bool commit = !rc && !dry_run && (!report.failed || skip_errors);
    int end = changer_end(&c, commit, rc ? NULL : e);
    if (!rc) rc = end;
    if (!rc) *ret = report;
    return rc;
}
