/* Full text: what q finds and what not, what changes with the resource, older rows, folding and tokens. */
#include "core/resource/search.h"
#include "core/resource/kernel_fixture.h"

static const char pump_kind[] =
    "{\"kind\":\"pump\",\"plural\":\"pumps\",\"title\":{\"en\":\"Pump\",\"zh\":\"泵\"},\"fields\":["
    "{\"name\":\"maker\",\"type\":\"string\"},{\"name\":\"hidden\",\"type\":\"string\"},"
    "{\"name\":\"price\",\"type\":\"string\",\"sensitive\":true}],"
    "\"lists\":{\"columns\":[\"code\",\"name\",\"maker\",\"price\"],\"sort\":\"code\"}}";

static bool start(struct fixture *f)
{
    return fixture_open(f, NULL) && kernel_kind_add(f->k, str_of(pump_kind), &f->e) == 0;
}

static struct resource put(struct fixture *f, const char *code, const char *name, const char *labels, const char *spec)
{
    struct resource r = {.rev = 0};
    struct resource_input in = {
        .code = str_of(code), .name = str_of(name), .labels = fixture_json(f, labels), .spec = fixture_json(f, spec)};
    CHECK_INT(resource_create(f->k, &f->a, &actor_system, "pump", &in, &r, &f->e), 0);
    return r;
}

/* Codes of what q finds, with blanks between. */
static const char *found(struct fixture *f, const char *q)
{
    struct list_query query = {.kind = "pump", .text = str_of(q), .count = true};
    struct list_page p;
    f->e = (struct error){0};
    if (resource_list(f->k, &f->a, &query, &p, &f->e)) return f->e.text;
    const char *all = "";
    for (size_t i = 0; i < p.n; i++) all = arena_printf(&f->a, "%s%s%.*s", all, i ? " " : "", STR_ARG(p.items[i].code));
    CHECK_INT(p.total, p.n);
    return all;
}

TEST(substrings_of_what_stands_there)
{
    struct fixture f;
    REQUIRE(start(&f));
    put(&f, "P1", "1号球磨机给料泵", "{\"line\":\"North-2\"}", "{\"maker\":\"Weir Minerals\"}");
    put(&f, "P2", "浮选槽", NULL, "{\"maker\":\"OUTOTEC\",\"hidden\":\"nobody sees\",\"price\":\"12000 yuan\"}");
    put(&f, "P3", "重选泵 ＡＢＣ－９", NULL, NULL);
    CHECK_Z(found(&f, "球磨"), "P1");
    CHECK_Z(found(&f, "磨机给"), "P1");
    CHECK_Z(found(&f, "泵"), "P1 P3");
    CHECK_Z(found(&f, "球机"), "");
    CHECK_Z(found(&f, "qmj"), "P1");
    CHECK_Z(found(&f, "QMJGL"), "P1");
    CHECK_Z(found(&f, "fxc"), "P2");
    CHECK_Z(found(&f, "cxb"), "P3");
    CHECK_Z(found(&f, "zxb"), "P3");
    CHECK_Z(found(&f, "weir MIN"), "P1");
    CHECK_Z(found(&f, "outo"), "P2");
    CHECK_Z(found(&f, "north-2"), "P1");
    CHECK_Z(found(&f, "abc-9"), "P3");
    CHECK_Z(found(&f, "ａｂｃ"), "P3");
    CHECK_Z(found(&f, "p"), "P1 P2 P3");
    CHECK_Z(found(&f, "p2"), "P2");
    CHECK_Z(found(&f, "nobody"), "");  /* no column of the list */
    CHECK_Z(found(&f, "12000"), "");   /* sensitive */
    CHECK_Z(found(&f, "P1\n1号"), ""); /* parts do not run together */
    fixture_close(&f);
}

TEST(the_text_goes_with_the_resource)
{
    struct fixture f;
    REQUIRE(start(&f));
    put(&f, "P1", "球磨机", NULL, NULL);
    struct resource_input in = {.name = STR("电解槽")};
    struct resource r;
    CHECK_INT(resource_patch(f.k, &f.a, &actor_system, "pump", STR("P1"), -1, &in, &r, &f.e), 0);
    CHECK_Z(found(&f, "球磨"), "");
    CHECK_Z(found(&f, "qmj"), "");
    CHECK_Z(found(&f, "djc"), "P1");
    CHECK_INT(resource_delete(f.k, &actor_system, "pump", STR("P1"), -1, &f.e), 0);
    CHECK_Z(found(&f, "电解"), "");
    CHECK_INT(resource_rollback(f.k, &f.a, &actor_system, "pump", r.id, 1, -1, &r, &f.e), 0);
    CHECK_Z(found(&f, "球磨"), "P1");
    fixture_close(&f);
}

static void sql(struct fixture *f, const char *text)
{
    struct sql_tx *tx;
    REQUIRE(sql_begin(f->db, true, &tx, &f->e) == 0);
    CHECK_INT(sql_exec(tx, &f->e, text, ""), 0);
    CHECK_INT(sql_commit(tx, &f->e), 0);
}

TEST(older_rows_get_their_text)
{
    struct fixture f;
    REQUIRE(start(&f));
    for (int i = 0; i < 1203; i++) {
        char code[16];
        snprintf(code, sizeof code, "X%04d", i);
        put(&f, code, i == 1202 ? "阳极炉" : "泵", NULL, NULL);
    }
    if (sql_dialect(f.db) == SQL_SQLITE) sql(&f, "insert into search_text(search_text) values('delete-all')");
    sql(&f, "delete from search_doc");
    sql(&f, "delete from search_state where kind = 'pump'");
    CHECK_Z(found(&f, "阳极"), "");
    CHECK_INT(kernel_search_build(f.k, &f.e), 0);
    CHECK_Z(found(&f, "阳极"), "X1202");
    CHECK_Z(found(&f, "yjl"), "X1202");
    sql(&f, "delete from search_doc where num = 1");
    CHECK_INT(kernel_search_build(f.k, &f.e), 0); /* nothing to do any more */
    CHECK_Z(found(&f, "x0000"), "");
    fixture_close(&f);
}

TEST(attacks_find_nothing_and_break_nothing)
{
    static const char *const bad[] = {
        "' or 1=1 --",
        "\" OR \"1\"=\"1",
        "*",
        "%",
        "_",
        "%%%",
        "\\",
        "\\%",
        "NEAR(a b)",
        "a AND b",
        "kind:x",
        "^a",
        "{}",
        "\"",
        "\"\"",
        "';drop table resource;--",
        "$1",
        "${a}",
        "\xff\xfe",
        "(((((",
        "NOT",
        "a*b*",
        "-",
        "--",
        "\t\n",
        "union select",
        "𠮷𠮷",
        "\xe2\x80\x8b",
        "a\x01"
        "b",
    };
    struct fixture f;
    REQUIRE(start(&f));
    put(&f, "P1", "球磨机", NULL, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (strcmp(found(&f, bad[i]), "") != 0) test_fail(__FILE__, __LINE__, "%s: %s", bad[i], found(&f, bad[i]));
    put(&f, "100%_\\", "it's \"a*b\"", NULL, NULL);
    CHECK_Z(found(&f, "%_\\"), "100%_\\");
    CHECK_Z(found(&f, "\"a*b\""), "100%_\\");
    CHECK_Z(found(&f, "t's"), "100%_\\");
    fixture_close(&f);
}

TEST(folding_and_tokens)
{
    struct fixture f;
    struct buf b;
    REQUIRE(start(&f));
    buf_init(&b, 4096);
    search_fold(&b, STR("ＡbＣ　ÄΩЖ球\t"));
    CHECK_STR(buf_view(&b), "abc äωж球 ");
    buf_clear(&b);
    search_tokens(&b, kernel_kind(f.k, STR("pump")), STR("ab1 球磨 z"));
    struct str all = buf_view(&b);
    int n = 0;
    while (all.p) {
        static const char *const want[] = {"ab1", "b1", "球", "磨", "球磨"};
        struct str t = str_cut(&all, ' ');
        CHECK_STR(str_sub(t, 3, t.n), n < 5 ? want[n] : "");
        n++;
    }
    CHECK_INT(n, 5);
    buf_fini(&b);
    fixture_close(&f);
}
