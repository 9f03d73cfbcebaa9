/* list_filter_field.c - how fields become SQL: the expression that compares, sorts and indexes them, the
 * parameter that goes with it, and binding. One place, so that filters find the indices. Pure. */
#include "core/resource/list_filter_int.h"
#include <math.h>
#include "base/mem.h"
#include "base/time.h"

static int nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ------------------------------------------------------------------ parameters */

int filter_init(struct filter *f, struct arena *a, const struct kind *kd, struct error *e)
{
    f->a = a;
    f->kd = kd;
    f->nparams = 0;
    buf_init(&f->sql, 8 << 20);
    f->params = arena_alloc(a, FILTER_PARAMS_MAX * sizeof *f->params);
    return f->params ? 0 : nomem(e);
}

void filter_fini(struct filter *f)
{
    buf_fini(&f->sql);
}

int filter_param_add(struct filter *f, struct filter_param p, struct error *e)
{
    if (f->nparams == FILTER_PARAMS_MAX)
        return error_set(e, ERR_TOO_LARGE, "filter", "has more than %d values", "超过 %d 个值", FILTER_PARAMS_MAX);
    f->params[f->nparams++] = p;
    buf_printf(&f->sql, "$%zu", f->nparams);
    return 0;
}

void filter_bind_one(struct sql_stmt *s, int i, const struct filter_param *p)
{
    if (p->type == FILTER_TEXT)
        sql_bind_str(s, i, p->s);
    else if (p->type == FILTER_INT)
        sql_bind_i64(s, i, p->i);
    else
        sql_bind_double(s, i, p->d);
}

void filter_bind(const struct filter *f, struct sql_stmt *s)
{
    for (size_t i = 0; i < f->nparams; i++) filter_bind_one(s, (int)i + 1, &f->params[i]);
}

struct str like_pattern(struct arena *a, struct str text)
{
    struct buf b;
    buf_init(&b, text.n * 2 + 2);
    buf_u8(&b, '%');
    for (size_t i = 0; i < text.n; i++) {
        if (strchr("%_\\", text.p[i]) && text.p[i]) buf_u8(&b, '\\');
        buf_u8(&b, (uint8_t)text.p[i]);
    }
    buf_u8(&b, '%');
    struct str s = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

/* ------------------------------------------------------------------ expressions of fields */

static void json_steps(struct buf *out, const char *alias, struct str path, const char *last)
{
    buf_printf(out, "%s%sspec", alias, *alias ? "." : "");
    while (path.p) {
        struct str part = str_cut(&path, '.');
        buf_printf(out, " %s '%.*s'", path.p ? "->" : last, STR_ARG(part));
    }
}

/* Durations are stored as people wrote them ("500ms", "5m") and compared in microseconds: the number
 * before the unit times the unit. */
static void duration_expression(struct buf *out, const char *alias, struct str path)
{
    buf_z(out, "(cast(rtrim(");
    json_steps(out, alias, path, "->>");
    buf_z(out, ", 'umshdw') as double precision) * case replace(");
    json_steps(out, alias, path, "->>");
    buf_z(out, ", rtrim(");
    json_steps(out, alias, path, "->>");
    buf_z(out,
          ", 'umshdw'), '') when 'us' then 1.0 when 'ms' then 1000.0 when 's' then 1000000.0 when 'm' then 60000000.0 "
          "when 'h' then 3600000000.0 when 'd' then 86400000000.0 when 'w' then 604800000000.0 end)");
}

void field_expression(struct buf *out, const char *alias, struct str path, const struct field *f)
{
    switch (f->type) {
    case FIELD_INTEGER:
    case FIELD_NUMBER:
        buf_z(out, "cast(");
        json_steps(out, alias, path, "->>");
        buf_z(out, " as double precision)");
        break;
    case FIELD_BOOLEAN:
    case FIELD_OBJECT:
    case FIELD_ARRAY:
    case FIELD_JSON:
        buf_z(out, "cast(");
        json_steps(out, alias, path, "->");
        buf_z(out, " as text)");
        break;
    case FIELD_DURATION: duration_expression(out, alias, path); break;
    case FIELD_TIME: /* without the Z, fractions sort rightly */
        buf_z(out, "replace(");
        json_steps(out, alias, path, "->>");
        buf_z(out, ", 'Z', '')");
        break;
    default:
        buf_z(out, "(");
        json_steps(out, alias, path, "->>");
        buf_z(out, ")");
    }
}

struct filter_param text_param(struct str s)
{
    return (struct filter_param){.type = FILTER_TEXT, .s = s};
}

int time_param(struct arena *a, int64_t us, struct filter_param *ret, struct error *e)
{
    char text[TIME_TEXT_MAX];
    struct str s = str_of(time_format(us, text));
    *ret = text_param(arena_str(a, str_sub(s, 0, s.n - 1)));
    return ret->s.p ? 0 : nomem(e);
}

int field_param(const struct field *f, struct arena *a, const struct json *v, struct filter_param *ret, struct error *e)
{
    int64_t us;
    switch (f->type) {
    case FIELD_INTEGER:
    case FIELD_NUMBER: *ret = (struct filter_param){.type = FILTER_DOUBLE, .d = json_double(v, NAN)}; return 0;
    case FIELD_BOOLEAN: *ret = text_param(json_bool(v, false) ? STR("true") : STR("false")); return 0;
    case FIELD_DURATION:
        if (duration_parse(json_str(v, STR("")), &us, e)) return ERR_INVALID;
        *ret = (struct filter_param){.type = FILTER_DOUBLE, .d = (double)us};
        return 0;
    case FIELD_TIME:
        if (time_parse(json_str(v, STR("")), &us, e)) return ERR_INVALID;
        return time_param(a, us, ret, e);
    default: *ret = text_param(json_str(v, STR(""))); return 0;
    }
}
