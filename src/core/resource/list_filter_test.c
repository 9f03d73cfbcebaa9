/* list_filter_test.c - the filter language on real rows: what each operator finds, what each mistake is
 * told; sorting, paging by offset and cursor, totals; exact SQL is not tested, its answers are. */
#include "core/resource/kernel_fixture.h"

static struct fixture f;

static bool fill(void)
{
    static const struct {
        const char *code, *name, *spec, *labels;
    } rows[] = {
        {"T1", "炉温 Temp",
         "{\"device\":\"D1\",\"period\":\"500ms\",\"lo\":1,\"since\":\"2026-01-01T00:00:00Z\",\"address\":\"400001\"}",
         "{\"line\":\"1\"}"},
        {"T2", "Pressure",
         "{\"device\":\"D1\",\"period\":\"5s\",\"lo\":-2.5,\"on\":false,\"since\":\"2026-01-01T00:00:00.5Z\",\"unit\":"
         "\"100%\"}",
         "{\"line\":\"2\"}"},
        {"T3", "Flow",
         "{\"device\":\"D2\",\"period\":\"1m\",\"lo\":10,\"limits\":{\"high\":5},\"groups\":[\"a\",\"b\"]}", "{}"},
        {"T4", "it's", "{\"device\":\"D2\",\"period\":\"2000ms\",\"near\":[\"D1\"]}", "{\"line\":\"1\",\"x\":\"y\"}"},
        {"T10", "Temp 10", "{\"device\":\"D3\",\"period\":\"1h\",\"lo\":9}", "{}"},
    };
    f = (struct fixture){.db = NULL};
    if (!fixture_open(&f, NULL)) return false;
    fixture_create(&f, "device", "P", "{\"host\":\"p\"}", NULL);
    fixture_create(&f, "device", "D1", "{\"host\":\"a\",\"parent\":\"P\"}", NULL);
    fixture_create(&f, "device", "D2", "{\"host\":\"b\",\"key\":\"k\"}", NULL);
    fixture_create(&f, "device", "D3", "{\"host\":\"c\",\"parent\":\"D1\"}", NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resource r;
        struct resource_input in = {.code = str_of(rows[i].code),
                                    .name = str_of(rows[i].name),
                                    .spec = fixture_json(&f, rows[i].spec),
                                    .labels = fixture_json(&f, rows[i].labels)};
        sim_clock_advance(&f.clock, 60000000);
        if (resource_create(f.k, &f.a, &actor_system, "tag", &in, &r, &f.e))
            test_fail(__FILE__, __LINE__, "%s: %s", f.e.where, f.e.text);
    }
    return true;
}

/* Codes found, separated by blanks, or the error's text. */
static const char *query(struct list_query q)
{
    static char out[1000];
    struct list_page p;
    q.kind = "tag";
    q.count = true;
    out[0] = 0;
    f.e = (struct error){0};
    if (resource_list(f.k, &f.a, &q, &p, &f.e)) return f.e.text;
    for (size_t i = 0, n = 0; i < p.n; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", i ? " " : "", STR_ARG(p.items[i].code));
    if (!q.limit) CHECK_INT(p.total, p.n);
    return out;
}

static const char *found(const char *filter)
{
    return query((struct list_query){.filter = str_of(filter)});
}
static const char *sorted(const char *sort)
{
    return query((struct list_query){.sort = str_of(sort)});
}

TEST(filters_find_what_they_say)
{
    static const char *const rows[][2] = {
        {"", "T1 T10 T2 T3 T4"},
        {"code = 'T1'", "T1"},
        {"code=T1 or code=\"T2\"", "T1 T2"},
        {"code in (T1, 'T3', T9)", "T1 T3"},
        {"code not in (T1,T10)", "T2 T3 T4"},
        {"name ~ 'temp'", "T1 T10"},
        {"name ~ '炉'", "T1"},
        {"name = 'it''s'", "T4"},
        {"unit ~ '0%'", "T2"},
        {"unit ~ '1%0'", ""},
        {"lo > 0", "T1 T10 T3"},
        {"lo >= 9 and lo <= 10", "T10 T3"},
        {"lo = 10.0", "T3"},
        {"lo != 1", "T10 T2 T3 T4"},
        {"lo = null", "T4"},
        {"lo != null and not lo > 0", "T2"},
        {"lo < -2", "T2"},
        {"period < '5s'", "T1 T4"},
        {"period = '2s'", "T4"},
        {"period >= 60s", "T10 T3"},
        {"period in ('500ms','1m')", "T1 T3"},
        {"on = false", "T2"},
        {"on = true and device = D1", "T1"},
        {"device = 'D1'", "T1 T2"},
        {"device != 'D1'", "T10 T3 T4"},
        {"device in (D2, D3)", "T10 T3 T4"},
        {"device not in (D2, D3)", "T1 T2"},
        {"device ~ 'd2'", "T3 T4"},
        {"device.host = 'c'", "T10"},
        {"device.parent = 'P'", "T1 T2"},
        {"device.parent.code = 'D1'", "T10"},
        {"device.parent.parent.host = 'p'", "T10"},
        {"labels.line = '1'", "T1 T4"},
        {"labels.line != '1'", "T10 T2 T3"},
        {"labels.x = y or labels.line = '2'", "T2 T4"},
        {"limits.high > 4", "T3"},
        {"spec.limits.high = 5", "T3"},
        {"limits.low = null", "T1 T10 T2 T3 T4"},
        {"groups ~ '\"b\"'", "T3"},
        {"since < '2026-01-01T00:00:00.25Z'", "T1"},
        {"since > '2026-01-01 08:00:00+08:00'", "T2"},
        {"created_at >= '*-90s'", "T10 T4"},
        {"num > 2", "T10 T3 T4"},
        {"(name ~ 'temp' or name ~ 'flow') and not (device = D3)", "T1 T3"},
        {"not not code = T1", "T1"},
        {"code = 'T1''; drop table resource; --'", ""},
        {"address = '400001'", "T1"},
    };
    REQUIRE(fill());
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = found(rows[i][0]);
        if (strcmp(got, rows[i][1]) != 0)
            test_fail(__FILE__, __LINE__, "%s: \"%s\", want \"%s\"", rows[i][0], got, rows[i][1]);
    }
    struct resource d;
    char text[100];
    REQUIRE(resource_get(f.k, &f.a, "device", STR("D2"), &d, &f.e) == 0);
    snprintf(text, sizeof text, "device = '%.*s'", STR_ARG(d.id));
    CHECK_Z(found(text), "T3 T4");
    fixture_close(&f);
}

TEST(mistakes_are_told)
{
    static const char *const rows[][2] = {
        {"peroid = '5s'", "there is no field 'peroid'; did you mean 'period'?"},
        {"zzzzzz = 1", "tag has no field 'zzzzzz'"},
        {"period < '5x'", "period: '5x' is not a duration; write for example 500ms, 10s or 5m"},
        {"lo < abc", "lo: 'abc' is not a number; write for example 12.5"},
        {"on = maybe", "on: 'maybe' is not true or false"},
        {"created_at > soon", "created_at: 'soon' is not a time; write for example 2026-11-22T08:00:00Z or '*-8h'"},
        {"code", "at character 5: one of = != < <= > >= ~ in is expected"},
        {"code =", "at character 7: a value is expected; write for example 'text', 12 or null"},
        {"code = 'a", "at character 8: a value is expected; write for example 'text', 12 or null"},
        {"(code = a", "at character 10: ')' is missing"},
        {"code = a b", "at character 10: 'and', 'or' or the end is expected"},
        {"code = a and", "at character 13: a field is expected; write for example name ~ 'pump'"},
        {"code in a", "at character 9: '(' is expected after in"},
        {"code in (a", "at character 11: ')' or ',' is expected"},
        {"lo ~ 1", "at character 6: ~ searches in texts only"},
        {"lo < null", "at character 6: null compares with = and != only"},
        {"groups = a", "groups: lists and objects compare with ~ or null only"},
        {"device.key = k", "'key' is secret and cannot be searched"},
        {"device.zzzzzz = k", "device has no field 'zzzzzz'"},
        {"period.x = 1", "there is no field 'period.x'; did you mean 'period'?"},
        {"((((((((((((((((((((((((((code=a))))))))))))))))))))))))))", "is nested too deep"},
        {"; drop", "at character 1: a field is expected; write for example name ~ 'pump'"},
    };
    REQUIRE(fill());
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = found(rows[i][0]);
        if (strcmp(got, rows[i][1]) != 0)
            test_fail(__FILE__, __LINE__, "%s: \"%s\", want \"%s\"", rows[i][0], got, rows[i][1]);
        CHECK_Z(f.e.where, "filter");
    }
    CHECK_Z(sorted("perod"), "there is no field 'perod'; did you mean 'period'?");
    CHECK_Z(f.e.where, "sort");
    fixture_close(&f);
}

TEST(sorting_and_text)
{
    REQUIRE(fill());
    CHECK_Z(sorted("-code"), "T4 T3 T2 T10 T1");
    CHECK_Z(sorted("num"), "T1 T2 T3 T4 T10");
    CHECK_Z(sorted("-updated_at"), "T10 T4 T3 T2 T1");
    CHECK_Z(sorted("period"), "T1 T4 T2 T3 T10");
    CHECK_Z(sorted("-lo"), "T3 T10 T1 T2 T4");
    CHECK_Z(sorted("lo"), "T2 T1 T10 T3 T4");
    CHECK_Z(sorted("device,-code"), "T2 T1 T4 T3 T10");
    CHECK_Z(sorted("labels.line,-num"), "T4 T1 T2 T10 T3");
    CHECK_Z(query((struct list_query){.text = STR("temp")}), "T1 T10");
    CHECK_Z(query((struct list_query){.text = STR("t1")}), "T1 T10");
    CHECK_Z(query((struct list_query){.text = STR("%")}), "");
    CHECK_Z(query((struct list_query){.text = STR("temp"), .filter = STR("lo > 5"), .sort = STR("-code")}), "T10");
    fixture_close(&f);
}

TEST(pages_by_offset_and_by_cursor)
{
    static const char *const sorts[] = {"code", "-code", "id", "-id"};
    REQUIRE(fill());
    CHECK_Z(query((struct list_query){.limit = 2}), "T1 T10");
    CHECK_Z(query((struct list_query){.limit = 2, .offset = 4}), "T4");
    for (size_t i = 0; i < 4; i++) {
        char all[200] = "", whole[200];
        struct list_query q = {.kind = "tag", .limit = 2, .sort = str_of(sorts[i]), .count = true};
        struct list_page p;
        do {
            REQUIRE(resource_list(f.k, &f.a, &q, &p, &f.e) == 0);
            CHECK_INT(p.total, 5);
            for (size_t j = 0; j < p.n; j++)
                snprintf(all + strlen(all), sizeof all - strlen(all), "%s%.*s", all[0] ? " " : "",
                         STR_ARG(p.items[j].code));
            q.after = p.next;
        } while (p.next.p);
        snprintf(whole, sizeof whole, "%s", sorted(sorts[i]));
        CHECK_Z(all, whole);
    }
    CHECK(strstr(query((struct list_query){.after = STR("xx"), .limit = 2}), "is no cursor of this list"));
    fixture_close(&f);
}
