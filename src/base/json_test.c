/* json_test.c - the parser (accept, refuse, limits, failing memory), the tree, the writer. */
#include "base/test.h"
#include "base/json.h"
#include "base/mem.h"
#include <stdlib.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void write_back(struct buf *out, struct str text)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *v;
    struct error e = {0};
    buf_clear(out);
    if (json_parse(&a, text, &v, &e))
        buf_printf(out, "%s: %s", e.where, e.text);
    else
        json_write(out, v);
}

TEST(json_accepts)
{
    static const struct {
        const char *in, *out; /* out NULL: the same */
    } t[] = {
        {"null", NULL},
        {" true\r\n\t", "true"},
        {"false", NULL},
        {"0", NULL},
        {"-0", NULL},
        {"-0.0", "-0"},
        {"1E3", "1000"},
        {"1.5e+2", "150"},
        {"9223372036854775807", NULL},
        {"-9223372036854775808", NULL},
        {"9223372036854775808", "9.223372036854775807e+18"},
        {"12345678901234567890123", "1.2345678901234568e+22"},
        {"0.1", NULL},
        {"1e-400", "0"},
        {"\"\"", NULL},
        {"[]", NULL},
        {"{}", NULL},
        {"[ ]", "[]"},
        {"{ }", "{}"},
        {"[1,[2,[]],{}]", NULL},
        {"{\"a\":{\"b\":[null]},\"\":1}", NULL},
        {"[[],[]]", NULL},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\u0041\\u00e9\\u94dc\"", "\"A\xc3\xa9铜\""},
        {"\"\\ud83d\\udE00\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\\u0000\"", NULL},
        {"\"\\u001f\"", NULL},
        {"\"\x7f\"", NULL},
        {"\"铜精矿 abcdefghijk 铜\"", NULL},
        {"{\"\\u0061\":1}", "{\"a\":1}"},
        {"[1 , 2]", "[1,2]"},
        {"{\"a\" : 1 , \"b\" : 2}", "{\"a\":1,\"b\":2}"},
    };
    struct buf b;
    buf_init(&b, 10000);
    for (size_t i = 0; i < COUNT(t); i++) {
        write_back(&b, str_of(t[i].in));
        if (strstr(t[i].in, "9223372036854775808") == t[i].in) continue; /* looked at below */
        CHECK_Z(buf_cstr(&b), t[i].out ? t[i].out : t[i].in);
    }
    write_back(&b, STR("9223372036854775808"));
    CHECK_DBL(strtod(buf_cstr(&b), NULL), 0x1p63, 0);
    buf_fini(&b);
}

TEST(json_refuses)
{
    static const struct {
        const char *in, *where;
    } t[] = {
        {"", "line 1, column 1"},
        {" ", "line 1, column 2"},
        {"nul", "line 1, column 1"},
        {"True", "line 1, column 1"},
        {"NaN", "line 1, column 1"},
        {"Infinity", "line 1, column 1"},
        {"01", "line 1, column 1"},
        {"-", "line 1, column 1"},
        {"+1", "line 1, column 1"},
        {".5", "line 1, column 1"},
        {"5.", "line 1, column 1"},
        {"1e", "line 1, column 1"},
        {"1e+", "line 1, column 1"},
        {"0x1", "line 1, column 2"},
        {"1e400", "line 1, column 1"},
        {"-01", "line 1, column 1"},
        {"1.e1", "line 1, column 1"},
        {"[1,]", "line 1, column 4"},
        {"[,1]", "line 1, column 2"},
        {"[1 2]", "line 1, column 4"},
        {"[", "line 1, column 2"},
        {"[1", "line 1, column 3"},
        {"]", "line 1, column 1"},
        {"[1}", "line 1, column 3"},
        {"{\"a\":1]", "line 1, column 7"},
        {"{", "line 1, column 2"},
        {"{\"a\"", "line 1, column 5"},
        {"{\"a\":", "line 1, column 6"},
        {"{\"a\":1,}", "line 1, column 8"},
        {"{a:1}", "line 1, column 2"},
        {"{'a':1}", "line 1, column 2"},
        {"{1:1}", "line 1, column 2"},
        {"{\"a\" 1}", "line 1, column 6"},
        {"{,}", "line 1, column 2"},
        {"{\"a\":1,\"a\":2}", "line 1, column 8"},
        {"{\"a\":1,\"\\u0061\":2}", "line 1, column 8"},
        {"{\"\":1,\"\":2}", "line 1, column 7"},
        {"1 2", "line 1, column 3"},
        {"[]]", "line 1, column 3"},
        {"{}{}", "line 1, column 3"},
        {"\"", "line 1, column 2"},
        {"\"a", "line 1, column 3"},
        {"\"\\", "line 1, column 3"},
        {"\"\\x\"", "line 1, column 2"},
        {"\"\\u12\"", "line 1, column 2"},
        {"\"\\u12g4\"", "line 1, column 2"},
        {"\"\\ud800\"", "line 1, column 2"},
        {"\"\\udc00\"", "line 1, column 2"},
        {"\"\\ud800\\u0041\"", "line 1, column 2"},
        {"\"\\ud800\\ud800\"", "line 1, column 2"},
        {"\"a\nb\"", "line 1, column 3"},
        {"\"\t\"", "line 1, column 2"},
        {"\"\x01\"", "line 1, column 2"},
        {"\"\xff\"", "line 1, column 2"},
        {"\"铜\xc3\x28\"", "line 1, column 3"},
        {"\"\xc0\x80\"", "line 1, column 2"},
        {"\"\xed\xa0\x80\"", "line 1, column 2"},
        {"\"\xf4\x90\x80\x80\"", "line 1, column 2"},
        {"\xe9\x93\x9c", "line 1, column 1"},
        {"\xef\xbb\xbf{}", "line 1, column 1"},
        {"[1]//c", "line 1, column 4"},
        {"/**/1", "line 1, column 1"},
        {"{\n \"a\": 1,\n \"b\" 2}", "line 3, column 6"},
        {"[1\f]", "line 1, column 3"},
        {"[1,\xc2\xa0"
         "2]",
         "line 1, column 4"},
        {"\"铜\": 1", "line 1, column 4"},
        {"\"\\\"", "line 1, column 4"},
        {"truex", "line 1, column 5"},
    };
    for (size_t i = 0; i < COUNT(t); i++) {
        AUTO_ARENA a;
        arena_init(&a, 1 << 20);
        struct json *v = NULL;
        struct error e = {0};
        int rc = json_parse(&a, str_of(t[i].in), &v, &e);
        if (rc != ERR_INVALID) test_fail(__FILE__, __LINE__, "accepted: %s", t[i].in);
        if (strcmp(e.where, t[i].where) != 0)
            test_fail(__FILE__, __LINE__, "%s: at %s, want %s (%s)", t[i].in, e.where, t[i].where, e.text);
        CHECK(v == NULL && e.text[0] && e.text_zh[0]);
        CHECK_INT(json_parse(&a, str_of(t[i].in), &v, NULL), ERR_INVALID);
    }
}

TEST(json_error_texts)
{
    struct buf b;
    buf_init(&b, 1000);
    write_back(&b, STR("{\"a\":1;"));
    CHECK_Z(buf_cstr(&b), "line 1, column 7: JSON: expected ',' or '}', found ';'");
    write_back(&b, STR("[1,\n"));
    CHECK_Z(buf_cstr(&b), "line 2, column 1: JSON: expected a value, but the text ends");
    write_back(&b, str_make("[\0]", 3));
    CHECK_Z(buf_cstr(&b), "line 1, column 2: JSON: expected a value, found 0x00");
    write_back(&b, str_make("[1\0", 3));
    CHECK_Z(buf_cstr(&b), "line 1, column 3: JSON: expected ',' or ']', found 0x00");
    buf_fini(&b);
}

TEST(json_no_text_is_empty_text)
{
    struct arena a;
    struct json *v = NULL;
    struct error none = {0}, empty = {0};
    arena_init(&a, 1 << 16);
    CHECK_INT(json_parse(&a, STR_NULL, &v, &none), ERR_INVALID);
    CHECK_INT(json_parse(&a, STR(""), &v, &empty), ERR_INVALID);
    CHECK(none.text[0] && strcmp(none.text, empty.text) == 0 && strcmp(none.where, empty.where) == 0);
    arena_fini(&a);
}

TEST(json_depth_limit)
{
    char text[80] = "";
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *v;
    struct error e = {0};
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    CHECK_INT(json_parse(&a, str_make(text, 64), &v, &e), 0);
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    CHECK_INT(json_parse(&a, str_make(text, 66), &v, &e), ERR_INVALID);
    CHECK_Z(e.where, "line 1, column 33");
}

static void add_members(struct buf *b, const char *fmt, int n)
{
    buf_u8(b, '{');
    for (int i = 0; i < n; i++) {
        if (i) buf_u8(b, ',');
        buf_printf(b, fmt[0] == 'h' ? "\"%08x\":1" : "\"k%d\":1", i);
    }
    buf_u8(b, '}');
}

TEST(json_many_keys_are_not_quadratic)
{
    AUTO_ARENA a;
    arena_init(&a, 256 << 20);
    struct buf b;
    buf_init(&b, 64 << 20);
    const int n = 60000; /* one by one it would be 2e9 comparisons */
    add_members(&b, "hex", n);
    struct json *v = NULL;
    struct error e = {0};
    CHECK_INT(json_parse(&a, buf_view(&b), &v, &e), 0);
    CHECK_INT(json_count(v), n);
    struct json *rev = json_new_object(&a);
    for (struct json *m = v->child, *next; m; m = next) { /* the same, backwards */
        next = m->next;
        m->next = rev->child;
        rev->child = m;
    }
    rev->count = (size_t)n;
    CHECK_INT(json_parse(&a, buf_view(&b), &v, &e), 0);
    CHECK(json_equal(v, rev));
    struct json *merged = json_merge_patch(&a, v, rev);
    CHECK_INT(json_count(merged), n);
    b.n--;
    buf_z(&b, ",\"00000007\":2}");
    CHECK_INT(json_parse(&a, buf_view(&b), &v, &e), ERR_INVALID);
    buf_fini(&b);
}

TEST(json_key_table_forgets_closed_objects)
{
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    struct buf b;
    buf_init(&b, 64 << 20);
    buf_u8(&b, '[');
    for (int i = 0; i < 2000; i++) {
        if (i) buf_u8(&b, ',');
        add_members(&b, "k", 40);
    }
    buf_u8(&b, ']');
    struct json *v = NULL;
    struct error e = {0};
    CHECK_INT(json_parse(&a, buf_view(&b), &v, &e), 0); /* 80,000 keys; a table of all would pass the arena's size */
    CHECK_INT(json_count(v), 2000);
    buf_clear(&b);
    buf_z(&b, "{\"k39\":1,");
    for (int i = 0; i < 30; i++) buf_printf(&b, "\"x%d\":{\"x0\":1,\"k\":2},", i);
    buf_z(&b, "\"x29\":1}");
    CHECK_INT(json_parse(&a, buf_view(&b), &v, &e), ERR_INVALID);
    buf_fini(&b);
}

TEST(json_arena_limit)
{
    AUTO_ARENA a;
    arena_init(&a, 200);
    struct json *v;
    struct error e = {0};
    CHECK_INT(json_parse(&a, STR("[1,2,3,4,5,6]"), &v, &e), ERR_TOO_LARGE);
    CHECK_INT(e.code, ERR_TOO_LARGE);
}

TEST(json_every_allocation_may_fail)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_z(&b, "{\"a\\n\":[1,2.5,\"x\\ty\"],\"big\":");
    add_members(&b, "k", 300);
    buf_z(&b, "}");
    int failed = 0;
    for (uint64_t n = 1; n < 100; n++) {
        AUTO_ARENA a;
        arena_init(&a, 1 << 20);
        struct json *v = NULL;
        struct error e = {0};
        mem_fail_at(n, false);
        int rc = json_parse(&a, buf_view(&b), &v, &e);
        mem_fail_at(0, false);
        if (rc == 0) break;
        failed++;
        CHECK_INT(rc, ERR_NOMEM);
        CHECK_INT(e.code, ERR_NOMEM);
        CHECK(v == NULL);
    }
    CHECK(failed >= 5 && failed < 99);
    buf_fini(&b);
}

TEST(json_reading)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *v;
    REQUIRE(json_parse(&a,
                       STR("{\"a\":{\"b\":[10,{\"c\":\"x\"}]},\"d\":2.0,\"e\":2.5,\"t\":true,\"n\":null,\"h\":1e300}"),
                       &v, NULL) == 0);
    CHECK_STR(json_str(json_path(v, "a.b.1.c"), STR("-")), "x");
    CHECK(json_path(v, "a.b.2") == NULL && json_path(v, "a.x.y") == NULL && json_path(v, "a.b.c") == NULL);
    CHECK_INT(json_i64(json_path(v, "a.b.0"), -1), 10);
    CHECK_INT(json_i64(json_get(v, "d"), -1), 2);
    CHECK_INT(json_i64(json_get(v, "e"), -1), -1);
    CHECK_INT(json_i64(json_get(v, "h"), -1), -1);
    CHECK_DBL(json_double(json_path(v, "a.b.0"), 0), 10, 0);
    CHECK(json_bool(json_get(v, "t"), false) && json_bool(json_get(v, "n"), true));
    CHECK_INT(json_count(json_path(v, "a.b")), 2);
    CHECK_INT(json_count(json_get(v, "d")), 0);
    CHECK(json_at(v, 0) == NULL && json_get(NULL, "x") == NULL && json_get(json_get(v, "d"), "x") == NULL);
    CHECK_STR(json_str(NULL, STR("def")), "def");
    size_t n = 0;
    for
        json_each (m, v) n += m->key.n;
    CHECK_INT(n, 6);
    for
        json_each (m, (struct json *)NULL) CHECK(m == NULL && false);
}

static struct json *parse_in(struct arena *a, const char *z)
{
    struct json *v = NULL;
    struct error e = {0};
    if (json_parse(a, str_of(z), &v, &e)) test_fail(__FILE__, __LINE__, "%s: %s", z, e.text);
    return v;
}

TEST(json_equality)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    static const struct {
        const char *x, *y;
        bool same;
    } t[] = {{"1", "1.0", true},
             {"1", "1.5", false},
             {"{\"a\":1,\"b\":[2]}", "{\"b\":[2.0],\"a\":1}", true},
             {"{\"a\":1}", "{\"b\":1}", false},
             {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
             {"[1,2]", "[2,1]", false},
             {"[1]", "[1,2]", false},
             {"\"a\"", "\"a\"", true},
             {"null", "false", false},
             {"9007199254740993", "9007199254740992.0", false},
             {"true", "true", true},
             {"[]", "{}", false},
             {"9223372036854775807", "9223372036854775808", false}};
    for (size_t i = 0; i < COUNT(t); i++) {
        CHECK_INT(json_equal(parse_in(&a, t[i].x), parse_in(&a, t[i].y)), t[i].same);
        CHECK_INT(json_equal(parse_in(&a, t[i].y), parse_in(&a, t[i].x)), t[i].same);
    }
    CHECK(json_equal(NULL, NULL) && !json_equal(NULL, parse_in(&a, "null")));
}

TEST(json_building)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *o = json_new_object(&a), *arr = json_new_array(&a);
    json_set(o, &a, STR("a"), json_new_i64(&a, 1));
    json_set(o, &a, STR("b"), arr);
    json_set(o, &a, STR("c"), json_new_str(&a, STR("x")));
    json_push(arr, json_new_double(&a, 0.5));
    json_push(arr, json_new_bool(&a, true));
    json_push(arr, json_new_null(&a));
    CHECK_STR(json_text(&a, o), "{\"a\":1,\"b\":[0.5,true,null],\"c\":\"x\"}");
    json_set(o, &a, STR("c"), json_new_i64(&a, 3));
    json_set(o, &a, STR("a"), json_new_i64(&a, 2));
    CHECK(json_remove(o, STR("b")) && !json_remove(o, STR("b")));
    json_set(o, &a, STR("d"), json_new_i64(&a, 4));
    CHECK_STR(json_text(&a, o), "{\"a\":2,\"c\":3,\"d\":4}");
    CHECK(json_remove(o, STR("d")) && json_remove(o, STR("a")));
    json_set(o, &a, STR("z"), json_new_i64(&a, 5));
    CHECK_STR(json_text(&a, o), "{\"c\":3,\"z\":5}");
    CHECK_INT(json_count(o), 2);
    CHECK(json_push(NULL, o) == NULL && json_set(o, &a, STR("x"), NULL) == NULL && json_push(o, arr) == NULL);
}

TEST(json_copy_is_deep)
{
    AUTO_ARENA a, b;
    arena_init(&a, 1 << 20);
    arena_init(&b, 1 << 20);
    char text[] = "{\"key\":[\"text\",{\"n\":1}]}";
    struct json *c = json_copy(&b, parse_in(&a, text));
    arena_reset(&a);
    memset(text, '#', sizeof(text) - 1);
    CHECK_STR(json_text(&b, c), "{\"key\":[\"text\",{\"n\":1}]}");
    CHECK(json_copy(&b, NULL) == NULL);
}

TEST(json_merge_patch_rfc7396)
{
    /* RFC 7396 appendix A, all of it. */
    static const char *t[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < COUNT(t); i++)
        CHECK_STR(json_text(&a, json_merge_patch(&a, parse_in(&a, t[i][0]), parse_in(&a, t[i][1]))), t[i][2]);
    CHECK_STR(json_text(&a, json_merge_patch(&a, NULL, parse_in(&a, "{\"a\":1,\"b\":null}"))), "{\"a\":1}");
    struct json *target = parse_in(&a, "{\"a\":{\"b\":1},\"c\":2}");
    json_merge_patch(&a, target, parse_in(&a, "{\"a\":{\"b\":null},\"d\":3}"));
    CHECK_STR(json_text(&a, target), "{\"a\":{\"b\":1},\"c\":2}"); /* untouched */
}

TEST(json_writer_calls)
{
    struct buf b;
    buf_init(&b, 1000);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kstr(&w, "s", STR("a\"b"));
    jw_kz(&w, "z", NULL);
    jw_ki64(&w, "i", INT64_MIN);
    jw_kdouble(&w, "d", NAN);
    jw_kbool(&w, "t", true);
    jw_key(&w, STR("u"));
    jw_u64(&w, UINT64_MAX);
    jw_key(&w, STR("a"));
    jw_array(&w);
    jw_i64(&w, 0);
    jw_object(&w);
    jw_end(&w);
    jw_raw(&w, STR("[1]"));
    jw_end(&w);
    jw_end(&w);
    CHECK_Z(buf_cstr(&b), "{\"s\":\"a\\\"b\",\"z\":null,\"i\":-9223372036854775808,\"d\":null,\"t\":true,\"u\":"
                          "18446744073709551615,\"a\":[0,{},[1]]}");
    buf_clear(&b);
    w = json_writer(&b);
    jw_str(&w, STR("a\xff"
                   "铜\xed\xa0\x80\x1f\xef\xbf\xbd"));
    CHECK_Z(buf_cstr(&b), "\"a\xef\xbf\xbd铜\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\u001f\xef\xbf\xbd\"");
    buf_fini(&b);
}

TEST(json_writer_errors_stick)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    struct json *v = parse_in(&a, "{\"a\":[1,{\"b\":\"cccccccccccccccc\"}],\"d\":2}");
    for (size_t max = 0; max < 44; max++) {
        struct buf b;
        buf_init(&b, max);
        struct json_writer w = json_writer(&b);
        jw_object(&w);
        jw_key(&w, STR("v"));
        jw_json(&w, v);
        jw_kbool(&w, "t", true);
        jw_end(&w);
        CHECK_INT(b.err, ERR_TOO_LARGE);
        CHECK_INT(w.depth, 0);
        buf_fini(&b);
    }
    struct buf b;
    buf_init(&b, 10000);
    struct json_writer w = json_writer(&b);
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX; i++) jw_array(&w);
    CHECK_INT(b.err, 0);
    jw_json(&w, v);
    CHECK_INT(b.err, ERR_TOO_LARGE);
    for (int i = 0; i < JSON_WRITE_DEPTH_MAX; i++) jw_end(&w);
    CHECK_INT(w.depth, 0);
    buf_fini(&b);
    mem_fail_at(1, true);
    CHECK(json_text(&a, v).p == NULL);
    mem_fail_at(0, false);
}

struct sax_log {
    struct buf out;
    int stop_at, events, stop_with;
};

static int log_event(struct sax_log *l, const char *what, struct str key)
{
    buf_printf(&l->out, "%s%.*s ", what, STR_ARG(key));
    return ++l->events == l->stop_at ? l->stop_with : 0;
}
static int log_value(void *ctx, const struct json *v, struct str key)
{
    return log_event(ctx, v->type == JSON_STRING ? "s:" : "v:", key);
}
static int log_open(void *ctx, enum json_type type, struct str key)
{
    return log_event(ctx, type == JSON_ARRAY ? "[" : "{", key);
}
static int log_close(void *ctx, enum json_type type)
{
    return log_event(ctx, type == JSON_ARRAY ? "]" : "}", STR_NULL);
}

TEST(json_sax_events)
{
    static const struct json_sax h = {log_value, log_open, log_close};
    struct str text = STR("{\"a\":[1,\"x\"],\"b\":{\"c\":null}}");
    AUTO_ARENA a;
    arena_init(&a, 1 << 16);
    for (int stop = 0; stop <= 8; stop++) {
        for (int with = -5; with <= 7; with += 6) {
            struct sax_log l = {.stop_at = stop, .stop_with = with};
            buf_init(&l.out, 1000);
            CHECK_INT(json_sax(&a, text, &h, &l, NULL), stop ? with : 0);
            if (stop == 0) CHECK_Z(buf_cstr(&l.out), "{ [a v: s: ] {b v:c } } ");
            if (stop) CHECK_INT(l.events, stop);
            buf_fini(&l.out);
        }
    }
}
