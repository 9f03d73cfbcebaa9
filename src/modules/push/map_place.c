/* map_place.c - places in a record: JSONPath, columns, bytes. */
#include <ctype.h>
#include "base/encode.h"
#include "modules/push/mapping_int.h"

/* ---- bytes ---- */

static const struct {
    const char *name;
    uint8_t kind, size;
} types[] = {{"u8", BYTES_UINT, 1},  {"i8", BYTES_INT, 1},   {"u16", BYTES_UINT, 2},  {"i16", BYTES_INT, 2},
             {"u24", BYTES_UINT, 3}, {"i24", BYTES_INT, 3},  {"u32", BYTES_UINT, 4},  {"i32", BYTES_INT, 4},
             {"u64", BYTES_UINT, 8}, {"i64", BYTES_INT, 8},  {"f32", BYTES_FLOAT, 4}, {"f64", BYTES_FLOAT, 8},
             {"bcd2", BYTES_BCD, 2}, {"bcd4", BYTES_BCD, 4}, {"bit", BYTES_BIT, 1}};

static int wrong_bytes(struct str text, struct error *e)
{
    return error_set(e, ERR_INVALID, "",
                     "'%.*s' is no place in bytes; such are 0:i16, 4:u32le, 8:f32sw, 2.3:bit, 10:text6, 0:hex4",
                     "'%.*s' 不是有效的字节位置，例如 0:i16、4:u32le、8:f32sw、2.3:bit、10:text6、0:hex4",
                     STR_ARG(str_sub(text, 0, 60)));
}

static bool text_type(struct str type, struct bytes_at *f)
{
    uint64_t n;
    bool hex = str_starts(type, STR("hex"));
    if (!hex && !str_starts(type, STR("text"))) return false;
    if (str_to_u64(str_sub(type, hex ? 3 : 4, type.n), &n) || !n || n > 255) return false;
    f->kind = hex ? BYTES_HEX : BYTES_TEXT;
    f->size = (uint8_t)n;
    return true;
}

static bool order_of(struct str order, struct bytes_at *f)
{
    f->little = str_is(order, "le");
    f->words = str_is(order, "sw");
    f->swapped = str_is(order, "sb");
    bool wide = f->kind <= BYTES_BCD && f->size > 1;
    return !order.n || (f->little && wide) || ((f->words || f->swapped) && wide && f->size % 2 == 0);
}

static bool number_type(struct str type, struct bytes_at *f)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!str_starts(type, str_of(types[i].name))) continue;
        f->kind = types[i].kind;
        f->size = types[i].size;
        if (order_of(str_sub(type, strlen(types[i].name), type.n), f)) return true;
    }
    return false;
}

int bytes_at_parse(struct str text, struct bytes_at *ret, struct error *e)
{
    struct bytes_at f = {.offset = 0};
    struct str type = str_trim(text), at = str_cut(&type, ':'), bit = at, offset = str_cut(&bit, '.');
    uint64_t n, b = 0;
    if (!type.p || str_to_u64(offset, &n) || n > 1u << 20) return wrong_bytes(text, e);
    if (bit.p && (str_to_u64(bit, &b) || b > 7)) return wrong_bytes(text, e);
    f.offset = (uint32_t)n;
    f.bit = (uint8_t)b;
    if (!text_type(type, &f) && !number_type(type, &f)) return wrong_bytes(text, e);
    if ((f.kind == BYTES_BIT) != (bit.p != NULL)) return wrong_bytes(text, e);
    *ret = f;
    return 0;
}

static uint64_t gather(const struct bytes_at *f, const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < f->size; i++) {
        unsigned at = f->little    ? f->size - 1u - i
                      : f->swapped ? i ^ 1
                      : f->words   ? (f->size - 2u - (i & ~1u)) + (i & 1)
                                   : i;
        v = v << 8 | p[at];
    }
    return v;
}

static double float_of(uint64_t bits, uint8_t size)
{
    uint32_t narrow = (uint32_t)bits;
    double wide;
    float f;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&f, &narrow, sizeof f);
    return size == 4 ? (double)f : wide;
}

static const struct json *bcd_of(struct arena *a, uint64_t v, uint8_t size)
{
    int64_t n = 0;
    for (int shift = size * 8 - 4; shift >= 0; shift -= 4) {
        unsigned digit = v >> shift & 15;
        if (digit > 9) return NULL;
        n = n * 10 + (int64_t)digit;
    }
    return json_new_i64(a, n);
}

static const struct json *hex_of(struct arena *a, struct str bytes)
{
    struct buf b;
    buf_init(&b, 1024);
    hex_encode(&b, bytes.p, bytes.n);
    struct str text = arena_str(a, buf_view(&b));
    buf_fini(&b);
    return text.p ? json_new_str(a, text) : NULL;
}

static struct str printable(struct arena *a, struct str s)
{
    while (s.n && (s.p[s.n - 1] == '\0' || s.p[s.n - 1] == ' ')) s.n--;
    char *out = arena_strdup(a, s);
    for (size_t i = 0; out && i < s.n; i++)
        if ((unsigned char)out[i] < ' ' || (unsigned char)out[i] > '~') out[i] = '?';
    return str_make(out, out ? s.n : 0);
}

const struct json *bytes_at_get(const struct bytes_at *f, struct arena *a, struct str bytes)
{
    if (bytes.n < (size_t)f->offset + f->size) return NULL;
    const uint8_t *p = (const uint8_t *)bytes.p + f->offset;
    uint64_t v = f->kind <= BYTES_BCD ? gather(f, p) : 0;
    unsigned unused = 64u - (f->size < 8 ? f->size : 8u) * 8u;
    switch ((enum bytes_kind)f->kind) {
    case BYTES_UINT: return v > INT64_MAX ? json_new_double(a, (double)v) : json_new_i64(a, (int64_t)v);
    case BYTES_INT: return json_new_i64(a, (int64_t)(v << unused) >> unused);
    case BYTES_FLOAT: return json_new_double(a, float_of(v, f->size));
    case BYTES_BCD: return bcd_of(a, v, f->size);
    case BYTES_BIT: return json_new_bool(a, *p >> f->bit & 1);
    case BYTES_TEXT: return json_new_str(a, printable(a, str_make((const char *)p, f->size)));
    case BYTES_HEX: return hex_of(a, str_make((const char *)p, f->size));
    }
    return NULL;
}

/* ---- places ---- */

int map_place_compile(enum map_form form, struct arena *a, struct str text, const char *where, struct map_place *ret,
                      struct error *e)
{
    int rc = 0;
    *ret = (struct map_place){.set = true};
    if (form == MAP_JSON) rc = json_path_compile(text, a, &ret->path, e);
    if (form == MAP_CSV) ret->column = arena_str(a, str_trim(text));
    if (form == MAP_BYTES) rc = bytes_at_parse(text, &ret->bytes, e);
    if (form == MAP_CSV && !ret->column.n)
        rc = error_set(e, ERR_INVALID, "", "name a column, or its number from 1", "请填写列名或列号（从 1 起）");
    if (rc && e) snprintf(e->where, sizeof e->where, "%s", where);
    return rc;
}

static const struct json *column(const struct json *row, struct str name)
{
    uint64_t n;
    const struct json *v = json_get_str(row, name);
    if (v || str_to_u64(name, &n) || !n) return v;
    v = row ? row->child : NULL;
    while (v && --n) v = v->next;
    return v;
}

const struct json *map_place_get(const struct mapping *m, const struct map_place *p, struct arena *a,
                                 const struct record *r, bool around)
{
    const struct json *v = NULL;
    if (!p->set) return NULL;
    switch (m->form) {
    case MAP_JSON:
        v = json_path_first(p->path, r->doc);
        if (!v && around && r->root != r->doc) v = json_path_first(p->path, r->root);
        return v;
    case MAP_CSV: return column(r->doc, p->column);
    case MAP_TEXT: return r->doc;
    case MAP_BYTES: return bytes_at_get(&p->bytes, a, r->bytes);
    }
    return v;
}

struct json *map_typed(struct arena *a, struct str text)
{
    double d;
    int64_t i;
    struct str s = str_trim(text);
    if (!s.n) return json_new_null(a);
    if (str_to_i64(s, &i) == 0) return json_new_i64(a, i);
    if (str_to_double(s, &d) == 0) return json_new_double(a, d);
    if (str_ieq(s, STR("true")) || str_ieq(s, STR("false"))) return json_new_bool(a, str_ieq(s, STR("true")));
    return json_new_str(a, s);
}
