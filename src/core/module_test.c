/* The order in which modules come up, and that a failure undoes what was done. */
#include "core/api/api_test.h"
#include "core/module.h"
#include "core/node.h"

static char trail[256];
static const char *fails; /* "init b", "start b" … */

static int step(const char *what, const char *name)
{
    char text[32];
    snprintf(text, sizeof(text), "%s %s", what, name);
    size_t n = strlen(trail);
    snprintf(trail + n, sizeof(trail) - n, "%s;", text);
    return fails && strcmp(fails, text) == 0 ? ERR_IO : 0;
}

#define FUNCTIONS(x) \
    static int init_##x(struct node *n, void **ret, struct error *e) \
    { \
        *ret = (void *)#x; \
        return step("init", #x); \
    } \
    static int start_##x(void *ctx, struct error *e) \
    { \
        return step("start", ctx); \
    } \
    static void stop_##x(void *ctx) \
    { \
        CHECK_INT(step("stop", ctx), 0); \
    } \
    static void fini_##x(void *ctx) \
    { \
        CHECK_INT(step("fini", ctx), 0); \
    }
FUNCTIONS(a)
FUNCTIONS(b)

static int answer(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_str(&w, str_of(c->module));
    return 0;
}
static const struct api_route routes[] = {
    API_DO("GET", "/api/v1/b", "b", ACT_SELF, AUDIT_NONE, answer, .summary_en = "b", .summary_zh = "b"),
};
static const struct str kinds[] = {
    {"{\"kind\":\"bee\",\"plural\":\"bees\",\"module\":\"b\",\"title\":{\"en\":\"B\",\"zh\":\"蜂\"},\"titles\":{\"en\":"
     "\"B\",\"zh\":\"蜂\"},\"fields\":[]}",
     0},
    {NULL, 0},
};
static const struct module a = {
    .name = "a", .title_en = "A", .title_zh = "A", .init = init_a, .start = start_a, .stop = stop_a, .fini = fini_a};
static struct module b = {.name = "b",
                          .title_en = "B",
                          .title_zh = "B",
                          .routes = routes,
                          .nroutes = 1,
                          .init = init_b,
                          .start = start_b,
                          .stop = stop_b,
                          .fini = fini_b};
static const struct module *const table[] = {&a, &b};

static int up(struct rig *r, void **ctx, const char *failing)
{
    struct error e = {0};
    static struct str documents[2];
    documents[0] = str_of(kinds[0].p);
    b.kinds = documents;
    struct node node = {.kernel = r->kernel, .api = r->api};
    trail[0] = 0;
    fails = failing;
    int rc = modules_init(&node, table, 2, ctx, &e);
    if (rc) return rc;
    rc = modules_start(table, 2, ctx, &e);
    if (rc) modules_fini(table, 2, ctx);
    return rc;
}

TEST(modules_come_up_and_go_down_in_order)
{
    struct rig r;
    void *ctx[2];
    REQUIRE(rig_open(&r, NULL) == 0);
    CHECK_INT(up(&r, ctx, NULL), 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "GET", "/api/v1/b", NULL), 200);
    CHECK_STR(r.body, "\"b\"");
    CHECK_INT(rig_call(&r, "GET", "/api/v1/bees", NULL), 200);
    modules_stop(table, 2, ctx);
    modules_fini(table, 2, ctx);
    CHECK_Z(trail, "init a;init b;start a;start b;stop b;stop a;fini b;fini a;");
    rig_close(&r);
}

TEST(a_failing_module_undoes_the_others)
{
    static const struct {
        const char *fails, *trail;
    } t[] = {
        {"init a", "init a;"},
        {"init b", "init a;init b;fini a;"},
        {"start a", "init a;init b;start a;fini b;fini a;"},
        {"start b", "init a;init b;start a;start b;stop a;fini b;fini a;"},
    };
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct rig r;
        void *ctx[2];
        REQUIRE(rig_open(&r, NULL) == 0);
        CHECK_INT(up(&r, ctx, t[i].fails), ERR_IO);
        CHECK_Z(trail, t[i].trail);
        rig_close(&r);
    }
}
