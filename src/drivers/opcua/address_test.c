/* address_test.c - addresses and options of points: what they mean, and what is said of wrong ones. */
#include "base/test.h"
#include "drivers/opcua/opcua_int.h"

static struct {
    struct arena a;
    struct option_value values[16];
    struct options options;
    struct oc_point point;
    struct driver_address addr;
    struct error e;
} x;

static void option(const char *name, const char *text)
{
    for (size_t i = 0; oc_point_options[i].name; i++)
        if (strcmp(oc_point_options[i].name, name) == 0) x.values[i] = (struct option_value){.set = true, .s = text};
}
static int resolve(const char *address)
{
    struct driver_point p = {.num = 1, .address = address, .period_ms = 1000, .scale = 1, .options = &x.options};
    memset(&x.e, 0, sizeof x.e);
    arena_fini(&x.a);
    arena_init(&x.a, 1 << 20);
    x.options = (struct options){oc_point_options, x.values};
    return oc_point_resolve(&p, &x.a, &x.point, &x.addr, &x.e);
}
static void end(void)
{
    arena_fini(&x.a);
    memset(&x, 0, sizeof x);
}

TEST(a_method_is_an_object_and_a_method)
{
    REQUIRE(resolve("method ns=2;s=Pump ns=2;s=Pump.Start") == 0);
    CHECK(x.point.method && str_is(x.point.node.id.id.s, "Pump") && str_is(x.point.call.id.id.s, "Pump.Start"));
    CHECK_Z(x.addr.canonical, "method ns=2;s=Pump ns=2;s=Pump.Start");
    REQUIRE(resolve("method ns=2;s=Big Pump ns=2;s=Start it") == 0); /* texts with blanks */
    CHECK(str_is(x.point.node.id.id.s, "Big Pump") && str_is(x.point.call.id.id.s, "Start it"));
    REQUIRE(resolve("method i=2253 i=11492") == 0);
    CHECK_INT(x.point.call.id.id.i, 11492);
    CHECK_INT(resolve("method ns=2;s=Pump"), ERR_INVALID);
    CHECK_Z(x.e.where, "address");
    CHECK(strstr(x.e.text, "method ns=2;s=Pump ns=2;s=Pump.Start") && x.e.text_zh[0]);
    REQUIRE(resolve("ns=2;s=method of things") == 0);
    CHECK(!x.point.method);
    end();
}

TEST(a_member_is_a_path)
{
    option("member", "limits.high");
    REQUIRE(resolve("ns=2;s=Crane") == 0);
    CHECK(x.point.path != NULL);
    option("member", "items[");
    CHECK_INT(resolve("ns=2;s=Crane"), ERR_INVALID);
    CHECK_Z(x.e.where, "options.member");
    end();
}

TEST(wrong_addresses_say_what_is_right)
{
    CHECK_INT(resolve(""), ERR_INVALID);
    CHECK(strstr(x.e.text, "ns=2;s=Tank.Level"));
    CHECK_INT(resolve("svr=1;i=5"), ERR_INVALID);
    option("index_range", "1:x");
    CHECK_INT(resolve("i=5"), ERR_INVALID);
    end();
}
