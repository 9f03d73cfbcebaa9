/* user_kind.c - kinds that are made, changed and removed while the node runs.
 *
 * A user kind is a resource of kind `user_kind`: its code is the kind's name, spec.document the kind
 * document. It is checked before it is stored: the document, its names against built-in kinds and routes, the
 * kinds that it refers to, and the plan of what would happen to the stored data (user_kind_move.c). Once
 * stored, the data moves in the same transaction, indices follow, and sequence 'kinds' goes on by one. After
 * the commit the table of kinds is made anew from what is stored; everybody who writes compares that
 * sequence first (changer_begin), so that no thread and no other process writes by an old version. Between
 * commit and publication readers see new data by the old version for a moment. `renames` and `on_loss` hold
 * for one change and are not kept. */
#include "core/resource/user_kind.h"
#include "core/resource/user_kind_int.h"
#include "io/log.h"

#define KINDS_BYTES (256 << 20)

/* First segments of routes that are no kinds. */
static const char *const taken[] = {
    "alarms",   "areas",     "attachments", "audit",   "auth",    "backup",      "current",   "deliveries",
    "drivers",  "export",    "healthz",     "history", "import",  "job-types",   "jobs",      "kinds",
    "licences", "metrics",   "notices",     "objects", "openapi", "permissions", "provision", "push",
    "runners",  "samples",   "search",      "secrets", "session", "sessions",    "storage",   "stream",
    "system",   "telemetry", "tokens",      "uploads", "version", "watch"};

/* ------------------------------------------------------------------ the document */

static int in_document(struct error *e, int rc)
{
    if (rc) error_prefix(e, e && e->where[0] && e->where[0] != '[' ? "spec.document." : "spec.document");
    return rc;
}

static int parse(const struct resource *r, struct arena *a, struct kind **ret, struct error *e)
{
    const struct json *doc = json_get(r->spec, "document");
    if (!doc || doc->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "spec.document", "must be a kind document, an object {…}",
                         "应为类型定义对象 {…}");
    struct str text = json_text(a, doc);
    CATCH_NOMEM(text.p, e);
    int rc = kind_parse(text, ret, e);
    if (!rc) (*ret)->user = true;
    return in_document(e, rc);
}

static int check_names(struct changer *c, const struct resource *next, const struct kind *kd, struct error *e)
{
    const struct kind *same = kernel_kind(c->k, kd->kind), *plural = kernel_kind(c->k, kd->plural);
    if (!str_eq(kd->kind, next->code))
        return error_set(e, ERR_INVALID, "spec.document.kind", "must be the code, '%.*s'", "须与编码“%.*s”相同",
                         STR_ARG(next->code));
    if (same && !(same->user && str_eq(same->kind, kd->kind)))
        return error_set(e, ERR_EXISTS, "spec.document.kind", "'%.*s' is a built-in kind; choose another name",
                         "“%.*s”是内置类型；请换一个名称", STR_ARG(kd->kind));
    if (plural && !str_eq(plural->kind, kd->kind))
        return error_set(e, ERR_EXISTS, "spec.document.plural", "the kind '%.*s' has this name; choose another",
                         "类型“%.*s”已使用该名称；请换一个", STR_ARG(plural->kind));
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (str_is(kd->plural, taken[i]))
            return error_set(e, ERR_EXISTS, "spec.document.plural", "'%s' is used by the platform; choose another",
                             "“%s”已被平台使用；请换一个", taken[i]);
    return 0;
}

static int check_refs(struct changer *c, const struct kind *kd, const struct field *f, size_t n, const char *where,
                      int depth, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < n && !rc && depth < 16; i++) {
        char at[ERROR_WHERE_MAX];
        snprintf(at, sizeof at, "%s%s%.*s", where, f[i].name.n ? "." : "", STR_ARG(f[i].name));
        const struct kind *to = f[i].type == FIELD_REF ? kernel_kind(c->k, f[i].ref_kind) : kd;
        if ((!to || !str_eq(to->kind, f[i].ref_kind)) && f[i].type == FIELD_REF && !str_eq(f[i].ref_kind, kd->kind))
            return error_set(e, ERR_INVALID, at, "there is no kind '%.*s' to refer to", "没有可引用的类型“%.*s”",
                             STR_ARG(f[i].ref_kind));
        rc = check_refs(c, kd, f[i].fields, f[i].nfields, at, depth + 1, e);
    }
    return rc;
}

/* ------------------------------------------------------------------ before it is stored */

static int refuse_loss(const struct kind_plan *p, bool drop, struct error *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct kind_change *k = &p->changes[i];
        char path[80], en[160], zh[160];
        if (!k->blocks && (drop || !k->lost)) continue;
        str_to_cstr(str_sub(k->path, 0, 79), path, sizeof path);
        str_to_cstr(str_sub(k->what_en, 0, 150), en, sizeof en);
        str_to_cstr(str_sub(k->what_zh, 0, 150), zh, sizeof zh);
        if (k->blocks)
            return error_set(e, ERR_INVALID, path, "%s%.0s: %lld resources do not fit; change them first",
                             "%.0s%s：有 %lld 个资源不符合；请先修改它们", en, zh, (long long)k->lost);
        return error_set(
            e, ERR_INVALID, path,
            "%s%.0s: the values of %lld resources cannot be kept; look at the plan, or set on_loss to drop",
            "%.0s%s：有 %lld 个资源的值无法保留；请查看计划，或将 on_loss 设为 drop", en, zh, (long long)k->lost);
    }
    return 0;
}

static const struct kind *present(struct changer *c, struct str name)
{
    const struct kind *kd = kernel_kind(c->k, name);
    return kd && kd->user && str_eq(kd->kind, name) ? kd : NULL;
}

static bool refers(const struct field *f, size_t n, struct str kind, int depth)
{
    for (size_t i = 0; i < n && depth < 16; i++)
        if ((f[i].type == FIELD_REF && str_eq(f[i].ref_kind, kind)) ||
            refers(f[i].fields, f[i].nfields, kind, depth + 1))
            return true;
    return false;
}

static int check_unused(struct changer *c, struct str kind, struct error *e)
{
    const struct kind *kd;
    for (size_t i = 0; (kd = kernel_kind_at(c->k, i)); i++)
        if (!str_eq(kd->kind, kind) && refers(kd->fields, kd->nfields, kind, 0))
            return error_set(e, ERR_REFERENCED, "", "the kind '%.*s' refers to it; change that one first",
                             "类型“%.*s”引用了它；请先修改该类型", STR_ARG(kd->kind));
    return 0;
}

static int count_rows(struct changer *c, struct str kind, int64_t *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx, "select count(*) from resource where kind = $1 and deleted = 0", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, kind);
    rc = sql_step(s, e);
    if (rc == 1) *ret = sql_i64(s, 0);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int check_removal(struct changer *c, const struct resource *old, struct error *e)
{
    int64_t n = 0;
    int rc = check_unused(c, old->code, e);
    if (!rc) rc = count_rows(c, old->code, &n, e);
    if (!rc && n)
        rc = error_set(e, ERR_REFERENCED, "", "there are %lld resources of this kind; delete them or drop the kind",
                       "该类型还有 %lld 个资源；请先删除它们，或使用“删除类型及数据”", (long long)n);
    return rc;
}

static struct kind_pending *pending_new(struct changer *c, struct error *e)
{
    user_kind_forget(c);
    c->pending = mem_calloc(1, sizeof *c->pending);
    if (!c->pending) (void)kernel_nomem(e);
    return c->pending;
}

void user_kind_forget(struct changer *c)
{
    if (c->pending) kind_free(c->pending->kd);
    mem_free(c->pending);
    c->pending = NULL;
}

/* What held for this change only is not stored. */
static int tidy(struct arena *a, struct resource *next, struct error *e)
{
    struct json *spec = json_copy(a, next->spec);
    CATCH_NOMEM(spec, e);
    (void)json_remove(spec, STR("renames"));
    CATCH_NOMEM(json_set(spec, a, STR("on_loss"), json_new_str(a, STR("refuse"))), e);
    next->spec = spec;
    return 0;
}

static int check_version(struct changer *c, struct arena *a, const struct resource *next, struct kind_pending *p,
                         struct error *e)
{
    struct kind_plan plan;
    struct move m = {.from = present(c, next->code), .to = p->kd, .renames = p->renames, .drop = p->drop};
    int rc = check_names(c, next, p->kd, e);
    if (!rc) rc = check_refs(c, p->kd, p->kd->fields, p->kd->nfields, "spec.document", 0, e);
    if (!rc) rc = kind_move(c, a, &m, &plan, e);
    return rc ? rc : refuse_loss(&plan, p->drop, e);
}

int user_kind_check(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                    struct error *e)
{
    if (!next) return check_removal(c, old, e);
    if (next->org.n)
        return error_set(e, ERR_INVALID, "org", "kinds belong to the whole platform", "类型属于整个平台，不能指定组织");
    if (old && !str_eq(old->code, next->code))
        return error_set(e, ERR_INVALID, "code", "the name of a kind stays as it is", "类型名称不能修改");
    struct kind_pending *p = pending_new(c, e);
    if (!p) return ERR_NOMEM;
    p->renames = json_get(next->spec, "renames");
    p->drop = str_is(json_str(json_get(next->spec, "on_loss"), STR("")), "drop");
    if (p->renames && p->renames->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "spec.renames", "must be {\"old\": \"new\"}", "应为 {\"旧\": \"新\"}");
    int rc = parse(next, a, &p->kd, e);
    if (!rc) rc = check_version(c, a, next, p, e);
    return rc ? rc : tidy(a, next, e);
}

/* ------------------------------------------------------------------ after it is stored */

int user_kind_changed(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
                      struct error *e)
{
    const struct kind *from = present(c, next->code);
    const struct kind *to = !next->deleted && c->pending ? c->pending->kd : NULL;
    struct kind_plan plan;
    int rc = 0;
    if (to) {
        struct move m = {from, to, c->pending->renames, true, c->pending->drop};
        rc = kind_move(c, a, &m, &plan, e);
    }
    if (!rc && from) rc = unique_remove(c->tx, from, to, e);
    if (!rc && to) rc = kind_prepare(c->tx, to, e);
    c->kinds_gen++;
    c->kinds_moved = true;
    changer_refs_forget(c);
    user_kind_forget(c);
    return rc;
}

/* ------------------------------------------------------------------ plan */

int user_kind_plan(struct kernel *k, struct arena *a, struct str document, const struct json *renames,
                   struct kind_plan *ret, struct error *e)
{
    struct changer c;
    struct kind *kd = NULL;
    if (renames && renames->type == JSON_NULL) renames = NULL;
    if (renames && renames->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "renames", "must be {\"old\": \"new\"}", "应为 {\"旧\": \"新\"}");
    int rc = kind_parse(document, &kd, e);
    if (rc) {
        error_prefix(e, e && e->where[0] && e->where[0] != '[' ? "document." : "document");
        return rc;
    }
    kd->user = true;
    rc = changer_begin(k, "user_kind", &actor_system, &c, e);
    if (!rc) {
        struct resource r = {.code = kd->kind};
        struct move m = {.from = present(&c, kd->kind), .to = kd, .renames = renames};
        rc = check_names(&c, &r, kd, e);
        if (!rc) rc = check_refs(&c, kd, kd->fields, kd->nfields, "document", 0, e);
        if (!rc) rc = kind_move(&c, a, &m, ret, e);
        (void)!changer_end(&c, false, NULL);
    }
    kind_free(kd);
    return rc;
}

/* ------------------------------------------------------------------ drop */

struct dropping {
    struct str key, confirm;
    int64_t n;
};

static int check_foreign(struct changer *c, struct str kind, struct error *e)
{
    struct sql_stmt *s;
    int rc =
        sql_prepare(c->tx,
                    "select r.kind, r.code from resource_ref f join resource r on r.id = f.from_id join resource t "
                    "on t.id = f.to_id where t.kind = $1 and r.kind <> $1 order by r.kind, r.code limit 1",
                    &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, kind);
    rc = sql_step(s, e);
    if (rc == 1)
        rc = error_set(e, ERR_REFERENCED, "", "its resources are still used by %.*s %.*s", "其资源仍被 %.*s %.*s 引用",
                       STR_ARG(sql_str(s, 0)), STR_ARG(sql_str(s, 1)));
    sql_done(s);
    return rc;
}

static int next_live(struct changer *c, struct arena *a, struct resource *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx,
                         "select " ROW_COLUMNS " from resource r where r.kind = $1 and r.deleted = 0 order by r.code "
                         "limit 1",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, c->kd->kind);
    rc = sql_step(s, e);
    if (rc == 1) {
        int read = row_read(c->k, s, a, ret, e);
        if (read) rc = read;
    }
    sql_done(s);
    return rc;
}

static int drop_rows(struct changer *c, const struct kind *kd, struct dropping *d, struct error *e)
{
    const struct kind *own = c->kd;
    AUTO_ARENA a;
    arena_init(&a, LIMIT_SPEC * 16);
    int rc = 1;
    changer_as(c, kd);
    while (rc == 1) {
        struct resource old, next;
        arena_reset(&a);
        rc = next_live(c, &a, &old, e);
        if (rc != 1) break;
        next = old;
        next.deleted = true;
        int stored = changer_store(c, &a, &old, &next, CHANGE_DELETE, e);
        if (stored) rc = stored;
        d->n++;
    }
    changer_as(c, own);
    return rc;
}

static int drop(struct changer *c, struct arena *a, void *ctx, struct resource *ret, struct error *e)
{
    struct dropping *d = ctx;
    struct resource r;
    enum bulk_status status;
    const struct row_view view = {.by = c->by};
    int rc = row_find_for(c->k, c->tx, a, c->kd, d->key, &view, &r, e);
    if (!rc) rc = scope_may(c, ACT_DELETE, r.org, e);
    if (!rc && !str_eq(d->confirm, r.code))
        rc = error_set(e, ERR_INVALID, "confirm", "write the kind's name, '%.*s', to confirm",
                       "请输入类型名称“%.*s”以确认", STR_ARG(r.code));
    const struct kind *kd = rc ? NULL : present(c, r.code);
    if (!rc) rc = check_unused(c, r.code, e);
    if (!rc) rc = check_foreign(c, r.code, e);
    if (!rc && kd) rc = drop_rows(c, kd, d, e);
    if (!rc) rc = changer_apply(c, a, VERB_DELETE, r.id, -1, NULL, ret, &status, e);
    return rc;
}

int user_kind_drop(struct kernel *k, const struct actor *by, struct str id_or_code, struct str confirm,
                   int64_t *ret_resources, struct error *e)
{
    AUTO_ARENA a;
    struct dropping d = {id_or_code, confirm, 0};
    arena_init(&a, LIMIT_SPEC * 64);
    int rc = change_run(k, &a, by, "user_kind", drop, &d, NULL, e);
    if (!rc) *ret_resources = d.n;
    return rc;
}

/* ------------------------------------------------------------------ from the store into the table */

static bool unchanged(struct kernel *k, const struct kind *kd)
{
    const struct kind *now = kernel_kind(k, kd->kind);
    return now && now->user && json_equal(now->doc, kd->doc);
}

static int take_one(struct kernel *k, struct str code, struct str spec, struct arena *a, struct error *e)
{
    struct json *v;
    struct kind *kd = NULL;
    int rc = json_parse(a, spec, &v, e);
    struct resource r = {.spec = rc ? NULL : v};
    if (!rc) rc = parse(&r, a, &kd, e);
    const struct kind *other = rc ? NULL : kernel_kind(k, kd->kind);
    if (!rc && other && !other->user)
        rc = error_set(e, ERR_EXISTS, "", "there is a built-in kind of this name now", "已有同名的内置类型");
    if (!rc && unchanged(k, kd)) {
        kind_free(kd);
        return 0;
    }
    if (!rc) rc = kinds_put(k, kd, e);
    if (rc) kind_free(kd);
    if (rc == ERR_NOMEM) return rc;
    if (rc) log_error("core", "a stored kind cannot be used", "kind=%.*s err=%s", STR_ARG(code), e ? e->text : "");
    return 0;
}

struct stored_kind {
    struct str code, spec;
};

static int read_stored(struct sql_tx *tx, struct arena *a, struct stored_kind *out, size_t *n, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select code, spec from resource where kind = 'user_kind' and deleted = 0 order by code",
                         &s, e);
    if (rc) return rc;
    while (*n < KINDS_MAX && (rc = sql_step(s, e)) == 1) {
        out[*n] = (struct stored_kind){arena_str(a, sql_str(s, 0)), arena_str(a, sql_str(s, 1))};
        if (!out[*n].code.p || !out[*n].spec.p) {
            rc = kernel_nomem(e);
            break;
        }
        ++*n;
    }
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int drop_gone(struct kernel *k, const struct stored_kind *stored, size_t n, struct error *e)
{
    const struct kind *kd;
    int rc = 0;
    for (size_t i = 0; !rc && (kd = kernel_kind_at(k, i));) {
        bool there = !kd->user;
        for (size_t j = 0; j < n && !there; j++) there = str_eq(stored[j].code, kd->kind);
        if (there)
            i++;
        else
            rc = kinds_drop(k, kd->kind, e);
    }
    return rc;
}

static int take_all(struct kernel *k, struct sql_tx *tx, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, KINDS_BYTES);
    size_t n = 0;
    struct stored_kind *stored = arena_alloc(&a, KINDS_MAX * sizeof *stored);
    CATCH_NOMEM(stored, e);
    int rc = read_stored(tx, &a, stored, &n, e);
    for (size_t i = 0; i < n && !rc; i++) rc = take_one(k, stored[i].code, stored[i].spec, &a, e);
    return rc ? rc : drop_gone(k, stored, n, e);
}

int kinds_refresh(struct kernel *k, struct sql_tx *tx, int64_t gen, struct error *e)
{
    int rc = 0;
    pthread_mutex_lock(&k->kinds_lock);
    if (k->kinds_loaded && gen > k->kinds_gen) {
        rc = take_all(k, tx, e);
        if (!rc) k->kinds_gen = gen;
    }
    pthread_mutex_unlock(&k->kinds_lock);
    return rc;
}

void kinds_take(struct kernel *k)
{
    struct sql_tx *tx;
    struct error e = {0};
    int64_t gen = 0;
    int rc = sql_begin(k->db, false, &tx, &e);
    if (!rc) {
        rc = sequence_read(tx, STR("kinds"), &gen, &e);
        if (!rc) rc = kinds_refresh(k, tx, gen, &e);
        sql_rollback(tx);
    }
    if (rc) log_error("core", "changed kinds cannot be read; the next change tries again", "err=%s", e.text);
}

/* Indices are made with the kind; they are looked after again here, for a store that was moved. */
static int load(struct kernel *k, struct sql_tx *tx, struct error *e)
{
    int64_t gen = 0;
    const struct kind *kd;
    int rc = sequence_read(tx, STR("kinds"), &gen, e);
    k->kinds_loaded = true;
    k->kinds_gen = -1;
    if (!rc) rc = kinds_refresh(k, tx, gen, e);
    for (size_t i = 0; !rc && (kd = kernel_kind_at(k, i)); i++)
        if (kd->user) rc = kind_prepare(tx, kd, e);
    return rc;
}

int user_kinds_load(struct kernel *k, struct error *e)
{
    struct sql_tx *tx;
    if (!kernel_kind(k, STR("user_kind"))) return 0;
    int rc = sql_begin(k->db, true, &tx, e);
    if (rc) return rc;
    rc = load(k, tx, e);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}
