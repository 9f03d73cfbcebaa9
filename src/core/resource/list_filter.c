/* list_filter.c - the filter language of lists: lexer, recursive descent, SQL out.
 *
 *   filter = or ;  or = and {"or" and} ;  and = not {"and" not} ;  not = {"not"} (condition | "(" or ")")
 *   condition = path op value | path ["not"] "in" "(" value {"," value} ")"
 *   op = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"          ("~": contains, ASCII case ignored)
 *   path = name {"." name} ;  value = 'text' ("''" is one quote) | "text" | word | null
 *
 * A path is a column of the envelope (code, name, updated_at …), "labels.<key>", a field of the kind
 * ("period", "options.port", or with "spec." before it), or goes on behind a reference
 * ("device.channel.code"). `org` compares by code or id of an organisation, or with "under" ("org under
 * 'PLANT1'": it and all below); "org.name" goes on to the organisation itself. What the reader may not see (fields,
 * sensitive values, resources of other organisations behind a reference) is as if it were not there, so that a
 * filter tells nobody more than the list. Values become parameters of the type that the path has; nothing that a user
 * wrote is ever part of the SQL text. Depth, length and number of parameters are limited. Pure. */
#include "core/resource/list_filter_int.h"
#include <math.h>
#include "base/mem.h"
#include "base/time.h"

#define DEPTH_MAX 24
#define PATH_PARTS 6

enum token { T_END, T_WORD, T_TEXT, T_OP, T_OPEN, T_CLOSE, T_COMMA, T_BAD };

struct parser {
    struct filter *f;
    struct str text;
    size_t pos, at; /* next byte; where the current token began */
    enum token token;
    struct str value;
    int depth, aliases;
    struct error *e;
};

/* What a path means: an SQL expression and how values compare with it. */
struct operand {
    char sql[1400];
    enum field_type type;
    const struct field *field; /* NULL: a column or label */
    bool column_time;          /* microseconds */
    bool numeric;
    bool organisation; /* r.org: "" is none */
    bool plain;        /* an index over it would hold no user's text */
};

static int nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ------------------------------------------------------------------ tokens */

static int fault(struct parser *p, const char *en, const char *zh)
{
    return error_set(p->e, ERR_INVALID, "filter", "at character %zu: %s%.0s", "第 %zu 个字符处：%.0s%s", p->at + 1, en,
                     zh);
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_.:-+*/@$[]", c) ||
           (c & 0x80);
}

static enum token quoted(struct parser *p, char quote)
{
    struct buf b;
    buf_init(&b, FILTER_TEXT_MAX);
    size_t i = p->pos + 1;
    bool closed = false;
    for (; i < p->text.n && !closed; i++) {
        if (p->text.p[i] != quote)
            buf_u8(&b, (uint8_t)p->text.p[i]);
        else if (i + 1 < p->text.n && p->text.p[i + 1] == quote)
            buf_u8(&b, (uint8_t)quote), i++;
        else
            closed = true;
    }
    p->pos = i;
    p->value = b.n ? arena_str(p->f->a, buf_view(&b)) : STR("");
    buf_fini(&b);
    return closed && p->value.p ? T_TEXT : T_BAD;
}

static enum token operator(struct parser *p) {
    static const char *const ops[] = {"!=", "<=", ">=", "<>", "==", "=", "<", ">", "~"};
    struct str rest = str_sub(p->text, p->pos, p->text.n);
    for (size_t i = 0; i < sizeof ops / sizeof *ops;
         i++) if (str_starts(rest, str_of(ops[i]))){p->value = str_of(ops[i]); p->pos += p->value.n; return T_OP;}
return T_BAD;
}

static void advance(struct parser *p)
{
    while (p->pos < p->text.n && strchr(" \t\r\n", p->text.p[p->pos]) && p->text.p[p->pos]) p->pos++;
    p->at = p->pos;
    if (p->pos == p->text.n) {
        p->token = T_END;
        return;
    }
    char c = p->text.p[p->pos];
    static const char single[] = "(),";
    const char *s = c ? strchr(single, c) : NULL;
    if (s) {
        p->pos++;
        p->token = s == single ? T_OPEN : s == single + 1 ? T_CLOSE : T_COMMA;
    } else if (c == '\'' || c == '"') {
        p->token = quoted(p, c);
    } else if (c && word_char(c)) {
        while (p->pos < p->text.n && p->text.p[p->pos] && word_char(p->text.p[p->pos])) p->pos++;
        p->value = str_sub(p->text, p->at, p->pos - p->at);
        p->token = T_WORD;
    } else {
        p->token = operator(p);
    }
}

static bool keyword(const struct parser *p, const char *word)
{
    return p->token == T_WORD && str_ieq(p->value, str_of(word));
}

/* ------------------------------------------------------------------ paths */

static const struct column {
    const char *name, *sql;
    enum field_type type;
    bool time;
} columns[] = {
    {"id", "id", FIELD_STRING, false},
    {"code", "code", FIELD_STRING, false},
    {"name", "name", FIELD_STRING, false},
    {"org", "org", FIELD_STRING, false},
    {"state", "state", FIELD_STRING, false},
    {"origin", "origin", FIELD_STRING, false},
    {"created_by", "created_by", FIELD_STRING, false},
    {"updated_by", "updated_by", FIELD_STRING, false},
    {"num", "num", FIELD_INTEGER, false},
    {"rev", "rev", FIELD_INTEGER, false},
    {"created_at", "created_us", FIELD_TIME, true},
    {"updated_at", "updated_us", FIELD_TIME, true},
};
#define COLUMNS (sizeof columns / sizeof *columns)

static bool may_see(const struct filter *f, const struct kind *kd, struct str field, bool sensitive);
static bool holds_sensitive(const struct field *f);

static int unknown(struct parser *p, const struct kind *kd, struct str name, const char *where)
{
    struct str names[COLUMNS + 400 + 1];
    size_t n = 0;
    for (size_t i = 0; i < COLUMNS; i++) names[n++] = str_of(columns[i].name);
    names[n++] = STR("labels");
    for (size_t i = 0; i < kd->nfields && i < 400; i++)
        if (!p->f->may || may_see(p->f, kd, kd->fields[i].name, holds_sensitive(&kd->fields[i])))
            names[n++] = kd->fields[i].name;
    struct str near = name_nearest(name, names, n);
    if (near.p)
        return error_set(p->e, ERR_INVALID, where, "there is no field '%.*s'; did you mean '%.*s'?",
                         "没有字段“%.*s”；是否想写“%.*s”？", STR_ARG(name), STR_ARG(near));
    return error_set(p->e, ERR_INVALID, where, "%.*s has no field '%.*s'", "%.*s 没有字段“%.*s”", STR_ARG(kd->kind),
                     STR_ARG(name));
}

/* Letters and digits, not a number alone (which would mean a place in a list). */
static bool simple_key(struct str key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9' && i) || (c == '_' && i)))
            return false;
    }
    return true;
}

static int label_operand(struct parser *p, struct str key, const char *alias, struct operand *o)
{
    if (!key.n || key.n > 64 || key.p[0] == '$')
        return error_set(p->e, ERR_INVALID, "filter", "write labels.<key>", "请写成 labels.<键>");
    o->type = FIELD_STRING;
    o->plain = simple_key(key);
    if (o->plain) { /* spelled out, so that an index can be found */
        snprintf(o->sql, sizeof o->sql, "(%s.labels ->> '%.*s')", alias, STR_ARG(key));
        return 0;
    }
    snprintf(o->sql, sizeof o->sql, "(%s.labels ->> cast($%zu as text))", alias, p->f->nparams + 1);
    if (p->f->nparams == FILTER_PARAMS_MAX)
        return error_set(p->e, ERR_TOO_LARGE, "filter", "has too many values", "值过多");
    p->f->params[p->f->nparams++] = text_param(key);
    return 0;
}

static bool column_operand(struct str name, const char *alias, struct operand *o)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (str_is(name, columns[i].name)) {
            snprintf(o->sql, sizeof o->sql, "%s.%s", alias, columns[i].sql);
            o->type = columns[i].type;
            o->column_time = columns[i].time;
            o->numeric = o->type == FIELD_INTEGER;
            o->plain = true;
            return true;
        }
    return false;
}

static bool holds_secret(const struct field *f)
{
    if (f->type == FIELD_SECRET) return true;
    for (size_t i = 0; i < f->nfields; i++)
        if (holds_secret(&f->fields[i])) return true;
    return false;
}

static int field_operand(struct parser *p, struct str path, const struct field *f, const char *alias, struct operand *o)
{
    if (holds_secret(f))
        return error_set(p->e, ERR_INVALID, "filter", "'%.*s' is secret and cannot be searched",
                         "“%.*s”为保密字段，不能用于查询", STR_ARG(f->name));
    struct buf b;
    buf_init(&b, sizeof o->sql - 1);
    field_expression(&b, alias, path, f);
    int rc = b.err ? error_set(p->e, ERR_TOO_LARGE, "filter", "the path is too long", "路径过长") : 0;
    str_to_cstr(buf_view(&b), o->sql, sizeof o->sql);
    buf_fini(&b);
    o->type = f->type;
    o->field = f;
    o->numeric = f->type == FIELD_INTEGER || f->type == FIELD_NUMBER || f->type == FIELD_DURATION;
    o->plain = true;
    return rc;
}

/* The longest beginning of `path` that is a field; *ret_rest is what follows it. */
static const struct field *leading_field(const struct kind *kd, struct str path, struct str *ret_own,
                                         struct str *ret_rest)
{
    for (size_t n = path.n; n > 0; n--) {
        if (n < path.n && path.p[n] != '.') continue;
        const struct field *f = kind_field(kd, str_sub(path, 0, n));
        if (!f) continue;
        *ret_own = str_sub(path, 0, n);
        *ret_rest = n < path.n ? str_sub(path, n + 1, path.n) : STR_NULL;
        return f;
    }
    return NULL;
}

/* ------------------------------------------------------------------ what he may see */

static bool in_scope(const struct scope *s, struct str org)
{
    if (s->all) return true;
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->orgs[i], org)) return true;
    return false;
}

static bool holds_sensitive(const struct field *f)
{
    if (f->sensitive) return true;
    for (size_t i = 0; i < f->nfields; i++)
        if (holds_sensitive(&f->fields[i])) return true;
    return false;
}

/* The field or what it stands in is marked sensitive. */
static bool sensitive_path(const struct kind *kd, struct str path, const struct field *f)
{
    for (size_t n = 1; kd->has_sensitive && n < path.n; n++) {
        const struct field *outer = path.p[n] == '.' ? kind_field(kd, str_sub(path, 0, n)) : NULL;
        if (outer && outer->sensitive) return true;
    }
    return kd->has_sensitive && holds_sensitive(f);
}

/* Wherever he reads the kind he may see the field, too. */
static bool may_see(const struct filter *f, const struct kind *kd, struct str field, bool sensitive)
{
    char kind[64];
    if (!f->may || !str_to_cstr(kd->kind, kind, sizeof kind)) return !f->may;
    struct scope read = permitted_scope(f->may, kind, ACT_READ);
    struct scope open = permitted_scope(f->may, kind, ACT_SENSITIVE);
    bool fields = permitted_all_fields(f->may, kind, ACT_READ);
    if (!permitted(f->may, kind, ACT_READ)) return false;
    if (sensitive && !open.all && (read.all || !permitted(f->may, kind, ACT_SENSITIVE))) return false;
    if (!fields && !permitted_field(f->may, kind, ACT_READ, STR(""), field)) return false;
    for (size_t i = 0; i < read.n && !read.all; i++) {
        if (sensitive && !in_scope(&open, read.orgs[i])) return false;
        if (!fields && !permitted_field(f->may, kind, ACT_READ, read.orgs[i], field)) return false;
    }
    return true;
}

static bool plain_id(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'z') || id.p[i] == '-')) return false;
    return id.n > 0;
}

void filter_scope(struct filter *f, struct str kind, const char *alias, bool walk)
{
    char name[64];
    if (!f->may) return;
    struct buf *b = &f->sql;
    if (!str_to_cstr(kind, name, sizeof name) || !permitted(f->may, name, ACT_READ)) {
        buf_z(b, " and 1 = 0");
        return;
    }
    if (f->by) owner_where(b, f->kind_of(f->ctx, kind), alias, f->by);
    struct scope s = permitted_scope(f->may, name, ACT_READ);
    if (s.all) return;
    buf_printf(b, walk ? " and (%s.org || '') in (''" : " and %s.org in (''", alias);
    for (size_t i = 0; i < s.n; i++)
        if (plain_id(s.orgs[i])) buf_printf(b, ", '%.*s'", STR_ARG(s.orgs[i]));
    buf_z(b, ")");
}

static const struct field org_field = {
    .name = {"org", 3}, .type = FIELD_REF, .title_en = {"Organisation", 12}, .ref_kind = {"org", 3}};

static int org_operand(struct str path, const char *alias, struct operand *o, struct str *ret_rest)
{
    snprintf(o->sql, sizeof o->sql, "%s.org", alias);
    o->type = FIELD_REF;
    o->field = &org_field;
    o->organisation = true;
    if (path.n > 4) *ret_rest = str_sub(path, 4, path.n);
    return 0;
}

static int resolve(struct parser *p, const struct kind *kd, struct str path, const char *alias, struct operand *o,
                   struct str *ret_rest)
{
    struct str own = STR_NULL, first = path;
    first = str_cut(&first, '.');
    *ret_rest = STR_NULL;
    *o = (struct operand){.sql = ""};
    if (str_starts(path, STR("labels.")))
        return may_see(p->f, kd, STR("labels"), false) ? label_operand(p, str_sub(path, 7, path.n), alias, o)
                                                       : unknown(p, kd, path, "filter");
    if (str_is(path, "org") || str_starts(path, STR("org."))) return org_operand(path, alias, o, ret_rest);
    if (column_operand(path, alias, o)) return 0;
    if (str_starts(path, STR("spec."))) path = str_sub(path, 5, path.n);
    const struct field *f = leading_field(kd, path, &own, ret_rest);
    if (!f || (ret_rest->p && f->type != FIELD_REF)) return unknown(p, kd, f ? path : first, "filter");
    struct str top = own;
    top = str_cut(&top, '.');
    if (!may_see(p->f, kd, top, sensitive_path(kd, own, f))) return unknown(p, kd, first, "filter");
    return field_operand(p, own, f, alias, o);
}

/* ------------------------------------------------------------------ values */

static int wrong_value(struct parser *p, struct str path, const char *en, const char *zh)
{
    return error_set(p->e, ERR_INVALID, "filter", "%.*s: '%.*s' is not %s%.0s", "%.*s：“%.*s”%.0s不是%s", STR_ARG(path),
                     STR_ARG(str_sub(p->value, 0, 60)), en, zh);
}

static int value_param(struct parser *p, struct str path, const struct operand *o, struct filter_param *ret)
{
    int64_t us;
    double d;
    switch (o->type) {
    case FIELD_INTEGER:
    case FIELD_NUMBER:
        if (str_to_double(p->value, &d))
            return wrong_value(p, path, "a number; write for example 12.5", "数字；例如 12.5");
        *ret = (struct filter_param){.type = FILTER_DOUBLE, .d = d};
        return 0;
    case FIELD_BOOLEAN:
        if (!str_ieq(p->value, STR("true")) && !str_ieq(p->value, STR("false")))
            return wrong_value(p, path, "true or false", " true 或 false");
        *ret = text_param(str_ieq(p->value, STR("true")) ? STR("true") : STR("false"));
        return 0;
    case FIELD_DURATION:
        if (duration_parse(p->value, &us, NULL))
            return wrong_value(p, path, "a duration; write for example 500ms, 10s or 5m",
                               "时长；例如 500ms、10s 或 5m");
        *ret = (struct filter_param){.type = FILTER_DOUBLE, .d = (double)us};
        return 0;
    case FIELD_TIME:
        if (time_parse_words(p->value, p->f->now_us, 0, &us, NULL))
            return wrong_value(p, path, "a time; write for example 2026-11-22T08:00:00Z or '*-8h'",
                               "时间；例如 2026-11-22T08:00:00Z 或 '*-8h'");
        if (!o->column_time) return time_param(p->f->a, us, ret, p->e);
        *ret = (struct filter_param){.type = FILTER_INT, .i = us};
        return 0;
    case FIELD_OBJECT:
    case FIELD_ARRAY:
    case FIELD_JSON:
        return error_set(p->e, ERR_INVALID, "filter", "%.*s: lists and objects compare with ~ or null only",
                         "%.*s：列表和对象只能用 ~ 或 null 比较", STR_ARG(path));
    default: *ret = text_param(p->value); return 0;
    }
}

static int like_param(struct parser *p, struct filter_param *ret)
{
    *ret = text_param(like_pattern(p->f->a, p->value));
    return ret->s.p ? 0 : nomem(p->e);
}

/* ------------------------------------------------------------------ conditions */

static int condition(struct parser *p, const struct kind *kd, struct str path, const char *alias);

/* `alias.device in (select id of the targets where …)`, the inner condition by `code` and id for a
 * plain reference, by the rest of the path otherwise. */
static int through_ref(struct parser *p, const struct operand *o, struct str rest)
{
    const struct kind *target = p->f->kind_of ? p->f->kind_of(p->f->ctx, o->field->ref_kind) : NULL;
    if (!target)
        return error_set(p->e, ERR_INVALID, "filter", "the kind '%.*s' is not known here", "此处没有类型“%.*s”",
                         STR_ARG(o->field->ref_kind));
    if (++p->aliases > PATH_PARTS * 20)
        return error_set(p->e, ERR_TOO_LARGE, "filter", "follows too many references", "引用层次过多");
    char inner[16];
    snprintf(inner, sizeof inner, "t%d", p->aliases);
    buf_printf(&p->f->sql, "%s in (select %s.id from resource %s where %s.kind = '%.*s' and %s.deleted = 0", o->sql,
               inner, inner, inner, STR_ARG(target->kind), inner);
    filter_scope(p->f, target->kind, inner, false);
    buf_z(&p->f->sql, " and ");
    int rc = condition(p, target, rest, inner);
    buf_z(&p->f->sql, ")");
    return rc;
}

static int put_param(struct parser *p, struct filter_param v)
{
    return filter_param_add(p->f, v, p->e);
}

static bool is_equal(struct str op)
{
    return str_is(op, "=") || str_is(op, "==");
}

static int null_test(struct parser *p, const struct operand *o, struct str op)
{
    bool is = is_equal(op);
    if (!is && !str_is(op, "!=") && !str_is(op, "<>"))
        return fault(p, "null compares with = and != only", "null 只能用 = 或 != 比较");
    if (o->organisation)
        buf_printf(&p->f->sql, "%s %s ''", o->sql, is ? "=" : "<>");
    else
        buf_printf(&p->f->sql, "%s is %snull", o->sql, is ? "" : "not ");
    advance(p);
    return 0;
}

static int contains(struct parser *p, const struct operand *o)
{
    struct filter_param v;
    bool plain = !o->numeric && o->type != FIELD_TIME && o->type != FIELD_BOOLEAN;
    if (!plain) return fault(p, "~ searches in texts only", "~ 只用于文本");
    int rc = like_param(p, &v);
    buf_printf(&p->f->sql, "lower(%s) like lower(", o->sql);
    if (!rc) rc = put_param(p, v);
    buf_z(&p->f->sql, ") escape '\\'");
    advance(p);
    return rc;
}

static int compare(struct parser *p, struct str path, const struct operand *o, struct str op)
{
    struct filter_param v;
    int rc = value_param(p, path, o, &v);
    if (rc) return rc;
    bool differs = str_is(op, "!=") || str_is(op, "<>");
    if (differs) buf_printf(&p->f->sql, "(%s is null or ", o->sql);
    buf_printf(&p->f->sql, "%s %s ", o->sql, differs ? "<>" : str_is(op, "==") ? "=" : (const char *)op.p);
    rc = put_param(p, v);
    if (differs) buf_z(&p->f->sql, ")");
    advance(p);
    return rc;
}

/* device = 'X': X is a code, else an id. One value, so that an index on the field gives the order too. */
static int ref_equals(struct parser *p, const struct operand *o, bool differs)
{
    struct buf *b = &p->f->sql;
    if (differs) buf_printf(b, "(%s is null or ", o->sql);
    buf_printf(b, "%s %s coalesce((select x.id from resource x where x.kind = '%.*s' and x.deleted = 0", o->sql,
               differs ? "<>" : "=", STR_ARG(o->field->ref_kind));
    filter_scope(p->f, o->field->ref_kind, "x", false);
    buf_z(b, " and x.code = ");
    int rc = filter_param_add(p->f, text_param(p->value), p->e);
    buf_printf(b, " order by x.org limit 1), $%zu)%s", p->f->nparams, differs ? ")" : "");
    return rc;
}

/* device < 'X' by code; device ~ 'x' in code or name. */
static int ref_search(struct parser *p, const struct operand *o, struct str op)
{
    struct filter_param v = text_param(p->value);
    struct buf *b = &p->f->sql;
    buf_printf(b, "%s in (select x.id from resource x where x.kind = '%.*s' and x.deleted = 0", o->sql,
               STR_ARG(o->field->ref_kind));
    filter_scope(p->f, o->field->ref_kind, "x", false);
    buf_z(b, " and ");
    if (!str_is(op, "~")) {
        buf_printf(b, "x.code %.*s ", STR_ARG(op));
        int rc = filter_param_add(p->f, v, p->e);
        buf_z(b, ")");
        return rc;
    }
    int rc = like_param(p, &v);
    buf_z(b, "(lower(x.code) like lower(");
    if (!rc) rc = filter_param_add(p->f, v, p->e);
    buf_printf(b, ") escape '\\' or lower(x.name) like lower($%zu) escape '\\'))", p->f->nparams);
    return rc;
}

static int ref_compare(struct parser *p, const struct operand *o, struct str op)
{
    bool differs = str_is(op, "!=") || str_is(op, "<>");
    int rc = differs || is_equal(op) ? ref_equals(p, o, differs) : ref_search(p, o, op);
    advance(p);
    return rc;
}

static int need_value(struct parser *p)
{
    if (p->token == T_TEXT || p->token == T_WORD) return 0;
    return fault(p, "a value is expected; write for example 'text', 12 or null", "此处应为值；例如 'text'、12 或 null");
}

static int list_values(struct parser *p, struct str path, const struct operand *o)
{
    size_t n = 0;
    do {
        struct filter_param v;
        advance(p);
        int rc = need_value(p);
        if (!rc) rc = value_param(p, path, o, &v);
        if (!rc && n++) buf_z(&p->f->sql, ", ");
        if (!rc) rc = put_param(p, v);
        if (rc) return rc;
        advance(p);
    } while (p->token == T_COMMA);
    if (p->token != T_CLOSE) return fault(p, "')' or ',' is expected", "此处应为 ) 或 ,");
    advance(p);
    return 0;
}

/* path in (a, b): for references the list holds codes or ids. */
static int in_list(struct parser *p, struct str path, const struct operand *o, bool not_in)
{
    advance(p);
    if (p->token != T_OPEN) return fault(p, "'(' is expected after in", "in 之后应为 (");
    struct buf *b = &p->f->sql;
    bool ref = o->type == FIELD_REF;
    if (not_in) buf_printf(b, "(%s is null or ", o->sql);
    buf_printf(b, "%s %sin (", o->sql, not_in ? "not " : "");
    if (ref) {
        buf_printf(b, "select x.id from resource x where x.kind = '%.*s' and x.deleted = 0",
                   STR_ARG(o->field->ref_kind));
        filter_scope(p->f, o->field->ref_kind, "x", false);
        buf_z(b, " and (x.code in (");
    }
    size_t from = p->f->nparams;
    int rc = list_values(p, path, o);
    if (ref) {
        buf_z(b, ") or x.id in (");
        size_t to = p->f->nparams;
        for (size_t i = from; i < to; i++) buf_printf(b, "%s$%zu", i > from ? ", " : "", i + 1);
        buf_z(b, "))");
    }
    buf_z(b, ")");
    if (not_in) buf_z(b, ")");
    return rc;
}

/* org under 'PLANT1': that organisation (by code or id) and all below it. */
static int org_under(struct parser *p, const struct operand *o)
{
    struct buf *b = &p->f->sql;
    advance(p);
    int rc = need_value(p);
    if (rc) return rc;
    buf_printf(b, "%s in (with recursive t(id) as (select x.id from resource x where x.kind = 'org' and x.deleted = 0",
               o->sql);
    filter_scope(p->f, STR("org"), "x", false);
    buf_z(b, " and (x.code = ");
    rc = put_param(p, text_param(p->value));
    buf_printf(b,
               " or x.id = $%zu) union select u.from_id from t join resource_ref u on u.to_id = t.id and"
               " u.path = 'parent' join resource y on y.id = u.from_id and y.kind = 'org') select id from t)",
               p->f->nparams);
    advance(p);
    return rc;
}

/* An index could give what is compared here, and there is none by itself. */
static void wish(struct parser *p, const struct operand *o, const char *alias)
{
    static const char *const have[] = {"r.id", "r.code", "r.name", "r.num", "r.updated_us"};
    if (!p->f->wish || !o->plain || o->organisation || strcmp(alias, "r") != 0) return;
    const struct field *f = o->field;
    if (f && (f->index || f->unique) && kind_field(p->f->kd, f->name) == f) return;
    for (size_t i = 0; i < sizeof have / sizeof *have; i++)
        if (strcmp(o->sql, have[i]) == 0) return;
    p->f->wish(p->f->wish_ctx, str_of(o->sql));
}

static int condition(struct parser *p, const struct kind *kd, struct str path, const char *alias)
{
    struct operand *o = arena_alloc(p->f->a, sizeof *o);
    struct str rest;
    if (!o) return nomem(p->e);
    int rc = resolve(p, kd, path, alias, o, &rest);
    if (rc) return rc;
    if (rest.p) return through_ref(p, o, rest);
    if (o->organisation && keyword(p, "under")) return org_under(p, o);
    bool not_in = keyword(p, "not");
    if (not_in) advance(p);
    if (!not_in && (keyword(p, "in") || (p->token == T_OP && !strchr("!~", p->value.p[0])))) wish(p, o, alias);
    if (keyword(p, "in")) return in_list(p, path, o, not_in);
    if (not_in || p->token != T_OP)
        return fault(p, "one of = != < <= > >= ~ in is expected", "此处应为 = != < <= > >= ~ in 之一");
    struct str op = p->value;
    advance(p);
    if ((rc = need_value(p))) return rc;
    if (keyword(p, "null")) return null_test(p, o, op);
    if (o->type == FIELD_REF) return ref_compare(p, o, op);
    return str_is(op, "~") ? contains(p, o) : compare(p, path, o, op);
}

/* ------------------------------------------------------------------ the expression */

static int parse_or(struct parser *p);

static int parse_not(struct parser *p)
{
    while (keyword(p, "not")) {
        buf_z(&p->f->sql, "not ");
        advance(p);
    }
    if (p->token == T_OPEN) {
        advance(p);
        int rc = parse_or(p);
        if (rc) return rc;
        if (p->token != T_CLOSE) return fault(p, "')' is missing", "缺少 )");
        advance(p);
        return 0;
    }
    if (p->token != T_WORD)
        return fault(p, "a field is expected; write for example name ~ 'pump'", "此处应为字段；例如 name ~ '泵'");
    struct str path = p->value;
    advance(p);
    buf_z(&p->f->sql, "(");
    int rc = condition(p, p->f->kd, path, "r");
    buf_z(&p->f->sql, ")");
    return rc;
}

static int parse_and(struct parser *p)
{
    int rc = parse_not(p);
    while (!rc && keyword(p, "and")) {
        advance(p);
        buf_z(&p->f->sql, " and ");
        rc = parse_not(p);
    }
    return rc;
}

static int parse_or(struct parser *p)
{
    if (++p->depth > DEPTH_MAX) return error_set(p->e, ERR_TOO_LARGE, "filter", "is nested too deep", "嵌套过深");
    buf_z(&p->f->sql, "(");
    int rc = parse_and(p);
    while (!rc && keyword(p, "or")) {
        advance(p);
        buf_z(&p->f->sql, " or ");
        rc = parse_and(p);
    }
    buf_z(&p->f->sql, ")");
    p->depth--;
    return rc;
}

int filter_compile(struct filter *f, struct str text, struct error *e)
{
    if (text.n > FILTER_TEXT_MAX)
        return error_set(e, ERR_TOO_LARGE, "filter", "is longer than %d bytes", "超过 %d 字节", FILTER_TEXT_MAX);
    struct parser p = {.f = f, .text = text, .e = e};
    advance(&p);
    int rc = parse_or(&p);
    if (!rc && p.token != T_END) rc = fault(&p, "'and', 'or' or the end is expected", "此处应为 and、or 或结束");
    if (!rc && f->sql.err) rc = error_set(e, f->sql.err, "filter", "is too large", "过大");
    return rc;
}

/* ------------------------------------------------------------------ sorting */

static int sort_key(struct parser *p, struct str text, struct sort_key *k, struct error *e)
{
    struct operand *o = arena_alloc(p->f->a, sizeof *o);
    struct str rest, key = text;
    if (!o) return nomem(e);
    k->down = key.n && key.p[0] == '-';
    key = str_trim(str_sub(key, k->down || (key.n && key.p[0] == '+') ? 1 : 0, key.n));
    int rc = resolve(p, p->f->kd, key, "r", o, &rest);
    if (rc || rest.p) {
        if (e && rc == ERR_INVALID) str_to_cstr(STR("sort"), e->where, sizeof e->where);
        return rc ? rc : unknown(p, p->f->kd, key, "sort");
    }
    bool ref = o->type == FIELD_REF;
    k->nullable = o->field || str_starts(key, STR("labels."));
    k->type = o->type == FIELD_INTEGER || o->column_time ? FILTER_INT : o->numeric ? FILTER_DOUBLE : FILTER_TEXT;
    if (o->field && k->type == FILTER_INT) k->type = FILTER_DOUBLE; /* fields compare as doubles */
    k->sql = ref ? arena_printf(p->f->a, "(select x.code from resource x where x.id = %s)", o->sql)
                 : arena_strdup(p->f->a, str_of(o->sql));
    return k->sql ? 0 : nomem(e);
}

int filter_sort(struct filter *f, struct str sort, struct sort_key keys[SORT_KEYS], size_t *ret_n, struct error *e)
{
    struct parser p = {.f = f, .e = e};
    bool by_code = false, by_id = false;
    size_t n = 0;
    while (sort.p) {
        struct str key = str_trim(str_cut(&sort, ','));
        if (!key.n) continue;
        if (n == 4) return error_set(e, ERR_INVALID, "sort", "has more than 4 keys", "排序字段超过 4 个");
        int rc = sort_key(&p, key, &keys[n], e);
        if (rc) return rc;
        by_code = by_code || strcmp(keys[n].sql, "r.code") == 0;
        by_id = by_id || strcmp(keys[n].sql, "r.id") == 0;
        n++;
    }
    /* The rest in the direction of the last key, so that one index can give the whole order. */
    bool down = n && keys[n - 1].down;
    if (!by_code && !by_id) keys[n++] = (struct sort_key){"r.code", down, false, FILTER_TEXT};
    if (!by_id) keys[n++] = (struct sort_key){f->dead ? "r.id" : "r.org", down, false, FILTER_TEXT};
    *ret_n = n;
    return 0;
}
