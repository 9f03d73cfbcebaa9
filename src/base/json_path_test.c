/* json_path_test.c - the examples of RFC 9535 (their tables are named), what is beyond the RFC, bounds, and errors. */
#include "base/json_path.h"
#include "base/mem.h"
#include "base/test.h"

static int add(void *ctx, const struct json *node)
{
    struct buf *b = ctx;
    if (b->n) buf_z(b, " | ");
    json_write(b, node);
    return 0;
}

/* All nodes as compact JSON, joined by " | ". */
static const char *all_of(const char *doc, const char *path)
{
    static char out[4096];
    const struct json_path_query *q = NULL;
    struct json *root = NULL;
    struct error e = {0};
    struct buf b;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    buf_init(&b, sizeof out - 1);
    if (json_parse(&a, str_of(doc), &root, &e) || json_path_compile(str_of(path), &a, &q, &e))
        snprintf(out, sizeof out, "error: %s", e.text);
    else {
        int rc = json_path_all(q, root, add, &b);
        snprintf(out, sizeof out, "%s%s", rc ? "failed " : "", buf_cstr(&b));
    }
    buf_fini(&b);
    return out;
}

#define STORE \
    "{\"store\":{\"book\":[{\"category\":\"reference\",\"author\":\"Nigel Rees\",\"title\":\"Sayings of the " \
    "Century\",\"price\":8.95}," \
    "{\"category\":\"fiction\",\"author\":\"Evelyn Waugh\",\"title\":\"Sword of Honour\",\"price\":12.99}," \
    "{\"category\":\"fiction\",\"author\":\"Herman Melville\",\"title\":\"Moby " \
    "Dick\",\"isbn\":\"0-553-21311-3\",\"price\":8.99}," \
    "{\"category\":\"fiction\",\"author\":\"J. R. R. Tolkien\",\"title\":\"The Lord of the " \
    "Rings\",\"isbn\":\"0-395-19395-8\",\"price\":22.99}]," \
    "\"bicycle\":{\"color\":\"red\",\"price\":399}}}"
#define RINGS \
    "{\"category\":\"fiction\",\"author\":\"J. R. R. Tolkien\",\"title\":\"The Lord of the " \
    "Rings\",\"isbn\":\"0-395-19395-8\",\"price\":22.99}"
#define LETTERS "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\"]"
#define CMP "{\"obj\":{\"x\":\"y\"},\"arr\":[2,3]}"
#define FILT \
    "{\"a\":[3,5,1,2,4,6,{\"b\":\"j\"},{\"b\":\"k\"},{\"b\":{}},{\"b\":\"kilo\"}],\"o\":{\"p\":1,\"q\":2,\"r\":3," \
    "\"s\":5,\"t\":{\"u\":6}},\"e\":\"f\"}"

struct row {
    const char *doc, *path, *want;
};
static void check_rows(const struct row *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = all_of(r[i].doc, r[i].path);
        if (strcmp(got, r[i].want) != 0) test_fail(__FILE__, __LINE__, "%s = %s, want %s", r[i].path, got, r[i].want);
    }
}
#define ROWS(r) check_rows(r, sizeof(r) / sizeof *(r))

TEST(rfc_table_2_bookstore)
{
    static const struct row r[] = {
        {STORE, "$.store.book[*].author",
         "\"Nigel Rees\" | \"Evelyn Waugh\" | \"Herman Melville\" | \"J. R. R. Tolkien\""},
        {STORE, "$..author", "\"Nigel Rees\" | \"Evelyn Waugh\" | \"Herman Melville\" | \"J. R. R. Tolkien\""},
        {STORE, "$.store..price", "8.95 | 12.99 | 8.99 | 22.99 | 399"},
        {STORE, "$..book[2].author", "\"Herman Melville\""},
        {STORE, "$..book[2].publisher", ""},
        {STORE, "$..book[-1]", RINGS},
        {STORE, "$..book[0,1].title", "\"Sayings of the Century\" | \"Sword of Honour\""},
        {STORE, "$..book[:2].title", "\"Sayings of the Century\" | \"Sword of Honour\""},
        {STORE, "$..book[?@.isbn].title", "\"Moby Dick\" | \"The Lord of the Rings\""},
        {STORE, "$..book[?@.price<10].title", "\"Sayings of the Century\" | \"Moby Dick\""},
        {STORE, "$.store.bicycle.*", "\"red\" | 399"},
    };
    ROWS(r);
}

TEST(rfc_names_wildcards_indices_slices)
{
    static const char names[] = "{\"o\":{\"j j\":{\"k.k\":3}},\"'\":{\"@\":2}}",
                      wild[] = "{\"o\":{\"j\":1,\"k\":2},\"a\":[5,3]}";
    static const struct row r[] = {
        {names, "$.o['j j']", "{\"k.k\":3}"},
        {names, "$.o['j j']['k.k']", "3"},
        {names, "$.o[\"j j\"][\"k.k\"]", "3"},
        {names, "$[\"'\"][\"@\"]", "2"},
        {wild, "$[*]", "{\"j\":1,\"k\":2} | [5,3]"},
        {wild, "$.o[*, *]", "1 | 2 | 1 | 2"},
        {wild, "$.a[*]", "5 | 3"},
        {"[\"a\",\"b\"]", "$[1]", "\"b\""},
        {"[\"a\",\"b\"]", "$[-2]", "\"a\""},
        {"[\"a\",\"b\"]", "$[2]", ""},
        {LETTERS, "$[1:3]", "\"b\" | \"c\""},
        {LETTERS, "$[5:]", "\"f\" | \"g\""},
        {LETTERS, "$[1:5:2]", "\"b\" | \"d\""},
        {LETTERS, "$[5:1:-2]", "\"f\" | \"d\""},
        {LETTERS, "$[::-1]", "\"g\" | \"f\" | \"e\" | \"d\" | \"c\" | \"b\" | \"a\""},
        {LETTERS, "$[-2:]", "\"f\" | \"g\""},
        {LETTERS, "$[::0]", ""},
        {LETTERS, "$[-100:2]", "\"a\" | \"b\""},
        {LETTERS, "$[100::-3]", "\"g\" | \"d\" | \"a\""},
        {LETTERS, "$[0, 0:2, 'x']", "\"a\" | \"a\" | \"b\""},
        {"[]", "$[::-1]", ""},
    };
    ROWS(r);
}

TEST(rfc_table_11_comparisons)
{
    static const struct row r[] = {
        {CMP, "$[?$.absent1 == $.absent2]", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?$.absent1 <= $.absent2]", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?$.absent == 'g']", ""},
        {CMP, "$[?$.absent1 != $.absent2]", ""},
        {CMP, "$[?$.absent != 'g']", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?1 <= 2]", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?1 > 2]", ""},
        {CMP, "$[?13 == '13']", ""},
        {CMP, "$[?'a' <= 'b']", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?$.obj == $.arr]", ""},
        {CMP, "$[?$.obj == $.obj]", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?$.obj == 17]", ""},
        {CMP, "$[?$.obj <= $.arr]", ""},
        {CMP, "$[?$.obj < $.arr]", ""},
        {CMP, "$[?$.obj <= $.obj]", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?$.arr >= $.arr]", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?1 <= $.arr]", ""},
        {CMP, "$[?true <= true]", "{\"x\":\"y\"} | [2,3]"},
        {CMP, "$[?true > true]", ""},
        {CMP, "$[?1.0 == 1]", "{\"x\":\"y\"} | [2,3]"},
    };
    ROWS(r);
}

TEST(rfc_table_12_filters)
{
    static const struct row r[] = {
        {FILT, "$.a[?@.b == 'kilo']", "{\"b\":\"kilo\"}"},
        {FILT, "$.a[?(@.b == 'kilo')]", "{\"b\":\"kilo\"}"},
        {FILT, "$.a[?@>3.5]", "5 | 4 | 6"},
        {FILT, "$.a[?@.b]", "{\"b\":\"j\"} | {\"b\":\"k\"} | {\"b\":{}} | {\"b\":\"kilo\"}"},
        {FILT, "$[?@.*]",
         "[3,5,1,2,4,6,{\"b\":\"j\"},{\"b\":\"k\"},{\"b\":{}},{\"b\":\"kilo\"}] | "
         "{\"p\":1,\"q\":2,\"r\":3,\"s\":5,\"t\":{\"u\":6}}"},
        {FILT, "$[?@[?@.b]]", "[3,5,1,2,4,6,{\"b\":\"j\"},{\"b\":\"k\"},{\"b\":{}},{\"b\":\"kilo\"}]"},
        {FILT, "$.o[?@<3, ?@<3]", "1 | 2 | 1 | 2"},
        {FILT, "$.a[?@<2 || @.b == \"k\"]", "1 | {\"b\":\"k\"}"},
        {FILT, "$.o[?@>1 && @<4]", "2 | 3"},
        {FILT, "$.o[?@.u || @.x]", "{\"u\":6}"},
        {FILT, "$.a[?@.b == $.x]", "3 | 5 | 1 | 2 | 4 | 6"},
        {FILT, "$.a[?@ == @]", "3 | 5 | 1 | 2 | 4 | 6 | {\"b\":\"j\"} | {\"b\":\"k\"} | {\"b\":{}} | {\"b\":\"kilo\"}"},
        {FILT, "$.a[?!@.b]", "3 | 5 | 1 | 2 | 4 | 6"},
        {FILT, "$.a[?!(@<4 || @.b)]", "5 | 4 | 6"},
        {FILT, "$.a[?@<2 || @>4 && @<6]", "5 | 1"},
    };
    ROWS(r);
}

TEST(rfc_tables_15_16_descendants_and_null)
{
    static const char d[] = "{\"o\":{\"j\":1,\"k\":2},\"a\":[5,3,[{\"j\":4},{\"k\":6}]]}";
    static const char n[] = "{\"a\":null,\"b\":[null],\"c\":[{}],\"null\":1}";
    static const struct row r[] = {
        {d, "$..j", "1 | 4"},
        {d, "$..[0]", "5 | {\"j\":4}"},
        {d, "$.o..[*, *]", "1 | 2 | 1 | 2"},
        {d, "$.a..[0, 1]", "5 | 3 | {\"j\":4} | {\"k\":6}"},
        {n, "$.a", "null"},
        {n, "$.a[0]", ""},
        {n, "$.a.d", ""},
        {n, "$.b[0]", "null"},
        {n, "$.b[*]", "null"},
        {n, "$.b[?@]", "null"},
        {n, "$.b[?@==null]", "null"},
        {n, "$.c[?@.d==null]", ""},
        {n, "$.null", "1"},
    };
    ROWS(r);
}

TEST(beyond_the_rfc)
{
    static const struct row r[] = {
        {"{\"data\":[{\"v\":7}]}", "data[0].v", "7"},
        {"{\"data\":[{\"v\":7}]}", " .data[ 0 ] .v ", "7"},
        {"[1,2]", "[1]", "2"},
        {"[1,2]", "", "[1,2]"},
        {"[1,2]", "$", "[1,2]"},
        {"{\"flow-rate\":3}", "$.flow-rate", "3"},
        {"{\"温度\":3}", "温度", "3"},
        {"{\"tags\":[{\"name\":\"flow\",\"q\":1,\"v\":9},{\"name\":\"flow\",\"q\":0,\"v\":8}]}",
         "$.tags[?@.name=='flow' && @.q>0].v", "9"},
        {"{\"\\u263a\\n'\":1}", "$['\\u263A\\n\\'']", "1"},
        {"{\"\\ud834\\udd1e\":1}", "$['\\uD834\\uDD1E']", "1"},
        {"[9223372036854775807,9223372036854775806]", "$[?@ > 9223372036854775806]", "9223372036854775807"},
    };
    ROWS(r);
}

TEST(refused_with_place_and_remedy)
{
    static const struct {
        const char *path, *en;
    } r[] = {
        {"$.", "ends at character 3, but a name, '*' or '['"},
        {"$..", "ends at character 4"},
        {"$.a.0", "character 5: a name; an index goes in brackets"},
        {"$[]", "character 3: a name in quotes, an index"},
        {"$[01]", "character 3: a whole number without leading zeros"},
        {"$[-0]", "character 3: a whole number"},
        {"$[9007199254740992]", "a whole number"},
        {"$[0 2]", "character 5: ']'"},
        {"$['a]", "a closing '"},
        {"$['\\x']", "an escape"},
        {"$['\\uD800']", "a whole surrogate pair"},
        {"$['\\uD800\\u0041']", "a whole surrogate pair"},
        {"$a", "character 2: '.', '[' or the end"},
        {"$.a b", "'.', '[' or the end"},
        {"@.a", "a name, '*' or '['"},
        {"$[?@.a=]", "character 7: ']'"},
        {"$[?@.a==]", "@, $, a number"},
        {"$[?@.*==1]", "character 4: a path to a single node"},
        {"$[?1]", "a comparison"},
        {"$[?!@.a==1]", "'(' before a comparison"},
        {"$[?(@.a]", "')', && or ||"},
        {"$[?length(@.a)>1]", "@, $, a number"},
        {"$.length()", "no function"},
        {"$[?((((((((@.a))))))))]", "less nesting"},
        {"$[?@.a==01]", "a number"},
        {"\xff", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        const char *got = all_of("{}", r[i].path);
        if (strncmp(got, "error: ", 7) != 0 || !strstr(got, r[i].en))
            test_fail(__FILE__, __LINE__, "%s: %s, want %s", r[i].path, got, r[i].en);
    }
}

TEST(bounds)
{
    const struct json_path_query *q = NULL;
    struct error e = {0};
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    char many[200] = "$";
    for (int i = 0; i < 33; i++) strncat(many, ".a", sizeof many - strlen(many) - 1);
    CHECK_INT(json_path_compile(str_of(many), &a, &q, &e), ERR_INVALID);
    CHECK(strstr(e.text, "at most 32 segments") != NULL && strstr(e.text_zh, "最多 32 段") != NULL);
    many[65] = 0;
    CHECK_INT(json_path_compile(str_of(many), &a, &q, &e), 0);
    static char large[5000];
    memset(large, 'a', sizeof large);
    CHECK_INT(json_path_compile(str_make(large, sizeof large), &a, &q, &e), ERR_INVALID);

    struct json *rows = json_new_array(&a);
    for (int i = 0; i < 1100; i++) json_push(rows, json_new_i64(&a, i));
    struct buf none;
    buf_init(&none, 10);
    CHECK_INT(json_path_compile(STR("$[?$[?@ == -1]]"), &a, &q, &e), 0); /* 1100 x 1100 */
    CHECK_INT(json_path_all(q, rows, add, &none), ERR_LIMIT);
    CHECK(json_path_first(q, rows) == NULL);
    CHECK_INT(json_path_compile(STR("$[1000]"), &a, &q, &e), 0);
    CHECK_INT(json_i64(json_path_first(q, rows), 0), 1000);
    CHECK(json_path_first(q, NULL) == NULL);
    buf_fini(&none);
}

static int stop(void *ctx, const struct json *node)
{
    *(int64_t *)ctx += json_i64(node, 0);
    return 42;
}

TEST(a_callback_ends_the_walk)
{
    const struct json_path_query *q = NULL;
    struct json *v = NULL;
    int64_t sum = 0;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    REQUIRE(json_parse(&a, STR("[3,4]"), &v, NULL) == 0 && json_path_compile(STR("$[*]"), &a, &q, NULL) == 0);
    CHECK_INT(json_path_all(q, v, stop, &sum), 42);
    CHECK_INT(sum, 3);
    REQUIRE(json_path_compile(STR("$[::-1]"), &a, &q, NULL) == 0);
    mem_fail_at(1, true);
    CHECK_INT(json_path_all(q, v, stop, &sum), ERR_NOMEM);
    mem_fail_at(0, false);
}

TEST(leaves_lead_back)
{
    static const char doc[] =
        "{\"a\":{\"b\":[1,{\"c d\":true}],\"e\":[]},\"it's\\n\":null,\"0\":\"x\",\"温度\":2.5,\"\":7}";
    static const char *const want[] = {"$.a.b[0]", "$.a.b[1]['c d']", "$['it\\'s\\n']", "$['0']", "$.温度", "$['']"};
    struct json_path_leaf leaf[10];
    struct json *v = NULL;
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    REQUIRE(json_parse(&a, str_of(doc), &v, NULL) == 0);
    REQUIRE(json_path_leaves(v, &a, leaf, 10) == 6);
    for (int i = 0; i < 6; i++) {
        const struct json_path_query *q = NULL;
        CHECK_STR(leaf[i].path, want[i]);
        CHECK_INT(json_path_compile(leaf[i].path, &a, &q, NULL), 0);
        CHECK(json_path_first(q, v) == leaf[i].value);
    }
    CHECK_INT(json_path_leaves(v, &a, leaf, 2), 2);
    CHECK_INT(json_path_leaves(v, &a, leaf, 0), 0);
    REQUIRE(json_path_leaves(json_new_i64(&a, 5), &a, leaf, 10) == 1);
    CHECK_STR(leaf[0].path, "$");
}
