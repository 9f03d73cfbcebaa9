/* lifecycle.c - states of resources and the ways between them (kind.h "lifecycle").
 *
 * A resource of a kind with a life cycle is created in the initial state; a stored state that the kind does
 * not know (none, from before it had a life cycle) counts as the initial one. Content changes only in states
 * with `edit`, deletions only in states with `delete`, whoever asks; the system alone may write its read_only
 * fields in any state. The state itself changes by a transition only: a revision like any other, with the
 * transition's name and the comment.
 *
 * Four eyes: barred are (1) whoever changed the content, or created or restored the resource, since the last
 * transition with four eyes (since the creation when there was none), and (2) whoever made the last
 * transition. So whoever sends something back may approve it when somebody else has corrected it and handed
 * it in again. The system may make any transition. */
#include "core/resource/kernel_int.h"
#include "base/utf8.h"
#include "core/auth/auth_perm.h"

#define COMMENT_MAX 2000

struct str state_of(const struct kind *kd, struct str stored)
{
    if (!kd || !kd->lifecycle || lifecycle_state(kd->lifecycle, stored)) return stored;
    return kd->lifecycle->states[kd->lifecycle->initial].name;
}

static unsigned index_of(const struct lifecycle *l, struct str state)
{
    for (size_t i = 0; i < l->nstates; i++)
        if (str_eq(l->states[i].name, state)) return (unsigned)i;
    return l->initial;
}

/* ------------------------------------------------------------------ states and changes */

static bool editable(const struct state *s)
{
    return s->editable;
}
static bool deletable(const struct state *s)
{
    return s->deletable;
}

/* "revise, withdraw": transitions from here into a state where it may be done. */
static void remedies(const struct lifecycle *l, unsigned from, bool (*fits)(const struct state *), struct buf *en,
                     struct buf *zh)
{
    for (size_t i = 0; i < l->ntransitions; i++) {
        const struct transition *t = &l->transitions[i];
        if (!(t->from & (1u << from)) || !fits(&l->states[t->to])) continue;
        buf_printf(en, "%s%.*s", en->n ? ", " : "", STR_ARG(t->name));
        buf_printf(zh, "%s%.*s", zh->n ? "、" : "", STR_ARG(t->title_zh));
    }
}

static int refuse(const struct lifecycle *l, struct str state, bool (*fits)(const struct state *), struct error *e)
{
    unsigned at = index_of(l, state);
    const struct state *s = &l->states[at];
    bool edit = fits == editable;
    struct buf en, zh;
    buf_init(&en, 4096);
    buf_init(&zh, 4096);
    remedies(l, at, fits, &en, &zh);
    if (!en.n) buf_z(&en, "…");
    if (!zh.n) buf_z(&zh, "…");
    char now_en[200], now_zh[200];
    snprintf(now_en, sizeof now_en, "cannot be %s in the state '%.*s'", edit ? "changed" : "deleted", STR_ARG(s->name));
    snprintf(now_zh, sizeof now_zh, "状态“%.*s”下不能%s", STR_ARG(s->title_zh), edit ? "修改" : "删除");
    int rc = error_set(e, ERR_INVALID, "state", "%s%.0s; first do the transition %s%.0s",
                       "%.0s%s；请先执行流转：%.0s%s", now_en, now_zh, buf_cstr(&en), buf_cstr(&zh));
    buf_fini(&en);
    buf_fini(&zh);
    return rc;
}

/* The system keeps its own fields up to date, whatever the state. */
static bool only_read_only(struct changer *c, const struct resource *old, const struct resource *next)
{
    if (c->by->may || !str_eq(old->code, next->code) || !str_eq(old->name, next->name) ||
        !json_equal(old->labels, next->labels))
        return false;
    for (size_t i = 0; i < c->kd->nfields; i++) {
        const struct field *f = &c->kd->fields[i];
        const struct json *x = json_get_str(old->spec, f->name), *y = json_get_str(next->spec, f->name);
        if (!f->read_only && ((x != NULL) != (y != NULL) || (x && !json_equal(x, y)))) return false;
    }
    return true;
}

int state_may_edit(struct changer *c, const struct resource *old, const struct resource *next, struct error *e)
{
    const struct lifecycle *l = c->kd->lifecycle;
    if (!l || l->states[index_of(l, old->state)].editable || only_read_only(c, old, next)) return 0;
    return refuse(l, old->state, editable, e);
}

int state_may_delete(struct changer *c, const struct resource *old, struct error *e)
{
    const struct lifecycle *l = c->kd->lifecycle;
    if (!l || l->states[index_of(l, old->state)].deletable) return 0;
    return refuse(l, old->state, deletable, e);
}

/* ------------------------------------------------------------------ four eyes */

struct authors {
    const struct lifecycle *l;
    struct str login; /* whose name is looked for */
    bool last_seen, changed, moved;
};

/* One revision, newest first; 1: those before it do not matter. */
static int look_at(struct authors *x, struct str by, struct str transition)
{
    bool his = str_eq(by, x->login);
    if (!transition.n) {
        x->changed = x->changed || his;
        return 0;
    }
    if (!x->last_seen) x->moved = his;
    x->last_seen = true;
    const struct transition *t = lifecycle_transition(x->l, transition);
    return t && t->four_eyes;
}

static int read_authors(struct sql_tx *tx, struct str id, struct authors *x, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx,
                         "select rev, updated_by, transition from (select rev, updated_by, transition from resource "
                         "where id = $1 union all select rev, updated_by, transition from resource_history where id = "
                         "$1) v order by rev desc",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    while ((rc = sql_step(s, e)) == 1)
        if (look_at(x, sql_str(s, 1), sql_str(s, 2))) break;
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int check_four_eyes(struct sql_tx *tx, const struct actor *by, const struct lifecycle *l,
                           const struct transition *t, const struct resource *r, struct error *e)
{
    struct authors x = {.l = l, .login = str_of(by->login)};
    if (!t->four_eyes || !by->may) return 0;
    int rc = read_authors(tx, r->id, &x, e);
    if (rc || (!x.changed && !x.moved)) return rc;
    return x.changed
               ? error_set(e, ERR_FORBIDDEN, "four_eyes", "%s changed the content; somebody else has to do this",
                           "%s 修改过内容；须由他人执行", by->login)
               : error_set(e, ERR_FORBIDDEN, "four_eyes", "%s made the last transition; somebody else has to do this",
                           "%s 执行了上一次流转；须由他人执行", by->login);
}

/* ------------------------------------------------------------------ may it be done */

static int check_right(const struct actor *by, const struct kind *kd, const struct transition *t, struct str org,
                       struct error *e)
{
    char kind[KIND_NAME_MAX];
    int act = perm_action(t->action);
    str_to_cstr(kd->kind, kind, sizeof kind);
    enum api_action need = change_action(kd, act < 0 ? ACT_ADMIN : (enum api_action)act);
    if (permitted_at(by->may, kind, need, org)) return 0;
    return error_set(e, ERR_FORBIDDEN, "", "%s may not %s %s", "%s 没有权限：%s %s", by->login, perm_action_name(need),
                     kind);
}

static const struct json *value_at(const struct json *spec, struct str path)
{
    const struct json *v = spec;
    while (path.p && v) v = json_get_str(v, str_cut(&path, '.'));
    return v;
}

static bool filled(const struct json *v)
{
    if (!v || v->type == JSON_NULL) return false;
    if (v->type == JSON_STRING) return v->s.n > 0;
    return (v->type != JSON_ARRAY && v->type != JSON_OBJECT) || json_count(v) > 0;
}

static int check_filled(const struct kind *kd, const struct transition *t, const struct resource *r, struct error *e)
{
    for (size_t i = 0; i < t->nrequired; i++) {
        if (filled(value_at(r->spec, t->required[i]))) continue;
        const struct field *f = kind_field(kd, t->required[i]);
        struct str en = f ? f->title_en : t->required[i], zh = f ? f->title_zh : en;
        char where[ERROR_WHERE_MAX], title_en[80], title_zh[80];
        snprintf(where, sizeof where, "spec.%.*s", STR_ARG(t->required[i]));
        str_to_cstr(str_sub(en, 0, utf8_floor(en, 79)), title_en, sizeof title_en);
        str_to_cstr(str_sub(zh, 0, utf8_floor(zh, 79)), title_zh, sizeof title_zh);
        return error_set(e, ERR_INVALID, where, "%s%.0s has to be filled in first", "%.0s请先填写%s", title_en,
                         title_zh);
    }
    return 0;
}

static int check_offer(struct sql_tx *tx, const struct actor *by, const struct kind *kd, const struct transition *t,
                       const struct resource *r, struct error *e)
{
    int rc = by->may ? check_right(by, kd, t, r->org, e) : 0;
    if (!rc) rc = check_four_eyes(tx, by, kd->lifecycle, t, r, e);
    return rc ? rc : check_filled(kd, t, r, e);
}

static bool judged(int rc)
{
    return rc == ERR_FORBIDDEN || rc == ERR_INVALID;
}

static int offers(struct sql_tx *tx, struct arena *a, const struct actor *by, const struct kind *kd,
                  const struct resource *r, struct transition_offer *out, size_t *n, struct error *e)
{
    const struct lifecycle *l = kd->lifecycle;
    unsigned at = index_of(l, r->state);
    for (size_t i = 0; i < l->ntransitions; i++) {
        if (!(l->transitions[i].from & (1u << at))) continue;
        struct transition_offer *o = &out[(*n)++];
        *o = (struct transition_offer){.t = &l->transitions[i]};
        int rc = check_offer(tx, by, kd, o->t, r, &o->why_not);
        if (rc && !judged(rc)) {
            if (e) *e = o->why_not;
            return rc;
        }
        o->allowed = rc == 0;
    }
    return 0;
}

int resource_transitions(struct kernel *k, struct arena *a, const struct actor *by, const char *kind,
                         struct str id_or_code, struct transition_offer **ret, size_t *ret_n, struct error *e)
{
    const struct kind *kd;
    struct sql_tx *tx;
    struct resource r;
    const struct row_view view = {.by = by};
    size_t n = 0;
    int rc = kind_need(k, kind, &kd, e);
    if (rc) return rc;
    struct transition_offer *out = arena_calloc(a, kd->lifecycle ? kd->lifecycle->ntransitions + 1 : 1, sizeof *out);
    CATCH_NOMEM(out, e);
    if ((rc = sql_begin(k->db, false, &tx, e))) return rc;
    rc = row_find_for(k, tx, a, kd, id_or_code, &view, &r, e);
    if (!rc && kd->lifecycle) rc = offers(tx, a, by, kd, &r, out, &n, e);
    sql_rollback(tx);
    if (rc) return rc;
    *ret = out;
    *ret_n = n;
    return 0;
}

/* ------------------------------------------------------------------ doing it */

struct moving {
    struct str key, transition, comment;
    int64_t expect_rev;
    const struct transition *t;
    struct str from;
};

static int find_transition(const struct kind *kd, struct moving *m, const struct resource *r, struct error *e)
{
    const struct lifecycle *l = kd->lifecycle;
    struct titles t = kind_titles(kd);
    if (!l)
        return error_set(e, ERR_INVALID, "transition", "a %s%.0s has no life cycle", "%.0s%s没有生命周期", t.en, t.zh);
    m->t = lifecycle_transition(l, m->transition);
    unsigned at = index_of(l, r->state);
    if (m->t && (m->t->from & (1u << at))) return 0;
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < l->ntransitions; i++)
        if (l->transitions[i].from & (1u << at))
            buf_printf(&b, "%s%.*s", b.n ? ", " : "", STR_ARG(l->transitions[i].name));
    if (!b.n) buf_z(&b, "…");
    int rc = error_set(e, ERR_INVALID, "transition", "'%.*s' is no transition from the state '%.*s'; possible now: %s",
                       "“%.*s”不是状态“%.*s”下的流转；当前可用：%s", STR_ARG(str_sub(m->transition, 0, 60)),
                       STR_ARG(l->states[at].name), buf_cstr(&b));
    buf_fini(&b);
    return rc;
}

static int check_comment(struct moving *m, struct error *e)
{
    m->comment = str_trim(m->comment);
    if (m->t->comment == COMMENT_NONE && m->comment.n)
        return error_set(e, ERR_INVALID, "comment", "this transition takes no comment", "该流转不接受说明");
    if (m->t->comment == COMMENT_REQUIRED && !m->comment.n)
        return error_set(e, ERR_INVALID, "comment", "say why: this transition needs a comment", "请填写说明");
    if (m->comment.n > COMMENT_MAX || !utf8_valid(m->comment))
        return error_set(e, ERR_INVALID, "comment", "is a text of at most %d bytes", "须为不超过 %d 字节的文本",
                         COMMENT_MAX);
    return 0;
}

static int move(struct changer *c, struct arena *a, void *ctx, struct resource *ret, struct error *e)
{
    struct moving *m = ctx;
    struct resource old, next;
    const struct row_view view = {.by = c->by};
    int rc = row_find_for(c->k, c->tx, a, c->kd, m->key, &view, &old, e);
    if (!rc) rc = changer_revision(&old, m->expect_rev, e);
    if (!rc) rc = find_transition(c->kd, m, &old, e);
    if (!rc) rc = check_offer(c->tx, c->by, c->kd, m->t, &old, e);
    if (!rc) rc = check_comment(m, e);
    if (rc) return rc;
    next = old;
    next.state = c->kd->lifecycle->states[m->t->to].name;
    m->from = old.state;
    rc = changer_hooks(c, a, &old, &next, e);
    c->transition = m->t->name;
    c->comment = m->comment;
    if (!rc) rc = changer_store(c, a, &old, &next, CHANGE_UPDATE, e);
    c->transition = c->comment = STR_NULL;
    if (!rc) *ret = next;
    return rc;
}

/* Who has to act next hears of it: the right that most of what may be done now needs. */
static enum api_action next_action(const struct lifecycle *l, unsigned at)
{
    for (size_t i = 0; i < l->ntransitions; i++)
        if ((l->transitions[i].from & (1u << at)) && str_is(l->transitions[i].action, "approve")) return ACT_APPROVE;
    return ACT_READ;
}

static void tell(struct kernel *k, struct arena *a, const struct actor *by, const struct moving *m,
                 const struct resource *r)
{
    const struct kind *kd = r->schema;
    const struct state *s = &kd->lifecycle->states[m->t->to];
    char *en = arena_printf(a, "%.*s %.*s: %.*s → %.*s", STR_ARG(kd->title_en), STR_ARG(r->code),
                            STR_ARG(m->t->title_en), STR_ARG(s->title_en));
    char *zh = arena_printf(a, "%.*s %.*s：%.*s → %.*s", STR_ARG(kd->title_zh), STR_ARG(r->code),
                            STR_ARG(m->t->title_zh), STR_ARG(s->title_zh));
    char *by_en = arena_printf(a, "%s%s%.*s", by->login, m->comment.n ? ": " : "", STR_ARG(m->comment));
    char *link = arena_printf(a, "/%.*s/%.*s", STR_ARG(kd->plural), STR_ARG(r->id));
    if (!en || !zh || !by_en || !link) return; /* the transition itself is done */
    struct event ev = {.topic = "resource.transition",
                       .severity = EVENT_INFO,
                       .title_en = str_of(en),
                       .title_zh = str_of(zh),
                       .text_en = str_of(by_en),
                       .text_zh = str_of(by_en),
                       .kind = r->kind,
                       .id = r->id,
                       .org = r->org,
                       .link = str_of(link),
                       .need = next_action(kd->lifecycle, m->t->to)};
    kernel_event(k, &ev);
}

int resource_transition(struct kernel *k, struct arena *a, const struct actor *by, const char *kind,
                        struct str id_or_code, struct str transition, struct str comment, int64_t expect_rev,
                        struct resource *ret, struct error *e)
{
    struct moving m = {.key = id_or_code, .transition = transition, .comment = comment, .expect_rev = expect_rev};
    struct resource r;
    int rc = change_run(k, a, by, kind, move, &m, &r, e);
    if (rc) return rc;
    if (m.t->notify) tell(k, a, by, &m, &r);
    if (ret) *ret = r;
    return 0;
}
