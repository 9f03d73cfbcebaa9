/* resource_change.c - one changing transaction: from input to checked content, to rows.
 *
 * changer_begin takes the writer, so what is read here cannot change before the commit. Numbers (seq,
 * num) are counted in the changer and written to table sequence once, before the commit. Order inside:
 * check everything, run the hooks, then write; a row that is refused has written nothing, so a bulk
 * change can go on without savepoints. Any database error after that breaks the whole transaction. */
#include "core/resource/kernel_int.h"
#include "base/time.h"
#include "base/utf8.h"

/* ------------------------------------------------------------------ begin and end */

int sequence_read(struct sql_tx *tx, struct str name, int64_t *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select value from sequence where name = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, name);
    rc = sql_step(s, e);
    *ret = rc == 1 ? sql_i64(s, 0) : 0;
    sql_done(s);
    return rc < 0 ? rc : 0;
}

int sequence_write(struct sql_tx *tx, struct str name, int64_t value, struct error *e)
{
    return sql_exec(tx, e,
                    "insert into sequence(name, value) values($1, $2) on conflict(name) do update set value = "
                    "excluded.value",
                    "si", name, value);
}

static struct str num_name(const struct changer *c, char out[80])
{
    int n = snprintf(out, 80, "num:%.*s", STR_ARG(c->kd->kind));
    return str_make(out, (size_t)n);
}

void changer_as(struct changer *c, const struct kind *kd)
{
    c->kd = kd;
    str_to_cstr(kd->kind, c->kind, sizeof c->kind);
}

/* Kinds that changed since they were read here (by another process, or just now by another thread) are
 * taken over first, so that what is written fits what is stored. */
static int settle_kind(struct changer *c, const char *kind, struct error *e)
{
    const struct kind *kd;
    int rc = sequence_read(c->tx, STR("kinds"), &c->kinds_gen, e);
    if (!rc) rc = kinds_refresh(c->k, c->tx, c->kinds_gen, e);
    if (!rc) rc = kind_need(c->k, kind, &kd, e);
    if (!rc) changer_as(c, kd);
    return rc;
}

static _Thread_local const struct actor *changing;

const struct actor *resource_changer(void)
{
    return changing;
}

int changer_begin(struct kernel *k, const char *kind, const struct actor *by, struct changer *c, struct error *e)
{
    *c = (struct changer){.k = k, .by = by};
    int rc = kind_need(k, kind, &c->kd, e);
    if (!rc) rc = sql_begin(k->db, true, &c->tx, e);
    if (rc) return rc;
    arena_init(&c->refs_arena, 64 << 20);
    changing = by;
    c->now_us = clock_now_us(k->clock);
    rc = sequence_read(c->tx, STR("change"), &c->seq, e);
    c->first_seq = c->seq;
    if (!rc) rc = settle_kind(c, kind, e);
    if (rc) (void)!changer_end(c, false, NULL);
    return rc;
}

static int prune(struct changer *c, struct error *e)
{
    if (c->seq <= CHANGES_KEPT || c->seq / 1000 == c->first_seq / 1000) return 0;
    return sql_exec(c->tx, e, "delete from resource_change where seq <= $1", "i", c->seq - CHANGES_KEPT);
}

static int finish(struct changer *c, struct error *e)
{
    char name[80];
    int rc = sequence_write(c->tx, STR("change"), c->seq, e);
    if (!rc && c->num_moved) rc = sequence_write(c->tx, num_name(c, name), c->num, e);
    if (!rc && c->kinds_moved) rc = sequence_write(c->tx, STR("kinds"), c->kinds_gen, e);
    if (!rc) rc = prune(c, e);
    return rc;
}

/* A change of many that was half done when it failed: what went before it cannot be kept either. */
static int half_done(struct error *e)
{
    return error_set(e, ERR_INVALID, "",
                     "a change failed when others had to follow it, so nothing was kept; make it by itself",
                     "某项更改在联动其他资源时失败，未保存任何更改；请单独进行该更改");
}

int changer_end(struct changer *c, bool commit, struct error *e)
{
    bool any = c->seq != c->first_seq;
    int rc = commit && c->broken ? half_done(e) : 0;
    if (!rc && commit && any) rc = finish(c, e);
    changing = NULL;
    if (commit && any && !rc)
        rc = sql_commit(c->tx, e);
    else
        sql_rollback(c->tx);
    changer_refs_forget(c);
    code_rules_forget(c);
    user_kind_forget(c);
    arena_fini(&c->refs_arena);
    if (commit && any && !rc && c->kinds_moved) kinds_take(c->k); /* before anybody is told */
    if (commit && any && !rc) watch_committed(c->k, c->seq);
    return rc;
}

static int next_num(struct changer *c, uint32_t *ret, struct error *e)
{
    char name[80];
    if (!c->num_loaded) {
        int rc = sequence_read(c->tx, num_name(c, name), &c->num, e);
        if (rc) return rc;
        c->num_loaded = true;
    }
    if (c->num >= UINT32_MAX) return error_set(e, ERR_LIMIT, "", "no numbers are left", "编号已用尽");
    *ret = (uint32_t)++c->num;
    c->num_moved = true;
    return 0;
}

/* ------------------------------------------------------------------ checks */

static bool label_key_ok(struct str s)
{
    if (!s.n || s.n > 64 || s.p[0] == '$' || !utf8_valid(s)) return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || strchr("\"'\\=,", s.p[i])) return false;
    return true;
}

static int check_labels(const struct json *labels, struct error *e)
{
    if (labels->type != JSON_OBJECT)
        return error_set(e, ERR_INVALID, "labels", "must be an object of texts", "应为由文本组成的对象");
    if (json_count(labels) > LIMIT_LABELS)
        return error_set(e, ERR_INVALID, "labels", "there may be at most %d labels", "最多 %d 个标签", LIMIT_LABELS);
    for
        json_each (m, labels) {
            char where[ERROR_WHERE_MAX];
            snprintf(where, sizeof where, "labels.%.*s", STR_ARG(str_sub(m->key, 0, 70)));
            if (!label_key_ok(m->key))
                return error_set(e, ERR_INVALID, where,
                                 "a label's key has 1 to 64 characters without blanks, quotes, = and ,",
                                 "标签键为 1 至 64 个字符，不含空格、引号、= 和 ,");
            if (m->type != JSON_STRING || m->s.n > LIMIT_NAME)
                return error_set(e, ERR_INVALID, where, "a label's value is a text of at most %d bytes",
                                 "标签值为最多 %d 字节的文本", LIMIT_NAME);
        }
    return 0;
}

static int check_name(struct str name, const char *where, struct error *e)
{
    if (name.n > LIMIT_NAME)
        return error_set(e, ERR_INVALID, where, "is longer than %d bytes", "超过 %d 字节", LIMIT_NAME);
    if (!utf8_valid(name) || memchr(name.p, 0, name.n))
        return error_set(e, ERR_INVALID, where, "is not UTF-8 text", "不是 UTF-8 文本");
    return 0;
}

static int check_code_free(struct changer *c, const struct resource *next, struct error *e)
{
    static const char *const texts[] = {
        "select id from resource where kind = $1 and code = $2 and org = $3 and deleted = 0 and id <> $4",
        "select id from resource where kind = $1 and code = $2 and $3 = $3 and deleted = 0 and id <> $4"};
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx, texts[of_itself(c->kd)], &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, c->kd->kind);
    sql_bind_str(s, 2, next->code);
    sql_bind_str(s, 3, next->org);
    sql_bind_str(s, 4, next->id);
    rc = sql_step(s, e);
    sql_done(s);
    if (rc != 1) return rc;
    struct titles t = kind_titles(c->kd);
    return error_set(e, ERR_EXISTS, "code", "there is a %s%.0s '%.*s' already; choose another code or change that one",
                     "已有%.0s%s“%.*s”；请换一个编码或修改已有的", t.en, t.zh, STR_ARG(next->code));
}

struct same_ref {
    struct str path, id;
    bool same;
};

static int is_same_ref(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct same_ref *x = ctx;
    if (f->type == FIELD_REF && v->type == JSON_STRING && str_eq(path, x->path)) x->same = str_eq(v->s, x->id);
    return x->same;
}

/* What he may not read is not there for him, but what stood there before may stay. */
static int ref_found(void *ctx, const struct field *f, struct str path, struct str target, struct error *e)
{
    struct changer *c = ctx;
    struct str id, org;
    char kind[KIND_NAME_MAX];
    int rc = changer_ref_org(c, f->ref_kind, target, &id, &org, e);
    if (rc || !c->by->may) return rc;
    str_to_cstr(f->ref_kind, kind, sizeof kind);
    if (permitted_at(c->by->may, kind, ACT_READ, org) && owner_shows(c, kernel_kind(c->k, f->ref_kind), id, org))
        return 0;
    struct same_ref x = {path, id, false};
    if (c->old) (void)kind_walk(c->kd, (struct json *)c->old->spec, is_same_ref, &x);
    return x.same ? 0 : no_such_ref(c, f->ref_kind, target, e);
}

struct setting {
    struct changer *c;
    struct arena *a;
    struct error *e;
};

static int set_ref(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct setting *s = ctx;
    struct str id;
    if (f->type != FIELD_REF) return 0;
    int rc = changer_ref(s->c, f->ref_kind, v->s, &id, s->e);
    if (rc) return rc;
    v->s = arena_str(s->a, id);
    return v->s.p ? 0 : kernel_nomem(s->e);
}

static int check_spec(struct changer *c, struct arena *a, struct resource *next, const struct resource_input *in,
                      struct error *e)
{
    struct json *done = NULL;
    size_t n = 0;
    int rc =
        kind_check(c->kd, a, next->spec, &done, ref_found, c, in ? in->faults : NULL, in ? in->faults_max : 0, &n, e);
    if (rc == ERR_INVALID && in && in->ret_faults) *in->ret_faults = n;
    struct setting s = {c, a, e};
    if (!rc && c->kd->has_ref) rc = kind_walk(c->kd, done, set_ref, &s);
    if (!rc) next->spec = done;
    return rc;
}

int changer_hooks(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
                  struct error *e)
{
    size_t n = atomic_load_explicit(&c->k->nhooks, memory_order_acquire);
    for (size_t i = 0; i < n; i++) {
        const struct kind_hooks *h = &c->k->hooks[i];
        if (!h->validate || !str_is(c->kd->kind, h->kind)) continue;
        int rc = h->validate(h->ctx, c->k, c->tx, a, old, next, e);
        if (rc) return rc;
    }
    return 0;
}

static bool same(const struct resource *a, const struct resource *b)
{
    return str_eq(a->code, b->code) && str_eq(a->name, b->name) && str_eq(a->org, b->org) &&
           str_eq(a->state, b->state) && json_equal(a->labels, b->labels) && json_equal(a->spec, b->spec);
}

static int check_code(struct changer *c, const struct resource *next, struct error *e)
{
    if (str_eq(next->code, next->id) && !c->kd->code_required) return 0; /* no code given: the id stands in */
    int rc = kind_check_code(c->kd, next->code, e);
    return rc ? rc : check_name(next->code, "code", e);
}

/* What the kernel itself knows of some kinds. */
static int check_own(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                     struct error *e)
{
    if (str_is(c->kd->kind, "user_kind")) return user_kind_check(c, a, old, next, e);
    if (str_is(c->kd->kind, "code_rule")) return code_rule_check(c, a, old, next, e);
    return 0;
}

/* Texts, then the spec, because organisation and code may follow from it. */
static int check_content(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                         const struct resource_input *in, struct error *e)
{
    int rc = check_name(next->name, "name", e);
    if (!rc) rc = check_name(next->org, "org", e);
    if (!rc) rc = check_labels(next->labels, e);
    if (!rc && next->code.n) rc = check_code(c, next, e);
    if (!rc) rc = check_spec(c, a, next, in, e);
    if (!rc) rc = scope_org(c, a, old, next, in, e);
    if (rc || next->code.n) return rc;
    rc = code_give(c, a, next, e);
    if (!rc && !next->code.n && !c->kd->code_required) next->code = next->id;
    if (!rc) rc = check_code(c, next, e);
    if (!rc && !next->name.n) next->name = next->code;
    return rc;
}

int changer_check(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                  const struct resource_input *in, struct error *e)
{
    bool dead = old && old->deleted;
    c->org = next->org.n ? next->org : STR_NULL;
    c->old = old;
    int rc = old && !dead ? scope_may(c, ACT_WRITE, old->org, e) : 0;
    if (!rc && old) rc = owner_may(c, old, e);
    if (!rc) rc = check_content(c, a, old, next, in, e);
    if (!rc && old && !dead && same(old, next)) return 0;
    if (!rc) rc = scope_change(c, dead ? NULL : old, next, e);
    if (!rc && old && !dead) rc = state_may_edit(c, old, next, e);
    if (!rc && (!old || dead || !str_eq(old->code, next->code) || !str_eq(old->org, next->org))) {
        rc = check_code_free(c, next, e);
        if (!rc) rc = code_unused(c, next, e);
    }
    if (!rc) rc = unique_check(c, a, next, e);
    if (!rc) rc = files_check(c, old, next, e);
    if (!rc) rc = check_own(c, a, dead ? NULL : old, next, e);
    if (!rc) rc = changer_hooks(c, a, dead ? NULL : old, next, e);
    return rc;
}

/* ------------------------------------------------------------------ one change */

int changer_revision(const struct resource *old, int64_t expect, struct error *e)
{
    char at[TIME_TEXT_MAX];
    if (expect < 0 || expect == old->rev) return 0;
    return error_set(e, ERR_CONFLICT, "rev",
                     "it is at revision %lld, you changed revision %lld; %.*s changed it at %s; read it again and "
                     "repeat your change",
                     "当前为修订 %lld，您修改的是修订 %lld；%.*s 已于 %s 修改；请重新读取后再修改", (long long)old->rev,
                     (long long)expect, STR_ARG(old->updated_by), time_format(old->updated_us, at));
}

/* After it is stored: what else has to move with it. */
int changer_follow(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
                   struct error *e)
{
    int rc = old && !str_eq(old->org, next->org) ? scope_follow(c, a, next, e) : 0;
    if (!rc) rc = files_take(c, next, e);
    if (!rc && str_is(c->kd->kind, "user_kind")) rc = user_kind_changed(c, a, old, next, e);
    if (str_is(c->kd->kind, "code_rule")) code_rules_forget(c);
    c->broken = c->broken || rc;
    return rc;
}

static int one_only(struct changer *c, struct error *e)
{
    return error_set(e, ERR_EXISTS, "", "there is just one resource of this kind, 'default'; change that one",
                     "该类型只有一个资源“default”；请修改它");
}

static int create(struct changer *c, struct arena *a, const struct resource_input *in, struct resource *ret,
                  struct error *e)
{
    struct resource next;
    int rc = input_create(c, a, in, &next, e);
    if (!rc && c->kd->single && !str_is(next.code, "default")) rc = one_only(c, e);
    if (!rc && c->by->may) rc = input_keep(c, a, NULL, &next, e);
    if (!rc) rc = owner_give(c, a, &next, e);
    if (!rc) rc = changer_check(c, a, NULL, &next, in, e);
    if (!rc) rc = changer_store(c, a, NULL, &next, CHANGE_CREATE, e);
    if (!rc) rc = changer_follow(c, a, NULL, &next, e);
    if (!rc) *ret = next;
    return rc;
}

static int update(struct changer *c, struct arena *a, enum verb verb, const struct resource *old,
                  const struct resource_input *in, struct resource *ret, enum bulk_status *status, struct error *e)
{
    struct resource next;
    int rc = verb == VERB_REPLACE ? input_replace(a, old, in, &next, e) : input_patch(a, old, in, &next, e);
    if (!rc && c->kd->single && !str_eq(old->code, next.code)) rc = one_only(c, e);
    if (!rc) rc = input_keep(c, a, old, &next, e);
    if (!rc) rc = changer_check(c, a, old, &next, in, e);
    if (rc) return rc;
    bool unchanged = same(old, &next);
    *status = unchanged ? BULK_UNCHANGED : BULK_UPDATED;
    if (!unchanged) rc = changer_store(c, a, old, &next, CHANGE_UPDATE, e);
    if (!rc && !unchanged) rc = changer_follow(c, a, old, &next, e);
    if (!rc) *ret = unchanged ? *old : next;
    return rc;
}

/* The first of them that he may see, and how many there are. */
static int name_users(struct changer *c, struct sql_stmt *s, struct buf *b, int64_t *total, struct error *e)
{
    int rc, shown = 0;
    while ((rc = sql_step(s, e)) == 1) {
        char kind[KIND_NAME_MAX];
        str_to_cstr(sql_str(s, 0), kind, sizeof kind);
        ++*total;
        if (shown == 3 || !permitted_at(c->by->may, kind, ACT_READ, sql_str(s, 2))) continue;
        if (owner_limits(c->by, kernel_kind(c->k, str_of(kind)), sql_str(s, 2))) continue;
        buf_printf(b, "%s%s %.*s", shown++ ? ", " : "", kind, STR_ARG(sql_str(s, 1)));
    }
    if (!shown && *total) buf_z(b, "…");
    if (*total > shown) buf_printf(b, "%s (%lld)", shown ? " …" : "", (long long)*total);
    return rc;
}

static int check_unreferenced(struct changer *c, const struct resource *old, struct error *e)
{
    struct sql_stmt *s;
    int64_t total = 0;
    const char *text = of_itself(c->kd) ? "select kind, code, org from resource where org = $1 and deleted = 0 and id "
                                          "<> $1 order by kind, code limit 1000"
                                        : "select r.kind, r.code, r.org from resource_ref f join resource r on r.id = "
                                          "f.from_id where f.to_id = $1 and f.from_id <> $1 order by r.kind, r.code";
    int rc = sql_prepare(c->tx, text, &s, e);
    if (rc) return rc;
    struct buf b;
    buf_init(&b, 1024);
    sql_bind_str(s, 1, old->id);
    rc = name_users(c, s, &b, &total, e);
    sql_done(s);
    if (!rc && total)
        rc = error_set(e, ERR_REFERENCED, "", "it is still used by %s; change or delete those first",
                       "仍被 %s 引用；请先修改或删除它们", buf_cstr(&b));
    buf_fini(&b);
    return rc;
}

static int may_erase(struct changer *c, const struct resource *old, struct error *e)
{
    int rc = scope_may(c, ACT_DELETE, old->org, e);
    if (!rc) rc = owner_may(c, old, e);
    if (!rc && c->kd->single)
        rc = error_set(e, ERR_INVALID, "", "the one resource of this kind cannot be deleted; change it instead",
                       "该类型唯一的资源不能删除；请修改它");
    if (!rc) rc = state_may_delete(c, old, e);
    if (!rc && str_is(c->kd->kind, "user_kind")) rc = user_kind_check(c, NULL, old, NULL, e);
    if (!rc) rc = check_unreferenced(c, old, e);
    return rc;
}

static int erase(struct changer *c, struct arena *a, const struct resource *old, struct resource *ret, struct error *e)
{
    int rc = may_erase(c, old, e);
    if (!rc) rc = changer_hooks(c, a, old, NULL, e);
    if (rc) return rc;
    struct resource next = *old;
    next.deleted = true;
    rc = changer_store(c, a, old, &next, CHANGE_DELETE, e);
    if (!rc) rc = changer_follow(c, a, old, &next, e);
    if (!rc) *ret = next;
    changer_refs_forget(c); /* what is gone must not be found any more */
    return rc;
}

/* A row of a table that is matched by its own code means the one of the organisation that it names. */
static int find_old(struct changer *c, struct arena *a, enum verb verb, struct str key, const struct resource_input *in,
                    struct resource *ret, struct error *e)
{
    struct row_view view = {.by = c->by};
    bool own = in && in->org.n && (key.p == in->code.p || (verb == VERB_UPSERT && str_eq(key, in->code)));
    int rc = 0;
    if (own && org_known(c->k))
        rc = changer_ref(c, STR("org"), in->org, &view.org, NULL);
    else if (own)
        view.org = in->org;
    view.only = own;
    if (rc == ERR_INVALID || rc == ERR_NOT_FOUND) view = (struct row_view){.by = c->by}; /* told by the check */
    return row_find_for(c->k, c->tx, a, c->kd, key, &view, ret, e);
}

int changer_apply(struct changer *c, struct arena *a, enum verb verb, struct str key, int64_t expect_rev,
                  const struct resource_input *in, struct resource *ret, enum bulk_status *ret_status, struct error *e)
{
    struct resource old;
    if (verb == VERB_CREATE || (verb == VERB_UPSERT && !key.n)) {
        *ret_status = BULK_CREATED;
        return create(c, a, in, ret, e);
    }
    int rc = find_old(c, a, verb, key, in, &old, e);
    bool first = c->kd->single && verb != VERB_DELETE && expect_rev < 0 && str_is(key, "default");
    if (rc == ERR_NOT_FOUND && (verb == VERB_UPSERT || first)) {
        if (e) *e = (struct error){0};
        *ret_status = BULK_CREATED;
        return create(c, a, in, ret, e);
    }
    if (!rc) rc = changer_revision(&old, expect_rev, e);
    if (rc) return rc;
    if (verb != VERB_DELETE) return update(c, a, verb, &old, in, ret, ret_status, e);
    *ret_status = BULK_DELETED;
    return erase(c, a, &old, ret, e);
}

int changer_number(struct changer *c, uint32_t *ret, struct error *e)
{
    if (c->kd->numbered) return next_num(c, ret, e);
    *ret = 0;
    return 0;
}
