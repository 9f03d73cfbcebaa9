/* payload_template.c - texts with ${name}: compiled into pieces once, written for each item. "$${" stands for "${". */
#include "outlets/common/payload_int.h"

#define NAMES_ITEM "code, name, address, unit, area, device, value, quality, time, ts"
#define NAMES_TEXT "code, name, address, unit, area, device, node"

static const struct var_row {
    const char *name;
    enum template_var var;
    bool item, text; /* where it may stand */
} vars[] = {
    {"code", VAR_CODE, true, true},  {"name", VAR_NAME, true, true},    {"address", VAR_ADDRESS, true, true},
    {"unit", VAR_UNIT, true, true},  {"area", VAR_AREA, true, true},    {"device", VAR_DEVICE, true, true},
    {"node", VAR_NODE, false, true}, {"value", VAR_VALUE, true, false}, {"quality", VAR_QUALITY, true, false},
    {"time", VAR_TIME, true, false}, {"ts", VAR_TS, true, false},
};

static int bad_name(struct str name, bool item, const char *where, struct error *e)
{
    const char *names = item ? NAMES_ITEM : NAMES_TEXT;
    return error_set(e, ERR_INVALID, where, "${%.*s} is unknown; there are %s", "${%.*s} 未知；可用 %s",
                     STR_ARG(str_sub(name, 0, 40)), names);
}

static bool find_var(struct str name, bool item, enum template_var *ret)
{
    for (size_t i = 0; i < sizeof vars / sizeof *vars; i++)
        if (str_is(name, vars[i].name) && (item ? vars[i].item : vars[i].text)) {
            *ret = vars[i].var;
            return true;
        }
    return false;
}

/* s begins behind "${": cut the name off. */
static int take_name(struct str *s, bool item, const char *where, struct template_piece *ret, struct error *e)
{
    ptrdiff_t end = str_find(*s, '}');
    if (end < 0)
        return error_set(e, ERR_INVALID, where, "'${%.*s' has no closing '}'; write $${ for a plain ${",
                         "“${%.*s”缺少“}”；如需原样的 ${ 请写 $${", STR_ARG(str_sub(*s, 0, 20)));
    struct str name = str_sub(*s, 0, (size_t)end), rest = name;
    *ret = (struct template_piece){.json = str_starts(name, STR("json:"))};
    if (ret->json) rest = str_sub(name, 5, name.n);
    if (!find_var(rest, item, &ret->var)) return bad_name(name, item, where, e);
    *s = str_sub(*s, (size_t)end + 1, s->n);
    return 0;
}

static size_t until_brace(struct str s)
{
    size_t i = 0;
    while (i < s.n && !(s.p[i] == '$' && i + 1 < s.n && s.p[i + 1] == '{')) i++;
    return i;
}

/* Pieces of s into ret (NULL: only counted). */
static int pieces(struct str s, bool item, const char *where, struct template_piece *ret, size_t *ret_n,
                  struct error *e)
{
    struct template_piece one;
    size_t n = 0;
    while (s.n) {
        size_t len = until_brace(s);
        bool plain = len > 0 && len < s.n && s.p[len - 1] == '$'; /* $${ */
        if (len) {
            one = (struct template_piece){.text = str_sub(s, 0, plain ? len - 1 : len)};
            if (ret) ret[n] = one;
            n++;
            s = str_sub(s, len, s.n);
        }
        if (!s.n) break;
        one = (struct template_piece){.text = STR("${")};
        s = str_sub(s, 2, s.n);
        int rc = plain ? 0 : take_name(&s, item, where, &one, e);
        if (rc) return rc;
        if (ret) ret[n] = one;
        n++;
    }
    *ret_n = n;
    return 0;
}

int template_compile(struct str text, bool item, const char *where, struct arena *a, struct template *ret,
                     struct error *e)
{
    size_t n = 0;
    int rc = pieces(text, item, where, NULL, &n, e);
    if (rc) return rc;
    struct str copy = arena_str(a, text);
    struct template_piece *all = arena_alloc(a, (n + 1) * sizeof *all);
    if ((text.n && !copy.p) || !all) return error_set(e, ERR_NOMEM, where, "out of memory", "内存不足");
    rc = pieces(copy, item, where, all, &n, e);
    *ret = (struct template){all, n};
    return rc;
}

static void write_text(struct buf *out, const char *z, bool json)
{
    if (json)
        text_json(out, str_of(z));
    else
        buf_z(out, z ? z : "");
}

static const char *point_text(const struct outlet_point *p, enum template_var var, const char *node)
{
    switch (var) {
    case VAR_CODE: return p->code;
    case VAR_NAME: return p->name;
    case VAR_ADDRESS: return p->address;
    case VAR_UNIT: return p->unit;
    case VAR_AREA: return p->area;
    case VAR_DEVICE: return p->device;
    default: return node;
    }
}

static void write_time(struct buf *out, const struct outlet_item *it, bool json)
{
    if (json) buf_u8(out, '"');
    item_time(out, it->sample.time_us);
    if (json) buf_u8(out, '"');
}

static void write_piece(const struct template_piece *t, const struct outlet_point *p, const struct outlet_item *it,
                        const char *node, struct buf *out)
{
    switch (t->var) {
    case VAR_LITERAL: buf_str(out, t->text); break;
    case VAR_VALUE: (t->json ? item_json : item_plain)(out, it); break;
    case VAR_QUALITY: write_text(out, item_quality(it), t->json); break;
    case VAR_TIME: write_time(out, it, t->json); break;
    case VAR_TS: buf_printf(out, "%lld", (long long)item_ms(it->sample.time_us)); break;
    default: write_text(out, point_text(p, t->var, node), t->json);
    }
}

void template_write(const struct template *t, const struct outlet_point *p, const struct outlet_item *it,
                    const char *node, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) write_piece(&t->piece[i], p, it, node, out);
}

int payload_text(const char *text, const struct outlet_point *p, const char *node_name, char *ret, size_t cap,
                 struct error *e)
{
    struct template t;
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 64 << 10);
    int rc = template_compile(str_of(text), false, "", &a, &t, e);
    if (rc) return rc;
    buf_init(&b, cap - 1);
    template_write(&t, p, NULL, node_name, &b);
    if (b.err)
        rc = error_set(e, b.err, "", "'%.60s' gets longer than %zu bytes for %s", "“%.60s”的结果超过 %zu 字节（%s）",
                       text, cap - 1, p->code);
    else
        str_to_cstr(buf_view(&b), ret, cap);
    buf_fini(&b);
    return rc;
}
