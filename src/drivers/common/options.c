/* options.c - see options.h. One function per option type reads a JSON value or the text of a default
 * into a struct option_value; the limits of the row are read by the same functions. */
#include <stdarg.h>
#include <stdio.h>
#include "drivers/common/options.h"
#include "base/time.h"

struct collector {
    struct error *errs, *first;
    size_t max, n;
};

__attribute__((format(printf, 3, 5))) __attribute__((format(printf, 4, 5))) static int
fault(struct collector *c, const char *name, const char *en, const char *zh, ...)
{
    struct error e = {.code = ERR_INVALID};
    va_list ap;
    va_start(ap, zh);
    vsnprintf(e.text, sizeof e.text, en, ap);
    va_end(ap);
    va_start(ap, zh);
    vsnprintf(e.text_zh, sizeof e.text_zh, zh, ap);
    va_end(ap);
    snprintf(e.where, sizeof e.where, "%s", name);
    if (c->n == 0 && c->first) *c->first = e;
    if (c->n < c->max) c->errs[c->n] = e;
    c->n++;
    return ERR_INVALID;
}

/* ---- texts of tables (defaults, limits) to values ---- */

static int text_value(const struct option *o, const char *text, struct option_value *ret)
{
    struct str s = str_of(text);
    *ret = (struct option_value){.set = true, .s = text};
    switch (o->type) {
    case OPTION_INTEGER: return str_to_i64(s, &ret->i);
    case OPTION_NUMBER: return str_to_double(s, &ret->d);
    case OPTION_BOOLEAN: ret->i = str_is(s, "true"); return 0;
    case OPTION_DURATION: return duration_parse(s, &ret->i, NULL);
    case OPTION_ENUM:
        for (const struct option_choice *c = o->choices; c->value; c++, ret->i++)
            if (str_is(s, c->value)) return 0;
        return ERR_INVALID;
    case OPTION_STRING:
    case OPTION_SECRET: return 0;
    }
    return ERR_INVALID;
}

/* ---- JSON to values ---- */

static int read_number(struct collector *c, const struct option *o, const struct json *v, struct option_value *r)
{
    if (v->type != JSON_INT && v->type != JSON_DOUBLE)
        return fault(c, o->name, "'%s' must be a number, for example %s", "“%s”应为数字，例如 %s", o->name,
                     o->def ? o->def : "1");
    r->d = json_double(v, 0);
    if (o->type == OPTION_NUMBER) return 0;
    if (v->type != JSON_INT)
        return fault(c, o->name, "'%s' must be a whole number, for example %s", "“%s”应为整数，例如 %s", o->name,
                     o->def ? o->def : "1");
    r->i = v->i;
    return 0;
}

static int read_duration(struct collector *c, const struct option *o, const struct json *v, struct option_value *r)
{
    struct str s = json_str(v, STR_NULL);
    if (v->type == JSON_INT && v->i >= 0 && v->i <= INT64_MAX / 1000) {
        r->i = v->i * 1000;
        return 0;
    }
    if (s.p && duration_parse(s, &r->i, NULL) == 0) return 0;
    return fault(c, o->name, "'%s' must be a duration such as \"500ms\", \"10s\" or \"5m\"",
                 "“%s”应为时长，例如 \"500ms\"、\"10s\" 或 \"5m\"", o->name);
}

static int read_bool(struct collector *c, const struct option *o, const struct json *v, struct option_value *r)
{
    if (v->type != JSON_BOOL) return fault(c, o->name, "'%s' must be true or false", "“%s”应为 true 或 false", o->name);
    r->i = v->b;
    return 0;
}

static int read_enum(struct collector *c, const struct option *o, const struct json *v, struct option_value *r)
{
    struct str s = json_str(v, STR_NULL);
    char all[200] = "";
    size_t at = 0;
    r->i = 0;
    for (const struct option_choice *k = o->choices; k->value; k++, r->i++) {
        r->s = k->value;
        if (s.p && str_is(s, k->value)) return 0;
        int n = snprintf(all + at, sizeof all - at, "%s%s", at ? ", " : "", k->value);
        if (n > 0 && (size_t)n < sizeof all - at) at += (size_t)n;
    }
    return fault(c, o->name, "'%s' must be one of: %s", "“%s”应为以下之一：%s", o->name, all);
}

static int read_text(struct collector *c, const struct option *o, struct arena *a, const struct json *v,
                     struct option_value *r)
{
    struct str s = json_str(v, STR_NULL);
    if (v->type != JSON_STRING) return fault(c, o->name, "'%s' must be a text", "“%s”应为文本", o->name);
    if (s.n && memchr(s.p, 0, s.n)) return fault(c, o->name, "'%s' holds a zero byte", "“%s”含有零字节", o->name);
    r->s = arena_strdup(a, s);
    r->i = (int64_t)s.n; /* for the limits below */
    return r->s ? 0 : ERR_NOMEM;
}

static double measure(const struct option *o, const struct option_value *v)
{
    return o->type == OPTION_NUMBER ? v->d : (double)v->i;
}

/* Limits of texts count bytes and are written as plain numbers. */
static bool limit_value(const struct option *o, const char *text, double *ret)
{
    struct option as = *o;
    struct option_value v;
    if (o->type == OPTION_STRING || o->type == OPTION_SECRET) as.type = OPTION_INTEGER;
    if (text == NULL || text_value(&as, text, &v)) return false;
    *ret = measure(&as, &v);
    return true;
}

static int check_limits(struct collector *c, const struct option *o, const struct option_value *v)
{
    bool text = o->type == OPTION_STRING || o->type == OPTION_SECRET;
    double lo, hi, x = measure(o, v);
    if (o->type == OPTION_ENUM || o->type == OPTION_BOOLEAN) return 0;
    if (limit_value(o, o->min, &lo) && x < lo)
        return text ? fault(c, o->name, "'%s' needs at least %s bytes", "“%s”至少 %s 字节", o->name, o->min)
                    : fault(c, o->name, "'%s' must be at least %s", "“%s”不得小于 %s", o->name, o->min);
    if (limit_value(o, o->max, &hi) && x > hi)
        return text ? fault(c, o->name, "'%s' may have at most %s bytes", "“%s”最多 %s 字节", o->name, o->max)
                    : fault(c, o->name, "'%s' must be at most %s", "“%s”不得大于 %s", o->name, o->max);
    return 0;
}

static int read_value(struct collector *c, const struct option *o, struct arena *a, const struct json *v,
                      struct option_value *r)
{
    int rc = ERR_INVALID;
    *r = (struct option_value){.set = true};
    switch (o->type) {
    case OPTION_INTEGER:
    case OPTION_NUMBER: rc = read_number(c, o, v, r); break;
    case OPTION_BOOLEAN: rc = read_bool(c, o, v, r); break;
    case OPTION_DURATION: rc = read_duration(c, o, v, r); break;
    case OPTION_ENUM: rc = read_enum(c, o, v, r); break;
    case OPTION_STRING:
    case OPTION_SECRET: rc = read_text(c, o, a, v, r); break;
    }
    if (rc == 0) rc = check_limits(c, o, r);
    if (rc) r->set = false;
    return rc;
}

/* ---- unknown members ---- */

static size_t distance(struct str a, struct str b)
{
    size_t row[65];
    if (a.n > 64 || b.n > 64) return 99;
    for (size_t j = 0; j <= b.n; j++) row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diag = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t up = row[j], best = diag + (a.p[i - 1] != b.p[j - 1]);
            if (up + 1 < best) best = up + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diag = up;
            row[j] = best;
        }
    }
    return row[b.n];
}

static bool known(const struct option *table, struct str key)
{
    for (const struct option *o = table; o && o->name; o++)
        if (str_is(key, o->name)) return true;
    return false;
}

static void report_unknown(struct collector *c, const struct option *table, struct str key)
{
    const char *near = NULL;
    size_t best = 4;
    char name[ERROR_WHERE_MAX];
    for (const struct option *o = table; o && o->name; o++) {
        size_t d = distance(key, str_of(o->name));
        if (d < best) best = d, near = o->name;
    }
    str_to_cstr(key, name, sizeof name);
    if (near)
        fault(c, name, "there is no option '%s'; did you mean '%s'?", "没有选项“%s”；是否为“%s”？", name, near);
    else
        fault(c, name, "there is no option '%s'", "没有选项“%s”", name);
}

/* ---- the whole ---- */

bool options_shown(const struct options *o, const struct option *row)
{
    struct str rule = str_of(row->show_if);
    char name[64];
    if (row->show_if == NULL) return true;
    if (!str_to_cstr(str_cut(&rule, '='), name, sizeof name)) return true;
    const struct option_value *v = opt_find(o, name);
    if (v == NULL) return false;
    const char *have = v->s ? v->s : v->i ? "true" : "false";
    while (rule.p)
        if (str_is(str_cut(&rule, '|'), have)) return true;
    return false;
}

static int fill(struct collector *c, const struct option *table, struct arena *a, const struct json *obj,
                struct option_value *values)
{
    for (size_t k = 0; table && table[k].name; k++) {
        const struct json *v = json_get(obj, table[k].name);
        values[k] = (struct option_value){0};
        if (v == NULL || v->type == JSON_NULL) {
            if (table[k].def && text_value(&table[k], table[k].def, &values[k])) return ERR_INTERNAL;
        } else if (read_value(c, &table[k], a, v, &values[k]) == ERR_NOMEM) {
            return ERR_NOMEM;
        }
    }
    return 0;
}

static void check_required(struct collector *c, const struct options *o, const struct json *obj)
{
    for (size_t k = 0; o->table && o->table[k].name; k++) {
        const struct option *row = &o->table[k];
        const struct option_value *v = &o->values[k];
        bool given = json_get(obj, row->name) != NULL;
        if (!row->required || given || v->set || !options_shown(o, row)) continue;
        fault(c, row->name, "'%s' (%s) is missing", "缺少“%s”（%s）", row->name, row->en);
    }
}

int options_check(const struct option *table, struct arena *a, const struct json *obj, struct options *ret,
                  struct error *errs, size_t max, size_t *ret_n, struct error *e)
{
    struct collector c = {errs, e, max, 0};
    size_t n = 0;
    while (table && table[n].name) n++;
    struct option_value *values = arena_calloc(a, n + 1, sizeof *values);
    if (values == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    struct options o = {table, values};
    if (obj && obj->type != JSON_OBJECT && obj->type != JSON_NULL) {
        fault(&c, "", "options must be an object, for example {\"host\":\"10.0.0.5\"}",
              "选项应为对象，例如 {\"host\":\"10.0.0.5\"}");
        obj = NULL;
    }
    if (obj && obj->type == JSON_NULL) obj = NULL;
    int rc = fill(&c, table, a, obj, values);
    if (rc) return error_set(e, rc, "", "%s", "%s", error_title(rc));
    check_required(&c, &o, obj);
    for (const struct json *it = obj ? obj->child : NULL; it; it = it->next)
        if (!known(table, it->key)) report_unknown(&c, table, it->key);
    if (ret_n) *ret_n = c.n < max ? c.n : max;
    if (c.n) return ERR_INVALID;
    *ret = o;
    return 0;
}

/* ---- the form ---- */

static const char *const type_names[] = {
    [OPTION_STRING] = "string",   [OPTION_INTEGER] = "integer", [OPTION_NUMBER] = "number",
    [OPTION_BOOLEAN] = "boolean", [OPTION_ENUM] = "enum",       [OPTION_DURATION] = "duration",
    [OPTION_SECRET] = "secret",
};

static void put_texts(struct json_writer *w, const char *key, const char *en, const char *zh)
{
    if (en == NULL) return;
    jw_key(w, str_of(key));
    jw_object(w);
    jw_kz(w, "en", en);
    jw_kz(w, "zh", zh ? zh : en);
    jw_end(w);
}

/* A default or a limit: numbers as numbers, durations and texts as texts. */
static void put_text_value(struct json_writer *w, const char *key, const struct option *o, const char *text, bool limit)
{
    bool textual = o->type == OPTION_STRING || o->type == OPTION_SECRET;
    if (text == NULL) return;
    jw_key(w, str_of(key));
    if (o->type == OPTION_DURATION || o->type == OPTION_ENUM || (textual && !limit))
        jw_str(w, str_of(text));
    else
        jw_raw(w, str_of(text));
}

static void put_choices(struct json_writer *w, const struct option_choice *c)
{
    jw_key(w, STR("values"));
    jw_array(w);
    for (; c->value; c++) {
        jw_object(w);
        jw_kz(w, "value", c->value);
        put_texts(w, "title", c->en, c->zh);
        jw_end(w);
    }
    jw_end(w);
}

static void put_show_if(struct json_writer *w, const char *rule)
{
    struct str s = str_of(rule);
    jw_key(w, STR("show_if"));
    jw_object(w);
    jw_kstr(w, "field", str_cut(&s, '='));
    jw_key(w, STR("in"));
    jw_array(w);
    while (s.p) {
        struct str part = str_cut(&s, '|');
        if (str_is(part, "true") || str_is(part, "false"))
            jw_bool(w, str_is(part, "true"));
        else
            jw_str(w, part);
    }
    jw_end(w);
    jw_end(w);
}

/* Certificates and the like are many lines. */
static bool is_long_text(const struct option *o)
{
    int64_t max;
    return o->type == OPTION_STRING && o->max && str_to_i64(str_of(o->max), &max) == 0 && max >= 4096;
}

static void put_row(struct json_writer *w, const struct option *o)
{
    jw_object(w);
    jw_kz(w, "name", o->name);
    jw_kz(w, "type", type_names[o->type]);
    put_texts(w, "title", o->en, o->zh);
    put_texts(w, "help", o->help_en, o->help_zh);
    if (o->required) jw_kbool(w, "required", true);
    if (is_long_text(o)) jw_kz(w, "format", "multiline");
    put_text_value(w, "default", o, o->def, false);
    put_text_value(w, "min", o, o->min, true);
    put_text_value(w, "max", o, o->max, true);
    if (o->unit) jw_kz(w, "unit", o->unit);
    if (o->type == OPTION_ENUM) put_choices(w, o->choices);
    if (o->show_if) put_show_if(w, o->show_if);
    jw_end(w);
}

void options_json(struct json_writer *w, const struct option *table)
{
    jw_array(w);
    for (const struct option *o = table; o && o->name; o++) put_row(w, o);
    jw_end(w);
}
