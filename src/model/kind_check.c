/* kind_check.c - checking a spec against its kind and completing it.
 *
 * One function per field type, in a table. The completed value is always built of fresh nodes in the
 * order of the schema, so that equal specs have equal text. Faults are collected and the walk goes on;
 * only running out of memory and errors of the reference callback that are no judgement stop it. */
#include <math.h>
#include "base/limits.h"
#include "base/time.h"
#include "base/utf8.h"
#include "model/kind_int.h"

struct check {
    struct arena *a;
    kind_ref_fn *ref;
    void *ctx;
    struct error *errs;
    size_t max, n;
    struct error first;
    int stop; /* not about the input: out of memory, I/O */
    char path[ERROR_WHERE_MAX];
    size_t len;
    const char *root; /* where = root + path: "spec." */
};

/* ------------------------------------------------------------------ faults and paths */

static void note(struct check *c, struct error *e)
{
    if (c->n == 0) c->first = *e;
    if (c->n < c->max) c->errs[c->n] = *e;
    c->n++;
}

#define FAULT(c, en, zh, ...) \
    do { \
        struct error fault_ = {0}; \
        char where_[ERROR_WHERE_MAX]; \
        place(c, where_); \
        (void)error_set(&fault_, ERR_INVALID, where_, en, zh, ##__VA_ARGS__); \
        note(c, &fault_); \
    } while (0)

static void place(const struct check *c, char out[ERROR_WHERE_MAX])
{
    snprintf(out, ERROR_WHERE_MAX, "%s%s", c->root, c->path);
}

static size_t enter(struct check *c, struct str name)
{
    size_t old = c->len;
    int n = snprintf(c->path + old, sizeof c->path - old, "%s%.*s", old ? "." : "", STR_ARG(name));
    c->len = n < 0 ? old : old + (size_t)n < sizeof c->path ? old + (size_t)n : sizeof c->path - 1;
    return old;
}

static size_t enter_at(struct check *c, size_t i)
{
    size_t old = c->len;
    int n = snprintf(c->path + old, sizeof c->path - old, "[%zu]", i);
    c->len = n < 0 ? old : old + (size_t)n < sizeof c->path ? old + (size_t)n : sizeof c->path - 1;
    return old;
}

static void leave(struct check *c, size_t old)
{
    c->len = old;
    c->path[old] = 0;
}

/* The value as people wrote it, shortened. */
static struct str shown(const struct json *v, char out[64])
{
    struct buf b;
    buf_init(&b, LIMIT_SPEC);
    if (v->type == JSON_STRING)
        buf_str(&b, str_sub(v->s, 0, 200));
    else if (v->type == JSON_OBJECT)
        buf_z(&b, "{…}");
    else if (v->type == JSON_ARRAY)
        buf_z(&b, "[…]");
    else
        json_write(&b, v);
    struct str s = buf_view(&b);
    size_t n = utf8_floor(s, s.n < 56 ? s.n : 56);
    if (n) memcpy(out, s.p, n);
    if (n < s.n) memcpy(out + n, "…", 3), n += 3;
    buf_fini(&b);
    return str_make(out, n);
}

static struct json *made(struct check *c, struct json *v)
{
    if (!v) c->stop = ERR_NOMEM;
    return v;
}

static struct json *wrong_type(struct check *c, const struct json *v, const char *en, const char *zh)
{
    char text[64];
    struct str s = shown(v, text);
    FAULT(c, "'%.*s' is not %s%.0s", "“%.*s”%.0s不是%s", STR_ARG(s), en, zh);
    return NULL;
}

/* ------------------------------------------------------------------ one function per type */

static struct json *check_string(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type != JSON_STRING) return wrong_type(c, v, "a text; put it in quotes", "文本；请加引号");
    size_t n = utf8_len(v->s);
    const char *example = "";
    if (f->has_min && (double)n < f->min)
        FAULT(c, "must have at least %.0f characters", "至少需要 %.0f 个字符", f->min);
    else if (f->has_max && (double)n > f->max)
        FAULT(c, "must have at most %.0f characters", "最多 %.0f 个字符", f->max);
    else if (f->regex && v->s.n && !regex_match(f->regex, v->s))
        FAULT(c, "'%.*s' does not match %.*s", "“%.*s”不符合 %.*s", STR_ARG(str_sub(v->s, 0, 60)), STR_ARG(f->pattern));
    else if (f->format.p && v->s.n && !format_check(f->format, v->s, &example))
        FAULT(c, "'%.*s' is not of the form %.*s; write for example %s", "“%.*s”不是合法的 %.*s；可写为 %s",
              STR_ARG(str_sub(v->s, 0, 60)), STR_ARG(f->format), example);
    else
        return made(c, json_copy(c->a, v));
    return NULL;
}

static bool in_range(struct check *c, const struct field *f, double d)
{
    struct str u = f->unit.p ? f->unit : STR("");
    if (f->has_min && f->has_max && (d < f->min || d > f->max))
        FAULT(c, "%.10g is outside %.10g … %.10g %.*s", "%.10g 超出范围 %.10g … %.10g %.*s", d, f->min, f->max,
              STR_ARG(u));
    else if (f->has_min && d < f->min)
        FAULT(c, "%.10g is less than %.10g %.*s", "%.10g 小于下限 %.10g %.*s", d, f->min, STR_ARG(u));
    else if (f->has_max && d > f->max)
        FAULT(c, "%.10g is more than %.10g %.*s", "%.10g 大于上限 %.10g %.*s", d, f->max, STR_ARG(u));
    else
        return true;
    return false;
}

static struct json *check_integer(struct check *c, const struct field *f, const struct json *v)
{
    bool whole = v->type == JSON_INT || (v->type == JSON_DOUBLE && fabs(v->d) < 9e15 && v->d == floor(v->d));
    if (!whole) return wrong_type(c, v, "a whole number; write for example 12", "整数；例如 12");
    int64_t i = v->type == JSON_INT ? v->i : (int64_t)v->d;
    return in_range(c, f, (double)i) ? made(c, json_new_i64(c->a, i)) : NULL;
}

static struct json *check_number(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type != JSON_INT && v->type != JSON_DOUBLE)
        return wrong_type(c, v, "a number; write for example 12.5", "数字；例如 12.5");
    return in_range(c, f, json_double(v, 0)) ? made(c, json_copy(c->a, v)) : NULL;
}

static struct json *check_boolean(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type != JSON_BOOL) return wrong_type(c, v, "true or false", " true 或 false");
    return made(c, json_new_bool(c->a, v->b));
}

static struct str values_text(const struct field *f, char *out, size_t cap)
{
    size_t n = 0;
    for
        json_each (it, f->values) {
            struct str s = json_str(json_get(it, "value"), STR(""));
            if (n + s.n + 8 > cap) {
                n += (size_t)snprintf(out + n, cap - n, " …");
                break;
            }
            n += (size_t)snprintf(out + n, cap - n, "%s%.*s", n ? ", " : "", STR_ARG(s));
        }
    return str_make(out, n);
}

static struct json *check_enum(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type == JSON_STRING)
        for
            json_each (it, f->values)
                if (str_eq(json_str(json_get(it, "value"), STR_NULL), v->s)) return made(c, json_copy(c->a, v));
    char text[64], all[160];
    struct str s = shown(v, text), list = values_text(f, all, sizeof all);
    FAULT(c, "'%.*s' is not one of %.*s", "“%.*s”不在可选值之中：%.*s", STR_ARG(s), STR_ARG(list));
    return NULL;
}

static struct json *check_ref(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type != JSON_STRING || !v->s.n || v->s.n > LIMIT_CODE)
        return wrong_type(c, v, "the code or id of a resource", "资源的编码或标识");
    if (c->ref) {
        struct error e = {0};
        int rc = c->ref(c->ctx, f, str_make(c->path, c->len), v->s, &e);
        if (rc == ERR_INVALID || rc == ERR_NOT_FOUND) {
            place(c, e.where);
            note(c, &e);
            return NULL;
        }
        if (rc) {
            c->first = e;
            c->stop = rc;
            return NULL;
        }
    }
    return made(c, json_copy(c->a, v));
}

static struct json *check_file(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type != JSON_STRING || !v->s.n || v->s.n > 64)
        return wrong_type(c, v, "the id of an attachment; upload the file first", "附件的标识；请先上传文件");
    return made(c, json_copy(c->a, v));
}

static struct json *check_duration(struct check *c, const struct field *f, const struct json *v)
{
    int64_t us, ms;
    struct str s = str_trim(json_str(v, STR_NULL));
    if (!s.p || duration_parse(s, &us, NULL))
        return wrong_type(c, v, "a duration; write for example 500ms, 10s or 5m", "时长；例如 500ms、10s 或 5m");
    if ((f->has_min && (double)us < f->min) || (f->has_max && (double)us > f->max)) {
        FAULT(c, "%.*s is outside the allowed %g s … %g s", "%.*s 超出允许范围 %g s … %g s", STR_ARG(s),
              f->has_min ? f->min / 1e6 : 0.0, f->has_max ? f->max / 1e6 : INFINITY);
        return NULL;
    }
    struct str text = str_to_i64(s, &ms) == 0 ? str_of(arena_printf(c->a, "%.*sms", STR_ARG(s))) : arena_str(c->a, s);
    return made(c, text.p ? json_new_str(c->a, text) : NULL);
}

static struct json *check_time(struct check *c, const struct field *f, const struct json *v)
{
    int64_t us;
    if (v->type != JSON_STRING || time_parse(v->s, &us, NULL))
        return wrong_type(c, v, "a time; write for example 2026-11-22T08:00:00Z", "时间；例如 2026-11-22T08:00:00Z");
    char text[TIME_TEXT_MAX];
    struct str own = arena_str(c->a, str_of(time_format(us, text)));
    return made(c, own.p ? json_new_str(c->a, own) : NULL);
}

static struct json *check_any(struct check *c, const struct field *f, const struct json *v)
{
    return made(c, json_copy(c->a, v));
}

static struct json *check_array(struct check *c, const struct field *f, const struct json *v);
static struct json *check_object(struct check *c, const struct field *f, const struct json *v);

typedef struct json *check_fn(struct check *c, const struct field *f, const struct json *v);
static check_fn *const checks[] = {
    [FIELD_STRING] = check_string,     [FIELD_INTEGER] = check_integer, [FIELD_NUMBER] = check_number,
    [FIELD_BOOLEAN] = check_boolean,   [FIELD_ENUM] = check_enum,       [FIELD_REF] = check_ref,
    [FIELD_DURATION] = check_duration, [FIELD_TIME] = check_time,       [FIELD_SECRET] = check_string,
    [FIELD_OBJECT] = check_object,     [FIELD_ARRAY] = check_array,     [FIELD_JSON] = check_any,
    [FIELD_POINT] = check_string,      [FIELD_FILE] = check_file,
};

static struct json *check_value(struct check *c, const struct field *f, const struct json *v)
{
    return c->stop ? NULL : checks[f->type](c, f, v);
}

/* ------------------------------------------------------------------ arrays and objects */

static struct json *check_array(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type != JSON_ARRAY) return wrong_type(c, v, "a list", "列表");
    size_t n = json_count(v), i = 0, faults = c->n;
    if (f->has_min && (double)n < f->min) FAULT(c, "needs at least %.0f entries", "至少需要 %.0f 项", f->min);
    if (f->has_max && (double)n > f->max) FAULT(c, "may have at most %.0f entries", "最多 %.0f 项", f->max);
    struct json *out = made(c, json_new_array(c->a));
    for
        json_each (it, v) {
            size_t old = enter_at(c, i++);
            struct json *done = NULL;
            if (it->type == JSON_NULL)
                FAULT(c, "must not be null", "不能为 null");
            else
                done = check_value(c, f->fields, it);
            if (done && out) json_push(out, done);
            leave(c, old);
            if (c->stop) return NULL;
        }
    return c->n == faults ? out : NULL;
}

static const struct json *effective(const struct field *fields, size_t n, const struct json *obj, struct str name)
{
    const struct json *v = json_get_str(obj, name);
    if (v && v->type != JSON_NULL) return v;
    for (size_t i = 0; i < n; i++)
        if (str_eq(fields[i].name, name)) return fields[i].def;
    return NULL;
}

bool field_shown(const struct field *f, const struct field *siblings, size_t n, const struct json *obj)
{
    if (!f->show_if_field.p) return true;
    const struct json *v = effective(siblings, n, obj, f->show_if_field);
    for
        json_each (it, f->show_if_in)
            if (v && json_equal(it, v)) return true;
    return false;
}

static void check_unknown(struct check *c, const struct field *fields, size_t n, const struct json *m)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(fields[i].name, m->key)) return;
    const struct field *near = field_nearest(fields, n, m->key);
    size_t old = enter(c, m->key);
    if (near)
        FAULT(c, "there is no field '%.*s'; did you mean '%.*s'?", "没有字段“%.*s”；是否想写“%.*s”？", STR_ARG(m->key),
              STR_ARG(near->name));
    else
        FAULT(c, "there is no field '%.*s'", "没有字段“%.*s”", STR_ARG(m->key));
    leave(c, old);
}

/* An object that is absent still gets the defaults of its members, when any has one. */
static struct json *absent(struct check *c, const struct field *f, bool visible)
{
    if (visible && f->required && !f->def) {
        FAULT(c, "is required", "必填");
        return NULL;
    }
    if (!visible) return NULL;
    if (f->def) return made(c, json_copy(c->a, f->def));
    return NULL;
}

static struct json *check_members(struct check *c, const struct field *fields, size_t n, const struct json *v)
{
    struct json *out = made(c, json_new_object(c->a));
    for
        json_each (m, v) check_unknown(c, fields, n, m);
    for (size_t i = 0; out && !c->stop && i < n; i++) {
        const struct field *f = &fields[i];
        const struct json *given = json_get_str(v, f->name);
        size_t old = enter(c, f->name);
        struct json *done;
        if (given && given->type != JSON_NULL)
            done = check_value(c, f, given);
        else
            done = absent(c, f, field_shown(f, fields, n, v));
        leave(c, old);
        if (done) made(c, json_set(out, c->a, f->name, done));
    }
    return c->stop ? NULL : out;
}

static struct json *check_object(struct check *c, const struct field *f, const struct json *v)
{
    if (v->type != JSON_OBJECT) return wrong_type(c, v, "an object {…}", "对象 {…}");
    size_t faults = c->n;
    struct json *out = check_members(c, f->fields, f->nfields, v);
    return c->n == faults ? out : NULL;
}

/* ------------------------------------------------------------------ entry points */

static int outcome(const struct check *c, struct error *e)
{
    if (c->stop == ERR_NOMEM) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if ((c->stop || c->n) && e) *e = c->first;
    return c->stop ? c->stop : c->n ? ERR_INVALID : 0;
}

int kind_check(const struct kind *k, struct arena *a, const struct json *spec, struct json **ret, kind_ref_fn *ref,
               void *ctx, struct error *errs, size_t max, size_t *ret_n, struct error *e)
{
    static const struct json empty = {.type = JSON_OBJECT};
    struct check c = {.a = a, .ref = ref, .ctx = ctx, .errs = errs, .max = errs ? max : 0, .root = "spec."};
    if (!spec || spec->type == JSON_NULL) spec = &empty;
    struct json *out = NULL;
    if (spec->type == JSON_OBJECT) {
        out = check_members(&c, k->fields, k->nfields, spec);
    } else {
        struct error fault = {0};
        (void)error_set(&fault, ERR_INVALID, "spec", "must be an object {…}", "应为对象 {…}");
        note(&c, &fault);
    }
    if (ret_n) *ret_n = c.n < c.max ? c.n : c.max;
    int rc = outcome(&c, e);
    if (!rc) *ret = out;
    return rc;
}

int field_check(const struct field *f, struct arena *a, const struct json *v, const char *where, struct json **ret,
                struct error *e)
{
    struct check c = {.a = a, .root = where};
    struct json *out = check_value(&c, f, v);
    int rc = outcome(&c, e);
    if (!rc) *ret = out;
    return rc;
}
