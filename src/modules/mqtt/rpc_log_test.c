/* The last commands: newest first, of one device, bounded, cut between characters. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/test.h"
#include "modules/mqtt/rpc_log.h"

static struct rpc_log *l;
static int64_t now = 1700000000000000;

static void note(const char *device, const char *method, enum driver_outcome outcome, struct str reply)
{
    struct error why = {.code = ERR_DEVICE, .text = "too hot", .text_zh = "过热"};
    rpc_log_add(l, &(struct rpc_note){.device = device,
                                      .by = STR("ann"),
                                      .method = str_of(method),
                                      .params = STR("{\"in\":5}"),
                                      .reply = reply,
                                      .at_us = now += 1000,
                                      .outcome = outcome,
                                      .why = outcome == DRIVER_REFUSED ? &why : NULL,
                                      .ms = 7});
}

static struct json *told(struct arena *a, const char *device, bool zh)
{
    struct buf b;
    struct json *v = NULL;
    buf_init(&b, 4u << 20);
    struct json_writer w = json_writer(&b);
    rpc_log_write(l, device, zh, &w);
    struct str copy = arena_str(a, buf_view(&b));
    CHECK_INT(json_parse(a, copy, &v, NULL), 0);
    buf_fini(&b);
    return v;
}

static size_t count(const struct json *v)
{
    size_t n = 0;
    for
        json_each (x, v) n++;
    return n;
}

TEST(newest_first_of_one_device)
{
    AUTO_ARENA a;
    arena_init(&a, 8u << 20);
    l = rpc_log_new();
    REQUIRE(l);
    note("d1", "reboot", DRIVER_DONE, STR("{\"ok\":true}"));
    note("d2", "other", DRIVER_DONE, STR_NULL);
    note("d1", "start", DRIVER_REFUSED, STR_NULL);
    const struct json *v = told(&a, "d1", true), *first = v->child;
    REQUIRE(first);
    CHECK_INT(count(v), 2);
    CHECK_STR(json_str(json_get(first, "method"), STR("")), "start");
    CHECK_STR(json_str(json_get(first, "outcome"), STR("")), "refused");
    CHECK_STR(json_str(json_get(first, "detail"), STR("")), "过热");
    CHECK_STR(json_str(json_get(first->next, "reply"), STR("")), "{\"ok\":true}");
    CHECK_STR(json_str(json_get(first->next, "by"), STR("")), "ann");
    CHECK_STR(json_str(json_get(told(&a, "d1", false)->child, "detail"), STR("")), "too hot");
    CHECK_INT(count(told(&a, "d3", false)), 0);
    rpc_log_free(l);
}

TEST(bounded_for_each_and_for_all)
{
    AUTO_ARENA a;
    arena_init(&a, 8u << 20);
    l = rpc_log_new();
    REQUIRE(l);
    note("quiet", "once", DRIVER_DONE, STR_NULL);
    for (int i = 0; i < RPC_LOG_EACH + 10; i++) note("busy", "m", DRIVER_DONE, STR_NULL);
    CHECK_INT(count(told(&a, "busy", false)), RPC_LOG_EACH);
    CHECK_INT(count(told(&a, "quiet", false)), 1);
    for (int i = 0; i < RPC_LOG_MAX; i++) {
        char id[16];
        snprintf(id, sizeof id, "d%d", i);
        note(id, "m", DRIVER_DONE, STR_NULL);
    }
    CHECK_INT(count(told(&a, "quiet", false)), 0);
    CHECK_INT(count(told(&a, "d0", false)), 1);
    rpc_log_free(l);
}

TEST(long_texts_are_cut_between_characters)
{
    static char big[RPC_LOG_TEXT + 90];
    AUTO_ARENA a;
    arena_init(&a, 8u << 20);
    for (size_t i = 0; i + 3 <= sizeof big; i += 3) memcpy(big + i, "铜", 3);
    l = rpc_log_new();
    REQUIRE(l);
    note("d", "m", DRIVER_DONE, str_make(big, sizeof big / 3 * 3));
    const struct json *first = told(&a, "d", false)->child;
    REQUIRE(first);
    CHECK_INT(json_str(json_get(first, "reply"), STR("")).n, RPC_LOG_TEXT / 3 * 3);
    CHECK(json_bool(json_get(first, "cut"), false));
    rpc_log_free(l);
}
