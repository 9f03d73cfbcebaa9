/* import_test.c - CSV in and out: headers by name and title, faults per row, dry run, only what changed
 * is written, round trip, and a hundred thousand rows in one request (BIG=n in the environment). */
#include "base/mem.h"
#include "core/resource/kernel_fixture.h"

static struct fixture f;
static struct bulk_report rep;

static bool open_fixture(void)
{
    f = (struct fixture){.db = NULL};
    return fixture_open(&f, "a.db") && fixture_create(&f, "device", "D1", "{\"host\":\"h\"}", NULL) == 0 &&
           fixture_create(&f, "device", "D2", "{\"host\":\"h\"}", NULL) == 0;
}

static int import(const char *kind, const char *csv, bool dry, bool skip)
{
    f.e = (struct error){0};
    return resource_import_csv(f.k, &f.a, &actor_system, kind, str_of(csv), dry, skip, &rep, &f.e);
}

static const char *spec(const char *kind, const char *code)
{
    struct resource r;
    if (resource_get(f.k, &f.a, kind, str_of(code), &r, &f.e)) return f.e.text;
    struct json *s = json_copy(&f.a, r.spec);
    json_remove(s, STR("device"));
    return arena_strdup(&f.a, json_text(&f.a, s));
}

TEST(names_and_titles_are_understood)
{
    REQUIRE(open_fixture());
    REQUIRE(import("tag",
                   "\xef\xbb\xbf编码;名称;设备;周期;limits.high;labels.line;groups;spec.on\r\n"
                   "T1;炉温;D1;5s;2.5;1;a;是\r\nT2;;D2;;;;;\r\n",
                   false, false) == 0);
    CHECK_INT(rep.created, 2);
    CHECK_INT(rep.nitems, 2);
    CHECK_INT(rep.items[1].line, 3);
    CHECK_STR(rep.items[1].code, "T2");
    CHECK_Z(spec("tag", "T1"), "{\"period\":\"5s\",\"on\":true,\"groups\":[\"a\"],\"limits\":{\"high\":2.5}}");
    CHECK_Z(spec("tag", "T2"), "{\"period\":\"1s\",\"on\":true}");
    struct resource r;
    REQUIRE(resource_get(f.k, &f.a, "tag", STR("T1"), &r, &f.e) == 0);
    CHECK_STR(r.name, "炉温");
    CHECK_STR(json_str(json_get(r.labels, "line"), STR("")), "1");
    fixture_close(&f);
}

TEST(header_mistakes)
{
    REQUIRE(open_fixture());
    CHECK_INT(import("tag", "code,devise\nT1,D1\n", false, false), ERR_INVALID);
    CHECK_Z(f.e.text, "there is no field 'devise'; did you mean 'device'?");
    CHECK_INT(import("tag", "code,device,设备\nT1,D1,D1\n", false, false), ERR_INVALID);
    CHECK_INT(import("tag", "", false, false), ERR_INVALID);
    CHECK_INT(import("tag", "code\nT1,x\n", false, false), 0);
    CHECK_INT(rep.failed, 1);
    CHECK_Z(rep.items[0].err.text, "has 2 cells, the header has 1");
    fixture_close(&f);
}

static const char faulty[] =
    "code,device,period,lo\nT1,D1,5s,1\nT2,D9,5s,1\nT3,D1,5x,1\nT4,D1,5s,abc\nT1,D1,1s,1\n,D1,1s,1\nT5,D2,1s,2\n";

TEST(faults_are_reported_by_row)
{
    static const struct {
        size_t line;
        const char *where, *text;
    } rows[] = {{3, "spec.device", "there is no device 'D9'; create it first or choose one that exists"},
                {4, "spec.period", "'5x' is not a duration; write for example 500ms, 10s or 5m"},
                {5, "spec.lo", "'abc' is not a number; write for example 12.5"},
                {6, "code", "'T1' is on line 2 already"},
                {7, "code", "a Tag needs a code"}};
    struct resource r;
    REQUIRE(open_fixture());
    REQUIRE(import("tag", faulty, false, false) == 0);
    CHECK_INT(rep.failed, 5);
    CHECK_INT(rep.created, 2);
    for (size_t i = 0, j = 0; i < rep.nitems; i++) {
        if (rep.items[i].status != BULK_FAILED) continue;
        CHECK_INT(rep.items[i].line, rows[j].line);
        CHECK_Z(rep.items[i].err.where, rows[j].where);
        CHECK_Z(rep.items[i].err.text, rows[j].text);
        j++;
    }
    CHECK_INT(resource_get(f.k, &f.a, "tag", STR("T1"), &r, &f.e), ERR_NOT_FOUND); /* all or nothing */
    REQUIRE(import("tag", faulty, true, true) == 0);
    CHECK_INT(resource_get(f.k, &f.a, "tag", STR("T1"), &r, &f.e), ERR_NOT_FOUND); /* dry run */
    REQUIRE(import("tag", faulty, false, true) == 0);
    CHECK_INT(resource_get(f.k, &f.a, "tag", STR("T1"), &r, &f.e), 0);
    CHECK_INT(resource_get(f.k, &f.a, "tag", STR("T5"), &r, &f.e), 0);
    CHECK_INT(r.num, 2);
    fixture_close(&f);
}

TEST(only_what_changed_is_written)
{
    REQUIRE(open_fixture());
    const char *csv = "code,device,period,limits.high,limits.low\nT1,D1,5s,1,2\nT2,D1,5s,,\nT3,D1,5s,1,\n";
    REQUIRE(import("tag", csv, false, false) == 0);
    int64_t seq = kernel_seq(f.k);
    REQUIRE(import("tag", csv, false, false) == 0);
    CHECK_INT(rep.unchanged, 3);
    CHECK_INT(kernel_seq(f.k), seq);
    REQUIRE(import("tag", "code,period,limits.high,limits.low\nT1,5s,,\nT2,,,\nT3,5s,1,\n", false, false) == 0);
    CHECK_INT(rep.updated, 2);
    CHECK_INT(rep.unchanged, 1);
    CHECK_Z(spec("tag", "T1"), "{\"period\":\"5s\",\"on\":true}"); /* all cells of limits empty: gone */
    CHECK_Z(spec("tag", "T2"), "{\"period\":\"1s\",\"on\":true}"); /* empty: the default again */
    CHECK_Z(spec("tag", "T3"), "{\"period\":\"5s\",\"on\":true,\"limits\":{\"high\":1}}");
    fixture_close(&f);
}

TEST(an_export_imports_unchanged)
{
    REQUIRE(open_fixture());
    REQUIRE(
        fixture_create(
            &f, "tag", "T1",
            "{\"device\":\"D1\",\"address\":\"=1+2, \\\"x\\\"\\nnew\",\"lo\":-1.5,\"since\":\"2026-01-01T00:00:00Z\","
            "\"groups\":[\"a;b\",\"c\"],\"near\":[\"D1\",\"D2\"],\"limits\":{\"low\":0},\"on\":false}",
            NULL) == 0);
    REQUIRE(fixture_create(&f, "tag", "T2", "{\"device\":\"D2\",\"address\":\"-12\",\"unit\":\"+\"}", NULL) == 0);
    struct resource_input in = {.code = STR("T3"),
                                .name = STR("铜"),
                                .spec = fixture_json(&f, "{\"device\":\"D1\"}"),
                                .labels = fixture_json(&f, "{\"line\":\"1\",\"zone\":\"A,B\"}")};
    struct resource r;
    REQUIRE(resource_create(f.k, &f.a, &actor_system, "tag", &in, &r, &f.e) == 0);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct list_query q = {.filter = STR("code ~ T")};
    REQUIRE(resource_export_csv(f.k, "tag", &q, &out, &f.e) == 0);
    const char *csv = buf_cstr(&out);
    CHECK(strstr(csv, "code,name,device,address,period,lo,hi,on,since,unit,groups,near,limits.high,limits.low,status,"
                      "labels.line,labels.zone\r\n"));
    CHECK(strstr(csv, "T3,铜,D1,,1s,"));
    REQUIRE(import("tag", csv, false, false) == 0);
    CHECK_INT(rep.unchanged, 3);
    for (size_t i = 0; i < rep.nitems; i++)
        if (rep.items[i].status == BULK_FAILED)
            test_fail(__FILE__, __LINE__, "%s: %s", rep.items[i].err.where, rep.items[i].err.text);
    buf_clear(&out);
    REQUIRE(resource_export_csv(f.k, "device", NULL, &out, &f.e) == 0);
    CHECK(!strstr(buf_cstr(&out), "key") && !strstr(buf_cstr(&out), "password"));
    buf_fini(&out);
    fixture_close(&f);
}

static long peak_kb(void)
{
    long kb = 0;
    char line[200];
    FILE *p = fopen("/proc/self/status", "r");
    while (p && fgets(line, sizeof line, p))
        if (sscanf(line, "VmHWM: %ld", &kb) == 1) break;
    if (p) fclose(p);
    return kb;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void timed_list(const char *filter, const char *sort, const char *text)
{
    AUTO_ARENA a;
    arena_init(&a, 64 << 20);
    struct list_query q = {.kind = "tag",
                           .filter = str_of(filter),
                           .sort = str_of(sort),
                           .text = str_of(text),
                           .limit = 100,
                           .count = true};
    struct list_page p;
    double t = seconds();
    REQUIRE(resource_list(f.k, &a, &q, &p, &f.e) == 0);
    printf("  list %-40s sort %-12s q %-5s: %6.1f ms, %lld found\n", filter, sort, text, (seconds() - t) * 1e3,
           (long long)p.total);
}

TEST(many_rows_in_one_request)
{
    const char *big = getenv("BIG");
    int64_t n = 1000;
    if (big) CHECK_INT(str_to_i64(str_of(big), &n), 0);
    REQUIRE(open_fixture());
    struct buf csv;
    buf_init(&csv, 256 << 20);
    buf_z(&csv, "code,name,device,address,period,lo,hi,unit,labels.area\n");
    for (int64_t i = 0; i < n; i++)
        buf_printf(&csv, "LT_GRD_MILL%lld_T%lld,磨机 %lld 温度,D%lld,4%05lld,%llds,0,%lld,degC,LT/GRD/MILL%lld\n",
                   (long long)(i / 1000), (long long)i, (long long)i, (long long)(1 + i % 2), (long long)(i % 65536),
                   (long long)(1 + i % 9), (long long)(i % 500), (long long)(i / 1000));
    double t = seconds();
    REQUIRE(resource_import_csv(f.k, &f.a, &actor_system, "tag", buf_view(&csv), false, false, &rep, &f.e) == 0);
    CHECK_INT(rep.created, n);
    CHECK_INT(rep.nitems, n < BULK_REPORT_OTHERS ? n : BULK_REPORT_OTHERS);
    if (big) printf("  import of %lld rows: %.2f s, peak %ld MB\n", (long long)n, seconds() - t, peak_kb() / 1024);
    t = seconds();
    REQUIRE(resource_import_csv(f.k, &f.a, &actor_system, "tag", buf_view(&csv), false, false, &rep, &f.e) == 0);
    CHECK_INT(rep.unchanged, n);
    if (big) printf("  again: %.2f s\n", seconds() - t);
    if (big) {
        timed_list("", "code", "");
        timed_list("", "-updated_at", "");
        timed_list("", "name", "");
        timed_list("device=D1", "code", "");
        timed_list("device=D1", "-updated_at", "");
        timed_list("name ~ '99'", "name", "");
        timed_list("", "code", "mill7");
        timed_list("period<'5s'", "code", "");
        timed_list("hi>=400", "-hi", "");
        timed_list("labels.area='LT/GRD/MILL7'", "code", "");
        timed_list("address='400100'", "code", "");
        timed_list("", "device", "");
        timed_list("", "hi", "");
    }
    t = seconds();
    buf_clear(&csv);
    REQUIRE(resource_export_csv(f.k, "tag", NULL, &csv, &f.e) == 0);
    if (big) printf("  export: %.2f s, %zu bytes, peak %ld MB\n", seconds() - t, csv.n, peak_kb() / 1024);
    buf_fini(&csv);
    fixture_close(&f);
}
