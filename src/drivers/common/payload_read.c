/* payload_read.c - see payload_read.h: the rules of a device and the places of points, compiled. Documents are read in
 * payload_doc.c. */
#include "base/mem.h"
#include "drivers/common/payload_read_int.h"
#include "io/zone_load.h"
#include "proto/xml_tree.h"

#define READER_ARENA (256 << 10)

const struct option_choice payload_doc_forms[] = {
    {"json", "JSON", "JSON"},
    {"csv", "CSV", "CSV"},
    {"text", "The value as text", "纯文本数值"},
    {"xml", "XML", "XML"},
    {0},
};

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static int keep(struct arena *a, const char *z, struct str *ret, struct error *e)
{
    *ret = arena_str(a, str_of(z));
    return ret->p || !z[0] ? 0 : no_memory(e);
}

static int compile_path(enum payload_doc_form form, const char *text, enum xml_path_kind kind, struct arena *a,
                        struct cell_at *ret, struct error *e)
{
    struct str path = str_of(text);
    int rc = form == PAYLOAD_DOC_XML ? xml_path(path, kind, a, &path, e) : 0;
    return rc ? rc : json_path_compile(path, a, &ret->path, e);
}

/* A path or a column; "" is none, or with `needed` the row itself. */
static int compile_cell(enum payload_doc_form form, const char *text, bool needed, const char *where, struct arena *a,
                        struct cell_at *ret, struct error *e)
{
    *ret = (struct cell_at){.set = needed || text[0]};
    if (!ret->set || form == PAYLOAD_DOC_TEXT) return 0;
    if (form == PAYLOAD_DOC_CSV && !text[0])
        return error_set(e, ERR_INVALID, where, "the name or number of a column is expected", "应为列名或列号");
    int rc = form == PAYLOAD_DOC_CSV ? keep(a, text, &ret->column, e) : compile_path(form, text, XML_VALUE, a, ret, e);
    if (rc == ERR_INVALID && e) snprintf(e->where, sizeof e->where, "%s", where);
    return rc;
}

static int compile_rows(struct payload_reader *r, const char *text, struct error *e)
{
    struct cell_at rows = {0};
    if (!text[0] || (r->form != PAYLOAD_DOC_JSON && r->form != PAYLOAD_DOC_XML)) return 0;
    int rc = compile_path(r->form, text, XML_ROWS, &r->arena, &rows, e);
    if (rc == ERR_INVALID && e) snprintf(e->where, sizeof e->where, "rows");
    r->rows = rows.path;
    return rc;
}

static int compile_option(struct payload_reader *r, const struct options *o, const char *name, struct cell_at *ret,
                          struct error *e)
{
    return compile_cell(r->form, opt_str(o, name, ""), false, name, &r->arena, ret, e);
}

static int compile_keyed(struct payload_reader *r, const struct options *o, struct error *e)
{
    int rc = compile_option(r, o, "key", &r->key, e);
    if (!rc) rc = compile_option(r, o, "value", &r->value, e);
    if (rc) return rc;
    r->keyed = r->key.set && r->form != PAYLOAD_DOC_TEXT;
    if (r->keyed && !r->value.set)
        return error_set(e, ERR_INVALID, "value",
                         "with a name in the row ('key'), the path of its value is needed, e.g. value",
                         "设置了行内测点名（key）时，须填写数值的路径，例如 value");
    return 0;
}

static int compile_times(struct payload_reader *r, const struct options *o, bool load, struct error *e)
{
    r->times.kind = (enum time_format_kind)opt_enum(o, "time_format", TIMES_AUTO);
    int rc = keep(&r->arena, opt_str(o, "time_pattern", ""), &r->times.pattern, e);
    if (!rc && r->times.kind == TIMES_PATTERN) rc = time_pattern_check(r->times.pattern, e);
    if (!rc && load) rc = zone_load(str_of(opt_str(o, "time_zone", "UTC")), &r->zone, e);
    r->times.zone = &r->zone;
    return rc;
}

static int compile(struct payload_reader *r, const struct options *o, bool load, struct error *e)
{
    r->form = (enum payload_doc_form)opt_enum(o, "payload", PAYLOAD_DOC_JSON);
    r->header = opt_bool(o, "header", true);
    int rc = compile_rows(r, opt_str(o, "rows", ""), e);
    if (!rc) rc = compile_keyed(r, o, e);
    if (!rc) rc = compile_option(r, o, "time", &r->time, e);
    if (!rc) rc = compile_option(r, o, "quality", &r->quality, e);
    if (!rc) rc = keep(&r->arena, opt_str(o, "quality_good", "good,ok,true,1,192"), &r->good, e);
    if (!rc) rc = keep(&r->arena, opt_str(o, "quality_uncertain", "uncertain,64"), &r->uncertain, e);
    return rc ? rc : compile_times(r, o, load, e);
}

int payload_reader_new(const struct options *o, struct payload_reader **ret, struct error *e)
{
    struct payload_reader *r = mem_calloc(1, sizeof *r);
    if (!r) return no_memory(e);
    arena_init(&r->arena, READER_ARENA);
    int rc = compile(r, o, true, e);
    if (rc)
        payload_reader_free(r);
    else
        *ret = r;
    return rc;
}

void payload_reader_free(struct payload_reader *r)
{
    if (!r) return;
    zone_fini(&r->zone);
    arena_fini(&r->arena);
    mem_free(r);
}

int64_t payload_zone_offset_us(const struct payload_reader *r, int64_t time_us)
{
    return zone_span(&r->zone, time_us / 1000000 - (time_us % 1000000 < 0)).offset * 1000000LL;
}

static int compile_place(struct payload_place *p, const struct payload_reader *r, const char *address,
                         const struct options *o, struct error *e)
{
    if (r->form == PAYLOAD_DOC_TEXT && strcmp(address, "value") != 0)
        return error_set(e, ERR_INVALID, "address", "'%.60s': the document is the value; the address is \"value\"",
                         "“%.60s”：整份报文即数值，地址应为 \"value\"", address);
    if (r->keyed && !address[0])
        return error_set(e, ERR_INVALID, "address", "the name of the point in the rows is expected",
                         "应为行内的测点名");
    int rc = r->keyed ? keep(&p->arena, address, &p->key, e)
                      : compile_cell(r->form, address, true, "address", &p->arena, &p->value, e);
    if (!rc) rc = compile_cell(r->form, opt_str(o, "time", ""), false, "time", &p->arena, &p->time, e);
    return rc ? rc : compile_cell(r->form, opt_str(o, "quality", ""), false, "quality", &p->arena, &p->quality, e);
}

int payload_place_new(const struct payload_reader *r, const char *address, const struct options *point,
                      struct payload_place **ret, struct error *e)
{
    struct payload_place *p = mem_calloc(1, sizeof *p);
    if (!p) return no_memory(e);
    arena_init(&p->arena, READER_ARENA);
    int rc = compile_place(p, r, address, point, e);
    if (rc) {
        payload_place_free(p);
        return rc;
    }
    if (r->keyed) p->value = r->value;
    if (!p->time.set) p->time = r->time;
    if (!p->quality.set) p->quality = r->quality;
    *ret = p;
    return 0;
}

void payload_place_free(struct payload_place *p)
{
    if (!p) return;
    arena_fini(&p->arena);
    mem_free(p);
}

int payload_address_check(const struct options *o, const char *address, const struct options *point, struct error *e)
{
    struct payload_reader r = {0};
    struct payload_place p = {0};
    arena_init(&r.arena, READER_ARENA);
    arena_init(&p.arena, READER_ARENA);
    int rc = compile(&r, o, false, e);
    if (!rc) rc = compile_place(&p, &r, address, point, e);
    arena_fini(&p.arena);
    arena_fini(&r.arena);
    return rc;
}
