/* browse_search_test.c - the crawl over a tree that answers at once or later, and its routes. */
#include "modules/collect/collect_test.h"

#define AUTO_BUF __attribute__((cleanup(buf_fini))) struct buf

/* ---- a tree ----
 * ""        -> plant, same (again plant), 物料
 * plant     -> pump1, pump2, "" (a loop)
 * pump1     -> Speed (leaf), Deep (folder to the bad node)
 * pump2     -> Speed (leaf), back (to plant)
 * 物料       -> 矿石流量 (leaf), big
 * big       -> 1200 leaves, in pages of at most `max`
 * bad       -> an error */
struct row {
    const char *at, *node, *name, *address;
    bool children;
};
static const struct row rows[] = {
    {"", "plant", "Plant", NULL, true},
    {"", "plant", "Same", NULL, true},
    {"", "wl", "物料", NULL, true},
    {"plant", "pump1", "Pump1", NULL, true},
    {"plant", "pump2", "Pump2", NULL, true},
    {"plant", "", "Root", NULL, true},
    {"pump1", "p1s", "Speed", "a.p1s", false},
    {"pump1", "bad", "Deep", NULL, true},
    {"pump2", "p2s", "Speed", "a.p2s", false},
    {"pump2", "plant", "Back", NULL, true},
    {"wl", "ll", "矿石流量", "a.ll", false},
    {"wl", "big", "Big", "a.big", true},
};

static size_t number(const char *z)
{
    uint64_t n = 0;
    CHECK_INT(str_to_u64(str_of(z), &n), 0);
    return (size_t)n;
}

static void tell_big(const char *cursor, size_t max, driver_browse_done *done, void *arg)
{
    static char names[1200][12];
    static struct driver_browse_item items[1200];
    size_t from = cursor ? number(cursor) : 0, n = 0;
    char next[16] = "";
    for (; n < max && from + n < 1200; n++) {
        snprintf(names[n], sizeof names[n], "leaf%zu", from + n);
        items[n] = (struct driver_browse_item){.node = names[n], .name = names[n], .address = names[n]};
    }
    if (from + n < 1200) snprintf(next, sizeof next, "%zu", from + n);
    done(arg, NULL, items, n, next[0] ? next : NULL);
}

static void tree(const char *node, const char *cursor, size_t max, driver_browse_done *done, void *arg)
{
    struct driver_browse_item items[8];
    struct error e = {0};
    size_t n = 0;
    if (strcmp(node, "big") == 0) {
        tell_big(cursor, max, done, arg);
        return;
    }
    if (strcmp(node, "bad") == 0) {
        error_set(&e, ERR_DEVICE, "", "not for you", "无权访问");
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].at, node) == 0)
            items[n++] = (struct driver_browse_item){.node = rows[i].node,
                                                     .name = rows[i].name,
                                                     .description = "of the plant",
                                                     .address = rows[i].address,
                                                     .children = rows[i].children};
    done(arg, NULL, items, n, NULL);
}

/* ---- the crawl alone ---- */

struct bench {
    void (*steps[64])(void *s);
    void *args[64];
    size_t n;
    uint64_t now, tick; /* each browse takes tick */
    unsigned browses;
    bool done, gone;
    struct error error;
    int later_error;
};
static struct bench bench;

static struct driver_channel *bench_channel(void *ctx)
{
    static struct driver_channel ch;
    return bench.gone ? NULL : &ch;
}
static int bench_later(void *ctx, void (*step)(void *s), void *s)
{
    if (bench.later_error) return bench.later_error;
    bench.steps[bench.n] = step, bench.args[bench.n++] = s;
    return 0;
}
static uint64_t bench_now(void *ctx)
{
    return bench.now;
}
static void bench_done(void *ctx, const struct error *e)
{
    CHECK(!bench.done);
    bench.done = true;
    if (e) bench.error = *e;
}
static void bench_browse(struct driver_channel *ch, const struct driver_device *d, const char *node, const char *cursor,
                         size_t max, driver_browse_done *done, void *arg)
{
    bench.browses++;
    bench.now += bench.tick;
    tree(node, cursor, max, done, arg);
}
static const struct driver bench_driver = {.browse = bench_browse};

static void portion(struct browse_search *s, size_t items, size_t nodes, uint64_t ns)
{
    struct browse_run r = {&bench_driver, bench_channel, bench_later, bench_now, bench_done, NULL};
    struct browse_bounds b = {items, nodes, ns};
    bench.done = false;
    bench.n = 0;
    bench.error.code = 0;
    browse_search_run(s, &r, &b);
    for (size_t i = 0; bench.n && i < 100000; i++) {
        bench.n--;
        bench.steps[bench.n](bench.args[bench.n]);
    }
    CHECK(bench.done);
}

/* "path/name=address " of each item */
static void told(struct browse_search *s, struct buf *b, struct json **ret, struct arena *a)
{
    AUTO_BUF text;
    buf_init(&text, 1 << 20);
    struct json_writer w = json_writer(&text);
    browse_search_answer(s, "C", &w);
    REQUIRE(json_parse(a, arena_str(a, buf_view(&text)), ret, NULL) == 0);
    for
        json_each (it, json_get(*ret, "items")) {
            for
                json_each (p, json_get(it, "path")) buf_printf(b, "%.*s/", STR_ARG(p->s));
            buf_printf(b, "%.*s=%.*s ", STR_ARG(json_str(json_get(it, "name"), STR("?"))),
                       STR_ARG(json_str(json_get(it, "address"), STR("-"))));
        }
}

static void check_search(const char *text, const char *want)
{
    AUTO_ARENA a;
    AUTO_BUF b;
    struct json *j;
    arena_init(&a, 4 << 20);
    buf_init(&b, 1 << 16);
    memset(&bench, 0, sizeof bench);
    struct browse_search *s = browse_search_new(STR(""), str_of(text), NULL);
    REQUIRE(s);
    portion(s, 100, 100, 1000);
    told(s, &b, &j, &a);
    if (!str_is(buf_view(&b), want))
        test_fail(__FILE__, __LINE__, "%s: \"%.*s\", want \"%s\"", text, STR_ARG(buf_view(&b)), want);
    browse_search_free(s);
}

TEST(a_text_is_found_by_name_description_address_and_path)
{
    check_search("speed", "Plant/Pump1/Speed=a.p1s Plant/Pump2/Speed=a.p2s ");
    check_search("P2S", "Plant/Pump2/Speed=a.p2s ");
    check_search("pump2  speed", "Plant/Pump2/Speed=a.p2s ");
    check_search("矿石", "物料/矿石流量=a.ll ");
    check_search("物料", "物料=- "); /* what is below it is not meant by its name alone */
    check_search("of物料", "");
    check_search("back plant", "Plant/Pump2/Back=- ");
    check_search("leaf1199", "物料/Big/leaf1199=leaf1199 ");
}

TEST(each_node_is_looked_at_once)
{
    AUTO_ARENA a;
    AUTO_BUF b;
    struct json *j;
    arena_init(&a, 4 << 20);
    buf_init(&b, 1 << 16);
    memset(&bench, 0, sizeof bench);
    struct browse_search *s = browse_search_new(STR(""), STR("nowhere"), NULL);
    portion(s, 100, 100, 1000);
    told(s, &b, &j, &a);
    CHECK_INT(bench.browses, 9); /* root, plant, wl, pump1, pump2, big (3 pages), bad */
    CHECK_INT(json_i64(json_get(j, "looked"), 0), 7);
    CHECK_INT(json_i64(json_get(j, "failed"), 0), 1);
    CHECK(!json_bool(json_get(j, "truncated"), true));
    CHECK(json_get(j, "next")->type == JSON_NULL);
    browse_search_free(s);
}

TEST(portions_follow_one_another_without_loss)
{
    AUTO_ARENA a;
    arena_init(&a, 16 << 20);
    memset(&bench, 0, sizeof bench);
    bench.tick = 10;
    struct browse_search *s = browse_search_new(STR(""), STR("leaf"), NULL);
    size_t found = 0, rounds = 0;
    bool more = true;
    for (; more && rounds < 100; rounds++) {
        AUTO_BUF b;
        struct json *j;
        buf_init(&b, 1 << 18);
        portion(s, 70, rounds % 2 ? 1 : 100, rounds % 3 ? 1000 : 5);
        told(s, &b, &j, &a);
        found += json_count(json_get(j, "items"));
        CHECK(json_count(json_get(j, "items")) <= 70);
        more = json_get(j, "next")->type == JSON_STRING;
        CHECK(json_bool(json_get(j, "truncated"), false) == more);
    }
    CHECK_INT(found, 1200);
    CHECK(rounds > 17 && rounds < 40);
    browse_search_free(s);
}

TEST(what_breaks_ends_the_search)
{
    memset(&bench, 0, sizeof bench);
    struct browse_search *s = browse_search_new(STR("bad"), STR("x"), NULL);
    portion(s, 10, 10, 1000);
    CHECK_INT(bench.error.code, ERR_DEVICE); /* where it was to begin */
    browse_search_free(s);
    bench.gone = true;
    s = browse_search_new(STR(""), STR("x"), NULL);
    portion(s, 10, 10, 1000);
    CHECK_INT(bench.error.code, ERR_UNAVAILABLE);
    browse_search_free(s);
    bench.gone = false;
    bench.later_error = ERR_CLOSED;
    s = browse_search_new(STR(""), STR("x"), NULL);
    portion(s, 10, 10, 1000);
    CHECK_INT(bench.error.code, ERR_CLOSED);
    browse_search_free(s);
}

TEST(no_memory_is_told_or_counted)
{
    for (uint64_t n = 1; n < 60; n++) {
        AUTO_ARENA a;
        AUTO_BUF b;
        struct json *j;
        arena_init(&a, 4 << 20);
        buf_init(&b, 1 << 18);
        memset(&bench, 0, sizeof bench);
        mem_fail_at(n, false);
        struct browse_search *s = browse_search_new(STR(""), STR("e"), NULL);
        if (s) portion(s, 10000, 100, 1000);
        mem_fail_at(0, false);
        if (!s) continue;
        told(s, &b, &j, &a);
        CHECK(json_count(json_get(j, "items")) > 1190 || json_bool(json_get(j, "truncated"), false));
        browse_search_free(s);
    }
}

/* ---- the routes ---- */

TEST(a_search_is_asked_by_both_routes)
{
    struct plant_rig x;
    REQUIRE(plant_open(&x));
    fake_tree = tree;
    make(&x, "channels", "C1", "{\"driver\":\"fake\"}");
    apply(&x);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse", NULL), 200);
    CHECK_INT(json_count(json_get(x.r.json, "items")), 3);
    CHECK(json_path(x.r.json, "items.0.path") == NULL);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse?q=pump2%20speed", NULL), 200);
    CHECK_STR(rig_str(&x.r, "items.0.address"), "a.p2s");
    CHECK_STR(rig_str(&x.r, "items.0.path.1"), "Pump2");
    CHECK_INT(rig_call(&x.r, "POST", "/api/v1/channels:browse",
                       "{\"channel\":{\"driver\":\"fake\"},\"node\":\"wl\",\"q\":\"leaf7\",\"size\":50}"),
              200);
    CHECK_INT(json_count(json_get(x.r.json, "items")), 50);
    CHECK_STR(rig_str(&x.r, "items.49.path.0"), "Big");
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse?q=", NULL), 400);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse?q=a&seconds=21", NULL), 400);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse?q=a&size=0", NULL), 400);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/NONE/browse?q=a", NULL), 404);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse?q=a&node=bad", NULL), 502);
    plant_close(&x);
}

TEST(a_cursor_is_good_once_and_for_what_it_was_given)
{
    struct plant_rig x;
    char path[200], cursor[64];
    REQUIRE(plant_open(&x));
    fake_tree = tree;
    make(&x, "channels", "C1", "{\"driver\":\"fake\"}");
    apply(&x);
    CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse?q=leaf&size=1000", NULL), 200);
    str_to_cstr(rig_str(&x.r, "next"), cursor, sizeof cursor);
    CHECK_INT(strlen(cursor), 36);
    snprintf(path, sizeof path, "/api/v1/channels/C1/browse?q=lea&size=1000&cursor=%s", cursor);
    CHECK_INT(rig_call(&x.r, "GET", path, NULL), 404);
    snprintf(path, sizeof path, "/api/v1/channels/C1/browse?q=leaf&size=1000&cursor=%s", cursor);
    CHECK_INT(rig_call(&x.r, "GET", path, NULL), 200);
    CHECK_INT(json_count(json_get(x.r.json, "items")), 200);
    CHECK(json_get(x.r.json, "next")->type == JSON_NULL);
    CHECK_INT(rig_call(&x.r, "GET", path, NULL), 404);
    for (int i = 0; i < SEARCHES + 2; i++) /* more than are kept; those on the shelf go with the module */
        CHECK_INT(rig_call(&x.r, "GET", "/api/v1/channels/C1/browse?q=leaf&size=1", NULL), 200);
    str_to_cstr(rig_str(&x.r, "next"), cursor, sizeof cursor);
    sim_clock_advance(&x.r.clock, 301ll * 1000000);
    snprintf(path, sizeof path, "/api/v1/channels/C1/browse?q=leaf&size=1&cursor=%s", cursor);
    CHECK_INT(rig_call(&x.r, "GET", path, NULL), 404); /* too late */
    plant_close(&x);
}
