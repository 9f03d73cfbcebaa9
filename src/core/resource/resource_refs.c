/* resource_refs.c - what resources refer to: code and name of the targets for pages ("refs"), resolved
 * with one query per GROUP ids; and the cache that turns codes into ids while changing. */
#include "core/resource/kernel_int.h"

#define GROUP 200

/* ------------------------------------------------------------------ names for reading */

struct target {
    struct str id, code, name, org;
};
struct targets {
    struct arena *a;
    struct target *items;
    size_t n, cap;
    bool failed;
};

static int note_id(struct targets *t, struct str id)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        struct target *more = arena_alloc(t->a, cap * sizeof *more);
        if (!more) return ERR_NOMEM;
        if (t->n) memcpy(more, t->items, t->n * sizeof *more);
        t->items = more;
        t->cap = cap;
    }
    t->items[t->n++] = (struct target){.id = id};
    return 0;
}

static int note_ref(void *ctx, const struct field *f, struct str path, struct json *v)
{
    return f->type == FIELD_REF && v->type == JSON_STRING ? note_id(ctx, v->s) : 0;
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const struct target *)a)->id, ((const struct target *)b)->id);
}

static void unique(struct targets *t)
{
    size_t m = 0;
    if (t->n) qsort(t->items, t->n, sizeof *t->items, by_id);
    for (size_t i = 0; i < t->n; i++)
        if (m == 0 || !str_eq(t->items[i].id, t->items[m - 1].id)) t->items[m++] = t->items[i];
    t->n = m;
}

static const char *query_of(struct arena *a, size_t n)
{
    struct buf b;
    buf_init(&b, 8192);
    buf_z(&b, "select id, code, name, org from resource where id in (");
    for (size_t i = 0; i < n; i++) buf_printf(&b, "%s$%zu", i ? "," : "", i + 1);
    buf_z(&b, ")");
    char *text = b.err ? NULL : arena_strdup(a, buf_view(&b));
    buf_fini(&b);
    return text;
}

static int take_names(struct sql_stmt *s, struct targets *t, struct error *e)
{
    int rc;
    while ((rc = sql_step(s, e)) == 1) {
        struct target key = {.id = sql_str(s, 0)};
        struct target *hit = bsearch(&key, t->items, t->n, sizeof *t->items, by_id);
        if (!hit) continue;
        hit->code = arena_str(t->a, sql_str(s, 1));
        hit->name = arena_str(t->a, sql_str(s, 2));
        hit->org = arena_str(t->a, sql_str(s, 3));
        if (!hit->code.p || !hit->name.p || !hit->org.p) return kernel_nomem(e);
    }
    return rc;
}

/* Groups are filled up with the first id, so that few different texts reach the statement cache. */
static int fetch(struct sql_tx *tx, struct targets *t, size_t from, struct error *e)
{
    static const size_t sizes[] = {1, 4, 20, GROUP};
    size_t left = t->n - from, n = GROUP;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] >= left) {
            n = sizes[i];
            break;
        }
    struct sql_stmt *s;
    const char *text = query_of(t->a, n);
    CATCH_NOMEM(text, e);
    int rc = sql_prepare(tx, text, &s, e);
    if (rc) return rc;
    for (size_t i = 0; i < n; i++) sql_bind_str(s, (int)i + 1, t->items[i < left ? from + i : from].id);
    rc = take_names(s, t, e);
    sql_done(s);
    return rc;
}

struct naming {
    struct targets *t;
    struct json *out;
};

static struct json *named(struct arena *a, const struct target *t)
{
    struct json *o = json_new_object(a);
    if (!o || !json_set(o, a, STR("id"), json_new_str(a, t->id)) ||
        !json_set(o, a, STR("code"), json_new_str(a, t->code)) ||
        !json_set(o, a, STR("name"), json_new_str(a, t->name)) || !json_set(o, a, STR("org"), json_new_str(a, t->org)))
        return NULL;
    return o;
}

/* "device" -> the member; "members[3]" -> an entry of the list under "members". */
static int put_name(void *ctx, const struct field *f, struct str path, struct json *v)
{
    struct naming *w = ctx;
    if (f->type != FIELD_REF || v->type != JSON_STRING) return 0;
    struct target key = {.id = v->s};
    struct target *hit = bsearch(&key, w->t->items, w->t->n, sizeof *w->t->items, by_id);
    if (!hit || !hit->code.p) return 0;
    struct json *one = named(w->t->a, hit);
    ptrdiff_t bracket = str_find(path, '[');
    struct str member = arena_str(w->t->a, bracket < 0 ? path : str_sub(path, 0, (size_t)bracket));
    if (!one || !member.p) return ERR_NOMEM;
    if (bracket < 0) return json_set(w->out, w->t->a, member, one) ? 0 : ERR_NOMEM;
    struct json *list = json_get_str(w->out, member);
    if (!list) list = json_set(w->out, w->t->a, member, json_new_array(w->t->a));
    return list && json_push(list, one) ? 0 : ERR_NOMEM;
}

/* The organisation that it belongs to is named beside the references. */
static int put_names(struct targets *t, const struct kind *kd, struct resource *r)
{
    struct naming w = {t, kd->has_ref ? json_new_object(t->a) : NULL};
    if (kd->has_ref && (!w.out || kind_walk(kd, (struct json *)r->spec, put_name, &w))) return ERR_NOMEM;
    r->refs = w.out;
    struct target key = {.id = r->org};
    struct target *hit = r->org.n ? bsearch(&key, t->items, t->n, sizeof *t->items, by_id) : NULL;
    if (!hit || !hit->code.p) return 0;
    r->org_ref = named(t->a, hit);
    return r->org_ref ? 0 : ERR_NOMEM;
}

int row_refs(struct kernel *k, struct sql_tx *tx, struct arena *a, const struct kind *kd, struct resource *r, size_t n,
             struct error *e)
{
    struct targets t = {.a = a};
    for (size_t i = 0; i < n; i++) {
        if (kd->has_ref && kind_walk(kd, (struct json *)r[i].spec, note_ref, &t)) return kernel_nomem(e);
        if (r[i].org.n && note_id(&t, r[i].org)) return kernel_nomem(e);
    }
    unique(&t);
    for (size_t i = 0; i < t.n; i += GROUP) {
        int rc = fetch(tx, &t, i, e);
        if (rc) return rc;
    }
    for (size_t i = 0; t.n && i < n; i++)
        if (put_names(&t, kd, &r[i])) return kernel_nomem(e);
    return 0;
}

/* ------------------------------------------------------------------ codes to ids while changing */

struct ref_entry {
    uint64_t hash;
    struct str kind, target, org;
    char id[37];
};

static uint64_t ref_hash(struct str kind, struct str target)
{
    return str_hash(target, hash_seed()) * 31 + str_hash(kind, 7);
}

static struct ref_entry *slot(struct ref_entry *t, size_t cap, uint64_t hash, struct str kind, struct str target)
{
    for (size_t i = hash & (cap - 1);; i = (i + 1) & (cap - 1)) {
        struct ref_entry *x = &t[i];
        if (!x->id[0] || (x->hash == hash && str_eq(x->target, target) && str_eq(x->kind, kind))) return x;
    }
}

static bool grow(struct changer *c)
{
    size_t cap = c->refs_cap ? c->refs_cap * 2 : 64;
    struct ref_entry *more = mem_calloc(cap, sizeof *more);
    if (!more) return false;
    for (size_t i = 0; i < c->refs_cap; i++) {
        struct ref_entry *x = &c->refs[i];
        if (x->id[0]) *slot(more, cap, x->hash, x->kind, x->target) = *x;
    }
    mem_free(c->refs);
    c->refs = more;
    c->refs_cap = cap;
    return true;
}

struct looked_up {
    char id[37];
    struct str org;
    size_t n;    /* with that code: those that he may read, or all when he may read none */
    bool shared; /* the code: what it means depends on who asks and from where */
};

static int take_match(struct changer *c, struct sql_stmt *s, struct looked_up *l, bool *exact, struct error *e)
{
    struct str org = sql_str(s, 1);
    bool same = c->org.p && str_eq(c->org, org);
    l->n++;
    if (l->n > 1) l->shared = true;
    if (l->n > 1 && (*exact || !same)) return 0;
    *exact = same;
    str_to_cstr(sql_str(s, 0), l->id, sizeof l->id);
    l->org = arena_str(&c->refs_arena, org);
    return l->org.p ? 0 : kernel_nomem(e);
}

static int look_up(struct changer *c, const char *text, struct str kind, struct str target, struct looked_up *l,
                   struct error *e)
{
    struct sql_stmt *s;
    bool exact = false, seen = false;
    char name[KIND_NAME_MAX];
    int rc = sql_prepare(c->tx, text, &s, e);
    if (rc) return rc;
    str_to_cstr(kind, name, sizeof name);
    sql_bind_str(s, 1, kind);
    sql_bind_str(s, 2, target);
    while ((rc = sql_step(s, e)) == 1) {
        bool visible = permitted_at(c->by->may, name, ACT_READ, sql_str(s, 1));
        if (!visible && seen) continue;
        if (visible && !seen) l->n = 0, exact = false; /* whatever came before is not his */
        seen = seen || visible;
        if ((rc = take_match(c, s, l, &exact, e))) break;
    }
    sql_done(s);
    if (!seen && l->n > 1) l->n = 0;
    if (!rc && l->n > 1 && !exact)
        return error_set(e, ERR_INVALID, "", "several organisations have '%.*s'; give its id",
                         "多个组织都有“%.*s”；请填写标识 id", STR_ARG(target));
    return rc;
}

int no_such_ref(struct changer *c, struct str kind, struct str target, struct error *e)
{
    const struct kind *kd = kernel_kind(c->k, kind);
    struct titles t = {"", ""};
    if (kd)
        t = kind_titles(kd);
    else
        str_to_cstr(kind, t.en, sizeof t.en), str_to_cstr(kind, t.zh, sizeof t.zh);
    return error_set(e, ERR_INVALID, "", "there is no %s%.0s '%.*s'; create it first or choose one that exists",
                     "没有%.0s%s“%.*s”；请先创建或选择已有的", t.en, t.zh, STR_ARG(target));
}

/* A code that several organisations have is looked up each time. */
static int remember(struct changer *c, struct str kind, struct str target, const struct looked_up *l,
                    struct ref_entry *x, struct error *e)
{
    struct str own_kind = arena_str(&c->refs_arena, kind), own = arena_str(&c->refs_arena, target);
    if (!own_kind.p || !own.p) return kernel_nomem(e);
    *x = (struct ref_entry){.hash = ref_hash(kind, target), .kind = own_kind, .target = own, .org = l->org};
    memcpy(x->id, l->id, sizeof l->id);
    c->nrefs++;
    return 0;
}

int changer_ref_org(struct changer *c, struct str kind, struct str target, struct str *ret_id, struct str *ret_org,
                    struct error *e)
{
    if (c->nrefs * 2 >= c->refs_cap && !grow(c)) return kernel_nomem(e);
    struct ref_entry *x = slot(c->refs, c->refs_cap, ref_hash(kind, target), kind, target);
    if (!x->id[0]) {
        struct looked_up l = {.n = 0};
        int rc = look_up(c, "select id, org from resource where kind = $1 and code = $2 and deleted = 0", kind, target,
                         &l, e);
        if (!rc && !l.n && uuid_like(target))
            rc = look_up(c, "select id, org from resource where kind = $1 and id = $2 and deleted = 0", kind, target,
                         &l, e);
        if (!rc && !l.n) rc = no_such_ref(c, kind, target, e);
        if (!rc && l.shared) {
            *ret_id = arena_str(&c->refs_arena, str_of(l.id));
            *ret_org = l.org;
            return ret_id->p ? 0 : kernel_nomem(e);
        }
        if (!rc) rc = remember(c, kind, target, &l, x, e);
        if (rc) return rc;
    }
    *ret_id = str_of(x->id);
    *ret_org = x->org;
    return 0;
}

int changer_ref(struct changer *c, struct str kind, struct str target, struct str *ret_id, struct error *e)
{
    struct str org;
    return changer_ref_org(c, kind, target, ret_id, &org, e);
}

void changer_refs_forget(struct changer *c)
{
    mem_free(c->refs);
    c->refs = NULL;
    c->nrefs = c->refs_cap = 0;
}
