/* jobs_test.c - the queue: order, limits, retries, cancel, dependencies, survival. Most tests run jobs on
 * their own thread (jobs_work_once) under a clock that stands still; some with real workers. */
#include "core/job/job_int.h"
#include "core/resource/kernel_fixture.h"

struct bench {
    struct fixture f;
    struct jobs *js;
    char id[37];
    int runs, fails_left;
    bool stop_seen;
    struct event seen;
    char topics[512];
};

static void hear(void *ctx, const struct event *ev)
{
    struct bench *b = ctx;
    size_t n = strlen(b->topics);
    snprintf(b->topics + n, sizeof b->topics - n, "%s ", ev->topic);
}

static int run_plain(void *ctx, struct job *j, struct error *e)
{
    struct bench *b = ctx;
    struct json *r = json_new_object(job_arena(j));
    b->runs++;
    json_set(r, job_arena(j), STR("twice"), json_new_i64(job_arena(j), 2 * json_i64(json_get(job_params(j), "n"), 0)));
    job_log(j, "info", "run %d", b->runs);
    job_progress(j, 1, 2, "half", "一半");
    return job_result(j, r, e);
}

static int run_flaky(void *ctx, struct job *j, struct error *e)
{
    struct bench *b = ctx;
    b->runs++;
    return b->fails_left-- > 0 ? error_set(e, ERR_IO, "", "no luck", "运气不好") : 0;
}

static int run_until_told(void *ctx, struct job *j, struct error *e)
{
    struct bench *b = ctx;
    b->runs++;
    while (!job_cancelled(j)) sched_yield();
    b->stop_seen = true;
    return ERR_CANCELLED;
}

/* Counts to 10 by checkpoints; "dies" at 5 the first time. */
static int run_steps(void *ctx, struct job *j, struct error *e)
{
    struct bench *b = ctx;
    int64_t at = json_i64(json_get(job_state(j), "at"), 0);
    b->runs++;
    for (int rc; at < 10; at++) {
        struct json *s = json_new_object(job_arena(j));
        json_set(s, job_arena(j), STR("at"), json_new_i64(job_arena(j), at + 1));
        if ((rc = job_checkpoint(j, s, e))) return rc;
        if (at == 5 && b->runs == 1) return ERR_IO;
    }
    return 0;
}

static struct job_type types[] = {
    {.name = "plain", .title_en = "Plain", .title_zh = "普通", .kind = "tag", .action = ACT_WRITE, .run = run_plain},
    {.name = "flaky",
     .title_en = "Flaky",
     .title_zh = "不稳",
     .kind = "tag",
     .action = ACT_WRITE,
     .run = run_flaky,
     .retries = 2},
    {.name = "long",
     .title_en = "Long",
     .title_zh = "长",
     .kind = "tag",
     .action = ACT_WRITE,
     .run = run_until_told,
     .timeout_s = 60},
    {.name = "steps",
     .title_en = "Steps",
     .title_zh = "分步",
     .kind = "tag",
     .action = ACT_WRITE,
     .run = run_steps,
     .resumable = true},
};

static bool bench_jobs(struct bench *b)
{
    struct jobs_config cfg = {.kernel = b->f.k, .node = "t", .threads = 3};
    int rc = jobs_open(&cfg, &b->js, &b->f.e);
    for (size_t i = 0; i < sizeof types / sizeof *types && !rc; i++) {
        types[i].ctx = b;
        rc = jobs_type_add(b->js, &types[i]);
    }
    if (rc) test_fail(__FILE__, __LINE__, "jobs: %s", b->f.e.text);
    return rc == 0;
}

static bool bench_open(struct bench *b)
{
    *b = (struct bench){.runs = 0};
    if (!fixture_open(&b->f, NULL)) return false;
    if (kernel_event_subscribe(b->f.k, hear, b)) return false;
    return bench_jobs(b);
}

static void bench_close(struct bench *b)
{
    jobs_close(b->js);
    fixture_close(&b->f);
}

static int submit(struct bench *b, const char *type, const char *params, const char *key)
{
    struct job_spec s = {.type = type, .params = fixture_json(&b->f, params), .key = str_of(key)};
    b->f.e = (struct error){0};
    return job_submit(b->js, &s, b->id, &b->f.e);
}

/* One column of a job's row as text. */
static const char *column(struct bench *b, const char *id, const char *name)
{
    static char out[512];
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    char text[128];
    out[0] = 0;
    snprintf(text, sizeof text, "select cast(%s as text) from job where id = $1", name);
    if (sql_begin(b->f.db, false, &tx, NULL)) return "";
    if (sql_prepare(tx, text, &s, NULL) == 0) {
        sql_bind_str(s, 1, str_of(id));
        if (sql_step(s, NULL) == 1) str_to_cstr(sql_str(s, 0), out, sizeof out);
        sql_done(s);
    }
    sql_rollback(tx);
    return out;
}

TEST(done_with_result_log_and_progress)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    CHECK_INT(submit(&b, "plain", "{\"n\":21}", NULL), 0);
    CHECK_Z(column(&b, b.id, "state"), "queued");
    CHECK(jobs_work_once(b.js));
    CHECK(!jobs_work_once(b.js));
    CHECK_Z(column(&b, b.id, "state"), "done");
    CHECK_Z(column(&b, b.id, "result"), "{\"twice\":42}");
    CHECK_Z(column(&b, b.id, "what_zh"), "一半");
    CHECK_Z(column(&b, b.id, "(select line from job_log where job = id)"), "run 1");
    CHECK_Z(b.topics, ""); /* nobody waits for a job of the system */
    CHECK_INT(submit(&b, "plane", NULL, NULL), ERR_NOT_FOUND);
    bench_close(&b);
}

TEST(a_key_stands_once)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    CHECK_INT(submit(&b, "plain", NULL, "nightly"), 0);
    CHECK_INT(submit(&b, "plain", NULL, "nightly"), ERR_EXISTS);
    CHECK(jobs_work_once(b.js));
    CHECK_INT(submit(&b, "plain", NULL, "nightly"), 0);
    bench_close(&b);
}

TEST(retries_wait_longer_each_time)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    b.fails_left = 5;
    CHECK_INT(submit(&b, "flaky", NULL, NULL), 0);
    CHECK(jobs_work_once(b.js));
    CHECK_Z(column(&b, b.id, "state"), "queued");
    CHECK(!jobs_work_once(b.js));
    sim_clock_advance(&b.f.clock, 10 * TIME_US_PER_S);
    CHECK(jobs_work_once(b.js));
    sim_clock_advance(&b.f.clock, 19 * TIME_US_PER_S);
    CHECK(!jobs_work_once(b.js));
    sim_clock_advance(&b.f.clock, TIME_US_PER_S);
    CHECK(jobs_work_once(b.js));
    CHECK_Z(column(&b, b.id, "state"), "failed");
    CHECK_Z(column(&b, b.id, "error_zh"), "运气不好");
    CHECK_Z(column(&b, b.id, "attempt"), "3");
    CHECK_Z(b.topics, "job.failed ");
    b.fails_left = 0;
    CHECK_INT(job_retry(b.js, NULL, str_of(b.id), NULL), 0);
    CHECK(jobs_work_once(b.js));
    CHECK_Z(column(&b, b.id, "state"), "done");
    CHECK_INT(job_retry(b.js, NULL, str_of(b.id), NULL), ERR_INVALID);
    bench_close(&b);
}

TEST(not_before_and_priority)
{
    struct bench b;
    char first[37], urgent[37];
    REQUIRE(bench_open(&b));
    struct job_spec later = {.type = "plain", .not_before_us = b.f.clock.now_us + 60 * TIME_US_PER_S};
    CHECK_INT(job_submit(b.js, &later, first, NULL), 0);
    CHECK(!jobs_work_once(b.js));
    CHECK_INT(submit(&b, "plain", NULL, NULL), 0);
    struct job_spec now = {.type = "plain", .priority = 5};
    CHECK_INT(job_submit(b.js, &now, urgent, NULL), 0);
    CHECK(jobs_work_once(b.js));
    CHECK_Z(column(&b, urgent, "state"), "done");
    CHECK_Z(column(&b, b.id, "state"), "queued");
    sim_clock_advance(&b.f.clock, 60 * TIME_US_PER_S);
    CHECK(jobs_work_once(b.js) && jobs_work_once(b.js));
    CHECK_Z(column(&b, first, "state"), "done");
    bench_close(&b);
}

TEST(dependants_wait_run_and_fail)
{
    struct bench b;
    char a[37], c[37], d[37];
    REQUIRE(bench_open(&b));
    b.fails_left = 3;
    CHECK_INT(submit(&b, "flaky", NULL, NULL), 0);
    memcpy(a, b.id, 37);
    struct str after_a = str_of(a);
    struct job_spec s = {.type = "plain", .after = &after_a, .nafter = 1};
    CHECK_INT(job_submit(b.js, &s, c, NULL), 0);
    struct str after_c = str_of(c);
    s.after = &after_c;
    CHECK_INT(job_submit(b.js, &s, d, NULL), 0);
    CHECK_Z(column(&b, d, "state"), "waiting");
    for (int i = 0; i < 3; i++) {
        CHECK(jobs_work_once(b.js));
        sim_clock_advance(&b.f.clock, 3600 * TIME_US_PER_S);
    }
    CHECK_Z(column(&b, a, "state"), "failed");
    CHECK_Z(column(&b, c, "state"), "failed");
    CHECK_Z(column(&b, d, "state"), "failed");
    CHECK_INT(job_submit(b.js, &s, d, &b.f.e), ERR_INVALID); /* of a failed one */
    CHECK_INT(submit(&b, "plain", NULL, NULL), 0);
    memcpy(a, b.id, 37);
    s.after = &after_a;
    CHECK_INT(job_submit(b.js, &s, c, NULL), 0);
    CHECK_INT(job_submit(b.js, &s, d, NULL), 0);
    CHECK(jobs_work_once(b.js));
    CHECK_Z(column(&b, c, "state"), "queued");
    CHECK_Z(column(&b, d, "state"), "queued");
    bench_close(&b);
}

TEST(cancel_of_queued_and_waiting)
{
    struct bench b;
    char a[37], c[37];
    REQUIRE(bench_open(&b));
    CHECK_INT(submit(&b, "plain", NULL, NULL), 0);
    memcpy(a, b.id, 37);
    struct str after = str_of(a);
    struct job_spec s = {.type = "plain", .after = &after, .nafter = 1};
    CHECK_INT(job_submit(b.js, &s, c, NULL), 0);
    CHECK_INT(job_cancel(b.js, NULL, str_of(a), NULL), 0);
    CHECK_Z(column(&b, a, "state"), "cancelled");
    CHECK_Z(column(&b, c, "state"), "failed");
    CHECK_INT(job_cancel(b.js, NULL, str_of(a), NULL), ERR_INVALID);
    CHECK(!jobs_work_once(b.js));
    bench_close(&b);
}

TEST(cancel_of_a_running_one)
{
    struct bench b;
    char state[16];
    REQUIRE(bench_open(&b));
    REQUIRE(jobs_start(b.js, &b.f.e) == 0);
    CHECK_INT(submit(&b, "long", NULL, NULL), 0);
    while (strcmp(column(&b, b.id, "state"), "running") != 0) sched_yield();
    CHECK_INT(job_cancel(b.js, NULL, str_of(b.id), NULL), 0);
    CHECK_INT(job_wait(b.js, str_of(b.id), 10000, state, NULL), 0);
    CHECK_Z(state, "cancelled");
    jobs_stop(b.js);
    CHECK(b.stop_seen);
    bench_close(&b);
}

TEST(stop_interrupts_what_cannot_go_on)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    REQUIRE(jobs_start(b.js, &b.f.e) == 0);
    CHECK_INT(submit(&b, "long", NULL, NULL), 0);
    while (strcmp(column(&b, b.id, "state"), "running") != 0) sched_yield();
    jobs_stop(b.js);
    CHECK_Z(column(&b, b.id, "state"), "failed");
    CHECK_Z(column(&b, b.id, "error_where"), "interrupted");
    CHECK_Z(b.topics, "job.interrupted ");
    bench_close(&b);
}

TEST(the_dead_are_found_at_start)
{
    struct bench b;
    char steps[37], plain[37];
    struct job *j;
    REQUIRE(bench_open(&b));
    CHECK_INT(submit(&b, "steps", NULL, NULL), 0);
    memcpy(steps, b.id, 37);
    CHECK_INT(submit(&b, "plain", NULL, NULL), 0);
    memcpy(plain, b.id, 37);
    for (int i = 0; i < 2; i++) { /* claimed by a process that dies in the middle */
        REQUIRE(job_claim(b.js, &j, &b.f.e) == 0 && j);
        if (i == 0) {
            struct json *s =
                fixture_json(&b.f, "{\"at\":7}") ? json_copy(&b.f.a, fixture_json(&b.f, "{\"at\":7}")) : NULL;
            CHECK_INT(job_checkpoint(j, s, NULL), 0);
        }
        job_free(j);
    }
    jobs_close(b.js);
    REQUIRE(bench_jobs(&b));
    CHECK_INT(jobs_recover(b.js, &b.f.e), 0);
    CHECK_Z(column(&b, steps, "state"), "queued");
    CHECK_Z(column(&b, plain, "state"), "failed");
    CHECK_Z(column(&b, plain, "error_where"), "interrupted");
    CHECK_Z(b.topics, "job.interrupted job.interrupted ");
    b.runs = 1;
    CHECK(jobs_work_once(b.js));
    CHECK_Z(column(&b, steps, "state"), "done");
    CHECK_Z(column(&b, steps, "checkpoint"), "{\"at\":10}");
    CHECK_INT(b.runs, 2);
    bench_close(&b);
}

TEST(who_was_thought_dead_changes_nothing)
{
    struct bench b;
    struct job *j;
    REQUIRE(bench_open(&b));
    CHECK_INT(submit(&b, "plain", NULL, NULL), 0);
    REQUIRE(job_claim(b.js, &j, &b.f.e) == 0 && j);
    struct jobs *old = b.js;
    REQUIRE(bench_jobs(&b));
    CHECK_INT(jobs_recover(b.js, &b.f.e), 0);
    struct job_end end = {.state = "done"};
    CHECK_INT(job_finish(old, j, &end, NULL), ERR_NOT_FOUND);
    CHECK_INT(job_checkpoint(j, fixture_json(&b.f, "{}"), NULL), ERR_CANCELLED);
    CHECK_Z(column(&b, b.id, "state"), "failed");
    CHECK(job_cancelled(j));
    job_free(j);
    jobs_close(old);
    bench_close(&b);
}

TEST(many_on_few_threads_each_once)
{
    struct bench b;
    char state[16], last[37];
    REQUIRE(bench_open(&b));
    types[0].concurrency = 1; /* runs is counted without a lock */
    REQUIRE(jobs_start(b.js, &b.f.e) == 0);
    for (int i = 0; i < 60; i++) CHECK_INT(submit(&b, "plain", NULL, NULL), 0);
    memcpy(last, b.id, 37);
    CHECK_INT(job_wait(b.js, str_of(last), 20000, state, NULL), 0);
    CHECK_Z(state, "done");
    jobs_stop(b.js);
    CHECK_INT(b.runs, 60);
    bench_close(&b);
}

TEST(timeout_asks_it_to_end)
{
    struct bench b;
    REQUIRE(bench_open(&b));
    CHECK_INT(submit(&b, "plain", NULL, NULL), 0);
    struct job *j;
    REQUIRE(job_claim(b.js, &j, &b.f.e) == 0 && j);
    static struct job_type slow;
    slow = types[2];
    j->type = &slow;
    b.js->running = j;
    sim_clock_advance(&b.f.clock, 59 * TIME_US_PER_S);
    jobs_tick(b.js);
    CHECK(!job_cancelled(j));
    sim_clock_advance(&b.f.clock, 2 * TIME_US_PER_S);
    jobs_tick(b.js);
    CHECK_INT(atomic_load(&j->stop), STOP_TIMEOUT);
    b.js->running = NULL;
    job_free(j);
    bench_close(&b);
}
