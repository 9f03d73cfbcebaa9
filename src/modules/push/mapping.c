/* mapping.c - a mapping's spec -> what map_apply.c works with. Everything lives in the mapping's arena but the zones of
 * its clocks. */
#include "modules/push/mapping.h"
#include "base/mem.h"
#include "modules/push/mapping_int.h"

struct compiling {
    struct mapping *m;
    struct error *e;
    char where[64];
};

static struct str member(const struct json *o, const char *name)
{
    return json_str(json_get(o, name), STR(""));
}

static const char *place_name(struct compiling *c, const char *row, const char *name)
{
    snprintf(c->where, sizeof c->where, "%s%s", row, name);
    return c->where;
}

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ---- texts with holes ---- */

static const struct {
    const char *name;
    enum part_kind kind;
} holes[] = {{"topic", PART_TOPIC},
             {"client", PART_CLIENT},
             {"device", PART_DEVICE},
             {"name", PART_NAME},
             {"index", PART_INDEX}};

static int hole(struct compiling *c, struct str name, const char *where, struct part *ret)
{
    uint64_t level;
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++)
        if (str_is(name, holes[i].name)) {
            ret->kind = holes[i].kind;
            return 0;
        }
    if (str_starts(name, STR("topic.")) && str_to_u64(str_sub(name, 6, name.n), &level) == 0 && level < 128) {
        ret->kind = PART_LEVEL;
        ret->level = (unsigned)level;
        return 0;
    }
    ret->kind = PART_PLACE;
    if (c->m->form == MAP_JSON && !str_starts(name, STR("$")))
        return error_set(
            c->e, ERR_INVALID, where,
            "'{%.*s}' is not known; there are {topic} {topic.N} {client} {device} {name} {index} and {$.path}",
            "'{%.*s}' 无法识别，可用 {topic}、{topic.N}、{client}、{device}、{name}、{index} 与 {$.路径}",
            STR_ARG(str_sub(name, 0, 60)));
    return map_place_compile(c->m->form, &c->m->a, name, where, &ret->place, c->e);
}

static int template_parts(struct compiling *c, struct str text, const char *where, struct template *t)
{
    while (text.n) {
        struct part *p = &t->part[t->n++];
        ptrdiff_t open = str_find(text, '{');
        if (open) {
            size_t n = open < 0 ? text.n : (size_t)open;
            *p = (struct part){.kind = PART_TEXT, .text = str_sub(text, 0, n)};
            text = str_sub(text, n, text.n);
            continue;
        }
        ptrdiff_t end = str_find(text, '}');
        if (end < 2) return error_set(c->e, ERR_INVALID, where, "a '{' has no '}'", "“{”缺少对应的“}”");
        *p = (struct part){.kind = PART_TEXT};
        int rc = hole(c, str_sub(text, 1, (size_t)end - 1), where, p);
        if (rc) return rc;
        text = str_sub(text, (size_t)end + 1, text.n);
    }
    return 0;
}

static int template_compile(struct compiling *c, struct str text, const char *where, struct template *t)
{
    struct str copy = arena_str(&c->m->a, text);
    size_t most = 1;
    for (size_t i = 0; i < text.n; i++) most += 2 * (text.p[i] == '{');
    *t = (struct template){.part = arena_calloc(&c->m->a, most + 1, sizeof *t->part)};
    return copy.p && t->part ? template_parts(c, copy, where, t) : no_memory(c->e);
}

/* ---- rows ---- */

static int place_of(struct compiling *c, const struct json *o, const char *name, const char *row, struct map_place *ret)
{
    struct str text = member(o, name);
    if (!text.n) return 0;
    return map_place_compile(c->m->form, &c->m->a, text, place_name(c, row, name), ret, c->e);
}

static int clock_of(struct compiling *c, const struct json *o, const char *row, struct str zone, struct time_form *ret)
{
    int rc = time_form_init(ret, member(o, "time_format"), zone, c->e);
    if (rc && c->e && str_starts(str_of(c->e->where), STR("time_zone")))
        snprintf(c->e->where, sizeof c->e->where, "time_zone");
    else if (rc && row[0])
        error_prefix(c->e, row);
    return rc;
}

static int good_words(struct compiling *c, struct str list, struct map_row *r)
{
    size_t most = 1;
    for (size_t i = 0; i < list.n; i++) most += list.p[i] == ',';
    struct str rest = arena_str(&c->m->a, list);
    r->good = arena_alloc(&c->m->a, most * sizeof *r->good);
    if (!rest.p || !r->good) return no_memory(c->e);
    while (rest.p) r->good[r->ngood++] = str_trim(str_cut(&rest, ','));
    return 0;
}

static enum map_type type_of(struct str s)
{
    return str_is(s, "number")    ? MAP_NUMBER
           : str_is(s, "text")    ? MAP_STRING
           : str_is(s, "boolean") ? MAP_BOOLEAN
                                  : MAP_AUTO;
}

static int value_place(struct compiling *c, const struct json *o, const char *row, struct map_row *r)
{
    struct str text = member(o, "value");
    if (!text.n && (c->m->form == MAP_CSV || c->m->form == MAP_BYTES))
        return error_set(c->e, ERR_INVALID, place_name(c, row, "value"), "say where the value stands",
                         "请填写值的位置");
    return map_place_compile(c->m->form, &c->m->a, text, place_name(c, row, "value"), &r->value, c->e);
}

static int unit_of(struct compiling *c, const struct json *o, const char *row, struct map_row *r)
{
    struct str unit = member(o, "unit");
    r->unit = arena_str(&c->m->a, unit);
    if (!r->unit.p && unit.n) return no_memory(c->e);
    if (c->m->form != MAP_JSON || !str_starts(unit, STR("$"))) return 0;
    return map_place_compile(MAP_JSON, &c->m->a, unit, place_name(c, row, "unit"), &r->unit_at, c->e);
}

static int row_compile(struct compiling *c, const struct json *o, const char *row, struct str zone, struct map_row *r)
{
    struct str key = member(o, "key"), good = member(o, "good");
    r->as = type_of(member(o, "as"));
    r->factor = json_double(json_get(o, "factor"), 1);
    r->add = json_double(json_get(o, "add"), 0);
    r->own_clock = member(o, "time_format").n > 0;
    int rc = template_compile(c, key.n ? key : STR("{name}"), place_name(c, row, "key"), &r->key);
    if (!rc) rc = value_place(c, o, row, r);
    if (!rc) rc = place_of(c, o, "time", row, &r->time);
    if (!rc) rc = place_of(c, o, "quality", row, &r->quality);
    if (!rc) rc = unit_of(c, o, row, r);
    if (!rc && good.n) rc = good_words(c, good, r);
    if (!rc && r->own_clock) {
        rc = clock_of(c, o, row, zone, &r->clock);
        r->own_clock = !rc;
    }
    return rc;
}

static int rows_compile(struct compiling *c, const struct json *rows, struct str zone)
{
    struct mapping *m = c->m;
    size_t n = json_count(rows);
    m->row = arena_calloc(&m->a, n + 1, sizeof *m->row);
    if (!m->row) return no_memory(c->e);
    for
        json_each (o, rows) {
            char row[24];
            snprintf(row, sizeof row, "rows[%zu].", m->nrows);
            int rc = row_compile(c, o, row, zone, &m->row[m->nrows++]);
            if (rc) return rc;
        }
    if (!n && !m->leaves)
        return error_set(c->e, ERR_INVALID, "rows", "give at least one row, or take every leaf",
                         "请至少填写一行，或选择取全部叶子");
    if (m->leaves && m->form != MAP_JSON && m->form != MAP_CSV)
        return error_set(c->e, ERR_INVALID, "leaves", "only JSON and CSV have leaves", "仅 JSON 与 CSV 可取全部叶子");
    return 0;
}

/* ---- the whole ---- */

static int device_compile(struct compiling *c, const struct json *o)
{
    struct mapping *m = c->m;
    struct str from = member(o, "from"), path = member(o, "path"), code = member(o, "code");
    m->level = (unsigned)json_i64(json_get(o, "level"), 0);
    m->who = str_is(from, "topic")   ? MAP_TOPIC
             : str_is(from, "path")  ? MAP_PATH
             : str_is(from, "fixed") ? MAP_FIXED
                                     : MAP_CLIENT;
    if (m->who == MAP_PATH && !path.n)
        return error_set(c->e, ERR_INVALID, "device.path", "say where the device's name stands", "请填写设备名的位置");
    if (m->who == MAP_FIXED && !code.n)
        return error_set(c->e, ERR_INVALID, "device.code", "name the device", "请填写设备编码");
    if (m->who == MAP_FIXED) return template_compile(c, code, "device.code", &m->device);
    if (m->who != MAP_PATH) return 0;
    if (str_find(path, '{') >= 0) return template_compile(c, path, "device.path", &m->device);
    m->device.part = arena_calloc(&m->a, 1, sizeof *m->device.part);
    if (!m->device.part) return no_memory(c->e);
    m->device.n = 1;
    m->device.part[0].kind = PART_PLACE;
    return map_place_compile(m->form, &m->a, path, "device.path", &m->device.part[0].place, c->e);
}

static void form_of(struct mapping *m, const struct json *spec)
{
    struct str form = member(spec, "form"), sep = member(spec, "separator"), enc = member(spec, "encoding");
    m->form = str_is(form, "csv")     ? MAP_CSV
              : str_is(form, "text")  ? MAP_TEXT
              : str_is(form, "bytes") ? MAP_BYTES
                                      : MAP_JSON;
    m->sep = str_is(sep, "comma") ? ',' : str_is(sep, "semicolon") ? ';' : str_is(sep, "tab") ? '\t' : '\0';
    m->header = json_bool(json_get(spec, "header"), true);
    m->leaves = json_bool(json_get(spec, "leaves"), false);
    m->encoding = str_is(enc, "hex") ? AS_HEX : str_is(enc, "base64") ? AS_BASE64 : RAW;
}

static int compile(struct compiling *c, const struct json *spec)
{
    struct mapping *m = c->m;
    struct str each = member(spec, "each"), leaf = member(spec, "leaf_key"), zone = member(spec, "time_zone");
    form_of(m, spec);
    int rc = clock_of(c, spec, "", zone, &m->clock);
    if (!rc && each.n && m->form == MAP_JSON) rc = json_path_compile(each, &m->a, &m->each, c->e);
    if (rc && each.n && c->e && !c->e->where[0]) snprintf(c->e->where, sizeof c->e->where, "each");
    if (!rc) rc = place_of(c, spec, "time", "", &m->time);
    if (!rc) rc = device_compile(c, json_get(spec, "device"));
    if (!rc) rc = template_compile(c, leaf.n ? leaf : STR("{name}"), "leaf_key", &m->leaf_key);
    return rc ? rc : rows_compile(c, json_get(spec, "rows"), zone);
}

int mapping_compile(const struct json *spec, struct mapping **ret, struct error *e)
{
    struct compiling c = {.m = mem_calloc(1, sizeof *c.m), .e = e};
    if (!c.m) return no_memory(e);
    arena_init(&c.m->a, 8u << 20);
    int rc = compile(&c, spec);
    if (rc) {
        mapping_free(c.m);
        return rc;
    }
    *ret = c.m;
    return 0;
}

void mapping_free(struct mapping *m)
{
    if (!m) return;
    time_form_fini(&m->clock);
    for (size_t i = 0; i < m->nrows; i++)
        if (m->row[i].own_clock) time_form_fini(&m->row[i].clock);
    arena_fini(&m->a);
    mem_free(m);
}
