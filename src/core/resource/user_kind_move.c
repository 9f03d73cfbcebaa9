/* user_kind_move.c - stored resources of a user kind as a new version of the kind wants them: counted and
 * told (the plan), or written (the change); the same code does both.
 *
 * Each field of the new version has a source: the field of its name or the one that was renamed to it.
 * Values are converted (user_kind_convert.c), checked, completed with defaults. What cannot be kept is
 * "lost": refused, or dropped when the change says so. What dropping cannot help either (a required field
 * that stays empty, a code that the new pattern refuses) blocks. Each resource whose content changes gets a
 * revision. Past revisions and tombstones follow renames and conversions as far as nothing is lost, and keep
 * the rest as it was; secrets whose field goes are removed from them too. Rows are read in batches by code,
 * in the one writing transaction. */
#include "core/resource/user_kind_int.h"

#define BATCH 200
#define BATCH_BYTES (64 << 20)
#define EXAMPLES 5

struct source {
    const struct field *to, *from; /* from NULL: new */
    bool plain;                    /* taken over as it is */
    bool unique_now;
    struct kind_change *change;
};
struct mover {
    struct changer *c;
    struct arena *a; /* of the plan */
    const struct move *m;
    struct kind_plan plan;
    size_t cap;
    struct source *sources;
    size_t nsources;
    struct kind_change **removed; /* by index of m->from->fields; NULL: it has a successor */
    uint64_t *seen;               /* hashes of values of fields that are unique now */
    size_t nseen, seen_cap;
    struct error *e;
};

static int nomem(struct mover *v)
{
    return kernel_nomem(v->e);
}

/* ------------------------------------------------------------------ changes */

static struct kind_change *add(struct mover *v, struct str path, const char *en, const char *zh)
{
    if (v->plan.n == v->cap) return NULL;
    struct kind_change *k = &v->plan.changes[v->plan.n++];
    *k = (struct kind_change){
        .path = path, .what_en = str_of(en), .what_zh = str_of(zh), .examples = json_new_array(v->a)};
    return path.p && en && zh && k->examples ? k : NULL;
}

static struct str spec_path(struct mover *v, struct str name)
{
    return str_of(arena_printf(v->a, "spec.%.*s", STR_ARG(name)));
}

/* Sensitive values are nobody's example. */
static bool hides(const struct field *f)
{
    if (f->sensitive || f->type == FIELD_SECRET) return true;
    for (size_t i = 0; i < f->nfields; i++)
        if (hides(&f->fields[i])) return true;
    return false;
}

static int example(struct mover *v, struct kind_change *k, const struct resource *r, const struct field *from,
                   const struct json *before, const struct json *after)
{
    struct json *o, *list = (struct json *)k->examples;
    bool secret = from && hides(from);
    if (json_count(list) >= EXAMPLES) return 0;
    o = json_new_object(v->a);
    bool ok = o && json_set(o, v->a, STR("code"), json_new_str(v->a, arena_str(v->a, r->code))) &&
              json_set(o, v->a, STR("before"), before && !secret ? json_copy(v->a, before) : json_new_null(v->a)) &&
              json_set(o, v->a, STR("after"), after && !secret ? json_copy(v->a, after) : json_new_null(v->a)) &&
              json_push(list, o);
    return ok ? 0 : nomem(v);
}

static const struct field *named(const struct kind *kd, struct str name)
{
    for (size_t i = 0; kd && i < kd->nfields; i++)
        if (str_eq(kd->fields[i].name, name)) return &kd->fields[i];
    return NULL;
}

static const struct json *document_of(const struct kind *kd, struct str name)
{
    for
        json_each (f, json_get(kd->doc, "fields"))
            if (str_eq(json_str(json_get(f, "name"), STR_NULL), name)) return f;
    return NULL;
}

/* Old name of a field of the new version. */
static struct str old_name(const struct move *m, struct str name)
{
    for
        json_each (r, m->renames)
            if (str_eq(json_str(r, STR_NULL), name)) return r->key;
    return name;
}

static bool renamed_away(const struct move *m, struct str name)
{
    return json_get_str(m->renames, name) != NULL;
}

/* Titles and helps may change as they like. */
static bool same_rules(const struct field *f, const struct field *t)
{
    return f->type == t->type && !f->nfields && !t->nfields && f->has_min == t->has_min && f->has_max == t->has_max &&
           (!f->has_min || f->min == t->min) && (!f->has_max || f->max == t->max) && str_eq(f->pattern, t->pattern) &&
           str_eq(f->format, t->format) && str_eq(f->ref_kind, t->ref_kind) &&
           ((!f->values && !t->values) || (f->values && t->values && json_equal(f->values, t->values)));
}

static bool same_documents(const struct move *m, const struct field *f, const struct field *t)
{
    const struct json *a = document_of(m->from, f->name), *b = document_of(m->to, t->name);
    return a && b && json_equal(a, b);
}

static int add_field_change(struct mover *v, struct source *s)
{
    const char *en, *zh;
    if (!s->from)
        en = "new field", zh = "新增字段";
    else if (!str_eq(s->from->name, s->to->name) && s->from->type != s->to->type)
        en = arena_printf(v->a, "renamed from '%.*s'; %s becomes %s", STR_ARG(s->from->name),
                          field_type_name(s->from->type), field_type_name(s->to->type)),
        zh = arena_printf(v->a, "由“%.*s”重命名；类型由 %s 变为 %s", STR_ARG(s->from->name),
                          field_type_name(s->from->type), field_type_name(s->to->type));
    else if (!str_eq(s->from->name, s->to->name))
        en = arena_printf(v->a, "renamed from '%.*s'", STR_ARG(s->from->name)),
        zh = arena_printf(v->a, "由“%.*s”重命名", STR_ARG(s->from->name));
    else if (s->from->type != s->to->type)
        en = arena_printf(v->a, "%s becomes %s", field_type_name(s->from->type), field_type_name(s->to->type)),
        zh = arena_printf(v->a, "类型由 %s 变为 %s", field_type_name(s->from->type), field_type_name(s->to->type));
    else
        en = "other rules", zh = "规则变更";
    s->change = add(v, spec_path(v, s->to->name), en, zh);
    return s->change ? 0 : nomem(v);
}

static int pair_field(struct mover *v, const struct field *t)
{
    struct source *s = &v->sources[v->nsources++];
    *s = (struct source){.to = t, .from = named(v->m->from, old_name(v->m, t->name))};
    if (s->from && str_eq(s->from->name, t->name) && renamed_away(v->m, t->name)) s->from = NULL;
    s->unique_now = t->unique && !(s->from && s->from->unique);
    bool moved = s->from && !str_eq(s->from->name, t->name);
    s->plain = s->from && (same_documents(v->m, s->from, t) || same_rules(s->from, t));
    return !s->from || moved || !s->plain || s->unique_now ? add_field_change(v, s) : 0;
}

static bool has_successor(const struct mover *v, const struct field *f)
{
    for (size_t i = 0; i < v->nsources; i++)
        if (v->sources[i].from == f) return true;
    return false;
}

static int check_renames(struct mover *v)
{
    const struct move *m = v->m;
    for
        json_each (r, m->renames) {
            char where[ERROR_WHERE_MAX];
            snprintf(where, sizeof where, "spec.renames.%.*s", STR_ARG(str_sub(r->key, 0, 60)));
            if (!named(m->from, r->key))
                return error_set(v->e, ERR_INVALID, where, "the kind has no field of this name now",
                                 "该类型当前没有此字段");
            if (r->type != JSON_STRING || !named(m->to, r->s))
                return error_set(v->e, ERR_INVALID, where, "is not renamed to a field of the new version",
                                 "新定义中没有重命名后的字段");
        }
    return 0;
}

static int pair_all(struct mover *v)
{
    const struct move *m = v->m;
    size_t old = m->from ? m->from->nfields : 0;
    v->cap = old + m->to->nfields + 8;
    v->plan.changes = arena_calloc(v->a, v->cap, sizeof *v->plan.changes);
    v->sources = arena_calloc(v->a, m->to->nfields + 1, sizeof *v->sources);
    v->removed = arena_calloc(v->a, old + 1, sizeof *v->removed);
    if (!v->plan.changes || !v->sources || !v->removed) return nomem(v);
    int rc = check_renames(v);
    for (size_t i = 0; i < m->to->nfields && !rc; i++) rc = pair_field(v, &m->to->fields[i]);
    for (size_t i = 0; i < old && !rc; i++) {
        if (has_successor(v, &m->from->fields[i])) continue;
        v->removed[i] = add(v, spec_path(v, m->from->fields[i].name), "field removed", "删除字段");
        if (!v->removed[i]) rc = nomem(v);
    }
    return rc;
}

/* A change that is not of one field, made when it is first needed. */
static struct kind_change *common(struct mover *v, const char *path, const char *en, const char *zh)
{
    for (size_t i = 0; i < v->plan.n; i++)
        if (str_is(v->plan.changes[i].path, path)) return &v->plan.changes[i];
    if (v->plan.n == v->cap) return v->plan.n ? &v->plan.changes[v->plan.n - 1] : NULL;
    char *own = arena_strdup(v->a, str_of(path)), *text = arena_strdup(v->a, str_of(en)),
         *text_zh = arena_strdup(v->a, str_of(zh));
    return own && text && text_zh ? add(v, str_of(own), text, text_zh) : NULL;
}

/* ------------------------------------------------------------------ one resource */

static bool seen_grow(struct mover *v)
{
    size_t cap = v->seen_cap ? v->seen_cap * 2 : 1024;
    uint64_t *more = mem_calloc(cap, sizeof *more);
    if (!more) return false;
    for (size_t i = 0; i < v->seen_cap; i++) {
        size_t at = v->seen[i] & (cap - 1);
        if (!v->seen[i]) continue;
        while (more[at]) at = (at + 1) & (cap - 1);
        more[at] = v->seen[i];
    }
    mem_free(v->seen);
    v->seen = more;
    v->seen_cap = cap;
    return true;
}

/* 1: the value came before. */
static int seen_before(struct mover *v, const struct source *s, struct arena *a, const struct json *value)
{
    struct str text = json_text(a, value);
    if (!text.p || (v->nseen * 2 >= v->seen_cap && !seen_grow(v))) return nomem(v);
    uint64_t h = (str_hash(text, hash_seed()) * 31 + (uint64_t)(s - v->sources)) | 1;
    size_t at = h & (v->seen_cap - 1);
    while (v->seen[at] && v->seen[at] != h) at = (at + 1) & (v->seen_cap - 1);
    if (v->seen[at]) return 1;
    v->seen[at] = h;
    v->nseen++;
    return 0;
}

static int lose(struct mover *v, struct kind_change *k, const struct resource *r, const struct field *from,
                const struct field *to, const struct json *before)
{
    k->lost++;
    if (to && to->required && !to->def) k->blocks = true;
    return example(v, k, r, from, before, NULL);
}

static int move_field(struct mover *v, struct arena *a, struct source *s, const struct resource *r, struct json *out)
{
    const struct json *was = s->from ? json_get_str(r->spec, s->from->name) : NULL;
    struct json *now = NULL;
    if (!was || was->type == JSON_NULL) return 0;
    enum convert how = CONVERT_SAME;
    if (s->plain)
        now = json_copy(a, was);
    else
        how = field_convert(v->c, a, s->from, s->to, was, &now, v->e);
    if (how == CONVERT_FAILED || (s->plain && !now)) return v->e && v->e->code ? v->e->code : nomem(v);
    if (how == CONVERT_LOST) return lose(v, s->change, r, s->from, s->to, was);
    if (now && s->unique_now) {
        int twin = seen_before(v, s, a, now);
        if (twin < 0) return twin;
        if (twin) return lose(v, s->change, r, s->from, s->to, was);
    }
    bool moved = !str_eq(s->from->name, s->to->name) || how == CONVERT_CHANGED;
    if (moved) s->change->affected++;
    int rc = moved ? example(v, s->change, r, s->from, was, now) : 0;
    if (!rc && now && !json_set(out, a, s->to->name, now)) rc = nomem(v);
    return rc;
}

static int move_fields(struct mover *v, struct arena *a, const struct resource *r, struct json *out)
{
    const struct kind *from = v->m->from;
    int rc = 0;
    for (size_t i = 0; i < v->nsources && !rc; i++) rc = move_field(v, a, &v->sources[i], r, out);
    for (size_t i = 0; i < from->nfields && !rc; i++) {
        const struct json *was = v->removed[i] ? json_get_str(r->spec, from->fields[i].name) : NULL;
        if (!was || was->type == JSON_NULL) continue;
        v->removed[i]->affected++;
        rc = lose(v, v->removed[i], r, &from->fields[i], NULL, was);
    }
    return rc;
}

static int any_ref(void *ctx, const struct field *f, struct str path, struct str target, struct error *e)
{
    struct str id;
    return changer_ref(ctx, f->ref_kind, target, &id, e);
}

static int blocked(struct mover *v, const struct resource *r, const struct error *why)
{
    struct kind_change *k = common(v, why->where, why->text, why->text_zh);
    if (!k) return nomem(v);
    bool told = str_ends(k->what_en, str_of(why->text));
    if (!told && k->blocks && k->lost) return 0; /* the field itself has said why */
    k->blocks = true;
    if (!told) {
        k->what_en = str_of(arena_printf(v->a, "%.*s; %s", STR_ARG(k->what_en), why->text));
        k->what_zh = str_of(arena_printf(v->a, "%.*s；%s", STR_ARG(k->what_zh), why->text_zh));
        if (!k->what_en.p || !k->what_zh.p) return nomem(v);
    }
    k->lost++;
    return example(v, k, r, NULL, NULL, NULL);
}

/* Defaults of new fields. */
static void count_new(struct mover *v, const struct json *done)
{
    for (size_t i = 0; i < v->nsources; i++)
        if (!v->sources[i].from && json_get_str(done, v->sources[i].to->name)) v->sources[i].change->affected++;
}

static int move_state(struct mover *v, struct resource *next)
{
    const struct kind *to = v->m->to;
    if (!to->lifecycle) {
        next->state = STR("");
        return 0;
    }
    if (next->state.n && !lifecycle_state(to->lifecycle, next->state)) {
        struct kind_change *k = common(v, "state", "states removed; what is in them begins anew in the initial state",
                                       "删除了状态；处于其中的资源将回到初始状态");
        if (!k) return nomem(v);
        k->affected++;
        k->lost++;
        struct json *was = json_new_str(v->a, arena_str(v->a, next->state));
        int rc = example(v, k, next, NULL, was, NULL);
        if (rc) return rc;
    }
    next->state = state_of(to, next->state);
    return 0;
}

static int check_code(struct mover *v, const struct resource *r)
{
    struct error why = {0};
    const struct kind *from = v->m->from, *to = v->m->to;
    bool same = str_eq(from->code_pattern, to->code_pattern) && from->code_required == to->code_required;
    if (same || (str_eq(r->code, r->id) && !to->code_required) || !kind_check_code(to, r->code, &why)) return 0;
    snprintf(why.where, sizeof why.where, "code");
    return blocked(v, r, &why);
}

static int store(struct mover *v, struct arena *a, const struct resource *old, struct resource *next)
{
    changer_as(v->c, v->m->to);
    next->schema = v->m->to;
    return changer_store(v->c, a, old, next, CHANGE_UPDATE, v->e);
}

static int move_row(struct mover *v, struct arena *a, const struct resource *old)
{
    struct resource next = *old;
    struct json *out = json_new_object(a), *done = NULL;
    struct error why = {0};
    if (!out) return nomem(v);
    v->plan.rows++;
    int rc = move_fields(v, a, old, out);
    if (!rc) rc = move_state(v, &next);
    if (!rc) rc = check_code(v, old);
    if (rc) return rc;
    rc = kind_check(v->m->to, a, out, &done, any_ref, v->c, NULL, 0, NULL, &why);
    if (rc == ERR_INVALID) return blocked(v, old, &why);
    if (rc) {
        if (v->e) *v->e = why;
        return rc;
    }
    count_new(v, done);
    next.spec = done;
    bool changed = !json_equal(old->spec, done) || !str_eq(old->state, next.state);
    return changed && v->m->apply ? store(v, a, old, &next) : 0;
}

/* ------------------------------------------------------------------ all resources */

struct at {
    char code[LIMIT_CODE + 1], org[LIMIT_NAME + 1];
};

static int read_batch(struct mover *v, struct arena *a, const struct at *at, struct resource *rows, size_t *n)
{
    struct sql_stmt *s;
    int rc =
        sql_prepare(v->c->tx,
                    "select " ROW_COLUMNS " from resource r where r.kind = $1 and r.deleted = 0 and (r.code > $2 or "
                    "(r.code = $2 and r.org > $3)) order by r.code, r.org limit $4",
                    &s, v->e);
    if (rc) return rc;
    sql_bind_str(s, 1, v->m->to->kind);
    sql_bind_str(s, 2, str_of(at->code));
    sql_bind_str(s, 3, str_of(at->org));
    sql_bind_i64(s, 4, BATCH);
    while (*n < BATCH && (rc = sql_step(s, v->e)) == 1 && (rc = row_read(v->c->k, s, a, &rows[*n], v->e)) == 0) ++*n;
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int move_live(struct mover *v)
{
    AUTO_ARENA a;
    struct at at = {.code = ""};
    struct resource *rows = arena_alloc(v->a, BATCH * sizeof *rows);
    int rc = rows ? 0 : nomem(v);
    arena_init(&a, BATCH_BYTES);
    for (size_t n = BATCH; !rc && n == BATCH;) {
        arena_reset(&a);
        n = 0;
        rc = read_batch(v, &a, &at, rows, &n);
        for (size_t i = 0; i < n && !rc; i++) rc = move_row(v, &a, &rows[i]);
        if (n) {
            str_to_cstr(rows[n - 1].code, at.code, sizeof at.code);
            str_to_cstr(rows[n - 1].org, at.org, sizeof at.org);
        }
    }
    return rc;
}

/* ------------------------------------------------------------------ the past */

static bool moves(const struct source *s)
{
    return s->from && (!s->plain || !str_eq(s->from->name, s->to->name));
}

/* The value of a field then, as the new version has it; NULL: none. What cannot be converted stays as it
 * was, but no secret. */
static int past_value(struct mover *v, struct arena *a, const struct source *s, const struct json *was,
                      struct json **ret)
{
    enum convert how = s->plain ? CONVERT_LOST : field_convert(v->c, a, s->from, s->to, was, ret, v->e);
    bool secret = s->from->type == FIELD_SECRET && s->to->type != FIELD_SECRET;
    if (how == CONVERT_FAILED) return v->e && v->e->code ? v->e->code : nomem(v);
    if (how != CONVERT_LOST) return 0;
    *ret = secret ? NULL : json_copy(a, was);
    return secret || *ret ? 0 : nomem(v);
}

static int past_spec(struct mover *v, struct arena *a, const struct json *old, struct json **ret)
{
    const struct kind *from = v->m->from;
    struct json *out = json_copy(a, old);
    if (!out) return nomem(v);
    for (size_t i = 0; i < from->nfields; i++)
        if (v->removed[i] && from->fields[i].type == FIELD_SECRET) (void)json_remove(out, from->fields[i].name);
    for (size_t i = 0; i < v->nsources; i++)
        if (moves(&v->sources[i])) (void)json_remove(out, v->sources[i].from->name);
    for (size_t i = 0; i < v->nsources; i++) {
        struct source *s = &v->sources[i];
        const struct json *was = moves(s) ? json_get_str(old, s->from->name) : NULL;
        struct json *now = NULL;
        if (!was || was->type == JSON_NULL) continue;
        int rc = past_value(v, a, s, was, &now);
        if (!rc && now && !json_set(out, a, s->to->name, now)) rc = nomem(v);
        if (rc) return rc;
    }
    *ret = out;
    return 0;
}

struct past {
    struct str id, spec;
    int64_t rev;
};

static const struct {
    const char *read, *write;
} pasts[] = {
    {"select h.id, h.rev, h.spec from resource_history h join resource r on r.id = h.id where r.kind = $1 and (h.id > "
     "$2 or (h.id = $2 and h.rev > $3)) order by h.id, h.rev limit $4",
     "update resource_history set spec = $3 where id = $1 and rev = $2"},
    {"select r.id, r.rev, r.spec from resource r where r.kind = $1 and r.deleted = 1 and (r.id > $2 or (r.id = $2 and "
     "r.rev > $3)) order by r.id limit $4",
     "update resource set spec = $3 where id = $1 and rev = $2"}};

static int past_batch(struct mover *v, struct arena *a, size_t which, const struct past *last, struct past *rows,
                      size_t *n)
{
    struct sql_stmt *s;
    int rc = sql_prepare(v->c->tx, pasts[which].read, &s, v->e);
    if (rc) return rc;
    sql_bind_str(s, 1, v->m->to->kind);
    sql_bind_str(s, 2, last->id);
    sql_bind_i64(s, 3, last->rev);
    sql_bind_i64(s, 4, BATCH);
    while (*n < BATCH && (rc = sql_step(s, v->e)) == 1) {
        rows[*n] = (struct past){arena_str(a, sql_str(s, 0)), arena_str(a, sql_str(s, 2)), sql_i64(s, 1)};
        if (!rows[*n].id.p || !rows[*n].spec.p) {
            rc = nomem(v);
            break;
        }
        ++*n;
    }
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int move_past_row(struct mover *v, struct arena *a, size_t which, const struct past *p)
{
    struct json *spec = NULL, *out = NULL;
    const struct json *sealed = NULL;
    int rc = json_parse(a, p->spec, &spec, v->e);
    if (!rc) rc = spec_open(v->c->k, v->m->from, a, p->id, spec, v->e);
    if (!rc) rc = past_spec(v, a, spec, &out);
    if (!rc) rc = spec_seal(v->c->k, v->m->to, a, p->id, out, &sealed, v->e);
    struct str text = rc ? STR_NULL : json_text(a, sealed);
    if (!rc && !text.p) rc = nomem(v);
    return rc ? rc : sql_exec(v->c->tx, v->e, pasts[which].write, "sis", p->id, p->rev, text);
}

static int move_past(struct mover *v, size_t which)
{
    AUTO_ARENA a;
    char id[64] = "";
    struct past last = {.id = STR("")}, *rows = arena_alloc(v->a, BATCH * sizeof *rows);
    int rc = rows ? 0 : nomem(v);
    arena_init(&a, BATCH_BYTES);
    for (size_t n = BATCH; !rc && n == BATCH;) {
        arena_reset(&a);
        n = 0;
        rc = past_batch(v, &a, which, &last, rows, &n);
        for (size_t i = 0; i < n && !rc; i++) rc = move_past_row(v, &a, which, &rows[i]);
        if (!n) break;
        str_to_cstr(rows[n - 1].id, id, sizeof id);
        last = (struct past){.id = str_of(id), .rev = rows[n - 1].rev};
    }
    return rc;
}

static bool past_moves(const struct mover *v)
{
    for (size_t i = 0; i < v->nsources; i++)
        if (moves(&v->sources[i])) return true;
    for (size_t i = 0; i < v->m->from->nfields; i++)
        if (v->removed[i] && v->m->from->fields[i].type == FIELD_SECRET) return true;
    return false;
}

/* ------------------------------------------------------------------ all */

static int numbered(struct mover *v)
{
    if (v->m->from->numbered == v->m->to->numbered || !v->plan.rows) return 0;
    struct kind_change *k =
        common(v, "numbered", "cannot change while there are resources", "存在资源时不能修改是否编号");
    if (!k) return nomem(v);
    k->blocks = true;
    return 0;
}

/* Changes of rules that touch no resource are no news. */
static void sum_up(struct mover *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->plan.n; i++) {
        struct kind_change *k = &v->plan.changes[i];
        v->plan.loses = v->plan.loses || k->lost > 0;
        v->plan.blocks = v->plan.blocks || k->blocks;
        bool quiet = str_is(k->what_en, "other rules") && !k->affected && !k->lost && !k->blocks;
        if (!quiet) v->plan.changes[n++] = *k;
    }
    v->plan.n = n;
}

static int run(struct mover *v)
{
    int rc = pair_all(v);
    if (rc || !v->m->from) return rc;
    const struct kind *own = v->c->kd;
    changer_as(v->c, v->m->to);
    rc = move_live(v);
    if (!rc) rc = numbered(v);
    if (!rc && v->m->apply && past_moves(v)) {
        rc = move_past(v, 0);
        if (!rc) rc = move_past(v, 1);
    }
    changer_as(v->c, own);
    return rc;
}

int kind_move(struct changer *c, struct arena *a, const struct move *m, struct kind_plan *ret, struct error *e)
{
    struct mover v = {.c = c, .a = a, .m = m, .e = e};
    int rc = run(&v);
    mem_free(v.seen);
    if (rc) return rc;
    sum_up(&v);
    *ret = v.plan;
    return 0;
}
