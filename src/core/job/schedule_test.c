/* schedule_test.c - plans (calendars, moved runs, zones) and schedules under a clock that the test holds: due,
 * missed, overlapping runs, jumps of the clock, a process that dies in between. No threads, no waiting. */
#include "core/job/schedule.h"
#include "core/job/job_int.h"
#include "core/job/plan.h"
#include "core/resource/kernel_fixture.h"

/* The days off around the first of October, with a worked Sunday before and a worked Saturday after. */
static const char golden_week[] =
    "{\"working_days\":[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\"],\"holidays\":[{\"from\":\"2026-10-01\",\"to\":"
    "\"2026-10-07\"}],\"extra_working_days\":[{\"from\":\"2026-09-20\"},{\"from\":\"2026-10-10\"}]}";

static const char *next_of(struct arena *a, const char *spec, const char *calendar, const char *after)
{
    static char out[TIME_TEXT_MAX];
    struct json *s = NULL, *c = NULL;
    struct plan p;
    struct error e = {0};
    int64_t t = 0;
    if (json_parse(a, str_of(spec), &s, &e) || (calendar && json_parse(a, str_of(calendar), &c, &e)) ||
        plan_read(s, c, a, &p, &e) || time_parse(str_of(after), &t, &e)) {
        test_fail(__FILE__, __LINE__, "%s: %s", spec, e.text);
        return "";
    }
    t = plan_next(&p, t);
    plan_fini(&p);
    return t == INT64_MAX ? "never" : time_format(t, out);
}

TEST(working_days)
{
    AUTO_ARENA a;
    arena_init(&a, 4 << 20);
    const char *skip = "{\"cron\":\"0 8 * * *\",\"time_zone\":\"Asia/Shanghai\"}";
    const char *move = "{\"cron\":\"0 8 * * *\",\"time_zone\":\"Asia/Shanghai\",\"day_off\":\"next\"}";
    CHECK_Z(next_of(&a, skip, NULL, "2026-10-01T00:00:00Z"), "2026-10-02T00:00:00Z");
    CHECK_Z(next_of(&a, skip, golden_week, "2026-09-18T00:00:00Z"),
            "2026-09-20T00:00:00Z"); /* Friday to worked Sunday */
    CHECK_Z(next_of(&a, skip, golden_week, "2026-09-30T00:00:00Z"), "2026-10-08T00:00:00Z");
    CHECK_Z(next_of(&a, skip, golden_week, "2026-10-09T00:00:00Z"), "2026-10-10T00:00:00Z"); /* worked Saturday */
    CHECK_Z(next_of(&a, skip, golden_week, "2026-10-10T00:00:00Z"), "2026-10-12T00:00:00Z");
    CHECK_Z(next_of(&a, move, golden_week, "2026-09-30T00:00:00Z"), "2026-10-08T00:00:00Z");
    CHECK_Z(next_of(&a, move, golden_week, "2026-10-08T00:00:00Z"), "2026-10-09T00:00:00Z");
    const char *first = "{\"cron\":\"0 8 1 * *\",\"day_off\":\"next\"}"; /* the first of the month */
    CHECK_Z(next_of(&a, first, golden_week, "2026-09-30T00:00:00Z"), "2026-10-08T00:00:00Z");
    CHECK_Z(next_of(&a, first, golden_week, "2026-10-08T00:00:00Z"),
            "2026-11-02T00:00:00Z"); /* 1 November is a Sunday */
    const char *both = "{\"cron\":\"0 8,9 1,2 10 *\",\"day_off\":\"next\",\"time_zone\":\"+08:00\"}";
    CHECK_Z(next_of(&a, both, golden_week, "2026-10-08T00:00:00Z"),
            "2026-10-08T01:00:00Z"); /* two days, one run each time */
    CHECK_Z(next_of(&a, both, golden_week, "2026-10-08T01:00:00Z"), "2027-10-01T00:00:00Z");
    CHECK_Z(next_of(&a, skip, "{\"working_days\":[]}", "2026-10-01T00:00:00Z"), "never");
    CHECK_Z(next_of(&a, move, "{\"working_days\":[]}", "2026-10-01T00:00:00Z"), "never");
    CHECK_Z(next_of(&a, "{\"cron\":\"* * * * * *\",\"day_off\":\"next\"}", golden_week, "2026-10-03T12:00:00Z"),
            "2026-10-07T16:00:00Z"); /* at midnight of the 8th in Shanghai */
}

TEST(zones_by_name)
{
    struct zone z;
    struct error e = {0};
    REQUIRE(zone_load(STR("Asia/Shanghai"), &z, &e) == 0);
    CHECK_INT(zone_span(&z, 1790000000).offset, 28800);
    zone_fini(&z);
    CHECK_INT(zone_load(STR("../../etc/passwd"), &z, &e), ERR_INVALID);
    CHECK_INT(zone_load(STR("/etc/passwd"), &z, &e), ERR_INVALID);
    CHECK_INT(zone_load(STR("Asia"), &z, &e), ERR_INVALID);
    CHECK_INT(zone_load(STR("Mars/Phobos"), &z, &e), ERR_INVALID);
    CHECK(strstr(e.text, "Mars/Phobos") && e.text_zh[0]);
}

/* ------------------------------------------------------------------ schedules */

struct bench {
    struct fixture f;
    struct jobs *js;
    int runs;
};

static int run_count(void *ctx, struct job *j, struct error *e)
{
    ((struct bench *)ctx)->runs++;
    return 0;
}

static struct job_type count_type = {.name = "count",
                                     .title_en = "Count",
                                     .title_zh = "计数",
                                     .kind = "tag",
                                     .action = ACT_WRITE,
                                     .run = run_count,
                                     .by_user = true,
                                     .params = "[{\"name\":\"n\",\"type\":\"integer\",\"max\":9}]"};

static bool open_jobs(struct bench *b)
{
    struct jobs_config cfg = {.kernel = b->f.k, .node = "t"};
    count_type.ctx = b;
    int rc = jobs_open(&cfg, &b->js, &b->f.e);
    if (!rc) rc = jobs_type_add(b->js, &count_type);
    if (rc) test_fail(__FILE__, __LINE__, "jobs: %s", b->f.e.text);
    return rc == 0;
}

static bool bench_open(struct bench *b)
{
    *b = (struct bench){.runs = 0};
    return fixture_open(&b->f, NULL) && open_jobs(b);
}

static void bench_close(struct bench *b)
{
    kernel_hooks_stop(b->f.k);
    jobs_close(b->js);
    fixture_close(&b->f);
}

/* A tick, and all jobs that it brought. */
static int tick(struct bench *b)
{
    int before = b->runs;
    kernel_settle(b->f.k);
    jobs_tick(b->js);
    while (jobs_work_once(b->js)) continue;
    return b->runs - before;
}

static int pass(struct bench *b, int64_t seconds)
{
    sim_clock_advance(&b->f.clock, seconds * TIME_US_PER_S);
    return tick(b);
}

/* The clock stands at 14:13:20 UTC, 22:13:20 in Shanghai. */
static int schedule(struct bench *b, const char *spec)
{
    return fixture_create(&b->f, "schedule", "S1", spec, NULL);
}

TEST(runs_when_due_once)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    REQUIRE(schedule(&b, "{\"cron\":\"*/10 * * * *\",\"job_type\":\"count\",\"params\":{\"n\":3}}") == 0);
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 399), 0);
    CHECK_INT(pass(&b, 1), 1); /* 14:20:00 */
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 599), 0);
    CHECK_INT(pass(&b, 1), 1);
    struct resource r;
    struct resource_input off = {.spec = fixture_json(&b.f, "{\"enabled\":false}")};
    REQUIRE(resource_patch(b.f.k, &b.f.a, &actor_system, "schedule", STR("S1"), -1, &off, &r, &b.f.e) == 0);
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 600), 0);
    struct resource_input on = {.spec = fixture_json(&b.f, "{\"enabled\":true,\"cron\":\"5 * * * *\"}")};
    REQUIRE(resource_patch(b.f.k, &b.f.a, &actor_system, "schedule", STR("S1"), -1, &on, &r, &b.f.e) == 0);
    CHECK_INT(tick(&b), 0); /* 14:40: nothing is made up for */
    CHECK_INT(pass(&b, 1500), 1);
    bench_close(&b);
}

TEST(what_cannot_run_is_refused)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    static const struct {
        const char *spec, *where;
    } bad[] = {{"{\"cron\":\"x\",\"job_type\":\"count\"}", "spec.cron"},
               {"{\"cron\":\"0 0 30 2 *\",\"job_type\":\"count\"}", "spec.cron"},
               {"{\"cron\":\"* * * * *\",\"job_type\":\"counting\"}", "spec.job_type"},
               {"{\"cron\":\"* * * * *\",\"job_type\":\"count\",\"time_zone\":\"Nowhere/At_all\"}", "spec.time_zone"},
               {"{\"cron\":\"* * * * *\",\"job_type\":\"count\",\"params\":{\"n\":10}}", "spec.params.n"},
               {"{\"cron\":\"* * * * *\",\"job_type\":\"count\",\"params\":{\"m\":1}}", "spec.params.m"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(schedule(&b, bad[i].spec), ERR_INVALID);
        CHECK_Z(b.f.e.where, bad[i].where);
    }
    CHECK_INT(fixture_create(&b.f, "calendar", "C", "{\"holidays\":[{\"from\":\"2026-13-01\"}]}", NULL), ERR_INVALID);
    CHECK_INT(
        fixture_create(&b.f, "calendar", "C", "{\"holidays\":[{\"from\":\"2026-02-02\",\"to\":\"2026-02-01\"}]}", NULL),
        ERR_INVALID);
    CHECK_Z(b.f.e.where, "spec.holidays[0].to");
    bench_close(&b);
}

static void down_for(struct bench *b, int64_t seconds)
{
    kernel_settle(b->f.k);
    jobs_close(b->js);
    sim_clock_advance(&b->f.clock, seconds * TIME_US_PER_S);
    open_jobs(b);
}

TEST(missed_runs_are_left_out_or_made_up_for_once)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    REQUIRE(schedule(&b, "{\"cron\":\"0 * * * *\",\"job_type\":\"count\"}") == 0);
    REQUIRE(fixture_create(&b.f, "schedule", "S2",
                           "{\"cron\":\"0 * * * *\",\"job_type\":\"count\",\"missed\":\"once\"}", NULL) == 0);
    CHECK_INT(tick(&b), 0);
    down_for(&b, 5 * 3600); /* 19:13:20 */
    CHECK_INT(tick(&b), 1);
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 2800), 2); /* 20:00:00 both */
    struct buf text;
    buf_init(&text, 4096);
    struct json_writer w = json_writer(&text);
    down_for(&b, 7300);
    CHECK_INT(tick(&b), 1);
    CHECK_INT(schedule_next(b.js, STR("S1"), 2, &w, NULL), 0);
    static const char want[] = "{\"items\":[\"2026-09-21T23:00:00Z\",\"2026-09-22T00:00:00Z\"],\"last\":{\"due_at\":"
                               "\"2026-09-21T21:00:00Z\",\"run_at\":\"2026-09-21T20:00:00Z\",\"job\":\"";
    CHECK(str_starts(buf_view(&text), str_of(want)));
    CHECK(str_has(buf_view(&text), STR("\"zh\":\"已错过：平台停机或时钟前调\"")));
    buf_fini(&text);
    bench_close(&b);
}

TEST(the_clock_jumps)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    REQUIRE(schedule(&b, "{\"cron\":\"0 * * * *\",\"job_type\":\"count\"}") == 0);
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 2800), 1); /* 15:00:00 */
    sim_clock_jump(&b.f.clock, -1800 * TIME_US_PER_S);
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 1800), 0); /* 15:00 again: not twice */
    CHECK_INT(pass(&b, 3600), 1); /* 16:00 */
    sim_clock_jump(&b.f.clock, 86400 * TIME_US_PER_S);
    CHECK_INT(tick(&b), 0); /* a day forward: those runs were missed */
    CHECK_INT(pass(&b, 3600), 1);
    sim_clock_jump(&b.f.clock, -365 * 86400 * TIME_US_PER_S); /* it was a year ahead */
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 3600), 1);
    bench_close(&b);
}

TEST(overlap)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    REQUIRE(schedule(&b, "{\"cron\":\"* * * * *\",\"job_type\":\"count\"}") == 0);
    REQUIRE(fixture_create(&b.f, "schedule", "S2",
                           "{\"cron\":\"* * * * *\",\"job_type\":\"count\",\"overlap\":\"queue\"}", NULL) == 0);
    kernel_settle(b.f.k);
    jobs_tick(b.js);
    for (int i = 0; i < 3; i++) { /* nobody works them off */
        sim_clock_advance(&b.f.clock, 60 * TIME_US_PER_S);
        jobs_tick(b.js);
    }
    while (jobs_work_once(b.js)) continue;
    CHECK_INT(b.runs, 1 + 3);
    bench_close(&b);
}

TEST(by_a_calendar_that_changes)
{
    struct bench b;
    struct resource r;
    REQUIRE(bench_open(&b)); /* Monday */
    REQUIRE(fixture_create(&b.f, "calendar", "CN", golden_week, NULL) == 0);
    REQUIRE(schedule(&b, "{\"cron\":\"0 8 * * *\",\"job_type\":\"count\",\"calendar\":\"CN\"}") == 0);
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 35200), 1); /* Tuesday 08:00 in Shanghai */
    struct resource_input in = {.spec = fixture_json(&b.f, "{\"holidays\":[{\"from\":\"2026-09-23\"}]}")};
    REQUIRE(resource_patch(b.f.k, &b.f.a, &actor_system, "calendar", STR("CN"), -1, &in, &r, &b.f.e) == 0);
    CHECK_INT(tick(&b), 0);
    CHECK_INT(pass(&b, 86400), 0);
    CHECK_INT(pass(&b, 86400), 1);
    bench_close(&b);
}

TEST(by_hand_and_defaults)
{
    struct bench b;
    char id[37];
    REQUIRE(bench_open(&b));
    CHECK_INT(schedule_default(b.js, "nightly", "Nightly", "{\"cron\":\"0 3 * * *\",\"job_type\":\"count\"}", &b.f.e),
              0);
    CHECK_INT(schedule_run(b.js, &actor_system, STR("nightly"), id, NULL), 0);
    CHECK_INT(tick(&b), 1);
    REQUIRE(resource_delete(b.f.k, &actor_system, "schedule", STR("nightly"), -1, NULL) == 0);
    CHECK_INT(schedule_default(b.js, "nightly", "Nightly", "{\"cron\":\"0 3 * * *\",\"job_type\":\"count\"}", &b.f.e),
              0);
    CHECK_INT(schedule_run(b.js, &actor_system, STR("nightly"), id, NULL), ERR_NOT_FOUND);
    bench_close(&b);
}
