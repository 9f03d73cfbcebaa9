/* Values, times, quality, births, deaths, gaps and outages of edge nodes that the test plays. */
#include "base/test.h"
#include "base/encode.h"
#include "drivers/sparkplug/testbed.h"

#define MS 1700000000000ull

static bool good(const struct bed *b, uint32_t p)
{
    return b->count[p] && b->last[p].quality == QUALITY_GOOD;
}
static bool bad(const struct bed *b, uint32_t p, unsigned why)
{
    return b->count[p] && b->last[p].quality == QUALITY_BAD && (b->last[p].flags & SAMPLE_REASON_MASK) == why;
}

static struct bed *usual(const char *options)
{
    struct bed *b = bed_new(options);
    bed_device(b, "{\"group\":\"G\",\"edge_node\":\"E\"}");
    bed_device(b, "{\"group\":\"G\",\"edge_node\":\"E\",\"device\":\"D\"}");
    bed_point(b, 0, "T", VALUE_AUTO);        /* 1 */
    bed_point(b, 1, "S", VALUE_AUTO);        /* 2 */
    bed_point(b, 0, "G/E/D!On", VALUE_AUTO); /* 3 */
    bed_point(b, 1, "$online", VALUE_AUTO);  /* 4 */
    return b;
}

TEST(a_birth_teaches_and_data_follow)
{
    struct bed *b = usual("");
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1) && good(b, 2) && good(b, 3) && good(b, 4));
    CHECK_DBL(b->last[1].v.d, 20.5, 0);
    CHECK_INT(b->last[1].time_us, MS * 1000);
    CHECK(b->last[1].flags == SAMPLE_FLAG_SOURCE_TIME);
    CHECK(b->last[2].type == SAMPLE_INT && b->last[2].v.i == 1480);
    CHECK(b->last[3].type == SAMPLE_BOOL && b->last[3].v.i == 1);
    CHECK(b->last[4].v.i == 1);
    bed_begin(b, MS + 5);
    bed_double(b, NULL, 1, MS + 4, 21);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 21);
    CHECK_INT(b->last[1].time_us, (MS + 4) * 1000);
    bed_begin(b, MS + 9); /* without a time of its own: that of the payload */
    bed_double(b, NULL, 1, 0, 22);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 22);
    CHECK_INT(b->last[1].time_us, (MS + 9) * 1000);
    CHECK_INT(bed_status(b).state, DRIVER_UP);
    bed_free(b);
}

TEST(the_state_of_the_host)
{
    struct bed *b = usual("\"host_id\":\"scada\",\"state\":\"both\"");
    bed_up(b);
    UNTIL(b, bed_sent(b, "STATE/scada") == 1);
    const struct fake_message *m = bed_last(b, "spBv1.0/STATE/scada");
    REQUIRE(m != NULL);
    CHECK(m->retain && m->qos == 1);
    CHECK(strstr(m->payload, "{\"online\":true,\"timestamp\":") == m->payload);
    CHECK_Z(b->broker->will_topic, "spBv1.0/STATE/scada");
    char *online = strstr(m->payload, "timestamp"), *will = strstr(b->broker->will_payload, "timestamp");
    REQUIRE(online && will);
    CHECK_Z(will, online);
    CHECK(strstr(b->broker->will_payload, "false"));
    CHECK_Z(bed_last(b, "STATE/scada")->payload, "ONLINE");
    CHECK(b->broker->last_clean);
    CHECK_Z(b->broker->filters, "spBv1.0/#:0 ");
    /* somebody says that we are offline: we are not */
    bed_raw(b, "spBv1.0/STATE/scada", STR("{\"online\":false,\"timestamp\":1}"), true);
    UNTIL(b, bed_sent(b, "spBv1.0/STATE/scada") == 2);
    CHECK(strstr(bed_last(b, "spBv1.0/STATE/scada")->payload, "true"));
    bed_free(b);
}

TEST(groups_are_subscribed_alone)
{
    struct bed *b = usual("\"groups\":\"G, H\",\"host_id\":\"s\"");
    bed_up(b);
    CHECK_Z(b->broker->filters, "spBv1.0/G/#:0 spBv1.0/H/#:0 spBv1.0/STATE/s:1 ");
    bed_free(b);
}

TEST(deaths_are_told_with_their_reason)
{
    struct bed *b = usual("");
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 2) && good(b, 4));
    bed_begin(b, MS + 1);
    bed_end(b, "spBv1.0/G/DDEATH/E/D");
    UNTIL(b, bad(b, 2, REASON_COMM_FAILURE) && bad(b, 3, REASON_COMM_FAILURE));
    CHECK(good(b, 1));
    UNTIL(b, b->last[4].v.i == 0);
    CHECK(good(b, 4));
    CHECK_INT(b->last[2].v.i, 1480); /* the last value stays */
    b->edge.bdseq = 9;               /* a will of another life */
    bed_death(b);
    b->edge.bdseq = 0;
    bed_begin(b, MS + 2);
    bed_double(b, NULL, 1, MS + 2, 30);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 30);
    CHECK(good(b, 1));
    bed_death(b);
    UNTIL(b, bad(b, 1, REASON_COMM_FAILURE));
    struct driver_device_status st[2];
    CHECK_INT(sparkplug_driver.devices(b->ch, st, 2), 2);
    CHECK_INT(st[0].state, DRIVER_DOWN);
    CHECK_Z(st[0].reason, "edge node G/E is offline");
    CHECK_INT(bed_status(b).state, DRIVER_DEGRADED);
    /* it comes back with the old time stamps: the value holds now */
    spb_edge_connect(&b->edge);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1) && good(b, 2) && b->last[4].v.i == 1);
    CHECK(!(b->last[1].flags & SAMPLE_FLAG_BACKFILL));
    CHECK_INT(bed_status(b).state, DRIVER_UP);
    bed_free(b);
}

TEST(historical_values_come_late)
{
    struct bed *b = usual("");
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    struct spb_metric m = bed_metric(NULL, 0, 1, MS - 3600000);
    m.historical = true;
    m.value = (struct spb_value){.field = SPB_V_DOUBLE, .d = 7};
    bed_begin(b, MS + 1);
    spb_put_metric(&b->payload, &m);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 7);
    CHECK_INT(b->last[1].time_us, (MS - 3600000) * 1000);
    CHECK_INT(b->last[1].flags, SAMPLE_FLAG_BACKFILL | SAMPLE_FLAG_SOURCE_TIME);
    bed_begin(b, MS + 2); /* the live value goes on from where it was; two in one millisecond stay two */
    bed_double(b, NULL, 1, MS + 2, 8);
    bed_double(b, NULL, 1, MS + 2, 9);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 9);
    CHECK_INT(b->last[1].time_us, (MS + 2) * 1000 + 1);
    CHECK(!(b->last[1].flags & SAMPLE_FLAG_BACKFILL));
    bed_free(b);
}

TEST(quality_and_null)
{
    struct bed *b = usual("");
    struct buf set;
    struct spb_property q = {.key = STR("Quality"), .type = SPB_T_Int32, .value = {.field = SPB_V_INT, .u = 500}};
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    buf_init(&set, 256);
    spb_put_properties(&set, &q, 1);
    struct spb_metric m = bed_metric(NULL, 0, 1, MS + 1);
    m.properties = buf_view(&set);
    m.value = (struct spb_value){.field = SPB_V_DOUBLE, .d = 5};
    bed_begin(b, MS + 1);
    spb_put_metric(&b->payload, &m);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 5);
    CHECK_INT(b->last[1].quality, QUALITY_UNCERTAIN);
    CHECK_INT(b->last[1].flags & SAMPLE_REASON_MASK, REASON_STALE);
    bed_begin(b, MS + 2); /* without the property it is good again */
    bed_double(b, NULL, 1, MS + 2, 6);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 6);
    CHECK(good(b, 1));
    m = bed_metric(NULL, 0, 1, MS + 3);
    m.null = true;
    bed_begin(b, MS + 3);
    spb_put_metric(&b->payload, &m);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, bad(b, 1, REASON_NO_DATA));
    buf_fini(&set);
    bed_free(b);
}

TEST(a_gap_waits_and_then_asks_for_a_birth)
{
    struct bed *b = usual("");
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    unsigned asked = bed_sent(b, "spBv1.0/G/NCMD/E");
    /* out of order, but whole */
    bed_begin(b, MS + 2);
    bed_double(b, NULL, 1, MS + 2, 2);
    b->edge.seq++;
    bed_end(b, "spBv1.0/G/NDATA/E");
    b->edge.seq -= 2;
    bed_begin(b, MS + 1);
    bed_double(b, NULL, 1, MS + 1, 1);
    bed_end(b, "spBv1.0/G/NDATA/E");
    b->edge.seq++;
    UNTIL(b, b->last[1].v.d == 2);
    CHECK_DBL(b->all[b->nall - 2].v.d, 1, 0);
    CHECK_INT(bed_sent(b, "spBv1.0/G/NCMD/E"), asked);
    /* one is lost: what follows comes after the wait, and a birth is asked for */
    b->edge.seq++;
    bed_begin(b, MS + 4);
    bed_double(b, NULL, 1, MS + 4, 4);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.d == 4);
    UNTIL(b, bed_sent(b, "spBv1.0/G/NCMD/E") > asked);
    const struct fake_message *m = bed_last(b, "spBv1.0/G/NCMD/E");
    struct spb_payload p;
    struct spb_metric v;
    REQUIRE(spb_payload_parse(str_make(m->payload, m->n), &p, NULL) == 0 && spb_metric_next(&p.metrics, &v));
    CHECK_STR(v.name, "Node Control/Rebirth");
    CHECK(v.datatype == SPB_T_Boolean && v.value.u == 1 && !p.has_seq);
    /* the rebirth is no interruption */
    unsigned bads = 0;
    b->nall = 0;
    bed_birth(b, MS + 5);
    UNTIL(b, b->last[1].time_us == (MS + 5) * 1000 && b->last[2].time_us == (MS + 5) * 1000);
    for (unsigned i = 0; i < b->nall; i++) bads += b->all[i].quality == QUALITY_BAD;
    CHECK_INT(bads, 0);
    bed_free(b);
}

TEST(who_tells_no_birth_is_asked_and_told_bad)
{
    struct bed *b = usual("");
    bed_up(b);
    bed_begin(b, MS);
    bed_double(b, NULL, 1, MS, 1);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, bed_sent(b, "spBv1.0/G/NCMD/E") >= 1);
    UNTIL(b, bad(b, 1, REASON_COMM_FAILURE) && bad(b, 2, REASON_COMM_FAILURE) && b->count[4] && b->last[4].v.i == 0);
    CHECK_INT(bed_status(b).state, DRIVER_DEGRADED);
    CHECK_Z(bed_status(b).reason, "edge node G/E has not told its birth");
    bed_raw(b, "spBv1.0/G/NBIRTH/E", STR("\x18\0"), true);    /* a retained birth is old */
    bed_raw(b, "spBv1.0/G/NBIRTH/E", STR("\x12\x05"), false); /* a broken one */
    UNTIL(b, b->bad_frames > 0);
    CHECK(bad(b, 1, REASON_COMM_FAILURE));
    bed_birth(b, MS);
    UNTIL(b, good(b, 1) && good(b, 2));
    bed_free(b);
}

TEST(what_a_birth_does_not_name)
{
    struct bed *b = usual("");
    bed_point(b, 1, "Nonsense", VALUE_AUTO); /* 5 */
    bed_point(b, 0, "", VALUE_AUTO);         /* 6: wrong */
    bed_up(b);
    UNTIL(b, bad(b, 6, REASON_CONFIG_ERROR));
    bed_birth(b, MS);
    UNTIL(b, good(b, 2) && bad(b, 5, REASON_NO_DATA));
    bed_free(b);
}

TEST(an_outage_of_the_broker)
{
    struct bed *b = usual("");
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1) && good(b, 4));
    fake_drop_all(b->broker);
    UNTIL(b, bad(b, 1, REASON_NOT_CONNECTED) && bad(b, 2, REASON_NOT_CONNECTED) && bad(b, 4, REASON_NOT_CONNECTED));
    UNTIL(b, b->broker->subscribes == 2 && b->broker->conns);
    UNTIL(b, bed_sent(b, "spBv1.0/G/NCMD/E") >= 1);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1) && good(b, 2) && good(b, 4));
    CHECK_INT(bed_status(b).reconnects, 1);
    bed_free(b);
}

TEST(a_full_path_loses_nothing)
{
    struct bed *b = usual("");
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    b->refuse = 3;
    for (unsigned k = 1; k <= 20; k++) {
        bed_begin(b, MS + k);
        bed_double(b, NULL, 1, MS + k, 100 + k);
        bed_end(b, "spBv1.0/G/NDATA/E");
    }
    UNTIL(b, b->last[1].v.d == 120);
    CHECK_INT(b->refused, 3);
    CHECK_INT(b->count[1], 21);
    bed_free(b);
}

TEST(templates_arrays_and_data_sets)
{
    struct bed *b = bed_new("");
    struct buf inner, bytes;
    bed_device(b, "{\"group\":\"G\",\"edge_node\":\"E\"}");
    bed_point(b, 0, "M1/rpm", VALUE_AUTO); /* 1 */
    bed_point(b, 0, "M1", VALUE_AUTO);     /* 2 */
    bed_point(b, 0, "wave", VALUE_AUTO);   /* 3 */
    bed_point(b, 0, "wave", VALUE_STRING); /* 4 */
    bed_point(b, 0, "wave", VALUE_AUTO);   /* 5 */
    b->points[4].options = bed_options(b, sparkplug_driver.point_options, "{\"element\":1}");
    bed_up(b);
    buf_init(&inner, 1024);
    buf_init(&bytes, 1024);
    bed_begin(b, MS);
    struct spb_metric m = bed_metric("rpm", SPB_T_Int32, 0, 0);
    m.value = (struct spb_value){.field = SPB_V_INT, .u = 1500};
    spb_put_metric(&inner, &m);
    m = bed_metric("M1", SPB_T_Template, 1, MS);
    m.value = (struct spb_value){.field = SPB_V_TEMPLATE, .s = buf_view(&inner)};
    spb_put_metric(&b->payload, &m);
    spb_put_array(&bytes, SPB_T_FloatArray,
                  (struct spb_scalar[]){{.form = SPB_REAL, .d = 1.5}, {.form = SPB_REAL, .d = 2.5}}, 2);
    m = bed_metric("wave", SPB_T_FloatArray, 2, MS);
    m.value = (struct spb_value){.field = SPB_V_BYTES, .s = buf_view(&bytes)};
    spb_put_metric(&b->payload, &m);
    b->edge.seq = 0;
    bed_end(b, "spBv1.0/G/NBIRTH/E");
    UNTIL(b, good(b, 1) && good(b, 2) && good(b, 3) && good(b, 4) && good(b, 5));
    CHECK_INT(b->last[1].v.i, 1500);
    CHECK_INT(b->last[1].time_us, MS * 1000);
    CHECK_INT(b->last[2].type, SAMPLE_STRING);
    CHECK(b->last[3].type == SAMPLE_BLOB && b->blobs == 1);
    CHECK_Z(b->blob_type, "application/vnd.bornite.waveform");
    CHECK_INT(b->last[4].type, SAMPLE_STRING);
    CHECK_DBL(b->last[5].v.d, 2.5, 0);
    buf_clear(&inner); /* part of a template */
    m = bed_metric("rpm", SPB_T_Int32, 0, 0);
    m.value = (struct spb_value){.field = SPB_V_INT, .u = 1600};
    spb_put_metric(&inner, &m);
    m = bed_metric(NULL, 0, 1, MS + 1);
    m.value = (struct spb_value){.field = SPB_V_TEMPLATE, .s = buf_view(&inner)};
    bed_begin(b, MS + 1);
    spb_put_metric(&b->payload, &m);
    bed_end(b, "spBv1.0/G/NDATA/E");
    UNTIL(b, b->last[1].v.i == 1600);
    CHECK_INT(b->last[1].time_us, (MS + 1) * 1000);
    buf_fini(&inner);
    buf_fini(&bytes);
    bed_free(b);
}

TEST(points_that_are_added_show_what_is_known)
{
    struct bed *b = usual("");
    b->npoints = 1;
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    b->npoints = 4;
    b->device_rows[0].code = "other";
    bed_set(b);
    CHECK(good(b, 2) && b->last[2].v.i == 1480 && good(b, 3) && good(b, 4) && b->last[4].v.i == 1);
    CHECK_INT(b->count[1], 1); /* what stays is not told again */
    bed_set(b);
    CHECK_INT(b->count[2], 1);
    CHECK_INT(b->broker->connects, 1);
    bed_free(b);
}

TEST(a_clock_that_differs_is_told)
{
    struct bed *b = usual("");
    bed_up(b);
    b->now_us = (int64_t)MS * 1000 + 3600 * 1000000LL;
    bed_birth(b, MS);
    for (unsigned k = 1; k <= 5; k++) {
        bed_begin(b, MS + k);
        bed_double(b, NULL, 1, MS + k, k);
        bed_end(b, "spBv1.0/G/NDATA/E");
    }
    UNTIL(b, bed_status(b).state == DRIVER_DEGRADED);
    CHECK_Z(bed_status(b).reason, "the clock of edge node G/E is 3600.0 s behind");
    bed_free(b);
}

TEST(a_set_without_memory_leaves_the_old_one)
{
    struct bed *b = usual("");
    struct error e;
    unsigned failed = 0;
    b->npoints = 1;
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    b->npoints = 4;
    for (uint64_t k = 1; k < 40; k++) {
        mem_fail_at(k, false);
        int rc = sparkplug_driver.channel_set(b->ch, b->device_rows, b->ndevices, b->points, b->npoints, &e);
        mem_fail_at(0, false);
        if (rc) CHECK_INT(rc, ERR_NOMEM);
        if (rc) CHECK_INT(bed_status(b).points, 1);
        failed += rc != 0;
        if (rc == 0) break;
    }
    CHECK(failed > 3);
    bed_set(b);
    CHECK(good(b, 1) && good(b, 2) && b->count[1] == 1);
    bed_free(b);
}

/* Bytes that were changed anywhere, as every kind of message: nothing breaks, and a birth heals it all. */
TEST(nonsense_does_no_harm)
{
    static const char *const topics[] = {"spBv1.0/G/NBIRTH/E",       "spBv1.0/G/DBIRTH/E/D", "spBv1.0/G/NDATA/E",
                                         "spBv1.0/G/DDATA/E/D",      "spBv1.0/G/NDEATH/E",   "spBv1.0/G/DDEATH/E/D",
                                         "spBv1.0/STATE/bornite-bed"};
    struct bed *b = usual("");
    uint64_t seed = 1;
    bed_up(b);
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    for (unsigned round = 0; round < 2000 && b->broker->conns; round++) {
        char raw[1024];
        size_t n = b->payload.n < sizeof raw ? b->payload.n : sizeof raw;
        memcpy(raw, b->payload.p, n);
        for (unsigned k = 0; k < 1 + round % 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            raw[(seed >> 33) % n] = (char)(seed >> 20);
        }
        bed_raw(b, topics[round % 7], str_make(raw, round % 5 ? n : (seed >> 40) % n), false);
        if (round % 100 == 0) bed_step(b);
    }
    spb_edge_connect(&b->edge);
    bed_birth(b, MS + 1000);
    UNTIL(b, good(b, 1) && good(b, 2) && b->last[2].v.i == 1480);
    CHECK_INT(b->broker->connects, 1);
    CHECK(b->bad_frames > 100);
    bed_free(b);
}

/* Nodes and metrics that nobody wants are remembered within limits and cost nothing else. */
TEST(many_strangers)
{
    struct bed *b = usual("");
    char topic[64];
    bed_up(b);
    for (unsigned k = 0; k < 300; k++) {
        snprintf(topic, sizeof topic, "spBv1.0/X/NBIRTH/N%u", k);
        bed_begin(b, MS);
        bed_double(b, "T", 1, MS, k);
        b->edge.seq = 0;
        bed_end(b, topic);
    }
    bed_birth(b, MS);
    UNTIL(b, good(b, 1));
    CHECK_INT(b->nall, 4);
    CHECK_INT(bed_sent(b, "spBv1.0/X/NCMD/N7"), 0);
    bed_free(b);
}

TEST(addresses)
{
    static const struct {
        const char *address, *device, *canonical;
        int rc;
    } t[] = {
        {"T", "{\"group\":\"G\",\"edge_node\":\"E\"}", "T", 0},
        {"Node Control/Rebirth", "{\"group\":\"G\",\"edge_node\":\"E\"}", "Node Control/Rebirth", 0},
        {"G/E!T", "{\"group\":\"G\",\"edge_node\":\"E\"}", "T", 0},
        {"G/E/D!T", "{\"group\":\"G\",\"edge_node\":\"E\"}", "G/E/D!T", 0},
        {"G/E/D!T", "{}", "G/E/D!T", 0},
        {"!a/b!c", "{\"group\":\"G\",\"edge_node\":\"E\"}", "!a/b!c", 0},
        {"Alarm!", "{\"group\":\"G\",\"edge_node\":\"E\"}", "Alarm!", 0},
        {"T", "{}", NULL, ERR_INVALID},
        {"T", "{\"group\":\"G/H\",\"edge_node\":\"E\"}", NULL, ERR_INVALID},
        {"G/E!", "{}", NULL, ERR_INVALID},
        {"", "{\"group\":\"G\",\"edge_node\":\"E\"}", NULL, ERR_INVALID},
    };
    struct arena a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct driver_point p = {.num = 1, .address = t[i].address, .scale = 1};
        struct driver_address r = {0};
        struct error e = {0};
        int rc = sparkplug_driver.address_check(&p, bed_options_of(&a, sparkplug_driver.device_options, t[i].device),
                                                &r, &e);
        if (rc != t[i].rc) test_fail(__FILE__, __LINE__, "'%s': %d %s", t[i].address, rc, e.text);
        if (t[i].canonical) CHECK_Z(r.canonical, t[i].canonical);
        if (rc) CHECK(e.text[0] && e.text_zh[0]);
    }
    arena_fini(&a);
}
