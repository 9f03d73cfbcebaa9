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

static int read_sequence(struct changer *c, struct str name, int64_t *ret, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx, "select value from sequence where name = $1", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, name);
    rc = sql_step(s, e);
    *ret = rc == 1 ? sql_i64(s, 0) : 0;
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int write_sequence(struct changer *c, struct str name, int64_t value, struct error *e)
{
    return sql_exec(c->tx, e,
                    "insert into sequence(name, value) values($1, $2) on conflict(name) do update set value = "
                    "excluded.value",
                    "si", name, value);
}

static struct str num_name(const struct changer *c, char out[80])
{
    int n = snprintf(out, 80, "num:%.*s", STR_ARG(c->kd->kind));
    return str_make(out, (size_t)n);
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
    rc = read_sequence(c, STR("change"), &c->seq, e);
    c->first_seq = c->seq;
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
    int rc = write_sequence(c, STR("change"), c->seq, e);
    if (!rc && c->num_moved) rc = write_sequence(c, num_name(c, name), c->num, e);
    if (!rc) rc = prune(c, e);
    return rc;
}

int changer_end(struct changer *c, bool commit, struct error *e)
{
    bool any = c->seq != c->first_seq;
    int rc = commit && any ? finish(c, e) : 0;
    changing = NULL;
    if (commit && any && !rc)
        rc = sql_commit(c->tx, e);
    else
        sql_rollback(c->tx);
    changer_refs_forget(c);
    arena_fini(&c->refs_arena);
    if (commit && any && !rc) watch_committed(c->k, c->seq);
    return rc;
}

static int next_num(struct changer *c, uint32_t *ret, struct error *e)
{
    char name[80];
    if (!c->num_loaded) {
        int rc = read_sequence(c, num_name(c, name), &c->num, e);
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
    struct sql_stmt *s;
    int rc = sql_prepare(
        c->tx, "select id from resource where kind = $1 and code = $2 and org = $3 and deleted = 0 and id <> $4", &s,
        e);
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

static int ref_found(void *ctx, const struct field *f, struct str path, struct str target, struct error *e)
{
    struct str id;
    return changer_ref(ctx, f->ref_kind, target, &id, e);
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

static int run_hooks(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
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

int changer_check(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                  const struct resource_input *in, struct error *e)
{
    int rc = kind_check_code(c->kd, next->code, e);
    bool own = !rc && !c->kd->code_required && str_eq(next->code, next->id);
    if (rc && str_eq(next->code, next->id)) rc = 0, own = true; /* no code given: the id stands in */
    if (!rc && !own) rc = check_name(next->code, "code", e);
    if (!rc) rc = check_name(next->name, "name", e);
    if (!rc) rc = check_name(next->org, "org", e);
    if (!rc) rc = check_labels(next->labels, e);
    if (!rc) rc = check_spec(c, a, next, in, e);
    if (!rc && old && !old->deleted && same(old, next)) return 0;
    if (!rc && (!old || old->deleted || !str_eq(old->code, next->code) || !str_eq(old->org, next->org)))
        rc = check_code_free(c, next, e);
    if (!rc) rc = unique_check(c, a, next, e);
    if (!rc) rc = run_hooks(c, a, old && !old->deleted ? old : NULL, next, e);
    return rc;
}

/* ------------------------------------------------------------------ what the input means */

static struct json *member_at(const struct json *v, struct str part, bool is_index)
{
    if (!is_index) return json_get_str(v, part);
    int64_t i;
    return str_to_i64(part, &i) ? NULL : json_at(v, (size_t)i);
}

/* The object that holds the last member of `path` ("a.b[2].c"), and that member's name. */
static struct json *holder_of(struct json *v, struct str path, struct str *ret_leaf)
{
    bool index = false;
    for (;;) {
        size_t n = 0;
        while (n < path.n && path.p[n] != '.' && path.p[n] != '[' && path.p[n] != ']') n++;
        struct str part = str_sub(path, 0, n), rest = str_sub(path, n, path.n);
        if (index && rest.n) rest = str_sub(rest, 1, rest.n); /* ']' */
        if (!rest.n) {
            *ret_leaf = part;
            return index || !v || v->type != JSON_OBJECT ? NULL : v;
        }
        v = member_at(v, part, index);
        index = rest.p[0] == '[';
        path = str_sub(rest, 1, rest.n);
        if (!v) return NULL;
    }
}

struct keeping {
    struct arena *a;
    struct json *next;
    const struct kind *kd;
};

static int keep_secret(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct keeping *k = ctx;
    struct str leaf;
    if (f->type != FIELD_SECRET) return 0;
    struct json *holder = holder_of(k->next, path, &leaf);
    if (!holder) return 0;
    const struct json *now = json_get_str(holder, leaf);
    if (now && now->type != JSON_NULL) return 0;
    struct str key = arena_str(k->a, leaf);
    struct json *copy = json_copy(k->a, v);
    return key.p && copy && json_set(holder, k->a, key, copy) ? 0 : ERR_NOMEM;
}

/* Secrets that come back as null or not at all stay as they are; fields that only the system writes
 * stay too when a user sends something else. */
static int keep_old(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                    struct error *e)
{
    bool user = c->by->may != NULL, locked = false;
    for (size_t i = 0; user && i < c->kd->nfields; i++) locked = locked || c->kd->fields[i].read_only;
    if ((!c->kd->has_secret && !locked) || next->spec->type != JSON_OBJECT) return 0;
    struct json *spec = json_copy(a, next->spec);
    CATCH_NOMEM(spec, e);
    next->spec = spec;
    struct keeping k = {a, spec, c->kd};
    if (old && c->kd->has_secret && kind_walk(c->kd, (struct json *)old->spec, keep_secret, &k)) return kernel_nomem(e);
    for (size_t i = 0; locked && i < c->kd->nfields; i++) {
        const struct field *f = &c->kd->fields[i];
        const struct json *v = old ? json_get_str(old->spec, f->name) : NULL;
        if (!f->read_only) continue;
        if (v)
            CATCH_NOMEM(json_set(spec, a, f->name, json_copy(a, v)), e);
        else
            (void)json_remove(spec, f->name);
    }
    return 0;
}

static int content_create(struct changer *c, struct arena *a, const struct resource_input *in, struct resource *next,
                          struct error *e)
{
    char *id = arena_alloc(a, 37);
    CATCH_NOMEM(id, e);
    uuid7(c->k->clock, c->k->rng, id);
    *next = (struct resource){.kind = c->kd->kind,
                              .id = str_of(id),
                              .schema = c->kd,
                              .org = in->org.p ? in->org : STR(""),
                              .state = STR(""),
                              .origin = STR(""),
                              .labels = in->labels ? in->labels : json_new_object(a),
                              .spec = in->spec ? in->spec : json_new_object(a)};
    next->code = in->code.n ? in->code : c->kd->code_required ? STR("") : next->id;
    next->name = in->name.n ? in->name : next->code;
    if (!next->labels || !next->spec) return kernel_nomem(e);
    return 0;
}

static int content_replace(struct arena *a, const struct resource *old, const struct resource_input *in,
                           struct resource *next, struct error *e)
{
    *next = *old;
    if (in->code.n) next->code = in->code;
    next->name = in->name.n ? in->name : next->code;
    if (in->org.p) next->org = in->org;
    next->labels = in->labels ? in->labels : json_new_object(a);
    next->spec = in->spec ? in->spec : json_new_object(a);
    return next->labels && next->spec ? 0 : kernel_nomem(e);
}

static int content_patch(struct arena *a, const struct resource *old, const struct resource_input *in,
                         struct resource *next, struct error *e)
{
    *next = *old;
    if (in->code.p) next->code = in->code;
    if (in->name.p) next->name = in->name.n ? in->name : next->code;
    if (in->org.p) next->org = in->org;
    if (in->labels) next->labels = json_merge_patch(a, old->labels, in->labels);
    if (in->spec) next->spec = json_merge_patch(a, old->spec, in->spec);
    return next->labels && next->spec ? 0 : kernel_nomem(e);
}

/* ------------------------------------------------------------------ one change */

static int check_rev(const struct resource *old, int64_t expect, struct error *e)
{
    char at[TIME_TEXT_MAX];
    if (expect < 0 || expect == old->rev) return 0;
    return error_set(e, ERR_CONFLICT, "rev",
                     "it is at revision %lld, you changed revision %lld; %.*s changed it at %s; read it again and "
                     "repeat your change",
                     "当前为修订 %lld，您修改的是修订 %lld；%.*s 已于 %s 修改；请重新读取后再修改", (long long)old->rev,
                     (long long)expect, STR_ARG(old->updated_by), time_format(old->updated_us, at));
}

static int create(struct changer *c, struct arena *a, const struct resource_input *in, struct resource *ret,
                  struct error *e)
{
    struct resource next;
    int rc = content_create(c, a, in, &next, e);
    if (!rc && c->by->may) rc = keep_old(c, a, NULL, &next, e);
    if (!rc) rc = changer_check(c, a, NULL, &next, in, e);
    if (!rc) rc = changer_store(c, a, NULL, &next, CHANGE_CREATE, e);
    if (!rc) *ret = next;
    return rc;
}

static int update(struct changer *c, struct arena *a, enum verb verb, const struct resource *old,
                  const struct resource_input *in, struct resource *ret, enum bulk_status *status, struct error *e)
{
    struct resource next;
    int rc = verb == VERB_REPLACE ? content_replace(a, old, in, &next, e) : content_patch(a, old, in, &next, e);
    if (!rc) rc = keep_old(c, a, old, &next, e);
    if (!rc) rc = changer_check(c, a, old, &next, in, e);
    if (rc) return rc;
    bool unchanged = same(old, &next);
    *status = unchanged ? BULK_UNCHANGED : BULK_UPDATED;
    if (!unchanged) rc = changer_store(c, a, old, &next, CHANGE_UPDATE, e);
    if (!rc) *ret = unchanged ? *old : next;
    return rc;
}

static int check_unreferenced(struct changer *c, const struct resource *old, struct error *e)
{
    struct sql_stmt *s;
    int64_t total = 0;
    int rc =
        sql_prepare(c->tx,
                    "select r.kind, r.code, count(*) over () from resource_ref f join resource r on r.id = f.from_id "
                    "where f.to_id = $1 and f.from_id <> $1 order by r.kind, r.code limit 3",
                    &s, e);
    if (rc) return rc;
    struct buf b;
    buf_init(&b, 1024);
    sql_bind_str(s, 1, old->id);
    for (int i = 0; (rc = sql_step(s, e)) == 1; i++) {
        total = sql_i64(s, 2);
        buf_printf(&b, "%s%.*s %.*s", i ? ", " : "", STR_ARG(sql_str(s, 0)), STR_ARG(sql_str(s, 1)));
    }
    if (total > 3) buf_printf(&b, " … (%lld)", (long long)total);
    if (!rc && total)
        rc = error_set(e, ERR_REFERENCED, "", "it is still used by %s; change or delete those first",
                       "仍被 %s 引用；请先修改或删除它们", buf_cstr(&b));
    sql_done(s);
    buf_fini(&b);
    return rc;
}

static int erase(struct changer *c, struct arena *a, const struct resource *old, struct resource *ret, struct error *e)
{
    int rc = check_unreferenced(c, old, e);
    if (!rc) rc = run_hooks(c, a, old, NULL, e);
    if (rc) return rc;
    struct resource next = *old;
    next.deleted = true;
    rc = changer_store(c, a, old, &next, CHANGE_DELETE, e);
    if (!rc) *ret = next;
    changer_refs_forget(c); /* what is gone must not be found any more */
    return rc;
}

int changer_apply(struct changer *c, struct arena *a, enum verb verb, struct str key, int64_t expect_rev,
                  const struct resource_input *in, struct resource *ret, enum bulk_status *ret_status, struct error *e)
{
    struct resource old;
    if (verb == VERB_CREATE || (verb == VERB_UPSERT && !key.n)) {
        *ret_status = BULK_CREATED;
        return create(c, a, in, ret, e);
    }
    int rc = row_find(c->k, c->tx, a, c->kd, key, false, &old, e);
    if (rc == ERR_NOT_FOUND && verb == VERB_UPSERT) {
        *ret_status = BULK_CREATED;
        return create(c, a, in, ret, e);
    }
    if (!rc) rc = check_rev(&old, expect_rev, e);
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
