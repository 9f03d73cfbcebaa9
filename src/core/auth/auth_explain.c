/* auth_explain.c - who may what, and why: the answers behind the pages of users, roles and organisations.
 *
 * What is allowed is asked of the compiled permissions, just as everywhere; the reasons are found by
 * compiling each grant alone. Everything is written under the lock, from memory; only the counts of
 * /orgs:tree are read from the database, before. */
#include <stdlib.h>
#include "base/mem.h"
#include "core/auth/auth_int.h"

#define EXPLAIN_ARENA (64u << 20)
#define ROWS_MAX 5000

/* Whom `by` may ask about: himself and users that he may read. Under the lock. */
static struct auth_user *asked(struct auth *a, const struct actor *by, struct str user, struct error *e)
{
    struct auth_user *u = auth_user_find(a, user);
    if (u && (strcmp(u->id, by->user_id) == 0 || permitted_at(by->may, "user", ACT_READ, str_of(u->org)))) return u;
    error_set(e, ERR_NOT_FOUND, "user", "there is no user '%.*s'", "没有用户“%.*s”", STR_ARG(user));
    return NULL;
}

static void write_org(struct json_writer *w, const struct auth_rules *r, struct str ref)
{
    const struct auth_org *o = auth_org_find(r, ref);
    jw_object(w);
    jw_kstr(w, "id", o ? str_of(o->id) : ref);
    jw_kstr(w, "code", o ? str_of(o->code) : ref);
    jw_kstr(w, "name", o ? str_of(o->name) : STR(""));
    jw_end(w);
}

static void write_orgs(struct json_writer *w, const struct auth_rules *r, const struct json *orgs)
{
    jw_key(w, STR("orgs"));
    if (!orgs) {
        jw_str(w, STR("all"));
        return;
    }
    jw_array(w);
    for
        json_each (ref, orgs) write_org(w, r, json_str(ref, STR("")));
    jw_end(w);
}

static void write_via(struct json_writer *w, const struct access_item *it)
{
    jw_kz(w, "role", it->role->code);
    jw_kz(w, "via", it->via ? it->via->code : it->provider ? it->provider : "user");
}

/* --- one user's rows --- */

struct row {
    struct str kind;
    const struct json *actions, *fields, *orgs;
    size_t item, next; /* item that gives it; next row with the same content + 1 */
    bool follower;
};
struct rows {
    struct row *v;
    size_t n;
};

static bool same_list(const struct json *a, const struct json *b)
{
    return (!a || !a->child) ? (!b || !b->child) : b && json_equal(a, b);
}

static bool same_row(const struct row *a, const struct row *b)
{
    return str_eq(a->kind, b->kind) && same_list(a->actions, b->actions) && same_list(a->fields, b->fields) &&
           !a->orgs == !b->orgs && same_list(a->orgs, b->orgs);
}

static void add_row(struct rows *x, const struct row *row)
{
    if (x->n == ROWS_MAX) return;
    struct row *fresh = &x->v[x->n++];
    *fresh = *row;
    for (size_t i = 0; i + 1 < x->n; i++) {
        if (x->v[i].follower || !same_row(&x->v[i], row)) continue;
        struct row *last = &x->v[i];
        while (last->next) last = &x->v[last->next - 1];
        last->next = x->n;
        fresh->follower = true;
        return;
    }
}

static void gather(struct rows *x, const struct access_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
    for
        json_each (p, items[i].role->permissions)
        for
            json_each (k, json_get(p, "kinds"))
                add_row(x, &(struct row){.kind = json_str(k, STR("")),
                                         .actions = json_get(p, "actions"),
                                         .fields = json_get(p, "fields"),
                                         .orgs = items[i].orgs,
                                         .item = i});
}

static void write_row(struct json_writer *w, const struct auth_rules *r, const struct rows *x, size_t at,
                      const struct access_item *items)
{
    const struct row *row = &x->v[at];
    jw_object(w);
    jw_kstr(w, "kind", row->kind);
    jw_key(w, STR("actions"));
    jw_json(w, row->actions);
    write_orgs(w, r, row->orgs);
    jw_key(w, STR("fields"));
    if (row->fields && row->fields->child)
        jw_json(w, row->fields);
    else
        jw_null(w);
    jw_key(w, STR("from"));
    jw_array(w);
    for (size_t i = at + 1; i; i = x->v[i - 1].next) {
        jw_object(w);
        write_via(w, &items[x->v[i - 1].item]);
        jw_end(w);
    }
    jw_end(w);
    jw_end(w);
}

static void write_groups(struct json_writer *w, const struct access_item *items, size_t n)
{
    jw_key(w, STR("groups"));
    jw_array(w);
    for (size_t i = 0; i < n; i++) {
        bool seen = !items[i].via;
        for (size_t k = 0; k < i && !seen; k++) seen = items[k].via == items[i].via;
        if (!seen) jw_str(w, str_of(items[i].via->code));
    }
    jw_end(w);
}

static int explain(struct auth *a, struct arena *arena, struct auth_user *u, struct buf *out)
{
    struct access_item *items = NULL;
    size_t n = 0;
    struct rows x = {.v = arena_calloc(arena, ROWS_MAX, sizeof(*x.v))};
    int rc = x.v ? user_items(a, u, arena, &items, &n) : ERR_NOMEM;
    if (rc) return rc;
    gather(&x, items, n);
    struct json_writer w = json_writer(out);
    jw_object(&w);
    jw_key(&w, STR("user"));
    jw_object(&w);
    jw_kz(&w, "id", u->id);
    jw_kz(&w, "login", u->login);
    jw_kz(&w, "name", u->name);
    jw_kbool(&w, "disabled", u->disabled);
    jw_end(&w);
    write_groups(&w, items, n);
    jw_key(&w, STR("rows"));
    jw_array(&w);
    for (size_t i = 0; i < x.n; i++)
        if (!x.v[i].follower) write_row(&w, a->rules, &x, i, items);
    jw_end(&w);
    jw_end(&w);
    return 0;
}

int auth_explain(struct auth *a, struct arena *arena, const struct actor *by, struct str user, struct buf *out,
                 struct error *e)
{
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = asked(a, by, user, e);
    int rc = u ? explain(a, arena, u, out) : ERR_NOT_FOUND;
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* --- one question --- */

struct asking {
    char kind[PERM_KIND_MAX];
    enum api_action act;
    struct str org, field; /* org: id; .p NULL: anywhere */
};

static bool answer(const struct permissions *p, const struct asking *q)
{
    if (!q->org.p) return permitted(p, q->kind, q->act);
    return q->field.n ? permitted_field(p, q->kind, q->act, q->org, q->field)
                      : permitted_at(p, q->kind, q->act, q->org);
}

static int read_question(const struct auth *a, const struct auth_question *q, struct asking *ret, struct error *e)
{
    int act = perm_action(q->action);
    if (!q->kind.n || !str_to_cstr(q->kind, ret->kind, sizeof(ret->kind)))
        return error_set(e, ERR_INVALID, "kind", "'kind' is the name of a kind", "“kind”须为类型名称");
    if (act < 0)
        return error_set(e, ERR_INVALID, "action",
                         "'action' is read, write, delete, approve, control, sensitive or admin",
                         "“action”须为 read、write、delete、approve、control、sensitive 或 admin");
    ret->act = (enum api_action)act;
    ret->field = q->field;
    ret->org = q->org;
    if (!q->org.n) return 0;
    const struct auth_org *o = auth_org_find(a->rules, q->org);
    if (!o)
        return error_set(e, ERR_INVALID, "org", "there is no organisation '%.*s'", "没有组织“%.*s”", STR_ARG(q->org));
    ret->org = str_of(o->id);
    return 0;
}

static int write_reasons(struct auth *a, struct arena *arena, struct json_writer *w, const struct asking *q,
                         const struct access_item *items, size_t n)
{
    int rc = 0;
    jw_key(w, STR("because"));
    jw_array(w);
    for (size_t i = 0; i < n && !rc; i++) {
        struct permissions *p = NULL;
        struct perm_rows rows = {.arena = arena};
        rc = access_rows(a->rules, &items[i], 1, &rows);
        if (!rc) rc = perm_compile(&rows, a->rules->org_ids, a->rules->norgs, &p);
        if (!rc && answer(p, q)) {
            jw_object(w);
            write_via(w, &items[i]);
            write_orgs(w, a->rules, items[i].orgs);
            jw_end(w);
        }
        mem_free(p);
    }
    jw_end(w);
    return rc;
}

static int ask(struct auth *a, struct arena *arena, struct auth_user *u, const struct asking *q, struct buf *out)
{
    struct access_item *items = NULL;
    size_t n = 0;
    int rc = user_compile(a, u);
    if (!rc) rc = user_items(a, u, arena, &items, &n);
    if (rc) return rc;
    struct json_writer w = json_writer(out);
    jw_object(&w);
    jw_kbool(&w, "allowed", !u->disabled && answer(u->may, q));
    rc = write_reasons(a, arena, &w, q, items, n);
    jw_end(&w);
    return rc;
}

int auth_ask(struct auth *a, struct arena *arena, const struct actor *by, const struct auth_question *question,
             struct buf *out, struct error *e)
{
    struct asking q;
    pthread_mutex_lock(&a->lock);
    struct auth_user *u = asked(a, by, question->user.n ? question->user : str_of(by->user_id), e);
    int rc = u ? read_question(a, question, &q, e) : ERR_NOT_FOUND;
    if (!rc) rc = ask(a, arena, u, &q, out);
    pthread_mutex_unlock(&a->lock);
    return rc;
}

/* --- roles by kinds --- */

static const struct {
    const char *kind, *en, *zh;
} plain_kinds[] = {
    /* kinds of routes that have no resources */
    {"audit", "Audit log", "审计日志"}, {"job", "Job", "作业"},           {"metrics", "Metrics", "监控指标"},
    {"secret", "Keys", "密钥"},         {"system", "System", "系统信息"}, {"alarm", "Alarm", "报警"},
};
#define NPLAIN (sizeof(plain_kinds) / sizeof(plain_kinds[0]))

static void write_kind(struct json_writer *w, struct str kind, struct str title)
{
    jw_object(w);
    jw_kstr(w, "kind", kind);
    jw_kstr(w, "title", title);
    jw_end(w);
}

static void write_cell(struct json_writer *w, const struct permissions *p, const char *kind)
{
    jw_key(w, str_of(kind));
    jw_array(w);
    for (enum api_action act = ACT_READ; act <= ACT_ADMIN; act++)
        if (permitted(p, kind, act)) jw_str(w, str_of(perm_action_name(act)));
    jw_end(w);
}

static int write_role(struct auth *a, struct json_writer *w, const struct auth_role *role, bool zh)
{
    struct permissions *p = NULL;
    const struct kind *kd;
    char kind[PERM_KIND_MAX];
    int rc = perm_of_role(role->permissions, &p);
    if (rc) return rc;
    jw_object(w);
    jw_kz(w, "code", role->code);
    jw_kz(w, "name", zh ? role->name_zh : role->name);
    jw_key(w, STR("cells"));
    jw_object(w);
    for (size_t i = 0; (kd = kernel_kind_at(a->kernel, i)); i++)
        if (str_to_cstr(kd->kind, kind, sizeof(kind))) write_cell(w, p, kind);
    for (size_t i = 0; i < NPLAIN; i++)
        if (!kernel_kind(a->kernel, str_of(plain_kinds[i].kind))) write_cell(w, p, plain_kinds[i].kind);
    jw_end(w);
    jw_end(w);
    mem_free(p);
    return 0;
}

int auth_matrix(struct auth *a, bool zh, struct buf *out, struct error *e)
{
    struct json_writer w = json_writer(out);
    const struct kind *kd;
    int rc = 0;
    jw_object(&w);
    jw_key(&w, STR("kinds"));
    jw_array(&w);
    for (size_t i = 0; (kd = kernel_kind_at(a->kernel, i)); i++)
        write_kind(&w, kd->kind, zh && kd->title_zh.n ? kd->title_zh : kd->title_en);
    for (size_t i = 0; i < NPLAIN; i++)
        if (!kernel_kind(a->kernel, str_of(plain_kinds[i].kind)))
            write_kind(&w, str_of(plain_kinds[i].kind), str_of(zh ? plain_kinds[i].zh : plain_kinds[i].en));
    jw_end(&w);
    jw_key(&w, STR("roles"));
    jw_array(&w);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < a->rules->nroles && !rc; i++) rc = write_role(a, &w, &a->rules->roles[i], zh);
    pthread_mutex_unlock(&a->lock);
    jw_end(&w);
    jw_end(&w);
    return rc;
}

/* --- organisations --- */

struct count {
    struct str org;
    char kind[PERM_KIND_MAX];
    int64_t n;
};

static int read_counts(struct auth *a, struct arena *arena, struct count **ret, size_t *ret_n, struct error *e)
{
    struct sql_tx *tx = NULL;
    struct sql_stmt *s = NULL;
    size_t cap = 0, n = 0;
    struct count *list = NULL;
    int rc = sql_begin(a->db, false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx,
                     "select org, kind, count(*) from resource where deleted = 0 and org <> '' and kind <> 'org'"
                     " group by org, kind order by org, kind",
                     &s, e);
    while (!rc && (rc = sql_step(s, e)) == 1) {
        rc = mem_grow((void **)&list, &cap, n + 1, sizeof(*list)) ? 0 : ERR_NOMEM;
        if (rc) break;
        list[n].org = arena_str(arena, sql_str(s, 0));
        list[n].n = sql_i64(s, 2);
        n += list[n].org.p && str_to_cstr(sql_str(s, 1), list[n].kind, sizeof(list[n].kind));
    }
    sql_done(s);
    sql_rollback(tx);
    *ret = list;
    *ret_n = n;
    return rc;
}

static void write_counts(struct json_writer *w, const struct actor *by, const char *org, const struct count *list,
                         size_t n)
{
    jw_key(w, STR("counts"));
    jw_object(w);
    for (size_t i = 0; i < n; i++)
        if (str_is(list[i].org, org) && permitted_at(by->may, list[i].kind, ACT_READ, list[i].org))
            jw_ki64(w, list[i].kind, list[i].n);
    jw_end(w);
}

static int depth_of(const struct auth_rules *r, const struct auth_org *o)
{
    int depth = 0;
    while (o->parent >= 0) o = &r->orgs[o->parent], depth++;
    return depth;
}

static bool org_seen(const struct actor *by, const struct auth_org *o)
{
    return permitted_at(by->may, "org", ACT_READ, str_of(o->id));
}

static void write_node(struct json_writer *w, const struct auth_rules *r, const struct auth_org *o,
                       const struct actor *by, const struct count *list, size_t n)
{
    size_t children = 0;
    for (size_t i = 0; i < r->norgs; i++)
        children += r->orgs[i].parent == (int)(o - r->orgs) && org_seen(by, &r->orgs[i]);
    bool parent = o->parent >= 0 && org_seen(by, &r->orgs[o->parent]);
    jw_object(w);
    jw_kz(w, "id", o->id);
    jw_kz(w, "code", o->code);
    jw_kz(w, "name", o->name);
    jw_kz(w, "type", o->type);
    jw_kz(w, "parent", parent ? r->orgs[o->parent].id : NULL);
    jw_ki64(w, "children", (int64_t)children);
    write_counts(w, by, o->id, list, n);
    jw_end(w);
}

int auth_orgs_tree(struct auth *a, struct arena *arena, const struct actor *by, struct buf *out, struct error *e)
{
    struct count *list = NULL;
    size_t n = 0;
    int rc = read_counts(a, arena, &list, &n, e);
    struct json_writer w = json_writer(out);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    pthread_mutex_lock(&a->lock);
    const struct auth_rules *r = a->rules;
    for (int depth = 0; depth <= AUTH_DEPTH_MAX && !rc; depth++)
        for (size_t i = 0; i < r->norgs; i++)
            if (depth_of(r, &r->orgs[i]) == depth && org_seen(by, &r->orgs[i]))
                write_node(&w, r, &r->orgs[i], by, list, n);
    pthread_mutex_unlock(&a->lock);
    jw_end(&w);
    jw_end(&w);
    mem_free(list);
    return rc;
}
