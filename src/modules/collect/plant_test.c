/* plant_test.c - the snapshot: what a spec becomes, stretches, numbers, signatures. */
#include "modules/collect/collect_test.h"

TEST(options_of_a_point_come_from_both_places)
{
    AUTO_ARENA a;
    struct json *spec;
    struct options o;
    struct error e = {0};
    arena_init(&a, 1 << 20);
    REQUIRE(!json_parse(&a, STR("{\"byte_order\":\"CDAB\",\"options\":{\"bit\":3}}"), &spec, NULL));
    CHECK_INT(plant_point_options(&fake_driver, &a, spec, &o, &e), 0);
    CHECK_Z(opt_str(&o, "byte_order", "-"), "CDAB");
    CHECK_INT(opt_i64(&o, "bit", -1), 3);
    REQUIRE(!json_parse(&a, STR("{\"byte_order\":\"CDAB\",\"options\":{\"byte_order\":\"ABCD\"}}"), &spec, NULL));
    CHECK_INT(plant_point_options(&fake_driver, &a, spec, &o, &e), 0);
    CHECK_Z(opt_str(&o, "byte_order", "-"), "ABCD"); /* what stands in options is meant for the driver */
    REQUIRE(!json_parse(&a, STR("{\"byte_order\":null}"), &spec, NULL));
    CHECK_INT(plant_point_options(&fake_driver, &a, spec, &o, &e), 0);
    CHECK_Z(opt_str(&o, "byte_order", "-"), "-");
    REQUIRE(!json_parse(&a, STR("{\"options\":{\"bit\":16}}"), &spec, NULL));
    CHECK_INT(plant_point_options(&fake_driver, &a, spec, &o, &e), ERR_INVALID);
    CHECK_Z(e.where, "spec.options.bit");
}

TEST(a_spec_becomes_numbers)
{
    AUTO_ARENA a;
    struct json *spec;
    struct p_point p = {0};
    struct error e = {0};
    arena_init(&a, 1 << 20);
    REQUIRE(!json_parse(
        &a,
        STR("{\"type\":\"bool\",\"period\":\"250ms\",\"scale\":0.5,\"lo\":0,\"deadband\":0.2,"
            "\"max_interval\":\"10m\",\"door\":0.5,\"door_max\":\"1h\",\"archive\":false,\"address\":\"x\"}"),
        &spec, NULL));
    CHECK_INT(plant_point_spec(spec, &a, &p, &e), 0);
    CHECK(p.type == VALUE_BOOL && p.step && !p.archive && !p.writable);
    CHECK_INT(p.period_ms, 250);
    CHECK(p.scale == 0.5 && p.offset == 0 && p.lo == 0 && isnan(p.hi) && isnan(p.write_lo) && p.deadband == 0.2);
    CHECK(p.max_interval_us == 600000000 && p.min_interval_us == 0);
    CHECK(p.door == 0.5 && p.door_max_us == 3600000000);
    REQUIRE(!json_parse(&a, STR("{}"), &spec, NULL));
    CHECK_INT(plant_point_spec(spec, &a, &p, &e), 0);
    CHECK(p.type == VALUE_AUTO && p.period_ms == 1000 && p.scale == 1 && p.deadband == -1 && p.archive && !p.step);
    REQUIRE(!json_parse(&a, STR("{\"type\":\"quad\"}"), &spec, NULL));
    CHECK_INT(plant_point_spec(spec, &a, &p, &e), ERR_INVALID);
    CHECK_Z(e.where, "spec.type");
}

/* C2 before C1, so that order of making and order of channels differ. */
static void two_channels(struct plant_rig *x)
{
    make(x, "channels", "C1", "{\"driver\":\"fake\"}");
    make(x, "channels", "C2", "{\"driver\":\"fake\",\"options\":{\"port\":9}}");
    make(x, "devices", "D1", "{\"channel\":\"C2\",\"area\":\"LT/GRD\"}");
    make(x, "devices", "D2", "{\"channel\":\"C1\"}");
    make(x, "devices", "D3", "{\"channel\":\"C2\",\"area\":\"LT/FLT\"}");
    make(x, "points", "P1", "{\"device\":\"D3\",\"address\":\"a\"}");
    make(x, "points", "P2", "{\"device\":\"D1\",\"address\":\"b\",\"area\":\"LT/OWN\"}");
    make(x, "points", "P3", "{\"device\":\"D3\",\"address\":\"c\"}");
    make(x, "points", "P4", "{}");
    make(x, "points", "P5", "{\"device\":\"D2\",\"address\":\"d\"}");
}

static const struct p_point *named(const struct plant *p, const char *code)
{
    for (size_t i = 0; i < p->npoints; i++)
        if (str_is(p->points[i].code, code)) return &p->points[i];
    static const struct p_point none;
    return &none;
}

TEST(stretches_areas_and_numbers)
{
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    two_channels(&x);
    struct plant *p = load(&x);
    REQUIRE(p && p->nchannels == 2 && p->ndevices == 3 && p->npoints == 5);
    const struct p_channel *c2 = plant_channel(p, STR("C2"));
    const struct p_device *d3 = plant_device(p, STR("D3"));
    REQUIRE(c2 && d3);
    CHECK_INT(c2->ndevices, 2);
    CHECK_INT(opt_i64(&c2->options, "port", 0), 9);
    CHECK(plant_channel(p, c2->id) == c2 && plant_device(p, d3->id) == d3 && !plant_channel(p, STR("C9")));
    CHECK_INT(d3->npoints, 2);
    for (size_t i = 0; i < d3->npoints; i++) CHECK(&p->devices[p->points[d3->point + i].device] == d3);
    CHECK_STR(named(p, "P1")->area, "LT/FLT"); /* the device's */
    CHECK_STR(named(p, "P2")->area, "LT/OWN"); /* its own */
    CHECK_STR(named(p, "P4")->area, "");
    CHECK_INT(named(p, "P4")->device, UINT32_MAX);
    for (size_t i = 0; i < p->npoints; i++) CHECK(plant_point(p, p->points[i].num) == &p->points[i]);
    CHECK(!plant_point(p, 0) && !plant_point(p, p->max_num + 1) && !plant_point(p, UINT32_MAX));
    struct driver_point dp = plant_driver_point(p, named(p, "P3"));
    CHECK(dp.device == 1 && dp.num == named(p, "P3")->num); /* second device of its channel */
    CHECK_Z(dp.address, "c");
    CHECK_INT(plant_driver_point(p, named(p, "P2")).device, 0);
    CHECK_INT(plant_driver_point(p, named(p, "P5")).device, 0);
    plant_unref(p);
    plant_close(&x);
}

struct sigs {
    uint64_t options[2], set[2];
};

static struct sigs sigs_of(struct plant_rig *x)
{
    struct plant *p = load(x);
    struct sigs s = {0};
    static const char *const codes[] = {"C1", "C2"};
    for (size_t i = 0; p && i < 2; i++) {
        const struct p_channel *c = plant_channel(p, str_of(codes[i]));
        s.options[i] = c ? c->options_sig : 0;
        s.set[i] = c ? c->set_sig : 0;
    }
    plant_unref(p);
    return s;
}

/* Which of the four signatures differ: bit 0, 1 options, bit 2, 3 sets. */
static unsigned differing(const struct sigs *a, const struct sigs *b)
{
    return (a->options[0] != b->options[0] ? 1u : 0) | (a->options[1] != b->options[1] ? 2u : 0) |
           (a->set[0] != b->set[0] ? 4u : 0) | (a->set[1] != b->set[1] ? 8u : 0);
}

TEST(signatures_change_when_they_must_and_only_then)
{
    static const struct {
        const char *plural, *code, *spec;
        unsigned changes;
    } t[] = {{"channels", "C1", "{\"options\":{\"port\":8}}", 1},
             {"channels", "C2", "{\"enabled\":false}", 2},
             {"devices", "D1", "{\"options\":{\"unit_id\":2}}", 8},
             {"devices", "D2", "{\"enabled\":false}", 4},
             {"points", "P1", "{\"address\":\"z\"}", 8},
             {"points", "P5", "{\"scale\":2}", 4},
             {"points", "P4", "{\"unit\":\"kPa\"}", 0},   /* belongs to no device */
             {"points", "P5", "{\"device\":\"D1\"}", 12}, /* moved */
             {"devices", "D3", "{\"channel\":\"C1\"}", 12}};
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    two_channels(&x);
    struct sigs before = sigs_of(&x), now = sigs_of(&x);
    CHECK_INT(differing(&before, &now), 0);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        before = now;
        CHECK_INT(change(&x, t[i].plural, t[i].code, t[i].spec), 200);
        now = sigs_of(&x);
        if (differing(&before, &now) != t[i].changes)
            test_fail(__FILE__, __LINE__, "%s %s: %u, want %u", t[i].code, t[i].spec, differing(&before, &now),
                      t[i].changes);
    }
    plant_close(&x);
}

TEST(loading_without_memory_fails_and_leaks_nothing)
{
    struct plant_rig x;
    int failed = 0, loaded = 0;
    REQUIRE(plant_open(&x));
    two_channels(&x);
    for (uint64_t n = 1; n < 400 && !loaded; n++) {
        struct plant *p = NULL;
        struct error e = {0};
        mem_fail_at(n, false);
        int err = plant_load(&x.node, &p, &e);
        mem_fail_at(0, false);
        failed += err != 0;
        loaded += n > 300 && !err;
        if (!err) plant_unref(p);
        if (err) CHECK(e.text[0]);
    }
    if (failed <= 10 || !loaded) test_fail(__FILE__, __LINE__, "%d failed, %d loaded", failed, loaded);
    plant_close(&x);
}
