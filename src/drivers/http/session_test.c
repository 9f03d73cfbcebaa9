/* session_test.c - the driver against our own HTTP server on its threads: polling, times, pages, faults, writing,
 * reading, browsing, changes of the set. Addresses of the server behave as their names say. */
#include <signal.h>
#include <stdatomic.h>
#include "base/time.h"
#include "drivers/common/testbed.h"
#include "drivers/http/http_int.h"
#include "io/http_server.h"

#define T0 1767225600000000LL /* 2026-01-01T00:00:00Z */
#define BED_POINTS 32

static struct http_server *srv;
static unsigned port;
static atomic_int asked, fault, value, not_modified, wrote;
static char last_query[300], last_body[300], last_headers[300];

enum { FAULT_NONE, FAULT_500, FAULT_BROKEN, FAULT_429, FAULT_HTML };

static void values(struct http_request *q, struct http_response *r)
{
    int v = atomic_load(&value);
    char tag[20];
    snprintf(tag, sizeof tag, "\"v%d\"", v);
    if (str_is(http_header(q, "if-none-match"), tag)) {
        atomic_fetch_add(&not_modified, 1);
        r->status = 304;
        return;
    }
    http_set_header(r, "ETag", str_of(tag));
    buf_printf(&r->body, "{\"t\":%d.5,\"on\":true,\"name\":\"pump %d\",\"n\":null,\"d\":{\"x\":[1,2,%d]}}", v, v, v);
}
static void rows(struct http_request *q, struct http_response *r)
{
    buf_z(&r->body, "{\"rows\":[{\"at\":\"2026-01-01T00:00:03Z\",\"v\":3},{\"at\":\"2026-01-01T00:00:01Z\",\"v\":1},"
                    "{\"at\":\"2026-01-01T00:00:02Z\",\"v\":2,\"q\":\"bad\"}");
    if (atomic_load(&value)) buf_z(&r->body, ",{\"at\":\"2026-01-01T00:00:04Z\",\"v\":4}");
    buf_z(&r->body, "]}");
}
/* Three pages of two rows, by any way. */
static void pages(struct http_request *q, struct http_response *r)
{
    int64_t page = 1, offset = 0;
    struct str p = http_query(q, "page"), o = http_query(q, "offset"), c = http_query(q, "cursor");
    if (p.p && str_to_i64(p, &page)) page = 9;
    if (o.p && str_to_i64(o, &offset)) offset = 9;
    if (o.p) page = offset / 2 + 1;
    if (c.p) page = c.n;
    int64_t n = page < 3 ? 2 : page == 3 ? 1 : 0;
    char link[100];
    snprintf(link, sizeof link, "<%s?page=%lld>; rel=\"next\", </x>; rel=last", "/api/pages", (long long)page + 1);
    if (page < 3) http_set_header(r, "Link", str_of(link));
    buf_z(&r->body, "{\"rows\":[");
    for (int64_t i = 0; i < n; i++)
        buf_printf(&r->body, "%s{\"t\":%lld,\"v\":%lld}", i ? "," : "", (long long)(1767225600 + page * 10 + i),
                   (long long)(page * 10 + i));
    buf_z(&r->body, "]");
    if (page < 3)
        buf_printf(&r->body, ",\"next\":\"?page=%lld\",\"cursor\":\"%.*s\"", (long long)page + 1, (int)page + 1,
                   "cccc");
    buf_z(&r->body, "}");
}
static void csv(struct http_request *q, struct http_response *r)
{
    buf_z(&r->body, "time;Temp\n01.01.2026 08:00:00;12.5\n01.01.2026 08:00:01;13.5\n");
}
static void writing(struct http_request *q, struct http_response *r)
{
    atomic_fetch_add(&wrote, 1);
    snprintf(last_body, sizeof last_body, "%.*s %.*s %.*s", STR_ARG(q->method), STR_ARG(q->target), STR_ARG(q->body));
    snprintf(last_headers, sizeof last_headers, "%.*s", STR_ARG(http_header(q, "content-type")));
    int64_t status = 200;
    struct str s = http_query(q, "status");
    if (s.p && str_to_i64(s, &status)) status = 500;
    r->status = (int)status;
}
static void answer(struct http_request *q, struct http_response *r)
{
    int f = atomic_load(&fault);
    snprintf(last_query, sizeof last_query, "%.*s", STR_ARG(q->query));
    r->content_type = "application/json";
    if (f == FAULT_500) r->status = 500, buf_z(&r->body, "oops");
    if (f == FAULT_429) r->status = 429, http_set_header(r, "Retry-After", STR("600"));
    if (f == FAULT_BROKEN) buf_z(&r->body, "{\"t\":1,\n \"on\":tru");
    if (f == FAULT_HTML) buf_z(&r->body, "<html>");
    if (f == FAULT_NONE)
        (str_is(q->path, "/api/rows")    ? rows
         : str_is(q->path, "/api/pages") ? pages
         : str_is(q->path, "/api/csv")   ? csv
         : str_is(q->path, "/api/write") ? writing
                                         : values)(q, r);
    atomic_fetch_add(&asked, 1);
}
static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    ret->body_max = 1 << 16;
    ret->handler = answer;
    return 0;
}
static void start(void)
{
    struct error e = {0};
    struct http_config cfg = {.route = route, .workers = 1, .port = port};
    signal(SIGPIPE, SIG_IGN);
    if (http_server_start(&cfg, &srv, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    port = http_server_port(srv);
}

/* ---- the host ---- */

struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct driver_host host;
    struct driver_channel *ch;
    struct driver_device device;
    struct driver_point points[BED_POINTS];
    size_t n;
    struct sample last[BED_POINTS];
    unsigned count[BED_POINTS], bad[BED_POINTS], refuse, frames, outcome_n;
    double got[BED_POINTS][16]; /* values in the order they came */
    char texts[16][64];
    unsigned ntexts;
    uint64_t skew_ns;
    bool closed, done;
    enum driver_outcome outcome;
    struct error error;
    struct driver_reading readings[4];
    char reading_text[4][100], items[400], next[24], detail[200];
};

static int host_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    if (b->refuse) {
        b->refuse--;
        return ERR_AGAIN;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned p = s[i].point;
        b->last[p] = s[i];
        if (s[i].quality != QUALITY_BAD && b->count[p] < 16)
            b->got[p][b->count[p]] = s[i].type == SAMPLE_DOUBLE ? s[i].v.d : (double)s[i].v.i;
        b->count[p] += s[i].quality != QUALITY_BAD;
        b->bad[p] += s[i].quality == QUALITY_BAD;
    }
    return 0;
}
static int host_intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    struct bed *b = ctx;
    str_to_cstr(str_make(p, n), b->texts[b->ntexts], sizeof b->texts[0]);
    *ret = b->ntexts++;
    return 0;
}
static int64_t host_now(void *ctx)
{
    return T0 + 3600000000LL + (int64_t)(((struct bed *)ctx)->skew_ns / 1000);
}
static uint64_t host_mono(void *ctx)
{
    return uv_hrtime() + ((struct bed *)ctx)->skew_ns;
}
static uint64_t host_random(void *ctx)
{
    return 0;
}
static void host_log(void *ctx, enum driver_log level, const char *msg, const char *kv) {}
static void host_frame(void *ctx, const struct driver_frame *f)
{
    ((struct bed *)ctx)->frames++;
}

static void bed_open(struct bed *b, const char *more)
{
    char o[600];
    struct error e = {0};
    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 8 << 20);
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .trace = true,
                                   .publish = host_publish,
                                   .intern = host_intern,
                                   .now_us = host_now,
                                   .mono_ns = host_mono,
                                   .random = host_random,
                                   .log = host_log,
                                   .frame = host_frame};
    snprintf(o, sizeof o, "{\"url\":\"http://127.0.0.1:%u/api/\",\"timeout\":\"2s\"%s%s}", port, more[0] ? "," : "",
             more);
    if (http_client_driver.channel_open(&b->host, bed_options(b, hc_channel_options, o), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s", e.text);
    atomic_store(&fault, FAULT_NONE);
    atomic_store(&value, 1);
}
static void bed_device(struct bed *b, const char *options)
{
    b->device = (struct driver_device){.num = 7, .code = "dev", .options = bed_options(b, hc_device_options, options)};
}
static uint32_t bed_point(struct bed *b, const char *address, enum value_type t, const char *options)
{
    uint32_t num = (uint32_t)b->n + 1;
    b->points[b->n++] = (struct driver_point){.num = num,
                                              .address = address,
                                              .type = t,
                                              .options = bed_options(b, hc_point_options, options),
                                              .period_ms = 50,
                                              .scale = 1,
                                              .lo = NAN,
                                              .hi = NAN};
    return num;
}
static void bed_set(struct bed *b)
{
    CHECK_INT(http_client_driver.channel_set(b->ch, &b->device, 1, b->points, b->n, NULL), 0);
}
static void bed_close(struct bed *b)
{
    http_client_driver.close(b->ch, bed_closed, &b->closed);
    CHECK(!b->closed);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK(b->closed);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
}
static struct driver_status status(struct bed *b)
{
    struct driver_status st;
    http_client_driver.status(b->ch, &st);
    return st;
}

/* ---- polling ---- */

TEST(values_of_an_answer)
{
    struct bed b;
    start();
    bed_open(&b, "");
    bed_device(&b, "{\"path\":\"/values?at=${now:s}\"}");
    uint32_t t = bed_point(&b, "t", VALUE_AUTO, "{}"), on = bed_point(&b, "on", VALUE_BOOL, "{}"),
             name = bed_point(&b, "name", VALUE_STRING, "{}"), n = bed_point(&b, "n", VALUE_AUTO, "{}"),
             x = bed_point(&b, "$.d.x[-1]", VALUE_AUTO, "{}"), none = bed_point(&b, "$.nothing", VALUE_AUTO, "{}"),
             wrong = bed_point(&b, "$[", VALUE_AUTO, "{}");
    b.points[x - 1].scale = 10;
    CHECK_INT(status(&b).state, DRIVER_OFF);
    bed_set(&b);
    CHECK_INT(status(&b).state, DRIVER_CONNECTING);
    UNTIL(&b, b.count[t] >= 3 && b.count[x] >= 3 && b.bad[none]);
    CHECK_DBL(b.last[t].v.d, 1.5, 0);
    CHECK(b.last[on].type == SAMPLE_BOOL && b.last[on].v.i == 1);
    CHECK(b.last[name].type == SAMPLE_STRING && strcmp(b.texts[b.last[name].v.u], "pump 1") == 0);
    CHECK_INT(b.ntexts, 1); /* interned once */
    CHECK_DBL(b.last[x].v.d, 10, 0);
    CHECK(b.last[n].quality == QUALITY_BAD && (b.last[n].flags & SAMPLE_REASON_MASK) == REASON_NO_DATA);
    CHECK_INT(b.bad[none], 1);
    CHECK_INT(b.last[none].flags, REASON_NO_DATA);
    CHECK_INT(b.bad[wrong], 1);
    CHECK_INT(b.last[wrong].flags, REASON_CONFIG_ERROR);
    CHECK(atomic_load(&not_modified) >= 1); /* and the values were told again all the same */
    CHECK_Z(last_query, "at=1767229200");
    CHECK_INT(status(&b).state, DRIVER_DEGRADED);
    atomic_store(&value, 2);
    UNTIL(&b, b.last[t].v.d == 2.5 && b.ntexts == 2);
    struct driver_device_status ds;
    CHECK_INT(http_client_driver.devices(b.ch, &ds, 1), 1);
    CHECK(ds.num == 7 && ds.points == 7 && ds.bad == 2 && strstr(ds.reason, "JSONPath"));
    bed_close(&b);
    http_server_stop(srv);
}

TEST(rows_with_times_come_once)
{
    struct bed b;
    start();
    bed_open(&b, "");
    atomic_store(&value, 0);
    bed_device(&b, "{\"path\":\"rows?from=${last:ms}&to=${now+1h:%Y%m%d}\",\"rows\":\"$.rows[*]\",\"time\":\"at\","
                   "\"quality\":\"q\",\"lookback\":\"1s\"}");
    uint32_t v = bed_point(&b, "v", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.count[v] == 2);
    CHECK_Z(last_query, "from=1767229199000&to=20260101");
    CHECK(b.got[v][0] == 1 && b.bad[v] == 1 && b.got[v][1] == 3); /* in the order of time; 2 is bad */
    CHECK_INT(b.last[v].time_us, T0 + 3000000);
    CHECK(b.last[v].flags & SAMPLE_FLAG_SOURCE_TIME);
    int before = atomic_load(&asked);
    UNTIL(&b, atomic_load(&asked) > before + 2);
    CHECK_INT(b.count[v], 2);
    CHECK_Z(last_query, "from=1767225603000&to=20260101");
    atomic_store(&value, 1);
    UNTIL(&b, b.count[v] == 3);
    CHECK_INT(b.last[v].time_us, T0 + 4000000);
    CHECK_INT(b.last[v].v.i, 4);
    bed_close(&b);
    http_server_stop(srv);
}

TEST(pages)
{
    static const struct {
        const char *options;
        unsigned want;
    } r[] = {
        {"\"paging\":\"page\"", 5},
        {"\"paging\":\"page\",\"page_size\":2", 5},
        {"\"paging\":\"offset\",\"page_size\":2", 5},
        {"\"paging\":\"next\"", 5},
        {"\"paging\":\"link\"", 5},
        {"\"paging\":\"cursor\",\"cursor_path\":\"$.cursor\"", 5},
        {"\"paging\":\"link\",\"pages_max\":2", 4},
        {"\"paging\":\"none\"", 2},
    };
    start();
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct bed b;
        char o[300];
        bed_open(&b, "");
        snprintf(o, sizeof o, "{\"path\":\"pages\",\"rows\":\"rows[*]\",\"time\":\"t\",%s}", r[i].options);
        bed_device(&b, o);
        uint32_t v = bed_point(&b, "v", VALUE_AUTO, "{}");
        bed_set(&b);
        UNTIL(&b, b.count[v] >= r[i].want && status(&b).state == DRIVER_UP);
        CHECK_INT(b.count[v], r[i].want);
        CHECK_DBL(b.got[v][0], 10, 0);
        CHECK_DBL(b.got[v][r[i].want - 1], r[i].want == 5 ? 30 : r[i].want == 4 ? 21 : 11, 0);
        bed_close(&b);
    }
    http_server_stop(srv);
}

TEST(csv_in_local_time)
{
    struct bed b;
    start();
    bed_open(&b, "");
    bed_device(&b, "{\"path\":\"csv\",\"payload\":\"csv\",\"time\":\"time\",\"time_format\":\"pattern\",\"time_"
                   "pattern\":\"%d.%m.%Y %H:%M:%S\",\"time_zone\":\"+08:00\"}");
    uint32_t v = bed_point(&b, "Temp", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.count[v] == 2);
    CHECK_DBL(b.last[v].v.d, 13.5, 0);
    CHECK_INT(b.last[v].time_us, T0 + 1000000);
    bed_close(&b);
    http_server_stop(srv);
}

/* ---- faults ---- */

TEST(a_loss_is_told_once_and_ends)
{
    static const struct {
        int fault;
        const char *reason;
    } r[] = {{FAULT_500, "HTTP 500: the server failed — oops"},
             {FAULT_BROKEN, "the answer cannot be read as JSON"},
             {FAULT_HTML, "the answer cannot be read as JSON"}};
    start();
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct bed b;
        bed_open(&b, "");
        bed_device(&b, "{}");
        uint32_t t = bed_point(&b, "t", VALUE_AUTO, "{}");
        bed_set(&b);
        UNTIL(&b, b.count[t] >= 1);
        CHECK_INT(status(&b).state, DRIVER_UP);
        atomic_store(&fault, r[i].fault);
        UNTIL(&b, status(&b).state == DRIVER_DOWN);
        CHECK_INT(b.bad[t], 1);
        CHECK(strncmp(status(&b).reason, r[i].reason, strlen(r[i].reason)) == 0 && status(&b).reason_zh[0]);
        if (r[i].fault == FAULT_BROKEN) CHECK(strstr(status(&b).reason, "line 2") != NULL);
        atomic_store(&fault, FAULT_NONE);
        b.skew_ns += 61000000000u; /* the back-off is over */
        bed_set(&b);
        UNTIL(&b, status(&b).state == DRIVER_UP && b.last[t].quality == QUALITY_GOOD);
        CHECK_INT(b.bad[t], 1);
        bed_close(&b);
    }
    http_server_stop(srv);
}

TEST(the_server_goes_and_comes_back)
{
    struct bed b;
    start();
    bed_open(&b, "");
    bed_device(&b, "{\"path\":\"rows\",\"rows\":\"$.rows[*]\",\"time\":\"at\"}");
    uint32_t v = bed_point(&b, "v", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.count[v] == 4);
    http_server_stop(srv);
    UNTIL(&b, status(&b).state == DRIVER_DOWN);
    CHECK_INT(b.last[v].flags, REASON_NOT_CONNECTED);
    start();
    b.skew_ns += 61000000000u;
    bed_set(&b);
    UNTIL(&b, b.count[v] == 5); /* nothing newer: the last value, from now on */
    CHECK(b.last[v].quality == QUALITY_UNCERTAIN && b.last[v].flags == REASON_LAST_KNOWN && b.last[v].v.i == 4);
    bed_close(&b);
    http_server_stop(srv);
    port = 0;
}

TEST(a_full_host_holds_everything)
{
    struct bed b;
    start();
    bed_open(&b, "");
    bed_device(&b, "{\"path\":\"pages\",\"rows\":\"rows[*]\",\"time\":\"t\",\"paging\":\"link\"}");
    uint32_t v = bed_point(&b, "v", VALUE_AUTO, "{}");
    b.refuse = 7;
    bed_set(&b);
    UNTIL(&b, b.count[v] == 5);
    CHECK_DBL(b.got[v][4], 30, 0);
    CHECK(status(&b).held >= 7);
    bed_close(&b);
    http_server_stop(srv);
}

/* ---- the set ---- */

TEST(what_did_not_change_goes_on)
{
    struct bed b;
    start();
    bed_open(&b, "");
    bed_device(&b, "{\"path\":\"rows\",\"rows\":\"$.rows[*]\",\"time\":\"at\"}");
    uint32_t v = bed_point(&b, "v", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.count[v] == 4);
    uint32_t second = bed_point(&b, "$.v", VALUE_DOUBLE, "{}");
    bed_set(&b);
    UNTIL(&b, b.count[second] == 4);
    CHECK_INT(b.count[v], 4); /* not again */
    b.n = 1;
    bed_set(&b);
    b.n = 0;
    bed_set(&b);
    CHECK_INT(status(&b).state, DRIVER_OFF);
    bed_device(&b, "{\"path\":\"rows#x\"}");
    b.n = 1;
    bed_set(&b);
    CHECK_INT(status(&b).state, DRIVER_DOWN);
    UNTIL(&b, b.bad[v] == 1);
    CHECK_INT(b.last[v].flags, REASON_CONFIG_ERROR);
    CHECK(strstr(status(&b).reason, "the path holds a blank") != NULL);
    bed_close(&b);
    http_server_stop(srv);
}

TEST(no_memory_leaves_the_old_set)
{
    struct bed b;
    start();
    bed_open(&b, "");
    bed_device(&b, "{}");
    uint32_t t = bed_point(&b, "t", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.count[t] >= 1);
    bed_point(&b, "on", VALUE_BOOL, "{}");
    int rc = -1;
    for (unsigned i = 1; rc && i < 60; i++) {
        mem_fail_at(i, false);
        rc = http_client_driver.channel_set(b.ch, &b.device, 1, b.points, b.n, NULL);
        mem_fail_at(0, false);
        CHECK(rc == 0 || rc == ERR_NOMEM);
        CHECK_INT(status(&b).points, rc ? 1 : 2);
    }
    CHECK_INT(rc, 0);
    unsigned before = b.count[t];
    UNTIL(&b, b.count[t] > before && b.count[2]);
    bed_close(&b);
    http_server_stop(srv);
}

/* ---- what somebody asks for ---- */

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct bed *b = arg;
    b->outcome_n++;
    b->outcome = r->outcome;
    b->error = r->error ? *r->error : (struct error){0};
}

static enum driver_outcome write_value(struct bed *b, uint32_t point, struct sample s, const char *text,
                                       uint64_t deadline)
{
    unsigned want = b->outcome_n + 1;
    const struct driver_write w = {.point = point,
                                   .value = s,
                                   .text = text,
                                   .text_len = text ? strlen(text) : 0,
                                   .deadline_ns = deadline,
                                   .done = on_written,
                                   .arg = b};
    http_client_driver.write(b->ch, &w);
    UNTIL(b, b->outcome_n == want);
    return b->outcome;
}

TEST(writing)
{
    struct bed b;
    const struct sample two = {.type = SAMPLE_DOUBLE, .v.d = 2.5}, text = {.type = SAMPLE_STRING},
                        yes = {.type = SAMPLE_BOOL, .v.i = 1};
    start();
    bed_open(&b, "");
    bed_device(&b, "{}");
    uint32_t w = bed_point(&b, "t", VALUE_AUTO, "{\"write_method\":\"PUT\",\"write_path\":\"write?v=${value}\"}"),
             s = bed_point(&b, "name", VALUE_STRING,
                           "{\"write_method\":\"POST\",\"write_path\":\"/"
                           "write\",\"write_body\":\"${value};${json:value};${now:s}\",\"write_type\":\"text/plain\"}"),
             no = bed_point(&b, "t", VALUE_AUTO, "{\"write_method\":\"PATCH\",\"write_path\":\"write?status=422\"}"),
             broken = bed_point(&b, "on", VALUE_BOOL, "{\"write_method\":\"PUT\",\"write_path\":\"write?status=500\"}"),
             ro = bed_point(&b, "t", VALUE_AUTO, "{}");
    b.points[w - 1].scale = 0.5;
    bed_set(&b);
    CHECK_INT(write_value(&b, w, two, NULL, 0), DRIVER_DONE);
    CHECK_Z(last_body, "PUT /api/write?v=5 {\"value\":5}");
    CHECK_Z(last_headers, "application/json");
    CHECK_INT(write_value(&b, s, text, "a\"b", 0), DRIVER_DONE);
    CHECK_Z(last_body, "POST /api/write a\"b;\"a\\\"b\";1767229200");
    CHECK_Z(last_headers, "text/plain");
    CHECK_INT(write_value(&b, no, two, NULL, 0), DRIVER_REFUSED);
    CHECK(strstr(b.error.text, "HTTP 422") != NULL);
    CHECK_INT(write_value(&b, broken, yes, NULL, 0), DRIVER_UNKNOWN);
    CHECK_Z(last_body, "PUT /api/write?status=500 {\"value\":true}");
    CHECK_INT(write_value(&b, ro, two, NULL, 0), DRIVER_REFUSED);
    CHECK_INT(write_value(&b, w, text, "x", 0), DRIVER_REFUSED);
    CHECK_INT(write_value(&b, s, two, NULL, 0), DRIVER_REFUSED);
    CHECK_INT(write_value(&b, 99, two, NULL, 0), DRIVER_REFUSED);
    int before = atomic_load(&wrote);
    CHECK_INT(write_value(&b, w, two, NULL, 1), DRIVER_EXPIRED);
    CHECK_INT(atomic_load(&wrote), before);
    CHECK_INT(status(&b).writes, 2);
    const struct driver_write last = {.point = w, .value = two, .done = on_written, .arg = &b};
    unsigned want = b.outcome_n + 1;
    http_client_driver.write(b.ch, &last);
    bed_close(&b); /* completes in the middle */
    CHECK_INT(b.outcome_n, want);
    CHECK(b.outcome == DRIVER_FAILED && b.error.code == ERR_CANCELLED);
    http_server_stop(srv);
}

static void on_read(void *arg, const struct driver_reading *r, size_t n)
{
    struct bed *b = arg;
    b->done = true;
    for (size_t i = 0; i < n && i < 4; i++) {
        b->readings[i] = r[i];
        str_to_cstr(str_make((const char *)r[i].raw, r[i].raw_len), b->reading_text[i], sizeof b->reading_text[i]);
        if (r[i].error) snprintf(b->reading_text[i], sizeof b->reading_text[i], "%.99s", r[i].error->text);
    }
}
static void on_test(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct bed *b = arg;
    b->done = true;
    b->error = e ? *e : (struct error){0};
    snprintf(b->detail, sizeof b->detail, "%s", en);
}
static void on_items(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                     const char *next)
{
    struct bed *b = arg;
    b->done = true;
    b->error = e ? *e : (struct error){0};
    b->items[0] = 0;
    for (size_t i = 0; i < n; i++)
        snprintf(b->items + strlen(b->items), sizeof b->items - strlen(b->items), "%s=%s:%d ", items[i].address,
                 items[i].value, items[i].type);
    snprintf(b->next, sizeof b->next, "%s", next ? next : "");
}
#define ASK(b, call) \
    do { \
        (b)->done = false; \
        call; \
        UNTIL(b, (b)->done); \
    } while (0)

TEST(reading_testing_browsing)
{
    struct bed b;
    start();
    bed_open(&b, "");
    bed_device(&b, "{}");
    bed_point(&b, "t", VALUE_AUTO, "{}");
    bed_point(&b, "name", VALUE_STRING, "{}");
    bed_point(&b, "none", VALUE_AUTO, "{}");
    bed_point(&b, "$..", VALUE_AUTO, "{}");
    ASK(&b, http_client_driver.read(b.ch, &b.device, b.points, 4, on_read, &b));
    CHECK_DBL(b.readings[0].sample.v.d, 1.5, 0);
    CHECK_Z(b.reading_text[0], "1.5");
    CHECK_Z(b.reading_text[1], "\"pump 1\"");
    CHECK_INT(b.readings[1].sample.type, SAMPLE_STRING);
    CHECK_Z(b.reading_text[2], "the answer has nothing at 'none'");
    CHECK(strstr(b.reading_text[3], "JSONPath ends") != NULL);
    CHECK_INT(b.readings[3].sample.flags, REASON_CONFIG_ERROR);
    ASK(&b, http_client_driver.test(b.ch, on_test, &b));
    CHECK(b.error.code == 0 && strstr(b.detail, "HTTP 200, ") == b.detail);
    ASK(&b, http_client_driver.browse(b.ch, &b.device, "", NULL, 3, on_items, &b));
    CHECK_Z(b.items, "$.t=1.5:11 $.on=true:1 $.name=pump 1:14 ");
    CHECK_Z(b.next, "3");
    ASK(&b, http_client_driver.browse(b.ch, &b.device, "", "3", 30, on_items, &b));
    CHECK_Z(b.items, "$.n=null:0 $.d.x[0]=1:8 $.d.x[1]=2:8 $.d.x[2]=1:8 ");
    CHECK_Z(b.next, "");
    atomic_store(&fault, FAULT_BROKEN);
    ASK(&b, http_client_driver.browse(b.ch, &b.device, "", NULL, 3, on_items, &b));
    CHECK_INT(b.error.code, ERR_INVALID);
    ASK(&b, http_client_driver.read(b.ch, &b.device, b.points, 1, on_read, &b));
    CHECK_INT(b.readings[0].sample.flags, REASON_COMM_FAILURE);
    atomic_store(&fault, FAULT_500);
    ASK(&b, http_client_driver.test(b.ch, on_test, &b));
    CHECK_INT(b.error.code, ERR_UNAVAILABLE);
    bed_device(&b, "{\"path\":\"a b\"}");
    ASK(&b, http_client_driver.read(b.ch, &b.device, b.points, 1, on_read, &b));
    CHECK_INT(b.readings[0].sample.flags, REASON_CONFIG_ERROR);
    b.done = false;
    bed_device(&b, "{}");
    http_client_driver.test(b.ch, on_test, &b);
    bed_close(&b);
    CHECK(b.done && b.error.code == ERR_CANCELLED);
    http_server_stop(srv);
}

TEST(addresses_are_checked_when_saved)
{
    static const struct {
        const char *device, *address, *point, *where;
    } r[] = {
        {"{}", "a.b", "{}", NULL},
        {"{}", "a b", "{}", "address"},
        {"{\"path\":\"/x?t=${yesterday}\"}", "a", "{}", "path"},
        {"{\"path\":\"/x?t=${now-1x}\"}", "a", "{}", "path"},
        {"{\"path\":\"/x?t=${now:%Q}\"}", "a", "{}", "path"},
        {"{\"path\":\"/x?t=${now\"}", "a", "{}", "path"},
        {"{\"path\":\"http://other/\"}", "a", "{}", "path"},
        {"{\"path\":\"/x?t=${now-1h:%Y-%m-%d %H:%M}\"}", "a", "{}", NULL},
        {"{\"method\":\"POST\",\"body\":\"${value}\"}", "a", "{}", "body"},
        {"{\"headers\":\"x\"}", "a", "{}", "headers"},
        {"{\"paging\":\"offset\"}", "a", "{}", "page_size"},
        {"{\"paging\":\"cursor\",\"cursor_path\":\"$[\"}", "a", "{}", "cursor_path"},
        {"{\"rows\":\"$[\"}", "a", "{}", "rows"},
        {"{}", "a", "{\"write_method\":\"PUT\",\"write_path\":\"/x/${values}\"}", "write_path"},
        {"{}", "a", "{\"write_method\":\"PUT\",\"write_path\":\"/x\",\"write_body\":\"${json:x}\"}", "write_body"},
        {"{}", "a", "{\"time\":\"[\"}", "time"},
    };
    AUTO_ARENA a;
    arena_init(&a, 8 << 20);
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct error e = {0};
        struct driver_address got = {0};
        const struct driver_point p = {.address = r[i].address,
                                       .options = bed_options_of(&a, hc_point_options, r[i].point)};
        int rc = http_client_driver.address_check(&p, bed_options_of(&a, hc_device_options, r[i].device), &got, &e);
        if (r[i].where ? rc != ERR_INVALID || strcmp(e.where, r[i].where) || !e.text_zh[0] : rc)
            test_fail(__FILE__, __LINE__, "%zu: %d %s: %s", i, rc, e.where, e.text);
        if (!rc) CHECK_INT(got.type, VALUE_DOUBLE);
    }
}
