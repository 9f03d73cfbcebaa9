/* tags_test.c - the expanded plan: complete texts, addresses that do not overlap, values that survive the wire. */
#include "sim/resources.h"
#include "sim/tags.h"
#include "base/csv.h"
#include "base/mem.h"
#include "base/test.h"
#include "model/unit.h"
#include "proto/modbus.h"

static struct sim_plan *plan_of(void)
{
    static struct sim_plan *p;
    struct error e = {0};
    if (!p && sim_plan_load(&p, &e) < 0) test_fail(__FILE__, __LINE__, "%s %s", e.where, e.text);
    return p;
}

static bool chinese(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0xe4) return true;
    return false;
}

TEST(size_of_the_plan)
{
    const struct sim_plan *p = plan_of();
    size_t kinds[6] = {0}, writable = 0;
    for (size_t i = 0; i < p->ntags; i++) kinds[p->tags[i].type]++, writable += p->tags[i].writable;
    printf("demo: %zu servers, %zu devices, %zu pieces of equipment, %zu tags (%zu AI, %zu lab, %zu enum, %zu DI, %zu "
           "totals, "
           "%zu texts)\n",
           p->nservers, p->ndevices, p->nequips, p->ntags, kinds[0], kinds[1], kinds[2], kinds[3], kinds[4], kinds[5]);
    CHECK(p->ntags > 3550 && p->ntags < 3650);
    CHECK(p->nservers >= 12 && p->nservers <= 20);
    CHECK(writable >= 6 && kinds[SIM_STR] >= 4 && kinds[SIM_TOT] > 100);
}

TEST(every_tag_has_both_names_and_a_sane_range)
{
    const struct sim_plan *p = plan_of();
    for (size_t i = 0; i < p->ntags; i++) {
        const struct sim_tag *t = &p->tags[i];
        if (!t->name_en.n || chinese(t->name_en) || !chinese(t->name_zh))
            test_fail(__FILE__, __LINE__, "%.*s: names '%.*s' '%.*s'", STR_ARG(t->code), STR_ARG(t->name_en),
                      STR_ARG(t->name_zh));
        if (t->type != SIM_STR && !(t->lo < t->hi && t->nominal >= t->lo && t->nominal <= t->hi))
            test_fail(__FILE__, __LINE__, "%.*s: range", STR_ARG(t->code));
        if (!(t->scan_s > 0)) test_fail(__FILE__, __LINE__, "%.*s: scan", STR_ARG(t->code));
    }
    for (size_t i = 0; i < p->ndevices; i++) CHECK(p->devices[i].name_en.n && chinese(p->devices[i].name_zh));
}

TEST(every_unit_is_known)
{
    const struct sim_plan *p = plan_of();
    for (size_t i = 0; i < p->ntags; i++)
        if (p->tags[i].unit.n && !unit_is_known(p->tags[i].unit))
            test_fail(__FILE__, __LINE__, "%.*s: unit '%.*s'", STR_ARG(p->tags[i].code), STR_ARG(p->tags[i].unit));
}

TEST(codes_are_unique_and_found)
{
    const struct sim_plan *p = plan_of();
    for (size_t i = 0; i < p->ntags; i++)
        if (sim_plan_tag(p, p->tags[i].code) != (int)i) test_fail(__FILE__, __LINE__, "%.*s", STR_ARG(p->tags[i].code));
    CHECK_INT(sim_plan_tag(p, STR("LT-GRD-BM01.NIX")), -1);
    CHECK_INT(sim_plan_tag(p, STR("LT-GRD-BM01")), -1);
    int t = sim_plan_tag(p, STR("LT-GRD-BM01.JI"));
    REQUIRE(t >= 0);
    CHECK_STR(p->tags[t].name_zh, "1号球磨机 功率");
    CHECK_STR(p->tags[t].name_en, "Ball mill 1 Power");
    CHECK_STR(p->equips[p->tags[t].equip].area_path, "LT/GRD/BM01");
}

/* A map of every register, coil and bit that is taken. */
TEST(addresses_do_not_overlap)
{
    const struct sim_plan *p = plan_of();
    for (size_t d = 0; d < p->ndevices; d++) {
        static uint32_t taken[TABLE_COUNT][4096];
        memset(taken, 0, sizeof taken);
        for (size_t i = 0; i < p->ntags; i++) {
            const struct sim_tag *t = &p->tags[i];
            if (t->device != d) continue;
            uint32_t bits = t->bit >= 0 ? 1u << t->bit : 0xffff;
            for (unsigned k = 0; k < (t->words ? t->words : 1u); k++) {
                unsigned at = t->address + k;
                REQUIRE(at < p->devices[d].used[t->table] && at < 4096);
                if (taken[t->table][at] & bits) test_fail(__FILE__, __LINE__, "%.*s overlaps", STR_ARG(t->code));
                taken[t->table][at] |= bits;
            }
        }
        for (size_t k = 0; k < d; k++)
            CHECK(p->devices[k].server != p->devices[d].server || p->devices[k].unit_id != p->devices[d].unit_id);
        CHECK(p->devices[d].unit_id >= 1 && p->devices[d].unit_id <= 247);
    }
}

/* The address texts mean to the driver's parser what they mean here. */
TEST(addresses_read_back)
{
    static const enum modbus_area areas[TABLE_COUNT] = {MODBUS_COIL, MODBUS_DISCRETE, MODBUS_INPUT, MODBUS_HOLDING};
    const struct sim_plan *p = plan_of();
    for (size_t i = 0; i < p->ntags; i++) {
        const struct sim_tag *t = &p->tags[i];
        struct modbus_address_hint hint = {.area = -1};
        struct modbus_address a;
        struct error e = {0};
        if (modbus_address_parse(str_of(t->text), &hint, &a, &e) < 0)
            test_fail(__FILE__, __LINE__, "%s: %s", t->text, e.text);
        else if (a.area != areas[t->table] || a.offset != t->address || a.bit != t->bit)
            test_fail(__FILE__, __LINE__, "%s is %d %u %d", t->text, a.area, a.offset, a.bit);
    }
}

TEST(wire_forms_vary_as_in_a_plant)
{
    const struct sim_plan *p = plan_of();
    size_t wires[8] = {0}, tables[TABLE_COUNT] = {0}, swapped = 0;
    for (size_t i = 0; i < p->ntags; i++)
        wires[p->tags[i].wire]++, tables[p->tags[i].table]++,
            swapped += p->tags[i].order[0] != 'A' && p->tags[i].words > 1;
    for (int i = 0; i < 8; i++) CHECK(wires[i] > 0);
    for (int i = 0; i < TABLE_COUNT; i++) CHECK(tables[i] > 0);
    CHECK(swapped > 300);
}

TEST(values_survive_the_wire)
{
    const struct sim_plan *p = plan_of();
    for (size_t i = 0; i < p->ntags; i++) {
        const struct sim_tag *t = &p->tags[i];
        if (t->wire == WIRE_STR || t->wire == WIRE_BOOL) continue;
        uint16_t r[8];
        double values[3] = {t->lo, t->nominal, t->type == SIM_TOT ? 4e7 : t->hi};
        for (int k = 0; k < 3; k++) {
            sim_encode(t, values[k], NULL, r);
            double back = sim_decode(t, r), tol = fmax(t->scale == 1 ? 0 : t->scale, fabs(values[k]) * 1e-6);
            if (t->wire == WIRE_U16 || t->wire == WIRE_U32) tol = 1;
            if (!(fabs(back - values[k]) <= tol + 1e-9))
                test_fail(__FILE__, __LINE__, "%.*s: %.9g came back as %.9g", STR_ARG(t->code), values[k], back);
        }
    }
}

TEST(float_byte_orders)
{
    struct sim_tag t = {.wire = WIRE_F32, .words = 2, .scale = 1};
    static const struct {
        const char *order;
        uint16_t a, b;
    } rows[] = {{"ABCD", 0x42f6, 0xe979}, {"CDAB", 0xe979, 0x42f6}, {"BADC", 0xf642, 0x79e9}, {"DCBA", 0x79e9, 0xf642}};
    for (int i = 0; i < 4; i++) { /* 123.456 = 42 f6 e9 79, IEEE 754 */
        uint16_t r[2];
        memcpy(t.order, rows[i].order, 5);
        sim_encode(&t, 123.456, NULL, r);
        CHECK_INT(r[0], rows[i].a);
        CHECK_INT(r[1], rows[i].b);
    }
}

static size_t rows_of(const char *kind, size_t *ret_cells)
{
    struct buf b;
    struct arena a;
    struct csv c;
    struct str *cells;
    size_t n, rows = 0;
    buf_init(&b, 8 << 20);
    arena_init(&a, 32 << 20);
    CHECK_INT(sim_write_resources_csv(plan_of(), kind, "127.0.0.1", 5020, &b), 0);
    csv_init(&c, buf_view(&b));
    while (csv_next(&c, &a, &cells, &n, NULL) > 0) {
        if (rows++ == 0) *ret_cells = n;
        if (n != *ret_cells) test_fail(__FILE__, __LINE__, "%s: row %zu has %zu cells", kind, rows, n);
    }
    arena_fini(&a), buf_fini(&b);
    return rows;
}

TEST(every_channel_belongs_to_an_organisation)
{
    struct buf b;
    struct arena a;
    struct csv c;
    struct str *cells;
    size_t n, rows = 0;
    buf_init(&b, 1 << 20);
    arena_init(&a, 1 << 20);
    CHECK_INT(sim_write_resources_csv(plan_of(), "channel", "127.0.0.1", 5020, &b), 0);
    csv_init(&c, buf_view(&b));
    while (csv_next(&c, &a, &cells, &n, NULL) > 0)
        if (rows++ && !cells[2].n) test_fail(__FILE__, __LINE__, "channel %.*s has none", STR_ARG(cells[0]));
    CHECK(rows > 10);
    arena_fini(&a), buf_fini(&b);
}

TEST(resources_as_csv)
{
    size_t n;
    CHECK(rows_of("org", &n) == 12 && n == 5);
    CHECK_INT(rows_of("channel", &n), plan_of()->nservers + 1);
    CHECK_INT(rows_of("device", &n), plan_of()->ndevices + 1);
    CHECK_INT(rows_of("point", &n), plan_of()->ntags + 1);
    struct buf b;
    buf_init(&b, 100);
    CHECK_INT(sim_write_resources_csv(plan_of(), "role", "h", 1, &b), ERR_NOT_FOUND);
    CHECK_INT(sim_write_resources_csv(plan_of(), "point", "h", 1, &b), ERR_TOO_LARGE);
    buf_fini(&b);
}
