/* events_test.c - addresses of events and alarms; events as a server may send them, sound and hostile, on a channel
 * whose requests all fail at once. */
#include "base/test.h"
#include "drivers/opcua/events_int.h"

/* ---- a channel without a server ---- */

static struct {
    struct oc_channel ch;
    struct driver_host host;
    struct sample got[4096];
    size_t n;
    char texts[64][200];
    size_t ntexts;
    unsigned logs;
    char log[400];
    int64_t now_us;
    uint64_t mono;
    struct oc_notifier *notifier;
} x;

static int take(void *ctx, const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n && x.n < 4096; i++) x.got[x.n++] = s[i];
    return 0;
}
static int intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    size_t i = x.ntexts++ % 64;
    str_to_cstr(str_make(p, n), x.texts[i], sizeof x.texts[i]);
    *ret = i;
    return 0;
}
static int64_t now_us(void *ctx)
{
    return x.now_us;
}
static uint64_t mono(void *ctx)
{
    return x.mono;
}
static void tell_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    x.logs++;
    snprintf(x.log, sizeof x.log, "%.200s %.150s", msg, kv ? kv : "");
}

static void set(const char *const *addresses)
{
    struct driver_point points[32];
    struct driver_device device = {.num = 1, .code = "D"};
    size_t n = 0;
    for (; addresses[n]; n++)
        points[n] = (struct driver_point){.num = (uint32_t)n + 1,
                                          .address = addresses[n],
                                          .period_ms = 1000,
                                          .scale = 1,
                                          .lo = (double)NAN,
                                          .hi = (double)NAN};
    CHECK_INT(oc_set(&x.ch, &device, 1, points, n, NULL), 0);
}

/* A channel that is up, with live items for its notifiers. */
static void up(const char *const *addresses)
{
    memset(&x, 0, sizeof x);
    x.now_us = 1800000000000000;
    x.mono = 1000;
    x.host = (struct driver_host){
        .name = "UA", .publish = take, .intern = intern, .now_us = now_us, .mono_ns = mono, .log = tell_log};
    x.ch.base.host = &x.host;
    arena_init(&x.ch.arena, 64u << 20);
    arena_init(&x.ch.session, 1u << 20);
    x.ch.conn = CONN_UP;
    x.ch.up_ns = 1;
    x.ch.max_items = x.ch.max_read = 100, x.ch.max_browse = 10;
    set(addresses);
    REQUIRE(x.ch.events);
    x.ch.events->up_ns = 1;
    for (struct oc_notifier *n = x.ch.events->notifiers; n; n = n->next) {
        n->now.state = ITEM_LIVE, n->now.handle = 0x80000001, n->now.sub = 7, n->now.id = 9;
        x.ch.subs[n->now.klass].id = 7;
        x.notifier = n;
    }
}

static void down(void)
{
    oc_events_free(&x.ch);
    oc_session_forget(&x.ch);
    oc_set_free(&x.ch);
    arena_fini(&x.ch.arena);
    arena_fini(&x.ch.session);
    mem_free(x.ch.batch);
    mem_free(x.ch.handles);
}

/* ---- events ---- */

static struct ua_variant fields[64];
static uint32_t nfields;
static struct str keep_id;
static struct ua_text keep_message;
static struct ua_nodeid keep_type, keep_condition, keep_branch;

static uint32_t at(const char *key)
{
    uint32_t i = oc_select_find(x.notifier->now.filter, str_of(key));
    if (i == OC_SELECT_NONE) test_fail(__FILE__, __LINE__, "no field %s", key);
    return i < 64 ? i : 0;
}
static void event(const char *id, uint32_t type, int64_t time_us, uint16_t severity, const char *message)
{
    memset(fields, 0, sizeof fields);
    nfields = x.notifier->now.filter->n;
    keep_id = str_of(id);
    keep_type = ua_id(0, type);
    keep_message = (struct ua_text){.text = str_of(message)};
    fields[BASE_EVENT_ID] = ua_variant_scalar(UA_BYTESTRING, &keep_id);
    fields[BASE_EVENT_TYPE] = ua_variant_scalar(UA_NODEID, &keep_type);
    fields[BASE_TIME] = ua_variant_scalar(UA_DATETIME, &time_us);
    fields[BASE_SEVERITY] = ua_variant_scalar(UA_UINT16, &severity);
    uint32_t i = oc_select_find(x.notifier->now.filter, STR("i=2041 Message"));
    if (i < 64) fields[i] = ua_variant_scalar(UA_TEXT, &keep_message);
}
static void boolean(const char *key, bool v)
{
    fields[at(key)] = ua_variant_scalar(UA_BOOLEAN, &v);
}
static void an_alarm(const char *id, bool active, bool acked, bool retain)
{
    event(id, UA_NODE_EXCLUSIVE_LIMIT_ALARM_TYPE, x.now_us - 1000, 700, "too high");
    keep_condition = ua_id_str(2, STR("High"));
    keep_branch = (struct ua_nodeid){0};
    fields[BASE_CONDITION_ID] = ua_variant_scalar(UA_NODEID, &keep_condition);
    fields[BASE_BRANCH_ID] = ua_variant_scalar(UA_NODEID, &keep_branch);
    fields[BASE_RETAIN] = ua_variant_scalar(UA_BOOLEAN, &retain);
    fields[BASE_ACKED] = ua_variant_scalar(UA_BOOLEAN, &acked);
    boolean("i=2915 ActiveState/Id", active);
}
static void branch(uint32_t i)
{
    keep_branch = ua_id(3, i);
    fields[BASE_BRANCH_ID] = ua_variant_scalar(UA_NODEID, &keep_branch);
}
static void send_to(uint32_t handle)
{
    struct ua_event_field_list one = {.client_handle = handle, .event_fields = fields, .event_fields_n = nfields};
    struct ua_event_notification_list list = {.events = &one, .events_n = 1};
    oc_events_take(&x.ch, &list);
    oc_flush(&x.ch);
}
static void tell(void)
{
    send_to(0x80000001);
}
static const struct sample *last(uint32_t point)
{
    static const struct sample none;
    for (size_t i = x.n; i-- > 0;)
        if (x.got[i].point == point) return &x.got[i];
    return &none;
}
static size_t count(uint32_t point)
{
    size_t n = 0;
    for (size_t i = 0; i < x.n; i++) n += x.got[i].point == point;
    return n;
}

/* ---- addresses ---- */

static void check_address(const char *text, const char *want)
{
    AUTO_ARENA a;
    struct oc_event *ev = NULL;
    struct error e = {0};
    struct buf b;
    arena_init(&a, 1 << 20);
    buf_init(&b, 4096);
    if (oc_event_parse(&a, str_of(text), &ev, &e))
        buf_printf(&b, "! %s", e.text);
    else
        oc_event_text(&b, ev);
    if (want[0] == '!' ? !strstr(buf_cstr(&b), want + 2) : !str_is(buf_view(&b), want))
        test_fail(__FILE__, __LINE__, "%s: \"%s\", want \"%s\"", text, buf_cstr(&b), want);
    buf_fini(&b);
}

TEST(addresses_mean_what_they_say)
{
    check_address("event:i=2253", "event:i=2253");
    check_address("event:i=2253 field=Message", "event:i=2253");
    check_address("event: ns=2;s=Big Tank  severity=500 field=severity type=i=2915",
                  "event:ns=2;s=Big Tank field=Severity type=i=2915 severity=500");
    check_address("event:i=2253 field=2:Batch/2:Step one", "event:i=2253 field=2:Batch/2:Step one");
    check_address("event:i=2253 field=A&/B/C&&D", "event:i=2253 field=A&/B/C&&D");
    check_address("alarm:ns=2;s=High", "alarm:ns=2;s=High");
    check_address("alarm:ns=2;s=High field=ACKED", "alarm:ns=2;s=High field=acked");
    check_address("alarm:ns=2;s=High field=HighLimit notifier=ns=2;s=Tank type=i=2955",
                  "alarm:ns=2;s=High field=HighLimit type=i=2955 notifier=ns=2;s=Tank");
    check_address("alarm:ns=2;s=High notifier=i=2253", "alarm:ns=2;s=High");
    check_address("alarm:nsu=http://x/y;s=A field=ShelvingState/UnshelveTime",
                  "alarm:nsu=http://x/y;s=A field=ShelvingState/UnshelveTime");
    check_address("event:", "! node");
    check_address("alarm:svr=1;i=5", "! another server");
    check_address("event:i=1 severity=1001", "! 1 to 1000");
    check_address("event:i=1 field=A//B", "! no path");
    check_address("event:i=1 type=", "! node");
    check_address("event:i=1 type=i=1 type=i=2", "! twice");
    check_address("alarm:i=1 severity=3", "! of events");
    check_address("event:i=1 notifier=i=2", "! of alarms");
}

/* ---- events ---- */

static const char *const plain[] = {"event:i=2253", "event:i=2253 field=Severity", "event:i=2253 severity=500",
                                    "event:i=2253 field=2:Batch", NULL};

TEST(an_event_is_a_sample_of_each_point_that_wants_it)
{
    up(plain);
    event("1", 2041, x.now_us - 5000, 300, "hello");
    tell();
    CHECK_INT(last(1)->type, SAMPLE_STRING);
    CHECK_Z(x.texts[last(1)->v.u], "hello");
    CHECK_INT(last(1)->time_us, x.now_us - 5000);
    CHECK(last(1)->flags & SAMPLE_FLAG_SOURCE_TIME);
    CHECK_INT(last(2)->v.i, 300);
    CHECK_INT(count(3), 0); /* not severe enough */
    CHECK_INT(count(4), 0); /* no such field */
    event("2", 2041, x.now_us - 4000, 500, "worse");
    tell();
    CHECK_INT(count(3), 1);
    down();
}

TEST(what_comes_twice_is_one_and_what_has_one_time_is_many)
{
    up(plain);
    for (int i = 0; i < 3; i++) {
        event("same", 2041, x.now_us, 300, "a");
        tell();
    }
    CHECK_INT(count(1), 1);
    event("other", 2041, x.now_us, 300, "b");
    tell();
    event("third", 2041, x.now_us, 300, "c");
    tell();
    CHECK_INT(count(1), 3);
    CHECK_INT(last(1)->time_us, x.now_us + 2);
    down();
}

TEST(hostile_events_do_no_harm)
{
    bool b = true;
    uint32_t bad = UA_BAD_NODE_ID_UNKNOWN;
    up(plain);
    event("1", 2041, 0, 0, "x");
    nfields = 0;
    fields[0] = (struct ua_variant){0};
    tell(); /* no fields at all */
    for (uint32_t n = 1; n < 8; n++) {
        event("abcdefgh" + n, 2041, x.now_us, 400, "x");
        nfields = n;
        tell();
    }
    for (uint32_t i = 0; i < x.notifier->now.filter->n; i++) { /* each field of a wrong type, and a bad status */
        event(i % 2 ? "odd" : "even", 2041, x.now_us + i, 400, "y");
        fields[i] = ua_variant_scalar(UA_BOOLEAN, &b);
        tell();
        fields[i] = ua_variant_scalar(UA_STATUS, &bad);
        keep_id = STR("status");
        tell();
        fields[i] = ua_variant_array(UA_BOOLEAN, &b, 1);
        tell();
    }
    send_to(0x80000002); /* of no item */
    send_to(0);
    x.now_us += 50;
    event("t", 2041, UA_TIME_MAX, 400, "no time");
    tell();
    CHECK_INT(last(2)->time_us, x.now_us);
    down();
}

TEST(a_queue_that_ran_over_is_told)
{
    up(plain);
    event("1", 2041, x.now_us - 5000, 300, "hello");
    tell();
    event("2", OC_EVENT_QUEUE_OVERFLOW, x.now_us, 500, "overflow");
    tell();
    CHECK_INT(count(1), 2);
    CHECK_INT(last(1)->quality, QUALITY_UNCERTAIN);
    CHECK_INT(last(1)->flags & SAMPLE_REASON_MASK, REASON_LAST_KNOWN);
    CHECK_Z(x.texts[last(1)->v.u], "hello");
    CHECK(strstr(x.log, "ran over"));
    const struct error *why = oc_events_trouble(&x.ch);
    REQUIRE(why);
    CHECK(strstr(why->text, "lost") && strstr(why->text_zh, "丢失"));
    CHECK_INT(x.ch.st.state, DRIVER_DEGRADED);
    x.mono += 61 * 1000 * NS_MS;
    oc_events_pump(&x.ch, x.mono);
    CHECK(oc_events_trouble(&x.ch) == NULL);
    CHECK_INT(x.ch.st.state, DRIVER_UP);
    down();
}

/* ---- alarms ---- */

static const char *const high[] = {"alarm:ns=2;s=High",
                                   "alarm:ns=2;s=High field=acked",
                                   "alarm:ns=2;s=High field=branches",
                                   "alarm:ns=2;s=High field=severity",
                                   "alarm:ns=2;s=High field=confirmed",
                                   "alarm:ns=2;s=High field=shelved",
                                   "event:i=2253",
                                   NULL};

TEST(an_alarm_and_its_branches)
{
    up(high);
    an_alarm("1", true, false, true);
    tell();
    CHECK(last(1)->type == SAMPLE_BOOL && last(1)->v.i == 1 && last(1)->quality == QUALITY_GOOD);
    CHECK_INT(last(2)->v.i, 0);
    CHECK_INT(last(3)->v.i, 0);
    CHECK_INT(last(4)->v.i, 700);
    CHECK_INT(last(5)->quality, QUALITY_BAD); /* it has no confirming */
    CHECK_INT(last(7)->type, SAMPLE_STRING);  /* an alarm is an event too */
    an_alarm("2", true, false, true);
    branch(1);
    boolean("i=2915 ActiveState/Id", false);
    tell();
    CHECK_INT(last(1)->v.i, 1); /* the branch says nothing of the present */
    CHECK_INT(last(3)->v.i, 1);
    an_alarm("3", true, true, true);
    tell();
    CHECK_INT(last(2)->v.i, 0); /* the branch still waits */
    an_alarm("4", false, true, false);
    branch(1);
    tell();
    CHECK_INT(last(2)->v.i, 1);
    CHECK_INT(last(3)->v.i, 0);
    CHECK_INT(last(1)->v.i, 1);
    an_alarm("5", true, false, true);
    tell();
    an_alarm("6", true, true, true); /* acknowledged, with the time of before */
    tell();
    CHECK_INT(last(2)->v.i, 1);
    CHECK(count(2) > 5 && last(2)->time_us > x.now_us - 1000);
    down();
}

TEST(branches_are_bounded_and_swept_by_a_refresh)
{
    up(high);
    an_alarm("0", true, true, true);
    tell();
    for (uint32_t i = 1; i <= OC_BRANCHES_MAX + 20; i++) {
        an_alarm("b", false, false, true);
        branch(i);
        tell();
    }
    CHECK_INT(last(3)->v.i, OC_BRANCHES_MAX);
    oc_condition_refreshing(&x.ch, x.notifier);
    an_alarm("b", false, false, true);
    branch(5);
    tell();
    an_alarm("0", true, true, true);
    tell();
    event("e", UA_NODE_REFRESH_END_EVENT_TYPE, x.now_us, 1, "");
    tell();
    CHECK_INT(x.ch.events->conditions->nbranches, 1);
    down();
}

TEST(what_a_refresh_does_not_tell_is_deduced_where_it_cannot_be_read)
{
    up(high);
    oc_condition_refreshing(&x.ch, x.notifier);
    event("e", UA_NODE_REFRESH_END_EVENT_TYPE, x.now_us, 1, "");
    tell();
    CHECK_INT(count(1), 0);
    oc_settle_pump(&x.ch); /* the request cannot be sent */
    CHECK(last(1)->quality == QUALITY_UNCERTAIN && last(1)->type == SAMPLE_BOOL && last(1)->v.i == 0);
    CHECK(last(2)->quality == QUALITY_UNCERTAIN && last(2)->v.i == 1);
    CHECK_INT(last(4)->quality, QUALITY_BAD); /* its severity is not known */
    CHECK_INT(x.ch.events->settling, 0);
    an_alarm("1", true, false, true);
    tell();
    oc_condition_refreshing(&x.ch, x.notifier);
    oc_condition_refreshed(&x.ch, x.notifier);
    x.now_us += 5000000;
    oc_settle_pump(&x.ch);
    CHECK(last(1)->quality == QUALITY_GOOD && last(1)->v.i == 0); /* it was met: it is over */
    down();
}

TEST(one_condition_written_in_two_ways)
{
    static const char *const twice[] = {"alarm:ns=2;s=High", "alarm:nsu=urn:plant;s=High", NULL};
    static struct str names[] = {STR("http://opcfoundation.org/UA/"), STR("urn:server"), STR("urn:plant")};
    up(twice);
    oc_flush(&x.ch);
    CHECK_INT(last(2)->quality, QUALITY_BAD); /* no such namespace */
    x.ch.namespaces = names, x.ch.namespaces_n = 3;
    oc_events_bind(&x.ch, x.ch.events);
    an_alarm("1", true, false, true);
    tell();
    CHECK(last(1)->v.i == 1 && last(2)->v.i == 1 && last(2)->quality == QUALITY_GOOD);
    down();
}

TEST(a_subscription_that_went_leaves_a_gap_that_is_told)
{
    up(plain);
    event("1", 2041, x.now_us - 5000, 300, "hello");
    tell();
    oc_sub_reset(&x.ch, x.notifier->now.klass);
    CHECK_INT(x.notifier->now.state, ITEM_NONE);
    x.notifier->now.state = ITEM_LIVE; /* made anew */
    x.notifier->tell_ns = x.mono;
    oc_events_pump(&x.ch, x.mono);
    CHECK_INT(last(1)->quality, QUALITY_UNCERTAIN);
    CHECK_INT(last(1)->flags & SAMPLE_REASON_MASK, REASON_LAST_KNOWN);
    down();
}

TEST(quality_of_an_alarm)
{
    uint32_t bad = 0x808B0000; /* BadDeviceFailure */
    up(high);
    an_alarm("1", true, false, true);
    fields[BASE_QUALITY] = ua_variant_scalar(UA_STATUS, &bad);
    tell();
    CHECK_INT(last(1)->quality, QUALITY_BAD);
    CHECK_INT(last(1)->v.i, 1);
    CHECK_INT(last(4)->quality, QUALITY_GOOD);
    an_alarm("2", false, true, false);
    boolean("i=2782 EnabledState/Id", false);
    tell();
    CHECK_INT(last(1)->quality, QUALITY_BAD);
    CHECK_INT(last(1)->flags & SAMPLE_REASON_MASK, REASON_OUT_OF_SERVICE);
    down();
}

TEST(shelved_is_told_by_the_state)
{
    static const struct {
        uint32_t state;
        int want;
    } t[] = {{2930, 0}, {2932, 1}, {2933, 1}};
    up(high);
    for (size_t i = 0; i < 3; i++) {
        struct ua_nodeid id = ua_id(0, t[i].state);
        an_alarm("1", true, false, true);
        fields[at("i=2915 ShelvingState/CurrentState/Id")] = ua_variant_scalar(UA_NODEID, &id);
        tell();
        CHECK_INT(last(6)->v.i, t[i].want);
    }
    down();
}

TEST(after_a_loss_a_refresh_makes_good)
{
    up(high);
    an_alarm("1", true, false, true);
    tell();
    x.now_us += 10000000;
    oc_tell_lost(&x.ch);
    CHECK_INT(last(1)->quality, QUALITY_BAD);
    x.now_us += 1000000;
    oc_condition_refreshing(&x.ch, x.notifier);
    an_alarm("1", true, false, true);
    fields[BASE_TIME].u.i64 = 1800000000000000 - 1000; /* the same event again, older than our word of the loss */
    tell();
    CHECK_INT(last(1)->quality, QUALITY_GOOD);
    CHECK_INT(last(1)->time_us, x.now_us);
    down();
}

/* ---- the set ---- */

TEST(the_set_changes_and_what_runs_goes_on)
{
    static const char *const more[] = {"alarm:ns=2;s=High", "alarm:ns=2;s=High field=acked",
                                       "alarm:ns=2;s=High field=comment", "event:ns=3;s=Other", NULL};
    static const char *const none[] = {"ns=2;s=Level", NULL};
    up(high);
    an_alarm("1", true, false, true);
    tell();
    struct oc_filter *before = x.notifier->now.filter;
    set(high);
    CHECK(x.notifier->now.filter == before && x.notifier->now.state == ITEM_LIVE);
    set(more); /* a field that the filter has not: a new item, the old one tells meanwhile */
    CHECK(x.notifier->now.filter != before && x.notifier->now.state == ITEM_NONE);
    CHECK(x.notifier->old.filter == before && x.notifier->old.state == ITEM_LIVE);
    nfields = before->n;
    struct oc_filter *now = x.notifier->now.filter;
    x.notifier->now.filter = before; /* the fields as the old item tells them */
    an_alarm("2", false, false, true);
    x.notifier->now.filter = now;
    tell();
    CHECK_INT(last(1)->v.i, 0);
    CHECK_INT(x.ch.events->conditions->nbranches, 0);
    CHECK(x.ch.events->conditions->met);
    set(none);
    CHECK(x.ch.events->conditions == NULL);
    tell(); /* late */
    oc_events_pump(&x.ch, x.mono);
    CHECK(x.ch.events->notifiers == NULL);
    down();
}

TEST(no_memory_leaves_it_for_the_next_time)
{
    for (uint64_t n = 1; n < 80; n++) {
        static const char *const nothing_yet[] = {"ns=2;s=Level", "event:i=2253", NULL};
        up(nothing_yet);
        struct driver_point p[2] = {
            {.num = 1, .address = "alarm:ns=2;s=High", .period_ms = 1000, .scale = 1},
            {.num = 2, .address = "event:i=2253 field=Severity", .period_ms = 1000, .scale = 1}};
        struct driver_device device = {.num = 1, .code = "D"};
        mem_fail_at(n, false);
        int rc = oc_set(&x.ch, &device, 1, p, 2, NULL);
        mem_fail_at(0, false);
        CHECK(rc == 0 || rc == ERR_NOMEM);
        oc_events_pump(&x.ch, x.mono);
        CHECK(!x.ch.events_dirty);
        if (rc == 0) CHECK(x.ch.events && x.ch.events->nlinks == 2);
        down();
    }
}
