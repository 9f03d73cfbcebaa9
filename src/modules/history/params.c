/* params.c - see params.h. */
#include "modules/history/params.h"
#include <stdio.h>
#include "base/decimal.h"

static struct str number_text(struct arena *a, const struct json *v)
{
    char t[DECIMAL_MAX];
    size_t n = v->type == JSON_INT ? decimal_i64(t, v->i) : decimal_double(t, v->d);
    return arena_str(a, str_make(t, n));
}

static struct str scalar_text(struct arena *a, const struct json *v)
{
    switch (v->type) {
    case JSON_STRING: return v->s;
    case JSON_BOOL: return v->b ? STR("true") : STR("false");
    case JSON_INT:
    case JSON_DOUBLE: return number_text(a, v);
    default: return STR_NULL;
    }
}

static struct str list_text(struct arena *a, const struct json *v)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for
        json_each (it, v) {
            if (b.n) buf_u8(&b, ',');
            buf_str(&b, scalar_text(a, it));
        }
    struct str s = arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

struct str params_text(const struct params *p, const char *name)
{
    if (!p->body) return p->req ? http_query(p->req, name) : STR_NULL;
    const struct json *v = json_get(p->body, name);
    if (!v) return STR_NULL;
    return v->type == JSON_ARRAY ? list_text(p->a, v) : scalar_text(p->a, v);
}

int params_i64(const struct params *p, const char *name, int64_t def, int64_t lo, int64_t hi, int64_t *ret,
               struct error *e)
{
    struct str text = params_text(p, name);
    int64_t v = def;
    if (text.n && (str_to_i64(text, &v) || v < lo || v > hi))
        return error_set(e, ERR_INVALID, name, "must be a whole number from %lld to %lld; it is '%.*s'",
                         "应为 %lld 到 %lld 的整数；现为 '%.*s'", (long long)lo, (long long)hi,
                         STR_ARG(str_sub(text, 0, 40)));
    *ret = v;
    return 0;
}

int params_double(const struct params *p, const char *name, double def, double lo, double hi, double *ret,
                  struct error *e)
{
    struct str text = params_text(p, name);
    double v = def;
    if (text.n && (str_to_double(text, &v) || v < lo || v > hi))
        return error_set(e, ERR_INVALID, name, "must be a number from %g to %g; it is '%.*s'",
                         "应为 %g 到 %g 的数；现为 '%.*s'", lo, hi, STR_ARG(str_sub(text, 0, 40)));
    *ret = v;
    return 0;
}

int params_bool(const struct params *p, const char *name, bool def, bool *ret, struct error *e)
{
    struct str text = params_text(p, name);
    bool yes = str_is(text, "true") || str_is(text, "1"), no = str_is(text, "false") || str_is(text, "0");
    if (text.n && !yes && !no)
        return error_set(e, ERR_INVALID, name, "must be true or false; it is '%.*s'", "应为 true 或 false；现为 '%.*s'",
                         STR_ARG(str_sub(text, 0, 40)));
    *ret = text.n ? yes : def;
    return 0;
}

int params_word(const struct params *p, const char *name, const char *const *words, size_t *ret, struct error *e)
{
    struct str text = params_text(p, name);
    char all[160];
    size_t n = 0;
    *ret = 0;
    if (!text.n) return 0;
    for (size_t i = 0; words[i]; i++) {
        if (str_is(text, words[i])) {
            *ret = i;
            return 0;
        }
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", words[i]);
    }
    return error_set(e, ERR_INVALID, name, "'%.*s' is not known; write one of: %s", "'%.*s' 无效；可选值：%s",
                     STR_ARG(str_sub(text, 0, 40)), all);
}
