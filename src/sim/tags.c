/* tags.c - the tables of data/ expanded into the plan.
 *
 * Order matters and is kept: areas, then equipment class by class and instance by instance, so that
 * codes, stations and addresses are the same in every build. As the tables are part of the binary,
 * faults in them can only be the author's; they are reported all the same. One thread. */
#include "sim/tags_int.h"
#include "sim/table.h"
#include "base/mem.h"
#include <math.h>

#define PLAN_BYTES (16 << 20)
#define EQUIPS_MAX 2000
#define TAGS_MAX 8000

/* Columns of tags.csv and equipment.csv. */
enum {
    T_CLASS,
    T_SUFFIX,
    T_EN,
    T_ZH,
    T_UNIT,
    T_LO,
    T_HI,
    T_NOM,
    T_NOISE,
    T_DYN,
    T_SCAN,
    T_TYPE,
    T_LL,
    T_ACCESS = 16,
    T_WIRE
};
enum { E_CLASS, E_SITE, E_AREA, E_INST, E_EN, E_ZH, E_PER, E_TABLE, E_ORDER, E_NUM, E_BOOL };

struct loader {
    struct sim_plan *p;
    struct arena *a;      /* the plan's */
    struct arena scratch; /* of the tables */
    struct sim_row *rows; /* tags.csv */
    size_t nrows;
    struct str *wants;   /* the wish for a data type, by tag */
    unsigned in_station; /* pieces of equipment on the last device */
    struct error *e;
};

static int find_server(const struct sim_plan *p, struct str code)
{
    for (size_t i = 0; i < p->nservers; i++)
        if (str_eq(p->servers[i].code, code)) return (int)i;
    return -1;
}

static int find_area(const struct sim_plan *p, struct str site, struct str code)
{
    for (size_t i = 0; i < p->nareas; i++)
        if (str_eq(p->areas[i].site, site) && str_eq(p->areas[i].code, code)) return (int)i;
    return -1;
}

static int bad(struct loader *l, const char *table, struct str what)
{
    return error_set(l->e, ERR_INVALID, table, "unknown name '%.*s'", "未知名称“%.*s”", STR_ARG(what));
}

static int load_servers(struct loader *l)
{
    struct sim_row *rows;
    size_t n;
    int rc = sim_table_read(&l->scratch, "servers.csv", &rows, &n, l->e);
    if (rc < 0) return rc;
    l->p->servers = arena_calloc(l->a, n, sizeof *l->p->servers);
    if (!l->p->servers) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        l->p->servers[i] = (struct sim_server){arena_str(l->a, rows[i].c[0]), arena_str(l->a, rows[i].c[1]),
                                               arena_str(l->a, rows[i].c[2]), (uint16_t)i};
    l->p->nservers = n;
    return 0;
}

static int load_areas(struct loader *l)
{
    struct sim_row *rows;
    size_t n;
    int rc = sim_table_read(&l->scratch, "areas.csv", &rows, &n, l->e);
    if (rc < 0) return rc;
    l->p->areas = arena_calloc(l->a, n, sizeof *l->p->areas);
    if (!l->p->areas) return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct str *c = rows[i].c;
        int server = c[4].n ? find_server(l->p, c[4]) : 0;
        if (server < 0) return bad(l, "areas.csv", c[4]);
        l->p->areas[i] = (struct sim_area){arena_str(l->a, c[0]), arena_str(l->a, c[1]), arena_str(l->a, c[2]),
                                           arena_str(l->a, c[3]), (uint16_t)server};
    }
    l->p->nareas = n;
    return 0;
}

static enum sim_type type_of(struct str s)
{
    static const char *const names[] = {"AI", "LAB", "ENUM", "DI", "TOT", "STR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(s, names[i])) return (enum sim_type)i;
    return SIM_AI;
}

static struct str join(struct loader *l, const char *fmt_sep, struct str a, struct str b)
{
    char *z = arena_printf(l->a, "%.*s%s%.*s", STR_ARG(a), fmt_sep, STR_ARG(b));
    return str_of(z ? z : "");
}

static void add_tag(struct loader *l, const struct sim_equip *q, size_t equip, const struct sim_row *row,
                    struct str suffix, unsigned n)
{
    const struct str *c = row->c;
    struct sim_tag *t = &l->p->tags[l->p->ntags];
    t->suffix = suffix;
    t->code = join(l, ".", q->code, suffix);
    t->name_en = join(l, " ", q->name_en, sim_numbered(&l->scratch, c[T_EN], n));
    t->name_zh = join(l, " ", q->name_zh, sim_numbered(&l->scratch, c[T_ZH], n));
    t->unit = arena_str(l->a, c[T_UNIT]);
    t->dynamics = arena_str(l->a, c[T_DYN]);
    t->lo = sim_cell_number(c[T_LO]), t->hi = sim_cell_number(c[T_HI]);
    t->nominal = sim_cell_number(c[T_NOM]), t->noise = sim_cell_number(c[T_NOISE]);
    for (int i = 0; i < 4; i++) t->limit[i] = sim_cell_number(c[T_LL + i]);
    t->scan_s = sim_cell_number(c[T_SCAN]);
    t->type = (uint8_t)type_of(c[T_TYPE]);
    t->writable = str_is(c[T_ACCESS], "rw");
    t->equip = (uint16_t)equip, t->device = q->device;
    l->wants[l->p->ntags++] = c[T_WIRE];
}

static int add_tags(struct loader *l, struct sim_equip *q, size_t equip)
{
    for (size_t i = 0; i < l->nrows; i++) {
        if (!str_eq(l->rows[i].c[T_CLASS], q->cls)) continue;
        struct sim_pattern p = sim_pattern_parse(l->rows[i].c[T_SUFFIX]);
        for (unsigned n = p.from; n <= p.to; n++) {
            if (l->p->ntags == TAGS_MAX) return ERR_TOO_LARGE;
            add_tag(l, q, equip, &l->rows[i], sim_pattern_text(l->a, &p, n), n);
        }
    }
    q->ntags = (uint16_t)(l->p->ntags - q->first);
    return 0;
}

/* The next station of a server; unit ids count up from 1 on each. */
static struct sim_device *new_device(struct loader *l, const struct sim_equip *q)
{
    struct sim_device *d = &l->p->devices[l->p->ndevices++];
    unsigned unit = 1;
    d->server = l->p->areas[q->area].server;
    for (size_t i = 0; i + 1 < l->p->ndevices; i++) unit += l->p->devices[i].server == d->server;
    d->unit_id = (uint8_t)unit;
    d->code = q->code, d->name_en = q->name_en, d->name_zh = q->name_zh;
    l->in_station = 0;
    return d;
}

/* "LT-PIT-TRK01" with its last piece "…TRK08" becomes "LT-PIT-TRK01-TRK08". */
static void name_station(struct loader *l, struct sim_device *d, const struct sim_equip *first,
                         const struct sim_equip *last)
{
    struct str rest = last->code;
    str_cut(&rest, '-'), str_cut(&rest, '-');
    d->code = join(l, "-", first->code, rest);
    d->name_en = join(l, " - ", first->name_en, last->name_en);
    d->name_zh = join(l, "～", first->name_zh, last->name_zh);
}

static void place_equip(struct loader *l, struct sim_equip *q, unsigned per_station)
{
    struct sim_plan *p = l->p;
    if (q->index % per_station == 0) new_device(l, q);
    q->device = (uint16_t)(p->ndevices - 1);
    if (q->index % per_station != 0) name_station(l, &p->devices[q->device], q - q->index % per_station, q);
}

static int add_equip(struct loader *l, const struct sim_row *row, int area, struct str inst, struct str en,
                     struct str zh, unsigned index, unsigned count)
{
    const struct str *c = row->c;
    if (l->p->nequips == EQUIPS_MAX) return ERR_TOO_LARGE;
    size_t at = l->p->nequips++;
    struct sim_equip *q = &l->p->equips[at];
    struct str site_area = join(l, "-", c[E_SITE], c[E_AREA]);
    *q = (struct sim_equip){.cls = arena_str(l->a, c[E_CLASS]),
                            .area = (uint16_t)area,
                            .index = (uint16_t)index,
                            .count = (uint16_t)count,
                            .first = (uint16_t)l->p->ntags};
    q->code = join(l, "-", site_area, inst);
    q->name_en = arena_str(l->a, en), q->name_zh = arena_str(l->a, zh);
    q->area_path = join(l, "/", join(l, "/", c[E_SITE], c[E_AREA]), inst);
    double per = sim_cell_number(c[E_PER]);
    place_equip(l, q, per >= 1 ? (unsigned)per : 1);
    int rc = add_tags(l, q, at);
    if (rc < 0) return rc;
    struct sim_layout layout = {c[E_TABLE], c[E_ORDER], c[E_NUM], c[E_BOOL]};
    sim_layout_equip(l->p, &l->p->devices[q->device], q, &layout, l->wants + q->first);
    return 0;
}

static unsigned count_instances(struct str list)
{
    unsigned n = 0;
    while (list.p) {
        struct sim_pattern p = sim_pattern_parse(str_cut(&list, ' '));
        n += p.to - p.from + 1;
    }
    return n;
}

/* One row of equipment.csv: tokens of instances, each with its own name when the names have parts. */
static int add_class(struct loader *l, const struct sim_row *row)
{
    const struct str *c = row->c;
    struct str list = c[E_INST], en = c[E_EN], zh = c[E_ZH], name_en = {0}, name_zh = {0};
    unsigned index = 0, count = count_instances(list);
    int area = find_area(l->p, c[E_SITE], c[E_AREA]);
    if (area < 0) return bad(l, "equipment.csv", c[E_AREA]);
    while (list.p) {
        struct sim_pattern p = sim_pattern_parse(str_cut(&list, ' '));
        if (en.p) name_en = str_cut(&en, '|');
        if (zh.p) name_zh = str_cut(&zh, '|');
        for (unsigned n = p.from; n <= p.to; n++) {
            int rc = add_equip(l, row, area, sim_pattern_text(l->a, &p, n), sim_numbered(&l->scratch, name_en, n),
                               sim_numbered(&l->scratch, name_zh, n), index++, count);
            if (rc < 0) return rc;
        }
    }
    return 0;
}

static int load_equipment(struct loader *l)
{
    struct sim_row *rows;
    size_t n;
    int rc = sim_table_read(&l->scratch, "tags.csv", &l->rows, &l->nrows, l->e);
    if (rc == 0) rc = sim_table_read(&l->scratch, "equipment.csv", &rows, &n, l->e);
    for (size_t i = 0; rc == 0 && i < n; i++) rc = add_class(l, &rows[i]);
    return rc;
}

static int load(struct loader *l)
{
    struct sim_plan *p = l->p;
    p->equips = arena_calloc(l->a, EQUIPS_MAX, sizeof *p->equips);
    p->devices = arena_calloc(l->a, EQUIPS_MAX, sizeof *p->devices);
    p->tags = arena_calloc(l->a, TAGS_MAX, sizeof *p->tags);
    l->wants = arena_calloc(&l->scratch, TAGS_MAX, sizeof *l->wants);
    if (!p->equips || !p->devices || !p->tags || !l->wants) return ERR_NOMEM;
    int rc = load_servers(l);
    if (rc == 0) rc = load_areas(l);
    if (rc == 0) rc = load_equipment(l);
    return rc;
}

int sim_plan_load(struct sim_plan **ret, struct error *e)
{
    struct sim_plan *p = mem_calloc(1, sizeof *p);
    if (!p) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    arena_init(&p->arena, PLAN_BYTES);
    struct loader l = {.p = p, .a = &p->arena, .e = e};
    arena_init(&l.scratch, PLAN_BYTES);
    int rc = load(&l);
    arena_fini(&l.scratch);
    if (rc < 0) {
        sim_plan_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

void sim_plan_free(struct sim_plan *p)
{
    if (!p) return;
    arena_fini(&p->arena);
    mem_free(p);
}

int sim_plan_equip(const struct sim_plan *p, struct str code)
{
    for (size_t i = 0; i < p->nequips; i++)
        if (str_eq(p->equips[i].code, code)) return (int)i;
    return -1;
}

int sim_plan_tag(const struct sim_plan *p, struct str code)
{
    struct str rest = code;
    int q = sim_plan_equip(p, str_cut(&rest, '.'));
    if (q < 0 || !rest.p) return -1;
    for (unsigned i = 0; i < p->equips[q].ntags; i++)
        if (str_eq(p->tags[p->equips[q].first + i].suffix, rest)) return (int)(p->equips[q].first + i);
    return -1;
}

int sim_equip_tag(const struct sim_plan *p, size_t equip, const char *suffix)
{
    const struct sim_equip *q = &p->equips[equip];
    for (unsigned i = 0; i < q->ntags; i++)
        if (str_is(p->tags[q->first + i].suffix, suffix)) return (int)(q->first + i);
    return -1;
}
