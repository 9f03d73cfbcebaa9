/* XML as a tree, and paths into it: each path is translated, compiled and read as a driver does. */
#include "proto/xml_tree.h"
#include "base/json_path.h"
#include "base/test.h"

static const char document[] = "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                               "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>"
                               "<data time=\"2026-01-01T00:00:00Z\">"
                               "<sensor id=\"T1\" unit=\"°C\"> 21.5 </sensor>"
                               "<sensor id=\"T2\"><value>22</value><name>入口 &amp; 出口</name></sensor>"
                               "<sensor id='it&apos;s'><value>23</value></sensor>"
                               "<note><![CDATA[a<b]]></note><empty/>"
                               "</data></soap:Body></soap:Envelope>";

static struct json *tree_of(struct arena *a, const char *text)
{
    struct json *t = NULL;
    struct error e = {0};
    if (xml_tree(str_of(text), a, &t, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return t;
}

static const struct json *read_path(const struct json *root, struct arena *a, const char *path, enum xml_path_kind kind)
{
    const struct json_path_query *q;
    struct str text;
    struct error e = {0};
    if (xml_path(str_of(path), kind, a, &text, &e) || json_path_compile(text, a, &q, &e)) {
        test_fail(__FILE__, __LINE__, "%s: %s", path, e.text);
        return NULL;
    }
    return json_path_first(q, root);
}

TEST(values_by_path)
{
    static const struct {
        const char *path, *want; /* NULL: not there */
    } v[] = {
        {"Envelope/Body/data/sensor", "21.5"},
        {"/Envelope/Body/data/sensor[1]/@unit", "°C"},
        {"soap:Envelope/soap:Body/data/@time", "2026-01-01T00:00:00Z"},
        {"//sensor[@id='T2']/value", "22"},
        {"//sensor[name='入口 & 出口']/@id", "T2"},
        {"//sensor[@id=\"T2\"]/name", "入口 & 出口"},
        {"//sensor[2]/value", "22"},
        {"Envelope/*/data/note", "a<b"},
        {"//empty", ""},
        {"//sensor[@id='T9']/value", NULL},
        {"//sensor[9]", NULL},
        {"data/sensor", NULL},
        {"//data/@none", NULL},
    };
    struct arena a;
    arena_init(&a, 1 << 20);
    const struct json *root = tree_of(&a, document);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        const struct json *got = read_path(root, &a, v[i].path, XML_VALUE);
        if (!v[i].want ? got != NULL : !got || got->type != JSON_STRING || !str_is(got->s, v[i].want))
            test_fail(__FILE__, __LINE__, "%s: got '%.*s'", v[i].path, got ? (int)got->s.n : 4,
                      got ? got->s.p : "none");
    }
    arena_fini(&a);
}

static int count(void *ctx, const struct json *node)
{
    ++*(int *)ctx;
    return 0;
}

TEST(rows_and_what_stands_in_them)
{
    struct arena a;
    struct str text;
    const struct json_path_query *q;
    int n = 0;
    arena_init(&a, 1 << 20);
    const struct json *root = tree_of(&a, document), *row;
    CHECK_INT(xml_path(STR("//data/sensor"), XML_ROWS, &a, &text, NULL), 0);
    CHECK_INT(json_path_compile(text, &a, &q, NULL), 0);
    CHECK_INT(json_path_all(q, root, count, &n), 0);
    CHECK_INT(n, 3);
    row = json_path_first(q, root);
    CHECK(str_is(read_path(row, &a, ".", XML_VALUE)->s, "21.5"));
    CHECK(str_is(read_path(row, &a, "@id", XML_VALUE)->s, "T1"));
    arena_fini(&a);
}

TEST(paths_that_are_none)
{
    static const char *const v[] = {
        "",      " ",   "a//",    "a/",          "/",      "a[0]",    "a[444444444444444444]",
        "a[",    "a[]", "a[-1]",  "a[@id=T1]",   "@id/a",  "a b",     "a/@",
        "//@id", "a|b", "a['x']", "a[@i='a'b']", "text()", "a[1][2]", "../a",
        "*[1]"};
    struct arena a;
    struct str text;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct error e = {0};
        if (xml_path(str_of(v[i]), XML_VALUE, &a, &text, &e) != ERR_INVALID)
            test_fail(__FILE__, __LINE__, "'%s' is taken as %.*s", v[i], STR_ARG(text));
        CHECK(e.text[0] && e.text_zh[0]);
    }
    CHECK_INT(xml_path(STR("a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"), XML_VALUE, &a, &text, NULL), 0);
    const struct json_path_query *q;
    CHECK_INT(json_path_compile(text, &a, &q, NULL), 0);
    CHECK_INT(xml_path(STR("a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"), XML_VALUE, &a, &text, NULL), ERR_INVALID);
    CHECK_INT(xml_path(STR("a\xc9"), XML_VALUE, &a, &text, NULL), ERR_INVALID);
    CHECK_INT(xml_path(STR("a/@id"), XML_ROWS, &a, &text, NULL), ERR_INVALID);
    arena_fini(&a);
}

TEST(what_is_no_xml)
{
    static const char *const v[] = {"",
                                    "x",
                                    "<a>",
                                    "<a></b>",
                                    "<a/><b/>",
                                    "{\"a\":1}",
                                    "<a>&nope;</a>",
                                    "<a x=1/>",
                                    "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
                                    "<a>\xff</a>"};
    struct arena a;
    struct json *t;
    char deep[2000] = "";
    arena_init(&a, 4 << 20);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct error e = {0};
        if (xml_tree(str_of(v[i]), &a, &t, &e) != ERR_INVALID) test_fail(__FILE__, __LINE__, "'%s' is taken", v[i]);
        CHECK(e.text[0] && e.text_zh[0]);
    }
    for (int i = 0; i < 65; i++) memcpy(deep + (size_t)i * 3, "<a>", 4);
    CHECK_INT(xml_tree(str_of(deep), &a, &t, NULL), ERR_TOO_LARGE);
    arena_fini(&a);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_z(&b, "<r>");
    for (int i = 0; i < 2000; i++) buf_printf(&b, "<n%d/>", i);
    buf_z(&b, "</r>");
    arena_init(&a, 16 << 20);
    CHECK_INT(xml_tree(buf_view(&b), &a, &t, NULL), ERR_TOO_LARGE);
    arena_fini(&a);
    arena_init(&a, 1000);
    CHECK_INT(xml_tree(buf_view(&b), &a, &t, NULL), ERR_NOMEM);
    arena_fini(&a);
    buf_fini(&b);
}

TEST(leaves_can_be_read_again)
{
    static const char *const want[] = {"Envelope/Body/data/@time",           "Envelope/Body/data/sensor[1]/@id",
                                       "Envelope/Body/data/sensor[1]/@unit", "Envelope/Body/data/sensor[1]",
                                       "Envelope/Body/data/sensor[2]/@id",   "Envelope/Body/data/sensor[2]/value",
                                       "Envelope/Body/data/sensor[2]/name"};
    struct arena a;
    struct xml_leaf leaf[40];
    arena_init(&a, 1 << 20);
    const struct json *root = tree_of(&a, document);
    size_t n = xml_leaves(root, &a, leaf, 40);
    CHECK_INT(n, 11);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) CHECK(i < n && str_is(leaf[i].path, want[i]));
    for (size_t i = 0; i < n; i++) {
        char path[400];
        CHECK(str_to_cstr(leaf[i].path, path, sizeof path));
        const struct json *v = read_path(root, &a, path, XML_VALUE);
        CHECK(v && str_eq(v->s, leaf[i].value->s));
    }
    CHECK_INT(xml_leaves(root, &a, leaf, 2), 2);
    arena_fini(&a);
}
