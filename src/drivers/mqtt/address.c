/* address.c - addresses and the options of a device, from text.
 *
 *   [topic]#place     place by the form: $.path (JSON), a column or its name (CSV), byte[.bit] or byte:length or *
 * (binary, hex; *: all bytes, a document), nothing (text: the whole payload) topic             text: the same; place:
 * the others, when the device's topics are meant The '#' between them is the first one that is not the wildcard at the
 * end of a filter. */
#include <stdio.h>
#include "drivers/common/check.h"
#include "drivers/mqtt/mqtt_int.h"

bool mt_is_wild(struct str filter)
{
    struct str group, inner;
    if (mqtt_share(filter, &group, &inner)) filter = inner;
    return str_find(filter, '+') >= 0 || str_find(filter, '#') >= 0;
}

bool mt_meets(struct str filter, struct str topic)
{
    struct str group, inner;
    return mqtt_match(mqtt_share(filter, &group, &inner) ? inner : filter, topic);
}

/* ---- the device ---- */

static int compile(const struct options *o, const char *name, struct arena *a, const struct json_path_query **ret,
                   struct error *e)
{
    struct str path = str_trim(str_of(opt_str(o, name, "")));
    *ret = NULL;
    if (path.n == 0) return 0;
    int rc = json_path_compile(arena_str(a, path), a, ret, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "%s", name);
    return rc;
}

static struct mt_column column(struct str text, struct arena *a)
{
    uint64_t n = 0;
    text = str_trim(text);
    if (str_starts(text, STR("$."))) text = str_sub(text, 2, text.n);
    if (str_to_u64(text, &n) == 0 && n <= 100000) return (struct mt_column){.number = (unsigned)n};
    return (struct mt_column){.name = arena_str(a, text)};
}

static int json_format(const struct options *o, struct arena *a, struct mt_format *f, struct error *e)
{
    int rc = compile(o, "records", a, &f->records, e);
    if (!rc) rc = compile(o, "time_path", a, &f->time, e);
    return rc ? rc : compile(o, "quality_path", a, &f->quality, e);
}

int mt_format_of(const struct options *o, struct arena *a, struct mt_format *ret, struct error *e)
{
    struct mt_format f = {.form = (uint8_t)opt_enum(o, "form", FORM_JSON),
                          .unit = (uint8_t)opt_enum(o, "time_format", UNIT_AUTO),
                          .retained = (uint8_t)opt_enum(o, "retained", RETAINED_LAST),
                          .order = (uint8_t)opt_enum(o, "byte_order", 0),
                          .header = opt_bool(o, "header", false)};
    const char *sep = opt_str(o, "separator", ",");
    f.sep = strcmp(sep, "\\t") == 0 ? '\t' : sep[0] ? sep[0] : ',';
    f.columns = arena_str(a, str_of(opt_str(o, "columns", "")));
    f.good = arena_str(a, str_of(opt_str(o, "good_words", "good,ok,true,0,192")));
    f.uncertain = arena_str(a, str_of(opt_str(o, "uncertain_words", "uncertain,64")));
    if (f.form == FORM_CSV) {
        f.time_column = column(str_of(opt_str(o, "time_path", "")), a);
        f.quality_column = column(str_of(opt_str(o, "quality_path", "")), a);
    }
    if (!f.columns.p || !f.good.p || !f.uncertain.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = check_utc_offset(o, "time_zone", "+00:00", &f.tz_minutes, e);
    if (!rc && f.form == FORM_JSON) rc = json_format(o, a, &f, e);
    if (!rc) *ret = f;
    return rc;
}

int mt_filters_of(const struct options *o, struct arena *a, struct str **ret, size_t *ret_n, struct error *e)
{
    struct str rest = arena_str(a, str_of(opt_str(o, "topics", "")));
    struct str *list = arena_calloc(a, MT_FILTERS_MAX, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] == '\n') ((char *)(uintptr_t)rest.p)[i] = ',';
    if (rest.p == NULL) list = NULL;
    while (list && rest.p) {
        struct str f = str_trim(str_cut(&rest, ','));
        if (f.n == 0) continue;
        if (n == MT_FILTERS_MAX)
            return error_set(e, ERR_LIMIT, "topics", "at most %d topic filters; use wildcards or another device",
                             "最多 %d 个主题过滤器；请使用通配符或另建设备", MT_FILTERS_MAX);
        if (!mqtt_filter_ok(f))
            return error_set(
                e, ERR_INVALID, "topics",
                "'%.*s' is no topic filter: + and # stand alone between slashes, # last, as in plant/+/state",
                "“%.*s”不是有效的主题过滤器：+ 和 # 须独占一级，# 只能在末尾，如 plant/+/state",
                (int)(f.n < 100 ? f.n : 100), f.p);
        list[n++] = f;
    }
    if (list == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    *ret = list;
    *ret_n = n;
    return 0;
}

int mt_device_rules(struct mt_device *d, const struct options *o, struct arena *a, struct error *e)
{
    int rc = mt_filters_of(o, a, &d->filters, &d->nfilters, e);
    if (rc == 0) rc = mt_format_of(o, a, &d->format, e);
    d->state_topic = arena_str(a, str_trim(str_of(opt_str(o, "state_topic", ""))));
    d->offline_words = arena_str(a, str_of(opt_str(o, "offline_words", "offline")));
    if (!d->state_topic.p || !d->offline_words.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc || !d->state_topic.n || mqtt_topic_ok(d->state_topic)) return rc;
    return error_set(e, ERR_INVALID, "state_topic", "'%.*s' is no topic: no + and no #; write plant/t1/state",
                     "“%.*s”不是有效主题：不得含 + 和 #，应如 plant/t1/state",
                     STR_ARG(str_sub(d->state_topic, 0, 100)));
}

int mt_device_check(const struct options *o, struct error *e)
{
    AUTO_ARENA a;
    struct mt_device d = {0};
    const char *sep = opt_str(o, "separator", ",");
    arena_init(&a, 1 << 20);
    if (sep[0] && sep[1] && strcmp(sep, "\\t") != 0)
        return error_set(e, ERR_INVALID, "separator", "'%s': the separator is one character, such as , or ; (\\t: tab)",
                         "“%s”：分隔符为一个字符，例如 , 或 ;（\\t 表示制表符）", sep);
    int rc = mt_device_rules(&d, o, &a, e);
    if (rc == 0) rc = check_line(o, "state_topic", e);
    for (size_t i = 0; i < d.nfilters && rc == 0; i++)
        for (size_t k = 0; k < d.filters[i].n && rc == 0; k++)
            if ((unsigned char)d.filters[i].p[k] < 0x20) /* MQTT 5.0, 1.5.4: brokers may hang up */
                rc = error_set(e, ERR_INVALID, "topics", "topic filter %zu holds a control character; write plant/t1",
                               "第 %zu 个主题过滤器含有控制字符；应如 plant/t1", i + 1);
    return rc;
}

/* ---- the address ---- */

/* Where the '#' between topic and place stands; -1: there is none. */
static ptrdiff_t split(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '#') continue;
        bool wildcard = (i == 0 || s.p[i - 1] == '/') && (i + 1 == s.n || s.p[i + 1] == '#');
        if (wildcard && i + 1 == s.n && i == 0) return 0; /* "#": the device's topics, the whole payload */
        if (!wildcard) return (ptrdiff_t)i;
    }
    return -1;
}

static int bad_place(struct str s, const char *en, const char *zh, struct error *e)
{
    return error_set(e, ERR_INVALID, "spec.address", "'%.*s'%.0s %s", "“%.*s”%s%.0s", (int)(s.n < 80 ? s.n : 80),
                     s.p ? s.p : "", zh, en);
}

static int json_place(struct str s, struct arena *a, struct mt_place *p, struct error *e)
{
    struct error why = {0};
    int rc = json_path_compile(s, a, &p->query, &why);
    if (rc == 0) return 0;
    if (rc == ERR_NOMEM) return error_set(e, rc, "", "out of memory", "内存不足");
    return error_set(e, ERR_INVALID, "spec.address",
                     "'%.*s' is no path into a JSON payload: %s. Write topic#$.path, as in plant/t1#$.data.temp",
                     "“%.*s”不是有效的 JSON 路径：%s。请写成 主题#$.路径，如 plant/t1#$.data.temp",
                     (int)(s.n < 80 ? s.n : 80), s.p, why.text);
}

static int csv_place(struct str s, struct arena *a, struct mt_place *p, struct error *e)
{
    p->column = column(s, a);
    if (p->column.number || p->column.name.n) return 0;
    return bad_place(s, "names no column: write its number from 1 or its name, as in plant/t1#2",
                     "未指明列：请填写从 1 开始的列号或列名，如 plant/t1#2", e);
}

static int text_place(struct str s, struct arena *a, struct mt_place *p, struct error *e)
{
    if (s.n == 0 || str_is(s, "$")) return 0;
    return bad_place(s, "does not belong behind the topic: a plain text has one value, the address is the topic alone",
                     "不应出现在主题之后：纯文本只有一个值，地址只写主题", e);
}

static int byte_place(struct str s, struct arena *a, struct mt_place *p, struct error *e)
{
    struct str rest = s, bit = STR_NULL, length = STR_NULL;
    uint64_t v = 0, b = MT_NO_BIT, n = 0;
    p->whole = str_is(s, "*");
    if (p->whole) return 0;
    if (str_find(rest, ':') >= 0) {
        length = rest;
        rest = str_cut(&length, ':');
    } else if (str_find(rest, '.') >= 0) {
        bit = rest;
        rest = str_cut(&bit, '.');
    }
    if (str_to_u64(rest, &v) || v > 0x7fffffff || (bit.p && (str_to_u64(bit, &b) || b > 7)) ||
        (length.p && (str_to_u64(length, &n) || n == 0 || n > 65536)))
        return bad_place(s,
                         "is no place in bytes: write byte, byte.bit or byte:length from 0, as in plant/t1#4 or #4.3",
                         "不是有效的字节位置：请填写从 0 开始的 字节、字节.位 或 字节:长度，如 plant/t1#4 或 #4.3", e);
    p->offset = (uint32_t)v;
    p->bit = (uint8_t)b;
    p->length = (uint32_t)n;
    return 0;
}

static int check_topic(const struct mt_place *p, const struct str *filters, size_t nfilters, struct error *e)
{
    bool selects = str_has(p->path, STR("[?"));
    if (p->filter.n && !mqtt_filter_ok(p->filter))
        return bad_place(p->filter, "is no topic: + and # stand alone between slashes, # last",
                         "不是有效的主题：+ 和 # 须独占一级，# 只能在末尾", e);
    if (p->filter.n == 0 && nfilters == 0)
        return error_set(e, ERR_INVALID, "spec.address",
                         "the device has no topics, so the address must name one, as in plant/t1#$.temp",
                         "设备未设置主题，地址须写明主题，如 plant/t1#$.temp");
    bool wild = p->filter.n ? mt_is_wild(p->filter) : nfilters > 1 || mt_is_wild(filters[0]);
    if (!wild || selects) return 0;
    return error_set(
        e, ERR_INVALID, "spec.address",
        "several topics would feed this point. Name one, as in plant/t1#$.temp, or select in the payload, as "
        "in $[?@.id=='t1'].temp",
        "会有多个主题写入该测点。请写明一个主题，如 plant/t1#$.temp，或在报文中筛选，如 $[?@.id=='t1'].temp");
}

int mt_place_of(const struct mt_format *f, const struct str *filters, size_t nfilters, const char *address,
                struct arena *a, struct mt_place *ret, struct error *e)
{
    static int (*const places[])(struct str, struct arena *, struct mt_place *,
                                 struct error *) = {json_place, csv_place, text_place, byte_place, byte_place};
    struct mt_place p = {.bit = MT_NO_BIT};
    struct str s = arena_str(a, str_trim(str_of(address)));
    if (s.p == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ptrdiff_t at = split(s);
    if (at < 0 && f->form == FORM_TEXT) {
        p.filter = s;
    } else if (at < 0) {
        p.path = s;
    } else {
        p.filter = str_sub(s, 0, (size_t)at);
        p.path = str_sub(s, (size_t)at + 1, s.n);
    }
    int rc = places[f->form](p.path, a, &p, e);
    if (rc == 0) rc = check_topic(&p, filters, nfilters, e);
    if (rc == 0) *ret = p;
    return rc;
}

/* ---- the point ---- */

static const char *const names[] = {"value", "json:value", "time", "ts"};

/* Names in ${…} of a command. */
static int check_template(struct str t, struct error *e)
{
    for (size_t i = 0; i + 1 < t.n; i++) {
        if (t.p[i] != '$' || t.p[i + 1] != '{') continue;
        struct str rest = str_sub(t, i + 2, t.n);
        struct str name = str_find(rest, '}') >= 0 ? str_cut(&rest, '}') : STR_NULL;
        bool known = false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) known = known || str_is(name, names[k]);
        if (!known)
            return error_set(e, ERR_INVALID, "options.write_template",
                             "'${%.*s}' is not known; there are ${value}, ${json:value}, ${ts} and ${time}",
                             "“${%.*s}”未知；可用 ${value}、${json:value}、${ts} 和 ${time}",
                             (int)(name.n < 40 ? name.n : 40), name.p ? name.p : "");
    }
    return 0;
}

static int writing(const struct options *o, struct arena *a, struct mt_point *p, struct error *e)
{
    p->write_topic = arena_str(a, str_trim(str_of(opt_str(o, "write_topic", ""))));
    p->write_template = arena_str(a, str_of(opt_str(o, "write_template", "${value}")));
    p->write_qos = (uint8_t)opt_i64(o, "write_qos", 1);
    p->write_retain = opt_bool(o, "write_retain", false);
    p->confirm_us = opt_us(o, "write_confirm", 0);
    if (!p->write_topic.p || !p->write_template.p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (p->write_topic.n && !mqtt_topic_ok(p->write_topic))
        return error_set(e, ERR_INVALID, "options.write_topic", "'%.*s' is no topic to publish to: no + and no #",
                         "“%.*s”不能作为发布主题：不得含 + 和 #",
                         (int)(p->write_topic.n < 100 ? p->write_topic.n : 100), p->write_topic.p);
    return check_template(p->write_template, e);
}

static int type_of(const struct mt_format *f, const struct driver_point *p, const struct mt_place *at,
                   enum value_type *ret, struct error *e)
{
    bool bytes = f->form == FORM_BINARY || f->form == FORM_HEX;
    *ret = p->type;
    if (!bytes) return 0;
    if (at->whole && p->type != VALUE_AUTO)
        return error_set(e, ERR_INVALID, "spec.type", "all bytes are a document: choose the type 'by the address'",
                         "全部字节作为文档：类型请选“由地址决定”");
    if (at->whole) return 0;
    if (at->bit != MT_NO_BIT && (p->type == VALUE_AUTO || p->type == VALUE_BOOL)) *ret = VALUE_BOOL;
    if (at->length && p->type == VALUE_AUTO) *ret = VALUE_STRING;
    if (*ret == VALUE_AUTO)
        return error_set(e, ERR_INVALID, "spec.type", "bytes need a type: choose the one that the device sends",
                         "二进制数据须指定类型：请选择设备发送的数据类型");
    if ((*ret == VALUE_STRING) != (at->length > 0))
        return error_set(e, ERR_INVALID, "spec.address",
                         "a text has a length, and only a text: byte:length, as in 4:10",
                         "字符串须写长度（且仅字符串可写）：字节:长度，如 4:10");
    if (at->bit != MT_NO_BIT && *ret != VALUE_BOOL)
        return error_set(e, ERR_INVALID, "spec.type", "one bit has the type bit", "单个位的类型应为“位”");
    return 0;
}

int mt_point_of(const struct mt_format *f, const struct str *filters, size_t nfilters, const struct driver_point *p,
                struct arena *a, struct mt_point *ret, struct error *e)
{
    struct mt_point r = {.num = p->num, .device = p->device};
    enum value_type type = p->type;
    r.address = arena_str(a, str_of(p->address));
    int rc = r.address.p ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (!rc) rc = mt_place_of(f, filters, nfilters, p->address, a, &r.at, e);
    if (!rc) rc = type_of(f, p, &r.at, &type, e);
    if (!rc) rc = writing(p->options, a, &r, e);
    r.step_s = opt_double(p->options, "array_step", 1);
    r.spec = value_spec_of(p, type, f->order);
    r.wrong = rc != 0;
    *ret = r;
    return rc;
}
