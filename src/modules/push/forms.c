/* forms.c - bodies that are no JSON: CSV (a mapping that is made from its header), and InfluxDB's line protocol. */
#include "base/csv.h"
#include "modules/push/mapping.h"
#include "modules/push/push.h"
#include "proto/line_protocol.h"

/* ---- CSV ----
 * One value a line: columns key and value, and perhaps time and quality. Or a column a key, and perhaps one of time. */

static const char *const time_names[] = {"t", "time", "ts", "timestamp", "datetime", "时间", NULL},
                         *const key_names[] = {"key", "tag", "point", "name", "键", "测点", NULL},
                         *const value_names[] = {"v", "value", "值", NULL},
                         *const quality_names[] = {"q", "quality", "质量", NULL};

static struct str column_of(const struct str *cells, size_t n, const char *const *names)
{
    for (const char *const *name = names; *name; name++)
        for (size_t i = 0; i < n; i++)
            if (str_ieq(str_trim(cells[i]), str_of(*name))) return str_trim(cells[i]);
    return STR_NULL;
}

static void set(struct json *o, struct arena *a, const char *key, struct str text)
{
    if (o && text.n) json_set(o, a, str_of(key), json_new_str(a, text));
}

static struct json *csv_spec(struct arena *a, const struct str *cells, size_t n)
{
    struct json *spec = json_new_object(a), *rows = json_new_array(a), *row = json_new_object(a);
    struct str key = column_of(cells, n, key_names), value = column_of(cells, n, value_names);
    set(spec, a, "form", STR("csv"));
    set(spec, a, "time", column_of(cells, n, time_names));
    if (!spec || !rows || !row) return NULL;
    if (key.p && value.p) {
        set(row, a, "key", str_of(arena_printf(a, "{%.*s}", STR_ARG(key))));
        set(row, a, "value", value);
        set(row, a, "quality", column_of(cells, n, quality_names));
        json_push(rows, row);
        json_set(spec, a, STR("rows"), rows);
    } else {
        json_set(spec, a, STR("leaves"), json_new_bool(a, true));
    }
    return spec;
}

/* What a mapping has found, as the values of one device. A value that is wrong refuses all, as in JSON. */
static int one_device(struct arena *a, const struct mapping_result *r, struct pushed **ret, size_t *ret_n,
                      struct error *e)
{
    for (size_t i = 0; i < r->nfaults; i++) {
        char line[40];
        if (r->fault[i].missing) continue;
        if (e) *e = r->fault[i].why;
        snprintf(line, sizeof line, "[%zu].", r->fault[i].record);
        error_prefix(e, line);
        return ERR_INVALID;
    }
    *ret = arena_alloc(a, (r->n + 1) * sizeof **ret);
    if (!*ret) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < r->n; i++) (*ret)[i] = r->v[i].v;
    *ret_n = r->n;
    return 0;
}

int push_decode_csv(struct arena *a, struct str text, struct pushed **ret, size_t *ret_n, struct error *e)
{
    struct csv csv;
    struct str *cells;
    struct mapping *m;
    struct mapping_result r;
    size_t n;
    csv_init(&csv, text);
    int rc = csv_next(&csv, a, &cells, &n, e);
    if (rc <= 0)
        return rc ? rc : error_set(e, ERR_INVALID, "", "there is no line with the names of columns", "缺少列名行");
    struct json *spec = csv_spec(a, cells, n);
    rc = spec ? mapping_compile(spec, &m, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) return rc;
    struct mapping_input in = {.topic = STR(""), .payload = text, .client = STR("me")};
    rc = mapping_apply(m, a, &in, &r, e);
    if (!rc) rc = one_device(a, &r, ret, ret_n, e);
    mapping_free(m);
    return rc;
}

/* ---- line protocol ----
 * The key is measurement.tag-values.field; a field called value stands for itself: "motor,line=1 value=3" is motor.1.
 */

static struct str line_key(struct arena *a, const struct lp_line *l, struct str field)
{
    struct buf b;
    struct str tags = l->tags, key, value;
    buf_init(&b, 400);
    lp_unescape(&b, l->measurement);
    while (lp_tag_next(&tags, &key, &value)) {
        buf_u8(&b, '.');
        lp_unescape(&b, value);
    }
    if (!str_is(field, "value")) {
        buf_u8(&b, '.');
        lp_unescape(&b, field);
    }
    struct str text = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return text;
}

static struct json *line_value(struct arena *a, const struct lp_field *f)
{
    struct buf b;
    struct str text;
    switch (f->type) {
    case LP_FLOAT: return json_new_double(a, f->d);
    case LP_INT: return json_new_i64(a, f->i);
    case LP_UINT: return json_new_double(a, (double)f->u);
    case LP_BOOL: return json_new_bool(a, f->b);
    case LP_STRING: break;
    }
    buf_init(&b, LP_TEXT_MAX + 1);
    lp_unescape_text(&b, f->s);
    text = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return text.p ? json_new_str(a, text) : NULL;
}

static int line_values(struct arena *a, const struct lp_line *l, struct pushed *out, size_t *n, struct error *e)
{
    for (size_t i = 0; i < l->nfields; i++) {
        struct pushed p = {.key = line_key(a, l, l->field[i].key),
                           .v = line_value(a, &l->field[i]),
                           .time_us = l->time_us,
                           .has_time = l->has_time};
        if (!p.v) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        if (!p.key.n || p.key.n > 200)
            return error_set(e, ERR_INVALID, "key", "line %zu: a key has 1 to 200 bytes",
                             "第 %zu 行：键长度为 1 至 200 字节", l->number);
        if (*n == PUSH_VALUES_MAX)
            return error_set(e, ERR_TOO_LARGE, "", "a message holds at most %d values", "一条消息最多 %d 个值",
                             PUSH_VALUES_MAX);
        out[(*n)++] = p;
    }
    return 0;
}

int push_decode_line(struct arena *a, struct str text, struct str precision, struct pushed **ret, size_t *ret_n,
                     struct error *e)
{
    struct lp *r = arena_alloc(a, sizeof *r);
    struct lp_line l;
    int rc;
    *ret_n = 0;
    *ret = arena_alloc(a, PUSH_VALUES_MAX * sizeof **ret);
    if (!r || !*ret) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (lp_init(r, text, precision))
        return error_set(e, ERR_INVALID, "precision", "must be ns, us, ms, s, m or h", "须为 ns、us、ms、s、m 或 h");
    while ((rc = lp_next(r, &l))) {
        if (rc < 0 || lp_tags_check(l.tags)) {
            enum lp_fault f = rc < 0 ? l.fault : lp_tags_check(l.tags);
            error_set(e, ERR_INVALID, "", "line %zu: %s", "line %zu: %s", l.number, lp_fault_text(f, false));
            if (e) snprintf(e->text_zh, sizeof e->text_zh, "第 %zu 行：%s", l.number, lp_fault_text(f, true));
            return ERR_INVALID;
        }
        if ((rc = line_values(a, &l, *ret, ret_n, e))) return rc;
    }
    return *ret_n ? 0 : error_set(e, ERR_INVALID, "", "there is no line with values", "缺少数据行");
}
