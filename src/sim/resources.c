/* resources.c - writes the plan as CSV. Pure but for the buffer. */
#include "sim/resources.h"
#include "sim/table.h"
#include "base/csv.h"
#include <math.h>
#include <stdio.h>

struct target {
    const struct sim_plan *p;
    const char *host;
    unsigned port;
    struct buf *out;
};

static void cell(struct buf *b, struct str s)
{
    csv_cell(b, s, b->n == 0 || b->p[b->n - 1] == '\n');
}

static void cell_z(struct buf *b, const char *z)
{
    cell(b, str_of(z));
}

__attribute__((format(printf, 2, 3))) static void cell_f(struct buf *b, const char *fmt, ...)
{
    char text[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    cell_z(b, text);
}

static void cell_number(struct buf *b, double v)
{
    if (isnan(v))
        cell_z(b, "");
    else
        cell_f(b, "%.12g", v);
}

static void end(struct buf *b)
{
    buf_z(b, "\r\n");
}

static void write_areas(const struct target *t)
{
    buf_z(t->out, "code,name,name_en\r\n");
    for (size_t i = 0; i < t->p->nareas; i++) {
        const struct sim_area *a = &t->p->areas[i];
        cell_f(t->out, "%.*s%s%.*s", STR_ARG(a->site), a->code.n ? "/" : "", STR_ARG(a->code));
        cell(t->out, a->name_zh), cell(t->out, a->name_en);
        end(t->out);
    }
}

static void write_orgs(const struct target *t)
{
    AUTO_ARENA a;
    struct sim_row *orgs = NULL;
    size_t n = 0;
    arena_init(&a, 1 << 20);
    if (sim_table_read(&a, "orgs.csv", &orgs, &n, NULL)) n = 0;
    buf_z(t->out, "code,parent,type,name_en,name\r\n");
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < 5; k++) cell(t->out, orgs[i].c[k]);
        end(t->out);
    }
}

static bool word_among(struct str words, struct str want)
{
    while (words.n)
        if (str_eq(str_cut(&words, ' '), want)) return true;
    return false;
}

/* The organisation that runs it. */
static struct str server_org(const struct sim_row *orgs, size_t n, struct str server)
{
    for (size_t i = 0; i < n; i++)
        if (word_among(orgs[i].c[5], server)) return orgs[i].c[0];
    return STR("");
}

static void write_channels(const struct target *t)
{
    AUTO_ARENA a;
    struct sim_row *orgs = NULL;
    size_t norgs = 0;
    arena_init(&a, 1 << 20);
    if (sim_table_read(&a, "orgs.csv", &orgs, &norgs, NULL)) norgs = 0;
    buf_z(t->out, "code,name,org,driver,description,options\r\n");
    for (size_t i = 0; i < t->p->nservers; i++) {
        const struct sim_server *s = &t->p->servers[i];
        cell(t->out, s->code), cell(t->out, s->name_zh), cell(t->out, server_org(orgs, norgs, s->code));
        cell_z(t->out, "modbus_tcp"), cell(t->out, s->name_en);
        cell_f(t->out, "{\"host\":\"%s\",\"port\":%u}", t->host, t->port + s->port_offset);
        end(t->out);
    }
}

/* A station that carries one piece of equipment stands at it, else at its area. */
static struct str device_area(const struct sim_plan *p, size_t device, size_t *ret_n)
{
    struct str path = STR_NULL;
    *ret_n = 0;
    for (size_t i = 0; i < p->nequips; i++)
        if (p->equips[i].device == device && (*ret_n)++ == 0) path = p->equips[i].area_path;
    if (*ret_n > 1)
        while (path.n && path.p[path.n - 1] != '/') path.n--;
    if (*ret_n > 1 && path.n) path.n--;
    return path;
}

static void write_devices(const struct target *t)
{
    buf_z(t->out, "code,name,channel,area,name_en,options\r\n");
    for (size_t i = 0; i < t->p->ndevices; i++) {
        const struct sim_device *d = &t->p->devices[i];
        size_t n;
        cell(t->out, d->code), cell(t->out, d->name_zh), cell(t->out, t->p->servers[d->server].code);
        cell(t->out, device_area(t->p, i, &n)), cell(t->out, d->name_en);
        cell_f(t->out, "{\"unit\":%u}", d->unit_id);
        end(t->out);
    }
}

static const char *const wire_names[] = {"float", "double", "int16", "uint16", "int32", "uint32", "bool", "string"};

static void cell_address(struct buf *b, const struct sim_tag *t)
{
    if (t->wire == WIRE_STR)
        cell_f(b, "%s.%uH", t->text, t->words * 2u);
    else
        cell_z(b, t->text);
}

/* How often to ask: fast machines at most five times a second, laboratories at least once a minute. */
static void cell_period(struct buf *b, double scan_s)
{
    double s = scan_s < 0.2 ? 0.2 : scan_s > 60 ? 60 : scan_s;
    cell_f(b, "%.0fms", s * 1000);
}

static int decimals(double resolution)
{
    int n = resolution > 0 ? (int)ceil(-log10(resolution) - 1e-9) : 0;
    return n < 0 ? 0 : n > 9 ? 9 : n;
}

static bool is_key(const struct sim_row *keys, size_t n, struct str code)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(keys[i].c[0], code)) return true;
    return false;
}

static bool holds(const struct sim_tag *t)
{
    return t->type == SIM_DI || t->type == SIM_ENUM || t->type == SIM_STR || t->type == SIM_LAB || t->writable;
}

static void write_point(const struct target *t, const struct sim_tag *g, bool key)
{
    struct buf *b = t->out;
    bool number = g->type != SIM_STR && g->type != SIM_DI;
    cell(b, g->code), cell(b, g->name_zh), cell(b, t->p->devices[g->device].code), cell_address(b, g);
    cell_z(b, wire_names[g->wire]);
    cell_z(b, g->words > 1 && g->wire != WIRE_STR ? g->order : "ABCD");
    cell_number(b, number ? g->scale : (double)NAN), cell(b, g->unit);
    cell_f(b, "%d", number ? decimals(g->resolution) : 0);
    cell_number(b, number ? g->lo : (double)NAN), cell_number(b, number ? g->hi : (double)NAN);
    cell_period(b, g->scan_s), cell(b, t->p->equips[g->equip].area_path), cell(b, g->name_en);
    cell_z(b, holds(g) ? "true" : "false");
    cell_number(b, g->type == SIM_AI && g->noise > 0 ? fmax(g->resolution, 0.5 * g->noise) : (double)NAN);
    cell_z(b, key ? "true" : "false"), cell_z(b, g->writable ? "true" : "false");
    cell_number(b, g->writable ? g->lo : (double)NAN), cell_number(b, g->writable ? g->hi : (double)NAN);
    for (int i = 0; i < 4; i++) cell_number(b, g->limit[i]);
    end(b);
}

static void write_points(const struct target *t)
{
    AUTO_ARENA a;
    struct sim_row *keys = NULL;
    size_t nkeys = 0;
    arena_init(&a, 1 << 20);
    if (sim_table_read(&a, "keys.csv", &keys, &nkeys, NULL) < 0) nkeys = 0;
    buf_z(t->out,
          "code,name,device,address,type,byte_order,scale,unit,decimals,lo,hi,period,area,name_en,step,deadband,key,"
          "writable,write_lo,write_hi,ll,l,h,hh\r\n");
    for (size_t i = 0; i < t->p->ntags; i++) write_point(t, &t->p->tags[i], is_key(keys, nkeys, t->p->tags[i].code));
}

int sim_write_resources_csv(const struct sim_plan *p, const char *kind, const char *host, unsigned port_base,
                            struct buf *out)
{
    static const struct {
        const char *kind;
        void (*write)(const struct target *t);
    } writers[] = {{"org", write_orgs},
                   {"area", write_areas},
                   {"channel", write_channels},
                   {"device", write_devices},
                   {"point", write_points}};
    struct target t = {p, host, port_base, out};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        if (strcmp(kind, writers[i].kind) == 0) {
            writers[i].write(&t);
            return out->err;
        }
    return ERR_NOT_FOUND;
}

/* ---- what is no Modbus ---- */

const char *sim_more_kind(size_t i)
{
    static const char *const kinds[] = {"area",   "role",  "user",    "mqtt_listener", "channel",
                                        "device", "point", "forward", "forward_point"};
    return i < sizeof kinds / sizeof *kinds ? kinds[i] : NULL;
}

/* What stands between the braces; what is no name of ours stays as it is: JSON has braces too. */
static bool put_place(struct buf *out, struct str name, const struct sim_places *at)
{
    uint64_t n = 0;
    if (str_is(name, "host"))
        buf_z(out, at->host);
    else if (str_is(name, "secret"))
        buf_z(out, at->secret);
    else if (str_starts(name, STR("port+")) && str_to_u64(str_sub(name, 5, name.n), &n) == 0)
        buf_printf(out, "%u", at->port_base + (unsigned)n);
    else
        return false;
    return true;
}

int sim_write_more_csv(const char *kind, const struct sim_places *at, struct buf *out)
{
    char name[64];
    snprintf(name, sizeof name, "more_%.40s.csv", kind);
    struct str s = sim_table_text(name);
    if (!s.p) return ERR_NOT_FOUND;
    for (size_t i = 0; i < s.n; i++) {
        ptrdiff_t end = s.p[i] == '{' ? str_find(str_sub(s, i, s.n), '}') : -1;
        if (end > 0 && put_place(out, str_sub(s, i + 1, (size_t)end - 1), at))
            i += (size_t)end;
        else
            buf_add(out, s.p + i, 1);
    }
    return out->err;
}

static void list_tag(const struct sim_plan *p, unsigned port_base, const struct sim_tag *t, struct buf *b)
{
    const struct sim_device *d = &p->devices[t->device];
    cell(b, t->code), cell(b, t->name_en), cell(b, t->name_zh), cell(b, p->equips[t->equip].area_path),
        cell(b, t->unit);
    cell_number(b, t->lo), cell_number(b, t->hi), cell_number(b, t->resolution);
    cell_f(b, "%u", port_base + p->servers[d->server].port_offset), cell_f(b, "%u", d->unit_id), cell_address(b, t);
    cell_z(b, wire_names[t->wire]), cell_z(b, t->order), cell_number(b, t->scale), cell(b, t->dynamics);
    end(b);
}

int sim_write_tags_csv(const struct sim_plan *p, unsigned port_base, struct buf *out)
{
    buf_z(out,
          "code,name_en,name_zh,area,unit,lo,hi,resolution,port,unit_id,address,type,byte_order,scale,dynamics\r\n");
    for (size_t i = 0; i < p->ntags; i++) list_tag(p, port_base, &p->tags[i], out);
    return out->err;
}
