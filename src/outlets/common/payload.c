/* payload.c - see payload.h: a table of forms, each a function that appends a batch. */
#include "base/csv.h"
#include "base/mem.h"
#include "base/time.h"
#include "outlets/common/payload_int.h"

#define NS_SAFE_US (INT64_MAX / 1000)

const struct option_choice payload_forms[] = {
    {"json", "JSON, one object a value", "JSON，每个值一个对象"},
    {"keys", "JSON by time (ThingsBoard)", "JSON，按时间归组（ThingsBoard）"},
    {"lines", "InfluxDB line protocol", "InfluxDB 行协议"},
    {"csv", "CSV", "CSV"},
    {"template", "Template of your own", "自定义模板"},
    {0},
};

struct payload {
    enum payload_form form;
    struct template item;
    struct str head, join, tail, measurement; /* measurement: escaped */
    struct arena arena;
};

/* ---- values ---- */

bool item_usable(const struct outlet_item *it)
{
    const struct sample *s = &it->sample;
    if (s->quality == QUALITY_BAD) return false;
    if (s->type == SAMPLE_DOUBLE) return isfinite(s->v.d);
    return s->type == SAMPLE_INT || s->type == SAMPLE_BOOL || (s->type == SAMPLE_STRING && it->text);
}

static void number(struct buf *out, const struct sample *s)
{
    if (s->type == SAMPLE_DOUBLE)
        buf_double(out, s->v.d);
    else
        buf_printf(out, "%lld", (long long)s->v.i);
}

void text_json(struct buf *out, struct str s)
{
    struct json_writer w = json_writer(out);
    jw_str(&w, s);
}

static void value_text(struct buf *out, const struct outlet_item *it, bool json)
{
    const struct sample *s = &it->sample;
    struct str text = str_make(it->text, it->text_len);
    if (s->type == SAMPLE_STRING)
        (json ? text_json : buf_str)(out, text);
    else if (s->type == SAMPLE_BOOL)
        buf_z(out, s->v.i ? "true" : "false");
    else
        number(out, s);
}

void item_json(struct buf *out, const struct outlet_item *it)
{
    if (item_usable(it))
        value_text(out, it, true);
    else
        buf_z(out, "null");
}

void item_plain(struct buf *out, const struct outlet_item *it)
{
    if (item_usable(it)) value_text(out, it, false);
}

void item_time(struct buf *out, int64_t time_us)
{
    char text[TIME_TEXT_MAX];
    struct str s = str_of(time_format(time_us, text));
    bool whole = s.n == 20; /* no fraction */
    buf_str(out, whole ? str_sub(s, 0, 19) : s);
    if (whole) buf_z(out, ".000Z");
}

int64_t item_ms(int64_t time_us)
{
    return time_us / 1000 - (time_us % 1000 < 0);
}

const char *item_quality(const struct outlet_item *it)
{
    static const char *const names[] = {"good", "uncertain", "bad"};
    bool unusable = !item_usable(it);
    return names[unusable || it->sample.quality > QUALITY_BAD ? QUALITY_BAD : it->sample.quality];
}

/* ---- forms ---- */

typedef void write_fn(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items,
                      size_t n, struct buf *out);

static void write_json(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items,
                       size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct outlet_item *it = &items[i];
        buf_z(out, i ? ",{\"code\":" : "[{\"code\":");
        text_json(out, str_of(points[it->slot].code));
        buf_z(out, ",\"time\":\"");
        item_time(out, it->sample.time_us);
        buf_printf(out, "\",\"ts\":%lld,\"value\":", (long long)item_ms(it->sample.time_us));
        item_json(out, it);
        buf_printf(out, ",\"quality\":\"%s\"}", item_quality(it));
    }
    buf_z(out, n ? "]" : "[]");
}

/* A later item of the same point and time replaces this one. */
static bool replaced(const struct outlet_item *items, size_t i, size_t end)
{
    for (size_t k = i + 1; k < end; k++)
        if (items[k].slot == items[i].slot) return true;
    return false;
}

static size_t same_ms(const struct outlet_item *items, size_t i, size_t n)
{
    int64_t ms = item_ms(items[i].sample.time_us);
    while (i < n && item_ms(items[i].sample.time_us) == ms) i++;
    return i;
}

static void write_keys(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items,
                       size_t n, struct buf *out)
{
    buf_u8(out, '[');
    for (size_t i = 0, end; i < n; i = end) {
        bool first = true;
        end = same_ms(items, i, n);
        buf_printf(out, "%s{\"ts\":%lld,\"values\":{", i ? "," : "", (long long)item_ms(items[i].sample.time_us));
        for (size_t k = i; k < end; k++) {
            if (replaced(items, k, end)) continue;
            if (!first) buf_u8(out, ',');
            first = false;
            text_json(out, str_of(points[items[k].slot].code));
            buf_u8(out, ':');
            item_json(out, &items[k]);
        }
        buf_z(out, "}}");
    }
    buf_u8(out, ']');
}

/* Names and tag values of the line protocol: a line break cannot be written there. */
static void line_name(struct buf *out, struct str s, const char *escaped)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\n' || c == '\r') c = ' ';
        if (strchr(escaped, c)) buf_u8(out, '\\');
        buf_u8(out, (uint8_t)c);
    }
}

static void line_text(struct buf *out, struct str s)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') buf_u8(out, '\\');
        buf_u8(out, (uint8_t)s.p[i]);
    }
    buf_u8(out, '"');
}

/* Numbers and booleans are floats in one field, texts stand in another: a receiver gives a field one type. */
static void write_lines(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items,
                        size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        const struct outlet_item *it = &items[i];
        int64_t t = it->sample.time_us;
        if (!item_usable(it) || t > NS_SAFE_US || t < -NS_SAFE_US) continue;
        buf_str(out, p->measurement);
        buf_z(out, ",point=");
        line_name(out, str_of(points[it->slot].code), ", =");
        buf_z(out, it->sample.type == SAMPLE_STRING ? " text=" : " value=");
        if (it->sample.type == SAMPLE_STRING)
            line_text(out, str_make(it->text, it->text_len));
        else
            number(out, &it->sample);
        buf_printf(out, " %lld\n", (long long)(t * 1000));
    }
}

static void csv_value(struct buf *out, const struct outlet_item *it)
{
    if (!item_usable(it))
        buf_u8(out, ',');
    else if (it->sample.type == SAMPLE_STRING)
        csv_cell(out, str_make(it->text, it->text_len), false);
    else {
        buf_u8(out, ',');
        value_text(out, it, false);
    }
}

static void write_csv(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items,
                      size_t n, struct buf *out)
{
    buf_z(out, "code,time,value,quality\r\n");
    for (size_t i = 0; i < n; i++) {
        csv_cell(out, str_of(points[items[i].slot].code), true);
        buf_u8(out, ',');
        item_time(out, items[i].sample.time_us);
        csv_value(out, &items[i]);
        buf_printf(out, ",%s\r\n", item_quality(&items[i]));
    }
}

static void write_template(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items,
                           size_t n, struct buf *out)
{
    buf_str(out, p->head);
    for (size_t i = 0; i < n; i++) {
        if (i) buf_str(out, p->join);
        template_write(&p->item, &points[items[i].slot], &items[i], NULL, out);
    }
    buf_str(out, p->tail);
}

static const struct form_row {
    write_fn *write;
    const char *media_type;
} forms[PAYLOAD_FORMS] = {
    [PAYLOAD_JSON] = {write_json, "application/json"},
    [PAYLOAD_KEYS] = {write_keys, "application/json"},
    [PAYLOAD_LINES] = {write_lines, "text/plain; charset=utf-8"},
    [PAYLOAD_CSV] = {write_csv, "text/csv; charset=utf-8"},
    [PAYLOAD_TEMPLATE] = {write_template, NULL},
};

int payload_write(const struct payload *p, const struct outlet_point *points, const struct outlet_item *items, size_t n,
                  struct buf *out)
{
    forms[p->form].write(p, points, items, n, out);
    return out->err;
}

static bool looks_like_json(const struct payload *p)
{
    struct str s = str_trim(p->head);
    if (!s.n && p->item.n && p->item.piece->var == VAR_LITERAL) s = str_trim(p->item.piece->text);
    return s.n && (s.p[0] == '{' || s.p[0] == '[');
}

const char *payload_media_type(const struct payload *p)
{
    const char *fixed = forms[p->form].media_type;
    return fixed ? fixed : looks_like_json(p) ? forms[PAYLOAD_JSON].media_type : forms[PAYLOAD_LINES].media_type;
}

/* ---- making ---- */

static int keep(struct arena *a, const char *z, struct str *ret, struct error *e)
{
    *ret = z[0] ? arena_str(a, str_of(z)) : STR("");
    return ret->p ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int keep_measurement(struct payload *p, const char *z, struct error *e)
{
    struct buf b;
    buf_init(&b, 1 << 10);
    line_name(&b, str_of(z), ", ");
    int rc = b.err ? error_set(e, b.err, "measurement", "the name is too long", "名称过长")
                   : keep(&p->arena, buf_cstr(&b), &p->measurement, e);
    buf_fini(&b);
    return rc;
}

static int compile(struct payload *p, const struct options *o, struct error *e)
{
    p->form = (enum payload_form)opt_enum(o, "form", PAYLOAD_JSON);
    int rc = keep_measurement(p, opt_str(o, "measurement", "points"), e);
    if (rc || p->form != PAYLOAD_TEMPLATE) return rc;
    const char *text = opt_str(o, "template", "");
    if (!text[0]) return error_set(e, ERR_INVALID, "template", "the template of a value is empty", "单个值的模板为空");
    rc = template_compile(str_of(text), true, "template", &p->arena, &p->item, e);
    if (!rc) rc = keep(&p->arena, opt_str(o, "template_head", ""), &p->head, e);
    if (!rc) rc = keep(&p->arena, opt_str(o, "template_join", ""), &p->join, e);
    return rc ? rc : keep(&p->arena, opt_str(o, "template_tail", ""), &p->tail, e);
}

int payload_new(const struct options *channel, struct payload **ret, struct error *e)
{
    struct payload *p = mem_calloc(1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    arena_init(&p->arena, 256 << 10);
    int rc = compile(p, channel, e);
    if (rc)
        payload_free(p);
    else
        *ret = p;
    return rc;
}

void payload_free(struct payload *p)
{
    if (!p) return;
    arena_fini(&p->arena);
    mem_free(p);
}
