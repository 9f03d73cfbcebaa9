/* kind_lifecycle.c - the life cycle of a kind document: states, transitions, and whether they make sense.
 *
 * What a document cannot get wrong unnoticed: names that mean no state, no field or no action; states that
 * no way leads to; twins. Members that begin with "ui" or "x_" are the user interface's. Everything lives
 * in the kind's arena; immutable afterwards. */
#include "model/kind_int.h"

#define TRANSITIONS_MAX 100

struct cycle {
    struct arena *a;
    struct kind *k;
    struct lifecycle *l;
    struct error *e;
};

const struct state *lifecycle_state(const struct lifecycle *l, struct str name)
{
    for (size_t i = 0; l && i < l->nstates; i++)
        if (str_eq(l->states[i].name, name)) return &l->states[i];
    return NULL;
}

const struct transition *lifecycle_transition(const struct lifecycle *l, struct str name)
{
    for (size_t i = 0; l && i < l->ntransitions; i++)
        if (str_eq(l->transitions[i].name, name)) return &l->transitions[i];
    return NULL;
}

/* Put "member" or "member." in front of where it went wrong. */
static int at(struct error *e, int rc, const char *member)
{
    char prefix[80];
    if (!rc) return 0;
    bool bare = !e->where[0] || e->where[0] == '[';
    snprintf(prefix, sizeof prefix, "%s%s", member, bare ? "" : ".");
    error_prefix(e, prefix);
    return rc;
}

static int at_index(struct error *e, int rc, size_t i)
{
    char prefix[32];
    if (!rc) return 0;
    snprintf(prefix, sizeof prefix, "[%zu]%s", i, e->where[0] ? "." : "");
    error_prefix(e, prefix);
    return rc;
}

static int no_such(struct error *e, const char *en, const char *zh, struct str name, const struct str *names, size_t n)
{
    struct str near = name_nearest(name, names, n);
    if (near.p)
        return error_set(e, ERR_INVALID, "", "there is no %s%.0s '%.*s'; did you mean '%.*s'?",
                         "没有%.0s%s“%.*s”；是否想写“%.*s”？", en, zh, STR_ARG(name), STR_ARG(near));
    return error_set(e, ERR_INVALID, "", "there is no %s%.0s '%.*s'", "没有%.0s%s“%.*s”", en, zh, STR_ARG(name));
}

static int known_members(struct cycle *c, const struct json *o, const char *const *list, size_t n)
{
    struct str names[16];
    if (!o || o->type != JSON_OBJECT) return error_set(c->e, ERR_INVALID, "", "must be an object {…}", "应为对象 {…}");
    for (size_t i = 0; i < n; i++) names[i] = str_of(list[i]);
    for
        json_each (m, o) {
            bool known = str_starts(m->key, STR("ui")) || str_starts(m->key, STR("x_"));
            for (size_t i = 0; i < n && !known; i++) known = str_eq(m->key, names[i]);
            if (!known) return no_such(c->e, "attribute", "属性", m->key, names, n);
        }
    return 0;
}

static int read_flag(struct cycle *c, const struct json *o, const char *name, bool def, bool *ret)
{
    const struct json *v = json_get(o, name);
    if (v && v->type != JSON_BOOL)
        return error_set(c->e, ERR_INVALID, name, "must be true or false", "应为 true 或 false");
    *ret = json_bool(v, def);
    return 0;
}

static int read_name(struct cycle *c, const struct json *o, const char *member, struct str *ret)
{
    *ret = json_str(json_get(o, member), STR_NULL);
    if (kind_name_ok(*ret, true)) return 0;
    return error_set(c->e, ERR_INVALID, member, "needs a name of a-z, 0-9, _ and - that begins with a letter",
                     "需要由 a-z、0-9、_、- 组成并以字母开头的名称");
}

static int read_title(struct cycle *c, const struct json *o, struct str name, struct str *en, struct str *zh)
{
    const struct json *v = json_get(o, "title");
    *en = *zh = name;
    return v ? at(c->e, kind_texts(v, en, zh, c->e), "title") : 0;
}

/* ------------------------------------------------------------------ states */

static int state_index(struct cycle *c, struct str name, unsigned *ret)
{
    struct str names[STATES_MAX];
    for (size_t i = 0; i < c->l->nstates; i++) {
        names[i] = c->l->states[i].name;
        if (!str_eq(names[i], name)) continue;
        *ret = (unsigned)i;
        return 0;
    }
    return no_such(c->e, "state", "状态", name, names, c->l->nstates);
}

static int read_state(struct cycle *c, const struct json *v, struct state *s)
{
    static const char *const names[] = {"state", "title", "color", "help", "edit", "delete"};
    int rc = known_members(c, v, names, 6);
    if (!rc) rc = read_name(c, v, "state", &s->name);
    if (!rc && lifecycle_state(c->l, s->name))
        rc = error_set(c->e, ERR_INVALID, "state", "'%.*s' is there twice", "“%.*s”重复", STR_ARG(s->name));
    if (!rc) rc = read_title(c, v, s->name, &s->title_en, &s->title_zh);
    if (!rc) rc = read_flag(c, v, "edit", true, &s->editable);
    if (!rc) rc = read_flag(c, v, "delete", true, &s->deletable);
    return rc;
}

static int read_states(struct cycle *c, const struct json *list)
{
    size_t n = json_count(list);
    if (!list || list->type != JSON_ARRAY || !n || n > STATES_MAX)
        return error_set(c->e, ERR_INVALID, "states", "must be a list of 1 to %d states", "应为 1 至 %d 个状态的列表",
                         STATES_MAX);
    c->l->states = arena_calloc(c->a, n, sizeof *c->l->states);
    if (!c->l->states) return kind_nomem(c->e);
    int rc = 0;
    for (const struct json *v = list->child; v && !rc; v = v->next) {
        rc = at_index(c->e, read_state(c, v, &c->l->states[c->l->nstates]), c->l->nstates);
        if (!rc) c->l->nstates++;
    }
    return at(c->e, rc, "states");
}

/* ------------------------------------------------------------------ transitions */

static int read_from(struct cycle *c, const struct json *list, uint32_t *ret)
{
    size_t i = 0;
    if (!list || list->type != JSON_ARRAY || !json_count(list))
        return error_set(c->e, ERR_INVALID, "from", "must be a list of states", "应为状态列表");
    for
        json_each (v, list) {
            unsigned s = 0;
            int rc = state_index(c, json_str(v, STR("")), &s);
            if (rc) return at(c->e, at_index(c->e, rc, i), "from");
            *ret |= 1u << s;
            i++;
        }
    return 0;
}

static int read_action(struct cycle *c, const struct json *v, struct str *ret)
{
    static const struct str names[] = {STR("write"), STR("approve"), STR("delete"), STR("control"), STR("admin")};
    *ret = names[0];
    if (!v) return 0;
    for (size_t i = 0; i < 5; i++)
        if (str_eq(json_str(v, STR_NULL), names[i])) {
            *ret = names[i];
            return 0;
        }
    return at(c->e, no_such(c->e, "action", "操作", json_str(v, STR("")), names, 5), "action");
}

static int read_comment(struct cycle *c, const struct json *v, enum comment_rule *ret)
{
    static const struct str names[] = {
        [COMMENT_NONE] = STR("none"), [COMMENT_OPTIONAL] = STR("optional"), [COMMENT_REQUIRED] = STR("required")};
    *ret = COMMENT_NONE;
    for (size_t i = 0; v && i < 3; i++)
        if (str_eq(json_str(v, STR_NULL), names[i])) {
            *ret = (enum comment_rule)i;
            return 0;
        }
    return v ? error_set(c->e, ERR_INVALID, "comment", "must be none, optional or required",
                         "应为 none、optional 或 required")
             : 0;
}

static int read_required(struct cycle *c, const struct json *list, struct transition *t)
{
    if (!list) return 0;
    if (list->type != JSON_ARRAY)
        return error_set(c->e, ERR_INVALID, "requires", "must be a list of field names", "应为字段名列表");
    t->required = arena_calloc(c->a, json_count(list) + 1, sizeof *t->required);
    if (!t->required) return kind_nomem(c->e);
    for
        json_each (v, list) t->required[t->nrequired++] = json_str(v, STR("")); /* known ones: lifecycle_complete */
    return 0;
}

static int read_transition(struct cycle *c, const struct json *v, struct transition *t)
{
    static const char *const names[] = {"name",     "title",   "help",      "from",   "to",   "action",
                                        "requires", "comment", "four_eyes", "notify", "color"};
    int rc = known_members(c, v, names, 11);
    if (!rc) rc = read_name(c, v, "name", &t->name);
    if (!rc && lifecycle_transition(c->l, t->name))
        rc = error_set(c->e, ERR_INVALID, "name", "'%.*s' is there twice", "“%.*s”重复", STR_ARG(t->name));
    if (!rc) rc = read_title(c, v, t->name, &t->title_en, &t->title_zh);
    if (!rc) rc = read_from(c, json_get(v, "from"), &t->from);
    if (!rc) rc = at(c->e, state_index(c, json_str(json_get(v, "to"), STR("")), &t->to), "to");
    if (!rc) rc = read_action(c, json_get(v, "action"), &t->action);
    if (!rc) rc = read_required(c, json_get(v, "requires"), t);
    if (!rc) rc = read_comment(c, json_get(v, "comment"), &t->comment);
    if (!rc) rc = read_flag(c, v, "four_eyes", false, &t->four_eyes);
    if (!rc) rc = read_flag(c, v, "notify", false, &t->notify);
    return rc;
}

static int read_transitions(struct cycle *c, const struct json *list)
{
    size_t n = json_count(list);
    if (!list) return 0;
    if (list->type != JSON_ARRAY || n > TRANSITIONS_MAX)
        return error_set(c->e, ERR_INVALID, "transitions", "must be a list of at most %d transitions",
                         "应为最多 %d 个流转的列表", TRANSITIONS_MAX);
    c->l->transitions = arena_calloc(c->a, n + 1, sizeof *c->l->transitions);
    if (!c->l->transitions) return kind_nomem(c->e);
    int rc = 0;
    for (const struct json *v = list->child; v && !rc; v = v->next) {
        rc = at_index(c->e, read_transition(c, v, &c->l->transitions[c->l->ntransitions]), c->l->ntransitions);
        if (!rc) c->l->ntransitions++;
    }
    return at(c->e, rc, "transitions");
}

static uint32_t reached(const struct lifecycle *l)
{
    uint32_t seen = 1u << l->initial, before = 0;
    while (seen != before) {
        before = seen;
        for (size_t i = 0; i < l->ntransitions; i++)
            if (l->transitions[i].from & seen) seen |= 1u << l->transitions[i].to;
    }
    return seen;
}

static int check_reachable(struct cycle *c)
{
    uint32_t seen = reached(c->l);
    for (size_t i = 0; i < c->l->nstates; i++) {
        char where[32];
        snprintf(where, sizeof where, "states[%zu]", i);
        if (!(seen & (1u << i)))
            return error_set(c->e, ERR_INVALID, where, "no transition leads to '%.*s'; add one or remove the state",
                             "没有流转可到达“%.*s”；请添加流转或删除该状态", STR_ARG(c->l->states[i].name));
    }
    return 0;
}

static int read_initial(struct cycle *c, const struct json *v)
{
    if (!v) return 0; /* the first */
    return at(c->e, state_index(c, json_str(v, STR("")), &c->l->initial), "initial");
}

int lifecycle_parse(struct kind *k, const struct json *v, struct error *e)
{
    static const char *const names[] = {"initial", "states", "transitions"};
    struct cycle c = {.a = k->arena, .k = k, .l = arena_calloc(k->arena, 1, sizeof *c.l), .e = e};
    if (!c.l) return kind_nomem(e);
    int rc = known_members(&c, v, names, 3);
    if (!rc) rc = read_states(&c, json_get(v, "states"));
    if (!rc) rc = read_initial(&c, json_get(v, "initial"));
    if (!rc) rc = read_transitions(&c, json_get(v, "transitions"));
    if (!rc) rc = check_reachable(&c);
    if (!rc) k->lifecycle = c.l;
    return rc;
}

/* Fields may stand behind the life cycle in the document. */
int lifecycle_complete(const struct kind *k, struct error *e)
{
    const struct lifecycle *l = k->lifecycle;
    for (size_t i = 0; l && i < l->ntransitions; i++)
        for (size_t j = 0; j < l->transitions[i].nrequired; j++) {
            struct str name = l->transitions[i].required[j];
            if (kind_field(k, name)) continue;
            const struct field *near = field_nearest(k->fields, k->nfields, name);
            char where[80];
            snprintf(where, sizeof where, "lifecycle.transitions[%zu].requires[%zu]", i, j);
            return near ? error_set(e, ERR_INVALID, where, "there is no field '%.*s'; did you mean '%.*s'?",
                                    "没有字段“%.*s”；是否想写“%.*s”？", STR_ARG(name), STR_ARG(near->name))
                        : error_set(e, ERR_INVALID, where, "there is no field '%.*s'", "没有字段“%.*s”", STR_ARG(name));
        }
    return 0;
}
