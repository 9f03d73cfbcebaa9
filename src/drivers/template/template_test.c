/* The template on a real loop with a small host; the pattern for tests of new drivers. */
#include "base/mem.h"
#include "base/test.h"
#include "drivers/common/registry.h"
#include "drivers/template/signal.h"
#include "drivers/template/template.h"

struct host {
    uv_loop_t loop;
    struct driver_host host;
    struct driver_channel *ch;
    struct sample last[10];
    unsigned count[10], refuse, writes;
    enum driver_outcome outcome;
    bool closed;
};

static int publish(void *ctx, const struct sample *s, size_t n)
{
    struct host *h = ctx;
    if (h->refuse && h->refuse--) return ERR_AGAIN;
    for (size_t i = 0; i < n; i++) {
        CHECK(s[i].time_us == s[0].time_us);
        h->last[s[i].point] = s[i];
        h->count[s[i].point]++;
    }
    return 0;
}
static int64_t now_us(void *ctx)
{
    return (int64_t)(uv_hrtime() / 1000);
}
static uint64_t mono_ns(void *ctx)
{
    return uv_hrtime();
}
static void on_closed(void *arg)
{
    ((struct host *)arg)->closed = true;
}

static void start(struct host *h)
{
    *h = (struct host){
        .host = {.loop = &h->loop, .ctx = h, .name = "t", .publish = publish, .now_us = now_us, .mono_ns = mono_ns}};
    uv_loop_init(&h->loop);
    CHECK_INT(signal_driver.channel_open(&h->host, NULL, &h->ch, NULL), 0);
}

static void stop(struct host *h)
{
    signal_driver.close(h->ch, on_closed, h);
    CHECK(!h->closed);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    CHECK(h->closed);
    CHECK_INT(uv_loop_close(&h->loop), 0);
}

static struct driver_point point(uint32_t num, const char *address)
{
    return (struct driver_point){.num = num, .address = address, .period_ms = 5, .scale = 1, .lo = NAN, .hi = NAN};
}

TEST(signals)
{
    struct signal s;
    struct error e = {0};
    REQUIRE(signal_parse(STR("sine:60:10:50"), &s, NULL) == 0);
    CHECK_DBL(signal_value(&s, 15000000), 60, 1e-9);
    CHECK_DBL(signal_value(&s, 45000000), 40, 1e-9);
    REQUIRE(signal_parse(STR("square:10"), &s, NULL) == 0);
    CHECK_DBL(signal_value(&s, 6000000), -1, 0);
    REQUIRE(signal_parse(STR("saw:10:5"), &s, NULL) == 0);
    CHECK_DBL(signal_value(&s, 7500000), 2.5, 1e-9);
    static const char *const bad[] = {"", "cosine", "sine:0", "sine:x", "sine:1:2:3:4", "memory:1:2", "sine:-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK_INT(signal_parse(str_of(bad[i]), &s, &e), ERR_INVALID);
    CHECK(strstr(e.text, "sine:60:10:50"));
}

TEST(values_come_and_wrong_points_are_told_once)
{
    struct host h;
    struct driver_device d = {.num = 7};
    struct driver_point p[] = {point(1, "memory:12.5"), point(2, "sine:1:10:50"), point(3, "nonsense")};
    struct driver_device_status ds;
    start(&h);
    p[0].scale = 2, p[0].hi = 24;
    CHECK_INT(signal_driver.channel_set(h.ch, &d, 1, p, 3, NULL), 0);
    h.refuse = 2;
    while (h.count[1] < 3) uv_run(&h.loop, UV_RUN_ONCE);
    CHECK_DBL(h.last[1].v.d, 25, 0);
    CHECK_INT(h.last[1].quality, QUALITY_UNCERTAIN);
    CHECK(h.last[2].v.d >= 40 && h.last[2].v.d <= 60);
    CHECK_INT(h.last[3].flags, REASON_CONFIG_ERROR);
    CHECK_INT(h.count[3], 1);
    CHECK_INT(signal_driver.devices(h.ch, &ds, 1), 1);
    CHECK_INT(ds.points, 3);
    CHECK_INT(ds.bad, 1);
    stop(&h);
}

static void on_write(void *arg, const struct driver_write_result *r)
{
    struct host *h = arg;
    h->writes++;
    h->outcome = r->outcome;
    if (r->has_readback) CHECK_DBL(r->readback.v.d, 3, 0);
}

TEST(writes)
{
    struct host h;
    struct driver_device d = {.num = 7};
    struct driver_point p[] = {point(1, "memory"), point(2, "sine")};
    start(&h);
    CHECK_INT(signal_driver.channel_set(h.ch, &d, 1, p, 2, NULL), 0);
    struct driver_write w = {.point = 1, .value = {.type = SAMPLE_INT, .v.i = 3}, .done = on_write, .arg = &h};
    signal_driver.write(h.ch, &w);
    CHECK_INT(h.outcome, DRIVER_DONE);
    CHECK_INT(signal_driver.channel_set(h.ch, &d, 1, p, 2, NULL), 0); /* what was written stays */
    while (h.count[1] < 1) uv_run(&h.loop, UV_RUN_ONCE);
    CHECK_DBL(h.last[1].v.d, 3, 0);
    w.point = 2;
    signal_driver.write(h.ch, &w);
    CHECK_INT(h.outcome, DRIVER_REFUSED);
    w.point = 1, w.deadline_ns = 1;
    signal_driver.write(h.ch, &w);
    CHECK_INT(h.outcome, DRIVER_EXPIRED);
    CHECK_INT(h.writes, 3);
    stop(&h);
}

TEST(the_table_is_sound)
{
    const struct driver *const table[] = {&signal_driver, NULL}, *const twice[] = {&signal_driver, &signal_driver,
                                                                                   NULL};
    struct error e = {0};
    CHECK_INT(drivers_check(table, &e), 0);
    CHECK_INT(drivers_check(twice, &e), ERR_INTERNAL);
    CHECK_Z(e.text, "driver table: the name stands there twice");
    CHECK(drivers_find(table, STR("signal")) == &signal_driver);
    for (const char *const *x = signal_driver.examples; *x; x++) {
        struct driver_point p = point(1, *x);
        CHECK_INT(signal_driver.address_check(&p, NULL, NULL, NULL), 0);
    }
}
