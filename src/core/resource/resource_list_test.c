/* Pages of a kind with many resources, whichever way they are found: from either end, by a filter that finds little
 * or much, with and without text. */
#include "core/resource/kernel_fixture.h"

#define ROWS 6000

static const char spot_kind[] =
    "{\"kind\":\"spot\",\"plural\":\"spots\",\"title\":{\"en\":\"Spot\",\"zh\":\"点\"},\"fields\":["
    "{\"name\":\"area\",\"type\":\"string\",\"index\":true},{\"name\":\"half\",\"type\":\"string\",\"index\":true}],"
    "\"lists\":{\"columns\":[\"code\",\"name\"],\"sort\":\"code\"}}";

static bool start(struct fixture *f)
{
    struct buf csv;
    struct bulk_report report;
    if (!fixture_open(f, NULL) || kernel_kind_add(f->k, str_of(spot_kind), &f->e)) return false;
    buf_init(&csv, 4 << 20);
    buf_z(&csv, "code,name,area,half\n");
    for (int i = 0; i < ROWS; i++)
        buf_printf(&csv, "S%04d,%s %d,A%d,H%d\n", i, i % 6 ? "泵" : "炉", i, i % 1000, i % 2);
    int rc = resource_import_csv(f->k, &f->a, &actor_system, "spot", buf_view(&csv), false, false, &report, &f->e);
    buf_fini(&csv);
    return rc == 0 && report.created == ROWS;
}

static struct list_page list(struct fixture *f, struct list_query q)
{
    struct list_page p = {.n = 0};
    q.kind = "spot";
    q.count = true;
    CHECK_INT(resource_list(f->k, &f->a, &q, &p, &f->e), 0);
    return p;
}

static int number(struct fixture *f, const struct list_page *p, size_t i)
{
    int64_t n = -1;
    (void)!str_to_i64(str_sub(p->items[i].code, 1, 5), &n);
    return (int)n;
}

TEST(pages_by_number_from_either_end)
{
    static const size_t at[] = {0, 20, 2990, 3000, 3001, 5960, 5980, 5990, 5999, 6000, 9000};
    struct fixture f;
    REQUIRE(start(&f));
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct list_page p = list(&f, (struct list_query){.offset = at[i], .limit = 20});
        size_t rest = at[i] < ROWS ? ROWS - at[i] : 0;
        CHECK_INT(p.n, rest < 20 ? rest : 20);
        CHECK_INT(p.total, ROWS);
        for (size_t j = 0; j < p.n; j++) CHECK_INT(number(&f, &p, j), at[i] + j);
        CHECK(!!p.next.p == (rest > 20));
        if (!p.next.p) continue;
        struct list_page q = list(&f, (struct list_query){.after = p.next, .limit = 20});
        REQUIRE(q.n > 0);
        CHECK_INT(number(&f, &q, 0), at[i] + 20);
    }
    struct list_page p = list(&f, (struct list_query){.offset = 5990, .limit = 5, .sort = STR("-code")});
    CHECK_INT(number(&f, &p, 0), 9);
    CHECK_INT(number(&f, &p, 4), 5);
    fixture_close(&f);
}

struct seen {
    size_t n, right;
};

static int see(void *ctx, const struct brief *b)
{
    struct seen *s = ctx;
    int64_t number = -1;
    char area[16];
    (void)!str_to_i64(str_sub(b->code, 1, 5), &number);
    snprintf(area, sizeof area, "A%d", (int)number % 1000);
    s->right += str_is(b->field[0], area) && b->field[1].n == 0 && b->name.n > 0;
    return ++s->n == 5000 ? -77 : 0;
}

TEST(a_few_columns_of_many)
{
    static const char *const fields[] = {"area", "missing"};
    struct fixture f;
    struct seen s = {0};
    struct list_query q = {.kind = "spot", .filter = STR("half = 'H1'")};
    REQUIRE(start(&f));
    CHECK_INT(resource_list_brief(f.k, &q, fields, 2, see, &s, &f.e), 0);
    CHECK_INT(s.n, 3000);
    CHECK_INT(s.right, 3000);
    s = (struct seen){0};
    q.filter = STR("");
    CHECK_INT(resource_list_brief(f.k, &q, fields, 2, see, &s, &f.e), -77); /* as told */
    CHECK_INT(s.right, 5000);
    q.filter = STR("nothing = 1");
    CHECK_INT(resource_list_brief(f.k, &q, fields, 2, see, &s, &f.e), ERR_INVALID);
    fixture_close(&f);
}

TEST(filters_that_find_little_and_much)
{
    struct fixture f;
    REQUIRE(start(&f));
    struct list_page p = list(&f, (struct list_query){.filter = STR("area = 'A7'"), .limit = 4, .sort = STR("-code")});
    CHECK_INT(p.total, 6);
    REQUIRE(p.n == 4);
    CHECK_INT(number(&f, &p, 0), 5007);
    CHECK_INT(number(&f, &p, 3), 2007);
    p = list(&f, (struct list_query){.filter = STR("area = 'A7'"), .limit = 4, .sort = STR("-code"), .after = p.next});
    REQUIRE(p.n == 2);
    CHECK_INT(number(&f, &p, 0), 1007);
    p = list(&f, (struct list_query){.filter = STR("half = 'H1'"), .offset = 2990, .limit = 20});
    CHECK_INT(p.total, 3000);
    REQUIRE(p.n == 10);
    CHECK_INT(number(&f, &p, 9), 5999);
    p = list(&f, (struct list_query){.filter = STR("name ~ '炉'"), .limit = 3, .sort = STR("-updated_at")});
    CHECK_INT(p.total, 1000);
    fixture_close(&f);
}

TEST(texts_and_filters_together)
{
    struct fixture f;
    REQUIRE(start(&f));
    struct list_page p = list(&f, (struct list_query){.text = STR("泵"), .limit = 10});
    CHECK_INT(p.total, 5000);
    CHECK_INT(number(&f, &p, 0), 1);
    p = list(&f, (struct list_query){.text = STR("泵"), .filter = STR("area = 'A6'"), .limit = 10});
    CHECK_INT(p.total, 4); /* of 6, 1006, 2006 … those that no six divides */
    CHECK_INT(number(&f, &p, 0), 1006);
    p = list(&f, (struct list_query){.text = STR("泵"), .filter = STR("half = 'H0'"), .limit = 10});
    CHECK_INT(p.total, 2000);
    p = list(&f, (struct list_query){.text = STR("s0012"), .limit = 10});
    CHECK_INT(p.total, 1);
    fixture_close(&f);
}
